"""Commands here and over ssh: words arrive as they are, and what is cancelled is ended over there too."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from studio.errors import Cancelled, StudioError
from studio.lalm.runtimes.places import Place
from tests.sshd import Machine

WORDS = ["a b", "it's", '"quoted"', "$HOME", "`id`", "back\\slash", "", "*", "--", "two\nlines", "ü"]
ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['ODD'], sys.stdin.read()]))"


@pytest.mark.parametrize("host", [None, "gpu.example"])
def test_words_variables_and_input_arrive_as_they_are(gpu: Machine, host: str | None) -> None:
    import json

    done = Place(host).run([sys.executable, "-c", ECHO, *WORDS], environment={"ODD": "it's $ODD"}, given=b"given")
    assert done.code == 0, done.err
    assert json.loads(done.out) == [WORDS, "it's $ODD", "given"]


@pytest.mark.parametrize("host", [None, "gpu.example"])
def test_lines_arrive_while_it_runs_and_cancel_ends_it(gpu: Machine, tmp_path: Path, host: str | None) -> None:
    alive = tmp_path / "alive"
    program = (
        "import pathlib, sys, time\n"
        "print('started', flush=True)\n"
        "while True:\n"
        "    pathlib.Path(sys.argv[1]).write_text(str(time.time_ns()))\n"
        "    time.sleep(0.02)\n"
    )
    lines: list[str] = []
    with pytest.raises(Cancelled):
        Place(host).run(
            [sys.executable, "-c", program, str(alive)], on_line=lines.append, cancelled=lambda: bool(lines)
        )
    assert lines == ["started"]
    # It is asked to end; how soon it does is for the system to say.
    until = time.monotonic() + 60
    while True:
        before = alive.read_text() if alive.exists() else ""
        time.sleep(0.3)
        if before == (alive.read_text() if alive.exists() else ""):
            break
        assert time.monotonic() < until, "it still runs"


@pytest.mark.parametrize("host", [None, "gpu.example"])
def test_exit_codes_and_last_words(gpu: Machine, host: str | None) -> None:
    done = Place(host).run([sys.executable, "-c", "import sys; print('why.', file=sys.stderr); sys.exit(3)"])
    assert (done.code, done.last_words) == (3, "why")
    assert Place(host).run(["/nowhere/program"]).code == 127


def test_a_machine_that_cannot_be_reached_is_one_sentence(gpu: Machine) -> None:
    with pytest.raises(StudioError, match=r"^'user@elsewhere' cannot be reached by ssh: .*Could not resolve hostname"):
        Place("user@elsewhere").run(["true"])


def test_no_question_of_ssh_is_waited_for(gpu: Machine) -> None:
    (gpu.keys / "known_hosts").write_text("")
    with pytest.raises(StudioError, match=r"^'gpu\.example' cannot be reached by ssh: Host key verification failed\.$"):
        Place("gpu.example").run(["true"], seconds=30)


def test_a_key_that_is_not_known_over_there_is_one_sentence(gpu: Machine) -> None:
    (gpu.keys / "known.pub").write_text("")
    with pytest.raises(
        StudioError, match=r"^'gpu\.example' cannot be reached by ssh: .*Permission denied \(publickey\)\.$"
    ):
        Place("gpu.example").run(["true"], seconds=30)


@pytest.mark.parametrize("host", ["-oProxyCommand=evil", "a b", "", "gpu;reboot", "gpu\n"])
def test_what_is_no_machine_never_reaches_ssh(host: str) -> None:
    with pytest.raises(StudioError, match="no machine for ssh"):
        Place(host)


def test_what_does_not_end_is_ended() -> None:
    with pytest.raises(StudioError, match="has not ended within 0 s"):
        Place().run([sys.executable, "-c", "import time; time.sleep(600)"], seconds=0.2)
