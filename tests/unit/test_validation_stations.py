"""Tables of stations: depths, repeats, zones and units."""

from pathlib import Path

import numpy as np
import pytest

from headwater.chapters.validation.reference import daily_reference, reading_lines
from headwater.chapters.validation.stations import read_stations
from headwater.errors import DataError, InputError
from headwater.tables import ReadingOptions

DATA = Path(__file__).parents[1] / "data" / "tables" / "stations"


def test_each_depth_is_a_series_of_its_own() -> None:
    stations = read_stations(DATA / "depths.csv")
    assert stations.depths == (0.05, 0.5)
    names = stations.daily["station"].unique().tolist()
    assert names == ["A at 0.05 m", "A at 0.5 m"]
    assert (stations.daily["n"] == 1).all()
    upper = read_stations(DATA / "depths.csv", depth=0.05)
    assert upper.daily["station"].unique().tolist() == ["A"]
    assert upper.daily["soil_moisture"].iloc[0] == 0.13308
    with pytest.raises(InputError, match="several series at one place"):
        daily_reference(DATA / "depths.csv")
    with pytest.raises(InputError, match=r"no such depth. Found: 0.1 m. Known: 0.05, 0.5"):
        read_stations(DATA / "depths.csv", depth=0.1)


def test_two_values_at_one_time_are_refused() -> None:
    with pytest.raises(DataError, match=r"A on 2017-01-11 00:00: 0\.12041 and 0\.22041"):
        read_stations(DATA / "dupconf.csv")


def test_local_times_are_told_and_the_zone_settles_them() -> None:
    read = read_stations(DATA / "local.csv")
    assert any("taken as UTC; zone settles it" in text for text in read.report.guesses)
    local = read_stations(DATA / "local.csv", reading=ReadingOptions(zone="Asia/Shanghai"))
    assert not local.report.guesses
    assert local.daily["day"].dt.strftime("%Y-%m-%d").iloc[0] == "2016-12-31"
    assert local.daily["n"].iloc[0] == 8


def test_units_separators_and_what_is_said_twice(tmp_path: Path) -> None:
    path = tmp_path / "sm.csv"
    rows = "站点;经度;纬度;时间;土壤体积含水量(%)\nA;99,02;38,74;2017/1/1;20,5\n"
    path.write_text(rows + rows.splitlines()[1] + "\nA;99,02;38,74;2017/1/2;-9999\n", "gbk")
    read = read_stations(path)
    assert read.daily["soil_moisture"].tolist()[0] == 0.205
    assert np.isnan(read.daily["soil_moisture"].iloc[1])
    assert [entry.rows for entry in read.report.left_out] == [(3,)]
    path.write_text(rows.replace("(%)", ""), "utf-8")
    with pytest.raises(InputError, match="or named in the head as soil_moisture"):
        read_stations(path)


def test_the_report_of_the_reading_is_kept_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        "station,lon,lat,time,sm (vol%)\nA,99,38,2017-01-01,13.3\nA,99,38,2017-01-02,-\n"
    )
    lines = reading_lines(str(path))
    assert "'sm (vol%)' is soil_moisture (known spelling), vol% converted to m3 m-3" in lines
    assert "1 × '-' in sm (vol%): missing" in lines
    assert reading_lines(str(tmp_path / "network.db")) == ()


def test_marks_of_quality_zeros_and_overfull_soil_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "flags.csv"
    rows = [("01", 0.21, "G"), ("02", 0.95, "D01"), ("03", 0.0, "D01"), ("04", 0.22, "G")]
    lines = [f"A,99.1,38,2017-01-{day},{value},{mark}" for day, value, mark in rows]
    path.write_text("\n".join(("station,longitude,latitude,time,soil_moisture,flag", *lines)))
    guesses = read_stations(path).report.guesses
    for part in ("'flag' (G, D01) looks like", "1 of 4 values are above 0.65", "are exactly 0"):
        assert sum(part in text for text in guesses) == 1
