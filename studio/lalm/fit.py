"""Whether a model fits a card in the precision that was chosen for it, by the catalog's estimates."""

from __future__ import annotations

from dataclasses import dataclass

from studio.lalm.entries import GIB, ModelFacts
from studio.lalm.options import ModelOptions


@dataclass(frozen=True)
class Card:
    """A CUDA device and the bytes of it that a model may take."""

    name: str
    room: float


@dataclass(frozen=True)
class Fit:
    """``fits``: whether a model can be used here; ``words`` say why, as the end of a sentence."""

    fits: bool
    words: str


def first_card(*, whole: bool) -> Card | None:
    """The first CUDA device with all its memory, or with what is free of it; None where there is none.

    What is free can be asked only by taking a little of the card, and says little where a model that is in use will
    make room.
    """
    try:
        import torch
    except (ImportError, OSError):
        return None
    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_properties(0)
    return Card(card.name, float(card.total_memory if whole else torch.cuda.mem_get_info(0)[0]))


def precision_of(facts: ModelFacts, options: ModelOptions) -> str:
    """What a model is loaded in on a card; empty for one whose memory is not known."""
    return options.precision or next(iter(facts.memory), "")


def fit(facts: ModelFacts, options: ModelOptions, card: Card | None) -> Fit | None:
    """Whether a model as it would be loaded has room on ``card``; None where there is nothing to say about it."""
    if card is None:
        return Fit(False, "there is no CUDA device here, which it needs to be of use") if facts.needs_gpu else None
    precision = precision_of(facts, options)
    need = facts.memory.get(precision)
    if need is None:
        return None
    chosen = f"{precision}, as chosen" if options.precision else precision
    room = f"of the {card.room / GIB:.1f} GiB of {card.name}"
    if need <= card.room:
        return Fit(True, f"takes about {need / GIB:.1f} {room} in {chosen}: it fits")
    smaller = [name for name in facts.smaller(precision) if facts.memory.get(name, card.room + 1) <= card.room]
    would = f", but in {smaller[0]} ({facts.memory[smaller[0]] / GIB:.1f}) it would" if smaller else ""
    return Fit(False, f"needs about {need / GIB:.1f} {room} in {chosen}: it does not fit{would}")
