"""Where the one loaded model is kept, as the render worker sees it: what is there is freed before another is loaded."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studio.engine import JobContext

if TYPE_CHECKING:
    from studio.gui.listening import Listener
    from studio.gui.loading import Loaded, Loader
    from studio.gui.measuring import Measurer


@dataclass(frozen=True, eq=False)
class Changed:
    """What is loaded now. With an ``error`` it is what was there before, loaded anew, or nothing when that failed."""

    loaded: Loaded | None
    error: Exception | None = None


class Place:
    """Holds at most one model, and what hears and measures takes, which goes on with the next model.

    ``change`` runs in the render worker; ``close`` is called when no worker uses any of it any more.
    """

    def __init__(self) -> None:
        self._loaded: Loaded | None = None
        self._loader: Loader | None = None
        self._listener: Listener | None = None
        self._measurer: Measurer | None = None

    def change(self, loader: Loader, prepare: Callable[[], object], context: JobContext) -> Changed:
        """Free what is there and load another; what was there is loaded again when that fails.

        What ``prepare`` raises is raised before anything is freed; so is what a first ``loader`` raises.
        """
        prepare()
        before = self._loader
        self._free()
        if before is not None:
            # Weights that hang in a circle are freed by the collector alone, which leaves alone what was there when
            # loading ended: it has to look at all of that now.
            gc.unfreeze()
            gc.collect()
        try:
            loaded = self._fill(loader, context)
        except Exception as error:
            if before is None:
                raise
            return Changed(self._bring_back(before, context), error)
        self._loader = loader
        return Changed(loaded)

    def close(self) -> None:
        """Free everything."""
        self._free()
        for helper in (self._listener, self._measurer):
            if helper is not None:
                helper.close()
        self._listener = self._measurer = None

    def _fill(self, loader: Loader, context: JobContext) -> Loaded:
        loaded = loader(context)
        self._listener = self._listener or loaded.listener
        self._measurer = self._measurer or loaded.measurer
        self._loaded = replace(loaded, listener=self._listener, measurer=self._measurer)
        return self._loaded

    def _bring_back(self, loader: Loader, context: JobContext) -> Loaded | None:
        try:
            return self._fill(loader, context)
        except Exception:  # the error that matters is the other model's
            return None

    def _free(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.model.close()
