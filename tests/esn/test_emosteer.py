"""Learned vectors: the file, the hook against plain loops, and folding."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors, rotated
from studio.esn.emosteer_hook import EmoSteer, EmoSteerLayer, fold
from studio.esn.errors import EmoSteerError, MaskError
from studio.esn.mask import EsnMask
from tests.esn.corruption import FOREIGN, damaged

DIM = 6


def vectors(seed: int = 0, dim: int = DIM, emotions: tuple[str, ...] = ("happy", "sad")) -> EmoVectors:
    rng = np.random.default_rng(seed)
    weights = {emotion: rng.normal(0, 100, (dim, dim)).astype(np.float32) for emotion in emotions}
    return EmoVectors(dim, "read_out", weights, metadata={"model_id": "toy", "steps": 3})


def hidden(rows: int, tokens: int = 4, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.randn(rows, tokens, DIM, generator=torch.Generator().manual_seed(rows))
    values[:, 0, 0] = -0.0
    return values.to(dtype)


def by_hand(h: torch.Tensor, steering: EmoSteering, share: float = 1.0) -> torch.Tensor:
    """h' of one row [tokens, dim], element by element."""
    out = h.double().clone()
    for token in range(len(h)):
        for j in range(h.shape[1]):
            for emotion, alpha in steering.alphas.items():
                w = steering.vectors.weights[emotion]
                for i in range(h.shape[1]):
                    out[token, j] += alpha * share * steering.vectors.eps * float(h[token, i]) * float(w[i, j])
    return out


alphas = st.dictionaries(st.sampled_from(("happy", "sad")), st.sampled_from((0.0, 0.5, 1.0, 3.0)))
rows = st.lists(st.none() | alphas, min_size=1, max_size=4)


@given(wanted=rows, shares=st.lists(st.sampled_from((0.0, 0.25, 1.0)), min_size=4, max_size=4))
@settings(deadline=None, max_examples=60)
def test_every_row_is_shifted_as_the_loop_shifts_it_and_no_other_row_is_touched(wanted, shares):
    learned = vectors()
    batch = [None if row is None else EmoSteering(learned, row) for row in wanted]
    read_out = nn.Identity()
    h = hidden(len(batch))
    with EmoSteer(read_out, DIM) as steer:
        steer.begin(batch)
        full = read_out(h)
        steer.intensity(shares[: len(batch)])
        dimmed = read_out(h)
        steer.end(2)
    for at, row in enumerate(batch):
        for got, share in ((full[at], 1.0), (dimmed[at], shares[at])):
            if row is None or row.is_identity or share == 0:
                assert got.numpy().tobytes() == h[at].numpy().tobytes()
            else:
                torch.testing.assert_close(got.double(), by_hand(h[at], row, share), atol=1e-5, rtol=1e-5)


def test_a_state_without_tokens_is_shifted_too_and_rows_can_leave():
    learned, read_out = vectors(), nn.Identity()
    batch = [EmoSteering(learned, {"happy": 1.0}), None, EmoSteering(learned, {"sad": 2.0})]
    h = hidden(3, 1)[:, 0]
    with EmoSteer(read_out, DIM) as steer:
        steer.begin(batch)
        whole = read_out(h)
        steer.keep_rows([2, 0])
        kept = read_out(h[[2, 0]])
        steer.end(2)
    torch.testing.assert_close(kept, whole[[2, 0]])
    assert torch.equal(whole[1], h[1])


def test_other_alphas_are_written_into_the_same_buffers():
    learned, read_out = vectors(), nn.Identity()
    with EmoSteer(read_out, DIM) as steer:
        steer.begin([EmoSteering(learned, {"happy": 1.0})])
        first = read_out(hidden(1))
        matrices, amounts = steer._matrices, steer._amounts
        steer.begin([EmoSteering(learned, {"happy": 3.0})])
        second = read_out(hidden(1))
        assert steer._matrices is matrices
        assert steer._amounts is amounts
        steer.end(1)
    torch.testing.assert_close(second - hidden(1), 3 * (first - hidden(1)), atol=1e-5, rtol=1e-4)


