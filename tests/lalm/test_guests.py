"""The adapters of models with loops of their own, on their module paths made of transformers' MLPs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation, Point
from studio.esn.errors import MaskError, TapError
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm import kimi_audio, minicpm_o, wavefile
from studio.lalm.base import LANGUAGE, SYNTHESIS, Content, Conversion, ConversionRequest, CurveUnit
from studio.lalm.guest import GuestLALM, resample
from tests.lalm.guests import DELAY, PROMPT, SAMPLES_PER_TOKEN, SOUNDS, WIDE, WORDS, Kimi, MiniCpmO

SPEECH = Clip((0.4 * np.sin(np.arange(12_000) * 0.11)).astype(np.float32), 24_000, "line")

MODELS: list[Any] = [
    pytest.param(lambda: minicpm_o.wrap(MiniCpmO(), "r1"), id="minicpm-o"),
    pytest.param(lambda: kimi_audio.wrap(Kimi(), "r1"), id="kimi"),
]


def steer(model: GuestLALM, module: str, strength: float, mode: Mode = Mode.GAIN, layers: Any = None) -> Steering:
    widths = model.info.gates[module]
    pairs = [(layer, neuron) for layer, width in enumerate(widths) for neuron in range(0, width, 2)]
    mask = EsnMask(
        widths,
        {"happy": np.array(pairs, dtype=np.int32)},
        {"happy": np.zeros(len(pairs), dtype=np.float32)},
        {"model_id": model.info.model_id, "module": module},
    )
    return Steering(mask, mode, {"happy": strength}, layers)


def convert(model: GuestLALM, steering: Steering | None = None, seed: int | None = None, **more: Any) -> Conversion:
    return model.convert([ConversionRequest(SPEECH, "happy", steering, seed=seed)], **more)[0]


def same(a: Conversion, b: Conversion) -> bool:
    return (
        a.text == b.text
        and np.array_equal(a.speech_tokens, b.speech_tokens)
        and np.array_equal(a.audio.samples, b.audio.samples)
    )


@pytest.mark.parametrize("load", MODELS)
def test_what_they_are(load: Callable[[], GuestLALM]) -> None:
    info = load().info
    assert set(info.gates) == {LANGUAGE, SYNTHESIS}
    assert all(width == WIDE for widths in info.gates.values() for width in widths)
    assert (info.batches, info.streams, info.rate, info.revision) == (False, False, 24_000, "r1")
    assert info.content_modes == (Content.FREE,)


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
@pytest.mark.parametrize("load", MODELS)
def test_strength_nought_is_the_baseline_and_strength_is_heard(load: Callable[[], GuestLALM], module: str) -> None:
    model = load()
    plain = convert(model, module=module)
    assert plain.audio.rate == 24_000
    assert len(plain.audio.samples) == len(plain.speech_tokens) * SAMPLES_PER_TOKEN
    assert same(plain, convert(model, module=module))
    assert same(plain, convert(model, steer(model, module, 0.0), module=module))
    for mode, strength in ((Mode.GAIN, 3.0), (Mode.ADD, 1.0), (Mode.CLAMP, 1.0), (Mode.DEACTIVATE, 1.0)):
        assert not same(plain, convert(model, steer(model, module, strength, mode), module=module))
    assert same(plain, convert(model, module=module))


@pytest.mark.parametrize(
    ("load", "module", "passes", "prompt"),
    [
        (MODELS[0].values[0], LANGUAGE, WORDS, PROMPT),
        (MODELS[0].values[0], SYNTHESIS, SOUNDS, 1),
        (MODELS[1].values[0], LANGUAGE, WORDS, PROMPT),
        (MODELS[1].values[0], SYNTHESIS, WORDS, PROMPT),
    ],
)
def test_every_position_is_counted_once(load: Any, module: str, passes: int, prompt: int) -> None:
    model = load()
    recorded = convert(model, module=module, record=True)
    assert recorded.statistics is not None
    assert recorded.statistics.tokens == prompt + passes - 1
    assert recorded.statistics.widths == model.info.gates[module]
    assert 0 < int(recorded.statistics.active.max()) <= recorded.statistics.tokens
    assert same(recorded, convert(model, module=module))
    assert convert(model, module=module).statistics is None


@pytest.mark.parametrize("load", MODELS)
def test_a_gate_that_is_bypassed_is_told(load: Callable[[], GuestLALM]) -> None:
    model = load()
    guest: Any = model._guest
    root = guest._model.llm if isinstance(guest, minicpm_o.MiniCpmO) else guest._kimi.alm
    mlp = root.model.layers[1].mlp
    mlp.forward = lambda x: mlp.down_proj(torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    with pytest.raises(TapError, match="layer 1 was tapped 0 times"):
        convert(model)


@pytest.mark.parametrize("load", MODELS)
def test_seeds(load: Callable[[], GuestLALM]) -> None:
    model = load()
    state = torch.random.get_rng_state()
    assert same(convert(model, seed=3), convert(model, seed=3))
    assert not same(convert(model, seed=3), convert(model, seed=4))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("load", MODELS)
def test_rows_are_converted_one_after_the_other(load: Callable[[], GuestLALM]) -> None:
    model = load()
    rows = [ConversionRequest(SPEECH, "happy"), ConversionRequest(SPEECH, "happy", steer(model, LANGUAGE, 3.0))]
    heard: list[tuple[int, Any]] = []
    shares: list[float] = []
    both = model.convert(rows, progress=shares.append, on_audio=lambda row, samples: heard.append((row, samples)))
    assert [row for row, _ in heard] == [0, 1]
    assert all(np.array_equal(samples, both[row].audio.samples) for row, samples in heard)
    assert same(both[0], convert(model))
    assert same(both[1], convert(model, rows[1].steering))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def follow(
    model: GuestLALM, module: str, points: tuple[Point, ...], mode: Mode = Mode.GAIN, strength: float = 6.0
) -> Conversion:
    """What a curve makes of a line of as many words as the models say."""
    steering = replace(steer(model, module, strength, mode), automation=Automation(points))
    return model.convert([ConversionRequest(SPEECH, "happy", steering, text="la " * WORDS)], module=module)[0]


def rising(unit: float, at: int) -> tuple[Point, ...]:
    """Nothing before a word or token of ``unit`` seconds, everything from it on."""
    return ((unit * (at - 1), 0.0), (unit * at, 1.0))


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
@pytest.mark.parametrize("load", MODELS)
def test_a_level_curve_is_a_strength_and_a_curve_at_nought_the_baseline(
    load: Callable[[], GuestLALM], module: str
) -> None:
    model = load()
    plain = convert(model, module=module)
    assert same(follow(model, module, ((0.0, 0.0), (0.4, 0.0))), plain)
    for mode in Mode:
        full = convert(model, steer(model, module, 6.0, mode), module=module)
        assert not same(plain, full)
        less = convert(model, steer(model, module, 6.0 * 0.3, mode), module=module)
        assert same(follow(model, module, ((0.0, 0.3), (0.4, 0.3)), mode), less)
        # Curves that change only when all is said are followed from pass to pass, and come to the same.
        assert same(follow(model, module, ((8.0, 1.0), (9.0, 0.0)), mode), full)
        assert same(follow(model, module, ((8.0, 0.0), (9.0, 1.0)), mode), plain)


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
@pytest.mark.parametrize(("slip", "tokens"), [(None, (1, 2)), (DELAY + 1, (1,))])
def test_kimi_follows_a_curve_by_its_speech_tokens(module: str, slip: int | None, tokens: tuple[int, ...]) -> None:
    model = kimi_audio.wrap(Kimi(slip=slip), "r1")
    assert model.info.curves == {LANGUAGE: CurveUnit.TIME, SYNTHESIS: CurveUnit.TIME}
    plain = convert(model, module=module)
    said = plain.text.split()
    for token in tokens:
        late = follow(model, module, rising(1 / kimi_audio.TOKENS_PER_SECOND, token), strength=20.0)
        assert np.array_equal(late.speech_tokens[:token], plain.speech_tokens[:token])
        assert late.speech_tokens[token] != plain.speech_tokens[token]
        # The pass that makes the token, which is later where one before it made none.
        before = DELAY + token + (slip is not None)
        assert late.text.split()[:before] == said[:before]


def test_minicpm_o_follows_a_curve_by_words_and_by_speech_tokens() -> None:
    model = minicpm_o.wrap(MiniCpmO(), "r1")
    assert model.info.curves == {LANGUAGE: CurveUnit.WORDS, SYNTHESIS: CurveUnit.TIME}
    plain, word, token = convert(model), 2, 2
    late = follow(model, LANGUAGE, rising(SPEECH.seconds / WORDS, word))
    # The word is read at full strength, and what follows it is the first to differ.
    assert late.text.split()[: word + 1] == plain.text.split()[: word + 1]
    assert late.text.split()[word + 1] != plain.text.split()[word + 1]
    late = follow(model, SYNTHESIS, rising(1 / minicpm_o.TOKENS_PER_SECOND, token))
    assert late.text == plain.text
    assert np.array_equal(late.speech_tokens[:token], plain.speech_tokens[:token])
    assert late.speech_tokens[token] != plain.speech_tokens[token]


def test_what_a_curve_needs_is_said() -> None:
    curve = Automation(rising(0.1, 1))
    model = minicpm_o.wrap(MiniCpmO(), "r1")
    request = ConversionRequest(SPEECH, "happy", replace(steer(model, LANGUAGE, 1.0), automation=curve))
    with pytest.raises(StudioError, match="word by word and does not know the words; type the transcript"):
        model.convert([request])
    inner = MiniCpmO()
    model = minicpm_o.wrap(inner, "r1")
    inner.llm.model.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"inputs_embeds": kwargs["inputs_embeds"]}), with_kwargs=True, prepend=True
    )
    assert convert(model).text
    with pytest.raises(StudioError, match="reads no ids where it should read what it wrote"):
        follow(model, LANGUAGE, curve.points)


@pytest.mark.parametrize("at", [2, WORDS + 2])
@pytest.mark.parametrize("load", MODELS)
def test_cancelling_stops_before_the_next_token(load: Callable[[], GuestLALM], at: int) -> None:
    model = load()
    plain = convert(model)
    asked = 0

    def now() -> bool:
        nonlocal asked
        asked += 1
        return asked == at

    with pytest.raises(Cancelled):
        convert(model, cancelled=now)
    assert asked == at
    assert same(plain, convert(model))


@pytest.mark.parametrize("load", MODELS)
def test_what_cannot_be_converted(load: Callable[[], GuestLALM]) -> None:
    model = load()
    silence = Clip(np.zeros(24_000, dtype=np.float32), 24_000, "hush")
    long = Clip(np.ones(24_000 * 31, dtype=np.float32), 24_000, "epic")
    for request, says in (
        (ConversionRequest(silence, "happy"), "'hush' holds no speech"),
        (ConversionRequest(long, "happy"), "'epic' is 31.0 s long"),
        (ConversionRequest(SPEECH, "bored"), "'bored' is not one of"),
        (ConversionRequest(SPEECH, "happy", content=Content.LOCK), "cannot lock"),
    ):
        with pytest.raises(StudioError, match=says):
            model.convert([request])
    with pytest.raises(StudioError, match="no 'vocoder' gates"):
        convert(model, module="vocoder")
    with pytest.raises(MaskError):
        convert(model, steer(model, SYNTHESIS, 1.0), module=LANGUAGE)


@pytest.mark.parametrize("load", MODELS)
def test_closing_leaves_nothing_behind(load: Callable[[], GuestLALM]) -> None:
    model = load()
    guest: Any = model._guest
    root = guest._model if isinstance(guest, minicpm_o.MiniCpmO) else guest._kimi.alm
    assert any(module._forward_hooks for module in root.modules())
    model.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in root.modules())


def test_minicpm_o_is_asked_for_what_it_needs() -> None:
    inner = MiniCpmO()
    model = minicpm_o.wrap(inner, "r1")
    convert(model)
    asked = inner.asked
    assert (asked["do_sample"], asked["num_beams"], asked["use_tts_template"]) == (False, 1, True)
    assert asked["generate_audio"]
    heard, says = asked["msgs"][1]["content"]
    assert len(heard) == 8_000  # half a second at 16 kHz
    assert heard.dtype == np.float32
    assert "happy" in says
    assert "happy" not in str(asked["msgs"][0])
    convert(model, seed=1)
    assert inner.asked["do_sample"]
    assert inner.asked["num_beams"] == 1


def test_minicpm_o_does_not_swallow_errors() -> None:
    inner = MiniCpmO()
    model = minicpm_o.wrap(inner, "r1")
    inner.broken = RuntimeError("no flow")
    with pytest.raises(StudioError, match="failed while speaking: RuntimeError: no flow"):
        convert(model)
    inner.broken = torch.OutOfMemoryError("full")
    with pytest.raises(torch.OutOfMemoryError):
        convert(model)
    inner.broken = RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(RuntimeError, match="device-side"):  # not a StudioError, after which its host would live on
        convert(model)
    inner.broken, inner.silent = None, True
    with pytest.raises(StudioError, match=r"did not speak. No sound file"):
        convert(model)
    inner.silent, inner.rate = False, 16_000
    with pytest.raises(StudioError, match="at 16000 Hz instead of"):
        convert(model)


def test_synthesis_of_minicpm_o_leaves_the_text_alone() -> None:
    model = minicpm_o.wrap(MiniCpmO(), "r1")
    plain, steered = convert(model), convert(model, steer(model, SYNTHESIS, 3.0), module=SYNTHESIS)
    assert plain.text == steered.text
    assert not np.array_equal(plain.speech_tokens, steered.speech_tokens)


def test_kimi_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Kimi()
    model = kimi_audio.wrap(inner, "r1")
    assert model.info.layer_labels == {
        LANGUAGE: ("text and speech",) * 3 + ("text only",) * 2,
        SYNTHESIS: ("speech only",) * 2,
    }
    convert(model)
    assert inner.asked["output_type"] == "both"
    assert (inner.asked["audio_temperature"], inner.asked["text_temperature"]) == (0.0, 0.0)
    assert [chat["message_type"] for chat in inner.asked["chats"]] == ["text", "audio"]
    monkeypatch.setattr(kimi_audio, "SPEAKABLE_TOKENS", 3)
    endless = convert(model)
    assert endless.truncated
    assert len(endless.audio.samples) == 3 * SAMPLES_PER_TOKEN == len(endless.speech_tokens) * SAMPLES_PER_TOKEN
    inner.mute = True
    with pytest.raises(StudioError, match="wrote no speech token"):
        convert(model)


def test_first_pass_of_kimi_does_not_feel_the_text_layers() -> None:
    model = kimi_audio.wrap(Kimi(delay=0), "r1")
    plain = convert(model)
    late = convert(model, steer(model, LANGUAGE, 5.0, layers=(3, 4)))
    assert late.text != plain.text
    assert late.speech_tokens[0] == plain.speech_tokens[0]


def test_other_code_is_told() -> None:
    inner = MiniCpmO()
    del inner.tts.model.layers
    with pytest.raises(StudioError, match=r"no module 'tts\.model\.layers'"):
        minicpm_o.wrap(inner, "r1")


def test_sound_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wavefile.write(path, np.array([0.0, 0.5, -1.0, 2.0], dtype=np.float32), 24_000)
    assert np.allclose(wavefile.read(path, 24_000), [0.0, 0.5, -1.0, 1.0], atol=1 / 32_768)
    with pytest.raises(StudioError, match="instead of"):
        wavefile.read(path, 16_000)
    path.write_bytes(b"RIFF")
    with pytest.raises(StudioError, match="cannot be read"):
        wavefile.read(path, 24_000)
    wavefile.write(path, np.zeros(0, dtype=np.float32), 24_000)
    with pytest.raises(StudioError, match="empty"):
        wavefile.read(path, 24_000)


def test_resampling_keeps_a_tone_and_drops_what_does_not_fit() -> None:
    seconds = np.arange(24_000) / 24_000
    low, high = (np.sin(2 * np.pi * hertz * seconds).astype(np.float32) for hertz in (440, 10_000))
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(resample(low, 24_000, 16_000) - expected)[200:-200].max() < 0.01
    assert np.abs(resample(high, 24_000, 16_000))[200:-200].max() < 0.02
    assert resample(low, 24_000, 24_000) is low


def test_adapters_import_in_an_environment_without_the_windows_packages() -> None:
    program = (
        "import sys\n"
        "for name in ('soxr', 'soundfile', 'PySide6', 'transformers', 'scipy', 'pyloudnorm', 'sounddevice'):\n"
        "    sys.modules[name] = None\n"
        "import studio.lalm.minicpm_o, studio.lalm.kimi_audio\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
