"""Classes picked for a speech token are the likeliest by the network's logits."""

from __future__ import annotations

import numpy as np
import torch

from studio.lalm.base import SpeechLALM
from studio.lalm.embedded import tokens
from studio.lalm.embedded.lalm import EmbeddedLALM
from studio.lalm.embedded.network import Decoded
from studio.lalm.embedded.picking import MIN_ADVANCE_SHARE, Picker

ROWS = 200


@torch.inference_mode()
def test_every_class_is_the_likeliest_of_its_head(model: SpeechLALM) -> None:
    assert isinstance(model, EmbeddedLALM)
    network = model._network
    random = torch.Generator().manual_seed(1)
    decoded = Decoded(*torch.randn(2, ROWS, 1, network.config.hidden, generator=random))
    own = torch.randn(ROWS, len(tokens.ORDINAL_HEADS), generator=random) * 30 + 15
    own[0] = 1.5  # as near to one class as to the next
    picked = Picker(network, [None] * ROWS).pick(decoded, own)
    logits = network.speech_logits(decoded, own[:, None])[:, 0].split(list(tokens.HEAD_SIZES), -1)
    slowest = int(tokens.RATE_OCTAVES.encode(np.log2(MIN_ADVANCE_SHARE)))
    logits[0][:, :slowest] = -torch.inf
    expected = torch.stack([head.argmax(-1) for head in logits], 1)
    assert np.array_equal(picked, expected.numpy())


@torch.inference_mode()
def test_a_seed_moves_prosody_alone_and_stays_with_its_row(model: SpeechLALM) -> None:
    assert isinstance(model, EmbeddedLALM)
    network = model._network
    decoded = Decoded(*torch.zeros(2, 3, 1, network.config.hidden))
    own = network.neutral.repeat(3, 1)
    picker = Picker(network, [None, 5, 6])
    greedy, fifth, sixth = picker.pick(decoded, own)
    assert (greedy[8:] == fifth[8:]).all()
    assert greedy[3] == fifth[3]
    assert (greedy != fifth).any()
    assert (fifth != sixth).any()
    picker.keep(torch.tensor([2, 1]))
    kept = picker.pick(Decoded(decoded.state[:2], decoded.written[:2]), own[:2])
    assert np.array_equal(kept, np.stack([sixth, fifth]))
