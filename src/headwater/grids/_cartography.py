"""What is drawn with the values of a map: scale of colours, ticks, outline, stippling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.figures import CATEGORY, COLORMAP, INK, MUTED, ease_layout
from headwater.grids.geometry import cell_size, is_geographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.figures import Outline

__all__ = [
    "Scale",
    "add_outline",
    "add_scale_bar",
    "add_stipple",
    "add_ticks",
    "compress",
    "extent_of",
    "foot",
    "map_aspect",
    "map_frame",
    "scale_of",
    "settle",
]

# Where grid north is further from true north than this, a map needs an arrow [degree].
_ROTATED = 5.0
# Distance between stipples on paper, so that they read as a texture and not as a stain [point].
_STIPPLE_SPACING = 5.0
_FOOT = -21.0
# White around a figure [inch].
_MARGIN = 0.04
Categories = Mapping[float, str] | Sequence[str]
NO_DATA = "#dcdfe3"
_DIVERGING = {"BrBG", "RdBu_r"}


def extent_of(grid: GeoBox) -> tuple[float, float, float, float]:
    """West, east, south and north edges, in the units of the reference system."""
    box = grid.boundingbox
    return box.left, box.right, box.bottom, box.top


def map_aspect(grid: GeoBox) -> float:
    """Length of a unit of y over a unit of x on the ground, at the middle row."""
    if not is_geographic(grid):
        return 1.0
    eastward, northward = (step[grid.shape[0] // 2] for step in cell_size(grid))
    return float(abs((northward / grid.transform.e) / (eastward / grid.transform.a)))


def map_frame(grid: GeoBox) -> tuple[float, float]:
    """Ground distance of one unit of x [km], and the direction of true north [degree clockwise].

    Both at the centre of the map, where a projection is neither true to scale nor straight.
    """
    if is_geographic(grid):
        middle = grid.shape[0] // 2
        return float(abs(cell_size(grid)[0][middle] / grid.transform.a)) / 1000.0, 0.0
    from pyproj import Transformer

    crs: Any = grid.crs
    crs = crs.proj
    west, east, south, north = extent_of(grid)
    x, y, reach = (west + east) / 2, (south + north) / 2, (east - west) / 200
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    longitude, latitude = to_degrees.transform([x - reach, x, x + reach], [y, y, y])
    metres = crs.get_geod().inv(longitude[0], latitude[0], longitude[2], latitude[2])[2]
    up_x, up_y = to_degrees.transform(longitude[1], latitude[1] + 0.01, direction="INVERSE")
    return metres / (2 * reach) / 1000.0, float(np.degrees(np.arctan2(up_x - x, up_y - y)))


def add_ticks(axes: Axes, grid: GeoBox, *, bins: int = 5) -> None:
    """Label the edges in degrees, or in kilometres of the projection."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    geographic = is_geographic(grid)
    km = abs(cell_size(grid)[0][0] / grid.transform.a) / 1000.0
    for axis, letters in ((axes.xaxis, "EW"), (axes.yaxis, "NS")):

        def text(value: float, _: int | None = None, letters: str = letters) -> str:
            if not geographic:
                return f"{value * km:.12g} km"
            value = round(float(value), 6)
            return f"{abs(value):g}°{letters[value < 0] if value else ''}"

        axis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(text))
    axes.tick_params(length=2.5, width=0.6, color=MUTED)


def add_outline(axes: Axes, outline: Outline | None) -> None:
    """Draw the boundary of a shapely geometry, or of an object that has one."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import Normal, Stroke

    shape: Any = getattr(outline, "geometry", outline)
    boundary = shape.boundary
    lines = [np.asarray(part.coords)[:, :2] for part in getattr(boundary, "geoms", [boundary])]
    halo = [Stroke(linewidth=2.4, foreground="white", alpha=0.8), Normal()]
    axes.add_collection(
        LineCollection(lines, colors=INK, linewidths=1.0, path_effects=halo, zorder=3),
        autolim=False,
    )


def add_stipple(axes: Axes, grid: GeoBox, marked: NDArray[Any]) -> None:
    """Dot the marked cells; on fine grids only every k-th cell, so the density stays true."""
    figure: Any = axes.get_figure()
    width = axes.get_position().width * figure.bbox.width * 72.0 / figure.dpi
    every = max(1, int(np.ceil(_STIPPLE_SPACING * grid.shape[1] / width)))
    lattice = np.zeros(grid.shape, dtype=bool)
    lattice[every // 2 :: every, every // 2 :: every] = True
    transform = grid.transform
    # Counted from the north-west, so that the order of rows does not move the dots.
    lattice = lattice[:: 1 if transform.e < 0 else -1, :: 1 if transform.a > 0 else -1]
    rows, columns = np.nonzero(marked & lattice)
    axes.scatter(
        transform.c + transform.a * (columns + 0.5),
        transform.f + transform.e * (rows + 0.5),
        s=2.6,
        color=INK,
        edgecolors="white",
        linewidths=0.25,
        zorder=2.5,
        rasterized=True,
    )


def add_scale_bar(axes: Axes, grid: GeoBox) -> None:
    """Draw a bar of round length under the right end of the map, and north where it is not up."""
    km_per_unit, north = map_frame(grid)
    west, east, _, _ = extent_of(grid)
    width = (east - west) * km_per_unit
    length = _round_length(0.25 * width)
    left = 1.0 - length / width
    place = foot(axes)
    axes.plot(
        [left, 1], [0, 0], transform=place, color=INK, lw=1.4, marker="|", ms=6, clip_on=False
    )
    axes.annotate(
        f"{length:g} km",
        (left, 0),
        xycoords=place,
        xytext=(-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=8,
    )
    if abs(north) > _ROTATED:
        _add_north_arrow(axes, north)


def foot(axes: Axes, *, line: int = 0) -> Any:
    """Coordinates below the tick labels: x in shares of the map's width, y from a foot line."""
    return _shifted(axes, 0, _FOOT - 14.0 * line)


