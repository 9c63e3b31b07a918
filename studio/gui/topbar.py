"""The toolbar: model, mask, workspace, and what is being worked on."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QToolBar,
    QWidget,
)

from studio.gui.jobstatus import JobStatus
from studio.gui.studio import Studio
from studio.gui.widgets.layout import explain, link, small, tight
from studio.gui.widgets.toggles import Segments

_OTHER = "Open a mask…"
_SUFFIX = ".esn.safetensors"


class TopBar(QToolBar):
    """Shows the model, its masks, the workspaces and what is being worked on."""

    mask_asked = Signal()
    find_asked = Signal()
    models_asked = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__("Toolbar")
        self.setObjectName("toolbar")
        self.setMovable(False)
        self._studio = studio
        self.model = link("", "Models")
        self.model.setToolTip("Choose, download or delete a model (Ctrl+M)")
        self.model.clicked.connect(self.models_asked)
        self.mask_box = QComboBox()
        self.mask_box.setMinimumWidth(96)
        self.mask_box.setMaximumWidth(176)
        self.mask_box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.mask_box.setAccessibleName("ESN mask")
        self.workspaces = Segments(
            {"audition": "Audition", "localize": "Localize"},
            name="Workspace",
            hints={"audition": "Listen and steer (Ctrl+1)", "localize": "Where the neurons sit (Ctrl+2)"},
        )
        self.workspaces.setFixedWidth(208)
        self.workspaces.show_value("audition")
        self.job = JobStatus(studio)
        self.find_neurons = QPushButton("Find neurons…")
        self.find_neurons.setToolTip("Make a mask from recordings of your own (Ctrl+F)")
        self.addWidget(_group(small("Model"), self.model, _gap(4), small("Mask"), self.mask_box, None))
        self.addWidget(_spring())
        self.addWidget(self.workspaces)
        self.addWidget(_spring())
        self.addWidget(_group(self.job, self.find_neurons))
        self.mask_box.activated.connect(self._choose)
        self.find_neurons.clicked.connect(self.find_asked)
        studio.keeper.loaded_changed.connect(self._show_model)
        studio.keeper.status_changed.connect(lambda _status: self._show_model())
        studio.keeper.masks_changed.connect(self._show_masks)
        studio.state.mask_changed.connect(self._show_masks)
        self._show_model()
        self._show_masks()

    def recolour(self) -> None:
        """Draw the icons in another scheme's colours."""
        self.job.recolour()

    def _choose(self, index: int) -> None:
        path = self.mask_box.itemData(index)
        self._show_masks()
        if path is None:
            self.mask_asked.emit()
        else:
            self._studio.keeper.open_mask(Path(path))

    def _show_model(self) -> None:
        keeper = self._studio.keeper
        self.model.setText(
            keeper.loaded.model.info.title if keeper.loaded is not None else keeper.status or "Loading model…"
        )

    def _show_masks(self) -> None:
        keeper, shown = self._studio.keeper, self._studio.state.mask
        self.mask_box.blockSignals(True)
        self.mask_box.clear()
        for path in keeper.masks:
            self.mask_box.addItem(path.name.removesuffix(_SUFFIX), str(path))
        if shown is None:
            self.mask_box.insertItem(0, "no mask", "")
        self.mask_box.insertSeparator(self.mask_box.count())
        self.mask_box.addItem(_OTHER, None)
        self.mask_box.setCurrentIndex(max(0, self.mask_box.findData(str(shown.path))) if shown is not None else 0)
        self.mask_box.blockSignals(False)
        explain(self.mask_box, keeper.loaded is not None, keeper.problem or "", "Which neurons the sliders reach")


def _group(*widgets: QWidget | None) -> QWidget:
    """Widgets side by side, None for the slack; both groups are equally wide, so the workspaces stay in the middle."""
    result = QWidget()
    result.setFixedSize(384, 32)
    layout = QHBoxLayout(result)
    tight(layout)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget, 2 if isinstance(widget, (QComboBox, JobStatus)) else 0)
    return result


def _spring() -> QWidget:
    widget = QWidget()
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    return widget


def _gap(width: int) -> QWidget:
    widget = QWidget()
    widget.setFixedWidth(width)
    return widget
