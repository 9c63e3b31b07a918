"""CosyVoice-300M-Instruct, driven through ``cosyvoice.cli.cosyvoice.CosyVoice`` (github.com/FunAudioLLM/CosyVoice).

It does not listen: it speaks the transcript of the source in the source's voice, in the emotion that an instruction
names. A language model writes speech tokens, 50 a second; a flow and a vocoder, not steered, make sound of them.
EmoShift (arXiv 2601.22873, section 3.2) shifts the language model's last hidden state, before ``llm.llm_decoder``.

The model's MLPs are w_2(relu(w_1 x)), without a gate: they hold no neurons a mask could name, and nothing is counted.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from studio.audio.clip import Clip, FloatArray
from studio.emotions import NEUTRAL
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer_hook import EmoSteer
from studio.lalm import assignment, remote_code, wavefile
from studio.lalm.base import (
    LANGUAGE,
    AudioSink,
    Conversion,
    ConversionRequest,
    ModelInfo,
    Progress,
    never,
    no_progress,
)
from studio.lalm.guest import LISTENING_RATE, listen, seeded, speaks_for_itself
from studio.lalm.passes import Passes, find
from studio.lalm.steerable import COSYVOICE_OUTPUT, Site

MODEL_ID = "FunAudioLLM/CosyVoice-300M-Instruct"
TITLE = "CosyVoice 300M Instruct"
MAX_SECONDS = 30.0
TOKENS_PER_SECOND = 50.0

CODE = "code"
"""In the checkpoint's folder: github.com/FunAudioLLM/CosyVoice, as of commit ace7c47, with the submodule ``MATCHA``."""

MATCHA = Path("third_party") / "Matcha-TTS"

END_OF_PROMPT = "<|endofprompt|>"
INSTRUCTIONS = {
    NEUTRAL: "A calm speaker with a neutral voice.",
    "happy": "A happy speaker with a cheerful voice.",
    "angry": "An angry speaker with a furious voice.",
    "sad": "A sad speaker with a sorrowful voice.",
    "surprise": "A surprised speaker with an astonished voice.",
}
"""One line per emotion, in the manner the checkpoint was tuned on; the paper's own words are not published."""

GREEDY_SEED = 0
"""Flow and vocoder draw noise even when tokens are decoded greedily."""

_UNFINISHED = 0.95


class Reader:
    """What the language model is given, for speaking as for training: words, instructions and voices.

    ``speaker_in_prompt``: the voice also goes before the instruction, as in the paper's equation 1; without, only flow
    and vocoder know it, as in the code's own ``inference_instruct``. Not for several threads at once.
    """

    def __init__(self, cosy: Any, *, speaker: str | None = None, speaker_in_prompt: bool = True) -> None:
        self.cosy = cosy
        self.llm = find(cosy, "model.llm")
        self.speaker_in_prompt = speaker_in_prompt
        known = list(cosy.list_available_spks())
        if speaker is not None and speaker not in known:
            raise StudioError(f"{TITLE} has no speaker '{speaker}'; it has {', '.join(known) or 'none'}.")
        self._speaker = speaker

    @property
    def site(self) -> Site:
        """Where EmoShift acts."""
        decoder = find(self.cosy, f"model.{COSYVOICE_OUTPUT}")
        if not isinstance(decoder, nn.Linear):
            raise StudioError(f"'{COSYVOICE_OUTPUT}' of {TITLE} is no linear layer; its code is another revision.")
        return Site(COSYVOICE_OUTPUT, decoder, decoder.in_features)

    def words(self, text: str) -> Tensor:
        """Tokens of a text as it is, int32 [1, T]."""
        tokens: Tensor = self.cosy.frontend._extract_text_token(text)[0]
        return tokens

    def instruction(self, emotion: str) -> Tensor:
        """Tokens of the instruction for an emotion, int32 [1, T]."""
        return self.words(INSTRUCTIONS[emotion] + END_OF_PROMPT)

    def voice(self, recording: Path) -> Tensor:
        """The named speaker's embedding, or that of who is heard in a 16 kHz recording, float32 [1, 192]."""
        frontend = self.cosy.frontend
        if self._speaker is not None:
            found: Tensor = frontend.spk2info[self._speaker]["embedding"]
            return found
        heard: Tensor = frontend._extract_spk_embedding(str(recording))
        return heard

    def lines(self, text: str, emotion: str, voice: Tensor) -> list[dict[str, Tensor]]:
        """What ``CosyVoiceModel.tts`` takes, one sentence or so each, after the front end's normalisation."""
        given = {"prompt_text": self.instruction(emotion), "flow_embedding": voice}
        if self.speaker_in_prompt:
            given["llm_embedding"] = voice
        parts = self.cosy.frontend.text_normalize(text, split=True)
        return [given | {"text": self.words(part)} for part in parts if part.strip()]


