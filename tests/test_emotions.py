from __future__ import annotations

import pytest

from studio.emotions import EMOTIONS, in_order, other_emotion, parse_emotion


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Neutral", "neutral"),
        (" HAPPINESS ", "happy"),
        ("ANG", "angry"),
        ("Sadness", "sad"),
        ("ps", "surprise"),
        ("Pleasant_Surprise", "surprise"),
        ("pleasant-surprised", "surprise"),
        ("pleasant  surprise", "surprise"),
        ("fear", None),
        ("", None),
    ],
)
def test_usual_names_mean_one_of_the_five(name, emotion):
    assert parse_emotion(name) == emotion


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("Fearful", "fear"),
        ("DIS", "disgust"),
        ("disgusted", "disgust"),
        ("Calm", "calm"),
        ("bored", "boredom"),
        ("Mild_Contempt", "mild contempt"),
    ],
)
def test_other_emotions_are_counted_under_one_spelling(name, spelt):
    assert parse_emotion(name) is None
    assert other_emotion(name) == spelt


def test_the_five_are_their_own_names():
    assert [parse_emotion(emotion) for emotion in EMOTIONS] == list(EMOTIONS)


def test_emotions_are_put_in_the_projects_order():
    assert in_order(["zeal", "sad", "awe", "neutral", "sad"]) == ("neutral", "sad", "awe", "zeal")
