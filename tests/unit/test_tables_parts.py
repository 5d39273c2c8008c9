"""Encodings, numbers, dates and heads, each by itself."""

import gzip

import numpy as np
import pytest

from headwater.errors import InputError, TimeAxisError
from headwater.tables import ReadingOptions
from headwater.tables.heads import convert_unit, is_unit, match
from headwater.tables.numbers import Signs, parse_numbers, signs_of
from headwater.tables.options import parse_options
from headwater.tables.text import decode
from headwater.tables.times import order_in, parse_times
from headwater.tables.vocabulary import FIELDS

CHINESE = "采样时间,海拔(m),δ18O(‰)\n2021年6月1日,3200,−12.3\n"
WESTERN = "Höhe (°),Größe,Entnahme\n12,3,Übergang\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]
)
def test_chinese_is_read_in_every_encoding(encoding) -> None:
    assert decode(CHINESE.encode(encoding)).text == CHINESE


def test_gbk_and_western_are_told_apart() -> None:
    assert decode(CHINESE.replace("−", "-").encode("gbk")).encoding == "GB18030"
    for encoding in ("latin-1", "cp1252"):
        read = decode(WESTERN.encode(encoding))
        assert (read.text, read.encoding) == (WESTERN, "Windows-1252")
        assert "encoding settles it" in read.guesses[0]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "採樣時間,水樣類型,海拔\n2020-05-06,土壤水,3200\n"),
        ("big5", "時間,水,海拔\n2020,1,2\n"),
        ("shift_jis", "採取日,水の種類,標高\n2020-05-06,土壌水,3200\n"),
        ("gbk", "時間,水樣,海拔\n2020,1,2\n"),
    ],
)
def test_other_codecs_of_east_asia_are_refused_by_the_key_that_reads_them(encoding, text) -> None:
    with pytest.raises(InputError, match=f'encoding = "{encoding}"'):
        decode(text.encode(encoding))
    assert decode(text.encode(encoding), encoding=encoding).text == text


@pytest.mark.parametrize(
    "text", ["été,étés,créée (°C)\n", "Año,Niño\n", "T (ºC),±,µm\n", "für,über\n", "½ «¿qué?»\n"]
)
def test_western_text_is_not_taken_for_east_asian(text) -> None:
    assert decode(text.encode("cp1252")).text == text


def test_encoding_that_is_wrong_is_refused() -> None:
    with pytest.raises(InputError, match="is not utf-8"):
        decode(WESTERN.encode("latin-1"), encoding="utf-8")
    with pytest.raises(InputError, match="unknown encoding"):
        decode(b"a", encoding="utf8mb4x")
    with pytest.raises(InputError, match="not text"):
        decode(bytes(range(256)) * 4)
    assert decode(gzip.compress(b"a")[:0] + b"a").text == "a"


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["-12,3", "4"], [-12.3, 4]),
        (["1,234.5", "2,000"], [1234.5, 2000]),
        (["1.234,5", "2.000"], [1234.5, 2000]),
        (["1,234,567"], [1234567]),
        (["3 500", "3\u00a0500", "3\u202f500", "3'500"], [3500] * 4),
        (["−12.3", "－12.3", "–12.3", "- 12.3"], [-12.3] * 4),
        (["１２．５"], [12.5]),
        (["1e-3", "1,5E2"], [0.001, 150]),
        (["+4.25", ".5", "5."], [4.25, 0.5, 5]),
        (["3.500", "12.25"], [3.5, 12.25]),
        (["0,500", "1,500"], [0.5, 1.5]),
    ],
)
def test_signs_of_numbers(texts, values) -> None:
    read = parse_numbers(texts)
    assert read.values.tolist() == pytest.approx(values)
    assert not read.unread.any()


