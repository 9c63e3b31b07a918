"""Words as the lanes show them: aligned with the transcript, with rates and flags in short form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.gui.formats import percent

if TYPE_CHECKING:
    from studio.lalm.base import ModelInfo
    from studio.session.take import Take

HIGHEST_WER = 0.15
"""Above this a conversion does not count as a success (METHOD.md, section 2)."""


@dataclass(frozen=True)
class Word:
    """A word to show; ``kind`` is ``equal``, ``substitute`` (for ``expected``), ``insert`` or ``delete``."""

    text: str
    kind: str = "equal"
    expected: str = ""


def transcript_words(reference: str | None) -> tuple[Word, ...]:
    """A transcript's words, none of them wrong."""
    return tuple(Word(word) for word in (reference or "").split())


def no_curve(model: ModelInfo, module: str) -> str | None:
    """Why the gates of a module follow no intensity curve; None where they do."""
    if module in model.curves:
        return None
    if not model.curves:
        return f"{model.title} follows no intensity curve"
    return f"{model.title} follows no intensity curve in its {module} module; steer its {' or '.join(model.curves)}"


def words_of(take: Take) -> tuple[Word, ...]:
    """What a take says, each word marked against the transcript; unmarked where there is none.

    Under content lock the words are the recording's own, whatever the model emitted.
    """
    if take.settings.content == "lock":
        return transcript_words(take.reference)
    if not take.reference:
        return transcript_words(take.text)
    from studio.judges.content import align_words

    words = []
    for edit in align_words(take.reference, take.text):
        said, expected = edit.hypothesis or "", edit.reference or ""
        words.append(Word(said or expected, str(edit.kind), expected))
    return tuple(words)


def take_wer(take: Take) -> tuple[str, bool]:
    """Word error rates in short form, and whether one is above what counts as a success."""
    known = _rates(take)
    text = "  ".join(f"{name} {percent(rate)}" for name, rate in known)
    return text, any(rate > HIGHEST_WER for _, rate in known)


def wrong_wer(take: Take) -> str:
    """The word error rate above what counts as a success, the worse of two; empty where there is none."""
    name, rate = max(_rates(take), key=lambda each: each[1], default=("", 0.0))
    return f"{name} {percent(rate)}" if rate > HIGHEST_WER else ""


def _rates(take: Take) -> list[tuple[str, float]]:
    """The word error rates that are known: of what the model wrote, and of what a recogniser heard."""
    rates = [("WER", take.wer), ("heard", take.heard_wer)]
    return [(name, rate) for name, rate in rates if rate is not None]


def counted_against(take: Take, reference: str | None) -> bool:
    """Whether a take's words were counted against this transcript, or are themselves where the transcript is from."""
    return take.reference == reference or (take.reference is None and " ".join(take.text.split()) == reference)


def take_measures(take: Take) -> str:
    """What was measured of a take beside its words, in one line: length, naturalness, likeness of the voice."""
    parts = [f"{take.audio.seconds:.1f}\N{NO-BREAK SPACE}s"]
    if take.naturalness is not None:
        parts.append(f"nat.\N{NO-BREAK SPACE}{take.naturalness:.1f}")
    if take.similarity is not None:
        parts.append(f"voice\N{NO-BREAK SPACE}{take.similarity:.2f}")
    return "  ".join(parts)


def take_flags(take: Take) -> str:
    """A take's flags in short form."""
    return ", ".join(str(flag) for flag in take.flags)


def flags_help(take: Take) -> str:
    """A take's flags in sentences."""
    return "\n".join(flag.sentence for flag in take.flags)


def wordless(take: Take) -> str:
    """What stands in place of a take's words where there are none."""
    if take.settings.content == "lock":
        return "The recording's own words (content lock); type the transcript on the left to see them."
    return "The model emitted no words."
