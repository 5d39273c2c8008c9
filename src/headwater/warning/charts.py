"""Control charts that watch innovations for losses, one date at a time, with a rate that is set.

A CUSUM for losses that come at once (the default), and an EWMA of long memory for slow trends, each
one-sided, with one number of state a place and a threshold for the rate of false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwater.errors import StudyError
from headwater.warning.baseline import (
    Baseline,
    BaselineOptions,
    PooledMemory,
    autoregressive,
    fit_baseline,
    innovations,
    season_parts,
)

__all__ = [
    "Chart",
    "DETECTORS",
    "Detector",
    "Thresholds",
    "Tolerance",
    "blank_chart",
    "calibrate_thresholds",
    "new_chart",
    "update_chart",
]

Floats = NDArray[np.float64]
SURVIVAL = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
"""Shares of healthy places whose highest statistic is kept of a calibration."""

_GRID = (-0.1, 0.05, 0.15, 0.3, 0.45, 0.6, 0.8)
_BATCH = 4000


@dataclass(frozen=True, slots=True)
class Detector:
    """How innovations u are summed up, each counting x = -max(u, -3).

    Attributes
    ----------
    kind : {"cusum", "ewma"}
        ``cusum``: C = max(0, C + x - k), the quickest for a loss of 2 k that comes at once and
        stays. ``ewma``: Z = max(0, (1 - λ) Z + λ x), which forgets by itself: with a large λ sudden
        losses, with a small one slow trends (:data:`DETECTORS`).
    allowance : float
        k of the CUSUM, half of the loss of interest [σ].
    smoothing : float
        λ of the EWMA, above 0 and at most 1 [1].

    References
    ----------
    Page (1954), doi:10.1093/biomet/41.1-2.100; Roberts (1959),
    doi:10.1080/00401706.1959.10489860.
    """

    kind: Literal["cusum", "ewma"] = "cusum"
    allowance: float = 0.5
    smoothing: float = 0.15

    def __post_init__(self) -> None:
        """Refuse a detector that cannot be."""
        known = self.kind in ("cusum", "ewma")
        if not (known and self.allowance >= 0 and 0 < self.smoothing <= 1):
            raise StudyError(
                "a detector that cannot be",
                found=f"{self.kind}, allowance {self.allowance:g}, smoothing {self.smoothing:g}",
                do="Choose cusum or ewma, an allowance of 0 or more, and a smoothing above 0 and "
                "at most 1",
            )

    def __str__(self) -> str:
        """Name it with its constant."""
        if self.kind == "cusum":
            return f"CUSUM (allowance {self.allowance:g} σ)"
        return f"EWMA (smoothing {self.smoothing:g})"


DETECTORS = {
    "cusum": Detector(),
    "ewma": Detector("ewma"),
    "slow": Detector("ewma", smoothing=0.02),
}
"""Detectors by what a study file calls them. ``slow`` is for trends: among CUSUMs of allowance 0 to
0.5 and EWMAs of 0.02 to 0.15 it finds most losses of 0.1 to 0.3 σ a
year (docs/simulations/warning.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Thresholds by the memory of residuals, for one tolerated rate of false alarms.

    Attributes
    ----------
    rate : float
        Tolerated false alarms per place and season [1].
    detector : Detector
    rho, threshold : ndarray, shape (n_points,)
        Estimated memory, and the threshold that keeps the rate there [σ].
    n_resamples : int
        Histories simulated at each point.
    quantiles : ndarray, shape (n_points, n_seasons, n_levels)
        Highest statistic of a healthy place within so many seasons, as a share of its threshold, at
        each share of :data:`SURVIVAL` that exceeds it, for each memory [1].
    tail : ndarray, shape (n_points, n_seasons, 2)
        Shape and scale of the generalised Pareto distribution beyond the last of them [1].
    deviation : ndarray, shape (n_points,)
        Standard deviation of the estimated memory where the true one is the same [1]; 0 where
        estimates are drawn to their mean before they are used.
    memory : ndarray, shape (n_points,)
        The memory that was simulated, as estimates show it where they are not drawn together [1].
    """

    rate: float
    detector: Detector
    rho: Floats
    threshold: Floats
    n_resamples: int
    quantiles: Floats
    tail: Floats
    deviation: Floats
    memory: Floats

    def at(self, rho: ArrayLike) -> Floats:
        """Interpolate the threshold at estimated memories.

        Parameters
        ----------
        rho : array-like

        Returns
        -------
        ndarray
            [σ]; NaN where `rho` is missing.
        """
        return np.asarray(np.interp(np.asarray(rho, float), self.rho, self.threshold))

    def p_value(self, peak: ArrayLike, rho: ArrayLike, n_seasons: int = 1) -> Floats:
        """Give the probability that a healthy place reaches a statistic within some seasons.

        Parameters
        ----------
        peak : array-like, shape (n_places,)
            Highest statistic of each place since it has been watched, not held back [σ].
        rho : array-like, shape (n_places,)
            Estimated memory of its residuals [1], of all places of a map at once: their scatter
            by chance is taken out, for among places of one memory those that come high are those
            whose memory was underestimated.
        n_seasons : int
            Seasons that have been watched, the present one included; from 1.

        Returns
        -------
        ndarray, shape (n_places,)
            From the simulations of the two memories next to the estimated one, interpolated; beyond
            the last 2 % of them by a generalised Pareto distribution. NaN where either is missing.

        References
        ----------
        Hosking & Wallis (1987), doi:10.1080/00401706.1987.10488243.
        """
        season = min(max(n_seasons, 1), self.quantiles.shape[1]) - 1
        memory = self._shrunk(np.asarray(rho, np.float64))
        ratio = np.asarray(peak, dtype=np.float64) / self.at(rho)
        point = np.interp(memory, self.memory, np.arange(len(self.rho)))
        found = np.full(ratio.shape, np.nan)
        for lower in range(max(len(self.rho) - 1, 1)):
            own = (point >= lower) & ((point < lower + 1) | (lower + 2 >= len(self.rho)))
            if not own.any():
                continue
            upper = min(lower + 1, len(self.rho) - 1)
            below, above = (self._log_survival(ratio[own], at, season) for at in (lower, upper))
            found[own] = np.exp(below + (point[own] - lower) * (above - below))
        return found

    def _shrunk(self, rho: Floats) -> Floats:
        """Draw estimates to their mean, as far as they scatter by chance (empirical Bayes)."""
        seen = np.isfinite(rho)
        if not seen.any():
            return rho
        mean, spread = float(rho[seen].mean()), float(rho[seen].var())
        by_chance = float(np.interp(mean, self.memory, self.deviation)) ** 2
        kept = max(0.0, 1.0 - by_chance / spread) if spread > 0 else 0.0
        return mean + kept * (rho - mean)

    def _log_survival(self, ratio: Floats, at: int, season: int) -> Floats:
        levels = np.log(np.append(1.0, SURVIVAL))
        quantiles = np.append(0.0, self.quantiles[at, season])
        shape, scale = self.tail[at, season]
        excess = np.maximum(ratio - quantiles[-1], 0.0) / scale
        beyond = levels[-1] - np.log1p(shape * excess) / shape
        inside = np.interp(ratio, quantiles, levels)
        return np.asarray(np.where(ratio > quantiles[-1], beyond, inside))


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A chart of losses for many places.

    Attributes
    ----------
    detector : Detector
    threshold : ndarray, shape (n_places,)
        Alarm above it [σ]; NaN where there is no baseline.
    statistic : ndarray, shape (n_places,)
        As the last date left it. A CUSUM is held at twice the threshold, so that a recovery shows.
    """

    detector: Detector
    threshold: Floats
    statistic: Floats


def new_chart(baseline: Baseline, thresholds: Thresholds) -> Chart:
    """Begin a chart for each place with a baseline.

    Parameters
    ----------
    baseline : Baseline
    thresholds : Thresholds
        From :func:`calibrate_thresholds`.

    Returns
    -------
    Chart
    """
    threshold = np.where(baseline.reason == 0, thresholds.at(baseline.rho), np.nan)
    return blank_chart(thresholds.detector, threshold)


def blank_chart(detector: Detector, threshold: ArrayLike) -> Chart:
    """Begin a chart at zero.

    Parameters
    ----------
    detector : Detector
    threshold : array-like, shape (n_places,)
        [σ]; NaN where there is no baseline.

    Returns
    -------
    Chart
    """
    limits = np.asarray(threshold, dtype=np.float64)
    return Chart(detector, limits, np.zeros(len(limits)))


def update_chart(chart: Chart, innovation: ArrayLike) -> tuple[Floats, Chart]:
    """Take new dates in, as :class:`Detector` sums them up.

    One observation counts for three standard deviations at most, so that a heavy tail or a cloud
    that was not seen raises no alarm alone.

    Parameters
    ----------
    chart : Chart
    innovation : array-like, shape (n_times, n_places)
        From :func:`headwater.warning.innovations`; NaN leaves the statistic as it is.

    Returns
    -------
    path : ndarray, shape (n_times, n_places)
        The statistic after each date [σ].
    chart : Chart

    Examples
    --------
    >>> import numpy as np
    >>> chart = blank_chart(Detector(), [4.0])
    >>> path, chart = update_chart(chart, [[-2.0], [-2.0], [np.nan], [-2.0], [3.0]])
    >>> path[:, 0].tolist()
    [1.5, 3.0, 3.0, 4.5, 1.0]
    >>> chart = blank_chart(Detector("ewma", smoothing=0.5), [4.0])
    >>> path, _ = update_chart(chart, [[-2.0], [-2.0]])
    >>> path[:, 0].tolist()
    [1.0, 1.5]
    """
    from headwater.warning import _kernels

    u = np.ascontiguousarray(innovation, dtype=np.float64)
    statistic, path = chart.statistic.astype(np.float64), np.empty(u.shape)
    if chart.detector.kind == "ewma":
        _kernels.average_loss(u, statistic, chart.detector.smoothing, path)
        return path, replace(chart, statistic=statistic)
    ceiling = 2 * np.where(np.isfinite(chart.threshold), chart.threshold, np.inf).astype(np.float64)
    _kernels.accumulate_loss(u, statistic, chart.detector.allowance, ceiling, path)
    return path, replace(chart, statistic=statistic)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The rate of false alarms that is tolerated, and how the threshold for it is found.

    Attributes
    ----------
    rate : float
        Tolerated false alarms per place and season: the probability that the chart of a healthy
        place exceeds its threshold within `n_seasons` after the history, divided by `n_seasons`.
    detector : Detector
    n_seasons : int
        Seasons watched before the history is renewed.
    missing : float
        Share of dates that are missing at random.
    n_covariates : int
        Covariates of the baseline, simulated as noise with the memory of the residuals.
    n_resamples : int
        Places simulated at each of seven memories.
    shocks : ndarray, optional
        What drives the residuals, drawn from with replacement: a sample of the innovations of the
        user's own histories, so that a skewed index keeps its rate. Default: normal.
    """

    rate: float = 0.01
    detector: Detector = field(default_factory=Detector)
    n_seasons: int = 3
    missing: float = 0.0
    n_covariates: int = 0
    n_resamples: int = 20_000
    shocks: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse a rate that the simulations cannot show."""
        expected = self.rate * self.n_seasons
        if not 5 / self.n_resamples < expected < 1 or not 0 <= self.missing < 1:
            raise StudyError(
                "a rate of false alarms that cannot be calibrated",
                found=f"{self.rate:g} a season over {self.n_seasons} seasons, "
                f"{self.n_resamples} simulations, {self.missing:g} missing",
                do="Give a larger rate, or more simulations (5 alarms must be expected)",
            )


def calibrate_thresholds(
    history: ArrayLike,
    season: ArrayLike,
    *,
    rng: np.random.Generator,
    tolerance: Tolerance | None = None,
    options: BaselineOptions | None = None,
) -> Thresholds:
    """Find the thresholds that keep a rate of false alarms, with all that is estimated.

    The exact run length of a chart (:func:`headwater.warning.run_length.cusum_run_length`) holds
    where mean, spread and memory are known. From some years of history they are not: an error in
    the mean stays in every later innovation. So histories without any loss are simulated at the
    user's own dates, fitted and watched as the real ones are.

    Parameters
    ----------
    history, season : array-like of datetime
        Dates of the history, and of one later year.
    rng : numpy.random.Generator
    tolerance : Tolerance, optional
    options : BaselineOptions, optional
        Those of the baseline.

    Returns
    -------
    Thresholds

    Raises
    ------
    StudyError
        If no date lies in the growing season.

    Notes
    -----
    Measured rates stand in docs/simulations/warning.md: within 20 % of the tolerated one for
    memories of 0 to 0.6, with normal residuals.
    """
    chosen, wanted = options or BaselineOptions(), tolerance or Tolerance()
    dates = _dates(history, season, wanted.n_seasons, chosen)
    pooled = chosen.memory
    grid = np.array(_GRID) if pooled is None else _around(pooled)
    weight = np.ones(len(grid))
    if pooled is not None:
        weight = np.exp(-0.5 * ((grid - pooled.mean) / pooled.spread) ** 2)
    samples: list[tuple[Floats, Floats]] = []
    for memory in grid:
        found = [
            _maxima(dates, float(memory), rng, wanted, chosen)
            for _ in range(-(-wanted.n_resamples // _BATCH))
        ]
        estimate = np.concatenate([one for one, _ in found])
        samples.append((estimate, np.concatenate([one for _, one in found], axis=1)))
    rho = np.maximum.accumulate(np.array([float(one.mean()) for one, _ in samples]))
    last = [(estimate, maxima[-1]) for estimate, maxima in samples]
    threshold = _matched(last, rho, 1 - wanted.rate * wanted.n_seasons, weight)
    quantiles, tail = _survival(samples, rho, threshold)
    scatter = np.array([float(one.std()) for one, _ in samples])
    return Thresholds(
        rate=wanted.rate,
        detector=wanted.detector,
        rho=rho,
        threshold=threshold,
        n_resamples=wanted.n_resamples,
        quantiles=quantiles,
        tail=tail,
        deviation=scatter if pooled is None else np.zeros(len(rho)),
        memory=rho if pooled is None else grid,
    )


def _around(pooled: PooledMemory) -> Floats:
    """Memories that the places of a map may have."""
    low, high = pooled.mean - 2 * pooled.spread, pooled.mean + 2 * pooled.spread
    return np.linspace(max(low, -0.3), min(high, 0.95), len(_GRID))


def _survival(
    samples: list[tuple[Floats, Floats]], rho: Floats, threshold: Floats
) -> tuple[Floats, Floats]:
    """Say how high healthy places come, as a share of their threshold, for each memory.

    How steep the tail is differs by memory, how it bends hardly: one shape serves all memories, so
    that it is known from many simulations.
    """
    quantiles, excesses = [], []
    for estimate, maxima in samples:
        ratio = maxima / np.interp(estimate, rho, threshold)
        quantiles.append(np.quantile(ratio, 1 - np.array(SURVIVAL), axis=1).T)
        edges = quantiles[-1][:, -1]
        excesses.append([row[row > edge] - edge for row, edge in zip(ratio, edges, strict=True)])
    shape = np.mean([[_shape(one) for one in seasons] for seasons in excesses], axis=0)
    mean = np.array([[one.mean() for one in seasons] for seasons in excesses])
    # the scale rises smoothly with memory: what the points scatter about that is chance
    smooth = np.exp(
        np.polynomial.polynomial.polyval(
            rho, np.polynomial.polynomial.polyfit(rho, np.log(mean), 2)
        )
    ).T
    tail = np.stack([np.broadcast_to(shape, mean.shape), smooth * (1 - shape)], axis=-1)
    return np.array(quantiles), tail


def _shape(excess: Floats) -> float:
    """Shape of the generalised Pareto distribution by moments; no lighter than exponential."""
    mean, variance = float(excess.mean()), float(excess.var())
    return float(np.clip(0.5 * (1 - mean**2 / variance), 1e-3, 0.4))


def _matched(
    samples: list[tuple[Floats, Floats]], rho: Floats, level: float, weight: Floats
) -> Floats:
    """Raise thresholds together until the rate holds although memory is only estimated."""
    threshold = np.array([float(np.quantile(maximum, level)) for _, maximum in samples])
    threshold = np.maximum.accumulate(threshold)
    excess = [
        (maximum / np.interp(estimate, rho, threshold))[: int(np.ceil(share * len(maximum)))]
        for (estimate, maximum), share in zip(samples, weight / weight.max(), strict=True)
    ]
    return threshold * float(np.quantile(np.concatenate(excess), level))


@dataclass(frozen=True, slots=True, eq=False)
class _Dates:
    """Dates of a simulated history and of the seasons that follow, in one row."""

    times: NDArray[np.datetime64]
    n_history: int
    n_season: int


def _dates(
    history: ArrayLike, season: ArrayLike, n_seasons: int, options: BaselineOptions
) -> _Dates:
    before = np.asarray(history, dtype="datetime64[D]")
    year = np.asarray(season, dtype="datetime64[D]")
    if not (
        (season_parts(before, options) >= 0).any() and (season_parts(year, options) >= 0).any()
    ):
        raise StudyError(
            "no date lies in the growing season",
            found=f"days {options.season[0]} to {options.season[1]} of the year",
            do="Give other dates, or another season",
        )
    later = [year + np.timedelta64(365 * one, "D") for one in range(n_seasons)]
    return _Dates(np.concatenate([before, *later]), len(before), len(year))


def _maxima(
    dates: _Dates,
    memory: float,
    rng: np.random.Generator,
    tolerance: Tolerance,
    options: BaselineOptions,
) -> tuple[Floats, Floats]:
    """Simulate healthy places; return their memory, and their highest statistic by each season."""
    shape = (len(dates.times), _BATCH)
    noise = rng.standard_normal(shape)
    if tolerance.shocks is not None:
        noise = rng.choice(tolerance.shocks, shape)
    values = autoregressive(noise, memory)
    values[rng.random(shape) < tolerance.missing] = np.nan
    water = np.empty((tolerance.n_covariates, *shape))
    for one in range(tolerance.n_covariates):
        water[one] = autoregressive(rng.standard_normal(shape), memory)
    past, later = slice(None, dates.n_history), slice(dates.n_history, None)
    fitted = fit_baseline(values[past], dates.times[past], water[:, past], options=options)
    found, _ = innovations(fitted, values[later], dates.times[later], water[:, later])
    whole = fitted.reason == 0
    start = blank_chart(tolerance.detector, np.full(_BATCH, np.nan))
    path, _ = update_chart(start, found)
    by_season = path.reshape(-1, dates.n_season, _BATCH).max(axis=1)
    return fitted.rho[whole], np.maximum.accumulate(by_season, axis=0)[:, whole]
