"""Posterior of the fractions in each group by itself, by importance sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError, StudyError, nearest
from headwater.isotopes.mixing._likelihood import Draws, Likelihood, sample
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.importance_sampling import (
    PARETO_LIMIT,
    effective_draws,
    pareto_smooth,
    resample,
)
from headwater.isotopes.mixing.priors import FractionPrior, clr_prior, held_by_caps
from headwater.isotopes.mixing.results import MixingPosterior
from headwater.isotopes.mixing.source_checks import polygon_test
from headwater.results import fingerprint

__all__ = ["RESIDUALS", "mix_posterior"]

Residual = Literal["process_residual", "process", "residual", "simmr"]

RESIDUALS: dict[str, str] = {
    "process_residual": "variance ξ Σ p² ω², ξ uniform between 0 and 20 (Stock and Semmens 2016)",
    "process": "variance Σ p² ω² of the sources alone",
    "residual": "variance σ², a Gamma prior for σ",
    "simmr": "variance Σ p² ω² + σ², a Gamma prior for σ (simmr)",
}
"""What the scatter of mixtures of one group consists of."""

_REFERENCES = (
    "Parnell et al. (2013), Bayesian stable isotope mixing models, Environmetrics 24:387, "
    "doi:10.1002/env.2221",
    "Stock & Semmens (2016), Unifying error structures in commonly used biotracer mixing models, "
    "Ecology 97:2562, doi:10.1002/ecy.1517",
    "Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling, J. Mach. "
    "Learn. Res. 25(72)",
)


def mix_posterior(
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    prior: FractionPrior | None = None,
    residual: Residual = "process_residual",
    source_error: bool = True,
    sigma_prior: tuple[float, float] = (3.0, 0.06),
    n_resamples: int = 20_000,
    n_kept: int = 4000,
) -> MixingPosterior:
    """Posterior fractions of each group, independent of the other groups.

    Parameters
    ----------
    sources : Composition
        The end members, K of them; more than tracers + 1 is allowed, the prior then decides.
    mixtures : Composition
        Groups of samples, single samples, or stated means.
    rng : Generator
        Random numbers.
    prior : FractionPrior, optional
        By default the softmax of standard normals. Caps are part of the prior: see
        :func:`~headwater.isotopes.mixing.priors.capped_prior`.
    residual : {"process_residual", "process", "residual", "simmr"}
        What scatters mixtures of one group: see :data:`RESIDUALS`.
    source_error : bool
        Whether the sources' means are uncertain (``N(mean, s²/n)``), as in MixSIAR; simmr takes
        them as exact.
    sigma_prior : tuple of float
        Shape and rate of the Gamma prior of σ [1, ‰⁻¹]; simmr's own, mean 50 ‰, is very wide.
    n_resamples : int
        Weighted draws per group.
    n_kept : int
        Equally weighted draws that the result keeps.

    Returns
    -------
    MixingPosterior
        A group whose Pareto k is above 0.7, or with fewer than 400 effective draws, gets no
        fractions, but a sentence in ``status``.

    Raises
    ------
    DataError
        If a source or prior cannot be used, or no group can be answered for.
    StudyError
        If the residual model is unknown.

    Notes
    -----
    ``y_i ~ N(Σ p_k μ_k, V)`` with the covariance of tracers where the sources have one. Means of
    sources are integrated out exactly; only n, mean and scatter of a group enter, so that cost does
    not grow with the number of samples. A multivariate t with 5 degrees of freedom is fitted to
    the posterior at its mode and in two pilot rounds; Pareto-smoothed importance weights do the
    rest. Where values are missing, tracers are taken as independent.

    References
    ----------
    Parnell et al. (2013), Environmetrics 24:387, doi:10.1002/env.2221. Stock & Semmens (2016),
    Ecology 97:2562, doi:10.1002/ecy.1517. Vehtari et al. (2024), J. Mach. Learn. Res. 25(72).

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-20.0, -10.0],
    ...                       "d18O_sd": [1.2, 0.8], "n": [50, 40]}), ["d18O"])
    >>> soil = compose_stated(pd.DataFrame({"source": ["soil"], "d18O": [-13.0], "d18O_sd": [1.0],
    ...                                     "n": [30]}), ["d18O"])
    >>> post = mix_posterior(ends, soil, rng=np.random.default_rng(0))
    >>> post.data["fraction"].round(2).tolist()
    [0.3, 0.7]
    """
    density = _likelihood(sources, mixtures, prior, residual, source_error, sigma_prior)
    drawn = sample(density, n_resamples, rng)
    table, fractions, parameters = _collect(density, drawn, sources, mixtures, n_kept, rng)
    if (table["status"] != "ok").all():
        raise DataError(
            "no group has a posterior that can be trusted",
            found=str(table["status"].iloc[0]),
            do=_ADVICE,
        )
    return MixingPosterior(
        table,
        "Posterior fractions of independent groups by Pareto-smoothed importance sampling; "
        f"{RESIDUALS[residual]}.",
        _REFERENCES,
        fingerprint(sources.mean, mixtures.mean, mixtures.n, residual, density.prior.describe()),
        _choices(density, mixtures, source_error),
        _cautions(table, sources, mixtures, rng)
        + held_by_caps(density.prior, fractions, mixtures.labels),
        draws=fractions,
        parameters=parameters,
    )


_ENOUGH, _SMALLEST_ALPHA = 400, 0.25
_ADVICE = "Join small groups, use a tighter prior, or check the sources with the polygon test"


def _likelihood(
    sources: Composition,
    mixtures: Composition,
    prior: FractionPrior | None,
    residual: str,
    source_error: bool,
    sigma_prior: tuple[float, float],
) -> Likelihood:
    if residual not in RESIDUALS:
        raise StudyError(
            "unknown residual model", found=f"'{residual}'", do=nearest(residual, list(RESIDUALS))
        )
    check_sources(sources)
    if sources.tracers != mixtures.tracers:
        raise DataError(
            "sources and mixtures must have the same tracers in the same order",
            found=f"{', '.join(sources.tracers)} and {', '.join(mixtures.tracers)}",
            do="Compose both with the same list",
        )
    chosen = prior or clr_prior(len(sources))
    if len(chosen) != len(sources):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(chosen)} and {len(sources)}",
            do="Give one value per source",
        )
    if chosen.kind == "dirichlet" and min(chosen.first) < _SMALLEST_ALPHA:
        raise DataError(
            "the prior says that a mixture has one source only, all or nothing",
            found=f"α {min(chosen.first):g}",
            do=f"Use α of {_SMALLEST_ALPHA} or more",
        )
    n = mixtures.n.astype(float)
    less = np.sqrt(np.maximum(n - 1.0, 0.0))
    scatter = np.nan_to_num(mixtures.covariance) * less[:, :, None] * less[:, None, :]
    single = (n.max(axis=1) == 1)[:, None, None]
    density = Likelihood(
        n,
        np.nan_to_num(mixtures.mean),
        scatter,
        np.where(single, mixtures.error, 0.0),
        sources.mean,
        sources.covariance,
        sources.mean_covariance() * (1.0 if source_error else 0.0),
        residual,
        sigma_prior,
        chosen,
    )
    if np.all(n == n[:, :1]):
        return density
    alone = np.eye(n.shape[1])  # values are missing: each tracer by itself, with its own n
    return replace(
        density,
        error=density.error * alone,
        source_covariance=density.source_covariance * alone,
        mean_errors=density.mean_errors * alone,
    )


def _collect(
    density: Likelihood,
    drawn: Draws,
    sources: Composition,
    mixtures: Composition,
    n_kept: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    k = len(sources)
    rows, tables, parameters = np.empty((len(mixtures), n_kept, k)), [], []
    for g, label in enumerate(mixtures.labels):
        weights, tail = pareto_smooth(drawn.log_weights[g])
        theta = drawn.theta[:, g : g + 1]
        p = np.exp(density.log_fractions(theta)[:, 0])
        mean = p @ weights
        sd = np.sqrt(np.maximum((p - mean[:, None]) ** 2 @ weights, 0.0))
        chosen = resample(weights, n_kept, rng)
        rows[g] = p[:, chosen].T
        values = [mean, sd, *np.quantile(rows[g], [0.025, 0.5, 0.975], axis=0)]
        effective, status = effective_draws(weights), "ok"
        if not (tail <= PARETO_LIMIT and effective >= _ENOUGH):
            rows[g], values = np.nan, [np.full(k, np.nan)] * 5
            status = (
                "not answered: the draws do not represent the posterior "
                f"(Pareto k {tail:.2f}, {effective:.0f} effective draws)"
            )
        columns = ("fraction", "sd", "low", "median", "high")
        tables.append(
            pd.DataFrame(
                {"mixture": label, "source": sources.labels}
                | dict(zip(columns, values, strict=True))
                | {
                    "n": int(mixtures.n[g].max()),
                    "effective_draws": effective,
                    "pareto_k": tail,
                    "status": status,
                }
            )
        )
        parameters.append(_parameters(density, theta[k - 1 :, 0], weights, label, mixtures.tracers))
    table = pd.concat(tables, ignore_index=True)
    table.attrs["units"] = dict.fromkeys(("fraction", "sd", "low", "median", "high"), "1")
    return table, rows, pd.concat(parameters, ignore_index=True)


def _parameters(
    density: Likelihood, u: Any, weights: Any, label: str, tracers: tuple[str, ...]
) -> pd.DataFrame:
    if density.residual == "process":
        return pd.DataFrame(columns=["mixture", "tracer", "parameter", "mean", "sd"])
    ratio = density.residual == "process_residual"
    values = 20.0 / (1.0 + np.exp(-u)) if ratio else np.exp(u)
    mean = values @ weights
    sd = np.sqrt((values - mean[:, None]) ** 2 @ weights)
    return pd.DataFrame(
        {
            "mixture": label,
            "tracer": tracers,
            "parameter": "xi" if ratio else "sigma",
            "mean": mean,
            "sd": sd,
        }
    )


def _choices(density: Likelihood, mixtures: Composition, source_error: bool) -> tuple[str, ...]:
    said = [
        f"prior of the fractions: {density.prior.describe()}",
        "means of the sources " + ("uncertain, s²/n" if source_error else "taken as exact"),
        "tracers " + ("correlated as in the sources" if density.correlated else "independent"),
    ]
    if density.residual in ("simmr", "residual"):
        said.append("σ has the prior Gamma({:g}, {:g})".format(*density.sigma_prior))
    if mixtures.incomplete:
        said.append(f"{mixtures.incomplete} samples lack a tracer; their other tracers are used")
    return tuple(said)


def _cautions(
    table: pd.DataFrame, sources: Composition, mixtures: Composition, rng: np.random.Generator
) -> tuple[str, ...]:
    k, t = len(sources), len(sources.tracers)
    said = []
    if k > t + 1:
        said.append(
            f"{k} sources cannot be told apart with {t} tracers: the prior decides how what they "
            "share is split. Read the fractions beside their feasible bounds, and join sources to "
            "check."
        )
    if k >= t + 1:
        test = polygon_test(sources, mixtures, rng=rng, n_resamples=400)
        said += list(test.cautions)
    for status in (
        table.loc[table["status"] != "ok", ["mixture", "status"]].drop_duplicates().values
    ):
        said.append(f"{status[0]}: {status[1]}. {_ADVICE}.")
    return tuple(said)
