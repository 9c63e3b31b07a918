"""Qwen2.5-Omni through its protocol, on tiny random weights of transformers' own classes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.errors import MaskError, TapError
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.lalm.base import LANGUAGE, SYNTHESIS, Content, Conversion, ConversionRequest
from studio.lalm.instruction import instruction
from studio.lalm.kvcache import cache_argument
from studio.lalm.qwen_omni import prompt
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.parts import gates, widths
from tests.lalm.qwen_omni import tiny
from tests.lalm.qwen_omni.conftest import CODES, WORDS

SHORT, LONG = tiny.recording(0.4, 1), tiny.recording(0.7, 2)


def steered(mode: Mode = Mode.GAIN, strength: float = 1.0, module: str = LANGUAGE, **options: Any) -> Steering:
    return Steering(tiny.everywhere(module), mode, {"angry": strength}, **options)


def convert(model: QwenOmniLALM, *requests: ConversionRequest, **options: Any) -> list[Conversion]:
    return model.convert(requests, **options)


def same(a: Conversion, b: Conversion) -> bool:
    return (
        a.text == b.text
        and np.array_equal(a.speech_tokens, b.speech_tokens)
        and np.array_equal(a.audio.samples, b.audio.samples)
    )


def words(model: QwenOmniLALM, clip: Clip, target: str = "angry") -> dict[str, Tensor]:
    """The prompt as transformers' own generate takes it."""
    written = model.prompter.prompt(clip, instruction(target))
    ids = written.ids.unsqueeze(0)
    features = written.features.unsqueeze(0)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": features,
        "feature_attention_mask": torch.ones(1, features.shape[2], dtype=torch.long),
    }


def own_generate(whole: Any, model: QwenOmniLALM, clip: Clip) -> tuple[list[int], list[int]]:
    """Words and codec ids of transformers' own generate, greedily."""
    puts: list[list[int]] = []

    class Listener:
        def put(self, value: Tensor) -> None:
            puts.append(value.flatten().tolist())

        def end(self) -> None:
            pass

    def with_mask(talker: torch.nn.Module, args: object, inputs: dict[str, Any]) -> tuple[object, dict[str, Any]]:
        # transformers 5 drops a mask without padding, and the talker then leaves out the marks its speech begins with.
        mask = inputs.get("attention_mask")
        cache = inputs[cache_argument(whole.talker)]
        past = 0 if cache is None else cache.get_seq_length()
        new = inputs["input_ids"] if inputs.get("inputs_embeds") is None else inputs["inputs_embeds"]
        return args, {**inputs, "attention_mask": torch.ones(1, past + new.shape[1]).long() if mask is None else mask}

    handle = whole.talker.register_forward_pre_hook(with_mask, with_kwargs=True)
    inputs = words(model, clip)
    made = whole.generate(
        **inputs, speaker="Ethan", thinker_do_sample=False, talker_do_sample=False, thinker_max_new_tokens=WORDS,
        talker_max_new_tokens=CODES, talker_eos_token_id=[100, 102], talker_streamer=Listener(), token2wav_num_steps=2,
    )  # fmt: skip
    handle.remove()
    codes = [code for put in puts[1:] for code in put if code not in (100, 102)]
    return made[0][0, inputs["input_ids"].shape[1] :].tolist(), codes


@pytest.mark.parametrize("clip", [SHORT, LONG])
def test_words_and_codes_are_those_of_transformers_own_generate(whole: Any, model: QwenOmniLALM, clip: Clip) -> None:
    ids, codes = own_generate(whole, model, clip)
    made = convert(model, ConversionRequest(clip, "angry"))[0]
    assert made.text == model.prompter.text(ids)
    assert made.speech_tokens[:, 0].tolist() == codes
    assert made.truncated
    assert len(made.audio.samples) == CODES * 480
    assert made.audio.rate == 24_000
    assert np.isfinite(made.audio.samples).all()


