"""Finding and reading masks for a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.session.masks import default_mask, fitting_masks, load_mask, module_of
from tests.toy import INFO, toy_mask


def test_the_default_comes_first_and_what_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    toy_mask(selector="Random").save(tmp_path / "a-random.esn.safetensors")
    toy_mask(selector="CAS").save(tmp_path / "b-cas.esn.safetensors")
    toy_mask(model_id="other").save(tmp_path / "c-other.esn.safetensors")
    toy_mask(widths=(9, 9)).save(tmp_path / "d-wide.esn.safetensors")
    (tmp_path / "e-broken.esn.safetensors").write_bytes(b"not a mask")
    (tmp_path / "f.txt").write_text("no mask at all")
    names = [path.name for path in fitting_masks(INFO, folder=tmp_path)]
    assert names == ["b-cas.esn.safetensors", "a-random.esn.safetensors"]


def test_masks_of_other_modules_come_last_where_the_model_has_them(tmp_path: Path) -> None:
    of_synthesis().save(tmp_path / "a.esn.safetensors")
    toy_mask(selector="MAD").save(tmp_path / "b.esn.safetensors")
    both = replace(INFO, gates={"language": (8, 8), "synthesis": (8, 8)})
    assert [path.name for path in fitting_masks(both, folder=tmp_path)] == ["b.esn.safetensors", "a.esn.safetensors"]
    assert [path.name for path in fitting_masks(INFO, folder=tmp_path)] == ["b.esn.safetensors"]
    assert [path.name for path in fitting_masks(both, "synthesis", tmp_path)] == ["a.esn.safetensors"]


def of_synthesis() -> EsnMask:
    mask = toy_mask()
    return replace(mask, metadata=mask.metadata | {"module": "synthesis"})


def test_the_masks_folder_is_where_the_default_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESN_STUDIO_HOME", str(tmp_path))
    assert default_mask(INFO) is None
    (tmp_path / "masks").mkdir()
    toy_mask().save(tmp_path / "masks" / "toy.esn.safetensors")
    assert default_mask(INFO) == tmp_path / "masks" / "toy.esn.safetensors"


def test_a_users_own_masks_come_after_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESN_STUDIO_HOME", str(tmp_path))
    monkeypatch.setattr("studio.session.masks.user_masks_dir", lambda: tmp_path / "own")
    for folder, selector in (("masks", "MAD"), ("own", "CAS")):
        (tmp_path / folder).mkdir()
        toy_mask(selector=selector).save(tmp_path / folder / "toy.esn.safetensors")
    assert [path.parent.name for path in fitting_masks(INFO)] == ["masks", "own"]


def test_a_loaded_mask_fits(tmp_path: Path) -> None:
    path = tmp_path / "m.esn.safetensors"
    toy_mask().save(path)
    assert load_mask(path, INFO).fingerprint() == toy_mask().fingerprint()
    with pytest.raises(StudioError, match="no synthesis module"):
        load_mask(path, INFO, "synthesis")
    both = replace(INFO, gates={"language": (8, 8), "synthesis": (8, 8)})
    assert load_mask(path, both).fingerprint() == toy_mask().fingerprint()
    with pytest.raises(StudioError, match="for the module language, not for synthesis"):
        load_mask(path, both, "synthesis")
    of_synthesis().save(path)
    assert module_of(load_mask(path, both)) == "synthesis"
    with pytest.raises(StudioError, match=r"'m.esn.safetensors' holds neurons of a synthesis module, and Toy has only"):
        load_mask(path, INFO)
    toy_mask(widths=(16, 16)).save(path)
    with pytest.raises(StudioError, match="16 neurons"):
        load_mask(path, INFO)
