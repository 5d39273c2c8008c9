"""Functions of all science rooms take arrays, Series and DataArrays, NumPy or Dask, alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from headwater import detector, inference, isotopes, validation, variation, vegetation, warning
from headwater.vegetation.cover import EndValues
from headwater.warning.standardised import rolling_total

MONTHS = pd.date_range("2001-01-01", periods=240, freq="MS")
RNG = np.random.default_rng(7)
FIRST = RNG.normal(size=240) + np.sin(np.arange(240) / 6.0 * np.pi)
SECOND = 0.5 * FIRST + RNG.normal(size=240)
SHARE = 0.1 + 0.7 * (FIRST - FIRST.min()) / np.ptp(FIRST)
ENDS = EndValues.given({0: (0.08, 0.82)})


def containers(values: np.ndarray) -> dict[str, Any]:
    cube = xr.DataArray(values, {"time": MONTHS}, "time", "x")
    series = pd.Series(values, MONTHS, name="x")
    return {"array": values, "series": series, "cube": cube, "dask": cube.chunk(time=90)}


A, B, U = containers(FIRST), containers(SECOND), containers(SHARE)


def strata(values: Any) -> Any:
    return detector.stratify(values, classes=3)


# what comes back in the container that was given
ALIKE: dict[str, Callable[[str], Any]] = {
    "whittaker": lambda kind: vegetation.whittaker(U[kind], strength=10.0),
    "fractional_cover": lambda kind: vegetation.fractional_cover(U[kind], ENDS),
    "rolling_total": lambda kind: rolling_total(A[kind], 3),
    "standardise": lambda kind: warning.standardise(
        A[kind], np.arange(240) % 12, distribution="normal"
    ),
    "seasonal_percentile": lambda kind: warning.seasonal_percentile(A[kind], MONTHS.values),
    "drought_class": lambda kind: warning.drought_class(100.0 * U[kind]),
    "d_excess": lambda kind: isotopes.d_excess(A[kind], B[kind]),
    "lc_excess": lambda kind: isotopes.lc_excess(A[kind], B[kind], isotopes.GMWL),
}
# what comes back as a result, a table or labelled maps
TABLES: dict[str, Callable[[str], Any]] = {
    "correlate": lambda kind: variation.correlate(A[kind], B[kind]),
    "lagged_correlation": lambda kind: variation.lagged_correlation(A[kind], B[kind], [0, 1]),
    "structural_breaks": lambda kind: variation.structural_breaks(A[kind]),
    "agreement": lambda kind: validation.agreement(A[kind], B[kind]),
    "fit_line": lambda kind: pd.DataFrame([isotopes.fit_line(A[kind], B[kind]).to_row()]),
    "fdr": lambda kind: inference.fdr(U[kind] ** 8).mask,
    "stratify": lambda kind: strata(A[kind]).codes,
    "factor": lambda kind: detector.factor(A[kind], {"b": strata(B[kind])}).data,
    "interaction": lambda kind: (
        detector.interaction(A[kind], {"a": strata(A[kind]), "b": strata(B[kind])}).data
    ),
    "risk": lambda kind: detector.risk(A[kind], {"b": strata(B[kind])}).data,
}


def numbers(found: Any) -> np.ndarray:
    """All numbers of a result, one after another."""
    if isinstance(found, xr.Dataset):
        return np.concatenate([np.ravel(one).astype(float) for one in found.values()])
    if isinstance(found, pd.DataFrame):
        return found.select_dtypes("number").to_numpy(dtype=float).ravel()
    return np.asarray(found, dtype=float).ravel()


@pytest.mark.parametrize("name", ALIKE)
def test_what_comes_in_comes_back(name: str) -> None:
    wanted = ALIKE[name]("array")
    assert type(wanted) is np.ndarray
    for kind, container in containers(FIRST).items():
        found = ALIKE[name](kind)
        assert type(found) is type(container)
        npt.assert_allclose(numbers(found), wanted, rtol=1e-9)
        if kind == "series":
            assert found.index.equals(container.index)
        elif kind != "array":
            npt.assert_array_equal(found["time"], container["time"])


@pytest.mark.parametrize("name", TABLES)
def test_every_container_gives_the_same_table(name: str) -> None:
    wanted = numbers(TABLES[name]("array"))
    assert np.isfinite(wanted).any()
    for kind in ("series", "cube", "dask"):
        npt.assert_allclose(numbers(TABLES[name](kind)), wanted, rtol=1e-6)


@pytest.mark.parametrize("period", ["month", "season", "year"])
def test_a_series_is_aggregated_as_a_cube_is(period: str) -> None:
    found = variation.aggregate(A["series"], period)
    xr.testing.assert_allclose(found, variation.aggregate(A["cube"], period))


def test_months_of_a_series_are_those_of_a_cube() -> None:
    for test in (variation.climatology, variation.seasonal_mann_kendall, variation.monthly_cv):
        wanted = test(U["cube"])
        for kind in ("series", "dask"):
            xr.testing.assert_allclose(test(U[kind]).compute(), wanted.compute())
