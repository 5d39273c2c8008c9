"""How every figure looks: type, colours that colour-blind readers can distinguish, and saving.

Colours: Okabe & Ito (2008) for categories; one-hue or viridis-like maps for amounts; diverging maps
(``BrBG``, ``RdBu_r``) for signed quantities, never red against green. Matplotlib is imported inside
the functions, so that the command line starts without it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import DataError, StudyError, nearest

if TYPE_CHECKING:
    from typing import Protocol

    from shapely.geometry.base import BaseGeometry

    class HasGeometry(Protocol):
        """What has an outline, such as an area."""

        @property
        def geometry(self) -> BaseGeometry:
            """The outline."""

    Outline = BaseGeometry | HasGeometry
    """What a map may have drawn as a line."""

    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

__all__ = [
    "CATEGORY",
    "COLORMAP",
    "INK",
    "MUTED",
    "drawing_on",
    "ease_layout",
    "grouped",
    "house_style",
    "known_font",
    "lettering",
    "maps_figure",
    "new_figure",
    "p_text",
    "render",
    "spell_missing",
    "table_figure",
]

CATEGORY = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe-Ito colours, in the order of use."""

INK, MUTED = "#1f2933", "#6b7785"
"""Colours of text and of secondary text."""

COLORMAP = {
    "soil_moisture": "YlGnBu",
    "soil_water": "YlGnBu",
    "precipitation": "GnBu",
    "temperature": "inferno",
    "ndvi": "YlGn",
    "elevation": "cividis",
    "slope": "magma_r",
    "aspect": "twilight",
    "cv": "PuBuGn",
    "trend": "BrBG",
    "warming": "RdBu_r",
    "correlation": "RdBu_r",
    "p_value": "viridis",
    "n": "Greys",
    "degradation": "YlOrRd",
    "warning_state": "YlOrRd",
    "drought": "YlOrBr",
}
"""Colour map by quantity; anything else takes ``viridis``."""

_NO_GLYPH = "[no font]"

_STYLE: dict[str, Any] = {
    # letters of a PDF stay text, in TrueType
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "headwater",
    "image.interpolation": "nearest",
}


def grouped(value: float, decimals: int = 0) -> str:
    r"""Write a number as figures, tables and prose print it.

    Parameters
    ----------
    value : float
        Any number but NaN.
    decimals : int
        Digits after the point.

    Returns
    -------
    str
        With a true minus and, from five digits on so that years stay years, thin gaps between
        thousands.

    Examples
    --------
    >>> grouped(8395), grouped(-0.25, 2), grouped(12345) == "12\u202f345"
    ('8395', '−0.25', True)
    """
    gap = "\u202f" if abs(value) > 9999 else ""
    text = f"{value:z,.{decimals}f}"
    return text.replace(",", gap).replace("-", "−").replace("inf", "∞")


def p_text(p: float) -> str:
    """Write a p-value as figures and prose print it.

    Parameters
    ----------
    p : float
        From 0 to 1.

    Returns
    -------
    str

    Examples
    --------
    >>> p_text(0.0421), p_text(0.0002)
    ('p = 0.042', 'p ≤ 0.001')
    """
    return "p ≤ 0.001" if p <= 0.001 else f"p = {p:.3f}"


_FALLBACK = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Arial Unicode MS",
)
"""Families with Chinese letters, of which the first that is installed stands in."""

_FONT: ContextVar[tuple[str, bool, bool]] = ContextVar("font", default=("", False, True))


@contextmanager
def house_style() -> Iterator[None]:
    """Draw within Headwater's style, leaving the caller's own untouched."""
    import matplotlib as mpl
    from cycler import cycler

    family, editable, fallback = _FONT.get()
    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=list(CATEGORY))}
    style["font.family"] = list(_families(family, fallback=fallback))
    style["svg.fonttype"] = "none" if editable else "path"
    with mpl.rc_context(style):
        yield


@contextmanager
def lettering(family: str = "", *, editable: bool = False, fallback: bool = True) -> Iterator[None]:
    """Let figures have letters of another family, or letters that stay text in an SVG.

    Parameters
    ----------
    family : str
        Of an installed font; empty: the house's. Letters it lacks come from others.
    editable : bool
        Whether letters of an SVG stay text, which needs the font where it is opened.
    fallback : bool
        Whether every text looks for its letters in the font for Chinese too, which costs time;
        else :func:`spell_missing` lets those do that need it.
    """
    token = _FONT.set((family, editable, fallback))
    try:
        yield
    finally:
        _FONT.reset(token)


@cache
def _installed() -> frozenset[str]:
    from matplotlib.font_manager import fontManager

    return frozenset(entry.name for entry in fontManager.ttflist)


