"""Arrays in chunks give what the whole gives, in little memory."""

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from headwater.detector import factor, stratify
from headwater.detector.resample import Resampling
from headwater.detector.stream import chunked_categories, chunked_strata
from headwater.errors import DataError

RNG = np.random.default_rng(1)
Y = RNG.normal(300, 1, (7, 20, 30))
X = Y + RNG.normal(0, 1, Y.shape)
COVER = RNG.integers(0, 3, Y.shape)
Y[0, :3] = np.nan
X[1, 5] = np.nan
EDGES = [-np.inf, 299.0, 300.0, 301.0, np.inf]


@pytest.mark.parametrize("chunks", [(7, 20, 30), (1, 20, 30), (2, 7, 11)])
@pytest.mark.parametrize("missing", ["pairwise", "listwise"])
def test_chunked_is_whole(chunks: tuple[int, ...], missing: str) -> None:
    weights = np.random.default_rng(2).uniform(1, 2, Y.shape)
    y, x, cover = (da.from_array(array, chunks) for array in (Y, X, COVER))
    whole = factor(
        Y, {"x": stratify(X, breaks=EDGES), "cover": COVER}, weights=weights, missing=missing
    ).data
    parts = factor(
        y, {"x": chunked_strata(x, EDGES), "cover": cover}, weights=weights, missing=missing
    ).data
    for column in ("q", "q_adjusted", "q_low", "F"):
        np.testing.assert_allclose(parts[column], whole[column], rtol=1e-9)
    for column in ("factor", "n", "strata", "n_missing"):
        assert parts[column].tolist() == whole[column].tolist()


def test_labelled_arrays_and_codes_in_memory() -> None:
    y = xr.DataArray(Y, dims=("time", "y", "x")).chunk({"time": 2})
    strata = stratify(X, breaks=EDGES)
    assert factor(y, {"x": strata}).data["q"][0] == pytest.approx(
        factor(Y, {"x": strata}).data["q"][0], abs=1e-12
    )


def test_bad_chunks_are_refused() -> None:
    y, x = da.from_array(Y, (1, 20, 30)), da.from_array(X, (1, 20, 30))
    with pytest.raises(DataError, match="values outside the given breaks"):
        factor(y, {"x": chunked_strata(x, [299.0, 300.0, 301.0])})
    with pytest.raises(DataError, match="must ascend"):
        chunked_strata(x, [3.0, 2.0, 1.0])
    with pytest.raises(DataError, match="not of the response's units"):
        factor(y, {"x": chunked_strata(x[:3], EDGES)})
    with pytest.raises(DataError, match="cannot be resampled"):
        factor(y, {"x": chunked_strata(x, EDGES)}, resampling=Resampling(RNG))
    with pytest.raises(DataError, match="too many distinct"):
        chunked_categories(da.from_array(np.arange(20_000.0), 5000))
    with pytest.raises(DataError, match="no factors"):
        factor(y, {})
    with pytest.raises(DataError, match="the response is constant"):
        factor(da.zeros((4, 6), chunks=2) + 273.15, {"x": np.arange(24).reshape(4, 6) > 9})


@pytest.mark.slow
def test_a_cube_on_disk_needs_a_few_chunks_of_memory(tmp_path) -> None:
    """Forty million cells of two variables, 0.3 GB: far less may be held."""
    code = f"""
import resource, numpy as np, zarr, dask.array as da
from headwater.detector import factor
from headwater.detector.stream import chunked_strata
shape, chunks = (40, 1000, 1000), (1, 1000, 1000)
rng = np.random.default_rng(1)
arrays = [
    zarr.create_array("{tmp_path}/" + name, shape=shape, chunks=chunks, dtype="f4")
    for name in "yx"
]
factor(np.arange(4.0), {{"x": [0, 0, 1, 1]}})
for t in range(40):
    x = rng.normal(size=shape[1:]).astype("f4")
    arrays[0][t], arrays[1][t] = x + rng.normal(size=shape[1:]), x
y, x = (da.from_zarr(array) for array in arrays)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = factor(y, {{"x": chunked_strata(x, [-np.inf, -1, 0, 1, np.inf])}}).data
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) / 1024, found["n"][0], found["q"][0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, n, q = map(float, done.stdout.split())
    assert n == 4e7
    assert q == pytest.approx(0.4411, abs=0.001)
    assert grown < 250
