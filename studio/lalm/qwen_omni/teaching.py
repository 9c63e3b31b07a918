"""What Qwen2.5-Omni learns vectors from: speech of its own that a judge heard as the emotion.

The checkpoint turns codec ids into sound and no sound into codec ids, so recordings of emotions cannot be written as
targets. Codec ids that it spoke itself can. The frozen talker is given what it is given when it converts to that
emotion, instruction included: there the vectors will act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.lalm.base import ModelInfo, SpeechLALM
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.talking import talker_prompt
from studio.lalm.qwen_omni.thinking import Reply, reply_stream
from studio.lalm.steerable import QWEN_TALKER_INPUT, Lesson, Site


class QwenOmniTeacher:
    """A loaded Qwen2.5-Omni as a :class:`studio.lalm.steerable.SelfTaught`; ``read`` gives a recording.

    What the thinker says of a recording is found once per emotion and kept on the CPU: about 1.3 MB for 4 s of the 7B
    in bf16. Gradients pass the talker alone, for one lesson at a time (see docs/emosteer.md for what that takes).
    """

    needs_recordings = False
    at_once = 1

    def __init__(self, model: QwenOmniLALM, read: Callable[[Path], Clip]) -> None:
        self.model = model
        self._read = read
        self._replies: dict[tuple[Path, str], Reply] = {}
        model.parts.talker.requires_grad_(False)

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        return self.model.info

    @property
    def site(self) -> Site:
        """The projection of all that the talker is given of the thinker."""
        projection = self.model.parts.talker.thinker_to_talker_proj
        return Site(QWEN_TALKER_INPUT, projection, int(projection.in_features))

    def words(self, source: Path, emotion: str) -> str:
        """See :meth:`studio.lalm.steerable.SelfTaught.words`."""
        return self.model.prompter.text(self._reply(source, emotion).ids)

    def loss(self, lessons: Sequence[Lesson], seed: int) -> Tensor:
        """See :meth:`studio.lalm.steerable.Steerable.loss`: the mean over lessons of the cross-entropy per codec id.

        The id that ends is one of them, unless the speech was cut off. Nothing is drawn, so ``seed`` changes nothing.
        """
        return torch.stack([self._loss(lesson) for lesson in lessons]).mean()

    def _loss(self, lesson: Lesson) -> Tensor:
        spoken = lesson.spoken
        if spoken is None or not spoken.codes:
            raise StudioError(
                f"{self.info.title} has not said '{lesson.source.name}' in {lesson.emotion}: nothing to learn."
            )
        reply = self._reply(lesson.source, lesson.emotion)
        if self.model.prompter.text(reply.ids) != spoken.words:
            raise StudioError(
                f"{self.info.title} says other words for '{lesson.source.name}' in {lesson.emotion} than the speech it "
                "is to learn from."
            )
        parts, codes = self.model.parts, torch.tensor(spoken.codes, device=self.model.parts.device)
        end = torch.tensor([int(parts.talker.codec_eos_token)], device=codes.device)
        wanted = torch.cat([codes, end]) if spoken.ended else codes
        with torch.no_grad():
            reply = _moved(reply, codes.device)
            prompt = talker_prompt(parts, reply, self.model.speaker)
            stream = reply_stream(parts, [reply])[0]
            # Beside each id that is read back, as in talking: the next word, and padding after the last.
            beside = torch.arange(len(wanted) - 1, device=codes.device).clamp_max(len(stream) - 1)
            given = torch.cat([prompt, parts.embed_codes(codes[: len(beside)]) + stream[beside]])
        inputs = parts.talker.thinker_to_talker_proj(given.unsqueeze(0))
        states = parts.speech(inputs_embeds=inputs, use_cache=False).last_hidden_state[0, len(prompt) - 1 :]
        return functional.cross_entropy(parts.codec_head(states).float(), wanted)

    def _reply(self, source: Path, emotion: str) -> Reply:
        if (source, emotion) not in self._replies:
            # Copies, as gradients cannot pass what was made in inference mode.
            self._replies[source, emotion] = _moved(self.model.reply(self._read(source), emotion), torch.device("cpu"))
        return self._replies[source, emotion]


def _moved(reply: Reply, device: torch.device) -> Reply:
    spoken = [word.to(device, copy=True) for word in reply.spoken]
    return replace(reply, heard=reply.heard.to(device, copy=True), spoken=spoken)


def teach(model: SpeechLALM, read: Callable[[Path], Clip]) -> QwenOmniTeacher:
    """The teacher on a loaded Qwen2.5-Omni, whose weights are frozen from then on."""
    if not isinstance(model, QwenOmniLALM):
        raise TypeError(f"{type(model).__name__} is no Qwen2.5-Omni.")
    return QwenOmniTeacher(model, read)
