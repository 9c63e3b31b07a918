"""How the embedded model is made: data, codec, network, judge. Run as ``python -m studio.lalm.embedded.training``."""
