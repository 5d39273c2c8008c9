"""What every method returns: a value that carries its data, its method and its references."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial, wraps
from html import escape
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MapResult", "Result", "TableResult", "fingerprint", "of_inputs", "with_fingerprint"]

P = ParamSpec("P")
R = TypeVar("R")

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Base of all results.

    A room's result subclasses :class:`MapResult` or :class:`TableResult`, which draw what they hold
    plainly, and gives it a picture of its own where that says more.

    Attributes
    ----------
    data : Dataset or DataFrame
        The numbers, with their units and n.
    method : str
        What was done, in one sentence that a methods section can print.
    references : tuple of str
        Citations with DOI.
    fingerprint : str
        Hash of the inputs and options, by :func:`of_inputs`, joined when the result is made with
        that of the result itself: its class, data, units, words and the version. Two results that
        differ never share it, nor do two of different inputs. Of a result of a study, hash of the
        step that made it, with all that the step depends on, and of the result itself.
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

    def __post_init__(self) -> None:
        """Join the fingerprint of the inputs with that of what came out."""
        own = [(entry.name, getattr(self, entry.name)) for entry in fields(self)]
        object.__setattr__(self, "fingerprint", fingerprint(type(self).__name__, own))

    @property
    def has_own_figure(self) -> bool:
        """Whether it draws more than its plain maps or its table."""
        return type(self).plot not in (Result.plot, MapResult.plot, TableResult.plot)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the result.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; it makes room for the picture, which may have several panels. Default: a
            figure of its own.

        Raises
        ------
        NotImplementedError
            If the result is neither maps nor a table.
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

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the first maps next to each other."""
        from headwater.figures import drawing_on, maps_figure

        with drawing_on(ax):
            return maps_figure(self.data)

    def to_dataset(self) -> xr.Dataset:
        """Return the maps."""
        return self.data

    def to_frame(self) -> pd.DataFrame:
        """Return the maps as a table, one row for each cell."""
        return self.data.to_dataframe().reset_index()


@dataclass(frozen=True, slots=True, eq=False)
class TableResult(Result):
    """A result in rows: a DataFrame with flat, named columns.

    Units of a column stand in ``data.attrs["units"][column]``.
    """

    data: pd.DataFrame

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the numbers of the table, row by row."""
        from headwater.figures import drawing_on, table_figure

        with drawing_on(ax):
            return table_figure(self.data)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.data

    def to_dataset(self) -> xr.Dataset:
        """Return the table as a Dataset along ``index``, units as attributes."""
        found = self.data.to_xarray()
        for name, units in self.data.attrs.get("units", {}).items():
            if name in found:
                found[name].attrs["units"] = units
        return found


def with_fingerprint(result: Result, text: str) -> Result:
    """Give a result that was read from files the fingerprint that it was saved with.

    Parameters
    ----------
    result : Result
        Newly made, so that nothing else knows it yet.
    text : str
        The fingerprint.

    Returns
    -------
    Result
        The same object.
    """
    object.__setattr__(result, "fingerprint", text)
    return result


def of_inputs(function: Callable[P, R]) -> Callable[P, R]:
    """Let the fingerprint of what a function returns follow every argument of the function.

    Parameters
    ----------
    function : callable
        It returns a :class:`Result`; anything else is returned as it is.

    Returns
    -------
    callable
        The same function. Its result carries a hash of the function's name, of all arguments as
        they were before the call, those left at their defaults too, and of the result itself.

    Examples
    --------
    >>> import pandas as pd
    >>> @of_inputs
    ... def count(values, level=0.95):
    ...     return TableResult(pd.DataFrame({"n": [len(values)]}), "counted")
    >>> count([1, 2]).fingerprint == count([1, 2], level=0.95).fingerprint
    True
    >>> count([1, 2]).fingerprint == count([1, 2], level=0.5).fingerprint
    False
    """
    taken = signature(function)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = taken.bind(*args, **kwargs)
        bound.apply_defaults()
        # before the call, which draws from random generators
        key = fingerprint(function.__qualname__, bound.arguments)
        found = function(*args, **kwargs)
        if isinstance(found, Result):
            with_fingerprint(found, fingerprint(key, found.fingerprint))
        return found

    return called


def fingerprint(*inputs: Any) -> str:
    """Hash values with their names and units, options and the version of Headwater.

    Parameters
    ----------
    *inputs : array, DataArray, Dataset, Series, DataFrame, text, number, mapping, sequence, object
        All that the result depends on. Arrays count by type, shape and values; labelled data by
        names, coordinates and attributes too; objects by their class and fields; functions by
        their name; a random generator by its state.

    Returns
    -------
    str
        Twelve hexadecimal digits.

    Notes
    -----
    A lazy array (Dask) is not computed for this: the key of its graph counts, which Dask makes of
    all that leads to it, and of a file by its path and time of change.

    Examples
    --------
    >>> fingerprint([1.0, 2.0], "ols") == fingerprint([1.0, 2.0], "ols")
    True
    >>> fingerprint({"sd": 0.1}) == fingerprint({"sd": 3.0})
    False
    """
    from headwater import __version__

    digest = hashlib.sha256(__version__.encode())

    def put(part: bytes) -> None:
        # the length first, so that no two sequences of parts read alike
        digest.update(f"{len(part)}:".encode())
        digest.update(part)

    for value in inputs:
        _put(put, value)
    return digest.hexdigest()[:12]


_PLAIN = {type(None), bool, int, float, complex, str, bytes}


_Put = Callable[[bytes], None]


def _put(put: _Put, value: Any) -> None:
    """Take a value apart into bytes that differ wherever the value does."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        put(f"{type(value).__name__} {value!r}".encode())
    elif isinstance(value, Mapping):
        _put_sequence(put, "mapping", (item for pair in value.items() for item in pair))
    elif isinstance(value, list | tuple):
        _put_sequence(put, "sequence", value)
    elif isinstance(value, set | frozenset):
        _put_sequence(put, "set", sorted(value, key=repr))
    elif (kind := _kind_of_data(value.__class__)) is not None:
        put(kind.encode())
        _put_data(put, value, kind)
    else:
        _put_object(put, value)


