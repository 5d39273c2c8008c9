"""Whole tables, in the layouts that people have."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from headwater.errors import DataError, InputError, TimeAxisError, UnitError
from headwater.tables import ReadingOptions, read_table
from headwater.tables.cells import read_cells
from headwater.tables.vocabulary import fields_named

DATA = Path(__file__).parents[1] / "data" / "tables"
SAMPLES = fields_named(
    (
        "sample_id",
        "water",
        "time",
        "longitude",
        "latitude",
        "elevation",
        "depth_top",
        "depth_bottom",
        "depth",
        "vegetation",
        "aspect",
        "d18O",
        "d2H",
        "d18O_sd",
        "d2H_sd",
        "amount",
        "replicate",
    )
)


def read(text: str, **options):
    return read_table(text.encode(), SAMPLES, name="lab.csv", options=ReadingOptions(**options))


def workbook(*sheets, merged=()) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet(f"Sheet{number + 1}")
        for row in rows:
            sheet.append(row)
        for area in merged if number == 0 else ():
            sheet.merge_cells(area)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_trailing_commas_shift_no_column() -> None:
    table = read_table(DATA / "isotopes" / "trailing_comma.csv", SAMPLES).data
    assert table[["d18O", "d2H"]].mean().round(1).tolist() == [-11.3, -79.4]


def test_ambiguous_dates_are_asked_and_the_key_settles_them() -> None:
    path = DATA / "isotopes" / "ambiguous_dates.csv"
    with pytest.raises(TimeAxisError, match="2021-06-07 \\(dmy\\), 2021-07-06 \\(mdy\\)"):
        read_table(path, SAMPLES)
    for order, months in (("dmy", [6, 6, 6]), ("mdy", [7, 8, 9])):
        table = read_table(path, SAMPLES, options=ReadingOptions(dates=order)).data
        assert table["time"].dt.month.tolist() == months


def test_american_dates_thousands_and_centimetres() -> None:
    path = DATA / "isotopes" / "us_cm.csv"
    table = read_table(path, SAMPLES, options=ReadingOptions(dates="mdy")).data
    assert table["time"].dt.month.iloc[:3].tolist() == [6, 8, 9]
    assert table["elevation"].iloc[:3].tolist() == [3200.0, 3500.0, 3800.0]
    assert table[["depth_top", "depth_bottom"]].iloc[1].tolist() == [0.2, 0.4]


def test_fill_is_missing_and_counted() -> None:
    path = DATA / "isotopes" / "m9999.csv"
    table = read_table(path, SAMPLES, options=ReadingOptions(dates="mdy"))
    assert np.isnan(table.data.loc[7, "d18O"])
    assert table.data["d18O"].min() > -20
    assert [(mark.column, mark.code) for mark in table.report.missing] == [("d18O", "-9999")]


def test_thousands() -> None:
    table = read_table(DATA / "isotopes" / "thousands.csv", SAMPLES).data
    assert table["elevation"].tolist() == [3500.0, 4200.0, 4400.0]


def test_times_of_utc() -> None:
    table = read_table(DATA / "isotopes" / "tz_utc.csv", SAMPLES)
    assert table.data["time"].astype(str).iloc[0] == "2020-06-15 08:30:00"
    assert table.times["time"].zone == "UTC"


def test_head_of_an_analyser_is_known_and_any_other_can_be_named() -> None:
    path = DATA / "isotopes" / "unknown_header.csv"
    assert read_table(path, SAMPLES).data["d18O"].tolist() == [-12.3, -11.3]
    text = "made by us\nprobe,oxy,hyd\nA,-12.3,-88.1\n"
    table = read_table(text.encode(), SAMPLES, columns={"d18O": "oxy", "d2H": "hyd"})
    assert table.data[["d18O", "d2H"]].values.tolist() == [[-12.3, -88.1]]
    assert table.report.recognised[0].how == "given"


def test_chinese_names() -> None:
    table = read_table(DATA / "isotopes" / "zh_headers.csv", SAMPLES)
    assert [entry.name for entry in table.report.recognised] == [
        "sample_id",
        "water",
        "time",
        "elevation",
        "vegetation",
        "d18O",
        "d2H",
    ]
    assert table.data["time"].dt.month.iloc[:4].tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize("name", ["cn_gbk.csv", "semi.csv", "tab.txt"])
def test_encodings_and_separators_of_factors(name) -> None:
    table = read_table(DATA / "detector" / name, others="typed")
    assert list(table.data.columns) == ["土壤湿度", "降水量", "土地利用"]
    assert table.data["降水量"].iloc[0] == pytest.approx(0.8309470260650119)
    assert set(table.data["土地利用"]) == {"林地", "草地", "荒漠"}


def test_heads_over_names_are_left_out() -> None:
    table = read_table(DATA / "detector" / "merged.csv", others="typed")
    assert list(table.data.columns) == ["y", "x", "lc"]
    assert table.data.index[0] == 3
    assert table.data["lc"].dtype == np.int64


def test_marks_of_missing_factors() -> None:
    mixed = read_table(DATA / "detector" / "mixednum.csv", others="typed")
    assert (mixed.data["x"].isna().sum(), mixed.data["x"].dtype) == (1, np.float64)
    filled = read_table(DATA / "detector" / "nodata.csv", others="typed")
    assert filled.data["x"].isna().sum() == 24
    assert "-9999 in x taken for missing (24 ×)" in filled.report.guesses[0]


def test_flat_slopes_have_no_aspect() -> None:
    table = read_table(DATA / "detector" / "asp.csv", fields_named(["aspect"]), others="typed")
    flat = next(mark for mark in table.report.missing if mark.kind == "flat")
    assert (flat.code, flat.n) == ("-1.0", table.data["aspect"].isna().sum())
    assert table.data["aspect"].min() >= 0


def test_ragged_rows_are_refused_by_number() -> None:
    with pytest.raises(InputError, match="5 cells under 4 names in row 2 \\(rows 2, 3 in all"):
        read("id,type,d18O,d2H\nA,soil,-12,3,-88\nB,soil,-12,4,-88\n")
    with pytest.raises(InputError, match="row 3"):
        read("id,type,d18O,d2H\nA,soil,-12,-88\nB,soil,-12\nC,soil,-12,-88\n")


def test_titles_units_notes_and_summaries() -> None:
    table = read(
        "Isotopes of the basin;;;\n\nid;Altitude;δ18O;date\n;ft;‰;\nA;10000;-12,3;2020-06-01\n"
        "id;Altitude;δ18O;date\nB;12000;-11,3;2020-06-02\nMean;11000;-11,8;\n"
        "Note: measured by laser;;;\n"
    )
    assert table.data["elevation"].tolist() == [3048.0, 3657.6]
    assert table.data["d18O"].tolist() == [-12.3, -11.3]
    assert {entry.reason: entry.rows for entry in table.report.left_out} == {
        "above the names": (1,),
        "the names again": (6,),
        "a note under the table": (9,),
        "a summary of the rows above": (8,),
    }
    assert table.data.index.tolist() == [5, 7]


def test_points_that_may_part_thousands_are_told() -> None:
    table = read("d18O,elevation\n-12.5,3.500\n-11.5,850\n")
    assert table.data["elevation"].tolist() == [3.5, 850.0]
    assert "'3.500' in elevation read as decimals" in table.report.guesses[0]
    spread = read("δ18O (sd),δ18O,d2H\n0.1,-12,-88\n").data
    assert spread[["d18O", "d18O_sd"]].values.tolist() == [[-12.0, 0.1]]


def test_depths_as_intervals() -> None:
    table = read("d18O,土层深度\n-1,0-20 cm\n-2,20–40cm\n-3,60 cm\n-4,\n")
    assert table.data["depth_top"].tolist()[:3] == [0.0, 0.2, 0.6]
    assert table.data["depth_bottom"].tolist()[:3] == [0.2, 0.4, 0.6]
    table = read("d18O,depth (cm)\n-1,0-20\n-2,20-40\n")
    assert table.data["depth_bottom"].tolist() == [0.2, 0.4]
    with pytest.raises(UnitError, match="have no unit"):
        read("d18O,depth\n-1,0-20\n-2,20-40\n")
    assert read("d18O,depth\n-1,20\n", units={"depth": "cm"}).data["depth_top"].tolist() == [0.2]
    with pytest.raises(DataError, match="a spreadsheet has turned depths"):
        read("d18O,depth (cm)\n-1,20-Oct\n")


def test_units_that_do_not_fit_or_are_unknown() -> None:
    with pytest.raises(UnitError, match="cannot be brought to m"):
        read("d18O,elevation (degC)\n-1,3\n")
    told = read("d18O,elevation (SRTM)\n-1,3000\n").report.guesses
    assert "'(SRTM)' in 'elevation (SRTM)' is no unit" in told[0]
    sure = read("d18O,elevation (SRTM)\n-1,3000\n", units={"elevation": "ft"})
    assert sure.data["elevation"].tolist() == [914.4]
    mass = fields_named(["soil_moisture"])
    with pytest.raises(UnitError):
        read_table(b"soil_moisture (kg kg-1)\n0.2\n0.3\n", mass)
    assert read_table(b"sm (%)\n20\n", mass).data["soil_moisture"].tolist() == [0.2]
    cells = read("d18O,elevation\n-1,3000 m\n-2,10000 ft\n").data["elevation"]
    assert cells.tolist() == [3000.0, 3048.0]


def test_two_columns_of_one_meaning() -> None:
    table = read("d18O,O18,d2H\n-1,-2,-3\n")
    assert table.data["d18O"].tolist() == [-1.0]
    assert "'d18O' was taken for d18O, not 'O18'" in table.report.guesses[0]
    with pytest.raises(InputError, match="two columns of lab\\.csv have one name"):
        read("d18O,d18O,d2H\n-1,-2,-3\n")
    again = read("d18O,note,note\n-1,a,b\n")
    assert list(again.data.columns) == ["d18O", "note", "note (2)"]


def test_date_and_clock_apart() -> None:
    apart = read("date,time,d18O\n2020-06-01,08:30,-1\n").data
    assert str(apart["time"].iloc[0]) == "2020-06-01 08:30:00"
    parts = read("年,月,日,d18O\n2020,6,1,-1\n").data
    assert str(parts["time"].iloc[0]) == "2020-06-01 00:00:00"
    year = read("year,doy,d18O\n2020,157,-1\n").data
    assert str(year["time"].iloc[0])[:10] == "2020-06-05"


def test_text_among_numbers_names_the_rows() -> None:
    with pytest.raises(DataError, match="'wet' \\(row 3\\)"):
        read("id,d18O\nA,-1\nB,wet\n")
    assert np.isnan(read("id,d18O\nA,-1\nB,wet\n", missing=("wet",)).data["d18O"].iloc[1])
    with pytest.raises(DataError, match="'yesterday' \\(row 2\\)"):
        read("id,d18O,date\nA,-1,yesterday\n")


def test_quotes_that_never_close() -> None:
    with pytest.raises(InputError, match="quotes that do not match"):
        read('id,d18O\n"A,-1\nB,-2\n')
    assert read('id,d18O,note\nA,-1,"two\nlines"\n').data["note"].tolist() == ["two lines"]


def test_files_that_are_no_tables() -> None:
    for content in (b"\xd0\xcf\x11\xe0" + b"x" * 9, b"<html><table>", b"", b"1,2\n3,4\n"):
        with pytest.raises(InputError):
            read_table(content, name="lab.xls")


def test_an_old_workbook_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="Excel, WPS or LibreOffice and save it as XLSX"):
        read_table(b"\xd0\xcf\x11\xe0" + b"x" * 9, name="lab.xls")


@pytest.mark.parametrize("head", ["시료번호,날짜,δ18O,δ2H", "id,date,d18O,d2H,비고"])
def test_korean_is_not_taken_for_chinese(head: str) -> None:
    content = f"{head}\nS1,2020-06-05,-8.1,-55{',여름 강수' * ('비고' in head)}\n".encode("euc_kr")
    with pytest.raises(InputError, match=r'looks Korean.*encoding = "euc_kr"'):
        read_table(content, SAMPLES, name="lab.csv")
    told = ReadingOptions(encoding="euc_kr")
    names = {"d18O": "δ18O", "d2H": "δ2H"} if "δ" in head else {}
    table = read_table(content, SAMPLES, columns=names, options=told)
    assert table.data[["d18O", "d2H"]].values.tolist() == [[-8.1, -55.0]]


@pytest.mark.parametrize(
    "words", ["草地,灌丛,裸地,高寒草甸", "样品,降水,河水", "森林,荒漠", "坡地,北坡,东坡,草甸"]
)
def test_chinese_is_not_taken_for_korean(words: str) -> None:
    rows = "".join(f"{word},-8,-55\n" for word in words.split(","))
    table = read_table(f"plot,d18O,d2H\n{rows}".encode("gbk"), SAMPLES, name="lab.csv")
    assert table.data["plot"].tolist() == words.split(",")


def test_a_spread_alone_under_the_rows_is_no_row() -> None:
    for word in ("SD", "Max", "CV", "S.D.", "Std. dev.", "Standard deviation", "标准偏差"):
        table = read(f"id,d18O,d2H\nA,-8,-55\nB,-9,-65\n{word},1,1\n")
        assert table.data["sample_id"].tolist() == ["A", "B"]
        assert "Left out row 4: a summary of the rows above" in "\n".join(table.report.lines())
    below = read(
        "id,d18O,d2H\nA,-8,-55\nB,-9,-65\nC,-7,-50\nAverage of July,-8,-57\nStd. dev.,1,7\n"
    )
    assert below.data["sample_id"].tolist() == ["A", "B", "C"]
    assert len(read("plot,d18O,d2H\nNE,-8,-55\nS,-9,-65\nSE,-9,-60\n").data) == 3
    assert len(read("id,d18O,d2H\nSD,-8,-55\nB,-9,-65\n").data) == 2


def test_commas_and_semicolons_of_chinese() -> None:
    for sign in "，；":
        text = "样品编号，水样类型，氧同位素，氢同位素\nA，降水，-8.1，-55\n".replace("，", sign)
        assert read(text).data[["d18O", "d2H"]].values.tolist() == [[-8.1, -55.0]]


def test_a_title_merged_over_two_rows_of_names() -> None:
    rows = [
        ["疏勒河水样", None, None, None],
        ["样品编号", "采样日期", "同位素", None],
        [None, None, "δ18O", "δD"],
        ["A", "2020-06-05", -8.1, -55],
    ]
    content = workbook(rows, merged=("A1:D1", "C2:D2", "A2:A3", "B2:B3"))
    table = read_table(content, SAMPLES, name="lab.xlsx")
    assert table.data[["sample_id", "d18O", "d2H"]].values.tolist() == [["A", -8.1, -55.0]]


def test_workbook_with_merged_heads_units_and_several_sheets() -> None:
    rows = [
        ["样品编号", "δ18O", None, "δ2H", None],
        [None, "mean", "sd", "mean", "sd"],
        ["A", -12.3, 0.1, -88.1, 0.6],
        ["B", "−11,3", 0.2, -80.1, 0.8],
    ]
    merged = ("A1:A2", "B1:C1", "D1:E1")
    content = workbook([["About"], ["this file"]], rows)
    table = read_table(workbook(rows, merged=merged), SAMPLES, name="lab.xlsx")
    assert table.data[["d18O", "d18O_sd", "d2H"]].values.tolist() == [
        [-12.3, 0.1, -88.1],
        [-11.3, 0.2, -80.1],
    ]
    assert "names joined from rows 1 and 2" in table.report.layout
    assert "sheet 'Sheet2'" in read_cells(content, score=len).layout
    two = workbook([["d18O"], [-1]], [["d18O"], [-2]])
    told = read_table(two, SAMPLES, name="lab.xlsx")
    assert told.data["d18O"].tolist() == [-1.0]
    assert "not 'Sheet2'; sheet settles it" in told.report.guesses[0]
    second = read_table(two, SAMPLES, options=ReadingOptions(sheet="Sheet2"))
    assert second.data["d18O"].tolist() == [-2.0]
    with pytest.raises(InputError, match="no such sheet"):
        read_table(two, SAMPLES, options=ReadingOptions(sheet="Blatt"))


def test_percentages_dates_and_formulas_of_a_workbook() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    import datetime as dt

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["time", "sm (%)", "station"])
    sheet.append([dt.datetime(2020, 6, 1), 0.253, "A"])
    sheet.append([dt.datetime(2020, 6, 2, 8, 30), 0.26, "A"])
    sheet.append([dt.datetime(2020, 6, 3), "=B2*2", "A"])
    for row in (2, 3):
        sheet.cell(row, 2).number_format = "0.0%"
    stream = BytesIO()
    book.save(stream)
    fields = fields_named(["time", "soil_moisture", "station"])
    table = read_table(stream.getvalue(), fields, name="sm.xlsx")
    assert table.data["soil_moisture"].tolist()[:2] == [0.253, 0.26]
    assert table.data["time"].dt.hour.tolist() == [0, 8, 0]
    assert "1 formulas have no stored value" in table.report.guesses[0]


def test_report_says_it_all() -> None:
    lines = read("id,O18,alt (ft),colour\nA,-1,ND,red\n").report.lines()
    assert lines == (
        "lab.csv: 1 rows read (UTF-8, separated by comma, names in row 1)",
        "'id' is sample_id (known spelling)",
        "'O18' is d18O (known spelling)",
        "'alt (ft)' is elevation (known spelling), ft converted to m",
        "Columns of no known meaning, kept: colour",
        "1 × 'ND' in alt (ft): missing",
    )


@pytest.mark.parametrize(
    ("head", "depth", "assumed"),
    [
        ("depth", "0-5", True),
        ("depth", "5", True),
        ("土层深度", "0.2-0.4", True),
        ("depth", "0-5 cm", False),
        ("depth (cm)", "5", False),
        ("depth_m", "0.5", False),
        ("depth", "0", False),
    ],
)
def test_a_depth_taken_in_metres_is_told(head: str, depth: str, assumed: bool) -> None:
    report = read(f"id,{head},d18O,d2H\nA,{depth},-8,-55\nB,{depth},-9,-60\n").report
    told = f"'{head}' names no unit and was taken in m; units settles it"
    assert report.guesses == ((told,) if assumed else ())
