"""Measure the embedded model: ``python -m studio.lalm.embedded.training.assess --help``.

Converts held-out demo lines (or ``--recordings``, neutral speech of real people, with content lock) at several gains
and prints what became of words, sound, voice, emotion and prosody. Needs the ``eval`` extra.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora import esd
from studio.corpora.splits import TEST_SEEN, TEST_UNSEEN, esd_split
from studio.emotions import EMOTIONS, NEUTRAL
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.judges import acoustics, embedded
from studio.judges.asr import recognise
from studio.judges.base import verdict
from studio.judges.content import word_error_rate
from studio.judges.naturalness import naturalness
from studio.judges.speaker import similarity
from studio.lalm import embedded as model_package
from studio.lalm.base import Content, ConversionRequest
from studio.lalm.embedded import vocoder
from studio.lalm.embedded.limiter import limit
from studio.lalm.embedded.training.human_judge import HumanJudge
from studio.paths import resources_dir

_BATCH = 16


@dataclass(frozen=True)
class Measured:
    """One clip: a take, or (as its ``target`` says) a "source" or "copy"; errors in words written and words heard."""

    source: str
    speaker: str
    target: str
    gain: float
    text_wer: float
    heard_wer: float
    mos: float
    similarity: float
    judge: dict[str, float]
    human: dict[str, float]
    pitch: float
    pitch_range: float
    duration: float
    level: float


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker process needs to measure one clip."""

    name: str
    speaker: str
    target: str
    gain: float
    text: str
    reference_text: str
    clip: Clip
    source: Clip


class Measurer:
    """All measures, loaded once per process."""

    def __init__(self, human: Path, sentences: Sequence[str]) -> None:
        torch.set_num_threads(1)
        self._human = HumanJudge(human)
        self._embedded = embedded.load()
        self._sentences = frozenset(sentences)

    def __call__(self, job: Job) -> Measured:
        """Apply every measure to one clip."""
        sound = acoustics.measure(job.clip)
        known = bool(job.reference_text)
        return Measured(
            source=job.name,
            speaker=job.speaker,
            target=job.target,
            gain=job.gain,
            text_wer=word_error_rate(job.reference_text, job.text) if known else 0.0,
            heard_wer=word_error_rate(job.reference_text, recognise(job.clip, self._sentences)) if known else 0.0,
            mos=naturalness(job.clip),
            similarity=similarity(job.clip, job.source),
            judge=self._embedded.judge(job.clip, job.source),
            human=self._human.judge(job.clip, job.source),
            pitch=sound.pitch_median,
            pitch_range=sound.pitch_high - sound.pitch_low,
            duration=sound.duration,
            level=sound.level,
        )


@cache
def _measurer(human: Path, sentences: tuple[str, ...]) -> Measurer:
    """One per process: the judges are costly to load."""
    return Measurer(human, sentences)


def _measure(human: Path, sentences: tuple[str, ...], job: Job) -> Measured:
    return _measurer(human, sentences)(job)


def copied(clip: Clip) -> Clip:
    """A recording analysed, coded and synthesised again: the most that speech through this vocoder can sound like."""
    signal, factor = vocoder.normalise(clip.at_rate(vocoder.RATE).samples)
    analysis = vocoder.analyse(signal)
    envelope, bands = vocoder.decode(vocoder.code(analysis))
    samples = vocoder.synthesise(analysis.hertz, envelope, vocoder.decode_aperiodicity(bands))
    return Clip(limit(samples / factor), vocoder.RATE, clip.name)


def convert(
    sources: Sequence[tuple[str, str, str, Clip]], mask: EsnMask | None, gains: Iterable[float], content: Content
) -> list[Job]:
    """Sources, copies of them, and every source to every emotion at every gain (neutral only unsteered)."""
    model = model_package.load()
    jobs = [Job(name, speaker, "source", 0.0, text, text, clip, clip) for name, speaker, text, clip in sources]
    jobs += [Job(name, speaker, "copy", 0.0, text, text, copied(clip), clip) for name, speaker, text, clip in sources]
    for target in EMOTIONS:
        for gain in (0.0, *gains) if target != NEUTRAL else (0.0,):
            steering = Steering(mask, Mode.GAIN, {target: gain}) if mask is not None and gain > 0 else None
            for at in range(0, len(sources), _BATCH):
                batch = sources[at : at + _BATCH]
                requests = [ConversionRequest(clip, target, steering, content) for *_, clip in batch]
                for (name, speaker, text, clip), made in zip(batch, model.convert(requests), strict=True):
                    jobs.append(Job(name, speaker, target, gain, made.text, text, made.audio, clip))
    model.close()
    return jobs


