"""The one window: toolbar, library on the left, lanes or heatmap in the middle, steering on the right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio.audio.files import SUFFIXES
from studio.gui import exports
from studio.gui.actions import Actions, ButtonKeys, KeysDialog
from studio.gui.audition.lanes import LanesView
from studio.gui.audition.library import LibraryPanel
from studio.gui.audition.steering import SteeringPanel
from studio.gui.audition.transport import Transport
from studio.gui.localize.heatmap import LocalizeView
from studio.gui.playback import STARTING
from studio.gui.studio import Studio
from studio.gui.theme import Theme
from studio.gui.topbar import TopBar
from studio.gui.widgets.layout import link
from studio.gui.widgets.notices import Notice, NoticeBar
from studio.gui.wizard.clips import ClipPlayer

if TYPE_CHECKING:
    # The wizard's pages are made when they are first asked for; the window opens without waiting for them.
    from studio.gui.wizard.wizard import FindNeurons

LAYOUT_VERSION = 1
OPTIONS = ("level_match", "auto_render", "auto_play")


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
        self.library = LibraryPanel(state, studio.sources)
        self.steering = SteeringPanel(state)
        self.clips = ClipPlayer(studio.playback, studio.sound_worker)
        self.wizard: FindNeurons | None = None
        self._closing = False
        self._offered: Path | None = None
        studio.search.unfinished.remember_in(settings)
        self._lay_out()
        self.actions_ = Actions(self)
        self._connect()
        self._restore()
        self._keys = ButtonKeys(self)

    def show_workspace(self, name: str) -> None:
        """Show ``audition`` or ``localize``."""
        self.workspaces.setCurrentIndex(1 if name == "localize" else 0)
        self.top.workspaces.show_value(name)

    def ask_open(self) -> None:
        """Ask for a recording and open it."""
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Open a recording", self._folder("open"), f"Recordings ({patterns});;All files (*)"
        )
        if chosen:
            self._settings.setValue("folder/open", str(Path(chosen).parent))
            self.studio.sources.open_file(Path(chosen))

    def ask_mask(self) -> None:
        """Ask for a mask file and open it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Open an ESN mask", self._folder("mask"), "ESN masks (*.esn.safetensors);;All files (*)"
        )
        if chosen:
            self._settings.setValue("folder/mask", str(Path(chosen).parent))
            self.studio.keeper.open_mask(Path(chosen))

    def ask_export(self) -> None:
        """Ask where to, and export the selected take."""
        shown = self.library.takes.current_take
        if shown is None:
            self.notices.add(Notice("There is no take to export yet; render one first.", kind="info"))
            return
        proposal = Path(self._folder("export")) / f"{exports.proposed_name(shown)}.wav"
        chosen, _ = QFileDialog.getSaveFileName(self, "Export the take", str(proposal), "WAV (*.wav)")
        if chosen:
            self._settings.setValue("folder/export", str(Path(chosen).parent))
            self.studio.export(shown, Path(chosen))

    def find_neurons(self) -> FindNeurons:
        """Open the wizard, where it was left."""
        if self.wizard is None:
            from studio.gui.wizard.wizard import FindNeurons

            self.wizard = FindNeurons(self.studio.search, self.studio.playback, self.clips, self.theme, self)
            self.wizard.open_asked.connect(self._open_found)
            self.wizard.closed.connect(self._go_on_closing)
            self.wizard.stayed.connect(self._stay)
        self.wizard.come_back()
        return self.wizard

    def show_keys(self) -> None:
        """Show what every key does."""
        dialog = KeysDialog(self, self.actions_)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open a dropped recording or mask."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if len(paths) > 1:
            self.notices.add(Notice(f"Opened {paths[0].name}, the first of {len(paths)} files.", kind="info"))
        if paths:
            event.acceptProposedAction()
            is_mask = paths[0].suffix == ".safetensors"
            self.studio.keeper.open_mask(paths[0]) if is_mask else self.studio.sources.open_file(paths[0])

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout and stop everything; a search that runs asks first, and is paused."""
        if self.studio.search.active:
            event.ignore()
            self._closing = True
            self.find_neurons().reject()
            return
        self._settings.setValue("window/geometry", self.saveGeometry())
        self._settings.setValue("window/layout", self.saveState(LAYOUT_VERSION))
        self._settings.setValue("theme", self.theme.choice)
        for name in OPTIONS:
            self._settings.setValue(f"options/{name}", getattr(self.studio.state, name))
        self.hide()
        self.studio.close()
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Start without a focus ring on some button."""
        super().showEvent(event)
        self.setFocus()

    def offer_to_go_on(self) -> None:
        """Offer to take up the newest search that was left unfinished; the wizard offers them all."""
        folders = self.studio.search.unfinished.folders()
        if folders:
            text = f"A search for neurons was left before its mask was saved: {folders[0].name}."
            if len(folders) > 1:
                text += f" Find neurons offers {len(folders) - 1} older as well."
            self._offered = folders[0]
            self._show_notice(Notice(text, kind="offer", offer="Go on with it"))

    def _take_up(self, _notice: Notice) -> None:
        if self._offered is not None:
            self.find_neurons().go_on_with(self._offered)

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
        scroll = QScrollArea()
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setMinimumWidth(width)
        dock.setWidget(scroll)
        dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetMovable)
        self.addDockWidget(area, dock)
        self.resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    def _connect(self) -> None:
        studio, state, playback = self.studio, self.studio.state, self.studio.playback
        studio.notice.connect(self._show_notice)
        self.notices.emptied.connect(self._notice_frame.hide)
        self.notices.accepted.connect(self._take_up)
        self.top.find_asked.connect(self.find_neurons)
        self.top.workspaces.chosen.connect(self.show_workspace)
        self.top.mask_asked.connect(self.ask_mask)
        self.lanes.seek_asked.connect(playback.seek)
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
        self.library.open_asked.connect(self.ask_open)
        self.library.line_chosen.connect(studio.sources.open_line)
        self.library.assign_asked.connect(studio.renders.assign)
        self.library.export_asked.connect(self.ask_export)
        self.steering.render_asked.connect(studio.renders.render)
        studio.renders.active_changed.connect(self._show_blocked)
        studio.keeper.loaded_changed.connect(self._show_blocked)
        studio.keeper.taken_changed.connect(self._show_blocked)
        studio.keeper.status_changed.connect(self.device.setText)
        state.source_changed.connect(self._show_title)
        state.mask_changed.connect(lambda: self.localize.show_mask(state.mask))
        state.steer_changed.connect(lambda: self.localize.heatmap.show_window(state.steer.layers))
        self.localize.window_chosen.connect(studio.choose_layers)
        self.theme.changed.connect(self._recolour)
        self._show_heard(playback.heard)
        self._show_sound()
        self._show_blocked()

    def _restore(self) -> None:
        self.resize(1280, 800)
        geometry, layout = self._settings.value("window/geometry"), self._settings.value("window/layout")
        if geometry is not None:
            self.restoreGeometry(geometry)
        if layout is not None:
            self.restoreState(layout, LAYOUT_VERSION)
        kept = {name: bool(self._settings.value(f"options/{name}", True, type=bool)) for name in OPTIONS}
        self.studio.state.set_options(**kept)

    def _folder(self, purpose: str) -> str:
        return str(self._settings.value(f"folder/{purpose}", str(Path.home())))

    def _show_notice(self, notice: Notice) -> None:
        self._notice_frame.show()
        self.notices.add(notice)

    def _show_title(self) -> None:
        source = self.studio.state.source
        self.setWindowTitle("ESN Studio" if source is None else f"{source.name} \u2013 ESN Studio")

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
