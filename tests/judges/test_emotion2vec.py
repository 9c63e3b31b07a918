from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.judges import emotion2vec
from studio.judges.base import verdict
from studio.judges.catalog import judges, load_judge
from studio.judges.emotion2vec import Emotion2vecJudge, by_emotion
from studio.lalm.catalog import find_model

HUB = ("生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other", "难过/sad",
       "吃惊/surprised", "<unk>")  # fmt: skip
PLAIN = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")


@pytest.mark.parametrize("labels", [HUB, PLAIN, HUB[::-1]])
def test_labels_are_known_by_their_words_in_any_order(labels):
    scores = [number / 45 for number in range(1, 10)]
    found = by_emotion(labels, scores)
    assert list(found)[:5] == list(EMOTIONS)
    assert set(found) == {*EMOTIONS, "disgust", "fear", "other", "unknown"}
    assert sum(found.values()) == pytest.approx(1.0)
    for label, score in zip(labels, scores, strict=True):
        if label.endswith("surprised"):
            assert found["surprise"] == score
        if label.endswith("fearful"):
            assert found["fear"] == score


def test_the_verdict_is_the_predicted_label_of_all_nine():
    scores = dict.fromkeys(PLAIN, 0.05) | {"fearful": 0.35, "happy": 0.3}
    assert verdict(by_emotion(tuple(scores), tuple(scores.values()))) == "fear"
    scores |= {"fearful": 0.2, "disgusted": 0.2}
    assert verdict(by_emotion(tuple(scores), tuple(scores.values()))) == "happy"


def test_a_release_that_cannot_say_surprise_is_refused():
    with pytest.raises(
        StudioError, match="does not tell surprise; delete it with: esn-studio models remove emotion2vec, "
    ):
        by_emotion(("生气/angry", "开心/happy", "中立/neutral", "难过/sad", "<unk>"), (0.2,) * 5)


def test_clips_come_at_16_khz_and_too_short_ones_not_at_all():
    heard = []

    def classify(samples):
        heard.append(samples)
        return HUB, np.full(9, 1 / 9)

    judge = Emotion2vecJudge(classify)
    assert judge.name == "emotion2vec-plus-large"
    tone = np.sin(np.arange(24_000) / 20).astype(np.float32)
    judged = judge.judge(Clip(tone, 24_000, "tone"), None)
    assert judged["surprise"] == pytest.approx(1 / 9)
    [samples] = heard
    assert samples.shape == (16_000,)
    assert samples.dtype == np.float32
    with pytest.raises(StudioError, match=r"'tone' is too short to be judged \(0.04 s\)"):
        judge.judge(Clip(tone[:1000], 24_000, "tone"))
    assert len(heard) == 1


@pytest.fixture
def bare(monkeypatch):
    """An environment without the optional package."""
    monkeypatch.setitem(sys.modules, emotion2vec.PACKAGE, None)


@pytest.mark.usefixtures("bare")
def test_what_is_missing_is_said_with_the_line_that_installs_it():
    with pytest.raises(StudioError, match=r'The judge emotion2vec needs a package .*: pip install "funasr>=1.4"'):
        load_judge("emotion2vec")


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """A funasr that loads what is in a folder, and says in several lines what is wrong with it."""
    (tmp_path / "funasr_from_a_folder.py").write_text(
        "from pathlib import Path\n"
        "class AutoModel:\n"
        "    def __init__(self, *, model, disable_update, disable_pbar):\n"
        "        self.tokens = (Path(model) / 'tokens.txt').read_text().split()\n"
        "        if not (Path(model) / 'model.pt').read_bytes():\n"
        "            raise RuntimeError('no archive\\nmore\\nlines')\n"
        "    def generate(self, samples, **settings):\n"
        "        return [{'labels': self.tokens, 'scores': [1 / len(self.tokens)] * len(self.tokens)}]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(emotion2vec, "PACKAGE", "funasr_from_a_folder")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    yield find_model("emotion2vec")
    sys.modules.pop("funasr_from_a_folder", None)


def test_weights_are_read_where_the_studio_downloads_them_and_never_fetched(framework):
    line = r"^The judge emotion2vec needs weights that are not on .*: esn-studio models download emotion2vec$"
    with pytest.raises(StudioError, match=line):
        load_judge("emotion2vec")
    framework.weights.mkdir(parents=True)
    for name in framework.facts.files:
        (framework.weights / name).touch()
    (framework.weights / "tokens.txt").write_text("\n".join(HUB))
    with pytest.raises(StudioError, match=r"^emotion2vec\+large cannot be loaded from '.*': no archive$"):
        load_judge("emotion2vec")
    (framework.weights / "model.pt").write_bytes(b"weights")
    judged = load_judge("emotion2vec").judge(Clip(np.zeros(16_000, np.float32), 16_000, "silence"))
    assert judged["surprise"] == pytest.approx(1 / 9)


def test_the_catalog_says_what_can_be_loaded_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    entries = {entry.name: entry for entry in judges()}
    assert list(entries) == ["embedded", "emotion2vec", "audio-flamingo-3", "qwen2.5-omni", "qwen3-omni"]
    assert entries["embedded"].problem is None
    if find_spec("funasr") is None:
        assert entries["emotion2vec"].problem == 'It needs a package that is not installed: pip install "funasr>=1.4"'
    else:
        assert "esn-studio models download emotion2vec" in str(entries["emotion2vec"].problem)
