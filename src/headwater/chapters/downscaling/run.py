"""Make a coarse input of a study finer: gather, train, spread residuals, write, give the error."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.chapters.downscaling.inputs import Task, read_task, recipe_of
from headwater.chapters.downscaling.results import Learnt, Written, downscaling_results
from headwater.chapters.downscaling.store import (
    Drafts,
    Errors,
    Product,
    closure_of,
    write_product,
)
from headwater.downscaling.baselines import interpolate_cells
from headwater.downscaling.sharing import Sharing
from headwater.settings import cluster_client
from headwater.study.cluster import each
from headwater.tables import ReadingOptions

if TYPE_CHECKING:
    from headwater.chapters.downscaling.options import DownscalingOptions
    from headwater.downscaling.stations import StationResiduals
    from headwater.downscaling.systematic import SystematicError
    from headwater.downscaling.training import DownscalingModel, Recipe
    from headwater.downscaling.twins import TwinResult
    from headwater.results import Result
    from headwater.study.step import Context
    from headwater.validation.scorecards import Scorecard

__all__ = ["Expected", "expect_skill", "make_finer"]

Floats = NDArray[np.float64]

_WITHOUT_STATIONS = (
    "Twins have no stations: near stations the error is smaller than they say, and intervals are "
    "wider than they need to be."
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
    folder = context.folder / ".cubes"
    sharing = None if cluster_client() is None else Sharing(folder, each)
    try:
        return _made_finer(context, options, names, sharing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made_finer(
    context: Context,
    options: DownscalingOptions,
    names: tuple[str, ...],
    sharing: Sharing | None,
) -> dict[str, Result]:
    context.progress(0.0, "predictors")
    task = read_task(context, options, names, sharing)
    recipe = recipe_of(options, context.settings, sharing)
    drafts = Drafts(context.folder, task)
    found = _learn(context, options, task, recipe, drafts)
    twin = None
    if options.twins:
        context.progress(0.6, "twins")
        twin = _twin(options, task, recipe, found, context.study.seed)
    context.progress(0.9, "writing")
    better = _better_without(options, task, found, twin)
    product = _product(options, twin, better)
    if better is not None:
        drafts.replace(
            interpolate_cells(
                task.retrieval, task.support, method=better, times=task.predictors.times
            )
        )
    maps = write_product(context.folder / f"{options.of}.zarr", product, task, drafts)
    closure = closure_of(drafts, task)
    drafts.remove()
    learnt = found.learnt
    if better is not None:
        learnt = replace(learnt, notes=(_fallback_note(better, twin), *learnt.notes))
    return downscaling_results(
        options, task, learnt, twin, Written(maps, closure, found.card, better)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What is kept of training: residuals out of fold, scores, and what stations show."""

    learnt: Learnt
    residuals: Floats
    card: Scorecard | None = None
    systematic: SystematicError | None = None
    unseen_sd: float | None = None


def _better_without(
    options: DownscalingOptions, task: Task, found: _Learned, twin: TwinResult | None
) -> str | None:
    """Name the baseline that is to be written instead, if the predictors add nothing."""
    if options.fallback == "never":
        return None
    seen = np.isfinite(found.residuals)
    useless = float(np.nanmean(found.residuals[seen] ** 2)) >= float(np.var(task.retrieval[seen]))
    if twin is not None and (useless or not twin.helps):
        return twin.baseline.method
    return "bilinear" if useless else None


def _fallback_note(better: str, twin: TwinResult | None) -> str:
    why = "out of fold they predict the observations no better than their mean does"
    if twin is not None and not twin.helps:
        means = twin.data.groupby("method")["rmse"].mean()
        why = (
            f"on twins the downscaling errs by {means['pipeline']:.4f} m3 m-3, "
            f"{better} interpolation by {means[better]:.4f}"
        )
    return (
        f"The predictors add nothing here: {why}. What is written is the {better} interpolation of "
        'the retrievals; fallback = "never" writes the downscaling.'
    )


def _product(options: DownscalingOptions, twin: TwinResult | None, better: str | None) -> Product:
    errors = None
    if twin is not None and better is None:
        errors = Errors(twin.learner_sd, twin.intervals, twin.assumptions)
    elif twin is not None:
        errors = Errors(twin.baseline.sd, twin.baseline.intervals, twin.assumptions)
    return Product(
        options.of,
        options.interval,
        options.longest_gap,
        errors,
        fill_edges=options.edges == "fill",
        method="downscaled" if better is None else f"{better} interpolation of the coarse product",
        max_water=options.max_water,
    )


