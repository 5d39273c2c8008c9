"""Posterior of the fractions in each group by itself, by importance sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError, StudyError, nearest
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing._likelihood import Likelihood, sample
from headwater.isotopes.mixing.closed_form import mix_closed_form, source_concentrations
from headwater.isotopes.mixing.composition import Composition, check_sources
from headwater.isotopes.mixing.importance_sampling import (
    PARETO_LIMIT,
    effective_draws,
    pareto_smooth,
    resample,
)
from headwater.isotopes.mixing.priors import (
    BoundaryPrior,
    FractionPrior,
    clr_prior,
    held_by_caps,
)
from headwater.isotopes.mixing.results import MixingPosterior
from headwater.isotopes.mixing.source_checks import polygon_test
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RESIDUALS", "join_posteriors", "mix_posterior", "residual_root", "unmoved"]

Residual = Literal["process_residual", "process", "residual", "both", "simmr"]

RESIDUALS: dict[str, str] = {
    "process_residual": "variance ξ Σ p² ω², ξ uniform between 0 and 20 (Stock and Semmens 2016)",
    "process": "variance Σ p² ω² of the sources alone",
    "residual": "a full covariance Ω of its own, Wishart, expected as wide as a source's samples",
    "both": "covariance Σ p² ω² + Ω, the scatter of the sources and one of its own (Wishart)",
    "simmr": "variance Σ p² ω² + σ², tracer by tracer, a Gamma prior for σ (simmr)",
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


@of_inputs
def mix_posterior(  # noqa: PLR0913 - each option is a choice of the model
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    prior: FractionPrior | None = None,
    residual: Residual = "process_residual",
    source_error: bool = True,
    sigma_prior: tuple[float, float] = (3.0, 0.06),
    residual_sd: Mapping[str, float] | None = None,
    concentration: Mapping[str, Any] | None = None,
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
    residual : {"process_residual", "process", "residual", "both", "simmr"}
        What scatters mixtures of one group: see :data:`RESIDUALS`.
    source_error : bool
        Whether the sources' means are uncertain (``N(mean, s²/n)``), as in MixSIAR; simmr takes
        them as exact.
    sigma_prior : tuple of float
        Shape and rate of simmr's Gamma prior of σ [1, ‰⁻¹]; its own, mean 50 ‰, is far too wide
        for water.
    residual_sd : mapping of str to float, optional
        Standard deviation expected of the residual by tracer [‰, or its unit], for "residual" and
        "both"; by default that of the samples of a source, pooled over the sources.
    concentration : mapping of str to array of shape (T,), optional
        Concentration of each tracer by source, where it differs (Phillips and Koch 2002).
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
    chosen = prior or clr_prior(len(sources))
    _check_request(sources, mixtures, chosen, residual)
    model = _Model(residual, source_error, sigma_prior, residual_sd, concentration)
    density = _likelihood(sources, mixtures, chosen, model)
    collect = _collect_sets if isinstance(chosen, BoundaryPrior) else _collect
    table, fractions, parameters = collect(
        density, sources, mixtures, rng=rng, n_resamples=n_resamples, n_kept=n_kept
    )
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
        choices=_choices(density, mixtures, model),
        cautions=_cautions(table, sources, mixtures, rng)
        + unmoved(fractions, chosen, mixtures.labels, rng)
        + held_by_caps(density.prior, fractions, mixtures.labels),
        draws=fractions,
        parameters=parameters,
    )


@of_inputs
def join_posteriors(parts: Sequence[MixingPosterior], labels: Sequence[str]) -> MixingPosterior:
    """Put posteriors of different groups of one job into one table.

    Parameters
    ----------
    parts : sequence of MixingPosterior
        Of the same sources.
    labels : sequence of str
        The groups, in the order that is wanted.

    Returns
    -------
    MixingPosterior
        Method and references of the last.
    """
    data = pd.concat([part.data for part in parts])
    found = list(dict.fromkeys(data["mixture"]))
    place = {label: at for at, label in enumerate(labels)}
    order = data["mixture"].map(place).argsort(kind="stable")
    joined = data.iloc[order].reset_index(drop=True)
    joined.attrs = dict(parts[-1].data.attrs)
    draws = np.concatenate([part.draws for part in parts])
    return replace(
        parts[-1],
        data=joined,
        choices=tuple(dict.fromkeys(text for part in parts for text in part.choices)),
        cautions=tuple(dict.fromkeys(text for part in parts for text in part.cautions)),
        draws=draws[np.argsort([place[label] for label in found])],
        parameters=pd.concat([part.parameters for part in parts], ignore_index=True),
    )


_ENOUGH, _SMALLEST_ALPHA = 400, 0.25
_MOVED, _NARROWED, _MINOR, _MISFIT = 0.3, 0.85, 0.01, 0.001
_ADVICE = "Join small groups, use a tighter prior, or check the sources with the polygon test"


@dataclass(frozen=True, slots=True)
class _Model:
    """What scatters the samples, apart from the fractions."""

    residual: str
    source_error: bool
    sigma_prior: tuple[float, float]
    residual_sd: Mapping[str, float] | None
    concentration: Mapping[str, Any] | None


def _check_request(
    sources: Composition, mixtures: Composition, prior: FractionPrior, residual: str
) -> None:
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
    if len(prior) != len(sources):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(prior)} and {len(sources)}",
            do="Give one value per source",
        )
    if prior.kind == "dirichlet" and min(prior.first) < _SMALLEST_ALPHA:
        raise DataError(
            "the prior says that a mixture has one source only, all or nothing",
            found=f"α {min(prior.first):g}",
            do=f"Use α of {_SMALLEST_ALPHA} or more, or boundary_prior",
        )


def _likelihood(
    sources: Composition, mixtures: Composition, prior: FractionPrior, model: _Model
) -> Likelihood:
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
        sources.mean_covariance() * (1.0 if model.source_error else 0.0),
        model.residual,
        model.sigma_prior,
        prior,
        root=residual_root(sources, model.residual_sd),
        concentration=source_concentrations(
            model.concentration, sources.labels, len(sources.tracers)
        ),
    )
    if np.all(n == n[:, :1]):
        return density
    alone = np.eye(n.shape[1])  # values are missing: each tracer by itself, with its own n
    return replace(
        density,
        error=density.error * alone,
        source_covariance=density.source_covariance * alone,
        mean_errors=density.mean_errors * alone,
        apart=True,
    )


def residual_root(sources: Composition, wanted: Mapping[str, float] | None) -> Any:
    """Root of the covariance that is expected of the residual: the pooled one of the sources.

    Parameters
    ----------
    sources : Composition
        The end members.
    wanted : mapping of str to float, optional
        Standard deviation by tracer [‰, or its unit], where another is expected.

    Returns
    -------
    array of shape (T, T)
        R with ``R Rᵀ`` the covariance.

    Raises
    ------
    StudyError
        If `wanted` names no tracer.
    """
    pooled = sources.covariance.mean(axis=0)
    sd = np.sqrt(pooled.diagonal())
    for name in wanted or {}:
        if name not in sources.tracers:
            raise StudyError(
                "residual_sd names no tracer",
                found=f"'{name}'",
                do=nearest(name, list(sources.tracers)),
            )
    asked = np.array([(wanted or {}).get(t, s) for t, s in zip(sources.tracers, sd, strict=True)])
    return (asked / sd)[:, None] * np.linalg.cholesky(pooled)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Fractions of one group: equally weighted draws, their summary, and what they are worth."""

    draws: Any
    mean: Any
    sd: Any
    low: Any
    high: Any
    effective: float
    tail: float
    status: str = "ok"

    def refused(self) -> _Answer:
        """Return no fractions, and say why."""
        nothing = np.full(self.draws.shape[1], np.nan)
        words = (
            "not answered: the draws do not represent the posterior "
            f"(Pareto k {self.tail:.2f}, {self.effective:.0f} effective draws)"
        )
        none = np.full(self.draws.shape, np.nan)
        gone = (nothing, nothing, nothing, nothing)
        return _Answer(none, *gone, self.effective, self.tail, words)

    def checked(self) -> _Answer:
        """Return the answer where its draws represent the posterior."""
        fine = self.tail <= PARETO_LIMIT and self.effective >= _ENOUGH
        return self if fine else self.refused()


