"""A result carries its data, says what it is in a notebook, and knows its inputs by a hash."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.results import MapResult, TableResult, fingerprint


def test_a_result_shows_what_was_done_and_escapes_it() -> None:
    table = pd.DataFrame({"q": [0.5]})
    result = TableResult(table, "q < 1", choices=("One & all.",), cautions=("n = 1.",))
    page = result._repr_html_()
    assert "<h4>q &lt; 1</h4>" in page
    assert "<li>One &amp; all.</li><li>n = 1.</li>" in page
    assert result.to_frame() is table


def test_maps_come_back_as_a_dataset_and_a_base_has_no_picture() -> None:
    maps = xr.Dataset({"n": (("y", "x"), np.ones((2, 3)))})
    result = MapResult(maps, "counted")
    assert result.to_dataset() is maps
    with pytest.raises(NotImplementedError, match="MapResult"):
        result.plot()


def test_a_result_cannot_be_changed() -> None:
    result = MapResult(xr.Dataset(), "counted")
    with pytest.raises(AttributeError):
        result.method = "guessed"  # type: ignore[misc]


def test_the_fingerprint_follows_values_type_and_shape() -> None:
    one = np.arange(6.0)
    keys = [
        fingerprint(one),
        fingerprint(one.astype("float32")),
        fingerprint(one.reshape(2, 3)),
        fingerprint(one + 1e-12),
        fingerprint(one, "ols"),
        fingerprint("ols", one),
        fingerprint(None),
        fingerprint({"a": 1}),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 12 for key in keys)
    assert fingerprint(one[::2]) == fingerprint(one[::2].copy())
    assert fingerprint(pd.Series(["a", "b"])) == fingerprint(np.array(["a", "b"], dtype=object))
