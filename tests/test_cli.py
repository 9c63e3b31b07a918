"""The front door: help that comes at once, usage errors, exit codes, one sentence per failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.cli import VERB_MODULES, build_parser, main
from studio.lalm.entries import BY_HAND, ENTRIES

VERBS = ("gui", "render", "identify", "evaluate", "select", "mask", "models", "doctor", "demo")


def studio(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "studio", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_verb_and_needs_neither_torch_nor_qt() -> None:
    code = (
        "import sys; from studio.cli import build_parser; text = build_parser().format_help(); print(text);"
        "heavy = {'torch', 'numpy', 'transformers', 'PySide6', 'scipy', 'soundfile'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"    {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert f"esn-studio {verb}" in capsys.readouterr().out


def test_every_verb_but_the_window_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        if verb not in ("gui", "mask"):
            with pytest.raises(SystemExit):
                main([verb, "--help"])
            assert "--json" in capsys.readouterr().out, verb


@pytest.mark.parametrize(
    "line",
    [
        "sing",
        "render",
        "render a.wav",
        "render a.wav --to bored",
        "render a.wav --to happy --strength happy",
        "render a.wav --to happy --strength happy=loud",
        "render a.wav --to happy --strength happy=-1",
        "render a.wav --to happy --strength happy=nan",
        "render a.wav --to happy --layers 5-2",
        "render a.wav --to happy --layers x",
        "render a.wav --to happy --layers 3-",
        "render a.wav --to happy --mode shout",
        "render a.wav --to happy --ladder 0,x",
        "render a.wav --to happy --seed many",
    ],
)
def test_wrong_usage_is_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["render a.wav b.wav --to happy --text words", "render a.wav --to happy --mode deactivate"]
)
def test_contradictory_usage_is_2_in_a_sentence(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert capsys.readouterr().err.startswith("esn-studio: --")


def test_failure_is_1_and_one_sentence_also_as_json() -> None:
    done = studio("render", "a.wav", "--to", "happy", "--model", "nonsense")
    assert done.returncode == 1
    assert done.stdout == ""
    sentence = f"There is no model 'nonsense'; known: {', '.join(facts.name for facts in (*ENTRIES, *BY_HAND))}."
    assert done.stderr == f"esn-studio: {sentence}\n"
    done = studio("render", "a.wav", "--to", "happy", "--model", "nonsense", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": sentence}


def test_python_m_studio_and_the_command_are_the_same() -> None:
    command = Path(sys.executable).with_name("esn-studio")
    done = subprocess.run([command, "models", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(studio("models", "--json").stdout)


def test_every_verb_module_is_there() -> None:
    actions = build_parser()._subparsers
    assert actions is not None
    assert all(name in sys.modules for name in VERB_MODULES)


def test_no_display_is_said_in_a_sentence() -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", "studio"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "esn-studio: There is no display to open a window on; the verbs work without one (esn-studio --help).\n"
    )


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    # More than a pipe holds, so that printing meets the closed end: as in "esn-studio ... | head".
    program = (
        "import sys; from studio import cli\n"
        "def chatter(args):\n"
        "    for _ in range(50_000): print('a line')\n"
        "    return 0\n"
        "cli._open_window = chatter\n"
        "sys.exit(cli.main([]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        assert made.stdout is not None
        assert made.stderr is not None
        assert made.stdout.readline() == b"a line\n"
        made.stdout.close()
        assert made.stderr.read() == b""
        assert made.wait() == 141


def test_what_a_terminal_cannot_show_is_escaped() -> None:
    program = (
        "import sys; from studio import cli\n"
        "cli._open_window = lambda args: print('caf\\xe9 \\u6012 \\udcff') or 0\n"
        "sys.exit(cli.main([]))\n"
    )
    env = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (b"caf\xe9 \\u6012 \\udcff\n", 0), done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_running_out_of_memory_says_what_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch calls it."""

    for error in (MemoryError(), OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")):

        def run(args: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr("studio.cli_models.run_list", run)
        assert main(["models", *(["--json"] if as_json else [])]) == 1
        printed = capsys.readouterr()
        said = json.loads(printed.out)["error"] if as_json else printed.err
        assert "ran out of memory; convert fewer clips at once" in said
