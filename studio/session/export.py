"""Takes as sound files that say they are synthetic, each beside a JSON file that says how it was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.atomic import write_bytes, write_json
from studio.errors import Cancelled
from studio.lalm.base import Content
from studio.progress import Progress, never, no_progress
from studio.session import provenance
from studio.session.credentials import PARTLY_SYNTHETIC, SYNTHETIC
from studio.session.export_options import ExportOptions
from studio.session.mastering import Prepared, Statement, finish, prepare
from studio.session.naming import reserve, take_name
from studio.session.sidecar import audio_entry, heading
from studio.session.take import Take


@dataclass(frozen=True)
class Exported:
    """Where a take was written, and what was done on the way; ``sidecar`` is None where none was wanted."""

    audio: Path
    sidecar: Path | None
    prepared: Prepared


def export_take(
    take: Take, folder: Path, options: ExportOptions | None = None, *, name: str | None = None, number: int = 1
) -> Exported:
    """Write ``take`` into ``folder``, by default as WAV of 16 bit and a sidecar; a name that is taken gets a number.

    ``name`` goes before the template of ``options``, in which ``number`` is the take's. Every file is written whole
    or not at all, and nothing is ever overwritten. Raises StudioError when the folder cannot be written, the take
    holds no samples, or it cannot be signed.
    """
    options = options or ExportOptions()
    audio = reserve(folder, name or take_name(take, number, options.template), options.suffix)
    sidecar = audio.with_suffix(".json") if options.sidecar else None
    try:
        prepared = prepare(take.audio, options, audio.name)
        content = finish(prepared, _statement(take, audio.stem, prepared), options)
        write_bytes(audio, content)
        if sidecar is not None:
            rendered = {
                "samples_sha256": take.audio.fingerprint(),
                "rate": take.audio.rate,
                "seconds": round(take.audio.seconds, 3),
            }
            entry = audio_entry(audio.name, content, prepared, options)
            write_json(sidecar, heading() | {"audio": entry, "rendered": rendered} | take.describe())
    except BaseException:
        audio.unlink(missing_ok=True)
        raise
    return Exported(audio, sidecar, prepared)


def export_takes(
    takes: Sequence[tuple[int, Take]],
    folder: Path,
    options: ExportOptions,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> list[Exported]:
    """Export takes with their numbers, in order; raises as ``export_take`` does, Cancelled between two when asked to.

    What was written by then stays.
    """
    written = []
    for done, (number, take) in enumerate(takes, start=1):
        if cancelled():
            raise Cancelled
        written.append(export_take(take, folder, options, number=number))
        progress(done / len(takes))
    return written


def steering_of(take: Take) -> str:
    """Target and steering of a take in a few words: ``angry, gain angry 0.5``."""
    steered = [f"{emotion} {value:g}" for emotion, value in take.settings.strengths.items() if value]
    how = f"{take.settings.mode} {', '.join(steered)}" if steered else "not steered"
    return f"{take.settings.target}, {how}"


def _statement(take: Take, title: str, prepared: Prepared) -> Statement:
    claims = provenance.claims_of(take, prepared.sound)
    described = take.describe()
    return Statement(
        title=title,
        claims=claims,
        text=provenance.to_text(claims),
        summary=steering_of(take),
        created=take.created,
        about={name: described[name] for name in ("model", "mask", "settings")},
        # Under content lock, words and timbre are the recording's.
        source_type=PARTLY_SYNTHETIC if take.settings.content is Content.LOCK else SYNTHETIC,
    )
