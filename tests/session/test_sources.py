"""Opening what is to be rendered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.audio.files import save_wav
from studio.errors import StudioError
from studio.lalm.base import Content
from studio.session.sources import DEFAULT_LINE, content_for, demo_lines, open_source
from tests.toy import INFO, tone


def test_the_demo_corpus_is_there_with_transcripts() -> None:
    lines = demo_lines()
    assert len(lines) == 600
    assert all(line.text for line in lines)


def test_a_demo_line_brings_its_words() -> None:
    source = open_source(DEFAULT_LINE)
    assert source.clip.name == "0011_000001"
    assert source.text == "the old house is ready and you know it"
    assert source.is_demo
    assert 1.0 < source.clip.seconds < 5.0


def test_a_recording_says_only_what_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.wav"
    save_wav(path, tone())
    assert open_source(str(path)).text is None
    assert open_source(str(path), text="hello").text == "hello"
    assert open_source(DEFAULT_LINE, text="other").text == "other"


@pytest.mark.parametrize("spec", ["demo:", "demo:0011_000061", "demo:../x", "nowhere.wav"])
def test_what_is_not_there_is_said(spec: str) -> None:
    with pytest.raises(StudioError) as caught:
        open_source(spec)
    assert str(caught.value).endswith(".")


def test_content_by_default() -> None:
    demo = open_source(DEFAULT_LINE)
    own = replace(demo, is_demo=False)
    plain = replace(INFO, content_modes=(Content.FREE,))
    assert content_for(demo, INFO) is Content.FREE
    assert content_for(own, INFO) is Content.LOCK
    assert content_for(own, plain) is Content.FREE
    assert content_for(demo, INFO, Content.LOCK) is Content.LOCK
