"""MiniCPM-o 4.5, driven through its own ``chat`` (code of the openbmb/MiniCPM-o-4_5 checkpoint, transformers 4.51.0).

``chat`` returns the text alone, writes the speech to a file, and only prints what goes wrong while it speaks; so errors
are caught where speech is made, before ``chat`` swallows them, and the file is checked. It takes no stopping criteria:
cancelling ends the next forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from studio.audio.clip import FloatArray
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.lalm import assignment, remote_code, wavefile
from studio.lalm.base import LANGUAGE, SYNTHESIS, ConversionRequest, CurveUnit, ModelInfo
from studio.lalm.guest import (
    LISTENING_RATE,
    SPEAKING_RATE,
    GuestLALM,
    Spoken,
    config_digest,
    described,
    seeded,
    speaks_for_itself,
)
from studio.lalm.pace import Following, in_words, on_the_clock
from studio.lalm.passes import Passes, Site, find, tap

MODEL_ID = "openbmb/MiniCPM-o-4_5"
TITLE = "MiniCPM-o 4.5"
MAX_SECONDS = 30.0
MAX_TEXT_TOKENS = 512
TOKENS_PER_SECOND = 25
"""Of speech: 960 samples each at 24 kHz, as CosyVoice 2 and Step-Audio 2 make of theirs."""

MAX_SPEECH_TOKENS = 2048
"""The limit ``tts.generate`` has by default."""

SYSTEM = "You are a helpful assistant. You can accept audio and text input and output voice and text."
"""The checkpoint's own default, emotion-agnostic."""

GREEDY_SEED = 0
"""Speech tokens and the vocoder's noise are sampled even when the text is decoded greedily."""

_SPEAK = "_generate_speech_non_streaming"


class MiniCpmO:
    """A loaded model (class ``MiniCPMO``) whose speech-making is watched; ``close`` undoes it."""

    passes_per_second = TOKENS_PER_SECOND + 4.0  # about so many words or parts of them

    def __init__(self, model: Any) -> None:
        text, speech = Passes(find(model, "llm.model")), Passes(find(model, "tts.model"))
        self._sites = {
            LANGUAGE: tap(find(model, "llm.model.layers"), text),
            SYNTHESIS: tap(find(model, "tts.model.layers"), speech),
        }
        self._model = model
        self._seed = GREEDY_SEED
        self._error: BaseException | None = None
        self._go_on: Callable[[], None] = lambda: None
        self._tokens: npt.NDArray[np.int64] | None = None
        self._speak, self._generate = getattr(model, _SPEAK, None), model.tts.generate
        if self._speak is None:
            raise StudioError(f"{TITLE} has no '{_SPEAK}', so its code is not the revision this studio was made for.")
        setattr(model, _SPEAK, self._make_speech)
        model.tts.generate = self._keep_tokens

    @property
    def sites(self) -> Mapping[str, Site]:
        """Gates by module."""
        return self._sites

    @property
    def curves(self) -> Mapping[str, CurveUnit]:
        """See :attr:`studio.lalm.guest.Guest.curves`."""
        return {LANGUAGE: CurveUnit.WORDS, SYNTHESIS: CurveUnit.TIME}

    def follow(self, module: str, request: ConversionRequest, curve: Automation) -> Following:
        """See :meth:`studio.lalm.guest.Guest.follow`: text goes by its words, and speech by its tokens so far."""
        if module == LANGUAGE:
            passes = self._sites[LANGUAGE].passes
            return in_words(TITLE, request, lambda: int(passes.read()[0, -1]), self._text)
        return on_the_clock(request, curve, lambda index: index / TOKENS_PER_SECOND if index else None)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._model.processor.tokenizer.decode(list(ids), skip_special_tokens=True))

    def speak(self, heard: FloatArray, says: str, seed: int | None, go_on: Callable[[], None]) -> Spoken:
        """See :meth:`studio.lalm.guest.Guest.speak`."""
        self._seed = GREEDY_SEED if seed is None else seed
        self._error = self._tokens = None
        self._go_on = go_on
        with TemporaryDirectory() as folder, seeded(self._seed, self._model.device):
            path = Path(folder) / "speech.wav"
            text = self._model.chat(
                msgs=[{"role": "system", "content": [SYSTEM]}, {"role": "user", "content": [heard, says]}],
                use_tts_template=True,
                generate_audio=True,
                output_audio_path=str(path),
                enable_thinking=False,
                do_sample=seed is not None,
                num_beams=1,  # beams are searched by default as soon as nothing is sampled
                max_new_tokens=MAX_TEXT_TOKENS,
            )
            self._surface(str(text))
            try:
                samples = wavefile.read(path, SPEAKING_RATE)
            except StudioError as problem:
                raise StudioError(f"{TITLE} answered '{text}' but did not speak. {problem}") from problem
        truncated = (
            self._sites[LANGUAGE].passes.count >= MAX_TEXT_TOKENS
            or self._sites[SYNTHESIS].passes.count >= MAX_SPEECH_TOKENS
        )
        tokens = self._tokens if self._tokens is not None else np.zeros((0, 1), dtype=np.int64)
        return Spoken(str(text).strip(), samples, tokens, truncated)

    def close(self) -> None:
        """Give the model its own methods back."""
        delattr(self._model, _SPEAK)
        del self._model.tts.generate

    def _surface(self, text: str) -> None:
        error = self._error
        if error is None:
            return
        if speaks_for_itself(error):
            raise error
        if self._sites[LANGUAGE].passes.count >= MAX_TEXT_TOKENS:
            # Its code cannot speak a text that the limit cut off: the last token has no hidden state.
            raise StudioError(
                f"{TITLE} did not stop writing within {MAX_TEXT_TOKENS} tokens, and so could not speak; "
                "weaken the steering."
            ) from error
        kind = type(error).__name__
        raise StudioError(f"{TITLE} answered '{text}' but failed while speaking: {kind}: {error}") from error

    def _make_speech(self, *args: Any, **kwargs: Any) -> Any:
        assert self._speak is not None
        # Speech starts from the seed however many tokens the text drew, so that steered and unsteered voices compare.
        torch.manual_seed(self._seed)
        try:
            return self._speak(*args, **kwargs)
        except BaseException as error:
            self._error = error
            raise

    def _keep_tokens(self, *args: Any, **kwargs: Any) -> Any:
        made = self._generate(*args, **kwargs)
        self._tokens = made.new_ids[0].cpu().numpy().astype(np.int64)
        self._go_on()
        return made


