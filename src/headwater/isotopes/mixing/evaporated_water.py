"""Where evaporated water came from: its source on the meteoric line, with all that is uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats, Places
from headwater.isotopes.lines import WaterLine
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.importance_sampling import (
    PARETO_LIMIT,
    effective_draws,
    pareto_smooth,
    resample,
    truncated_normal,
)
from headwater.isotopes.mixing.posterior import unmoved
from headwater.isotopes.mixing.priors import FractionPrior, dirichlet_prior
from headwater.isotopes.mixing.results import EvaporatedSourceTable, MixingPosterior
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Kind = Literal["sample", "mean"]

__all__ = [
    "EnrichmentPrior",
    "evaporated_source",
    "mix_evaporated",
    "source_prior",
    "weighted_summary",
]

_REFERENCE = (
    "Bowen et al. (2018), Inferring the source of evaporated waters using stable H and O isotopes, "
    "Oecologia 187:1025, doi:10.1007/s00442-018-4192-5"
)
_AT_ONCE = 400_000
_WIDER = 1.05


@dataclass(frozen=True, slots=True)
class EnrichmentPrior:
    """Prior of the enrichment E of δ¹⁸O [‰].

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


def _line_variance(line: WaterLine, d18O: Floats, kind: str) -> Any:
    of_line = (d18O * line.slope_se) ** 2 + 2.0 * d18O * line.covariance + line.intercept_se**2
    return np.maximum(of_line, 0.0) + (line.rmse**2 if kind == "sample" else 0.0)


