"""Can these sources make this mixture at all? Asked before any model is fitted."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes._arrays import Floats
from headwater.isotopes.mixing.bounds import basic_solutions
from headwater.isotopes.mixing.composition import Composition, check_sources, name_rows
from headwater.isotopes.mixing.results import Identifiability, PolygonTable
from headwater.results import of_inputs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["identifiability", "in_polygon", "polygon_test"]

_REFERENCES = (
    "Smith, Mazumder, Suttle & Baum (2013), To fit or not to fit: evaluating stable isotope mixing "
    "models using simulated mixing polygons, Methods Ecol. Evol. 4:612, "
    "doi:10.1111/2041-210X.12048",
)
_BLOCK = 200
_SPREADS = {"sample": "scatter of samples", "mean": "error of means"}


def in_polygon(sources: ArrayLike, mixtures: ArrayLike) -> Any:
    """Whether each mixture lies in the convex hull of the sources.

    Parameters
    ----------
    sources : array of shape (..., K, T)
        Corners; leading axes are polygons of their own. K at least T + 1.
    mixtures : array of shape (N, T)
        Points.

    Returns
    -------
    bool array of shape (..., N)

    Notes
    -----
    A point is in the hull exactly if it is in the simplex of some T + 1 of the corners.

    Examples
    --------
    >>> in_polygon([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [3.0, 3.0]]).tolist()
    [True, False]
    """
    s, y = np.asarray(sources, dtype=float), np.atleast_2d(np.asarray(mixtures, dtype=float))
    inside = np.zeros((*s.shape[:-2], len(y)), dtype=bool)
    for _, fractions in basic_solutions(y, s):
        inside |= (fractions >= -1e-9).all(axis=-1)
    return inside


@of_inputs
def polygon_test(
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    n_resamples: int = 1500,
    spread: Literal["sample", "mean"] = "sample",
) -> PolygonTable:
    """Probability that a mixture lies in the polygon of its sources.

    Parameters
    ----------
    sources : Composition
        The end members; at least tracers + 1.
    mixtures : Composition
        Samples or groups.
    rng : Generator
        Random numbers.
    n_resamples : int
        Number of simulated polygons.
    spread : {"sample", "mean"}
        Corners drawn from the scatter of samples (as Smith et al.), or from the error of means.

    Returns
    -------
    PolygonTable
        Below 0.05 a mixture lies outside the 95 % region: no fit can make it right.

    Raises
    ------
    DataError
        If there are fewer sources than tracers + 1, or one has no scatter.

    References
    ----------
    Smith et al. (2013), Methods Ecol. Evol. 4:612, doi:10.1111/2041-210X.12048.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-20.0, -10.0],
    ...                       "d18O_sd": [1.0, 1.0], "n": [50, 40]}), ["d18O"])
    >>> soil = compose_stated(pd.DataFrame({"source": ["a", "b"], "d18O": [-13.0, -4.0]}), ["d18O"])
    >>> polygon_test(ends, soil, rng=np.random.default_rng(0)).data["status"].tolist()
    ['inside', 'outside']
    """
    check_sources(sources)
    k, t = len(sources), len(sources.tracers)
    if k < t + 1:
        raise DataError(
            f"{k} sources make no polygon in {t} tracers",
            found=f"at least {t + 1} are needed",
            do="Look at the distance column of mix instead",
        )
    scatter = sources.covariance if spread == "sample" else sources.mean_covariance()
    lower = np.linalg.cholesky(scatter)
    whole = np.isfinite(mixtures.mean).all(axis=1)
    hits = np.zeros(len(mixtures))
    for start in range(0, n_resamples, _BLOCK):
        size = min(_BLOCK, n_resamples - start)
        corners = sources.mean + np.einsum("ktu,dku->dkt", lower, rng.normal(size=(size, k, t)))
        hits[whole] += in_polygon(corners, mixtures.mean[whole]).sum(axis=0)
    chance = np.where(whole, hits / n_resamples, np.nan)
    status = np.where(chance < 0.05, "outside", np.where(chance < 0.5, "at the edge", "inside"))
    status = np.where(whole, status, "a tracer is missing")
    rows = mixtures.rows or ((),) * len(mixtures)
    table = pd.DataFrame(
        {"mixture": mixtures.labels}
        | {name: mixtures.mean[:, j] for j, name in enumerate(mixtures.tracers)}
        | {"probability": chance, "status": status, "rows": [", ".join(map(str, r)) for r in rows]}
    )
    table.attrs["units"] = {"probability": "1"}
    return PolygonTable(
        table,
        f"Share of {n_resamples} simulated mixing polygons that hold the mixture (Smith et al. "
        "2013).",
        _REFERENCES,
        choices=(f"corners drawn from the {_SPREADS[spread]}",),
        cautions=_cautions(table, mixtures),
    )


def _cautions(table: pd.DataFrame, mixtures: Composition) -> tuple[str, ...]:
    outside = list(table.loc[table["status"] == "outside", "mixture"])
    if not outside:
        return ()
    rows = [
        row
        for label in outside
        if mixtures.rows
        for row in mixtures.rows[mixtures.labels.index(label)]
    ]
    named = name_rows(rows) or ": " + ", ".join(outside[:8])
    return (
        f"{len(outside)} of {len(table)} mixtures lie outside 95 % of the polygons that their "
        f"sources can make{named}. A source is missing, or the water has "
        "evaporated or was mislabelled; their fractions mean little.",
    )


@of_inputs
def identifiability(sources: Composition, mixtures: Composition) -> Identifiability:
    """Report how well sources can be distinguished, before anything is fitted.

    Parameters
    ----------
    sources : Composition
        The end members.
    mixtures : Composition
        Samples or groups.

    Returns
    -------
    Identifiability
        Printing it gives the sentences.

    Raises
    ------
    DataError
        If a source cannot be used.

    Notes
    -----
    The condition number is that of the sources' differences in units of their pooled scatter;
    separation is the Mahalanobis distance of two sources; the error of a fraction is the
    first-order standard error for one sample, at equal fractions.

    Examples
    --------
    >>> from headwater.isotopes.mixing.composition import compose_stated
    >>> ends = compose_stated(pd.DataFrame({"source": ["rain", "ice"], "d18O": [-20.0, -10.0],
    ...                       "d18O_sd": [1.0, 1.0], "n": [50, 40]}), ["d18O"])
    >>> soil = compose_stated(pd.DataFrame({"source": ["a"], "d18O": [-13.0]}), ["d18O"])
    >>> print(identifiability(ends, soil))
    2 sources and 1 tracer: the fractions have one answer.
    rain and ice are the nearest sources, 10.0 standard deviations apart: well separated.
    The sources spread alike in all directions (condition number 1.0).
    1 of 1 mixtures lies inside the polygon of the sources.
    One sample splits its sources to within ± 0.07 (standard error).
    """
    check_sources(sources)
    pooled = sources.covariance.mean(axis=0)
    white = sources.mean @ np.linalg.inv(np.linalg.cholesky(pooled)).T
    rows = [_count(sources), _separation(sources, white), _condition(white)]
    if len(sources) >= len(sources.tracers) + 1:
        rows.append(_hull(sources, mixtures))
    if len(sources) <= len(sources.tracers) + 1:
        rows.append(_error(sources, white))
    table = pd.DataFrame(rows, columns=["measure", "value", "verdict", "sentence"])
    table.attrs["units"] = {"value": "1"}
    return Identifiability(
        table,
        "Whether the tracers distinguish the sources: separation, condition, hull share and "
        "error of one sample.",
        (),
        cautions=tuple(table.loc[table["verdict"] == "bad", "sentence"]),
    )


def _grade(value: float, good: float, bad: float) -> str:
    if good > bad:
        return "good" if value >= good else "weak" if value >= bad else "bad"
    return "good" if value <= good else "weak" if value <= bad else "bad"


def _count(sources: Composition) -> tuple[str, float, str, str]:
    k, t = len(sources), len(sources.tracers)
    said = f"{k} sources and {t} tracer{'s' if t > 1 else ''}: "
    if k > t + 1:
        return (
            "tracers lacking",
            k - 1 - t,
            "bad",
            said + "the fractions have many answers; only their range follows from the data.",
        )
    if k == t + 1:
        return "tracers lacking", 0, "good", said + "the fractions have one answer."
    return (
        "tracers lacking",
        k - 1 - t,
        "good",
        said + "more than needed, so that the misfit tests the model.",
    )


def _separation(sources: Composition, white: Floats) -> tuple[str, float, str, str]:
    pairs = list(combinations(range(len(sources)), 2))
    gaps = [float(np.linalg.norm(white[i] - white[j])) for i, j in pairs]
    nearest = int(np.argmin(gaps))
    i, j = pairs[nearest]
    verdict = _grade(gaps[nearest], 3.0, 1.5)
    words = {
        "good": "well separated",
        "weak": "they overlap, their split is unsure",
        "bad": "one cannot be distinguished from the other; join them",
    }[verdict]
    return (
        "separation",
        gaps[nearest],
        verdict,
        f"{sources.labels[i]} and {sources.labels[j]} are the nearest sources, "
        f"{gaps[nearest]:.1f} standard deviations apart: {words}.",
    )


def _condition(white: Floats) -> tuple[str, float, str, str]:
    values = np.linalg.svd(white - white.mean(axis=0), compute_uv=False)
    rank = min(len(white) - 1, white.shape[1])
    number = float(values[0] / max(values[rank - 1], 1e-12))
    verdict = _grade(number, 4.0, 15.0)
    words = {
        "good": "The sources spread alike in all directions",
        "weak": "The sources lie in a narrow band: fractions of the middle ones are unsure",
        "bad": "The sources lie almost on one line: a small error changes everything",
    }[verdict]
    return "condition number", number, verdict, f"{words} (condition number {number:.1f})."


def _hull(sources: Composition, mixtures: Composition) -> tuple[str, float, str, str]:
    whole = np.isfinite(mixtures.mean).all(axis=1)
    inside = int(in_polygon(sources.mean, mixtures.mean[whole]).sum()) if whole.any() else 0
    total = int(whole.sum())
    share = inside / total if total else float("nan")
    verdict = _grade(share, 0.9, 0.5)
    tail = "" if verdict == "good" else "; look for a missing source or evaporation"
    return (
        "hull share",
        share,
        verdict,
        f"{inside} of {total} mixtures "
        f"{'lies' if inside == 1 else 'lie'} inside the polygon of the sources{tail}.",
    )


def _error(sources: Composition, white: Floats) -> tuple[str, float, str, str]:
    from headwater.isotopes.mixing.closed_form import fraction_sd

    k, t = white.shape
    equal = np.full((1, k), 1.0 / k)
    sd = fraction_sd(
        sources.mean,
        equal,
        mixture_covariance=(equal**2 @ sources.covariance.reshape(k, -1)).reshape(t, t),
        source_covariance=sources.mean_covariance(),
    )
    worst = float(sd.max())
    return (
        "error of one sample",
        worst,
        _grade(worst, 0.15, 0.3),
        f"One sample splits its sources to within ± {worst:.2f} (standard error).",
    )