class WholeSpeech:
    """Token2wav, called as ``chat`` calls CosyVoice 2: with Token2wav itself it can stream, and not speak a whole text.

    ``decoder``: ``stepaudio2.Token2wav`` of minicpmo-utils 1.0.5 to 1.0.7.
    """

    sample_rate = SPEAKING_RATE

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def token2wav(
        self, *, speech_token: torch.Tensor, prompt_speech_16k: torch.Tensor, **_: Any
    ) -> Iterator[dict[str, torch.Tensor]]:
        """Speech tokens int64 [1, T] and whose voice to take, [1, n] at 16 kHz, to {"tts_speech": [1, samples]}."""
        import soundfile

        with TemporaryDirectory() as folder:
            voice = Path(folder) / "voice.wav"
            wavefile.write(voice, prompt_speech_16k[0].float().cpu().numpy(), LISTENING_RATE)
            self._decoder.cache = None  # of the voice before
            made = self._decoder(speech_token[0].tolist(), str(voice))
        samples, rate = soundfile.read(BytesIO(made), dtype="float32")
        if rate != SPEAKING_RATE or samples.ndim != 1:
            raise StudioError(f"The vocoder of {TITLE} made sound of shape {samples.shape} at {rate} Hz.")
        yield {"tts_speech": torch.from_numpy(samples)[None]}


def wrap(model: Any, revision: str) -> GuestLALM:
    """A loaded ``MiniCPMO`` behind the protocol."""
    guest = MiniCpmO(model)
    info = ModelInfo(
        model_id=MODEL_ID,
        revision=revision,
        config_digest=config_digest(model.config),
        title=TITLE,
        gates={},
        rate=SPEAKING_RATE,
        max_seconds=MAX_SECONDS,
    )
    return GuestLALM(guest, described(info, guest))


def load(folder: Path, *, agreed: str | None, device: str = "cuda") -> GuestLALM:
    """Load the checkpoint in ``folder`` in bf16 (19 GB); its vision tower is never built.

    ``agreed``: digest of the code the user agreed to run. Raises StudioError without it, and when there is no CUDA
    device or no vocoder.
    """
    digest = remote_code.require_consent(TITLE, folder, agreed)
    if device == "cuda" and not torch.cuda.is_available():
        raise StudioError(f"{TITLE} needs a CUDA device with 20 GB of memory, and this machine shows none.")
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=True, local_files_only=True)
    config.init_vision = False
    model = AutoModel.from_pretrained(
        str(folder),
        config=config,
        trust_remote_code=True,
        local_files_only=True,
        attn_implementation="sdpa",
        torch_dtype=torch.bfloat16,
    )
    model.eval().to(device)
    load_vocoder(model)
    return wrap(model, remote_code.revision(folder, digest))


def load_vocoder(model: Any) -> None:
    """Load what turns speech tokens into sound. Raises StudioError when it is not all there."""
    try:
        # Its flow draws its noise once, when it is made: two hosts are to speak with one voice.
        with seeded(GREEDY_SEED, model.device):
            try:
                model.init_tts()
            except ImportError:  # minicpmo-utils from 1.0.5 on bring Token2wav and no CosyVoice
                model.init_tts(streaming=True)
                model.tts.audio_tokenizer = WholeSpeech(model.tts.audio_tokenizer)
                model.tts.config.audio_tokenizer_type, model.tts.config.s3_stream_generate = "s3tokenizer", False
    except (ImportError, OSError, TypeError) as problem:
        raise StudioError(
            f"The vocoder of {TITLE} cannot be loaded ({problem}); download the model again, or make its environment "
            "anew."
        ) from problem


def hosted() -> GuestLALM:
    """Load what this host is assigned to (see ``assignment``)."""
    return load(assignment.required_folder(), agreed=assignment.agreed())
