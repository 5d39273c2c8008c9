"""How grids look on paper: maps, panels that share one scale, and kriging with its error."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.errors import DataError
from headwater.figures import CATEGORY, INK, MUTED, grouped, house_style, new_figure
from headwater.grids import _cartography as cartography
from headwater.grids._cartography import Categories, Scale, scale_of
from headwater.grids.geometry import geobox_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from headwater.figures import Outline
    from headwater.grids.variogram import EmpiricalVariogram, Variogram

__all__ = [
    "draw_map",
    "kriging_figure",
    "map_figure",
    "map_panels",
    "quantity_label",
    "unit_label",
    "variogram_figure",
    "wrapped",
]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WORDS = {"degC": "°C", "degree": "°", "1": "", "-": "", "percent": "%"}


def map_figure(
    data: xr.DataArray,
    *,
    quantity: str = "",
    title: str = "",
    label: str = "",
    outline: Outline | None = None,
    stipple: xr.DataArray | None = None,
    center: float | None = None,
    limits: tuple[float, float] | None = None,
    categories: Categories | None = None,
) -> Figure:
    """Draw one map with its scale, its legend and a scale bar.

    Parameters
    ----------
    data : DataArray (y, x)
        On a regular grid, rows up or down. ``attrs["n"]``, if there, is printed below the map.
    quantity : str
        Key of :data:`headwater.figures.COLORMAP`; by default the name of `data`.
    title : str
        Above the map.
    label : str
        Next to the colour bar; by default :func:`quantity_label` of `data`.
    outline : shapely geometry, or object with ``.geometry``
        Drawn as a line; in the reference system of `data`.
    stipple : DataArray (y, x) of bool, optional
        Dots where True, thinned on fine grids; ``attrs["long_name"]`` names them in the legend.
    center : float, optional
        Value at the middle of the scale; 0 by default for diverging colour maps.
    limits : tuple of float, optional
        Ends of the scale; by default the 2nd and 98th percentile, with arrows where values go on.
    categories : mapping of code to name, or names of the codes 0, 1, 2, …
        For classes instead of amounts.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If `data` is not two-dimensional (y, x), or `stipple` has another shape.
    GridError, CRSError
        As :func:`headwater.grids.geometry.geobox_of`.

    Notes
    -----
    Geographic maps are stretched so that a kilometre is as long to the north as to the east at the
    middle row, where the scale bar holds. Missing cells are grey. Stipples keep every k-th cell,
    so that their density is the share of marked cells.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import cell_area
    >>> grid = GeoBox((8, 18), Affine(0.5, 0, 94, 0, -0.5, 40), "EPSG:4326")
    >>> figure = map_figure(cell_area(grid), title="True area of the cells")
    >>> [axes.get_title(loc="left") for axes in figure.axes][0]
    'True area of the cells'
    """
    grid = geobox_of(_checked(data))
    width, height = _paper_size(grid, 5.4, 5.0)
    scale = scale_of(data.values, quantity or str(data.name), center, limits, categories)
    with house_style():
        figure = new_figure(width + 1.6, height + 0.95)
        cartography.compress(figure)
        axes = figure.add_subplot()
        image = _paint(axes, data, scale, outline, ticks=5 if width > 3 else 3)
        _titles(axes, title, data.attrs.get("n"), width)
        _stipple(axes, data, stipple)
        if scale.names:
            _category_legend(figure, scale, np.asarray(data.values))
        else:
            bar_axes = axes.inset_axes((1 + 0.12 / width, 0.0, 0.13 / width, 1.0))
            _color_bar(figure, image, scale, label or quantity_label(data), cax=bar_axes)
        cartography.add_scale_bar(axes, grid)
        handles = _foot_handles(data.values, scale, stipple, outline)
        if handles:
            words = sum(len(handle.get_label()) for handle in handles)
            line = int(0.35 * len(handles) + 0.07 * words > 0.7 * width - 0.6)
            place = cartography.foot(axes, line=line)
            axes.legend(handles=handles, bbox_transform=place, **_FOOT_LEGEND)
        cartography.settle(figure)
    return figure


def map_panels(
    data: xr.DataArray,
    *,
    titles: Sequence[str],
    columns: int = 4,
    quantity: str = "",
    label: str = "",
    outline: Outline | None = None,
    stipple: xr.DataArray | None = None,
    center: float | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw several maps of one quantity under one colour scale: twelve months, or several years.

    Parameters
    ----------
    data : DataArray (panel, y, x)
        The first dimension may have any name.
    titles : sequence of str
        One for each panel.
    columns : int
        At most this many side by side; fewer where that fills the rows evenly.
    quantity, label, outline, center, limits
        As :func:`map_figure`; the scale is that of all panels together.
    stipple : DataArray (panel, y, x) of bool, optional
        As :func:`map_figure`.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If `data` is not (panel, y, x), or the number of titles is another.
    GridError, CRSError
        As :func:`headwater.grids.geometry.geobox_of`.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import cell_area
    >>> area = cell_area(GeoBox((8, 18), Affine(0.5, 0, 94, 0, -0.5, 40), "EPSG:4326"))
    >>> years = xr.concat([area, 2 * area, 3 * area], "year")
    >>> figure = map_panels(years, titles=["2017", "2018", "2019"])
    >>> len(figure.axes)
    4
    """
    panel = str(data.dims[0])
    _checked(data.isel({panel: 0}) if data.ndim == 3 else data)
    if data.ndim != 3 or data.sizes[panel] != len(titles):
        raise DataError(
            "panels need a title each",
            found=f"{data.sizes[panel]} panels and {len(titles)} titles",
            do="Give data of dims (panel, y, x) and one title for each panel",
        )
    scale = scale_of(data.values, quantity or str(data.name), center, limits, None)
    with house_style():
        figure, panels = _panel_axes(data, len(titles), columns)
        for index, (axes, title) in enumerate(zip(panels, titles, strict=True)):
            one = data.isel({panel: index})
            image = _paint(axes, one, scale, outline, ticks=3)
            axes.label_outer()
            axes.set_title(title, fontsize=9)
            _stipple(axes, one, None if stipple is None else stipple.isel({panel: index}))
        _color_bar(figure, image, scale, label or quantity_label(data), ax=panels)
        cartography.add_scale_bar(panels[-1], geobox_of(data))
        handles = _foot_handles(data.values, scale, stipple, outline)
        if handles:
            figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        cartography.settle(figure)
    return figure


