"""What every method returns: a value that carries its data, its method and its references."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["MapResult", "Result", "TableResult", "fingerprint"]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Base of all results.

    A room's result subclasses :class:`MapResult` or :class:`TableResult` and adds ``plot``.

    Attributes
    ----------
    data : Dataset or DataFrame
        The numbers, with units and n beside them.
    method : str
        What was done, in one sentence that a methods section can print.
    references : tuple of str
        Citations with DOI.
    fingerprint : str
        Hash of the inputs, from :func:`fingerprint`.
    choices : tuple of str
        Every choice that was made on the way, one sentence each.
    cautions : tuple of str
        What a reader must distrust, one sentence each.
    """

    data: Any
    method: str
    references: tuple[str, ...] = ()
    fingerprint: str = ""
    choices: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def plot(self) -> Figure:
        """Draw the result.

        Raises
        ------
        NotImplementedError
            If the room gives this result no picture of its own.
        """
        raise NotImplementedError(type(self).__name__)

    def _repr_html_(self) -> str:
        inner = self.data._repr_html_()
        notes = "".join(f"<li>{escape(text)}</li>" for text in (*self.choices, *self.cautions))
        return f"<h4>{escape(self.method)}</h4>{inner}<ul>{notes}</ul>"


@dataclass(frozen=True, slots=True, eq=False)
class MapResult(Result):
    """A result on the grid: a Dataset whose variables have dims (..., y, x)."""

    data: xr.Dataset

    def to_dataset(self) -> xr.Dataset:
        """Return the maps."""
        return self.data


@dataclass(frozen=True, slots=True, eq=False)
class TableResult(Result):
    """A result in rows: a DataFrame with flat, named columns.

    Units of a column stand in ``data.attrs["units"][column]``.
    """

    data: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.data


def fingerprint(*inputs: Any) -> str:
    """Hash arrays and plain values into twelve hexadecimal digits.

    Parameters
    ----------
    *inputs : array-like, str, number, mapping or sequence
        What the result depends on. Arrays count by dtype, shape and bytes.

    Returns
    -------
    str

    Examples
    --------
    >>> fingerprint([1.0, 2.0], "ols") == fingerprint([1.0, 2.0], "ols")
    True
    """
    import numpy as np

    digest = hashlib.sha256()
    for value in inputs:
        if isinstance(value, str | int | float | bool | dict | tuple | type(None)):
            digest.update(repr(value).encode())
            continue
        array = np.ascontiguousarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
    return digest.hexdigest()[:12]