def _put_sequence(put: _Put, name: str, items: Iterable[Any]) -> None:
    if isinstance(items, list | tuple) and _PLAIN.issuperset(map(type, items)):
        put(f"{name}{list(items)!r}".encode())  # as distinct as its parts, and far quicker
        return
    put(f"{name}(".encode())
    for item in items:
        _put(put, item)
    put(b")")


@cache
def _kind_of_data(cls: type[Any]) -> str | None:
    import numpy as np
    import pandas as pd
    import xarray as xr

    kinds = {
        "generic": np.generic,
        "array": np.ndarray,
        "dataset": xr.Dataset,
        "cube": xr.DataArray,
        "table": pd.DataFrame,
        "series": pd.Series,
        "index": pd.Index,
        "extension": pd.api.extensions.ExtensionArray,
    }
    for name, kind in kinds.items():
        if issubclass(cls, kind):
            return name
    is_lazy = hasattr(cls, "__dask_graph__") and hasattr(cls, "dtype")
    return "lazy" if is_lazy else None


def _put_data(put: _Put, value: Any, kind: str) -> None:
    import numpy as np

    if kind == "generic":
        _put(put, value.item())
    elif kind == "lazy":
        from dask.base import tokenize

        put(f"{value.dtype} {value.shape} {tokenize(value)}".encode())
    elif kind == "array":
        put(f"{value.dtype} {value.shape}".encode())
        whole = np.ascontiguousarray(value)
        if value.dtype.hasobject:
            _put(put, whole.tolist())
        else:
            put(whole.tobytes())
    elif kind in {"dataset", "cube"}:
        _put_labelled(put, value, kind)
    elif kind == "table":
        _put(put, [list(value.columns), value.index, dict(value.attrs)])
        for i in range(value.shape[1]):
            _put(put, value.iloc[:, i].array)
    elif kind == "series":
        _put(put, [value.name, value.index, value.array, dict(value.attrs)])
    elif kind == "index":
        _put(put, [list(map(str, value.names)), value.to_numpy()])
    else:  # by its name, since texts are stored in another way where PyArrow is installed
        classes = [getattr(value.dtype, name, None) for name in ("categories", "ordered")]
        _put(put, [str(value.dtype), classes, value.to_numpy()])


def _put_labelled(put: _Put, value: Any, kind: str) -> None:
    _put(put, value.attrs)
    if kind == "cube":
        _put(put, [str(value.name), value.dims, value.variable.data])
    else:
        for name, one in value.data_vars.items():
            _put(put, [str(name), one.dims, one.attrs, one.variable.data])
    for name, one in value.coords.items():
        _put(put, [str(name), one.dims, one.attrs, one.variable.data])


def _put_object(put: _Put, value: object) -> None:
    """Class and fields of an object; of a function its name; else what it prints as."""
    own = getattr(value, "bit_generator", None)
    if own is not None:
        _put(put, ["generator", own.state])
    elif isinstance(value, partial):
        _put(put, [value.func, value.args, value.keywords])
    elif hasattr(value, "__qualname__"):
        put(f"{value.__module__}.{value.__qualname__}".encode())
    elif is_dataclass(value):
        named = [(entry.name, getattr(value, entry.name)) for entry in fields(value)]
        _put(put, [type(value).__name__, named])
    elif hasattr(value, "model_dump"):
        _put(put, [type(value).__name__, value.model_dump()])
    elif _ADDRESS.search(text := repr(value)):
        _put(put, [type(value).__name__, getattr(value, "__dict__", {})])
    else:
        put(f"{type(value).__name__} {text}".encode())
