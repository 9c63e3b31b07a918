"""Opens the list of models, and asks for consent when a model needs it; both are made when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from studio.gui.studio import Studio
from studio.lalm.consent import CodeOffer

if TYPE_CHECKING:
    from studio.gui.models.dialog import ModelsDialog


class ModelDialogs(QObject):
    """The dialogs about models, above ``window``."""

    def __init__(self, window: QWidget, studio: Studio) -> None:
        super().__init__(window)
        self._window = window
        self._studio = studio
        self.models: ModelsDialog | None = None
        studio.keeper.consent_needed.connect(self.ask_consent)

    def show_models(self) -> None:
        """Open the list of models."""
        studio = self._studio
        if self.models is None:
            from studio.gui.models.dialog import ModelsDialog

            self.models = ModelsDialog(
                studio.keeper, studio.downloads, studio.decisions, studio.environments, self._window
            )
        self.models.refresh()
        studio.decisions.read()
        self.models.show()
        self.models.raise_()

    def ask_consent(self, code: CodeOffer) -> None:
        """Ask whether code that a model brings along may run; the model is loaded when it may."""
        from studio.gui.models.consent import ConsentDialog

        above = self.models if self.models is not None and self.models.isVisible() else self._window
        dialog = ConsentDialog(code, above)
        dialog.agreed.connect(lambda agreed: self._studio.keeper.choose(agreed.model, agreed=agreed))
        dialog.open()
