"""ESN Studio: steer the emotion of speech from inside an audio language model."""

__version__ = "0.1.0"
