"""An A/B reel: one sound file that alternates two readings, tones telling which comes, and cue sheets for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import studio
from studio.atomic import write_bytes, write_json
from studio.audio.clip import Clip, FloatArray
from studio.audio.files import load_clip
from studio.audio.loudness import match_gains, to_loudness
from studio.errors import StudioError
from studio.session import provenance
from studio.session.credentials import COMPOSITE, PARTLY_SYNTHETIC
from studio.session.export_options import ExportOptions
from studio.session.mastering import Prepared, Statement, finish, prepare
from studio.session.naming import reserve
from studio.session.provenance import Claims
from studio.session.sidecar import audio_entry, heading
from studio.session.verify import verify

A, B = "A", "B"
LEGEND = "One low tone announces A, two high tones announce B."
TONES: Mapping[str, tuple[float, int]] = {A: (523.25, 1), B: (783.99, 2)}
"""Pitch in Hz and number of the tones ahead of each reading: told apart by either."""

GAP_SECONDS = 0.4
MOST_REPEATS = 20
"""How often each reading is heard at most."""

_KEPT: tuple[str, ...] = ("source", "model", "mask", "settings", "text")
"""Of a sidecar, what a reel says of the reading it belongs to."""

_TONE_SECONDS = 0.15
_BETWEEN_SECONDS = 0.08
_FADE_SECONDS = 0.01
_TONE_LEVEL = 0.1
_CD_FRAMES = 75


@dataclass(frozen=True, eq=False)
class Part:
    """One of two readings: its sound, what it is called, what is known of how it was made (plain JSON).

    ``synthetic`` is whether it is known to be synthetic speech.
    """

    clip: Clip
    title: str
    about: Mapping[str, Any]
    synthetic: bool


@dataclass(frozen=True)
class Cue:
    """A stretch of a reel, in samples: ``start`` of the tones that announce ``label``, its ``speech``, its ``stop``."""

    label: str
    start: int
    speech: int
    stop: int


@dataclass(frozen=True, eq=False)
class Reel:
    """A reel's sound, its stretches in order, and the gain in dB each reading got."""

    clip: Clip
    cues: tuple[Cue, ...]
    gains: Mapping[str, float]


def open_part(path: Path) -> Part:
    """A reading from a sound file, with what its sidecar and texts say. Raises StudioError when it cannot be read."""
    report = verify(path)
    document = report.sidecar or {}
    about = {name: document[name] for name in _KEPT if name in document}
    return Part(
        load_clip(path), path.stem, about | {"file": path.name, "verdict": str(report.verdict)}, report.synthetic
    )


def build_reel(a: Clip, b: Clip, *, repeats: int = 2, rate: int | None = None, loudness: float | None = None) -> Reel:
    """A and B in turn, ``repeats`` times each, equally loud (BS.1770), neither of them clipping.

    The rate is the higher of the two unless given in Hz; ``loudness`` in LUFS is approached as far as both peaks
    allow. Raises StudioError when a reading is empty or ``repeats`` is not 1 to 20.
    """
    if not 1 <= repeats <= MOST_REPEATS:
        raise StudioError(f"A reel repeats its readings 1 to {MOST_REPEATS} times, not {repeats}.")
    for label, clip in ((A, a), (B, b)):
        if len(clip.samples) == 0:
            raise StudioError(f"{label} has no samples; a reel needs two readings.")
    used = rate or max(a.rate, b.rate)
    clips = {A: a.at_rate(used), B: b.at_rate(used)}
    gains = _gains(clips, loudness)
    speech = {label: _amplified(clip, gains[label]) for label, clip in clips.items()}
    gap = np.zeros(round(GAP_SECONDS * used), np.float32)
    pieces: list[FloatArray] = []
    cues: list[Cue] = []
    at = 0
    for label in (A, B) * repeats:
        tones = _tones(label, used)
        pieces += [tones, gap, speech[label], gap]
        begins = at + len(tones) + len(gap)
        cues.append(Cue(label, at, begins, begins + len(speech[label])))
        at = cues[-1].stop + len(gap)
    return Reel(Clip(np.concatenate(pieces), used, "A/B reel"), tuple(cues), gains)