def test_vectors_of_other_objects_are_never_mistaken_for_those_before():
    read_out, h = nn.Identity(), hidden(1)
    with EmoSteer(read_out, DIM) as steer:
        for seed in range(20):
            steering = EmoSteering(vectors(seed), {"happy": 1.0})
            steer.begin([steering])
            torch.testing.assert_close(read_out(h)[0].double(), by_hand(h[0], steering), atol=1e-5, rtol=1e-5)
            steer.end(1)
            del steering


def test_two_files_in_one_batch_each_steer_their_own_row():
    read_out, h = nn.Identity(), hidden(2)
    batch = [EmoSteering(vectors(1), {"happy": 1.0}), EmoSteering(vectors(2), {"happy": 1.0})]
    with EmoSteer(read_out, DIM) as steer:
        steer.begin(batch)
        out = read_out(h)
        steer.end()
    for at, row in enumerate(batch):
        torch.testing.assert_close(out[at].double(), by_hand(h[at], row), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_buffers_follow_the_state_to_its_dtype(dtype):
    steering, read_out, h = EmoSteering(vectors(), {"happy": 1.0}), nn.Identity(), hidden(1, dtype=dtype)
    with EmoSteer(read_out, DIM) as steer:
        steer.begin([steering])
        out = read_out(h)
        steer.end(1)
    assert out.dtype is dtype
    torch.testing.assert_close(out[0].double(), by_hand(h[0], steering), atol=0.05, rtol=0.05)


def test_a_hook_is_always_taken_off_and_a_second_one_is_refused():
    read_out, h = nn.Linear(DIM, 2), hidden(1)
    before = read_out(h)
    steer = EmoSteer(read_out, DIM)
    with steer:
        with pytest.raises(EmoSteerError, match="already"):
            EmoSteer(read_out, DIM).install()
        steer.begin([EmoSteering(vectors(), {"happy": 3.0})])
        assert not torch.equal(read_out(h), before)
        with pytest.raises(EmoSteerError, match=r"given \[2, 4, 6\] instead of \[1, tokens, 6\]"):
            read_out(hidden(2))
    assert not read_out._forward_pre_hooks
    assert torch.equal(read_out(h), before)
    steer.remove()
    with pytest.raises(EmoSteerError, match="not installed"):
        steer.begin([None])


def test_a_generation_the_hook_did_not_see_is_not_trusted():
    read_out = nn.Identity()
    with EmoSteer(read_out, DIM) as steer:
        steer.begin([EmoSteering(vectors(), {"happy": 1.0})])
        with pytest.raises(EmoSteerError, match="called 0 times and not at least once"):
            steer.end()
        with pytest.raises(EmoSteerError, match="no generation"):
            steer.end()
        steer.begin([None])
        read_out(hidden(1))
        with pytest.raises(EmoSteerError, match="called 1 times and not 2 times"):
            steer.end(2)
        with pytest.raises(EmoSteerError, match="8 wide"):
            steer.begin([EmoSteering(vectors(dim=8), {"happy": 1.0})])


@pytest.mark.parametrize("bias", [True, False])
def test_folding_gives_what_the_hook_gives(bias):
    torch.manual_seed(0)
    linear, h = nn.Linear(DIM, 5, bias), hidden(1)
    steering = EmoSteering(vectors(), {"happy": 1.5, "sad": 0.5})
    with EmoSteer(linear, DIM) as steer:
        steer.begin([steering])
        hooked = linear(h)
        steer.end(1)
    torch.testing.assert_close(fold(linear, steering)(h), hooked, atol=1e-5, rtol=1e-5)
    assert torch.equal(fold(linear, EmoSteering(vectors(), {"happy": 0.0}))(h), linear(h))
    with pytest.raises(EmoSteerError, match="cannot be folded"):
        fold(nn.Linear(3, 5), steering)


def test_the_layer_in_training_shifts_as_the_hook_does_and_starts_at_nothing():
    learned, read_out, h = vectors(), nn.Identity(), hidden(2)
    layer = EmoSteerLayer(DIM, ("happy", "sad"), learned.eps)
    with layer.shifting(read_out, "sad") as calls:
        assert torch.equal(read_out(h), h)
    layer.load_state_dict({f"weights.{emotion}": torch.from_numpy(w) for emotion, w in learned.weights.items()})
    with layer.shifting(read_out, "sad"):
        trained = read_out(h)
    with EmoSteer(read_out, DIM) as steer:
        steer.begin([EmoSteering(learned, {"sad": 1.0})] * 2)
        torch.testing.assert_close(read_out(h), trained)
        steer.end(1)
    assert len(calls) == 1
    assert not read_out._forward_pre_hooks
    trained.sum().backward()
    assert layer.weights["sad"].grad is not None
    assert layer.weights["happy"].grad is None


def test_a_file_says_everything_again(tmp_path):
    first = vectors()
    first.save(tmp_path / "x.emosteer.safetensors")
    again = EmoVectors.load(tmp_path / "x.emosteer.safetensors")
    assert (again.dim, again.site, again.eps, again.metadata) == (DIM, "read_out", 0.001, first.metadata)
    assert again.to_bytes() == first.to_bytes()
    assert again.fingerprint() == first.fingerprint() != vectors(1).fingerprint()


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_and_hostile_files_are_refused_in_one_sentence(tmp_path, name):
    (tmp_path / "x").write_bytes(FOREIGN[name])
    with pytest.raises(EmoSteerError) as caught:
        EmoVectors.load(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_masks_and_learned_vectors_are_not_taken_for_each_other(tmp_path):
    mask = EsnMask((4,), {"sad": np.array([[0, 1]], np.int32)}, {"sad": np.ones(1, np.float32)})
    mask.save(tmp_path / "mask")
    vectors().save(tmp_path / "vectors")
    with pytest.raises(EmoSteerError, match="no learned-vectors file"):
        EmoVectors.load(tmp_path / "mask")
    with pytest.raises(MaskError, match="no emotion"):
        EsnMask.load(tmp_path / "vectors")


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_file_loads_or_is_refused_but_never_breaks_the_program(data):
    with TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(data.draw(damaged(vectors().to_bytes())))
        with suppress(StudioError):
            EmoVectors.load(path).save(path)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({}, "no emotion"),
        ({"fear": np.zeros((2, 2), np.float32)}, "'fear', which is none of"),
        ({"sad": np.zeros((2, 3), np.float32)}, r"float32 \[2, 3\] instead of float32 \[2, 2\]"),
        ({"sad": np.zeros((2, 2))}, "float64"),
        ({"sad": np.full((2, 2), np.nan, np.float32)}, "not finite"),
    ],
)
def test_matrices_that_cannot_be_used_are_refused(weights, said):
    with pytest.raises(EmoSteerError, match=said):
        EmoVectors(2, "x", weights)


