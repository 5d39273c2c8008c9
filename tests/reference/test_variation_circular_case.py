"""Circular-linear correlation against R.

Source: tests/data/reference/grid/circlin_expected.csv, from R 4.2.2: Mardia & Jupp (2000), eq.
11.2.1, equal to the R² of lm(x ~ cos + sin), on 60 aspects with a linear variable.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.variation.map_correlation import circular_linear

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"


def test_circular_linear_equals_r():
    data = pd.read_csv(CASES / "circlin_synth.csv")
    table = pd.read_csv(CASES / "circlin_expected.csv")
    wanted = dict(zip(table["key"], table["value"].astype(float), strict=True))
    found = circular_linear(data["aspect_deg"], data["x"])
    assert found.n == 60
    assert found.value == pytest.approx(wanted["R"], rel=1e-9)
    assert found.value**2 == pytest.approx(wanted["R2"], rel=1e-9)
    assert found.p == pytest.approx(wanted["p_F"], rel=1e-9)
    raw = np.corrcoef(data["aspect_deg"], data["x"])[0, 1]
    assert raw == pytest.approx(wanted["pearson_raw_wrong"], rel=1e-9)
