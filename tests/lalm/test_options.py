"""How a model is to be loaded: what can be chosen, what is kept, and that it reaches the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.cli_about import examine
from studio.errors import StudioError
from studio.lalm import catalog, options
from studio.lalm.entries import ENTRIES, GIB, ModelFacts
from studio.lalm.fit import Card, Fit, fit
from studio.lalm.options import ModelOptions, keep_options, options_of
from studio.lalm.qwen_omni.loading import variant
from studio.lalm.qwen_omni.memory import Precision

BIG = next(facts for facts in ENTRIES if facts.name == "qwen2.5-omni-7b")

loaded_with: list[tuple[object, dict[str, Any]]] = []


@pytest.fixture(autouse=True)
def user_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "user_data_dir", lambda: tmp_path / "data")
    loaded_with.clear()


def remember(source: object, **keywords: Any) -> object:
    loaded_with.append((source, keywords))
    return object()


def test_what_is_kept_reaches_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = ModelFacts(
        "big", "Big", "", f"{__name__}:remember", "", (), repo="them/big", revision="r1",
        precisions=BIG.precisions, speakers=BIG.speakers,
    )  # fmt: skip
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, facts))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = catalog.find_model("big").weights
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    catalog.load_model("big")
    keep_options(facts, ModelOptions("4bit", "Ethan", offline=True))
    catalog.load_model("big")
    catalog.load_model("big", ModelOptions(precision="fp32"))
    assert loaded_with == [
        (folder, {}),
        (folder, {"precision": "4bit", "speaker": "Ethan"}),
        (folder, {"precision": "fp32"}),
    ]


def test_what_a_model_does_not_offer_is_refused_and_nothing_is_kept() -> None:
    with pytest.raises(StudioError, match=r"no precision '9bit'; choose fp32, bf16, 8bit, 4bit"):
        keep_options(BIG, ModelOptions(precision="9bit"))
    with pytest.raises(StudioError, match="no speaker 'Nobody'; choose Chelsie, Ethan"):
        keep_options(BIG, ModelOptions(speaker="Nobody"))
    with pytest.raises(StudioError, match="nothing to choose"):
        keep_options(ENTRIES[0], ModelOptions(offline=True))
    assert not options.options_file().exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps({"format": options.FORMAT, "version": 2, "models": {}}).encode(),
        json.dumps({"format": options.FORMAT, "version": 1, "models": {BIG.name: {"precision": 4}}}).encode(),
        json.dumps({"format": options.FORMAT, "version": 1, "models": {BIG.name: {"shell": "rm"}}}).encode(),
        json.dumps({"format": options.FORMAT, "version": 1, "models": []}).encode(),
    ],
)
def test_a_damaged_or_foreign_file_is_one_sentence_and_stays(content: bytes) -> None:
    options.options_file().parent.mkdir()
    options.options_file().write_bytes(content)
    with pytest.raises(StudioError, match="move the file away"):
        options_of(BIG.name)
    with pytest.raises(StudioError, match="move the file away"):
        keep_options(BIG, ModelOptions(precision="4bit"))
    assert options.options_file().read_bytes() == content


def test_the_command_line_keeps_changes_and_undoes_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "set", BIG.name, "--precision", "8bit", "--speaker", "Ethan", "--offline"]) == 0
    assert "precision 8bit" in capsys.readouterr().out
    assert options_of(BIG.name) == ModelOptions("8bit", "Ethan", offline=True)
    assert main(["models", "set", BIG.name, "--precision", "default", "--no-offline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": BIG.name, "precision": None, "speaker": "Ethan", "offline": False,
    }  # fmt: skip
    assert options_of(BIG.name) == ModelOptions(speaker="Ethan")
    assert main(["models", "set", BIG.name, "--precision", "9bit"]) == 1
    assert "choose fp32" in capsys.readouterr().err
    assert options_of("qwen2.5-omni-3b") == ModelOptions()


def test_precisions_that_take_less_than_the_one_in_use() -> None:
    assert BIG.smaller(None) == ("8bit", "4bit")
    assert BIG.smaller("8bit") == ("4bit",)
    assert BIG.smaller("4bit") == ()
    assert ENTRIES[0].smaller(None) == ()


def test_another_precision_or_speaker_is_another_revision() -> None:
    voices = {"Ethan": 0, "Chelsie": 1}
    assert variant("c0", Precision.BF16, Precision.BF16, None, voices) == "c0"
    assert variant("c0", Precision.BF16, Precision.BF16, "Ethan", voices) == "c0"
    assert variant("c0", Precision.INT8, Precision.BF16, "Chelsie", voices) == "c0+8bit+Chelsie"


CARD = Card("RTX", 16 * GIB)


def test_what_is_compared_with_a_card_is_the_precision_that_was_chosen() -> None:
    usual = fit(BIG, ModelOptions(), CARD)
    assert usual == Fit(
        False, "needs about 21.1 of the 16.0 GiB of RTX in bf16: it does not fit, but in 8bit (15.1) it would"
    )
    chosen = fit(BIG, ModelOptions(precision="8bit"), CARD)
    assert chosen == Fit(True, "takes about 15.1 of the 16.0 GiB of RTX in 8bit, as chosen: it fits")
    # One that fits as it is usually loaded need not fit as it was chosen.
    large = fit(BIG, ModelOptions(precision="fp32"), Card("H", 24 * GIB))
    assert large is not None
    assert not large.fits
    assert large.words.endswith("in fp32, as chosen: it does not fit, but in bf16 (21.1) it would")
    none = fit(BIG, ModelOptions(precision="4bit"), Card("Small", 8 * GIB))
    assert none is not None
    assert none.words.endswith("it does not fit")
    without = fit(BIG, ModelOptions(), None)
    assert without is not None
    assert not without.fits
    assert fit(ENTRIES[0], ModelOptions(), None) is None
    assert fit(ENTRIES[0], ModelOptions(), CARD) is None


def test_doctor_looks_at_the_precision_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.lalm.fit.first_card", lambda *, whole: CARD)
    keep_options(BIG, ModelOptions(precision="8bit"))
    said = {finding.words.partition(":")[0]: finding for finding in examine() if finding.topic == "model"}
    assert said["Qwen2.5-Omni 7B"].words.endswith("takes about 15.1 of the 16.0 GiB of RTX in 8bit, as chosen: it fits")
    assert said["Qwen2.5-Omni 3B"].words.endswith("takes about 13.0 of the 16.0 GiB of RTX in bf16: it fits")
    assert said["Kimi-Audio"].words.endswith("in bf16: it does not fit")
    options.options_file().write_text("nothing of the kind")
    damaged = [finding for finding in examine() if finding.topic == "model"]
    assert "the file is damaged" in damaged[0].words
    assert len(damaged) == len(said) + 1
