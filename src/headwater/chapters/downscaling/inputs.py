"""What a study would make finer, and with what: days, predictors, support, retrievals, memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.errors import DataError, GridError, StudyError, TimeAxisError
from headwater.study.inputs import of_input, open_input

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.downscaling.predictors import Predictors
    from headwater.downscaling.sharing import Sharing
    from headwater.downscaling.support_operator import Support
    from headwater.downscaling.training import Recipe
    from headwater.settings import Settings
    from headwater.study.model import Study
    from headwater.study.step import Context

__all__ = [
    "Task",
    "check_memory",
    "common_days",
    "make_support",
    "memory_mb",
    "noisy_predictors",
    "read_task",
    "recipe_of",
]

Days = NDArray[np.datetime64]

_FINER = 4.0
"""A coarse cell must be as large as this many study cells."""
_LONGEST_STEP = 33.0
"""Slow predictors such as NDVI composites may come this many days apart."""
_LACKING = 0.01
"""Share of the area that a predictor may lack without a word to the reader."""
_READ_BYTES = 32 * 2**20
"""Size of the maps that are read from a product at once."""
_STEADY = ("precipitation", "temperature")
"""Moving predictors whose error is not one of every cell by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is to be made finer, with what.

    Attributes
    ----------
    retrieval : ndarray, shape (n_days, n_cells)
        Coarse soil moisture, NaN where not observed [m3 m-3].
    predictors : Predictors
        On the study grid, every day.
    support : Support
        Of the coarse cells over the study grid.
    like : DataArray
        Any variable of the study grid, for its coordinates.
    inside : ndarray of bool, shape (y, x)
        Cells of the study area.
    notes : tuple of str
        What a reader must know of the inputs.
    units : mapping of str to str
        Of the predictors that change in time.
    water : ndarray, shape (y, x), optional
        Largest share of open water of a coarse cell over each study cell [1].
    """

    retrieval: NDArray[np.float64]
    predictors: Predictors
    support: Support
    like: xr.DataArray
    inside: NDArray[np.bool_]
    notes: tuple[str, ...]
    units: Mapping[str, str]
    water: NDArray[np.float64] | None = None


def read_task(
    context: Context,
    options: DownscalingOptions,
    names: tuple[str, ...],
    sharing: Sharing | None = None,
) -> Task:
    """Read what a downscaling needs, after it was seen that memory allows it.

    Parameters
    ----------
    context : Context
        Of a step after ``grids``.
    options : DownscalingOptions
        Table ``[downscaling]``.
    names : tuple of str
        Predictors.
    sharing : Sharing, optional
        Other processes that take part: cubes are then in files that these read.

    Returns
    -------
    Task

    Raises
    ------
    DataError, GridError, TimeAxisError
        If the input is not coarser than the study grid, predictors do not serve, or more memory
        would be needed than allowed.
    """
    from headwater.downscaling.predictors import build_predictors
    from headwater.grids.geometry import geobox_of

    variables = {name: context.variable(name) for name in names}
    moving = {name: data for name, data in variables.items() if "time" in data.dims}
    days, slow = common_days(moving)
    like = next(iter(variables.values()))
    with of_input(options.of):
        native = context.opened.get(options.of)
        native = open_input(context.study, options.of) if native is None else native
        operator = make_support(native, geobox_of(like), options)
    noisy = noisy_predictors(options, moving)
    needed = memory_mb(options, names, tuple(moving), noisy, days.size, operator)
    check_memory(options, needed)
    keep: Callable[[Any], Any] = sharing.keep if sharing else np.asarray
    dynamic = {name: keep(_daily(data, days)) for name, data in moving.items()}
    static, terrain = _static(
        {name: data for name, data in variables.items() if name not in moving},
        () if options.predictors else context.study.derived,
    )
    inside = _inside(static, dynamic)
    with of_input(options.of):
        land = operator.aggregate(inside.astype(float)).value
        operator = operator.only(operator.covered * land >= options.min_covered)
        retrieval = _retrieval(context.study, options.of, native, operator, days)
    gathered = build_predictors(dynamic, static, days, noisy=noisy)
    lacking = _lacking(dynamic | static, inside, context.study)
    units = {name: str(data.attrs.get("units", "")) for name, data in moving.items()}
    water, wet = _water(context, options, operator)
    notes = (*slow, *terrain, *lacking, *wet)
    return Task(retrieval, gathered, operator, like, inside, notes, units, water=water)


def _water(
    context: Context, options: DownscalingOptions, operator: Support
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Find the share of open water in the coarse cells over each study cell."""
    if options.water is None:
        return None, ()
    data = context.variable(options.water)
    if "time" in data.dims:
        data = data.max("time")
    share = np.asarray(data.values, dtype=float)
    if str(data.attrs.get("units", "1")) == "%" or np.nanmax(share, initial=0.0) > 1.0:
        share = share / 100.0
    cells = np.nan_to_num(operator.aggregate(np.nan_to_num(share)).value, nan=0.0)
    over = operator.matrix.T.tocsr().astype(bool)
    most = np.asarray(over.multiply(cells).max(axis=1).todense(), dtype=float)
    wet = int((cells > options.max_water).sum())
    note = (
        f"{wet} of {cells.size} coarse cells have more than {options.max_water:.0%} of open water, "
        "which makes a retrieval too wet: flagged in the layer flag, and still used."
    )
    return most.reshape(operator.fine_shape), (note,) if wet else ()


