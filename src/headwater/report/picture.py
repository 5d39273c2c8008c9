"""How a figure becomes pictures: as a study asks, drawn once, and again when something changed."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.figures import ease_layout, house_style, known_font, lettering, render, spell_missing
from headwater.report.language import translate_figure, translator_of
from headwater.results import fingerprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from headwater.grids.area import Area
    from headwater.report.section import FigureBlock
    from headwater.results import Result
    from headwater.study import Study

__all__ = [
    "INDEX",
    "Look",
    "Picture",
    "index_of",
    "kept_pictures",
    "key_of",
    "look_of",
    "take_picture",
]

_MOST_SVG = 600_000
"""An SVG heavier than this [bytes] slows the page down, and the PNG stands in for it."""
_HALF, _FRAME = 4.6, 0.25
"""Width of a figure that shares its row, and what its labels do not shrink by [inch]."""
_MOST_CELLS = 1000
"""A mesh of more cells than this is an image inside the SVG; text and lines stay vectors."""
_MM = 1 / 25.4
_COLUMN = {"single": 90 * _MM, "double": 180 * _MM}
"""Widths of a figure in a journal [inch]."""
INDEX = "drawn.json"
"""File among the figures: the key and the size of each."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered figure by format, its size on the page [CSS pixel], and what is wrong with it.

    Attributes
    ----------
    files : mapping of bytes
        By format: png, svg, pdf.
    width, height : int
        On the page [CSS pixel].
    key : str
        Of all that it was drawn from, so that it need not be drawn again.
    lost : str
        Letters that no installed font has.
    """

    files: Mapping[str, bytes]
    width: int
    height: int
    key: str = ""
    lost: str = ""

    @property
    def data_uri(self) -> str:
        """The picture inside the page: the SVG, or the PNG where the SVG is too heavy."""
        light = len(self.files["svg"]) <= _MOST_SVG if "svg" in self.files else False
        suffix = "svg" if light or "png" not in self.files else "png"
        kind = {"svg": "svg+xml", "png": "png"}[suffix]
        return f"data:image/{kind};base64,{b64encode(self.files[suffix]).decode()}"


def take_picture(block: FigureBlock, look: Look | None = None, *, key: str = "") -> Picture:
    """Draw a figure block and render it in every format asked for.

    Parameters
    ----------
    block : FigureBlock
        Its `draw` is called once.
    look : Look, optional
        Formats, resolution, width and letters. The page shows an SVG or, where that is heavy, a
        PNG; both are made where the formats have neither.
    key : str
        Of what it is drawn from.

    Returns
    -------
    Picture
    """
    look = look or Look()
    chinese = look.language != "en"
    # the number of ticks that fit depends on the style: measure in that of rendering
    with lettering(look.font, editable=look.editable_text, fallback=chinese), house_style():
        figure = block.draw()
        translate_figure(figure, translator_of(look.language))
        lost = spell_missing(figure)
        _rasterize_maps(figure)
        ease_layout(figure)
        resized = _set_width(figure, look.inches(wide=block.wide), wide=block.wide)
        # maps come with a layout that holds as long as neither their size nor their words change
        changed = resized or chinese
        settled = _is_settled(figure) and not changed and not _wrap_labels(figure)
        if not settled:
            _hold_labels_of_maps(figure)
            _lay_out(figure)
        _end_layout(figure)
        box = figure.bbox_inches if settled else _inked(figure)
        files = {kind: render(figure, kind, dpi=look.dpi, box=box) for kind in _needed(look)}
        if "png" not in files and len(files["svg"]) > _MOST_SVG:
            files["png"] = render(figure, "png", dpi=look.dpi, box=box)
    return Picture(files, round(box.width * 96), round(box.height * 96), key, lost)


def _needed(look: Look) -> tuple[str, ...]:
    """List the formats to render: the page needs one that a browser shows."""
    shown = {"png", "svg"} & set(look.formats)
    return tuple(dict.fromkeys((*look.formats, *(() if shown else ("svg",)))))


def _lay_out(figure: Figure) -> None:
    """Solve the layout once, and break labels that turn out too long."""
    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        return
    # the engine by itself: drawing without rendering costs as much again
    engine.execute(figure)
    if _wrap_labels(figure):
        engine.execute(figure)


def _is_settled(figure: Figure) -> bool:
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    return isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine)


def _end_layout(figure: Figure) -> None:
    from matplotlib import rc_context

    # Constrained layout costs as much as drawing, and has now been solved. With any engine, even
    # the one called "none", each saving would draw once more.
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)


def _inked(figure: Figure) -> Bbox:
    """Find the part of the paper to show: of maps what is inked, since their shape is their own.

    Elsewhere only titles and labels of scales can be longer than the layout has room for.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    if _has_maps(figure):
        return figure.get_tightbbox().padded(0.04)
    words = [
        text
        for axes in figure.axes
        for text in (*axes.get_children(), axes.xaxis.label, axes.yaxis.label)
        if isinstance(text, Text) and text.get_text() and text.get_visible()
    ]
    paper = figure.dpi_scale_trans.inverted()
    boxes = [
        text.get_window_extent().transformed(paper) for text in words if not text.get_clip_on()
    ]
    return Bbox.union([figure.bbox_inches, *boxes])


def _has_maps(figure: Figure) -> bool:
    return any(axes.get_aspect() != "auto" for axes in figure.axes)


def _rasterize_maps(figure: Figure) -> None:
    from matplotlib.collections import QuadMesh

    meshes = (one for axes in figure.axes for one in axes.collections if isinstance(one, QuadMesh))
    for mesh in meshes:
        values = mesh.get_array()
        if values is not None and values.size > _MOST_CELLS:
            mesh.set_rasterized(True)


