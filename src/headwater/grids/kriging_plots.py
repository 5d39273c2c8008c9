"""How kriging looks on paper: the variogram, and estimate and error side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from headwater.figures import CATEGORY, INK, MUTED, grouped, house_style, new_figure
from headwater.grids.plots import draw_map, quantity_label, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.grids.variogram import EmpiricalVariogram, Variogram

__all__ = ["kriging_figure", "variogram_figure"]


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
