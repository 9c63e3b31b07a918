"""Identification on many machines or cores: batches as tasks of a Ray cluster whose actors hold a model each.

Ray (the optional package ``ray``) carries objects between its processes; what is written into the job folder is written
by the process that runs the job, in the order of the plan. So neither the job folder nor the corpus need be reachable
from the other machines, only this package and the model's weights.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.judges.optional import require
from studio.lalm.base import ModelInfo
from studio.pipelines.attempts import Outcome, Rules, attempt, load_sources
from studio.pipelines.plan import Batch
from studio.pipelines.workers import BatchProgress, Done

if TYPE_CHECKING:
    from studio.judges.base import EmotionJudge
    from studio.lalm.base import SpeechLALM

INSTALL = '"ray>=2.59"'
"""From 2.59 on, a cluster that Ray starts on one machine asks whoever reaches its ports for a token."""

AUTO = "auto"
"""Address of the cluster this machine belongs to or, where it belongs to none, of one made of its GPUs and cores."""

_AHEAD = 2
"""Batches per actor that may wait for an earlier one: enough that none is idle, few enough to lose with the job."""

_DEATHS = 3
"""Actors a batch may outlive before it is blamed."""

_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 10.0
_START_SECONDS = 600.0


class RayWorkers:
    """Models of one name on a Ray cluster, one per GPU where it has some, else one per core; a context manager.

    ``address``: ``auto`` or that of a running cluster; where this process already belongs to a cluster, it is that one.
    ``count``: how many models, where the default is wrong; if there are more than GPUs or cores, they share these.

    An actor that dies takes with it the batch it was converting, which another then does, and is replaced. Conversions
    have the bits of ``InProcess`` with one thread on the same kind of processor. Raises StudioError when Ray is not
    installed, no cluster answers, or a model cannot be loaded there.
    """

    def __init__(self, address: str, model: str, judge: str, count: int | None = None) -> None:
        self._address = address
        self._model = model
        self._judge = judge
        self._count = count
        self._ray: Any = None
        self._joined = False
        self._needs: dict[str, float] = {}
        self._actors: list[Any] = []
        self._description: Description | None = None

    def __enter__(self) -> Self:
        self._ray = require("ray", "Identification on a Ray cluster", INSTALL)
        try:
            self._connect()
            self._hire_all()
            self._description = self._introduced()
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
            self.dismiss(self._actors[-1])
        if self._joined:
            self._joined = False
            self._ray.shutdown()

    @property
    def info(self) -> ModelInfo:
        """The model all actors hold."""
        return self.description.info

    @property
    def judge(self) -> str:
        """Name of the judge all actors ask."""
        return self.description.judge

    @property
    def description(self) -> Description:
        """What all actors say of themselves."""
        if self._description is None:
            raise RuntimeError("the actors have not been asked; use it as a context manager")
        return self._description

    @property
    def actors(self) -> tuple[Any, ...]:
        """Ray's handles of the models."""
        return tuple(self._actors)

    def hire(self) -> Any:
        """A new actor, which loads its model once the cluster has room."""
        actor = self._ray.remote(_Actor).options(**self._needs).remote(self._model, self._judge)
        self._actors.append(actor)
        return actor

    def dismiss(self, actor: Any) -> None:
        """End ``actor``, if it has not ended itself."""
        self._actors.remove(actor)
        self._ray.kill(actor)

    def carry_out(
        self, batches: Iterable[Batch], rules: Rules, *, progress: BatchProgress, cancelled: Callable[[], bool]
    ) -> Generator[Done, None, None]:
        """As ``Workers.carry_out``; ``progress`` is not called, since batches are only known to be done.

        Batches are asked for ahead, a few per actor.
        """
        crew = _Crew(self, self._ray, rules)
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

    def _connect(self) -> None:
        if self._address != AUTO:
            _require_answer(self._address)
        if self._ray.is_initialized():
            return
        try:
            try:
                self._join(self._address)
            except ConnectionError:
                if self._address != AUTO:
                    raise
                # What Ray's releases do by themselves today, said here because nothing may leave the machine.
                os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
                self._join("local", include_dashboard=False)
        except (self._ray.exceptions.RayError, ValueError, RuntimeError, OSError) as error:
            raise StudioError(f"The Ray cluster '{self._address}' cannot be used: {_line(error, 0)}") from error

    def _join(self, address: str, **more: Any) -> None:
        self._ray.init(address, log_to_driver=False, logging_level="error", **more)
        self._joined = True

    def _hire_all(self) -> None:
        resources = self._ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        if not gpus and not cores:
            raise StudioError(f"The Ray cluster '{self._address}' offers neither a GPU nor a core.")
        count = self._count or gpus or cores
        self._needs = {"num_gpus" if gpus else "num_cpus": 1 / math.ceil(count / (gpus or cores))}
        for _ in range(count):
            self.hire()

    def _introduced(self) -> Description:
        asked = [actor.describe.remote() for actor in self._actors]
        found: list[Description] = []
        for reference in asked:
            try:
                answer = self._ray.get(reference, timeout=_START_SECONDS)
            except self._ray.exceptions.GetTimeoutError as error:
                raise StudioError(
                    f"The Ray cluster made room for {len(found)} of {len(asked)} models in {_START_SECONDS / 60:.0f} "
                    "minutes; ask for fewer with --ray-workers, or wait until it is less busy."
                ) from error
            except self._ray.exceptions.RayError as error:
                raise StudioError(
                    f"The model '{self._model}' could not be loaded on the Ray cluster: {_reason(error)}"
                ) from error
            if isinstance(answer, str):
                raise StudioError(f"A machine of the Ray cluster cannot convert: {answer}")
            found.append(answer)
        if any(each != found[0] for each in found):
            raise StudioError(
                f"The machines of the Ray cluster hold different versions of the model '{self._model}', of its judge "
                "or of ESN Studio; install the same on all."
            )
        return found[0]


