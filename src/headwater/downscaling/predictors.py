"""What the fine grid knows of every day: predictors of soil moisture, one day at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from headwater.downscaling.sharing import Apply, blocks_of_days
from headwater.errors import DataError, GridError, TimeAxisError, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from headwater.downscaling.support_operator import Support

__all__ = [
    "Predictors",
    "antecedent_precipitation",
    "build_predictors",
    "check_grid",
    "coarse_predictors",
    "season",
    "terrain_predictors",
]

Floats = NDArray[np.float32]

_YEAR = 365.25
_BLOCK = 64
"""Days that are averaged at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictors:
    """Predictors on the fine grid, kept as they come and joined day by day.

    Attributes
    ----------
    times : array of datetime64[D] (time,)
        One after the other, a day apart.
    dynamic : mapping of str to array (time, y, x)
        Cubes, in memory, mapped from a file or chunked: only days asked for are read.
    static : mapping of str to array (y, x)
        Maps that last.
    noisy : tuple of str
        Names of the dynamic ones with an error of their own in every pixel, as thermal and optical
        sensors have: what noise matching and smoothing are for.
    seasonal : bool
        Whether cosine and sine of the day of the year are predictors too.
    notes : tuple of str
        What was made of the inputs, one sentence each.
    """

    times: NDArray[np.datetime64]
    dynamic: Mapping[str, Any]
    static: Mapping[str, Any]
    noisy: tuple[str, ...] = ()
    seasonal: bool = True
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in their order."""
        season_names = ("season_cosine", "season_sine") if self.seasonal else ()
        return (*self.dynamic, *self.static, *season_names)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the fine grid."""
        first = next(iter((*self.dynamic.values(), *self.static.values())))
        return int(first.shape[-2]), int(first.shape[-1])

    def day(self, position: int, pixels: NDArray[np.integer] | None = None) -> Floats:
        """Join the predictors of one day.

        Parameters
        ----------
        position : int
            Which of `times`.
        pixels : array of int, optional
            Flat numbers of the pixels; default: all.

        Returns
        -------
        array of float32 (pixel, predictor)
        """
        chosen = slice(None) if pixels is None else pixels
        columns = [np.asarray(cube[position]).reshape(-1)[chosen] for cube in self.dynamic.values()]
        columns += [np.asarray(values).reshape(-1)[chosen] for values in self.static.values()]
        table = np.empty((columns[0].size, len(self.names)), dtype=np.float32)
        for at, column in enumerate(columns):
            table[:, at] = column
        if self.seasonal:
            table[:, -2:] = season(self.times[position])
        return table

    def positions(self, days: Any = None) -> NDArray[np.intp]:
        """Find days among the times.

        Parameters
        ----------
        days : array of datetime64, optional
            Default: all.

        Returns
        -------
        array of int

        Raises
        ------
        TimeAxisError
            If the predictors do not cover one of them.
        """
        if days is None:
            return np.arange(self.times.size)
        wanted = np.atleast_1d(np.asarray(days)).astype("datetime64[D]")
        found = (wanted - self.times[0]).astype(np.int64)
        outside = (found < 0) | (found >= self.times.size)
        if outside.any():
            raise TimeAxisError(
                "the predictors do not cover all days",
                found=f"{wanted[outside][0]}; predictors from {self.times[0]} to {self.times[-1]}",
                do="Give predictors of the whole period, or ask for fewer days",
            )
        return np.asarray(found, dtype=np.intp)