def _collect(
    density: Likelihood,
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    n_resamples: int,
    n_kept: int,
) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    drawn, k = sample(density, n_resamples, rng), len(sources)
    answers, parameters = [], []
    for g, label in enumerate(mixtures.labels):
        weights, tail = pareto_smooth(drawn.log_weights[g])
        theta = drawn.theta[:, g : g + 1]
        p = np.exp(density.log_fractions(theta)[:, 0])
        mean = p @ weights
        sd = np.sqrt(np.maximum((p - mean[:, None]) ** 2 @ weights, 0.0))
        rows = p[:, resample(weights, n_kept, rng)].T
        low, high = np.quantile(rows, [0.025, 0.975], axis=0)
        answer = _Answer(rows, mean, sd, low, high, effective_draws(weights), tail)
        answers.append(answer.checked())
        parameters.append(_parameters(density, theta[k - 1 :, 0], weights, label, mixtures.tracers))
    return (
        _tabulate(answers, sources, mixtures),
        np.array([answer.draws for answer in answers]),
        pd.concat(parameters, ignore_index=True),
    )


def _collect_sets(
    density: Likelihood,
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    n_resamples: int,
    n_kept: int,
) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    """Sample every set of sources, and join the sets by their evidence."""
    prior: Any = density.prior
    faces, k = prior.faces(), len(sources)
    drawn = [sample(density.of_sources(face), n_resamples, rng) for face in faces]
    smooth = [[pareto_smooth(row) for row in one.log_weights] for one in drawn]
    answers = []
    for g in range(len(mixtures)):
        evidence = np.array([_log_mean(one.log_weights[g]) for one in drawn])
        chance = np.exp(evidence - evidence.max())
        counts = rng.multinomial(n_kept, chance / chance.sum())
        parts, full = [], np.empty(0)
        for at, face in enumerate(faces):
            weights, _ = smooth[at][g]
            inner = density.of_sources(face)
            p = np.exp(inner.log_fractions(drawn[at].theta[:, g : g + 1])[:, 0]).T
            if at == 0:
                full = p[resample(weights, n_kept, rng)]
            part = np.zeros((counts[at], k))
            part[:, face] = p[resample(weights, counts[at], rng)] if counts[at] else 0.0
            parts.append(part)
        used = [at for at in range(len(faces)) if counts[at] > _MINOR * n_kept]
        tail = max(smooth[at][g][1] for at in used)
        least = min(effective_draws(smooth[at][g][0]) for at in used)
        answers.append(_joined(rng.permutation(np.concatenate(parts)), full, least, tail))
    first = [weights for weights, _ in smooth[0]]
    parameters = [
        _parameters(density, drawn[0].theta[k - 1 :, g], first[g], label, mixtures.tracers)
        for g, label in enumerate(mixtures.labels)
    ]
    return (
        _tabulate(answers, sources, mixtures),
        np.array([answer.draws for answer in answers]),
        pd.concat(parameters, ignore_index=True),
    )


