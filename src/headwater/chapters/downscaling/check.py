"""Look at a downscaling before it is computed: grids, days, wavelet, stations, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.chapters.downscaling.inputs import (
    check_memory,
    common_days,
    make_support,
    memory_mb,
    noisy_predictors,
)
from headwater.errors import HeadwaterError, TimeAxisError
from headwater.study.inputs import of_input
from headwater.tables import ReadingOptions

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.study.model import Study

__all__ = ["check_downscaling", "folds_note"]


def check_downscaling(
    study: Study,
    options: DownscalingOptions,
    names: tuple[str, ...],
    inputs: Mapping[str, xr.DataArray],
    grid: GeoBox,
    period: tuple[Any, Any] | None,
) -> Iterator[HeadwaterError]:
    """Report what would stop a downscaling, reading no values of the grids.

    Parameters
    ----------
    study : Study
        The study.
    options : DownscalingOptions
        Table ``[downscaling]``.
    names : tuple of str
        Predictors.
    inputs : mapping of DataArray
        Those that could be opened.
    grid : Any
        The study grid.
    period : tuple of (start, end), or None
        Of the study.

    Yields
    ------
    HeadwaterError
    """
    if options.of not in inputs or any(n not in inputs for n in names if n in study.inputs):
        return
    from headwater.grids.times import in_period

    found: dict[str, Any] = {}
    moving = {
        name: in_period(inputs[name], period)
        for name in names
        if name in inputs and "time" in inputs[name].dims
    }
    yield from _caught(lambda: found.update(days=common_days(moving)[0]))
    yield from _caught(lambda: found.update(support=_support(inputs, grid, options)))
    yield from _caught(lambda: found.update(noisy=noisy_predictors(options, moving)))
    if "days" not in found:
        return
    days = found["days"]
    yield from _caught(lambda: _check_days(inputs[options.of], options.of, days))
    yield from _caught(lambda: _check_wavelet(options, len(days)))
    if options.stations:
        yield from _caught(lambda: _check_stations(options, days, grid))
    if "support" in found:
        yield from _caught(lambda: _check_folds(options, days, found["support"]))
    if {"support", "noisy"} <= set(found):
        needed = memory_mb(
            options, names, tuple(moving), found["noisy"], len(days), found["support"]
        )
        yield from _caught(lambda: check_memory(options, needed))


def folds_note(
    study: Study,
    options: DownscalingOptions,
    names: tuple[str, ...],
    inputs: Mapping[str, xr.DataArray],
    grid: GeoBox,
    period: tuple[Any, Any] | None,
) -> Iterator[str]:
    """Say where fewer folds can be made than were asked for, or others.

    Parameters
    ----------
    study, options, names, inputs, grid, period
        As of :func:`check_downscaling`.

    Yields
    ------
    str
    """
    from headwater.grids.times import in_period

    if options.of not in inputs or any(n not in inputs for n in names if n in study.inputs):
        return
    moving = {
        name: in_period(inputs[name], period)
        for name in names
        if name in inputs and "time" in inputs[name].dims
    }
    try:
        days = common_days(moving)[0]
        note = _check_folds(options, days, _support(inputs, grid, options))
    except HeadwaterError:
        # what stops the step is reported as a problem
        return
    if note:
        yield note


def _caught(act: Callable[[], object]) -> Iterator[HeadwaterError]:
    try:
        act()
    except HeadwaterError as error:
        yield error


def _support(inputs: Mapping[str, xr.DataArray], grid: GeoBox, options: DownscalingOptions) -> Any:
    with of_input(options.of):
        return make_support(inputs[options.of], grid, options)


def _check_days(coarse: xr.DataArray, name: str, days: Any) -> None:
    if "time" not in coarse.dims:
        return
    own = coarse["time"].values.astype("datetime64[D]")
    if not ((own >= days[0]) & (own <= days[-1])).any():
        raise TimeAxisError(
            f"[inputs.{name}]: no day in common with the predictors",
            found=f"{own.min()} to {own.max()}; predictors {days[0]} to {days[-1]}",
            do="Give predictors of the same period",
        )


def _check_folds(options: DownscalingOptions, days: Any, support: Any) -> str:
    from headwater.downscaling.folds import plan_folds

    return plan_folds(options.folds, days, support.coarse_xy, folds=options.fold_count).note


def _check_wavelet(options: DownscalingOptions, days: int) -> None:
    from headwater.downscaling.wavelets import low_pass

    if options.coupling != "none":
        low_pass(np.zeros((days, 1)), wavelet=options.wavelet, level=options.level)


def _check_stations(options: DownscalingOptions, days: Any, grid: Any) -> None:
    from headwater.chapters.validation.reference import daily_reference
    from headwater.chapters.validation.stations import station_pixels

    table = daily_reference(
        str(options.stations),
        days,
        depth=options.station_depth,
        reading=options.reading or ReadingOptions(),
    )
    station_pixels(table, grid)
