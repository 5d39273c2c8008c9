"""Class rules as other software has them, on request: those of GD and of sdsfun (gdverse)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from headwater.detector.breaks import break_rule, equal_breaks, natural_breaks, quantile_breaks
from headwater.errors import DataError, StudyError, nearest

__all__ = ["STYLES", "Style", "styled_rule"]

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Sequence[int]], list[Floats]]
Style = Literal["headwater", "gd", "sdsfun"]

_MOST_TRIES = 2000
_MOST_UNITS = 3000
"""Units beyond which sdsfun draws a sample for its natural breaks, which nobody can repeat."""


def styled_rule(method: str, style: Style = "headwater") -> Rule:
    """Look a rule up by its name and style.

    Parameters
    ----------
    method : str
        A rule of :func:`headwater.detector.stratify`.
    style : {"headwater", "gd", "sdsfun"}
        Whose rule; where a style has no rule of that name, ours.

    Returns
    -------
    callable
        As :func:`headwater.detector.breaks.break_rule`.

    Raises
    ------
    StudyError
        If there is no such rule or style.

    Notes
    -----
    "gd" follows the R package GD 10.10: with ties, quantiles are asked for more and more classes
    until there are enough different ones; standard deviations likewise; geometric progressions run
    on x + 1 and give k - 1 classes where no value is negative. GD loses the least or the greatest
    unit where rounding puts its outermost geometric break inside the data; here it stays.

    "sdsfun" follows sdsfun 0.9.0, on which gdverse builds: quantiles are order statistics, standard
    deviations lean to one side, geometric progressions put all units in one class where a value is
    not positive, and natural breaks walk back from the last unit but one. Of more than 3000 units
    sdsfun draws a sample for natural breaks: that is refused here.

    The sources of both packages were read; the rules are those algorithms, in code of our own, and
    their class counts were compared on the data they come with.

    Examples
    --------
    >>> tied = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    >>> styled_rule("quantile", "gd")(tied, [3])
    [array([0.5 , 1.75])]
    >>> styled_rule("quantile", "sdsfun")(tied, [3])
    [array([0., 1.])]
    """
    if style not in STYLES:
        raise StudyError("unknown style", found=f"'{style}'", do=nearest(style, list(STYLES)))
    return STYLES[style].get(method) or break_rule(method)


def _gd_quantile(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    return [_raised(ordered, number, quantile_breaks) for number in classes]


def _gd_sd(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    return [_raised(ordered, number, _sd_steps) for number in classes]


def _sd_steps(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    mean, sd = ordered.mean(), ordered.std(ddof=1)
    return [
        mean + (np.arange(1, number) - number / 2) * (sd if number < 7 else sd / 2)
        for number in classes
    ]


def _raised(ordered: Floats, number: int, rule: Rule) -> Floats:
    """Ask for more classes until enough different breaks lie among the values."""
    inner = np.zeros(0)
    for asked in range(number, number + _MOST_TRIES):
        (breaks,) = rule(ordered, [asked])
        inner = np.unique(breaks[(breaks > ordered[0]) & (breaks < ordered[-1])])
        if inner.size >= number - 1:
            return inner
    raise DataError(
        "too few different values for so many classes",
        found=f"{inner.size + 1} of {number} classes",
        do="Ask for fewer classes",
    )


def _gd_geometric(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    low, high = float(ordered[0]), float(ordered[-1])
    found = []
    for number in classes:
        steps = np.arange(1, number)
        if low >= 0:
            # one class less than was asked for, as GD has it
            ratio = (high + 1.0) / (low + 1.0)
            found.append((low + 1.0) * ratio ** (steps[:-1] / (number - 1)) - 1.0)
        elif high <= 0:
            ratio = (1.0 - low) / (1.0 - high)
            found.append(1.0 - (1.0 - high) * ratio ** (steps[:-1][::-1] / (number - 1)))
        elif high >= -low:
            found.append((high + 1.0) ** (steps / number) - 1.0)
        else:
            found.append(1.0 - (1.0 - low) ** (steps[::-1] / number))
    return found


def _ends(ordered: Floats, codes: npt.NDArray[np.float64]) -> Floats:
    """Last value of every class but the last, from classes that ascend with the values."""
    return np.unique(ordered[np.flatnonzero(np.diff(codes) > 0)])


def _sdsfun_quantile(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    last = ordered.size - 1
    return [ordered[np.arange(1, number) * last // number] for number in classes]


def _sdsfun_sd(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    z = (ordered - ordered.mean()) / ordered.std(ddof=1)
    return [_ends(ordered, np.clip(np.floor(z + k / 2), 1, k)) for k in classes]


def _sdsfun_geometric(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    if ordered[0] <= 0:
        return [np.zeros(0) for _ in classes]
    found = []
    for number in classes:
        factor = (ordered[-1] / ordered[0]) ** (1.0 / number)
        codes = np.floor(np.log(ordered / ordered[0]) / np.log(factor)) + 1
        found.append(_ends(ordered, np.clip(codes, 1, number)))
    return found


def _sdsfun_natural(ordered: Floats, classes: Sequence[int]) -> list[Floats]:
    if ordered.size > _MOST_UNITS:
        raise DataError(
            "sdsfun draws a random sample for the natural breaks of so many units",
            found=f"{ordered.size} units, at most {_MOST_UNITS}",
            do="Choose style = 'headwater' or 'gd', whose natural breaks are exact",
        )
    lower = _jenks_limits(ordered, max(classes))
    found = []
    for number in classes:
        breaks, end = np.empty(number - 1), ordered.size - 1
        for layer in range(number, 1, -1):
            start = int(lower[end, layer])
            breaks[layer - 2] = ordered[max(start - 2, 0)]
            end = start - 1
        # a value equal to a break begins the next class there, and ends its own here
        below = np.searchsorted(ordered, breaks, side="left") - 1
        found.append(np.unique(ordered[below[below >= 0]]))
    return found


def _jenks_limits(ordered: Floats, most: int) -> npt.NDArray[np.intp]:
    """First unit, from 1, of the last of j classes of the first l units; the lowest of equals."""
    n = ordered.size
    lower = np.ones((n + 1, most + 1), np.intp)
    squares = np.full((n + 1, most + 1), np.inf)
    squares[1, 1:] = 0.0
    for last in range(2, n + 1):
        back = ordered[:last][::-1]
        sizes = np.arange(1, last + 1)
        within = np.cumsum(back * back) - np.cumsum(back) ** 2 / sizes
        for number in range(2, most + 1):
            tried = within[:-1] + squares[last - sizes[:-1], number - 1]
            least = tried.min()
            at = int(np.flatnonzero(tried == least)[-1])
            lower[last, number] = last - at
            squares[last, number] = least
        squares[last, 1] = within[-1]
    return lower


STYLES: Mapping[str, Mapping[str, Rule]] = {
    "headwater": {},
    "gd": {
        "equal": equal_breaks,
        "natural": natural_breaks,
        "quantile": _gd_quantile,
        "geometric": _gd_geometric,
        "standard_deviation": _gd_sd,
    },
    "sdsfun": {
        "equal": equal_breaks,
        "natural": _sdsfun_natural,
        "quantile": _sdsfun_quantile,
        "geometric": _sdsfun_geometric,
        "standard_deviation": _sdsfun_sd,
    },
}
"""Rules of each style by name."""
