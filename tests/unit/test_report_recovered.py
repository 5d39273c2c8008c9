"""On made-up data the report ends with what was recovered of the truth."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters.recovered import make_recovered
from headwater.errors import InputError
from headwater.results import TableResult


@pytest.fixture
def truth(tmp_path):
    data = xr.Dataset(attrs={"lmwl": json.dumps({"slope": 8.0, "intercept": 10.0})})
    data.to_netcdf(tmp_path / "truth.nc", engine="h5netcdf")
    rows = {"month": [6, 6], "band": ["3000-3500"] * 2, "vegetation": ["meadow"] * 2}
    shares = {"precipitation": [0.6, 0.8], "ground_ice": [0.4, 0.2]}
    pd.DataFrame(rows | shares).to_csv(tmp_path / "truth_fractions.csv", index=False)
    return tmp_path


def test_what_is_found_is_compared_with_the_truth_and_its_interval(truth):
    line = pd.DataFrame([{"slope": 7.9, "slope_se": 0.1, "intercept": 8.0, "intercept_se": 0.5}])
    mixing = pd.DataFrame(
        {
            "grouping": "altitude_band",
            "label": "3000–3500 m",
            "period": "June",
            "source": ["precipitation", "ground ice"],
            "fraction": [0.75, 0.25],
            "low": [0.6, 0.1],
            "high": [0.9, 0.29],
        }
    )
    found = {"samples": {"meteoric": TableResult(line, ""), "mixing": TableResult(mixing, "")}}
    section = make_recovered(found, truth)
    table = section.blocks[-1].frame.set_index("of")
    assert table.loc["precipitation, 3000–3500 m, June", "truth"] == pytest.approx(0.7)
    assert table["within"].tolist() == ["yes", "no", "yes", "no"]
    assert section.headline[-1] == (
        "Fraction of a source: mean absolute error 0.05 (n = 2), 1 of 2 intervals hold the truth."
    )
    assert np.isfinite(section.blocks[0].draw().get_size_inches()).all()


def test_a_folder_without_truth_is_refused(tmp_path):
    with pytest.raises(InputError, match="no truth"):
        make_recovered({}, tmp_path)
