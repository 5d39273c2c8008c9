"""Optimal parameters: which rule and how many classes part each factor best (OPGD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.partition_scores import Layout
from headwater.detector.peer_breaks import Style
from headwater.detector.q import check_varies
from headwater.detector.references import FISHER1958, SONG2020
from headwater.detector.results import OptimalResult
from headwater.detector.sample import Sample
from headwater.detector.search_options import CRITERIA, METHODS, Criterion, Scheme, Search
from headwater.detector.strata import Strata, categories, sectors, stratify
from headwater.errors import DataError
from headwater.glossary import Kind
from headwater.results import of_inputs

__all__ = ["Criterion", "METHODS", "Scheme", "best_strata", "opgd", "without_refused"]

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
    test after it is not valid, :func:`headwater.detector.search_tests.search_test` is.

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
