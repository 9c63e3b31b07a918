"""Learned vectors on the embedded model itself: what they reach, and a training of seconds."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.cli import main
from studio.errors import Cancelled
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.emosteer_hook import fold
from studio.esn.errors import EmoSteerError
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm.base import Conversion, ConversionRequest, SpeechLALM
from studio.lalm.embedded.lalm import EmbeddedLALM
from studio.lalm.embedded.network import EMOSTEER_SITE
from studio.lalm.embedded.weights import FILE, unpack
from studio.paths import resources_dir

Line = Callable[[str, int], Clip]
PROSODY = slice(0, 8)


@pytest.fixture(scope="module")
def vectors() -> EmoVectors:
    """Drawn at random, large enough to be heard."""
    rng = np.random.default_rng(0)
    weights = {emotion: rng.normal(0, 40, (256, 256)).astype(np.float32) for emotion in ("happy", "angry")}
    return EmoVectors(256, EMOSTEER_SITE, weights, metadata={"model_id": "embedded"})


def same(first: Conversion, second: Conversion) -> bool:
    tokens = np.array_equal(first.speech_tokens, second.speech_tokens)
    return tokens and first.text == second.text and np.array_equal(first.audio.samples, second.audio.samples)


def steered(vectors: EmoVectors, **more) -> EmoSteering:
    return EmoSteering(vectors, {"happy": 1.0}, **more)


def test_alpha_0_is_the_baseline_bit_for_bit(model: SpeechLALM, line: Line, vectors: EmoVectors) -> None:
    source = line("0019", 3)
    [plain] = model.convert([ConversionRequest(source, "happy")])
    nothing = [{}, {"happy": 0.0}, {"happy": 0.0, "sad": 0.0}]
    requests = [ConversionRequest(source, "happy", emosteer=EmoSteering(vectors, alphas)) for alphas in nothing]
    for made in model.convert(requests):
        assert same(made, plain)


def test_vectors_move_prosody_and_leave_words_sounds_and_other_rows_alone(
    model: SpeechLALM, line: Line, vectors: EmoVectors
) -> None:
    source = line("0019", 3)
    [plain] = model.convert([ConversionRequest(source, "happy")])
    [alone] = model.convert([ConversionRequest(source, "happy", emosteer=steered(vectors))])
    together = model.convert(
        [
            ConversionRequest(source, "happy"),
            ConversionRequest(source, "happy", emosteer=steered(vectors)),
            ConversionRequest(source, "happy", emosteer=EmoSteering(vectors, {"angry": 2.0})),
        ]
    )
    assert same(together[0], plain)
    assert same(together[1], alone)
    assert alone.text == plain.text
    assert not np.array_equal(alone.speech_tokens[:5, PROSODY], plain.speech_tokens[:5, PROSODY])
    # The first token is spoken at the same place of the source: what does not pass the site is what it was.
    assert np.array_equal(alone.speech_tokens[0, 8:], plain.speech_tokens[0, 8:])
    assert not same(together[1], together[2])


def test_the_hook_gives_what_the_folded_layer_gives(line: Line, vectors: EmoVectors) -> None:
    source = line("0020", 4)
    request = ConversionRequest(source, "happy", emosteer=EmoSteering(vectors, {"happy": 1.0, "angry": 0.5}))
    network, codec, revision = unpack(resources_dir() / "embedded" / FILE)
    folded = copy.deepcopy(network)
    assert request.emosteer is not None
    folded.ordinal_mean = fold(folded.ordinal_mean, request.emosteer)
    hooked_model, folded_model = EmbeddedLALM(network, codec, revision), EmbeddedLALM(folded, codec, revision)
    try:
        [hooked] = hooked_model.convert([request])
        [made] = folded_model.convert([ConversionRequest(source, "happy")])
    finally:
        hooked_model.close()
        folded_model.close()
    assert np.array_equal(hooked.speech_tokens, made.speech_tokens)
    assert not network.ordinal_mean._forward_pre_hooks


def test_neurons_and_vectors_act_together(
    model: SpeechLALM, line: Line, vectors: EmoVectors, everywhere: EsnMask
) -> None:
    source, neurons = line("0019", 3), Steering(everywhere, Mode.GAIN, {"angry": 1.0})
    both, one, other = model.convert(
        [
            ConversionRequest(source, "angry", neurons, emosteer=steered(vectors)),
            ConversionRequest(source, "angry", neurons),
            ConversionRequest(source, "angry", emosteer=steered(vectors)),
        ]
    )
    assert not same(both, one)
    assert not same(both, other)


def test_a_curve_holds_for_vectors_too(model: SpeechLALM, line: Line, vectors: EmoVectors) -> None:
    source = line("0019", 3)
    late = Automation(((0.5, 0.0), (0.51, 1.0)))
    plain, curved = model.convert(
        [
            ConversionRequest(source, "happy"),
            ConversionRequest(source, "happy", emosteer=steered(vectors, automation=late)),
        ]
    )
    assert np.array_equal(plain.speech_tokens[:12], curved.speech_tokens[:12])
    assert not same(plain, curved)


def test_after_a_cancel_the_next_render_is_whole(model: SpeechLALM, line: Line, vectors: EmoVectors) -> None:
    source, count = line("0019", 3), [0]
    request = ConversionRequest(source, "happy", emosteer=steered(vectors))
    [before] = model.convert([request])

    def stop() -> bool:
        count[0] += 1
        return count[0] > 20

    with pytest.raises(Cancelled):
        model.convert([request], cancelled=stop)
    [after] = model.convert([request])
    assert same(before, after)


def test_foreign_vectors_are_refused(model: SpeechLALM, line: Line) -> None:
    foreign = EmoVectors(8, "llm.llm_decoder", {"happy": np.ones((8, 8), np.float32)})
    with pytest.raises(EmoSteerError, match=r"shift the input of llm\.llm_decoder"):
        model.convert([ConversionRequest(line("0019", 3), "happy", emosteer=EmoSteering(foreign, {"happy": 1.0}))])
    assert model.info.emosteer_sites == {EMOSTEER_SITE: 256}


def test_the_verb_trains_the_embedded_model_and_what_it_learnt_lowers_the_loss(tmp_path, capsys) -> None:
    out = tmp_path / "v.emosteer.safetensors"
    command = ["emosteer", "train", "demo", "--limit", "4", "--batch", "2", "--emotions", "happy", "--out", str(out)]
    torch.set_num_threads(1)
    assert main([*command, "--steps", "8", "--learning-rate", "0.5", "--json"]) == 0
    events = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["step"] * 8 + ["saved"]
    losses = [event["losses"]["happy"] for event in events[:-1]]
    assert min(losses[4:]) < losses[0]
    assert events[-1]["fingerprint"] == EmoVectors.load(out).fingerprint()
    # The same command finds its work done.
    assert main([*command, "--steps", "8", "--learning-rate", "0.5"]) == 0
    assert EmoVectors.load(out).fingerprint() == events[-1]["fingerprint"]
    capsys.readouterr()
    assert main(["emosteer", "show", str(out)]) == 0
    assert "happy; input of ordinal_mean, 256 wide, eps 0.001" in capsys.readouterr().out
