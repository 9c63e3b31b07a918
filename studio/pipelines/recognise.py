"""Neurons of recognition: counted over correctly recognised clips, tested by ablation and gain (arXiv 2601.03115).

What is known of that paper here is its abstract: neurons are selected for each emotion, ablating them should degrade
the recognition of that emotion more than of others, and gain on them should pull answers towards it. Clips answered
with their own label are the success set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from studio.audio.clip import Clip
from studio.corpora.base import Utterance, corpus_fingerprint
from studio.emotions import EMOTIONS, in_order
from studio.errors import StudioError
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.esn.selectors import DEFAULT_PERCENTILE, DEFAULT_RATE, Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.judges.base import verdict
from studio.lalm.base import LANGUAGE, Progress, never, no_progress
from studio.lalm.recognition import RecognitionRequest, SpeechRecogniser
from studio.pipelines.evaluate import layer_matched
from studio.pipelines.listening import load_source

LABELS = "corpus labels"
"""What the success set is judged by, in masks."""

BASELINE, ABLATION, GAIN = "baseline", "ablation", "gain"
RANDOM_ABLATION, RANDOM_GAIN = "random ablation", "random gain"

_FIRST_SEED = 1000
"""Seeds of the random controls start here, as in ``evaluate``."""


@dataclass(frozen=True)
class RecogniseSettings:
    """How neurons are selected, and what is done to them.

    ``cap``: correct clips per emotion that count, a uniform sample; ``gain``: strength of the gain; ``random``: masks
    with the same number of neurons in each layer, the control of both. Raises StudioError for what makes no sense.
    """

    selector: Selector = Selector.CAS
    rate: float = DEFAULT_RATE
    percentile: float = DEFAULT_PERCENTILE
    cap: int = 50
    seed: int = 0
    gain: float = 1.0
    random: int = 3
    batch: int = 8
    split: str = ""

    def __post_init__(self) -> None:
        if self.cap < 1 or self.batch < 1 or self.random < 0 or not self.gain > 0:
            raise StudioError("Cap and batch must be at least 1, the gain above 0, random masks 0 or more.")


@dataclass(frozen=True)
class RecognitionEffect:
    """What one condition does to the answers, per emotion of the mask; changes against the baseline, in points.

    ``accuracy[mask][true]``: change of the share of clips of ``true`` that are recognised; ``pull[mask]``: change of
    the share of all clips that are answered with the mask's emotion. ``own`` and ``others``: mean change of accuracy
    on the mask's emotion and on all others; None where there is no such clip. Random controls are averaged.
    """

    accuracy: dict[str, dict[str, float]]
    pull: dict[str, float]
    own: float | None
    others: float | None


@dataclass(frozen=True, eq=False)
class RecognitionStudy:
    """The mask and its statistics, and the test of it.

    ``heard``: clips recognised while identifying, ``correct`` of them rightly, by emotion; ``accuracy``: percent per
    emotion of the test's clips at the baseline, ``clips`` their number; ``effects`` by condition; ``notes`` name the
    recordings that could not be used.
    """

    mask: EsnMask
    statistics: EmotionStatistics
    heard: dict[str, int]
    correct: dict[str, int]
    clips: dict[str, int]
    accuracy: dict[str, float]
    effects: dict[str, RecognitionEffect]
    metadata: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Condition:
    kind: str
    mask: str
    steering: Steering | None


_Answers = dict[tuple[str, str], list[tuple[str, str]]]
"""(kind, mask emotion) -> (true, answered) of every clip, of every random mask."""


def study(
    model: SpeechRecogniser,
    identification: Sequence[Utterance],
    test: Sequence[Utterance],
    settings: RecogniseSettings,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    date: str | None = None,
) -> RecognitionStudy:
    """Find the neurons on ``identification`` and intervene on them while ``test`` is recognised.

    Nothing is kept of an interrupted run: a clip costs one forward pass. Raises Cancelled when asked to stop,
    StudioError when nothing was recognised or the selection is empty.
    """
    sources = _Sources(model.info.max_seconds)
    statistics, heard, correct = _identify(
        model, sources, identification, settings, lambda share: progress(share / 2), cancelled, date
    )
    mask = select(
        statistics, settings.selector, settings.rate, seed=settings.seed, percentile=settings.percentile,
        compare=statistics.emotions,
    )  # fmt: skip
    answers = _test(model, sources, test, mask, settings, lambda share: progress(0.5 + share / 2), cancelled)
    baseline = answers[BASELINE, ""]
    clips = {emotion: sum(true == emotion for true, _ in baseline) for emotion in in_order(t for t, _ in baseline)}
    kinds = [
        kind for kind in (ABLATION, GAIN, RANDOM_ABLATION, RANDOM_GAIN) if any(kind == each for each, _ in answers)
    ]
    return RecognitionStudy(
        mask=mask,
        statistics=statistics,
        heard=heard,
        correct=correct,
        clips=clips,
        accuracy={emotion: _accuracy(baseline, emotion) for emotion in clips},
        effects={kind: effect(answers, kind) for kind in kinds},
        metadata={
            "model_id": model.info.model_id,
            "method": mask.method,
            "rate": settings.rate,
            "cap": settings.cap,
            "gain": settings.gain,
            "random": settings.random,
            "seed": settings.seed,
            "success": LABELS,
        },
        notes=tuple(f"Left out: {problem}" for problem in sources.left_out.values()),
    )


def effect(answers: _Answers, kind: str) -> RecognitionEffect:
    """Changes of one kind of condition against the baseline."""
    baseline = answers[BASELINE, ""]
    present = in_order(true for true, _ in baseline)
    accuracy, pull = {}, {}
    for each, mask in answers:
        if each == kind:
            own = answers[each, mask]
            accuracy[mask] = {true: _accuracy(own, true) - _accuracy(baseline, true) for true in present}
            pull[mask] = _share(own, mask) - _share(baseline, mask)
    same = [changes[mask] for mask, changes in accuracy.items() if mask in changes]
    other = [change for mask, changes in accuracy.items() for true, change in changes.items() if true != mask]
    return RecognitionEffect(
        accuracy, pull, float(np.mean(same)) if same else None, float(np.mean(other)) if other else None
    )


class _Sources:
    """Recordings as they are asked for, and why some of them could not be used."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self.left_out: dict[str, str] = {}

    def load(self, utterance: Utterance) -> Clip | None:
        """A recording; None, once its problem is noted, where it is no use."""
        try:
            return load_source(utterance.path, self._max_seconds)
        except StudioError as problem:
            self.left_out[utterance.key] = str(problem)
            return None


