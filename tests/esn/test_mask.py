"""Masks: files, fit, histograms and overlap."""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from studio.errors import StudioError
from studio.esn.errors import MaskError
from studio.esn.mask import EsnMask, Overlap, average, compare, jensen_shannon
from tests.esn import reference
from tests.esn.corruption import FOREIGN, damaged

WIDTHS = (4, 6, 3)


@st.composite
def masks(draw: st.DrawFn, widths: tuple[int, ...] = WIDTHS) -> EsnMask:
    neurons = [(layer, neuron) for layer, width in enumerate(widths) for neuron in range(width)]
    emotions = draw(st.lists(st.sampled_from(("happy", "angry", "sad")), unique=True, min_size=1))
    selected = {emotion: draw(st.lists(st.sampled_from(neurons), max_size=8)) for emotion in emotions}
    mask = reference.make_mask(widths, selected)
    for emotion in emotions:
        score = st.floats(-1, 1, width=32)
        count = mask.count(emotion)
        mask.scores[emotion][:] = draw(st.lists(score, min_size=count, max_size=count))
    return mask


def example() -> EsnMask:
    mask = reference.make_mask(WIDTHS, {"sad": [(0, 3), (1, 5), (1, 0)], "happy": [(2, 2), (0, 0)]})
    mask.metadata.update(model_id="tiny", module="language", selector="cas", notes=[])
    return mask


def equal(a: EsnMask, b: EsnMask) -> bool:
    return (
        a.widths == b.widths
        and a.emotions == b.emotions
        and all(
            np.array_equal(a.indices[e], b.indices[e]) and np.array_equal(a.scores[e], b.scores[e]) for e in a.emotions
        )
    )


@given(mask=masks())
@settings(deadline=None, max_examples=40)
def test_files_round_trip_and_equal_masks_give_equal_bytes(mask):
    with TemporaryDirectory() as folder:
        path, again = Path(folder, "a.esn.safetensors"), Path(folder, "b.esn.safetensors")
        mask.save(path)
        loaded = EsnMask.load(path)
        assert equal(loaded, mask)
        loaded.save(again)
        assert path.read_bytes() == again.read_bytes()
        assert mask.fingerprint() == loaded.fingerprint() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_have_the_agreed_keys(tmp_path):
    example().save(tmp_path / "x.esn.safetensors")
    with safe_open(tmp_path / "x.esn.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "indices.happy": torch.int32, "indices.sad": torch.int32,
        "scores.happy": torch.float32, "scores.sad": torch.float32,
    }  # fmt: skip
    assert tensors["indices.sad"].tolist() == [[0, 3], [1, 0], [1, 5]]
    assert list(metadata) == ["esn"]
    assert json.loads(metadata["esn"]) == {
        "format": 1, "widths": [4, 6, 3], "model_id": "tiny", "module": "language", "selector": "cas", "notes": [],
    }  # fmt: skip
    assert EsnMask.load(tmp_path / "x.esn.safetensors").metadata == example().metadata


@given(mask=masks())
@settings(deadline=None, max_examples=40)
def test_histograms_and_positions_count_neurons(mask):
    starts = [sum(WIDTHS[:layer]) for layer in range(len(WIDTHS))]
    for emotion in mask.emotions:
        pairs = reference.pairs(mask, emotion)
        assert mask.count(emotion) == len(pairs)
        assert mask.histogram(emotion).tolist() == [sum(layer == at for layer, _ in pairs) for at in range(3)]
        assert mask.flat(emotion).tolist() == [starts[layer] + neuron for layer, neuron in pairs]
    assert mask.count("surprise") == 0
    assert mask.histogram("surprise").tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("indices", "scores", "words"),
    [
        (torch.tensor([[0, 0]]), torch.zeros(1), "int64"),
        (torch.tensor([0, 1], dtype=torch.int32), torch.zeros(2), r"int32 \[2\]"),
        (torch.zeros(2, 3, dtype=torch.int32), torch.zeros(2), r"int32 \[2, 3\]"),
        (torch.tensor([[3, 0]], dtype=torch.int32), torch.zeros(1), "no layer 3 among 3 layers"),
        (torch.tensor([[-1, 0]], dtype=torch.int32), torch.zeros(1), "no layer -1"),
        (torch.tensor([[0, 4]], dtype=torch.int32), torch.zeros(1), r"layer 0 has no neuron 4 \(it has 4, 0 to 3\)"),
        (torch.tensor([[2, -1]], dtype=torch.int32), torch.zeros(1), "layer 2 has no neuron -1"),
        (torch.tensor([[1, 2], [1, 2]], dtype=torch.int32), torch.zeros(2), "some appear twice"),
        (torch.tensor([[1, 2], [0, 2]], dtype=torch.int32), torch.zeros(2), "not sorted"),
        (torch.tensor([[1, 2]], dtype=torch.int32), torch.zeros(2), r"float32 \[2\] instead of float32 \[1\]"),
        (torch.tensor([[1, 2]], dtype=torch.int32), torch.zeros(1).double(), "float64"),
        (torch.tensor([[1, 2]], dtype=torch.int32), torch.tensor([torch.nan]), "not a finite number"),
    ],
)
def test_impossible_selections_are_refused(tmp_path, indices, scores, words):
    with pytest.raises(MaskError, match=words):
        EsnMask(WIDTHS, {"sad": indices}, {"sad": scores})
    path = tmp_path / "x.esn.safetensors"
    save_file({"indices.sad": indices, "scores.sad": scores}, path, metadata={"esn": '{"widths": [4, 6, 3]}'})
    with pytest.raises(MaskError, match=words) as caught:
        EsnMask.load(path)
    assert "x.esn.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scores_belong_to_indices():
    with pytest.raises(MaskError, match="no emotion"):
        EsnMask(WIDTHS, {}, {})
    with pytest.raises(MaskError, match="only one of indices and scores for sad"):
        EsnMask(
            WIDTHS, {"happy": np.zeros((0, 2), np.int32)}, {name: np.zeros(0, np.float32) for name in ("happy", "sad")}
        )


