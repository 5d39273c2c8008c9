"""What was read, in the store: written once, controlled, derived, shown and exported."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from headwater.cli.network import app
from headwater.errors import InputError, StudyError
from headwater.network import open_store
from headwater.network.derived.interval_means import station_means
from headwater.network.derived.write import derive
from headwater.network.entities import Observations
from headwater.network.ingest.clocks import clock_doubts
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.load import Loaded, load_reading
from headwater.network.ingest.mapping import Mapping, parse_mapping
from headwater.network.ingest.parsed_file import Reading
from headwater.network.inventory import list_series
from headwater.network.overview import series_status, write_export
from headwater.network.quality.clock import clock_state, confirm_clock
from headwater.network.quality.flags import Flag, bits_of, word_of
from headwater.network.quality.run import control_store
from headwater.network.store.protocol import Store
from headwater.network.times import DAY, microseconds

HOUR = 3_600_000_000
THAW = Path(__file__).parents[1] / "data" / "thaw_without_rain.csv"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "net.db") as opened:
        yield opened


def mapping_of(columns: dict[str, tuple], places: dict[str, tuple] | None = None):
    """Columns: property, unit, station, depth."""
    series = []
    for column, (quantity, unit, thing, depth) in columns.items():
        one = {"column": column, "property": quantity, "unit": unit, "thing": thing}
        series.append(one | ({} if depth is None else {"depth": depth}))
    things = [
        {"name": name, "latitude": lat, "longitude": lon, "elevation": 4500.0}
        for name, (lat, lon) in (places or {}).items()
    ]
    return parse_mapping({"series": series, "thing": things, "network": {"name": "Valley"}})


def text_of(frame: pd.DataFrame) -> bytes:
    stamps = frame.index.strftime("%Y-%m-%dT%H:%M:%SZ")
    return frame.assign(time=stamps).to_csv(index=False).encode()


def loaded_from(frame: pd.DataFrame, mapping: Mapping, store: Store) -> Loaded:
    return load_reading(read_csv(text_of(frame), mapping), store)


def hours(n: int, start: str = "2026-06-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n, freq="h")


def bits(store: Store, id: int) -> np.ndarray:
    held = store.read([id])
    return bits_of(held.quality, len(held))


def stream_named(store: Store, name: str):
    with store.transaction(read_only=True) as session:
        return next(one for one in list_series(session, derived=True) if name in one.name)


@pytest.mark.parametrize("quantity", [("soil_moisture", "vol%"), ("temperature", "degC")])
def test_what_is_stamped_after_it_came_in_is_doubted(tmp_path: Path, quantity: tuple) -> None:
    times = hours(8).append(hours(8, "2031-01-01"))
    frame = pd.DataFrame({"m": 25.0 + 0.2 * np.arange(16)}, index=times)
    present = [microseconds("2026-06-01T07:00Z")]
    with open_store(tmp_path / "clock.db", clock=lambda: present[0]) as store:
        loaded = loaded_from(frame, mapping_of({"m": (*quantity, "Upper", 0.1)}), store)
        told = control_store(store, spans=loaded.spans)
        present[0] = microseconds("2032-01-01T00:00Z")
        again = control_store(store, spans=loaded.spans)
        flags = bits(store, told[0].stream.id)
    assert [one.doubted for one in told] == [8]
    assert sum(one.changed for one in again) == 0  # they are no better when the time has come
    assert flags.tolist() == [0] * 8 + [int(Flag.FUTURE)] * 8


def test_a_time_that_had_not_come_stays_doubted_when_its_clock_is_confirmed(tmp_path: Path) -> None:
    rows = [(f"2026-06-01T{h:02d}:00Z", 20 + k) for k, h in enumerate([0, 1, 2, 3, 4, 2, 3, 4])]
    text = "time,m\n" + "".join(f"{t},{v}\n" for t, v in [*rows, ("2031-01-01T00:00Z", 21)])
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "Upper", 0.1)})
    present = [microseconds("2026-06-01T07:00Z")]
    with open_store(tmp_path / "clock.db", clock=lambda: present[0]) as store:
        loaded = load_reading(read_csv(text.encode(), mapping), store)
        (told,) = control_store(store, spans=loaded.spans)
        id = told.stream.id
        assert bits(store, id)[-1] == int(Flag.FUTURE | Flag.SET_BACK)
        present[0] = microseconds("2032-01-01T00:00Z")
        for _ in range(2):
            control_store(store, spans=confirm_clock(store, "Upper", actor="a ranger"))
            control_store(store, spans=loaded.spans)
        flags = bits(store, id)
    assert flags.tolist() == [0] * (len(flags) - 1) + [int(Flag.FUTURE)]


def set_back_file(confirmed: bool = False) -> Reading:
    hour = [0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7]
    rows = "".join(f"2026-06-01T{h:02d}:00Z,{20 + k},G{k}\n" for k, h in enumerate(hour))
    series = {"column": "m", "thing": "Upper", "property": "soil_moisture", "unit": "vol%"}
    time = {"clock": "confirmed"} if confirmed else {}
    mapping = parse_mapping({"time": time, "series": [{**series, "flag": "q"}]})
    return read_csv(("time,m,q\n" + rows).encode(), mapping, name="upper.csv")


def test_what_follows_a_clock_set_back_is_doubted_until_somebody_confirms_it(store: Store) -> None:
    def taken(reading: Reading) -> Loaded:
        loaded = load_reading(reading, store)
        control_store(store, spans=loaded.spans)
        return loaded

    doubts = clock_doubts(set_back_file(), microseconds("2026-06-02T00:00Z"))
    assert "after a clock was set back" in doubts[0]
    loaded = taken(set_back_file())
    assert clock_doubts(loaded.reading, microseconds("2026-06-02T00:00Z")) == doubts
    (id,) = loaded.datastreams.values()
    held = store.read([id])
    back = np.array([clock_state(text) == "set back" for text in held.parameters])
    assert back.any()
    assert not back.all()
    assert back[held.time >= microseconds("2026-06-01T06:00Z")].all()
    np.testing.assert_array_equal(bits(store, id), np.where(back, int(Flag.SET_BACK), 0))
    assert {json.loads(text)["flag"][0] for text in held.parameters} == {"G"}
    assert word_of(int(Flag.SET_BACK)) == "U"

    spans = confirm_clock(store, "Upper", actor="a ranger")
    assert control_store(store, spans=spans)[0].doubted == 0
    assert not bits(store, id).any()
    assert {json.loads(text)["flag"][0] for text in store.read([id]).parameters} == {"G"}
    again = taken(set_back_file())  # the file grows and is read again
    assert again.written.updated == 0
    assert clock_doubts(again.reading, microseconds("2026-06-02T00:00Z")) == ()
    assert confirm_clock(store, "Upper", actor="a ranger") == {}
    with pytest.raises(InputError, match="no such station"):
        confirm_clock(store, "Uper", actor="a ranger")


def test_a_confirmed_clock_is_doubted_no_more_on_any_command(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[time]\nzone = "UTC"\n[[series]]\ncolumn = "m"\nthing = "Upper"\n'
        'property = "soil_moisture"\nunit = "vol%"\ndepth = 0.1\n'
        '[[series]]\ncolumn = "gone"\nthing = "Upper"\nproperty = "soil_moisture"\n'
        'unit = "vol%"\ndepth = 0.3\n'
    )
    hour = [0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7]
    rows = [f"2026-06-01T{h:02d}:00,{20 + k},{30 + k if k < 6 else ''}" for k, h in enumerate(hour)]
    (tmp_path / "upper.csv").write_text("\n".join(["time,m,gone", *rows]) + "\n")
    kept = ["--store", str(tmp_path / "n.db")]
    ingest = ["ingest", str(tmp_path / "upper.csv"), "--map", str(tmp_path / "map.toml")]

    def said(call: list[str]) -> str:
        done = CliRunner().invoke(app, [*call, *kept])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "lines after a clock was set back" in said(ingest)
    said(["confirm", "Upper"])
    assert "doubts these values" not in said(ingest)


def test_a_mapping_confirms_a_clock_too(store: Store) -> None:
    first = load_reading(set_back_file(), store)
    control_store(store, spans=first.spans)
    confirmed = load_reading(set_back_file(confirmed=True), store)
    assert control_store(store, spans=confirmed.spans)[0].doubted == 0
    assert clock_doubts(set_back_file(confirmed=True), microseconds("2026-06-02T00:00Z")) == ()
    with pytest.raises(StudyError, match="unknown state of the clock"):
        parse_mapping({"time": {"clock": "right"}})


def test_a_forecast_is_of_the_future_and_made_before(tmp_path: Path) -> None:
    made = microseconds("2026-06-01T00:00Z")
    with open_store(tmp_path / "clock.db", clock=lambda: made) as store:
        frame = pd.DataFrame({"m": [4.0]}, index=hours(1))
        loaded = loaded_from(
            frame, mapping_of({"m": ("temperature", "degC", "Upper", None)}), store
        )
        (id,) = loaded.datastreams.values()
        times = made + DAY * np.arange(1, 4)
        store.write(Observations([id] * 3, times, [1.0, 2.0, 3.0], result_time=[made] * 3))
        control_store(store)
        assert bits(store, id).tolist() == [0] * 4


def test_the_same_file_twice_changes_nothing(store: Store) -> None:
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "Upper", 0.1)}, {"Upper": (35.0, 99.0)})
    reading = read_csv(text_of(pd.DataFrame({"m": [30.0, np.nan, 31.0]}, index=hours(3))), mapping)
    first, again = load_reading(reading, store), load_reading(reading, store)
    assert first.written.inserted == 2
    assert first.missing == 1
    assert (again.written.inserted, again.written.unchanged) == (0, 2)
    assert first.datastreams == again.datastreams
    with store.transaction() as session:
        counts = [
            session.rows(f"SELECT count(*) FROM {table}")[0][0]
            for table in (
                "things",
                "locations",
                "sensors",
                "observed_properties",
                "datastreams",
                "features_of_interest",
                "historical_locations",
            )
        ]
        thing = session.rows("SELECT properties FROM things")[0][0]
    assert counts == [1] * 7
    assert json.loads(thing) == {"name": "Valley"}
    stream = stream_named(store, "Soil moisture")
    assert (stream.role, stream.depth, stream.latitude) == ("soil_moisture", 0.1, 35.0)


def test_missing_values_withdraw_what_an_earlier_file_said(store: Store) -> None:
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "Upper", 0.1)})
    loaded_from(pd.DataFrame({"m": [30.0, 99.0]}, index=hours(2)), mapping, store)
    later = read_csv(text_of(pd.DataFrame({"m": [30.0, np.nan]}, index=hours(2))), mapping)
    assert load_reading(later, store).written.updated == 0
    assert load_reading(later, store, missing=True).written.updated == 1
    assert np.isnan(store.read().result[1])


def test_another_unit_under_the_same_name_is_refused(store: Store) -> None:
    frame = pd.DataFrame({"x": [1.0]}, index=hours(1))
    loaded_from(frame, mapping_of({"x": ("turbidity", "NTU", "A", None)}), store)
    with pytest.raises(InputError, match="in another unit"):
        loaded_from(frame, mapping_of({"x": ("turbidity", "FNU", "A", None)}), store)


def test_providers_flags_stay_beside_ours(store: Store) -> None:
    mapping = parse_mapping(
        {
            "series": [
                {
                    "column": "m",
                    "property": "soil_moisture",
                    "unit": "vol%",
                    "thing": "A",
                    "depth": 0.05,
                    "flag": "qc",
                }
            ]
        }
    )
    frame = pd.DataFrame({"m": [30.0] * 9 + [75.0], "qc": ["G"] * 9 + ["C02"]}, index=hours(10))
    loaded = loaded_from(frame, mapping, store)
    control_store(store, spans=loaded.spans)
    held = store.read()
    assert json.loads(held.parameters[9]) == {"flag": "C02"}
    assert json.loads(held.quality[9])["flag"].startswith("C02")
    assert "above the possible range" in json.loads(held.quality[9])["reasons"]
    assert json.loads(held.quality[0]) == {"flag": "G", "bits": 0}


def test_melt_water_is_no_fault_in_the_store_either(store: Store) -> None:
    case = pd.read_csv(THAW, index_col=0, parse_dates=True)
    columns = {
        "soil_moisture": ("soil_moisture", "vol%", "Upper", 0.05),
        "soil_temperature": ("soil_temperature", "degC", "Upper", 0.05),
        "air_temperature": ("temperature", "degC", "Upper", None),
        "precipitation": ("precipitation", "mm", "Upper", None),
    }
    load_reading(read_csv(text_of(case[list(columns)]), mapping_of(columns)), store)
    told = {one.stream.role: one for one in control_store(store)}
    moisture = told["soil_moisture"]
    assert moisture.doubted == 0
    flags = bits(store, moisture.stream.id)
    assert (flags & Flag.FROZEN > 0).sum() == 700
    assert np.all(flags[700:820] & Flag.THAWING)
    assert control_store(store) == []


def test_rain_and_temperature_that_come_late_change_the_flags(store: Store) -> None:
    n = 24 * 20
    value = np.full(n, 0.20) + 1e-4 * np.sin(np.arange(n))
    value[200:] += np.minimum(np.arange(n - 200) * 0.004, 0.08)
    frame = pd.DataFrame({"m": value, "rain": 0.0}, index=hours(n))
    columns = {
        "m": ("soil_moisture", "m3 m-3", "A", 0.05),
        "rain": ("precipitation", "mm", "A", None),
    }
    control_store(store, spans=loaded_from(frame, mapping_of(columns), store).spans)
    id = stream_named(store, "Soil moisture").id
    assert (bits(store, id) & Flag.RISE_WITHOUT_WATER > 0).sum() > 5
    wet = frame.assign(rain=np.where(np.arange(n) // 20 == 10, 3.0, 0.0))
    control_store(store, spans=loaded_from(wet, mapping_of(columns), store).spans)
    assert (bits(store, id) & Flag.RISE_WITHOUT_WATER > 0).sum() == 0


def test_a_gauge_far_away_accuses_nobody(store: Store) -> None:
    n = 24 * 20
    value = np.full(n, 0.20) + 1e-4 * np.sin(np.arange(n))
    value[200:] += np.minimum(np.arange(n - 200) * 0.004, 0.08)
    frame = pd.DataFrame({"m": value, "rain": 0.0}, index=hours(n))
    columns = {
        "m": ("soil_moisture", "m3 m-3", "A", 0.05),
        "rain": ("precipitation", "mm", "B", None),
    }
    places = {"A": (35.0, 99.0), "B": (35.01, 99.0)}  # 1.1 km
    loaded_from(frame, mapping_of(columns, places), store)
    near = control_store(store, consistency=False)
    assert near[-1].codes.get(Flag.RISE_WITHOUT_WATER, 0) > 5
    spans = {near[-1].stream.id: (0, 2**60)}
    far = control_store(store, spans=spans, reach=1.0, consistency=False)
    assert Flag.RISE_WITHOUT_WATER not in far[0].codes


def network(n_days: int, rng: np.random.Generator) -> pd.DataFrame:
    """Five stations of one valley, hourly, that follow the same weather."""
    n = 24 * n_days
    common = 0.25 + 0.05 * np.sin(np.arange(n) / 300.0) + np.cumsum(rng.normal(0, 2e-4, n))
    frame = {f"s{k}": common * (0.8 + 0.1 * k) + rng.normal(0, 1e-3, n) for k in range(5)}
    return pd.DataFrame(frame, index=hours(n, "2025-01-01"))


def test_a_sensor_that_leaves_its_neighbours_is_told(store: Store) -> None:
    frame = network(200, np.random.default_rng(3))
    frame.loc[frame.index[4000:4400], "s2"] += np.linspace(0, 0.15, 400)
    columns = {f"s{k}": ("soil_moisture", "m3 m-3", f"S{k}", 0.1) for k in range(5)}
    places = {f"S{k}": (35.0 + 0.002 * k, 99.0) for k in range(5)}
    loaded_from(frame, mapping_of(columns, places), store)
    told = {one.stream.thing: one for one in control_store(store)}
    flags = bits(store, told["S2"].stream.id)
    assert (flags[4100:4400] & Flag.AGAINST_NEIGHBOURS > 0).mean() > 0.5
    others = [told[f"S{k}"].codes.get(Flag.AGAINST_NEIGHBOURS, 0) for k in (0, 1, 3, 4)]
    assert max(others) < 0.02 * len(frame)
    # a control of what is new, without comparison, leaves these findings where they are
    spans = {told["S2"].stream.id: (int(frame.index[4390].value // 1000),) * 2}
    control_store(store, spans=spans, consistency=False)
    assert np.array_equal(bits(store, told["S2"].stream.id), flags)


def test_a_result_that_changed_meanwhile_keeps_its_new_value(store: Store) -> None:
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "Upper", 0.1)})
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"m": 30 + rng.normal(0, 0.05, 200)}, index=hours(200))
    loaded_from(frame, mapping, store)
    control_store(store)
    frame.loc[frame.index[100], "m"] = 80.0
    loaded = loaded_from(frame, mapping, store)
    control_store(store, spans=loaded.spans)
    id = stream_named(store, "Soil moisture").id
    assert store.read([id]).result[100] == 0.8
    assert bits(store, id)[100] & Flag.ABOVE_RANGE


def profile(store: Store) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    n = 24 * 40
    value = {"a": 0.2, "b": 0.3}
    frame = pd.DataFrame(
        {name: level + rng.normal(0, 1e-3, n) for name, level in value.items()}, index=hours(n)
    )
    frame["rain"] = 0.1
    columns = {
        "a": ("soil_moisture", "m3 m-3", "A", 0.1),
        "b": ("soil_moisture", "m3 m-3", "A", 0.3),
        "rain": ("precipitation", "mm", "A", None),
    }
    loaded_from(frame, mapping_of(columns, {"A": (35.0, 99.0)}), store)
    return frame


def test_derived_series_have_their_coverage_and_are_written_once(store: Store) -> None:
    frame = profile(store)
    told = derive(store, root_depth=0.4)
    names = {one.name for one in told}
    assert "Soil moisture at 0.1 m, daily mean" in names
    assert "Soil moisture at 0.3 m, pentad mean" in names
    assert not any("hourly" in name for name in names)
    daily = stream_named(store, "Soil moisture at 0.1 m, daily mean")
    held = store.read([daily.id])
    expected = frame["a"].resample("D").mean().to_numpy()
    np.testing.assert_allclose(held.result, expected, rtol=1e-12)
    assert np.all(held.time_end - held.time == DAY)
    assert json.loads(held.parameters[0]) == {"coverage": 1.0, "n": 24}
    rain = store.read([stream_named(store, "Precipitation, daily sum").id])
    np.testing.assert_allclose(rain.result, 2.4)
    storage = store.read([stream_named(store, "Water stored above 0.4 m").id])
    both = frame[["a", "b"]].resample("D").mean()
    np.testing.assert_allclose(storage.result, 200 * both["a"] + 200 * both["b"], rtol=1e-9)
    again = derive(store, root_depth=0.4)
    assert sum(one.written.inserted + one.written.updated + one.removed for one in again) == 0
    assert {one.id for one in again} == {one.id for one in told}


def test_days_that_lose_their_observations_lose_their_mean(store: Store) -> None:
    profile(store)
    derive(store)
    source = stream_named(store, "Soil moisture at 0.1 m")
    daily = stream_named(store, "Soil moisture at 0.1 m, daily mean")
    start = int(store.read([source.id]).time[0])
    with store.transaction() as session:
        session.delete_observations(source.id, start=start, end=start + 12 * HOUR)
    told = {one.name: one for one in derive(store)}
    assert told[daily.name].removed == 1
    assert store.read([daily.id]).time[0] == start + DAY


def test_doubted_values_do_not_count(store: Store) -> None:
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "A", 0.1)})
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"m": 30 + rng.normal(0, 0.05, 240)}, index=hours(240))
    frame.iloc[30:33] = 95.0
    control_store(store, spans=loaded_from(frame, mapping, store).spans)
    derive(store)
    held = store.read([stream_named(store, "daily mean").id])
    assert json.loads(held.parameters[1])["n"] == 21
    assert abs(held.result[1] - 0.30) < 0.001


def test_network_mean_and_stability_are_series_too(store: Store) -> None:
    frame = network(90, np.random.default_rng(5))
    columns = {f"s{k}": ("soil_moisture", "m3 m-3", f"S{k}", 0.1) for k in range(5)}
    loaded_from(frame, mapping_of(columns), store)
    derive(store)
    mean = store.read([stream_named(store, "daily mean of all stations").id])
    np.testing.assert_allclose(mean.result, frame.mean(axis=1).resample("D").mean(), atol=2e-5)
    with store.transaction(read_only=True) as session:
        found = [one for one in list_series(session, derived=True) if "stability" in one.name]
    ranks = {}
    for one in found:
        ranks[one.thing] = json.loads(store.read([one.id]).parameters[0])["rank"]
    assert ranks["S2"] == 1  # factor 1.0 of 0.8 to 1.2
    with pytest.raises(StudyError, match="unknown period"):
        derive(store, periods=["week"])  # type: ignore[list-item]


def test_values_for_the_grid_name_place_and_n(store: Store) -> None:
    profile(store)
    start = microseconds("2026-06-01T00:00Z")
    told = station_means(store, "soil_moisture", np.array([start, start + 10 * HOUR]))
    assert told.stations.loc[0, ["station", "depth"]].tolist() == ["A", 0.1]
    assert told.n.tolist() == [[10]]
    assert told.units == "m3 m-3"


def test_export_holds_no_formula_for_spreadsheets(store: Store, tmp_path: Path) -> None:
    mapping = mapping_of({"m": ("soil_moisture", "vol%", "=HYPERLINK(1)", 0.1)})
    loaded_from(pd.DataFrame({"m": [30.0]}, index=hours(1)), mapping, store)
    write_export(store, tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv")["station"].tolist() == ["'=HYPERLINK(1)"]
    write_export(store, tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["station"].tolist() == ["=HYPERLINK(1)"]


def test_overview_and_export(store: Store, tmp_path: Path) -> None:
    mapping = mapping_of(
        {"m": ("soil_moisture", "vol%", "A", 0.1), "u": ("battery_voltage", "V", "A", None)}
    )
    volts = 13.0 - 0.05 * np.arange(480) / 24
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"m": 30 + rng.normal(0, 0.05, 480), "u": volts}, index=hours(480))
    frame.iloc[100, 0] = 90.0
    control_store(store, spans=loaded_from(frame, mapping, store).spans)
    at = microseconds("2026-06-21T00:00Z")
    told = series_status(store, at=at).set_index("series")
    assert told.loc["Battery voltage", "battery_days"] == pytest.approx(10.0, abs=0.2)
    assert told["state"].tolist() == ["heard", "heard"]
    assert (series_status(store, at=at + 30 * DAY)["state"] == "silent").all()
    assert (series_status(store, at=at - 30 * DAY)["state"] == "in the future").all()
    n = write_export(store, tmp_path / "a.csv", quantities=["soil_moisture"], good=True)
    table = pd.read_csv(tmp_path / "a.csv")
    assert n == len(table) == 479
    assert table["value"].max() < 0.5
    write_export(store, tmp_path / "a.parquet")
    whole = pd.read_parquet(tmp_path / "a.parquet")
    assert whole.loc[100, "reasons"].startswith("above the possible range")
    with pytest.raises(InputError, match="no such series"):
        write_export(store, tmp_path / "a.csv", stations=["B"])
    with pytest.raises(InputError, match="unknown kind of table"):
        write_export(store, tmp_path / "a.xls")


def test_commands_tell_what_they_did(tmp_path: Path) -> None:
    run = CliRunner()
    store, mapping = str(tmp_path / "n.db"), tmp_path / "n.toml"
    done = run.invoke(app, ["init", str(mapping), "--store", store])
    assert done.exit_code == 0, done.output
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    rows = "".join(f"2026-07-01 {h:02d}:00,3{h % 10}\n" for h in range(24))
    good.write_text("time,VWC_10\n" + rows + "2026-07-02 00:00,wet\n")
    bad.write_text("zeit,VWC_10\n")
    options = ["--map", str(mapping), "--store", store, "--refused", str(tmp_path / "r.csv")]
    done = run.invoke(app, ["ingest", str(bad), str(good), *options])
    assert "25 lines read, 24 kept, 1 refused" in done.output
    assert done.exit_code == 3
    assert "'time'" in done.output
    assert pd.read_csv(tmp_path / "r.csv")["line"].tolist() == [26]
    assert "24 observations of 1 series" in run.invoke(app, ["status", "--store", store]).output
    assert "flags" in run.invoke(app, ["check", "--store", store]).output
    out = str(tmp_path / "o.csv")
    assert "Wrote 24" in run.invoke(app, ["export", out, "--store", store]).output
    assert "derived" in run.invoke(app, ["derive", "--store", store]).output
    kept = str(tmp_path / "kept")
    assert run.invoke(app, ["backup", kept, "--store", store]).exit_code == 0
    other = str(tmp_path / "other.db")
    assert "observations in" in run.invoke(app, ["restore", kept, "--store", other]).output
    assert run.invoke(app, ["restore", kept, "--store", other]).exit_code == 3
    assert run.invoke(app, ["watch", "--store", store]).exit_code == 2
