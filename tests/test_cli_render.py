"""``render`` from arguments to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from studio.audio.files import save_wav
from studio.cli import build_parser, main
from studio.cli_render import MODES, render_all, run
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, TokenScope
from studio.lalm.base import Content
from tests.toy import ToyJudge, ToyLALM, tone, toy_mask, toy_vectors


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "toy.esn.safetensors"
    toy_mask().save(path)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    save_wav(path, tone())
    return path


def render(model: ToyLALM, out: Path, *arguments: object) -> int:
    args = build_parser().parse_args(["render", *map(str, arguments), "--out", str(out)])
    return render_all(args, model, ToyJudge())


def test_modes_are_the_methods() -> None:
    assert set(MODES) == {str(mode) for mode in Mode}


def test_every_setting_reaches_the_model(tmp_path: Path, mask: Path, recording: Path) -> None:
    model = ToyLALM()
    code = render(
        model, tmp_path / "out", recording, "--to", "anger", "--strength", "sad=0.25", "--strength", "ANG=0.5",
        "--mode", "add", "--mask", mask, "--layers", "0-1", "--seed", 7, "--scope", "generated", "--content", "free",
        "--curve", "0.2:0,0.8:1",
    )  # fmt: skip
    assert code == 0
    ((request,),) = model.batches
    assert request.target == "angry"
    assert request.seed == 7
    assert request.content is Content.FREE
    assert request.steering is not None
    assert request.steering.mode is Mode.ADD
    assert dict(request.steering.strengths) == {"sad": 0.25, "angry": 0.5}
    assert request.steering.layers == (0, 1)
    assert request.steering.automation == Automation(((0.2, 0.0), (0.8, 1.0)))
    assert request.steering.scope is TokenScope.GENERATED


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    path = tmp_path / "toy.emosteer.safetensors"
    toy_vectors().save(path)
    return path


def test_learned_vectors_steer_instead_of_neurons_or_beside_them(
    tmp_path: Path, mask: Path, recording: Path, learned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ToyLALM()
    arguments = (
        recording,
        "--to",
        "angry",
        "--emosteer",
        learned,
        "--alpha",
        "angry=3",
        "--alpha",
        "sad=0.5",
        "--json",
    )
    assert render(model, tmp_path / "out", *arguments) == 0
    assert render(model, tmp_path / "both", *arguments, "--mask", mask, "--strength", "sad=0.25") == 0
    (alone,), (both,) = model.batches
    assert alone.steering is None
    assert alone.emosteer is not None
    assert alone.emosteer.active == {"angry": 3.0, "sad": 0.5}
    assert alone.emosteer.vectors.fingerprint() == toy_vectors().fingerprint()
    assert both.steering is not None
    assert both.emosteer is not None
    (take,) = json.loads(capsys.readouterr().out.split("\n}\n")[0] + "}")["takes"]
    assert take["emosteer"] == {"path": str(learned), "fingerprint": toy_vectors().fingerprint()}
    assert take["mask"] == {"path": None, "fingerprint": None}
    assert take["settings"]["alphas"] == {"angry": 3.0, "sad": 0.5}
    sidecar = json.loads(Path(take["sidecar"]).read_bytes())
    assert "emosteer" in json.dumps(sidecar)
    assert toy_vectors().fingerprint() in json.dumps(sidecar)


def test_a_ladder_climbs_with_alpha_where_vectors_are_given(tmp_path: Path, recording: Path, learned: Path) -> None:
    model = ToyLALM()
    assert render(model, tmp_path, recording, "--to", "sad", "--emosteer", learned, "--ladder", "0,1,3") == 0
    (batch,) = model.batches
    assert [request.emosteer.active if request.emosteer else {} for request in batch] == [
        {},
        {"sad": 1.0},
        {"sad": 3.0},
    ]
    assert all(request.steering is None for request in batch)


def test_vectors_that_do_not_fit_are_one_sentence(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_vectors(model_id="another").save(tmp_path / "v")
    arguments = ["render", str(recording), "--to", "sad", "--alpha", "sad=1"]
    assert main(arguments) == 2
    assert "name their file with --emosteer" in capsys.readouterr().err
    with pytest.raises(StudioError, match="trained on another, not on toy"):
        render(ToyLALM(), tmp_path / "out", recording, "--to", "sad", "--emosteer", tmp_path / "v", "--alpha", "sad=1")


def test_a_ladder_keeps_other_strengths_and_is_one_batch(tmp_path: Path, mask: Path, recording: Path) -> None:
    model = ToyLALM()
    line = ("--to", "happy", "--ladder", "0,0.5,1", "--strength", "sad=0.1", "--mask", mask)
    assert render(model, tmp_path / "out", recording, *line) == 0
    (batch,) = model.batches
    strengths = [dict(request.steering.strengths) if request.steering else {} for request in batch]
    assert strengths == [{"sad": 0.1}, {"sad": 0.1, "happy": 0.5}, {"sad": 0.1, "happy": 1.0}]
    assert len(list((tmp_path / "out").glob("*.wav"))) == 3


def test_a_ladder_can_climb_with_several_emotions_and_is_summed_up(
    tmp_path: Path, mask: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ToyLALM()
    line = ("--to", "happy", "--ladder", "0,0.25,1", "--ladder-of", "happy", "--ladder-of", "surprise", "--mask", mask)
    assert render(model, tmp_path / "out", recording, "demo:0011_000001", *line) == 0
    assert [len(batch) for batch in model.batches] == [3, 3]
    steering = model.batches[0][1].steering
    assert steering is not None
    assert dict(steering.strengths) == {"happy": 0.25, "surprise": 0.25}
    shown = capsys.readouterr().out.splitlines()
    tables = [place for place, text in enumerate(shown) if text.startswith("strength")]
    assert len(tables) == 2
    for place in tables:
        assert "judged happy" in shown[place]
        assert [text.split()[0] for text in shown[place + 1 : place + 4]] == ["0", "0.25", "1"]
    assert render(model, tmp_path / "out", recording, *line, "--json") == 0
    (ladder,) = json.loads(capsys.readouterr().out)["ladders"]
    assert ladder["source"] == str(recording)
    assert [step["strength"] for step in ladder["steps"]] == [0, 0.25, 1]
    assert len({step["file"] for step in ladder["steps"]}) == 3
    assert ladder["steps"][2]["judged"]["happy"] == 0.8


def test_a_ladder_emotion_needs_a_ladder() -> None:
    with pytest.raises(StudioError, match="add --ladder"):
        run(build_parser().parse_args(["render", "x.wav", "--to", "sad", "--ladder-of", "sad"]))


def test_takes_are_written_as_asked(
    tmp_path: Path, mask: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ("--to", "sad", "--ladder", "0,1", "--mask", mask, "--format", "flac", "--bits", "24", "--rate", 44100)
    names = ("--loudness", -30, "--name", "{take} {source} {strengths}", "--no-sidecar")
    assert render(ToyLALM(), out, recording, *line, *names, "--json") == 0
    assert sorted(path.name for path in out.iterdir()) == ["01_voice_baseline.flac", "02_voice_sad1.00.flac"]
    for entry in json.loads(capsys.readouterr().out)["takes"]:
        info = soundfile.info(entry["file"])
        assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_24", 44_100)
        assert entry["sidecar"] is None
        assert entry["loudness_lufs"] == -30.0
    assert render(ToyLALM(), out, recording, "--to", "sad", "--loudness", "-3") == 0
    assert "not -3 LUFS: its peaks would pass" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "flac", "--bits", "float"), "no float samples"),
        (("--name", "{colour}"), "no field"),
        (("--rate", "5"), "out of range"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_model_loads(
    options: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.lalm.catalog.load_model", lambda _name: pytest.fail("the model was loaded"))
    with pytest.raises(StudioError, match=said):
        run(build_parser().parse_args(["render", "x.wav", "--to", "sad", *options]))


@pytest.mark.parametrize(
    ("source", "wanted", "expected"),
    [
        ("demo:0011_000001", "auto", Content.FREE),
        ("recording", "auto", Content.LOCK),
        ("demo:0011_000001", "lock", Content.LOCK),
        ("recording", "free", Content.FREE),
    ],
)
def test_content_is_free_for_demo_lines_and_locked_for_recordings(
    tmp_path: Path, recording: Path, source: str, wanted: str, expected: Content
) -> None:
    model = ToyLALM()
    spec = recording if source == "recording" else source
    assert render(model, tmp_path / "out", spec, "--to", "sad", "--content", wanted) == 0
    assert model.batches[0][0].content is expected


def test_people_read_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(ToyLALM(), tmp_path / "out", "demo:0011_000001", "--to", "sad") == 0
    shown = capsys.readouterr()
    assert "0011_000001_sad_baseline.wav" in shown.out
    assert "WER 0%" in shown.out
    assert "judged" in shown.out
    assert "The judge hears another emotion" in shown.out
    assert shown.err == ""


def test_machines_read_json(tmp_path: Path, mask: Path, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "--to",
        "happy",
        "--strength",
        "happy=1",
        "--mask",
        mask,
        "--bits",
        "float",
        "--text",
        "the old house",
        "--content",
        "free",
    )
    assert render(ToyLALM(), tmp_path / "out", recording, *line, "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    (entry,) = document["takes"]
    assert document["errors"] == []
    assert entry["settings"]["strengths"] == {"happy": 1.0}
    assert entry["source"]["transcript"] == "the old house"
    assert entry["wer"] == pytest.approx(6 / 3)
    assert entry["verdict"] == "happy"
    assert json.loads(Path(entry["sidecar"]).read_text())["synthetic_speech"] is True
    samples, _ = soundfile.read(entry["file"], dtype="float32")
    assert np.abs(samples).max() == pytest.approx(1 / 2 * 2 * 0.5, abs=1e-3)


def test_one_bad_source_does_not_stop_the_others(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    sources = (empty, tmp_path / "none.wav", "demo:0099_000001", recording)
    assert render(ToyLALM(), tmp_path / "out", *sources, "--to", "sad") == 1
    shown = capsys.readouterr()
    assert "voice_sad_baseline.wav" in shown.out
    assert len(shown.err.splitlines()) == 3
    assert all(line.startswith("esn-studio: ") for line in shown.err.splitlines())
    assert render(ToyLALM(), tmp_path / "out", *sources, "--to", "sad", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert [error["source"] for error in document["errors"]] == [str(source) for source in sources[:3]]
    assert len(document["takes"]) == 1


def test_too_long_a_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.wav"
    save_wav(path, tone(seconds=11))
    assert render(ToyLALM(), tmp_path / "out", path, "--to", "sad") == 1
    assert "this model takes up to 10 s" in capsys.readouterr().err


def test_eight_kilohertz_stereo_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "phone.wav"
    soundfile.write(path, np.stack([tone(rate=8_000).samples] * 2, axis=1), 8_000)
    assert render(ToyLALM(), tmp_path / "out", path, "--to", "sad") == 0


def damaged(mask: Path, how: str) -> Path:
    path = mask.with_name("damaged.esn.safetensors")
    content = mask.read_bytes()
    if how == "truncated":
        path.write_bytes(content[:-20])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("this is no mask\n" * 100)
    elif how == "other model":
        toy_mask(model_id="other").save(path)
    elif how == "other widths":
        toy_mask(widths=(100, 100)).save(path)
    elif how == "out of range":
        # The last neuron index of the last emotion, little-endian int32, becomes 999.
        last = toy_mask().indices["surprise"].astype("<i4").tobytes()
        assert content.count(last) == 1
        path.write_bytes(content.replace(last, last[:-4] + (999).to_bytes(4, "little")))
    return path


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "text", "other model", "other widths", "out of range", "not there"]
)
def test_a_mask_that_cannot_be_used_is_one_sentence(tmp_path: Path, mask: Path, recording: Path, how: str) -> None:
    model = ToyLALM()
    with pytest.raises(StudioError) as caught:
        render(model, tmp_path / "out", recording, "--to", "sad", "--mask", damaged(mask, how))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert model.batches == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("curve", "sentence"), [("loud", "write the curve as T:X"), ("1:0.5,0:1", "order of time"), ("0:2", "from 0 to 1")]
)
def test_a_curve_that_makes_no_sense_is_wrong_usage(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str], curve: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        render(ToyLALM(), tmp_path / "out", recording, "--to", "sad", "--curve", curve)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err