_HEADER = (
    "| target | gain | n | text WER | heard WER | MOS | similarity | match | human match | p human "
    "| pitch st | range x | rate x | level dB |\n|" + "---|" * 14
)


def report(measured: Sequence[Measured], with_words: bool) -> str:
    """Tables of means per target and gain, as Markdown; pitch, range, rate and level against the source."""
    by_source = {each.source: each for each in measured if each.target == "source"}
    groups: dict[tuple[str, float], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.target, each.gain), []).append(each)
    lines = [_HEADER]
    for (target, gain), rows in groups.items():
        cells = _cells(rows, [by_source[each.source] for each in rows], target if target in EMOTIONS else NEUTRAL)
        words = cells[:2] if with_words else ["-", "-"]
        lines.append("| " + " | ".join([target, f"{gain:.2f}", str(len(rows)), *words, *cells[2:]]) + " |")
    return "\n".join(lines)


def _cells(rows: list[Measured], sources: list[Measured], aim: str) -> list[str]:
    pairs = list(zip(rows, sources, strict=True))

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    return [
        f"{100 * mean(take.text_wer for take in rows):.1f}",
        f"{100 * mean(take.heard_wer for take in rows):.1f}",
        f"{mean(take.mos for take in rows):.2f}",
        f"{mean(take.similarity for take in rows):.2f}",
        f"{100 * mean(verdict(take.judge) == aim for take in rows):.0f}",
        f"{100 * mean(verdict(take.human) == aim for take in rows):.0f}",
        f"{mean(take.human[aim] for take in rows):.3f}",
        f"{mean(take.pitch - source.pitch for take, source in pairs):+.1f}",
        f"{2 ** mean(_octaves(take.pitch_range, source.pitch_range) for take, source in pairs):.2f}",
        f"{2 ** mean(source.duration - take.duration for take, source in pairs):.2f}",
        f"{mean(take.level - source.level for take, source in pairs):+.1f}",
    ]


def _octaves(range_: float, other: float) -> float:
    return float(np.log2(max(range_, 0.5) / max(other, 0.5)))


def stranger_similarity(sources: Sequence[tuple[str, str, str, Clip]]) -> float | None:
    """Mean similarity of sources of different speakers, what a voice has to stand out from; None for one speaker."""
    pairs = [(a[3], b[3]) for a, b in pairwise(sources) if a[1] != b[1]]
    return float(np.mean([similarity(first, second) for first, second in pairs])) if pairs else None


def main() -> None:
    """Parse the command line, convert, measure, print and save."""
    parser = argparse.ArgumentParser(prog="python -m studio.lalm.embedded.training.assess", description=__doc__)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--human-egemaps", type=Path, required=True, help="table of functionals of human speech")
    parser.add_argument("--recordings", type=Path, nargs="*", help="neutral recordings; content lock")
    parser.add_argument("--gains", default="0.5,1.0")
    parser.add_argument("--limit", type=int, default=80, help="demo lines")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    corpus = esd.read(resources_dir() / "demo")
    if options.recordings:
        sources = [(path.name, path.parent.name, "", load_clip(path)) for path in options.recordings]
    else:
        split = esd_split(corpus)
        chosen = split[TEST_UNSEEN] + split[TEST_SEEN]
        order = np.random.default_rng(0).permutation(len(chosen))[: options.limit]
        sources = [
            (chosen[at].key, chosen[at].speaker, chosen[at].text or "", load_clip(chosen[at].path)) for at in order
        ]
    torch.set_num_threads(1)
    mask = EsnMask.load(options.mask) if options.mask else None
    gains = [float(value) for value in options.gains.split(",")] if mask else []
    jobs = convert(sources, mask, gains, Content.LOCK if options.recordings else Content.FREE)
    sentences = tuple(sorted({each.text for each in corpus if each.text}))
    with ProcessPoolExecutor(options.workers) as pool:
        measured = list(pool.map(partial(_measure, options.human_egemaps, sentences), jobs, chunksize=8))
    options.out.mkdir(parents=True, exist_ok=True)
    text = report(measured, with_words=not options.recordings)
    strangers = stranger_similarity(sources)
    text += "\n" if strangers is None else f"\n\nSimilarity of different speakers' sources: {strangers:.2f}\n"
    print(text)
    (options.out / "report.md").write_text(text, encoding="utf-8")
    (options.out / "measured.json").write_text(json.dumps([asdict(each) for each in measured]), encoding="utf-8")


if __name__ == "__main__":
    main()
