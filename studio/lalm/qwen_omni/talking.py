"""The talker's half of a conversion: what the thinker wrote in, codec ids out, fifty a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from studio.errors import Cancelled
from studio.esn.taps import GateTaps
from studio.lalm.qwen_omni.parts import Parts, Speaker
from studio.lalm.qwen_omni.picking import Picker
from studio.lalm.qwen_omni.stack import Stack
from studio.lalm.qwen_omni.thinking import Reply, reply_stream

CODES_PER_SECOND = 50


@dataclass(eq=False)
class Speech:
    """One row's codec ids, at most ``limit``."""

    limit: int
    codes: list[int] = field(default_factory=list)
    done: bool = False
    truncated: bool = False


@torch.inference_mode()
def talk(
    parts: Parts,
    stack: Stack,
    taps: GateTaps | None,
    replies: Sequence[Reply],
    speaker: Speaker,
    seeds: Sequence[int | None],
    limits: Sequence[int],
    cancelled: Callable[[], bool],
    after_token: Callable[[list[Speech]], None],
) -> tuple[list[Speech], int]:
    """Speak each reply to its end, or to its limit of codec ids; also the number of forward passes.

    A row without a word stays silent. ``taps`` None: nothing of the talker is steered or recorded. Raises Cancelled
    when ``cancelled`` answers True, which is asked before every token.

    The talker's input projection is called once per pass, on all rows together, so that a hook on it knows the rows.
    """
    if cancelled():
        raise Cancelled
    talker = parts.talker
    stream = reply_stream(parts, replies)
    prompts = [talker_prompt(parts, reply, speaker) for reply in replies]
    projected = talker.thinker_to_talker_proj(pad_sequence(prompts, batch_first=True))
    run = stack.start([own[: len(prompt)] for own, prompt in zip(projected, prompts, strict=True)], taps, max(limits))
    stops = {int(talker.codec_pad_token), int(talker.codec_eos_token)}
    opening = [int(talker.codec_mask_token), int(talker.codec_pad_token), int(talker.codec_bos_token)]
    picker = Picker(seeds, opening, _forbidden(parts, stops))
    rows = [Speech(limit, done=not reply.spoken) for limit, reply in zip(limits, replies, strict=True)]
    states = run.prompt[:, -1]
    step = 0
    while True:
        picked = picker.pick(parts.codec_head(states))
        for row, code in zip(rows, picked, strict=True):
            if row.done:
                continue
            if code in stops:
                row.done = True
                continue
            row.codes.append(code)
            row.done = row.truncated = len(row.codes) >= row.limit
        after_token(rows)
        live = [not row.done for row in rows]
        if not any(live):
            return rows, run.forwards
        if cancelled():
            raise Cancelled
        spoken = parts.embed_codes(torch.tensor(picked, device=states.device))
        inputs = talker.thinker_to_talker_proj(spoken + stream[:, min(step, stream.shape[1] - 1)])
        states = run.step(inputs, live)
        step += 1


def talker_prompt(parts: Parts, reply: Reply, speaker: Speaker) -> Tensor:
    """A row's talker prompt [T + 2, thinker's hidden size]: what was heard, the voice's mark, the first word."""
    talker = parts.talker
    voice = parts.embed_words(torch.tensor([speaker["bos_token"]], device=parts.device))
    first = reply.spoken[0].unsqueeze(0) if reply.spoken else torch.zeros_like(voice)
    opening = parts.embed_codes(torch.tensor([talker.codec_pad_token, talker.codec_bos_token], device=parts.device))
    return torch.cat([reply.heard, torch.cat([voice, first]) + opening])


def _forbidden(parts: Parts, stops: set[int]) -> Tensor:
    """Ids that are no sound: the start mark, and whatever lies beyond token2wav's table; bool [vocabulary]."""
    ids = torch.arange(parts.config.talker_config.vocab_size)
    forbidden = ids > parts.config.token2wav_config.dit_config.num_embeds
    forbidden[parts.talker.codec_bos_token] = True
    forbidden[list(stops)] = False
    return forbidden
