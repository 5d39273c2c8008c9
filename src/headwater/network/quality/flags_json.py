"""Flags of an observation as the JSON that the store keeps with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headwater.network.quality.flags import DOUBTS, Flag, reasons, to_ismn

__all__ = ["NOT_CHECKED", "bits_of", "checked", "doubted", "verdict", "word_of"]

NOT_CHECKED = "not checked"
"""Word of what no rule has looked at."""


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
        Bits of :class:`headwater.network.quality.Flag`; -1 where not controlled.

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