def _shifted(axes: Axes, right: float, up: float) -> Any:
    """Coordinates of the axes, moved by points."""
    from matplotlib.transforms import ScaledTranslation

    figure: Any = axes.get_figure()
    return axes.transAxes + ScaledTranslation(right / 72.0, up / 72.0, figure.dpi_scale_trans)


def compress(figure: Figure) -> None:
    """Let maps, which keep their shape, stand close; a panel of a larger figure follows that."""
    if not _is_panel(figure):
        figure.set_layout_engine("compressed")


def _is_panel(figure: Any) -> bool:
    return figure.figure is not figure


def settle(figure: Figure) -> None:
    """Place the parts once and for all, and make the figure as large as they need.

    The layout engine allots room before maps take their true proportions, so that labels of slim
    maps can end up outside. A panel of a larger figure is left to the layout of that.
    """
    if _is_panel(figure):
        return
    engine = figure.get_layout_engine()
    if engine is not None:
        ease_layout(figure)
        engine.execute(figure)
    figure.set_layout_engine("none")
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    size = box.width + 2 * _MARGIN, box.height + 2 * _MARGIN
    for axes in figure.axes:
        if axes.get_axes_locator() is None:
            left, bottom, wide, high = axes.get_position().bounds
            axes.set_position(
                (
                    (left * width - box.x0 + _MARGIN) / size[0],
                    (bottom * height - box.y0 + _MARGIN) / size[1],
                    wide * width / size[0],
                    high * height / size[1],
                )
            )
    figure.set_size_inches(size)


def _add_north_arrow(axes: Axes, north: float) -> None:
    angle = np.radians(north)
    axes.annotate(
        "N",
        (1, 1),
        xycoords=_shifted(axes, -18, -32),
        xytext=(24 * np.sin(angle), 24 * np.cos(angle)),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=8,
        arrowprops={"arrowstyle": "<|-", "color": INK, "shrinkA": 5, "shrinkB": 0},
        bbox={"boxstyle": "circle,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
    )


def _round_length(longest: float) -> float:
    """Largest of 1, 2, 5 × 10^k that is not longer."""
    magnitude = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * magnitude for step in (1, 2, 5) if step * magnitude <= longest))


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours for values, shared by all panels of a figure."""

    cmap: Colormap
    norm: Normalize
    extend: str = "neither"
    ticks: tuple[tuple[float, str], ...] = ()
    codes: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


def scale_of(
    values: NDArray[Any],
    quantity: str,
    center: float | None,
    limits: tuple[float, float] | None,
    categories: Categories | None,
) -> Scale:
    """Choose colours: classes by name, aspect by direction, amounts by their 2-98 % range."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    # The colours of aspect begin and end in light grey: there, missing cells are white.
    missing = "white" if quantity == "aspect" else NO_DATA
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if categories is not None:
        return _class_scale(finite, quantity, categories, missing)
    name = COLORMAP.get(quantity, "viridis")
    cmap = colormaps[name].with_extremes(bad=missing)
    if quantity == "aspect":
        ticks = tuple(zip((0.0, 90.0, 180.0, 270.0, 360.0), "NESWN", strict=True))
        return Scale(cmap, Normalize(0.0, 360.0), ticks=ticks)
    if not finite.size:
        return Scale(cmap, Normalize())
    if center is None and name in _DIVERGING:
        center = 0.0
    low, high = limits or _robust_limits(finite, center)
    below, above = bool(finite.min() < low), bool(finite.max() > high)
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    return Scale(cmap, Normalize(low, high), extend)


def _robust_limits(finite: NDArray[Any], center: float | None) -> tuple[float, float]:
    low, high = (float(edge) for edge in np.percentile(finite, [2, 98]))
    if center is not None:
        reach = max(abs(low - center), abs(high - center))
        low, high = center - reach, center + reach
    if low == high:
        margin = 0.05 * abs(low) or 0.5
        low, high = low - margin, high + margin
    return low, high


def _class_scale(
    finite: NDArray[Any], quantity: str, categories: Categories, missing: str
) -> Scale:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    listed = categories if isinstance(categories, Mapping) else dict(enumerate(categories))
    unnamed = {code: f"class {code:g}" for code in np.unique(finite) if code not in listed}
    names = dict(sorted({**listed, **unnamed}.items()))
    codes, count = np.array(list(names), dtype=np.float64), len(names)
    if quantity in COLORMAP:
        # Ordered classes (elevation bands) keep the colours of their quantity.
        ends = (0.0, 1.0 - 1.0 / count) if quantity == "aspect" else (0.08, 0.95)
        colors: Any = colormaps[COLORMAP[quantity]](np.linspace(*ends, count))
    elif count <= len(CATEGORY):
        colors = CATEGORY[:count]
    else:
        colors = colormaps["tab20" if count <= 20 else "turbo"](np.linspace(0, 1, count))
    edges = np.concatenate([[codes[0] - 1], (codes[1:] + codes[:-1]) / 2, [codes[-1] + 1]])
    cmap = ListedColormap(colors).with_extremes(bad=missing)
    return Scale(cmap, BoundaryNorm(edges, count), codes=tuple(codes), names=tuple(names.values()))