def _joined(rows: NDArray[Any], full: Floats, effective: float, tail: float) -> _Answer:
    """Summarise the sets together; an interval also holds the middle 90 % of the full set."""
    low, high = np.quantile(rows, [0.025, 0.975], axis=0)
    inner_low, inner_high = np.quantile(full, [0.05, 0.95], axis=0)
    return _Answer(
        rows,
        rows.mean(axis=0),
        rows.std(axis=0),
        np.minimum(low, inner_low),
        np.maximum(high, inner_high),
        effective,
        tail,
    ).checked()


def _log_mean(values: Floats) -> float:
    top = float(values.max())
    if not np.isfinite(top):
        return -np.inf
    return top + float(np.log(np.exp(values - top).mean()))


def _tabulate(answers: list[_Answer], sources: Composition, mixtures: Composition) -> pd.DataFrame:
    parts = []
    for g, (label, answer) in enumerate(zip(mixtures.labels, answers, strict=True)):
        values = {
            "fraction": answer.mean,
            "sd": answer.sd,
            "low": answer.low,
            "median": np.median(answer.draws, axis=0),
            "high": answer.high,
            "n": int(mixtures.n[g].max()),
            "effective_draws": answer.effective,
            "pareto_k": answer.tail,
            "status": answer.status,
        }
        parts.append(pd.DataFrame({"mixture": label, "source": sources.labels} | values))
    table = pd.concat(parts, ignore_index=True)
    table.attrs["units"] = dict.fromkeys(("fraction", "sd", "low", "median", "high"), "1")
    return table


