"""By when each kind of work must be done, at any altitude and aspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.errors import DataError
from headwater.restoration.calendar_bands import SeasonStart, fit_season_start, planting_method
from headwater.restoration.profile import (
    PLANTING,
    TIMINGS,
    MeasureProfile,
    limits_of_seed,
    read_profile,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "SeasonDays",
    "SeasonFits",
    "WorkDays",
    "calendar_table",
    "fit_seasons",
    "season_days",
    "timing_of",
    "work_days",
]

Floats = NDArray[np.float64]

ASPECTS = {"north": 0.0, "east or west": 90.0, "south": 180.0}
"""Aspects of the calendar [degree clockwise from north]."""

_FEWEST_STARTS = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class SeasonFits:
    """The days of the season, each fitted by altitude, aspect and year.

    Attributes
    ----------
    start, thaw, closes, end : SeasonStart
    dry_shift : float
        Days by which the window to plant closes earlier in dry years [d]; NaN where not known.
    left_out : int
        Places whose season fails to start in more than three of ten years.
    shift : int
        Days by which the year of seasons begins before New Year [d].
    """

    start: SeasonStart
    thaw: SeasonStart
    closes: SeasonStart
    end: SeasonStart
    dry_shift: float = float("nan")
    left_out: int = 0
    shift: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SeasonDays:
    """The days of the season at places [day of year], and whether they lie in what was seen."""

    thaw: Floats
    early: Floats
    middle: Floats
    late: Floats
    closes: Floats
    closes_dry: Floats
    end: Floats
    extrapolated: NDArray[np.bool_]
    shift: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class WorkDays:
    """When a kind of work can be done at places [day of year].

    Attributes
    ----------
    opens, latest_beginning, deadline : ndarray
        `latest_beginning` is the deadline less the duration.
    closes, closes_dry : ndarray
        When soil water ends the window, in the mean and in dry years; NaN where it does not.
    enough : ndarray of bool
        Whether the work fits between opening and deadline.
    """

    opens: Floats
    latest_beginning: Floats
    deadline: Floats
    closes: Floats
    closes_dry: Floats
    enough: NDArray[np.bool_]


def fit_seasons(
    windows: xr.Dataset,
    elevation: ArrayLike,
    aspect: ArrayLike | None = None,
    *,
    dry_shift: float = float("nan"),
    shift: int = 0,
) -> SeasonFits:
    """Fit start, thaw, closing and end of the season by altitude, aspect and year.

    Parameters
    ----------
    windows : Dataset (year, ...)
        Of :func:`headwater.restoration.season_windows`.
    elevation, aspect : array-like (...)
        [m], [degrees clockwise from north; NaN for flat]
    dry_shift : float
        Of :func:`headwater.restoration.seasons.dry_year_shift` [d].
    shift : int
        That `windows` were found with [d].

    Returns
    -------
    SeasonFits

    Raises
    ------
    DataError
        If there are too few starts to fit.

    Notes
    -----
    Places whose season fails to start in more than three of ten years are left out and counted:
    their starts are those of warm years, and would pull the high bands down.
    """
    start = windows["start"].transpose("year", ...).values
    usable = np.isfinite(start).mean(axis=0) >= _FEWEST_STARTS
    height = np.asarray(elevation, dtype=np.float64)
    facing = np.full(height.shape, np.nan) if aspect is None else np.asarray(aspect, np.float64)
    usable &= np.isfinite(height)
    years = np.broadcast_to(windows["year"].values.reshape(-1, *([1] * height.ndim)), start.shape)

    def fit(name: str) -> SeasonStart:
        values = windows[name].transpose("year", ...).values
        return fit_season_start(
            values[:, usable].ravel(),
            np.broadcast_to(height, start.shape)[:, usable].ravel(),
            years[:, usable].ravel(),
            np.broadcast_to(facing, start.shape)[:, usable].ravel(),
        )

    seen = np.isfinite(height) & np.isfinite(windows["thaw"].values).any(axis=0)
    return SeasonFits(
        fit("start"),
        fit("thaw"),
        fit("closes"),
        fit("end"),
        dry_shift,
        int((seen & ~usable).sum()),
        shift,
    )


def season_days(
    fits: SeasonFits, elevation: ArrayLike, aspect: ArrayLike = np.nan, *, share: float = 0.1
) -> SeasonDays:
    """Predict the days of a season to come.

    Parameters
    ----------
    fits : SeasonFits
    elevation, aspect : array-like
        [m], [degrees clockwise from north; NaN for flat]
    share : float
        Share of years in which the season may start before the early day [1].

    Returns
    -------
    SeasonDays
    """
    height = np.atleast_1d(np.asarray(elevation, dtype=np.float64))
    start, closes = fits.start, fits.closes.quantile(0.5, height, aspect)
    shift = fits.dry_shift if np.isfinite(fits.dry_shift) else np.nan
    return SeasonDays(
        thaw=fits.thaw.quantile(0.5, height, aspect),
        early=start.quantile(share, height, aspect),
        middle=start.quantile(0.5, height, aspect),
        late=start.quantile(1 - share, height, aspect),
        closes=closes,
        closes_dry=closes - shift,
        end=fits.end.quantile(1 - share, height, aspect),
        extrapolated=(height < start.lowest) | (height > start.highest),
        shift=fits.shift,
    )


def work_days(
    when: str, days: SeasonDays, *, duration: float, profile: MeasureProfile | None = None
) -> WorkDays:
    """Find when work of a kind can be done.

    Parameters
    ----------
    when : {"winter", "before_start", "at_start", "season", "any"}
        Timing of the measure, as its profile says.
    days : SeasonDays
    duration : float
        Of the work [d].
    profile : MeasureProfile, optional
        Of which the months of winter work are taken.

    Returns
    -------
    WorkDays

    Raises
    ------
    DataError
        If the timing is unknown, or the duration negative.

    Notes
    -----
    ``before_start`` (sowing, earthwork): after the thaw, and done by the day that only one season
    in ten starts before. ``at_start`` (transplanting, fertiliser): from that day to the median
    start. ``season`` (grazing ban): stands before the season and lasts to its late end. ``winter``:
    the months of the profile.
    """
    if duration < 0 or when not in ("winter", "before_start", "at_start", "season", "any"):
        raise DataError(
            "work that has no place in the calendar",
            found=f"'{when}', {duration:g} days",
            do="Give winter, before_start, at_start, season or any, and days from 0",
        )
    none = np.full(days.early.shape, np.nan)
    if when == "any":
        return WorkDays(none, none, none, none, none, np.ones(none.shape, dtype=bool))
    if when == "winter":
        first, last = (profile or read_profile()).between("winter_work")
        # the profile's months are those of the north; days before New Year count down from 0
        deadline = np.full(none.shape, last - days.shift)
        opens = np.full(none.shape, first - 365 - days.shift)
        return WorkDays(
            opens, deadline - duration, deadline, none, none, deadline - duration >= opens
        )
    if when == "season":
        always = np.ones(none.shape, dtype=bool)
        return WorkDays(days.thaw, days.early - duration, days.early, days.end, none, always)
    if when == "before_start":
        opens, deadline = days.thaw, days.early
    else:
        opens, deadline = days.early, days.middle
    # in a dry year the soil is dry before: nothing may be planted into it
    dry = np.where(np.isfinite(days.closes_dry), days.closes_dry, np.inf)
    enough = np.minimum(deadline, dry) - duration >= opens
    return WorkDays(opens, deadline - duration, deadline, days.closes, days.closes_dry, enough)


def timing_of(measure: str, method: str, profile: MeasureProfile) -> str:
    """Say when a measure is done: seed before the season starts, transplants as it starts.

    Parameters
    ----------
    measure : str
    method : {"sow", "transplant", "either"}
        Of :func:`headwater.restoration.calendar_bands.planting_method`.
    profile : MeasureProfile

    Returns
    -------
    str
        One of :data:`headwater.restoration.profile.TIMINGS`.

    Examples
    --------
    >>> profile = read_profile()
    >>> [timing_of("revegetation", method, profile) for method in ("sow", "transplant")]
    ['before_start', 'at_start']
    """
    when = str(profile.texts[measure]["when"])
    planted = measure in PLANTING and method == "transplant" and when == "before_start"
    return "at_start" if planted else when


def calendar_table(
    fits: SeasonFits,
    edges: Sequence[float],
    *,
    durations: Mapping[str, float],
    share: float = 0.1,
    profile: MeasureProfile | None = None,
) -> pd.DataFrame:
    """Write the calendar of work by altitude band and aspect.

    Parameters
    ----------
    fits : SeasonFits
    edges : sequence of float
        Edges of the bands, rising [m]; days are those of the middle of a band.
    durations : mapping of str to float
        Days that each measure takes [d].
    share : float
        Share of years in which the season may start before the deadline [1].
    profile : MeasureProfile, optional

    Returns
    -------
    DataFrame
        ``band``, ``elevation`` [m], ``aspect``, ``work``, ``method``, ``start_early``,
        ``start_median``, ``start_late``, ``opens``, ``latest_beginning``, ``deadline``,
        ``closes``, ``closes_dry`` [day of year], ``enough_days``, ``extrapolated``.
    """
    chosen = profile or read_profile()
    low, high = np.asarray(edges[:-1], dtype=float), np.asarray(edges[1:], dtype=float)
    bands = [f"{a:g}-{b:g} m" for a, b in zip(low, high, strict=True)]
    parts = []
    for aspect, facing in ASPECTS.items():
        days = season_days(fits, (low + high) / 2, facing, share=share)
        for measure in chosen.texts:
            rows = _rows(chosen, measure, days, (low + high) / 2, durations.get(measure, 0.0))
            parts.append(rows.assign(band=bands, aspect=aspect))
    table = pd.concat(parts, ignore_index=True)
    sown, planted = table["method"] == "sow", table["method"] == "transplant"
    never = (sown & (table["work"] == "transplanting")) | (
        planted & (table["work"] == "no_till_reseeding")
    )
    kept = table[table["deadline"].notna() & ~never]
    first = ["band", "elevation", "aspect", "work", "method"]
    table = kept.sort_values(["elevation", "aspect"], kind="stable").reset_index(drop=True)
    table = table[[*first, *(name for name in table if name not in first)]]
    day = ("start_early", "start_median", "start_late", "opens", "latest_beginning", "deadline")
    table.attrs["units"] = {"elevation": "m"} | dict.fromkeys(
        (*day, "closes", "closes_dry"), "day of year"
    )
    return table


def _rows(
    profile: MeasureProfile, measure: str, days: SeasonDays, elevation: Floats, duration: float
) -> pd.DataFrame:
    limits = limits_of_seed(profile)
    methods = [planting_method(z, limits)[0] for z in elevation]
    timings = np.array([timing_of(measure, method, profile) for method in methods])
    found = {when: work_days(when, days, duration=duration, profile=profile) for when in TIMINGS}

    def chosen(name: str) -> Any:
        return np.select(
            [timings == when for when in TIMINGS], [getattr(found[w], name) for w in TIMINGS]
        )

    names = ("opens", "latest_beginning", "deadline", "closes", "closes_dry")
    return pd.DataFrame(
        {
            "elevation": elevation,
            "work": measure,
            "method": methods,
            "start_early": days.early,
            "start_median": days.middle,
            "start_late": days.late,
            **{name: chosen(name) for name in names},
            "enough_days": chosen("enough").astype(bool),
            "extrapolated": days.extrapolated,
        }
    )