def test_comma_that_can_be_two_things_is_asked() -> None:
    with pytest.raises(InputError, match=r"decimal = '\.' or decimal = ','"):
        parse_numbers(["3,500", "4,200"])
    assert parse_numbers(["3,500"], signs=Signs(point="decimal")).values.tolist() == [3500]
    assert parse_numbers(["3,500"], signs=Signs(comma="decimal")).values.tolist() == [3.5]
    assert parse_numbers(["3,500"], decimal=",").values.tolist() == [3.5]
    assert parse_numbers(["3.500"], decimal=",").values.tolist() == [3500]
    german = parse_numbers(["3.500"], name="Höhe", signs=Signs(comma="decimal"))
    assert german.values.tolist() == [3500]
    assert "decimal settles it" in german.guesses[0]
    with pytest.raises(InputError, match="in some numbers and parts thousands"):
        signs_of(["1,5", "1,234,567"])


def test_marks_of_missing_values_are_counted() -> None:
    texts = ["1", "", "-", "/", "ND", "缺测", "#N/A", "-9999", "-9999.0", "nan", "no data"]
    read = parse_numbers(texts, name="x")
    assert np.isfinite(read.values).tolist() == [True] + [False] * 10
    assert sum(mark.n for mark in read.missing) == 10
    assert not read.unread.any()


def test_below_detection_is_kept_as_such() -> None:
    read = parse_numbers(["<0.5", "< 0,5", "<LOD", "BDL", "2.5"])
    assert np.isnan(read.values[:4]).all()
    assert read.below[:4].tolist() == [0.5, 0.5, np.inf, np.inf]
    assert {mark.kind for mark in read.missing} == {"below detection"}


def test_numbers_that_stand_for_missing_ones() -> None:
    assert np.isnan(parse_numbers(["9999", "12"], valid=(0, 360)).values[0])
    assert parse_numbers(["-99", "-88"], valid=(-700, 300)).values.tolist() == [-99, -88]
    kept = parse_numbers(["255", "3", "4", "5", "4", "255"], name="class")
    assert kept.values[0] == 255
    assert "missing = ['255']" in kept.guesses[0]
    assert np.isnan(parse_numbers(["255", "3"], missing=["255"]).values[0])
    assert np.isnan(parse_numbers(["1e30", "3"]).values[0])


def test_text_is_not_a_number() -> None:
    assert parse_numbers(["12.3a", "wet", "1.2.3", "12-13"]).unread.all()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-06-05", "2020-06-05T00:00"),
        ("2020/6/5", "2020-06-05T00:00"),
        ("2020.6.5", "2020-06-05T00:00"),
        ("2020年6月5日", "2020-06-05T00:00"),
        ("20200605", "2020-06-05T00:00"),
        ("5-Jun-2020", "2020-06-05T00:00"),
        ("June 5, 2020", "2020-06-05T00:00"),
        ("5. Mai 2020", "2020-05-05T00:00"),
        ("2020-06-05T08:30:15", "2020-06-05T08:30:15"),
        ("2020-06-05 8:30 PM", "2020-06-05T20:30"),
        ("2020/6/5 下午3:05", "2020-06-05T15:05"),
        ("2020-06-05 24:00", "2020-06-06T00:00"),
        ("2020-06-05T08:30:00Z", "2020-06-05T08:30"),
        ("2020-06-05T08:30:00+08:00", "2020-06-05T00:30"),
        ("43987", "2020-06-05T00:00"),
        ("43987.5", "2020-06-05T12:00"),
        ("2020-157", "2020-06-05T00:00"),
        ("1591315200", "2020-06-05T00:00"),
        ("202006", "2020-06-01T00:00"),
        ("15/06/2020", "2020-06-15T00:00"),
        ("6/15/2020", "2020-06-15T00:00"),
        ("5.6.2020", "2020-06-05T00:00"),
    ],
)
def test_one_date(text, moment) -> None:
    assert parse_times([text]).values[0] == np.datetime64(moment, "us")