def _hold_labels_of_maps(figure: Figure) -> None:
    """Compress the layout where axes keep their shape: plain layout would cut their labels off."""
    places = [axes.get_subplotspec() for axes in figure.axes]
    grids = {place.get_gridspec() for place in places if place is not None}
    if _has_maps(figure) and len(grids) == 1:  # of several, matplotlib compresses none
        figure.set_layout_engine("compressed")
        for axes in figure.axes:  # one that was placed by hand is no part of the layout
            axes.set_in_layout(True)


def _wrap_labels(figure: Figure) -> bool:
    """Break the labels of scales that are longer than their scale; say whether there were any."""
    from headwater.grids.plots import wrapped

    long = False
    for axes in figure.axes:
        label = axes.yaxis.label
        text, room = label.get_text(), axes.get_window_extent().height
        if text and room > 0 and (length := label.get_window_extent().height) > 1.05 * room:
            fits = max(12, int(0.95 * len(text) * room / length))
            plain = " ".join(text.split("\n"))
            label.set_text(wrapped(plain, fits))
            long = long or label.get_text() != text
    return long


def _set_width(figure: Figure, inches: float | None, *, wide: bool) -> bool:
    """Resize the figure for its place, where scaling would make its text tiny; say whether."""
    width, height = figure.get_size_inches()
    if inches is None and (wide or width <= _HALF):
        return False
    to = inches or _HALF
    figure.set_size_inches(to, height * to / width + (_FRAME if to < width else 0.0))
    return True


@dataclass(frozen=True, slots=True)
class Look:
    """How figures are rendered.

    Attributes
    ----------
    dpi : int
        Resolution of PNG figures, and of images inside the others [dots per inch].
    formats : tuple of str
        Of the files: png, svg, pdf.
    width : {"page", "single", "double"}
        Of the figures; a journal's single column is for those that are not wide.
    font : str
        Family of letters; empty: the house's.
    editable_text : bool
        Whether letters of an SVG stay text.
    language : str
        Of their words: en, zh.
    """

    dpi: int = 150
    formats: tuple[str, ...] = ("svg",)
    width: str = "page"
    font: str = ""
    editable_text: bool = False
    language: str = "en"

    def inches(self, *, wide: bool) -> float | None:
        """Width that a figure must have [inch]; None where the page decides."""
        if self.width == "page":
            return None
        return _COLUMN["double" if wide else self.width]


def look_of(study: Study, dpi: int) -> Look:
    """Read how a study wants its figures.

    Parameters
    ----------
    study : Study
        With its table ``[report]``.
    dpi : int
        Resolution where the table gives none [dots per inch].

    Returns
    -------
    Look

    Raises
    ------
    StudyError
        If the font is not installed.
    """
    wanted = study.report
    font = known_font(wanted.font) if wanted.font else ""
    return Look(
        wanted.dpi or dpi,
        wanted.format,
        wanted.width,
        font,
        wanted.editable_text,
        wanted.language,
    )


def key_of(
    folders: Iterable[Path], results: Iterable[Result], outline: Area | None, look: Look
) -> str:
    """Condense all that the figures of a chapter depend on.

    Parameters
    ----------
    folders : iterable of Path
        With the files of the results, whose contents count.
    results : iterable of Result
        What the chapter draws.
    outline : Area or None
        The study area.
    look : Look
        How figures are rendered.

    Returns
    -------
    str
        Another where a result, the area, the look, Headwater or matplotlib is another.
    """
    prints = sorted(result.fingerprint for result in results)
    prints += [_content_of(folder) for folder in folders]
    shape = "" if outline is None else outline.geometry.wkb_hex
    return fingerprint(prints, shape, str(look), version("matplotlib"), _program())


def _content_of(folder: Path) -> str:
    """Hash the files of results, so that one changed by hand is drawn as it is."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".csv", ".nc", ".json"} and path.name != "step.json":
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _program() -> str:
    """Fingerprint Headwater's own files by their sizes and times, which costs no reading."""
    home = Path(__file__).parents[1]
    files = sorted(path for path in home.rglob("*") if path.suffix in {".py", ".po"})
    facts = [(str(path.relative_to(home)), path.stat()) for path in files]
    return fingerprint([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts])


def index_of(pictures: Mapping[str, Picture]) -> bytes:
    """Write down what each figure was drawn from.

    Parameters
    ----------
    pictures : mapping of Picture
        By file name without suffix.

    Returns
    -------
    bytes
        JSON.
    """
    facts = {
        stem: {
            "key": picture.key,
            "size": [picture.width, picture.height],
            "formats": sorted(picture.files),
            "lost": picture.lost,
        }
        for stem, picture in sorted(pictures.items())
    }
    return (json.dumps(facts, indent=1) + "\n").encode()


def kept_pictures(folder: Path, key: str) -> dict[str, Picture]:
    """Read the figures of an earlier report that need not be drawn again.

    Parameters
    ----------
    folder : Path
        With the figures and their index.
    key : str
        Of the results now, from :func:`key_of`.

    Returns
    -------
    dict of str to Picture
        By file name without suffix; a figure of which a file is missing is left out.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {
            stem: Picture(
                {kind: (folder / f"{stem}.{kind}").read_bytes() for kind in facts["formats"]},
                width=facts["size"][0],
                height=facts["size"][1],
                key=key,
                lost=facts["lost"],
            )
            for stem, facts in index.items()
            if facts["key"] == key
            and all((folder / f"{stem}.{kind}").is_file() for kind in facts["formats"])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # an index that cannot be read saves nothing, and is no reason to fail
        return {}