@cache
def _families(first: str, *, fallback: bool = True) -> tuple[str, ...]:
    """List the families of a figure: the one asked for, the house's, and one for Chinese."""
    chinese = [name for name in _FALLBACK if name in _installed()][:1] if fallback else []
    return tuple(dict.fromkeys(name for name in (first, "DejaVu Sans", *chinese) if name))


def known_font(family: str) -> str:
    """Check that a font is installed.

    Parameters
    ----------
    family : str
        Its family, in any case.

    Returns
    -------
    str
        The family as the font spells it.

    Raises
    ------
    StudyError
        If there is no such font.

    Examples
    --------
    >>> known_font("dejavu sans")
    'DejaVu Sans'
    """
    spelled = {name.lower(): name for name in _installed()}
    if family.lower() not in spelled:
        raise StudyError(
            "the font of the figures is not installed",
            found=f"'{family}'",
            do=nearest(family, sorted(_installed())),
        )
    return spelled[family.lower()]


@cache
def _glyphs(families: tuple[str, ...]) -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    paths = (findfont(FontProperties(family=[name])) for name in families)
    return frozenset(code for path in paths for code in get_font(path).get_charmap())


def spell_missing(figure: Figure) -> str:
    """Write a word in place of letters that no font has, which would be drawn as boxes.

    Parameters
    ----------
    figure : Figure
        Changed where letters are missing; texts whose letters only the font for Chinese has take
        it as well.

    Returns
    -------
    str
        The letters that no installed font has; empty where all can be drawn.
    """
    from matplotlib.text import Text

    family, _, fallback = _FONT.get()
    families = _families(family)
    usual, drawable = _glyphs(_families(family, fallback=fallback)), _glyphs(families)
    lost: dict[str, None] = {}
    for text in figure.findobj(Text):
        words = text.get_text()
        unusual = {letter for letter in words if ord(letter) not in usual and letter > " "}
        if unusual and not fallback:
            text.set_fontfamily(list(families))
        missing = {letter for letter in unusual if ord(letter) not in drawable}
        if missing and "$" not in words:
            lost |= dict.fromkeys(sorted(missing))
            pattern = f"[{re.escape(''.join(missing))}]+"
            text.set_text(re.sub(pattern, _NO_GLYPH, words))
    return "".join(lost)


_MOST_PANELS, _MOST_ROWS, _LONGEST_LABEL = 4, 40, 40
"""What a picture without a design of its own can show legibly; it says what it leaves out."""

_PLACE: ContextVar[Axes | None] = ContextVar("place", default=None)


@contextmanager
def drawing_on(ax: Axes | None) -> Iterator[None]:
    """Let :func:`new_figure` give the place of given axes, so that any plot can be a panel.

    Parameters
    ----------
    ax : Axes or None
        Axes of a grid (``subplots``), which make room for the plot; None changes nothing.

    Raises
    ------
    DataError
        When a figure is asked for and the axes are not of a grid.
    """
    token = _PLACE.set(ax)
    try:
        yield
    finally:
        _PLACE.reset(token)


def _place_of(ax: Axes) -> Figure:
    spec = ax.get_subplotspec()
    if spec is None:
        raise DataError(
            "there is no room for the plot in these axes",
            found="axes that are not of a grid",
            do="Make them with subplots or add_subplot",
        )
    whole = ax.figure
    ax.remove()
    return cast("Figure", whole.add_subfigure(spec))


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """Make an empty figure that needs no screen and no closing.

    Parameters
    ----------
    width, height : float
        Size [inch].

    Returns
    -------
    Figure
        With constrained layout, so that labels do not overlap; within :func:`drawing_on` the part
        of the figure where the axes were.
    """
    place = _PLACE.get()
    if place is not None:
        return _place_of(place)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    figure = MatplotlibFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def ease_layout(figure: Figure) -> None:
    """Spare the layout what changes nothing: frames, and places of labels that say nothing.

    Each of these would have matplotlib place all ticks of its axis once more.

    Parameters
    ----------
    figure : Figure
        Drawn, its layout not yet solved.
    """
    for axes in figure.axes:
        if "outline" not in axes.spines:  # of a scale of colours: its pointed ends stick out
            axes.spines[:].set_in_layout(False)
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.label.get_text():
                axis.set_label_coords(0.5, 0.5)


_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "Headwater"},
    "svg": {"Date": None},
    "pdf": {"Creator": "Headwater", "CreationDate": None},
}
"""Nothing that changes between two renderings of one figure."""


