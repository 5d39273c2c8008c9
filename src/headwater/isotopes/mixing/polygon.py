"""Can these sources make this mixture at all? Asked before any model is fitted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from headwater.errors import DataError
from headwater.isotopes.mixing._simplex import basic_solutions
from headwater.isotopes.mixing.composition import Composition, check_sources, name_rows
from headwater.isotopes.mixing.results import PolygonTable
from headwater.results import fingerprint

__all__ = ["in_polygon", "polygon_test"]

_REFERENCES = (
    "Smith, Mazumder, Suttle & Baum (2013), To fit or not to fit: evaluating stable isotope mixing "
    "models using simulated mixing polygons, Methods Ecol. Evol. 4:612, "
    "doi:10.1111/2041-210X.12048",
)
_BLOCK = 200
_SPREADS = {"sample": "scatter of samples", "mean": "error of means"}


def in_polygon(sources: Any, mixtures: Any) -> Any:
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


def polygon_test(
    sources: Composition,
    mixtures: Composition,
    *,
    rng: np.random.Generator,
    draws: int = 1500,
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
    draws : int
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
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        corners = sources.mean + np.einsum("ktu,dku->dkt", lower, rng.normal(size=(size, k, t)))
        hits[whole] += in_polygon(corners, mixtures.mean[whole]).sum(axis=0)
    chance = np.where(whole, hits / draws, np.nan)
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
        f"Share of {draws} simulated mixing polygons that hold the mixture (Smith et al. 2013).",
        _REFERENCES,
        fingerprint(sources.mean, sources.covariance, mixtures.mean, draws),
        (f"corners drawn from the {_SPREADS[spread]}",),
        _cautions(table, mixtures),
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
