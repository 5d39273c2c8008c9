"""Files on which the network fell short once, made for this purpose, each with the right value."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwater.cli.network import app
from headwater.network import list_series, open_store
from headwater.network.ingest.mapping import read_mapping, write_template
from headwater.network.quality.flags import Flag, bits_of

HEAD = (
    '"TOA5","Meadow","CR1000X","12345","CR1000X.Std.03.02","CPU:soil.CR1X","4711","Soil30"\n'
    '"TIMESTAMP","RECORD","BattV_Min","PTemp_C","VWC_05_Avg","VWC_20_Avg","Tsoil_05_Avg","Rain"\n'
    '"TS","RN","Volts","Deg C","m^3/m^3","m^3/m^3","Deg C","mm"\n'
    '"","","Min","Smp","Avg","Avg","Avg","Tot"\n'
)
WEIRD = (
    HEAD + '"2021-06-01 17:00:00",1,12.6,14.0,0.21,0.22,9.0,0\n'
    '"2021-06-01 18:00:00.0128",2,12.6,14.0,0.21,0.22,9.0,0\n'
    '"2021-06-01 19:00:00",3,12.6,14.0,0.21,"INF",9.0,-7999\n'
    '"2021-06-02 01:00:00",4,12.6,14.0,7999,0.22,9.0,0\n'
    "   garbage\n"
)
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [100, 38]},
            "properties": {
                "station": "GJ",
                "property": "soil_moisture",
                "time": "2025-08-01T00:00:00Z",
                "value": 0.2,
                "unit": "m3 m-3",
                "depth": 0.1,
            },
        }
    ],
}
CHINESE = """[network]
name = "祁连山"
[time]
column = "时间"
zone = "Asia/Shanghai"
[[thing]]
name = "祁连站"
latitude = 38.18
longitude = 100.25
[[series]]
column = "土壤含水量10cm(%)"
thing = "祁连站"
property = "soil_moisture"
unit = "vol%"
depth = 0.10
[[series]]
column = "土壤温度10cm(℃)"
thing = "祁连站"
property = "soil_temperature"
unit = "℃"
depth = 0.10
"""
TABLE = "时间,土壤含水量10cm(%),土壤温度10cm(℃)\n2025-07-01 08:00:00,25.1,9.5\n"
RISMA = (
    "RISMA  RISMA  MB11    49.60000  -98.10000   250.00    0.0000    0.0500 Hydraprobe\n"
    "2015/01/01 00:00    0.1500 D01 Frozen soil,OK,OK,OK,OK,OK\n"
    "2015/01/01 01:00    0.1510 G OK,OK,OK,OK,OK,OK\n"
    "2015/01/01 02:00    0.1520 C01,D02 Out of WFV average range,NA,NA,OK,OK,OK\n"
)


def run(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.output


def flags_of(address: Path) -> dict[str, list[tuple[float, int]]]:
    with open_store(address) as store:
        with store.transaction(read_only=True) as session:
            series = list_series(session)
        held = {one.name: store.read([one.id]) for one in series}
    return {
        name: list(zip(h.result.tolist(), bits_of(h.quality, len(h)).tolist(), strict=True))
        for name, h in held.items()
    }


def test_impossible_values_are_flagged_without_any_mapping(tmp_path: Path) -> None:
    (tmp_path / "weird.dat").write_text(WEIRD)
    address = tmp_path / "net.db"
    run("ingest", tmp_path / "weird.dat", "--zone", "Etc/GMT-8", "--store", address)
    found = flags_of(address)
    moisture = dict(next(v for k, v in found.items() if "vwc 05" in k.lower().replace("_", " ")))
    assert moisture[7999.0] & Flag.ABOVE_RANGE
    assert moisture[0.21] == 0
    # -7999 is the logger's mark of a missing value, and no rain
    assert dict(found["Rain"]) == {0.0: 0}


def test_a_short_series_is_held_to_its_range(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,v\n2025-07-01 00:00,31\n2025-07-01 01:00,799900\n")
    (tmp_path / "a.toml").write_text(
        '[time]\nzone = "UTC"\n[[series]]\ncolumn = "v"\nthing = "A"\n'
        'property = "soil_moisture"\nunit = "vol%"\ndepth = 0.1\n'
    )
    address = tmp_path / "net.db"
    run("ingest", tmp_path / "a.csv", "--map", tmp_path / "a.toml", "--store", address)
    (values,) = flags_of(address).values()
    assert [bool(bits & Flag.ABOVE_RANGE) for _, bits in values] == [False, True]


@pytest.mark.parametrize(
    "media", ["application/geo+json", "application/json", "", "application/octet-stream"]
)
def test_geojson_is_taken_over_http_as_on_the_command_line(tmp_path: Path, media: str) -> None:
    from headwater.web.upload import take_in

    write_template(tmp_path / "network.toml")
    mapping = read_mapping(tmp_path / "network.toml")
    with open_store(tmp_path / "net.db") as store:
        told = take_in(store, json.dumps(GEOJSON).encode(), media, mapping=mapping)
    assert (told["kept"], told["new"]) == (1, 1)


def test_toa5_is_taken_over_http_without_a_mapping_for_it(tmp_path: Path) -> None:
    from headwater.web.upload import take_in

    with open_store(tmp_path / "net.db") as store:
        told = take_in(store, WEIRD.encode(), "", name="weird.dat", zone="Etc/GMT-8")
    assert told["kept"] == 4


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-8-sig"])
def test_a_chinese_logger_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "zh.csv").write_bytes(TABLE.encode(encoding))
    (tmp_path / "zh.toml").write_text(CHINESE, encoding="utf-8")
    address = tmp_path / "net.db"
    run("ingest", tmp_path / "zh.csv", "--map", tmp_path / "zh.toml", "--store", address)
    with open_store(address) as store:
        held = store.read()
    assert sorted(held.result.tolist()) == [0.251, 9.5]
    assert str(held.time.view("datetime64[us]")[0]) == "2025-07-01T00:00:00.000000"


def test_flags_of_several_words_cost_no_line(tmp_path: Path) -> None:
    name = "RISMA_RISMA_MB11_sm_0.000000_0.050000_Hydraprobe_19500101_20230521.stm"
    (tmp_path / name).write_text(RISMA)
    address, out = tmp_path / "net.db", tmp_path / "out.csv"
    run("ingest", tmp_path / name, "--store", address)
    run("export", out, "--store", address)
    text = out.read_text()
    assert text.count("\n") == 4
    assert "Out of WFV average range,NA,NA,OK,OK,OK" in text  # the provider's flag, next to ours


def test_flags_by_the_rules_of_the_network_are_exported_next_to_ours(tmp_path: Path) -> None:
    lines = ["time,v"] + [
        f"2025-07-{1 + k // 24:02}T{k % 24:02}:00:00Z,{35.0 if k == 30 else 20.0}"
        for k in range(72)
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "a.toml").write_text(
        '[[series]]\ncolumn = "v"\nthing = "A"\nproperty = "soil_moisture"\nunit = "vol%"\n'
    )
    address, out = tmp_path / "net.db", tmp_path / "out.csv"
    run("ingest", tmp_path / "a.csv", "--map", tmp_path / "a.toml", "--store", address)
    run("export", out, "--ismn", "--store", address)
    marked = [line for line in out.read_text().splitlines() if line.endswith("D06")]
    assert len(marked) == 1
    assert "2025-07-02T06:00:00Z" in marked[0]


def test_months_are_archived_and_recalled_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "weird.dat").write_text(WEIRD)
    address = tmp_path / "net.db"
    run("ingest", tmp_path / "weird.dat", "--zone", "Etc/GMT-8", "--store", address)
    before = flags_of(address)
    assert "1 months archived" in run("archive", "--store", address)
    assert flags_of(address) == before
    assert "1 files hold" in run("archive", "--verify", "--store", address)
    assert "observations are back" in run("recall", "2021-06-01", "--store", address)
    assert flags_of(address) == before


def test_the_store_and_its_password_come_from_the_environment(tmp_path: Path, monkeypatch) -> None:
    from headwater.cli.network_keep import store_address, with_password

    secret = tmp_path / "secret"
    secret.write_text("p@ss/word\n")
    monkeypatch.setenv("HEADWATER_STORE_PASSWORD_FILE", str(secret))
    found = store_address("postgresql://me@host:5432/net")
    assert found == "postgresql://me:p%40ss%2Fword@host:5432/net"
    assert store_address("network.db") == "network.db"
    assert with_password("mqtt://host", None, "UNSET") == "mqtt://host"
    monkeypatch.setenv("HEADWATER_STORE", str(tmp_path / "other.db"))
    run("init", tmp_path / "network.toml")
    assert (tmp_path / "other.db").exists()


def test_letters_are_listed_and_dropped(tmp_path: Path) -> None:
    from headwater.network.store.dead_letters import DeadLetter, keep_letters

    address = tmp_path / "net.db"
    with open_store(address) as store, store.transaction() as session:
        keep_letters(
            session, [DeadLetter("a/b", b"\x00\xff", "strange"), DeadLetter("c", b"{}", "r")]
        )
    shown = run("letters", "--store", address)
    assert "strange" in shown
    assert "2 messages dropped" in run("letters", "--drop", "--store", address)
    assert "No message" in run("letters", "--store", address)
