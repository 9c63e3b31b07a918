"""Activity: the counts of statistics files, read alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from studio.esn.activity import EmotionActivity, GateActivity
from studio.esn.errors import StatisticsError
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics
from tests.esn import reference
from tests.esn.corruption import FOREIGN

WIDTHS = (3, 2)


@given(data=reference.counted(), selector=st.sampled_from(Selector))
@settings(max_examples=40, deadline=None)
def test_a_files_activity_selects_what_its_statistics_do(tmp_path_factory, data, selector):
    widths, counts = data
    path = tmp_path_factory.mktemp("activity") / "x.stats.safetensors"
    reference.statistics(counts, widths).save(path)
    whole, read = EmotionStatistics.load(path), EmotionActivity.load(path)
    assert tuple(read.by_emotion) == whole.emotions
    for emotion, part in read.by_emotion.items():
        assert np.array_equal(part.active, whole.by_emotion[emotion].active.numpy())
        assert np.array_equal(part.probability(), whole.by_emotion[emotion].probability().numpy())
    assert select(read, selector, "1").to_bytes() == select(whole, selector, "1").to_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"active.sad": None}, "'active.sad' is missing"),
        ({"tokens.sad": None}, "'tokens.sad' is missing"),
        ({"active.sad": torch.tensor([0, -1, 0, 0, 0])}, "active in -1 tokens"),
        ({"active.sad": torch.tensor([0, 10, 0, 0, 0])}, "active in 10 of 9 tokens"),
        ({"active.sad": torch.zeros(5, dtype=torch.bfloat16)}, "damaged"),
        ({"active.sad": torch.zeros(6, dtype=torch.int64)}, r"int64 \[6\]"),
        ({"tokens.sad": torch.tensor([-1])}, "tokens is -1"),
        ({"tokens.sad": torch.tensor([9.0])}, "float32"),
    ],
)
def test_impossible_counts_are_refused_in_one_sentence(tmp_path, change, words):
    tensors = {"active.sad": torch.tensor([1, 2, 3, 0, 9]), "tokens.sad": torch.tensor([9])} | change
    path = tmp_path / "x.stats.safetensors"
    save_file({name: value for name, value in tensors.items() if value is not None}, path,
              metadata={"widths": "[3, 2]"})  # fmt: skip
    with pytest.raises(StatisticsError, match=words) as caught:
        EmotionActivity.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_and_hostile_files_are_refused_in_one_sentence(tmp_path, name):
    (tmp_path / "x.stats.safetensors").write_bytes(FOREIGN[name])
    with pytest.raises(StatisticsError) as caught:
        EmotionActivity.load(tmp_path / "x.stats.safetensors")
    assert "\n" not in str(caught.value)


def test_sums_are_of_one_set_of_layers():
    part = GateActivity(WIDTHS, np.array([1, 2, 3, 0, 4]), 9)
    assert GateActivity.sum([part, part]).active.tolist() == [2, 4, 6, 0, 8]
    assert GateActivity.sum([part, part]).tokens == 18
    assert part.active.tolist() == [1, 2, 3, 0, 4]
    with pytest.raises(StatisticsError, match="cannot be merged"):
        GateActivity.sum([part, GateActivity((5,), part.active, 9)])
    with pytest.raises(ValueError, match="nothing to sum"):
        GateActivity.sum([])


def test_selecting_needs_no_torch():
    """Importing it takes longer than everything else the command does."""
    lines = (
        "import sys, studio.cli, studio.esn.selectors, studio.pipelines.activity; studio.cli.build_parser()",
        "sys.exit('torch' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "; ".join(lines)], check=False).returncode == 0
