"""The platform in a real browser: every page, three widths, both themes and languages, by keyboard.

Fails on any error in the console, any request to another host, and any finding of axe.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headwater.alerts.events import evaluate
from headwater.alerts.rules import Rules
from headwater.network import open_store
from headwater.network.entities import (
    Datastream,
    Location,
    Observations,
    ObservedProperty,
    Sensor,
    Thing,
)
from headwater.network.store.protocol import now
from headwater.network.times import DAY
from headwater.web.platform.site import is_built

from ..unit.platform_house import PASSWORD, platform_over, running, write_results
from ..unit.platform_rooms import BAND, write_rooms

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
PAGES = ("map", "stations", "sources", "alerts", "plan", "studies")
RULES = {
    "rule": [{"name": "dry", "quantity": "soil_moisture", "below": 0.1, "debounce": 1, "hold": 0}]
}
STUDY = """\
[study]
name = "Small"
[restoration]
units = "units.geojson"
"""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not is_built(), reason="the front end has not been built"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def fill(store) -> None:
    """One station in the study, drying until its rule fires."""
    with store.transaction() as session:
        thing = session.add(Thing(name="Meadow <i>1</i>"))
        spot = {"type": "Point", "coordinates": [98.5, 36.5, 3800]}
        place = session.add(Location(name="l", location=spot))
        session.insert("things_locations", {"thing_id": thing, "location_id": place})
        known = {"sensor_id": session.add(Sensor(name="S")), "thing_id": thing}
        prop = session.add(ObservedProperty(name="soil_moisture", definition="d"))
        unit = {"symbol": "m3 m-3"}
        series = Datastream(
            name="sm",
            observed_property_id=prop,
            unit_of_measurement=unit,
            properties={"depth": 0.1},
            **known,
        )
        id = session.add(series)
    times = now() - DAY + np.arange(144) * 600_000_000
    store.write(Observations(np.full(144, id), times, np.linspace(0.2, 0.09, 144)))
    evaluate(store, Rules.model_validate(RULES))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    results = write_rooms(write_results(folder / "results"))
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (results / ".study").write_text("../study.toml\n", encoding="utf-8")
    (folder / "units.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with open_store(folder / "n.db") as store:
        fill(store)
        rules = Rules.model_validate(RULES)
        with running(platform_over(store, results, anonymous=True, rules=rules)) as url:
            yield url


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, house):
    """Open a page of the platform, and say afterwards what went wrong in it."""
    contexts, wrong, refused = [], [], ["404"]

    def open_page(path, *, width=1300, language="en-GB", scheme="light", noted="404", **options):
        refused.append(noted)
        context = chromium.new_context(
            viewport={"width": width, "height": 850},
            locale=language,
            color_scheme=scheme,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if foreign(asked.url) else None)
        page.goto(f"{house}/{path}")
        return page

    def foreign(address):
        return not address.startswith((house, "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
    # a study without isotopes answers 404 on its page of sources, which browsers note by themselves
    assert [one for one in wrong if not any(status in one for status in refused)] == []


def settled(page) -> None:
    page.wait_for_selector("main#content")
    playwright.expect(page.locator(".waiting")).to_have_count(0, timeout=20_000)


def axe(page) -> list[str]:
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]
    ]


def sign_in(page, name) -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


@pytest.mark.parametrize(
    ("width", "language", "scheme"),
    [
        (width, language, scheme)
        for width in (360, 820, 1500)
        for language in ("en-GB", "zh-CN")
        for scheme in ("light", "dark")
    ],
)
def test_every_page_is_without_findings_and_fits_its_width(visit, width, language, scheme) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there; get it with: python frontend/build.py --test")
    page = visit("#/map?at=4.5,3.5&plan=1&pies=June", width=width, language=language, scheme=scheme)
    for name in PAGES:
        if name != "map":
            page.evaluate("where => { location.hash = where }", f"#/{name}")
        page.locator(f"main.{name}").wait_for()
        settled(page)
        assert axe(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_scientist_looks_at_a_cell_by_keyboard_and_shares_the_link(visit) -> None:
    page = visit("#/map")
    settled(page)
    board = page.get_by_role("application")
    board.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    playwright.expect(page.locator("#readout")).to_contain_text("column")
    page.keyboard.press("Enter")
    page.locator(".sentences .now").wait_for()
    assert "at=" in page.url
    page.get_by_label("Day", exact=True).focus()
    before = page.locator(".day").inner_text()
    page.keyboard.press("ArrowLeft")
    playwright.expect(page.locator(".day")).not_to_have_text(before)
    again = visit(page.url.split("/", 3)[3])
    settled(again)
    assert again.locator(".day").inner_text() == page.locator(".day").inner_text()
    again.locator(".sentences .now").wait_for()


def test_the_twin_by_numbers_opens_the_same_cell(visit) -> None:
    page = visit("#/map")
    settled(page)
    page.get_by_text("Choose by numbers").click()
    page.get_by_label("row", exact=True).fill("5")
    page.get_by_label("column", exact=True).fill("4")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("heading", name="Cell 5 / 4").wait_for()


def test_an_editor_draws_a_unit_and_approves_the_work_that_a_ranger_proposed(visit) -> None:
    page = visit("#/plan")
    settled(page)
    sign_in(page, "zhuoma")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("button", name="Decide").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "li")
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("Comment").fill("seen on the ground")
    page.get_by_role("button", name="Decide").click()
    playwright.expect(page.get_by_role("article").get_by_text("approved")).not_to_have_count(0)
    page.goto(page.url.split("#", maxsplit=1)[0] + "#/map?at=4,3;6,3;6,5;4,5")
    page.get_by_role("heading", name="Make this a management unit").wait_for()
    page.get_by_label("Name").fill("East slope")
    page.locator("select[name=grade]").select_option("heavy")
    page.get_by_role("button", name="Add the unit").click()
    page.get_by_text("The unit has been added").wait_for()


def test_an_area_is_drawn_by_keyboard_alone(visit) -> None:
    page = visit("#/map")
    settled(page)
    page.get_by_role("button", name="Draw an area").press("Enter")
    page.get_by_role("application").focus()
    for keys in (
        *("ArrowLeft", " "),
        *("ArrowRight", "ArrowRight", " "),
        *("ArrowDown", "ArrowDown", " ", "Enter"),
    ):
        page.keyboard.press(keys)
    page.locator(".sentences .now").wait_for()
    assert page.url.endswith("at=4.5%2C3.5%3B6.5%2C3.5%3B6.5%2C5.5")


def test_sources_are_drawn_by_altitude_or_by_station(visit) -> None:
    page = visit("#/map?pies=June")
    settled(page)
    page.get_by_role("button", name="altitude", exact=True).wait_for()
    page.get_by_role("button", name="site", exact=True).click()
    assert "by=site" in page.url


def test_what_the_service_refuses_is_said_in_the_language_of_the_page(visit) -> None:
    page = visit("#/map", language="zh-CN", noted="400")
    settled(page)
    page.goto(f"{page.url.split('?')[0]}?at=400.5,300.5")
    page.get_by_text("格点在网格之外").first.wait_for()


def test_samples_of_a_row_are_those_that_stand_out_in_the_plane(visit) -> None:
    page = visit("#/sources")
    settled(page)
    page.get_by_role("button", name=BAND).click()
    page.get_by_role("heading", name="12 samples selected").wait_for()
    page.get_by_text("Findings on the samples").click()
    page.get_by_text("far from <b>the others</b>").wait_for()


def test_a_ranger_sees_to_an_alert_and_silences_it(visit) -> None:
    page = visit("#/alerts")
    settled(page)
    page.get_by_text("Sign in as a ranger").wait_for()
    sign_in(page, "zhuoma")
    page.get_by_role("button", name="I see to it").click()
    page.get_by_text("seen to by").wait_for()
    page.get_by_role("button", name="Silence …").click()
    page.get_by_label("Reason").fill("the probe is being moved")
    page.get_by_role("dialog").get_by_role("button", name="Silence").click()
    page.get_by_text("the probe is being moved").wait_for()
    assert page.locator("i").count() == 0  # the station's name stays text


def test_without_javascript_the_page_says_what_to_do(visit) -> None:
    page = visit("", java_script_enabled=False)
    playwright.expect(page.get_by_role("heading", name="Headwater")).to_be_in_viewport()
    page.get_by_role("link", name="stations and their latest values").click()
    assert "Meadow <i>1</i>" in page.locator("body").inner_text()


def test_a_result_that_was_cut_says_so_on_the_map(chromium, tmp_path) -> None:
    results = write_results(tmp_path / "results")
    for chunk in (results / "grids" / "soil_moisture.zarr" / "soil_moisture").glob("[0-9]*"):
        chunk.write_bytes(chunk.read_bytes()[:20])
    with (
        open_store(tmp_path / "n.db") as store,
        running(platform_over(store, results, anonymous=True)) as url,
    ):
        page = chromium.new_page(locale="zh-CN")
        page.goto(f"{url}/#/map")
        page.get_by_text("cut or damaged").wait_for()
        page.get_by_text("该结果不完整或已损坏").wait_for()
        page.locator(".choices select").first.select_option("grids.elevation")
        playwright.expect(page.get_by_text("cut or damaged")).to_have_count(0)
        page.close()


def test_a_service_that_goes_away_is_told_and_the_values_stay(chromium, tmp_path) -> None:
    results = write_results(tmp_path / "results")
    with open_store(tmp_path / "n.db") as store:
        with running(platform_over(store, results, anonymous=True)) as url:
            page = chromium.new_page()
            page.goto(f"{url}/#/map")
            settled(page)
            playwright.expect(page.locator("canvas")).to_have_attribute(
                "data-drawn", re.compile(".")
            )
        page.get_by_text("does not answer").wait_for(timeout=20_000)
        assert page.get_by_role("application").is_visible()
        page.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Run a real study, of rain and snow in groundwater, and serve it."""
    shared, folder = ROOT.parent / "shared", tmp_path_factory.mktemp("real")
    if not (shared / "data" / "isotopes-vallon-de-nant").is_dir():
        pytest.skip("the data of the real studies are not here")
    text = (ROOT / "studies" / "vallon-de-nant.toml").read_text(encoding="utf-8")
    file = folder / "study.toml"
    file.write_text(text.replace("../../shared", shared.as_posix()), encoding="utf-8")
    command = [sys.executable, "-m", "headwater", "run", str(file), "--no-report", "--quiet"]
    subprocess.run(command, check=True, cwd=folder)
    with (
        open_store(folder / "n.db") as store,
        running(platform_over(store, folder / "vallon-de-nant", anonymous=True)) as url,
    ):
        yield url


@pytest.mark.parametrize(("width", "language"), [(360, "zh-CN"), (1500, "en-GB")])
def test_a_real_study_without_maps_is_shown_and_fits(chromium, real, width, language) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 850}, locale=language)
    wrong = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for name in ("sources", "studies", "map"):
        page.goto(f"{real}/#/{name}")
        page.locator(f"main.{name}").wait_for()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if AXE.is_file():
            assert axe(page) == [], name
    page.goto(f"{real}/#/sources")
    page.get_by_text("地下水" if language == "zh-CN" else "Groundwater").first.wait_for()
    page.close()
    assert wrong == []
