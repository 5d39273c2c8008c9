"""Known faults put into a good series, to see which of them the rules find.

A reserve office can ask of its own sensors what a seeded study asks of a virtual one: of so many
spikes, breaks and dead stretches, how many would be found, and how many good values accused?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError

__all__ = ["FAULTS", "Fault", "inject", "recall"]

FAULTS = ("spike", "drop", "jump", "dead", "stuck", "saturated", "out_of_range")
"""Spike; lasting fall and leap; constant after a fall; one value repeated; flat top; impossible."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault: its kind and the half-open range of observations it holds."""

    kind: str
    start: int
    stop: int


def inject(
    value: Floats, *, kinds: tuple[str, ...] = FAULTS, each: int = 5, rng: np.random.Generator
) -> tuple[Floats, tuple[Fault, ...]]:
    """Put faults into an hourly series, apart from each other and from its missing values.

    Parameters
    ----------
    value : ndarray, shape (n,)
        Good soil moisture [m3 m-3].
    kinds : tuple of str
        Which of `FAULTS`.
    each : int
        How many of each kind.
    rng : numpy.random.Generator
        Where, how large and how long.

    Returns
    -------
    faulty : ndarray, shape (n,)
        The series with the faults.
    faults : tuple of Fault
        What was put where. Of a drop or a jump only the first observation counts: what follows is
        shifted, and no rule of a single sensor can distinguish that from a changed soil.

    Raises
    ------
    DataError
        If a kind is unknown, or the series is too short to hold the faults apart.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> faulty, faults = inject(np.full(2000, 0.25), kinds=("spike",), each=3, rng=rng)
    >>> len(faults), int((faulty != 0.25).sum()) in (3, 4, 5, 6)
    (3, True)
    """
    unknown = set(kinds) - set(FAULTS)
    if unknown:
        raise DataError("an unknown kind of fault", found=", ".join(unknown), do=f"Known: {FAULTS}")
    total = each * len(kinds)
    room = value.size // max(total, 1)
    if room < 240:
        raise DataError(
            "a series too short for its faults",
            found=f"{value.size} observations for {total} faults",
            do="Give 240 observations a fault",
        )
    faulty, faults = value.astype(float).copy(), []
    order = rng.permutation(np.repeat(np.arange(len(kinds)), each))
    for place, kind in enumerate(order):
        start = place * room + int(rng.integers(48, room - 170))
        faults.append(_put(faulty, kinds[kind], start, rng))
    return faulty, tuple(faults)


def _put(value: Floats, kind: str, start: int, rng: np.random.Generator) -> Fault:
    """Change the series from `start` on in place."""
    level = float(value[start - 1])
    size = float(rng.uniform(0.25, 0.6)) * max(level, 0.08)
    length = int(rng.integers(100, 160))
    stop = start + length
    if kind == "spike":
        stop = start + int(rng.integers(1, 3))
        value[start:stop] = max(level + size * rng.choice([-1.0, 1.0]), 0.001)
    elif kind in ("drop", "jump"):
        value[start:stop] += -size if kind == "drop" else size
        # and back over two days, so that the next fault starts from a good series
        value[stop : stop + 8] += (-size if kind == "drop" else size) * np.linspace(1, 0, 8)
        stop = start + 1
    elif kind == "dead":
        value[start:stop] = max(level - max(size, 0.06), 0.0)
    elif kind == "stuck":
        value[start:stop] = level
    elif kind == "saturated":
        value[start:stop] = max(float(np.nanmax(value)), level + 0.05) + rng.normal(0, 2e-4, length)
    else:
        stop = start + int(rng.integers(3, 30))
        value[start:stop] = rng.choice([-0.05, 0.85]) + rng.normal(0, 0.01, stop - start)
    return Fault(kind, start, stop)


def recall(faults: tuple[Fault, ...], doubted: NDArray[np.bool_]) -> dict[str, float]:
    """Share of faults of each kind in which any observation is doubted.

    Parameters
    ----------
    faults : tuple of Fault
        What was put in.
    doubted : ndarray of bool, shape (n,)
        Observations with a doubt.

    Returns
    -------
    dict
        Share by kind, 0 to 1, and ``"all"``.

    Examples
    --------
    >>> import numpy as np
    >>> recall((Fault("spike", 3, 4), Fault("spike", 6, 7)), np.arange(10) == 3)
    {'spike': 0.5, 'all': 0.5}
    """
    found = [(fault.kind, bool(doubted[fault.start : fault.stop].any())) for fault in faults]
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    shares = {kind: float(np.mean([hit for k, hit in found if k == kind])) for kind in kinds}
    return shares | {"all": float(np.mean([hit for _, hit in found]))}
