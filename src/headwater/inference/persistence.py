"""How large a statistic must be where values persist: tables made by simulation.

The autocorrelation of a short series is known badly, and the tail of a test rests on it. So the
tables (``persistence.csv``, made by ``benchmarks/calibrate_persistence.py``) say, for each number
of values and each lag-1 autocorrelation r1 that residuals can show, which statistic is reached by a
given share of AR(1) series without a trend or change, whatever their true φ from 0 to 0.6.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["SHORTEST_PERSISTENCE", "persistent_limit", "persistent_p", "smallest_persistent_p"]

SHORTEST_PERSISTENCE = 10
"""Fewest values [1] from which persistence can be allowed for."""

Statistic = Literal["kendall", "student", "pettitt"]


class _Table:
    """Limits of one statistic by number of values, level and r1, and how to read between them."""

    def __init__(self, statistic: Statistic) -> None:
        import pandas as pd

        with (files("headwater.inference") / "persistence.csv").open(encoding="utf-8") as lines:
            table = pd.read_csv(lines)
        own = table[table["statistic"] == statistic]
        knots = [name for name in own.columns if name not in {"statistic", "n", "level"}]
        self.statistic = statistic
        self.knots = np.array([float(name) for name in knots])
        self.levels = np.unique(own["level"])[::-1]
        self.n = np.unique(own["n"]).astype(float)
        # the last level that each number of values reaches
        self.last = np.array([own.loc[own["n"] == n, "level"].min() for n in self.n])
        self.limits = np.full((self.n.size, self.levels.size, self.knots.size), np.nan)
        for i, n in enumerate(self.n):
            part = own[own["n"] == n].sort_values("level", ascending=False)
            self.limits[i, : len(part)] = np.log(part[knots].to_numpy())

    def floor(self, n: float) -> float:
        """Smallest level that is known for n values: that of the next shorter series tabulated."""
        place = int(np.searchsorted(self.n, n, side="right")) - 1
        return float(self.last[max(place, 0)])

    def of(self, n: float, r1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levels that are known for n values, and their limits, (level, cell)."""
        known = self.levels >= self.floor(n) * 0.999
        limits = self._at(n)[known]
        inside = np.clip(r1, self.knots[0], self.knots[-1])
        found = np.stack([np.interp(inside, self.knots, row) for row in limits])
        return self.levels[known], np.exp(found)

    def _at(self, n: float) -> np.ndarray:
        """Limits between tabulated numbers of values, linear in 1/√n, the last for infinity."""
        nodes = 1.0 / np.sqrt(self.n)
        place = 1.0 / np.sqrt(max(n, self.n[0]))
        if n > self.n[-1]:
            share = place / nodes[-1]
            far: np.ndarray = share * self.limits[-1] + (1.0 - share) * self._of_infinitely_many()
            return far
        i = int(np.clip(np.searchsorted(-nodes, -place), 1, self.n.size - 1))
        share = (place - nodes[i]) / (nodes[i - 1] - nodes[i])
        low, high = self.limits[i - 1], self.limits[i]
        between = np.where(np.isnan(high), low, share * low + (1.0 - share) * high)
        known: np.ndarray = np.where(np.isnan(low), high, between)
        return known

    def _of_infinitely_many(self) -> np.ndarray:
        """Where r1 is known: the usual limit times the standard deviation that it gives."""
        from scipy.special import ndtri

        r = np.clip(self.knots, -0.5, 0.95)
        if self.statistic == "kendall":
            k = np.arange(1, 400)[:, None]
            factor = 1.0 + 12.0 / np.pi * np.arcsin(0.5 * r**k).sum(axis=0)
        else:
            factor = (1.0 + r) / (1.0 - r)
        usual = -ndtri(self.levels / 2.0)
        if self.statistic == "pettitt":
            usual = np.sqrt(np.log(2.0 / self.levels))
        found: np.ndarray = np.log(usual)[:, None] + 0.5 * np.log(factor)
        return found


@cache
def _table(statistic: Statistic) -> _Table:
    return _Table(statistic)


