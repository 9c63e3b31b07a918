"""Identification on many machines or cores: batches as tasks of a Ray cluster whose actors hold a model each.

Ray (the optional package ``ray``) carries objects between its processes; what is written into the job folder is written
by the process that runs the job, in the order of the plan. So neither the job folder nor the corpus need be reachable
from the other machines, only this package and the model's weights.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.lalm.base import ModelInfo
from studio.pipelines.attempts import Outcome, Rules, attempt, load_sources
from studio.pipelines.plan import Batch
from studio.pipelines.workers import BatchProgress, Done

if TYPE_CHECKING:
    from studio.judges.base import EmotionJudge
    from studio.lalm.base import SpeechLALM

AUTO = "auto"
"""Address of the cluster this machine belongs to or, where it belongs to none, of one made of its own cores."""

_AHEAD = 2
"""Batches per actor that may wait for an earlier one: enough that none is idle, few enough to lose with the job."""

_DEATHS = 3
"""Actors a batch may outlive before it is blamed."""

_POLL_SECONDS = 0.2
_START_SECONDS = 600.0


class RayWorkers:
    """Models of one name on a Ray cluster, one per GPU where it has some, else one per core; a context manager.

    ``address``: ``auto`` or that of a running cluster. ``count``: how many models, where the default is wrong. An actor
    that dies takes with it the batch it was converting, which another then does, and is replaced. Conversions have the
    bits of ``InProcess`` on the same kind of processor. Raises StudioError when Ray is not installed, no cluster
    answers, or a model cannot be loaded there.
    """

    def __init__(self, address: str, model: str, judge: str, count: int | None = None) -> None:
        self._address = address
        self._model = model
        self._judge = judge
        self._count = count
        self._ray: Any = None
        self._started = False
        self._needs: dict[str, Any] = {}
        self._actors: list[Any] = []
        self._described: _Description | None = None

    def __enter__(self) -> Self:
        try:
            import ray
        except ImportError as error:
            raise StudioError(
                "Ray is not installed; install it with: pip install 'esn-studio[ray]' (or: pip install ray)."
            ) from error
        self._ray = ray
        try:
            self._connect()
            self._hire_all()
            self._described = self._introduced()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the actors go, and the cluster if it was started for them; may be called again."""
        while self._actors:
            self._ray.kill(self._actors.pop())
        if self._started:
            self._started = False
            self._ray.shutdown()

    @property
    def info(self) -> ModelInfo:
        """The model all actors hold."""
        return self._known.info

    @property
    def judge(self) -> str:
        """Name of the judge all actors ask."""
        return self._known.judge

    @property
    def actors(self) -> tuple[Any, ...]:
        """Ray's handles of the models."""
        return tuple(self._actors)

    def carry_out(
        self, batches: Iterable[Batch], rules: Rules, *, progress: BatchProgress, cancelled: Callable[[], bool]
    ) -> Generator[Done, None, None]:
        """As ``Workers.carry_out``; ``progress`` is not called, since batches are only known to be done.

        Batches are asked for ahead, a few per actor.
        """
        crew = _Crew(self._ray, self._actors, self._replaced, rules, self.info.max_seconds)
        upcoming = iter(batches)
        while True:
            crew.fill(upcoming)
            if crew.idle:
                return
            while not crew.has_next:
                if cancelled():
                    raise Cancelled
                crew.wait()
                crew.fill(upcoming)
            yield crew.take()

    @property
    def _known(self) -> _Description:
        if self._described is None:
            raise RuntimeError("the actors have not been asked; use it as a context manager")
        return self._described

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        try:
            self._ray.init(self._address, **quiet)
        except ConnectionError as error:
            if self._address != AUTO:
                raise StudioError(f"No Ray cluster answers at '{self._address}': {_first_line(error)}") from error
            self._ray.init(include_dashboard=False, **quiet)
        except (ValueError, RuntimeError, OSError) as error:
            raise StudioError(f"The Ray cluster '{self._address}' cannot be used: {_first_line(error)}") from error
        self._started = True

    def _hire_all(self) -> None:
        resources = self._ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        self._needs = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        count = self._count or gpus or cores
        if count < 1:
            raise StudioError(f"The Ray cluster '{self._address}' offers neither a GPU nor a core.")
        for _ in range(count):
            self._hire()

    def _hire(self) -> Any:
        actor = self._ray.remote(_Actor).options(**self._needs).remote(self._model, self._judge)
        self._actors.append(actor)
        return actor

    def _replaced(self, dead: Any) -> Any:
        self._actors.remove(dead)
        return self._hire()

    def _introduced(self) -> _Description:
        asked = [actor.describe.remote() for actor in self._actors]
        found: list[_Description] = []
        for reference in asked:
            try:
                found.append(self._ray.get(reference, timeout=_START_SECONDS))
            except self._ray.exceptions.RayError as error:
                raise StudioError(
                    f"The model '{self._model}' could not be loaded on the Ray cluster: {_cause(error)}"
                ) from error
        if any(each != found[0] for each in found):
            raise StudioError(
                f"The machines of the Ray cluster hold different versions of the model '{self._model}', of its judge "
                "or of ESN Studio; install the same on all."
            )
        return found[0]


