"""The hosted models of the catalog: each step that is missing is one sentence, up to the adapter in its own process."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio import cli
from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.lalm import consent, cosyvoice
from studio.lalm.base import ConversionRequest
from studio.lalm.catalog import code_of, find_model, load_model
from studio.lalm.recognisers import load_recogniser
from studio.lalm.runtimes import library
from studio.lalm.runtimes.records import RuntimeRecord, runtime_folder
from studio.lalm.runtimes.specs import find_runtime, runtimes
from studio.lalm.steerable import COSYVOICE, COSYVOICE_OUTPUT
from studio.lalm.weights import snapshot
from tests.lalm.cosyvoice_guest import WIDTH, Cosy
from tests.sshd import Machine

NAMES = ["minicpm-o-4.5", "kimi-audio"]


@pytest.fixture(autouse=True)
def machine(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights, no runtimes, no CUDA."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def put_weights(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in (("config.json", "{}"), ("model.safetensors", ""), ("modeling.py", "a = 1\n")):
        (folder / name).write_text(content)
    return folder


def downloaded(name: str) -> Path:
    facts = find_model(name).facts
    for repo in facts.companions:
        put_weights(snapshot(repo, None))
    return put_weights(snapshot(str(facts.repo), facts.revision))


def made(name: str, host: str | None = None, folder: Path | None = None, weights: str | None = None) -> RuntimeRecord:
    """The record of a runtime whose Python is the one that runs the tests."""
    folder = folder or runtime_folder(name)
    python = folder / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(stat.S_IRWXU)
    record = RuntimeRecord(name, host, str(folder), "3.11", find_runtime(name).digest, "", ready=True, weights=weights)
    record.save()
    return record


@pytest.mark.parametrize("name", NAMES)
def test_every_step_that_is_missing_is_said(name: str) -> None:
    runtime = find_model(name).facts.runtime
    with pytest.raises(StudioError, match=rf"is not downloaded; run: esn-studio models download {name}$"):
        load_model(name)
    folder = downloaded(name)
    with pytest.raises(StudioError, match=rf"is not made yet; run: esn-studio runtime create {runtime}$"):
        load_model(name)
    made(runtime)
    with pytest.raises(consent.ConsentNeeded, match=rf"agree: esn-studio models consent {name}$"):
        load_model(name)
    code_of(find_model(name)).grant()
    # From here on the adapter speaks, in its own process: it found the weights, and the agreement to their code.
    with pytest.raises(StudioError, match=r"needs a CUDA device.*, and this machine shows none\.$"):
        load_model(name)
    (folder / "modeling.py").write_text("a = 2\n")
    with pytest.raises(consent.ConsentNeeded):
        load_model(name)


def test_a_model_put_together_by_hand_speaks_in_its_runtime(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"by hand .* runtime create cosyvoice --weights FOLDER$"):
        load_model(COSYVOICE)
    folder = tmp_path / "checkpoint"
    package = folder / "code" / "cosyvoice" / "cli"
    made("cosyvoice", weights=str(folder))
    package.mkdir(parents=True)
    for name in ("cosyvoice.yaml", "llm.pt", "flow.pt", "hift.pt", "campplus.onnx"):
        (folder / name).touch()
    with pytest.raises(StudioError, match="by hand"):
        load_model(COSYVOICE)
    (folder / "speech_tokenizer_v1.onnx").touch()
    root = Path(__file__).parents[3]
    (package / "cosyvoice.py").write_text(
        f"import sys\nsys.path.append({str(root)!r})\n"
        "from tests.lalm.cosyvoice_guest import Cosy\nCosyVoice = lambda folder: Cosy()\n"
    )
    with pytest.raises(consent.ConsentNeeded) as asked:
        load_model(COSYVOICE)
    assert asked.value.code.files == ("code/cosyvoice/cli/cosyvoice.py", "cosyvoice.yaml")
    asked.value.code.grant()
    clip = Clip((0.4 * np.sin(np.arange(12_000) * 0.11)).astype(np.float32), 24_000, "line")
    rng = np.random.default_rng(1)
    vectors = EmoVectors(WIDTH, COSYVOICE_OUTPUT, {"sad": rng.normal(0, 600, (WIDTH, WIDTH)).astype(np.float32)})
    plain = ConversionRequest(clip, "sad", text="one two")
    requests = [plain, replace(plain, emosteer=EmoSteering(vectors, {"sad": 3.0}))]
    here = cosyvoice.wrap(Cosy(), "r1")
    expected = here.convert(requests)
    here.close()
    model = load_model(COSYVOICE)
    try:
        assert model.info.emosteer_sites == {COSYVOICE_OUTPUT: WIDTH}
        for one, other in zip(expected, model.convert(requests), strict=True):
            np.testing.assert_array_equal(one.audio.samples, other.audio.samples)
            assert (one.text, one.truncated) == (other.text, other.truncated)
        assert not np.array_equal(expected[0].speech_tokens, expected[1].speech_tokens)
    finally:
        model.close()


def test_on_another_machine_code_and_weights_are_looked_at_there(
    gpu: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "minicpm-o-4.5"
    made("minicpm-o", "gpu.example", gpu.home / "made there", "weights' folder")
    assert find_model(name).problem is None
    with pytest.raises(StudioError, match=r"no whole weights of MiniCPM-o 4\.5 in 'weights' folder' on gpu\."):
        load_model(name)
    assert cli.main(["models", "download", name]) == 1
    program = f"'{gpu.home}/made there/env/bin/hf'".replace("it's", "it'\"'\"'s")
    assert f"runs on gpu.example; there, run: {program} download openbmb/MiniCPM" in capsys.readouterr().err
    put_weights(gpu.home / "weights' folder")
    with pytest.raises(consent.ConsentNeeded) as asked:
        load_model(name)
    assert asked.value.code.files == ("modeling.py",)
    asked.value.code.grant()
    with pytest.raises(StudioError, match="needs a CUDA device"):
        load_model(name)


def test_the_models_are_listed_with_what_they_can_do_and_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "--json"]) == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)["models"]}
    for name in NAMES:
        assert listed[name]["abilities"] == ["convert"]
        assert listed[name]["gates"] == ["language", "synthesis"]
        assert listed[name]["remote_code"]
        assert listed[name]["runtime"] in [spec.name for spec in runtimes()]
        assert listed[name]["licence"]
    assert listed["audio-flamingo-3"]["abilities"] == ["recognise", "batch", "judge"]
    assert cli.main(["models"]) == 0
    assert "runs in the runtime minicpm-o; licence: Apache-2.0" in capsys.readouterr().out


def test_a_model_that_only_listens_is_refused_where_one_must_speak() -> None:
    with pytest.raises(StudioError, match=r"Audio Flamingo 3 does not speak; .* esn-studio recognise"):
        load_model("audio-flamingo-3")
    with pytest.raises(StudioError, match="not downloaded; run: esn-studio models download audio-flamingo-3"):
        load_recogniser()


def test_the_runtimes_are_pinned_to_the_last_package() -> None:
    for spec in runtimes():
        assert len(spec.requirements) > 40
        for requirement in spec.requirements:
            name, _, version = requirement.partition("==")
            assert name
            assert version
        assert {"torch", "torchaudio", "transformers", "msgpack", "scipy"} <= {
            requirement.partition("==")[0] for requirement in spec.requirements
        }


def test_a_host_gets_the_files_it_needs_and_none_of_the_window() -> None:
    import io
    import tarfile

    packed = library.pack()
    assert packed == library.pack()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = set(archive.getnames())
    assert {"studio/__init__.py", "studio/esn/taps.py", "studio/audio/clip.py", "studio/lalm/host.py"} <= names
    assert {name.split("/")[1] for name in names if name.count("/") > 1} == {"audio", "esn", "lalm"}
    assert not [name for name in names if "/training/" in name or name.startswith("studio/cli")]
