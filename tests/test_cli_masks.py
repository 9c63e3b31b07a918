"""``select`` and ``mask``: files in, files and tables out, exit codes and one sentence per failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.cli import main
from studio.esn.mask import EsnMask
from studio.esn.statistics import EmotionStatistics, GateStatistics
from tests.esn import reference

COUNTS = {
    "neutral": ([9, 0, 0, 0, 0, 0, 0, 0], 10),
    "happy": ([8, 7, 0, 1, 0, 1, 2, 3], 10),
    "angry": ([0, 1, 9, 8, 0, 1, 2, 3], 10),
    "sad": ([0, 1, 0, 1, 9, 4, 2, 3], 20),
}
WIDTHS = (3, 5)


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    path = tmp_path / "x.stats.safetensors"
    statistics = reference.statistics(COUNTS, WIDTHS)
    statistics.metadata.update(model_id="tiny", module="language", cap=50, success_counts={"happy": 3, "sad": 50})
    statistics.save(path)
    return path


def spoken(capsys: pytest.CaptureFixture[str], *line: object) -> Any:
    """The JSON document a successful command prints."""
    assert main([*map(str, line), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def failed(capsys: pytest.CaptureFixture[str], code: int, *line: object) -> str:
    """The one sentence a failing command says, and nothing else."""
    try:
        ended: object = main([*map(str, line)])
    except SystemExit as stop:
        ended = stop.code
    assert ended == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("selector", ["lap", "lape", "mad", "cas"])
def test_select_writes_the_mask_the_method_describes(stats, tmp_path, capsys, selector):
    out = tmp_path / "m.esn.safetensors"
    said = spoken(capsys, "select", stats, "--selector", selector, "--rate", "0.25", "--percentile", "40", "--out", out)
    mask = EsnMask.load(out)
    targets = {emotion: value for emotion, value in COUNTS.items() if emotion != "neutral"}
    expected = reference.select(targets, selector, "0.25", 40)
    assert {emotion: mask.flat(emotion).tolist() for emotion in mask.emotions} == expected
    assert said["counts"] == {emotion: len(neurons) for emotion, neurons in expected.items()}
    assert said["histogram"] == {emotion: mask.histogram(emotion).tolist() for emotion in expected}
    assert said["fingerprint"] == mask.fingerprint()
    assert said["metadata"]["selector"] == selector
    assert "surprise: no successes, so it has no mask." in said["notes"]


def test_select_defaults_are_the_papers(tmp_path, capsys):
    widths = (200, 200)
    counts = {emotion: ([(7 * n * k) % 11 for n in range(400)], 11) for k, emotion in ((1, "happy"), (2, "sad"))}
    reference.statistics(counts, widths).save(tmp_path / "x.stats.safetensors")
    said = spoken(capsys, "select", tmp_path / "x.stats.safetensors", "--out", tmp_path / "m")
    assert (said["metadata"]["selector"], said["metadata"]["rate"]) == ("cas", 0.005)
    assert said["counts"] == {"happy": 2, "sad": 2}


def test_select_says_what_it_did(stats, tmp_path, capsys):
    assert main(["select", str(stats), "--rate", "0.5", "--out", str(tmp_path / "deep" / "m.esn.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("m.esn.safetensors: CAS at rate 0.5 of 8 neurons")
    assert lines[2].split() == ["emotion", "neurons", "tokens"]
    assert [line.split() for line in lines[3:6]] == [["happy", "4", "10"], ["angry", "2", "10"], ["sad", "2", "20"]]
    assert "surprise: no successes, so it has no mask." in lines
    assert "sad: only 2 of 4 neurons could be ranked, so its mask is smaller." in lines


def test_equal_commands_write_equal_files(stats, tmp_path, capsys):
    for selector in ("cas", "random"):
        files = [tmp_path / name for name in ("a", "b")]
        for out in files:
            spoken(capsys, "select", stats, "--selector", selector, "--rate", "0.25", "--seed", "3", "--out", out)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_random_takes_a_seed_and_another_masks_layers(stats, tmp_path, capsys):
    spoken(capsys, "select", stats, "--rate", "0.3", "--out", tmp_path / "cas")
    masks = []
    for seed in range(4):
        out = tmp_path / f"r{seed}"
        spoken(capsys, "select", stats, "--selector", "random", "--seed", seed, "--match-layers", tmp_path / "cas",
               "--out", out)  # fmt: skip
        masks.append(EsnMask.load(out))
    cas = EsnMask.load(tmp_path / "cas")
    assert all(mask.histogram(e).tolist() == cas.histogram(e).tolist() for mask in masks for e in cas.emotions)
    assert len({mask.fingerprint() for mask in masks}) == 4
    assert "--selector random" in failed(
        capsys, 2, "select", stats, "--match-layers", tmp_path / "cas", "--out", tmp_path / "no"
    )


def test_neutral_joins_through_the_compare_set(stats, tmp_path, capsys):
    said = spoken(capsys, "select", stats, "--rate", "0.25", "--compare-set", "sad", "neu", "--out", tmp_path / "m")
    assert said["emotions"] == ["neutral", "sad"]


def test_a_cap_that_the_statistics_cannot_follow_is_explained(stats, tmp_path, capsys):
    out = tmp_path / "m"
    assert spoken(capsys, "select", stats, "--rate", "0.5", "--cap", "50", "--out", out)["metadata"]["cap"] == 50
    said = failed(capsys, 1, "select", stats, "--rate", "0.5", "--cap", "20", "--out", out)
    assert "sums at most 50 successes per emotion and cannot be cut to 20" in said
    bare = EmotionStatistics(WIDTHS, {"sad": GateStatistics.zeros(WIDTHS)})
    bare.save(tmp_path / "bare")
    said = failed(capsys, 1, "select", tmp_path / "bare", "--cap", "20", "--out", out)
    assert "does not say how many successes it sums" in said


@pytest.mark.parametrize(
    "wrong",
    [("--rate", "0"), ("--rate", "1.5"), ("--rate", "nan"), ("--rate", "half"), ("--cap", "0"), ("--cap", "1.5"),
     ("--seed", "-1"), ("--percentile", "101"), ("--percentile", "x"), ("--compare-set", "fear"),
     ("--selector", "best")],
)  # fmt: skip
def test_wrong_usage_exits_with_2(stats, tmp_path, capsys, wrong):
    assert wrong[0] in failed(capsys, 2, "select", stats, "--out", tmp_path / "m", *wrong)
    assert not (tmp_path / "m").exists()


def test_mask_needs_an_action(capsys):
    failed(capsys, 2, "mask")
    failed(capsys, 2, "mask", "show")
    failed(capsys, 2, "mask", "compare", "a")
    failed(capsys, 2, "select", "x.stats.safetensors")


def test_failures_are_one_sentence_and_exit_with_1(stats, tmp_path, capsys):
    (tmp_path / "text").write_text("no mask\n" * 9)
    mask = tmp_path / "m"
    spoken(capsys, "select", stats, "--rate", "0.5", "--out", mask)
    (tmp_path / "cut").write_bytes(mask.read_bytes()[:-9])
    for line in (
        ("select", tmp_path / "none", "--out", mask),
        ("select", tmp_path / "text", "--out", mask),
        ("select", mask, "--out", mask),
        ("select", stats, "--rate", "0.01", "--out", mask),
        ("select", stats, "--compare-set", "surprise", "--out", mask),
        ("select", stats, "--rate", "0.5", "--out", "/proc/none/m"),
        ("mask", "show", tmp_path / "none"),
        ("mask", "show", tmp_path / "text"),
        ("mask", "show", tmp_path / "cut"),
        ("mask", "show", stats),
        ("mask", "compare", mask, tmp_path / "cut"),
    ):
        said = failed(capsys, 1, *line)
        assert said.startswith("esn-studio: ")
        assert said.count("\n") == 1
        assert main([*map(str, line), "--json"]) == 1
        assert list(json.loads(capsys.readouterr().out)) == ["error"]
    assert EsnMask.load(mask).emotions == ("happy", "angry", "sad")


def test_show_tells_where_a_mask_comes_from_and_where_it_sits(stats, tmp_path, capsys):
    path = tmp_path / "m.esn.safetensors"
    spoken(capsys, "select", stats, "--rate", "0.5", "--out", path)
    assert main(["mask", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    for words in (
        "language, 2 layers, 8 neurons",
        "CAS; rate 0.5",
        "happy 3, sad 50; cap 50",
        "tiny",
        "surprise: no successes, so it has no mask.",
        EsnMask.load(path).fingerprint(),
    ):
        assert words in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.split()}
    assert rows["layer"] == ["happy", "angry", "sad"]
    assert rows["total"] == ["4", "2", "2"]
    mask = EsnMask.load(path)
    for layer in range(2):
        counts = [int(word) for word in rows[str(layer)] if word.isdigit()]
        assert counts == [int(mask.histogram(emotion)[layer]) for emotion in mask.emotions]
        bars = [len(word) for word in rows[str(layer)] if word.startswith("#")]
        assert len(bars) == sum(count > 0 for count in counts)
    said = spoken(capsys, "mask", "show", path)
    assert said["histogram"] == {emotion: mask.histogram(emotion).tolist() for emotion in mask.emotions}
    assert (said["widths"], said["neurons"], said["metadata"]) == ([3, 5], 8, mask.metadata)


def test_show_survives_whatever_metadata_a_foreign_tool_wrote(tmp_path, capsys):
    mask = reference.make_mask((2,), {"sad": [(0, 1)], "joy": []})
    mask.metadata.update(
        model_id=["a", {"b": None}], module={"x": 1}, success_counts="many", notes="none", rate="\x1b[31mred\n", judge=7
    )
    path = tmp_path / "m.esn.safetensors"
    mask.save(path)
    assert main(["mask", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "rate ?[31mred?" in shown
    assert spoken(capsys, "mask", "show", path)["counts"] == {"sad": 1, "joy": 0}


def test_compare_prints_overlap_per_emotion_and_on_average(tmp_path, capsys):
    a = reference.make_mask((4, 4), {"sad": [(0, 0), (0, 1), (0, 2), (0, 3)], "happy": [(1, 1)], "angry": [(0, 0)]})
    b = reference.make_mask((4, 4), {"sad": [(0, 0), (1, 1)], "happy": [(1, 1)], "surprise": [(0, 0)]})
    a.save(tmp_path / "a")
    b.save(tmp_path / "b")
    said = spoken(capsys, "mask", "compare", tmp_path / "a", tmp_path / "b")
    assert said["emotions"]["sad"] == pytest.approx({"jaccard": 0.2, "direct_match": 0.25, "jsd": 0.31127812})
    assert said["emotions"]["happy"] == {"jaccard": 1, "direct_match": 1, "jsd": 0}
    assert said["average"]["jaccard"] == pytest.approx(0.6)
    assert (said["only_in_a"], said["only_in_b"]) == (["angry"], ["surprise"])
    assert main(["mask", "compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sad", "4", "2", "0.200", "0.250", "0.311"] in lines
    assert ["average", "0.600", "0.625", "0.156"] in lines
    assert ["Only", "A", "has", "neurons", "for", "angry."] in lines
    other = reference.make_mask((3,), {"sad": [(0, 0)]})
    other.save(tmp_path / "other")
    assert "cannot be compared" in failed(capsys, 1, "mask", "compare", tmp_path / "a", tmp_path / "other")


def test_a_statistics_file_of_another_tool_is_enough(tmp_path, capsys):
    from safetensors.torch import save_file

    tensors = {
        f"{part}.{emotion}": torch.tensor(values, dtype=dtype)
        for emotion, ks in (("happy", [5, 0, 1]), ("sad", [0, 5, 1]))
        for part, values, dtype in (
            ("active", ks, torch.int64),
            ("sum", [0.0] * 3, torch.float64),
            ("sumsq", [0.0] * 3, torch.float64),
            ("tokens", [6], torch.int64),
        )
    }
    save_file(tensors, tmp_path / "x.stats.safetensors", metadata={"esn": json.dumps({"widths": [1, 2]})})
    spoken(capsys, "select", tmp_path / "x.stats.safetensors", "--rate", "0.34", "--out", tmp_path / "m")
    mask = EsnMask.load(tmp_path / "m")
    assert {emotion: mask.indices[emotion].tolist() for emotion in mask.emotions} == {
        "happy": [[0, 0]],
        "sad": [[1, 0]],
    }


def test_a_job_folder_is_selected_from_again_with_another_cap_and_seed(tmp_path, capsys):
    from studio.pipelines.identify import IdentifySettings, identify
    from studio.pipelines.workers import InProcess
    from tests.pipelines.conftest import make_corpus, texts_of
    from tests.pipelines.toy import ToyJudge, ToyModel

    corpus = make_corpus(tmp_path / "corpus", speakers=2, lines=4)
    model = ToyModel(texts_of(corpus))
    try:
        found = identify(InProcess(model, ToyJudge()), corpus, IdentifySettings(rate=0.1, seed=3), tmp_path / "job")
    finally:
        model.close()
    again = spoken(capsys, "select", tmp_path / "job", "--rate", "0.1", "--out", tmp_path / "again")
    assert again["fingerprint"] == found.mask.fingerprint()
    assert again["metadata"]["seed"] == 3
    fewer = spoken(capsys, "select", tmp_path / "job", "--rate", "0.1", "--cap", "2", "--seed", "8", "--out",
                   tmp_path / "fewer")["metadata"]  # fmt: skip
    assert (fewer["cap"], fewer["seed"], max(fewer["success_counts"].values())) == (2, 8, 2)
    assert "is no identification job" in failed(capsys, 1, "select", tmp_path / "corpus", "--out", tmp_path / "no")