def make_support(native: xr.DataArray, grid: GeoBox, options: DownscalingOptions) -> Support:
    """Weigh the study cells in each coarse cell of which the study grid covers enough.

    Parameters
    ----------
    native : DataArray (time, y, x)
        The input to be made finer, on its own grid.
    grid : Any
        The study grid.
    options : DownscalingOptions
        Table ``[downscaling]``.

    Returns
    -------
    Support

    Raises
    ------
    GridError
        If the input is not coarser than the study grid, or no cell is covered.
    TimeAxisError
        If it does not change in time.
    """
    from headwater.downscaling.support_operator import support

    if "time" not in native.dims:
        raise TimeAxisError(
            "the input to be made finer does not change in time",
            found="one map",
            do="Give daily soil moisture",
        )
    operator = support(native, grid)
    fine = float(operator.area @ operator.covered / operator.n_fine)
    if float(np.median(operator.area)) < _FINER * fine:
        raise GridError(
            "the input to be made finer is no coarser than the study grid",
            found=f"cells of {np.median(operator.area):.3g} km2 on cells of {fine:.3g} km2",
            do="Give a finer grid: [grid] like = … or resolution = …",
        )
    enough = operator.covered >= options.min_covered
    if not enough.any():
        raise GridError(
            "no coarse cell lies within the study grid",
            found=f"at most {operator.covered.max():.0%} of a cell is covered; min_covered is "
            f"{options.min_covered:.0%}",
            do="Take a larger area, or lower min_covered",
        )
    return operator.only(enough)


def common_days(moving: Mapping[str, xr.DataArray]) -> tuple[Days, list[str]]:
    """Give the days that all predictors reach, slow ones interpolated between their dates.

    Parameters
    ----------
    moving : mapping of DataArray
        Predictors that change in time.

    Returns
    -------
    days : ndarray of datetime64[D]
        One after the other.
    notes : list of str
        Which predictors are interpolated.

    Raises
    ------
    TimeAxisError
        If there is none, one is neither daily nor slow, or they share no days.
    """
    if not moving:
        raise TimeAxisError(
            "no predictor changes in time", found="maps alone", do="Add daily precipitation, say"
        )
    spans, notes = {}, []
    for name, data in moving.items():
        days = _middles(data)
        apart = np.diff(days).astype(int)
        longest = int(apart.max(initial=0))
        if apart.min(initial=1) < 1:
            raise TimeAxisError(
                f"predictor {name} is not daily",
                found=f"several values on {days[:-1][apart < 1][0]}",
                do="Average it by day, or leave it out of predictors",
            )
        if longest > 1 and (data.attrs.get("total") == "sum" or longest > _LONGEST_STEP):
            raise TimeAxisError(
                f"predictor {name} is not daily",
                found=f"steps of up to {longest} d",
                do="Give it daily, or leave it out of predictors",
            )
        if longest > 1:
            notes.append(
                f"{data.attrs.get('long_name', name)} comes up to {longest} d apart and was "
                "interpolated linearly between the middles of its steps."
            )
        spans[name] = _reach(data)
    start, end = max(one[0] for one in spans.values()), min(one[1] for one in spans.values())
    if end <= start:
        listed = "; ".join(f"{name} {first} to {last}" for name, (first, last) in spans.items())
        raise TimeAxisError(
            "predictors share no days", found=listed, do="Give predictors of one period"
        )
    return np.arange(start, end + np.timedelta64(1, "D")), notes


