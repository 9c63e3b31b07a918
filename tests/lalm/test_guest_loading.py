"""What the adapters of guests run by consent, what they load beside the model, and what they call what they loaded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from studio.errors import StudioError
from studio.lalm import kimi_audio, minicpm_o, remote_code
from studio.lalm.guest import config_digest
from studio.lalm.minicpm_o import WholeSpeech, load_vocoder


class Token2wav:
    """As minicpmo-utils 1.0.6 has it: noise is drawn when it is made, and the first voice is kept."""

    def __init__(self, rate: int = 24_000) -> None:
        self.noise = torch.randn(3)
        self.cache: float | None = None
        self.rate = rate

    def __call__(self, generated_speech_tokens: list[int], prompt_wav: str) -> bytes:
        """A level per token, as loud as the voice is, in a file of floats."""
        if self.cache is None:
            voice, rate = soundfile.read(prompt_wav)
            assert rate == 16_000
            self.cache = float(np.abs(voice).max())
        sound = np.repeat(np.array(generated_speech_tokens, np.float32) / 10 * self.cache, 960)
        file = BytesIO()
        soundfile.write(file, sound, self.rate, format="WAV", subtype="FLOAT")
        return file.getvalue()


class Model:
    """What of ``MiniCPMO`` a vocoder is loaded into, in an environment without CosyVoice."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.tts: Any = SimpleNamespace(config=SimpleNamespace(), audio_tokenizer=None)
        self.missing: Exception | None = None

    def init_tts(self, streaming: bool = False) -> None:
        """See the class."""
        if not streaming:
            raise ImportError("please install cosyvoice")
        if self.missing is not None:
            raise self.missing
        self.tts.config.audio_tokenizer_type = "s3tokenizer_step_audio"
        self.tts.audio_tokenizer = Token2wav()


def test_without_cosyvoice_token2wav_speaks_whole_texts() -> None:
    models = [Model(), Model()]
    state = torch.random.get_rng_state()
    for model in models:
        load_vocoder(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    one, other = (model.tts.audio_tokenizer._decoder for model in models)
    assert torch.equal(one.noise, other.noise), "two hosts speak alike"
    tts = models[0].tts
    assert (tts.config.audio_tokenizer_type, tts.config.s3_stream_generate) == ("s3tokenizer", False)
    for level in (0.5, 0.25):
        voice = torch.full((1, 8_000), level)
        (made,) = tts.audio_tokenizer.token2wav(
            speech_token=torch.tensor([[3, 7]]),
            speech_token_len=torch.tensor([2]),
            prompt_speech_16k=voice,
            stream=False,
        )
        expected = np.repeat(np.array([0.3, 0.7], np.float32), 960) * level
        assert made["tts_speech"].shape == (1, 2 * 960)
        assert np.allclose(made["tts_speech"][0], expected, atol=1e-4), "each request takes its own voice"


def test_a_vocoder_that_is_not_all_there_is_told() -> None:
    model = Model()
    model.missing = FileNotFoundError("hift.pt")
    with pytest.raises(StudioError, match=r"cannot be loaded \(hift\.pt\)"):
        load_vocoder(model)
    wrong = WholeSpeech(Token2wav(22_050))
    with pytest.raises(StudioError, match="at 22050 Hz"):
        next(wrong.token2wav(speech_token=torch.tensor([[1]]), prompt_speech_16k=torch.ones(1, 8_000)))


def test_a_model_is_the_same_wherever_it_lies() -> None:
    def config(**more: Any) -> Any:
        inner = {"_name_or_path": more.get("_name_or_path"), "width": more.pop("width", 8)}
        return SimpleNamespace(to_dict=lambda: {"tts_config": inner, "layers": 3} | more)

    here, there = config(_name_or_path="/a", transformers_version="1"), config(_name_or_path="/b", _commit_hash="c")
    assert config_digest(here) == config_digest(there)
    assert config_digest(here) != config_digest(config(_name_or_path="/a", width=9))


def test_code_runs_by_consent_to_exactly_that_code(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / "0123abcd"
    folder.mkdir(parents=True)
    with pytest.raises(StudioError, match="no Python code"):
        remote_code.code_digest(folder)
    (folder / "modeling.py").write_text("x = 1\n")
    without = remote_code.code_digest(folder)
    (folder / "assets").mkdir()
    (folder / "assets" / "flow.yaml").write_text("flow: !new:torch.nn.Linear\n")
    digest = remote_code.code_digest(folder)
    assert digest != without, "what a recipe names is run too"
    with pytest.raises(StudioError, match="runs 2 Python and YAML files of its own"):
        minicpm_o.load(folder, agreed=None)
    (folder / "notes.txt").write_text("nothing that runs")
    assert remote_code.require_consent("It", folder, digest) == digest
    assert remote_code.revision(folder, digest) == f"0123abcd+code.{digest}"
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "modeling.Model"}}')
    assert remote_code.require_consent("It", folder, digest) == digest
    (folder / "modeling.py").write_text("x = 2\n")
    with pytest.raises(StudioError, match="are not those you agreed to"):
        kimi_audio.load(folder, agreed=digest)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("config.json", '{"auto_map": {"AutoModel": "someone/else--modeling.Model"}}'),
        ("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["someone/else--tokens.Tokens", null]}}'),
        ("config.json", "{"),
    ],
)
def test_code_of_another_repository_is_not_run_by_consent_to_this_one(tmp_path: Path, name: str, config: str) -> None:
    (tmp_path / "modeling.py").write_text("x = 1\n")
    digest = remote_code.code_digest(tmp_path)
    (tmp_path / name).write_text(config)
    with pytest.raises(StudioError, match=r"code of another repository|is no JSON"):
        minicpm_o.load(tmp_path, agreed=digest)
