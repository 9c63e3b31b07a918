"""How a model is lost: errors that leave the caller whole, and after which something can be done."""

from __future__ import annotations

from studio.errors import StudioError


class HostError(StudioError):
    """A host that died, hangs, or does not speak the protocol; the next conversion starts another."""


class HostOutOfMemory(HostError):
    """The model ran out of memory in its own process."""


class DoesNotFit(StudioError):
    """A model needs more memory than there is, which was seen before it was loaded."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: the machine's, a card's, or a host's."""
    # torch's error goes by its name, so that nobody has to import torch to ask.
    return isinstance(error, MemoryError | HostOutOfMemory) or type(error).__name__ == "OutOfMemoryError"


def is_loss(error: BaseException) -> bool:
    """Whether the model is what was lost, so that starting it again, smaller or in another way, may help."""
    return isinstance(error, HostError | DoesNotFit) or is_out_of_memory(error)
