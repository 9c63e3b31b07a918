"""Kimi-Audio-7B-Instruct, driven through ``kimia_infer.api.kimia.KimiAudio`` (github.com/MoonshotAI/Kimi-Audio).

Its 28 layers write text; a branch of 6 more (``mimo_layers``) leaves after layer 21 and writes speech tokens, in the
same forward pass. Layers 22 to 27 therefore reach the voice through nothing but the text that is fed back. Speech
tokens, 12.5 a second, begin six passes after the text: what those passes write of speech is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from studio.lalm.guest import LISTENING_RATE, SPEAKING_RATE, GuestLALM, Spoken, config_digest, described, seeded
from studio.lalm.pace import Following, on_the_clock
from studio.lalm.passes import Passes, Site, find, tap

MODEL_ID = "moonshotai/Kimi-Audio-7B-Instruct"
TITLE = "Kimi-Audio"
MAX_SECONDS = 30.0
TOKENS_PER_SECOND = 12.5
MAX_POSITIONS = 1500
"""Prompt and answer together; ``generate`` sets it itself when it is to speak."""

SPEAKABLE_TOKENS = 990
"""What ``detokenize_audio`` can turn into sound: after 33 chunks of 30 it is out of positions, which it cannot mend."""

GREEDY = {"audio_temperature": 0.0, "text_temperature": 0.0}
SAMPLED = {"audio_temperature": 0.8, "audio_top_k": 10, "text_temperature": 0.0}
"""What the project's own example samples with."""

GREEDY_SEED = 0
"""The flow that turns tokens into sound draws noise even when they are decoded greedily."""

TRUNK, TEXT_ONLY, AUDIO = "text and speech", "text only", "speech only"
"""What the layers before and after the fork, and the branch, write."""


