"""Pytest plugin: a test that leaves a thread, a top-level widget or a forward hook behind fails at its teardown."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

_GRACE = 2.0
"""Seconds a thread may take to end once the test is over."""

_TASKS = Path("/proc/self/task")
_FAILED = pytest.StashKey[bool]()
_KEPT: WeakSet[Any] = WeakSet()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember failures: what a failed test leaves behind is held by its traceback and says nothing."""
    report: Any = yield
    if report.when != "teardown" and report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="module", autouse=True)
def kept() -> None:
    """Spare the collector what is there before a module's tests: after most of them it looks through all that is not.

    Modules of torch among it are remembered: tests may leave hooks on them as well.
    """
    gc.collect()
    _KEPT.update(_torch_modules())
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare threads, widgets and hooks before and after the test; what outlives it must belong to a wider fixture."""
    threads, widgets, hooks = set(threading.enumerate()), _top_level_widgets(), _next_hook_id()
    yield
    if request.node.stash.get(_FAILED, False):
        return
    found = [*_leaked_threads(threads), *_leaked_widgets(widgets), *_leaked_hooks(hooks)]
    if found:
        pytest.fail("the test leaked " + "; ".join(found), pytrace=False)


def _leaked_threads(before: set[threading.Thread]) -> list[str]:
    leaked = []
    for thread in set(threading.enumerate()) - before:
        if isinstance(thread, threading._DummyThread):
            # A foreign thread (Qt, PortAudio) that ran Python: it cannot be joined, and its entry outlives it.
            alive = (_TASKS / str(thread.native_id)).exists()
        else:
            thread.join(_GRACE)
            alive = thread.is_alive()
        if alive and not thread.name.startswith("tqdm"):
            leaked.append(f"thread {thread.name!r}")
    return leaked


def _top_level_widgets() -> list[Any]:
    if "PySide6.QtWidgets" not in sys.modules:
        return []
    from PySide6.QtWidgets import QApplication

    return list(QApplication.topLevelWidgets()) if QApplication.instance() is not None else []


def _leaked_widgets(before: list[Any]) -> list[str]:
    known = {id(widget) for widget in before}
    if not _unknown_widgets(known):
        return []
    from PySide6.QtCore import QCoreApplication, QEvent

    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    return [f"widget {type(w).__name__} {w.objectName()!r}" for w in _unknown_widgets(known)]


def _unknown_widgets(known: set[int]) -> list[Any]:
    return [widget for widget in _top_level_widgets() if id(widget) not in known]


def _next_hook_id() -> int:
    """The id torch gives the next hook; hooks are keyed by it, so newer ones can be told apart."""
    if "torch" not in sys.modules:
        return 0
    from torch.utils.hooks import RemovableHandle

    return RemovableHandle.next_id


def _leaked_hooks(first: int) -> list[str]:
    if _next_hook_id() == first or not _hooks_since(first):
        return []
    gc.collect()
    return _hooks_since(first)


def _hooks_since(first: int) -> list[str]:
    found = []
    for module in [*_KEPT, *_torch_modules()]:
        hooks = {**module._forward_hooks, **module._forward_pre_hooks}
        # transformers keeps its own output recorders on a model for good.
        kept = [h for key, h in hooks.items() if key >= first and not _module_of(h).startswith("transformers.")]
        found += [f"hook {_module_of(hook)} on {type(module).__name__}" for hook in kept]
    return found


def _torch_modules() -> list[Any]:
    """Modules of torch that the collector looks at."""
    if "torch" not in sys.modules:
        return []
    from torch.nn import Module

    # By type, not isinstance: that asks some of torch's objects for their class, and they answer with a warning.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Module)]


def _module_of(hook: Any) -> str:
    return str(getattr(hook, "__module__", "") or type(hook).__module__)