def test_a_mask_fits_one_model_and_module():
    example().check_fits("tiny", "language", WIDTHS)
    reference.make_mask(WIDTHS, {"sad": []}).check_fits("any", "synthesis", WIDTHS)
    for model, module, widths, words in (
        ("tiny", "language", (4, 6), "covers layers of 4, 6, 3 neurons, but the language module of tiny has"),
        ("tiny", "language", (8,) * 3, "3 layers of 8 neurons"),
        ("huge", "language", WIDTHS, "made for the model tiny, not for huge"),
        ("tiny", "synthesis", WIDTHS, "made for the module language, not for synthesis"),
    ):
        with pytest.raises(MaskError, match=words):
            example().check_fits(model, module, widths)


@given(a=masks(), b=masks())
@settings(deadline=None, max_examples=60)
def test_overlap_equals_sets_and_loops(a, b):
    shared = [emotion for emotion in a.emotions if emotion in b.emotions]
    if not shared:
        with pytest.raises(MaskError, match="share no emotion"):
            compare(a, b)
        return
    overlaps = compare(a, b)
    assert list(overlaps) == shared
    for emotion, overlap in overlaps.items():
        first, second = set(reference.pairs(a, emotion)), set(reference.pairs(b, emotion))
        both, either = len(first & second), len(first | second)
        assert overlap.jaccard == (both / either if either else 1.0)
        assert overlap.direct_match == (both / len(first) if first else float(not second))
        assert overlap.jsd == pytest.approx(_divergence(a.histogram(emotion), b.histogram(emotion)), abs=1e-12)
        assert 0 <= overlap.jsd <= 1
    mean = average(overlaps)
    assert mean.jaccard == pytest.approx(sum(each.jaccard for each in overlaps.values()) / len(overlaps))


def _divergence(a, b) -> float:
    if not a.sum() or not b.sum():
        return float(bool(a.sum()) != bool(b.sum()))
    result = 0.0
    for p, q in zip((a / a.sum()).tolist(), (b / b.sum()).tolist(), strict=True):
        for share in (p, q):
            if share > 0:
                result += share * math.log2(share / ((p + q) / 2)) / 2
    return result


def test_overlap_of_known_masks():
    a = reference.make_mask((4, 4), {"sad": [(0, 0), (0, 1), (0, 2), (0, 3)]})
    b = reference.make_mask((4, 4), {"sad": [(0, 0), (1, 1)]})
    assert compare(a, a)["sad"] == Overlap(1.0, 1.0, 0.0)
    assert (compare(a, b)["sad"].jaccard, compare(a, b)["sad"].direct_match) == (0.2, 0.25)
    assert compare(b, a)["sad"].direct_match == 0.5
    assert compare(a, b)["sad"].jsd == pytest.approx(0.31127812)
    assert jensen_shannon(np.array([3, 0]), np.array([0, 5])) == 1.0
    with pytest.raises(MaskError, match="one covers 2 layers of 4 neurons, the other layers of 4, 6, 3 neurons"):
        compare(a, example())


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_and_hostile_files_are_refused_in_one_sentence(tmp_path, name):
    (tmp_path / "x.esn.safetensors").write_bytes(FOREIGN[name])
    with pytest.raises(MaskError) as caught:
        EsnMask.load(tmp_path / "x.esn.safetensors")
    assert "\n" not in str(caught.value)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_file_loads_or_is_refused_but_never_breaks_the_program(data):
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.esn.safetensors")
        path.write_bytes(data.draw(damaged(example().to_bytes())))
        with suppress(StudioError):
            EsnMask.load(path).save(path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.esn.safetensors"
    example().save(path)
    before = path.read_bytes()
    broken = example()
    broken.metadata["rate"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