@dataclass(frozen=True)
class Description:
    """What an actor holds, and the version of ESN Studio it runs."""

    info: ModelInfo
    judge: str
    version: str


class _Actor:
    """Lives in a process of the cluster.

    What is wrong that a person can mend is returned as a sentence, not raised: Ray prints every error that nobody
    fetched, such as those of other actors after the first.
    """

    def __init__(self, model: str, judge: str) -> None:
        import torch

        from studio.judges.catalog import load_judge
        from studio.lalm.catalog import load_model

        # Each has a core to itself, and sums are rounded by how they are shared out among threads.
        torch.set_num_threads(1)
        self._problem = ""
        try:
            self._judge: EmotionJudge = load_judge(judge)
            self._model: SpeechLALM = load_model(model)
        except StudioError as error:
            self._problem = str(error)

    def describe(self) -> Description | str:
        from studio import __version__

        return self._problem or Description(self._model.info, self._judge.name, __version__)

    def attempt(self, batch: Batch, sources: Sequence[Clip | str], rules: Rules) -> list[Outcome] | str:
        try:
            return attempt(self._model, self._judge, batch, sources, rules)
        except StudioError as error:
            return str(error)


@dataclass
class _Task:
    batch: Batch
    sources: list[Clip | str]
    deaths: int = 0
    outcomes: list[Outcome] | None = None


class _Crew:
    """Actors at work: which does what, what is done, and what is handed out next."""

    def __init__(self, workers: RayWorkers, ray: Any, rules: Rules) -> None:
        self._workers = workers
        self._ray = ray
        self._rules = rules
        self._free = deque(workers.actors)
        self._limit = _AHEAD * len(self._free)
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
            task = _Task(batch, load_sources(batch, self._workers.info.max_seconds))
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
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            task.deaths += 1
            if task.deaths >= _DEATHS:
                raise StudioError(
                    f"{task.deaths} actors of the Ray cluster died over the batch {task.batch.name}: {_reason(error)}"
                ) from error
            self._waiting.appendleft(task)
            self._workers.dismiss(actor)
            replacement = self._workers.hire()
            self._starting[replacement.describe.remote()] = replacement
        except self._ray.exceptions.RayError as error:
            raise StudioError(f"The batch {task.batch.name} failed on the Ray cluster: {_reason(error)}") from error
        else:
            if isinstance(answer, str):
                raise StudioError(answer)
            task.outcomes = answer
            self._free.append(actor)

    def _joins(self, reference: Any) -> None:
        """A replacement is as the others, or the others go on without it."""
        actor = self._starting.pop(reference)
        with contextlib.suppress(self._ray.exceptions.RayError):
            if self._ray.get(reference) == self._workers.description:
                self._free.append(actor)
                return
        self._workers.dismiss(actor)


def _require_answer(address: str) -> None:
    """Ray itself waits for minutes where nobody answers."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (ValueError, OverflowError, OSError) as error:
        raise StudioError(
            f"No Ray cluster answers at '{address}'; give the HOST:PORT that ray start printed on its head, or auto."
        ) from error


def _reason(error: BaseException) -> str:
    """One sentence from an error of Ray's, whose text is a traceback where there is one."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {_line(cause, 0)}"
    return _line(error, -1)


def _line(error: BaseException, number: int) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[number].rstrip('.')}."
