"""Where evaporated water came from: its source on the meteoric line, with all that is uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes.lines import WaterLine
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.importance import (
    PARETO_LIMIT,
    effective_draws,
    pareto_smooth,
    truncated_normal,
)
from headwater.isotopes.mixing.results import EvaporatedSourceTable
from headwater.results import fingerprint

__all__ = ["EnrichmentPrior", "evaporated_source", "source_prior", "weighted_summary"]

_REFERENCE = (
    "Bowen et al. (2018), Inferring the source of evaporated waters using stable H and O isotopes, "
    "Oecologia 187:1025, doi:10.1007/s00442-018-4192-5"
)
_AT_ONCE = 400_000
_WIDER = 1.05


@dataclass(frozen=True, slots=True)
class EnrichmentPrior:
    """Prior of the enrichment E of δ18O [‰].

    Attributes
    ----------
    kind : {"uniform", "gamma"}
        Its distribution.
    first, second : float
        Bounds of the uniform [‰]; shape [1] and rate [‰⁻¹] of the gamma.
    """

    kind: Literal["uniform", "gamma"] = "uniform"
    first: float = 0.0
    second: float = 15.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest possible enrichment [‰]."""
        return (self.first, self.second) if self.kind == "uniform" else (0.0, float("inf"))

    def log_density(self, enrichment: Any) -> Any:
        """Log density within the bounds, up to a constant."""
        if self.kind == "uniform":
            return np.zeros_like(enrichment)
        return (self.first - 1.0) * np.log(
            np.maximum(enrichment, 1e-300)
        ) - self.second * enrichment


def _line_variance(line: WaterLine, d18O: Any, kind: str) -> Any:
    of_line = (d18O * line.slope_se) ** 2 + 2.0 * d18O * line.covariance + line.intercept_se**2
    return np.maximum(of_line, 0.0) + (line.rmse**2 if kind == "sample" else 0.0)


def source_prior(
    d18O: Any, d2H: Any, line: WaterLine, *, slope: float, kind: Literal["sample", "mean"]
) -> tuple[Any, Any]:
    """Prior of the source's δ18O: where the evaporation line crosses the band of the water line.

    Parameters
    ----------
    d18O, d2H : array-like
        Evaporated water [‰ VSMOW].
    line : WaterLine
        Meteoric water line.
    slope : float
        Mean slope of evaporation [1].
    kind : {"sample", "mean"}
        Band of one water, or of the mean of many.

    Returns
    -------
    tuple of array
        Mean and standard deviation [‰]: the crossing with the line, and the width of the band
        (± one standard deviation) along the evaporation line.

    Raises
    ------
    DataError
        If the two lines are near-parallel: the crossing is then anywhere.

    References
    ----------
    Bowen et al. (2018), Oecologia 187:1025, doi:10.1007/s00442-018-4192-5.

    Examples
    --------
    >>> lmwl = WaterLine(8.0, 10.0, rmse=3.0, n=100)
    >>> [float(v) for v in source_prior(-6.0, -60.0, lmwl, slope=5.0, kind="sample")]
    [-13.333333333333334, 2.0]
    """
    gap = line.slope - slope
    curve = line.slope_se**2
    if gap <= 0.0 or gap**2 <= 4.0 * curve:
        raise DataError(
            "the evaporation line and the meteoric line are near-parallel",
            found=f"slopes {slope:g} and {line.slope:g} ± {line.slope_se:.2g}",
            do="Check the slope: evaporation gives about 3 to 6",
        )
    crossing = (np.asarray(d2H) - slope * np.asarray(d18O) - line.intercept) / gap
    level = _line_variance(line, crossing, kind)
    if np.any(level <= 0.0):
        raise DataError(
            "the meteoric line has no scatter",
            found=f"{line.label}, {line.method}",
            do="Pass a fitted line: its standard errors and rmse are needed",
        )
    tilt = 2.0 * (crossing * curve + line.covariance)
    steep = gap**2 - curve
    return crossing, np.sqrt(tilt**2 + 4.0 * steep * level) / steep


