"""What is known of every model, as plain data; ``catalog`` says what of it can be loaded here.

To add a model once its adapter works: write its ``ModelFacts`` here and put it into ``ENTRIES``; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

IN_PROCESS = "in process"

GB = 10**9
GIB = 2**30


@dataclass(frozen=True)
class ModelFacts:
    """A model by the name it is loaded with.

    ``loader`` is ``module:function``; it is called with (source, revision=...), with the folder alone when the model
    ships with the studio (``repo`` None), or without arguments in the environment of its ``runtime`` (see ``runtimes``)
    when that is not this process. ``gates``: modules whose gates can be steered and counted. ``companions``: other
    repositories it cannot do without. ``disk``: bytes to download, None when nothing is; ``memory``: estimated bytes
    per precision, the usual one first, working memory included. ``precisions`` (the one that takes most memory first)
    and ``speakers``: what the loader can be told to use. ``judges``: it can say what conversions sound like. ``files``:
    all that is fetched of its repository, where that is not everything. ``package``: a module it needs that is not
    always there, and the words by which pip installs it.
    """

    name: str
    title: str
    description: str
    loader: str
    licence: str
    gates: tuple[str, ...]
    repo: str | None = None
    revision: str | None = None
    companions: tuple[str, ...] = ()
    converts: bool = True
    recognises: bool = False
    streams: bool = False
    batches: bool = False
    judges: bool = False
    disk: int | None = None
    memory: Mapping[str, int] = field(default_factory=dict)
    runtime: str = IN_PROCESS
    remote_code: bool = False
    needs_gpu: bool = False
    precisions: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    package: tuple[str, str] | None = None

    @property
    def abilities(self) -> tuple[str, ...]:
        """What it can do, in words."""
        can = {
            "convert": self.converts, "recognise": self.recognises, "stream": self.streams, "batch": self.batches,
            "judge": self.judges,
        }  # fmt: skip
        return tuple(name for name, able in can.items() if able)

    @property
    def agreed_revision(self) -> str:
        """What agreements to run its code call its revision."""
        return self.revision or "main"

    @property
    def place(self) -> str:
        """Where it runs, in words."""
        return self.runtime if self.runtime == IN_PROCESS else f"in the runtime {self.runtime}"

    @property
    def in_words(self) -> tuple[str, ...]:
        """What it can do, its gates, sizes and licence, each in a few words."""
        words = [f"can {', '.join(self.abilities)}"]
        if self.gates or self.converts:
            words.append(f"gates: {', '.join(self.gates) or 'none'}")
        if self.disk is not None:
            words.append(f"{self.disk / GB:.1f} GB to download")
        if self.memory:
            needs = ", ".join(f"{need / GIB:.1f} GiB in {name}" for name, need in self.memory.items())
            words.append(f"memory: about {needs}")
        return (*words, f"runs {self.place}", f"licence: {self.licence}")

    @property
    def configurable(self) -> bool:
        """Whether there is something to choose before it is loaded."""
        return bool(self.precisions or self.speakers)

    def smaller(self, precision: str | None) -> tuple[str, ...]:
        """The precisions that take less memory than one of them; None stands for the usual one."""
        usual = precision or next(iter(self.memory), "")
        return self.precisions[self.precisions.index(usual) + 1 :] if usual in self.precisions else ()


_QWEN_PRECISIONS = ("fp32", "bf16", "8bit", "4bit")
_QWEN_SPEAKERS = ("Chelsie", "Ethan")
_QWEN_3B_MEMORY = {"bf16": 13 * GIB, "fp32": 24 * GIB, "8bit": int(10.4 * GIB), "4bit": int(9.3 * GIB)}
"""bf16 by its size on disk; the others by its thinker's 36 layers of 2048 x 11008, or twice the weights."""
_QWEN_7B_MEMORY = {"bf16": int(21.1 * GIB), "fp32": 39 * GIB, "8bit": int(15.1 * GIB), "4bit": int(12.4 * GIB)}
"""By its config."""

