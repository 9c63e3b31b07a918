"""Statistics: merging, probabilities, and files that any tool may write and anyone may damage."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.errors import StatisticsError
from studio.esn.statistics import EmotionStatistics, GateStatistics
from tests.esn import reference
from tests.esn.corruption import FOREIGN, damaged

WIDTHS = (3, 2)


@st.composite
def gate_statistics(draw: st.DrawFn, widths: tuple[int, ...] = WIDTHS) -> GateStatistics:
    tokens = draw(st.integers(0, 10**12))
    size = sum(widths)
    numbers = st.lists(st.integers(-(2**40), 2**40), min_size=size, max_size=size)
    return GateStatistics(
        widths,
        torch.tensor(draw(st.lists(st.integers(0, tokens), min_size=size, max_size=size)), dtype=torch.int64),
        torch.tensor(draw(numbers), dtype=torch.float64),
        torch.tensor(draw(numbers), dtype=torch.float64).abs(),
        tokens,
    )


@st.composite
def emotion_statistics(draw: st.DrawFn) -> EmotionStatistics:
    emotions = draw(st.lists(st.sampled_from(EMOTIONS), unique=True, min_size=1))
    return EmotionStatistics(WIDTHS, {emotion: draw(gate_statistics()) for emotion in emotions})


def same(a: GateStatistics, b: GateStatistics) -> bool:
    return (
        a.widths == b.widths
        and a.tokens == b.tokens
        and all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("active", "total", "total_sq"))
    )


def same_all(a: EmotionStatistics, b: EmotionStatistics) -> bool:
    return a.emotions == b.emotions and all(same(a.by_emotion[e], b.by_emotion[e]) for e in a.emotions)


def example() -> EmotionStatistics:
    return EmotionStatistics(
        WIDTHS,
        {
            emotion: GateStatistics(
                WIDTHS,
                torch.tensor([0, 1, 2, 3, 9]) * place,
                torch.tensor([0.1, -0.2, 3.0, 4.5, -6.25], dtype=torch.float64),
                torch.tensor([0.1, 0.2, 3.0, 4.5, 6.25], dtype=torch.float64),
                9 * place,
            )
            for place, emotion in enumerate(("sad", "happy"), start=1)
        },
        {"model_id": "tiny", "success_counts": {"happy": 2, "sad": 1}, "cap": 50},
    )


@given(a=gate_statistics(), b=gate_statistics(), c=gate_statistics())
@settings(deadline=None, max_examples=50)
def test_merging_is_associative_and_commutative_and_zeros_are_neutral(a, b, c):
    assert same((a + b) + c, a + (b + c))
    assert same(a + b, b.merge(a))
    assert same(a + GateStatistics.zeros(WIDTHS), a)


@given(a=emotion_statistics(), b=emotion_statistics(), c=emotion_statistics())
@settings(deadline=None, max_examples=50)
def test_merging_emotions_is_associative_and_commutative(a, b, c):
    assert same_all(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same_all(a.merge(b), b.merge(a))
    for emotion in set(a.emotions) - set(b.emotions):
        assert same(a.merge(b).by_emotion[emotion], a.by_emotion[emotion])


def test_merging_keeps_what_both_agree_on():
    mine, theirs = example(), example()
    theirs.metadata["model_id"] = "tiny"
    theirs.metadata["success_counts"] = {"happy": 5, "neutral": 1}
    merged = mine.merge(theirs)
    assert merged.metadata == {"model_id": "tiny", "success_counts": {"neutral": 1, "happy": 7, "sad": 1}}
    theirs.metadata["model_id"] = "other"
    with pytest.raises(StatisticsError, match="different models"):
        mine.merge(theirs)


def test_different_layers_never_merge():
    with pytest.raises(StatisticsError, match="cannot be merged"):
        GateStatistics.zeros((3, 2)) + GateStatistics.zeros((2, 3))
    with pytest.raises(StatisticsError, match="cannot be merged"):
        example().merge(EmotionStatistics((5,), {}, {}))
    with pytest.raises(StatisticsError, match="not 2 x 4 as the others"):
        EmotionStatistics((4, 4), {"sad": GateStatistics.zeros((8,))})


@given(data=reference.counted())
@settings(deadline=None, max_examples=50)
def test_probability_is_the_share_of_active_tokens(data):
    widths, counts = data
    stats = reference.statistics(counts, widths)
    for emotion, (ks, tokens) in counts.items():
        assert stats.by_emotion[emotion].probability().tolist() == [k / tokens for k in ks]


def test_no_token_means_probability_zero():
    assert GateStatistics.zeros((4,)).probability().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [{"active": torch.zeros(5)}, {"active": torch.zeros(4, dtype=torch.int64)}, {"total": torch.zeros(5)},
     {"total_sq": torch.zeros(1, 5, dtype=torch.float64)}],
)  # fmt: skip
def test_tensors_of_the_wrong_kind_are_refused(change):
    good = GateStatistics.zeros(WIDTHS)
    parts = {"active": good.active, "total": good.total, "total_sq": good.total_sq} | change
    with pytest.raises(StatisticsError, match=next(iter(change))):
        GateStatistics(WIDTHS, tokens=1, **parts)


def test_emotions_come_in_the_projects_order():
    assert example().emotions == tuple(example().by_emotion) == ("happy", "sad")


@given(stats=emotion_statistics())
@settings(deadline=None, max_examples=25)
def test_files_round_trip(stats):
    with TemporaryDirectory() as folder:
        path, again = Path(folder, "a.stats.safetensors"), Path(folder, "b.stats.safetensors")
        stats.metadata.update(judge="Jürgen", cap=None)
        stats.save(path)
        loaded = EmotionStatistics.load(path)
        assert same_all(loaded, stats)
        assert loaded.metadata == stats.metadata
        loaded.save(again)
        assert path.read_bytes() == again.read_bytes()


def test_files_have_the_agreed_keys(tmp_path):
    example().save(tmp_path / "x.stats.safetensors")
    with safe_open(tmp_path / "x.stats.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert set(tensors) == {f"{part}.{e}" for part in ("active", "sum", "sumsq", "tokens") for e in ("happy", "sad")}
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items() if "sad" in name} == {
        "active.sad": (torch.int64, (5,)),
        "sum.sad": (torch.float64, (5,)),
        "sumsq.sad": (torch.float64, (5,)),
        "tokens.sad": (torch.int64, (1,)),
    }
    assert list(metadata) == ["esn"]
    document = json.loads(metadata["esn"])
    assert (document["format"], document["widths"]) == (1, [3, 2])


def test_rows_of_one_batch_can_be_saved(tmp_path):
    batch = torch.arange(10).reshape(2, 5)
    moments = batch.double()
    rows = [GateStatistics(WIDTHS, batch[row], moments[row], moments[row], 99) for row in range(2)]
    stats = EmotionStatistics(WIDTHS, {"happy": rows[0], "sad": rows[1]})
    stats.save(tmp_path / "x.stats.safetensors")
    assert same_all(EmotionStatistics.load(tmp_path / "x.stats.safetensors"), stats)


def tensors_of(stats: EmotionStatistics) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    for emotion, part in stats.by_emotion.items():
        made |= {f"active.{emotion}": part.active, f"sum.{emotion}": part.total, f"sumsq.{emotion}": part.total_sq}
        made[f"tokens.{emotion}"] = torch.tensor([part.tokens])
    return made


@pytest.mark.parametrize(
    "metadata", [{"esn": '{"widths": [3, 2]}'}, {"widths": "[3, 2]"}, {"format": "pt", "esn": '{"widths": [3, 2]}'}]
)
def test_foreign_tools_need_to_say_no_more_than_the_widths(tmp_path, metadata):
    save_file(tensors_of(example()), tmp_path / "x.stats.safetensors", metadata=metadata)
    loaded = EmotionStatistics.load(tmp_path / "x.stats.safetensors")
    assert same_all(loaded, example())
    assert loaded.metadata == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"active.sad": None}, "'active.sad' is missing"),
        ({"tokens.sad": None}, "'tokens.sad' is missing"),
        ({"active.sad": torch.tensor([0, -1, 0, 0, 0])}, "active in -1 tokens"),
        ({"active.sad": torch.tensor([0, 10, 0, 0, 0])}, "active in 10 of 9 tokens"),
        ({"active.sad": torch.zeros(5, dtype=torch.int32)}, "int32"),
        ({"active.sad": torch.zeros(6, dtype=torch.int64)}, r"\[6\]"),
        ({"tokens.sad": torch.tensor([-1])}, "tokens is -1"),
        ({"tokens.sad": torch.tensor([9, 9])}, r"int64 \[2\]"),
        ({"tokens.sad": torch.tensor([9.0])}, "float32"),
        ({"sum.sad": torch.tensor([0, 0, 0, 0, torch.nan], dtype=torch.float64)}, "not a finite number"),
        ({"sumsq.sad": torch.tensor([0, 0, 0, 0, torch.inf], dtype=torch.float64)}, "not a finite number"),
        ({"sumsq.sad": torch.tensor([0, 0, 0, 0, -1], dtype=torch.float64)}, "negative"),
        ({"sum.sad": torch.zeros(5)}, "float32"),
    ],
)
def test_impossible_statistics_are_refused_in_one_sentence(tmp_path, change, words):
    tensors = {name: value for name, value in (tensors_of(example()) | change).items() if value is not None}
    save_file(tensors, tmp_path / "x.stats.safetensors", metadata={"esn": '{"widths": [3, 2]}'})
    with pytest.raises(StatisticsError, match=words) as caught:
        EmotionStatistics.load(tmp_path / "x.stats.safetensors")
    assert "\n" not in str(caught.value)
    assert "x.stats.safetensors" in str(caught.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_and_hostile_files_are_refused_in_one_sentence(tmp_path, name):
    (tmp_path / "x.stats.safetensors").write_bytes(FOREIGN[name])
    with pytest.raises(StatisticsError) as caught:
        EmotionStatistics.load(tmp_path / "x.stats.safetensors")
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_files_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none", Path("x" * 5000)):
        with pytest.raises(StatisticsError):
            EmotionStatistics.load(path)
    with pytest.raises(StudioError, match="cannot be written"):
        example().save(Path("/proc/none/x.stats.safetensors"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "x.stats.safetensors"
    example().save(path)
    return path.read_bytes()


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_file_loads_or_is_refused_but_never_breaks_the_program(whole, data):
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.stats.safetensors")
        path.write_bytes(data.draw(damaged(whole)))
        with suppress(StudioError):
            EmotionStatistics.load(path).save(path)


def test_every_truncation_is_noticed(whole, tmp_path):
    path = tmp_path / "x.stats.safetensors"
    for length in itertools.chain(range(60), range(60, len(whole), 37)):
        path.write_bytes(whole[:length])
        with pytest.raises(StatisticsError):
            EmotionStatistics.load(path)
