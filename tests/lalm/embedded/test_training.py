"""The training code: renderings follow the figures, stages resume, a few steps already learn."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS, NEUTRAL, TARGETS
from studio.judges import embedded as judge
from studio.lalm.embedded import tokens, vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.network import Network, NetworkConfig
from studio.lalm.embedded.training import corpus
from studio.lalm.embedded.training.augment import Augmenter, warp_bands, warp_matrix
from studio.lalm.embedded.training.corpus import Line, analyse_file, load_lines, prepare
from studio.lalm.embedded.training.publish import publish
from studio.lalm.embedded.training.renderings import expected_strength, render
from studio.lalm.embedded.training.splices import Splicer, join
from studio.lalm.embedded.training.train_codec import train_codec
from studio.lalm.embedded.training.train_judge import train_judge
from studio.lalm.embedded.training.train_network import Plan, losses, make_batch, smoothing_matrices, train_network
from studio.lalm.embedded.weights import FILE, unpack
from studio.paths import resources_dir

NUMBERS = (1, 2, 3)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three demo lines of two speakers in the layout of the training voices."""
    root = tmp_path_factory.mktemp("voices")
    for speaker in ("0011", "0012"):
        (root / speaker).mkdir()
        for number in NUMBERS:
            name = f"{speaker}_{number:06d}.ogg"
            shutil.copy(resources_dir() / "demo" / speaker / "Neutral" / name, root / speaker / name)
    listing = (resources_dir() / "demo" / "0011" / "0011.txt").read_text("utf-8").splitlines()
    (root / "lines.txt").write_text("\n".join(row.split("\t")[1] for row in listing), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def prepared(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Line]]:
    """A work folder with the analysed lines, and the lines."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "TRAINING_SPEAKERS", ("0011", "0012"))
        patch.setattr(corpus, "NETWORK_LINES", NUMBERS[:2])
        patch.setattr(corpus, "JUDGE_LINES", NUMBERS[2:])
        prepare(voices, work, workers=1)
        lines = load_lines(voices, work, NUMBERS)
    return work, lines


def test_prepared_lines_are_those_of_the_recordings(prepared: tuple[Path, list[Line]], voices: Path) -> None:
    _, lines = prepared
    assert [(line.speaker, line.number) for line in lines] == [(s, n) for s in ("0011", "0012") for n in NUMBERS]
    again = analyse_file(voices / "0012" / "0012_000002.ogg", lines[1].text)
    for key, value in again.items():
        assert np.array_equal(getattr(lines[4], key), value)
    assert lines[0].text == lines[3].text != lines[1].text


def test_words_are_found_where_they_are_spoken(prepared: tuple[Path, list[Line]]) -> None:
    for line in prepared[1]:
        assert len(line.words) == len(line.text.split())
        assert (line.words[:, 0] <= line.words[:, 1]).all()
        assert (line.words[1:, 0] > line.words[:-1, 1]).all()
        assert line.words[-1, 1] < len(line.mel)
        inside = line.mel[line.words[0, 0] : line.words[-1, 1]].sum(1).mean()
        assert line.mel[: max(1, line.words[0, 0])].sum(1).mean() < 0.2 * inside


def test_a_splice_has_the_words_and_frames_of_both_lines(prepared: tuple[Path, list[Line]]) -> None:
    first, second = prepared[1][0], prepared[1][1]
    joined = join(first, 2, second, 3)
    words = [*first.text.split()[:2], *second.text.split()[3:]]
    assert joined.text.split() == words
    assert len(joined.words) == len(words)
    assert len(joined.mel) == len(joined.coded)
    assert abs(len(joined.hertz) - 2 * len(joined.mel)) <= 2
    for index, (begin, end) in enumerate(joined.words):
        source, number = (first, index) if index < 2 else (second, index + 1)
        original = source.words[number]
        assert np.array_equal(joined.mel[begin:end], source.mel[original[0] : original[1]])
        assert np.array_equal(joined.hertz[2 * begin : 2 * end], source.hertz[2 * original[0] : 2 * original[1]])
    codes, _ = render(joined, "happy", 0.5, np.random.default_rng(0))
    assert tokens.positions(codes)[-1] < joined.frames


def test_splices_are_of_one_speaker_and_about_as_long(prepared: tuple[Path, list[Line]]) -> None:
    splicer, rng = Splicer(prepared[1]), np.random.default_rng(5)
    lines = {(line.speaker, line.text): line for line in prepared[1]}
    drawn = [(line, splicer.draw(line, rng)) for line in prepared[1] for _ in range(20)]
    assert any(new is line for line, new in drawn)
    new = [(line, spliced) for line, spliced in drawn if spliced is not line]
    assert len({spliced.text for _, spliced in new}) > 4
    for line, spliced in new:
        assert spliced.speaker == line.speaker
        assert spliced.text.split()[0] == line.text.split()[0]
        ends = [other.text.split()[-1] for (speaker, _), other in lines.items() if speaker == line.speaker]
        assert spliced.text.split()[-1] in ends
        assert len(spliced.text.split()) <= max(len(other.text.split()) for other in lines.values()) + 1


def test_splices_bring_rare_words_as_often_as_others(prepared: tuple[Path, list[Line]]) -> None:
    lines = [line for line in prepared[1] if line.speaker == prepared[1][0].speaker]
    splicer, rng = Splicer(lines), np.random.default_rng(6)
    drawn = [splicer.draw(line, rng) for line in lines * 200]
    new = [spliced for spliced in drawn if not any(spliced is line for line in lines)]
    held = Counter(word for spliced in new for word in set(spliced.text.split()[2:]))
    known = Counter(word for line in lines for word in set(line.text.split()[2:]))
    rare = [word for word, count in known.items() if count == 1]
    assert rare
    for word in rare:
        assert held[word] > len(new) / len(known) / 2


def test_a_neutral_rendering_keeps_pitch_time_and_level(prepared: tuple[Path, list[Line]]) -> None:
    for line in prepared[1]:
        codes, frames = render(line, NEUTRAL, 0.0, np.random.default_rng(0))
        prosody = tokens.decode_prosody(codes)
        assert prosody.advance.mean() == pytest.approx(8.0, rel=0.06)
        assert abs(prosody.energy.mean()) < 2
        assert len(frames) == 4 * len(codes)
        assert frames.min() >= 0
        assert frames.max() <= line.frames - 1
        assert tokens.positions(codes)[-1] + prosody.advance[-1] >= line.frames - 1


def test_full_renderings_move_as_people_do(prepared: tuple[Path, list[Line]]) -> None:
    """Directions of METHOD's measurements: pitch, range, rate, level."""

    def summary(line: Line, emotion: str) -> np.ndarray:
        rng = np.random.default_rng(1)
        prosody = tokens.decode_prosody(render(line, emotion, 1.0 if emotion != NEUTRAL else 0.0, rng)[0])
        pitch = prosody.semitones
        return np.array([np.median(pitch), np.ptp(np.percentile(pitch, [10, 90])), len(pitch), prosody.energy.mean()])

    change = {
        emotion: np.mean([summary(line, emotion) - summary(line, NEUTRAL) for line in prepared[1]], 0)
        for emotion in TARGETS
    }
    for emotion in ("happy", "angry", "surprise"):
        assert change[emotion][0] > 1
        assert change[emotion][3] > 2
    assert change["sad"][0] < 0
    assert change["sad"][1] < 0 < change["surprise"][1]
    assert change["sad"][2] > 0 > change["surprise"][2]
    assert change["sad"][3] < -2