class CosyVoiceLALM:
    """A loaded ``CosyVoice`` behind the :class:`studio.lalm.base.SpeechLALM` protocol; one thread at a time.

    Its loop runs in a thread of its own, whose errors it only prints. They are caught there, and raised before sound is
    made of what was written so far; ``close`` undoes what was changed in the model.
    """

    def __init__(self, reader: Reader, revision: str) -> None:
        self.reader = reader
        self._model = reader.cosy.model
        site, weight = reader.site, reader.site.module.weight
        assert isinstance(weight, Tensor)
        # The layers are called through ``forward_chunk``, which hooks on the whole do not see.
        self._passes = Passes(find(reader.llm, "llm.encoders.0"))
        self._steer = EmoSteer(site.module, site.width, device=weight.device, dtype=weight.dtype).install()
        self._device = weight.device
        self._write, self._make = self._model.llm_job, self._model.token2wav
        self._model.llm_job, self._model.token2wav = self._write_watched, self._make_seeded
        self._seed = GREEDY_SEED
        self._problem: BaseException | None = None
        self._tokens: list[npt.NDArray[np.int64]] = []
        self._written = 0
        self._truncated = False
        shapes = {name: list(value.shape) for name, value in reader.llm.state_dict().items()}
        self._info = ModelInfo(
            model_id=MODEL_ID,
            revision=revision,
            config_digest=sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:16],
            title=TITLE,
            gates={LANGUAGE: ()},
            rate=int(reader.cosy.sample_rate),
            max_seconds=MAX_SECONDS,
            emosteer_sites={site.name: site.width},
        )

    @property
    def info(self) -> ModelInfo:
        """What the model is and can do."""
        return self._info

    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        """See :meth:`studio.lalm.base.SpeechLALM.convert`; rows one after the other, ``text`` what they were given."""
        if module != LANGUAGE:
            raise StudioError(f"{TITLE} has no '{module}' module; choose the module '{LANGUAGE}'.")
        if record:
            raise StudioError(f"{TITLE} has no gated layers, so there are no neurons to count; train learned vectors.")
        heard = [self._check(request) for request in requests]
        conversions = []
        for row, (request, samples) in enumerate(zip(requests, heard, strict=True)):

            def share(done: float, row: int = row) -> None:
                progress((row + done) / len(requests))

            conversion = self._convert(request, samples, share, cancelled)
            if on_audio is not None:
                on_audio(row, conversion.audio.samples)
            conversions.append(conversion)
            share(1.0)
        return conversions

    def close(self) -> None:
        """Take the hooks off and give the model its own methods back; ``reader`` stays usable. May be called again."""
        self._steer.remove()
        self._passes.remove()
        for name in ("llm_job", "token2wav"):
            vars(self._model).pop(name, None)

    def _check(self, request: ConversionRequest) -> FloatArray:
        samples = listen(request, self._info)
        name = request.source.name or "the source"
        if not (request.text or "").strip():
            raise StudioError(f"{TITLE} speaks a text and cannot listen; give the transcript of '{name}'.")
        if request.steering is not None and not request.steering.is_identity:
            raise StudioError(
                f"{TITLE} has no gated layers, so masks of neurons do not apply to it; steer it by learned vectors."
            )
        emosteer = request.emosteer
        if emosteer is not None:
            emosteer.vectors.check_fits(self._info.model_id, self._info.emosteer_sites)
            if emosteer.automation is not None and not emosteer.is_identity:
                raise StudioError(
                    f"{TITLE} speaks at a pace of its own, so its steps do not follow the source's clock and an "
                    "intensity curve means nothing to it; clear the curve."
                )
        return samples

    def _convert(
        self, request: ConversionRequest, samples: FloatArray, share: Progress, cancelled: Callable[[], bool]
    ) -> Conversion:
        expected = max(1.0, request.source.seconds * TOKENS_PER_SECOND)

        def before(index: int) -> None:
            if cancelled():
                raise Cancelled
            share(min(_UNFINISHED, index / expected))

        if cancelled():
            raise Cancelled
        text = (request.text or "").strip()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "source.wav"
            wavefile.write(path, samples, LISTENING_RATE)
            lines = self.reader.lines(text, request.target, self.reader.voice(path))
        if not lines:
            raise StudioError(f"There is nothing to say in the transcript '{text}'.")
        self._begin(request.seed)
        self._steer.begin([request.emosteer])
        try:
            with self._passes.watched(before), seeded(self._seed, self._device), self._decoding(request.seed):
                sounds = [sound["tts_speech"] for line in lines for sound in self._model.tts(**line)]
            self._steer.end(self._passes.count)
        finally:
            self._steer.abandon()
            self._forget()
        sound = torch.cat([sound.detach().float().cpu().view(-1) for sound in sounds])
        return Conversion(
            text=text,
            audio=Clip(np.asarray(sound.numpy(), dtype=np.float32), self._info.rate, request.source.name),
            speech_tokens=np.concatenate(self._tokens)[:, None],
            truncated=self._truncated,
        )

    def _begin(self, seed: int | None) -> None:
        self._seed = GREEDY_SEED if seed is None else seed
        self._problem = None
        self._tokens, self._written, self._truncated = [], 0, False

    @contextmanager
    def _decoding(self, seed: int | None) -> Iterator[None]:
        llm: Any = self.reader.llm
        sampling = llm.sampling
        if seed is None:
            llm.sampling = most_likely
        try:
            yield
        finally:
            llm.sampling = sampling

    def _write_watched(self, *args: Any, **kwargs: Any) -> None:
        try:
            self._write(*args, **kwargs)
        except BaseException as problem:  # in a thread of the model's, from where nothing is raised
            self._problem = problem

    def _make_seeded(self, token: Tensor, *args: Any, **kwargs: Any) -> Any:
        problem = self._problem
        if problem is not None:
            if speaks_for_itself(problem):
                raise problem
            raise StudioError(f"{TITLE} failed while writing speech: {type(problem).__name__}: {problem}") from problem
        if not token.numel():
            raise StudioError(f"{TITLE} wrote no speech token; try another seed or weaker steering.")
        self._tokens.append(token[0].cpu().numpy().astype(np.int64))
        # The pass that ends a sentence writes no token; without it, the limit did.
        passes, self._written = self._passes.count - self._written, self._passes.count
        self._truncated |= passes == token.shape[1]
        # Sound starts from the seed however many tokens were drawn, so that steered and unsteered voices compare.
        torch.manual_seed(self._seed)
        return self._make(token, *args, **kwargs)

    def _forget(self) -> None:
        """What the model keeps of a sentence that was not finished."""
        model = self._model
        for kept in (model.tts_speech_token_dict, model.llm_end_dict, model.mel_overlap_dict, model.flow_cache_dict,
                     model.hift_cache_dict):  # fmt: skip
            kept.clear()


