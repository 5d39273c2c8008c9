"""What to know of a downscaling before it is computed: what would stop it, what to expect."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headwater.chapters.downscaling.inputs import (
    check_memory,
    common_days,
    make_support,
    memory_mb,
    noisy_predictors,
)
from headwater.errors import HeadwaterError, StudyError, TimeAxisError
from headwater.settings import Settings, resolve
from headwater.study.engine import Progress, run
from headwater.study.inputs import of_input, read_study_area
from headwater.study.step import Context
from headwater.tables import ReadingOptions

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.chapters.downscaling.run import Expected
    from headwater.study.model import Study

__all__ = [
    "check_downscaling",
    "expected_skill",
    "folds_note",
]

_DRAWS = 2


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


def expected_skill(
    study: Study,
    *,
    settings: Settings | None = None,
    n_resamples: int | None = None,
    progress: Progress = lambda step, fraction, what: None,
) -> Expected:
    """Align the inputs of a study, and run the twin of its downscaling alone.

    Parameters
    ----------
    study : Study
        With a table ``[downscaling]``.
    settings : Settings, optional
        Workers and block size; default: the study file's and the environment's.
    n_resamples : int, optional
        Synthetic truths; default: as many as the study file says, at least two.
    progress : callable
        Called with step, fraction done and what is being done.

    Returns
    -------
    Expected
        The twin, and what it was laid over.

    Raises
    ------
    StudyError
        If the study asks for no downscaling.
    ProblemsError, DataError, GridError, TimeAxisError
        As :func:`headwater.study.engine`.
    """
    import dask
    import numpy as np

    from headwater.chapters.downscaling.run import expect_skill
    from headwater.chapters.downscaling.step import predictors_of
    from headwater.chapters.steps import STEPS

    options = study.downscaling
    if options is None:
        raise StudyError(
            "the study asks for no downscaling",
            found="no table [downscaling]",
            do="Add [downscaling]",
        )
    chosen = settings or resolve(study.settings)
    run(study, STEPS, settings=chosen, until="grids", progress=progress)
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(scheduler="threads", num_workers=chosen.threads),
    ):
        context = Context(
            study=study,
            settings=chosen,
            folder=Path(folder),
            results=study.results,
            area=read_study_area(study),
            rng=np.random.default_rng(study.seed),
            progress=lambda fraction, what: progress("twin", min(fraction, 0.99), what),
        )
        count = n_resamples or max(options.twins, _DRAWS)
        found = expect_skill(context, options, predictors_of(study, options), count)
    progress("twin", 1.0, "done")
    return found
