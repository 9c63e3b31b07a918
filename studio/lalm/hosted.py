"""A model that runs in a process of its own, behind the protocol of one that does not (see ``host``)."""

from __future__ import annotations

import math
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import IO, Any, BinaryIO

from studio.errors import Cancelled, StudioError
from studio.lalm import messages, wire
from studio.lalm.base import (
    LANGUAGE,
    AudioSink,
    Conversion,
    ConversionRequest,
    ModelInfo,
    Progress,
    never,
    no_progress,
)
from studio.lalm.failures import HostError, HostOutOfMemory

LOAD_SECONDS = 600.0
PATIENCE_SECONDS = 30.0
"""Without a sign of life for this long, a host hangs."""

STALL_SECONDS = 600.0
"""Without progress for this long, the model of a host that lives computes in vain."""

_POLL_SECONDS = 0.02
_ENDING_SECONDS = 0.5
_LOG_LINES = 40
_RESTARTS = "It is started again with the next render"


class HostedLALM:
    """Talks to ``python -m studio.lalm.host``, started by ``command``, and restarts it when it was lost.

    ``environment``: all its variables; None is for a host in the window's own Python. Raises HostError, when it is made
    or in ``convert``, in one sentence, and Cancelled when ``cancelled`` while it is made. ``log`` is what the host last
    wrote to its standard error. It hangs when it gives no sign of life for ``patience`` seconds, which a thread of the
    host does while its model computes, or when that model makes no progress for ``stall`` seconds.
    """

    def __init__(
        self,
        command: Sequence[str],
        title: str,
        *,
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
        stall: float = STALL_SECONDS,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self._command = list(command)
        self._title = title
        self._environment = own_environment() if environment is None else dict(environment)
        self._patience = patience
        self._stall = stall
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._inbox: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._info = self._start(cancelled)

    @property
    def info(self) -> ModelInfo:
        """What the model said of itself."""
        return self._info

    @property
    def log(self) -> str:
        """The last lines of the host's standard error."""
        return "".join(self._log)

    @property
    def pid(self) -> int | None:
        """The host's process id; None while none runs."""
        return None if self._process is None else self._process.pid

    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        """See :meth:`studio.lalm.base.SpeechLALM.convert`; a lost host is started again first."""
        batch = messages.pack_requests(requests)
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._info = self._start(cancelled)
        job = {"kind": "convert", "batch": batch, "module": module, "record": record, "stream": on_audio is not None}
        self._send(job)
        asked = over = False
        asked_at = math.inf
        moved_at = monotonic()
        try:
            while True:
                if not asked and cancelled():
                    self._send({"kind": "cancel"})
                    asked = True
                    asked_at = monotonic()
                self._end_if_stuck(asked_at, moved_at)
                message = self._receive(self._patience, cancelled if not asked else never)
                moved_at = moved_at if message["kind"] == "alive" else monotonic()
                match message["kind"]:
                    case "progress" if not asked:
                        progress(message["share"])
                    case "audio" if on_audio is not None and not asked:
                        on_audio(message["row"], message["samples"])
                    case "cancelled" | "failed" | "done":
                        over = True
                        return self._outcome(message, asked)
        except HostError as lost:
            if asked:
                raise Cancelled from lost
            raise
        except (KeyError, TypeError, ValueError) as problem:
            raise HostError(f"{self._title} sent an answer that makes no sense. {_RESTARTS}.") from problem
        finally:
            if not over:
                self.close()  # a callback raised: what the host still sends must not answer the next batch

    def _outcome(self, message: dict[str, Any], asked: bool) -> list[Conversion]:
        """What a batch ended in; ``asked``: whether it was to be cancelled."""
        if message["kind"] == "failed":
            self._fail(message)
        if asked or message["kind"] == "cancelled":
            raise Cancelled
        try:
            return [messages.unpack_conversion(row) for row in message["rows"]]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the host."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        # Its input first: where the command only led to the host, as ssh does, that is what ends the host itself.
        _close(process.stdin)
        for thread in self._threads:
            thread.join()
        _close(process.stdout)
        _close(process.stderr)

    def _start(self, cancelled: Callable[[], bool]) -> ModelInfo:
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                self._command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for this side to hear, which may want to finish what is under way
            )
        except OSError as problem:
            raise HostError(
                f"{self._title} cannot be started ({problem.strerror or problem}); "
                "look at the environment it should run in."
            ) from problem
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._inbox = queue.Queue()
        self._log.clear()
        self._threads = [
            threading.Thread(target=_collect, args=(process.stdout, self._inbox), name="host-frames", daemon=True),
            threading.Thread(target=_log_lines, args=(process.stderr, self._log), name="host-log", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            while (message := self._receive(LOAD_SECONDS, cancelled))["kind"] in ("hello", "alive"):
                if cancelled():
                    raise Cancelled
                if message["kind"] == "hello":
                    self._check_version(message)
            if message["kind"] == "failed":
                self._fail(message)
            self._check_version(message)
            # One pipe carries one batch at a time, whatever the model itself could do.
            return replace(messages.unpack_info(message["info"]), overlaps=False)
        except (KeyError, TypeError, ValueError) as problem:
            self.close()
            raise HostError(f"{self._title} did not say what it is; look at its runtime.") from problem
        except BaseException:
            self.close()
            raise

    def _check_version(self, message: dict[str, Any]) -> None:
        version = message.get("version")
        if version != wire.VERSION:
            raise HostError(
                f"{self._title} speaks version {version} of the protocol and this studio {wire.VERSION}; "
                "give its environment the studio's own version."
            )

    def _end_if_stuck(self, asked_at: float, moved_at: float) -> None:
        """A model that computes on long after it was asked to stop, or gets nowhere, is stopped with its process."""
        if monotonic() - asked_at > self._patience:
            self.close()
            raise Cancelled
        if monotonic() - moved_at > self._stall:
            self.close()
            raise HostError(f"{self._title} made no progress for {self._stall:.0f} s and was stopped. {_RESTARTS}.")

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            wire.write(self._process.stdin, message)
        except OSError:
            return  # it is gone, which reading tells better

    def _receive(self, patience: float, cancelled: Callable[[], bool] = never) -> dict[str, Any]:
        """The next message; an empty one of kind "alive" when something else wants to be done first."""
        until = monotonic() + patience
        while True:
            try:
                message = self._inbox.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if cancelled():
                    return {"kind": "alive"}
                if monotonic() > until:
                    self.close()
                    raise HostError(
                        f"{self._title} has not answered for {patience:.0f} s and was stopped. {_RESTARTS}."
                    ) from None
                continue
            if isinstance(message, dict):
                return message
            code = self._exit_code()
            self.close()
            if message is None:
                last = self._log[-1].strip().rstrip(".")[:200] if self._log else ""
                end = f" (signal {-code})" if code is not None and code < 0 else f" ({last})" if last else ""
                raise HostError(f"{self._title} ended unexpectedly{end}. {_RESTARTS}.")
            raise HostError(f"{self._title} sent something that is no message. {_RESTARTS}.") from message

    def _exit_code(self) -> int | None:
        """How the host ended; its pipe may close a moment before it has."""
        try:
            return None if self._process is None else self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def _fail(self, message: dict[str, Any]) -> None:
        words = message.get("words")
        if message.get("why") == "request":
            raise StudioError(words)
        self.close()
        if message.get("why") == "memory":
            raise HostOutOfMemory(
                f"{self._title} ran out of memory; render fewer takes at once or a shorter recording, load it in "
                "another precision, or use the embedded model."
            )
        raise HostError(f"{self._title} failed ({words}). {_RESTARTS}.")


def own_environment() -> dict[str, str]:
    """The variables of this process, with this studio importable."""
    folder = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # what was not sent has nowhere to go
            stream.close()


def _collect(stream: BinaryIO, inbox: queue.Queue[dict[str, Any] | Exception | None]) -> None:
    try:
        while (message := wire.read(stream)) is not None:
            inbox.put(message)
        inbox.put(None)
    except Exception as problem:
        inbox.put(problem)


def _log_lines(stream: BinaryIO, log: deque[str]) -> None:
    for line in stream:
        log.append(line.decode("utf-8", "replace"))
