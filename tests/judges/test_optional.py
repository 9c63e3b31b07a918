from __future__ import annotations

import sys

import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.judges import naturalness, speaker
from studio.judges.catalog import judge_names, load_judge
from studio.judges.optional import require
from studio.paths import resources_dir


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that imports one that is not there."""
    (tmp_path / "needs_a_stub.py").write_text("import not_there_at_all\nWORTH = 4.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "needs_a_stub"
    sys.modules.pop("needs_a_stub", None)


def test_a_stub_stands_in_only_while_importing(package):
    assert require(package, "Testing", "it", stub="not_there_at_all").WORTH == 4.5
    assert "not_there_at_all" not in sys.modules


def test_a_module_that_is_there_is_not_replaced(package, monkeypatch):
    real = type(sys)("not_there_at_all")
    monkeypatch.setitem(sys.modules, "not_there_at_all", real)
    require(package, "Testing", "it", stub="not_there_at_all")
    assert sys.modules["not_there_at_all"] is real


def test_what_is_missing_is_said_with_the_line_that_installs_it(package):
    with pytest.raises(StudioError, match="Testing needs a package that is not installed: pip install it"):
        require(package, "Testing", "it")


@pytest.fixture
def bare(monkeypatch):
    """An environment without the optional packages."""
    for name in ("distillmos", "resemblyzer"):
        monkeypatch.setitem(sys.modules, name, None)
    for cached in (naturalness._model, speaker._package, speaker._encoder):
        cached.cache_clear()


@pytest.mark.usefixtures("bare")
def test_optional_judges_say_what_to_install():
    clip = load_clip(resources_dir() / "demo/0011/Neutral/0011_000001.ogg")
    with pytest.raises(StudioError, match="pip install --no-deps distillmos"):
        naturalness.naturalness(clip)
    with pytest.raises(StudioError, match="pip install --no-deps Resemblyzer && pip install webrtcvad-wheels"):
        speaker.similarity(clip, clip)
    with pytest.raises(StudioError, match="is empty"):
        naturalness.naturalness(Clip(clip.samples[:0], clip.rate))


def test_judges_by_name():
    assert judge_names()[0] == "embedded"
    with pytest.raises(StudioError, match="no judge 'nobody'; known: embedded"):
        load_judge("nobody")
