"""Why conversions were rejected, counted."""

from __future__ import annotations

from dataclasses import replace

from studio.pipelines.attempts import Rules, attempt, load_sources
from studio.pipelines.plan import plan
from studio.pipelines.records import rejections_of
from tests.pipelines.toy import ToyJudge


class Fearful(ToyJudge):
    """Knows more than the five, as emotion2vec does, and hears fear wherever it would hear sadness."""

    def judge(self, clip, reference=None):
        heard = super().judge(clip, reference)
        return heard | {"sad": 0.0, "fear": heard["sad"]}


def test_an_emotion_outside_the_five_is_a_reason_that_is_counted(corpus, model):
    missing = replace(corpus[0], path=corpus[0].path.with_name("absent.flac"))
    attempts = []
    for batch in plan([missing, *corpus[1:]], ("angry", "sad"), 8, seed=3):
        sources = load_sources(batch, model.info.max_seconds)
        found = attempt(model, Fearful(), batch, sources, Rules("language", wer_threshold=0.15))
        attempts += [each.attempt for each in found]
    afraid = [each for each in attempts if each.emotion == "sad" and each.reason == "heard as fear"]
    assert afraid
    assert all(each.judged["fear"] == max(each.judged.values()) for each in afraid)
    rejections = rejections_of(attempts)
    assert rejections["sad"]["heard as fear"] == len(afraid)
    assert {kinds["not judged"] for kinds in rejections.values()} == {1}
    for emotion, kinds in rejections.items():
        own = [each for each in attempts if each.emotion == emotion]
        assert kinds.get("words lost", 0) == sum(each.reason.startswith("WER ") for each in own)
        assert sum(kinds.values()) == sum(not each.success for each in own)
        assert list(kinds.values()) == sorted(kinds.values(), reverse=True)
    assert sum(kinds.get("words lost", 0) for kinds in rejections.values()) > 0


def test_successes_are_no_rejections(corpus, model, judge):
    [batch] = plan(corpus[:4], ("angry",), 4, seed=3)
    found = attempt(model, judge, batch, load_sources(batch, 5.0), Rules("language", wer_threshold=5.0))
    attempts = [replace(each.attempt, success=True, reason="") for each in found]
    assert rejections_of(attempts) == {}
