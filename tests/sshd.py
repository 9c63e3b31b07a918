"""A real ssh server on this machine, of the test's own: its keys, its port, and a home folder to arrive in."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "gpu.example"
"""What the machine is called in the config of ssh."""

_PATIENCE_SECONDS = 20.0

_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/known.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
ForceCommand {folder}/arrive
LogLevel VERBOSE
"""

_CLIENT = """
Host {host}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/known
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
"""

_ARRIVE = """#!/bin/sh
# Another machine has another home folder and other settings; the rest is as the server leaves it.
cd {home} && HOME={home} && export HOME {settings}
exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"
"""


@dataclass(frozen=True)
class Machine:
    """``home``: where a command arrives; ``keys``: the folder of both sides' keys; ``server``: it listens."""

    home: Path
    keys: Path
    server: subprocess.Popen[bytes]

    def cut(self) -> None:
        """Break all connections at once, as a network that fails; new ones are taken."""
        for pid in _children(self.server.pid):
            for child in (*_children(pid), pid):
                with suppress(ProcessLookupError):  # it ended by itself, just now
                    os.kill(child, signal.SIGKILL)


@contextmanager
def another_machine(folder: Path, settings: dict[str, str]) -> Iterator[Machine]:
    """``gpu.example``, reached by ``ssh`` on the PATH that ``folder / "bin"`` is put in front of.

    ``settings``: environment variables that hold over there. Raises AssertionError where no ssh server is installed.
    """
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    ssh = shutil.which("ssh")
    assert sshd is not None, "no ssh server: apt-get install openssh-server"
    assert ssh is not None, "no ssh: apt-get install openssh-client"
    home, keys, programs = folder / "it's home", folder / "keys", folder / "bin"
    for made in (home, keys, programs):
        made.mkdir()
    for name in ("host", "known"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    public = (keys / "host.pub").read_text().split()
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    _program(keys / "arrive", _ARRIVE.format(home=shlex.quote(str(home)), settings=words))
    (keys / "sshd_config").write_text(_SERVER.format(folder=keys, port=port))
    (keys / "config").write_text(_CLIENT.format(host=HOST, port=port, user=getpass.getuser(), folder=keys))
    _program(programs / "ssh", f'#!/bin/sh\nexec {ssh} -F {shlex.quote(str(keys / "config"))} "$@"\n')
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server, as root, shuts itself in
    log = folder / "sshd.log"
    command = [sshd, "-D", "-f", str(keys / "sshd_config"), "-E", str(log)]
    with subprocess.Popen(command, env={"PATH": os.environ["PATH"]}) as server:
        machine = Machine(home, keys, server)
        try:
            _wait(port, log)
            yield machine
        finally:
            machine.cut()
            server.kill()


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(stat.S_IRWXU)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it ended
        return []


def _wait(port: int, log: Path) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < until, f"the ssh server does not listen: {log.read_text()}"
            time.sleep(0.02)
