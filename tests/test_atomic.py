"""Files are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.atomic import write_bytes, write_json
from studio.errors import StudioError


def test_writes_and_replaces_making_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_json_is_readable_utf8(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_json(path, {"words": "schön", "n": 1.5})
    assert "schön" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == {"words": "schön", "n": 1.5}


def test_a_document_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_json(path, {"n": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, {"n": float("nan")})
    assert json.loads(path.read_text()) == {"n": 1}


def test_failure_is_one_sentence_and_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudioError, match="cannot be written"):
        write_bytes(tmp_path / "folder", b"x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StudioError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "below", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_file_names_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    document = {"name": "b\udcfcrger \N{GRINNING FACE} schön"}
    write_json(tmp_path / "d.json", document)
    assert json.loads((tmp_path / "d.json").read_bytes()) == document