def most_likely(scores: Tensor, decoded: Sequence[int], sampling: int) -> int:
    """Greedy decoding, in the place of the model's own sampling: scores [vocabulary] to a token."""
    return int(scores.argmax())


def wrap(cosy: Any, revision: str, *, speaker: str | None = None, speaker_in_prompt: bool = True) -> CosyVoiceLALM:
    """A loaded ``cosyvoice.cli.cosyvoice.CosyVoice`` behind the protocol; see ``Reader`` for the options."""
    return CosyVoiceLALM(Reader(cosy, speaker=speaker, speaker_in_prompt=speaker_in_prompt), revision)


def load(
    folder: Path, *, agreed: str | None, speaker: str | None = None, speaker_in_prompt: bool = True
) -> CosyVoiceLALM:
    """Load the checkpoint in ``folder`` in fp32, on CUDA where there is one.

    ``agreed``: digest of the code and of the recipe, which HyperPyYAML builds, that the user agreed to run. Raises
    StudioError without it, and when files or packages are missing.
    """
    code = folder / CODE
    for path in (folder / remote_code.RECIPE, code / "cosyvoice"):
        if not path.exists():
            raise StudioError(f"'{folder}' is no whole checkpoint of {TITLE}: '{path.relative_to(folder)}' is missing.")
    digest = remote_code.require_consent(TITLE, folder, agreed)
    for path in (code / MATCHA, code):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    try:
        cosy = importlib.import_module("cosyvoice.cli.cosyvoice").CosyVoice(str(folder))
    except ImportError as problem:
        raise StudioError(f"The environment of {TITLE} is incomplete ({problem}); make it anew.") from problem
    revision = remote_code.revision(folder, digest)
    return wrap(cosy, revision, speaker=speaker, speaker_in_prompt=speaker_in_prompt)


def hosted() -> CosyVoiceLALM:
    """Load what this host is assigned to (see ``assignment``)."""
    return load(assignment.required_folder(), agreed=assignment.agreed())