class KimiAudio:
    """A loaded ``KimiAudio`` whose sound-making is watched; ``close`` undoes it."""

    passes_per_second = TOKENS_PER_SECOND

    def __init__(self, kimi: Any) -> None:
        passes = Passes(find(kimi, "alm.model"))
        self._sites = {
            LANGUAGE: tap(find(kimi, "alm.model.layers"), passes),
            SYNTHESIS: tap(find(kimi, "alm.model.mimo_layers"), passes),
        }
        self._kimi = kimi
        self._seed = GREEDY_SEED
        self._tokens: npt.NDArray[np.int64] | None = None
        self._go_on: Callable[[], None] = lambda: None
        self._detokenize = kimi.detokenize_audio
        kimi.detokenize_audio = self._make_sound

    @property
    def sites(self) -> Mapping[str, Site]:
        """Gates by module; both run in every pass."""
        return self._sites

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """What each layer can reach, by module."""
        fork = int(self._kimi.alm.config.kimia_mimo_transformer_from_layer_index)
        layers = len(self._sites[LANGUAGE].widths)
        return {
            LANGUAGE: tuple(TRUNK if layer <= fork else TEXT_ONLY for layer in range(layers)),
            SYNTHESIS: (AUDIO,) * len(self._sites[SYNTHESIS].widths),
        }

    @property
    def curves(self) -> Mapping[str, CurveUnit]:
        """See :attr:`studio.lalm.guest.Guest.curves`."""
        return {LANGUAGE: CurveUnit.TIME, SYNTHESIS: CurveUnit.TIME}

    def follow(self, module: str, request: ConversionRequest, curve: Automation) -> Following:
        """See :meth:`studio.lalm.guest.Guest.follow`, by the speech tokens so far; each pass reads the last."""
        passes = self._sites[module].passes
        first, delay = int(self._kimi.kimia_token_offset), int(self._kimi.kimia_text_audiodelaytokens)
        tokens = 0

        def spoken(index: int) -> float | None:
            nonlocal tokens
            if index:  # ids below the first are no speech: blanks before it, and what the loop leaves out
                tokens += int((passes.read() >= first).sum())
            return tokens / TOKENS_PER_SECOND if index >= delay else None

        return on_the_clock(request, curve, spoken)

    def speak(self, heard: FloatArray, says: str, seed: int | None, go_on: Callable[[], None]) -> Spoken:
        """See :meth:`studio.lalm.guest.Guest.speak`."""
        self._begin(seed, go_on)
        with TemporaryDirectory() as folder, seeded(self._seed, next(self._kimi.alm.parameters()).device):
            path = Path(folder) / "source.wav"
            wavefile.write(path, heard, LISTENING_RATE)
            sound, text = self._kimi.generate(
                [
                    {"role": "user", "message_type": "text", "content": says},
                    {"role": "user", "message_type": "audio", "content": str(path)},
                ],
                output_type="both",
                **(GREEDY if seed is None else SAMPLED),
            )
        if sound is None or self._tokens is None:
            raise StudioError(
                f"{TITLE} was loaded without what turns its tokens into sound; make its environment anew."
            )
        samples = np.asarray(sound.detach().float().cpu().view(-1).numpy(), dtype=np.float32)
        if not len(samples):
            raise StudioError(f"{TITLE} answered '{text}' but did not speak.")
        passes = self._sites[LANGUAGE].passes
        truncated = passes.prompt + passes.count >= MAX_POSITIONS or len(self._tokens) == SPEAKABLE_TOKENS
        return Spoken(str(text).strip(), samples, self._tokens, truncated)

    def close(self) -> None:
        """Give the model its own methods back."""
        del self._kimi.detokenize_audio

    def _begin(self, seed: int | None, go_on: Callable[[], None]) -> None:
        self._seed = GREEDY_SEED if seed is None else seed
        self._tokens, self._go_on = None, go_on

    def _make_sound(self, tokens: torch.Tensor) -> torch.Tensor:
        if not tokens.numel():
            raise StudioError(f"{TITLE} wrote no speech token; try another recording or weaker steering.")
        tokens = tokens[:, :SPEAKABLE_TOKENS]
        self._tokens = tokens[0].cpu().numpy().astype(np.int64)[:, None]
        # Sound starts from the seed however many tokens were drawn, so that steered and unsteered voices compare.
        torch.manual_seed(self._seed)
        with self._chunks_watched():
            made = self._detokenize(tokens)
        assert isinstance(made, torch.Tensor)
        return made

    @contextmanager
    def _chunks_watched(self) -> Iterator[None]:
        """Sound is made in chunks of 30 tokens, each of which takes as long as many passes; before each it may end."""
        detokenizer = self._kimi.detokenizer
        make = detokenizer.detokenize_streaming

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._go_on()
            return make(*args, **kwargs)

        detokenizer.detokenize_streaming = watched
        try:
            yield
        finally:
            del detokenizer.detokenize_streaming


def wrap(kimi: Any, revision: str) -> GuestLALM:
    """A loaded ``KimiAudio`` behind the protocol."""
    guest = KimiAudio(kimi)
    info = ModelInfo(
        model_id=MODEL_ID,
        revision=revision,
        config_digest=config_digest(kimi.alm.config),
        title=TITLE,
        gates={},
        rate=SPEAKING_RATE,
        max_seconds=MAX_SECONDS,
        layer_labels=guest.labels,
    )
    return GuestLALM(guest, described(info, guest))


def load(folder: Path, *, agreed: str | None) -> GuestLALM:
    """Load the checkpoint in ``folder`` in bf16, with its detokenizer.

    ``agreed``: digest of the code the user agreed to run. Raises StudioError without it, and where CUDA, flash-attn or
    ``kimia_infer`` are missing: the model's code runs with nothing else.
    """
    digest = remote_code.require_consent(TITLE, folder, agreed)
    if not torch.cuda.is_available():
        raise StudioError(f"{TITLE} needs a CUDA device, and this machine shows none.")
    try:
        from kimia_infer.api.kimia import KimiAudio as Kimi  # type: ignore[import-not-found]

        kimi = Kimi(str(folder), load_detokenizer=True)
    except ImportError as problem:
        raise StudioError(f"The environment of {TITLE} is incomplete ({problem}); make it anew.") from problem
    return wrap(kimi, remote_code.revision(folder, digest))


def hosted() -> GuestLALM:
    """Load what this host is assigned to (see ``assignment``)."""
    return load(assignment.required_folder(), agreed=assignment.agreed())
