"""What the embedded model learns vectors from: renderings of neutral lines at full strength.

Its training follows instructions only in part, by construction; the vectors are taught the rest. Recordings of emotions
are not used: its speech tokens are changes of the source, and no recording says where in the source it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.lalm.base import ModelInfo
from studio.lalm.embedded import text, vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.lalm import EmbeddedLALM
from studio.lalm.embedded.network import EMOSTEER_SITE, Network, encoder_lengths
from studio.lalm.embedded.training.corpus import Line, analyse
from studio.lalm.embedded.training.renderings import coded_at, render
from studio.lalm.embedded.training.train_network import Batch, losses, smoothing_matrices, source_features
from studio.lalm.embedded.weights import FILE, unpack
from studio.lalm.steerable import Lesson, Site, linear_site


class EmbeddedTeacher:
    """The embedded model as a :class:`studio.lalm.steerable.Steerable`; lines are analysed once and kept."""

    needs_recordings = False
    at_once = None

    def __init__(self, network: Network, codec: Codec, info: ModelInfo) -> None:
        self._network = network.eval().requires_grad_(False)
        self._codec = codec.eval().float()
        self._info = info
        self._smoothing = smoothing_matrices()
        self._lines: dict[Path, Line] = {}

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        return self._info

    @property
    def site(self) -> Site:
        """The projection that prosody is read through: sounds and words do not pass it, so vectors spare them."""
        return linear_site(self._network, EMOSTEER_SITE)

    def loss(self, lessons: Sequence[Lesson], seed: int) -> Tensor:
        """See :meth:`studio.lalm.steerable.Steerable.loss`: the training loss on full-strength renderings."""
        rng = np.random.default_rng(seed)
        lines = [self._line(lesson) for lesson in lessons]
        emotions = [lesson.emotion for lesson in lessons]
        rendered = [render(line, emotion, 1.0, rng) for line, emotion in zip(lines, emotions, strict=True)]
        coded = [
            torch.from_numpy(coded_at(line.coded, frames)) for line, (_, frames) in zip(lines, rendered, strict=True)
        ]
        with torch.no_grad():
            spectrum = self._codec.encode(nn.utils.rnn.pad_sequence(coded, batch_first=True))
        codes = [
            torch.cat([torch.from_numpy(prosody), spectrum[row, : len(prosody)]], 1)
            for row, (prosody, _) in enumerate(rendered)
        ]
        inputs = [torch.from_numpy(source_features(line, line.mel)) for line in lines]
        lengths = torch.tensor([encoder_lengths(len(item)) for item in inputs])
        padded = nn.utils.rnn.pad_sequence(
            [item[: int(size) * 4] for item, size in zip(inputs, lengths, strict=True)], True
        )
        batch = Batch(padded, lengths, lines, list(range(len(lines))), emotions, codes)
        return losses(self._network, batch, self._smoothing, corrupt=False)[0]

    def _line(self, lesson: Lesson) -> Line:
        if lesson.source not in self._lines:
            words = " ".join("".join(c for c in lesson.text.lower() if c.isalpha() or c == " ").split())
            try:
                text.encode(words)
            except KeyError as unknown:
                raise StudioError(
                    f"The embedded model cannot learn from '{lesson.source.name}': its vocabulary of "
                    f"{len(text.WORDS)} words lacks {unknown}; use the demo corpus."
                ) from None
            signal, _ = vocoder.normalise(load_clip(lesson.source).at_rate(vocoder.RATE).samples)
            nowhere = np.zeros((0, 2), np.int32)
            self._lines[lesson.source] = Line("", 0, words, **analyse(signal), words=nowhere)
        return self._lines[lesson.source]


def load(weights: Path) -> EmbeddedTeacher:
    """The teacher on the weights in a folder; raises StudioError when they cannot be read."""
    network, codec, revision = unpack(weights / FILE)
    model = EmbeddedLALM(network, codec, revision)
    model.close()  # its hooks came on only to say what it is
    return EmbeddedTeacher(network, codec, model.info)
