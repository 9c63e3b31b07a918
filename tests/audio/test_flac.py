"""Texts in FLAC files, read back by hand and by libsndfile."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from studio.audio.files import encode
from studio.audio.flac import FlacTexts, read_comments, with_comments
from tests.toy import tone

COMMENTS = {"TITLE": "ton", "COMMENT": "odd text für Ä = b"}


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_comments_are_read_back_and_samples_stay(subtype: str) -> None:
    encoded = encode(tone(), "FLAC", subtype, "tone.flac")[0]
    told = with_comments(encoded, "ESN Studio", COMMENTS)
    assert read_comments(io.BytesIO(told)) == FlacTexts(COMMENTS)
    assert np.array_equal(soundfile.read(io.BytesIO(encoded))[0], soundfile.read(io.BytesIO(told))[0])
    with soundfile.SoundFile(io.BytesIO(told)) as sound:
        assert (sound.subtype, sound.title, sound.comment) == (subtype, COMMENTS["TITLE"], COMMENTS["COMMENT"])
    again = with_comments(told, "ESN Studio", {"TITLE": "other"})
    assert read_comments(io.BytesIO(again)).comments == {"TITLE": "other"}


def test_an_id3_tag_in_front_is_passed_over() -> None:
    told = with_comments(encode(tone(), "FLAC", "PCM_16", "t")[0], "v", COMMENTS)
    for content, credentials in ((b"something else", False), (b"GEOB application/c2pa", True)):
        tag = b"ID3\x04\0\0" + bytes([0, 0, 0, len(content)]) + content
        assert read_comments(io.BytesIO(tag + told)) == FlacTexts(COMMENTS, credentials)


@pytest.mark.parametrize("content", [b"", b"ID3", b"RIFF", b"fLaC", b"fLaC\x84\xff\xff\xff" + b"\xff" * 40])
def test_damaged_files_say_nothing(content: bytes) -> None:
    assert read_comments(io.BytesIO(content)) == FlacTexts()


def test_only_flac_takes_comments() -> None:
    with pytest.raises(ValueError, match="FLAC"):
        with_comments(encode(tone(), "WAV", "PCM_16", "t")[0], "v", COMMENTS)