@dataclass(frozen=True)
class _Description:
    info: ModelInfo
    judge: str
    version: str


class _Actor:
    """Lives in a process of the cluster."""

    def __init__(self, model: str, judge: str) -> None:
        import torch

        from studio.judges.catalog import load_judge
        from studio.lalm.catalog import load_model

        # One thread each: the cores are shared out among the actors.
        torch.set_num_threads(1)
        self._judge: EmotionJudge = load_judge(judge)
        self._model: SpeechLALM = load_model(model)

    def describe(self) -> _Description:
        from studio import __version__

        return _Description(self._model.info, self._judge.name, __version__)

    def attempt(self, batch: Batch, sources: Sequence[Clip | str], rules: Rules) -> list[Outcome]:
        return attempt(self._model, self._judge, batch, sources, rules)


@dataclass
class _Task:
    batch: Batch
    sources: list[Clip | str]
    deaths: int = 0
    outcomes: list[Outcome] | None = None


class _Crew:
    """Actors at work: which does what, what is done, and what is handed out next."""

    def __init__(
        self, ray: Any, actors: Sequence[Any], replace: Callable[[Any], Any], rules: Rules, max_seconds: float
    ) -> None:
        self._ray = ray
        self._replace = replace
        self._rules = rules
        self._max_seconds = max_seconds
        self._free = deque(actors)
        self._limit = _AHEAD * len(actors)
        self._tasks: deque[_Task] = deque()
        self._waiting: deque[_Task] = deque()
        self._under_way: dict[Any, tuple[_Task, Any]] = {}
        self._starting: dict[Any, Any] = {}

    @property
    def idle(self) -> bool:
        """Nothing is left to hand out, under way or to take."""
        return not self._tasks

    @property
    def has_next(self) -> bool:
        """The earliest batch is done."""
        return not self._tasks or self._tasks[0].outcomes is not None

    def fill(self, upcoming: Iterator[Batch]) -> None:
        """Ask for batches until enough wait, and give one to each actor that is free."""
        while len(self._tasks) < self._limit and (batch := next(upcoming, None)) is not None:
            task = _Task(batch, load_sources(batch, self._max_seconds))
            self._tasks.append(task)
            self._waiting.append(task)
        while self._free and self._waiting:
            actor, task = self._free.popleft(), self._waiting.popleft()
            self._under_way[actor.attempt.remote(task.batch, task.sources, self._rules)] = (task, actor)

    def wait(self) -> None:
        """Wait a moment, or less if something is done."""
        references = [*self._under_way, *self._starting]
        if not references:
            raise StudioError("All actors of the Ray cluster are gone; start the same job again to go on.")
        done, _ = self._ray.wait(references, num_returns=1, timeout=_POLL_SECONDS)
        for reference in done:
            if reference in self._starting:
                self._joins(reference)
            else:
                self._finished(reference)

    def take(self) -> Done:
        """The earliest batch with its outcomes."""
        task = self._tasks.popleft()
        assert task.outcomes is not None
        return task.batch, task.outcomes

    def _finished(self, reference: Any) -> None:
        task, actor = self._under_way.pop(reference)
        try:
            task.outcomes = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            task.deaths += 1
            if task.deaths >= _DEATHS:
                raise StudioError(
                    f"{task.deaths} actors of the Ray cluster died over the batch {task.batch.name}: {_cause(error)}"
                ) from error
            self._waiting.appendleft(task)
            replacement = self._replace(actor)
            self._starting[replacement.describe.remote()] = replacement
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, StudioError):
                raise cause from None
            raise StudioError(f"The batch {task.batch.name} failed on the Ray cluster: {_cause(error)}") from error
        else:
            self._free.append(actor)

    def _joins(self, reference: Any) -> None:
        """A replacement has loaded its model, or could not, and the others go on without it."""
        actor = self._starting.pop(reference)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get(reference)
            self._free.append(actor)


def _cause(error: BaseException) -> str:
    cause = getattr(error, "cause", None)
    return _first_line(cause if isinstance(cause, BaseException) else error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{(lines[0] if lines else type(error).__name__).rstrip('.')}."
