"""The one window: toolbar, library on the left, lanes or heatmap in the middle, steering on the right."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QLabel,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio.gui.actions import Actions
from studio.gui.audition.found import FoundDialog
from studio.gui.audition.lanes import LanesView
from studio.gui.audition.library import LibraryPanel
from studio.gui.audition.sheet import SheetDialog
from studio.gui.audition.steering import SteeringPanel
from studio.gui.audition.transport import Transport
from studio.gui.clips import ClipPlayer
from studio.gui.filedialogs import FileDialogs
from studio.gui.firststeps import first_steps
from studio.gui.history import SpinBoxUndo
from studio.gui.keys import ButtonKeys, Keys, KeysDialog
from studio.gui.localize.heatmap import LocalizeView
from studio.gui.localize.labels import labels_of
from studio.gui.look import keep_look, restore_look
from studio.gui.models.asking import ModelDialogs
from studio.gui.playback import STARTING
from studio.gui.projectdialogs import ProjectDialogs
from studio.gui.recent import RecentFiles
from studio.gui.studio import Studio
from studio.gui.theme import Theme
from studio.gui.topbar import TopBar
from studio.gui.tour import Tour
from studio.gui.widgets.layout import link, scrolling
from studio.gui.widgets.notices import Notice, NoticeBar, Offer

if TYPE_CHECKING:
    # The wizard's pages are made when they are first asked for; the window opens without waiting for them.
    from studio.gui.wizard.wizard import FindNeurons


class MainWindow(QMainWindow):
    """Puts the views of a ``Studio`` together and connects what is pressed with what it does."""

    def __init__(self, studio: Studio, theme: Theme, settings: QSettings) -> None:
        super().__init__()
        self.setWindowTitle("ESN Studio")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.studio, self.theme, self._settings = studio, theme, settings
        state, axis = studio.state, studio.axis
        self.top = TopBar(studio)
        self.addToolBar(self.top)
        self.notices = NoticeBar()
        self.lanes = LanesView(state, axis)
        self.localize = LocalizeView()
        self.workspaces = QStackedWidget()
        self.workspaces.addWidget(self.lanes)
        self.workspaces.addWidget(self.localize)
        self.transport = Transport(state, axis)
        self.library = LibraryPanel(state, studio.sources, studio.measuring)
        self.steering = SteeringPanel(state, studio.presets)
        self.clips = ClipPlayer(studio.playback, studio.sound_worker)
        self.sheet = SheetDialog(state, studio.batches, self.clips, self)
        self.found = FoundDialog(state, studio.batches, self.clips, self)
        self.wizard: FindNeurons | None = None
        self.model_dialogs = ModelDialogs(self, studio)
        self._closing = False
        self.project_dialogs = ProjectDialogs(self, studio.projects)
        self.files = FileDialogs(self, studio, self.library.takes, settings)
        studio.search.unfinished.remember_in(settings)
        studio.projects.memory.remember_in(settings)
        self._lay_out()
        self.tour = Tour(self, lambda: first_steps(self), settings)
        self.recent = RecentFiles(QMenu("Open &recent", self), settings, studio.sources.open_file)
        self.actions_ = Actions(self)
        self._connect()
        restore_look(self, settings)
        self.actions_.sound.remember_in(settings)
        self.keys = Keys(self.actions_.named, settings, self)
        self._button_keys = ButtonKeys(self)
        self._undo_keys = SpinBoxUndo(self)

    def show_workspace(self, name: str) -> None:
        """Show ``audition`` or ``localize``."""
        self.workspaces.setCurrentIndex(1 if name == "localize" else 0)
        self.top.workspaces.show_value(name)

    def find_neurons(self) -> FindNeurons:
        """Open the wizard, where it was left."""
        if self.wizard is None:
            from studio.gui.wizard.wizard import FindNeurons

            self.wizard = FindNeurons(self.studio, self.clips, self.theme, self)
            self.wizard.open_asked.connect(self._open_found)
            self.wizard.closed.connect(self._go_on_closing)
            self.wizard.stayed.connect(self._stay)
        self.wizard.come_back()
        return self.wizard

    def render_again(self) -> None:
        """Render the selected take again and say how it compares."""
        shown = self.library.takes.current_take
        if shown is not None:
            self.studio.rerender.start(shown)

    def show_sheet(self) -> None:
        """Open the contact sheet."""
        self.sheet.show()
        self.sheet.raise_()

    def find_intensity(self) -> None:
        """Search the strongest intensity of the target emotion that keeps words and voice."""
        target = self.studio.state.steer.target
        reason = self.studio.batches.blocked(target)
        if reason is not None or target is None:
            self.notices.add(Notice(f"{reason or 'Choose a target emotion first'}.", kind="info"))
        else:
            self.found.start(target)

    def show_keys(self) -> None:
        """Show what every key does, and let them be changed."""
        dialog = KeysDialog(self, self.keys, self.actions_.sections)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open dropped recordings, or a mask, or a project."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return
        event.acceptProposedAction()
        if any(self.project_dialogs.open_if_project(path) for path in paths):
            return
        masks = [path for path in paths if path.suffix == ".safetensors"]
        recordings = [path for path in paths if path not in masks]
        if masks:
            self.studio.keeper.open_mask(masks[0])
        if recordings:
            self.studio.sources.open_files(recordings)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout and stop everything; a search that runs asks first, and is paused."""
        if self.studio.search.active:
            event.ignore()
            self._closing = True
            self.find_neurons().reject()
            return
        keep_look(self, self._settings)
        self.hide()
        self.studio.close()
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Start without a focus ring on some button."""
        super().showEvent(event)
        self.setFocus()

    def offer_to_go_on(self) -> None:
        """Offer to take up the newest search that was left unfinished (the wizard offers all), and unsaved takes."""
        folders = self.studio.search.unfinished.folders()
        if folders:
            text = f"A search for neurons was left before its mask was saved: {folders[0].name}."
            if len(folders) > 1:
                text += f" Find neurons offers {len(folders) - 1} older as well."
            act = partial(self._take_up, folders[0])
            self._show_notice(Notice(text, kind="offer", offers=(Offer("Go on with it", act),)))
        self.studio.projects.memory.offer()

    def _take_up(self, folder: Path) -> None:
        self.find_neurons().go_on_with(folder)

    def _open_found(self, path: Path) -> None:
        self.studio.keeper.open_mask(path)
        self.show_workspace("audition")
        self.raise_()
        self.activateWindow()

    def _go_on_closing(self) -> None:
        if self._closing:
            self.close()

    def _stay(self) -> None:
        self._closing = False

    def _lay_out(self) -> None:
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._notice_frame = QWidget()
        self._notice_frame.setObjectName("lanes")
        self._notice_frame.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        frame = QVBoxLayout(self._notice_frame)
        frame.setContentsMargins(12, 8, 12, 0)
        frame.addWidget(self.notices)
        self._notice_frame.hide()
        layout.addWidget(self._notice_frame)
        layout.addWidget(self.workspaces, 1)
        layout.addWidget(self.transport)
        self.setCentralWidget(centre)
        self._dock("Source", "library", self.library, Qt.DockWidgetArea.LeftDockWidgetArea, 248)
        self._dock("Steer towards", "steering", self.steering, Qt.DockWidgetArea.RightDockWidgetArea, 312)
        self.device = QLabel()
        self.sound = QLabel()
        self.retry = link("Look again", "Look for a sound output again")
        self.statusBar().addWidget(self.device)
        self.statusBar().addPermanentWidget(self.sound)
        self.statusBar().addPermanentWidget(self.retry)
        self.statusBar().setSizeGripEnabled(False)

    def _dock(self, title: str, name: str, content: QWidget, area: Qt.DockWidgetArea, width: int) -> None:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        # On screens smaller than the panel it scrolls; from 1280 x 800 on it does not have to.
        scroll = scrolling(content, sideways=False)
        scroll.setMinimumWidth(width)
        dock.setWidget(scroll)
        dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetMovable)
        self.addDockWidget(area, dock)
        self.resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    def _connect(self) -> None:
        studio, state, playback = self.studio, self.studio.state, self.studio.playback
        studio.notice.connect(self._show_notice)
        self.notices.emptied.connect(self._notice_frame.hide)
        self.top.models_asked.connect(self.model_dialogs.show_models)
        self.top.find_asked.connect(self.find_neurons)
        self.top.workspaces.chosen.connect(self.show_workspace)
        self.top.mask_asked.connect(self.files.ask_mask)
        self.steering.vectors_asked.connect(self.files.ask_vectors)
        self.lanes.seek_asked.connect(playback.seek)
        self.lanes.scrub_asked.connect(playback.scrub)
        self.lanes.listen_asked.connect(playback.listen)
        self.transport.play_asked.connect(playback.toggle)
        self.transport.start_asked.connect(lambda: playback.seek(0.0))
        self.transport.loop_asked.connect(playback.set_looping)
        self.transport.swap_asked.connect(playback.swap)
        self.transport.listen_asked.connect(playback.listen)
        self.transport.fit_asked.connect(studio.axis.show_all)
        playback.playing_changed.connect(self.transport.show_playing)
        playback.looping_changed.connect(self._show_looping)
        playback.heard_changed.connect(self._show_heard)
        playback.device_changed.connect(self._show_sound)
        self.retry.clicked.connect(playback.start)
        self.library.open_asked.connect(self.files.ask_open)
        self.library.record_asked.connect(self.files.ask_record)
        self.lanes.trim.region_chosen.connect(studio.sources.trim)
        studio.sources.opened.connect(self.recent.add)
        studio.sources.refused.connect(self.recent.remove)
        self.library.line_chosen.connect(studio.sources.open_line)
        self.library.assign_asked.connect(studio.renders.assign)
        self.library.export_asked.connect(self.files.ask_export)
        self.steering.render_asked.connect(studio.renders.render)
        self.steering.sheet_asked.connect(self.show_sheet)
        self.steering.auto_asked.connect(self.find_intensity)
        self.steering.module_asked.connect(studio.keeper.open_module)
        self.steering.bypass_asked.connect(studio.bypass.set_on)
        studio.renders.active_changed.connect(self._show_blocked)
        studio.keeper.loaded_changed.connect(self._show_blocked)
        for changed in (state.steer_changed, state.mask_changed):
            changed.connect(self._show_blocked)
        studio.keeper.taken_changed.connect(self._show_blocked)
        studio.keeper.status_changed.connect(self.device.setText)
        state.source_changed.connect(self._show_title)
        studio.projects.changed.connect(self._show_title)
        state.mask_changed.connect(lambda: self.localize.show_mask(state.mask))
        for changed in (state.mask_changed, state.model_changed):
            changed.connect(lambda: self.localize.heatmap.name_layers(labels_of(state)))
        state.steer_changed.connect(lambda: self.localize.heatmap.show_window(state.steer.layers))
        self.localize.window_chosen.connect(studio.choose_layers)
        self.theme.changed.connect(self._recolour)
        self._show_heard(playback.heard)
        self._show_sound()
        self._show_blocked()

    def _show_notice(self, notice: Notice) -> None:
        self._notice_frame.show()
        self.notices.add(notice)

    def _show_title(self) -> None:
        source = self.studio.state.source
        names = (source.name if source is not None else "", self.studio.projects.name, "ESN Studio")
        self.setWindowTitle(" \u2013 ".join(filter(None, names)))

    def _show_heard(self, lane: str) -> None:
        self.lanes.show_heard(lane)
        self.transport.show_heard(lane)

    def _show_looping(self, on: bool) -> None:
        self.transport.loop.blockSignals(True)
        self.transport.loop.setChecked(on)
        self.transport.loop.blockSignals(False)

    def _show_sound(self) -> None:
        reason = self.studio.playback.reason
        self.transport.show_device(reason)
        self.sound.setText("Sound ready" if reason is None else reason)
        self.retry.setVisible(reason is not None and reason != STARTING)

    def _show_blocked(self) -> None:
        self.steering.allow_render(self.studio.renders.blocked())
        batches = self.studio.batches
        self.steering.allow_batches(batches.blocked(), batches.blocked(self.studio.state.steer.target))

    def _recolour(self) -> None:
        # After the style sheet has reached every widget.
        QTimer.singleShot(0, self, self._recolour_now)

    def _recolour_now(self) -> None:
        self.lanes.refresh()
        self.transport.recolour()
        self.library.recolour()
        self.top.recolour()
        self.steering.seed.recolour()
        self.localize.heatmap.recolour()
        self.update()
