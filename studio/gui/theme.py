"""Dark and light: colours, the palette, two text sizes and the stylesheet, following the system's scheme."""

from __future__ import annotations

from dataclasses import dataclass, fields

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from studio.paths import resources_dir

BODY_PX = 13
SMALL_PX = 11


@dataclass(frozen=True)
class Colours:
    """Colours of one scheme, as #RRGGBB."""

    window: str
    panel: str
    control: str
    hover: str
    border: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    source: str
    a: str
    b: str
    danger: str
    warning: str
    canvas: str
    grid: str

    def lane(self, name: str) -> str:
        """The colour of lane ``source``, ``A`` or ``B``."""
        return {"source": self.source, "A": self.a, "B": self.b}[name]


DARK = Colours(
    window="#1E1F22",
    panel="#2B2D30",
    control="#393B40",
    hover="#43464C",
    border="#43454A",
    text="#DFE1E5",
    muted="#A3A7AE",
    faint="#6F737A",
    accent="#3CB9AB",
    on_accent="#0B1F1D",
    source="#9AA0A6",
    a="#5AB9E6",
    b="#4EC58C",
    danger="#F2685C",
    warning="#E5B84B",
    canvas="#18191B",
    grid="#2A2C2F",
)
LIGHT = Colours(
    window="#FFFFFF",
    panel="#F4F5F7",
    control="#FFFFFF",
    hover="#E8EAED",
    border="#D3D6DB",
    text="#1F2125",
    muted="#5C616A",
    faint="#989DA6",
    accent="#0B7F73",
    on_accent="#FFFFFF",
    source="#70767D",
    a="#1579AE",
    b="#1E8A55",
    danger="#C02F22",
    warning="#8A6100",
    canvas="#FBFBFC",
    grid="#ECEEF1",
)


class Theme(QObject):
    """Applies one of ``system``, ``dark``, ``light`` to the application and tells painted widgets when it changes."""

    changed = Signal()

    def __init__(self, app: QApplication, choice: str = "system") -> None:
        super().__init__(app)
        self._app = app
        self._choice = choice
        self.colours = DARK
        app.setStyle("Fusion")
        app.setFont(_body_font())
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply)
        self.choose(choice)

    @property
    def choice(self) -> str:
        """What the user chose: ``system``, ``dark`` or ``light``."""
        return self._choice

    def choose(self, choice: str) -> None:
        """Use ``dark`` or ``light``, or follow the ``system``."""
        self._choice = choice
        schemes = {"dark": Qt.ColorScheme.Dark, "light": Qt.ColorScheme.Light}
        QGuiApplication.styleHints().setColorScheme(schemes.get(choice, Qt.ColorScheme.Unknown))
        self._apply()

    def _apply(self) -> None:
        # A system that tells no scheme gets the dark one, the design's default.
        scheme = QGuiApplication.styleHints().colorScheme()
        light = self._choice == "light" or (self._choice == "system" and scheme == Qt.ColorScheme.Light)
        self.colours = LIGHT if light else DARK
        self._app.setPalette(palette(self.colours))
        self._app.setStyleSheet(stylesheet(self.colours))
        self.changed.emit()


def current() -> Colours:
    """The colours in use now, for widgets that paint themselves."""
    app = QApplication.instance()
    theme = app.findChild(Theme) if app is not None else None
    return theme.colours if theme is not None else DARK


def font(px: int = BODY_PX, *, bold: bool = False) -> QFont:
    """The application's font at one of the two sizes, with tabular figures."""
    result = _body_font()
    result.setPixelSize(px)
    if bold:
        result.setWeight(QFont.Weight.DemiBold)
    return result


def blend(over: str, under: str, share: float) -> QColor:
    """``share`` of colour ``over`` on ``under``, opaque."""
    first, second = QColor(over), QColor(under)
    return QColor.fromRgbF(
        *(
            share * getattr(first, part)() + (1 - share) * getattr(second, part)()
            for part in ("redF", "greenF", "blueF")
        )
    )


def palette(colours: Colours) -> QPalette:
    """The Fusion palette of a scheme."""
    result = QPalette()
    role = QPalette.ColorRole
    for which, value in (
        (role.Window, colours.panel),
        (role.WindowText, colours.text),
        (role.Base, colours.window),
        (role.AlternateBase, colours.panel),
        (role.Text, colours.text),
        (role.PlaceholderText, colours.faint),
        (role.Button, colours.control),
        (role.ButtonText, colours.text),
        (role.BrightText, colours.danger),
        (role.ToolTipBase, colours.control),
        (role.ToolTipText, colours.text),
        (role.Highlight, colours.accent),
        (role.HighlightedText, colours.on_accent),
        (role.Link, colours.accent),
        (role.Light, colours.hover),
        (role.Midlight, colours.control),
        (role.Mid, colours.border),
        (role.Dark, colours.border),
        (role.Shadow, colours.border),
        (role.Accent, colours.accent),
    ):
        result.setColor(which, QColor(value))
    for which in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.faint))
    return result


def stylesheet(colours: Colours) -> str:
    """The stylesheet with every ``@name`` replaced by the scheme's colour or a text size."""
    text = (resources_dir() / "gui" / "studio.qss").read_text(encoding="utf-8")
    names = sorted((field.name for field in fields(colours)), key=len, reverse=True)
    for name in names:
        text = text.replace(f"@{name};", f"{getattr(colours, name)};").replace(
            f"@{name} ", f"{getattr(colours, name)} "
        )
    text = text.replace("@tint;", f"{blend(colours.accent, colours.panel, 0.28).name()};")
    text = text.replace("@scheme", "light" if colours is LIGHT else "dark")
    text = text.replace("@icons", (resources_dir() / "gui").as_posix())
    return text.replace("@body;", f"{BODY_PX}px;").replace("@small;", f"{SMALL_PX}px;")


def _body_font() -> QFont:
    result = QFont(QApplication.font())
    result.setPixelSize(BODY_PX)
    result.setFeature(QFont.Tag("tnum"), 1)
    return result