def source_prior(
    d18O: ArrayLike, d2H: ArrayLike, line: WaterLine, *, slope: float, kind: Kind
) -> tuple[Any, Any]:
    """Prior of the source's δ¹⁸O: where the evaporation line crosses the band of the water line.

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


@of_inputs
def evaporated_source(
    waters: Composition,
    line: WaterLine,
    *,
    rng: np.random.Generator,
    slope: tuple[float, float] = (5.0, 0.3),
    enrichment: EnrichmentPrior | None = None,
    kind: Kind = "sample",
    n_resamples: int = 20_000,
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
    n_resamples : int
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
    ``(δ¹⁸O, δ²H) ~ N₂((O + E, H + E S), Σ)``, ``H ~ N(a O + b, s²(O))``, ``O ~ N`` of
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
    centre, width = source_prior(
        waters.mean[:, 0], waters.mean[:, 1], line, slope=slope[0], kind=kind
    )
    parts = []
    at_once = max(_AT_ONCE // n_resamples, 1)
    for start in range(0, len(waters), at_once):
        rows = slice(start, start + at_once)
        beliefs = _Beliefs(line, kind, slope, belief, centre[rows], width[rows])
        drawn = _draw(waters.mean[rows], errors[rows], beliefs, n_resamples, rng)
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
        choices=(
            f"slope of evaporation {slope[0]:g} ± {slope[1]:g}",
            f"enrichment {belief.kind} ({belief.first:g}, {belief.second:g})",
            f"source is {'one water' if kind == 'sample' else 'the mean of many waters'}",
        ),
        cautions=tuple(f"{row.sample}: {row.status}." for row in silent.itertuples()),
    )


def _checked_errors(waters: Composition) -> Any:
    if waters.tracers != ("d18O", "d2H"):
        raise DataError(
            "the source of evaporated water needs δ¹⁸O and δ²H",
            found=", ".join(waters.tracers),
            do='Compose with ["d18O", "d2H"]',
        )
    errors = np.nan_to_num(waters.mean_covariance())
    for label, mean, error in zip(waters.labels, waters.mean, errors, strict=True):
        if np.any(np.isnan(mean)):
            raise DataError(
                f"{label} lacks an isotope{waters.where(label)}", do="Both δ¹⁸O and δ²H are needed"
            )
        if np.linalg.det(error) <= 0.0:
            raise DataError(
                f"the error of {label} is not known{waters.where(label)}",
                found="no standard deviation",
                do="Add columns d18O_sd and d2H_sd",
            )
    return errors


@dataclass(frozen=True, slots=True)
class _Beliefs:
    """What is believed of sources on a line: their δ¹⁸O, and how they evaporated."""

    line: WaterLine
    kind: Kind
    slope: tuple[float, float]
    enrichment: EnrichmentPrior
    centre: Floats
    width: Floats


def _draw(
    mean: Floats,
    error: Floats,
    beliefs: _Beliefs,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Floats, ...]:
    """Return source δ¹⁸O and δ²H, slope, enrichment and log weights, each (N, S)."""
    water_line, kind, belief = beliefs.line, beliefs.kind, beliefs.enrichment
    centre, width = beliefs.centre, beliefs.width
    shape = (len(mean), n_resamples)
    lower = np.linalg.cholesky(error)
    first, second = rng.standard_normal(shape), rng.standard_normal(shape)
    d18O = mean[:, :1] + lower[:, 0, 0, None] * first
    d2H = mean[:, 1:] + lower[:, 1, 0, None] * first + lower[:, 1, 1, None] * second
    s = rng.normal(*beliefs.slope, shape)
    gap = water_line.slope - s
    # Two normals in E: that the source is on the line, and that its δ¹⁸O is near the crossing.
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


@of_inputs
def mix_evaporated(
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    slope: tuple[float, float] = (5.0, 0.3),
    enrichment: EnrichmentPrior | None = None,
    prior: FractionPrior | None = None,
    n_resamples: int = 40_000,
    n_kept: int = 4000,
) -> MixingPosterior:
    """Posterior fractions of mixtures that have evaporated (isoWater's mixing model).

    Parameters
    ----------
    sources : Composition
        With the tracers ``d18O`` and ``d2H``; each mixture takes one water of each source.
    mixtures : Composition
        Single samples with their errors, or groups that share one mixture and one enrichment.
    rng : Generator
        Random numbers.
    slope : tuple of float
        Mean and standard deviation of the slope of evaporation [1].
    enrichment : EnrichmentPrior, optional
        Uniform between 0 and 15 ‰ of δ¹⁸O by default.
    prior : FractionPrior, optional
        All fractions equally likely by default.
    n_resamples, n_kept : int
        Weighted draws for each mixture; equally weighted draws in the result.

    Returns
    -------
    MixingPosterior
        ``parameters`` holds slope, enrichment, and the mixture's δ¹⁸O and δ²H before it evaporated.

    Raises
    ------
    DataError
        If tracers, errors or sources cannot be used, or no mixture can be answered for.

    Notes
    -----
    ``(δ¹⁸O, δ²H) ~ N₂(Σ p_k μ_k + E (1, S), Σ p_k² Σ_k + Σ)``: fractions and slope are drawn from
    their priors; the enrichment, normal when they are known, is drawn from that normal, and the
    weight is what the data say with the enrichment integrated out.

    References
    ----------
    Bowen et al. (2018), Oecologia 187:1025, doi:10.1007/s00442-018-4192-5.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_each, compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-8.0, -16.0],
    ...     "d2H": [-54.0, -118.0], "d18O_sd": 0.5, "d2H_sd": 4.0, "n": 30}), ["d18O", "d2H"])
    >>> soil = compose_each(pd.DataFrame({"d18O": [-9.0], "d2H": [-71.0], "d18O_sd": 0.1,
    ...     "d2H_sd": 0.5}), ["d18O", "d2H"])
    >>> post = mix_evaporated(ends, soil, rng=np.random.default_rng(0))
    >>> post.data["fraction"].round(1).tolist()
    [0.5, 0.5]
    """
    check_sources(sources)
    errors = _checked_mixture(sources, mixtures)
    beliefs = _Mixed(
        slope, enrichment or EnrichmentPrior(), prior or dirichlet_prior(np.ones(len(sources)))
    )
    tables, parameters, rows = [], [], np.empty((len(mixtures), n_kept, len(sources)))
    for g in range(len(mixtures)):
        drawn = _weigh_mixture(sources, mixtures.mean[g], errors[g], beliefs, n_resamples, rng)
        table, parameter, chosen = _summarise_mixture(
            sources, mixtures.labels[g], drawn, n_kept, rng
        )
        tables.append(table.assign(n=int(mixtures.n[g].max())))
        parameters.append(parameter)
        rows[g] = np.nan if chosen is None else drawn.p[chosen]
    table = pd.concat(tables, ignore_index=True)
    if (table["status"] != "ok").all():
        raise DataError(
            "no mixture of these sources evaporates to these samples",
            found=f"{len(mixtures)} of {len(mixtures)} groups out of reach",
            do="Look for a missing source, exchanged columns, or climates that give "
            "another slope of evaporation",
        )
    table.attrs["units"] = dict.fromkeys(("fraction", "sd", "low", "median", "high"), "1")
    silent = table.loc[table["status"] != "ok", ["mixture", "status"]].drop_duplicates()
    return MixingPosterior(
        table,
        "Posterior fractions of evaporated mixtures by importance sampling of the model of Bowen "
        "et al. (2018).",
        (_REFERENCE,),
        choices=beliefs.choices(),
        cautions=tuple(f"{row.mixture}: {row.status}." for row in silent.itertuples())
        + unmoved(rows, beliefs.shares, mixtures.labels, rng),
        draws=rows,
        parameters=pd.concat(parameters, ignore_index=True),
    )


def _checked_mixture(sources: Composition, mixtures: Composition) -> Any:
    if sources.tracers != ("d18O", "d2H") or mixtures.tracers != sources.tracers:
        raise DataError(
            "evaporation inside the mixing model needs δ¹⁸O and δ²H",
            found=", ".join(mixtures.tracers),
            do='Compose both with ["d18O", "d2H"]',
        )
    for label, mean in zip(mixtures.labels, mixtures.mean, strict=True):
        if np.any(np.isnan(mean)):
            raise DataError(
                f"{label} lacks an isotope{mixtures.where(label)}",
                do="Both δ¹⁸O and δ²H are needed",
            )
    return np.nan_to_num(mixtures.mean_covariance())


@dataclass(frozen=True, slots=True)
class _Mixed:
    """What is believed of a mixture that evaporated."""

    slope: tuple[float, float]
    enrichment: EnrichmentPrior
    shares: FractionPrior

    def choices(self) -> tuple[str, ...]:
        """Say it in words."""
        belief = self.enrichment
        return (
            f"prior of the fractions: {self.shares.describe()}",
            f"slope of evaporation {self.slope[0]:g} ± {self.slope[1]:g}",
            f"enrichment {belief.kind} ({belief.first:g}, {belief.second:g})",
        )


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Fractions (S, K), slope, enrichment and the mixture before (S, 4), and log weights (S,)."""

    p: Floats
    others: Floats
    log_weights: Floats


