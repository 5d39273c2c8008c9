"""What each source contributes by group, from a posterior whose groups share what they can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from headwater.errors import DataError, InputError, nearest
from headwater.isotopes.mixing.hierarchical import HierarchicalPosterior
from headwater.isotopes.mixing.results import MixingPosterior

__all__ = ["contribution_draws", "hierarchical_contributions"]


def contribution_draws(
    posterior: MixingPosterior, *, by: Sequence[str] | None = None
) -> tuple[pd.DataFrame, Any]:
    """Draw the fractions of groups together.

    Parameters
    ----------
    posterior : MixingPosterior
        A hierarchical fit, or groups by themselves, whose only column is ``mixture``.
    by : sequence of str, optional
        Columns of the effects that make the groups; all of them by default, none for all samples
        together.

    Returns
    -------
    groups : DataFrame
        One row per group: the columns of `by`, and ``n`` samples.
    draws : array of shape (G, S, K)
        Equally weighted draws [1]. Draw s of one group belongs to draw s of another, so that
        differences between groups may be taken draw by draw.

    Raises
    ------
    InputError
        If a column is not an effect of the fit; its effects are named.

    Notes
    -----
    Where a group holds several cells of the fit, each draw is their mean, weighted by their number
    of samples: the fraction in the samples of the group, not in the whole of its place and time.

    Examples
    --------
    >>> table = pd.DataFrame({"mixture": ["a", "a"], "source": ["rain", "ice"], "n": 4})
    >>> post = MixingPosterior(table, "", draws=np.array([[[0.25, 0.75], [0.35, 0.65]]]))
    >>> groups, draws = contribution_draws(post)
    >>> groups.values.tolist(), draws[0, :, 0].tolist()
    ([['a', 4]], [0.25, 0.35])
    """
    if isinstance(posterior, HierarchicalPosterior):
        cells, n = posterior.cells.table, np.asarray(posterior.cells.n, dtype=float)
    else:
        rows = posterior.data.drop_duplicates("mixture")
        cells, n = rows[["mixture"]].reset_index(drop=True), rows["n"].to_numpy(dtype=float)
    names = list(cells.columns if by is None else by)
    for name in names:
        if name not in cells:
            raise InputError(
                "the fit has no such effect",
                found=f"'{name}'",
                do=nearest(name, [str(c) for c in cells.columns]),
            )
    keys = cells[names] if names else pd.DataFrame({"": 0}, index=cells.index)
    group = keys.groupby(list(keys.columns), sort=True, observed=True).ngroup().to_numpy()
    count = np.bincount(group, weights=n)
    share = np.zeros((len(count), len(cells)))
    share[group, np.arange(len(cells))] = n / count[group]
    first = np.unique(group, return_index=True)[1]
    groups = cells.loc[cells.index[first], names].reset_index(drop=True)
    return groups.assign(n=count.astype(int)), np.einsum("gc,csk->gsk", share, posterior.draws)


def hierarchical_contributions(
    posterior: HierarchicalPosterior, *, by: Sequence[str] | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Contribution of each source by group, from a hierarchical fit.

    Parameters
    ----------
    posterior : HierarchicalPosterior
        The fit.
    by : sequence of str, optional
        As for :func:`contribution_draws`.
    level : float
        Probability of the intervals [1].

    Returns
    -------
    DataFrame
        The columns of `by`, then ``source``, ``mean``, ``sd``, ``lower``, ``upper`` (equal tails),
        ``n`` and ``method``.

    Raises
    ------
    InputError
        If a column is not an effect of the fit.
    DataError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> from headwater.isotopes.mixing._hierarchy import Cells
    >>> cells = Cells(None, None, np.array([3.0, 1.0]), None, None, {}, {}, None,
    ...               pd.DataFrame({"month": [6, 9]}), ("d18O",), None, None)
    >>> table = pd.DataFrame({"mixture": list("aabb"), "source": ["rain", "ice"] * 2})
    >>> draws = np.array([[[0.2, 0.8], [0.4, 0.6]], [[0.6, 0.4], [0.8, 0.2]]])
    >>> post = HierarchicalPosterior(table, "", draws=draws, cells=cells)
    >>> hierarchical_contributions(post)["mean"].round(2).tolist()
    [0.3, 0.7, 0.7, 0.3]
    >>> hierarchical_contributions(post, by=[])["mean"].round(2).tolist()
    [0.4, 0.6]
    """
    if not 0.0 < level < 1.0:
        raise DataError(
            "the level of an interval lies between 0 and 1",
            found=f"{level:g}",
            do="Use 0.95 for 95 %",
        )
    groups, draws = contribution_draws(posterior, by=by)
    sources = list(dict.fromkeys(posterior.data["source"]))
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(draws, [tail, 1.0 - tail], axis=1)
    repeated = groups.loc[np.repeat(np.arange(len(groups)), len(sources))].reset_index(drop=True)
    table = repeated.drop(columns="n").assign(
        source=sources * len(groups),
        mean=draws.mean(axis=1).ravel(),
        sd=draws.std(axis=1).ravel(),
        lower=lower.ravel(),
        upper=upper.ravel(),
        n=repeated["n"],
        method="hierarchical",
    )
    table.attrs["units"] = dict.fromkeys(("mean", "sd", "lower", "upper"), "1")
    return table
