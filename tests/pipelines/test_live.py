from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from studio.errors import Cancelled
from studio.esn.selectors import Selector, select
from studio.pipelines.identify import IdentifySettings, Progressed, identify, load_job_statistics
from studio.pipelines.live import LiveEvidence
from studio.pipelines.records import JobError, read_attempts
from studio.pipelines.verdicts import record_verdict
from studio.pipelines.workers import InProcess

SETTINGS = IdentifySettings(rate=0.1, batch=4, cap=5, seed=3)


def same(ours, theirs):
    assert ours.metadata == theirs.metadata
    assert ours.emotions == theirs.emotions
    for emotion, counts in theirs.by_emotion.items():
        mine = ours.by_emotion[emotion]
        assert mine.tokens == counts.tokens
        assert all(torch.equal(getattr(mine, name), getattr(counts, name)) for name in ("active", "total", "total_sq"))


def test_at_every_moment_it_says_what_the_folder_says(corpus, model, judge, tmp_path):
    work = tmp_path / "job"
    live = LiveEvidence(work)
    seen = []

    def look(event):
        if isinstance(event, Progressed):
            now = live.statistics()
            if now is None:
                assert not sum(event.successes.values())
                return
            same(now, load_job_statistics(work))
            seen.append({emotion: counts.tokens for emotion, counts in now.by_emotion.items()})

    found = identify(InProcess(model, judge), corpus, SETTINGS, work, on_event=look)
    assert len(seen) > 4
    assert all(later.get(emotion, 0) >= count for early, later in pairwise(seen)
               for emotion, count in early.items())  # fmt: skip
    final = live.mask(Selector.CAS, 0.1)
    assert final is not None
    assert final.to_bytes() == found.mask.to_bytes()


def test_counts_are_read_once(corpus, model, judge, tmp_path):
    work = tmp_path / "job"
    identify(InProcess(model, judge), corpus, SETTINGS, work)
    live = LiveEvidence(work)
    first = live.mask(Selector.MAD, 0.1)
    for shard in (work / "shards").iterdir():
        shard.write_bytes(b"")
    again = live.mask(Selector.MAD, 0.1)
    assert first is not None
    assert again is not None
    assert again.to_bytes() == first.to_bytes()


def test_it_follows_the_verdicts_of_people(corpus, model, judge, tmp_path):
    work = tmp_path / "job"
    identify(InProcess(model, judge), corpus, SETTINGS, work)
    live = LiveEvidence(work, cap=3, human=True)
    assert live.mask() is None
    ids = [each.id for each in read_attempts(work)]
    for step, (attempt_id, accepted) in enumerate([*((each, True) for each in ids), (ids[0], False), (ids[9], None)]):
        record_verdict(work, attempt_id, accepted)
        if step % 7 == 0 or step >= len(ids):
            now = live.statistics()
            assert now is not None
            same(now, load_job_statistics(work, cap=3, human=True))
    mask = live.mask(Selector.CAS, 0.1)
    assert mask is not None
    assert mask.method == "CAS-H"
    assert mask.to_bytes() == select(load_job_statistics(work, cap=3, human=True), Selector.CAS, 0.1).to_bytes()


def test_before_anything_is_converted_there_is_no_mask(corpus, model, judge, tmp_path):
    with pytest.raises(JobError, match="is no identification job"):
        LiveEvidence(tmp_path).mask()
    with pytest.raises(Cancelled):
        identify(InProcess(model, judge), corpus, SETTINGS, tmp_path / "job", pausing=lambda: True)
    assert LiveEvidence(tmp_path / "job").mask() is None