def expect_skill(
    context: Context, options: DownscalingOptions, names: tuple[str, ...], n_resamples: int
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
    n_resamples : int
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

    chosen = options.model_copy(update={"twins": n_resamples})
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
    learnt = Learnt(model.scores, model.importance, dict(model.noise), {}, model.notes)
    measured = _measure(chosen, task, model) if chosen.stations else None
    judged = _Judged() if measured is None else _judge(context, chosen, task, model, measured)
    left = task.retrieval - model.out_of_fold
    kept = _Learned(learnt, left, judged.card, judged.systematic, judged.unseen_sd)
    del model
    context.progress(0.3, "twins")
    return Expected(_twin(chosen, task, recipe, kept, context.study.seed), task)


def _learn(
    context: Context, options: DownscalingOptions, task: Task, recipe: Recipe, drafts: Drafts
) -> _Learned:
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
    judged = _Judged() if measured is None else _judge(context, options, task, model, measured)
    residual = finer.residual
    notes = (*task.notes, *model.notes, *residual.notes, *judged.notes)
    if measured is not None and options.twins:
        notes = (*notes, _WITHOUT_STATIONS)
    learnt = Learnt(
        model.scores,
        model.importance,
        dict(model.noise),
        residual.parameters,
        tuple(dict.fromkeys(notes)),
    )
    return _Learned(
        learnt,
        task.retrieval - model.out_of_fold,
        judged.card,
        judged.systematic,
        judged.unseen_sd,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What stations show of the product that they took no part in."""

    card: Scorecard | None = None
    systematic: SystematicError | None = None
    unseen_sd: float | None = None
    notes: tuple[str, ...] = ()


def _measure(options: DownscalingOptions, task: Task, model: DownscalingModel) -> _Measured:
    from headwater.chapters.validation.reference import daily_reference
    from headwater.chapters.validation.stations import station_pixels

    days = task.predictors.times
    table = daily_reference(
        str(options.stations),
        days,
        depth=options.station_depth,
        reading=options.reading or ReadingOptions(),
    )
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


def _judge(
    context: Context,
    options: DownscalingOptions,
    task: Task,
    model: DownscalingModel,
    measured: _Measured,
) -> _Judged:
    """Judge the product that the stations took no part in: with them it would praise itself."""
    from headwater.downscaling.pipeline import disaggregate_residuals
    from headwater.downscaling.systematic import estimate_heterogeneity, estimate_systematic
    from headwater.errors import DataError

    alone = disaggregate_residuals(
        model, task.retrieval, residual=options.residual, uncertainty=False
    )
    series = alone.residual.loadings[measured.pixels] @ alone.residual.states.T
    product = np.maximum(measured.predicted + np.asarray(series).T, 0.0)
    cell = np.asarray(task.support.matrix.argmax(axis=0)).ravel()[measured.pixels]
    coarse, values = task.retrieval[:, cell], measured.values.to_numpy()
    notes, card, wrong, unseen = [], None, None, None
    try:
        card = _scorecard(context, measured.values, product, coarse, cell)
    except DataError as error:
        notes.append(f"Stations take part, but cannot judge: {error}")
    try:
        noise = alone.residual.parameters.get("noise_sd_m3_m3", 0.0)
        wrong = estimate_systematic(coarse, values, noise_sd=noise)
        unseen = estimate_heterogeneity(product, values)
    except DataError as error:
        notes.append(f"Bias and gain of the product are not taken from stations: {error}")
    return _Judged(card, wrong, unseen, tuple(notes))


def _scorecard(
    context: Context, like: pd.DataFrame, product: Floats, coarse: Floats, cell: Any
) -> Scorecard:
    from headwater.validation.scorecards import scorecard

    frames = [
        pd.DataFrame(values, index=like.index, columns=like.columns) for values in (product, coarse)
    ]
    names = [str(name) for name in like.columns]
    shared = np.unique(cell).size < cell.size
    return scorecard(
        frames[0],
        like,
        coarse=frames[1],
        rng=context.rng,
        cells=dict(zip(names, cell.tolist(), strict=True)) if shared else None,
    )


def _systematic(options: DownscalingOptions, found: _Learned) -> SystematicError:
    """Take what the study file says, else what stations show, else no such error."""
    from headwater.downscaling.systematic import SystematicError

    known = found.systematic or SystematicError()
    if options.product_bias is None and options.product_gain is None:
        return known
    bias = options.product_bias or (known.bias_low, known.bias_high)
    gain = options.product_gain or (known.gain_low, known.gain_high)
    return SystematicError(bias[0], bias[1], gain[0], gain[1], "assumed in the study file")


def _twin(
    options: DownscalingOptions, task: Task, recipe: Recipe, found: _Learned, seed: int
) -> TwinResult:
    from headwater.downscaling.covariance import estimate_covariance
    from headwater.downscaling.pipeline import downscale
    from headwater.downscaling.training import fit_downscaling
    from headwater.downscaling.twins import TwinOptions, twin_experiment

    at: dict[str, Any] = {"predictors": task.predictors, "support": task.support, "recipe": recipe}
    pipeline = partial(
        downscale, **at, residual=options.residual, rng=np.random.default_rng([seed, 1])
    )

    def held_out(seen: Any) -> Floats:
        own = np.random.default_rng([seed, 3])
        return fit_downscaling(seen, **at, rng=own).out_of_fold

    covariance = estimate_covariance(found.residuals, task.support, task.predictors.times)
    unseen = found.unseen_sd if options.unseen_sd is None else options.unseen_sd
    return twin_experiment(
        task.retrieval,
        task.predictors,
        task.support,
        pipeline,
        covariance,
        residuals=found.residuals,
        held_out=held_out,
        options=TwinOptions(options.twins, options.interval, unseen, _systematic(options, found)),
        rng=np.random.default_rng([seed, 2]),
    )
