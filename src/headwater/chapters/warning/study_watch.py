"""The watch over a study's grids: look at what has come, then keep where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from headwater.chapters.warning import series
from headwater.chapters.warning.incoming import Incoming, take_rasters, with_incoming
from headwater.chapters.warning.kept import WatchState, load_state, save_state
from headwater.chapters.warning.options import WarningOptions
from headwater.chapters.warning.rain import area_rain, months_of_means, rain_standing
from headwater.chapters.warning.run import make_plan
from headwater.chapters.warning.standing import (
    Standing,
    drought_share,
    drought_standing,
    ended_as,
    loss_standings,
)
from headwater.chapters.warning.watching import (
    Archive,
    Arrived,
    begin_watch,
    find_alerts,
    go_on,
)
from headwater.errors import ResumeError, StudyError
from headwater.results import fingerprint
from headwater.warning.baseline import season_parts

if TYPE_CHECKING:
    from headwater.study.model import Study

__all__ = ["Look", "keep_look", "look_at_study"]

_HOME = "watch"


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a look has found; nothing is kept before :func:`keep_look`.

    Attributes
    ----------
    state : WatchState
    standing : tuple of Standing
        All alerts that stand now.
    ended : dict
        How alerts have ended that stood before, by target.
    how : str
        ``begun``, ``on``, ``again from the season``, ``again from the history`` or ``nothing new``.
    n_days : int
        Days of rasters that have come.
    problems : tuple of str
        Files that could not be read.
    """

    state: WatchState
    standing: tuple[Standing, ...]
    ended: dict[str, str]
    how: str
    n_days: int
    problems: tuple[str, ...]


def look_at_study(
    study: Study,
    folder: Path | None,
    today: np.datetime64,
    *,
    megabytes: float = 256.0,
    progress: Callable[[str], None] | None = None,
) -> Look:
    """Take new rasters in and find the alerts that stand.

    Parameters
    ----------
    study : Study
        With table ``[warning]``, and its grids computed.
    folder : Path, optional
        Of new rasters, a folder for each input.
    today : datetime64[D]
        Composites that end later wait.
    megabytes : float
        Of one block in memory.
    progress : callable, optional
        Is given a line before what takes long.

    Returns
    -------
    Look

    Raises
    ------
    StudyError, ResumeError, InputError
        If there is no table ``[warning]``, no grids, or no folder.
    """
    options = _options(study)
    names = _names(study, options)
    home, key = study.results / _HOME, _key(study, options, names)
    archived = {part: _archived(study, name) for part, name in names.items()}
    grid = _grid(study, archived["green"])
    state = load_state(home, key, options)
    incoming = Incoming(Arrived(), {} if state is None else dict(state.taken), ())
    if folder is not None:
        incoming = take_rasters(study, names, folder, home / "days", incoming.taken, grid)
    whole = {
        part: with_incoming(archived[part], home / "days" / name) for part, name in names.items()
    }
    for part in ("rain", "demand") if "demand" in whole else ():
        whole[part] = series.per_day(whole[part], archived[part].attrs.get("units", ""))
    archive = Archive(today=today, megabytes=megabytes, **whole)
    if state is None:
        if progress is not None:
            progress("Learning the histories, and thresholds for the set rate of false alarms")
        green, water = archived["green"], archived.get("water")
        plan = make_plan(
            green,
            water,
            options,
            growing_season=study.growing_season,
            rng=np.random.default_rng([study.seed, 16]),
            n_seasons=options.watch_seasons,
        )
        state, how = begin_watch(archive, plan, key), "begun"
    else:
        state, how = _gone_on(state, archive, incoming)
    arrived = incoming.arrived
    state = replace(
        state,
        taken=incoming.taken,
        rain=_means(archive.rain, state.rain, arrived.rain, megabytes),
        demand=_means(archive.demand, state.demand, arrived.demand, megabytes),
    )
    return _found(state, archive, grid, how, incoming, names["green"])


def _means(
    data: xr.DataArray | None,
    known: Mapping[str, float],
    changed: tuple[np.datetime64, ...],
    megabytes: float,
) -> Mapping[str, float]:
    """Average a cube over the area on the days that are new; what is known where there is none."""
    return known if data is None else area_rain(data, known, changed, megabytes=megabytes)


def _gone_on(state: WatchState, archive: Archive, incoming: Incoming) -> tuple[WatchState, str]:
    arrived = incoming.arrived
    later, how = go_on(state, archive, arrived)
    same = later.now.last == state.now.last and later.drought_day == state.drought_day
    return later, "nothing new" if same and how == "on" else how


