"""Blocks that are read once, and in few tasks: the same values as task by task."""

from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr

from headwater.grids.write import write_zarr, write_zarr_beside
from headwater.study.cluster import bundled


def read_of(counts: Counter[tuple[int, ...]]) -> xr.DataArray:
    """A cube whose blocks count how often they are read."""
    values = np.random.default_rng(1).random((64, 6, 8))

    def read(block_info: dict) -> np.ndarray:
        where = block_info[None]["array-location"]
        counts[tuple(low for low, _ in where)] += 1
        return values[tuple(slice(*edges) for edges in where)]

    chunks = ((2,) * 32, (3, 3), (8,))
    cube = da.map_blocks(read, chunks=chunks, dtype=float, meta=np.empty((0, 0, 0)))
    return xr.DataArray(cube, dims=("time", "y", "x"), name="v")


def test_what_is_computed_beside_a_store_reads_no_block_again(tmp_path: Path) -> None:
    counts: Counter[tuple[int, ...]] = Counter()
    cube = read_of(counts)
    high = cube.where(cube > 0.5)
    beside = {"valid": high.count("time"), "low": (cube <= 0.5).sum(), "some": high[::5]}
    with dask.config.set(scheduler="synchronous"):
        found = write_zarr_beside(
            high.to_dataset(), tmp_path / "v.zarr", beside, chunks={"time": 2, "y": 3}
        )
    assert len(counts) == 64
    assert set(counts.values()) == {1}
    stored = xr.open_zarr(tmp_path / "v.zarr")["v"].load()
    assert int(found["valid"].sum()) + int(found["low"]) == stored.size
    np.testing.assert_array_equal(stored.count("time"), found["valid"])
    np.testing.assert_array_equal(stored[::5], found["some"])


def test_bundles_give_the_same_in_few_tasks(tmp_path: Path) -> None:
    sizes = []

    def get(graph: object, keys: object, **_: object) -> object:
        tasks = graph.__dask_graph__()  # type: ignore[attr-defined]
        few = bundled(tasks, keys, 4)  # type: ignore[arg-type]
        sizes.append((len(tasks), len(few)))
        return dask.get(few, keys)

    counts: Counter[tuple[int, ...]] = Counter()
    cube = read_of(counts)
    beside = {"mean": cube.mean("time"), "first": cube[0], "sum": cube.sum("time").sum()}
    with dask.config.set(scheduler=get):
        found = write_zarr_beside(
            cube.to_dataset(), tmp_path / "v.zarr", beside, chunks={"time": 2, "y": 3}
        )
    assert set(counts.values()) == {1}
    assert sizes[0][0] > 300
    assert sizes[0][1] < 60
    plain = dask.compute(beside, scheduler="synchronous")[0]
    for name, values in plain.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "v.zarr")["v"], cube)


def test_a_task_writes_all_chunks_of_its_block(tmp_path: Path) -> None:
    written: list[int] = []

    def get(graph: object, keys: object, **_: object) -> object:
        tasks = dict(graph.__dask_graph__())  # type: ignore[attr-defined]
        written.append(sum(str(key).startswith("('store-map") for key in tasks))
        return dask.get(tasks, keys)

    values = np.random.default_rng(2).random((8, 10, 7))
    maps = xr.DataArray(da.from_array(values, chunks=(2, 10, 7)), dims=("time", "y", "x"), name="v")
    with dask.config.set(scheduler=get):
        write_zarr(maps.to_dataset(), tmp_path / "v.zarr", chunks={"time": 2, "y": 3, "x": 3})
    stored = xr.open_zarr(tmp_path / "v.zarr")["v"]
    # of tiles that do not divide the maps, no task is left with the rest of them
    assert stored.encoding["chunks"] == (2, 3, 3)
    assert max(written) == 4
    np.testing.assert_array_equal(stored, values)


def test_data_that_are_shuffled_stay_in_tasks_of_their_own() -> None:
    counts: Counter[tuple[int, ...]] = Counter()
    turned = read_of(counts).chunk(time=-1, y=1, x=1).data
    graph = dict(turned.__dask_graph__())
    assert len(bundled(graph, turned.__dask_keys__(), 4)) >= len(graph) / 2
