"""The twin: what skill to expect at the fine scale, before anyone trusts a map.

The user's own grid, predictors, gaps and noise; a truth that is known because it was made; and the
same pipeline that will make the map. Cross-validation at the cells cannot show this: it never sees
a pixel. Next to the pipeline stand what anyone has without it (the nearest cell, straight lines
between cells) and an oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from headwater.downscaling.baselines import BASELINES, interpolate_cells
from headwater.downscaling.covariance import ResidualCovariance, estimate_covariance
from headwater.downscaling.intervals import IntervalScale, calibrate_intervals
from headwater.downscaling.learners import make_learner, pinned
from headwater.downscaling.observation_age import total_sd
from headwater.downscaling.systematic import SystematicError
from headwater.downscaling.twin_truth import (
    TRUTH_LEARNERS,
    Drivers,
    field_strength,
    lay_truth,
    match_covariance,
    observe_truth,
    true_drivers,
    unseen_spread,
)
from headwater.errors import DataError
from headwater.figures import drawing_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from headwater.downscaling.predictors import Predictors
    from headwater.downscaling.support_operator import Support

__all__ = ["Baseline", "Fitted", "TwinOptions", "TwinResult", "fine_scores", "twin_experiment"]

Floats = NDArray[np.float64]

_SCORED = 24
"""Most days on which pixels are scored."""

MEASURES = ("rmse", "ubrmse", "r", "r_space", "r_within")


class Fitted(Protocol):
    """Whatever a pipeline returns."""

    def predict(self, days: Any = None) -> tuple[Any, Any]:
        """Return mean and sd, each of shape (n, n_pixels) [m3 m-3]."""


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """How many twins are drawn, and what is assumed of what no coarse observation shows.

    Attributes
    ----------
    n_resamples : int
        Twins, at least two, whose scatter is the uncertainty of the stated skill; they take turns
        in the learner of truth.
    level : float
        Coverage that intervals are calibrated for, between 0 and 1.
    unseen_sd : float, optional
        Lasting heterogeneity finer than a cell [m3 m-3]. Default: as much as lasts from cell to
        cell. Stations show it better.
    systematic : SystematicError
        Bias and gain that the retrievals may have, from stations or as assumed: the draws run
        through the range.
    oracle : bool
        Whether an oracle is trained on the fine truth, which takes about a quarter of the time.
    """

    n_resamples: int = 4
    level: float = 0.90
    unseen_sd: float | None = None
    systematic: SystematicError = field(default_factory=SystematicError)
    oracle: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The better of the products that need no predictor, on the twins.

    Attributes
    ----------
    method : {"nearest", "bilinear"}
        Which it is.
    sd : float
        Its root mean square error over all draws [m3 m-3].
    intervals : IntervalScale
        That make its error an interval.
    """

    method: str
    sd: float
    intervals: IntervalScale


