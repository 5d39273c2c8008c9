"""Maps, blocks, series and sentences: the same numbers as in the results, or a refusal."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from headwater.errors import ResumeError
from headwater.network import open_store
from headwater.warning.standardised import seasonal_percentile
from headwater.web.platform.layers import find_layers
from headwater.web.platform.percentile import percentile_maps
from headwater.web.platform.quantise import Scale, encode, nice_breaks
from headwater.web.platform.sentences import explain
from headwater.web.platform.series import Series, cells_of, climatology, read_series
from headwater.web.platform.studies import BLOCK_DAYS, Shelf, find_results

from .platform_house import COLUMNS, ROWS, Browser, platform_over, running, water, write_results
from .platform_rooms import BAND, write_rooms


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("study") / "results")


@pytest.fixture(scope="module")
def browser(results, tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("store") / "n.db") as store:
        app = platform_over(store, results.parent, anonymous=True)
        with running(app) as url:
            yield Browser(url)


@pytest.fixture(scope="module")
def study(browser):
    return browser.get("/api/studies").json()[0]["id"]


def maps_of(browser, study, id, number=0):
    told = browser.get(f"/api/studies/{study}/layers/{id}").json()
    raw = browser.get(f"/api/studies/{study}/layers/{id}/blocks/{number}?v={told['hash']}")
    maps = np.frombuffer(raw.content, np.uint8).reshape(-1, ROWS, COLUMNS)
    return told, (np.cumsum(maps, axis=0, dtype=np.uint8) if told["times"] else maps), raw


def test_a_block_gives_the_values_back_to_half_a_step(browser, study) -> None:
    told, maps, raw = maps_of(browser, study, "grids.soil_moisture", number=2)
    truth = water().values[2 * BLOCK_DAYS : 3 * BLOCK_DAYS]
    assert maps.shape == truth.shape
    assert (maps[:, :2, :2] == told["nodata"]).all()
    inside = (maps > told["below"]) & (maps < told["above"])
    found = told["offset"] + told["scale"] * maps[inside]
    assert inside.mean() > 0.8
    assert np.abs(found - truth[inside]).max() <= told["scale"] * 0.51
    assert (truth[maps == told["above"]] > told["breaks"][-1]).all()
    assert (truth[maps == told["below"]] < told["breaks"][0]).all()
    assert raw.headers["Content-Encoding"] == "gzip"
    assert "immutable" in raw.headers["Cache-Control"]
    again = browser.get(raw.request.path_url, headers={"If-None-Match": raw.headers["ETag"]})
    assert again.status_code == 304


def test_an_address_without_the_right_hash_is_not_kept_for_ever(browser, study) -> None:
    answer = browser.get(f"/api/studies/{study}/layers/grids.soil_moisture/blocks/0?v=old")
    assert "immutable" not in answer.headers["Cache-Control"]


def test_the_last_block_is_shorter_and_there_is_none_after_it(browser, study) -> None:
    days = water().sizes["time"]
    _, maps, _ = maps_of(browser, study, "grids.soil_moisture", number=days // BLOCK_DAYS)
    assert len(maps) == days % BLOCK_DAYS
    url = f"/api/studies/{study}/layers/grids.soil_moisture/blocks/{days // BLOCK_DAYS + 1}"
    assert browser.get(url).status_code == 404


def test_significant_cells_come_as_a_second_map(browser, study, results) -> None:
    import xarray as xr

    _, maps, _ = maps_of(browser, study, "variation.soil_moisture-trend.slope")
    with xr.open_dataset(results / "variation" / "soil_moisture-trend.nc") as truth:
        assert (maps[1] == truth["significant"].values).all()


def test_classes_keep_their_names(browser, study) -> None:
    told, maps, _ = maps_of(browser, study, "variation.soil_moisture-trend.trend_class")
    assert [one[0] for one in told["classes"]] == [-1.0, 0.0, 1.0]
    assert set(np.unique(maps)) <= {1, 2, 3}


def test_percentile_maps_are_those_of_the_warning_room(browser, study) -> None:
    cube = water()
    times = cube["time"].values
    wanted = np.array([0, 200, 400, 800])
    found = percentile_maps(cube.values, times.astype("datetime64[s]"), wanted)
    truth = seasonal_percentile(cube.values, times)[wanted]
    np.testing.assert_allclose(found, truth, rtol=1e-5)
    _, maps, _ = maps_of(browser, study, "percentile")
    known = maps[0] != 255
    np.testing.assert_allclose(0.4 * (maps[0][known] - 1.0), truth[0][known], atol=0.21)


def test_the_leading_factor_is_the_one_with_the_largest_significant_correlation(tmp_path) -> None:
    from headwater.grids import write_netcdf

    from .platform_house import finish, gridded

    results = write_results(tmp_path / "results")
    (results / "correlation").mkdir()
    strength = {"temperature": 0.2, "ndvi": -0.6, "precipitation": 0.5}
    for factor, r in strength.items():
        maps = gridded(np.full((ROWS, COLUMNS), r), "anomaly_r").to_dataset()
        sure = np.ones((ROWS, COLUMNS), bool)
        sure[0] = factor == "temperature"
        sure[1] = False
        maps["anomaly_significant"] = (("y", "x"), sure)
        write_netcdf(maps, results / "correlation" / f"with-{factor}.nc")
    finish(results, "correlation")
    shelf = Shelf([results])
    found = shelf.study(shelf.names[0])
    layer = found.layers["dominant"]
    names = [one[1] for one in shelf.legend(found, layer).classes]
    codes = np.frombuffer(gzip.decompress(shelf.block(found, layer, 0)), np.uint8)
    codes = codes.reshape(ROWS, COLUMNS)
    assert names[codes[0, 0] - 1] == "Air temperature"
    assert (codes[1] == 255).all()
    assert {names[code - 1] for code in codes[2:].ravel()} == {"NDVI"}


def test_a_series_is_that_of_its_cell_and_its_band_holds_most_of_it(browser, study) -> None:
    told = browser.get(f"/api/studies/{study}/series?at=3.5,4.5").json()
    truth = water().values[:, 4, 3]
    np.testing.assert_allclose(np.array(told["values"], float), truth, rtol=1e-4)
    assert told["latitude"] == pytest.approx(36.0)
    assert told["longitude"] == pytest.approx(98.5)
    day = pd.DatetimeIndex(told["times"]).day_of_year.to_numpy()
    low, high = (
        np.array(told["usual"][key], float)[np.minimum(day, 365) - 1] for key in ("low", "high")
    )
    assert 0.7 < ((truth >= low) & (truth <= high)).mean() < 0.9


def test_the_mean_of_a_polygon_is_weighted_by_area(browser, study) -> None:
    told = browser.get(f"/api/studies/{study}/series?at=2,2;8,2;8,6;2,6").json()
    cube = water().isel(y=slice(2, 6), x=slice(2, 8))
    truth = cube.weighted(np.cos(np.radians(cube["y"]))).mean(("y", "x")).values
    assert told["cells"] == 24
    np.testing.assert_allclose(np.array(told["values"], float), truth, rtol=1e-4)


def test_cells_on_the_edge_of_a_polygon_belong_to_it(study, browser) -> None:
    corners = "4.5,3.5;6.5,3.5;6.5,5.5"  # in the middles of cells, as the keyboard sets them
    told = browser.get(f"/api/studies/{study}/series?at={corners}").json()
    assert told["cells"] == 6


def test_too_few_values_rank_nothing(study, results) -> None:
    shelf = Shelf([find_results(results)])
    held = shelf.study(shelf.names[0])
    place = cells_of(held.grid, [(4.5, 3.5)])
    whole = shelf.series(held.layers["grids.soil_moisture"], place)
    monthly = Series(whole.time[::30], whole.value[::30], whole.share[::30])
    said = explain(held, place, monthly, climatology(monthly), 0)[0]
    assert "too few to rank it (20 are needed)" in said.text[0]
    assert "percentile" not in said.text[0]


def test_a_series_comes_as_csv_with_units_and_n(browser, study) -> None:
    text = browser.get(f"/api/studies/{study}/series?at=3.5,4.5&format=csv").content.decode(
        "utf-8-sig"
    )
    head, first = text.splitlines()[:2]
    assert "soil_moisture [m3 m-3]" in head
    assert head.endswith("n of usual")
    assert first.startswith("2019-01-01,")


@pytest.mark.parametrize(
    "at",
    ["", "x,y", "1,2;3,4", "1", "nan,1", "0,0;8,6;8,0;0,6", "900,1", "0,0;1.4,0;1.4,1.4"],
)
def test_places_that_are_none_are_refused_with_what_to_do(browser, study, at) -> None:
    answer = browser.get(f"/api/studies/{study}/series?at={at}")
    assert answer.status_code == 400
    assert answer.json()["wrong"]


def test_polygons_with_too_many_corners_are_refused(browser, study) -> None:
    turn = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    ring = ";".join(f"{4 + 2 * np.cos(t):.3f},{3 + 2 * np.sin(t):.3f}" for t in turn)
    answer = browser.get(f"/api/studies/{study}/series?at={ring}")
    assert answer.status_code == 400
    assert "corners" in answer.json()["message"]
    assert browser.get(f"/api/studies/{study}/series?at={ring * 3}").status_code in (400, 413, 431)


def test_what_drives_a_cell_is_said_with_its_numbers_in_both_languages(browser, study) -> None:
    told = browser.get(f"/api/studies/{study}/explain?at=3.5,4.5&date=2021-07-01").json()
    kinds = {one["kind"]: one["text"] for one in told}
    truth = water()
    rank = seasonal_percentile(truth.values[:, 4, 3], truth["time"].values)[912]
    assert str(truth["time"].values[912])[:10] == "2021-07-01"
    assert f"percentile {rank:.0f} of" in kinds["now"][0]
    assert f"第 {rank:.0f} 百分位" in kinds["now"][1]
    assert "q = 0.50" in kinds["pattern"][0]
    assert "chance alone" in kinds["pattern"][0]
    assert "sources" not in kinds


def test_a_study_without_isotopes_says_so_and_what_to_do(browser, study) -> None:
    answer = browser.get(f"/api/studies/{study}/sources")
    assert answer.status_code == 404
    assert "[samples]" in answer.json()["message"]


def test_sources_stand_at_their_bands_and_at_their_stations(tmp_path) -> None:
    results = write_rooms(write_results(tmp_path / "results"))
    with (
        open_store(tmp_path / "n.db") as store,
        running(platform_over(store, results, anonymous=True)) as url,
    ):
        browser = Browser(url)
        study = browser.get("/api/studies").json()[0]["id"]
        pies = browser.get(f"/api/studies/{study}/sources/pies").json()
        table = browser.get(f"/api/studies/{study}/summary?format=csv").text.splitlines()
        forecast = browser.get(f"/api/studies/{study}/forecast?at=4.5,3.5&format=csv").text
    assert table[0].removeprefix("\ufeff") == "quantity,value,units,n"
    assert "water,2021-07-02,0.1,0.11,0.12" in forecast
    named = [(one["by"], one["label"]) for one in pies]
    assert named == [("altitude_band", BAND), ("site", "Spring")]
    spring = pies[1]
    assert (spring["column"], spring["row"]) == pytest.approx((4.7, 4.1))  # 99.1° E, 36.2° N
    assert sum(one["median"] for one in spring["of"]) == pytest.approx(1.0)


def test_a_study_without_a_forecast_says_so(browser, study) -> None:
    answer = browser.get(f"/api/studies/{study}/forecast?at=4.5,3.5")
    assert answer.status_code == 404
    assert "no forecast for this elevation" in answer.json()["message"]


def test_a_series_of_a_place_is_read_once(results, monkeypatch) -> None:
    from headwater.web.platform import studies

    shelf = Shelf([find_results(results)])
    study = shelf.study(shelf.names[0])
    layer, place = study.layers["grids.soil_moisture"], cells_of(study.grid, [(4.5, 3.5)])
    first = shelf.series(layer, place)
    monkeypatch.setattr(studies, "read_series", None)  # a second reading would fail
    again = shelf.series(layer, place)
    np.testing.assert_array_equal(first.value, again.value)
    np.testing.assert_array_equal(first.time, again.time)


def test_a_step_that_is_half_written_is_not_shown(tmp_path) -> None:
    results = write_results(tmp_path / "results")
    (results / ".running-correlation").mkdir()
    (results / "variation" / "step.json").unlink()
    shelf = Shelf([results])
    study = shelf.study(shelf.names[0])
    assert study.about["running"] == ["correlation"]
    assert not any(id.startswith("variation") for id in study.layers)
    assert "grids.soil_moisture" in study.layers


def test_a_result_that_was_cut_off_hides_its_layers_alone(tmp_path) -> None:
    results = write_results(tmp_path / "results")
    broken = results / "variation" / "soil_moisture-trend.nc"
    broken.write_bytes(broken.read_bytes()[:1000])
    layers = {one.id for one in find_layers(results)}
    assert "grids.soil_moisture" in layers
    assert not any(id.startswith("variation") for id in layers)


def test_a_cube_that_was_cut_inside_hides_no_other_study_and_no_other_layer(tmp_path) -> None:
    results = write_results(tmp_path / "results")
    for chunk in (results / "grids" / "soil_moisture.zarr" / "soil_moisture").glob("[0-9]*"):
        chunk.write_bytes(chunk.read_bytes()[:20])
    (results / "provenance.json").write_text('{"headw', encoding="utf-8")
    shelf = Shelf([results])
    study = shelf.study(shelf.names[0])
    assert study.grid is not None
    with pytest.raises(ResumeError, match="cannot be read"):
        shelf.block(study, study.layers["grids.soil_moisture"], 0)
    with pytest.raises(ResumeError, match="run the study again"):
        read_series(study.layers["grids.soil_moisture"], cells_of(study.grid, [(4.0, 3.0)]))
    trend = next(one for id, one in study.layers.items() if id.startswith("variation"))
    assert shelf.block(study, trend, 0)


def test_a_run_that_goes_on_is_seen_without_a_restart(tmp_path, monkeypatch) -> None:
    results = write_results(tmp_path / "results")
    shelf = Shelf([results])
    monkeypatch.setattr("headwater.web.platform.studies._FRESH", 0.0)
    before = shelf.study(shelf.names[0])
    card = json.loads((results / "grids" / "step.json").read_text())
    (results / "grids" / "step.json").write_text(json.dumps(card | {"fingerprint": "another"}))
    after = shelf.study(shelf.names[0])
    assert before.fingerprint != after.fingerprint
    layer = "grids.soil_moisture"
    assert before.layers[layer].fingerprint != after.layers[layer].fingerprint


def test_where_nothing_was_run_the_command_says_what_to_do(tmp_path) -> None:
    with pytest.raises(Exception, match="Run the study first"):
        find_results(tmp_path)


def test_breaks_are_round_and_hold_nearly_all() -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(4, 0.03, 5000)
    breaks = nice_breaks(values)
    assert ((values >= breaks[0]) & (values <= breaks[-1])).mean() > 0.98
    assert 4 <= len(breaks) <= 11
    assert nice_breaks([np.nan]) == (0.0, 1.0)
    assert encode([breaks[0], breaks[-1]], Scale(breaks)).tolist() == [1, 251]
