"""Folds of coarse observations, and what learners predict of those held back from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.learners import MeanOfLearners, pinned
from headwater.downscaling.predictors import Predictors
from headwater.downscaling.sharing import Apply, blocks_of_days
from headwater.errors import DataError, nearest
from headwater.inference.blocks import spatial_blocks, temporal_blocks

if TYPE_CHECKING:
    from headwater.downscaling.support_operator import Support

__all__ = [
    "Fold",
    "FoldPlan",
    "HeldOut",
    "KINDS",
    "hold_out",
    "make_folds",
    "plan_folds",
    "predict_bands",
    "score_predictions",
]


class Fold(NamedTuple):
    """Whether a day and cell is trained on, and whether it is tested: two arrays (time, cell)."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


KINDS = ("space", "time", "space-time", "random")
"""What is held back: squares of land, stretches of time, both at once, or days and cells at random
(which lets a learner look up its answers, and is there for comparison)."""


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Folds that can be made of what there is.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    folds : int
        How many.
    size_km : float
        Side of a square [km].
    note : str
        How that differs from what was asked for; empty if it does not.
    """

    kind: str
    folds: int
    size_km: float
    note: str = ""


def plan_folds(
    kind: str,
    times: ArrayLike,
    coarse_xy: ArrayLike,
    *,
    folds: int = 5,
    size_km: float | None = None,
) -> FoldPlan:
    """See which folds can be made: a small area has fewer squares of land than folds.

    Parameters
    ----------
    kind, times, coarse_xy, folds, size_km
        As for :func:`make_folds`.

    Returns
    -------
    FoldPlan
        With as many folds as there are squares or days, at least two; if all cells lie in one
        square, squares of a single cell; with a single cell, stretches of time.

    Raises
    ------
    DataError
        If the kind is unknown, or there is but one day and one cell.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
    >>> cells = np.array([[0.0, 0.0], [36.0, 0.0], [200.0, 0.0], [236.0, 0.0]])
    >>> plan_folds("space", days, cells).note
    'Held-out folds: 2 instead of 5, for the cells lie in 2 squares of 90 km.'
    """
    if kind not in KINDS:
        raise DataError("unknown kind of folds", found=repr(kind), do=nearest(kind, KINDS))
    days, cells = np.asarray(times), np.asarray(coarse_xy, dtype=float)
    size = size_km or _side(cells)
    if kind == "random":
        return FoldPlan(kind, folds, size)
    asked, squares, notes = kind, _squares(cells, size), []
    if kind != "time" and squares < 2 <= len(cells):
        size = min(size, _side(cells) / 2.5)
        squares = _squares(cells, size)
        notes.append("squares of a single cell, for all cells lie in one larger one")
    if kind != "time" and squares < 2:
        kind = "time"
        notes.append("stretches of time, for there is but one cell")
    places = {"time": days.size, "space": squares, "space-time": min(days.size, squares)}[kind]
    count = min(folds, places)
    if count < 2:
        raise DataError(
            "no folds can be made",
            found=f"{days.size} days and {len(cells)} cells",
            do="Give a longer period or a larger area",
        )
    if count < folds and kind != "time":
        notes.append(
            f"{count} instead of {folds}, for the cells lie in {squares} squares of {size:.0f} km"
        )
    elif count < folds:
        notes.append(f"{count} instead of {folds}, for there are {days.size} days")
    note = f"Held-out folds: {'; '.join(notes)}." if notes or kind != asked else ""
    return FoldPlan(kind, count, size, note)


def _squares(cells: NDArray[np.float64], size: float) -> int:
    corners = np.floor((cells - cells.min(axis=0)) / size).astype(np.int64)
    return len(np.unique(corners, axis=0))


def make_folds(
    kind: str,
    times: ArrayLike,
    coarse_xy: ArrayLike,
    *,
    folds: int = 5,
    size_km: float | None = None,
    rng: np.random.Generator,
) -> list[Fold]:
    """Part days and cells into what is trained on and what is tested.

    Parameters
    ----------
    kind : {"space", "time", "space-time", "random"}
        What is held back.
    times : array of datetime64 (time,)
        Days of the observations.
    coarse_xy : array (cell, 2)
        Centres of the cells [km].
    folds : int
        Number of folds, or as many as can be made (:func:`plan_folds`); "space-time" holds back
        every pair of as many squares and stretches.
    size_km : float, optional
        Side of a square [km]; default: about two and a half cells.
    rng : numpy Generator
        Deals out the squares.

    Returns
    -------
    list of Fold
        Every day and cell is tested once. Of "space-time", what shares land or time with the
        tested is neither trained on nor tested.

    Raises
    ------
    DataError
        If the kind is unknown or there is but one day and one cell.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
    hierarchical, or phylogenetic structure. Ecography 40, 913-929. doi:10.1111/ecog.02881

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
    >>> cells = np.array([[0.0, 0.0], [36.0, 0.0], [200.0, 0.0], [236.0, 0.0]])
    >>> rng = np.random.default_rng(1)
    >>> [test[0].tolist() for _, test in make_folds("space", days, cells, folds=2, rng=rng)]
    [[True, True, False, False], [False, False, True, True]]
    """
    days, cells = np.asarray(times).astype("datetime64[D]"), np.asarray(coarse_xy, dtype=float)
    plan = plan_folds(kind, days, cells, folds=folds, size_km=size_km)
    kind, folds = plan.kind, plan.folds
    shape = (days.size, len(cells))
    if kind == "random":
        fold = rng.permutation(days.size * len(cells)).reshape(shape) % folds
        return [Fold(fold != number, fold == number) for number in range(folds)]
    every = np.ones(shape, dtype=bool)
    held_days, held_cells = [np.zeros(shape, bool)], [np.zeros(shape, bool)]
    if kind in ("time", "space-time"):
        splits = temporal_blocks(days, folds=folds)
        held_days = [every & _at(test, days.size)[:, None] for _, test in splits]
    if kind in ("space", "space-time"):
        splits = spatial_blocks(cells, size=plan.size_km, folds=folds, rng=rng)
        held_cells = [every & _at(test, len(cells))[None, :] for _, test in splits]
    if kind == "time":
        return [Fold(~held, held) for held in held_days]
    if kind == "space":
        return [Fold(~held, held) for held in held_cells]
    return [Fold(~(d | c), d & c) for d in held_days for c in held_cells]


def _at(positions: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    chosen = np.zeros(count, dtype=bool)
    chosen[positions] = True
    return chosen


def _side(cells: NDArray[np.float64]) -> float:
    """Two and a half times the usual distance between neighbours."""
    from scipy.spatial import cKDTree

    if len(cells) < 2:
        return 1.0
    return 2.5 * float(np.median(cKDTree(cells).query(cells, k=2)[0][:, 1]))


_SHUFFLED_ROWS, _BLOCK = 2000, 8

Train = Callable[[NDArray[np.bool_], int], "tuple[MeanOfLearners, ...]"]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Predictions of observations that the models had not seen.

    Attributes
    ----------
    prediction : array (time, cell)
        Coarse means of fine predictions [m3 m-3]; NaN where nothing was observed.
    importance : DataFrame
        By ``predictor``: ``rise`` of the held-out RMSE when its values are shuffled [m3 m-3].
    """

    prediction: NDArray[np.float64]
    importance: pd.DataFrame


