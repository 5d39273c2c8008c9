"""On made-up data the report ends with what was recovered of the truth."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters.recovered import make_recovered
from headwater.errors import InputError
from headwater.report.section import FigureBlock, TextBlock
from headwater.results import MapResult, TableResult


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
    table = section.blocks[-1].frame.set_index("case")
    assert table.loc["precipitation, 3000–3500 m, June", "truth"] == pytest.approx(0.7)
    assert table["within"].tolist() == ["yes", "no", "yes", "no"]
    assert section.headline[-1] == (
        "Fraction of a source: mean absolute error 0.05 (n = 2), 1 of 2 intervals hold the truth."
    )
    figure = next(block for block in section.blocks if isinstance(block, FigureBlock))
    assert np.isfinite(figure.draw().get_size_inches()).all()


def test_fractions_at_the_edge_are_told_from_those_that_an_interval_can_hold(truth):
    rows = {"month": [6], "band": ["3000-3500"], "vegetation": ["meadow"]}
    shares = {"precipitation": [1.0], "ground_ice": [0.0]}
    pd.DataFrame(rows | shares).to_csv(truth / "truth_fractions.csv", index=False)
    mixing = pd.DataFrame(
        {
            "grouping": "altitude_band",
            "label": "3000–3500 m",
            "period": "June",
            "source": ["precipitation", "ground ice"],
            "fraction": [0.9, 0.1],
            "low": [0.7, 0.01],
            "high": [0.99, 0.3],
        }
    )
    section = make_recovered({"samples": {"mixing": TableResult(mixing, "")}}, truth)
    told = " ".join(block.text for block in section.blocks if isinstance(block, TextBlock))
    assert "2 of the 2 fractions are truly 0 or 1" in told
    assert "Of the 0 others 0 are within" in told


@pytest.fixture
def wet(tmp_path):
    """Three years of soil moisture that a factor explains, and what a study finds of it."""
    time = pd.date_range("2018-01-01", "2020-12-31", freq="D")
    coords = {"y": [36.5, 36.0], "x": [100.0, 100.5, 101.0]}
    factor = xr.DataArray([[1.0, 2.0, 3.0], [1.5, 2.5, 4.0]], coords, ("y", "x"))
    level = xr.DataArray(np.where(time.month == 7, 0.02, 0.0), {"time": time}, ("time",))
    drift = xr.DataArray(0.001 * (time.year - 2018), {"time": time}, ("time",))
    cube = (0.1 + 0.01 * factor + level + drift).transpose("time", "y", "x")
    cube = cube.assign_coords(spatial_ref=0)
    cube["spatial_ref"].attrs["crs_wkt"] = "EPSG:4326"
    cube.attrs["grid_mapping"] = "spatial_ref"
    cube.to_dataset(name="soil_moisture").to_netcdf(tmp_path / "truth.nc", engine="h5netcdf")
    months = cube.mean(("y", "x")).resample(time="MS").mean()
    months = pd.DataFrame({"time": months["time"].values, "mean": months.values})
    series = pd.DataFrame(
        {
            "period": ["2018", "2018"],
            "factor": ["slope", "rain"],
            "rank": [1, 2],
            "q": [0.6, 0.5],
            "p_lead": [0.4, np.nan],
        }
    )
    strata = {
        "rain_stratum": (factor > 2).astype(float),
        "slope_stratum": xr.ones_like(factor) * [0.0, 1.0, 0.0],
    }
    q = {"factor": ["rain"], "q": [0.7], "q_low": [0.1], "q_high": [0.95]}
    r = {"first": "soil_moisture", "second": ["rain"], "statistic": "r", "value": 0.9}
    return tmp_path, {
        "variation": {
            "soil_moisture-months": TableResult(months, ""),
            "rain-season": MapResult(xr.Dataset({"mean": factor}), ""),
        },
        "correlation": {"matrix": TableResult(pd.DataFrame(r | {"n_effective": 6.0}), "")},
        "detector": {
            "series": TableResult(series, ""),
            "factor": TableResult(pd.DataFrame(q), ""),
            "maps": MapResult(xr.Dataset(strata), ""),
        },
    }


def test_cycle_r_q_and_the_order_of_factors_are_compared(wet):
    truth, found = wet
    table = make_recovered(found, truth).blocks[-1].frame.set_index(["quantity", "case"])
    july = table.loc[("Seasonal cycle of soil moisture", "July")]
    assert july["found"] == pytest.approx(july["truth"], abs=1e-3)
    assert july["within"] == "yes"
    r = table.loc[("r of soil moisture over cells", "rain")]
    assert r["truth"] == pytest.approx(1.0)
    assert (r["within"], r["high"] < 1.0) == ("no", True)
    assert table.loc[("q of soil moisture", "rain"), "truth"] == pytest.approx(0.69, abs=0.03)
    # p of the lead leaves open which is first, so that the second place holds the truth
    lead = table.loc[("Rank found of the factor that truly leads", "rain, 2018")]
    assert (lead["found"], lead["low"], lead["within"]) == (2.0, 1.0, "yes")
    found["detector"]["series"].data.loc[0, "p_lead"] = 0.001
    table = make_recovered(found, truth).blocks[-1].frame.set_index("quantity")
    assert table.loc["Rank found of the factor that truly leads", "within"] == "no"


def test_a_folder_without_truth_is_refused(tmp_path):
    with pytest.raises(InputError, match="no truth"):
        make_recovered({}, tmp_path)