def test_order_of_dates_comes_from_the_whole_column_or_is_asked() -> None:
    with pytest.raises(TimeAxisError, match="dates = 'dmy' or dates = 'mdy'"):
        parse_times(["6/5/2020", "8/7/2020"])
    assert str(parse_times(["6/5/2020", "6/17/2020"]).values[0])[:10] == "2020-06-05"
    assert str(parse_times(["6/5/2020", "17/5/2020"]).values[0])[:10] == "2020-05-06"
    assert str(parse_times(["6/5/2020"], order="mdy").values[0])[:10] == "2020-06-05"
    assert str(parse_times(["6/6/2020"]).values[0])[:10] == "2020-06-06"
    with pytest.raises(TimeAxisError, match="of no one order"):
        parse_times(["6/17/2020", "17/6/2020"])
    with pytest.raises(TimeAxisError, match="several ways"):
        parse_times(["05/06/07"])
    assert parse_times(["5.6.2020"]).guesses[0].endswith("dates settles it")


def test_zones() -> None:
    read = parse_times(["2020-06-05T08:30:00Z"], zone="Asia/Shanghai")
    assert str(read.values[0])[:16] == "2020-06-05T16:30"
    mixed = ["2020-06-05T08:30:00Z", "2020-06-05 08:30"]
    with pytest.raises(TimeAxisError, match="some times in time name a zone"):
        parse_times(mixed)
    with pytest.raises(InputError, match="unknown time zone"):
        parse_times(mixed, zone="Qilian")
    assert parse_times(["2020-06-05T08:30+08:00"]).guesses
    assert parse_times(["soon", "", "-"]).unread.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "field", "unit"),
    [
        ("采样时间", "time", ""),
        ("水样类型", "water", ""),
        ("海拔（m）", "elevation", "m"),
        ("δ18O (‰)", "d18O", "‰"),
        ("δ¹⁸O‰", "d18O", "‰"),
        ("δD [per mil]", "d2H", "‰"),
        ("d(18_16)Mean", "d18O", ""),
        ("d(D_H)Mean (‰)", "d2H", "‰"),
        ("Altitude (ft)", "elevation", "ft"),
        ("depth_cm", "depth", "cm"),
        ("采样深度/cm", "depth", "cm"),
        ("土壤体积含水量(%)", "soil_moisture", "%"),
        ("Elev. [m a.s.l.]", "elevation", "m"),
        ("d18O_Analytical_SD", "d18O_sd", ""),
        ("Depth_meters", "depth", "m"),
        ("Collection_Date", "time", ""),
        ("Begin Of Period", "time", ""),
    ],
)
def test_names_of_the_field(name, field, unit) -> None:
    hit = match(name, list(FIELDS.values()))
    assert (hit.field.name, hit.unit) == (field, unit)


def test_names_that_are_none() -> None:
    for name in (
        "d",
        "δ18O (1 sd, n=3)",
        "d-excess",
        "O17 isotope",
        "O18 Laboratory Code",
        "lc-excess (‰)",
        "comment",
    ):
        assert match(name, list(FIELDS.values())) is None


def test_units_and_orders_in_words() -> None:
    assert convert_unit(100, "ft", "m") == 30.48
    assert [is_unit(text) for text in ("厘米", "‰ VSMOW", "SRTM", "−")] == ["cm", "‰", "", ""]
    assert order_in("Date (MM/DD/YYYY)") == "mdy"
    assert order_in("Datum TT.MM.JJJJ") == "dmy"


def test_options_of_the_command_line() -> None:
    said = parse_options(["dates=dmy", "decimal=,", "missing=x|y", "header=3", "unit:depth=cm"])
    assert said == ReadingOptions(
        dates="dmy", decimal=",", missing=("x", "y"), header=3, units={"depth": "cm"}
    )
    for text in ("date=dmy", "dates=ydm", "header=x", "dates"):
        with pytest.raises(InputError):
            parse_options([text])
