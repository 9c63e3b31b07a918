"""Training of learned vectors on a frozen model: checkpoints, resume to the same bytes (EmoShift, section 3).

Only the matrices W_e are trained, with alpha = 1, each on its own emotion. What a step draws depends on the seed and
the step's number alone, so that a run that was stopped anywhere ends as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import studio
from studio import atomic
from studio.corpora.base import Utterance, corpus_fingerprint
from studio.emotions import EMOTIONS, NEUTRAL, TARGETS, in_order
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer import EPSILON, EmoVectors
from studio.esn.emosteer_hook import EmoSteerLayer
from studio.lalm.base import never
from studio.lalm.steerable import Lesson, Site, Steerable
from studio.pipelines.locks import FolderLock

CHECKPOINT = "checkpoint.safetensors"
FORMAT = 1

_REPORTED = 20
"""Steps whose mean loss is reported, at the beginning and at the end."""


@dataclass(frozen=True)
class TrainSettings:
    """How vectors are trained: ``steps`` of ``batch`` lessons per emotion, by Adam at ``learning_rate``.

    The rate is high because the state moves by eps times a matrix. A checkpoint is written every ``checkpoint`` steps.
    Raises StudioError for settings that make no sense.
    """

    emotions: tuple[str, ...] = TARGETS
    steps: int = 200
    batch: int = 8
    learning_rate: float = 0.05
    eps: float = EPSILON
    seed: int = 0
    checkpoint: int = 20

    def __post_init__(self) -> None:
        if not self.emotions or not set(self.emotions) <= set(EMOTIONS):
            raise StudioError(f"Learned vectors are trained for some of {', '.join(EMOTIONS)}.")
        if min(self.steps, self.batch, self.checkpoint) < 1 or self.seed < 0:
            raise StudioError("Steps, batch and checkpoint must be at least 1, and the seed at least 0.")
        if not (0 < self.learning_rate < math.inf and 0 < self.eps <= 1):
            raise StudioError("The learning rate must be above 0, and eps above 0 and at most 1.")


@dataclass(frozen=True)
class Step:
    """A step is done: ``done`` of ``total``, the loss of each emotion, and a guess at the seconds left."""

    done: int
    total: int
    losses: dict[str, float]
    seconds_left: float


@dataclass(frozen=True)
class Taught:
    """Lessons that were prepared, by emotion, and JSON-able ``facts`` on how: a checkpoint belongs to them."""

    lessons: Mapping[str, Sequence[Lesson]]
    facts: Mapping[str, Any]


@dataclass
class _State:
    """What a checkpoint holds beside matrices and optimiser: steps done, and each emotion's loss at every step."""

    done: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)


def lessons_of(utterances: Sequence[Utterance], emotions: Sequence[str], recorded: bool) -> dict[str, list[Lesson]]:
    """What is to be learned: each neutral line with a transcript, in each emotion.

    ``recorded``: only where the same speaker says the same line in the emotion too. Raises StudioError when there is
    nothing to learn an emotion from.
    """
    neutral = [each for each in utterances if each.emotion == NEUTRAL and each.text]
    parallel = {(each.speaker, each.utterance, each.emotion): each.path for each in utterances}
    lessons: dict[str, list[Lesson]] = {}
    for emotion in emotions:
        lessons[emotion] = []
        for each in neutral:
            target = parallel.get((each.speaker, each.utterance, emotion))
            if target is not None or not recorded:
                lessons[emotion].append(Lesson(each.path, each.text or "", emotion, target))
        if not lessons[emotion]:
            wanted = f"said neutrally and {emotion} by the same speaker" if recorded else "said neutrally"
            raise StudioError(f"The corpus has no line {wanted}, with a transcript, to learn {emotion} from.")
    return lessons


def train(
    model: Steerable,
    utterances: Sequence[Utterance],
    settings: TrainSettings,
    work: Path,
    *,
    taught: Taught | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    cancelled: Callable[[], bool] = never,
) -> EmoVectors:
    """Train vectors from ``utterances``, going on from the checkpoint in ``work`` where there is one.

    ``taught``: the lessons, where they take preparing; emotions without any are left out then. More steps may be asked
    for than before. Raises Cancelled when asked to stop, leaving a checkpoint; StudioError when the checkpoint is of
    another training, the folder is in use, or the corpus cannot teach this.
    """
    if taught is None:
        lessons: Mapping[str, Sequence[Lesson]] = lessons_of(utterances, settings.emotions, model.needs_recordings)
    else:
        lessons = taught.lessons
        settings = replace(settings, emotions=in_order(lessons))
    job = _job(model, utterances, settings, taught)
    with held(work):
        return _train(model, lessons, settings, job, work / CHECKPOINT, on_step, cancelled)


