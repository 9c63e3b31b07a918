"""A take: one rendered conversion with everything needed to judge it, describe it and make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from studio.audio.clip import Clip
from studio.judges.base import verdict
from studio.session.settings import RenderSettings


class Flag(StrEnum):
    """What a listener should know about a take before hearing it."""

    SILENT = "silent"
    CLIPPED = "clipped"
    TRUNCATED = "truncated"
    DRIFT = "drift"
    SLURRED = "slurred"
    DISAGREES = "disagrees"
    VOICE = "other voice"

    @property
    def sentence(self) -> str:
        """The flag in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Flag.SILENT: "Next to nothing is heard.",
    Flag.CLIPPED: "The peaks are cut off at full scale.",
    Flag.TRUNCATED: "The model reached its length limit before it finished.",
    Flag.DRIFT: "The model wrote other words than the source says.",
    Flag.SLURRED: "A speech recogniser hears other words than the source says.",
    Flag.DISAGREES: "The judge hears another emotion than the target.",
    Flag.VOICE: "The voice is not like the source's: speaker similarity is below the limit.",
}


@dataclass(frozen=True, eq=False)
class Take:
    """One result of a render.

    ``text`` is what the model emitted and ``wer`` its word error rate against ``reference``: None without one, and
    under content lock, where the words are the recording's. ``heard_wer`` is the same for what a recogniser heard in
    the audio. ``judged`` holds the judge's probabilities of the five emotions, empty without a verdict. ``created`` is
    UTC in ISO 8601, ``seconds`` the wall time of the batch the take came in. ``revision`` and ``config_digest`` name
    the exact model. ``name``, ``note`` and ``stars`` (0 to 5) are the listener's; ``naturalness`` (mean opinion score,
    1 to 5) and ``similarity`` (to the source's voice, 0 to 1) come later than the rest, None until then.
    """

    id: str
    source: Clip
    source_name: str
    reference: str | None
    settings: RenderSettings
    revision: str
    config_digest: str
    text: str
    audio: Clip
    wer: float | None
    heard_wer: float | None
    judged: Mapping[str, float]
    judge: str
    flags: tuple[Flag, ...]
    created: str
    seconds: float
    note: str = ""
    stars: int = 0
    name: str = ""
    naturalness: float | None = None
    similarity: float | None = None

    @property
    def verdict(self) -> str | None:
        """The emotion the judge finds most probable, None without a judge."""
        return verdict(self.judged) if self.judged else None

    def describe(self) -> dict[str, Any]:
        """Everything but the samples, as plain JSON values."""
        return {
            "id": self.id,
            "created": self.created,
            "source": {
                "name": self.source_name,
                "sha256": self.source.fingerprint(),
                "rate": self.source.rate,
                "seconds": round(self.source.seconds, 3),
                "transcript": self.reference,
            },
            "model": {"id": self.settings.model_id, "revision": self.revision, "config_digest": self.config_digest},
            "mask": {"path": self.settings.mask_path, "fingerprint": self.settings.mask_sha},
            "emosteer": {"path": self.settings.emosteer_path, "fingerprint": self.settings.emosteer_sha},
            "settings": self.settings.to_json(),
            "seed": self.settings.seed,
            "text": self.text,
            "wer": self.wer,
            "heard_wer": self.heard_wer,
            "judge": self.judge or None,
            "judged": dict(self.judged),
            "verdict": self.verdict,
            "flags": [str(flag) for flag in self.flags],
            "naturalness": self.naturalness,
            "speaker_similarity": self.similarity,
            "render_seconds": round(self.seconds, 3),
            "name": self.name,
            "note": self.note,
            "stars": self.stars,
        }
