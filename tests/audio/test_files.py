from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import Clip
from studio.audio.files import AudioFileError, load_clip, save_flac, save_wav
from studio.errors import StudioError

RATE = 16_000


def speechlike(seconds: float = 1.0, channels: int = 1, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    mono = 0.4 * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 1.3 * time)
    return mono if channels == 1 else np.stack([mono] * channels, axis=1)


def wav(rate: int = RATE, data: bytes = b"\0\1" * 100, declared: int | None = None, channels: int = 1) -> bytes:
    declared = len(data) if declared is None else declared
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form + b"data" + struct.pack("<I", declared) + data
    )


def refusal(path: Path, max_seconds: float | None = None) -> str:
    """The sentence ``path`` is refused with; fails unless it is one clear sentence about that file."""
    with pytest.raises(AudioFileError) as caught:
        load_clip(path, max_seconds)
    said = str(caught.value)
    assert isinstance(caught.value, StudioError)
    assert path.name in said
    assert "\n" not in said
    assert said.endswith(".")
    assert "Error" not in said
    return said


# Reading


@pytest.mark.parametrize(
    ("name", "container", "subtype", "tolerance"),
    [
        ("a.wav", "WAV", "PCM_16", 1e-4),
        ("a.wav", "WAV", "PCM_24", 1e-6),
        ("a.wav", "WAV", "PCM_32", 1e-6),
        ("a.wav", "WAV", "PCM_U8", 1e-2),
        ("a.wav", "WAV", "FLOAT", 1e-7),
        ("a.wav", "WAV", "DOUBLE", 1e-7),
        ("a.wav", "WAVEX", "PCM_16", 1e-4),
        ("a.flac", "FLAC", "PCM_16", 1e-4),
        ("a.flac", "FLAC", "PCM_24", 1e-6),
        ("a.aiff", "AIFF", "PCM_16", 1e-4),
        ("a.aif", "AIFF", "PCM_24", 1e-6),
        ("a.ogg", "OGG", "VORBIS", 0.05),
        ("a.opus", "OGG", "OPUS", 0.05),
        ("a.mp3", "MP3", "MPEG_LAYER_III", 0.05),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(tmp_path: Path, name: str, container: str, subtype: str, tolerance: float, channels: int) -> None:
    path = tmp_path / name
    soundfile.write(path, speechlike(1.0, channels), RATE, format=container, subtype=subtype)
    clip = load_clip(path)
    assert (clip.rate, clip.name) == (RATE, "a")
    assert clip.samples.dtype == np.dtype(np.float32)
    assert len(clip.samples) == RATE
    # The encoder of Opus rings in its very last block.
    inner = slice(0, RATE - RATE // 50)
    np.testing.assert_allclose(clip.samples[inner], speechlike()[inner], atol=tolerance)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_rates_are_kept(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, speechlike(1.0, rate=rate), rate)
    clip = load_clip(path)
    assert clip.rate == rate
    assert clip.seconds == 1.0


def test_channels_are_averaged_at_full_precision(tmp_path: Path) -> None:
    channels = np.random.default_rng(0).uniform(-1, 1, (200_000, 6)).astype(np.float32)
    path = tmp_path / "surround.wav"
    soundfile.write(path, channels, 48_000, subtype="FLOAT")
    np.testing.assert_array_equal(load_clip(path).samples, channels.mean(axis=1, dtype=np.float64).astype(np.float32))


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    for name in ("really_flac.wav", "no_suffix", "sound.raw", "sound.vox", "naïve – 声.mp3"):
        path = tmp_path / name
        soundfile.write(path, speechlike(0.1), RATE, format="FLAC")
        assert len(load_clip(path).samples) == RATE // 10


def test_a_wav_written_to_a_pipe_has_no_known_size_and_is_read_whole(tmp_path: Path) -> None:
    for declared in (0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000):
        path = tmp_path / "stream.wav"
        path.write_bytes(wav(data=b"\0\1" * 500, declared=declared))
        assert len(load_clip(path).samples) == 500


def test_chunks_and_tags_around_the_sound_are_passed_over(tmp_path: Path) -> None:
    plain = wav()
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    path = tmp_path / "tagged.wav"
    path.write_bytes(plain[:12] + note + plain[12:] + note)
    assert len(load_clip(path).samples) == 100
    ogg = tmp_path / "tagged.ogg"
    soundfile.write(ogg, speechlike(), RATE)
    ogg.write_bytes(ogg.read_bytes() + b"TAG" + bytes(125))
    assert len(load_clip(ogg).samples) == RATE


# Refusing


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.wav")
    folder = tmp_path / "takes.wav"
    folder.mkdir()
    assert "is a folder" in refusal(folder)
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert "zero bytes" in refusal(empty)
    with pytest.raises(AudioFileError, match="cannot be opened: file name too long"):
        load_clip(tmp_path / ("n" * 300 + ".wav"))
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(pipe)


@pytest.mark.parametrize(
    "suffix", ["wav", "flac", "mp3", "ogg", "opus", "aiff", "raw", "vox", "gsm", "au", "txt", "sd2"]
)
def test_text_and_noise_under_a_sound_files_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    path.write_text("This is only text, there is nothing to hear.\n" * 200)
    assert "not a sound file" in refusal(path)
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    assert "not a sound file" in refusal(path)
    path.write_bytes(b"\0")
    assert "not a sound file" in refusal(path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg", "a.opus", "a.mp3"])
@pytest.mark.parametrize("share", [0.97, 0.5, 0.1, 0.01])
def test_cut_short(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    container = "OGG" if name.endswith("opus") else None
    subtype = "OPUS" if name.endswith("opus") else None
    soundfile.write(path, speechlike(20.0), RATE, format=container, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    said = refusal(path)
    assert "damaged or cut short" in said


def test_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    path.write_bytes(wav(data=b""))
    assert "no samples" in refusal(path)
    ogg = tmp_path / "nothing.ogg"
    soundfile.write(ogg, np.zeros(0), RATE)
    assert "no samples" in refusal(ogg)


@pytest.mark.parametrize("rate", [1, 100, 3_999, 768_000, 2_000_000_000])
def test_absurd_rates(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "fast.wav"
    path.write_bytes(wav(rate))
    assert f"claims {rate} samples a second" in refusal(path)


@pytest.mark.parametrize(
    "broken", [wav(rate=0), wav(channels=0), b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(50), b"OggS" + bytes(30)]
)
def test_headers_that_make_no_sense(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(broken)
    assert "damaged or cut short" in refusal(path)


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "not numbers"), (np.inf, "not numbers"), (-np.inf, "not numbers")]
)
def test_not_a_number(tmp_path: Path, value: float, word: str) -> None:
    samples = speechlike(10.0).astype(np.float32)
    samples[100_000] = value
    path = tmp_path / "nan.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    said = refusal(path)
    assert word in said
    assert "6.25 s" in said


def test_integers_saved_as_floats(tmp_path: Path) -> None:
    path = tmp_path / "scaled.wav"
    soundfile.write(path, speechlike() * 32_768, RATE, subtype="FLOAT")
    assert "full scale is 1" in refusal(path)


def test_too_long_is_said_from_the_header_without_decoding(tmp_path: Path) -> None:
    path = tmp_path / "lecture.flac"
    soundfile.write(path, np.zeros(600 * RATE, np.int16), RATE)
    header = path.read_bytes()[:4096]
    path.write_bytes(header)
    said = refusal(path, max_seconds=20)
    assert said == ("'lecture.flac' is 10:00 long; this model takes up to 20 s. Trim it and open it again.")


@pytest.mark.parametrize(
    ("seconds", "length"),
    [(20.001, "20.01 s"), (20.5, "20.50 s"), (59.999, "60.00 s"), (60.0, "1:00"), (61.2, "1:02"), (3599.5, "60:00")],
)
def test_lengths_never_read_as_the_limit_itself(tmp_path: Path, seconds: float, length: str) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(round(seconds * 8_000), np.int16), 8_000)
    assert f"is {length} long; this model takes up to 20 s" in refusal(path, max_seconds=20)


def test_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "fits.wav"
    soundfile.write(path, np.zeros(20 * RATE, np.int16), RATE)
    assert load_clip(path, max_seconds=20).seconds == 20.0


def test_an_mp3_of_unknown_length_never_loses_its_end_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "vbr.mp3"
    quiet, busy = np.zeros(RATE), np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE)
    soundfile.write(path, np.concatenate([busy, quiet]), RATE)
    content = path.read_bytes()
    first, second = content.find(b"\xff\xf3"), content.find(b"\xff\xf3", 8)
    assert first == 0
    # Without the first frame, which holds the table of contents, the length is guessed from the bit rate.
    path.write_bytes(content[second:])
    assert "wrong length" in refusal(path)


def test_a_header_that_promises_days_takes_no_memory_for_them(tmp_path: Path) -> None:
    path = tmp_path / "days.flac"
    soundfile.write(path, speechlike(), RATE)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xf0"
    path.write_bytes(bytes(content))
    assert soundfile.info(path).frames > 60_000_000_000
    assert "damaged or cut short" in refusal(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hostile_bytes_are_refused_in_words_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "hostile"
    folder.mkdir(exist_ok=True)
    name = data.draw(st.sampled_from(["h.wav", "h.flac", "h.ogg", "h.aiff"]))
    path = folder / name
    soundfile.write(path, speechlike(0.2), RATE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 120)))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        clip = load_clip(path, max_seconds=60)
    except AudioFileError:
        return
    assert np.isfinite(clip.samples).all()
    assert len(clip.samples) > 0


# Writing


@pytest.mark.parametrize("save", [save_wav, save_flac])
@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_integers_survive_open_and_save_bit_for_bit(tmp_path: Path, save: object, subtype: str, bits: int) -> None:
    assert callable(save)
    scale = 2 ** (bits - 1)
    levels = np.random.default_rng(0).integers(-scale, scale, 5_000)
    levels[:2] = -scale, scale - 1
    clip = Clip((levels / scale).astype(np.float32), RATE, "x")
    path = tmp_path / "out"
    assert save(path, clip, subtype) == 0
    again = load_clip(path)
    np.testing.assert_array_equal(again.samples, clip.samples)
    assert soundfile.info(path).subtype == subtype


def test_float_is_kept_as_it_is_even_beyond_full_scale(tmp_path: Path) -> None:
    clip = Clip(np.array([0.1, -1.7, 2.5, 1e-9], np.float32), 24_000)
    assert save_wav(tmp_path / "f.wav", clip, "FLOAT") == 0
    np.testing.assert_array_equal(load_clip(tmp_path / "f.wav").samples, clip.samples)


def test_clipped_samples_are_counted_and_never_wrap_around(tmp_path: Path) -> None:
    clip = Clip(np.array([0.5, 1.0, 1.01, -1.0, -1.5, 40.0], np.float32), RATE)
    for subtype in ("PCM_16", "PCM_24"):
        assert save_wav(tmp_path / "c.wav", clip, subtype) == 3
        saved = load_clip(tmp_path / "c.wav").samples
        np.testing.assert_allclose(saved, np.clip(clip.samples, -1, 1), atol=1e-4)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    good = Clip(np.zeros(10, np.float32), RATE)
    with pytest.raises(AudioFileError, match="no samples"):
        save_wav(tmp_path / "a.wav", Clip(np.zeros(0, np.float32), RATE))
    with pytest.raises(AudioFileError, match="not finite"):
        save_wav(tmp_path / "a.wav", Clip(np.array([np.nan], np.float32), RATE))
    with pytest.raises(AudioFileError, match="cannot be written: no such file or directory"):
        save_wav(tmp_path / "nowhere" / "a.wav", good)
    with pytest.raises(AudioFileError, match="cannot be written: is a directory"):
        save_wav(tmp_path, good)
    with pytest.raises(AudioFileError, match="cannot be written as FLAC"):
        save_flac(tmp_path / "a.flac", Clip(good.samples, 3_000_000))
    with pytest.raises(ValueError, match="subtype"):
        save_wav(tmp_path / "a.wav", good, "PCM_8")
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "take.wav"
    save_wav(path, Clip(np.full(100, 0.25, np.float32), RATE))
    before = path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(AudioFileError, match="no space left on device"):
        save_wav(path, Clip(np.full(100, 0.5, np.float32), RATE))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["take.wav"]


def test_a_reader_sees_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    save_wav(path, Clip(np.full(40_000, 0.25, np.float32), RATE))
    done = threading.Event()

    def write() -> None:
        for level in (0.5, 0.25) * 20:
            save_wav(path, Clip(np.full(40_000, level, np.float32), RATE))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        samples = load_clip(path).samples
        assert len(samples) == 40_000
        assert len(set(samples.tolist())) == 1
    writer.join()


def test_importing_files_loads_neither_the_sound_card_nor_qt() -> None:
    code = "import sys, studio.audio.files, studio.audio.player; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "sounddevice" not in loaded
    assert not any(name.startswith("PySide6") for name in loaded)
