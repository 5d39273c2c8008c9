"""What can be said of one observation: states and doubts, and both as the store keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import IntFlag
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError

__all__ = [
    "DOUBTS",
    "Flag",
    "NOT_CHECKED",
    "STATES",
    "bits_of",
    "checked",
    "doubted",
    "from_ismn",
    "reasons",
    "to_ismn",
    "verdict",
    "word_of",
]

NOT_CHECKED = "not checked"
"""Word of what no rule has looked at."""


class Flag(IntFlag):
    """One bit a finding, so that an observation may carry several."""

    GOOD = 0
    FROZEN = 1
    THAWING = 2
    BELOW_RANGE = 4
    ABOVE_RANGE = 8
    ABOVE_SATURATION = 16
    RISE_WITHOUT_WATER = 32
    SPIKE = 64
    DROP = 128
    JUMP = 256
    LOW_PLATEAU = 512
    HIGH_PLATEAU = 1024
    STUCK = 2048
    AGAINST_NEIGHBOURS = 4096
    AGAINST_DEPTHS = 8192
    UNCHECKED = 16384
    FUTURE = 32768
    SET_BACK = 65536


STATES = Flag.FROZEN | Flag.THAWING
"""Bits that give the state of the soil and cast no doubt on the value."""

DOUBTS = (Flag((1 << 14) - 1) & ~STATES) | Flag.FUTURE | Flag.SET_BACK
"""Bits that are reasons to doubt the value."""

_REASONS = {
    Flag.FROZEN: "soil frozen: the sensor sees only the liquid water",
    Flag.THAWING: "soil thawing: water may come from ice and snow",
    Flag.BELOW_RANGE: "below the possible range",
    Flag.ABOVE_RANGE: "above the possible range",
    Flag.ABOVE_SATURATION: "above the saturation of this soil",
    Flag.RISE_WITHOUT_WATER: "rises without rain, thaw or snow melt",
    Flag.SPIKE: "spike: leaves and comes back within two steps",
    Flag.DROP: "falls in one step and stays",
    Flag.JUMP: "leaps in one step without rain and stays",
    Flag.LOW_PLATEAU: "constant after a fall in one step",
    Flag.HIGH_PLATEAU: "flat at the top after a sharp rise",
    Flag.STUCK: "repeats one value",
    Flag.AGAINST_NEIGHBOURS: "departs from what the neighbouring stations say",
    Flag.AGAINST_DEPTHS: "departs from what the other depths say",
    Flag.FUTURE: "stamped later than it came in: the clock or zone of the logger is wrong",
    Flag.SET_BACK: "stamped after the clock of the logger was set back: confirm its times",
    Flag.UNCHECKED: "not checked: no rule knows this quantity",
}

_ISMN = {
    "C01": Flag.BELOW_RANGE,
    "C02": Flag.ABOVE_RANGE,
    "C03": Flag.ABOVE_SATURATION,
    "D01": Flag.FROZEN,
    "D02": Flag.FROZEN,
    "D03": Flag.FROZEN,
    "D04": Flag.RISE_WITHOUT_WATER,
    "D05": Flag.RISE_WITHOUT_WATER,
    "D06": Flag.SPIKE,
    "D07": Flag.DROP,
    "D08": Flag.JUMP,
    "D09": Flag.LOW_PLATEAU,
    "D10": Flag.HIGH_PLATEAU,
}

_CODES = {flag: code for code, flag in reversed(_ISMN.items())}

_SILENT = {"G", "M", "U", "OK", ""}


def reasons(flag: int) -> tuple[str, ...]:
    """Say in words what a flag holds.

    Examples
    --------
    >>> reasons(Flag.SPIKE | Flag.FROZEN)[1]
    'spike: leaves and comes back within two steps'
    """
    return tuple(text for bit, text in _REASONS.items() if flag & bit)


def to_ismn(flag: int) -> str:
    """Write a flag as the codes of the International Soil Moisture Network, ``G`` for good.

    Findings that the network has no code for (repeats, neighbours, depths, the clock) are left
    out; an observation with only such findings is ``U``, unknown, so that nobody takes it for good,
    and so is one that no rule has looked at.

    Examples
    --------
    >>> to_ismn(Flag.SPIKE | Flag.FROZEN), to_ismn(Flag.GOOD), to_ismn(Flag.STUCK)
    ('D01,D06', 'G', 'U')
    >>> to_ismn(Flag.UNCHECKED)
    'U'
    """
    codes = sorted(_CODES[bit] for bit in _CODES if flag & bit)
    if codes:
        return ",".join(codes)
    return "U" if flag & (DOUBTS | Flag.UNCHECKED) else "G"


def from_ismn(codes: Iterable[str]) -> NDArray[np.int64]:
    """Read codes such as ``"D04,D05"`` into flags; ``G``, ``M`` and ``U`` cast no doubt.

    Raises
    ------
    DataError
        If a code is unknown.

    Examples
    --------
    >>> from_ismn(["G", "D04,D05", "C01"])
    array([ 0, 32,  4])
    """
    known = {code: int(flag) for code, flag in _ISMN.items()} | dict.fromkeys(_SILENT, 0)
    texts = list(codes)
    cache: dict[str, int] = {}
    for text in set(texts):
        bits = 0
        for code in text.replace(";", ",").split(","):
            if code.strip() not in known:
                raise DataError(
                    "a quality code that the International Soil Moisture Network does not use",
                    found=f"'{code.strip()}'",
                    do="Known: " + ", ".join(sorted(known)[1:]),
                )
            bits |= known[code.strip()]
        cache[text] = bits
    return np.array([cache[text] for text in texts], dtype=np.int64)


@lru_cache(maxsize=4096)
def verdict(bits: int) -> str:
    """Write flags as JSON: the code of the network, the bits, and the reasons in words.

    Examples
    --------
    >>> verdict(0)
    '{"flag":"G","bits":0}'
    >>> verdict(int(Flag.UNCHECKED))
    '{"flag":"not checked","bits":16384,"reasons":["not checked: no rule knows this quantity"]}'
    >>> verdict(64)
    '{"flag":"D06","bits":64,"reasons":["spike: leaves and comes back within two steps"]}'
    """
    written: dict[str, object] = {"flag": word_of(bits), "bits": bits}
    if bits:
        written["reasons"] = list(reasons(bits))
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=4096)
def _bits(text: str) -> int:
    held = json.loads(text)
    bits = held.get("bits") if isinstance(held, dict) else None
    return bits if isinstance(bits, int) and bits >= 0 else -1


def bits_of(texts: Iterable[str | None] | None, n: int) -> NDArray[np.int64]:
    """Read flags back.

    Parameters
    ----------
    texts : iterable of str or None, optional
        Quality of observations; None where the store holds none at all.
    n : int
        How many observations there are.

    Returns
    -------
    int64 array, shape (n,)
        Bits of :class:`headwater.network.quality.flags.Flag`; -1 where not controlled.

    Examples
    --------
    >>> bits_of([None, '{"flag":"D06","bits":64}', '"fair"'], 3)
    array([-1, 64, -1])
    """
    if texts is None:
        return np.full(n, -1, dtype=np.int64)
    return np.array([-1 if text is None else _bits(text) for text in texts], dtype=np.int64)


def word_of(bits: int) -> str:
    """Write flags as codes of the network, or ``not checked`` where no rule has looked.

    Examples
    --------
    >>> word_of(-1), word_of(0), word_of(64)
    ('not checked', 'G', 'D06')
    """
    return NOT_CHECKED if bits < 0 or bits & Flag.UNCHECKED else to_ismn(bits)


def doubted(bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark observations that are doubted; those not checked are not."""
    found: NDArray[np.bool_] = (bits >= 0) & (bits & int(DOUBTS) != 0)
    return found


def checked(bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark observations that a rule has looked at."""
    found: NDArray[np.bool_] = (bits >= 0) & (bits & int(Flag.UNCHECKED) == 0)
    return found
