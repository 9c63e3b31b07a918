"""The embedded model in a process of its own: the same as without one, and every way to lose it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm import embedded, messages, wire
from studio.lalm.base import ConversionRequest, CurveUnit
from studio.lalm.embedded.network import EMOSTEER_SITE
from studio.lalm.failures import HostError, HostOutOfMemory
from studio.lalm.hosted import HostedLALM, own_environment
from studio.session.masks import default_mask, load_mask
from studio.session.sources import open_source
from tests.gui.standin import StandIn
from tests.lalm.hosted import hosts
from tests.toy import tone

HOST = (sys.executable, "-m", "studio.lalm.host")

STANDIN = (*HOST, "tests.gui.standin:StandIn")
"""Where the model is no matter: it is there several times as fast as the embedded one."""


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
def vectors():
    """Drawn at random, large enough to be heard."""
    rng = np.random.default_rng(0)
    weights = {emotion: rng.normal(0, 40, (256, 256)).astype(np.float32) for emotion in ("happy", "angry", "sad")}
    return EmoVectors(256, EMOSTEER_SITE, weights, metadata={"model_id": "embedded"})


@pytest.fixture(scope="module")
def requests(local, vectors):
    clip = open_source("demo:0011_000001").clip
    default = default_mask(local.info, "language")
    assert default is not None
    mask = load_mask(default, local.info, "language")
    curve = Automation(((0.0, 0.2), (1.0, 1.0)))
    return [
        ConversionRequest(clip, "angry"),
        ConversionRequest(clip, "angry", Steering(mask, Mode.GAIN, {"angry": 0.5}, automation=curve)),
        ConversionRequest(clip, "sad", Steering(mask, Mode.ADD, {"sad": 0.3}, layers=(0, 1)), seed=7),
        ConversionRequest(clip, "angry", emosteer=EmoSteering(vectors, {"angry": 2.0, "happy": 0.5}, curve)),
        ConversionRequest(
            clip, "sad", Steering(mask, Mode.GAIN, {"sad": 0.5}), emosteer=EmoSteering(vectors, {"sad": 1.0})
        ),
        ConversionRequest(clip, "angry", emosteer=EmoSteering(vectors, {"angry": 0.0})),
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
    assert hosted.info == replace(local.info, overlaps=False)
    for row, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        assert one.text == other.text
        np.testing.assert_array_equal(one.audio.samples, other.audio.samples)
        np.testing.assert_array_equal(np.concatenate(chunks[row]), other.audio.samples)
        np.testing.assert_array_equal(one.speech_tokens, other.speech_tokens)
        np.testing.assert_array_equal(one.statistics.active.numpy(), other.statistics.active.numpy())
        np.testing.assert_array_equal(one.statistics.total.numpy(), other.statistics.total.numpy())
        assert one.statistics.tokens == other.statistics.tokens
    # Vectors are heard, alone and beside neurons, and alpha 0 is the baseline.
    assert not np.array_equal(theirs[3].audio.samples, theirs[0].audio.samples)
    [neurons] = hosted.convert([replace(requests[4], emosteer=None)])
    assert not np.array_equal(theirs[4].audio.samples, neurons.audio.samples)
    np.testing.assert_array_equal(theirs[5].audio.samples, theirs[0].audio.samples)
    assert shares[-1] == 1.0
    assert "must not reach the pipe" in hosted.log


def test_a_curve_reaches_a_model_with_a_loop_of_its_own():
    local, source = hosts.guest(), tone(0.5, 24_000)
    far = HostedLALM((*HOST, "tests.lalm.hosted.hosts:guest"), "Guest (hosted)")
    try:
        assert far.info == local.info
        assert far.info.curves == {"language": CurveUnit.WORDS, "synthesis": CurveUnit.TIME}
        for module, widths in local.info.gates.items():
            neurons = np.array([(layer, neuron) for layer, width in enumerate(widths) for neuron in range(width)])
            mask = EsnMask(
                widths,
                {"happy": neurons.astype(np.int32)},
                {"happy": np.zeros(len(neurons), np.float32)},
                {"model_id": local.info.model_id, "module": module},
            )
            curves = (None, Automation(((0.0, 0.0), (0.05, 1.0))), Automation(((5.0, 0.0), (6.0, 1.0))))
            steered = [Steering(mask, Mode.GAIN, {"happy": 6.0}, automation=curve) for curve in curves]
            rows = [ConversionRequest(source, "happy", each, text="a b") for each in steered]
            made = far.convert([*rows, ConversionRequest(source, "happy")], module=module)
            sounds = [each.audio.samples for each in made]
            for mine, theirs in zip(local.convert(rows, module=module), sounds[:-1], strict=True):
                np.testing.assert_array_equal(mine.audio.samples, theirs)
            assert not np.array_equal(sounds[1], sounds[0])
            assert not np.array_equal(sounds[1], sounds[3])
            np.testing.assert_array_equal(sounds[2], sounds[3])
    finally:
        far.close()
        local.close()


def test_vectors_travel_once_and_without_what_no_row_asks_for(requests):
    packed = messages.pack_requests(requests)
    assert [sorted(each["weights"]) for each in packed["vectors"]] == [["angry", "happy", "sad"]]
    first, last = (messages.pack_requests([requests[row]])["vectors"] for row in (3, 5))
    assert [sorted(each["weights"]) for each in (*first, *last)] == [["angry", "happy"], ["happy"]]


def test_vectors_that_do_not_fit_are_refused_and_the_host_lives_on(hosted, requests):
    pid = hosted.pid
    foreign = EmoVectors(8, "llm.llm_decoder", {"angry": np.ones((8, 8), np.float32)})
    with pytest.raises(StudioError, match=r"shift the input of llm\.llm_decoder"):
        hosted.convert([replace(requests[0], emosteer=EmoSteering(foreign, {"angry": 0.0}))])
    assert hosted.pid == pid


def test_cancel_stops_and_the_host_lives_on(hosted, requests):
    seen: list[float] = []
    with pytest.raises(Cancelled):
        hosted.convert(requests, progress=seen.append, cancelled=lambda: bool(seen))
    pid = hosted.pid
    assert seen[-1] < 1.0
    assert hosted.convert(requests[:1])[0].text
    assert hosted.pid == pid


def test_what_is_left_of_a_batch_whose_callback_raised_does_not_answer_the_next(requests):
    expected = StandIn().convert(requests[:1])[0]
    model = HostedLALM(STANDIN, "Stand-in (hosted)")
    try:
        for raised in (Cancelled(), StudioError("no player")):

            def fail(_row, _samples, raised=raised):
                raise raised

            with pytest.raises(type(raised)):
                model.convert(requests[2:], on_audio=fail)
            np.testing.assert_array_equal(model.convert(requests[:1])[0].audio.samples, expected.audio.samples)
    finally:
        model.close()


def test_an_interrupt_from_the_keyboard_reaches_this_side_alone():
    # In a session of its own, as a terminal would send it: to every process of the foreground group.
    program = (
        "import os, signal, sys\n"
        "from studio.lalm.base import ConversionRequest\n"
        "from studio.lalm.hosted import HostedLALM\n"
        "from studio.session.sources import open_source\n"
        "clip = open_source('demo:0011_000001').clip\n"
        "model = HostedLALM((sys.executable, '-m', 'studio.lalm.host', 'tests.gui.standin:StandIn'), 'Stand-in')\n"
        "heard = []\n"
        "signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "press = lambda share: heard or os.killpg(0, signal.SIGINT)\n"
        "made = model.convert([ConversionRequest(clip, 'angry')], progress=press)\n"
        "model.close()\n"
        "print(len(heard), made[0].audio.seconds > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, start_new_session=True, check=False
    )
    assert (done.stdout, done.returncode) == ("1 True\n", 0), done.stderr


def test_starting_a_lost_host_again_can_be_cancelled(requests, tmp_path, monkeypatch):
    monkeypatch.setenv("ESN_TEST_MARK", str(tmp_path / "mark"))
    model = HostedLALM((*HOST, "tests.lalm.hosted.hosts:slow_the_second_time"), "Slow")
    try:
        assert model._process is not None
        model._process.kill()
        model._process.wait()
        with pytest.raises(Cancelled):
            model.convert(requests, cancelled=lambda: True)
        assert model.pid is None
    finally:
        model.close()


def test_a_host_that_is_lost_after_cancel_was_asked_for_is_cancelled(requests):
    model = HostedLALM(STANDIN, "Stand-in (hosted)")
    try:

        def stop() -> bool:
            os.kill(model.pid or 0, signal.SIGKILL)
            return True

        with pytest.raises(Cancelled):
            model.convert(requests, cancelled=stop)
        assert model.pid is None
    finally:
        model.close()


def test_what_cannot_be_converted_is_said_and_the_host_lives_on(hosted, requests):
    pid = hosted.pid
    with pytest.raises(StudioError, match="'bored' is not one of"):
        hosted.convert([ConversionRequest(requests[0].source, "bored")])
    assert hosted.pid == pid


def test_a_host_that_is_killed_or_hangs_in_mid_render_is_noticed_and_started_again(requests):
    model = HostedLALM(STANDIN, "Stand-in (hosted)")
    try:
        first = model.pid
        assert first is not None
        with pytest.raises(HostError, match="ended unexpectedly"):
            model.convert(requests, progress=lambda _share: os.kill(first, signal.SIGKILL))
        assert model.convert(requests[:1])[0].text
        second = model.pid
        assert second is not None
        assert second != first

        def freeze(_share):
            # Only from here on: before it, a busy machine may need longer for a sign of life.
            model._patience = 1.0
            os.kill(second, signal.SIGSTOP)

        with pytest.raises(HostError, match="has not answered"):
            model.convert(requests, progress=freeze)
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


def test_a_model_that_gets_nowhere_is_ended(requests):
    model = HostedLALM((*HOST, "tests.lalm.hosted.hosts:deaf"), "Deaf", stall=1.0)
    try:
        with pytest.raises(HostError, match=r"Deaf made no progress for 1 s and was stopped\. It is started again"):
            model.convert(requests)
        assert model.pid is None
    finally:
        model.close()


def test_a_host_whose_other_side_is_gone_ends_though_its_model_does_not_listen(requests):
    """As over ssh, where nobody else could end it."""
    process = subprocess.Popen(
        (*HOST, "tests.lalm.hosted.hosts:deaf"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=own_environment()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        while (said := wire.read(process.stdout)) is not None and said["kind"] != "ready":
            assert said["kind"] in ("hello", "alive")
        batch = messages.pack_requests(requests)
        job = {"kind": "convert", "batch": batch, "module": "language", "record": False, "stream": False}
        wire.write(process.stdin, job)
        while (said := wire.read(process.stdout)) is not None and said["kind"] != "alive":
            pass
        process.stdin.close()
        assert process.wait(600) == 1


def test_loading_can_be_given_up():
    with pytest.raises(Cancelled):
        HostedLALM((sys.executable, "-c", "import time; time.sleep(600)"), "Slow", cancelled=lambda: True)


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