def test_alphas_that_make_no_sense_are_refused():
    with pytest.raises(StudioError, match="at least 0"):
        EmoSteering(vectors(), {"happy": -1.0})
    with pytest.raises(EmoSteerError, match="no learned vector for angry"):
        EmoSteering(vectors(), {"angry": 1.0})
    assert EmoSteering(vectors(), {"angry": 0.0}).is_identity
    assert EmoSteering(vectors(), {"happy": 1.0}, Automation(((0.0, 0.0),))).is_identity


def test_vectors_are_held_to_the_model_they_were_trained_on():
    vectors().check_fits("toy", {"read_out": DIM})
    for model_id, sites, said in (
        ("other", {"read_out": DIM}, "trained on toy"),
        ("toy", {}, "no site"),
        ("toy", {"read_out": 7}, r"read_out \(7 wide\)"),
    ):
        with pytest.raises(EmoSteerError, match=said):
            vectors().check_fits(model_id, sites)


def test_the_random_control_keeps_size_and_target_space():
    learned, control = vectors(), rotated(vectors(), 1000)
    assert rotated(vectors(), 1000).to_bytes() == control.to_bytes() != rotated(vectors(), 1001).to_bytes()
    for emotion in learned.emotions:
        mine, theirs = learned.weights[emotion], control.weights[emotion]
        np.testing.assert_allclose(theirs.T @ theirs, mine.T @ mine, rtol=1e-3, atol=1.0)
        assert not np.allclose(mine, theirs)