def hold_out(
    folds: Sequence[Fold],
    train: Train,
    observed: NDArray[np.float64],
    views: tuple[Predictors, ...],
    coarse: tuple[NDArray[np.float32], ...],
    support: Support,
    *,
    apply: Apply,
    rng: np.random.Generator,
) -> HeldOut:
    """Predict every observation by models of other folds, at the fine scale, and average.

    Parameters
    ----------
    folds : sequence of (train, test)
        From :func:`headwater.downscaling.folds.make_folds`.
    train : callable
        Takes which days and cells may be used and the number of the fold; returns one model for
        each view.
    observed : array (time, cell)
        The coarse target [m3 m-3]; NaN where missing.
    views : tuple of Predictors
        Fine predictors of each model.
    coarse : tuple of array (time, cell, predictor)
        Their coarse means.
    support : Support
        The operator A.
    apply : callable
        ``apply(function, blocks)`` runs blocks of days, in order.
    rng : numpy Generator
        Shuffles predictors.

    Returns
    -------
    HeldOut

    Notes
    -----
    A model is not linear, so that the mean of its predictions is not its prediction of the mean:
    residuals that are to be spread over pixels need the former, A f(x).
    """
    prediction = np.full(observed.shape, np.nan)
    rises = []
    there = np.isfinite(observed)
    for number, (allowed, tested) in enumerate(folds):
        wanted = tested & there
        if not wanted.any():
            continue
        models = train(allowed & there, number)

        days = blocks_of_days(np.flatnonzero(wanted.any(axis=1)), _BLOCK)
        parts = [[(int(day), wanted[day]) for day in block] for block in days]
        means = apply(partial(_means_of_days, models, views, support), parts)
        for part, found in zip(parts, means, strict=True):
            for (day, cells), mean in zip(part, found, strict=True):
                prediction[day, cells] = mean
        rises.append(_rises(models, coarse, observed, wanted, rng))
    names = views[0].names
    mean_rise = np.nanmean(rises, axis=0) if rises else np.full(len(names), np.nan)
    table = pd.DataFrame({"predictor": names, "rise": mean_rise})
    table = table.sort_values("rise", ascending=False, ignore_index=True)
    table.attrs["units"] = {"rise": "m3 m-3"}
    return HeldOut(prediction, table)