def write_reel(
    path: Path, a: Part, b: Part, options: ExportOptions, *, repeats: int = 2
) -> tuple[Path, dict[str, Any]]:
    """Write a reel with ``.cue`` and ``.json`` beside it; returns where it went and what the JSON file says.

    The suffix of ``path`` becomes that of the container, and its name gets a number where it is taken. Raises
    StudioError when files cannot be written or signed, and as ``build_reel`` does.
    """
    parts = {A: a, B: b}
    reel = build_reel(a.clip, b.clip, repeats=repeats, rate=options.rate, loudness=options.loudness)
    audio = reserve(path.parent, path.stem, options.suffix)
    try:
        # The readings have their loudness; that of the whole, tones and gaps included, is nobody's aim.
        prepared = prepare(reel.clip, replace(options, loudness=None), audio.name)
        content = finish(prepared, _statement(audio.stem, parts, prepared), options)
        synthetic = any(part.synthetic for part in parts.values())
        document = heading(synthetic, _disclosure(parts)) | {
            "audio": audio_entry(audio.name, content, prepared, options),
            "legend": LEGEND,
            "readings": {label: _reading(part, reel.gains[label]) for label, part in parts.items()},
            "cues": [_cue(cue, reel.clip.rate) for cue in reel.cues],
        }
        write_bytes(audio, content)
        write_bytes(audio.with_suffix(".cue"), cue_sheet(audio.name, reel, parts).encode("utf-8", "replace"))
        write_json(audio.with_suffix(".json"), document)
    except BaseException:
        for suffix in (options.suffix, ".cue"):
            audio.with_suffix(suffix).unlink(missing_ok=True)
        raise
    return audio, document


def cue_sheet(file: str, reel: Reel, parts: Mapping[str, Part]) -> str:
    """A ``.cue`` sheet: a track for each stretch, its tones as pregap, in 1/75 s; the legend stands in remarks."""
    lines = [f'REM "{LEGEND}"']
    lines += [f'REM {label} "{_quoted(part.title)}"' for label, part in parts.items()]
    lines += ['TITLE "A/B reel"', f'FILE "{_quoted(file)}" WAVE']
    for number, cue in enumerate(reel.cues, start=1):
        lines += [
            f"  TRACK {number:02d} AUDIO",
            f'    TITLE "{cue.label}: {_quoted(parts[cue.label].title)}"',
            f"    INDEX 00 {_cd_time(cue.start, reel.clip.rate)}",
            f"    INDEX 01 {_cd_time(cue.speech, reel.clip.rate)}",
        ]
    return "\n".join(lines) + "\n"


def _gains(clips: Mapping[str, Clip], loudness: float | None) -> dict[str, float]:
    if loudness is not None:
        # What the quieter of the two can reach, both get.
        loudness = min(loudness, *(to_loudness(clip, loudness).loudness for clip in clips.values()))
        return {label: to_loudness(clip, loudness).gain for label, clip in clips.items()}
    return dict(zip(clips, match_gains(list(clips.values())), strict=True))


def _amplified(clip: Clip, gain: float) -> FloatArray:
    return (clip.samples * np.float32(10.0 ** (gain / 20.0))).astype(np.float32)


def _tones(label: str, rate: int) -> FloatArray:
    pitch, number = TONES[label]
    times = np.arange(round(_TONE_SECONDS * rate)) / rate
    fade = np.sin(np.clip(np.minimum(times, times[::-1]) / _FADE_SECONDS, 0.0, 1.0) * np.pi / 2) ** 2
    tone = (_TONE_LEVEL * fade * np.sin(2 * np.pi * pitch * times)).astype(np.float32)
    silence = np.zeros(round(_BETWEEN_SECONDS * rate), np.float32)
    return np.concatenate([tone, *[silence, tone] * (number - 1)])


def _statement(title: str, parts: Mapping[str, Part], prepared: Prepared) -> Statement:
    synthetic = any(part.synthetic for part in parts.values())
    claims = Claims(synthetic, tool=f"{provenance.TOOL} {studio.__version__}", sound=prepared.sound)
    return Statement(
        title=title,
        claims=claims,
        text=provenance.to_text(claims, _disclosure(parts)),
        summary="A/B reel; " + "; ".join(f"{label} {part.title}" for label, part in parts.items()),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        about={label: dict(part.about) for label, part in parts.items()},
        source_type=PARTLY_SYNTHETIC if synthetic else COMPOSITE,
    )


def _disclosure(parts: Mapping[str, Part]) -> str:
    made = [label for label, part in parts.items() if part.synthetic]
    if len(made) == len(parts):
        return provenance.DISCLOSURE
    if made:
        return (
            f"{provenance.MARK} in part: {made[0]} was made by an audio language model; of the other nothing is known."
        )
    return ""


def _reading(part: Part, gain: float) -> dict[str, Any]:
    return {"title": part.title, "synthetic_speech": part.synthetic, "gain_db": round(gain, 2), **part.about}


def _cue(cue: Cue, rate: int) -> dict[str, Any]:
    times = {"tone": cue.start, "speech": cue.speech, "stop": cue.stop}
    return {"label": cue.label, **{f"{name}_seconds": round(at / rate, 4) for name, at in times.items()}}


def _cd_time(sample: int, rate: int) -> str:
    frames = round(sample / rate * _CD_FRAMES)
    return f"{frames // (60 * _CD_FRAMES):02d}:{frames // _CD_FRAMES % 60:02d}:{frames % _CD_FRAMES:02d}"


def _quoted(text: str) -> str:
    return text.replace('"', "'")
