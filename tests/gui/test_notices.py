"""The notification bar by itself."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from studio.gui.widgets import notices
from studio.gui.widgets.notices import Notice, NoticeBar
from tests.gui.driving import PATIENCE


@pytest.fixture
def bar(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> NoticeBar:
    monkeypatch.setattr(notices, "INFO_MILLISECONDS", 20)
    result = NoticeBar()
    qtbot.addWidget(result)
    return result


def test_notices_wait_their_turn_and_repeat_nothing(bar: NoticeBar) -> None:
    first, second = Notice("One."), Notice("Two.", "in detail")
    for notice in (first, second, first):
        bar.add(notice)
    assert bar.waiting == [first, second]
    assert bar.text.text() == "One."
    assert bar.details_button.isHidden()
    bar.dismiss()
    assert bar.text.text() == "Two."
    assert not bar.details_button.isHidden()
    assert bar.details.isHidden()
    bar.dismiss()
    assert bar.isHidden()


def test_news_fades_and_errors_stay(qtbot: QtBot, bar: NoticeBar) -> None:
    with qtbot.waitSignal(bar.emptied, timeout=PATIENCE):
        bar.add(Notice("Exported.", kind="info"))
    bar.add(Notice("Broken."))
    bar.add(Notice("Exported.", kind="info"))
    assert not bar._fade.isActive(), "what waits behind an error does not fade unread"
    bar.dismiss()
    with qtbot.waitSignal(bar.emptied, timeout=PATIENCE):
        pass