def _identify(
    model: SpeechRecogniser,
    sources: _Sources,
    utterances: Sequence[Utterance],
    settings: RecogniseSettings,
    progress: Progress,
    cancelled: Callable[[], bool],
    date: str | None,
) -> tuple[EmotionStatistics, dict[str, int], dict[str, int]]:
    """Counts over the first ``cap`` correct clips of each emotion in a random order, which is a uniform sample."""
    info = model.info
    queues: dict[str, list[Utterance]] = {}
    for emotion in EMOTIONS:
        own = sorted((each for each in utterances if each.emotion == emotion), key=lambda each: each.key)
        random.Random(f"recognise {emotion} {settings.seed}").shuffle(own)
        if own:
            queues[emotion] = own
    if len(queues) < 2:
        raise StudioError("Recognition needs recordings of at least two of the five emotions to identify from.")
    heard, correct = dict.fromkeys(queues, 0), dict.fromkeys(queues, 0)
    kept: dict[str, GateStatistics] = {}
    for turn, (emotion, queue) in enumerate(queues.items()):
        for start in range(0, len(queue), settings.batch):
            if correct[emotion] >= settings.cap:
                break
            part = queue[start : start + settings.batch]
            requests = [RecognitionRequest(clip) for each in part if (clip := sources.load(each)) is not None]
            answered = model.recognise(requests, record=True, cancelled=cancelled) if requests else []
            for found in answered:
                heard[emotion] += 1
                if verdict(found.probabilities) != emotion or correct[emotion] >= settings.cap:
                    continue
                if found.statistics is None:
                    raise StudioError("The model returned no gate counts although recording was asked for.")
                correct[emotion] += 1
                before = kept.get(emotion)
                kept[emotion] = found.statistics if before is None else before.merge(found.statistics)
            progress((turn + min(1.0, (start + len(part)) / len(queue))) / len(queues))
    if len(kept) < 2:
        counts = ", ".join(f"{emotion} {correct[emotion]} of {heard[emotion]}" for emotion in queues)
        raise StudioError(
            f"Fewer than two emotions were ever recognised ({counts}), so neurons cannot be contrasted; this model "
            "does not hear them in these recordings."
        )
    metadata = {
        "model_id": info.model_id,
        "model_revision": info.revision,
        "config_digest": info.config_digest,
        "module": LANGUAGE,
        "cap": settings.cap,
        "judge": LABELS,
        "corpus_fingerprint": corpus_fingerprint(utterances),
        "split": settings.split,
        "success_counts": {emotion: correct[emotion] for emotion in kept},
        "date": date or datetime.now(UTC).date().isoformat(),
    }
    return EmotionStatistics(info.gates[LANGUAGE], kept, metadata), heard, correct


def _test(
    model: SpeechRecogniser,
    sources: _Sources,
    utterances: Sequence[Utterance],
    mask: EsnMask,
    settings: RecogniseSettings,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> _Answers:
    if not utterances:
        raise StudioError("There are no recordings to test on.")
    conditions = list(_conditions(mask, settings))
    answers: _Answers = {(each.kind, each.mask): [] for each in conditions}
    for done, utterance in enumerate(utterances):
        progress(done / len(utterances))
        clip = sources.load(utterance)
        if clip is None:
            continue
        for start in range(0, len(conditions), settings.batch):
            part = conditions[start : start + settings.batch]
            found = model.recognise([RecognitionRequest(clip, each.steering) for each in part], cancelled=cancelled)
            for condition, one in zip(part, found, strict=True):
                answers[condition.kind, condition.mask].append((utterance.emotion, verdict(one.probabilities)))
    progress(1.0)
    if not answers[BASELINE, ""]:
        raise StudioError(f"None of the recordings to test on can be used. {next(iter(sources.left_out.values()))}")
    return answers


def _conditions(mask: EsnMask, settings: RecogniseSettings) -> Iterator[_Condition]:
    yield _Condition(BASELINE, "", None)
    controls = [layer_matched(mask, _FIRST_SEED + number) for number in range(settings.random)]
    for emotion in mask.emotions:
        for ablation, gain, drawn in (
            (ABLATION, GAIN, [mask]),
            (RANDOM_ABLATION, RANDOM_GAIN, controls),
        ):
            for each in drawn:
                yield _Condition(ablation, emotion, Steering(each, Mode.DEACTIVATE, {emotion: 1.0}))
                yield _Condition(gain, emotion, Steering(each, Mode.GAIN, {emotion: settings.gain}))


def _accuracy(answers: Sequence[tuple[str, str]], emotion: str) -> float:
    own = [answered == emotion for true, answered in answers if true == emotion]
    return 100.0 * float(np.mean(own))


def _share(answers: Sequence[tuple[str, str]], emotion: str) -> float:
    return 100.0 * float(np.mean([answered == emotion for _, answered in answers]))