def persistent_p(statistic: Statistic, value: ArrayLike, r1: ArrayLike, n: ArrayLike) -> Any:
    """p-value of a statistic of AR(1) series whose persistence is only known from residuals.

    Parameters
    ----------
    statistic : {"kendall", "student", "pettitt"}
        Z of Mann-Kendall with the variance of independent values; t of a least-squares slope with
        the standard error of independent residuals; or ``K √(6/(n³ + n²))`` of Pettitt.
    value : array-like
        Of the statistic [1], with or without sign.
    r1 : array-like
        Lag-1 autocorrelation of residuals from the line or the step, as estimated [1].
    n : array-like
        Number of values [1].

    Returns
    -------
    array
        p [1], never below :func:`smallest_persistent_p`; NaN where value or r1 is NaN or n < 10.

    Notes
    -----
    Between tabulated levels the normal quantile of p is linear in the statistic. Persistence above
    φ = 0.6, or other than AR(1), makes p too small: docs/limits.md.

    Examples
    --------
    >>> p = persistent_p("kendall", [2.0, 2.0], [0.0, 0.4], 40)
    >>> bool(0.04 < p[0] < 0.12), bool(p[1] > 0.15)
    (True, True)
    """
    from scipy.special import ndtr, ndtri

    value, r1, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (value, r1, n)))
    size = np.abs(value).ravel()
    found = np.full(size.shape, np.nan)
    for own_n in np.unique(n[n >= SHORTEST_PERSISTENCE]):
        here = np.flatnonzero((n == own_n).ravel())
        levels, limits = _table(statistic).of(own_n, r1.ravel()[here])
        normal = np.concatenate([[0.0], -ndtri(levels / 2.0)])
        limits = np.concatenate([np.zeros((1, here.size)), limits])
        place = np.clip((size[here] >= limits).sum(axis=0), 1, len(limits) - 1)
        cell = np.arange(here.size)
        low, high = limits[place - 1, cell], limits[place, cell]
        part = np.clip((size[here] - low) / (high - low), 0.0, 1.0)
        found[here] = 2.0 * ndtr(-(normal[place - 1] + part * (normal[place] - normal[place - 1])))
    found[np.isnan(size) | np.isnan(r1.ravel())] = np.nan
    return found.reshape(value.shape)[()]


def persistent_limit(statistic: Statistic, level: float, r1: ArrayLike, n: ArrayLike) -> Any:
    """Size of a statistic that chance exceeds with probability 1 - level; for intervals.

    Parameters
    ----------
    statistic : {"kendall", "student", "pettitt"}
        As in :func:`persistent_p`.
    level : float
        Of confidence [1], two-sided.
    r1, n : array-like
        As in :func:`persistent_p`.

    Returns
    -------
    array
        Limit [1]; NaN where n < 10 or r1 is NaN. Beyond the smallest p that n values can show,
        that of the smallest.

    Examples
    --------
    >>> bool(persistent_limit("kendall", 0.95, 0.3, 40) > 1.96)
    True
    """
    from scipy.special import ndtri

    r1, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (r1, n)))
    found = np.full(r1.size, np.nan)
    wanted = -ndtri((1.0 - level) / 2.0)
    for own_n in np.unique(n[n >= SHORTEST_PERSISTENCE]):
        here = np.flatnonzero((n == own_n).ravel())
        levels, limits = _table(statistic).of(own_n, r1.ravel()[here])
        normal = np.concatenate([[0.0], -ndtri(levels / 2.0)])
        limits = np.concatenate([np.zeros((1, here.size)), limits])
        found[here] = [np.interp(wanted, normal, column) for column in limits.T]
    found[np.isnan(r1.ravel())] = np.nan
    return found.reshape(r1.shape)[()]


def smallest_persistent_p(statistic: Statistic, n: ArrayLike) -> Any:
    """Smallest p-value that the tables give for n values.

    Parameters
    ----------
    statistic : {"kendall", "student", "pettitt"}
        As in :func:`persistent_p`.
    n : array-like
        Number of values [1].

    Returns
    -------
    array
        p [1]; NaN where n < 10. Further out the tail could not be held to its level whatever φ.

    Examples
    --------
    >>> bool(smallest_persistent_p("kendall", 15) > smallest_persistent_p("kendall", 60))
    True
    """
    n = np.asarray(n, dtype=float)
    table = _table(statistic)
    floors = [table.floor(one) if one >= SHORTEST_PERSISTENCE else np.nan for one in n.ravel()]
    return np.array(floors).reshape(n.shape)[()]
