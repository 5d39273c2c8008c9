"""What a figure draws, compared with the data that it should draw."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure


def marks(figure: Figure) -> Iterator[Artist]:
    """All artists that stand for data."""
    for axes in figure.axes:
        yield from (*axes.lines, *axes.collections, *axes.images, *axes.patches)


def numbers(artist: Artist) -> Iterator[np.ndarray]:
    """All numbers that an artist was given."""
    for name in ("get_xydata", "get_offsets", "get_array"):
        found = getattr(artist, name, lambda: None)()
        if found is not None:
            yield np.ma.filled(np.ma.asarray(found, dtype=float), np.nan).ravel()
    if isinstance(artist, PolyCollection):
        yield from (path.vertices.ravel() for path in artist.get_paths())
    for segment in getattr(artist, "get_segments", list)():
        yield np.asarray(segment, dtype=float).ravel()
    if hasattr(artist, "get_width") and hasattr(artist, "get_height"):
        yield np.array([artist.get_width(), artist.get_height()], dtype=float)


def columns_of(data: pd.DataFrame | xr.Dataset) -> Iterator[tuple[str, np.ndarray]]:
    """All columns or variables that hold numbers with a fraction."""
    names = data.data_vars if isinstance(data, xr.Dataset) else data.columns
    for name in names:
        values = np.asarray(data[name])
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
            if np.unique(values).size > 1:
                yield str(name), np.unique(values)


def drawn(figure: Figure, data: pd.DataFrame | xr.Dataset) -> set[str]:
    """Columns of which most values are among the numbers that the figure draws."""
    parts = [part for artist in marks(figure) for part in numbers(artist)]
    there = np.sort(np.concatenate(parts)) if parts else np.empty(0)
    there = there[np.isfinite(there)]
    if not there.size:
        return set()
    found = set()
    for name, values in columns_of(data):
        at = np.clip(np.searchsorted(there, values), 1, max(there.size - 1, 1))
        near = np.minimum(np.abs(there[at - 1] - values), np.abs(there[at % there.size] - values))
        if np.mean(near <= 1e-5 * np.maximum(np.abs(values), 1e-9)) > 0.5:
            found.add(name)
    return found


@pytest.fixture
def shows() -> Callable[..., set[str]]:
    """Columns that a figure draws; fails where they would be found without its marks too."""

    def check(figure: Figure, data: pd.DataFrame | xr.Dataset, *names: str) -> set[str]:
        found = drawn(figure, data)
        assert found, "the figure draws no column of the data"
        assert set(names) <= found
        for artist in list(marks(figure)):
            artist.remove()
        assert drawn(figure, data) == set()
        return found

    return check
