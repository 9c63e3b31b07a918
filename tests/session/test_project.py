"""Projects on disk: bit for bit, incremental, movable, and one sentence for whatever is wrong with one."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import soundfile

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.session.lossless import fits_flac, save_lossless
from studio.session.project import MaskReference, NumberedTake, Project, ProjectSource, read_project
from studio.session.projectfolder import ProjectFolder
from studio.session.records import read_take, take_record
from studio.session.render import render
from studio.session.reproduce import render_again
from studio.session.settings import RenderSettings
from studio.session.take import Take
from tests.toy import TEXT, ToyJudge, ToyLALM, tone, toy_mask

PANEL = {"target": "happy", "mode": "gain"}


def takes_of(source: Clip, mask_path: Path | None = None) -> tuple[NumberedTake, ...]:
    settings = [
        RenderSettings("happy", seed=4),
        RenderSettings("happy", strengths={"happy": 0.37}, mask_path=str(mask_path), layers=(0, 1)),
    ]
    made = render(ToyLALM(), source, settings, mask=toy_mask(), reference=TEXT, judge=ToyJudge())
    return tuple(NumberedTake(number, take) for number, take in enumerate(made, start=1))


@pytest.fixture
def mask_path(tmp_path: Path) -> Path:
    path = tmp_path / "masks" / "toy.esn.safetensors"
    path.parent.mkdir()
    toy_mask().save(path)
    return path


@pytest.fixture
def project(mask_path: Path) -> Project:
    source = tone(name="line")
    first, second = takes_of(source, mask_path)
    named = replace(second.take, name="the one", note="louder \N{EM DASH} ja", stars=4, naturalness=3.5, similarity=0.7)
    return Project(
        takes=(first, NumberedTake(7, named)),
        sources=(ProjectSource(source, "line  speaker 1", TEXT, demo=True),),
        source=0,
        panel=PANEL,
        mask=MaskReference(str(mask_path), toy_mask().fingerprint()),
        lanes={"A": 1, "B": 7},
        locks=("B",),
    )


def saved(project: Project, path: Path) -> Path:
    folder = ProjectFolder(path)
    folder.save(project)
    folder.close()
    return path


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change what ``project.json`` says."""
    document = json.loads((path / "project.json").read_text())
    change(document)
    (path / "project.json").write_text(json.dumps(document))
    return path


def test_a_project_comes_back_bit_for_bit(project: Project, mask_path: Path, tmp_path: Path) -> None:
    opened = read_project(saved(project, tmp_path / "p.esnstudio"))
    back = opened.project
    assert opened.problems == ()
    assert opened.masks == {toy_mask().fingerprint(): mask_path}
    assert [each.number for each in back.takes] == [1, 7]
    for before, after in zip(project.takes, back.takes, strict=True):
        assert take_record(before.take) == take_record(after.take)
        assert np.array_equal(before.take.audio.samples, after.take.audio.samples)
        assert before.take.audio.fingerprint() == after.take.audio.fingerprint()
        assert after.take.source is back.sources[0].clip
    source = back.sources[0]
    assert (source.title, source.reference, source.demo, source.clip.name) == ("line  speaker 1", TEXT, True, "line")
    assert source.clip.fingerprint() == project.sources[0].clip.fingerprint()
    assert (back.source, back.mask, dict(back.panel)) == (0, project.mask, PANEL)
    assert (dict(back.lanes), back.locks) == ({"A": 1, "B": 7}, ("B",))


def test_a_take_of_a_reopened_project_renders_to_the_same_bits(project: Project, tmp_path: Path) -> None:
    opened = read_project(saved(project, tmp_path / "p.esnstudio"))
    (mask,) = (EsnMask.load(path) for path in opened.masks.values())
    for each in opened.project.takes:
        comparison = render_again(ToyLALM(), each.take, mask)
        assert comparison.identical
        assert comparison.sentence == f"the same in all {len(each.take.audio.samples)} samples"


def test_only_what_is_new_is_written(project: Project, tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path / "p.esnstudio")
    folder.save(replace(project, takes=project.takes[:1]))
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*") if path.suffix in (".wav", ".flac")}
    assert len(before) == 2
    folder.save(project)
    after = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*") if path.suffix in (".wav", ".flac")}
    assert len(after) == 3
    assert before.items() <= after.items()
    folder.close()