def draw_map(
    axes: Axes,
    data: xr.DataArray,
    *,
    quantity: str = "",
    outline: Outline | None = None,
    stipple: xr.DataArray | None = None,
    center: float | None = None,
    limits: tuple[float, float] | None = None,
    categories: Categories | None = None,
) -> AxesImage:
    """Draw a map into given axes, for figures that combine maps with other things.

    Parameters
    ----------
    axes : matplotlib Axes
        Taken over: limits, aspect and ticks are set.
    data : DataArray (y, x)
        On a regular grid.
    quantity, outline, stipple, center, limits, categories
        As :func:`map_figure`.

    Returns
    -------
    AxesImage
        For a colour bar.

    Raises
    ------
    DataError, GridError, CRSError
        As :func:`map_figure`.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import cell_area
    >>> area = cell_area(GeoBox((8, 18), Affine(0.5, 0, 94, 0, -0.5, 40), "EPSG:4326"))
    >>> draw_map(new_figure().add_subplot(), area).get_array().shape
    (8, 18)
    """
    scale = scale_of(_checked(data).values, quantity or str(data.name), center, limits, categories)
    image = _paint(axes, data, scale, outline)
    _stipple(axes, data, stipple)
    return image


def quantity_label(data: xr.DataArray) -> str:
    """Name a quantity and its unit as a figure prints them.

    Parameters
    ----------
    data : DataArray
        With ``long_name`` and ``units`` attributes.

    Returns
    -------
    str

    Examples
    --------
    >>> attrs = {"long_name": "Soil moisture", "units": "m3 m-3"}
    >>> quantity_label(xr.DataArray(0.1, attrs=attrs))
    'Soil moisture (m³ m⁻³)'
    """
    name = data.attrs.get("long_name") or ("" if data.name is None else data.name)
    name = str(name).replace("_", " ")
    units = unit_label(str(data.attrs.get("units", "")))
    return f"{name} ({units})" if units else name


