"""Decoders are lent to one batch each, and copies compute the same bits."""

from __future__ import annotations

import threading

import torch

from studio.lalm.embedded.decoders import MOST, Decoders
from studio.lalm.embedded.network import Network, NetworkConfig

CONFIG = NetworkConfig(hidden=32, intermediate=48, layers=2, heads=2, kv_heads=1, encoder=32, encoder_layers=1)
WIDTHS = (48, 48)


def small() -> Network:
    """A small network with random weights."""
    torch.manual_seed(7)
    return Network(CONFIG).eval()


def test_one_batch_at_a_time_always_has_the_first() -> None:
    network = small()
    decoders = Decoders(network, WIDTHS)
    for _ in range(3):
        with decoders.lend() as decoder:
            assert decoder is decoders.first
            assert decoder.network is network
    decoders.close()


@torch.inference_mode()
def test_a_second_batch_has_a_copy_of_the_same_weights_and_taps_of_its_own() -> None:
    decoders = Decoders(small(), WIDTHS)
    inputs, places = torch.randn(1, 5, CONFIG.hidden), torch.arange(5)[None]
    with decoders.lend() as first, decoders.lend() as second:
        assert second.network is not first.network
        first.taps.begin([None], record=True)
        one, other = (each.network.decode(inputs, places, torch.ones(1, 5).long()) for each in (first, second))
        assert torch.equal(one.state, other.state)
        [counted] = first.taps.end(1) or []
        assert counted.tokens == 5, "what the second computes is not counted by the first"
    with decoders.lend() as again:
        assert again is first
    decoders.close()
    assert not any(each.network.gates()[0]._forward_hooks for each in (first, second))


def test_a_third_waits_until_one_is_given_back() -> None:
    decoders = Decoders(small(), WIDTHS)
    got = threading.Event()

    def ask() -> None:
        with decoders.lend():
            got.set()

    assert MOST == 2
    third = threading.Thread(target=ask)
    with decoders.lend():
        with decoders.lend():
            third.start()
            assert not got.wait(0.1)
        assert got.wait(5)
    third.join()
    decoders.close()


def test_one_that_failed_is_lent_again() -> None:
    decoders = Decoders(small(), WIDTHS)
    for _ in range(MOST + 1):
        try:
            with decoders.lend():
                raise ValueError
        except ValueError:
            pass
    with decoders.lend() as decoder:
        assert decoder is decoders.first
    decoders.close()
