"""The thinker's half of a conversion: prompts in, words and what the talker hears of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from studio.errors import Cancelled
from studio.esn.taps import GateTaps
from studio.lalm.pace import Pace
from studio.lalm.qwen_omni.parts import Parts
from studio.lalm.qwen_omni.prompt import Prompt, embed, is_audio
from studio.lalm.qwen_omni.stack import Stack


@dataclass(eq=False)
class Reply:
    """What one row's thinker wrote.

    ``ids``: its words, the end token left out. ``heard`` [T, hidden] and ``spoken`` [words, hidden]: token embedding
    plus last hidden state over the prompt and over the words, which is what the talker is given.
    """

    heard: Tensor
    limit: int
    ids: list[int] = field(default_factory=list)
    spoken: list[Tensor] = field(default_factory=list)
    done: bool = False
    truncated: bool = False


@torch.inference_mode()
def think(
    parts: Parts,
    stack: Stack,
    taps: GateTaps | None,
    prompts: Sequence[Prompt],
    limits: Sequence[int],
    stops: frozenset[int],
    cancelled: Callable[[], bool],
    after_token: Callable[[list[Reply]], None],
    pace: Pace | None = None,
) -> tuple[list[Reply], int]:
    """Write greedily until each row ends, or reached its limit of words; also the number of forward passes.

    ``taps`` None: nothing of the thinker is steered or recorded. ``pace`` says at which share of the strengths. Raises
    Cancelled when ``cancelled`` answers True, which is asked before every token.
    """
    _ask(cancelled)
    embedded = [embed(parts, prompt) for prompt in prompts]
    _ask(cancelled)
    paced = None if pace is None or pace.is_level else pace
    if taps is not None and paced is not None:
        taps.intensity(paced.listening())
    run = stack.start(embedded, taps, max(limits))
    replies = []
    for prompt, inputs, states, limit in zip(prompts, embedded, run.prompt, limits, strict=True):
        # The talker hears the recording through the hidden states alone.
        own = inputs.masked_fill(is_audio(parts, prompt.ids.to(inputs.device)).unsqueeze(1), 0)
        replies.append(Reply(own + states[-len(inputs) :], limit))
    states = run.prompt[:, -1]
    while True:
        picked = parts.words_head(states).argmax(-1).tolist()
        for reply, token in zip(replies, picked, strict=True):
            _take(reply, token, stops)
        after_token(replies)
        live = [not reply.done for reply in replies]
        if not any(live):
            return replies, run.forwards
        _ask(cancelled)
        inputs = parts.embed_words(torch.tensor(picked, device=states.device))
        if taps is not None and paced is not None:
            taps.intensity(paced.writing([reply.ids for reply in replies]))
        states = run.step(inputs, live)
        for row, reply in enumerate(replies):
            if not reply.done:
                reply.spoken.append(inputs[row] + states[row])


def _take(reply: Reply, token: int, stops: frozenset[int]) -> None:
    if reply.done:
        return
    if token in stops:
        reply.done = True
        return
    reply.ids.append(token)
    # As in transformers' generate, the last word of a reply that is cut short is written but not read back.
    reply.done = reply.truncated = len(reply.ids) >= reply.limit


def _ask(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled


def reply_stream(parts: Parts, replies: Sequence[Reply]) -> Tensor:
    """What the talker reads beside each codec id, [B, steps, hidden]: the words after the first, end mark, padding.

    After its last step the talker goes on reading padding, so each row ends with at least one.
    """
    marks = parts.embed_words(torch.tensor([parts.talker.text_eos_token, parts.talker.text_pad_token]).to(parts.device))
    end, padding = marks[:1], marks[1:]
    size = max(len(reply.spoken) for reply in replies) + 2
    rows = []
    for reply in replies:
        words = [word.unsqueeze(0) for word in reply.spoken[1:]]
        rows.append(torch.cat([*words, end, padding.expand(size - len(words) - 1, -1)]))
    return torch.stack(rows)
