"""The wizard's window: seven pages from a folder of speech to a mask."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QMessageBox, QWidget, QWizard

from studio.gui import theme
from studio.gui.clips import ClipPlayer
from studio.gui.studio import Studio
from studio.gui.theme import Theme
from studio.gui.widgets.notices import Notice
from studio.gui.wizard.check_page import CheckPage
from studio.gui.wizard.dataset_page import DatasetPage
from studio.gui.wizard.model_page import ModelPage
from studio.gui.wizard.page import Page
from studio.gui.wizard.review_page import ReviewPage
from studio.gui.wizard.run_page import RunPage
from studio.gui.wizard.save_page import SavePage
from studio.gui.wizard.settings_page import SettingsPage

_STEPS_WIDTH = 184


class Step(IntEnum):
    """The pages in their order."""

    DATASET = 0
    CHECK = 1
    MODEL = 2
    SETTINGS = 3
    RUN = 4
    REVIEW = 5
    SAVE = 6


class FindNeurons(QWizard):
    """Leads through a search; ``open_asked`` carries the mask that the studio should open."""

    open_asked = Signal(object)
    closed = Signal()
    stayed = Signal()

    def __init__(self, studio: Studio, player: ClipPlayer, theme_: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._search = search = studio.search
        self._closing = False
        self._question: QMessageBox | None = None
        self.player = player
        self.setWindowTitle("Find neurons – ESN Studio")
        self.setWindowFlag(Qt.WindowType.WindowMinMaxButtonsHint)
        self.setWizardStyle(QWizard.WizardStyle.ClassicStyle)
        self.setOption(QWizard.WizardOption.NoBackButtonOnStartPage)
        self.setOption(QWizard.WizardOption.NoCancelButtonOnLastPage, False)
        self.dataset = DatasetPage(search)
        self.check = CheckPage(search)
        self.model = ModelPage(search, studio.downloads, studio.decisions)
        self.settings = SettingsPage(search)
        self.run = RunPage(search, player)
        self.review = ReviewPage(search, player)
        self.save = SavePage(search)
        self._pages: dict[int, Page] = {
            Step.DATASET: self.dataset,
            Step.CHECK: self.check,
            Step.MODEL: self.model,
            Step.SETTINGS: self.settings,
            Step.RUN: self.run,
            Step.REVIEW: self.review,
            Step.SAVE: self.save,
        }
        for step, page in self._pages.items():
            self.setPage(step, page)
            page.completeChanged.connect(self._show_buttons)
        self.steps = StepList([page.heading for page in self._pages.values()])
        self.setSideWidget(self.steps)
        self._name_buttons()
        self.dataset.resume_asked.connect(self.go_on_with)
        self.dataset.forget_asked.connect(self._forget)
        search.taken_up.connect(self._jump_to_run)
        self.currentIdChanged.connect(self._show_step)
        search.stage_changed.connect(self._follow_stage)
        search.notice.connect(self.add_notice)
        player.notice.connect(self.add_notice)
        theme_.changed.connect(self._recolour)
        self.dataset.show_left_behind(search.unfinished.folders())
        self.resize(1040, 720)

    def sizeHint(self) -> QSize:
        """Room for the map and the list."""
        return QSize(1040, 720)

    def come_back(self) -> None:
        """Show the window where it was left; after a mask was opened, from the start."""
        if self._search.results.saved_to is not None and not self.isVisible():
            self._begin_anew()
        self.show()
        self.raise_()
        self.activateWindow()

    def go_on_with(self, folder: Path) -> None:
        """Take up a search that was left, or any job folder, and go on with it."""
        self._search.reopen(folder)

    def add_notice(self, notice: Notice) -> None:
        """Show a notice on the page that is open."""
        page = self.currentPage()
        if isinstance(page, Page):
            page.add_notice(notice)

    def accept(self) -> None:
        """Open the mask in the studio."""
        saved = self._search.results.saved_to
        if saved is not None:
            self.open_asked.emit(saved)
            self._leave()

    def reject(self) -> None:
        """Close; a search that runs asks first, and pauses."""
        if not self._search.active:
            self._search.corpus.stop()
            self._leave()
        elif self._question is None:
            self._ask()

    def closeEvent(self, event: QCloseEvent) -> None:
        """As ``reject``: the window stays until the search has paused."""
        event.ignore()
        self.reject()

    @property
    def question(self) -> QMessageBox | None:
        """The question that is open, if one is."""
        return self._question

    def _ask(self) -> None:
        box = QMessageBox(self)
        box.setWindowTitle("Pause the search?")
        box.setText("The search for neurons is running.")
        box.setInformativeText(
            "It can be paused here: everything converted so far is kept, and the next start offers to go on."
        )
        pause = box.addButton("Pause and close", QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton("Go on searching", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(pause)
        box.setEscapeButton(stay)
        box.setWindowModality(Qt.WindowModality.WindowModal)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.finished.connect(lambda _result: self._answer(box.clickedButton() is pause))
        self._question = box
        box.open()

    def _answer(self, pause: bool) -> None:
        self._question = None
        if pause:
            self._closing = True
            self._search.pause()
            self._follow_stage()
        else:
            self.stayed.emit()

    def _leave(self) -> None:
        self.player.stop()
        self.hide()
        self.closed.emit()

    def _follow_stage(self) -> None:
        search = self._search
        if self._closing and not search.active:
            self._closing = False
            self._leave()
        self._show_buttons()

    def _jump_to_run(self) -> None:
        self.setStartId(Step.RUN)
        self.restart()

    def _begin_anew(self) -> None:
        self._search.begin_anew()
        self.setStartId(Step.DATASET)
        self.dataset.show_left_behind(self._search.unfinished.folders())
        self.restart()

    def _forget(self, folder: Path) -> None:
        self._search.unfinished.forget(folder)
        self.dataset.show_left_behind(self._search.unfinished.folders())

    def _name_buttons(self) -> None:
        for which, text in (
            (QWizard.WizardButton.BackButton, "Back"),
            (QWizard.WizardButton.NextButton, "Next"),
            (QWizard.WizardButton.FinishButton, "Open in studio"),
            (QWizard.WizardButton.CancelButton, "Close"),
        ):
            self.setButtonText(which, text)
            self.button(which).setAccessibleName(text)
        self.settings.setButtonText(QWizard.WizardButton.NextButton, "Find neurons")
        for which in (QWizard.WizardButton.NextButton, QWizard.WizardButton.FinishButton):
            self.button(which).setObjectName("primary")
        self.setOption(QWizard.WizardOption.HaveCustomButton1)
        self.setButtonText(QWizard.WizardButton.CustomButton1, "New search")
        fresh = self.button(QWizard.WizardButton.CustomButton1)
        fresh.setAccessibleName("New search")
        fresh.setToolTip("Begin with another corpus; what was converted stays in its folder")
        fresh.clicked.connect(self._begin_anew)

    def _show_step(self, step: int) -> None:
        self.steps.show_step(step)
        page = self._pages.get(step)
        if page is not None:
            page.show_missing()
            first = page.first
            ready = first is not None and first.isVisible() and first.isEnabled()
            (first if first is not None and ready else self.button(QWizard.WizardButton.NextButton)).setFocus()
        if step not in (Step.RUN, Step.REVIEW):
            self.player.stop()
        self._show_buttons()

    def _show_buttons(self) -> None:
        page = self.currentPage()
        if not isinstance(page, Page):
            return
        reason = page.lacking() or ""
        for which in (QWizard.WizardButton.NextButton, QWizard.WizardButton.FinishButton):
            self.button(which).setToolTip(reason)
        taken_up = self.startId() == Step.RUN and not self._search.active
        self.button(QWizard.WizardButton.CustomButton1).setVisible(taken_up)
        back = self.button(QWizard.WizardButton.BackButton)
        running = page is self.run and self._search.active
        back.setEnabled(not running and self.currentId() != self.startId())
        back.setToolTip("Pause the search to go back" if running else "")

    def _recolour(self) -> None:
        # After the style sheet has reached every widget.
        QTimer.singleShot(0, self, self._recolour_now)

    def _recolour_now(self) -> None:
        for page in self._pages.values():
            page.recolour()
        self.steps.update()


class StepList(QWidget):
    """The steps, with the one that is open marked; those before it are ticked."""

    def __init__(self, titles: list[str]) -> None:
        super().__init__()
        self._titles = titles
        self._step = 0
        self.setMinimumWidth(_STEPS_WIDTH)
        self.setAccessibleName("Steps")
        self.show_step(0)

    def show_step(self, step: int) -> None:
        """Mark a step."""
        self._step = max(0, step)
        self.setAccessibleDescription(f"Step {self._step + 1} of {len(self._titles)}: {self._titles[self._step]}")
        self.update()

    def sizeHint(self) -> QSize:
        """A column."""
        return QSize(_STEPS_WIDTH, 40 * len(self._titles))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw numbers, ticks and titles."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(colours.window))
        for place, title in enumerate(self._titles):
            top = 20 + 36 * place
            here, done = place == self._step, place < self._step
            if here:
                painter.fillRect(0, top - 2, 3, 28, QColor(colours.accent))
            painter.setPen(QColor(colours.text if here else colours.muted))
            painter.setFont(theme.font(bold=here))
            sign = "✓" if done else str(place + 1)
            painter.drawText(16, top, 16, 24, Qt.AlignmentFlag.AlignCenter, sign)
            painter.drawText(44, top, self.width() - 48, 24, Qt.AlignmentFlag.AlignVCenter, title)
