"""How a runtime stands, and what a check of it showed, for window and command line alike."""

from __future__ import annotations

from enum import StrEnum

from studio.lalm.runtimes.check import Greeting
from studio.lalm.runtimes.records import RuntimeRecord
from studio.lalm.runtimes.specs import RuntimeSpec


class Standing(StrEnum):
    """How far a runtime is made, by its record alone; ``OLD`` holds other versions than are wanted now."""

    NONE = "none"
    BEGUN = "begun"
    OLD = "old"
    MADE = "made"


def standing(spec: RuntimeSpec, record: RuntimeRecord | None) -> Standing:
    """How the runtime of ``spec`` stands."""
    if record is None:
        return Standing.NONE
    if not record.ready:
        return Standing.BEGUN
    return Standing.MADE if record.pins == spec.digest else Standing.OLD


def check_in_words(spec: RuntimeSpec, record: RuntimeRecord, found: Greeting) -> str:
    """What a check that went well found, in a sentence."""
    device = f"{found.device} is its first CUDA device" if found.device else "it has no CUDA device"
    return (
        f"The host of {spec.title} starts on {record.place.words}, with Python {found.python} and its pins; {device}."
    )
