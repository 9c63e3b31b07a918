"""The network with taps on its gates, as often as there are batches at once: taps count one of them at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from studio.esn.taps import GateTaps
from studio.lalm.embedded.network import Network
from studio.lalm.embedded.steps import StepDecoder

MOST = 2
"""Each keeps a core busy, and others synthesise meanwhile."""


@dataclass(eq=False)
class Decoder:
    """A network with the taps on its gates and its decoder, for one batch at a time."""

    network: Network
    steps: StepDecoder
    taps: GateTaps


class Decoders:
    """Lends ``network`` (gates of ``widths``) or, while that is in use, a copy; whoever asks for a third one waits.

    The network's taps stay on it until ``close``, the copy's while it is lent.
    """

    def __init__(self, network: Network, widths: Sequence[int]) -> None:
        self._widths = widths
        self._made = [self._tappable(network)]
        self.first.taps.install()
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
                    self._made.append(self._tappable(_copied(self.first.network)))
                self._lent.add(place)
            decoder = self._made[place]
            try:
                with decoder.taps if place else nullcontext():
                    yield decoder
            finally:
                with self._lock:
                    self._lent.discard(place)

    def close(self) -> None:
        """Take the taps off."""
        self.first.taps.remove()

    def _tappable(self, network: Network) -> Decoder:
        return Decoder(network, StepDecoder(network), GateTaps(network.gates(), self._widths))


def _copied(network: Network) -> Network:
    """Its weights without its hooks."""
    copy = Network(network.config)
    copy.load_state_dict(network.state_dict())
    return copy.eval()