def predict_bands(
    models: Sequence[MeanOfLearners], tables: Sequence[NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Add what the models of all bands predict.

    Parameters
    ----------
    models : sequence of MeanOfLearners
        One for each band.
    tables : sequence of array (row, predictor)
        Predictors of each band.

    Returns
    -------
    array (row,)
    """
    parts = [model.predict(table) for model, table in zip(models, tables, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def score_predictions(
    predicted: NDArray[np.floating], observed: NDArray[np.floating]
) -> dict[str, float]:
    """Compare predictions with observations.

    Parameters
    ----------
    predicted, observed : array of one shape
        [m3 m-3]; pairs with a missing value are left out.

    Returns
    -------
    dict of str to float
        ``rmse`` [m3 m-3], correlation ``r`` and ``n``.

    Examples
    --------
    >>> score_predictions(np.array([0.1, 0.2, np.nan]), np.array([0.1, 0.3, 0.2]))["n"]
    2
    """
    pairs = np.isfinite(predicted) & np.isfinite(observed)
    x, y = predicted[pairs].astype(float), observed[pairs].astype(float)
    varies = x.size > 1 and x.std() > 0 and y.std() > 0
    r = float(np.corrcoef(x, y)[0, 1]) if varies else float("nan")
    rmse = float(np.sqrt(np.mean((x - y) ** 2))) if x.size else float("nan")
    return {"rmse": rmse, "r": r, "n": int(x.size)}


def _means_of_days(
    models: Sequence[MeanOfLearners],
    views: tuple[Predictors, ...],
    support: Support,
    part: Sequence[tuple[int, NDArray[np.bool_]]],
) -> list[NDArray[np.float64]]:
    return [_cell_means(models, views, support, day, cells) for day, cells in part]


def _cell_means(
    models: Sequence[MeanOfLearners],
    views: tuple[Predictors, ...],
    support: Support,
    day: int,
    cells: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Predict the pixels of some cells on a day, and average over each."""
    rows = support.matrix[np.flatnonzero(cells)]
    pixels = np.unique(rows.indices)
    with pinned():
        fine = predict_bands(models, [view.day(day, pixels) for view in views])
    sound = np.isfinite(fine)
    shares = rows[:, pixels]
    seen = shares @ sound.astype(float)
    total = shares @ np.where(sound, fine, 0.0)
    mean = np.divide(total, seen, out=np.full(seen.shape, np.nan), where=seen > 0.0)
    return np.asarray(mean)


def _rises(
    models: Sequence[MeanOfLearners],
    coarse: tuple[NDArray[np.float32], ...],
    observed: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Shuffle one predictor after the other among held-out rows."""
    rows = np.flatnonzero(wanted)
    rows = rng.choice(rows, min(rows.size, _SHUFFLED_ROWS), replace=False)
    truth = observed.ravel()[rows]
    tables = [table.reshape(-1, table.shape[2])[rows] for table in coarse]

    def rmse(changed: Sequence[NDArray[np.float32]]) -> float:
        return score_predictions(predict_bands(models, changed), truth)["rmse"]

    with pinned():
        base = rmse(tables)
        rises = np.empty(tables[0].shape[1])
        for column in range(rises.size):
            order = rng.permutation(rows.size)
            shuffled = [table.copy() for table in tables]
            for table in shuffled:
                table[:, column] = table[order, column]
            rises[column] = rmse(shuffled) - base
    return rises
