"""The network with its hooks, as often as there are batches at once: hooks count and steer one of them at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

from studio.esn.emosteer_hook import EmoSteer
from studio.esn.taps import GateTaps
from studio.lalm.embedded.network import EMOSTEER_SITE, Network
from studio.lalm.embedded.steps import StepDecoder

MOST = 2
"""Each keeps a core busy, and others synthesise meanwhile."""


@dataclass(eq=False)
class Decoder:
    """A network with its decoder and what is hooked on it, for one batch at a time."""

    network: Network
    steps: StepDecoder
    taps: GateTaps
    emosteer: EmoSteer

    def install(self) -> None:
        """Put the hooks on."""
        self.taps.install()
        self.emosteer.install()

    def remove(self) -> None:
        """Take the hooks off."""
        self.taps.remove()
        self.emosteer.remove()

    @contextmanager
    def hooked(self) -> Iterator[Self]:
        """With the hooks on meanwhile."""
        try:
            self.install()
            yield self
        finally:
            self.remove()


class Decoders:
    """Lends ``network`` (gates of ``widths``) or, while that is in use, a copy; whoever asks for a third one waits.

    Hooks stay on the network until ``close``, on the copy while it is lent.
    """

    def __init__(self, network: Network, widths: Sequence[int]) -> None:
        self._widths = widths
        self._made = [self._hookable(network)]
        self.first.install()
        self._lent: set[int] = set()
        self._room = threading.Semaphore(MOST)
        self._lock = threading.Lock()

    @property
    def first(self) -> Decoder:
        """The one that is lent where there is one batch at a time."""
        return self._made[0]

    @contextmanager
    def lend(self) -> Iterator[Decoder]:
        """A decoder that nobody else has meanwhile."""
        with self._room:
            with self._lock:
                place = next(place for place in range(MOST) if place not in self._lent)
                if place == len(self._made):
                    self._made.append(self._hookable(_copied(self.first.network)))
                self._lent.add(place)
            decoder = self._made[place]
            try:
                with decoder.hooked() if place else nullcontext():
                    yield decoder
            finally:
                with self._lock:
                    self._lent.discard(place)

    def close(self) -> None:
        """Take all hooks off."""
        self.first.remove()

    def _hookable(self, network: Network) -> Decoder:
        emosteer = EmoSteer(network.get_submodule(EMOSTEER_SITE), network.config.hidden)
        return Decoder(network, StepDecoder(network), GateTaps(network.gates(), self._widths), emosteer)


def _copied(network: Network) -> Network:
    """Its weights without its hooks."""
    copy = Network(network.config)
    copy.load_state_dict(network.state_dict())
    return copy.eval()
