"""A reader opens the report in a browser without network: sorts, downloads, looks, prints."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.figures import new_figure
from headwater.report.page import Chapter, Front
from headwater.report.picture import Look, take_picture
from headwater.report.section import FigureBlock, Section, TableBlock
from headwater.report.write import write_chapters

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
FACTORS = pd.DataFrame(
    {
        "factor": ["precipitation", "aspect", "elevation", "NDVI"],
        "q": [0.5234567890123, np.nan, -0.0312345, 0.30111],
        "p_value": [1e-12, np.nan, 0.0412, 0.00042],
        "best_stratification_of_five_kinds": [
            "quantile",
            "",
            "natural breaks",
            "equal, 3–9 classes",
        ],
        **{f"stratum_{i}_mean": np.linspace(0.1, 0.2, 4) * i for i in range(1, 9)},
    }
)
FACTORS.attrs["units"] = {f"stratum_{i}_mean": "m3 m-3" for i in range(1, 9)}


def field():
    figure = new_figure(8, 3)
    figure.subplots().pcolormesh(np.sin(np.arange(3000.0).reshape(30, 100) / 50), cmap="YlGnBu")
    return figure


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    blocks = (
        FigureBlock("map", field, "Soil moisture, n = 3000 cells.", "It is wet in waves."),
        TableBlock("factors", FACTORS, "Explanatory power of each factor, n = 4 factors."),
    )
    section = Section(
        "detector",
        "What drives soil moisture",
        headline=("Precipitation explains 52 % of the spatial variance (q = 0.523, n = 3000).",),
        blocks=blocks,
        methods=("q = 1 − SSW / SST.",),
        references=("Wang et al. (2010). https://doi.org/10.1080/13658810802443457",),
        cautions=("Four factors are few.",),
    )
    chapter = Chapter(section, {"map": take_picture(blocks[0], Look(dpi=80))})
    front = Front("Soil moisture of a headwater", facts=(("Period", "2017-01-01 to 2021-12-31"),))
    return write_chapters(tmp_path_factory.mktemp("results"), front, [chapter])


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield instance
        instance.close()


@pytest.fixture
def opened(browser, report):
    """Open the report at a width; at the end, prove that it asked for nothing and had no error."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []

    def answer(route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    def open_at(width: int, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.route("**/*", answer)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert asked == []
    assert complaints == []


def column(page, number: int) -> list[str]:
    return page.locator(f"#table-1 tbody td:nth-child({number})").all_inner_texts()


def test_a_table_sorts_by_value_both_ways_with_missing_values_last(opened):
    page = opened(1280)
    heading = page.locator("#table-1 th").nth(1)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, 2) == ["−0.031", "0.301", "0.523", "–"]
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, 2) == ["0.523", "0.301", "−0.031", "–"]
    assert page.get_by_role("status").inner_text().startswith("Sorted by q")


def test_a_table_sorts_from_the_keyboard(opened):
    page = opened(1280)
    page.locator("#table-1 th button").first.focus()
    page.keyboard.press("Enter")
    assert column(page, 1) == ["aspect", "elevation", "NDVI", "precipitation"]
    assert page.locator("#table-1 th").first.get_attribute("aria-sort") == "ascending"


def test_the_exact_value_is_one_pointer_away(opened):
    cell = opened(1280).locator("#table-1 tbody tr:first-child td:nth-child(2)")
    assert cell.inner_text() == "0.523"
    assert cell.get_attribute("title") == "0.5234567890123"


def test_the_downloaded_csv_is_the_file_and_is_unrounded(opened, report):
    page = opened(1280)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table 1").click()
    assert download.value.suggested_filename == "detector-factors.csv"
    content = Path(download.value.path()).read_bytes()
    assert content == (report.parent / "tables" / "detector-factors.csv").read_bytes()
    back = pd.read_csv(io.BytesIO(content))
    np.testing.assert_array_equal(back["q"], FACTORS["q"])


@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1920])
def test_no_width_scrolls_the_page_sideways(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") >= 300


def test_every_picture_is_shown_and_its_files_lie_beside_the_page(opened, report):
    page = opened(1280)
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 1
    assert all(width > 0 for width in widths)
    assert (report.parent / "figures" / "detector-map.svg").stat().st_size > 1000


def test_contents_fold_on_a_phone_and_lead_to_the_chapter(opened):
    page = opened(390, reduced_motion="reduce")
    contents = page.locator(".contents details")
    assert contents.get_attribute("open") is None
    page.get_by_text("Contents").click()
    page.get_by_role("navigation").get_by_text("What drives soil moisture").click()
    assert contents.get_attribute("open") is None
    top = page.locator("#detector-title").bounding_box()["y"]
    bar = page.locator(".contents").bounding_box()
    assert top >= bar["y"] + bar["height"], "the bar must not hide the heading"


def test_print_shows_all_rows_and_no_furniture(opened):
    page = opened(1280)
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    assert not page.get_by_role("button", name="Download table 1").is_visible()
    assert page.locator("#table-1 tbody tr").last.is_visible()


def test_it_reads_without_scripts(opened):
    page = opened(1280, java_script_enabled=False)
    assert page.get_by_role("heading", name="What to distrust").is_visible()
    assert page.get_by_text("Four factors are few.").is_visible()


def test_its_picture_is_not_blank(opened, tmp_path):
    from matplotlib.image import imread

    path = tmp_path / "report.png"
    opened(1280).screenshot(path=path, full_page=True)
    pixels = imread(path)[..., :3]
    assert pixels.shape[1] == 1280
    assert 0.02 < (pixels.min(axis=2) < 0.9).mean() < 0.9
