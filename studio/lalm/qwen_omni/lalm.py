"""Qwen2.5-Omni behind the :class:`studio.lalm.base.SpeechLALM` protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import numpy as np
import torch

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.emosteer_hook import EmoSteer
from studio.esn.statistics import GateStatistics
from studio.esn.taps import GateTaps
from studio.lalm.base import (
    LANGUAGE,
    SYNTHESIS,
    AudioSink,
    Conversion,
    ConversionRequest,
    CurveUnit,
    ModelInfo,
    Progress,
    never,
    no_progress,
)
from studio.lalm.instruction import instruction
from studio.lalm.pace import Pace, levelled, require_words
from studio.lalm.qwen_omni import sound
from studio.lalm.qwen_omni.parts import Parts, Speaker, gates, widths
from studio.lalm.qwen_omni.prompt import Prompt, Prompter
from studio.lalm.qwen_omni.sound import SoundStream
from studio.lalm.qwen_omni.stack import Stack
from studio.lalm.qwen_omni.talking import CODES_PER_SECOND, Speech, talk
from studio.lalm.qwen_omni.thinking import Reply, think
from studio.lalm.sources import require_speech
from studio.lalm.steerable import QWEN_TALKER_INPUT

MAX_SECONDS = 30.0

_SILENT_SECONDS = 0.1
"""How long a reply without a word is silent."""

_WORDS = (16, 10)
"""Tokens a reply may have, at least and per second of the source: fast speech has six a second."""

_CODES = (100, 3 * CODES_PER_SECOND)
"""Codec ids it may have: two seconds, and three times the source."""

_THINKING = 0.1
"""Share of the work that is done when the words are written."""


class QwenOmniLALM:
    """A loaded Qwen2.5-Omni with taps on thinker and talker. Not for several threads at once.

    Words are always written greedily; a seed makes the voice vary. Learned vectors shift all that the talker is given
    of the thinker (``QWEN_TALKER_INPUT``), beside neurons of either module or alone. ``parts`` is the model itself,
    ``speaker`` its voice.
    """

    def __init__(
        self,
        parts: Parts,
        prompter: Prompter,
        *,
        model_id: str,
        revision: str,
        title: str,
        speaker: str | None = None,
        compiled: bool = False,
        backend: str = "inductor",
    ) -> None:
        self.parts = parts
        self.prompter = prompter
        self.speaker = _speaker(parts, speaker)
        layers = {LANGUAGE: parts.thinker, SYNTHESIS: parts.speech}
        # Before anything is compiled: a graph does not see hooks that come later.
        self._taps = {
            module: GateTaps(gates(stack), widths(stack), device=parts.device, dtype=parts.dtype)
            for module, stack in layers.items()
        }
        talker_input = parts.talker.thinker_to_talker_proj
        width = int(talker_input.in_features)
        self._emosteer = EmoSteer(talker_input, width, device=parts.device, dtype=parts.dtype)
        try:
            for taps in self._taps.values():
                taps.install()
            self._emosteer.install()
        except BaseException:
            self.close()
            raise
        self.stacks = {module: Stack(each, compiled=compiled, backend=backend) for module, each in layers.items()}
        self._info = ModelInfo(
            model_id=model_id,
            revision=revision,
            config_digest=_digest(parts.config),
            title=title,
            gates={module: widths(stack) for module, stack in layers.items()},
            rate=sound.RATE,
            max_seconds=MAX_SECONDS,
            streams=True,
            batches=True,
            curves={LANGUAGE: CurveUnit.WORDS},
            emosteer_sites={QWEN_TALKER_INPUT: width},
        )

    @property
    def info(self) -> ModelInfo:
        """What this model is and can do."""
        return self._info

    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        """See :meth:`studio.lalm.base.SpeechLALM.convert`.

        An intensity curve is followed word by word where the transcript is known, and only by the thinker: codec ids do
        not say which word they belong to. Vectors act on what is spoken whatever ``module`` is.
        """
        if not requests:
            return []
        if module not in self._taps:
            raise StudioError(f"{self._info.title} has no '{module}' gates; choose {' or '.join(self._taps)}.")
        requests = [levelled(request) for request in requests]
        prompts = [self._prompt(request, module) for request in requests]
        seconds = [request.source.seconds for request in requests]
        steering = [request.steering for request in requests]
        tapped = self._taps[module]
        statistics: list[GateStatistics] | None = None

        def after_word(replies: list[Reply]) -> None:
            progress(_THINKING * min(1.0, max(len(reply.ids) for reply in replies) / max(words)))

        words = [_words_limit(length) for length in seconds]
        thinking = tapped if module == LANGUAGE else None
        with _given_up(thinking):
            if thinking is not None:
                thinking.begin(steering, record=record)
            replies, passes = think(
                self.parts, self.stacks[LANGUAGE], thinking, prompts, words, self.prompter.stops(), cancelled,
                after_word, Pace(requests, self.prompter.text),
            )  # fmt: skip
            if thinking is not None:
                statistics = thinking.end(passes)

        voices = [SoundStream(self.parts, self.speaker, request.seed, cancelled) for request in requests]
        sounds: list[list[np.ndarray]] = [[] for _ in requests]

        def hand_out(rows: list[Speech]) -> None:
            for index, row in enumerate(rows):
                samples = voices[index].advance(row.codes, row.done)
                if len(samples):
                    sounds[index].append(samples)
                    if on_audio is not None:
                        on_audio(index, samples)

        def after_code(rows: list[Speech]) -> None:
            ahead = max(seconds) * CODES_PER_SECOND
            spoken = max(len(row.codes) for row in rows)
            progress(_THINKING + (1 - _THINKING) * min(0.99, spoken / ahead))
            if on_audio is not None:
                hand_out(rows)

        codes = [_CODES[0] + math.ceil(_CODES[1] * length) for length in seconds]
        talking = tapped if module == SYNTHESIS else None
        with _given_up(talking, self._emosteer):
            if talking is not None:
                talking.begin(steering, record=record)
            self._emosteer.begin([request.emosteer for request in requests])
            speech, passes = talk(
                self.parts, self.stacks[SYNTHESIS], talking, replies, self.speaker,
                [request.seed for request in requests], codes, cancelled, after_code,
            )  # fmt: skip
            self._emosteer.end(passes)
            if talking is not None:
                statistics = talking.end(passes)
        hand_out(speech)
        for index, parts in enumerate(sounds):
            if not parts:
                # Nothing was said: the text is empty, and so the sound is a moment of silence, not a missing file.
                parts.append(np.zeros(int(_SILENT_SECONDS * sound.RATE), np.float32))
                if on_audio is not None:
                    on_audio(index, parts[0])
        progress(1.0)
        return [
            Conversion(
                text=self.prompter.text(replies[index].ids),
                audio=Clip(np.concatenate(sounds[index]), sound.RATE, request.source.name),
                speech_tokens=np.array(speech[index].codes, np.int64).reshape(-1, 1),
                truncated=replies[index].truncated or speech[index].truncated,
                statistics=None if statistics is None else statistics[index],
            )
            for index, request in enumerate(requests)
        ]

    def reply(self, source: Clip, target: str) -> Reply:
        """What a row alone and unsteered writes, and the states its talker is given. Raises as ``convert`` does."""
        prompt = self._prompt(ConversionRequest(source, target), LANGUAGE)
        replies, _ = think(
            self.parts, self.stacks[LANGUAGE], None, [prompt], [_words_limit(source.seconds)], self.prompter.stops(),
            never, lambda replies: None,
        )  # fmt: skip
        return replies[0]

    def close(self) -> None:
        """Take the taps off and let go of the weights; the object is unusable afterwards. May be called again."""
        for taps in self._taps.values():
            taps.remove()
        self._emosteer.remove()
        parts = vars(self).pop("parts", None)
        vars(self).pop("stacks", None)
        if parts is not None and parts.device.type == "cuda":
            del parts
            torch.cuda.empty_cache()

    def _prompt(self, request: ConversionRequest, module: str) -> Prompt:
        source, name, title = request.source, request.source.name or "The source", self._info.title
        if request.target not in EMOTIONS:
            raise StudioError(f"'{request.target}' is not one of {', '.join(EMOTIONS)}.")
        if request.content not in self._info.content_modes:
            raise StudioError(f"{title} speaks in its own voice and cannot lock the content; choose free.")
        if source.seconds > MAX_SECONDS:
            raise StudioError(
                f"'{name}' is {source.seconds:.1f} s long, but {title} takes up to {MAX_SECONDS:.0f} s; trim it."
            )
        require_speech(source)
        steering, emosteer = request.steering, request.emosteer
        if steering is not None:
            if steering.automation is not None and not steering.is_identity:
                self._require_words(request, module)
            steering.mask.check_fits(self._info.model_id, module, self._info.gates[module])
        if emosteer is not None:
            if emosteer.automation is not None and not emosteer.is_identity:
                self._require_words(request, SYNTHESIS)
            emosteer.vectors.check_fits(self._info.model_id, self._info.emosteer_sites)
        return self.prompter.prompt(source, instruction(request.target))

    def _require_words(self, request: ConversionRequest, module: str) -> None:
        """What an intensity curve needs: words to lay it over, in the module that writes them."""
        title = self._info.title
        if module != LANGUAGE:
            raise StudioError(
                f"{title} cannot follow an intensity curve where it speaks, because codec ids do not say which word "
                "they belong to; steer the neurons of its language module, or clear the curve."
            )
        require_words(title, request)


def _words_limit(seconds: float) -> int:
    return _WORDS[0] + math.ceil(_WORDS[1] * seconds)


@contextmanager
def _given_up(*hooks: GateTaps | EmoSteer | None) -> Iterator[None]:
    """A generation under hooks: given up when the block raises."""
    try:
        yield
    except BaseException:
        for each in hooks:
            if each is not None:
                each.abandon()
        raise


def _speaker(parts: Parts, name: str | None) -> Speaker:
    known = ", ".join(parts.speakers)
    if not parts.speakers:
        raise StudioError("The checkpoint names no speakers; its spk_dict.pt is empty.")
    if name is not None and name not in parts.speakers:
        raise StudioError(f"There is no voice '{name}'; known: {known}.")
    return parts.speakers[name or next(iter(parts.speakers))]


def _digest(config: Any) -> str:
    """Over what the gates and their inputs are made of; not over versions and paths that loading writes into it."""
    sizes = {
        part: {
            key: getattr(each, key)
            for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        }
        for part, each in (("thinker", config.thinker_config.text_config), ("talker", config.talker_config))
    }
    return sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()[:16]
