"""Runs started, tables uploaded and units drawn from the browser: who may, and what is refused."""

import json
import time

import numpy as np
import pytest

from headwater.errors import DataError, InputError
from headwater.network import open_store
from headwater.network.sensorthings.errors import WrongRequest
from headwater.web.platform.api_runs import _pointed, replace_samples
from headwater.web.platform.grid import Grid
from headwater.web.platform.plans import add_unit
from headwater.web.platform.relief import relief_of, shade
from headwater.web.platform.runs import Progress, _after, study_file_of
from headwater.web.platform.studies import Shelf, find_results

from .platform_house import Browser, platform_over, running, write_results

STUDY = """\
[study]
name = "Small"
[samples] # of last year
path = 'data/samples.csv'
[samples.mixing]
path = "not this one"
[restoration]
units = "units.geojson"
"""


@pytest.fixture
def grid() -> Grid:
    y, x = 38.0 - 0.5 * np.arange(6), 97.0 + 0.5 * np.arange(8)
    return Grid(x, y, "EPSG:4326", True, np.ones((6, 8), bool), None)


@pytest.fixture
def study(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples.csv").write_text("old", encoding="utf-8")
    square = [[97.0, 36.0], [97.5, 36.0], [97.5, 36.5], [97.0, 36.5], [97.0, 36.0]]
    geometry = {"type": "Polygon", "coordinates": [square]}
    one = {"type": "Feature", "properties": {"name": "Meadow"}, "geometry": geometry}
    units = {"type": "FeatureCollection", "features": [one]}
    (tmp_path / "units.geojson").write_text(json.dumps(units), encoding="utf-8")
    return file


def test_only_an_editor_runs_and_only_what_is_served(tmp_path) -> None:
    results = write_results(tmp_path / "house" / "results")
    file = tmp_path / "house" / "study.toml"
    file.write_text("[study]\nname = 'no inputs'\n", encoding="utf-8")
    (results / ".study").write_text("../study.toml\n", encoding="utf-8")
    with open_store(tmp_path / "n.db") as store:
        app = platform_over(store, results, anonymous=True)
        with running(app) as url:
            browser = Browser(url)
            path = "/api/studies/house/run"
            assert browser.get(path).json() == {"may_run": True, "last": None}
            assert browser.post(path, {}).status_code == 401
            browser.sign_in("zhuoma")
            assert browser.post(path, {}).status_code == 403
            browser.sign_in("li")
            assert browser.post("/api/studies/..%2Fother/run", {}).status_code == 404
            assert browser.post(path, {}, headers={"x-csrf-token": "forged"}).status_code == 403
            assert browser.ask("DELETE", path).status_code == 409
            assert browser.post(path, {}).json()["state"] == "running"
            assert browser.post(path, {}).status_code == 409
            last = _ended(browser, path)
        app.state.house.runs.close()
    assert last["state"] == "failed"
    assert str(tmp_path) not in json.dumps(last)


def _ended(browser, path):
    for _ in range(600):
        last = browser.get(path).json()["last"]
        if last["state"] != "running":
            return last
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def test_lines_of_a_run_become_steps() -> None:
    seen = Progress("s", "running", "li")
    for line in ("grids: Align the inputs", "grids: done", "variation: unchanged, kept"):
        seen = _after(seen, line)
    assert (seen.done, seen.step) == (("grids", "variation"), "")
    seen = _after(_after(seen, "a warning without a step"), "detector: Detect what drives it")
    assert (seen.step, seen.what) == ("detector", "Detect what drives it")


def test_a_study_never_run_is_shown_and_can_be_run(study) -> None:
    results = find_results(study)
    shelf = Shelf([results], files={results: study})
    found = shelf.study(shelf.names[0])
    assert found.name == "Small"
    assert (found.grid, found.layers) == (None, {})
    assert found.about["may_run"]
    assert study_file_of(results) is None


def test_samples_are_exchanged_in_their_own_table_alone(study) -> None:
    new = study.parent / "data" / ".new.csv"
    text = _pointed(study, new)
    assert text == STUDY.replace("'data/samples.csv'", '"data/.new.csv"')
    with pytest.raises(InputError, match="of another kind"):
        replace_samples(study, b"x", "../../evil.xlsx")
    study.write_text(STUDY.replace("'data/samples.csv'", "'/etc/passwd'"), encoding="utf-8")
    with pytest.raises(InputError, match=r"of another kind|outside of its folder"):
        replace_samples(study, b"x", "passwd")


def test_a_table_that_fails_the_check_changes_nothing(study) -> None:
    before = sorted(study.parent.rglob("*"))
    with pytest.raises(DataError, match="does not pass its check"):
        replace_samples(study, b"not,a\ntable,of samples\n", "new.csv")
    assert sorted(study.parent.rglob("*")) == before
    assert (study.parent / "data" / "samples.csv").read_text() == "old"


def test_a_drawn_unit_joins_the_others(study, grid) -> None:
    corners = [(3.0, 1.0), (4.0, 1.0), (4.0, 2.0), (3.0, 2.0)]
    assert add_unit(study, grid, corners, {"name": "Ridge", "grade": "heavy"}) == 2
    units = json.loads((study.parent / "units.geojson").read_text())["features"]
    assert units[1]["properties"] == {"name": "Ridge", "grade": "heavy"}
    west, north = units[1]["geometry"]["coordinates"][0][0]
    assert (west, north) == pytest.approx((98.25, 37.75))
    for again, words in (
        ({"name": "Ridge"}, "two of one name"),
        ({"name": "Over it"}, "overlap"),
    ):
        with pytest.raises(DataError, match=words):
            add_unit(study, grid, corners, again)
    with pytest.raises(WrongRequest, match="without a cell"):
        add_unit(study, grid, [(50, 50), (51, 50), (51, 51)], {"name": "Far"})
    assert len(json.loads((study.parent / "units.geojson").read_text())["features"]) == 2


def test_relief_falls_back_on_the_grid_and_is_dark_where_nothing_is_known(grid, study) -> None:
    assert relief_of(grid, study).shape == grid.shape
    z = np.add.outer(np.zeros(5), np.array([0.0, 300.0, 600.0, 300.0, 0.0]))
    z[0, 0] = np.nan
    light = shade(z, 1000.0, 1.0)
    assert light[0, 0] == 0
    assert light[2, 1] > light[2, 3]
