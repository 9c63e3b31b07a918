"""From samples to the bytes of a sound file: rate, loudness, sample format, what it says about itself, signature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.audio import flac, riff
from studio.audio.clip import Clip
from studio.audio.files import AudioFileError, decode, encode
from studio.audio.loudness import Levelled, integrated_loudness, to_loudness
from studio.session import provenance
from studio.session.credentials import sign
from studio.session.export_options import ExportOptions
from studio.session.provenance import Claims

_BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}


@dataclass(frozen=True)
class Prepared:
    """A sound file without texts: ``encoded`` bytes at ``rate`` Hz, and the fingerprint of the ``sound`` they hold.

    ``gain`` in dB was applied, ``loudness`` is in LUFS (None for silence), ``clipped_samples`` had to be clipped to
    fit the sample format, ``notes`` are sentences on what did not go as asked.
    """

    encoded: bytes
    sound: str
    rate: int
    seconds: float
    gain: float
    loudness: float | None
    clipped_samples: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """What a sound file is to say about itself.

    ``text`` goes into its comment, ``summary`` into the first words of its description, ``about`` (plain JSON) and
    ``source_type`` (an IPTC digital source type) into its content credentials. ``created`` is UTC, ISO 8601.
    """

    title: str
    claims: Claims
    text: str
    summary: str
    created: str
    about: Mapping[str, Any]
    source_type: str


def prepare(clip: Clip, options: ExportOptions, name: str) -> Prepared:
    """``clip`` at the rate and loudness of ``options``, encoded; ``name`` is what messages call it.

    Raises AudioFileError when there is nothing to encode.
    """
    if len(clip.samples) == 0:
        raise AudioFileError(f"There is nothing to save in '{name}': the clip has no samples.")
    resampled = clip if options.rate is None else clip.at_rate(options.rate)
    if options.loudness is None:
        levelled = Levelled(resampled, 0.0, integrated_loudness(resampled), "")
    else:
        levelled = to_loudness(resampled, options.loudness)
    encoded, clipped = encode(levelled.clip, options.container, options.subtype, name)
    audible = math.isfinite(levelled.loudness)
    notes = []
    if levelled.limit:
        reached = f"{levelled.loudness:.1f} LUFS" if audible else "silence"
        notes.append(f"{name} is at {reached}, not {options.loudness:g} LUFS: {levelled.limit}.")
    if clipped:
        notes.append(f"{name} has {clipped} clipped samples; export it as float or with a loudness target.")
    return Prepared(
        encoded=encoded,
        sound=decode(encoded).fingerprint(),
        rate=resampled.rate,
        seconds=resampled.seconds,
        gain=round(levelled.gain, 2),
        loudness=round(levelled.loudness, 2) if audible else None,
        clipped_samples=clipped,
        notes=tuple(notes),
    )


def finish(prepared: Prepared, statement: Statement, options: ExportOptions) -> bytes:
    """The bytes of the sound file with what it says about itself, signed where ``options`` name who signs.

    Raises StudioError when it cannot be signed.
    """
    said = statement.claims, statement.title, statement.text, statement.created
    if options.container == "FLAC":
        content = flac.with_comments(prepared.encoded, provenance.TOOL, provenance.vorbis_comments(*said))
    else:
        coding = f"A=PCM,F={prepared.rate},W={_BITS[options.subtype]},M=mono"
        chunk = provenance.broadcast(statement.claims, statement.summary, statement.created, coding, prepared.loudness)
        content = riff.with_texts(prepared.encoded, provenance.info_texts(*said), chunk)
    if options.identity is None:
        return content
    file = statement.title + options.suffix
    return sign(content, options.container, file, statement.about, statement.source_type, options.identity)
