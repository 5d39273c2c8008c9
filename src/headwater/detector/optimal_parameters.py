"""Optimal parameters: the rule and number of classes that part a factor best (OPGD), tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.null_models import Permutation, Randomisation
from headwater.detector.partition_scores import Layout
from headwater.detector.peer_breaks import Style
from headwater.detector.q import check_varies
from headwater.detector.results import FISHER1958, SONG2020, WAGNER2015, OptimalResult, SearchResult
from headwater.detector.sample import Sample
from headwater.detector.search_options import CRITERIA, METHODS, Criterion, Scheme, Search
from headwater.detector.strata import Strata, categories, sectors, stratify
from headwater.errors import DataError
from headwater.glossary import Kind
from headwater.inference.significance import holm
from headwater.results import of_inputs

__all__ = [
    "Criterion",
    "METHODS",
    "Scheme",
    "best_strata",
    "opgd",
    "search_test",
    "without_refused",
]

Floats = npt.NDArray[np.float64]


@of_inputs
def opgd(  # noqa: PLR0913 - a search has the options that published studies need
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    *,
    kinds: Mapping[str, Kind] | None = None,
    methods: Sequence[str] = METHODS,
    classes: Sequence[int] = range(3, 9),
    by: Criterion = "q_cv",
    min_units: int = 2,
    weights: npt.ArrayLike | None = None,
    fixed: Mapping[str, Scheme] | None = None,
    style: Style = "headwater",
) -> OptimalResult:
    """Try every rule with every number of classes, and choose one for each factor.

    Parameters
    ----------
    response : array_like, any shape
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        The factors [any unit]; NaN is missing, factor by factor.
    kinds : mapping of str to {"continuous", "circular", "categorical"}, optional
        Default: booleans and texts are categorical, numbers continuous. Categories stay as they
        are; directions [degree] are parted into sectors.
    methods : sequence of str
        Rules to try, as in :func:`headwater.detector.stratify`; ``"optimal"`` makes q itself as
        large as it can be.
    classes : sequence of int
        Numbers of classes to try.
    by : {"q_cv", "q_adjusted", "q"}
        What the chosen candidate has most of; the fewest classes win a tie.
    min_units : int
        A candidate with a stratum of fewer units is refused. One with empty classes is kept with
        the classes that it has: ``strata`` counts them, where ``k`` was asked for.
    weights : array_like, same shape, optional
        Weight of each unit.
    fixed : mapping of str to Scheme, optional
        Factors that are parted by a scheme of their own, without a search.
    style : {"headwater", "gd", "sdsfun"}
        Whose class rules: ours, or those of the R packages GD or sdsfun (gdverse)
        (:func:`headwater.detector.peer_breaks.styled_rule`).

    Returns
    -------
    OptimalResult
        All candidates with their q; refused ones with the reason.

    Raises
    ------
    DataError
        If a factor is constant, all missing, or none of its candidates can be used.
    StudyError
        If a method is unknown.

    Notes
    -----
    A factor is sorted once; with running sums of the response, a candidate costs a search of its
    breaks. Classes are ``(lower, upper]``: equal values are never parted.

    The plain q can only grow with more classes. Simulated with a truth of four equal strata, 300
    units of normal noise, two rules and 3 to 8 classes, 300 times over, the plain q picked eight
    classes 297 times; the adjusted q picked four 165 times and eight 130 times; the q of
    leave-one-out prediction, the default, picked four 267 times. Any search is optimistic: an F
    test after it is not valid, :func:`headwater.detector.optimal_parameters.search_test` is.

    ``q_cv`` leaves out each unit in turn and predicts it by the mean of the others in its stratum,
    1 - Σ (n / (n - 1))² SSW / [(N / (N - 1))² SST], for given breaks.

    References
    ----------
    Song, Y., Wang, J., Ge, Y., Xu, C. (2020). An optimal parameters-based geographical detector
    model. GIScience & Remote Sensing 57(5), 593-610.
    https://doi.org/10.1080/15481603.2020.1760434

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> found = opgd(x // 10, {"x": x}, methods=["equal", "natural"], classes=[3, 4])
    >>> found.best[["method", "k", "q"]].values.tolist()
    [['equal', 4, 1.0]]
    """
    values = np.asarray(response, dtype=np.float64).ravel()
    unit = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    search = Search(tuple(methods), tuple(classes), by, min_units, kinds or {}, fixed or {}, style)
    search.check_fixed(factors)
    rows: list[dict[str, Any]] = []
    for name, given in factors.items():
        try:
            layouts = search.layouts(name, np.asarray(given).ravel(), values, unit)
            rows += _choose(name, _rows(layouts, values, unit), by)
        except DataError as error:
            raise DataError(f"{name}: {error.wrong}", found=error.found, do=error.do) from error
    return OptimalResult(
        data=pd.DataFrame(rows),
        method="Optimal parameters (OPGD): of all rules and numbers of classes tried for a "
        f"factor, the one with the greatest value of {CRITERIA[by]} was chosen.",
        references=(SONG2020, FISHER1958),
        choices=(
            *_sentences(rows, by, min_units),
            _grid_sentence(methods, classes),
            *_style_words(style),
        ),
        cautions=(*_cautions(rows, by), *_turning(search)),
    )


def without_refused(sample: Sample, search: Search) -> tuple[Sample, Search, tuple[str, ...]]:
    """Leave out the factors that no rule can part.

    Parameters
    ----------
    sample : Sample
        Units with their factors.
    search : Search
        What is tried.

    Returns
    -------
    sample, search
        Of the other factors.
    left_out : tuple of str
        A sentence for each factor that is left out.

    Raises
    ------
    DataError
        If every factor is refused: the first reason.
    """
    refusals: dict[str, DataError] = {}
    for name, values in sample.factors.items():
        try:
            layouts = search.layouts(name, values, sample.response, sample.weights)
            best = _choose(name, _rows(layouts, sample.response, sample.weights), search.by)
            chosen = next(row for row in best if row["chosen"])
            if chosen["strata"] >= chosen["n"]:
                raise DataError(
                    "as many strata as units",
                    found=f"{chosen['n']} units",
                    do="Part the factor into fewer classes",
                )
        except DataError as error:
            refusals[name] = DataError(f"{name}: {error.wrong}", found=error.found, do=error.do)
    if len(refusals) == len(sample.factors):
        raise next(iter(refusals.values()))
    kept = {name: v for name, v in sample.factors.items() if name not in refusals}
    words = tuple(f"Left out as a factor, {error}" for error in refusals.values())
    fixed = {name: scheme for name, scheme in search.fixed.items() if name in kept}
    return replace(sample, factors=kept), replace(search, fixed=fixed), words


def best_strata(factors: Mapping[str, npt.ArrayLike], found: OptimalResult) -> dict[str, Strata]:
    """Part the factors as chosen.

    Parameters
    ----------
    factors : mapping of str to array_like, any shape
        The factors that were searched.
    found : OptimalResult
        From :func:`opgd`.

    Returns
    -------
    dict of str to Strata
        With the very breaks of the search, whatever units `factors` now holds; the first and the
        last class take in what lies beyond the units searched.

    Examples
    --------
    >>> x = {"x": np.arange(40.0)}
    >>> found = opgd(x["x"] // 10, x, classes=[4])
    >>> best_strata(x, found)["x"].names[0]
    '[0, 9.75]'
    """
    strata = {}
    for row in found.best.itertuples():
        name, method, number = str(row.factor), str(row.method), int(row.k)  # type: ignore[arg-type]
        values = factors[name]
        if method == "categories":
            strata[name] = categories(values)
        elif method == "sectors":
            strata[name] = sectors(values, number)
        else:
            edges = [float(text) for text in str(row.breaks).split()]
            array = np.asarray(values, dtype=np.float64)
            edges[0] = min(edges[0], float(np.nanmin(array)))
            edges[-1] = max(edges[-1], float(np.nanmax(array)))
            parted = stratify(values, breaks=edges)
            strata[name] = Strata(parted.codes, parted.names, parted.breaks, method, number)
    return strata


def _rows(
    layouts: Sequence[Layout], values: Floats, weights: Floats | None
) -> list[dict[str, Any]]:
    rows = []
    for layout in layouts:
        size = layout.order.size
        if size == 0:
            raise DataError("all values are missing", found="n = 0", do="Leave it out")
        y = values if size == values.size else values[layout.order]
        centre = float(y.mean())
        deviation = y - centre
        check_varies(float(deviation @ deviation), size, centre)
        _check_parted(layout)
        scores = layout.scores(values[None], weights)
        for at, one in enumerate(layout.candidates):
            rows.append(
                {
                    "method": one.method,
                    "k": one.k,
                    "q": float(scores.q[0, at]),
                    "q_adjusted": float(scores.q_adjusted[0, at]),
                    "q_cv": float(scores.q_cv[0, at]),
                    "n": size,
                    "strata": one.n.size,
                    "smallest": int(one.n.min()),
                    "breaks": " ".join(repr(edge) for edge in one.breaks),
                    "refused": one.refused,
                }
            )
    return rows


def _check_parted(layout: Layout) -> None:
    first = layout.candidates[0]
    if len(layout.candidates) == 1 and first.n.size < 2 and not first.refused:
        raise DataError(
            "one stratum cannot explain anything",
            found=f"{layout.order.size} units in one stratum",
            do="Choose a factor, or breaks, with at least two strata among units with a response",
        )


def _choose(name: str, tried: list[dict[str, Any]], by: Criterion) -> list[dict[str, Any]]:
    """Mark the best candidate that was not refused; fewer classes win a tie."""
    open_rows = [row for row in tried if not row["refused"]]
    if not open_rows:
        reasons = sorted({row["refused"] for row in tried})
        raise DataError(
            f"no way of parting '{name}' can be used",
            found="; ".join(reasons[:4]),
            do="Declare its kind as categorical, give breaks, or ask for fewer classes",
        )
    # a lone partition (categories) is taken even where its criterion cannot be computed
    score = [-np.inf if np.isnan(row[by]) else row[by] for row in open_rows]
    top = max(score)
    best = min(
        (row for row, value in zip(open_rows, score, strict=True) if value >= top - 1e-12),
        key=lambda row: row["k"],
    )
    return [{"factor": name, **row, "chosen": row is best} for row in tried]


def _sentences(rows: list[dict[str, Any]], by: Criterion, min_units: int) -> tuple[str, ...]:
    words = []
    for name in dict.fromkeys(row["factor"] for row in rows):
        own = [row for row in rows if row["factor"] == name]
        best = next(row for row in own if row["chosen"])
        how = "as given" if len(own) == 1 else f"best of {len(own)} by {CRITERIA[by]}"
        words.append(
            f"{name}: {best['method'].replace('_', ' ')}, {best['strata']} classes ({how})."
        )
    return (
        *words,
        f"Candidates with a class of fewer than {min_units} units were refused; empty classes were "
        "left out, and the classes that remain are counted.",
    )


def _turning(search: Search) -> tuple[str, ...]:
    """Say what a rule for amounts does to directions that were to be parted by it."""
    return tuple(
        f"{name}: directions were parted by the rule {scheme.method.replace('_', ' ')}, as asked. "
        "It takes them as amounts: 359° and 1°, two degrees apart, lie in the first and the last "
        "class."
        for name, scheme in search.fixed.items()
        if search.kinds.get(name) == "circular" and scheme.method != "sectors"
    )


def _style_words(style: Style) -> tuple[str, ...]:
    names = {"gd": "the R package GD", "sdsfun": "the R package sdsfun (gdverse)"}
    return (f"Class rules are those of {names[style]}.",) if style in names else ()


def _grid_sentence(methods: Sequence[str], classes: Sequence[int]) -> str:
    rules = ", ".join(method.replace("_", " ") for method in methods)
    return f"Tried on continuous factors: {rules}, with {min(classes)} to {max(classes)} classes."


def _cautions(rows: list[dict[str, Any]], by: Criterion) -> tuple[str, ...]:
    words = []
    searched = {row["factor"] for row in rows if not row["chosen"]}
    if searched:
        words.append(
            "The classes were chosen to make q large: the q of a searched factor is optimistic, "
            "and its p-value too small (in simulated noise a search rejects in 15 % of cases where "
            "5 % are promised)."
        )
    if searched and by == "q":
        words.append(
            "The plain q favours many classes: where the truth was four strata, it picked the "
            "greatest number offered in 296 of 300 simulated cases."
        )
    edge = [
        name
        for name in searched
        if all(
            not row["chosen"] or row["k"] == max(r["k"] for r in rows if r["factor"] == name)
            for row in rows
            if row["factor"] == name
        )
    ]
    if edge:
        words.append(
            f"The best number of classes is the greatest one tried for {', '.join(sorted(edge))}: "
            "it says more about the search than about the factor."
        )
    return tuple(words)


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