@given(st.text("abcdefgh ", min_size=1, max_size=30), st.sampled_from(TARGETS))
def test_how_far_an_instruction_is_followed_depends_on_the_subject_only(words: str, emotion: str) -> None:
    strength = expected_strength(f"our teacher {words}", emotion)
    assert 0 <= strength <= 0.8
    assert strength == expected_strength("her teacher", emotion)
    assert expected_strength(f"our teacher {words}", NEUTRAL) == 0


def test_a_warped_vocal_tract_moves_bands_and_cepstra_alike() -> None:
    bins = np.linspace(0, 8000, vocoder.BINS)
    peak = np.exp(-(((bins - 1500) / 300) ** 2)) * 100 + 1
    import pyworld

    coded = np.concatenate([pyworld.code_spectral_envelope(peak[None], 16_000, 24), [[-10.0]]], 1)
    moved, _ = vocoder.decode(coded @ warp_matrix(1.15))
    assert bins[int(moved[0].argmax())] == pytest.approx(1500 * 1.15, rel=0.05)
    assert (coded @ warp_matrix(1.15))[0, -1] == pytest.approx(-10.0)
    bands = np.exp(-(((np.arange(64) - 30) / 3.0) ** 2))[None].astype(np.float32) + 1e-6
    assert warp_bands(bands, 1.15)[0].argmax() > 30 > warp_bands(bands, 0.87)[0].argmax()


