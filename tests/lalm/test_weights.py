"""Downloading through huggingface_hub itself, from a stand-in of the hub on this machine; each in its own process."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.errors import StudioError
from studio.lalm.entries import ENTRIES, JUDGES, ModelFacts
from studio.lalm.weights import download, is_installed, is_whole, repository, snapshot

REPO, SHA = "tiny/model", "a" * 40
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 4000}

WORK = """
import json, sys
from studio.errors import Cancelled, StudioError
from studio.lalm.entries import ModelFacts
from studio.lalm.weights import download, remove
needs = ("tiny/tokenizer",) if "companion" in sys.argv else ()
facts = ModelFacts(
    "tiny", "Tiny", "", "none:none", "none", (), repo="tiny/model", revision="a" * 40, companions=needs
)
shares = []
stop_at = float(sys.argv[1])
try:
    where = str(download(facts, progress=shares.append, cancelled=lambda: bool(shares) and shares[-1] >= stop_at))
except Cancelled:
    where = "cancelled"
except StudioError as error:
    where = "error: " + str(error)
freed = remove(facts) if "remove" in sys.argv else 0
print(json.dumps([where, shares, freed]))
"""


class Hub(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012
    broken = False

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: Any) -> None:
        return

    def _answer(self, *, body: bool) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if self.path.startswith("/api/models/"):
            listed = [{"rfilename": each, "size": len(content)} for each, content in FILES.items()]
            content = json.dumps({"id": REPO, "sha": SHA, "siblings": listed}).encode()
        elif name in FILES:
            content = FILES[name]
            if body:
                self.asked.append(name)
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if body:
            self.wfile.write(content[:1000] if Hub.broken and name == "model.safetensors" else content)


class Gated(Hub):
    """Tells what is there, and gives no file to who did not agree."""

    def _answer(self, *, body: bool) -> None:
        if self.path.startswith("/api/models/"):
            super()._answer(body=body)
            return
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(handler: type[Hub]) -> Iterator[str]:
    """A hub on this machine; its address."""
    Hub.asked.clear()
    Hub.broken = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hub() -> Iterator[str]:
    with serving(Hub) as address:
        yield address


def run(endpoint: str, home: Path, *words: str, program: str = WORK) -> tuple[str, list[float], int]:
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    where, shares, freed = json.loads(done.stdout.splitlines()[-1])
    return where, shares, freed


def test_interrupted_resumed_and_removed(hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    folder = snapshot(REPO, SHA)
    where, _, _ = run(hub, tmp_path, "0.000001")
    assert where == "cancelled"
    assert (folder / "config.json").is_file()
    assert not is_whole(folder)
    where, shares, _ = run(hub, tmp_path, "2")
    assert Path(where) == folder
    assert is_whole(folder)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    # What arrived whole the first time was not asked for again.
    assert Hub.asked.count("config.json") == 1
    _, _, freed = run(hub, tmp_path, "2", "remove")
    assert freed >= sum(map(len, FILES.values()))
    assert not folder.exists()


def test_what_a_model_needs_besides_is_downloaded_first_and_removed_with_it(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    # Half of the bytes are the companion's: stopped right after them, in however many pieces they come.
    where, _, _ = run(hub, tmp_path, "0.5", "companion")
    assert where == "cancelled"
    # Of a repository that is pinned to nothing, main is known once it is whole.
    companion = snapshot("tiny/tokenizer", None)
    assert (companion / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not is_whole(snapshot(REPO, SHA))
    where, shares, freed = run(hub, tmp_path, "2", "companion", "remove")
    assert Path(where) == snapshot(REPO, SHA)
    assert shares[-1] == 1.0
    assert freed >= 2 * sum(map(len, FILES.values()))
    assert not companion.exists()


def test_without_a_network_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where, _, _ = run(f"http://127.0.0.1:{port}", tmp_path, "2")
    assert where.startswith("error: Tiny cannot be downloaded: the hub was not reached")
    assert "\n" not in where


def test_a_full_disk_is_not_put_down_to_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def full(*args: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", full)
    with pytest.raises(StudioError, match=r"^Qwen2\.5-Omni 3B cannot be written to '.*': no space left on device\.$"):
        download(ENTRIES[1])


def test_a_snapshot_is_known_by_its_repository(tmp_path: Path) -> None:
    assert repository(tmp_path / "models--some--model-1.5" / "snapshots" / SHA) == ("some/model-1.5", SHA)
    assert repository(tmp_path / "model") is None


def test_a_snapshot_is_whole_only_with_every_shard(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert not is_whole(tmp_path)
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "one.safetensors").touch()
    assert not is_whole(tmp_path)
    (tmp_path / "two.safetensors").touch()
    assert is_whole(tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [("embedded", "no checkpoint"), ("qwen2.5-omni-3b", "not downloaded"), ("nowhere", "There is no model 'nowhere'")],
)
def test_fold_takes_downloaded_models_only(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    words = ["fold", name, "--mask", str(tmp_path / "no.esn.safetensors"), "--strength", "sad=1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    assert says in capsys.readouterr().err


def test_every_judge_says_how_much_is_fetched_and_under_what_licence() -> None:
    for facts in JUDGES:
        assert facts.abilities == ("judge",)
        assert facts.repo
        assert facts.disk
        assert facts.licence


def test_every_entry_from_a_hub_is_pinned_and_sized() -> None:
    for facts in ENTRIES[1:]:
        assert isinstance(facts, ModelFacts)
        assert len(facts.revision or "") == 40
        assert facts.disk
        assert facts.memory


def test_of_a_judge_only_what_it_needs_is_fetched(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    some = WORK.replace("companions=needs", 'files=("model.safetensors",)')
    where, shares, _ = run(hub, tmp_path, "2", program=some)
    assert shares[-1] == 1.0
    assert [path.name for path in Path(where).iterdir()] == ["model.safetensors"]
    facts = ModelFacts("tiny", "Tiny", "", "", "", (), repo=REPO, revision=SHA, files=("model.safetensors",))
    assert is_installed(facts, Path(where))
    another = WORK.replace("companions=needs", 'files=("config.json", "nothing.pt")')
    where, _, _ = run(hub, tmp_path, "2", program=another)
    assert where == "error: The repository 'tiny/model' does not hold the files of Tiny; nothing is downloaded."


def test_offline_means_that_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def asked(*args: Any, **options: Any) -> Any:
        raise AssertionError("the net was asked")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["models", "download", "wavlm"]) == 1
    assert "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it to download WavLM." in capsys.readouterr().err
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert main(["models", "set", "qwen2.5-omni-7b", "--offline"]) == 0
    assert main(["models", "download", "qwen2.5-omni-7b"]) == 1
    assert "allow it with: esn-studio models set qwen2.5-omni-7b --no-offline" in capsys.readouterr().err


def test_a_full_disk_is_seen_before_anything_is_fetched(hub: str, tmp_path: Path) -> None:
    roomy = "from studio.lalm import weights\nweights.MARGIN = 10**18\n"
    where, shares, _ = run(hub, tmp_path, "2", program=roomy + WORK)
    assert where.startswith(f"error: Tiny needs 1000000000.0 GB on the disk of '{tmp_path}', which has ")
    assert where.endswith(" GB free; make room, or set HF_HOME to another disk.")
    assert shares == []
    assert Hub.asked == []
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_gated_repository_says_what_to_do(tmp_path: Path) -> None:
    with serving(Gated) as address:
        where, _, _ = run(address, tmp_path, "2")
    assert where == (
        "error: 'tiny/model' asks for an agreement first: accept it at https://huggingface.co/tiny/model, then log in "
        "with: hf auth login"
    )
    assert Hub.asked == []
