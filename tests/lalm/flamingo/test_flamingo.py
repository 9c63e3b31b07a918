"""Audio Flamingo 3's own class at tiny size: recognised, recorded, steered, saved and loaded again."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub import constants

from studio.emotions import EMOTIONS
from studio.errors import Cancelled, StudioError
from studio.esn.errors import TapError
from studio.esn.intervention import Mode, Steering
from studio.judges.choice import QUESTION
from studio.lalm import flamingo
from studio.lalm.catalog import find_model
from studio.lalm.flamingo import FlamingoRecogniser
from studio.lalm.recognisers import AUDIO_FLAMINGO_3, load_recogniser
from studio.lalm.recognition import RecognitionRequest
from tests.esn import reference
from tests.lalm.flamingo import tiny

CLIPS = [tiny.clip(120.0), tiny.clip(260.0, 1.3), tiny.clip(190.0, 0.6)]


@pytest.fixture(scope="module")
def made():
    processor = tiny.processor()
    model = tiny.model(processor)
    recogniser = FlamingoRecogniser(model, processor)
    yield model, processor, recogniser
    recogniser.close()


def requests(*steerings):
    return [RecognitionRequest(clip, steering) for clip, steering in zip(CLIPS, steerings, strict=True)]


def steering(mode: Mode, strength: float) -> Steering:
    pairs = [(layer, neuron) for layer in range(tiny.LAYERS) for neuron in range(0, tiny.WIDTH, 2)]
    mask = reference.make_mask((tiny.WIDTH,) * tiny.LAYERS, {"sad": pairs})
    return Steering(mask, mode, {"sad": strength})


def test_the_probabilities_are_those_of_the_option_letters(made):
    model, processor, recogniser = made
    [found] = recogniser.recognise([RecognitionRequest(CLIPS[1])])
    assert list(found.probabilities) == list(EMOTIONS)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.statistics is None
    text = f"<|im_start|>user\n{QUESTION}<sound><|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(text=[text], audio=[CLIPS[1].samples], return_tensors="pt")
    inputs.pop("num_audio_tokens", None)
    with torch.inference_mode():
        logits = model(**inputs).logits[0, -1]
    expected = logits[[ord(letter) - ord("!") for letter in "ABCDE"]].double().softmax(-1)
    assert processor.tokenizer.convert_ids_to_tokens([ord("A") - ord("!")]) == ["A"]
    assert list(found.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_rows_of_a_batch_do_not_touch_each_other_and_padding_is_not_counted(made):
    recogniser = made[2]
    gain = steering(Mode.GAIN, 2.0)
    together = recogniser.recognise(requests(None, gain, None), record=True)
    for request, row in zip(requests(None, gain, None), together, strict=True):
        [alone] = recogniser.recognise([request], record=True)
        assert list(row.probabilities.values()) == pytest.approx(list(alone.probabilities.values()), abs=1e-5)
        assert row.statistics is not None
        assert alone.statistics is not None
        assert row.statistics.tokens == alone.statistics.tokens
        assert torch.allclose(row.statistics.total, alone.statistics.total, atol=1e-2)
    tokens = [row.statistics.tokens for row in together if row.statistics is not None]
    assert len(set(tokens)) == 3  # clips of three lengths


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_reaches_the_answer_as_in_a_patched_forward(made, mode):
    model, _, recogniser = made
    [plain] = recogniser.recognise([RecognitionRequest(CLIPS[0])])
    [zero] = recogniser.recognise([RecognitionRequest(CLIPS[0], steering(mode, 0.0))])
    [steered] = recogniser.recognise([RecognitionRequest(CLIPS[0], steering(mode, 1.0))])
    assert zero.probabilities == plain.probabilities
    assert steered.probabilities != plain.probabilities

    def patched(module, args, gate):
        gate = gate.clone()
        some = gate[..., ::2]
        changes = {Mode.GAIN: 2 * some, Mode.ADD: some + 1, Mode.CLAMP: some.clamp_min(1.0), Mode.DEACTIVATE: 0 * some}
        gate[..., ::2] = changes[mode]
        return gate

    handles = [layer.mlp.act_fn.register_forward_hook(patched) for layer in model.model.language_model.layers]
    try:
        [expected] = recogniser.recognise([RecognitionRequest(CLIPS[0])])
    finally:
        for handle in handles:
            handle.remove()
    assert list(steered.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)


def test_a_kernel_that_bypasses_the_gates_is_noticed(made):
    model, _, recogniser = made
    mlp = model.model.language_model.layers[1].mlp
    mlp.forward = lambda x: mlp.down_proj(torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    try:
        with pytest.raises(TapError, match="layer 1 was tapped 0 times"):
            recogniser.recognise([RecognitionRequest(CLIPS[0])])
    finally:
        del mlp.forward
    assert recogniser.recognise([RecognitionRequest(CLIPS[0])])


def test_what_cannot_be_heard_and_what_is_cancelled(made):
    recogniser = made[2]
    with pytest.raises(StudioError, match=r"'short' is 0\.05 s long"):
        recogniser.recognise([RecognitionRequest(tiny.clip(100.0, 0.05, "short"))])
    with pytest.raises(Cancelled):
        recogniser.recognise([RecognitionRequest(CLIPS[0])], cancelled=lambda: True)
    assert recogniser.recognise([]) == []


def test_a_saved_model_loads_from_its_folder(made, tmp_path):
    model, processor, recogniser = made
    model.save_pretrained(tmp_path / "af3")
    processor.save_pretrained(tmp_path / "af3")
    loaded = flamingo.load(tmp_path / "af3", device="cpu")
    assert loaded.info.model_id == "af3"
    assert loaded.info.gates == {"language": (tiny.WIDTH,) * tiny.LAYERS}
    [expected] = recogniser.recognise([RecognitionRequest(CLIPS[0])])
    [found] = loaded.recognise([RecognitionRequest(CLIPS[0])])
    assert found.probabilities == pytest.approx(expected.probabilities)
    loaded.close()
    with pytest.raises(StudioError, match="cannot be loaded from"):
        flamingo.load(tmp_path, device="cpu")


def test_the_catalogs_entry_is_loaded_once_it_is_downloaded(made, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))  # read from the environment when it was imported
    with pytest.raises(StudioError, match=r"is not downloaded; run: esn-studio models download audio-flamingo-3$"):
        load_recogniser()
    model, processor, recogniser = made
    folder = find_model(AUDIO_FLAMINGO_3).weights
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    loaded = load_recogniser()
    assert (loaded.info.model_id, loaded.info.revision) == (flamingo.HUB, folder.name)
    [expected] = recogniser.recognise([RecognitionRequest(CLIPS[0])])
    [found] = loaded.recognise([RecognitionRequest(CLIPS[0])])
    assert found.probabilities == pytest.approx(expected.probabilities)
    loaded.close()
