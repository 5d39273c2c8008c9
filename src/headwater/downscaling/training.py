"""Training at the coarse support, and predicting at the fine one, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.folds import (
    HeldOut,
    hold_out,
    make_folds,
    plan_folds,
    predict_bands,
    score_predictions,
)
from headwater.downscaling.learners import MeanOfLearners, fit_learners, pinned
from headwater.downscaling.noise import excess_noise
from headwater.downscaling.predictors import Predictors, check_grid, coarse_predictors
from headwater.downscaling.sharing import Apply, Sharing, blocks_of_days, in_threads
from headwater.downscaling.wavelets import (
    Coupling,
    coarse_noise,
    coarse_views,
    estimate_mb,
    fill_predictors,
)
from headwater.errors import DataError, TimeAxisError, nearest

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = ["DownscalingModel", "Recipe", "fit_downscaling"]

_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes
    ----------
    learners : tuple
        "forest", "boosting" or scikit-learn regressors; several are averaged.
    coupling : Coupling
        How target and predictors are split in time.
    noise : "matched", "none" or mapping of str to float
        Noise added to the coarse predictors in training, so that they err as the fine ones do:
        estimated, none, or its standard deviation by predictor [unit of the predictor].
    trees : int
        Trees of a forest.
    rows : int
        Most days and cells that a learner is trained on, drawn at random.
    folds : str
        What is held back for the out-of-fold predictions, one of `headwater.downscaling.folds`.
    fold_count : int
        Number of folds; 0 for no out-of-fold predictions.
    gap_days : int
        Longest gap of a noisy predictor that is filled in time [d].
    workers : int
        Threads; they change no bit of the result.
    memory_mb : float
        Most memory to be used next to the inputs [MB].
    sharing : Sharing, optional
        Other processes that average and predict, in place of the threads.
    """

    learners: tuple[Any, ...] = ("forest", "boosting")
    coupling: Coupling = field(default_factory=lambda: Coupling("bands"))
    noise: str | Mapping[str, float] = "matched"
    trees: int = 100
    rows: int = 30_000
    folds: str = "space"
    fold_count: int = 5
    gap_days: int = 16
    workers: int = 2
    memory_mb: float = 1500.0
    sharing: Sharing | None = None

    @property
    def apply(self) -> Apply:
        """What runs parts: other processes, or threads of this one."""
        return self.sharing.apply if self.sharing else in_threads(self.workers)

    @property
    def keep(self) -> Callable[[Any], Any]:
        """Where cubes are kept: in files that other processes read, or in memory."""
        return self.sharing.keep if self.sharing else np.asarray