@dataclass(frozen=True, slots=True, eq=False)
class TwinResult:
    """Skill to expect at the fine scale.

    Attributes
    ----------
    data : DataFrame
        A row for each draw and method: ``draw``, ``truth`` (its learner), ``method`` (pipeline,
        oracle, nearest, bilinear), ``rmse`` and ``ubrmse`` [m3 m-3], ``r`` in time, ``r_space``,
        ``r_within`` the cells, ``coverage`` of intervals calibrated on the other draws,
        ``coverage_cells`` of intervals calibrated at the cells, and ``n`` pixels times days.
    intervals : IntervalScale
        Calibrated on all draws.
    learner_sd : float
        The learner's own error at the fine scale, beyond the residual field's [m3 m-3].
    baseline : Baseline
        What the pipeline must beat.
    options : TwinOptions
        What the twins were drawn with, the heterogeneity finer than a cell among it.
    notes : tuple of str
        What the twin assumes.
    """

    data: pd.DataFrame
    intervals: IntervalScale
    learner_sd: float
    baseline: Baseline
    options: TwinOptions
    notes: tuple[str, ...] = ()

    @property
    def helps(self) -> bool:
        """Whether the pipeline errs less than the better baseline, on average over the draws."""
        means = self.data.groupby("method")["rmse"].mean()
        return bool(means["pipeline"] < means[list(BASELINES)].min())

    @property
    def assumptions(self) -> str:
        """What the stated errors and intervals assume, in a sentence."""
        unseen = self.options.unseen_sd or 0.0
        return (
            f"Errors and intervals hold if the coarse product has {self.options.systematic}, and "
            f"if what no predictor shows varies within cells by a sd of {unseen:.3f} m3 m-3; "
            "irrigated or flooded land that no predictor shows lies outside."
        )

    @property
    def headroom(self) -> dict[str, float]:
        """What the oracle has that the pipeline lacks, by measure, mean over the draws."""
        means = self.data.groupby("method")[list(MEASURES)].mean()
        means = means.reindex(["pipeline", "oracle"])
        gap = np.asarray(means.loc["oracle"] - means.loc["pipeline"], dtype=float)
        return {name: float(value) for name, value in zip(MEASURES, gap, strict=True)}

    def summary(self) -> pd.DataFrame:
        """Return mean and sd over the draws, for each method and measure."""
        wanted = [*MEASURES, "coverage", "coverage_cells"]
        found = self.data.groupby("method", sort=False)[wanted].agg(["mean", "std"])
        names = [f"{one[0]}_{one[1]}" for one in found.columns.tolist()]
        return found.set_axis(names, axis=1)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.data

    def _repr_html_(self) -> str:
        """Show the table and what it assumes."""
        return f"{self.data.to_html(index=False)}<p>{self.assumptions}</p>"

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw each measure of each method, one mark a draw."""
        from headwater.downscaling.plots import draw_twin

        with drawing_on(ax):
            return draw_twin(self.data)


def twin_experiment(
    observed: ArrayLike,
    predictors: Predictors,
    support: Support,
    pipeline: Callable[[Any], Fitted],
    covariance: ResidualCovariance,
    *,
    residuals: ArrayLike | None = None,
    held_out: Callable[[Any], Any] | None = None,
    options: TwinOptions | None = None,
    rng: np.random.Generator,
) -> TwinResult:
    """State the skill to expect at the fine scale, its oracle, and the room between.

    Parameters
    ----------
    observed : array, shape (n_days, n_cells)
        The user's retrievals [m3 m-3].
    predictors : Predictors
        The user's predictors.
    support : Support
        Of the cells over the pixels.
    pipeline : callable
        Given retrievals (n_days, n_cells), returns what predicts mean and sd of days: the very
        pipeline that will make the map.
    covariance : ResidualCovariance
        Of the user's out-of-fold residuals.
    residuals : array, shape (n_days, n_cells), optional
        The user's out-of-fold residuals themselves: with them the changing field is as strong on
        every day as theirs around it, without them every day is alike.
    held_out : callable, optional
        Given retrievals, returns the coarse means (n_days, n_cells) that the pipeline's learner
        predicts out of fold. With it, a first twin shows how much of the user's residuals is the
        learner's own misfit, and the others are drawn with that taken off; without it they err
        more than the map does.
    options : TwinOptions, optional
        How many twins, and what they assume.
    rng : numpy Generator
        The same state gives the same bits.

    Returns
    -------
    TwinResult

    Raises
    ------
    DataError
        If there are fewer than two draws, or no day with an observation.

    Examples
    --------
    ``twin_experiment(smap, predictors, support, pipeline, covariance, rng=rng).headroom["rmse"]``
    """
    chosen = options or TwinOptions()
    if chosen.n_resamples < 2:
        raise DataError(
            "one twin does not show how sure its skill is",
            found=f"n_resamples={chosen.n_resamples}",
            do="Ask for at least two",
        )
    days = _scored(observed, predictors.times)
    key, wrong = int(rng.integers(2**31)), chosen.systematic
    strength = None
    if residuals is not None:
        strength = field_strength(residuals, support, covariance, predictors.times)
    world = _World(observed, predictors, support, true_drivers(predictors, support), strength)
    if held_out is not None:
        covariance = _matched(world, covariance, held_out, wrong.draw(0, chosen.n_resamples), key)
    unseen = chosen.unseen_sd
    if unseen is None:
        # residuals are on the product's scale, the truth is not
        unseen = 2.0 * unseen_spread(covariance) / (wrong.gain_low + wrong.gain_high)
    found = []
    for number in range(chosen.n_resamples):
        own = np.random.default_rng([key, number])
        name = TRUTH_LEARNERS[number % len(TRUTH_LEARNERS)]
        error = wrong.draw(number, chosen.n_resamples)
        truth = world.truth(covariance, error, learner=name, unseen_sd=unseen, rng=own)
        seen = observe_truth(truth, observed, support, covariance, error, own)
        mean, sd = pipeline(seen).predict(predictors.times[days])
        oracle = _oracle(truth, world.drivers.predictors, days, own) if chosen.oracle else None
        found.append(_Draw(number, name, truth[days], seen, mean, sd, oracle, days))
    return _result(found, world, replace(chosen, unseen_sd=unseen))


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """The user's retrievals and predictors, over which truths are laid."""

    observed: Any
    predictors: Predictors
    support: Support
    drivers: Drivers
    strength: Floats | None

    def truth(
        self,
        covariance: ResidualCovariance,
        error: SystematicError,
        *,
        learner: str,
        unseen_sd: float,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        return lay_truth(
            self.observed,
            self.drivers,
            self.support,
            covariance,
            learner=learner,
            unseen_sd=unseen_sd,
            systematic=error,
            strength=self.strength,
            rng=rng,
        )


def _matched(
    world: _World,
    covariance: ResidualCovariance,
    held_out: Callable[[Any], Any],
    error: SystematicError,
    key: int,
) -> ResidualCovariance:
    """Run the learner on a first twin, and take its own misfit off what the others are drawn from.

    The first twin has no heterogeneity finer than the field's: averages over cells lose it.
    """
    rng = np.random.default_rng([key, 2**20])
    truth = world.truth(covariance, error, learner=TRUTH_LEARNERS[0], unseen_sd=0.0, rng=rng)
    seen = observe_truth(truth, world.observed, world.support, covariance, error, rng)
    left = seen - np.asarray(held_out(seen), dtype=float)
    found = estimate_covariance(left, world.support, world.predictors.times)
    return match_covariance(covariance, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    number: int
    learner: str
    truth: Any
    seen: Floats
    mean: Any
    sd: Any
    oracle: Any
    days: NDArray[np.intp]


def _scored(observed: ArrayLike, times: NDArray[Any]) -> NDArray[np.intp]:
    """Choose days on which pixels are scored, evenly among those with observations."""
    seen = np.flatnonzero(np.isfinite(np.asarray(observed, dtype=float)).any(axis=1))
    if not seen.size:
        raise DataError(
            "the twin has no day with an observation",
            found=f"{len(times)} days",
            do="Check the retrieval flags and the period",
        )
    # the oracle learns on the other days, so some must be left
    count = max(1, min(_SCORED, seen.size // 2))
    places = np.unique(np.linspace(0, seen.size - 1, count).round().astype(np.intp))
    return np.asarray(seen[places], dtype=np.intp)


def _oracle(
    truth: NDArray[Any], predictors: Predictors, days: NDArray[Any], rng: np.random.Generator
) -> Any:
    """Train the same predictors, free of most noise, on fine truth of days that are not scored."""
    others = np.setdiff1d(np.arange(len(predictors.times)), days)
    others = others[np.isfinite(truth[others]).any(axis=1)]
    some = np.sort(rng.choice(others, min(60, others.size), replace=False))
    inputs, targets = [], []
    for day in some:
        pixels = np.sort(rng.choice(truth.shape[1], min(400, truth.shape[1]), replace=False))
        table = predictors.day(int(day), pixels)
        whole = np.isfinite(table).all(axis=1) & np.isfinite(truth[day, pixels])
        inputs.append(table[whole])
        targets.append(truth[day, pixels][whole])
    model = make_learner("forest", trees=60, random_state=int(rng.integers(2**31)))
    with pinned():
        model.fit(np.concatenate(inputs), np.concatenate(targets))
        found = np.full((len(days), truth.shape[1]), np.nan, dtype=np.float32)
        for row, day in enumerate(days):
            table = predictors.day(int(day))
            whole = np.isfinite(table).all(axis=1)
            found[row, whole] = model.predict(table[whole])
    return found


def fine_scores(product: ArrayLike, truth: ArrayLike, support: Support) -> dict[str, float]:
    """Score a product against a truth over all pixels of some days.

    Parameters
    ----------
    product, truth : array, shape (n_days, n_pixels)
        [m3 m-3]; NaN where missing.
    support : Support
        Says in which cell each pixel lies.

    Returns
    -------
    dict
        ``rmse``; ``ubrmse``, without each pixel's bias; ``r``, the mean over pixels of the
        correlation in time; ``r_space``, the mean over days of that in space; ``r_within``, that
        of what differs from the mean of the cell, which downscaling adds; and ``n``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from scipy.sparse import csr_matrix
    >>> grid = SimpleNamespace(matrix=csr_matrix([[0.5, 0.5]]))
    >>> truth = np.array([[0.1, 0.2], [0.2, 0.4], [0.1, 0.3]])
    >>> scores = fine_scores(truth + 0.01, truth, grid)
    >>> {name: round(value, 3) for name, value in scores.items()}["rmse"]
    0.01
    """
    x, y = np.asarray(product, dtype=float), np.asarray(truth, dtype=float)
    cell = np.asarray(support.matrix.argmax(axis=0)).ravel()
    inside = np.asarray(support.matrix.sum(axis=0)).ravel() > 0
    known = np.isfinite(x) & np.isfinite(y) & inside
    x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
    off = np.where(known, x - y, 0.0)
    count = known.sum(axis=0)
    bias = off.sum(axis=0) / np.maximum(count, 1)
    within = [_apart(values, known, cell, support.matrix.shape[0]) for values in (x, y)]
    return {
        "rmse": float(np.sqrt((off**2).sum() / known.sum())),
        "ubrmse": float(np.sqrt((np.where(known, off - bias, 0.0) ** 2).sum() / known.sum())),
        "r": _mean(_correlation(x.T, y.T)),
        "r_space": _mean(_correlation(x, y)),
        "r_within": float(_correlation(within[0].reshape(1, -1), within[1].reshape(1, -1))[0]),
        "n": float(known.sum()),
    }


def _mean(values: Floats) -> float:
    """Average what there is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _apart(values: Floats, known: Any, cell: NDArray[Any], cells: int) -> Floats:
    """Take off the mean of each cell on each day."""
    apart = np.full(values.shape, np.nan)
    for day, (row, good) in enumerate(zip(values, known, strict=True)):
        size = np.bincount(cell[good], minlength=cells)
        mean = np.bincount(cell[good], row[good], minlength=cells) / np.maximum(size, 1)
        apart[day] = np.where(good & (size[cell] > 1), row - mean[cell], np.nan)
    return apart


def _correlation(x: Floats, y: Floats) -> Floats:
    """Correlate rows with rows; NaN where fewer than three values or no variance."""
    good = np.isfinite(x) & np.isfinite(y)
    size = np.maximum(good.sum(axis=1, keepdims=True), 1)
    a, b = (
        np.where(good, one - np.where(good, one, 0.0).sum(axis=1, keepdims=True) / size, 0.0)
        for one in (x, y)
    )
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    wanted = (scale > 0) & (size[:, 0] > 2)
    found = np.full(len(x), np.nan)
    np.divide((a * b).sum(axis=1), scale, out=found, where=wanted)
    return found


def _result(found: list[_Draw], world: _World, options: TwinOptions) -> TwinResult:
    level = options.level
    support, days = world.support, world.predictors.times[found[0].days]
    errors = [np.asarray(one.mean, float) - one.truth for one in found]
    beyond = np.mean([_beyond(error, one.sd) for error, one in zip(errors, found, strict=True)])
    learner_sd = float(np.sqrt(np.maximum(beyond, 0.0)))
    spreads = [total_sd(np.asarray(one.sd, dtype=float), learner_sd) for one in found]
    plain = {
        name: [interpolate_cells(one.seen, support, method=name)[one.days] for one in found]
        for name in BASELINES
    }
    rows = []
    for place, one in enumerate(found):
        others = [number for number in range(len(found)) if number != place]
        scale = _calibrated(errors, spreads, days, others, level)
        row = {"draw": one.number, "truth": one.learner}
        coverage = {
            "coverage": scale.coverage(errors[place], spreads[place], days),
            "coverage_cells": _covered_by_cells(one, errors[place], support, scale.level),
        }
        scored = {"pipeline": one.mean}
        if one.oracle is not None:
            scored["oracle"] = one.oracle
        scored |= {name: plain[name][place] for name in BASELINES}
        for method, product in scored.items():
            more = coverage if method == "pipeline" else {}
            scores = fine_scores(product, one.truth, support)
            rows.append(row | {"method": method} | scores | more)
    table = pd.DataFrame(rows)
    every = _calibrated(errors, spreads, days, list(range(len(found))), level)
    baseline = _baseline(plain, found, days, level)
    return TwinResult(table, every, learner_sd, baseline, options, _notes(options))


def _notes(options: TwinOptions) -> tuple[str, ...]:
    unseen = options.unseen_sd or 0.0
    return (
        f"Heterogeneity finer than a cell is assumed to have a sd of {unseen:.4f} m3 m-3: "
        "no coarse observation shows it.",
        "The truth depends on the slow part of noisy predictors, and on all of the others.",
        "The seasonal part of the residuals is taken for the learner's own misfit, which the twin "
        "brings by itself.",
        f"The coarse product is taken to have {options.systematic} ({options.systematic.source}).",
    )


def _baseline(
    plain: Mapping[str, list[Any]], found: list[_Draw], days: ArrayLike, level: float
) -> Baseline:
    """Pick the baseline that errs least, and calibrate its intervals."""
    errors = {
        name: [np.asarray(one, float) - draw.truth for one, draw in zip(maps, found, strict=True)]
        for name, maps in plain.items()
    }
    squares = {name: np.nanmean(np.square(every)) for name, every in errors.items()}
    best = min(squares, key=lambda name: float(squares[name]))
    sd = float(np.sqrt(squares[best]))
    spreads = [np.full(one.shape, sd) for one in errors[best]]
    scale = _calibrated(errors[best], spreads, days, list(range(len(found))), level)
    return Baseline(best, sd, scale)


def _beyond(error: Floats, sd: ArrayLike) -> float:
    """Mean square of the error less what the residual field knows of it, where it knows."""
    known = np.isfinite(error)
    reported = np.nan_to_num(np.asarray(sd, dtype=float)[known], nan=0.0)
    return float((error[known] ** 2).mean() - (reported**2).mean()) if known.any() else 0.0


def _calibrated(
    errors: Any, spreads: Any, days: Any, numbers: list[int], level: float
) -> IntervalScale:
    return calibrate_intervals(
        np.concatenate([errors[one] for one in numbers]),
        np.concatenate([spreads[one] for one in numbers]),
        np.tile(days, len(numbers)),
        level=level,
    )


def _covered_by_cells(one: _Draw, error: Floats, support: Support, level: float) -> float:
    """Cover the pixels by the interval that covers the coarse observations."""
    filled = support.aggregate(np.asarray(one.mean, dtype=float)).value
    width = np.nanquantile(np.abs(one.seen[one.days] - filled), level)
    return float((np.abs(error) <= width)[np.isfinite(error)].mean())
