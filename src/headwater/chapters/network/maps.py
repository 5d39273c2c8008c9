"""Maps of what the stations of the network observed, kriged to the study grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError, StudyError
from headwater.figures import drawing_on
from headwater.results import MapResult, fingerprint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from odc.geo.geobox import GeoBox

    from headwater.grids.area import Area
    from headwater.grids.variogram import EmpiricalVariogram, Variogram
    from headwater.network.derived.interval_means import StationMeans
    from headwater.network.store.protocol import Store
    from headwater.study.model import Study

__all__ = ["MapRequest", "NetworkMap", "map_network", "write_network_map"]

Floats = NDArray[np.float64]

_FEWEST = 4
"""Places with a value below which a time gets no map."""
_FEW = 10
"""Below so many places the variogram is hardly known."""
_MODELS = ("exponential", "spherical")
"""Smoother models claim a certainty between stations that so few of them cannot show."""
_AROUND = np.timedelta64(15, "D")
"""A variogram is measured on the days of the map and so many before and after."""
_REFERENCES = (
    "Chilès, J.-P., Delfiner, P. (2012). Geostatistics: modeling spatial uncertainty, 2nd ed. "
    "Wiley. doi:10.1002/9781118136188",
    "Cressie, N. (1985). Fitting variogram models by weighted least squares. Mathematical Geology "
    "17, 563-586. doi:10.1007/BF01032109",
)


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What is to be mapped.

    Attributes
    ----------
    quantity : str
        Word of the glossary, such as ``soil_moisture``.
    first, last : str
        First and last day, ISO 8601.
    depth : float or None
        [m]; None for the shallowest sensor of each station.
    step : {"day", "pentad", "period"}
        A map for each day, each pentad (days 1-5, …, 26 to the end of the month), or one.
    offset : float
        Hours by which a day begins before that of UTC, 8 for China Standard Time.

    Raises
    ------
    StudyError
        If a day cannot be read, the last comes before the first, or the step is unknown.
    """

    quantity: str
    first: str
    last: str
    depth: float | None = None
    step: Literal["day", "pentad", "period"] = "day"
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.step not in ("day", "pentad", "period"):
            do = "Known: day, pentad, period"
            raise StudyError("unknown step", found=f"'{self.step}'", do=do)
        try:
            first, last = self.days[[0, -1]]
        except (ValueError, IndexError):
            first, last = 1, 0
        if last < first:
            raise StudyError(
                "these are no first and last day",
                found=f"{self.first} to {self.last}",
                do="Write days as 2021-07-01, the earlier one first",
            )

    @property
    def name(self) -> str:
        """Name of the files: quantity, depth, days."""
        depth = "" if self.depth is None else f"-{self.depth:g}m"
        days = self.first if self.first == self.last else f"{self.first}-to-{self.last}"
        step = "" if self.step == "day" else f"-{self.step}"
        return f"{self.quantity}{depth}-{days}{step}"

    @property
    def days(self) -> NDArray[np.datetime64]:
        """All days from the first to the last."""
        first, last = np.datetime64(self.first, "D"), np.datetime64(self.last, "D")
        return np.arange(first, last + 1)

    @property
    def starts(self) -> NDArray[np.datetime64]:
        """First day of each map."""
        days = self.days
        if self.step == "period":
            return days[:1]
        if self.step == "day":
            return days
        month = days.astype("datetime64[M]")
        of_month = (days - month.astype("datetime64[D]")).astype(int)
        new = np.isin(of_month, (0, 5, 10, 15, 20, 25))
        new[0] = True
        return days[new]

    def instants(self, days: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Say when days begin [µs since 1970, UTC]."""
        begun: NDArray[np.int64] = days.astype("datetime64[us]").astype(np.int64)
        return begun - round(self.offset * 3.6e9)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkMap(MapResult):
    """Maps of the network: the estimate and its ``standard_error`` (time, y, x).

    ``stations`` (time) counts the places behind each map; coordinates ``station_x``, ``station_y``
    and ``station_name`` say where they are. ``data.attrs`` holds the leave-one-out score of all
    times together: ``loo_rmse``, ``loo_bias`` [unit], ``loo_n``, ``loo_ratio`` [1].
    """

    @property
    def quantity(self) -> str:
        """Name of the estimate."""
        return str(self.data.attrs["quantity"])

    def plot(
        self, ax: Axes | None = None, *, layer: Literal["value", "standard_error"] = "value"
    ) -> Figure:
        """Draw the estimate or its standard error, over several times their mean."""
        from headwater.figures import INK
        from headwater.grids.plots import map_figure

        with drawing_on(ax):
            error = layer == "standard_error"
            cube = self.data[layer if error else self.quantity]
            n = cube.count("time")
            shown = (cube.fillna(0.0).sum("time") / n.where(n > 0)).assign_attrs(cube.attrs)
            if error:
                shown.attrs["long_name"] = "Standard error"
            outcome = np.unique(
                self.data["stations"].values[self.data["stations"].values >= _FEWEST]
            )
            count = f"{outcome[0]}" if outcome.size == 1 else f"{outcome.min()} to {outcome.max()}"
            figure = map_figure(
                shown.rename(cube.name),
                quantity="cv" if error else self.quantity,
                title=f"{'Kriging standard error' if error else 'Kriged'}, {self._when()}, "
                f"{count} stations (○)",
            )
            axes = figure.axes[0]
            limits = axes.get_xlim(), axes.get_ylim()
            axes.scatter(
                self.data["station_x"],
                self.data["station_y"],
                s=16,
                color="white",
                edgecolors=INK,
                linewidths=0.8,
                zorder=5,
                clip_on=True,
            )
            axes.set(xlim=limits[0], ylim=limits[1])
            return figure

    def _when(self) -> str:
        first, last = str(self.data.attrs["first_day"]), str(self.data.attrs["last_day"])
        if first == last:
            return first
        maps = int((self.data["stations"] >= _FEWEST).sum())
        return f"{first} to {last}" + (f", mean of {maps} maps" if maps > 1 else "")


def map_network(study: Study, store: Store, request: MapRequest) -> NetworkMap:
    """Krige what the stations observed to the study grid.

    Parameters
    ----------
    study : Study
        Whose grid and area are taken.
    store : Store
        Of the observations.
    request : MapRequest
        What and when.

    Returns
    -------
    NetworkMap
        Cells outside of the study area are NaN, and times with fewer than four places.

    Raises
    ------
    StudyError
        If the study has no grid.
    DataError
        If the stations are too few, or give no variogram.

    Notes
    -----
    Ordinary kriging. The variogram is that of differences between stations at the same time, from
    the days of the map and 15 before and after; stations that share a place are averaged. The
    standard error of a time is that of the stations that reported then, and of a point: the mean of
    a cell is known a little better.
    """
    from headwater.grids.geometry import grid_coords
    from headwater.network.derived.interval_means import station_means

    grid, area = _grid_of(study)
    edges = request.instants(np.append(request.starts, request.days[-1] + 1))
    means = station_means(store, request.quantity, edges, depth=request.depth)
    places, values, names = _places(means, grid)
    if len(places) < _FEWEST or (np.isfinite(values).sum(axis=1) < _FEWEST).all():
        raise DataError(
            "too few stations to map",
            found=f"at most {np.isfinite(values).sum(axis=1).max()} places with a value at a time",
            do=f"At least {_FEWEST} are needed; choose another time or depth",
        )
    variogram = _variogram(store, request, grid)
    maps, errors, score = _kriged(places, values, grid, variogram)
    if area is not None:
        from headwater.grids.area import inside

        outside = ~inside(grid, area).values
        maps[:, outside], errors[:, outside] = np.nan, np.nan
    data = _labelled(request, means, values, places, names)
    data = data.assign_coords(grid_coords(grid)).assign(
        _layers(request.quantity, _words(request), means.units, maps, errors)
    )
    data = data.assign_attrs({f"loo_{key}": value for key, value in score.items()})
    return NetworkMap(
        data,
        "Ordinary kriging of station means from all stations that report.",
        _REFERENCES,
        fingerprint(values, places, str(grid), str(variogram)),
        _choices(request, variogram),
        _cautions(request, means, values, data, score),
    )


def _grid_of(study: Study) -> tuple[GeoBox, Area | None]:
    from headwater.study.inputs import open_input, read_study_area, study_geobox

    name = study.like or next(iter(study.inputs), None)
    if name is None:
        do = "Give the study an input whose grid is the study grid"
        raise StudyError("the study has no grid", found="no [inputs]", do=do)
    area = read_study_area(study)
    return study_geobox(study, {name: open_input(study, name)}, area), area


def _places(means: StationMeans, grid: GeoBox) -> tuple[Floats, Floats, list[str]]:
    """Places in the reference system of the grid, their values, and who stands there."""
    from pyproj import Transformer

    project = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    table = means.stations
    at = np.column_stack(project.transform(table["longitude"], table["latitude"]))
    places, which = np.unique(at, axis=0, return_inverse=True)
    seen = np.isfinite(means.mean)
    one_hot = np.eye(len(places))[which.ravel()]
    n = seen @ one_hot
    total = np.where(seen, means.mean, 0.0) @ one_hot
    values: Floats = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    names = [", ".join(table["station"][which.ravel() == place]) for place in range(len(places))]
    return places, values, names


def _variogram(store: Store, request: MapRequest, grid: GeoBox) -> Variogram:
    """Fit to daily means of the days around: one day of few stations says little."""
    from headwater.grids.geometry import is_geographic
    from headwater.grids.variogram import empirical_variogram, fit_variogram
    from headwater.network.derived.interval_means import station_means

    days = np.arange(request.days[0] - _AROUND, request.days[-1] + _AROUND + 2)
    means = station_means(store, request.quantity, request.instants(days), depth=request.depth)
    places, values, _ = _places(means, grid)
    pairs = len(places) * (len(places) - 1) // 2
    # with few stations half of the distances, the usual cutoff, leave too few pairs to fit
    far = None if len(places) >= 3 * _FEW else _longest(places, is_geographic(grid))
    measured = empirical_variogram(
        places,
        values,
        geographic=is_geographic(grid),
        cutoff=far,
        bins=int(np.clip(pairs // 3, 3, 15)),
    )
    return min((fit_variogram(measured, name) for name in _MODELS), key=partial(_misfit, measured))


def _misfit(measured: EmpiricalVariogram, model: Variogram) -> float:
    """Cressie's weighted squares, which the fit makes least."""
    return float(np.sum(measured.pairs * (measured.gamma / model(measured.distance) - 1.0) ** 2))


def _longest(places: Floats, geographic: bool) -> float:
    from pyproj import Geod

    first, second = (places[index] for index in np.triu_indices(len(places), 1))
    if geographic:
        _, _, length = Geod(ellps="sphere").inv(*first.T, *second.T)
        return float(np.max(length)) * 1.01
    return float(np.linalg.norm(first - second, axis=1).max()) * 1.01


def _kriged(
    places: Floats, values: Floats, grid: GeoBox, variogram: Variogram
) -> tuple[Floats, Floats, dict[str, float]]:
    """Krige the times with the same stations together, so that each has the error of its own."""
    from headwater.grids import krige_stations

    shape = (len(values), *grid.shape)
    maps, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    scores = []
    patterns, which = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    for index, here in enumerate(patterns):
        if here.sum() < _FEWEST:
            continue
        times = np.flatnonzero(which.ravel() == index)
        part = xr.DataArray(values[np.ix_(times, here)], dims=("time", "station"), name="value")
        kriged = krige_stations(part, places[here], grid, variogram).data
        maps[times] = kriged["value"].values
        errors[times] = kriged["standard_error"].values
        scores.append([kriged.attrs[f"loo_{key}"] for key in ("n", "rmse", "bias", "ratio")])
    n, rmse, bias, ratio = np.array(scores).T
    weight = n / n.sum()
    pooled = {"rmse": float(np.sqrt(weight @ rmse**2)), "bias": float(weight @ bias)}
    return maps, errors, {**pooled, "n": int(n.sum()), "ratio": float(weight @ ratio)}


def _labelled(
    request: MapRequest, means: StationMeans, values: Floats, places: Floats, names: list[str]
) -> xr.Dataset:
    """Put the means of the stations into a Dataset, with what was asked for."""
    at = "station"
    words = _words(request)
    unit = {"units": means.units}
    variables = {
        "stations": (
            "time",
            np.isfinite(values).sum(axis=1),
            {"units": "1", "long_name": "Places with a value"},
        ),
        "station_value": (
            ("time", at),
            values,
            {**unit, "long_name": f"{words}, mean of the station"},
        ),
    }
    coordinates = {
        "time": request.starts.astype("datetime64[ns]"),
        "station_x": (at, places[:, 0]),
        "station_y": (at, places[:, 1]),
        "station_name": (at, names),
    }
    attributes = {
        "quantity": request.quantity,
        "step": request.step,
        "day_begins_before_utc_hours": request.offset,
        "first_day": str(request.days[0]),
        "last_day": str(request.days[-1]),
    }
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def _words(request: MapRequest) -> str:
    from headwater.glossary import GLOSSARY

    name = request.quantity
    words = GLOSSARY[name].long_name if name in GLOSSARY else name.replace("_", " ")
    return words if request.depth is None else f"{words} at {request.depth:g} m"


def _layers(
    name: str, words: str, units: str, maps: Floats, errors: Floats
) -> dict[str, tuple[tuple[str, str, str], Floats, dict[str, str]]]:
    """Name the map and its standard error."""
    cube = ("time", "y", "x")
    error = f"Kriging standard error of {words[0].lower()}{words[1:]}"
    return {
        name: (cube, maps, {"units": units, "long_name": words}),
        "standard_error": (cube, errors, {"units": units, "long_name": error}),
    }


def _choices(request: MapRequest, variogram: Variogram) -> tuple[str, ...]:
    depth = "the shallowest sensor of each station"
    return (
        f"Depth: {depth if request.depth is None else f'{request.depth:g} m'}.",
        f"A map for each {request.step}, days beginning {request.offset:g} h before those of UTC.",
        "The standard error is that of a point at the centre of each cell.",
        f"Variogram, of the days from 15 before to 15 after: {variogram.model}, nugget "
        f"{variogram.nugget:.3g}, partial sill {variogram.partial_sill:.3g}, "
        f"range {variogram.range:.3g}.",
    )


def _cautions(
    request: MapRequest,
    means: StationMeans,
    values: Floats,
    data: xr.Dataset,
    score: dict[str, float],
) -> tuple[str, ...]:
    from headwater.glossary import GLOSSARY

    seen = np.isfinite(values).sum(axis=1)
    outcome = [
        "The standard error follows from the variogram and the places of the stations alone; "
        f"leave-one-out errors² are {score['ratio']:.2g} times what it says (n = {score['n']})."
    ]
    if seen.max() < _FEW:
        outcome.append(
            f"At most {seen.max()} places report at a time: the variogram is hardly known, and "
            "far from stations the map is little more than their mean."
        )
    if (seen < _FEWEST).any():
        outcome.append(
            f"{(seen < _FEWEST).sum()} of {seen.size} times have no map: too few stations."
        )
    depths = sorted(set(means.stations["depth"].dropna().round(4)))
    if len(depths) > 1:
        outcome.append(f"Stations differ in depth: {', '.join(f'{d:g}' for d in depths)} m.")
    shared = len(means.stations) - values.shape[1]
    if shared:
        outcome.append(f"{shared} stations share the place of another, and were averaged with it.")
    term = GLOSSARY.get(request.quantity)
    if term is not None:
        low, high = term.valid_range
        wrong = int(((data[request.quantity] < low) | (data[request.quantity] > high)).sum())
        if wrong:
            outcome.append(f"{wrong} cells lie outside of the possible range; they were left so.")
    return tuple(outcome)


def write_network_map(folder: str | Path, name: str, result: NetworkMap) -> Sequence[Path]:
    """Write maps as NetCDF, GeoTIFF (a band for each time), PNG, and what they were made by.

    Parameters
    ----------
    folder : path
        Made when it is not there.
    name : str
        File name without suffix.
    result : NetworkMap

    Returns
    -------
    sequence of Path
        ``<name>.nc``, ``.json``, ``.<layer>.tif`` and ``.<layer>.png`` of the quantity and of the
        standard error.
    """
    from headwater.figures import render
    from headwater.grids import write_geotiff
    from headwater.study.results_io import save_result, write_whole

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    written = save_result(home, name, result)
    plots: dict[str, Any] = {result.quantity: "value", "standard_error": "standard_error"}
    for layer, kind in plots.items():
        bands: Any = result.data[layer].drop_vars(
            ["station_x", "station_y", "station_name"], errors="ignore"
        )
        bands = bands.assign_coords(time=pd.DatetimeIndex(bands["time"]).strftime("%Y-%m-%d"))
        written.append(write_geotiff(bands, home / f"{name}.{layer}.tif"))
        picture, image = render(result.plot(layer=kind), "png"), home / f"{name}.{layer}.png"
        write_whole(image, partial(Path.write_bytes, data=picture))
        written.append(image)
    return written
