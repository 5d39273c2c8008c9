"""The test of a whole search: what the best of many partitions reaches by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.null_models import Permutation, Randomisation
from headwater.detector.optimal_parameters import opgd
from headwater.detector.partition_scores import Layout
from headwater.detector.references import SONG2020, WAGNER2015
from headwater.detector.results import SearchResult
from headwater.detector.search_options import CRITERIA, Search
from headwater.inference.multiplicity import holm
from headwater.results import of_inputs

__all__ = ["search_test"]

Floats = npt.NDArray[np.float64]


@of_inputs
def search_test(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    search: Search | None = None,
    *,
    null: Randomisation | None = None,
    n_resamples: int = 999,
    weights: npt.ArrayLike | None = None,
    rng: np.random.Generator,
) -> SearchResult:
    """Repeat the whole search of :func:`headwater.detector.opgd` on responses made by chance.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        The factors [any unit].
    search : Search, optional
        What is tried, and what decides.
    null : Randomisation, optional
        How responses are made by chance; default: permutation, which is right for units that do
        not depend on each other. For maps take
        :class:`headwater.detector.null_models.GridSpectral`, for points
        :class:`headwater.detector.null_models.MoranSpectral`.
    n_resamples : int
        How many responses.
    weights : array_like, same shape, optional
        Weight of each unit.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    SearchResult
        For each factor the chosen partition with ``p_fixed`` (the strata stay as chosen) and
        ``p_search`` (every response is searched as the observed one was), and ``q_chance``, the q
        that the searched responses exceed in 5 % of cases.

    Raises
    ------
    DataError
        As :func:`headwater.detector.opgd`.

    Notes
    -----
    p = (1 + number of responses that reach at least as much) / (1 + all). With the search repeated
    this is a valid test of no association, however many partitions were tried; a p with the strata
    as chosen is too small after a search. Scoring works on running sums, so that one response costs
    one pass over the units.

    References
    ----------
    Song, Y., Wang, J., Ge, Y., Xu, C. (2020). An optimal parameters-based geographical detector
    model. GIScience & Remote Sensing 57(5), 593-610.
    https://doi.org/10.1080/15481603.2020.1760434

    Examples
    --------
    >>> x = np.arange(60.0)
    >>> found = search_test(x // 15, {"x": x}, n_resamples=99, rng=np.random.default_rng(1))
    >>> found.data[["factor", "p_search"]].values.tolist()
    [['x', 0.01]]
    """
    plan, chance = search or Search(), null or Permutation()
    values = np.asarray(response, dtype=np.float64).ravel()
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    arrays = {name: np.asarray(given).ravel() for name, given in factors.items()}
    best = opgd(
        values,
        arrays,
        kinds=plan.kinds,
        methods=plan.methods,
        classes=plan.classes,
        by=plan.by,
        min_units=plan.min_units,
        weights=unit,
        fixed=plan.fixed,
        style=plan.style,
    ).best
    laid = {name: plan.layouts(name, one, values, unit) for name, one in arrays.items()}
    both = np.stack([values, chance.tested(values)])
    tallies = {name: _Tally.of(plan, layouts, both, unit) for name, layouts in laid.items()}
    for block in chance.draw(values, n_resamples, rng):
        for name, tally in tallies.items():
            tally.add(plan, laid[name], block, unit)
    found = pd.DataFrame([{"factor": name, **tally.row()} for name, tally in tallies.items()])
    table = best[["factor", "method", "k", "strata", "n", "q", "q_adjusted", "q_cv"]].merge(found)
    table.insert(len(table.columns), "p_holm", holm(table["p_search"]))
    return SearchResult(
        data=table,
        method=f"Search test: the whole search was repeated on {n_resamples} responses made by "
        f"chance ({chance.words}); what decides is {CRITERIA[plan.by]}.",
        references=(SONG2020, WAGNER2015),
    )


class _Tally:
    """How far chance gets with one factor."""

    def __init__(self, observed: float, fixed: float, at: int, names: tuple[str, ...]) -> None:
        self.observed, self.fixed, self.at = observed, fixed, at
        self.criterion, self.open = names[0], np.array([], bool)
        self.reached = self.reached_fixed = self.drawn = 0
        self.best_q: list[Floats] = []

    @classmethod
    def of(
        cls, plan: Search, layouts: list[Layout], both: Floats, weights: Floats | None
    ) -> _Tally:
        """Take the response as it is, which chooses the strata, and as it is tested."""
        scores = plan.scores(layouts, both, weights)
        candidates = [one for layout in layouts for one in layout.candidates]
        usable = np.array([not one.refused for one in candidates])
        criterion = plan.by
        if not np.isfinite(getattr(scores, criterion)[0][usable]).any():
            # a lone partition with single units has no leave-one-out q
            criterion = "q"
        decided = _only(getattr(scores, criterion)[0], usable)
        top = decided.max()
        at = min(np.flatnonzero(decided >= top - 1e-12), key=lambda i: candidates[i].k)
        fixed = float(scores.q[1, at])
        if "optimal" in plan.methods and not np.array_equal(both[0], both[1], equal_nan=True):
            scores = plan.scores(layouts, both, weights, anew=True)
        tested = _only(getattr(scores, criterion)[1], usable)
        tally = cls(float(tested.max()), fixed, int(at), (criterion,))
        tally.open = usable
        return tally

    def add(
        self, plan: Search, layouts: list[Layout], block: Floats, weights: Floats | None
    ) -> None:
        fixed = scores = plan.scores(layouts, block, weights)
        if "optimal" in plan.methods:
            scores = plan.scores(layouts, block, weights, anew=True)
        decided = _only(getattr(scores, self.criterion), self.open)
        # rounding in the last digits must not break ties
        self.reached += int((decided.max(axis=1) >= self.observed - 1e-7).sum())
        self.reached_fixed += int((fixed.q[:, self.at] >= self.fixed - 1e-7).sum())
        self.best_q.append(scores.q[np.arange(len(block)), decided.argmax(axis=1)])
        self.drawn += len(block)

    def row(self) -> dict[str, Any]:
        return {
            "p_fixed": (1 + self.reached_fixed) / (1 + self.drawn),
            "p_search": (1 + self.reached) / (1 + self.drawn),
            "q_chance": float(np.quantile(np.concatenate(self.best_q), 0.95)),
            "number": self.drawn,
        }


def _only(scores: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
    return np.where(usable & ~np.isnan(scores), scores, -np.inf)
