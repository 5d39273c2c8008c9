"""A result carries its data, says what it is in a notebook, and knows its inputs by a hash."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import headwater
from headwater.results import MapResult, TableResult, fingerprint, of_inputs, with_fingerprint
from headwater.study.results_io import HOME_OF_RESULT

SOURCES = Path(headwater.__file__).parent
ROOMS = ("detector", "grids", "isotopes", "validation", "variation", "warning")


def test_a_result_shows_what_was_done_and_escapes_it() -> None:
    table = pd.DataFrame({"q": [0.5]})
    result = TableResult(table, "q < 1", choices=("One & all.",), cautions=("n = 1.",))
    page = result._repr_html_()
    assert "<h4>q &lt; 1</h4>" in page
    assert "<li>One &amp; all.</li><li>n = 1.</li>" in page
    assert result.to_frame() is table


def test_maps_come_back_as_a_dataset() -> None:
    maps = xr.Dataset({"n": (("y", "x"), np.ones((2, 3)))})
    result = MapResult(maps, "counted")
    assert result.to_dataset() is maps


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
    assert fingerprint(pd.Series(["a", "b"])) == fingerprint(pd.Series(["a", "b"]))


def test_the_fingerprint_sees_names_units_and_whatever_is_long() -> None:
    def maps(**changes: object) -> xr.DataArray:
        values = {"data": np.ones(3), "coords": {"x": [0, 1, 2]}, "name": "theta"} | changes
        return xr.DataArray(dims="x", **values)  # type: ignore[arg-type]

    long = np.arange(3000)
    other = np.r_[long[:1500], -7, long[1501:]]
    pairs = [
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})),
        (pd.Series([1.0], name="a"), pd.Series([1.0], name="b")),
        (pd.Series([1.0], [0]), pd.Series([1.0], [1])),
        ({"x": long}, {"x": other}),
        ((long,), (other,)),
        (long.astype(object), other.astype(object)),
        (maps(), maps(name="rain")),
        (maps(), maps(attrs={"units": "mm"})),
        (maps(), maps(coords={"x": [0, 1, 3]})),
        (maps().to_dataset(), maps(data=np.zeros(3)).to_dataset()),
        (["ab"], ["a", "b"]),
        ([[1], 2], [1, [2]]),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (MapResult, TableResult),
        (pd.Categorical(["a"], ["a", "b"]), pd.Categorical(["a"], ["b", "a"])),
        (1, "1"),
        (1, True),
    ]
    for first, second in pairs:
        assert fingerprint(first) == fingerprint(first)
        assert fingerprint(first) != fingerprint(second), (first, second)


def test_a_lazy_array_is_not_computed_for_its_fingerprint() -> None:
    dask = pytest.importorskip("dask.array")

    def boom(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    lazy = dask.zeros((4, 4), chunks=2).map_blocks(boom, dtype=float, meta=np.empty((0, 0)))
    assert fingerprint(xr.DataArray(lazy)) != fingerprint(xr.DataArray(lazy[:2]))
    assert fingerprint(dask.ones(4)) == fingerprint(dask.ones(4)) != fingerprint(dask.zeros(4))


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["", "a", "b", "1"]),
    st.floats(-2, 2).map(lambda value: np.array([value, 0.0])),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2),
    st.lists(st.integers(0, 2), max_size=2).map(tuple),
)


@of_inputs
def counted(values: object, level: object = 0.95, *, name: object = "q") -> TableResult:
    """Count to one, whatever is given."""
    return TableResult(pd.DataFrame({"n": [1]}), "counted")


@given(st.tuples(_VALUES, _VALUES, _VALUES), st.tuples(_VALUES, _VALUES, _VALUES))
def test_any_argument_that_differs_gives_another_fingerprint(
    one: tuple[object, ...], two: tuple[object, ...]
) -> None:
    keys = [counted(a, b, name=c).fingerprint for a, b, c in (one, two)]
    assert keys[0] == counted(one[0], name=one[2], level=one[1]).fingerprint
    assert (keys[0] == keys[1]) == (repr(one) == repr(two))


def test_generators_count_as_they_were_before_the_call() -> None:
    def draw(rng: np.random.Generator) -> TableResult:
        return TableResult(pd.DataFrame({"n": [1 + 0 * rng.integers(9)]}), "drawn")

    rng = np.random.default_rng(1)
    first, second = (of_inputs(draw)(rng).fingerprint for _ in range(2))
    assert first == of_inputs(draw)(np.random.default_rng(1)).fingerprint != second


def test_every_public_function_with_a_result_takes_the_hash_of_its_inputs() -> None:
    seen, bare = 0, []
    for path in (path for room in ROOMS for path in (SOURCES / room).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            kind = ast.unparse(node.returns).split(".")[-1] if node.returns else ""
            if kind in HOME_OF_RESULT or kind in ("MapResult", "TableResult"):
                seen += 1
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                bare += [] if "of_inputs" in marks else [f"{path.name}: {node.name}"]
    assert seen > 50
    assert not bare


def test_two_results_that_differ_never_share_a_fingerprint() -> None:
    table = pd.DataFrame({"q": [0.5]})
    same = TableResult(table, "q", fingerprint=fingerprint("inputs"))
    assert TableResult(table, "q", fingerprint=fingerprint("inputs")).fingerprint == (
        same.fingerprint
    )
    others = [
        TableResult(table + 1e-12, "q", fingerprint=fingerprint("inputs")),
        TableResult(table, "q'", fingerprint=fingerprint("inputs")),
        TableResult(table, "q", fingerprint=fingerprint("other inputs")),
        TableResult(table, "q", choices=("One.",), fingerprint=fingerprint("inputs")),
        TableResult(table.rename(columns={"q": "p"}), "q", fingerprint=fingerprint("inputs")),
        MapResult(table.to_xarray(), "q", fingerprint=fingerprint("inputs")),
        replace(same, data=table * 2),
    ]
    assert len({same.fingerprint, *(one.fingerprint for one in others)}) == 8
    assert with_fingerprint(others[0], "saved").fingerprint == "saved"


def test_tables_and_maps_give_both_a_frame_and_a_dataset() -> None:
    table = pd.DataFrame({"q": [0.5, 0.7]})
    table.attrs["units"] = {"q": "1"}
    dataset = TableResult(table, "q").to_dataset()
    assert dataset["q"].values.tolist() == [0.5, 0.7]
    assert dataset["q"].attrs["units"] == "1"
    maps = xr.Dataset({"n": (("y", "x"), np.ones((2, 3)))}, {"y": [0, 1], "x": [0, 1, 2]})
    assert MapResult(maps, "n").to_frame().columns.tolist() == ["y", "x", "n"]