def unit_label(units: str) -> str:
    """Write a unit as a figure prints it.

    Parameters
    ----------
    units : str
        As in ``attrs["units"]``.

    Returns
    -------
    str

    Examples
    --------
    >>> unit_label("m3 m-3 year-1"), unit_label("degC"), unit_label("1")
    ('m³ m⁻³ year⁻¹', '°C', '')
    """
    words = (_WORDS.get(word, word) for word in units.split())
    raised = (
        re.sub(r"(?<=[A-Za-z])-?\d+$", lambda m: m[0].translate(_SUPERSCRIPT), w) for w in words
    )
    return " ".join(raised)


_FOOT_LEGEND: dict[str, Any] = {
    "loc": "center left",
    "bbox_to_anchor": (0.0, 0.0),
    "borderaxespad": 0.0,
    "borderpad": 0.0,
    "ncols": 4,
    "handlelength": 1.2,
    "handletextpad": 0.5,
    "columnspacing": 1.2,
}


def _checked(data: xr.DataArray) -> xr.DataArray:
    if data.dims != ("y", "x"):
        raise DataError(
            "a map needs the dimensions (y, x)",
            found=f"({', '.join(map(str, data.dims))})",
            do="Select one time or panel first, or use map_panels for several",
        )
    return data


def _paint(
    axes: Axes, data: xr.DataArray, scale: Scale, outline: Outline | None, *, ticks: int = 5
) -> AxesImage:
    grid = geobox_of(data)
    west, east, south, north = extent = cartography.extent_of(grid)
    values = np.ma.masked_invalid(np.asarray(data.values, dtype=np.float64))
    upright = values[:: 1 if grid.transform.e < 0 else -1, :: 1 if grid.transform.a > 0 else -1]
    image = axes.imshow(upright, extent=extent, cmap=scale.cmap, norm=scale.norm, origin="upper")
    axes.set_aspect(cartography.map_aspect(grid))
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.spines[:].set_visible(True)
    cartography.add_ticks(axes, grid, bins=ticks)
    if outline is not None:
        cartography.add_outline(axes, outline)
    if not np.isfinite(values.filled(np.nan)).any():
        axes.text(0.5, 0.5, "no valid data", transform=axes.transAxes, ha="center", va="center")
    return image


def _stipple(axes: Axes, data: xr.DataArray, stipple: xr.DataArray | None) -> None:
    if stipple is None:
        return
    if stipple.shape != data.shape:
        raise DataError(
            "the stipples and the map differ in shape",
            found=f"{stipple.shape} and {data.shape}",
            do="Give one boolean for each cell of the map",
        )
    marked = np.asarray(stipple.values, dtype=bool) & np.isfinite(data.values)
    cartography.add_stipple(axes, geobox_of(data), marked)


def _paper_size(grid: GeoBox, widest: float, highest: float) -> tuple[float, float]:
    """Size of a map on paper [inch], as large as fits."""
    west, east, south, north = cartography.extent_of(grid)
    slim = (north - south) / (east - west) * cartography.map_aspect(grid)
    width = min(widest, highest / slim)
    return width, width * slim


