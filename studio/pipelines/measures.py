"""Numbers on conversions beside the judge's: what can be heard in them, how natural they are, whose voice it is."""

from __future__ import annotations

from collections.abc import Mapping

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.pipelines.evaluate import Measure


def load_measure(name: str) -> Measure:
    """The measure called ``name``: acoustics, naturalness, utmos, speaker or speaker-wavlm.

    Raises StudioError when there is none of that name, or its (optional) package or its weights are missing.
    """
    if name == "acoustics":
        return acoustics
    if name == "naturalness":
        from studio.judges import naturalness as rating

        rating.load()
        return lambda audio, source: {"naturalness": rating.naturalness(audio)}
    if name == "speaker":
        from studio.judges import speaker

        speaker.load()
        return lambda audio, source: {"speaker": speaker.similarity(audio, source)}
    if name == "utmos":
        from studio.judges import utmos

        utmos.load()
        return lambda audio, source: {"utmos": utmos.utmos(audio)}
    if name == "speaker-wavlm":
        from studio.judges import wavlm
        from studio.judges.optional import require_weights

        model = wavlm.load(require_weights(wavlm.MODEL, "Comparing speakers by WavLM"))
        return lambda audio, source: {"speaker-wavlm": model.similarity(audio, source)}
    raise StudioError(f"There is no measure '{name}'; choose acoustics, naturalness, utmos, speaker or speaker-wavlm.")


def acoustics(audio: Clip, source: Clip) -> Mapping[str, float]:
    """How a conversion differs from its source.

    ``pitch``: median, in semitones; ``range``: 10th to 90th percentile of pitch, in semitones; ``rate``: speed of
    speech as a ratio; ``energy``: mean level while speaking, in dB. Raises StudioError when one holds no voice.
    """
    from studio.judges.acoustics import measure

    after, before = measure(audio), measure(source)
    return {
        "pitch": after.pitch_median - before.pitch_median,
        "range": (after.pitch_high - after.pitch_low) - (before.pitch_high - before.pitch_low),
        "rate": 2 ** (before.duration - after.duration),
        "energy": after.level - before.level,
    }
