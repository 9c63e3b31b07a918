"""Making a take again from its settings, to compare it sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.lalm.base import Progress, SpeechLALM, never, no_progress
from studio.session.render import render
from studio.session.take import Take


@dataclass(frozen=True)
class Comparison:
    """How two renders of the same settings compare; ``largest`` is the largest difference of two samples."""

    samples: int
    samples_again: int
    largest: float

    @property
    def identical(self) -> bool:
        """Whether they are the same bit for bit."""
        return self.samples == self.samples_again and self.largest == 0.0

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        if self.identical:
            return f"the same in all {self.samples} samples"
        if self.samples != self.samples_again:
            return f"{self.samples_again} samples instead of {self.samples}"
        return f"not the same: samples differ by up to {self.largest:.2g} of full scale"


def compare(first: Clip, second: Clip) -> Comparison:
    """Compare two clips of one rate sample by sample."""
    shared = min(len(first.samples), len(second.samples))
    gap = np.abs(first.samples[:shared].astype(np.float64) - second.samples[:shared])
    return Comparison(len(first.samples), len(second.samples), float(gap.max(initial=0.0)))


def render_again(
    model: SpeechLALM,
    take: Take,
    mask: EsnMask | None,
    vectors: EmoVectors | None = None,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> Comparison:
    """Render ``take`` once more from its source and settings and compare.

    On the device it was made on, the same bits come back. Raises StudioError when ``model``, ``mask`` or ``vectors``
    are not those the take was made with, Cancelled when asked to stop.
    """
    info, settings = model.info, take.settings
    if (settings.model_id, take.revision, take.config_digest) != (info.model_id, info.revision, info.config_digest):
        raise StudioError(
            f"This take was made with {settings.model_id or 'another model'}, revision {take.revision or 'unknown'}; "
            f"loaded is {info.model_id}, revision {info.revision}, so it cannot be rendered again."
        )
    if settings.mask_sha is not None and (mask is None or mask.fingerprint() != settings.mask_sha):
        raise StudioError(
            f"The mask this take was made with ({settings.mask_path or settings.mask_sha[:8]}) is not there as it was; "
            "open it to render the take again."
        )
    if settings.emosteer_sha is not None and (vectors is None or vectors.fingerprint() != settings.emosteer_sha):
        raise StudioError(
            f"The learned vectors this take was made with ({settings.emosteer_path or settings.emosteer_sha[:8]}) are "
            "not there as they were; open them to render the take again."
        )
    again = render(
        model,
        take.source,
        [settings],
        mask=mask if settings.steers_neurons else None,
        vectors=vectors,
        reference=take.reference,
        progress=progress,
        cancelled=cancelled,
    )[0]
    return compare(take.audio, again.audio)
