"""Partial correlation against R.

Source: tests/data/reference/grid/trend_expected.csv, from R 4.2.2, package trend 1.1.6, the
function partial.cor.trend.test(s, Q): of s at Maxau (Rhine, 45 years) with time, discharge Q held
fixed.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from headwater.variation import correlate

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_partial_correlation_equals_r(method):
    table = pd.read_csv(CASES / "trend_expected.csv", names=["data", "function", "key", "value"])
    own = table[table["function"] == f"trend::partial.cor.trend.test(s,Q,{method})"]
    wanted = dict(zip(own["key"], own["value"].astype(float), strict=True))
    data = pd.read_csv(CASES / "maxau.csv")
    years = {"time": pd.date_range("1965-01-01", periods=len(data), freq="YS")}
    s, discharge = (xr.DataArray(data[name].to_numpy(float), years, "time") for name in ("s", "Q"))
    order = xr.DataArray(np.arange(len(data), dtype=float), years, "time")
    found = correlate(s, order, controls=[discharge], method=method)
    assert float(found["r"]) == pytest.approx(wanted["r"], rel=1e-9)
    # R's package forgets the control in the degrees of freedom (43 for 42); ours counts it
    t = wanted["r"] * np.sqrt(43 / (1 - wanted["r"] ** 2))
    assert t == pytest.approx(wanted["t"], rel=1e-9)
    honest = 2 * stats.t.sf(abs(wanted["r"]) * np.sqrt(42 / (1 - wanted["r"] ** 2)), 42)
    assert float(found["p"]) == pytest.approx(honest, rel=1e-8)
