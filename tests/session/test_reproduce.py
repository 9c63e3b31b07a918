"""Takes of the model that ships, saved, reopened and rendered again: the same bits."""

from __future__ import annotations

from pathlib import Path

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
