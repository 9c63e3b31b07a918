from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.judges.acoustics import measure
from studio.judges.base import verdict
from studio.judges.catalog import load_judge
from studio.judges.choice import QUESTION, ChoiceJudge, read_choice
from studio.paths import resources_dir
from studio.pipelines.listening import hear


class PitchListener:
    """Answers the question it is asked by how high the voice is: low is sad, high is surprised."""

    name = "pitch-listener"

    def __init__(self, form: str = "{letter}") -> None:
        self.form = form

    def answer(self, clip: Clip, question: str) -> str:
        options = dict(line.split(". ", 1)[::-1] for line in question.splitlines() if line[1:3] == ". ")
        pitch = measure(clip).pitch_median
        emotion = "sad" if pitch < 12 * np.log2(140 / 55) else "surprise"
        return self.form.format(letter=options[emotion], emotion=emotion)


def make() -> PitchListener:
    return PitchListener()


def make_nothing() -> str:
    return "nothing"


@pytest.fixture(scope="module")
def clip():
    return load_clip(resources_dir() / "demo/0011/Neutral/0011_000001.ogg")


def test_the_question_names_the_five_by_letter():
    for letter, emotion in zip("ABCDE", EMOTIONS, strict=True):
        assert f"\n{letter}. {emotion}\n" in QUESTION


@pytest.mark.parametrize("form", ["{letter}", "({letter})", "{letter}. {emotion}", "I hear someone {emotion}."])
def test_a_model_is_asked_and_its_choice_taken(clip, form):
    judge = ChoiceJudge(PitchListener(form))
    assert judge.name == "choice-pitch-listener"
    low = judge.judge(Clip(clip.samples, clip.rate // 2), clip)
    high = judge.judge(Clip(clip.samples, round(clip.rate * 1.6)), clip)
    assert verdict(low) == "sad"
    assert verdict(high) == "surprise"
    assert list(low) == list(EMOTIONS)
    assert sum(low.values()) == 1.0


def test_an_answer_without_a_choice_rejects_the_conversion_with_its_words(clip):
    judge = ChoiceJudge(PitchListener("I am sorry, but I cannot tell from this " + "long " * 30))
    with pytest.raises(StudioError, match="no clear choice in the answer 'I am sorry"):
        judge.judge(clip)
    reason = hear(judge, clip, clip)
    assert isinstance(reason, str)
    assert len(reason) < 100


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("C", "angry"),
        ("c", "angry"),
        (" (D) ", "sad"),
        ("B.", "happy"),
        ("E) surprise", "surprise"),
        ("**A**", "neutral"),
        ("A: neutral", "neutral"),
        ("B\nThe pitch is high and lively.", "happy"),
        ("The answer is D.", "sad"),
        ("Answer: (C) angry", "angry"),
        ('{"answer": "E"}', "surprise"),
        ("答案：B", "happy"),
        ("答案是 C。", "angry"),
        ("My final answer is **B. happy**.", "happy"),
        ("I would choose option E", "surprise"),
        ("Answer: A? No. The answer is C", "angry"),
        ("Happy", "happy"),
        ("The speaker sounds angry.", "angry"),
        ("sadness", "sad"),
        ("The voice is surprised, not happy.", "surprise"),
        ("It sounds angry rather than sad", "angry"),
        ("A calm voice, neither happy nor sad: neutral.", "neutral"),
        ("It could be happy or surprised.\nOverall: surprised", "surprise"),
        ("<think>Maybe happy (B), maybe A.</think>\n\nD", "sad"),
        ("Maybe happy.</think> C", "angry"),
        ("A happy voice.", "happy"),
        ("I hear a person's anger.", "angry"),
        ("", None),
        ("   \n", None),
        ("F", None),
        ("none of them", None),
        ("happy or sad", None),
        ("not happy", None),
        ("B. angry", None),
        ("The answer is B, angry", None),
        ("ABCDE", None),
        ("<think>It is happy and", None),
        ("I cannot listen to audio.", None),
        ("Fearful", None),
    ],
)
def test_reading_answers(said, chosen):
    assert read_choice(said) == chosen


def test_the_catalog_asks_any_function_for_its_model(clip):
    judge = load_judge("choice:tests.judges.test_choice:make")
    assert judge.name == "choice-pitch-listener"
    assert verdict(judge.judge(Clip(clip.samples, clip.rate // 2))) == "sad"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("choice:", "names no audio language model; write choice:package.module:function"),
        ("choice:tests.judges.test_choice", "names no audio language model"),
        ("choice:not_there:make", "cannot be loaded .*must be on PYTHONPATH"),
        ("choice:tests.judges.test_choice:absent", "cannot be loaded"),
        ("choice:tests.judges.test_choice:make_nothing", "cannot be asked: it needs a name and answer"),
    ],
)
def test_models_that_cannot_be_asked(place, sentence):
    with pytest.raises(StudioError, match=sentence):
        load_judge(place)