@dataclass(frozen=True, slots=True, eq=False)
class DownscalingModel:
    """A model trained at the coarse support, which predicts at the fine one.

    Attributes
    ----------
    models : tuple of MeanOfLearners
        One for each band in time.
    views : tuple of Predictors
        What each is fed with.
    support : Support
        The operator A.
    recipe : Recipe
        How it was trained.
    out_of_fold : array (time, cell)
        Coarse means A f(x) of the predictions by models that had not seen the cell or day
        [m3 m-3]; NaN where nothing was observed.
    noise : mapping of str to float
        Noise added in training, by predictor [unit of the predictor].
    importance : DataFrame
        ``predictor`` and ``rise`` of the held-out RMSE when it is shuffled [m3 m-3].
    scores : DataFrame
        ``rmse`` [m3 m-3], ``r`` and ``n`` out of bag and out of fold, against the coarse
        observations: they say little of the error at the fine scale.
    notes : tuple of str
        What was filled, left out or doubtful, one sentence each.
    """

    models: tuple[MeanOfLearners, ...]
    views: tuple[Predictors, ...]
    support: Support
    recipe: Recipe
    out_of_fold: NDArray[np.float64]
    noise: Mapping[str, float]
    importance: pd.DataFrame
    scores: pd.DataFrame
    notes: tuple[str, ...]

    def predict(self, days: ArrayLike | None = None) -> NDArray[np.float32]:
        """Predict soil moisture on the fine grid.

        Parameters
        ----------
        days : array of datetime64, optional
            Default: all days of the predictors.

        Returns
        -------
        array of float32 (day, y, x)
            [m3 m-3]; NaN where a predictor is missing.

        Raises
        ------
        TimeAxisError
            If the predictors do not cover a day.
        """
        positions = self.views[0].positions(days)
        maps = np.empty((positions.size, *self.views[0].shape), dtype=np.float32)
        start = 0
        for _, block in self.stream(days):
            maps[start : start + len(block)] = block
            start += len(block)
        return maps

    def stream(
        self, days: ArrayLike | None = None, *, block: int = _BLOCK
    ) -> Iterator[tuple[NDArray[np.datetime64], NDArray[np.float32]]]:
        """Predict a few days at a time.

        Parameters
        ----------
        days : array of datetime64, optional
            Default: all days of the predictors.
        block : int
            Days at a time.

        Yields
        ------
        days : array of datetime64 (block,)
        maps : array of float32 (block, y, x)
            [m3 m-3]
        """
        positions = self.views[0].positions(days)
        act = partial(_predicted_day, self.models, self.views)
        if self.recipe.sharing:
            parts = blocks_of_days(positions, block)
            found = self.recipe.apply(partial(_predicted_days, act), parts)
            yield from ((self.views[0].times[p], m) for p, m in zip(parts, found, strict=True))
            return
        for part in blocks_of_days(positions, block):
            yield self.views[0].times[part], np.stack(list(self.recipe.apply(act, part.tolist())))


def _predicted_days(
    act: Callable[[int], NDArray[np.float32]], part: NDArray[np.integer]
) -> NDArray[np.float32]:
    return np.stack([act(int(position)) for position in part])


def _predicted_day(
    models: tuple[MeanOfLearners, ...], views: tuple[Predictors, ...], position: int
) -> NDArray[np.float32]:
    with pinned():
        values = predict_bands(models, [view.day(position) for view in views])
    return values.reshape(views[0].shape).astype(np.float32)