def test_taps_that_do_nothing_change_no_bit(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ConversionRequest(SHORT, "angry")
    baseline = convert(model, request)[0]
    for mode in Mode:
        zero = ConversionRequest(SHORT, "angry", steered(mode, 0.0))
        assert same(convert(model, zero)[0], baseline), mode
    assert same(convert(model, request, record=True)[0], baseline)
    bare = tiny.lalm(tiny.whole_model())
    for taps in bare._taps.values():
        taps.remove()
    with pytest.raises(TapError, match="not installed"):
        convert(bare, request)
    for method in ("begin", "positions", "end"):
        monkeypatch.setattr(bare._taps[LANGUAGE], method, lambda *args, **options: None)
    assert not any(gate._forward_hooks for gate in gates(bare.parts.thinker))
    assert same(convert(bare, request)[0], baseline)


PATCHES: dict[Mode, Callable[[Tensor], Tensor]] = {
    Mode.GAIN: lambda g: g * 1.5,
    Mode.ADD: lambda g: g + 0.5,
    Mode.CLAMP: lambda g: g.clamp_min(0.5),
    Mode.DEACTIVATE: torch.zeros_like,
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
def test_each_mode_is_the_models_own_generate_with_patched_gates(
    whole: Any, model: QwenOmniLALM, mode: Mode, module: str
) -> None:
    made = convert(model, ConversionRequest(SHORT, "angry", steered(mode, 0.5, module)), module=module)[0]
    baseline = convert(model, ConversionRequest(SHORT, "angry"))[0]
    half = tiny.WIDTH // 2

    def patched(gate: torch.nn.Module, args: object, g: Tensor) -> Tensor:
        return torch.cat([PATCHES[mode](g[..., :half]), g[..., half:]], -1)

    stack = model.parts.thinker if module == LANGUAGE else model.parts.speech
    handles = [gate.register_forward_hook(patched) for gate in gates(stack)]
    try:
        ids, codes = own_generate(whole, model, SHORT)
    finally:
        for handle in handles:
            handle.remove()
    assert made.text == model.prompter.text(ids)
    assert made.speech_tokens[:, 0].tolist() == codes
    if module == LANGUAGE:
        assert made.text != baseline.text
    else:
        assert made.text == baseline.text
    assert not np.array_equal(made.audio.samples, baseline.audio.samples)


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
def test_every_gate_is_tapped_once_per_pass(model: QwenOmniLALM, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tapped = model._taps[module]
    passes: list[int] = []
    end = tapped.end
    # It verifies that every gate was called that often.

    def counting(forwards: int) -> Any:
        passes.append(forwards)
        return end(forwards)

    monkeypatch.setattr(tapped, "end", counting)
    stack = model.parts.thinker if module == LANGUAGE else model.parts.speech
    calls = [0] * len(model.info.gates[module])

    def count(layer: int) -> Callable[..., None]:
        def hook(*args: object) -> None:
            calls[layer] += 1

        return hook

    handles = [gate.register_forward_hook(count(layer)) for layer, gate in enumerate(gates(stack))]
    try:
        made = convert(model, ConversionRequest(SHORT, "sad"), module=module, record=True)[0]
    finally:
        for handle in handles:
            handle.remove()
    # The prompt, then every word or codec id but the last is read back.
    assert passes == [WORDS if module == LANGUAGE else CODES]
    assert calls == passes * len(model.info.gates[module])
    heard = len(model.prompter.prompt(SHORT, instruction("sad")).ids)
    expected = heard + WORDS - 1 if module == LANGUAGE else heard + 2 + CODES - 1
    assert made.statistics is not None
    assert made.statistics.tokens == expected
    assert made.statistics.widths == model.info.gates[module]


def test_a_gate_that_is_bypassed_is_noticed(model: QwenOmniLALM) -> None:
    block = model.parts.thinker.get_submodule("layers.1.mlp")
    silu = block.act_fn
    block.act_fn = torch.nn.SiLU()  # as a fused kernel would leave the tapped module aside
    try:
        with pytest.raises(TapError, match="layer 1 was tapped 0 times"):
            convert(model, ConversionRequest(SHORT, "sad"))
    finally:
        block.act_fn = silu


def test_counts_are_those_of_one_pass_over_everything_without_a_cache(model: QwenOmniLALM) -> None:
    """Prefill and decoding together, beside a longer row whose padding must not count."""
    both = convert(model, ConversionRequest(SHORT, "sad"), ConversionRequest(LONG, "sad"), record=True)
    for clip, made in zip((SHORT, LONG), both, strict=True):
        written = model.prompter.prompt(clip, instruction("sad"))
        ids, _ = own_ids(model, clip)
        with torch.inference_mode():
            embedded = torch.cat(
                [prompt.embed(model.parts, written), model.parts.embed_words(torch.tensor(ids[:-1]))]
            ).unsqueeze(0)
            taps = model._taps[LANGUAGE]
            taps.begin([None], record=True)
            taps.positions(None, False)
            model.parts.thinker(inputs_embeds=embedded, use_cache=False)
            counted = taps.end(1)
        assert counted is not None
        assert made.statistics is not None
        assert made.statistics.tokens == counted[0].tokens == embedded.shape[1]
        # Values beside zero may round to either side of it in batches of other shapes.
        assert (made.statistics.active - counted[0].active).abs().max() <= 1
        assert torch.allclose(made.statistics.total, counted[0].total, atol=1e-3)
        assert torch.allclose(made.statistics.total_sq, counted[0].total_sq, atol=1e-3)


def own_ids(model: QwenOmniLALM, clip: Clip) -> tuple[list[int], int]:
    """Greedy words by whole passes without a cache, and how many passes that took."""
    written = model.prompter.prompt(clip, instruction("sad"))
    ids: list[int] = []
    with torch.inference_mode():
        start = prompt.embed(model.parts, written)
        while len(ids) < WORDS:
            inputs = torch.cat([start, model.parts.embed_words(torch.tensor(ids, dtype=torch.long))]).unsqueeze(0)
            states = model.parts.thinker(inputs_embeds=inputs, use_cache=False).last_hidden_state
            ids.append(int(model.parts.words_head(states[0, -1]).argmax()))
    return ids, len(ids)


def test_without_a_cache_the_words_are_the_same(model: QwenOmniLALM) -> None:
    made = convert(model, ConversionRequest(LONG, "sad"))[0]
    assert made.text == model.prompter.text(own_ids(model, LONG)[0])


def test_rows_of_a_batch_keep_their_own_settings(model: QwenOmniLALM) -> None:
    requests = [
        ConversionRequest(SHORT, "angry"),
        ConversionRequest(LONG, "angry", steered(Mode.GAIN, 1.0)),
        ConversionRequest(SHORT, "sad", steered(Mode.DEACTIVATE, 1.0), seed=3),
        ConversionRequest(SHORT, "angry", seed=3),
    ]
    together = convert(model, *requests)
    for request, made in zip(requests, together, strict=True):
        alone = convert(model, request)[0]
        assert made.text == alone.text
        assert np.array_equal(made.speech_tokens, alone.speech_tokens)
        assert np.array_equal(made.audio.samples, alone.audio.samples)
    others = [requests[0], ConversionRequest(LONG, "angry", steered(Mode.ADD, 0.7), seed=8), *requests[2:]]
    assert all(same(convert(model, *others)[row], together[row]) for row in (0, 2, 3))


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
def test_steering_only_what_is_generated_differs_from_steering_all(model: QwenOmniLALM, module: str) -> None:
    rows = [steered(Mode.GAIN, 1.5, module, scope=scope) for scope in TokenScope]
    every, generated, none = convert(
        model, *[ConversionRequest(SHORT, "angry", row) for row in (*rows, None)], module=module
    )
    assert not np.array_equal(every.speech_tokens, generated.speech_tokens)
    assert not np.array_equal(generated.speech_tokens, none.speech_tokens)
    # What the prompt alone decides is not steered.
    first = generated.text if module == LANGUAGE else generated.speech_tokens[0, 0]
    untouched = none.text if module == LANGUAGE else none.speech_tokens[0, 0]
    assert first[:1] == untouched[:1] if module == LANGUAGE else first == untouched


def test_a_seed_gives_a_voice_of_its_own_that_comes_back(model: QwenOmniLALM) -> None:
    greedy, again, five, six = (
        convert(model, ConversionRequest(SHORT, "sad", seed=seed))[0] for seed in (None, None, 5, 6)
    )
    assert same(greedy, again)
    torch.manual_seed(99)
    assert same(convert(model, ConversionRequest(SHORT, "sad", seed=5))[0], five)
    assert greedy.text == five.text == six.text
    assert not np.array_equal(five.speech_tokens, greedy.speech_tokens)
    assert not np.array_equal(five.speech_tokens, six.speech_tokens)


def test_what_is_streamed_is_what_is_made_at_once(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.lalm.qwen_omni.lalm._CODES", (100, 0))
    requests = [ConversionRequest(SHORT, "sad"), ConversionRequest(LONG, "angry", steered(), seed=1)]
    chunks: list[list[np.ndarray]] = [[], []]
    shares: list[float] = []
    came: list[int] = []

    def take(row: int, samples: np.ndarray) -> None:
        chunks[row].append(samples)
        came.append(len(shares))

    streamed = convert(model, *requests, on_audio=take, progress=shares.append)
    for row, made in enumerate(convert(model, *requests)):
        assert len(chunks[row]) >= 3
        assert np.array_equal(np.concatenate(chunks[row]), streamed[row].audio.samples)
        assert same(streamed[row], made)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(set(came)) >= 3  # not all at the end


@pytest.mark.parametrize("asked", [0, 1, 4, WORDS + 3, WORDS + CODES + 1])
def test_cancelling_stops_before_the_next_token(model: QwenOmniLALM, asked: int) -> None:
    count = 0

    def cancelled() -> bool:
        nonlocal count
        count += 1
        return count > asked

    with pytest.raises(Cancelled):
        convert(model, ConversionRequest(SHORT, "sad", steered()), cancelled=cancelled)
    assert count == asked + 1
    assert convert(model, ConversionRequest(SHORT, "sad"))[0].text  # and the model goes on


def test_a_reply_without_a_word_is_a_moment_of_silence(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    first = own_ids(model, SHORT)[0][0]
    monkeypatch.setattr(model.prompter, "stops", lambda: frozenset({first}))
    heard: list[np.ndarray] = []
    silent, other = convert(
        model, ConversionRequest(SHORT, "sad"), ConversionRequest(LONG, "happy"),
        on_audio=lambda row, samples: heard.append(samples) if row == 0 else None,
    )  # fmt: skip
    assert silent.text == ""
    assert silent.speech_tokens.shape == (0, 1)
    assert not silent.audio.samples.any()
    assert np.array_equal(np.concatenate(heard), silent.audio.samples)
    assert other.text == convert(model, ConversionRequest(LONG, "happy"))[0].text


def test_a_closed_model_lets_go_of_its_weights_and_hooks() -> None:
    made = tiny.lalm(tiny.whole_model())
    kept = weakref.ref(made.parts.talker)
    hooked = gates(made.parts.thinker)
    made.close()
    made.close()
    gc.collect()
    assert kept() is None
    assert not any(gate._forward_hooks for gate in hooked)


def test_a_voice_ends_at_its_end_mark(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ConversionRequest(SHORT, "sad"), ConversionRequest(LONG, "sad")]
    before = convert(model, *requests, module=SYNTHESIS, record=True)
    codes = before[0].speech_tokens[:, 0].tolist()
    mark = next(code for code in codes[1:] if code not in before[1].speech_tokens)
    monkeypatch.setattr(model.parts.talker, "codec_eos_token", mark)
    ended, other = convert(model, *requests, module=SYNTHESIS, record=True)
    assert ended.speech_tokens[:, 0].tolist() == codes[: codes.index(mark)]
    assert len(ended.audio.samples) == codes.index(mark) * 480
    assert same(other, before[1])
    assert ended.statistics is not None
    assert before[0].statistics is not None
    # What a row that has ended is fed beside the others does not count.
    assert before[0].statistics.tokens - ended.statistics.tokens == CODES - 1 - codes.index(mark)


def test_a_voice_can_be_chosen(model: QwenOmniLALM) -> None:
    whole = tiny.whole_model()
    baseline = convert(model, ConversionRequest(SHORT, "sad"))[0]
    other = tiny.lalm(whole, speaker="Chelsie")
    made = convert(other, ConversionRequest(SHORT, "sad"))[0]
    other.close()
    assert made.text == baseline.text
    assert not np.array_equal(made.audio.samples, baseline.audio.samples)
    with pytest.raises(StudioError, match="no voice 'Nobody'; known: Ethan, Chelsie"):
        tiny.lalm(whole, speaker="Nobody")


def test_what_it_is_and_can_do(model: QwenOmniLALM) -> None:
    info = model.info
    assert info.gates == {LANGUAGE: (tiny.WIDTH,) * tiny.LAYERS, SYNTHESIS: (tiny.WIDTH,) * tiny.TALKER_LAYERS}
    assert info.rate == 24_000
    assert (info.streams, info.batches, info.content_modes) == (True, True, (Content.FREE,))
    assert widths(model.parts.speech) == info.gates[SYNTHESIS]
    assert convert(model) == []


@pytest.mark.parametrize(
    ("options", "module", "error", "says"),
    [
        ({"target": "bored"}, LANGUAGE, StudioError, "'bored' is not one of"),
        ({"content": Content.LOCK}, LANGUAGE, StudioError, "cannot lock the content"),
        ({"source": tiny.recording(31)}, LANGUAGE, StudioError, "31.0 s long, but Tiny Omni takes up to 30 s"),
        (
            {"source": Clip(np.zeros(9000, np.float32), 16_000)},
            LANGUAGE,
            StudioError,
            "holds no speech; choose another",
        ),
        ({"steering": steered(automation=Automation(((0, 0), (1, 1))))}, LANGUAGE, StudioError, "intensity curve"),
        ({"steering": steered()}, SYNTHESIS, MaskError, "3 layers"),
        ({}, "vision", StudioError, "no 'vision' gates; choose language or synthesis"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    model: QwenOmniLALM, options: dict[str, Any], module: str, error: type[Exception], says: str
) -> None:
    request = ConversionRequest(**{"source": SHORT, "target": "sad", **options})
    with pytest.raises(error, match=says):
        convert(model, request, module=module)