def build_predictors(
    dynamic: Mapping[str, Any],
    static: Mapping[str, Any],
    times: ArrayLike,
    *,
    precipitation: str | None = "precipitation",
    memories: Sequence[float] = (4.0, 20.0),
    noisy: Sequence[str] | None = None,
    seasonal: bool = True,
) -> Predictors:
    """Check predictors and add antecedent precipitation and season.

    Parameters
    ----------
    dynamic : mapping of str to array (time, y, x)
        Such as surface temperature, NDVI, albedo, precipitation.
    static : mapping of str to array (y, x)
        Such as :func:`terrain_predictors` and soil texture.
    times : array of datetime64 (time,)
        A day apart.
    precipitation : str or None
        Which of `dynamic` is precipitation [mm]; None for none.
    memories : sequence of float
        Memories of :func:`antecedent_precipitation` [d]; empty for none.
    noisy : sequence of str, optional
        Which of `dynamic` have an error in every pixel; default: all but precipitation.
    seasonal : bool
        Whether the day of the year is a predictor.

    Returns
    -------
    Predictors

    Raises
    ------
    DataError
        If there is no predictor, or a name is unknown.
    GridError
        If shapes differ.
    TimeAxisError
        If the times are not a day apart or do not fit the cubes.

    Examples
    --------
    >>> rain = np.ones((3, 2, 2), np.float32)
    >>> days = np.arange("2020-05-01", "2020-05-04", dtype="datetime64[D]")
    >>> known = build_predictors({"precipitation": rain}, {"elevation": np.zeros((2, 2))}, days)
    >>> known.names[:4]
    ('precipitation', 'antecedent_4d', 'antecedent_20d', 'elevation')
    >>> np.allclose(known.day(2)[0, :3], [1.0, 2.3125, 2.8525])
    True
    """
    axis = _daily(times)
    cubes = {name: _array(cube) for name, cube in dynamic.items()}
    maps = {name: np.asarray(values, dtype=np.float32) for name, values in static.items()}
    if not cubes:
        raise DataError(
            "no dynamic predictors", found=f"{len(maps)} maps", do="Give at least one cube"
        )
    _check_shapes(cubes, maps, axis.size)
    rain = precipitation if precipitation in cubes else None
    wrong = [name for name in noisy or () if name not in cubes]
    if wrong:
        raise DataError("unknown predictor", found=repr(wrong[0]), do=nearest(wrong[0], [*cubes]))
    errant = tuple(name for name in cubes if name != rain) if noisy is None else tuple(noisy)
    if rain is not None:
        for memory in memories:
            cubes[f"antecedent_{memory:g}d"] = antecedent_precipitation(cubes[rain], memory)
    return Predictors(axis, cubes, maps, errant, seasonal)


def antecedent_precipitation(precipitation: Any, memory: float) -> Floats:
    r"""Sum past precipitation with a weight that fades.

    Parameters
    ----------
    precipitation : array (time, ...)
        Daily [mm]; a missing day counts as dry.
    memory : float
        Days after which the weight has fallen to about 1/e [d], more than 1.

    Returns
    -------
    array of float32 (time, ...)
        [mm]

    Raises
    ------
    DataError
        If the memory is not longer than a day.

    Notes
    -----
    The antecedent precipitation index [1]_, :math:`I_t = P_t + (1 - 1/m) I_{t-1}`,
    which begins at zero: its first days, about three memories, are too dry.

    References
    ----------
    .. [1] Kohler, M. A., & Linsley, R. K. (1951). Predicting the runoff from storm rainfall. US
       Weather Bureau Research Paper 34.

    Examples
    --------
    >>> antecedent_precipitation(np.array([4.0, 0.0, 0.0]), 2.0).tolist()
    [4.0, 2.0, 1.0]
    """
    if not memory > 1.0:
        raise DataError("a memory must be longer than a day", found=f"{memory:g}", do="Give > 1")
    keep = np.float32(1.0 - 1.0 / memory)
    index = np.empty(precipitation.shape, dtype=np.float32)
    before = np.zeros(precipitation.shape[1:], dtype=np.float32)
    for day in range(len(index)):
        fall = np.nan_to_num(np.asarray(precipitation[day], dtype=np.float32), nan=0.0)
        before = index[day] = fall + keep * before
    return index


def season(times: ArrayLike) -> Floats:
    """Place days on the circle of the year.

    Parameters
    ----------
    times : datetime64 or array of datetime64

    Returns
    -------
    array of float32 (..., 2)
        Cosine and sine of the day of the year.

    Examples
    --------
    >>> season(np.datetime64("2020-01-01")).tolist()
    [1.0, 0.0]
    """
    days = np.asarray(times).astype("datetime64[D]")
    angle = 2.0 * np.pi * (days - days.astype("datetime64[Y]")).astype(np.int64) / _YEAR
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)


