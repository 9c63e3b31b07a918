"""Does a mask steer, do learned vectors? Held-out utterances with and without them, judged (METHOD.md, section 5)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.audio.clip import Clip
from studio.corpora.base import Utterance
from studio.emotions import NEUTRAL, TARGETS
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer import EmoVectors
from studio.esn.intervention import Mode
from studio.esn.mask import EsnMask
from studio.judges.base import EmotionJudge, verdict
from studio.judges.content import WordErrors, word_errors
from studio.lalm.base import LANGUAGE, Conversion, Progress, SpeechLALM, never, no_progress
from studio.pipelines.candidates import Candidate, MaskCandidate, Steers, VectorsCandidate, layer_matched
from studio.pipelines.effects import BASELINE, CROSS, DEACTIVATE, RANDOM, SELF, Condition, Effect, Row, effects, matrix
from studio.pipelines.listening import hear, is_savable, load_source

__all__ = ["ALL", "EvaluateSettings", "Evaluation", "Group", "Measure", "Recogniser", "evaluate", "layer_matched"]

ALL = "all"
"""The group of all splits together."""

_FIRST_SEED = 1000
"""Seeds of the random controls start here, away from those people give Random masks, which may be evaluated too."""

Recogniser = Callable[[Clip], str]
Measure = Callable[[Clip, Clip], Mapping[str, float]]
"""Numbers by name from (conversion, source); raises StudioError where there are none."""


@dataclass(frozen=True)
class EvaluateSettings:
    """What is compared with the baseline.

    ``mode`` at each of ``strengths`` on the target's own neurons (self-effect); learned vectors know no mode, and their
    strengths are alphas. At ``control`` also the other
    emotions' neurons (cross-effect, matrix) and ``random`` masks with the same number of neurons in each layer.
    ``deactivate`` silences the target's own neurons. Raises StudioError for settings that make no sense.
    """

    targets: tuple[str, ...] = TARGETS
    mode: Mode = Mode.GAIN
    strengths: tuple[float, ...] = (0.3, 0.5, 1.0)
    control: float = 1.0
    random: int = 5
    deactivate: bool = True
    module: str = LANGUAGE
    batch: int = 32

    def __post_init__(self) -> None:
        if self.mode is Mode.DEACTIVATE:
            raise StudioError("Deactivation has no strength to sweep; choose gain, add or clamp.")
        if not self.targets or not self.strengths or not all(strength > 0 for strength in self.strengths):
            raise StudioError("Evaluation needs at least one target and strengths above 0.")
        if self.control not in self.strengths:
            raise StudioError(f"The control strength {self.control:g} must be one of the strengths.")
        if self.batch < 1 or self.random < 0:
            raise StudioError("The batch must be at least 1 and the number of random masks at least 0.")


@dataclass(frozen=True)
class Group:
    """Results over some utterances: every condition, the matrix mask emotion -> target -> points, and the gap.

    ``gap``: self-effect minus mean cross-effect at the control strength, in points. ``source_heard_wer``: what the
    recogniser gets wrong in the sources themselves, percent.
    """

    utterances: int
    effects: list[Effect]
    matrix: dict[str, dict[str, float]]
    gap: float | None
    source_heard_wer: float | None

    def effect(self, kind: str, strength: float = 0.0) -> Effect:
        """The effect of one condition; KeyError when it was not evaluated."""
        for each in self.effects:
            if each.condition == Condition(kind, strength):
                return each
        raise KeyError(Condition(kind, strength).name)


@dataclass(frozen=True)
class Evaluation:
    """Plain data: what was evaluated with what, and the results of each group (``all`` and every split)."""

    metadata: dict[str, Any]
    groups: dict[str, Group]
    notes: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list, repr=False)


def evaluate(
    model: SpeechLALM,
    judge: EmotionJudge,
    splits: Mapping[str, Sequence[Utterance]],
    mask: EsnMask | EmoVectors,
    settings: EvaluateSettings,
    *,
    recognise: Recogniser | None = None,
    measures: Sequence[Measure] = (),
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> Evaluation:
    """Convert the neutral utterances of ``splits`` under every condition and compare with the baseline.

    All conditions of one utterance run together, up to ``batch`` at a time: nothing is padded, its source is measured
    once, and its baselines are converted once. Decoding is greedy. Recordings that cannot be used are left out and
    named in the notes. Raises StudioError when the mask does not fit or nothing can be evaluated, Cancelled when asked
    to stop.
    """
    info = model.info
    if settings.module not in info.gates:
        raise StudioError(f"{info.title} has no {settings.module} module; it has {' and '.join(info.gates)}.")
    candidate: Candidate
    candidate = VectorsCandidate(mask) if isinstance(mask, EmoVectors) else MaskCandidate(mask, settings.mode)
    candidate.require_fit(info, settings.module)
    usable = {name: [each for each in part if each.emotion == NEUTRAL and each.text] for name, part in splits.items()}
    utterances = list({each.key: each for part in usable.values() for each in part}.values())
    if not utterances:
        raise StudioError("There are no neutral utterances with a transcript to evaluate on.")
    listener = _Listener(judge, recognise, measures)
    randoms = [candidate.control(_FIRST_SEED + number) for number in range(settings.random)]
    jobs = [job for target in settings.targets for job in _jobs(target, candidate, randoms, settings)]
    size = settings.batch if info.batches else 1
    rows: list[Row] = []
    heard: dict[str, WordErrors | None] = {}
    unreadable: dict[str, str] = {}
    for utterance in utterances:
        try:
            source = load_source(utterance.path, info.max_seconds)
        except StudioError as problem:
            # Not the end of hours of work for the sake of one file.
            unreadable[utterance.key] = str(problem)
            continue
        heard[utterance.key] = listener.errors(utterance.text or "", source)
        for start in range(0, len(jobs), size):
            part = jobs[start : start + size]
            conversions = model.convert(
                [job.steers.request(source, job.target, utterance.text) for job in part],
                module=settings.module,
                progress=_within(progress, len(rows), len(part), len(jobs) * (len(utterances) - len(unreadable))),
                cancelled=cancelled,
            )
            for job, conversion in zip(part, conversions, strict=True):
                if cancelled():
                    raise Cancelled
                rows.append(listener.row(job, utterance, source, conversion))
    if not rows:
        raise StudioError(next(iter(unreadable.values())))
    usable = {name: [each for each in part if each.key not in unreadable] for name, part in usable.items()}
    filled = {name: part for name, part in usable.items() if part}
    everything = [each for each in utterances if each.key not in unreadable]
    groups = {ALL: everything} | (filled if len(filled) > 1 else {})
    missing = [target for target in settings.targets if target not in candidate.emotions]
    lack = "mask has no neurons" if candidate.kind == "mask" else "learned vectors have no matrix"
    return Evaluation(
        metadata=_metadata(model, judge, candidate, settings, usable),
        groups={name: _group(part, rows, heard, settings.control) for name, part in groups.items()},
        notes=(
            *(f"The {lack} for {target}: only its baseline was evaluated." for target in missing),
            *(f"Left out: {problem}" for problem in unreadable.values()),
        ),
        rows=rows,
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """One conversion of every utterance."""

    target: str
    condition: Condition
    variant: str
    steers: Steers


def _jobs(
    target: str, candidate: Candidate, randoms: Sequence[Candidate], settings: EvaluateSettings
) -> Iterator[_Job]:
    """Everything that is converted to ``target``."""
    yield _Job(target, Condition(BASELINE), "", Steers())
    if target not in candidate.emotions:
        return
    for strength in settings.strengths:
        yield _Job(target, Condition(SELF, strength), target, candidate.steer(target, strength))
    control = settings.control
    for other in candidate.emotions:
        if other != target:
            yield _Job(target, Condition(CROSS, control), other, candidate.steer(other, control))
    for seed, drawn in enumerate(randoms):
        yield _Job(target, Condition(RANDOM, control), str(seed), drawn.steer(target, control))
    silenced = candidate.silenced(target) if settings.deactivate else None
    if silenced is not None:
        yield _Job(target, Condition(DEACTIVATE), target, silenced)


class _Listener:
    """Everything that listens to conversions."""

    def __init__(self, judge: EmotionJudge, recognise: Recogniser | None, measures: Sequence[Measure]) -> None:
        self._judge, self._recognise, self._measures = judge, recognise, measures

    def row(self, job: _Job, utterance: Utterance, source: Clip, conversion: Conversion) -> Row:
        """What is heard; a conversion that cannot be judged matches nothing."""
        text = utterance.text or ""
        judged = hear(self._judge, conversion.audio, source)
        measures: dict[str, float] = {}
        for measure in self._measures:
            with contextlib.suppress(StudioError):
                measures |= measure(conversion.audio, source)
        return Row(
            utterance=utterance.key,
            target=job.target,
            condition=job.condition,
            variant=job.variant,
            matched=not isinstance(judged, str) and verdict(judged) == job.target,
            probability=0.0 if isinstance(judged, str) else judged[job.target],
            text=word_errors(text, conversion.text),
            heard=self.errors(text, conversion.audio),
            measures=measures,
        )

    def errors(self, text: str, clip: Clip) -> WordErrors | None:
        """Errors in what the recogniser hears."""
        if self._recognise is None:
            return None
        return word_errors(text, self._recognise(clip) if is_savable(clip) else "")


def _within(progress: Progress, done: int, count: int, total: int) -> Progress:
    return lambda share: progress((done + count * share) / total)


def _group(
    part: Sequence[Utterance], rows: Sequence[Row], heard: Mapping[str, WordErrors | None], control: float
) -> Group:
    keys = {each.key for each in part}
    own = [row for row in rows if row.utterance in keys]
    found = effects(own)
    by_condition = {each.condition: each.mean.change for each in found}
    both = [by_condition.get(Condition(kind, control)) for kind in (SELF, CROSS)]
    errors = [error for key in sorted(keys) if (error := heard[key]) is not None]
    at_control = [row for row in own if row.condition.kind == BASELINE or row.condition.strength == control]
    return Group(
        utterances=len(keys),
        effects=found,
        matrix=matrix(at_control),
        gap=None if both[0] is None or both[1] is None else both[0] - both[1],
        source_heard_wer=100.0 * sum(errors, WordErrors(0, 0)).rate if errors else None,
    )


def _metadata(
    model: SpeechLALM,
    judge: EmotionJudge,
    candidate: Candidate,
    settings: EvaluateSettings,
    usable: Mapping[str, Sequence[Utterance]],
) -> dict[str, Any]:
    info = model.info
    return {
        "model_id": info.model_id,
        "model_revision": info.revision,
        "config_digest": info.config_digest,
        "module": settings.module,
        "judge": judge.name,
        **candidate.describe(),
        "strengths": list(settings.strengths),
        "control": settings.control,
        "random": settings.random,
        "targets": list(settings.targets),
        "utterances": {name: len(part) for name, part in usable.items()},
    }
