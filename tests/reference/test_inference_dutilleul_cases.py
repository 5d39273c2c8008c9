"""Dutilleul's modified t-test against R.

Source: tests/data/reference/grid (murray.csv, dutilleul_grid.csv, dutilleul_expected.csv), made by
running SpatialPack 0.4.1 `modified.ttest` (13 classes) in R 4.2.2.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.inference.dutilleul import modified_t_test

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"
FIELDS = {"r": "r", "ESS": "effective_n", "dof": "dof", "F": "F", "p": "p_value"}


def check(test, dataset):
    expected = pd.read_csv(CASES / "dutilleul_expected.csv", skipinitialspace=True)
    rows = expected[expected.dataset == dataset].set_index("key")["value"].astype(float)
    for key, name in FIELDS.items():
        np.testing.assert_allclose(getattr(test, name), rows[key], rtol=1e-9, atol=0)


def test_murray_smelter_points():
    murray = pd.read_csv(CASES / "murray.csv")
    places = murray[["xpos", "ypos"]].to_numpy(float)
    test = modified_t_test(murray["As"], murray["Pb"], coordinates=places, classes=13)
    assert test.n == 253
    check(test, "murray As~Pb")


def test_grid_with_gaps_by_fft_and_by_pairs():
    cells = pd.read_csv(CASES / "dutilleul_grid.csv")
    a, b = (cells.sort_values(["row", "col"])[name].to_numpy().reshape(24, 30) for name in "ab")
    test = modified_t_test(a, b, classes=13)
    check(test, "grid24x30")
    places = cells[["row", "col"]].to_numpy(float)
    check(modified_t_test(cells["a"], cells["b"], coordinates=places, classes=13), "grid24x30")
    assert test.n == 644
    assert test.width == pytest.approx(2.84719315743411, rel=1e-12)