def test_a_reopened_project_is_gone_on_with(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    folder, opened = ProjectFolder.open(path / "project.json")
    files = {each: each.stat().st_mtime_ns for each in path.rglob("*.wav")}
    folder.save(opened.project)
    assert {each: each.stat().st_mtime_ns for each in path.rglob("*.wav")} == files
    folder.save(replace(opened.project, takes=opened.project.takes[1:], lanes={}))
    assert set(path.rglob("*.wav")) == set(files), "a deletion can still be undone"
    folder.sweep(replace(opened.project, takes=opened.project.takes[1:]))
    assert len(list(path.rglob("takes/*"))) == 1
    folder.close()
    assert [each.number for each in read_project(path).project.takes] == [7]


def test_a_folder_moves_with_its_mask_and_without(project: Project, mask_path: Path, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "here" / "p.esnstudio")
    moved = tmp_path / "there" / "deeper"
    shutil.move(tmp_path / "here", moved)
    assert read_project(moved / path.name).masks == {toy_mask().fingerprint(): mask_path}
    shutil.move(mask_path.parent, tmp_path / "there" / "masks")
    opened = read_project(moved / path.name)
    assert opened.masks == {toy_mask().fingerprint(): (moved / path.name / "../../masks" / mask_path.name)}
    shutil.rmtree(tmp_path / "there" / "masks")
    opened = read_project(moved / path.name)
    assert opened.masks == {}
    assert opened.problems == (
        "The mask 'toy.esn.safetensors' is not there as it was; the 1 take that was made with it can be heard, but not "
        "rendered again.",
    )
    assert len(opened.project.takes) == 2


def test_another_mask_of_the_same_name_is_not_taken_for_it(project: Project, mask_path: Path, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    toy_mask(selector="LAP").save(mask_path)
    opened = read_project(path)
    assert opened.masks == {}
    with pytest.raises(StudioError, match="is not there as it was"):
        render_again(ToyLALM(), opened.project.takes[1].take, EsnMask.load(mask_path))


def test_two_windows_never_write_the_same_project(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    first, _ = ProjectFolder.open(path)
    with pytest.raises(StudioError, match="open in another window"):
        ProjectFolder.open(path)
    first.close()
    ProjectFolder.open(path)[0].close()


def test_nothing_is_written_over(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    with pytest.raises(StudioError, match="exists already"):
        ProjectFolder(path).save(project)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StudioError, match="choose another place"):
        ProjectFolder(blocked / "p.esnstudio").save(project)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged or cut short"),
        (b'{"format": "esn-studio project", "version": 1, "takes": [', "damaged or cut short"),
        (b"\xff\xfe\x00", "damaged or cut short"),
        (b"[" * 100_000, "damaged or cut short"),
        (b'{"format": "esn-studio project", "version": NaN}', "damaged or cut short"),
        (b"[1, 2]", "was not written by ESN Studio"),
        (b'{"format": "somebody else\'s"}', "was not written by ESN Studio"),
        (b'{"format": "esn-studio project", "version": "x"}', "its version is 'x'"),
        (b'{"format": "esn-studio project", "version": 2}', "newer ESN Studio"),
        (b'{"format": "esn-studio project", "version": 1}', "is damaged"),
    ],
)
def test_what_is_no_project_is_said_in_one_sentence(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "p.esnstudio"
    path.mkdir()
    (path / "project.json").write_bytes(content)
    with pytest.raises(StudioError, match=says) as raised:
        read_project(path)
    assert str(raised.value).count("\n") == 0
    assert str(raised.value).endswith(".")


def test_folders_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, says in (("empty", "holds no project.json"), ("none", "does not exist"), ("file", "is not a project")):
        with pytest.raises(StudioError, match=says):
            read_project(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("takes"),
        lambda document: document.update(takes={"1": 2}),
        lambda document: document["takes"][0].update(number="1"),
        lambda document: document["takes"][0].update(number=7),
        lambda document: document["takes"][0].update(stars=99),
        lambda document: document["takes"][0].update(id="../../etc/passwd"),
        lambda document: document["takes"][0].update(flags=["odd"]),
        lambda document: document["takes"][0].update(created="yesterday"),
        lambda document: document["takes"][0]["settings"].update(target="bored"),
        lambda document: document["takes"][0]["audio"].update(file="../../../outside.wav"),
        lambda document: document["takes"][0]["audio"].update(file="/etc/passwd"),
        lambda document: document["lanes"].update(A="one"),
        lambda document: document.update(mask="unknown"),
        lambda document: document.update(panel=3),
    ],
)
def test_damaged_records_are_one_sentence(project: Project, tmp_path: Path, change: Callable[[Any], Any]) -> None:
    path = edit(saved(project, tmp_path / "p.esnstudio"), change)
    with pytest.raises(StudioError, match=r"^The project 'p\.esnstudio' is damaged .*; open a copy of it\.$"):
        read_project(path)


def test_a_take_whose_sound_is_gone_is_left_out_but_not_forgotten(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    (sound,) = (path / "takes").glob("0007-*")
    kept = sound.read_bytes()
    sound.write_bytes(kept[: len(kept) // 2])
    folder, opened = ProjectFolder.open(path)
    assert [each.number for each in opened.project.takes] == [1]
    assert opened.project.lanes == {"A": 1}
    (problem,) = opened.problems
    assert problem.startswith("Take 7 of 'p.esnstudio' was left out: ")
    folder.save(opened.project)
    folder.close()
    sound.write_bytes(kept)
    assert [each.number for each in read_project(path).project.takes] == [1, 7]


def test_changed_sound_is_not_passed_off_as_the_take(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    (sound,) = (path / "takes").glob("0001-*")
    soundfile.write(sound, np.zeros(100, dtype=np.float32), 16_000, format="WAV", subtype="FLOAT")
    assert "is not what was saved" in read_project(path).problems[0]


def test_a_lost_source_takes_its_takes_with_it_until_it_is_back(project: Project, tmp_path: Path) -> None:
    path = saved(project, tmp_path / "p.esnstudio")
    (sound,) = (path / "sources").iterdir()
    away = tmp_path / sound.name
    shutil.move(sound, away)
    folder, opened = ProjectFolder.open(path)
    assert (opened.project.takes, opened.project.sources, opened.project.source) == ((), (), None)
    assert opened.problems[0].startswith("Takes 1, 7 of 'p.esnstudio' were left out: ")
    folder.save(opened.project)
    folder.close()
    shutil.move(away, sound)
    assert len(read_project(path).project.takes) == 2


def test_a_take_without_any_sound_is_kept_too(project: Project, tmp_path: Path) -> None:
    silent = Clip(np.zeros(0, dtype=np.float32), 16_000, "nothing")
    take = replace(project.takes[0].take, audio=silent)
    back = read_project(saved(replace(project, takes=(NumberedTake(1, take),), lanes={}), tmp_path / "p.esnstudio"))
    assert (len(back.project.takes[0].take.audio.samples), back.problems) == (0, ())


GRID = np.array([0, 1, -(2**23), 2**23 - 1], dtype=np.float64) / 2**23


@pytest.mark.parametrize(
    ("samples", "suffix"),
    [
        (GRID, ".flac"),
        (GRID / 2, ".wav"),
        (np.array([1.0, 0.5]), ".wav"),
        (np.array([0.5, -0.0]), ".wav"),
        (np.array([1e-9, -1.7]), ".wav"),
    ],
)
def test_clips_are_kept_bit_for_bit(samples: np.ndarray, suffix: str, tmp_path: Path) -> None:
    clip = Clip(samples.astype(np.float32), 16_000)
    assert fits_flac(clip) is (suffix == ".flac")
    path = save_lossless(tmp_path, "clip", clip)
    assert path.suffix == suffix
    assert load_clip(path).fingerprint() == clip.fingerprint()


def test_records_round_trip(project: Project) -> None:
    take: Take = project.takes[1].take
    again = read_take(json.loads(json.dumps(take_record(take))), take.source, take.audio)
    assert take_record(again) == take_record(take)
    assert again.flags == take.flags
    assert again.settings == take.settings


def test_sound_that_was_written_does_not_stay_in_memory_and_its_file_goes_with_the_take(
    project: Project, tmp_path: Path
) -> None:
    folder = ProjectFolder(tmp_path / "a.esnstudio")
    extra = Clip(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 8000)
    more = NumberedTake(9, replace(project.takes[0].take, id="9" * 32, audio=extra))
    folder.save(replace(project, takes=(*project.takes, more)))
    files = set((folder.path / "takes").iterdir())
    held = ref(extra)
    del extra, more
    gc.collect()
    assert held() is None
    folder.save(project)
    folder.sweep(project)
    gone = files - set((folder.path / "takes").iterdir())
    assert [path.name[:5] for path in gone] == ["0009-"]
    folder.close()
