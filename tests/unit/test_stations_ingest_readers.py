"""Readers tell of each line whether it was kept, and place times and units right."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headwater.errors import InputError, StudyError, UnitError
from headwater.network.ingest.clocks import clock_doubts
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.formats import read_file
from headwater.network.ingest.geojson import read_geojson
from headwater.network.ingest.ismn import read_ismn, read_ismn_archive
from headwater.network.ingest.mapping import (
    TEMPLATE,
    Mapping,
    parse_mapping,
    read_mapping,
    write_template,
)
from headwater.network.ingest.messages import read_messages
from headwater.network.ingest.parsed_file import Reading, lines_of
from headwater.network.ingest.table import instants
from headwater.network.ingest.toa5 import read_toa5
from headwater.network.times import NEVER, iso, microseconds

SERIES = {
    "column": "VWC",
    "thing": "Upper",
    "property": "soil_moisture",
    "unit": "vol%",
    "depth": 0.1,
}


def mapped(**tables: object) -> Mapping:
    return parse_mapping({"time": {"zone": "UTC"}, "series": [SERIES], **tables})


def values(reading: Reading) -> list[float]:
    return [float(value) for value in reading.data["value"]]


def times(reading: Reading) -> list[str]:
    return [iso(int(t.value // 1000)) for t in reading.data["time"].dt.as_unit("ns")]


def test_a_head_that_was_not_divided_names_the_delimiter(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time;VWC\n2024-06-01;31\n", encoding="utf-8")
    with pytest.raises(InputError, match=r'in one column, .*: set \[file\] delimiter = ";"'):
        read_csv(file, mapped())


# times ----------------------------------------------------------------------------------------


def test_daylight_saving_is_told_not_guessed() -> None:
    told = ["2024-03-31 01:30", "2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27 03:30"]
    time, refused = instants(told, zone="Europe/Berlin")
    assert [iso(int(t)) for t in time[[0, 3]]] == ["2024-03-31T00:30:00Z", "2024-10-27T02:30:00Z"]
    assert set(refused) == {1, 2}
    assert "does not exist in Europe/Berlin" in refused[1]
    assert "happens twice in Europe/Berlin" in refused[2]
    assert time[1] == time[2] == NEVER


def test_a_written_offset_settles_the_repeated_hour() -> None:
    time, refused = instants(["2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"])
    assert not refused
    assert time[1] - time[0] == 3_600_000_000


def test_a_time_without_zone_is_refused_unless_the_mapping_names_one() -> None:
    for format in (None, "%Y-%m-%d %H:%M"):
        time, refused = instants(["2024-07-01 12:00"], format=format)
        assert time[0] == NEVER
        assert "without a zone" in refused[0]
    time, _ = instants(["2024-07-01 12:00"], zone="Asia/Shanghai")
    assert iso(int(time[0])) == "2024-07-01T04:00:00Z"


def test_leap_days_are_right() -> None:
    told = ["2024-02-29", "2023-02-29", "2000-02-29", "1900-02-29"]
    time, refused = instants(told, zone="UTC")
    assert set(refused) == {1, 3}
    assert iso(int(time[2])) == "2000-02-29T00:00:00Z"
    _, refused = instants(["29.02.2024", "30.02.2024"], format="%d.%m.%Y", zone="UTC")
    assert set(refused) == {1}


def test_unknown_zone_is_an_error_of_the_mapping() -> None:
    with pytest.raises(InputError, match="unknown time zone"):
        instants(["2024-02-29"], zone="Tibet")


# lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_ends_of_lines(end: str) -> None:
    text = end.join(["time,VWC", "2024-01-01,30", "2024-01-02,31", ""])
    assert values(read_csv(text.encode(), mapped())) == [0.3, 0.31]


def test_bytes_that_are_no_text_spoil_their_line_only() -> None:
    text = b"time,VWC\n2024-01-01,30\n2024-01-02,3\xff1\n2024-01-03,32\n"
    told = read_csv(text, mapped())
    assert values(told) == [0.3, 0.32]
    assert told.refused[0].line == 3


def test_compressed_and_cut_off_files(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-{d:02d} {h:02d}:00,{d + h}\n" for d in range(1, 29) for h in range(24))
    packed = gzip.compress(("time,VWC\n" + rows).encode())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed)
    assert len(values(read_csv(path, mapped()))) == 672
    path.write_bytes(packed[: len(packed) // 2])
    assert 100 < len(values(read_csv(path, mapped()))) < 672


def test_a_last_line_without_end_waits() -> None:
    text = b"time,VWC\n2024-01-01,30\n2024-01-02,3"
    assert values(read_csv(text, mapped(), whole=False)) == [0.3]
    assert lines_of(b"") == []


# CSV ------------------------------------------------------------------------------------------


def test_wide_table_keeps_the_good_cell_of_a_line() -> None:
    mapping = mapped(
        series=[
            {**SERIES, "column": "a", "name": "a"},
            {**SERIES, "column": "b", "name": "b", "unit": "m3 m-3"},
        ]
    )
    told = read_csv(b"time,a,b\n2024-01-01,30,x\n2024-01-02,,0.2\n2024-01-03,1\n", mapping)
    assert told.lines == 3
    assert told.kept == 2
    assert [(item.line, item.reason) for item in told.refused] == [
        (2, "b is not a number: 'x'"),
        (4, "2 fields where there are 3 columns"),
    ]
    assert told.missing == 1


def test_long_table_by_where_and_by_columns() -> None:
    text = (
        b"station;variable;depth;when;hour;value;qc\n"
        b"A;sm;0.1;01.07.2026;06:00;31,5;ok\nB;sm;0.1;01.07.2026;06:00;-9999;bad\n"
        b"A;ts;0.1;01.07.2026;06:00;12,25;ok\nA;wind;;01.07.2026;06:00;3;ok\n"
    )
    common = {"column": "value", "thing": "Station {station}", "depth": "{depth}", "flag": "qc"}
    mapping = parse_mapping(
        {
            "file": {"delimiter": ";", "decimal": ",", "missing": ["-9999"]},
            "time": {"columns": ["when", "hour"], "format": "%d.%m.%Y %H:%M", "zone": "Etc/GMT-8"},
            "series": [
                {**common, "property": "soil_moisture", "unit": "%", "where": {"variable": "sm"}},
                {
                    **common,
                    "property": "soil_temperature",
                    "unit": "C",
                    "where": {"variable": "ts"},
                },
            ],
        }
    )
    told = read_csv(text, mapping)
    assert told.ignored == 1
    assert told.kept == 3
    assert set(told.series) == {
        "Station A / Soil moisture at 0.1 m",
        "Station B / Soil moisture at 0.1 m",
        "Station A / Soil temperature at 0.1 m",
    }
    first = told.data[told.data["series"] == "Station A / Soil moisture at 0.1 m"].iloc[0]
    assert (first["value"], first["flag"]) == (0.315, "ok")
    assert times(told)[0] == "2026-06-30T22:00:00Z"
    assert told.missing == 1


def test_unknown_station_of_a_list_is_refused() -> None:
    mapping = mapped(
        thing=[{"name": "A", "latitude": 35.0, "longitude": 99.0}],
        series=[{**SERIES, "thing": "{s}"}],
    )
    told = read_csv(b"time,s,VWC\n2024-01-01,A,30\n2024-01-01,Ax,30\n", mapping)
    assert told.kept == 1
    assert "not a station of the list: 'Ax'" in told.refused[0].reason
    assert told.places["A"].latitude == 35.0


def test_two_values_for_one_time_leave_the_one_in_its_place() -> None:
    lines = [f"2024-01-01 {hour:02d}:00,{hour}" for hour in range(10)]
    lines[2] = "2024-01-01 07:00,55"  # a damaged time
    lines.append("2024-01-01 09:00,9")  # said twice
    told = read_csv("\n".join(["time,VWC", *lines]).encode(), mapped())
    assert [round(100 * value) for value in values(told)] == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert (told.refused[0].line, told.repeated) == (4, 1)
    assert (told.lines, told.kept) == (11, 10)


def test_a_column_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'VWC'.*Did you mean 'VWC1'"):
        read_csv(b"time,VWC1\n", mapped())


def test_units_that_do_not_fit_are_refused_before_reading() -> None:
    with pytest.raises(UnitError):
        read_csv(b"time,VWC\n2024-01-01,3\n", mapped(series=[{**SERIES, "unit": "mm"}]))


@pytest.mark.parametrize("quantity", ["precipitation", "potential_evapotranspiration"])
@pytest.mark.parametrize("unit", ["mm d-1", "mm/month", "kg m-2 s-1"])
def test_a_rate_of_water_is_refused_in_words_of_a_mapping(quantity: str, unit: str) -> None:
    rule = {**SERIES, "property": quantity, "unit": unit}
    with pytest.raises(UnitError, match=r"column VWC: .*write unit = 'mm' in its") as refused:
        read_csv(b"time,VWC\n2024-01-01,3\n", mapped(series=[rule]))
    assert "time axis" not in str(refused.value)
    with pytest.raises(UnitError, match=r"\[\[series\]\] a unit that can become 'mm'") as refused:
        read_csv(b"time,VWC\n2024-01-01,3\n", mapped(series=[{**rule, "unit": "degC"}]))
    assert "study file" not in str(refused.value)
    by_line = mapped(series=[{**rule, "thing": "{station}"}])
    (lost,) = read_csv(b"time,station,VWC\n2024-01-01,Upper,3\n", by_line).refused
    assert "write unit = 'mm' in its [[series]]" in lost.reason


def test_infinite_and_odd_numbers_are_refused() -> None:
    text = b"time,VWC\n2024-01-01,inf\n2024-01-02,1_0\n2024-01-03,1e400\n2024-01-04,3e1\n"
    told = read_csv(text, mapped())
    assert values(told) == [0.3]
    assert [item.line for item in told.refused] == [2, 3, 4]


def test_report_reads_like_a_report() -> None:
    told = read_csv(b"time,VWC\n" + b"x,1\n" * 12 + b"2024-01-01,30\n", mapped(), name="a.csv")
    lines = told.report()
    assert lines[0] == "13 lines read, 1 kept, 12 refused"
    assert lines[1] == "1 values of 1 series, 0 missing"
    assert lines[2].startswith("refused a.csv:2: not a time of ISO 8601")
    assert lines[-1] == "… and 2 more"
    assert told.reasons() == {"not a time of ISO 8601": 12}


# mapping --------------------------------------------------------------------------------------


def test_mapping_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="Did you mean 'zone'"):
        parse_mapping({"time": {"zome": "UTC"}})
    with pytest.raises(StudyError, match="a series without 'property'"):
        parse_mapping({"series": [{"column": "a", "thing": "b"}]})
    with pytest.raises(StudyError, match="not a delimiter"):
        parse_mapping({"file": {"delimiter": "::"}})
    path = tmp_path / "m.toml"
    path.write_text("[time")
    with pytest.raises(StudyError, match="is not TOML"):
        read_mapping(path)
    with pytest.raises(InputError, match="cannot read"):
        read_mapping(tmp_path / "none.toml")


def test_template_is_a_mapping(tmp_path: Path) -> None:
    write_template(tmp_path / "network.toml")
    mapping = read_mapping(tmp_path / "network.toml")
    told = read_csv(b"time,VWC_10\n2026-07-01 08:00,31\n", mapping)
    assert times(told) == ["2026-07-01T00:00:00Z"]
    assert told.places["Upper meadow"].elevation == 4520
    everything = TEMPLATE.replace("\n# ", "\n")
    keys = [line.split("=")[0].strip() for line in everything.splitlines() if " = " in line]
    assert {"delimiter", "crs", "where", "saturation", "topics", "others"} <= set(keys)
    with pytest.raises(InputError, match="exists"):
        write_template(tmp_path / "network.toml")


def test_stations_of_a_projected_table(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,e,n\nCAF003,493383.107,5180586.081\n")
    things = {
        "file": "s.csv",
        "name": "{id}",
        "longitude": "e",
        "latitude": "n",
        "crs": "EPSG:26911",
    }
    mapping = parse_mapping({"things": things, "series": [SERIES]}, folder=tmp_path)
    place = mapping.places["CAF003"]
    assert place.longitude == pytest.approx(-117.0867, abs=1e-3)
    assert place.latitude == pytest.approx(46.7788, abs=1e-3)
    assert not mapping.others


# TOA5 -----------------------------------------------------------------------------------------

TOA5 = (
    '"TOA5","Upper","CR1000","123","CR1000.Std.32","CPU:soil.CR1","4711","hourly"\r\n'
    '"TIMESTAMP","RECORD","VW_Avg","T_Avg","Rain_Tot","BattV_Min"\r\n'
    '"TS","RN","m^3/m^3","Deg C","mm","Volts"\r\n'
    '"","","Avg","Avg","Tot","Min"\r\n'
)


def toa5(rows: list[tuple[str, int, str]]) -> bytes:
    body = "".join(f'"{time}",{record},{value},"NAN",0.2,12.6\r\n' for time, record, value in rows)
    return (TOA5 + body).encode()


def test_toa5_takes_units_and_station_from_its_header() -> None:
    mapping = parse_mapping(
        {
            "time": {"zone": "Etc/GMT-8"},
            "series": [
                {"column": "VW_Avg", "thing": "{station}", "property": "soil_moisture"},
                {"column": "T_Avg", "thing": "{station}", "property": "soil_temperature"},
                {"column": "Rain_Tot", "thing": "{station}", "property": "precipitation"},
            ],
        }
    )
    told = read_toa5(toa5([("2024-02-29 08:00:00", 5, "0.31")]), mapping)
    assert set(told.series) == {
        "Upper / Soil moisture",
        "Upper / Soil temperature",
        "Upper / Precipitation",
    }
    assert told.missing == 1
    assert times(told)[0] == "2024-02-29T00:00:00Z"


def notes_of(stamps: list[int], values: list[float], width: int = 1) -> tuple[str, ...]:
    """What a table of one series says of its clock; stamps in hours of a day."""
    pairs = zip(stamps, values, strict=True)
    rows = [f"2024-01-01T{hour:02}:00Z," + ",".join([str(v)] * width) for hour, v in pairs]
    columns = [f"c{i}" for i in range(width)]
    series = [{**SERIES, "column": name, "name": name} for name in columns]
    text = "\n".join([",".join(["time", *columns]), *rows, ""])
    return read_csv(text.encode(), parse_mapping({"series": series}), name="a.csv").notes


def test_csv_tells_a_clock_that_was_set_back_over_times_that_it_gave() -> None:
    stamps, values = [0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7], list(range(12))
    assert notes_of(stamps, values) == ("a.csv:8: the clock was set back by 14400 s",)
    assert notes_of(stamps, values, width=3) == notes_of(stamps, values)


@pytest.mark.parametrize(
    ("stamps", "values"),
    [
        ([0, 1, 2, 6, 7, 3, 4, 5, 8], range(9)),  # late lines fill a gap
        ([0, 1, 2, 3, 1, 2, 3, 4], [0, 1, 2, 3, 1, 2, 3, 4]),  # an older export follows
        ([5, 4, 3, 2, 1, 0], range(6)),  # newest first
        ([0, 1, 2, 9, 10], range(5)),  # a gap
        ([3], [1]),
    ],
)
def test_lines_out_of_order_are_no_clock(stamps: list[int], values: list[float]) -> None:
    assert notes_of(stamps, list(values)) == ()


@pytest.mark.parametrize(
    ("unit", "value", "do"),
    [
        ("vol%", 0.2, "unit = 'm3 m-3'"),
        ("m3 m-3", 20.0, "unit = 'vol%'"),
        ("m3 m-3", 0.002, "correct the unit"),
        ("vol%", 20.0, None),
        ("m3 m-3", 0.8, None),  # peat
    ],
)
def test_a_median_that_no_soil_has_names_the_unit(unit: str, value: float, do: str | None) -> None:
    rows = "".join(f"2024-01-01T{hour:02}:00Z,{value}\n" for hour in range(24))
    mapping = parse_mapping({"series": [{**SERIES, "unit": unit}]})
    notes = read_csv(("time,VWC\n" + rows).encode(), mapping).notes
    assert len(notes) == (do is not None)
    if do is not None:
        assert do in notes[0]
        assert f"read as '{unit}'" in notes[0]
    # a few values of one cold day say nothing
    assert read_csv(("time,VWC\n" + rows[:100]).encode(), mapping).notes == ()


def test_lines_of_the_future_are_counted() -> None:
    rows = "time,VWC\n2024-01-01T00:00Z,25\n2031-01-01T00:00Z,25\n2031-01-01T01:00Z,25\n"
    reading = read_csv(rows.encode(), mapped())
    at = microseconds("2024-01-01T00:00Z")
    assert "2 lines of the future, up to 2031-01-01 01:00:00 UTC" in clock_doubts(reading, at)[0]
    assert clock_doubts(reading, microseconds("2031-01-01T00:30Z")) == ()


def test_toa5_tells_lost_records_restarts_and_clock_jumps() -> None:
    rows = [
        ("2024-01-01 00:00:00", 10, "1"),
        ("2024-01-01 01:00:00", 11, "1"),
        ("2024-01-01 02:00:00", 12, "1"),
        ("2024-01-01 05:00:00", 15, "1"),
        ("2024-01-01 04:30:00", 16, "1"),
        ("2024-01-01 06:00:00", 0, "1"),
        ("2024-01-01 07:00:00", 1, "1"),
    ]
    told = read_toa5(toa5(rows), zone="UTC", name="upper.dat")
    assert told.notes == (
        "upper.dat:8: 2 records lost before record 15",
        "upper.dat:9: the clock was set back by 5400 s",
        "upper.dat:10: the record number starts again at 0",
    )
    assert told.kept == 7
    assert not any("record" in key for key in told.series)
    marked = told.data[told.data["clock"] > 0]
    assert sorted(marked["line"].unique()) == [9, 10, 11]
    assert set(marked["clock"]) == {9}


@pytest.mark.parametrize(
    ("minutes", "lines"),
    [
        ([0, 60, 120, 150, 210, 300, 360, 420], [8, 9]),  # set back, then forward again
        ([0, 7, 8, 30, 31, 90, 91, 92], []),  # records of events stand at times of their own
    ],
)
def test_toa5_doubts_until_the_clock_was_set_forward(minutes: list[int], lines: list[int]) -> None:
    stamps = [f"2024-01-01 {m // 60:02d}:{m % 60:02d}:00" for m in minutes]
    rows = [(stamp, 10 + i, "1") for i, stamp in enumerate(stamps)]
    told = read_toa5(toa5(rows), zone="UTC", name="upper.dat").data
    clock = told["clock"] if "clock" in told else 0 * told["line"]
    assert sorted(told.loc[clock > 0, "line"].unique()) == lines


def test_toa5_needs_a_zone_and_a_header() -> None:
    told = read_toa5(toa5([("2024-01-01 00:00:00", 1, "1")]))
    assert told.kept == 0
    assert "without a zone" in told.refused[0].reason
    with pytest.raises(InputError, match="no header of TOA5"):
        read_toa5(b"a,b\n1,2\n")


# ISMN -----------------------------------------------------------------------------------------

STM = "RSMN_RSMN_Adamclisi_sm_0.000000_0.050000_Meter-5TM_1_1_19500101_20260512.stm"
HEADER = "RSMN RSMN Adamclisi 44.08829 27.96591 158.0 0.0000 0.0500 'Meter-5TM'"


def test_ismn_header_and_values_with_bare_cr() -> None:
    body = [
        "2024/12/28 05:00 0.145 D02,D03 M",
        "2024/12/28 06:00 -9999 M M",
        "2024/12/28 07:00 0.144 G U",
        "2024/12/28 08:00 0.1",
    ]
    told = read_ismn("\r".join([HEADER, *body]).encode(), name=STM)
    assert told.data["flag"].tolist() == ["D02,D03|M", "M|M", "G|U"]
    assert np.isnan(values(told)[1])
    assert (told.lines, told.kept) == (4, 3)
    assert told.refused[0].reason == "3 words where a line has 4 or 5"
    place = told.places["RSMN Adamclisi"]
    assert (place.latitude, place.longitude, place.elevation) == (44.08829, 27.96591, 158.0)


def test_ismn_without_a_readable_header_keeps_the_values() -> None:
    told = read_ismn(b"RSMN ## broken\n2024/12/28 05:00 0.145 G M\n", name=STM)
    assert values(told) == [0.145]
    assert "the header cannot be read" in told.notes[0]
    assert told.places["RSMN Adamclisi"].latitude is None


def test_ismn_ceop_takes_the_place_that_most_lines_name() -> None:
    line = (
        "2017/08/10 {h:02d}:00 2017/08/10 {h:02d}:00 COSMOS COSMOS ARM-1 {lat} -97.48780 "
        "322.00 0.00 0.19 0.14{h:02d} G M"
    )
    lines = [line.format(h=h, lat="36.60540" if h else "96.60540") for h in range(5)]
    name = "COSMOS_COSMOS_ARM-1_sm_0.000000_0.190000_Cosmic-ray-Probe_20170810_20180809.stm"
    told = read_ismn("\n".join(lines).encode(), name=name)
    assert told.places["COSMOS ARM-1"].latitude == 36.6054
    assert values(told) == [0.14, 0.1401, 0.1402, 0.1403, 0.1404]


def test_ismn_archive_as_folder_and_zip(tmp_path: Path) -> None:
    folder = tmp_path / "down" / "RSMN" / "Adamclisi"
    folder.mkdir(parents=True)
    (folder / STM).write_text(f"{HEADER}\n2024/12/28 05:00 0.145 G M\n")
    soil = "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name\n"
    soil += "saturation;m^3*m^-3;0.0;0.3;0.47;;HWSD\nsaturation;m^3*m^-3;0.3;1.0;0.41;;HWSD\n"
    (folder / "RSMN_RSMN_Adamclisi_static_variables.csv").write_text(soil)
    (folder / "notes_of_nothing.stm").write_text("x")
    packed = tmp_path / "down.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"RSMN/Adamclisi/{file.name}")
    for source in (tmp_path / "down", packed):
        told = read_file(source)
        (item,) = told.series.values()
        assert item.properties["saturation"] == 0.47
        assert values(told) == [0.145]
        assert "does not say what it holds" in told.notes[-1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no file of the International"):
        read_ismn_archive(tmp_path / "empty")


# GeoJSON and messages -------------------------------------------------------------------------


def feature(station: str, day: int, value: object) -> str:
    return (
        '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [99.1, 35.2]}, '
        f'"properties": {{"station": "{station}", "time": "2026-07-{day:02d}T00:00:00Z", '
        f'"property": "soil_moisture", "unit": "vol%", "depth": 0.1, "value": {value}}}}}'
    )


def test_geojson_stations_and_observations() -> None:
    station = (
        '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [99, 35, 4500]},'
        ' "properties": {"name": "Lower"}}'
    )
    whole = f'{{"type": "FeatureCollection", "features": [{feature("Upper", 1, 31)},{station}]}}'
    told = read_geojson(whole.encode())
    assert values(told) == [0.31]
    assert told.places["Lower"].elevation == 4500.0
    assert (told.lines, told.kept) == (2, 2)


def test_geojson_with_a_damaged_feature_keeps_the_others() -> None:
    parts = [feature("Upper", day, 30 + day) for day in range(1, 5)]
    parts[1] = parts[1][:90]
    text = '{"type": "FeatureCollection", "features": [\n' + ",\n".join(parts) + "\n]}"
    told = read_geojson(text.encode())
    assert values(told) == [0.31, 0.33, 0.34]
    assert told.refused[0].line == 2
    assert told.lines == 4


def test_geojson_one_feature_a_line() -> None:
    text = "\n".join(feature("Upper", day, 30) for day in (1, 2, 3))
    assert len(values(read_geojson(text.encode()))) == 3


def test_messages_are_refused_one_by_one() -> None:
    mapping = mapped(
        mqtt={"topics": ["soil/+"], "topic": "soil/{station}"},
        series=[{**SERIES, "column": "value", "thing": "{station}"}],
    )
    good = b'{"time": "2026-07-01T00:00Z", "value": 31}'
    many = b'[{"time": "2026-07-01T01:00Z", "value": 32}, {"time": "x", "value": 33}]'
    told = read_messages(
        [
            ("soil/A", good),
            ("soil/A", b"{"),
            ("snow/A", good),
            ("soil/A", many),
            ("soil/B", b"[]"),
            ("soil/B", b'{"value": 3}'),
            ("soil/B", b"\xff"),
            ("soil/B", b"7"),
        ],
        mapping,
        first=100,
    )
    assert values(told) == [0.31, 0.32]
    assert [item.line for item in told.refused] == [101, 102, 103, 105, 106, 107]


def test_a_csv_needs_a_mapping() -> None:
    with pytest.raises(InputError, match="could mean anything"):
        read_file(b"a,b\n1,2\n", name="a.csv")
    with pytest.raises(StudyError, match="unknown format"):
        read_file(b"a,b\n1,2\n", mapped(), format="excel")


def test_a_point_among_decimal_commas_that_may_part_thousands_is_refused() -> None:
    mapping = parse_mapping(
        {
            "file": {"delimiter": ";", "decimal": ","},
            "time": {"columns": ["when"], "zone": "UTC"},
            "series": [{"column": "p", "thing": "A", "property": "precipitation", "unit": "mm"}],
        }
    )
    lines = ("01;2,5", "02;1.250", "03;0.250", "04;1.5")
    told = read_csv(("when;p\n" + "".join(f"2026-07-{x}\n" for x in lines)).encode(), mapping)
    assert [entry.line for entry in told.refused] == [3]
    assert "could be thousands or a decimal point: '1.250'" in str(told.refused[0])