def _middles(data: xr.DataArray) -> Days:
    """Give the day in the middle of each step: a composite stands for all of its days."""
    from headwater.grids.steps import time_steps

    steps = time_steps(data)
    if not steps.has_length or float(np.median(steps.days)) <= 1.0:
        return np.asarray(data["time"].values.astype("datetime64[D]"))
    return np.asarray(steps.middle).astype("datetime64[D]")


def _reach(data: xr.DataArray) -> tuple[np.datetime64, np.datetime64]:
    """Give the first and the last day that the steps cover."""
    from headwater.grids.steps import time_steps

    steps = time_steps(data)
    days = data["time"].values.astype("datetime64[D]")
    if not steps.has_length or float(np.median(steps.days)) <= 1.0:
        return days.min(), days.max()
    end = np.asarray(steps.end).astype("datetime64[D]") - np.timedelta64(1, "D")
    return np.asarray(steps.start).astype("datetime64[D]").min(), end.max()


def memory_mb(
    options: DownscalingOptions,
    names: tuple[str, ...],
    moving: tuple[str, ...],
    noisy: tuple[str, ...],
    days: int,
    operator: Support,
) -> float:
    """Estimate the memory that a downscaling holds at most [MB].

    Parameters
    ----------
    options : DownscalingOptions
        Table ``[downscaling]``.
    names, moving, noisy : tuple of str
        Predictors, those that change in time, and those with an error in every cell.
    days : int
        Days of the study.
    operator : Support
        Of the coarse cells over the study grid.

    Returns
    -------
    float
        Predictors in memory, training, the residual field, and with twins a truth and its drivers.
    """
    from headwater.downscaling.predictors import Predictors
    from headwater.downscaling.residual import residual_memory_mb
    from headwater.downscaling.wavelets import Coupling, estimate_mb

    rows, columns = operator.fine_shape
    cube = np.broadcast_to(np.float32(0.0), (days, rows, columns))
    rain = ("antecedent_4d", "antecedent_20d") if "precipitation" in moving else ()
    dynamic = dict.fromkeys((*moving, *rain), cube)
    static = {name: cube[0] for name in names if name not in moving}
    times = np.datetime64("2000-01-01") + np.arange(days)
    predictors = Predictors(times, dynamic, static, noisy)
    coupling = Coupling(options.coupling, options.wavelet, options.level)
    needed = estimate_mb(predictors, operator.n_coarse, coupling)
    if options.residual in ("soft", "exact"):
        needed += residual_memory_mb(rows * columns, days, operator.n_coarse)
    held = len(dynamic) + (1.5 + len(noisy) if options.twins else 0.0)
    return needed + held * cube.size * 4 / 1e6


def check_memory(options: DownscalingOptions, needed: float) -> None:
    """Refuse to start what would need more memory than allowed.

    Raises
    ------
    DataError
        With the estimate.
    """
    if needed > options.memory_mb:
        raise DataError(
            "downscaling would need more memory than allowed",
            found=f"about {needed:.0f} MB; memory_mb allows {options.memory_mb:.0f} MB",
            do="Raise memory_mb, shorten the period, take a smaller area or a coarser grid, fewer "
            'predictors, or coupling = "none"',
        )


def recipe_of(
    options: DownscalingOptions, settings: Settings, sharing: Sharing | None = None
) -> Recipe:
    """Say how to train, from the study file.

    Parameters
    ----------
    options : DownscalingOptions
        Table ``[downscaling]``.
    settings : Settings
        Of the machine.
    sharing : Sharing, optional
        Other processes that take part.

    Returns
    -------
    Recipe
    """
    from headwater.downscaling.training import Recipe
    from headwater.downscaling.wavelets import Coupling

    return Recipe(
        learners=options.learners,
        coupling=Coupling(options.coupling, options.wavelet, options.level),
        noise=options.noise,
        trees=options.trees,
        rows=options.rows,
        folds=options.folds,
        fold_count=options.fold_count,
        workers=settings.threads,
        memory_mb=options.memory_mb,
        sharing=sharing,
    )


