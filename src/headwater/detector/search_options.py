"""What a search tries: rules, numbers of classes, and the measure that decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headwater.detector.breaks import break_rule, optimal_breaks
from headwater.detector.partition_scores import Layout, Scores, lay_out_strata, lay_out_values
from headwater.detector.peer_breaks import Style, styled_rule
from headwater.detector.strata import Strata, categories, sectors, stratify
from headwater.errors import DataError, StudyError, nearest
from headwater.glossary import Kind

__all__ = ["CRITERIA", "Criterion", "METHODS", "Scheme", "Search", "schemes_of"]

Floats = npt.NDArray[np.float64]
Criterion = Literal["q", "q_adjusted", "q_cv"]

METHODS = ("equal", "quantile", "natural", "geometric", "standard_deviation")
"""Rules that are tried by default."""

CRITERIA = {
    "q": "the plain q as published (Song et al. 2020)",
    "q_adjusted": "the q adjusted for the number of strata",
    "q_cv": "the q of leave-one-out prediction by the stratum mean",
}
"""What a search can maximise."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A fixed way of parting a factor, in place of a search.

    Attributes
    ----------
    method : str
        A rule of :func:`headwater.detector.stratify`, or ``"sectors"`` for directions.
    classes : int
        Number of classes; not used when breaks are given.
    breaks : tuple of float, optional
        Limits from lowest to highest, both ends included.
    """

    method: str = "quantile"
    classes: int = 5
    breaks: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """A search as it was asked for.

    Attributes
    ----------
    methods : tuple of str
        Rules.
    classes : tuple of int
        Numbers of classes.
    by : {"q_cv", "q_adjusted", "q"}
        What decides.
    min_units : int
        Least number of units in a class.
    kinds : mapping of str to {"continuous", "circular", "categorical"}
        Declared kinds of factors.
    fixed : mapping of str to Scheme
        Factors that are parted by a scheme of their own, without a search.
    style : {"headwater", "gd", "sdsfun"}
        Whose class rules.
    """

    methods: tuple[str, ...] = METHODS
    classes: tuple[int, ...] = tuple(range(3, 9))
    by: Criterion = "q_cv"
    min_units: int = 2
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    fixed: Mapping[str, Scheme] = field(default_factory=dict)
    style: Style = "headwater"

    def __post_init__(self) -> None:
        for method in self.methods:
            if method != "optimal":
                break_rule(method)
                styled_rule(method, self.style)
        if self.by not in CRITERIA:
            known = list(CRITERIA)
            raise StudyError("unknown criterion", found=f"'{self.by}'", do=nearest(self.by, known))

    def check_fixed(self, factors: Iterable[str]) -> None:
        """Refuse schemes for what is no factor, and for categories.

        Parameters
        ----------
        factors : iterable of str
            All factors.

        Raises
        ------
        StudyError
            The message names the nearest factor.
        """
        known = list(factors)
        for name in self.fixed:
            if name not in known:
                raise StudyError(
                    "a scheme for what is no factor", found=f"'{name}'", do=nearest(name, known)
                )

    def layouts(
        self, name: str, array: npt.NDArray[Any], response: Floats, weights: Floats | None
    ) -> list[Layout]:
        """Lay out all that is tried for one factor.

        Parameters
        ----------
        name : str
            The factor.
        array : ndarray, shape (units,)
            Its values.
        response : ndarray, shape (units,)
            The variable to be explained; NaN is missing.
        weights : ndarray, shape (units,), optional
            Weight of each unit.

        Returns
        -------
        list of Layout
            One for a continuous factor; for directions one for each number of sectors, which are
            no runs of one order.
        """
        present = ~np.isnan(response)
        kind = _kind_of(array, self.kinds.get(name))
        if kind == "categorical" and name in self.fixed:
            raise DataError(
                "a scheme for categories",
                found=f"'{self.fixed[name].method}' for text or declared classes",
                do="Leave the scheme out: each category is a stratum",
            )
        if kind == "categorical":
            return [lay_out_strata(_kept(categories(array), present), present)]
        values = array.astype(np.float64)
        if name in self.fixed:
            return [
                lay_out_strata(
                    _as_asked(values, kind, self.fixed[name], response, self.style), present
                )
            ]
        if kind == "circular":
            parted = (sectors(values, number) for number in self.classes)
            return [lay_out_strata(part, present, self.min_units) for part in parted]
        rules = {
            "methods": self.methods,
            "classes": self.classes,
            "min_units": self.min_units,
            "style": self.style,
        }
        return [lay_out_values(values, response, weights, **rules)]  # type: ignore[arg-type]

    def scores(
        self,
        layouts: list[Layout],
        responses: Floats,
        weights: Floats | None = None,
        *,
        anew: bool = False,
    ) -> Scores:
        """Score the candidates of all layouts of a factor, side by side.

        Parameters
        ----------
        layouts : list of Layout
            Of one factor.
        responses : ndarray, shape (responses, units)
            Each row a response.
        weights : ndarray, shape (units,), optional
            Weight of each unit.
        anew : bool
            Whether the rule "optimal" searches its breaks again for every response.

        Returns
        -------
        Scores
        """
        first, *others = (layout.scores(responses, weights, anew=anew) for layout in layouts)
        for other in others:
            first = first.joined(other)
        return first


def schemes_of(texts: Iterable[str]) -> dict[str, Scheme]:
    """Read schemes as they are written on a command line.

    Parameters
    ----------
    texts : iterable of str
        ``factor=rule:count``, ``factor=rule``, or ``factor=`` and the breaks from lowest to
        highest, separated by commas.

    Returns
    -------
    dict of str to Scheme

    Raises
    ------
    StudyError
        If one reads otherwise, or the rule is unknown.

    Examples
    --------
    >>> schemes_of(["rain=natural:6", "slope=0,10,inf"])["rain"]
    Scheme(method='natural', classes=6, breaks=None)
    """
    schemes: dict[str, Scheme] = {}
    for text in texts:
        name, equals, rule = text.partition("=")
        method, _, count = rule.partition(":")
        try:
            if "," in rule:
                breaks = tuple(float(part) for part in rule.split(","))
                schemes[name] = Scheme("given", len(breaks) - 1, breaks)
                continue
            number = int(count) if count else 5
        except ValueError:
            equals = ""
        if not (equals and name and method):
            raise StudyError(
                "classes of a factor cannot be read",
                found=f"'{text}'",
                do="Write factor=rule:count, as rain=natural:6, or factor=0,100,400 for breaks",
            )
        if method not in ("optimal", "sectors"):
            break_rule(method)
        schemes[name] = Scheme(method, number)
    return schemes


def _kind_of(array: npt.NDArray[Any], given: Kind | None) -> Kind:
    if array.dtype.kind not in "iuf":
        return "categorical"
    return given or "continuous"


def _kept(strata: Strata, present: npt.NDArray[np.bool_]) -> Strata:
    return replace(strata, codes=np.where(present, strata.codes, np.int32(-1)))


def _as_asked(values: Floats, kind: Kind, scheme: Scheme, response: Floats, style: Style) -> Strata:
    """Part a factor by its scheme, looking at the units that have a response."""
    values = np.where(np.isnan(response), np.nan, values)
    if scheme.method == "sectors" and scheme.breaks is None:
        if kind != "circular":
            raise DataError(
                "sectors are for directions",
                found=f"a {kind} factor",
                do="Declare its kind as circular, or choose another rule",
            )
        return sectors(values, scheme.classes)
    if scheme.method == "optimal" and scheme.breaks is None:
        inner = optimal_breaks(values, response, [scheme.classes])[0]
        edges = (float(np.nanmin(values)), *inner.tolist(), float(np.nanmax(values)))
        return replace(stratify(values, breaks=edges), method="optimal", requested=scheme.classes)
    if style != "headwater" and scheme.breaks is None:
        ordered = np.sort(values[~np.isnan(values)])
        (inner,) = styled_rule(scheme.method, style)(ordered, [scheme.classes])
        edges = (float(ordered[0]), *inner.tolist(), float(ordered[-1]))
        parted = stratify(values, breaks=edges)
        return replace(parted, method=scheme.method, requested=scheme.classes)
    return stratify(values, scheme.method, scheme.classes, breaks=scheme.breaks)