def evaporated_source(
    waters: Composition,
    line: WaterLine,
    *,
    rng: np.random.Generator,
    slope: tuple[float, float] = (5.0, 0.3),
    enrichment: EnrichmentPrior | None = None,
    kind: Literal["sample", "mean"] = "sample",
    draws: int = 20_000,
) -> EvaporatedSourceTable:
    """Posterior of the source of evaporated water, for many samples or groups at once.

    Parameters
    ----------
    waters : Composition
        With the tracers ``d18O`` and ``d2H``: single samples with their errors, or groups whose
        samples share one source and one enrichment.
    line : WaterLine
        Fitted meteoric water line.
    rng : Generator
        Random numbers.
    slope : tuple of float
        Mean and standard deviation of the slope of evaporation, of Craig-Gordon (see
        :func:`~headwater.isotopes.evaporation.evaporation_slope`) rather than of a regression [1].
    enrichment : EnrichmentPrior, optional
        Uniform between 0 and 15 ‰ by default.
    kind : {"sample", "mean"}
        Whether the source is one water, or the mean of many.
    draws : int
        Weighted draws for each water.

    Returns
    -------
    EvaporatedSourceTable
        A water that the model cannot answer for has NaN, and ``status`` says why.

    Raises
    ------
    DataError
        If tracers or errors are missing, or the lines are near-parallel.

    Notes
    -----
    ``(δ18O, δ2H) ~ N₂((O + E, H + E S), Σ)``, ``H ~ N(a O + b, s²(O))``, ``O ~ N`` of
    :func:`source_prior`, ``S ~ N(slope)``. Given slope and error, the enrichment is nearly normal:
    it is drawn from that normal within its bounds, and the weights correct the rest.

    References
    ----------
    Bowen et al. (2018), Oecologia 187:1025, doi:10.1007/s00442-018-4192-5.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_each
    >>> soil = pd.DataFrame({"d18O": [-6.0], "d2H": [-60.0], "d18O_sd": 0.1, "d2H_sd": 0.5})
    >>> lmwl = WaterLine(8.0, 10.0, 0.1, 1.2, 0.1, rmse=1.0, n=100)
    >>> found = evaporated_source(compose_each(soil, ["d18O", "d2H"]), lmwl,
    ...                           rng=np.random.default_rng(0))
    >>> found.data[["quantity", "mean"]].round(0).values.tolist()
    [['d18O', -13.0], ['d2H', -97.0], ['slope', 5.0], ['enrichment', 7.0]]
    """
    belief = enrichment or EnrichmentPrior()
    errors = _checked_errors(waters)
    prior = source_prior(waters.mean[:, 0], waters.mean[:, 1], line, slope=slope[0], kind=kind)
    parts = []
    at_once = max(_AT_ONCE // draws, 1)
    for start in range(0, len(waters), at_once):
        rows = slice(start, start + at_once)
        drawn = _draw(
            (waters.mean[rows], errors[rows]),
            (prior[0][rows], prior[1][rows]),
            (line, kind),
            (slope, belief),
            (draws, rng),
        )
        parts += [
            _summarise(waters, start + i, [value[i] for value in drawn])
            for i in range(len(drawn[0]))
        ]
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = dict.fromkeys(("mean", "sd", "low", "median", "high"), "‰")
    silent = table.loc[table["status"] != "ok", ["sample", "status"]].drop_duplicates()
    return EvaporatedSourceTable(
        table,
        "Source of evaporated water on the meteoric line, by importance sampling of the model of "
        "Bowen et al. (2018); rows of the slope have no unit.",
        (_REFERENCE,),
        fingerprint(waters.mean, errors, str(line), slope, draws),
        (
            f"slope of evaporation {slope[0]:g} ± {slope[1]:g}",
            f"enrichment {belief.kind} ({belief.first:g}, {belief.second:g})",
            f"source is {'one water' if kind == 'sample' else 'the mean of many waters'}",
        ),
        tuple(f"{row.sample}: {row.status}." for row in silent.itertuples()),
    )


def _checked_errors(waters: Composition) -> Any:
    if waters.tracers != ("d18O", "d2H"):
        raise DataError(
            "the source of evaporated water needs δ18O and δ2H",
            found=", ".join(waters.tracers),
            do='Compose with ["d18O", "d2H"]',
        )
    errors = np.nan_to_num(waters.mean_covariance())
    for label, mean, error in zip(waters.labels, waters.mean, errors, strict=True):
        if np.any(np.isnan(mean)):
            raise DataError(
                f"{label} lacks an isotope{waters.where(label)}", do="Both δ18O and δ2H are needed"
            )
        if np.linalg.det(error) <= 0.0:
            raise DataError(
                f"the error of {label} is not known{waters.where(label)}",
                found="no standard deviation",
                do="Add columns d18O_sd and d2H_sd",
            )
    return errors


def _draw(waters: Any, prior: Any, line: Any, beliefs: Any, how: Any) -> tuple[Any, ...]:
    """Return source δ18O and δ2H, slope, enrichment and log weights, each (N, S)."""
    (mean, error), (centre, width), (water_line, kind) = waters, prior, line
    (slope, belief), (draws, rng) = beliefs, how
    shape = (len(mean), draws)
    lower = np.linalg.cholesky(error)
    first, second = rng.standard_normal(shape), rng.standard_normal(shape)
    d18O = mean[:, :1] + lower[:, 0, 0, None] * first
    d2H = mean[:, 1:] + lower[:, 1, 0, None] * first + lower[:, 1, 1, None] * second
    s = rng.normal(*slope, shape)
    gap = water_line.slope - s
    # Two normals in E: that the source is on the line, and that its δ18O is near the crossing.
    on_line = (water_line(d18O) - d2H) / gap
    var_line = _WIDER**2 * _line_variance(water_line, d18O - on_line, kind) / gap**2
    near, var_near = d18O - centre[:, None], np.square(_WIDER * width)[:, None]
    variance = 1.0 / (1.0 / var_line + 1.0 / var_near)
    middle = variance * (on_line / var_line + near / var_near)
    e, log_mass, log_q = truncated_normal(middle, np.sqrt(variance), belief.bounds, rng)
    o, h = d18O - e, d2H - e * s
    scatter = _line_variance(water_line, o, kind)
    log_target = (
        -0.5 * (h - water_line(o)) ** 2 / scatter
        - 0.5 * np.log(scatter)
        - 0.5 * ((o - centre[:, None]) / width[:, None]) ** 2
        + belief.log_density(e)
    )
    return o, h, s, e, log_target - log_q + log_mass


def weighted_summary(values: Any, weights: Any) -> list[float]:
    """Mean, sd and the 2.5, 50 and 97.5 % quantiles of weighted draws.

    Examples
    --------
    >>> weighted_summary(np.array([1.0, 2.0, 3.0]), np.array([0.25, 0.5, 0.25]))[:2]
    [2.0, 0.7071067811865476]
    """
    mean = float(values @ weights)
    sd = float(np.sqrt((values - mean) ** 2 @ weights))
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    at = np.minimum(np.searchsorted(reached, [0.025, 0.5, 0.975]), len(values) - 1)
    return [mean, sd, *values[order][at].tolist()]


def _summarise(waters: Composition, at: int, drawn: list[Any]) -> pd.DataFrame:
    *values, log_weights = drawn
    weights, k = pareto_smooth(log_weights)
    effective = effective_draws(weights)
    if k <= PARETO_LIMIT and effective >= 100:
        status, rows = "ok", [weighted_summary(value, weights) for value in values]
    else:
        rows = [[float("nan")] * 5] * 4
        status = (
            "not answered: the sample lies off what evaporation from this line can make "
            f"(Pareto k {k:.2f}, {effective:.0f} effective draws)"
        )
    return pd.DataFrame(rows, columns=["mean", "sd", "low", "median", "high"]).assign(
        sample=waters.labels[at],
        quantity=["d18O", "d2H", "slope", "enrichment"],
        n=int(waters.n[at].max()),
        effective_draws=effective,
        pareto_k=k,
        status=status,
    )[
        [
            "sample",
            "quantity",
            "mean",
            "sd",
            "low",
            "median",
            "high",
            "n",
            "effective_draws",
            "pareto_k",
            "status",
        ]
    ]
