"""Files of loggers as they come: encodings, Chinese names, flags of several words."""

import zipfile
from pathlib import Path

import pytest

from headwater.errors import InputError
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.formats import read_file
from headwater.network.ingest.ismn import read_ismn, read_ismn_archive
from headwater.network.ingest.mapping import parse_mapping, read_mapping
from headwater.network.ingest.messages import read_messages
from headwater.network.ingest.parsed_file import lines_of
from headwater.network.ingest.table import instants
from headwater.network.ingest.toa5 import read_toa5

DATA = Path(__file__).parents[1] / "data" / "tables" / "network"
HEAD = "时间,土壤含水量10cm(%),土壤含水量20cm(%),土壤温度10cm(℃),降水量(mm)\n"
BODY = "2025-06-01 00:00,25.1,26.0,−0.5,0\n2025-06-01 01:00,缺测,26.1,0.4,-9999\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_chinese_files_of_loggers_in_every_encoding(encoding) -> None:
    mapping = read_mapping(DATA / "zh.toml")
    text = HEAD + (BODY if encoding != "gbk" else BODY.replace("−", "-"))
    reading = read_csv(text.encode(encoding), mapping, name="qilian.csv")
    values = reading.data.set_index(["series", "time"])["value"]
    assert (reading.lines, reading.kept, len(reading.refused)) == (2, 2, 0)
    assert sorted(values.dropna()) == [-0.5, 0.0, 0.251, 0.26, 0.261, 0.4]
    assert reading.missing == 2


def test_encoding_of_the_mapping_is_used() -> None:
    series = {"column": "T [°C]", "thing": "A", "property": "soil_temperature", "unit": "℃"}
    raw = {"file": {"encoding": "latin-1"}, "time": {"zone": "UTC"}, "series": [series]}
    content = "time,T [°C]\n2025-06-01,4.5\n".encode("latin-1")
    assert read_csv(content, parse_mapping(raw)).data["value"].tolist() == [4.5]
    raw["file"]["encoding"] = "utf-8"
    with pytest.raises(InputError, match="is not utf-8"):
        read_csv(content, parse_mapping(raw))


def test_flags_of_a_provider_may_be_sentences() -> None:
    (path,) = DATA.rglob("*.stm")
    reading = read_ismn(path)
    assert (reading.lines, reading.kept, reading.refused) == (3, 3, ())
    assert reading.data["flag"].tolist() == [
        "D01|Frozen soil,OK,OK,OK,OK,OK",
        "G|OK,OK,OK,OK,OK,OK",
        "C01,D02|Out of WFV average range,NA,NA,OK,OK,OK",
    ]
    assert reading.data["value"].tolist() == [0.15, 0.151, 0.152]


def test_two_lines_in_one_are_still_refused() -> None:
    name = "RSMN_RSMN_Adamclisi_sm_0.0_0.05_Meter-5TM_1_1_19500101_20260512.stm"
    text = "RSMN RSMN A 44.1 28.0 158.0 0.00 0.05 'Meter'\r2024/12/28 05:00 0.145 G M2024/12/28 "
    reading = read_ismn(f"{text}06:00 0.146 G M\r".encode(), name=name)
    assert (reading.kept, len(reading.refused)) == (0, 1)


def test_a_loggers_file_with_headers_and_garbage_in_between() -> None:
    mapping = read_mapping(DATA / "toa5.toml")
    reading = read_toa5(DATA / "weird.dat", mapping)
    times = reading.data["time"].drop_duplicates()
    assert str(times.max()) == "2021-06-01 18:00:00+00:00"
    assert len(times) == 5
    assert "2021-06-01 16:00:00+00:00" in set(map(str, times))  # 24:00 of the logger's day
    assert len(reading.refused) >= 2


def test_bytes_that_are_nothing_spoil_their_line_only() -> None:
    assert lines_of(b"a\n\xff\x30\nb\n")[0::2] == ["a", "b"]
    assert lines_of("海拔\n高程\n".encode("gbk")) == ["海拔", "高程"]


def test_messages_of_two_lorawan_servers_give_the_same_value() -> None:
    mapping = read_mapping(DATA / "ttn.toml")
    topic = "v3/demo/devices/lse01-a1/up"
    ttn = read_messages([(topic, (DATA / "ttn.json").read_bytes())], mapping)
    assert (list(ttn.series), ttn.refused) == (["lse01-a1 / Soil moisture at 0.1 m"], ())
    series = {
        "column": "object.water_SOIL",
        "thing": "{deviceInfo.deviceName}",
        "property": "soil_moisture",
        "unit": "vol%",
        "depth": 0.1,
    }
    own = parse_mapping({"time": {"column": "time"}, "series": [series]})
    stack = read_messages([("application/1/up", (DATA / "chirpstack.json").read_bytes())], own)
    assert list(stack.series) == ["upper / Soil moisture at 0.1 m"]
    for reading in (ttn, stack):
        assert reading.data["value"].tolist() == [0.2341]
        assert str(reading.data["time"].iloc[0])[:19] == "2025-07-05 16:16:30"


def test_messages_that_a_server_has_saved_are_read_as_files() -> None:
    """shared/cases/tried/network/ttn.json, as a file: one JSON, or one in each line."""
    mapping = read_mapping(DATA / "ttn.toml")
    one = (DATA / "ttn.json").read_bytes().strip()
    whole = read_file(one, mapping, name="ttn.json")
    assert whole.data["value"].tolist() == pytest.approx([0.2341])
    lines = read_file(one + b"\n{broken\n" + one.replace(b"T16:", b"T17:"), mapping, name="a.json")
    assert (lines.lines, lines.kept) == (3, 2)
    assert [(item.line, item.source) for item in lines.refused] == [(2, "a.json")]


@pytest.mark.parametrize(
    "text",
    [
        "2024/5/1 13:05",
        "2024年5月1日 13:05",
        "2024年05月01日13时05分",
        "2024年5月1日下午1点5分0秒",
        "2024/05/01 下午 1:05",
        "20240501130500",
        "202405011305",
    ],
)
def test_times_as_chinese_loggers_write_them(text) -> None:
    time, refused = instants([text], zone="Asia/Shanghai")
    assert (str(time.view("M8[us]")[0]), refused) == ("2024-05-01T05:05:00.000000", {})


@pytest.mark.parametrize(
    "text", ["2024年13月1日", "2024年5月1日下午13时", "45413.33", "2024050108"]
)
def test_what_is_no_time_is_still_refused(text) -> None:
    _, refused = instants([text], zone="Asia/Shanghai")
    assert list(refused) == [0]


def test_what_macos_puts_into_a_zip_is_no_station(tmp_path) -> None:
    name = "SCAN/Abrams/SCAN_SCAN_Abrams_sm_0.050000_0.050000_Hydraprobe_20160101_20160102.stm"
    head = "SCAN SCAN Abrams 37.127 -97.095 349.00 0.05 0.05 Hydraprobe\n"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, head + "2016/01/01 00:00 0.20 G M\n")
        archive.writestr("__MACOSX/" + name.replace("SCAN_SCAN", "._SCAN_SCAN"), b"\x00\x05\x16")
        archive.writestr("Readme.txt", "about")
    reading = read_ismn_archive(tmp_path / "a.zip")
    assert (len(reading.series), reading.notes) == (1, ())
