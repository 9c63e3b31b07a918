"""A take's words against the transcript, and what was measured of it, as the lanes and the list show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio.audio.clip import Clip
from studio.gui import theme
from studio.gui.audition.lane import words_help, words_html
from studio.gui.words import take_measures, take_wer, words_of
from studio.lalm.base import Content
from studio.session.settings import RenderSettings
from studio.session.take import Take

CLIP = Clip(np.zeros(24_000, np.float32), 16_000, "line")


def take(reference: str | None, text: str, content: Content = Content.FREE) -> Take:
    settings = RenderSettings("sad", content=content)
    return Take(
        "1", CLIP, "line", reference, settings, "r", "d", text, CLIP, 0.25, None, {}, "", (), "2026-01-01T00:00:00", 0.1
    )


def test_insertions_deletions_and_substitutions_are_marked() -> None:
    words = words_of(take("the old house is here now", "the cold house here now again"))
    assert [(word.text, word.kind) for word in words] == [
        ("the", "equal"),
        ("cold", "substitute"),
        ("house", "equal"),
        ("is", "delete"),
        ("here", "equal"),
        ("now", "equal"),
        ("again", "insert"),
    ]
    assert words_help(words).splitlines() == ["“cold” instead of “old”", "“is” missing", "“again” added"]
    colours = theme.current()
    html = words_html(words, colours)
    assert f'{colours.danger}; text-decoration:underline">cold<' in html
    assert f'{colours.faint}; text-decoration:line-through">is<' in html
    assert f'{colours.warning}; text-decoration:underline">+again<' in html


def test_without_a_transcript_nothing_is_wrong_and_locked_words_are_the_recordings() -> None:
    assert {word.kind for word in words_of(take(None, "any words"))} == {"equal"}
    locked = words_of(take("what I said", "something else", Content.LOCK))
    assert [(word.text, word.kind) for word in locked] == [("what", "equal"), ("I", "equal"), ("said", "equal")]


def test_a_line_of_the_list_holds_every_measure() -> None:
    made = take("a b c d", "a b c e")
    assert take_wer(made) == ("WER 25\N{NO-BREAK SPACE}%", True)
    assert take_measures(made) == "1.5\N{NO-BREAK SPACE}s"
    measured = replace(made, heard_wer=0.0, naturalness=3.44, similarity=0.718)
    assert take_wer(measured)[0].replace("\N{NO-BREAK SPACE}", " ") == "WER 25 %  heard 0 %"
    assert take_measures(measured).replace("\N{NO-BREAK SPACE}", " ") == "1.5 s  nat. 3.4  voice 0.72"
