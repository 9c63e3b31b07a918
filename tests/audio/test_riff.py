"""Texts in WAV files, read back by hand and by libsndfile."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from studio.audio.files import encode
from studio.audio.riff import Broadcast, read_texts, with_texts
from tests.toy import tone

BROADCAST = Broadcast(
    description="Synthetic speech: a tone",
    originator="ESN Studio",
    reference="0123456789abcdef0123456789abcdef",
    date="2026-11-20",
    time="14:00:05",
    coding_history="A=PCM,F=16000,W=16,M=mono,T=test\r\n",
    loudness=-23.04,
)
INFO = {"INAM": "ton", "ICMT": "odd text für Ä", "ISFT": "ESN Studio 1.0"}


@pytest.fixture(params=["PCM_16", "PCM_24", "FLOAT"])
def encoded(request: pytest.FixtureRequest) -> bytes:
    return encode(tone(), "WAV", request.param, "tone.wav")[0]


def test_texts_are_read_back_and_samples_stay(encoded: bytes) -> None:
    told = with_texts(encoded, INFO, BROADCAST)
    texts = read_texts(io.BytesIO(told))
    assert texts.info == INFO
    assert texts.broadcast == BROADCAST
    assert not texts.credentials
    for before, after in zip(soundfile.read(io.BytesIO(encoded)), soundfile.read(io.BytesIO(told)), strict=True):
        assert np.array_equal(before, after)
    with soundfile.SoundFile(io.BytesIO(told)) as sound:
        assert (sound.title, sound.comment) == (INFO["INAM"], INFO["ICMT"])


def test_bext_lies_where_ebu_tech_3285_says() -> None:
    told = with_texts(encode(tone(), "WAV", "PCM_16", "t")[0], INFO, BROADCAST)
    assert int.from_bytes(told[4:8], "little") == len(told) - 8
    at = told.index(b"bext")
    assert at < told.index(b"data")
    chunk = told[at + 8 : at + 8 + int.from_bytes(told[at + 4 : at + 8], "little")]
    assert chunk[:256].rstrip(b"\0").decode() == BROADCAST.description
    assert chunk[256:288].rstrip(b"\0") == b"ESN Studio"
    assert chunk[320:338] == b"2026-11-2014:00:05"
    version, loudness, span = struct.unpack_from("<H64x2h", chunk, 346)
    assert (version, loudness, span) == (2, -2304, 0x7FFF)
    assert chunk[602:] == BROADCAST.coding_history.encode()


def test_what_was_not_measured_is_not_claimed() -> None:
    silent = replace(BROADCAST, loudness=None)
    told = with_texts(encode(tone(), "WAV", "PCM_16", "t")[0], {}, silent)
    assert read_texts(io.BytesIO(told)).broadcast == silent


@pytest.mark.parametrize("damage", ["cut in bext", "cut in INFO", "sizes", "other", "empty"])
def test_damaged_files_say_what_can_be_read(damage: str) -> None:
    told = with_texts(encode(tone(), "WAV", "PCM_16", "t")[0], INFO, BROADCAST)
    content = {
        "cut in bext": told[:400],
        "cut in INFO": told[:700],
        "sizes": told.replace(struct.pack("<I", 602 + 34), b"\xff\xff\xff\xff", 1),
        "other": b"fLaC" + told,
        "empty": b"",
    }[damage]
    assert read_texts(io.BytesIO(content)).info == {}


def test_only_wav_takes_texts() -> None:
    with pytest.raises(ValueError, match="RIFF"):
        with_texts(encode(tone(), "FLAC", "PCM_16", "t")[0], INFO, BROADCAST)
    with pytest.raises(ValueError, match="no samples"):
        with_texts(b"RIFF\x04\0\0\0WAVE", INFO, BROADCAST)
