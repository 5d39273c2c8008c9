"""Fractions of sources in water that has evaporated since it was mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.evaporated_source import EnrichmentPrior, weighted_summary
from headwater.isotopes.mixing.importance import (
    PARETO_LIMIT,
    effective_draws,
    pareto_smooth,
    resample,
    truncated_normal,
)
from headwater.isotopes.mixing.priors import FractionPrior, dirichlet_prior
from headwater.isotopes.mixing.results import MixingPosterior
from headwater.results import fingerprint

__all__ = ["evaporated_mixture"]

_REFERENCE = (
    "Bowen et al. (2018), Inferring the source of evaporated waters using stable H and O isotopes, "
    "Oecologia 187:1025, doi:10.1007/s00442-018-4192-5"
)


def evaporated_mixture(
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    slope: tuple[float, float] = (5.0, 0.3),
    enrichment: EnrichmentPrior | None = None,
    prior: FractionPrior | None = None,
    draws: int = 40_000,
    kept: int = 4000,
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
        Uniform between 0 and 15 ‰ of δ18O by default.
    prior : FractionPrior, optional
        All fractions equally likely by default.
    draws, kept : int
        Weighted draws for each mixture; equally weighted draws in the result.

    Returns
    -------
    MixingPosterior
        ``parameters`` holds slope, enrichment, and the mixture's δ18O and δ2H before it evaporated.

    Raises
    ------
    DataError
        If tracers, errors or sources cannot be used, or no mixture can be answered for.

    Notes
    -----
    ``(δ18O, δ2H) ~ N₂(Σ p_k μ_k + E (1, S), Σ p_k² Σ_k + Σ)``: fractions and slope are drawn from
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
    >>> post = evaporated_mixture(ends, soil, rng=np.random.default_rng(0))
    >>> post.data["fraction"].round(1).tolist()
    [0.5, 0.5]
    """
    check_sources(sources)
    errors = _checked(sources, mixtures)
    belief, shares = (
        enrichment or EnrichmentPrior(),
        prior or dirichlet_prior(np.ones(len(sources))),
    )
    tables, parameters, rows = [], [], np.empty((len(mixtures), kept, len(sources)))
    for g in range(len(mixtures)):
        p, others, log_weights = _weigh(
            sources, (mixtures.mean[g], errors[g]), (slope, belief, shares), draws, rng
        )
        table, parameter, chosen = _summarise(
            sources, mixtures.labels[g], (p, others), log_weights, (kept, rng)
        )
        tables.append(table.assign(n=int(mixtures.n[g].max())))
        parameters.append(parameter)
        rows[g] = np.nan if chosen is None else p[chosen]
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
        fingerprint(sources.mean, mixtures.mean, errors, slope, draws),
        (
            f"prior of the fractions: {shares.describe()}",
            f"slope of evaporation {slope[0]:g} ± {slope[1]:g}",
            f"enrichment {belief.kind} ({belief.first:g}, {belief.second:g})",
        ),
        tuple(f"{row.mixture}: {row.status}." for row in silent.itertuples()),
        draws=rows,
        parameters=pd.concat(parameters, ignore_index=True),
    )


def _checked(sources: Composition, mixtures: Composition) -> Any:
    if sources.tracers != ("d18O", "d2H") or mixtures.tracers != sources.tracers:
        raise DataError(
            "evaporation inside the mixing model needs δ18O and δ2H",
            found=", ".join(mixtures.tracers),
            do='Compose both with ["d18O", "d2H"]',
        )
    for label, mean in zip(mixtures.labels, mixtures.mean, strict=True):
        if np.any(np.isnan(mean)):
            raise DataError(
                f"{label} lacks an isotope{mixtures.where(label)}",
                do="Both δ18O and δ2H are needed",
            )
    return np.nan_to_num(mixtures.mean_covariance())


def _weigh(
    sources: Composition, water: Any, beliefs: Any, draws: int, rng: np.random.Generator
) -> tuple[Any, Any, Any]:
    (mean, error), (slope, belief, shares) = water, beliefs
    p = shares.draw(draws, rng)
    s = rng.normal(slope[0], slope[1], draws)
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
    return p, np.column_stack([s, e, before]), log_weights


def _mixture_before(centre: Any, left: Any, own: Any, v: Any, rng: np.random.Generator) -> Any:
    """Draw the mixture before evaporation, normal once all else is known."""
    gain = own @ np.linalg.inv(v)
    spread = own - gain @ own
    x, y, z = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
    root = np.sqrt(np.maximum(x, 1e-300))
    first, second = rng.standard_normal((2, len(left)))
    mean = centre + np.einsum("stu,su->st", gain, left)
    rest = np.sqrt(np.maximum(z - (y / root) ** 2, 0.0))
    return mean + np.stack([root * first, y / root * first + rest * second], axis=1)


def _summarise(
    sources: Composition, label: str, drawn: Any, log_weights: Any, how: Any
) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    (p, others), (kept, rng) = drawn, how
    weights, k = pareto_smooth(log_weights)
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
    chosen = resample(weights, kept, rng) if fine else None
    front = ["mixture", "source", *columns]
    table = table[[*front, "effective_draws", "pareto_k", "status"]]
    return table, parameter[["mixture", "parameter", "mean", "sd"]], chosen