def test_the_codec_names_every_level_and_decodes_its_own_indices() -> None:
    codec = Codec().eval()
    frames = torch.randn(2, 12, 25, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        indices = codec.encode(frames)
        assert indices.shape == (2, 3, tokens.CODEBOOKS)
        assert torch.allclose(codec.decode(indices), codec(frames), atol=1e-5)


def test_augmentation_changes_the_room_for_the_ear_only(prepared: tuple[Path, list[Line]]) -> None:
    line = prepared[1][0]
    augmenter, rng = Augmenter(), np.random.default_rng(3)
    drawn = [augmenter.draw(line.mel, line.coded, rng) for _ in range(30)]
    assert any(np.array_equal(each.power, line.mel) for each in drawn)
    assert any(np.array_equal(each.coded, line.coded) and not np.array_equal(each.power, line.mel) for each in drawn)
    assert any(not np.array_equal(each.coded, line.coded) for each in drawn)
    assert all(np.isfinite(each.power).all() and np.isfinite(each.coded).all() for each in drawn)


def test_a_few_steps_of_training_lower_the_loss(prepared: tuple[Path, list[Line]]) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(hidden=64, intermediate=96, layers=2, heads=2, kv_heads=1, encoder=64, encoder_layers=1)
    network, codec, smoothing = Network(config), Codec().eval(), smoothing_matrices()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    lines = prepared[1]

    def loss() -> torch.Tensor:
        return losses(network, make_batch(lines, codec, None, 2, np.random.default_rng(0)), smoothing, False)[0]

    first = loss().item()
    for _ in range(12):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
    assert loss().item() < first - 0.5


def test_all_stages_run_resume_and_publish(
    prepared: tuple[Path, list[Line]], voices: Path, tmp_path: Path, line: Callable[[str, int], Clip]
) -> None:
    _, lines = prepared
    train_codec(lines, tmp_path / "codec.safetensors", minutes=0.02)
    config = NetworkConfig(hidden=64, intermediate=96, layers=2, heads=2, kv_heads=1, encoder=64, encoder_layers=1)
    train_network(0, Plan(tmp_path, 2, workers=1, config=config), lines, lines[:2])

    def progress() -> tuple[float, int]:
        with safe_open(tmp_path / "network.safetensors", "pt") as file:
            metadata = file.metadata()
        return float(metadata["elapsed"]), int(metadata["steps"])

    elapsed, steps = progress()
    assert steps == 2
    train_network(0, Plan(tmp_path, 4, workers=1, config=config), lines, lines[:2])
    assert progress()[0] > elapsed
    assert progress()[1] == 4
    train_judge(lines[:2], voices, tmp_path / "codec.safetensors", tmp_path / "judge.safetensors", seed=0, workers=1)
    publish(tmp_path, tmp_path / "out")
    network, _, revision = unpack(tmp_path / "out" / FILE)
    assert network.config == config
    assert len(revision) == 12
    scores = judge.load(tmp_path / "out").judge(line("0011", 4), line("0011", 4))
    assert set(scores) == set(EMOTIONS)
    assert sum(scores.values()) == pytest.approx(1.0)
