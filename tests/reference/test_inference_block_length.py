"""Automatic block lengths against the Python package arch.

Source: arch 8.0.0, `arch.bootstrap.optimal_block_length(x)["circular"]`, of the Nile flow 1871-1970
(tests/data/reference/grid/nile.csv) and of autoregressive series driven by a fixed, noise-like
sequence.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.inference.bootstrap import block_length

CASES = Path(__file__).parents[1] / "data" / "reference" / "grid"


def test_nile():
    flow = pd.read_csv(CASES / "nile.csv")["flow"].to_numpy(float)
    assert block_length(flow) == pytest.approx(14.118326537905858, rel=1e-12)


@pytest.mark.parametrize(
    ("phi", "expected"),
    [
        # arch says 0.841; a block is at least one value long
        (0.0, 1.0),
        (0.3, 5.886496786613818),
        (0.7, 18.11763433621079),
        (-0.5, 14.007818020860684),
    ],
)
def test_autoregressive_series(phi, expected):
    noise = np.modf(1e4 * np.abs(np.sin(np.arange(1, 601) ** 2.0)))[0] - 0.5
    series = noise.copy()
    for step in range(1, 600):
        series[step] += phi * series[step - 1]
    assert block_length(series) == pytest.approx(expected, rel=1e-9)