def _panel_axes(data: xr.DataArray, count: int, columns: int) -> tuple[Figure, list[Axes]]:
    rows = int(np.ceil(count / columns))
    columns = int(np.ceil(count / rows))
    width, height = _paper_size(geobox_of(data), 5.8 / columns, 7.0 / rows)
    figure = new_figure(columns * width + 1.4, rows * (height + 0.24) + 0.55)
    cartography.compress(figure)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def _titles(axes: Axes, title: str, n: object, width: float) -> None:
    room = 11.5 * width - (0 if n is None else 10)
    axes.set_title(textwrap.fill(title, max(12, int(room))))
    if n is not None:
        axes.set_title(f"n = {n}", loc="right", fontsize=8, fontweight="normal", color=MUTED)


def _color_bar(figure: Figure, image: AxesImage, scale: Scale, label: str, **place: Any) -> None:
    if place.get("ax"):
        place |= {"pad": 0.02, "aspect": 24}
    bar = figure.colorbar(image, extend=scale.extend, **place)
    room = bar.ax.get_position().height * figure.bbox.height / figure.dpi
    bar.set_label(wrapped(label, max(18, int(14 * room))), labelpad=7)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2.5, width=0.6)
    if scale.ticks:
        places, names = zip(*scale.ticks, strict=True)
        bar.set_ticks(list(places), labels=list(names))
    values: Any = image.get_array()
    if np.ma.getmaskarray(values).all():
        bar.set_ticks([])


def wrapped(label: str, width: int) -> str:
    r"""Break a label into lines, but not within its unit.

    Parameters
    ----------
    label : str
        Words, and a unit in round brackets.
    width : int
        Letters in a line, at most.

    Returns
    -------
    str

    Examples
    --------
    >>> wrapped("Soil moisture of the growing season (m³ m⁻³)", 26).splitlines()[-1]
    'growing season (m³\xa0m⁻³)'
    """
    held = re.sub(r"\([^()]*\)", lambda found: found[0].replace(" ", "\u00a0"), label)
    return textwrap.fill(held, width, break_long_words=False)


def _category_legend(figure: Figure, scale: Scale, values: NDArray[Any]) -> None:
    from matplotlib.patches import Patch

    present = set(np.unique(values[np.isfinite(values)]))
    handles = [
        Patch(facecolor=scale.cmap(scale.norm(code)), label=name)
        for code, name in zip(scale.codes, scale.names, strict=True)
        if code in present
    ]
    figure.legend(handles=handles[::-1], loc="outside right upper", handlelength=1.2)


def _foot_handles(
    values: NDArray[Any], scale: Scale, stipple: xr.DataArray | None, outline: Outline | None
) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if not np.isfinite(values).all():
        missing: Any = scale.cmap.get_bad()
        words = "flat or no data" if scale.ticks else "no data"
        handles.append(Patch(facecolor=missing, edgecolor=MUTED, lw=0.4, label=words))
    if outline is not None:
        handles.append(Line2D([], [], color=INK, lw=1.0, label="study area"))
    if stipple is not None:
        words = str(stipple.attrs.get("long_name", "significant"))
        handles.append(Line2D([], [], color=INK, marker=".", ms=3, ls="", label=words))
    return handles


def variogram_figure(
    empirical: EmpiricalVariogram, model: Variogram | None = None, *, units: str = ""
) -> Figure:
    """Draw the semivariance of pairs by distance, and a model through it.

    Parameters
    ----------
    empirical : EmpiricalVariogram
        Distances in metres.
    model : Variogram, optional
        Drawn as a line, with its sill and effective range.
    units : str
        Unit of the values.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from headwater.grids.variogram import empirical_variogram
    >>> line = np.column_stack([np.arange(9.0), np.zeros(9)])
    >>> figure = variogram_figure(empirical_variogram(line, np.arange(9.0), bins=4))
    >>> figure.axes[0].get_xlabel()
    'Distance (m)'
    """
    far = float(empirical.distance.max())
    scale, unit = (1000.0, "km") if far >= 5000.0 else (1.0, "m")
    with house_style():
        figure = new_figure(5.4, 3.4)
        axes = figure.add_subplot()
        size = 20.0 + 100.0 * empirical.pairs / empirical.pairs.max()
        axes.scatter(
            empirical.distance / scale,
            empirical.gamma,
            s=size,
            color=CATEGORY[0],
            alpha=0.8,
            linewidths=0,
            label="pairs (area: their number)",
            zorder=3,
        )
        if model is not None:
            _draw_model(axes, model, far, scale, unit)
        axes.set_xlim(0, 1.05 * far / scale)
        axes.set_ylim(0, 1.18 * max(float(empirical.gamma.max()), model.sill if model else 0.0))
        axes.set_xlabel(f"Distance ({unit})")
        axes.set_ylabel(f"Semivariance{_squared(unit_label(units))}")
        axes.set_title("Variogram", pad=22)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
        axes.text(
            0.99,
            0.02,
            f"{empirical.places} stations, " + f"{grouped(empirical.pairs.sum())} pairs",
            transform=axes.transAxes,
            ha="right",
            color=MUTED,
            fontsize=8,
        )
    return figure