def _found(
    state: WatchState,
    archive: Archive,
    grid: xr.DataArray,
    how: str,
    incoming: Incoming,
    name: str,
) -> Look:
    before = state.alerts
    state = replace(state, alerts=find_alerts(state, (grid.sizes["y"], grid.sizes["x"])))
    state = replace(state, is_dry=_is_dry(state, archive.today))
    here = {one.target for one in state.alerts}
    ended = {one.target: ended_as(state, one) for one in before if one.target not in here}
    standing = list(loss_standings(state, archive, grid, name))
    if state.is_dry:
        standing.append(drought_standing(state))
    if state.rain:
        demand = None if archive.demand is None else state.demand
        months = months_of_means(state.rain, demand, archive.today)
        dry = rain_standing(months, state.plan.options, state.plan.months, archive.today)
        standing += [] if dry is None else [dry]
    come = incoming.arrived
    n_days = len(come.green) + len(come.water) + len(come.rain) + len(come.demand)
    return Look(state, tuple(standing), ended, how, n_days, incoming.problems)


def _is_dry(state: WatchState, today: np.datetime64) -> bool:
    """Whether the area's drought is an alert: it ends below half the share, or with the season."""
    moved = state.plan.calendar.moved([today])
    same_year = moved.astype("datetime64[Y]")[0] == np.datetime64(state.drought_day, "D").astype(
        "datetime64[Y]"
    )
    if season_parts(moved, state.plan.calendar.options)[0] < 0 or not same_year:
        return False
    share, _ = drought_share(state)
    least = state.plan.options.drought_share
    return share >= (least / 2 if state.is_dry else least)


def _options(study: Study) -> WarningOptions:
    options = study.warning
    if options is None:
        raise StudyError(
            "the study file asks for no early warning",
            found="no table [warning]",
            do="Add [warning], and see docs/warning.md for its keys",
        )
    return options


def _names(study: Study, options: WarningOptions) -> dict[str, str]:
    green, water = series.named(study, options)
    finer = study.downscaling
    if finer is not None and finer.of in (green, water):
        raise StudyError(
            "a watch over a downscaled variable",
            found=f"{finer.of} comes from [downscaling]",
            do="Give new dates to the study and run it again: headwater run, headwater hindcast",
        )
    rain = _as_series(study, series.named_rain(study, options))
    demand = None if rain is None else _as_series(study, series.named_demand(study, options))
    names = {"green": green, "water": water, "rain": rain, "demand": demand}
    return {part: name for part, name in names.items() if name is not None}


def _as_series(study: Study, name: str | None) -> str | None:
    """Name an input where it is a series on the study grid."""
    path = study.results / "grids" / f"{name}.zarr"
    if name is None or not path.exists() or "time" not in xr.open_zarr(path)[name].dims:
        return None
    return name


def _key(study: Study, options: WarningOptions, names: dict[str, str]) -> str:
    """Hash what the state rests on: the archive, and all that decides what is compared."""
    from headwater.study.folder import finished

    made = finished(study.results, "grids")
    if made is None:
        raise ResumeError(
            "the study's grids have not been computed",
            found=f"no {study.results / 'grids'}",
            do=f"Compute them with: headwater run {study.file} --until grids",
        )
    reported = options.model_dump(mode="json", exclude={"channels", "rehearsals", "drought_share"})
    return fingerprint(made, reported, names, list(study.growing_season), study.seed)


def _archived(study: Study, name: str) -> xr.DataArray:
    path = study.results / "grids" / f"{name}.zarr"
    data: xr.DataArray = xr.open_zarr(path, decode_coords="all")[name]
    return data.transpose("time", "y", "x")


def _grid(study: Study, green: xr.DataArray) -> xr.DataArray:
    """Give a map on the study grid: 1 inside the area, NaN outside."""
    from headwater.grids.area import cell_shares, inside
    from headwater.grids.geometry import geobox_of
    from headwater.study.inputs import read_study_area

    area, first = read_study_area(study), green.isel(time=0, drop=True)
    ones = np.ones(first.shape)
    if area is not None:
        grid = geobox_of(green)
        cells = inside(grid, area).values
        if not cells.any():  # an area smaller than a cell
            cells = cell_shares(grid, area).values > 0
        ones = np.where(cells, 1.0, np.nan)
    return first.copy(data=ones)


def keep_look(study: Study, look: Look) -> None:
    """Make what a look has found the state that the next one goes on from.

    Parameters
    ----------
    study : Study
    look : Look
    """
    if look.how != "nothing new" or look.n_days or look.ended:
        save_state(study.results / _HOME, look.state)
