"""How a figure becomes pictures: drawn once, laid out once, rendered as PNG and SVG."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headwater.figures import house_style, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from headwater.report.section import FigureBlock

__all__ = ["Picture", "take_picture"]

_MOST_SVG = 600_000
"""An SVG heavier than this [bytes] slows the page down, and the PNG stands in for it."""
_HALF, _FRAME = 4.6, 0.25
"""Width of a figure that shares its row, and what its labels do not shrink by [inch]."""
_MOST_CELLS = 1000
"""A mesh of more cells than this is an image inside the SVG; text and lines stay vectors."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered figure, with its size on the page [CSS pixel]."""

    png: bytes
    svg: bytes
    width: int
    height: int

    @property
    def data_uri(self) -> str:
        """The picture inside the page: the SVG, or the PNG where the SVG is too heavy."""
        kind, content = ("svg+xml", self.svg) if len(self.svg) <= _MOST_SVG else ("png", self.png)
        return f"data:image/{kind};base64,{b64encode(content).decode()}"


def take_picture(block: FigureBlock, dpi: int = 150) -> Picture:
    """Draw a figure block and render it both ways.

    Parameters
    ----------
    block : FigureBlock
        Its `draw` is called once.
    dpi : int
        Resolution of the PNG and of images inside the SVG [dots per inch].

    Returns
    -------
    Picture
    """
    from matplotlib import rc_context

    with house_style():
        figure = block.draw()
    _rasterize_maps(figure)
    _hold_labels_of_maps(figure)
    if not block.wide:
        _make_narrow(figure)
    with house_style():
        figure.draw_without_rendering()
    # Constrained layout costs as much as drawing, and has now been solved. With any engine, even
    # the one called "none", each saving would draw once more.
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    box = _inked(figure)
    png, svg = (render(figure, suffix, dpi=dpi, box=box) for suffix in ("png", "svg"))
    return Picture(png, svg, round(box.width * 96), round(box.height * 96))


def _inked(figure: Figure) -> Bbox:
    """Find the part of the paper to show: of maps what is inked, since their shape is their own."""
    from matplotlib.transforms import Bbox

    inked = figure.get_tightbbox()
    return inked.padded(0.04) if _has_maps(figure) else Bbox.union([figure.bbox_inches, inked])


def _has_maps(figure: Figure) -> bool:
    return any(axes.get_aspect() != "auto" for axes in figure.axes)


def _rasterize_maps(figure: Figure) -> None:
    from matplotlib.collections import QuadMesh

    for mesh in figure.findobj(QuadMesh):
        values = mesh.get_array()
        if values is not None and values.size > _MOST_CELLS:
            mesh.set_rasterized(True)


def _hold_labels_of_maps(figure: Figure) -> None:
    """Compress the layout where axes keep their shape: plain layout would cut their labels off."""
    if _has_maps(figure):
        figure.set_layout_engine("compressed")


def _make_narrow(figure: Figure) -> None:
    """Lay the figure out anew for half a row, where scaling it down would make its text tiny."""
    width, height = figure.get_size_inches()
    if width > _HALF:
        figure.set_size_inches(_HALF, height * _HALF / width + _FRAME)
