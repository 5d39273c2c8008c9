"""ERA5-Land at 32 points around the Qilian Mountains, as an archive shares it (long table).

Source: bpbond/gsbe 71590a7 (MIT; contains modified Copernicus Climate Change
Service information). The means were computed by hand from the file's own column.
"""

from pathlib import Path

import pandas as pd
import pytest

from headwater.glossary import term
from headwater.study.points import open_points

FOLDER = Path(__file__).parents[1] / "data" / "real" / "era5land-points-qilian"
POINTS = FOLDER / "era5land_monthly_qilian.csv"


def test_a_quantity_is_taken_out_of_the_long_table_and_kriged() -> None:
    data = open_points(POINTS, term("temperature"), options={"units": "K"})
    table = pd.read_csv(POINTS)
    mean = table[table["short_name"] == "Tair"]["value"].mean() - 273.15
    assert "32 stations kriged" in data.attrs["notes"]
    assert "months" in data.attrs["notes"]
    assert float(data.mean()) == pytest.approx(mean, abs=3.5)
    # kriging is exact at a station
    one = table[(table["short_name"] == "Tair") & (table["Longitude"] == 98.31)].iloc[0]
    here = data.sel(time=one["time"][:10]).interp(x=98.31, y=38.42)
    assert float(here) == pytest.approx(one["value"] - 273.15, abs=1.0)
