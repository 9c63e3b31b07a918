"""Training of learned vectors on a toy whose best matrices are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from studio.corpora.base import Utterance
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer import EmoVectors
from studio.lalm.steerable import Lesson, Site
from studio.pipelines.emosteer import CHECKPOINT, Step, TrainSettings, lessons_of, train
from studio.pipelines.locks import FolderLock
from tests.toy import INFO

DIM = 3
GOALS = {"happy": torch.tensor([1.0, 0.0, -1.0]), "sad": torch.tensor([-1.0, 0.5, 0.0])}


class ToySteerable:
    """h is (1, line number, 1); the loss is how far the read-out of h' is from that of h plus the emotion's goal."""

    info = INFO
    at_once: int | None = None

    def __init__(self, *, recordings: bool = False, bypass: bool = False) -> None:
        torch.manual_seed(0)
        self.read_out = nn.Linear(DIM, DIM).requires_grad_(False)
        self.needs_recordings = recordings
        self.bypass = bypass
        self.seen: list[tuple[str, ...]] = []

    @property
    def site(self) -> Site:
        return Site("read_out", self.read_out, DIM)

    def loss(self, lessons: Sequence[Lesson], seed: int) -> torch.Tensor:
        self.seen.append(tuple(lesson.source.name for lesson in lessons))
        h = torch.tensor([[1.0, float(lesson.source.stem) / 10, 1.0] for lesson in lessons])
        wanted = nn.functional.linear(h + GOALS[lessons[0].emotion], self.read_out.weight, self.read_out.bias)
        said = nn.functional.linear(h, self.read_out.weight) if self.bypass else self.read_out(h)
        noise = torch.randn(len(lessons), 1, generator=torch.Generator().manual_seed(seed)) * 0.01
        return (said - wanted + noise).square().mean()


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    found = []
    for number in range(6):
        for emotion in ("neutral", "happy") if number < 3 else ("neutral",):
            path = tmp_path / "corpus" / emotion / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{number} {emotion}".encode())
            found.append(Utterance("0011", number, emotion, path, "a line"))
    return found


def settings(**more) -> TrainSettings:
    usual = TrainSettings(("happy", "sad"), steps=12, batch=4, learning_rate=20.0, checkpoint=5)
    return replace(usual, **more)


def test_the_matrices_learn_what_the_model_lacks_and_the_model_stays(tmp_path, utterances):
    model = ToySteerable()
    before = model.read_out.weight.clone()
    steps: list[Step] = []
    vectors = train(model, utterances, settings(steps=150), tmp_path / "work", on_step=steps.append)
    assert torch.equal(model.read_out.weight, before)
    assert model.read_out.weight.grad is None
    assert not model.read_out._forward_pre_hooks
    for emotion, goal in GOALS.items():
        h = np.array([1.0, 0.2, 1.0])
        np.testing.assert_allclose(vectors.eps * h @ vectors.weights[emotion], goal.numpy(), atol=0.15)
        assert steps[-1].losses[emotion] < steps[0].losses[emotion] / 20
    assert [step.done for step in steps] == list(range(1, 151))
    assert steps[-1].seconds_left == 0
    assert all(step.seconds_left >= 0 for step in steps)
    facts = vectors.metadata
    assert (facts["model_id"], facts["model_revision"], facts["config_digest"]) == ("toy", "r1", "d1")
    assert facts["training"]["steps"] == 150
    assert facts["training"]["lessons"] == {"happy": 6, "sad": 6}
    assert facts["training"]["loss_at_last"]["sad"] < facts["training"]["loss_at_first"]["sad"]


@pytest.mark.parametrize("stop_at", [0, 1, 5, 7])
def test_a_training_that_was_stopped_ends_in_the_same_bytes(tmp_path, utterances, stop_at):
    whole = train(ToySteerable(), utterances, settings(), tmp_path / "whole")
    count = [0]

    def stop() -> bool:
        count[0] += 1
        return count[0] > stop_at

    with pytest.raises(Cancelled):
        train(ToySteerable(), utterances, settings(), tmp_path / "parts", cancelled=stop)
    model = ToySteerable()
    resumed = train(model, utterances, settings(), tmp_path / "parts")
    assert resumed.to_bytes() == whole.to_bytes()
    assert len(model.seen) == 2 * (12 - stop_at)


def test_more_steps_go_on_from_a_finished_training(tmp_path, utterances):
    train(ToySteerable(), utterances, settings(steps=4), tmp_path / "work")
    longer = train(ToySteerable(), utterances, settings(), tmp_path / "work")
    assert longer.to_bytes() == train(ToySteerable(), utterances, settings(), tmp_path / "whole").to_bytes()


def test_a_checkpoint_that_went_further_is_not_passed_off_as_fewer_steps(tmp_path, utterances):
    train(ToySteerable(), utterances, settings(), tmp_path / "work")
    with pytest.raises(StudioError, match="is of 12 steps already, more than the 4 asked for"):
        train(ToySteerable(), utterances, settings(steps=4), tmp_path / "work")


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path, utterances):
    def killed(step: Step) -> None:
        if step.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ToySteerable(), utterances, settings(), tmp_path / "work", on_step=killed)
    model = ToySteerable()
    resumed = train(model, utterances, settings(), tmp_path / "work")
    assert len(model.seen) == 2 * (12 - 5)
    assert resumed.to_bytes() == train(ToySteerable(), utterances, settings(), tmp_path / "whole").to_bytes()


def test_lines_are_paired_with_the_same_speakers_recordings(utterances):
    pairs = lessons_of(utterances, ("happy",), recorded=True)["happy"]
    parent = utterances[0].path.parent.parent
    assert [(lesson.source, lesson.target) for lesson in pairs] == [
        (parent / "neutral" / f"{number}.wav", parent / "happy" / f"{number}.wav") for number in range(3)
    ]
    assert len(lessons_of(utterances, ("happy",), recorded=False)["happy"]) == 6
    with pytest.raises(StudioError, match="no line said neutrally and sad by the same speaker"):
        lessons_of(utterances, ("happy", "sad"), recorded=True)


def test_a_checkpoint_of_another_training_is_not_gone_on_with(tmp_path, utterances):
    train(ToySteerable(), utterances, settings(steps=2), tmp_path / "work")
    with pytest.raises(StudioError, match="another model, corpus or settings"):
        train(ToySteerable(), utterances, settings(steps=2, seed=1), tmp_path / "work")
    with pytest.raises(StudioError, match="another model, corpus or settings"):
        train(ToySteerable(), utterances[:-1], settings(steps=2), tmp_path / "work")


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, utterances, damage):
    train(ToySteerable(), utterances, settings(steps=2), tmp_path / "work")
    path = tmp_path / "work" / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    with pytest.raises(StudioError, match="cannot be read; delete it to begin anew"):
        train(ToySteerable(), utterances, settings(steps=2), tmp_path / "work")


def test_a_folder_in_use_is_left_alone(tmp_path, utterances):
    lock = FolderLock(tmp_path)
    assert lock.acquire()
    with pytest.raises(StudioError, match="Another training is at work"):
        train(ToySteerable(), utterances, settings(), tmp_path)
    lock.release()


def test_a_loss_that_does_not_pass_the_site_is_refused(tmp_path, utterances):
    with pytest.raises(StudioError, match="does not pass through it"):
        train(ToySteerable(bypass=True), utterances, settings(), tmp_path / "work")


@pytest.mark.parametrize("more", [{"steps": 0}, {"learning_rate": 0.0}, {"eps": 2.0}, {"emotions": ()}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(more):
    with pytest.raises(StudioError):
        settings(**more)


def test_what_was_trained_can_be_read_again(tmp_path, utterances):
    vectors = train(ToySteerable(), utterances, settings(), tmp_path / "work")
    vectors.save(tmp_path / "v.emosteer.safetensors")
    again = EmoVectors.load(tmp_path / "v.emosteer.safetensors")
    assert again.to_bytes() == vectors.to_bytes()
    assert again.metadata == vectors.metadata
