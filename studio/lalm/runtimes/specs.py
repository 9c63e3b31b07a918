"""What each runtime is made of, as plain data; the pins lie in ``studio/lalm/pins``, one file a runtime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.lalm.entries import GB

_PINS = Path(__file__).resolve().parent.parent / "pins"


@dataclass(frozen=True)
class RuntimeSpec:
    """An environment one adapter runs in.

    ``pythons``: lowest and highest version of Python, as (major, minor). ``requirements``: pins that are installed
    together; ``alone``: those installed one by one afterwards, without what they require and without isolation;
    ``hint``: what these need that pip does not tell, as a sentence. ``disk``: bytes the environment takes, rounded up.
    ``adapter``: the module that must be importable in it.
    """

    name: str
    title: str
    pythons: tuple[tuple[int, int], tuple[int, int]]
    requirements: tuple[str, ...]
    disk: int
    adapter: str
    alone: tuple[str, ...] = ()
    hint: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over the pins, as hex: another one means that an environment is outdated."""
        return hashlib.sha256("\n".join((*self.requirements, "", *self.alone)).encode()).hexdigest()

    @property
    def python_range(self) -> str:
        """Such as "3.11 to 3.12"."""
        lowest, highest = (f"{major}.{minor}" for major, minor in self.pythons)
        return lowest if lowest == highest else f"{lowest} to {highest}"


def read_pins(path: Path) -> tuple[str, ...]:
    """The requirements of a pip file, without comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(line for line in lines if line)


def runtimes() -> tuple[RuntimeSpec, ...]:
    """All that can be made."""
    return (
        RuntimeSpec(
            name="minicpm-o",
            title="MiniCPM-o 4.5",
            pythons=((3, 11), (3, 12)),
            requirements=read_pins(_PINS / "minicpm-o.txt"),
            alone=("minicpmo-utils==1.0.6",),
            disk=8 * GB,
            adapter="studio.lalm.minicpm_o",
        ),
        RuntimeSpec(
            name="kimi-audio",
            title="Kimi-Audio",
            pythons=((3, 11), (3, 12)),
            requirements=read_pins(_PINS / "kimi-audio.txt"),
            alone=(
                "flash-attn==2.7.4.post1",
                "kimi-audio @ git+https://github.com/MoonshotAI/Kimi-Audio.git@2607d515f5b7dffa1dcc7526f9f26feb48e356c4",
            ),
            hint="flash-attn is a binary for CUDA from GitHub or, where that cannot be reached, is built with nvcc of "
            "CUDA 12; kimi-audio is fetched from GitHub with git.",
            disk=8 * GB,
            adapter="studio.lalm.kimi_audio",
        ),
        RuntimeSpec(
            name="cosyvoice",
            title="CosyVoice",
            pythons=((3, 11), (3, 11)),
            requirements=read_pins(_PINS / "cosyvoice.txt"),
            # Without isolation: its setup wants the setuptools that is pinned.
            alone=("openai-whisper==20231117",),
            disk=7 * GB,
            adapter="studio.lalm.cosyvoice",
        ),
    )


def find_runtime(name: str) -> RuntimeSpec:
    """The runtime called ``name``; raises StudioError naming the known ones when there is none."""
    known = runtimes()
    for spec in known:
        if spec.name == name:
            return spec
    raise StudioError(f"There is no runtime '{name}'; known: {', '.join(spec.name for spec in known)}.")