def kriging_figure(data: xr.Dataset) -> Figure:
    """Draw the mean kriged map next to its standard error.

    Parameters
    ----------
    data : Dataset
        As in :class:`headwater.grids.kriging_maps.KrigedMap`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from headwater.grids.geometry import cell_area
    >>> area = cell_area(GeoBox((8, 18), Affine(0.5, 0, 94, 0, -0.5, 40), "EPSG:4326"))
    >>> figure = kriging_figure(xr.Dataset({"rain": area, "standard_error": 0.1 * area}))
    >>> [axes.get_title(loc="left") for axes in figure.axes[:2]]
    ['Kriged', 'Standard error']
    """
    name = next(str(key) for key in data.data_vars if key != "standard_error")
    estimate, times = _mean_map(data[name])
    error = data["standard_error"].assign_attrs(
        long_name="Standard error", units=data[name].attrs.get("units", "")
    )
    tall = estimate.sizes["y"] > 1.2 * estimate.sizes["x"]
    with house_style():
        figure = new_figure(*((7.4, 4.6) if tall else (5.6, 6.0)))
        panels: Any = figure.subplots(1, 2) if tall else figure.subplots(2, 1)
        titles = (f"Kriged, mean of {times} times" if times > 1 else "Kriged", "Standard error")
        quantities = (name, "cv")
        for axes, shown, title, quantity in zip(
            panels, (estimate, error), titles, quantities, strict=True
        ):
            image = draw_map(axes, shown, quantity=quantity)
            figure.colorbar(
                image, ax=axes, label=quantity_label(shown), extend="both", shrink=0.85, pad=0.02
            )
            axes.set_title(title)
        if "station_x" in data.coords:
            place = (data["station_x"], data["station_y"])
            dots = {"s": 9, "color": "white", "edgecolors": INK, "linewidths": 0.6}
            panels[1].scatter(*place, **dots, clip_on=True, label="stations")
            panels[1].legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.2)
    return figure


def _squared(unit: str) -> str:
    if not unit:
        return ""
    return f" ({unit}²)" if unit.isalpha() else f" (({unit})²)"


def _mean_map(cube: xr.DataArray) -> tuple[xr.DataArray, int]:
    if cube.ndim == 2:
        return cube, 1
    over = str(cube.dims[0])
    n = cube.notnull().sum(over)
    mean = (cube.fillna(0.0).sum(over) / n.where(n > 0)).assign_attrs(cube.attrs)
    return mean.rename(cube.name), cube.sizes[over]


def _draw_model(axes: Axes, model: Variogram, far: float, scale: float, unit: str) -> None:
    h = np.linspace(0.0, 1.05 * far, 400)[1:]
    label = f"{model.model}, effective range {model.effective_range / scale:.3g} {unit}"
    axes.plot(h / scale, model(h), color=CATEGORY[5], label=label)
    axes.axhline(model.sill, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.text(0.01 * far / scale, model.sill, "sill", color=INK, va="bottom", fontsize=8)