def _weigh_mixture(
    sources: Composition,
    mean: Floats,
    error: Floats,
    beliefs: _Mixed,
    n_resamples: int,
    rng: np.random.Generator,
) -> _Weighted:
    slope, belief = beliefs.slope, beliefs.enrichment
    p = beliefs.shares.draw(n_resamples, rng)
    s = rng.normal(slope[0], slope[1], n_resamples)
    own = np.einsum("sk,ktu->stu", p**2, sources.covariance)
    v = own + error
    a, b, c = v[:, 0, 0], v[:, 0, 1], v[:, 1, 1]
    det = a * c - b * b
    r = mean - p @ sources.mean
    # With d = (1, S): d'V⁻¹d, d'V⁻¹r and r'V⁻¹r.
    dd = (c - 2.0 * b * s + a * s * s) / det
    dr = (c * r[:, 0] - b * (r[:, 1] + s * r[:, 0]) + a * s * r[:, 1]) / det
    rr = (c * r[:, 0] ** 2 - 2.0 * b * r[:, 0] * r[:, 1] + a * r[:, 1] ** 2) / det
    e, log_mass, _ = truncated_normal(dr / dd, 1.0 / np.sqrt(dd), belief.bounds, rng)
    log_weights = log_mass - 0.5 * (rr - dr**2 / dd + np.log(det * dd)) + belief.log_density(e)
    left = r - e[:, None] * np.stack([np.ones_like(s), s], axis=1)
    before = _mixture_before(p @ sources.mean, left, own, v, rng)
    return _Weighted(p, np.column_stack([s, e, before]), log_weights)


def _mixture_before(
    centre: Floats, left: Floats, own: Floats, v: NDArray[Any], rng: np.random.Generator
) -> Any:
    """Draw the mixture before evaporation, normal once all else is known."""
    gain = own @ np.linalg.inv(v)
    spread = own - gain @ own
    x, y, z = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
    root = np.sqrt(np.maximum(x, 1e-300))
    first, second = rng.standard_normal((2, len(left)))
    mean = centre + np.einsum("stu,su->st", gain, left)
    rest = np.sqrt(np.maximum(z - (y / root) ** 2, 0.0))
    return mean + np.stack([root * first, y / root * first + rest * second], axis=1)


def _summarise_mixture(
    sources: Composition, label: str, drawn: _Weighted, n_kept: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, Places | None]:
    p, others = drawn.p, drawn.others
    weights, k = pareto_smooth(drawn.log_weights)
    effective = effective_draws(weights)
    fine = k <= PARETO_LIMIT and effective >= 100
    nothing = [float("nan")] * 5
    columns = ["fraction", "sd", "low", "median", "high"]
    rows = [weighted_summary(p[:, i], weights) if fine else nothing for i in range(len(sources))]
    status = (
        "ok"
        if fine
        else (
            "not answered: no mixture of these sources evaporates to it"
            + (f" (Pareto k {k:.2f}, {effective:.0f} effective draws)" if np.isfinite(k) else "")
        )
    )
    table = pd.DataFrame(rows, columns=columns).assign(
        mixture=label, source=sources.labels, effective_draws=effective, pareto_k=k, status=status
    )
    more = [weighted_summary(others[:, i], weights)[:2] if fine else nothing[:2] for i in range(4)]
    names = ["slope", "enrichment", "mixture_d18O", "mixture_d2H"]
    parameter = pd.DataFrame(more, columns=["mean", "sd"]).assign(mixture=label, parameter=names)
    chosen = resample(weights, n_kept, rng) if fine else None
    front = ["mixture", "source", *columns]
    table = table[[*front, "effective_draws", "pareto_k", "status"]]
    return table, parameter[["mixture", "parameter", "mean", "sd"]], chosen
