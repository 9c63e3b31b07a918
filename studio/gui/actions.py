"""Menus: every action, by name and by key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

from studio.gui.shown import SOURCE, TRACKS, A, B
from studio.gui.soundmenu import SoundMenu

if TYPE_CHECKING:
    from studio.gui.main_window import MainWindow


class Actions:
    """Builds the window's menus; ``named`` holds every action by its text, ``sections`` these by their menu's title."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self.named: dict[str, QAction] = {}
        self.sections: dict[str, list[str]] = {}
        self._menus: list[QMenu] = []
        self._file()
        self._edit()
        self._play()
        self._view()
        self._help()

    def _file(self) -> None:
        window = self._window
        menu = self._menu("&File")
        projects = window.project_dialogs
        self._add(menu, "&New project", "Ctrl+N", window.studio.projects.new)
        self._add(menu, "Open &project…", "Ctrl+P", projects.ask_open)
        projects.fill_recent(self._menu("Recent pro&jects", menu))
        self._add(menu, "&Save project", "Ctrl+S", projects.save)
        self._add(menu, "Save project &as…", "Ctrl+Shift+S", projects.ask_save)
        menu.addSeparator()
        self._add(menu, "&Open recordings…", "Ctrl+O", window.files.ask_open)
        menu.addMenu(window.recent.menu)
        self._add(menu, "Record from a &microphone…", "Ctrl+R", window.files.ask_record)
        state, sources = window.studio.state, window.studio.sources
        close = self._add(menu, "&Close the recording", "Ctrl+W", sources.close_open)
        state.source_changed.connect(lambda: close.setEnabled(state.source is not None))
        close.setEnabled(state.source is not None)
        self._add(menu, "Open mas&k…", "Ctrl+Shift+O", window.files.ask_mask)
        self._add(menu, "&Models…", "Ctrl+M", window.model_dialogs.show_models)
        self._add(menu, "&Find neurons…", "Ctrl+F", window.find_neurons)
        menu.addSeparator()
        self._add(menu, "&Export takes…", "Ctrl+E", window.files.ask_export)
        self._add(menu, "Export A/B &reel…", "Ctrl+Shift+E", window.files.ask_reel)
        menu.addSeparator()
        self._add(menu, "&Quit", "Ctrl+Q", window.close)

    def _edit(self) -> None:
        window = self._window
        menu = self._menu("&Edit")
        stack, takes = window.studio.history.stack, window.library.takes_panel
        for action, name, key in (
            (stack.createUndoAction(window, "Undo"), "Undo", "Ctrl+Z"),
            (stack.createRedoAction(window, "Redo"), "Redo", "Ctrl+Shift+Z"),
        ):
            action.setShortcut(QKeySequence(key))
            self._put(menu, name, action)
        menu.addSeparator()
        needing = [
            self._add(menu, "Rename the take", "F2", takes.list.rename),
            self._add(menu, "Note on the take", "N", takes.write_note),
            self._add(menu, "Use the take's settings", "U", takes.use_settings),
            self._add(menu, "Render again and compare", "Ctrl+Shift+R", window.render_again),
        ]
        stars = self._menu("Rate the takes", menu)
        for count in range(6):
            text = "No stars" if count == 0 else f"{count} star{'' if count == 1 else 's'}"
            self._add(stars, text, f"Alt+{count}", partial(takes.rate, count))
        menu.addSeparator()
        delete = self._add(menu, "Delete the takes", "Del", takes.delete)
        # Del belongs to whatever has the focus: here, to the list.
        delete.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        takes.list.addAction(delete)
        self._put(menu, "Clear the curve", window.lanes.curve.clear_action)

        def allow() -> None:
            for action in needing:
                action.setEnabled(takes.list.current_take is not None)
            delete.setEnabled(bool(takes.list.selected_takes))

        takes.list.selected.connect(allow)
        allow()

    def _play(self) -> None:
        window = self._window
        studio, playback = window.studio, window.studio.playback
        menu = self._menu("&Playback")
        self._add(menu, "Play or stop", "Space", playback.toggle)
        self._add(menu, "Loop", "L", lambda: playback.set_looping(not playback.looping))
        self._add(menu, "Swap A and B", "X", playback.swap)
        self._add(menu, "Bypass steering", "Y", studio.bypass.toggle)
        self._add(menu, "Back to the start", "Ctrl+Home", lambda: playback.seek(0.0))
        menu.addSeparator()
        for lane, key, name in ((SOURCE, "S", "the source"), (A, "A", "A"), (B, "B", "B")):
            self._add(menu, f"Listen to {name}", key, partial(playback.listen, lane))
        menu.addSeparator()
        state = studio.state
        self._add(menu, "Level match", "M", lambda: state.set_options(level_match=not state.level_match))
        proportional = self._add(menu, "Align lanes by proportion", "", lambda: None)
        self.sound = SoundMenu(playback, self._menu("Output device", menu), proportional)
        takes = self._menu("Take to the heard lane", menu)
        for number in range(1, 10):
            self._add(takes, f"Take {number}", str(number), partial(self._take, number))

    def _view(self) -> None:
        window = self._window
        render = self._menu("&Render")
        self._add(render, "Render", "R", window.studio.renders.render)
        self._add(render, "Contact sheet…", "K", window.show_sheet)
        self._add(render, "Auto-intensity…", "I", window.find_intensity)
        renders = window.studio.renders
        again = window.studio.rerender
        cancel = self._add(render, "Cancel the render", "Esc", window.studio.cancel)
        cancel.setEnabled(False)
        # Disabled, Escape is left to whatever has the focus.
        for each in (renders, again):
            each.active_changed.connect(lambda: cancel.setEnabled(renders.active or again.active))
        render.addSeparator()
        self._add(render, "Trim the source", "T", window.lanes.trim_button.toggle)
        self._add(render, "Trim the source to the loop", "Ctrl+T", window.lanes.trim.trim_to_loop)
        menu = self._menu("&View")
        self._add(menu, "Audition", "Ctrl+1", lambda: window.show_workspace("audition"))
        self._add(menu, "Localize", "Ctrl+2", lambda: window.show_workspace("localize"))
        menu.addSeparator()
        for track, key in zip(TRACKS, "WPEG", strict=True):
            toggle = window.lanes.tracks.buttons[track].toggle
            self._add(menu, f"Show or hide {track}", key, toggle)
        menu.addSeparator()
        self._add(menu, "Zoom in", "Ctrl++", lambda: self._zoom(0.8))
        self._add(menu, "Zoom out", "Ctrl+-", lambda: self._zoom(1.25))
        self._add(menu, "Show everything", "0", window.studio.axis.show_all)
        menu.addSeparator()
        group = QActionGroup(window)
        for choice, text in (("system", "Colours of the system"), ("dark", "Dark"), ("light", "Light")):
            action = self._add(menu, text, "", partial(window.theme.choose, choice))
            action.setCheckable(True)
            action.setChecked(window.theme.choice == choice)
            group.addAction(action)

    def _help(self) -> None:
        menu = self._menu("&Help")
        self._add(menu, "Keys…", "F1", self._window.show_keys)
        self._add(menu, "Tour", "", self._window.tour.begin)

    def _menu(self, title: str, parent: QMenu | None = None) -> QMenu:
        menu = QMenu(title, parent or self._window)
        # Held here: a menu that only its parent knows is deleted with its Python wrapper.
        self._menus.append(menu)
        (parent or self._window.menuBar()).addMenu(menu)
        return menu

    def _add(self, menu: QMenu, text: str, key: str, run: Callable[[], object]) -> QAction:
        action = QAction(text, self._window)
        if key:
            action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _checked=False: run())
        self._put(menu, text.replace("&", ""), action)
        return action

    def _put(self, menu: QMenu, name: str, action: QAction) -> None:
        menu.addAction(action)
        self.named[name] = action
        self.sections.setdefault(menu.title().replace("&", ""), []).append(name)

    def _take(self, number: int) -> None:
        window = self._window
        heard = window.studio.playback.heard
        window.studio.renders.assign(number, heard if heard != SOURCE else B)
        window.library.takes.select(number)

    def _zoom(self, factor: float) -> None:
        axis = self._window.studio.axis
        inside = axis.start <= axis.playhead <= axis.stop
        axis.zoom(factor, axis.playhead if inside else (axis.start + axis.stop) / 2)
