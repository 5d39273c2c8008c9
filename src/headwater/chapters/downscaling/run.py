"""Make a coarse input of a study finer: gather, train, spread residuals, write, tell the error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.chapters.downscaling.inputs import Task, read_task, recipe_of
from headwater.chapters.downscaling.results import Learnt, Written, downscaling_results
from headwater.chapters.downscaling.store import Drafts, Product, closure_of, write_product

if TYPE_CHECKING:
    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.downscaling.stations import StationResiduals
    from headwater.downscaling.training import DownscalingModel, Recipe
    from headwater.downscaling.twins import TwinResult
    from headwater.results import Result
    from headwater.study.step import Context
    from headwater.validation.scorecards import Scorecard

__all__ = ["Expected", "expect_skill", "make_finer"]

Floats = NDArray[np.float64]

_WITHOUT_STATIONS = (
    "Twins have no stations: near stations the error is smaller than they tell, and intervals are "
    "wider than they need be."
)


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What stations measured, where they stand, and what the learner says there."""

    values: pd.DataFrame
    pixels: NDArray[np.intp]
    predicted: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What a study may expect of its downscaling before there is a map.

    Attributes
    ----------
    twin : TwinResult
        Skill on synthetic truths.
    task : Task
        What they were laid over.
    """

    twin: TwinResult
    task: Task


def make_finer(
    context: Context, options: DownscalingOptions, names: tuple[str, ...]
) -> dict[str, Result]:
    """Run the step: the product as Zarr in the step's folder, and what is known of it.

    Parameters
    ----------
    context : Context
        Of the step.
    options : DownscalingOptions
        Table ``[downscaling]``.
    names : tuple of str
        Predictors.

    Returns
    -------
    dict of Result
        ``scores``, ``importance``, ``closure``, ``maps``; where there are any ``noise`` and
        ``parameters``; with twins ``twin`` and ``intervals``; with stations ``stations``.

    Raises
    ------
    DataError, GridError, TimeAxisError
        If the input is not coarser than the study grid, predictors do not serve, or more memory
        would be needed than allowed.
    """
    context.progress(0.0, "predictors")
    task = read_task(context, options, names)
    recipe = recipe_of(options, context.settings)
    drafts = Drafts(context.folder, task)
    learnt, held, card = _learn(context, options, task, recipe, drafts)
    told = None
    if options.twins:
        context.progress(0.6, "twins")
        told = _twin(options, task, recipe, held, context.study.seed)
    context.progress(0.9, "writing")
    product = Product(options.of, options.interval, options.longest_gap, told)
    maps = write_product(context.folder / f"{options.of}.zarr", product, task, drafts)
    closure = closure_of(drafts, task)
    drafts.remove()
    return downscaling_results(options, task, learnt, told, Written(maps, closure, card))


def expect_skill(
    context: Context, options: DownscalingOptions, names: tuple[str, ...], draws: int
) -> Expected:
    """Run the twin alone: the skill to expect, before a map is made.

    Parameters
    ----------
    context : Context
        Of a study whose step ``grids`` has finished.
    options : DownscalingOptions
        Table ``[downscaling]``.
    names : tuple of str
        Predictors.
    draws : int
        Synthetic truths, two or more.

    Returns
    -------
    Expected

    Raises
    ------
    DataError, GridError, TimeAxisError
        As :func:`make_finer`.
    """
    from headwater.downscaling.training import fit_downscaling

    chosen = options.model_copy(update={"twins": draws})
    context.progress(0.0, "predictors")
    task = read_task(context, chosen, names)
    recipe = recipe_of(chosen, context.settings)
    context.progress(0.1, "training")
    model = fit_downscaling(
        task.retrieval,
        task.predictors,
        task.support,
        recipe,
        rng=np.random.default_rng(context.study.seed),
    )
    held = task.retrieval - model.out_of_fold
    del model
    context.progress(0.3, "twins")
    return Expected(_twin(chosen, task, recipe, held, context.study.seed), task)


def _learn(
    context: Context, options: DownscalingOptions, task: Task, recipe: Recipe, drafts: Drafts
) -> tuple[Learnt, Floats, Scorecard | None]:
    """Train and predict; the model is let go before twins need its room."""
    from headwater.downscaling.pipeline import disaggregate_residuals
    from headwater.downscaling.training import fit_downscaling

    context.progress(0.05, "training")
    model = fit_downscaling(
        task.retrieval,
        task.predictors,
        task.support,
        recipe,
        rng=np.random.default_rng(context.study.seed),
    )
    measured = _measure(options, task, model) if options.stations else None
    context.progress(0.3, "residuals")
    points = None if measured is None else _points(measured, task)
    finer = disaggregate_residuals(
        model, task.retrieval, residual=options.residual, stations=points
    )
    for some, mean, sd in finer.stream():
        drafts.add(mean, sd)
        context.progress(0.4 + 0.2 * drafts.filled / len(task.predictors.times), str(some[-1]))
    found = None if measured is None else _scored(context, options, task, model, measured)
    residual = finer.residual
    notes = (*task.notes, *model.notes, *residual.notes)
    if isinstance(found, str):
        notes = (*notes, found)
    if measured is not None and options.twins:
        notes = (*notes, _WITHOUT_STATIONS)
    learnt = Learnt(
        model.scores,
        model.importance,
        dict(model.noise),
        residual.parameters,
        tuple(dict.fromkeys(notes)),
    )
    card = None if isinstance(found, str) else found
    return learnt, task.retrieval - model.out_of_fold, card


def _measure(options: DownscalingOptions, task: Task, model: DownscalingModel) -> _Measured:
    from headwater.chapters.validation.stations import daily_stations, station_pixels

    days = task.predictors.times
    table = daily_stations(str(options.stations), days)
    places = station_pixels(table, task.like)
    pixels = np.fromiter(places.values(), dtype=np.intp)
    predicted = [maps.reshape(len(maps), -1)[:, pixels] for _, maps in model.stream()]
    wide = table.set_index(["day", "station"])["soil_moisture"].unstack("station")  # noqa: PD010
    values = wide.reindex(index=days.astype("datetime64[ns]"), columns=list(places))
    return _Measured(values, pixels, np.concatenate(predicted).astype(float))


def _points(measured: _Measured, task: Task) -> StationResiduals:
    from headwater.downscaling.stations import StationResiduals

    beyond = measured.values.to_numpy() - measured.predicted
    names = tuple(str(name) for name in measured.values.columns)
    return StationResiduals(task.support.fine_xy[measured.pixels], beyond, names=names)


def _scored(
    context: Context,
    options: DownscalingOptions,
    task: Task,
    model: DownscalingModel,
    measured: _Measured,
) -> Scorecard | str:
    """Score the product that the stations took no part in: with them it would praise itself."""
    from headwater.downscaling.pipeline import disaggregate_residuals
    from headwater.errors import DataError
    from headwater.validation.scorecards import scorecard

    alone = disaggregate_residuals(
        model, task.retrieval, residual=options.residual, uncertainty=False
    )
    series = alone.residual.loadings[measured.pixels] @ alone.residual.states.T
    product = np.maximum(measured.predicted + np.asarray(series).T, 0.0)
    cell = np.asarray(task.support.matrix.argmax(axis=0)).ravel()[measured.pixels]
    like = measured.values
    frames = [
        pd.DataFrame(values, index=like.index, columns=like.columns)
        for values in (product, task.retrieval[:, cell])
    ]
    names = [str(name) for name in like.columns]
    shared = np.unique(cell).size < cell.size
    try:
        return scorecard(
            frames[0],
            like,
            coarse=frames[1],
            rng=context.rng,
            cells=dict(zip(names, cell.tolist(), strict=True)) if shared else None,
        )
    except DataError as error:
        return f"Stations take part, but cannot judge: {error}"


def _twin(
    options: DownscalingOptions, task: Task, recipe: Recipe, held: Floats, seed: int
) -> TwinResult:
    from headwater.downscaling.covariance import estimate_covariance
    from headwater.downscaling.pipeline import downscale
    from headwater.downscaling.twins import twin_experiment

    at: dict[str, Any] = {"predictors": task.predictors, "support": task.support}
    pipeline = partial(
        downscale,
        **at,
        recipe=recipe,
        residual=options.residual,
        rng=np.random.default_rng([seed, 1]),
    )
    covariance = estimate_covariance(held, task.support, task.predictors.times)
    return twin_experiment(
        task.retrieval,
        task.predictors,
        task.support,
        pipeline,
        covariance,
        n_draws=options.twins,
        level=options.interval,
        rng=np.random.default_rng([seed, 2]),
    )