def terrain_predictors(terrain: xr.Dataset) -> dict[str, Floats]:
    """Turn terrain into maps that a learner can use: aspect is an angle, and has no order.

    Parameters
    ----------
    terrain : Dataset
        ``slope`` and ``aspect`` [degree], as of :func:`headwater.grids.terrain_on_grid`, and
        ``elevation`` [m] where known.

    Returns
    -------
    dict of str to array of float32 (y, x)
        ``elevation`` [m], ``slope`` [degree], ``northward`` and ``eastward`` (downhill direction
        times sine of the slope, 0 where the land is flat).

    Raises
    ------
    DataError
        If slope or aspect is missing.

    Examples
    --------
    >>> maps = {"slope": ("x", [30.0, 0.0]), "aspect": ("x", [0.0, np.nan])}
    >>> terrain_predictors(xr.Dataset(maps))["northward"].round(2).tolist()
    [0.5, 0.0]
    """
    for name in ("slope", "aspect"):
        if name not in terrain:
            raise DataError(
                f"terrain without {name}",
                found=", ".join(map(str, terrain)),
                do="Give slope and aspect",
            )
    slope = np.deg2rad(terrain["slope"].values)
    aspect = np.deg2rad(terrain["aspect"].values)
    steep = np.sin(slope)
    flat = np.isfinite(steep) & np.isnan(aspect)
    maps = {
        "slope": np.rad2deg(slope),
        "northward": np.where(flat, 0.0, steep * np.cos(aspect)),
        "eastward": np.where(flat, 0.0, steep * np.sin(aspect)),
    }
    if "elevation" in terrain:
        maps = {"elevation": terrain["elevation"].values, **maps}
    return {name: np.asarray(values, dtype=np.float32) for name, values in maps.items()}


def coarse_predictors(
    predictors: Predictors, support: Support, *, min_seen: float = 0.5, apply: Apply = map
) -> NDArray[np.float32]:
    """Average the predictors over the coarse cells, day by day.

    Parameters
    ----------
    predictors : Predictors
        On the fine grid of `support`.
    support : Support
        The operator A.
    min_seen : float
        Least share of a cell's weights that must have a value.
    apply : callable
        ``apply(function, blocks)`` averages blocks of days, in order.

    Returns
    -------
    array of float32 (time, cell, predictor)
        NaN where less was seen.

    Raises
    ------
    GridError
        If the predictors are not on the fine grid.
    """
    check_grid(predictors, support)
    days = blocks_of_days(np.arange(predictors.times.size), _BLOCK)
    return np.concatenate(list(apply(partial(_coarse_days, predictors, support, min_seen), days)))


def _coarse_days(
    predictors: Predictors, support: Support, min_seen: float, days: NDArray[np.integer]
) -> NDArray[np.float32]:
    cells = support.matrix.shape[0]
    table = np.empty((days.size, cells, len(predictors.names)), dtype=np.float32)
    for row, day in zip(table, days, strict=True):
        value, seen = support.aggregate(predictors.day(int(day)).T)
        row[:] = np.where(seen >= min_seen, value, np.nan).T
    return table


def check_grid(predictors: Predictors, support: Support) -> None:
    """Refuse predictors that are not on the fine grid of a support.

    Raises
    ------
    GridError
        If the number of pixels differs.
    """
    rows, columns = predictors.shape
    if rows * columns != support.matrix.shape[1]:
        raise GridError(
            "the predictors are not on the fine grid of the support",
            found=f"{rows} x {columns} pixels; the support has {support.matrix.shape[1]}",
            do="Align the predictors with the fine grid, or make the support for their grid",
        )


def _array(cube: ArrayLike) -> Any:
    """Take the array out of its labels, without reading it."""
    return cube.data if isinstance(cube, xr.DataArray) else cube


def _daily(times: ArrayLike) -> NDArray[np.datetime64]:
    axis = np.asarray(getattr(times, "values", times)).astype("datetime64[D]")
    steps = np.diff(axis).astype(np.int64)
    if axis.ndim != 1 or axis.size == 0 or (steps != 1).any():
        odd = int(np.flatnonzero(steps != 1)[0]) if axis.ndim == 1 and axis.size else 0
        found = f"{axis[odd]} and then {axis[odd + 1]}" if axis.ndim == 1 and axis.size else "none"
        raise TimeAxisError(
            "predictors need a value every day, in order",
            found=found,
            do="Bring them onto a daily axis, with NaN on days without data",
        )
    return axis


def _check_shapes(cubes: Mapping[str, Any], maps: Mapping[str, Floats], days: int) -> None:
    grid = tuple(next(iter(cubes.values())).shape[1:])
    for name, cube in cubes.items():
        if cube.ndim != 3 or tuple(cube.shape[1:]) != grid:
            raise GridError(
                f"predictor '{name}' is not on the grid of the others",
                found=f"shape {tuple(cube.shape)}; the first has {grid}",
                do="Give (time, y, x) on one grid",
            )
        if len(cube) != days:
            raise TimeAxisError(
                f"predictor '{name}' does not fit the times",
                found=f"{len(cube)} days; {days} times",
                do="Give one map for every day",
            )
    for name, values in maps.items():
        if values.shape != grid:
            raise GridError(
                f"predictor '{name}' is not on the grid of the others",
                found=f"shape {values.shape}; the cubes have {grid}",
                do="Give (y, x) on one grid",
            )
