"""How much of the ground plants cover, from NDVI, and how that compares with other years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from headwater.errors import DataError
from headwater.vegetation._series import Rows, check_ndvi, in_rows, times_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "EndValues",
    "clean_ndvi",
    "end_values",
    "fractional_cover",
    "place_composites",
    "temperature_condition",
    "vegetation_condition",
    "vegetation_health",
]

ALL = 0
"""The type of every cell where no types are given."""


@dataclass(frozen=True, slots=True, eq=False)
class EndValues:
    """NDVI of bare ground and of full cover by vegetation type.

    Attributes
    ----------
    table : DataFrame
        Indexed by type: ``bare``, ``full`` and their standard errors ``bare_sd``, ``full_sd`` [1],
        and ``n``, the values they come from (0: given by the user).
    source : str
        Where they come from, in words.
    """

    table: pd.DataFrame
    source: str

    @classmethod
    def given(cls, values: Mapping[int, tuple[float, float]], *, sd: float = 0.0) -> EndValues:
        """Take end values from the user.

        Parameters
        ----------
        values : mapping of (bare, full)
            By number of the type; 0 for all cells.
        sd : float
            Standard error of both [1].

        Returns
        -------
        EndValues

        Raises
        ------
        DataError
            If full cover is not greener than bare ground.

        Examples
        --------
        >>> EndValues.given({0: (0.08, 0.78)}).table.loc[0, "full"]
        np.float64(0.78)
        """
        table = pd.DataFrame.from_dict(dict(values), orient="index", columns=["bare", "full"])
        table = table.assign(bare_sd=sd, full_sd=sd, n=0)
        wrong = table[~(table["full"] > table["bare"])]
        if len(wrong):
            raise DataError(
                "full cover must be greener than bare ground",
                found=f"type {wrong.index[0]}: bare {wrong['bare'].iloc[0]:g}, "
                f"full {wrong['full'].iloc[0]:g}",
                do="Give (bare, full)",
            )
        return cls(table, "given by the user")


def clean_ndvi(
    ndvi: xr.DataArray,
    *,
    scale: float = 1.0,
    fill: float | None = None,
    flag: xr.DataArray | None = None,
    clear: tuple[int, ...] = (0,),
) -> xr.DataArray:
    """Scale NDVI, and leave out fill values and what a flag says is cloud or snow.

    Parameters
    ----------
    ndvi : DataArray
        As delivered.
    scale : float
        Factor to NDVI of -1 to 1; 0.0001 for products of 0-10000.
    fill : float, optional
        Value that stands for missing, before scaling; default -3000 where `scale` is 0.0001.
    flag : DataArray, optional
        Quality flag of each value.
    clear : tuple of int
        Flags of values to keep.

    Returns
    -------
    DataArray
        NaN where left out; ``attrs["left_out"]`` counts what was, by reason.

    Raises
    ------
    DataError
        If values lie outside -1 to 1 after scaling, or all are left out.

    Examples
    --------
    >>> raw = xr.DataArray([8200, -3000, 4100], dims="time")
    >>> good = clean_ndvi(raw, scale=0.0001)
    >>> good.values.round(2).tolist(), good.attrs["left_out"]
    ([0.82, nan, 0.41], '1 fill, 0 flagged')
    """
    fill = -3000.0 if fill is None and scale == 0.0001 else fill
    missing = (ndvi == fill) if fill is not None else xr.zeros_like(ndvi, dtype=bool)
    scaled = (ndvi.astype(np.float64) * scale).where(~missing)
    flagged = (
        ~flag.isin(clear) & np.isfinite(scaled) if flag is not None else xr.zeros_like(missing)
    )
    kept = scaled.where(~flagged)
    low, high = float(kept.min()), float(kept.max())
    if np.isnan(low):
        raise DataError(
            "no NDVI is left",
            found=f"{int(missing.sum())} fill values, {int(flagged.sum())} flagged",
            do="Check fill, flag and clear",
        )
    check_ndvi(low, high)
    note = f"{int(missing.sum())} fill, {int(flagged.sum())} flagged"
    return kept.assign_attrs(units="1", long_name="NDVI", left_out=note)


def place_composites(
    ndvi: xr.DataArray, day_of_year: xr.DataArray, *, step: int = 8
) -> xr.DataArray:
    """Put composites on the days on which they were seen, on an even time axis.

    Parameters
    ----------
    ndvi : DataArray (time, ...)
        Composites; times are the first days of their periods.
    day_of_year : DataArray (time, ...)
        Day of the year of each value; a small number in a period at the end of a year means the
        year after.
    step : int
        Step of the even axis [d].

    Returns
    -------
    DataArray (time, ...)
        Means of the values within each step, NaN where there are none.

    Raises
    ------
    DataError
        If a day of the year is none.

    Examples
    --------
    >>> time = pd.to_datetime(["2001-01-01", "2001-01-17"])
    >>> one = xr.DataArray([0.2, 0.3], {"time": time}, "time")
    >>> day = xr.DataArray([16, 17], {"time": time}, "time")
    >>> place_composites(one, day, step=8).values.tolist()
    [nan, 0.2, 0.3]
    """
    times = times_of(ndvi)
    day = day_of_year.transpose(*ndvi.dims)
    known = day.where((day >= 1) & (day <= 366) & np.isfinite(ndvi))
    if bool((((day < 1) | (day > 366)) & np.isfinite(ndvi)).any()):
        raise DataError(
            "a day of the year that does not exist",
            found=f"{float(day.min()):g} to {float(day.max()):g}",
            do="Leave such values out, or correct the band of days",
        )
    first = xr.DataArray(times.day_of_year.to_numpy(), dims="time")
    start = xr.DataArray((times - times[0]).days.to_numpy(), dims="time")
    ahead = (known - first) % 366
    late = known < first - 180
    ahead = ahead.where(~late, known + 365 - first)
    place = ((start + ahead) // step).transpose(*ndvi.dims)
    count = int(np.nanmax(place.values)) + 1
    values, where = ndvi.values.reshape(len(times), -1), place.values.reshape(len(times), -1)
    total, n = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    seen, cells = np.nonzero(np.isfinite(values) & np.isfinite(where))
    slots = where[seen, cells].astype(int)
    np.add.at(total, (slots, cells), values[seen, cells])
    np.add.at(n, (slots, cells), 1.0)
    even = np.where(n > 0, total / np.maximum(n, 1.0), np.nan).reshape(count, *ndvi.shape[1:])
    axis = times[0] + pd.to_timedelta(np.arange(count) * step, unit="D")
    coords = {name: c for name, c in ndvi.coords.items() if "time" not in c.dims}
    return xr.DataArray(even, {"time": axis, **coords}, ndvi.dims, ndvi.name, dict(ndvi.attrs))


def end_values(
    ndvi: xr.DataArray,
    *,
    rng: np.random.Generator,
    types: xr.DataArray | None = None,
    quantiles: tuple[float, float] = (0.05, 0.95),
    n_resamples: int = 200,
    min_values: int = 20,
) -> EndValues:
    """Estimate the NDVI of bare ground and of full cover as quantiles, with their uncertainty.

    Parameters
    ----------
    ndvi : DataArray (time or year, ...)
        Growing-season peaks, or all values, whose range includes bare ground and full cover.
    rng : numpy Generator
        Source of the bootstrap over times.
    types : DataArray, optional
        Number of the vegetation type of each cell; default: one type for all, 0.
    quantiles : tuple of float
        Of bare ground and of full cover.
    n_resamples : int
        Bootstrap samples of times.
    min_values : int
        Least number of values of a type; smaller types get none.

    Returns
    -------
    EndValues

    Raises
    ------
    DataError
        If no type has enough values, or all values of a type are equal.

    Notes
    -----
    Quantiles of what happens to be in the scene stand for bare ground and full cover only if the
    scene has both; where it has not, give the end values yourself.

    Examples
    --------
    >>> peaks = xr.DataArray(np.linspace(0.1, 0.8, 200).reshape(10, 20), dims=("year", "cell"))
    >>> ends = end_values(peaks, rng=np.random.default_rng(1))
    >>> ends.table[["bare", "full"]].round(3).values.tolist()
    [[0.135, 0.765]]
    """
    along = next(dim for dim in ("time", "year", ndvi.dims[0]) if dim in ndvi.dims)
    flat = ndvi.transpose(along, ...).values.reshape(ndvi.sizes[along], -1)
    check_ndvi(float(np.nanmin(flat)), float(np.nanmax(flat)))
    kinds = np.zeros(flat.shape[1]) if types is None else np.ravel(types.values).astype(float)
    rows: dict[int, tuple[float, ...]] = {}
    for kind in np.unique(kinds[np.isfinite(kinds)]):
        own = flat[:, kinds == kind]
        if np.isfinite(own).sum() < min_values:
            continue
        found = np.nanquantile(own, quantiles)
        draws = [
            np.nanquantile(own[rng.integers(0, len(own), len(own))], quantiles)
            for _ in range(n_resamples)
        ]
        sd = np.nanstd(draws, axis=0, ddof=1) if n_resamples > 1 else np.zeros(2)
        rows[int(kind)] = (*found, *sd, int(np.isfinite(own).sum()))
    names = ["bare", "full", "bare_sd", "full_sd", "n"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    if not len(table) or (table["full"] <= table["bare"]).any():
        raise DataError(
            "no end values can be estimated",
            found=f"{len(table)} types with {min_values} values or more, some of them constant"
            if len(table)
            else f"no type with {min_values} values",
            do="Give them by EndValues.given({type: (bare, full)})",
        )
    low, high = (f"{100 * q:g} %" for q in quantiles)
    return EndValues(table, f"quantiles {low} and {high} of the NDVI of each type")


def fractional_cover(
    ndvi: Any, ends: EndValues, *, types: xr.DataArray | None = None, power: float = 1.0
) -> Any:
    """Turn NDVI into the share of ground that plants cover, by the dimidiate pixel model.

    Parameters
    ----------
    ndvi : ndarray, Series or DataArray
        -1 to 1.
    ends : EndValues
        Of bare ground and full cover.
    types : DataArray, optional
        Type of each cell; needed where `ends` has several.
    power : float
        1 for the linear form of Gutman and Ignatov; 2 for that of Carlson and Ripley, which comes
        nearer to field plots on steppe.

    Returns
    -------
    Same kind as `ndvi`
        [1], clipped to 0-1.

    Raises
    ------
    DataError
        If NDVI is outside -1 to 1, or a type has no end values.

    Notes
    -----
    ``C = ((N - N_bare) / (N_full - N_bare))^power``.

    References
    ----------
    Gutman, G. and Ignatov, A. (1998). The derivation of the green vegetation fraction from
    NOAA/AVHRR data. Int. J. Remote Sensing 19, 1533-1543. doi:10.1080/014311698215333. Carlson, T.
    N. and Ripley, D. A. (1997). On the relation between NDVI, fractional vegetation cover, and leaf
    area index. Remote Sens. Environ. 62, 241-252. doi:10.1016/S0034-4257(97)00104-1

    Examples
    --------
    >>> ends = EndValues.given({0: (0.08, 0.78)})
    >>> fractional_cover(np.array([0.45, 0.05, 0.80]), ends).round(6).tolist()
    [0.528571, 0.0, 1.0]
    """
    if power <= 0:
        raise DataError("no such power", found=f"{power}", do="Give 1 or 2")
    values = np.asarray(ndvi) if not isinstance(ndvi, xr.DataArray) else ndvi
    check_ndvi(float(np.nanmin(values)), float(np.nanmax(values)))
    bare, full = _ends_of(ends, types)
    share = (ndvi - bare) / (full - bare)
    clipped = share.clip(0.0, 1.0) if hasattr(share, "clip") else np.clip(share, 0.0, 1.0)
    cover = clipped**power
    if isinstance(cover, xr.DataArray):
        cover = cover.transpose(*ndvi.dims)
        cover.attrs = {"units": "1", "long_name": "Fractional cover"}
        return cover.rename("cover")
    return cover


def _ends_of(ends: EndValues, types: xr.DataArray | None) -> tuple[Any, Any]:
    if types is None:
        if len(ends.table) > 1:
            raise DataError(
                "several types, but no map of them",
                found=f"types {list(ends.table.index)}",
                do="Give types",
            )
        return float(ends.table["bare"].iloc[0]), float(ends.table["full"].iloc[0])
    present = np.unique(types.values[np.isfinite(types.values)])
    without = sorted(set(present.astype(int)) - set(ends.table.index))
    if without and not set(ends.table.index) == {ALL}:
        raise DataError(
            "types without end values",
            found=", ".join(map(str, without)),
            do="Give their bare and full NDVI, or leave these cells out of the types (NaN)",
        )
    if set(ends.table.index) == {ALL}:
        return _ends_of(ends, None)
    parts = []
    for name in ("bare", "full"):
        known = ends.table[name]
        values = np.full(types.shape, np.nan)
        for kind, value in known.items():
            values[types.values == kind] = value
        parts.append(types.copy(data=values))
    return parts[0], parts[1]


def vegetation_condition(ndvi: ArrayLike, *, times: pd.DatetimeIndex | None = None) -> Any:
    """Compare NDVI with its range in the same days of other years (VCI).

    Parameters
    ----------
    ndvi : ndarray (time, ...), Series or DataArray
        At even steps of up to a month.
    times : DatetimeIndex, optional
        Needed for an ndarray.

    Returns
    -------
    Same kind as `ndvi`
        0 (lowest of all years) to 100 [%]; NaN where a time of the year has one value or no range.

    Notes
    -----
    ``VCI = 100 (N - N_min) / (N_max - N_min)`` over all years at the same position of the year.

    References
    ----------
    Kogan, F. N. (1995). Application of vegetation index and brightness temperature for drought
    detection. Adv. Space Res. 15(11), 91-100. doi:10.1016/0273-1177(95)00079-T

    Examples
    --------
    >>> july = pd.to_datetime(["2001-07-01", "2002-07-01", "2003-07-01"])
    >>> vegetation_condition(np.array([0.2, 0.42, 0.7]), times=july).round(6).tolist()
    [0.0, 44.0, 100.0]
    """
    return _position(ndvi, times, rising=True)


def temperature_condition(
    temperature: Any,
    season_temperature: Any,
    *,
    cold_limit: float = 12.0,
    times: pd.DatetimeIndex | None = None,
) -> Any:
    """Compare temperature with its range in the same days of other years (TCI).

    Parameters
    ----------
    temperature : ndarray (time, ...), Series or DataArray
        Of the surface or the air [°C or K].
    season_temperature : float or DataArray
        Mean air temperature of the growing season [°C].
    cold_limit : float
        Where the growing season is colder, warmth helps growth and TCI would call a good year bad:
        no value is given [°C]. The limit is our choice, not a published one.
    times : DatetimeIndex, optional
        Needed for an ndarray.

    Returns
    -------
    Same kind as `temperature`
        0 (hottest) to 100 (coolest) [%].

    Raises
    ------
    DataError
        If the growing season is too cold everywhere.

    Notes
    -----
    ``TCI = 100 (T_max - T) / (T_max - T_min)``.

    References
    ----------
    Kogan (1995), doi:10.1016/0273-1177(95)00079-T

    Examples
    --------
    >>> july = pd.to_datetime(["2001-07-01", "2002-07-01", "2003-07-01"])
    >>> temperature_condition(np.array([282.0, 292.0, 302.0]), 18.0, times=july).tolist()
    [100.0, 50.0, 0.0]
    """
    warm = season_temperature >= cold_limit
    if not bool(np.any(np.asarray(warm))):
        raise DataError(
            "TCI has no meaning where warmth helps growth",
            found=f"growing seasons of at most {float(np.nanmax(season_temperature)):.1f} degC",
            do=f"Use VCI alone; TCI is for seasons of {cold_limit:g} degC or more",
        )
    found = _position(temperature, times, rising=False)
    return found.where(warm) if isinstance(found, xr.DataArray) else np.where(warm, found, np.nan)


def vegetation_health(vci: Any, tci: Any, *, weight: float = 0.5) -> Any:
    """Join VCI and TCI (VHI).

    Parameters
    ----------
    vci, tci : array-like
        [%]
    weight : float
        Of VCI.

    Returns
    -------
    Same kind as `vci`
        ``VHI = weight VCI + (1 - weight) TCI`` [%]; NaN where either is missing.

    Raises
    ------
    DataError
        If the weight is not between 0 and 1.

    References
    ----------
    Kogan (1995), doi:10.1016/0273-1177(95)00079-T

    Examples
    --------
    >>> vegetation_health(44.0, 50.0)
    47.0
    """
    if not 0.0 <= weight <= 1.0:
        raise DataError("no such weight", found=f"{weight}", do="Give a number from 0 to 1")
    return weight * vci + (1.0 - weight) * tci


def _position(data: ArrayLike, times: pd.DatetimeIndex | None, *, rising: bool) -> Any:
    times = times_of(data) if times is None else times
    gaps = np.diff(times.to_numpy()) / np.timedelta64(1, "D")
    typical = float(np.median(gaps)) if gaps.size else 365.0
    step = 31.0 if typical > 31.0 else max(1.0, typical)
    slot = ((times.day_of_year.to_numpy() - 1) / step).round().astype(int)
    if typical > 27.0:
        slot = times.month.to_numpy()

    def compute(rows: Rows) -> Rows:
        out = np.full(rows.shape, np.nan)
        for one in np.unique(slot):
            own = rows[:, slot == one]
            seen = np.isfinite(own)
            low = np.where(seen, own, np.inf).min(axis=1, keepdims=True)
            high = np.where(seen, own, -np.inf).max(axis=1, keepdims=True)
            width = np.where(high > low, high - low, np.nan)
            out[:, slot == one] = 100.0 * ((own - low) if rising else (high - own)) / width
        return out

    return in_rows(compute, data)
