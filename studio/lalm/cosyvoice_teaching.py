"""What CosyVoice-300M-Instruct learns vectors from: recordings of the emotions (EmoShift, arXiv 2601.22873, section 3).

The frozen language model is given instruction and transcript, and is to write the speech tokens of a recording of that
line in that emotion; W_e, before the projection onto speech tokens, is what learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from studio.errors import StudioError
from studio.lalm.base import ModelInfo
from studio.lalm.cosyvoice import TITLE, CosyVoiceLALM, Reader
from studio.lalm.steerable import Lesson, Site


@dataclass(frozen=True, eq=False)
class Row:
    """One line: ``text`` int [T], instruction included; ``speech`` int [S]; ``voice`` float [1, 192]."""

    text: Tensor
    speech: Tensor
    voice: Tensor


class CosyVoiceTeacher:
    """CosyVoice as a :class:`studio.lalm.steerable.Steerable`; recordings are turned into tokens once and kept."""

    needs_recordings = True
    at_once = None

    def __init__(self, reader: Reader, info: ModelInfo) -> None:
        self._reader = reader
        self._llm: Any = reader.llm.eval().requires_grad_(False)
        self._info = info
        self._voices: dict[Path, Tensor] = {}
        self._speech: dict[Path, Tensor] = {}

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        return self._info

    @property
    def site(self) -> Site:
        """The projection onto speech tokens."""
        return self._reader.site

    def loss(self, lessons: Sequence[Lesson], seed: int) -> Tensor:
        """See :meth:`studio.lalm.steerable.Steerable.loss`: cross-entropy per speech token, the end's included.

        Nothing is drawn, so ``seed`` changes nothing.
        """
        return self.teacher_forced([self._row(lesson) for lesson in lessons])

    def teacher_forced(self, rows: Sequence[Row]) -> Tensor:
        """Mean cross-entropy of the rows' speech tokens, each given those before it."""
        llm = self._llm
        sizes = torch.tensor([len(row.text) for row in rows], dtype=torch.int32, device=rows[0].text.device)
        texts, kept = llm.encode(llm.text_embedding(pad_sequence([row.text for row in rows], batch_first=True)), sizes)
        start, turn = llm.llm_embedding.weight[[llm.sos]], llm.llm_embedding.weight[[llm.task_id]]
        sequences = []
        for row, text, size in zip(rows, texts, kept, strict=True):
            voice = llm.spk_embed_affine_layer(functional.normalize(row.voice, dim=1))
            before = [start, voice] if self._reader.speaker_in_prompt else [start]
            sequences.append(torch.cat([*before, text[: int(size)], turn, llm.speech_embedding(row.speech)]))
        ends = [len(sequence) for sequence in sequences]
        lengths = torch.tensor(ends, dtype=torch.int32, device=texts.device)
        logits = llm.llm_decoder(llm.llm(pad_sequence(sequences, batch_first=True), lengths)[0])
        written = torch.cat(
            [logits[at, end - len(row.speech) - 1 : end] for at, (row, end) in enumerate(zip(rows, ends, strict=True))]
        )
        wanted = torch.cat([functional.pad(row.speech, (0, 1), value=llm.eos_token) for row in rows])
        return functional.cross_entropy(written.float(), wanted.long())

    def _row(self, lesson: Lesson) -> Row:
        if lesson.target is None:
            raise StudioError(f"'{lesson.source.name}' has no recording in {lesson.emotion} to learn from.")
        if lesson.source not in self._voices:
            self._voices[lesson.source] = self._reader.voice(lesson.source)
        if lesson.target not in self._speech:
            self._speech[lesson.target] = self._tokens(lesson.target)
        said = torch.cat([self._reader.instruction(lesson.emotion), self._reader.words(lesson.text)], 1)
        return Row(said[0], self._speech[lesson.target], self._voices[lesson.source])

    def _tokens(self, recording: Path) -> Tensor:
        try:
            tokens: Tensor = self._reader.cosy.frontend._extract_speech_token(str(recording))[0]
        except AssertionError as problem:  # how its code says what it does not take
            raise StudioError(f"{TITLE} cannot learn from '{recording.name}': {problem}.") from problem
        if not tokens.numel():
            raise StudioError(f"{TITLE} cannot learn from '{recording.name}': it holds no speech.")
        return tokens[0]


def teach(model: CosyVoiceLALM) -> CosyVoiceTeacher:
    """The teacher on a loaded model, which is closed: its weights are frozen and shared."""
    model.close()  # its hooks came on only to say what it is
    return CosyVoiceTeacher(model.reader, model.info)
