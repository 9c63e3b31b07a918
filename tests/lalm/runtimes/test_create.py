"""Environments really made with venv and pip, offline: used, renewed, damaged, repaired, deleted; here and over ssh."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio import cli
from studio.errors import Cancelled, StudioError
from studio.lalm import embedded, wire
from studio.lalm.base import ConversionRequest
from studio.lalm.failures import HostError
from studio.lalm.hosted import HostedLALM
from studio.lalm.runtimes import specs
from studio.lalm.runtimes.check import Greeting, check, greet, problem_of, variables
from studio.lalm.runtimes.create import create, remove, survey
from studio.lalm.runtimes.places import Place
from studio.lalm.runtimes.records import RuntimeRecord, find_record, lacking, record_file
from studio.lalm.runtimes.specs import RuntimeSpec
from studio.paths import HOME_VARIABLE, home
from studio.session.sources import open_source
from tests.lalm.runtimes.conftest import tiny
from tests.sshd import Machine

SPEC = tiny("running==1.0")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a user whose name needs quoting, for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("a user's data")
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder / "esn-studio"


def make(spec: RuntimeSpec = SPEC, place: Place | None = None) -> tuple[RuntimeRecord, list[float], list[str]]:
    shares: list[float] = []
    said: list[str] = []
    record = create(spec, survey(spec, place), progress=shares.append, say=said.append)
    return record, shares, said


def host(record: RuntimeRecord) -> HostedLALM:
    command, environment = record.place.command(
        [record.interpreter, "-m", "studio.lalm.host", "studio.lalm.embedded:load"],
        variables(record) | {HOME_VARIABLE: str(home())},
    )
    return HostedLALM(command, "Tiny", environment=environment)


def same_samples(record: RuntimeRecord) -> None:
    requests = [ConversionRequest(open_source("demo:0011_000001").clip, "angry")]
    here, there = embedded.load(), host(record)
    try:
        [mine], [theirs] = here.convert(requests), there.convert(requests)
        assert there.info == replace(here.info, overlaps=False)
        np.testing.assert_array_equal(mine.audio.samples, theirs.audio.samples)
    finally:
        there.close()
        here.close()


def a_lost_connection_is_told_and_made_anew(record: RuntimeRecord, gpu: Machine) -> None:
    request = ConversionRequest(open_source("demo:0011_000001").clip, "angry")
    model = host(record)
    try:
        with pytest.raises(HostError, match=r"^Tiny .*Connection to 127\.0\.0\.1 closed.*with the next render\.$"):
            model.convert([request], progress=lambda _share: gpu.cut())
        assert model.convert([request])[0].text
    finally:
        model.close()


def test_the_command_line_makes_a_runtime(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(specs, "runtimes", lambda: (SPEC,))
    assert cli.main(["runtime", "check", "tiny"]) == 1
    assert "not made yet; run: esn-studio runtime create tiny" in capsys.readouterr().err
    assert cli.main(["runtime", "create", "tiny"]) == 0
    made = capsys.readouterr()
    assert "needs about 0.0 GB in" in made.err
    assert "Tiny: fetching running-1.0-py3-none-any.whl" in made.err
    assert "GB are free" in made.err
    assert f"is in '{user / 'runtimes' / 'tiny'}' on this machine." in made.out
    assert cli.main(["runtime", "list"]) == 0
    assert "made        for Tiny" in capsys.readouterr().out
    assert cli.main(["runtime", "check", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"] is None
    assert cli.main(["runtime", "check", "other"]) == 1
    assert "There is no runtime 'other'; known: tiny." in capsys.readouterr().err


def test_a_runtime_serves_its_model_from_files_of_its_own(user: Path) -> None:
    record = find_record("tiny")
    assert record is not None
    # The studio's own files are the runtime's, not those of the folder the tests run in; the window is not among them.
    where = "import studio.errors as e, importlib.util as u; print(e.__file__, u.find_spec('studio.gui'))"
    done = record.place.run([record.interpreter, "-c", where], environment=variables(record))
    assert done.out.decode().strip() == f"{record.folder}/code/studio/errors.py None"
    same_samples(record)


def test_made_again_nothing_is_done_and_other_pins_renew_it(user: Path) -> None:
    _, shares, said = make()
    assert (shares, said) == ([1.0], [])
    newer = tiny("running==2.0")
    with pytest.raises(StudioError, match=r"cannot be started\. Its environment holds other versions"):
        check(newer)
    record, shares, said = make(newer)
    assert shares == sorted(shares)
    assert "fetching running-2.0-py3-none-any.whl" in said
    assert record == find_record("tiny")
    assert check(newer)[1].packages["running"] == "2.0"


def test_what_was_damaged_or_interrupted_is_told_and_gone_on_with(user: Path) -> None:
    newer = tiny("running==2.0")
    record = find_record("tiny")
    assert record is not None
    [link] = Path(record.folder).rglob("running.pth")
    link.rename(link.with_suffix(".away"))
    told = r"does not start in '.*' on this machine \(ModuleNotFoundError: No module named '\w+'\); repair it: .* tiny$"
    with pytest.raises(StudioError, match=told):
        check(newer)
    link.with_suffix(".away").rename(link)
    with pytest.raises(StudioError, match=r"pip says: No matching distribution found for nowhere==1\.0\.$"):
        make(tiny("nowhere==1.0"))
    # As after a power cut: some of it is there, and the record says that it is not whole.
    assert "was not finished; go on with: esn-studio runtime create tiny" in str(lacking(newer))
    assert make()[0].ready
    assert find_record("tiny") == make()[0]


def test_a_host_of_another_version_is_refused_and_a_runtime_is_removed(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = find_record("tiny")
    assert record is not None
    spoken = wire.VERSION
    monkeypatch.setattr(wire, "VERSION", 99)
    with pytest.raises(StudioError, match=f"speaks version {spoken} of the protocol and this studio 99"):
        greet(record, SPEC.adapter)
    monkeypatch.setattr(specs, "runtimes", lambda: (SPEC,))
    assert cli.main(["runtime", "remove", "tiny"]) == 0
    assert not (user / "runtimes" / "tiny").exists()
    capsys.readouterr()
    assert cli.main(["runtime", "remove", "tiny"]) == 1
    assert "is not made; there is nothing to remove" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("packages", "adapter", "says"),
    [
        ({"some-thing": "1.0+cpu", "kimi": "7"}, None, None),
        ({"some-thing": "1.0", "kimi": "7"}, "ImportError: libcuda", "cannot be imported there (ImportError: libcuda)"),
        ({"some-thing": "1.1", "kimi": "7"}, None, "holds Some_Thing 1.1 instead of 1.0; repair it"),
        ({"kimi": "7"}, None, "Some_Thing is missing from the environment; repair it"),
        ({"some-thing": "1.0"}, None, "kimi is missing from the environment"),
    ],
)
def test_what_a_greeting_shows(packages: dict[str, str], adapter: str | None, says: str | None) -> None:
    spec = tiny("Some_Thing==1.0", alone=("kimi @ git+https://example.org/kimi.git@abc",))
    found = problem_of(spec, Greeting("3.11.7", None, adapter, packages))
    assert found is None if says is None else says in str(found)


def test_what_fails_or_is_cancelled_leaves_nothing(data: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] && {{ echo "No module named venv"; exit 1; }}\nexec {sys.executable} "$@"\n'
    )
    bare.chmod(stat.S_IRWXU)
    with pytest.raises(
        StudioError, match=r"cannot make an environment on this machine: No module named venv; on Debian"
    ):
        create(SPEC, survey(SPEC, python=str(bare)))
    assert not (data / "runtimes" / "tiny").exists()
    with pytest.raises(Cancelled):
        create(SPEC, survey(SPEC), cancelled=lambda: True)
    assert not (data / "runtimes" / "tiny").exists()


def test_too_little_room_and_no_python_are_told_before_anything_is_made(data: Path) -> None:
    with pytest.raises(StudioError, match=r"needs about 1000000.0 GB in '.*' on this machine, where .* Make room"):
        survey(tiny(disk=10**15))
    with pytest.raises(StudioError, match=r"needs Python 3\.4 to 3\.5 on this machine; looked for .*python3\.5"):
        survey(tiny(pythons=((3, 4), (3, 5))))
    with pytest.raises(StudioError, match="'/nowhere/python' is none"):
        survey(SPEC, python="/nowhere/python")
    assert not data.exists()


def test_over_ssh_a_runtime_is_made_serves_its_model_and_is_removed(data: Path, gpu: Machine) -> None:
    lacks = tiny("running==1.0", alone=("nowhere==1.0",), hint="It is found nowhere.")
    with pytest.raises(
        StudioError, match=r"but for nowhere==1\.0; pip says: .*\. It is found nowhere\. What is inst.* stays"
    ):
        make(lacks, Place("gpu.example"))
    assert "not finished" in str(lacking(SPEC))
    made = [path.stat() for path in gpu.home.rglob("running.pth")]
    record, _, _ = make(place=Place("gpu.example"))
    assert [path.stat() for path in gpu.home.rglob("running.pth")] == made
    assert len(made) == 1
    assert record.folder == str(gpu.home / ".local" / "share" / "esn-studio" / "runtimes" / "tiny")
    assert check(SPEC)[0] == record
    same_samples(record)
    a_lost_connection_is_told_and_made_anew(record, gpu)
    with pytest.raises(StudioError, match=r"is on gpu\.example; remove that one first"):
        make()
    remove(SPEC)
    assert not Path(record.folder).exists()
    assert find_record("tiny") is None


def test_a_damaged_record_is_none(data: Path) -> None:
    for content in (b"", b"[]", b"{}", b'{"format": "esn-studio runtime", "version": 1, "runtime": {}}', b"\xff" * 9):
        record_file("tiny").parent.mkdir(parents=True, exist_ok=True)
        record_file("tiny").write_bytes(content)
        assert find_record("tiny") is None
        assert "not made yet" in str(lacking(SPEC))