def render(figure: Figure, suffix: str, *, dpi: int = 150, box: Bbox | None = None) -> bytes:
    """Render a figure, the same bytes for the same figure.

    Parameters
    ----------
    figure : Figure
        The figure.
    suffix : {"png", "svg", "pdf"}
        The format.
    dpi : int
        Resolution of a PNG and of images inside an SVG [dots per inch].
    box : Bbox, optional
        Part of the paper to render [inch]; default: all of it.

    Returns
    -------
    bytes
    """
    buffer = io.BytesIO()
    metadata = _METADATA[suffix]
    with house_style():
        figure.savefig(buffer, format=suffix, dpi=dpi, metadata=metadata, bbox_inches=box)
    return buffer.getvalue()


def table_figure(table: pd.DataFrame) -> Figure:
    """Draw a table: a panel of dots for each column of numbers, a row for each row.

    Parameters
    ----------
    table : DataFrame
        With units of columns in ``attrs["units"]``. Columns ``<name>_low`` and ``<name>_high``
        become whiskers of ``<name>``; columns of words label the rows.

    Returns
    -------
    Figure
        Of the first four columns of numbers and the first forty rows, saying how many more there
        are; of a table without numbers, its words.
    """
    shown = table.head(_MOST_ROWS)
    kinds = {str(name): column.dtype.kind for name, column in shown.items()}
    numbers = [name for name, kind in kinds.items() if kind in "fiu"]
    limits = {f"{name}{end}" for name in numbers for end in ("_low", "_high")} & set(numbers)
    values = [name for name in numbers if name not in limits]
    words = [name for name in kinds if name not in numbers]
    labels = [
        ", ".join(str(row[name]) for name in words)[:_LONGEST_LABEL] or str(place)
        for place, row in shown.iterrows()
    ]
    with house_style():
        figure = new_figure(7.0, 1.4 + 0.2 * max(len(shown), 4))
        panels = figure.subplots(1, max(len(values[:_MOST_PANELS]), 1), sharey=True, squeeze=False)
        for axes, name in zip(panels[0], values, strict=False):
            _dots(axes, shown, name)
        panels[0, 0].set_yticks(range(len(labels)), labels)
        panels[0, 0].set_ylim(max(len(labels), 1) - 0.5, -0.5)
        if not values:
            panels[0, 0].set_xticks([])
        more = {"rows": len(table) - len(shown), "columns": len(values) - _MOST_PANELS}
        left = [f"{n} more {what}" for what, n in more.items() if n > 0]
        if left:
            figure.supxlabel(f"{' and '.join(left)} in the table", color=MUTED, fontsize=8)
    return figure


def _dots(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draw one column of numbers, with whiskers where the table has their ends."""
    places = range(len(table))
    axes.plot(table[name].astype(float), places, "o", markersize=4, linestyle="none")
    if {f"{name}_low", f"{name}_high"} <= set(table.columns):
        low, high = table[f"{name}_low"].astype(float), table[f"{name}_high"].astype(float)
        axes.hlines(places, low, high, linewidth=1.2)
    units = table.attrs.get("units", {}).get(name, "")
    axes.set_xlabel(f"{name.replace('_', ' ')} [{units}]" if units else name.replace("_", " "))
    axes.tick_params(axis="x", labelrotation=30)


def maps_figure(maps: xr.Dataset) -> Figure:
    """Draw the maps of a Dataset next to each other, on the numbers of their rows and columns.

    Parameters
    ----------
    maps : Dataset, dims (..., y, x)
        Of other dimensions the first layer is drawn, which its title names.

    Returns
    -------
    Figure
        Of the first four variables of numbers, saying how many more there are.
    """
    drawn = {
        str(name): values
        for name, values in maps.data_vars.items()
        if values.dims[-2:] == ("y", "x") and values.dtype.kind in "fiub"
    }
    with house_style():
        figure = new_figure(7.0, 3.6)
        panels = figure.subplots(1, max(min(len(drawn), _MOST_PANELS), 1), squeeze=False)
        for axes, (name, values) in zip(panels[0], drawn.items(), strict=False):
            layers = [str(dim) for dim in values.dims[:-2]]
            image = axes.imshow(values.isel(dict.fromkeys(layers, 0)).astype(float))
            said = [name.replace("_", " "), *(f"first {dim}" for dim in layers)]
            axes.set_title(", ".join(said), loc="left")
            figure.colorbar(image, ax=axes, label=str(values.attrs.get("units", "")), shrink=0.8)
        if len(drawn) > _MOST_PANELS:
            left = f"{len(drawn) - _MOST_PANELS} more variables in the maps"
            figure.supxlabel(left, color=MUTED, fontsize=8)
    return figure