def _misfit(sources: Composition, mixtures: Composition) -> list[str]:
    """Say which mixtures lie off what few sources can make, by χ² of their distance from it."""
    from scipy.special import chdtrc

    each = replace(sources, n=np.ones_like(sources.n))  # a mixture may have taken one sample
    found = mix_closed_form(each, mixtures).data.drop_duplicates("mixture")
    free = len(sources.tracers) - len(sources) + 1
    chance = chdtrc(free, found["distance"].to_numpy() ** 2)
    off = found[chance < _MISFIT]
    if off.empty:
        return []
    worst = off.sort_values("distance").iloc[-1]
    return [
        f"{len(off)} of {len(found)} mixtures do not fit: no mixture of these sources comes nearer "
        f"than {worst['distance']:.1f} standard deviations to {worst['mixture']} "
        f"(p < {_MISFIT:g}). "
        "A source is missing, or the water has evaporated or was mislabelled; their fractions mean "
        "little."
    ]


def unmoved(
    fractions: Any, prior: FractionPrior, labels: tuple[str, ...], rng: np.random.Generator
) -> tuple[str, ...]:
    """Name the groups whose posterior is the prior: their samples said nothing.

    Parameters
    ----------
    fractions : array of shape (G, S, K)
        Draws of the posterior [1]; NaN where there are none.
    prior : FractionPrior
        Of the fractions.
    labels : sequence of str
        Names of the groups.
    rng : Generator
        Random numbers.

    Returns
    -------
    tuple of str
        One sentence, or none.

    Examples
    --------
    >>> from headwater.isotopes.mixing.priors import dirichlet_prior
    >>> prior, rng = dirichlet_prior([1, 1]), np.random.default_rng(0)
    >>> unmoved(prior.draw(900, rng)[None], prior, ("June",), rng)
    ('The posterior of June is the prior: the samples say nothing about the fractions. ...',)
    """
    before = prior.draw(4000, rng)
    mean, sd = before.mean(axis=0), before.std(axis=0)
    still = (np.abs(fractions.mean(axis=1) - mean) < _MOVED * sd).all(axis=1)
    still &= (fractions.std(axis=1) > _NARROWED * sd).all(axis=1)
    named = [label for label, same in zip(labels, still, strict=True) if same]
    if not named:
        return ()
    more = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return (
        f"The posterior of {', '.join(named[:4])}{more} is the prior: the samples say nothing "
        "about the fractions. Take more samples, or state what scatters them.",
    )


def _parameters(
    density: Likelihood, u: NDArray[Any], weights: Floats, label: str, tracers: tuple[str, ...]
) -> pd.DataFrame:
    if density.full:
        variance = [density.residual_covariance(u[:, None], j, j)[0] for j in range(len(tracers))]
        values = np.sqrt(np.array(variance))
    elif density.residual == "process":
        return pd.DataFrame(columns=["mixture", "tracer", "parameter", "mean", "sd"])
    ratio = density.residual == "process_residual"
    if not density.full:
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


def _choices(density: Likelihood, mixtures: Composition, model: _Model) -> tuple[str, ...]:
    said = [
        f"prior of the fractions: {density.prior.describe()}",
        "means of the sources " + ("uncertain, s²/n" if model.source_error else "taken as exact"),
        "tracers " + ("correlated as in the sources" if density.correlated else "independent"),
    ]
    if density.full:
        expected = np.sqrt(np.square(density.root).sum(axis=1))
        pairs = zip(mixtures.tracers, expected, strict=True)
        said.append("residual expected at " + ", ".join(f"{t} ± {s:.2g}" for t, s in pairs))
    if density.concentration is not None:
        said.append("concentrations of the sources taken into account (Phillips and Koch 2002)")
    if density.residual == "simmr":
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
            f"{k} sources cannot be distinguished with {t} tracers: the prior decides "
            "how what they share is split. Read the fractions next to their feasible bounds, and "
            "join sources to check."
        )
    if k >= t + 1:
        test = polygon_test(sources, mixtures, rng=rng, n_resamples=400)
        said += list(test.cautions)
    if k <= t:
        said += _misfit(sources, mixtures)
    for status in (
        table.loc[table["status"] != "ok", ["mixture", "status"]].drop_duplicates().values
    ):
        said.append(f"{status[0]}: {status[1]}. {_ADVICE}.")
    return tuple(said)