@contextmanager
def held(work: Path) -> Iterator[None]:
    """The folder of a training, to this process alone; raises StudioError when it is in use or cannot be used."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(work)
        acquired = lock.acquire()
    except OSError as error:
        raise StudioError(f"The folder '{work}' cannot be used: {atomic.reason(error)}.") from error
    if not acquired:
        raise StudioError(f"Another training is at work in '{work}'; wait for it, or choose another folder.")
    try:
        yield
    finally:
        lock.release()


def _train(
    model: Steerable,
    lessons: Mapping[str, Sequence[Lesson]],
    settings: TrainSettings,
    job: dict[str, Any],
    checkpoint: Path,
    on_step: Callable[[Step], None],
    cancelled: Callable[[], bool],
) -> EmoVectors:
    site = model.site
    layer = EmoSteerLayer(site.width, settings.emotions, settings.eps)
    optimiser = torch.optim.Adam(layer.parameters(), settings.learning_rate)
    state = _resume(checkpoint, layer, optimiser, job)
    if state.done > settings.steps:
        raise StudioError(
            f"The checkpoint '{checkpoint}' is of {state.done} steps already, more than the {settings.steps} asked "
            "for; choose another work folder, or ask for more."
        )
    started, first = time.monotonic(), state.done
    while state.done < settings.steps:
        if cancelled():
            _save(checkpoint, layer, optimiser, state, job)
            raise Cancelled
        optimiser.zero_grad()
        losses = {}
        for emotion, known in lessons.items():
            rng = np.random.default_rng([settings.seed, state.done, EMOTIONS.index(emotion)])
            chosen = rng.choice(len(known), min(settings.batch, len(known)), replace=False)
            seed, size = int(rng.integers(2**31)), model.at_once or len(chosen)
            losses[emotion] = 0.0
            for start in range(0, len(chosen), size):
                part = [known[index] for index in chosen[start : start + size]]
                with layer.shifting(site.module, emotion) as calls:
                    loss = model.loss(part, seed) * (len(part) / len(chosen))
                _require_sound(site, calls, loss)
                loss.backward()  # type: ignore[no-untyped-call]
                losses[emotion] += loss.item()
            state.losses.setdefault(emotion, []).append(losses[emotion])
        optimiser.step()
        state.done += 1
        if state.done % settings.checkpoint == 0 or state.done == settings.steps:
            _save(checkpoint, layer, optimiser, state, job)
        pace = (time.monotonic() - started) / (state.done - first)
        on_step(Step(state.done, settings.steps, losses, pace * (settings.steps - state.done)))
    matrices = {emotion: layer.weights[emotion].detach().numpy().copy() for emotion in settings.emotions}
    return EmoVectors(site.width, site.name, matrices, settings.eps, _facts(job, state, lessons))


def _require_sound(site: Site, calls: Sequence[int], loss: torch.Tensor) -> None:
    if not calls or not bool(torch.isfinite(loss)):
        raise StudioError(
            f"Learned vectors cannot be trained at {site.name}: "
            + ("the loss does not pass through it." if not calls else "the loss is no finite number any more.")
        )


def _job(
    model: Steerable, utterances: Sequence[Utterance], settings: TrainSettings, taught: Taught | None
) -> dict[str, Any]:
    """What a checkpoint must have been made for to be gone on with: everything but how long, and how often saved."""
    info = model.info
    asked = asdict(settings)
    return {
        "model_id": info.model_id,
        "model_revision": info.revision,
        "config_digest": info.config_digest,
        "site": model.site.name,
        "corpus": corpus_fingerprint(utterances),
        "settings": {name: asked[name] for name in ("batch", "learning_rate", "eps", "seed")}
        | {"emotions": list(settings.emotions)}
        | (dict(taught.facts) if taught is not None else {}),
    }


def _facts(job: dict[str, Any], state: _State, lessons: Mapping[str, Sequence[Lesson]]) -> dict[str, Any]:
    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    return {name: job[name] for name in ("model_id", "model_revision", "config_digest")} | {
        "tool": f"ESN Studio {studio.__version__}",
        "training": job["settings"]
        | {
            "corpus": job["corpus"],
            "steps": state.done,
            "lessons": {emotion: len(known) for emotion, known in lessons.items()},
            "loss_at_first": {emotion: mean(values[:_REPORTED]) for emotion, values in state.losses.items()},
            "loss_at_last": {emotion: mean(values[-_REPORTED:]) for emotion, values in state.losses.items()},
        },
    }


def _save(path: Path, layer: EmoSteerLayer, optimiser: torch.optim.Adam, state: _State, job: dict[str, Any]) -> None:
    arrays = {f"layer.{name}": value.detach().contiguous() for name, value in layer.named_parameters()}
    for name, parameter in layer.named_parameters():
        arrays |= {f"optimiser.{name}.{key}": value for key, value in optimiser.state[parameter].items()}
    document = {"format": FORMAT, "job": _digest(job), "done": state.done, "losses": state.losses}
    atomic.write_bytes(path, save(arrays, {"emosteer": json.dumps(document)}))


def _resume(path: Path, layer: EmoSteerLayer, optimiser: torch.optim.Adam, job: dict[str, Any]) -> _State:
    if not path.exists():
        return _State()
    try:
        with safe_open(path, "pt") as file:
            document = json.loads((file.metadata() or {})["emosteer"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if document["format"] == FORMAT and document["job"] == _digest(job):
            layer.load_state_dict({key[6:]: value for key, value in arrays.items() if key.startswith("layer.")})
            for name, parameter in layer.named_parameters():
                prefix = f"optimiser.{name}."
                optimiser.state[parameter] = {
                    key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)
                }
            losses = {str(emotion): [float(each) for each in values] for emotion, values in document["losses"].items()}
            return _State(int(document["done"]), losses)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise StudioError(f"The checkpoint '{path}' cannot be read; delete it to begin anew.") from error
    raise StudioError(
        f"The checkpoint '{path}' is of a training with another model, corpus or settings; choose another work folder."
    )


def _digest(job: dict[str, Any]) -> str:
    return sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
