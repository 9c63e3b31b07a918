"""The embedded model in a process of its own: the same as without one, and every way to lose it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, Steering
from studio.lalm import embedded, wire
from studio.lalm.base import ConversionRequest
from studio.lalm.failures import HostError, HostOutOfMemory
from studio.lalm.hosted import HostedLALM
from studio.session.masks import default_mask, load_mask
from studio.session.sources import open_source

HOST = (sys.executable, "-m", "studio.lalm.host")


@pytest.fixture(scope="module")
def local():
    model = embedded.load()
    yield model
    model.close()


@pytest.fixture(scope="module")
def hosted():
    model = HostedLALM((*HOST, "tests.lalm.hosted.hosts:talkative"), "Embedded (hosted)")
    yield model
    model.close()


@pytest.fixture(scope="module")
def requests(local):
    clip = open_source("demo:0011_000001").clip
    default = default_mask(local.info, "language")
    assert default is not None
    mask = load_mask(default, local.info, "language")
    curve = Automation(((0.0, 0.2), (1.0, 1.0)))
    return [
        ConversionRequest(clip, "angry"),
        ConversionRequest(clip, "angry", Steering(mask, Mode.GAIN, {"angry": 0.5}, automation=curve)),
        ConversionRequest(clip, "sad", Steering(mask, Mode.ADD, {"sad": 0.3}, layers=(0, 1)), seed=7),
    ]


def test_a_hosted_batch_is_what_it_is_in_process(local, hosted, requests):
    chunks: dict[int, list[Any]] = {}
    shares: list[float] = []
    mine = local.convert(requests, record=True)
    theirs = hosted.convert(
        requests,
        record=True,
        progress=shares.append,
        on_audio=lambda row, samples: chunks.setdefault(row, []).append(samples),
    )
    assert hosted.info == local.info
    for row, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        assert one.text == other.text
        np.testing.assert_array_equal(one.audio.samples, other.audio.samples)
        np.testing.assert_array_equal(np.concatenate(chunks[row]), other.audio.samples)
        np.testing.assert_array_equal(one.speech_tokens, other.speech_tokens)
        np.testing.assert_array_equal(one.statistics.active.numpy(), other.statistics.active.numpy())
        np.testing.assert_array_equal(one.statistics.total.numpy(), other.statistics.total.numpy())
        assert one.statistics.tokens == other.statistics.tokens
    assert shares[-1] == 1.0
    assert "must not reach the pipe" in hosted.log


def test_cancel_stops_and_the_host_lives_on(hosted, requests):
    seen: list[float] = []
    with pytest.raises(Cancelled):
        hosted.convert(requests, progress=seen.append, cancelled=lambda: bool(seen))
    pid = hosted.pid
    assert seen[-1] < 1.0
    assert hosted.convert(requests[:1])[0].text
    assert hosted.pid == pid


def test_what_cannot_be_converted_is_said_and_the_host_lives_on(hosted, requests):
    pid = hosted.pid
    with pytest.raises(StudioError, match="'bored' is not one of"):
        hosted.convert([ConversionRequest(requests[0].source, "bored")])
    assert hosted.pid == pid


def test_a_host_that_is_killed_or_hangs_in_mid_render_is_noticed_and_started_again(requests):
    model = HostedLALM((*HOST, "studio.lalm.embedded:load"), "Embedded (hosted)", patience=2.5)
    try:
        first = model.pid
        assert first is not None
        with pytest.raises(HostError, match="ended unexpectedly"):
            model.convert(requests, progress=lambda _share: os.kill(first, signal.SIGKILL))
        assert model.convert(requests[:1])[0].text
        second = model.pid
        assert second is not None
        assert second != first
        with pytest.raises(HostError, match="has not answered"):
            model.convert(requests, progress=lambda _share: os.kill(second, signal.SIGSTOP))
        assert model.pid is None
    finally:
        model.close()


def test_a_host_needs_nothing_of_the_window():
    blocked = "soxr soundfile sounddevice scipy transformers pyworld jiwer pocketsphinx PySide6".split()
    program = f"import sys; sys.modules.update(dict.fromkeys({blocked})); import studio.lalm.host"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_out_of_memory_says_what_helps(requests):
    model = HostedLALM((*HOST, "tests.lalm.hosted.hosts:greedy"), "Greedy")
    try:
        with pytest.raises(HostOutOfMemory, match="render fewer takes at once"):
            model.convert(requests)
        assert model.pid is None
    finally:
        model.close()


def test_a_model_that_does_not_hear_cancel_is_ended(requests):
    model = HostedLALM((*HOST, "tests.lalm.hosted.hosts:deaf"), "Deaf", patience=2.0)
    try:
        with pytest.raises(Cancelled):
            model.convert(requests, cancelled=lambda: True)
        assert model.pid is None
    finally:
        model.close()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('Loading checkpoint shards', flush=True)", "no message"),
        ("raise SystemExit(3)", "ended unexpectedly"),
        (
            "import sys; from studio.lalm import wire;"
            "wire.write(sys.stdout.buffer, {'kind': 'ready', 'version': 99, 'info': {}})",
            "speaks version 99",
        ),
    ],
)
def test_a_program_that_is_no_host_is_refused(program, words):
    with pytest.raises(HostError, match=words):
        HostedLALM((sys.executable, "-c", program), "Odd")


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(HostError, match="cannot be started"):
        HostedLALM(("/nowhere/python",), "Odd")


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x09abc", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x01\x07"],
)
def test_damaged_frames_are_one_sentence(data):
    with pytest.raises(wire.WireError):
        wire.read(io.BytesIO(data))
