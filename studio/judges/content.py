"""Did the words survive? Word error rate and word alignment after whisper normalisation (METHOD.md, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import jiwer


class EditKind(StrEnum):
    """What happened to one word between reference and hypothesis."""

    EQUAL = "equal"
    INSERT = "insert"
    DELETE = "delete"
    SUBSTITUTE = "substitute"


@dataclass(frozen=True)
class WordEdit:
    """One step of an alignment; ``reference`` is empty for an inserted word, ``hypothesis`` for a deleted one."""

    kind: EditKind
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class WordErrors:
    """Errors (substituted, deleted and inserted words) against the number of reference words."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors per reference word; against an empty reference each inserted word counts as one whole error."""
        return self.errors / max(1, self.words)

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(self.errors + other.errors, self.words + other.words)


def normalise(text: str) -> str:
    """``text`` as WER compares it: lower case, no punctuation, contractions and numbers spelt one way."""
    return " ".join(_normaliser()(text).split())


def align_words(reference: str, hypothesis: str) -> list[WordEdit]:
    """The shortest way from the reference's words to the hypothesis's, both normalised, in order."""
    expected, said = normalise(reference).split(), normalise(hypothesis).split()
    if not expected:
        return [WordEdit(EditKind.INSERT, "", word) for word in said]
    if not said:
        return [WordEdit(EditKind.DELETE, word, "") for word in expected]
    edits: list[WordEdit] = []
    for chunk in jiwer.process_words(" ".join(expected), " ".join(said)).alignments[0]:
        before = expected[chunk.ref_start_idx : chunk.ref_end_idx]
        after = said[chunk.hyp_start_idx : chunk.hyp_end_idx]
        kind = EditKind(chunk.type)
        if kind is EditKind.INSERT:
            edits += [WordEdit(kind, "", word) for word in after]
        elif kind is EditKind.DELETE:
            edits += [WordEdit(kind, word, "") for word in before]
        else:
            edits += [WordEdit(kind, old, new) for old, new in zip(before, after, strict=True)]
    return edits


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors in ``hypothesis``; sums of these give the error rate of a whole set."""
    edits = align_words(reference, hypothesis)
    return WordErrors(
        errors=sum(edit.kind is not EditKind.EQUAL for edit in edits),
        words=sum(edit.kind is not EditKind.INSERT for edit in edits),
    )


def word_error_rate(reference: str, hypothesis: str) -> float:
    """WER of ``hypothesis``, 0 for the same words, above 1 when more words are wrong than were to be said."""
    return word_errors(reference, hypothesis).rate


@cache
def _normaliser() -> Callable[[str], str]:
    # Imported on first use: its tables take a quarter of a second, which a start without text would pay in vain.
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Callable[[str], str] = EnglishTextNormalizer()
    return normaliser