ENTRIES: tuple[ModelFacts, ...] = (
    ModelFacts(
        name="embedded",
        title="Embedded",
        description="small speech LALM that ships with the studio; runs on the CPU; demo lines or content lock",
        loader="studio.lalm.catalog:load_embedded",
        licence="that of the studio",
        gates=("language",),
        streams=True,
        batches=True,
    ),
    ModelFacts(
        name="qwen2.5-omni-3b",
        title="Qwen2.5-Omni 3B",
        description="the smaller sibling of the paper's reference model",
        loader="studio.lalm.qwen_omni:load",
        licence="Qwen Research License (not for commercial use)",
        gates=("language", "synthesis"),
        repo="Qwen/Qwen2.5-Omni-3B",
        revision="f75b40e3da2003cdd6e1829b1f420ca70797c34e",
        recognises=True,
        streams=True,
        batches=True,
        disk=12 * GB,
        memory=_QWEN_3B_MEMORY,
        needs_gpu=True,
        precisions=_QWEN_PRECISIONS,
        speakers=_QWEN_SPEAKERS,
    ),
    ModelFacts(
        name="qwen2.5-omni-7b",
        title="Qwen2.5-Omni 7B",
        description="the reference model of the paper",
        loader="studio.lalm.qwen_omni:load",
        licence="Apache-2.0",
        gates=("language", "synthesis"),
        repo="Qwen/Qwen2.5-Omni-7B",
        revision="ae9e1690543ffd5c0221dc27f79834d0294cba00",
        recognises=True,
        streams=True,
        batches=True,
        judges=True,
        disk=int(22.4 * GB),
        memory=_QWEN_7B_MEMORY,
        needs_gpu=True,
        precisions=_QWEN_PRECISIONS,
        speakers=_QWEN_SPEAKERS,
    ),
    ModelFacts(
        name="minicpm-o-4.5",
        title="MiniCPM-o 4.5",
        description="speaks with a voice module of its own, whose gates can be steered too; brings its own code",
        loader="studio.lalm.minicpm_o:hosted",
        licence="Apache-2.0",
        gates=("language", "synthesis"),
        repo="openbmb/MiniCPM-o-4_5",
        revision="44151b35f1b232a280bda5a87ea1a7575d5433fc",
        disk=19 * GB,
        memory={"bf16": 20 * GIB},
        runtime="minicpm-o",
        remote_code=True,
        needs_gpu=True,
    ),
    ModelFacts(
        name="kimi-audio",
        title="Kimi-Audio",
        description="writes text and speech in the same pass, by layers that fork; brings its own code",
        loader="studio.lalm.kimi_audio:hosted",
        licence="MIT; what derives from Qwen2.5: Apache-2.0",
        gates=("language", "synthesis"),
        repo="moonshotai/Kimi-Audio-7B-Instruct",
        revision="9a82a84c37ad9eb1307fb6ed8d7b397862ef9e6b",
        companions=("THUDM/glm-4-voice-tokenizer",),
        disk=41 * GB,
        memory={"bf16": 24 * GIB},
        runtime="kimi-audio",
        remote_code=True,
        needs_gpu=True,
    ),
    ModelFacts(
        name="audio-flamingo-3",
        title="Audio Flamingo 3",
        description="listens and does not speak: for the neurons that recognise emotions (esn-studio recognise)",
        loader="studio.lalm.flamingo:load",
        licence="NVIDIA OneWay Noncommercial License (not for commercial use)",
        gates=("language",),
        repo="nvidia/audio-flamingo-3-hf",
        revision="1b7715c1cbdfcaa5042e79cc3c814f6625681cc7",
        converts=False,
        recognises=True,
        batches=True,
        judges=True,
        disk=int(16.5 * GB),
        memory={"bf16": 18 * GIB},
        needs_gpu=True,
    ),
)
"""Those whose adapter is there, the default first."""

JUDGES: tuple[ModelFacts, ...] = (
    ModelFacts(
        name="emotion2vec",
        title="emotion2vec+large",
        description="hears which emotion a conversion carries; the acoustic judge of the paper",
        loader="studio.judges.emotion2vec:load",
        licence="FunASR Model License",
        gates=(),
        repo="emotion2vec/emotion2vec_plus_large",
        revision="6c303ba987b86b93193de93e34bb2b077a6bedc4",
        converts=False,
        judges=True,
        disk=int(1.95 * GB),
        files=("config.yaml", "configuration.json", "tokens.txt", "model.pt"),
        package=("funasr", '"funasr>=1.4"'),
    ),
    ModelFacts(
        name="qwen3-omni",
        title="Qwen3-Omni 30B-A3B",
        description="its thinker chooses one of five emotions by the logits of option letters",
        loader="studio.judges.options:load_qwen3",
        licence="Apache-2.0",
        gates=(),
        repo="Qwen/Qwen3-Omni-30B-A3B-Instruct",
        converts=False,
        judges=True,
        disk=70 * GB,
        memory={"bf16": 60 * GIB},
        needs_gpu=True,
    ),
    ModelFacts(
        name="utmos",
        title="UTMOS",
        description="how natural speech sounds, 1 to 5; the measure of the paper (evaluate --measures utmos)",
        loader="studio.judges.utmos:load",
        licence="MIT",
        gates=(),
        repo="Blinorot/UTMOS-PyTorch",
        converts=False,
        judges=True,
        disk=int(0.413 * GB),
        files=("utmos_state_dict.pt",),
        package=("utmos_pytorch", '"utmos-pytorch>=0.1"'),
    ),
    ModelFacts(
        name="wavlm",
        title="WavLM",
        description="whether two recordings are of one speaker (evaluate --measures speaker-wavlm)",
        loader="studio.judges.wavlm:load",
        licence="CC BY-SA 3.0",
        gates=(),
        repo="microsoft/wavlm-base-plus-sv",
        revision="feb593a6c23c1cc3d9510425c29b0a14d2b07b1e",
        converts=False,
        judges=True,
        disk=int(0.405 * GB),
        files=("config.json", "preprocessor_config.json", "pytorch_model.bin"),
    ),
)
"""Those that only judge. The revision of a repository that is pinned to none is that of its main branch."""

BY_HAND: tuple[ModelFacts, ...] = (
    ModelFacts(
        name="cosyvoice-300m-instruct",
        title="CosyVoice 300M Instruct",
        description="speaks a transcript; the model of EmoShift, steered by learned vectors alone",
        loader="studio.lalm.cosyvoice:hosted",
        licence="Apache-2.0",
        gates=(),
        repo="FunAudioLLM/CosyVoice-300M-Instruct",
        memory={"fp32": 3 * GIB},
        runtime="cosyvoice",
        remote_code=True,
    ),
)
"""Those that no download puts together: loaded by name from a folder that is named to their runtime, and not listed."""
