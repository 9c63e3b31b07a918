"""Where a runtime lives: on this machine, or on another one that ssh reaches without asking for a password."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import IO

from studio.errors import Cancelled, StudioError
from studio.progress import never

SSH = (
    "ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-o",
    "ServerAliveCountMax=4", "--",
)  # fmt: skip
"""BatchMode: a question on a terminal that nobody sees would hang; the keys of a host must be known before."""

_HOST = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@:%\[\]-]*")
_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables of the window's own environment that would lead another Python astray."""

_POLL_SECONDS = 0.05
_NO_COMMAND, _NO_CONNECTION = 127, 255

_WATCHED = (
    'exec 3<&0; "$@" </dev/null & job=$!; { cat <&3; kill $job; } >/dev/null 2>&1 & watch=$!; '
    "wait $job; code=$?; kill $watch 2>/dev/null; exit $code"
)
"""Ends a command over there when the connection ends: only standard input tells, where there is no terminal."""


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it wrote to its standard output and error."""

    code: int
    out: bytes
    err: bytes

    @property
    def last_words(self) -> str:
        """The last line of its standard error, which says why it failed; else that of its output."""
        for stream in (self.err, self.out):
            lines = stream.decode("utf-8", "replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            if said:
                return said[-1][:300].rstrip(".")
        return f"exit code {self.code}"


@dataclass(frozen=True)
class Place:
    """``host`` as ssh takes it, ``user@host`` or a name from its config; None is this machine. Raises StudioError."""

    host: str | None = None

    def __post_init__(self) -> None:
        if self.host is not None and not _HOST.fullmatch(self.host):
            raise StudioError(f"'{self.host}' is no machine for ssh; write user@host.")

    @property
    def words(self) -> str:
        """For a sentence: "on ..."."""
        return "this machine" if self.host is None else self.host

    def command(self, argv: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """The command line that runs ``argv`` there with some variables set, and the environment to start it in."""
        if self.host is None:
            inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
            return list(argv), inherited | dict(environment)
        # ssh joins its words with blanks, and the shell over there takes them apart again.
        setting = [f"{name}={value}" for name, value in environment.items()]
        return [*SSH, self.host, "exec " + shlex.join(["env", *setting, *argv])], dict(os.environ)

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        given: bytes | None = None,
        seconds: float = 120.0,
        on_line: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Finished:
        """Run a command to its end; exit code 127 where there is no such program.

        ``given`` is what it reads on its standard input; ``on_line`` gets each line of its standard output. Raises
        Cancelled, once it is ended, and StudioError when the machine cannot be reached or ``seconds`` are over.
        """
        process = self._start(argv, environment or {}, given)
        if process is None:
            return Finished(_NO_COMMAND, b"", f"there is no '{argv[0]}' on this machine".encode())
        out: list[bytes] = []
        err: list[bytes] = []
        readers = [
            threading.Thread(target=_read, args=(process.stdout, out, on_line)),
            threading.Thread(target=_read, args=(process.stderr, err, None)),
        ]
        if given is not None:
            readers.append(threading.Thread(target=_feed, args=(process.stdin, given)))
        for reader in readers:
            reader.start()
        until = monotonic() + seconds
        try:
            while any(reader.is_alive() for reader in readers) or process.poll() is None:
                if cancelled():
                    raise Cancelled
                if monotonic() > until:
                    raise StudioError(f"'{argv[0]}' on {self.words} has not ended within {seconds:.0f} s.")
                readers[0].join(_POLL_SECONDS)
                readers[1].join(_POLL_SECONDS)
        finally:
            _end(process)
            if given is None and process.stdin is not None:
                process.stdin.close()
            for reader in readers:
                reader.join()
        finished = Finished(process.returncode, b"".join(out), b"".join(err))
        if self.host is not None and finished.code == _NO_CONNECTION:
            raise StudioError(f"'{self.host}' cannot be reached by ssh: {finished.last_words}.")
        return finished

    def _start(
        self, argv: Sequence[str], environment: Mapping[str, str], given: bytes | None
    ) -> subprocess.Popen[bytes] | None:
        """The running command; None where this machine has no such program. Raises StudioError when it has no ssh."""
        if self.host is not None and given is None:
            argv = ["sh", "-c", _WATCHED, "sh", *argv]
        command, variables = self.command(argv, environment)
        # Over there, the end of standard input means that the command has to stop.
        incoming = subprocess.PIPE if given is not None or self.host is not None else subprocess.DEVNULL
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(
                command, stdin=incoming, stdout=pipe, stderr=pipe, env=variables, start_new_session=True
            )
        except OSError as problem:
            if self.host is None:
                return None
            raise StudioError("There is no ssh on this machine; install it (on Debian: openssh-client).") from problem


def _read(stream: IO[bytes], kept: list[bytes], on_line: Callable[[str], None] | None) -> None:
    with stream:
        for line in stream:
            kept.append(line)
            if on_line is not None:
                on_line(line.decode("utf-8", "replace").strip())


def _feed(stream: IO[bytes], given: bytes) -> None:
    try:
        with stream:
            stream.write(given)
    except OSError:
        return  # it ended before it had read all, which its exit code tells better


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and, where the system knows groups of processes, what it started."""
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