def noisy_predictors(options: DownscalingOptions, moving: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which predictors have an error of their own in every cell.

    Parameters
    ----------
    options : DownscalingOptions
        Table ``[downscaling]``.
    moving : mapping
        Predictors that change in time.

    Returns
    -------
    tuple of str

    Raises
    ------
    StudyError
        If one that is named does not change in time.
    """
    if options.noisy is None:
        return tuple(name for name in moving if name not in _STEADY)
    still = [name for name in options.noisy if name not in moving]
    if still:
        raise StudyError(
            "only predictors that change in time can be noisy",
            found=f"'{still[0]}'",
            do="Take it out of noisy in [downscaling]",
        )
    return options.noisy


def _static(
    maps: Mapping[str, xr.DataArray], derived: tuple[str, ...]
) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """Read the maps, aspect turned into numbers that a learner can use.

    Terrain that was derived, and that nobody asked for by name, is not worth the edge of the area.
    """
    from headwater.downscaling.predictors import terrain_predictors

    found = {name: np.asarray(data.values, dtype=np.float32) for name, data in maps.items()}
    edged = derived and "slope" in found and "elevation" in found
    if edged and _share(np.isnan(found["slope"]), np.isfinite(found["elevation"])) > _LACKING:
        kept = {name: values for name, values in found.items() if name not in derived}
        return kept, ("Slope and aspect lack the edge of the elevation, and were left out.",)
    if "aspect" not in found:
        return found, ()
    terrain = {name: maps[name].compute() for name in ("slope", "aspect")}
    kept = {name: values for name, values in found.items() if name not in terrain}
    return kept | terrain_predictors(xr.Dataset(terrain)), ()


def _share(lost: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    return float((lost & inside).sum() / max(inside.sum(), 1))


def _inside(static: Mapping[str, Any], dynamic: Mapping[str, Any]) -> NDArray[np.bool_]:
    if "elevation" in static:
        known: NDArray[np.bool_] = np.isfinite(static["elevation"])
        return known
    seen = [np.isfinite(cube).any(axis=0) for cube in dynamic.values()]
    return np.asarray(np.any(seen, axis=0))


def _daily(data: xr.DataArray, days: Days) -> NDArray[np.float32]:
    own = _middles(data)
    if own.size == days.size and np.array_equal(own, days):
        return np.asarray(data.values, dtype=np.float32)
    moved = data.assign_coords(time=own.astype("datetime64[ns]"))
    wanted = days.astype("datetime64[ns]")
    if np.diff(own).astype(int).max(initial=1) > 1:
        # the first and the last composite hold to the ends of their steps
        held = np.clip(wanted, moved["time"].values[0], moved["time"].values[-1])
        return np.asarray(moved.chunk(time=-1).interp(time=held).values, dtype=np.float32)
    return np.asarray(moved.reindex(time=wanted).values, dtype=np.float32)


def _retrieval(
    study: Study, name: str, native: xr.DataArray, operator: Support, days: Days
) -> NDArray[np.float64]:
    """Values of the cells on the days of the predictors; impossible ones are missing."""
    low, high = study.term(name).valid_range
    own = _middles(native)
    wanted = np.flatnonzero((own >= days[0]) & (own <= days[-1]))
    total = np.zeros((days.size, operator.n_coarse))
    count = np.zeros((days.size, operator.n_coarse), dtype=np.int64)
    # many maps at once: each reading costs a journey through the task graph
    at_once = max(1, _READ_BYTES // (8 * native[0].size))
    for some in np.split(wanted, range(at_once, wanted.size, at_once)):
        maps = native.isel(time=some).values
        with np.errstate(invalid="ignore"):
            values = operator.take(np.where((maps >= low) & (maps <= high), maps, np.nan))
        at = (own[some] - days[0]).astype(int)
        np.add.at(total, at, np.nan_to_num(values, nan=0.0))
        np.add.at(count, at, np.isfinite(values))
    found: NDArray[np.float64] = np.full(total.shape, np.nan)
    np.divide(total, count, out=found, where=count > 0)
    if not count.any():
        raise DataError(
            "there is no observation in the area on any day of the predictors",
            found=f"{days[0]} to {days[-1]}, {operator.n_coarse} cells, all missing",
            do="Correct the period, the area, or the flags of the product",
        )
    return found


def _lacking(arrays: Mapping[str, Any], inside: NDArray[np.bool_], study: Study) -> list[str]:
    """Name the predictors that leave a part of the area without any value."""
    notes = []
    for name, values in arrays.items():
        known = np.isfinite(values)
        never = ~(known.any(axis=0) if known.ndim == 3 else known)
        share = _share(never, inside)
        if share > _LACKING and name in study.variables:
            words = study.term(name).long_name
            notes.append(
                f"{words} does not cover {share:.0%} of the area: no value is given there."
            )
    return notes
