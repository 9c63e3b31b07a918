"""Takes of the model that ships, saved, reopened and rendered again: the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.errors import StudioError
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.lalm.base import Content
from studio.lalm.catalog import load_model
from studio.session.masks import default_mask, load_mask
from studio.session.project import NumberedTake, Project, ProjectSource
from studio.session.projectfolder import ProjectFolder
from studio.session.render import render
from studio.session.reproduce import render_again
from studio.session.settings import RenderSettings
from studio.session.sources import DEFAULT_LINE, open_source


def test_takes_of_a_batch_come_back_bit_for_bit_one_by_one(tmp_path: Path) -> None:
    model = load_model()
    place = default_mask(model.info)
    assert place is not None
    source = open_source(DEFAULT_LINE)
    path, steered = str(place), {"angry": 0.8}
    asked = [
        RenderSettings("angry"),
        RenderSettings("angry", strengths=steered, mask_path=path),
        RenderSettings("happy", strengths={"happy": 0.4, "surprise": 0.3}, mask_path=path, seed=11),
        RenderSettings("angry", strengths=steered, mask_path=path, content=Content.LOCK),
    ]
    takes = render(model, source.clip, asked, mask=load_mask(place, model.info), reference=source.text)
    project = Project(
        takes=tuple(NumberedTake(number, take) for number, take in enumerate(takes, start=1)),
        sources=(ProjectSource(source.clip, "line", source.text, source.is_demo),),
        source=0,
    )
    folder = ProjectFolder(tmp_path / "p.esnstudio")
    folder.save(project)
    folder.close()
    folder, opened = ProjectFolder.open(folder.path)
    folder.close()
    assert opened.problems == ()
    (mask,) = (EsnMask.load(each) for each in opened.masks.values())
    for before, after in zip(takes, opened.project.takes, strict=True):
        assert after.take.audio.fingerprint() == before.audio.fingerprint()
        assert render_again(model, after.take, mask).identical


def test_a_take_of_learned_vectors_comes_back_with_them_only(tmp_path: Path) -> None:
    model = load_model()
    ((site, width),) = model.info.emosteer_sites.items()
    drawn = np.random.default_rng(0).normal(0, 40, (2, width, width)).astype(np.float32)
    vectors, others = (EmoVectors(width, site, {"angry": matrix}) for matrix in drawn)
    source = open_source(DEFAULT_LINE)
    asked = [
        RenderSettings("angry"),
        RenderSettings("angry", alphas={"angry": 1.0}, emosteer_path="here"),
        RenderSettings("angry", alphas={"angry": 0.0}, emosteer_path="here"),
    ]
    plain, steered, nothing = render(model, source.clip, asked, vectors=vectors)
    assert nothing.audio.fingerprint() == plain.audio.fingerprint() != steered.audio.fingerprint()
    assert steered.settings.emosteer_sha == vectors.fingerprint()
    assert nothing.settings.emosteer_sha is nothing.settings.emosteer_path is None
    settings = RenderSettings.from_json(steered.settings.to_json())
    assert settings == steered.settings
    assert render_again(model, steered, None, vectors).identical
    assert render_again(model, plain, None).identical
    for wrong in (None, others):
        with pytest.raises(StudioError, match=r"vectors this take was made with \(here\) are not there"):
            render_again(model, steered, None, wrong)
    model.close()
