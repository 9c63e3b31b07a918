"""Every layout by name, and reading a corpus whatever its layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from studio.corpora import esd, folders, manifest
from studio.corpora.acted import NAMED_LAYOUTS
from studio.corpora.base import Corpus, CorpusError, is_file, require_folder

AUTO = "auto"

_LAYOUTS: Mapping[str, tuple[Callable[[Path], bool], Callable[[Path], Corpus]]] = {
    manifest.LAYOUT: (manifest.recognises, manifest.scan),
    esd.LAYOUT: (esd.recognises, esd.scan),
    **{layout.name: (layout.recognises, layout.scan) for layout in NAMED_LAYOUTS},
    folders.LAYOUT: (folders.recognises, folders.scan),
}
"""Recogniser and reader by name, in the order in which ``auto`` tries them: the most explicit first."""

LAYOUTS: tuple[str, ...] = tuple(_LAYOUTS)


def read_corpus(root: Path, layout: str = AUTO) -> Corpus:
    """Read the corpus at ``root``; ``auto`` finds the layout.

    Raises CorpusError when there is no such folder, no layout fits or nothing usable is in it.
    """
    root = Path(root)
    if layout == AUTO:
        layout = _recognise(root)
    if layout not in _LAYOUTS:
        raise CorpusError(f"There is no corpus layout '{layout}'; choose {AUTO} or {', '.join(LAYOUTS)}.")
    corpus = _LAYOUTS[layout][1](root)
    if not corpus.utterances:
        why = f" {corpus.problems[0].detail}" if corpus.problems else ""
        raise CorpusError(f"'{root}' holds no recordings of the five emotions in the layout '{layout}'.{why}")
    return corpus


def _recognise(root: Path) -> str:
    single = is_file(root)
    if not single:
        require_folder(root)
    for name, (recognises, _) in _LAYOUTS.items():
        if (not single or name == manifest.LAYOUT) and recognises(root):
            return name
    raise CorpusError(
        f"'{root}' is in no known layout; name one of {', '.join(LAYOUTS)}, or list the recordings in "
        f"'{manifest.NAME}.csv' with the columns path, speaker, emotion and text."
    )