def fit_downscaling(
    target: ArrayLike,
    predictors: Predictors,
    support: Support,
    recipe: Recipe | None = None,
    *,
    rng: np.random.Generator,
) -> DownscalingModel:
    r"""Train learners on coarse soil moisture and coarse means of fine predictors.

    Parameters
    ----------
    target : array (time, cell)
        Coarse soil moisture [m3 m-3] on the days of `predictors`; NaN where not observed.
    predictors : Predictors
        On the fine grid, from :func:`headwater.downscaling.predictors.build_predictors`.
    support : Support
        The operator A, whose rows are the cells.
    recipe : Recipe, optional
        How to train.
    rng : numpy Generator
        The same state gives the same bits, whatever the number of workers.

    Returns
    -------
    DownscalingModel

    Raises
    ------
    DataError
        If there are fewer observations than predictors, no predictor covers them, a level is deeper
        than the series, or more memory would be needed than allowed.
    GridError, TimeAxisError
        If target, predictors and support do not fit each other.

    Notes
    -----
    The model f minimises :math:`\sum (C - f(A x + \varepsilon))^2` over coarse observations C, with
    noise :math:`\varepsilon` that makes Ax err like x, and is then applied to x itself. Without it
    the learner meets errors at the fine scale that averaging had hidden from it in training.
    """
    chosen = recipe or Recipe()
    key = int(rng.integers(2**31))
    observed = _check(target, predictors, support, chosen)
    if chosen.sharing:
        kept = {name: chosen.keep(cube) for name, cube in predictors.dynamic.items()}
        predictors = replace(predictors, dynamic=kept)
    whole = fill_predictors(predictors, limit=chosen.gap_days, keep=chosen.keep)
    views = chosen.coupling.views(whole, chosen.keep)
    coarse = coarse_views(views, support, apply=chosen.apply)
    usable = np.isfinite(observed) & np.all([np.isfinite(t).all(axis=2) for t in coarse], axis=0)
    _check_rows(usable, whole)
    noise = _noise(chosen, whole, support, coarse)
    trainer = _Trainer(
        chosen,
        _noisy(chosen, coarse, noise, whole.names, key),
        chosen.coupling.split(observed),
        key,
    )
    models = trainer.train(usable, 0)
    seen = np.where(usable, observed, np.nan)
    held = _held_out(trainer, seen, views, coarse, support)
    return DownscalingModel(
        models,
        views,
        support,
        chosen,
        held.prediction,
        noise,
        held.importance,
        _scores(trainer, models, usable, seen, held),
        (*whole.notes, *_notes(observed, usable, whole), *_fold_notes(chosen, views[0], support)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Trainer:
    """Trains the models of all bands on some of the days and cells, with one draw of the noise.

    `tables` holds, for every learner, the coarse predictors of every band; all draws follow from
    `key`, so that they do not depend on the order in which threads ask for them.
    """

    recipe: Recipe
    tables: tuple[tuple[NDArray[np.float32], ...], ...]
    targets: tuple[NDArray[np.floating], ...]
    key: int

    def rows(self, allowed: NDArray[np.bool_], number: int) -> NDArray[np.intp]:
        """Draw the rows of a model; number 0 is the model of all, n + 1 that of fold n."""
        rows = np.flatnonzero(allowed)
        if rows.size <= self.recipe.rows:
            return rows
        rng = np.random.default_rng([self.key, 1, number])
        return np.sort(rng.choice(rows, self.recipe.rows, replace=False))

    def train(self, allowed: NDArray[np.bool_], number: int) -> tuple[MeanOfLearners, ...]:
        rows = self.rows(allowed, number)
        models = []
        for band, target in enumerate(self.targets):
            tables = [one[band].reshape(-1, one[band].shape[2])[rows] for one in self.tables]
            fitted = fit_learners(
                self.recipe.learners,
                tables,
                target.ravel()[rows],
                trees=self.recipe.trees,
                random_state=_random_state(self.key, number, band),
                workers=self.recipe.workers,
            )
            models.append(fitted)
        return tuple(models)


def _random_state(key: int, number: int, band: int) -> int:
    # scikit-learn takes seeds of 32 bits, and every learner of a mean adds its number
    return int(np.random.SeedSequence([key, 2, number, band]).generate_state(1)[0]) >> 4


def _noisy(
    recipe: Recipe,
    coarse: tuple[NDArray[np.float32], ...],
    noise: Mapping[str, float],
    names: tuple[str, ...],
    key: int,
) -> tuple[tuple[NDArray[np.float32], ...], ...]:
    """Add to the coarse predictors, for every learner, noise filtered as the fine noise is."""
    if not any(noise.values()):
        return (coarse,) * len(recipe.learners)
    tables = []
    for number in range(len(recipe.learners)):
        rng = np.random.default_rng([key, 3, number])
        drawn = recipe.coupling.split_noise(
            coarse_noise(names, noise, (coarse[0].shape[0], coarse[0].shape[1]), rng)
        )
        tables.append(tuple(table + part for table, part in zip(coarse, drawn, strict=True)))
    return tuple(tables)


def _noise(
    recipe: Recipe,
    predictors: Predictors,
    support: Support,
    coarse: tuple[NDArray[np.float32], ...],
) -> dict[str, float]:
    if isinstance(recipe.noise, Mapping):
        for name in recipe.noise:
            if name not in predictors.dynamic:
                do = nearest(name, [*predictors.dynamic])
                raise DataError("noise of an unknown predictor", found=repr(name), do=do)
        return {name: float(sd) for name, sd in recipe.noise.items()}
    if recipe.noise == "none":
        return {}
    kind = recipe.coupling.kind
    raw = coarse[0]
    if kind != "none":
        raw = coarse_predictors(predictors, support, apply=recipe.apply)
    return excess_noise(predictors, support, raw, wavelet=recipe.coupling.wavelet)


def _held_out(
    trainer: _Trainer,
    seen: NDArray[np.float64],
    views: tuple[Predictors, ...],
    coarse: tuple[NDArray[np.float32], ...],
    support: Support,
) -> HeldOut:
    recipe = trainer.recipe
    folds = []
    if recipe.fold_count:
        folds = make_folds(
            recipe.folds,
            views[0].times,
            support.coarse_xy,
            folds=recipe.fold_count,
            rng=np.random.default_rng([trainer.key, 4]),
        )
    return hold_out(
        folds,
        lambda allowed, number: trainer.train(allowed, number + 1),
        seen,
        views,
        coarse,
        support,
        apply=recipe.apply,
        rng=np.random.default_rng([trainer.key, 5]),
    )


def _fold_notes(recipe: Recipe, predictors: Predictors, support: Support) -> list[str]:
    if not recipe.fold_count:
        return []
    plan = plan_folds(recipe.folds, predictors.times, support.coarse_xy, folds=recipe.fold_count)
    return [plan.note] if plan.note else []


def _scores(
    trainer: _Trainer,
    models: tuple[MeanOfLearners, ...],
    usable: NDArray[np.bool_],
    seen: NDArray[np.float64],
    held: HeldOut,
) -> pd.DataFrame:
    rows = {}
    bagged = [part for model in models if (part := model.out_of_bag) is not None]
    if len(bagged) == len(models):
        truth = seen.ravel()[trainer.rows(usable, 0)]
        rows["out of bag"] = score_predictions(np.sum(bagged, axis=0), truth)
    if trainer.recipe.fold_count:
        rows[f"out of fold, {trainer.recipe.folds}"] = score_predictions(held.prediction, seen)
    table = pd.DataFrame([{"kind": kind, **row} for kind, row in rows.items()])
    table.attrs["units"] = {"rmse": "m3 m-3"}
    return table


def _check(
    target: ArrayLike, predictors: Predictors, support: Support, recipe: Recipe
) -> NDArray[np.float64]:
    check_grid(predictors, support)
    recipe.coupling.check()
    observed = np.asarray(getattr(target, "values", target), dtype=np.float64)
    wanted = (predictors.times.size, support.matrix.shape[0])
    if observed.shape != wanted:
        raise TimeAxisError(
            "the target does not fit the days of the predictors and the cells of the support",
            found=f"shape {observed.shape}; expected {wanted}",
            do="Give (time, cell), with NaN where nothing was observed",
        )
    if isinstance(recipe.noise, str) and recipe.noise not in ("matched", "none"):
        do = nearest(recipe.noise, ("matched", "none"))
        raise DataError("unknown treatment of noise", found=repr(recipe.noise), do=do)
    if not recipe.learners:
        raise DataError("no learner", found="an empty tuple", do="Give 'forest' or 'boosting'")
    needed = estimate_mb(predictors, wanted[1], recipe.coupling)
    if needed > recipe.memory_mb:
        raise DataError(
            "training would need more memory than allowed",
            found=f"about {needed:.0f} MB, {recipe.memory_mb:.0f} MB allowed",
            do="Allow more, shorten the period, or use the coupling 'none'",
        )
    return np.where(np.isfinite(observed), observed, np.nan)


def _check_rows(usable: NDArray[np.bool_], predictors: Predictors) -> None:
    rows, columns = int(usable.sum()), len(predictors.names)
    if rows <= columns:
        raise DataError(
            "fewer coarse observations than predictors",
            found=f"{rows} observed days and cells with all predictors; {columns} predictors",
            do="Give a longer period or a larger area, or check that the predictors cover it",
        )


def _notes(
    observed: NDArray[np.float64], usable: NDArray[np.bool_], predictors: Predictors
) -> list[str]:
    there = np.isfinite(observed)
    empty = int((~there.any(axis=1)).sum())
    cells, columns = int(usable.any(axis=0).sum()), len(predictors.names)
    notes = []
    if empty:
        notes.append(f"{empty} of {len(there)} days have no coarse observation.")
    if lost := int((there & ~usable).sum()):
        notes.append(
            f"{lost} of {int(there.sum())} coarse observations lack a predictor, left out."
        )
    if cells < columns:
        notes.append(
            f"Only {cells} cells teach {columns} predictors: maps that last are learned from few "
            "places, and out-of-fold errors say little."
        )
    return notes
