"""Agreements to run a model's own code: kept for exactly one code, in a file that grants nothing when it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.errors import StudioError
from studio.lalm import catalog, consent, remote_code
from studio.lalm.entries import ENTRIES, ModelFacts


@pytest.fixture(autouse=True)
def user_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "user_data_dir", lambda: tmp_path / "data")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    (folder / "inner").mkdir(parents=True)
    (folder / "modeling.py").write_text("answer = 42\n")
    (folder / "inner" / "sound.py").write_text("rate = 24_000\n")
    (folder / "config.json").write_text("{}")
    return folder


def test_an_agreement_holds_for_one_model_revision_and_code() -> None:
    assert not consent.granted("big", "r1", "aa")
    consent.grant("big", "r1", "aa")
    consent.grant("other", "r1", "cc")
    assert consent.granted("big", "r1", "aa")
    assert consent.agreed("big", "r1") == "aa"
    for model, revision, digest in (("small", "r1", "aa"), ("big", "r2", "aa"), ("big", "r1", "bb"), ("big", "r1", "")):
        assert not consent.granted(model, revision, digest)
    consent.grant("big", "r1", "bb")
    assert not consent.granted("big", "r1", "aa")
    assert [(each.model, each.digest) for each in consent.given()] == [("big", "bb"), ("other", "cc")]
    assert all(each.date.endswith("+00:00") for each in consent.given())


def test_revoking_forgets_every_revision_of_one_model() -> None:
    for model, revision in (("big", "r1"), ("big", "r2"), ("other", "r1")):
        consent.grant(model, revision, "aa")
    assert consent.revoke("big") == 2
    assert consent.revoke("big") == 0
    assert [each.model for each in consent.given()] == ["other"]


def test_what_is_offered_is_every_python_file_and_its_digest(checkpoint: Path) -> None:
    code = consent.offer("big", "Big", "them/big", "r1", checkpoint)
    assert code.files == ("inner/sound.py", "modeling.py")
    assert code.size == len("answer = 42\n") + len("rate = 24_000\n")
    assert code.digest == remote_code.code_digest(checkpoint)
    assert not code.is_granted()
    code.grant()
    assert code.is_granted()
    assert remote_code.require_consent("Big", checkpoint, consent.agreed("big", "r1")) == code.digest
    (checkpoint / "modeling.py").write_text("answer = 43\n")
    assert not consent.offer("big", "Big", "them/big", "r1", checkpoint).is_granted()
    with pytest.raises(StudioError, match="not those you agreed to"):
        remote_code.require_consent("Big", checkpoint, consent.agreed("big", "r1"))


def test_a_folder_without_code_has_nothing_to_offer(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="holds no Python code"):
        consent.offer("big", "Big", "them/big", "r1", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"format": "another", "version": 1, "agreed": []}).encode(),
        json.dumps({"format": consent.FORMAT, "version": 2, "agreed": [["big", "r1", "aa"]]}).encode(),
        json.dumps({"format": consent.FORMAT, "version": 1, "agreed": {"big": "aa"}}).encode(),
        json.dumps({"format": consent.FORMAT, "version": 1, "agreed": [{"model": "big"}]}).encode(),
        json.dumps(
            {"format": consent.FORMAT, "version": 1, "agreed": [{"model": "big", "revision": "r1", "digest": None}]}
        ).encode(),
    ],
)
def test_a_damaged_or_foreign_file_grants_nothing_and_is_replaced(content: bytes) -> None:
    consent.consent_file().parent.mkdir()
    consent.consent_file().write_bytes(content)
    assert consent.given() == []
    assert not consent.granted("big", "r1", "aa")
    consent.grant("big", "r1", "aa")
    assert consent.granted("big", "r1", "aa")


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(StudioError, match="cannot be written"):
        consent.grant("big", "r1", "aa")
    assert not consent.granted("big", "r1", "aa")


@pytest.fixture
def model(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model of the catalog that brings code, downloaded to ``checkpoint``."""
    facts = ModelFacts(
        "big", "Big", "", f"{__name__}:load", "", (), repo="them/big", revision="r1", remote_code=True
    )  # fmt: skip
    (checkpoint / "model.safetensors").touch()
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, facts))
    monkeypatch.setattr("studio.lalm.weights.snapshot", lambda repo, revision: checkpoint)
    return facts.name


def load(source: Path) -> Path:
    return source


def test_such_a_model_is_loaded_only_after_consent(model: str, checkpoint: Path) -> None:
    with pytest.raises(consent.ConsentNeeded, match="esn-studio models consent big") as refused:
        catalog.load_model(model)
    assert refused.value.code.digest == remote_code.code_digest(checkpoint)
    refused.value.code.grant()
    loaded: object = catalog.load_model(model)
    assert loaded == checkpoint
    (checkpoint / "more.py").touch()
    with pytest.raises(consent.ConsentNeeded):
        catalog.load_model(model)


def test_the_command_line_shows_asks_and_takes_back(
    model: str, checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = remote_code.code_digest(checkpoint)
    # Nobody is there to answer: not agreed.
    assert main(["models", "consent", model]) == 1
    shown = capsys.readouterr()
    for words in ("them/big", "r1", digest, "inner/sound.py", "read and write your files"):
        assert words in shown.out
    assert "will not run" in shown.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, code in (("", 1), ("n", 1), ("y", 0)):
        monkeypatch.setattr("builtins.input", lambda _question, answer=answer: answer)
        assert main(["models", "consent", model]) == code
        assert consent.granted(model, "r1", digest) == (code == 0)
    capsys.readouterr()
    assert main(["models", "consent", model, "--revoke", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "big", "revoked": 1}
    assert main(["models", "consent", model, "--json"]) == 1
    assert "will not run" in json.loads(capsys.readouterr().out)["error"]
    assert main(["models", "consent", model, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert consent.granted(model, "r1", digest)


def test_a_model_without_code_has_nothing_to_agree_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "consent", "embedded"]) == 1
    assert "brings no code" in capsys.readouterr().err


def test_no_answer_at_the_question_is_no(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(question: str) -> str:
        raise EOFError  # Ctrl-D

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", closed)
    assert main(["models", "consent", model]) == 1
    assert "was not agreed to" in capsys.readouterr().err
    assert consent.given() == []
