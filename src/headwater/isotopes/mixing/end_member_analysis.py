"""End-member mixing analysis: how many sources the data ask for, and which could be they."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.bounds import project
from headwater.isotopes.mixing.closed_form import simplex_fractions
from headwater.isotopes.mixing.composition import name_rows
from headwater.isotopes.mixing.results import EmmaResult
from headwater.isotopes.mixing.source_checks import in_polygon
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from headwater.isotopes.mixing.composition import Composition

__all__ = [
    "MixingSpace",
    "archetypes",
    "emma",
    "hooper_diagnostics",
    "mixing_space",
    "screen_hull",
    "screen_sources",
]

_REFERENCES = (
    "Christophersen & Hooper (1992), Multivariate analysis of stream water chemical data, Water "
    "Resour. Res. 28:99, doi:10.1029/91WR02518",
    "Hooper (2003), Diagnostic tools for mixing models of stream water chemistry, Water Resour. "
    "Res. 39:1055, doi:10.1029/2002WR001528",
)


@dataclass(frozen=True, slots=True, eq=False)
class MixingSpace:
    """Principal components of mixtures.

    Attributes
    ----------
    tracers : tuple of str
        P of them.
    centre, scale : array of shape (P,)
        By which the data are standardised (scale 1 for a covariance analysis).
    eigenvalues : array of shape (P,)
        Largest first.
    vectors : array of shape (P, P)
        One component per row.
    """

    tracers: tuple[str, ...]
    centre: Any
    scale: Any
    eigenvalues: Any
    vectors: Any

    def scores(self, values: ArrayLike, rank: int) -> Any:
        """Return the place of waters in the space of `rank` components, (N, rank)."""
        return (np.asarray(values, dtype=float) - self.centre) / self.scale @ self.vectors[:rank].T

    def restore(self, scores: Any) -> Any:
        """Return the tracers of places in the space, (N, P)."""
        return scores @ self.vectors[: scores.shape[-1]] * self.scale + self.centre


def mixing_space(
    samples: pd.DataFrame, tracers: Iterable[str], *, correlation: bool = True
) -> MixingSpace:
    """Principal components of the mixtures.

    Parameters
    ----------
    samples : DataFrame
        Mixtures with all tracers.
    tracers : iterable of str
        Columns.
    correlation : bool
        Standardise first, as Christophersen & Hooper; else only centre.

    Returns
    -------
    MixingSpace

    Raises
    ------
    DataError
        If a column is missing, a value is missing, a tracer is constant, or there are fewer
        samples than tracers + 1.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 4, 6.1]})
    >>> mixing_space(frame, ["a", "b"]).eigenvalues.round(2).tolist()
    [2.0, 0.0]
    """
    names = tuple(tracers)
    values = _checked(samples, names)
    centre = values.mean(axis=0)
    scale = values.std(axis=0, ddof=1) if correlation else np.ones(len(names))
    standard = (values - centre) / scale
    eigenvalues, vectors = np.linalg.eigh(standard.T @ standard / (len(values) - 1))
    return MixingSpace(names, centre, scale, np.maximum(eigenvalues[::-1], 0.0), vectors.T[::-1])


def _checked(samples: pd.DataFrame, names: tuple[str, ...]) -> Any:
    lacking = [name for name in names if name not in samples]
    if lacking:
        raise DataError(
            "no such tracer",
            found=", ".join(lacking),
            do=f"Columns: {', '.join(map(str, samples.columns))}",
        )
    values = samples[list(names)].to_numpy(dtype=float)
    holes = [int(row) for row in samples.index[~np.isfinite(values).all(axis=1)]]
    if holes:
        raise DataError(
            f"EMMA needs every tracer of every sample{name_rows(holes)}",
            found=f"{len(holes)} incomplete samples",
            do="Leave out these samples, or the tracer they lack",
        )
    if len(values) < len(names) + 1:
        raise DataError(
            "too few samples for EMMA",
            found=f"{len(values)} samples of {len(names)} tracers",
            do="Use fewer tracers",
        )
    flat = [name for name, sd in zip(names, values.std(axis=0), strict=True) if sd == 0.0]
    if flat:
        raise DataError(
            "a tracer is the same in all samples", found=", ".join(flat), do="Leave it out"
        )
    return values


@of_inputs
def emma(
    samples: pd.DataFrame,
    tracers: Iterable[str],
    *,
    rng: np.random.Generator,
    correlation: bool = True,
    cumulative: float = 0.9,
    n_resamples: int = 200,
) -> EmmaResult:
    """How many end members the mixtures ask for, by four criteria and by their residuals.

    Parameters
    ----------
    samples : DataFrame
        Mixtures with all tracers.
    tracers : iterable of str
        Columns.
    rng : Generator
        Random numbers, for parallel analysis.
    correlation : bool
        As for :func:`mixing_space`.
    cumulative : float
        Share of variance that the second criterion asks for [1].
    n_resamples : int
        Of noise, for parallel analysis.

    Returns
    -------
    EmmaResult
        Ranks; end members are rank + 1.

    Raises
    ------
    DataError
        As for :func:`mixing_space`.

    Notes
    -----
    Rule of one: eigenvalues above their mean. Cumulative variance. Broken stick: shares above
    those of a stick broken at random. Parallel analysis (Horn): eigenvalues above the 95th
    percentile of noise of the same shape, counted until the first that is not. Residual structure
    (Hooper): the lowest rank at which no tracer's residuals depend on its concentration, with
    Holm's adjustment; trifling dependence becomes significant with many samples.

    References
    ----------
    Christophersen & Hooper (1992), Water Resour. Res. 28:99, doi:10.1029/91WR02518. Hooper (2003),
    Water Resour. Res. 39:1055, doi:10.1029/2002WR001528. Horn (1965), Psychometrika 30:179,
    doi:10.1007/BF02289447.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mixed = rng.dirichlet([1, 1, 1], 80) @ rng.uniform(0, 9, (3, 5))
    >>> frame = pd.DataFrame(mixed + rng.normal(0, 0.05, (80, 5)), columns=list("abcde"))
    >>> emma(frame, list("abcde"), rng=rng).ranks["parallel analysis"]
    2
    """
    space = mixing_space(samples, tracers, correlation=correlation)
    values, p = samples[list(space.tracers)].to_numpy(dtype=float), len(space.tracers)
    share = space.eigenvalues / space.eigenvalues.sum()
    stick = np.array([np.sum(1.0 / np.arange(k, p + 1)) / p for k in range(1, p + 1)])
    noise = _noise(space, len(values), correlation, n_resamples, rng)
    fit = hooper_diagnostics(space, values)
    ranks = {
        "rule of one": int((space.eigenvalues > space.eigenvalues.mean()).sum()),
        "cumulative variance": int(np.searchsorted(np.cumsum(share), cumulative - 1e-12) + 1),
        "broken stick": _leading(share > stick),
        "parallel analysis": _leading(space.eigenvalues > noise),
        "residual structure": _structure_rank(fit, p),
    }
    table = pd.DataFrame(
        {
            "component": np.arange(1, p + 1),
            "eigenvalue": space.eigenvalues,
            "explained": share,
            "cumulative": np.cumsum(share),
            "broken_stick": stick,
            "parallel": noise,
        }
    )
    scores = pd.DataFrame(
        space.scores(values, min(p, 3)),
        index=samples.index,
        columns=[f"U{i}" for i in range(1, min(p, 3) + 1)],
    )
    return EmmaResult(
        table,
        f"End-member mixing analysis of the {'correlation' if correlation else 'covariance'} "
        f"matrix of {p} tracers, n = {len(values)}.",
        _REFERENCES,
        choices=_choices(cumulative, n_resamples),
        cautions=_cautions(ranks, p),
        ranks=ranks,
        fit=fit,
        scores=scores,
    )


def _noise(
    space: MixingSpace, n: int, correlation: bool, n_resamples: int, rng: np.random.Generator
) -> Any:
    drawn = rng.standard_normal((n_resamples, n, len(space.tracers)))
    drawn -= drawn.mean(axis=1, keepdims=True)
    sd = np.sqrt(np.diagonal(space.vectors.T * space.eigenvalues @ space.vectors))
    drawn = drawn / drawn.std(axis=1, ddof=1, keepdims=True) if correlation else drawn * sd
    values = np.linalg.eigvalsh(np.swapaxes(drawn, 1, 2) @ drawn / (n - 1))[:, ::-1]
    return np.quantile(values, 0.95, axis=0)


def _leading(above: Floats) -> int:
    return int(len(above) if above.all() else np.argmin(above))


def _structure_rank(fit: pd.DataFrame, p: int) -> int:
    for rank in range(1, p):
        if fit.loc[fit["rank"] == rank, "p"].min() * p > 0.05:
            return rank
    return p


def _choices(cumulative: float, n_resamples: int) -> tuple[str, ...]:
    return (
        f"cumulative variance: {cumulative:g}",
        f"parallel analysis: {n_resamples} simulations",
    )


def _cautions(ranks: dict[str, int], p: int) -> tuple[str, ...]:
    said = []
    if p <= 2:
        said.append(
            "Two tracers cannot show how many end members there are: any three sources that "
            "enclose the samples fit exactly, and no residual is left to test them. This is plain "
            "mixing, not an end-member mixing analysis; add solutes or electrical conductivity."
        )
    found = {name: rank for name, rank in ranks.items() if name != "residual structure"}
    if len(set(found.values())) > 1:
        ranks_said = ", ".join(f"{name} {rank}" for name, rank in found.items())
        said.append(f"The criteria disagree about the rank: {ranks_said}.")
    if ranks["residual structure"] > max(found.values()):
        said.append(
            f"Residuals depend on the concentration up to rank {ranks['residual structure'] - 1}: "
            "a tracer is not conservative, or an end member is missing or changes with time."
        )
    return tuple(said)


def hooper_diagnostics(space: MixingSpace, values: ArrayLike) -> pd.DataFrame:
    """Fit of the mixtures by rank: bias, error and structure of the residuals of each tracer.

    Parameters
    ----------
    space : MixingSpace
        From :func:`mixing_space`.
    values : array of shape (N, P)
        The mixtures.

    Returns
    -------
    DataFrame
        ``rank``, ``tracer``, ``bias`` [%], ``rrmse`` [%], ``rmse_over_mean`` [%], ``r2`` and ``p``
        of the regression of the residual on the concentration.

    Notes
    -----
    ``RB = Σ(x̂ - x) / (n x̄)``, ``RRMSE = √Σ(x̂ - x)² / (n x̄)`` (this normalisation recalled,
    unchecked), and ``√(Σ(x̂ - x)²/n) / x̄`` next to it, all of ``|x̄|``.

    References
    ----------
    Hooper (2003), Water Resour. Res. 39:1055, doi:10.1029/2002WR001528.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1.0, 2, 3, 5], "b": [2.0, 4, 6.1, 9], "c": [1.0, 0, 2, 1]})
    >>> fit = hooper_diagnostics(mixing_space(frame, list("abc")), frame.to_numpy())
    >>> fit.groupby("rank")["rmse_over_mean"].max().round(1).tolist()
    [62.8, 2.2]
    """
    from scipy.special import stdtr

    x = np.asarray(values, dtype=float)
    n, p = x.shape
    mean = np.abs(x.mean(axis=0))
    parts = []
    for rank in range(1, p):
        residual = space.restore(space.scores(x, rank)) - x
        square = np.square(residual).sum(axis=0)
        off = x - x.mean(axis=0)
        moved = residual - residual.mean(axis=0)
        power = np.square(off).sum(axis=0) * np.square(moved).sum(axis=0)
        r2 = np.square((off * moved).sum(axis=0)) / np.maximum(power, 1e-300)
        t = np.sqrt(r2 * (n - 2) / np.maximum(1.0 - r2, 1e-300))
        with np.errstate(divide="ignore", invalid="ignore"):
            percents = [
                100.0 * v / mean
                for v in (residual.mean(axis=0), np.sqrt(square) / n, np.sqrt(square / n))
            ]
        parts.append(
            pd.DataFrame(
                {
                    "rank": rank,
                    "tracer": space.tracers,
                    "bias": percents[0],
                    "rrmse": percents[1],
                    "rmse_over_mean": percents[2],
                    "r2": r2,
                    "p": 2.0 * stdtr(n - 2, -t),
                }
            )
        )
    columns = ["rank", "tracer", "bias", "rrmse", "rmse_over_mean", "r2", "p"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def screen_hull(
    space: MixingSpace, values: ArrayLike, candidates: pd.DataFrame, *, rank: int
) -> pd.DataFrame:
    """Which rank + 1 of the candidate end members enclose the mixtures best.

    Parameters
    ----------
    space : MixingSpace
        From :func:`mixing_space`.
    values : array of shape (N, P)
        The mixtures.
    candidates : DataFrame
        One row per end member, its name as index; the tracers as columns.
    rank : int
        Dimension of the mixing space.

    Returns
    -------
    DataFrame
        Best first: ``end_members``, ``inside`` (share of mixtures in their hull [1]), ``distance``
        (mean distance of the end members from the mixing space, in sd of the tracers),
        ``outside`` (mean squared distance of the mixtures from the hull).

    Raises
    ------
    DataError
        If there are fewer candidates than rank + 1.

    Examples
    --------
    >>> mixed = pd.DataFrame({"a": [1.0, 2, 3], "b": [3.0, 2, 1.1]})
    >>> ends = pd.DataFrame({"a": [0.0, 4, 2.1], "b": [4.0, 0, 2]}, index=["x", "y", "z"])
    >>> space = mixing_space(mixed, ["a", "b"])
    >>> screen_hull(space, mixed.to_numpy(), ends, rank=1)["end_members"].tolist()
    ['x + y', 'x + z', 'y + z']
    """
    ends = candidates[list(space.tracers)].to_numpy(dtype=float)
    if len(ends) < rank + 1:
        raise DataError(
            "too few candidate end members",
            found=f"{len(ends)}",
            do=f"Rank {rank} needs {rank + 1}",
        )
    places, waters = space.scores(ends, rank), space.scores(values, rank)
    off = np.sqrt(np.square((space.restore(places) - ends) / space.scale).mean(axis=1))
    rows = []
    for chosen in combinations(range(len(ends)), rank + 1):
        corner = places[list(chosen)]
        if np.linalg.matrix_rank(corner - corner[0], tol=1e-9) < rank:
            continue
        rows.append(
            {
                "end_members": " + ".join(str(candidates.index[i]) for i in chosen),
                "inside": float(in_polygon(corner, waters).mean()),
                "distance": float(off[list(chosen)].mean()),
                "outside": float(project(waters, corner)[1].mean()),
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values(["inside", "outside"], ascending=[False, True], ignore_index=True)


def screen_sources(
    mixtures: pd.DataFrame, found: EmmaResult, sources: Composition, *, rng: np.random.Generator
) -> dict[str, TableResult]:
    """Ask whether the sources enclose the mixtures, and what extremes the mixtures suggest.

    Parameters
    ----------
    mixtures : DataFrame
        With every tracer.
    found : EmmaResult
        Their end-member analysis, from :func:`emma`.
    sources : Composition
        As many end members as a study claims.
    rng : Generator
        For the search of archetypes.

    Returns
    -------
    dict of TableResult
        ``emma-screening`` (which sources enclose the mixtures) and ``emma-archetypes``.
    """
    names = list(sources.tracers)
    space, values = mixing_space(mixtures, names), mixtures[names].to_numpy(dtype=float)
    rank = min(len(sources), len(names)) - 1
    corners, shares = archetypes(space.scores(values, rank), rank + 1, rng=rng)
    extremes = pd.DataFrame(space.restore(corners), columns=names)
    extremes.insert(0, "archetype", [f"A{k}" for k in range(1, rank + 2)])
    extremes["mean_fraction"] = shares.mean(axis=0)
    candidates = pd.DataFrame(sources.mean, index=sources.labels, columns=names)
    hull = screen_hull(space, values, candidates, rank=rank)
    hull.attrs["units"] = {"inside": "1", "distance": "sd"}
    least = min(rank for name, rank in found.ranks.items() if name != "residual structure")
    missing = (
        f"Every criterion asks for {least + 1} end members or more; {len(sources)} are named: a "
        "source is missing.",
    )
    return {
        "emma-screening": TableResult(
            hull,
            f"Hull screening in {rank} dimensions: the share of mixtures that each set of sources "
            "encloses, and how far the sources lie from the space of the mixtures.",
            cautions=missing if least + 1 > len(sources) else (),
        ),
        "emma-archetypes": TableResult(
            extremes,
            f"Archetypes: the {rank + 1} extreme waters that the mixtures themselves suggest "
            "(Cutler and Breiman 1994).",
        ),
    }


def archetypes(
    values: ArrayLike,
    count: int,
    *,
    rng: np.random.Generator,
    rounds: int = 500,
    tolerance: float = 1e-8,
) -> tuple[Any, Any]:
    """Extreme waters that are themselves mixtures of samples and of which all samples are mixtures.

    Parameters
    ----------
    values : array of shape (N, P)
        Samples, in comparable units (scores of the mixing space, or standardised); P at least
        count - 1.
    count : int
        Number of archetypes.
    rng : Generator
        Chooses the first sample.
    rounds : int
        Most iterations.
    tolerance : float
        Relative fall of the misfit at which to stop.

    Returns
    -------
    corners : array of shape (count, P)
        The archetypes.
    fractions : array of shape (N, count)
        Of each sample [1].

    Raises
    ------
    DataError
        If there are more archetypes than dimensions + 1.

    Notes
    -----
    Alternates the samples' fractions (exact, on the simplex) with one projected-gradient step of
    the archetypes' own weights, from samples that lie far apart (furthest sum).

    References
    ----------
    Cutler & Breiman (1994), Archetypal analysis, Technometrics 36:338,
    doi:10.1080/00401706.1994.10485840.

    Examples
    --------
    >>> points = np.array([[0.0, 0], [4, 0], [0, 4], [1, 1], [1, 2]])
    >>> corners, _ = archetypes(points, 3, rng=np.random.default_rng(0))
    >>> sorted(corners.round(3).tolist())
    [[0.0, 0.0], [0.0, 4.0], [4.0, 0.0]]
    """
    x = np.asarray(values, dtype=float)
    if count > x.shape[1] + 1:
        raise DataError(
            f"{count} archetypes need {count - 1} dimensions",
            found=f"{x.shape[1]}",
            do="Ask for fewer, or keep more components",
        )
    weights = np.zeros((count, len(x)))
    weights[np.arange(count), _far_apart(x, count, rng)] = 1.0
    reach = np.linalg.norm(x - x.mean(axis=0), 2) ** 2
    before, centred, floor = np.inf, x - x.mean(axis=0), 1e-12 * float(reach)
    for _ in range(rounds):
        corners = weights @ centred
        fractions, off = project(centred, corners)
        misfit = float(off.sum())
        if before - misfit <= tolerance * max(misfit, floor):
            break
        before = misfit
        slope = fractions.T @ (fractions @ corners - centred) @ centred.T
        size = np.linalg.norm(fractions.T @ fractions, 2) * reach
        weights = _onto_simplex(weights - slope / size)
    corners = weights @ x
    return corners, simplex_fractions(corners, x)


def _far_apart(x: Floats, count: int, rng: np.random.Generator) -> list[int]:
    chosen = [int(np.argmax(np.linalg.norm(x - x[rng.integers(len(x))], axis=1)))]
    while len(chosen) < count:
        if len(chosen) == 1:
            away = np.linalg.norm(x - x[chosen[0]], axis=1)
        else:  # far from the flat through those chosen, so that they never lie on one line
            edges = (x[chosen[1:]] - x[chosen[0]]).T
            basis = np.linalg.qr(edges)[0]
            off = x - x[chosen[0]]
            away = np.linalg.norm(off - off @ basis @ basis.T, axis=1)
        chosen.append(int(np.argmax(away)))
    return chosen


def _onto_simplex(rows: NDArray[Any]) -> Any:
    """Nearest point of the probability simplex, row by row."""
    ordered = -np.sort(-rows, axis=1)
    sums = np.cumsum(ordered, axis=1) - 1.0
    count = np.arange(1, rows.shape[1] + 1)
    last = (ordered - sums / count > 0.0).sum(axis=1) - 1
    level = sums[np.arange(len(rows)), last] / (last + 1.0)
    return np.maximum(rows - level[:, None], 0.0)
