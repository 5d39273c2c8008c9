"""Partitions of a factor laid out along its sorted units, so that many can be scored at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headwater.detector.breaks import BreakProgramme, effective_breaks
from headwater.detector.peer_breaks import Style, styled_rule
from headwater.detector.strata import Strata
from headwater.errors import DataError

__all__ = ["Candidate", "LIMITS", "Layout", "Scores", "lay_out_strata", "lay_out_values"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

LIMITS = 1000
"""How many places the rule "optimal" tries within a search."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One partition that a search tries.

    Attributes
    ----------
    method : str
        Rule.
    k : int
        Number of classes asked for.
    ends : ndarray of int, shape (strata + 1,)
        Where the classes begin and end along the sorted units.
    breaks : tuple of float
        Limits from lowest to highest; empty for categories.
    refused : str
        Why it cannot be chosen; empty where it can.
    """

    method: str
    k: int
    ends: Places
    breaks: tuple[float, ...] = ()
    refused: str = ""

    @property
    def n(self) -> Places:
        """Units in each class."""
        sizes: Places = np.diff(self.ends)
        return sizes


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Measures of candidates, each of shape (responses, candidates) [1]."""

    q: Floats
    q_adjusted: Floats
    q_cv: Floats

    def joined(self, other: Scores) -> Scores:
        """Put further candidates next to these.

        Parameters
        ----------
        other : Scores
            Of the same responses.

        Returns
        -------
        Scores
        """
        names = ("q", "q_adjusted", "q_cv")
        return Scores(*(np.hstack([getattr(self, name), getattr(other, name)]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Candidates that are runs of one order of the units.

    Attributes
    ----------
    order : ndarray of int, shape (m,)
        Units that have the factor and the response, sorted by the factor.
    candidates : tuple of Candidate
        What is tried.
    programme : BreakProgramme or None
        Present where the rule "optimal" is tried, whose breaks depend on the response.
    """

    order: Places
    candidates: tuple[Candidate, ...]
    programme: BreakProgramme | None = None

    def scores(
        self, responses: Floats, weights: Floats | None = None, *, anew: bool = False
    ) -> Scores:
        """Compute the measures of every candidate for every response.

        Parameters
        ----------
        responses : ndarray, shape (responses, units)
            Each row a response [any unit].
        weights : ndarray, shape (units,), optional
            Weight of each unit.
        anew : bool
            Whether the rule "optimal" searches its breaks again for every response.

        Returns
        -------
        Scores
            NaN where all units are in one class.
        """
        first, second, unit = self._sums(responses, weights)
        places = np.unique(np.concatenate([one.ends for one in self.candidates]))
        whole = [np.append(0.0, np.cumsum(np.add.reduceat(unit, places[:-1])))]
        for part in (first, second):
            runs = np.add.reduceat(part, places[:-1], axis=1)
            whole.append(np.hstack([np.zeros((len(part), 1)), np.cumsum(runs, axis=1)]))
        measured = [self._measure(one, places, whole) for one in self.candidates]
        if anew and self.programme is not None:
            measured = self._searched(measured, first, second, unit)
        return Scores(*(np.stack(columns, axis=1) for columns in zip(*measured, strict=True)))

    def _sums(self, responses: Floats, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
        deviation = responses[:, self.order]
        unit = np.ones(self.order.size) if weights is None else weights[self.order]
        deviation -= (deviation @ unit / unit.sum())[:, None]
        first = deviation if weights is None else deviation * unit
        return first, first * deviation, unit

    def _measure(
        self, one: Candidate, places: Places, whole: list[Floats]
    ) -> tuple[Floats, Floats, Floats]:
        at = np.searchsorted(places, one.ends)
        weight = np.diff(whole[0][at])
        return _measures(np.diff(whole[1][:, at]), np.diff(whole[2][:, at]), weight, one.n)

    def _searched(
        self, measured: list[Any], first: Floats, second: Floats, unit: Floats
    ) -> list[Any]:
        """Replace the measures of the rule "optimal" by those of its breaks for each response."""
        assert self.programme is not None
        running = np.append(0.0, np.cumsum(unit))
        own = [at for at, one in enumerate(self.candidates) if one.method == "optimal"]
        found: list[list[Any]] = [[] for _ in own]
        for row, squares in zip(first, second, strict=True):
            totals = np.append(0.0, np.cumsum(row))
            for place, ends in enumerate(self.programme.solve(totals, running)[1]):
                starts = np.append(0, ends)
                sizes = np.diff(np.append(starts, row.size))
                sums = (np.add.reduceat(part, starts) for part in (row, squares, unit))
                s, ss, w = sums
                found[place].append(_measures(s[None], ss[None], w, sizes))
        for at, rows in zip(own, found, strict=True):
            measured[at] = tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))
        return measured


def lay_out_values(
    values: Floats,
    response: Floats,
    weights: Floats | None,
    *,
    methods: Sequence[str],
    classes: Sequence[int],
    min_units: int,
    style: Style = "headwater",
) -> Layout:
    """Lay out the candidates of a continuous factor.

    Parameters
    ----------
    values : ndarray, shape (units,)
        The factor [any unit]; NaN is missing.
    response : ndarray, shape (units,)
        The variable to be explained [any unit]; only the rule "optimal" looks at more than where
        it is missing.
    weights : ndarray, shape (units,), optional
        Weight of each unit.
    methods : sequence of str
        Rules.
    classes : sequence of int
        Numbers of classes.
    min_units : int
        A candidate with a class of fewer units is refused.
    style : {"headwater", "gd", "sdsfun"}
        Whose rules.

    Returns
    -------
    Layout

    Raises
    ------
    DataError
        If the factor has no values, infinite ones, or one only.
    """
    missing = np.isnan(response)
    # NaN sorts last, so that units without a value fall off the end
    known = np.where(missing, np.nan, values) if missing.any() else values
    order = np.argsort(known)
    ordered = known[order]
    size = int(np.searchsorted(ordered, np.nan))
    order, ordered = order[:size], ordered[:size]
    _check_values(ordered)
    candidates: list[Candidate] = []
    programme = None
    for method in methods:
        if method == "optimal":
            programme = BreakProgramme.of(ordered, classes, min_units, LIMITS)
            unit = np.ones(order.size) if weights is None else weights[order]
            breaks = _best_breaks(programme, ordered, response[order], unit)
            pairs = zip(classes, breaks, strict=True)
            candidates += [_parted(ordered, method, k, inner, min_units) for k, inner in pairs]
        else:
            candidates += _by_rule(ordered, method, classes, min_units, style)
    return Layout(order, tuple(candidates), programme)


def lay_out_strata(
    strata: Strata, present: npt.NDArray[np.bool_], min_units: int | None = None
) -> Layout:
    """Lay out one partition.

    Parameters
    ----------
    strata : Strata
        Of the units.
    present : ndarray of bool, shape (units,)
        Units that have a response.
    min_units : int, optional
        The partition is refused if a class holds fewer units; without it, it stands.

    Returns
    -------
    Layout
    """
    codes = strata.codes.ravel()
    order = np.flatnonzero(present & (codes >= 0))
    order = order[np.argsort(codes[order], kind="stable")]
    sizes = np.bincount(codes[order])
    ends = np.append(0, np.cumsum(sizes[sizes > 0]))
    refused = ""
    if min_units is not None and order.size:
        refused = _refusal(int(np.diff(ends).min()), min_units)
    one = Candidate(strata.method, strata.requested, ends, strata.breaks, refused)
    return Layout(order, (one,))


def _best_breaks(
    programme: BreakProgramme, ordered: Floats, response: Floats, unit: Floats
) -> list[Floats]:
    deviation = (response - response @ unit / unit.sum()) * unit
    totals, running = (np.append(0.0, np.cumsum(part)) for part in (deviation, unit))
    return [ordered[ends - 1] for ends in programme.solve(totals, running)[1]]


def _by_rule(
    ordered: Floats, method: str, classes: Sequence[int], min_units: int, style: Style
) -> Iterator[Candidate]:
    try:
        found = styled_rule(method, style)(ordered, classes)
    except DataError as error:
        if style != "headwater" and len(classes) > 1:
            # rules of others can fail for one number of classes and not for another
            for number in classes:
                yield from _by_rule(ordered, method, [number], min_units, style)
            return
        nothing = np.array([0, ordered.size])
        for number in classes:
            yield Candidate(method, number, nothing, (), f"{error.wrong} ({error.found})")
        return
    for number, breaks in zip(classes, found, strict=True):
        yield _parted(ordered, method, number, breaks, min_units)


def _parted(ordered: Floats, method: str, number: int, breaks: Floats, min_units: int) -> Candidate:
    inner, ends = effective_breaks(ordered, breaks)
    places = np.concatenate(([0], ends, [ordered.size]))
    edges = (float(ordered[0]), *inner.tolist(), float(ordered[-1]))
    refused = (
        _refusal(int(np.diff(places).min()), min_units) if inner.size else "all units in one class"
    )
    return Candidate(method, number, places, edges, refused)


def _measures(
    first: Floats, second: Floats, weight: Floats, n: Places
) -> tuple[Floats, Floats, Floats]:
    """Compute q, adjusted q and cross-validated q from sums per class, a row for each response.

    Leaving one out, a unit lies n / (n - 1) times as far from the mean of the others as from the
    mean of all.
    """
    units, strata = int(n.sum()), n.size
    nothing = np.full(len(first), np.nan)
    common = first.sum(axis=1) ** 2 / weight.sum()
    total = second.sum(axis=1) - common
    total = np.where(total > 0, total, np.nan)
    within = np.maximum(second - first**2 / weight, 0.0)
    if strata < 2:
        return nothing, nothing, nothing
    q = ((first**2 / weight).sum(axis=1) - common) / total
    adjusted = nothing
    if units > strata:
        adjusted = 1.0 - within.sum(axis=1) / total * (units - 1) / (units - strata)
    cross_validated = nothing
    if (n > 1).all():
        left_out = within @ (n / (n - 1.0)) ** 2
        cross_validated = 1.0 - left_out / (total * (units / (units - 1.0)) ** 2)
    return q, adjusted, cross_validated


def _refusal(least: int, min_units: int) -> str:
    return f"a class with {least} units" if least < min_units else ""


def _check_values(ordered: Floats) -> None:
    if ordered.size == 0:
        raise DataError("all values are missing", found="n = 0", do="Leave it out")
    lowest, highest = ordered[0], ordered[-1]
    if np.isinf(lowest) or np.isinf(highest):
        raise DataError("infinite values", found=f"{lowest:g} to {highest:g}", do="Set them to NaN")
    if lowest == highest:
        raise DataError(
            "a constant factor has no strata",
            found=f"{ordered.size} units of {lowest:.6g}",
            do="Leave it out",
        )
