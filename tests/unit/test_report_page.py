"""The page as HTML: complete, escaped, accessible, and without any other host."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from matplotlib.image import imread
from odc.geo.geobox import GeoBox

from headwater.figures import new_figure
from headwater.grids.geometry import grid_coords
from headwater.grids.plots import map_figure
from headwater.report.page import (
    Chapter,
    Front,
    Lineage,
    _hold_together,
    compose_page,
    read_lineage,
)
from headwater.report.picture import Look, take_picture
from headwater.report.section import FigureBlock, Section, TableBlock, TextBlock


def draw():
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.plot([5, 7, 10], [0.1, 0.2, 0.12])
    axes.set_xlabel("Month")
    return figure


def figure_block(name: str, *, wide: bool) -> FigureBlock:
    return FigureBlock(name, draw, f"Caption of {name}.", f"Alternative of {name}.", wide=wide)


FACTORS = pd.DataFrame({"factor": ["<i>P</i>", "T"], "q": [0.52345678, np.nan]})
SECTIONS = (
    Section(
        name="variation",
        title="How soil moisture varies",
        headline=("Soil moisture averages 0.131 m³ m⁻³ (n = 11 952 cells).",),
        blocks=(
            TextBlock("Top 5 cm & no deeper."),
            figure_block("maps", wide=True),
            figure_block("cycle", wide=False),
            figure_block("years", wide=False),
        ),
        methods=("Months need 80 % of their days.",),
        references=("Sen 1968, doi:10.1080/01621459.1968.10480934",),
        cautions=("Five years are few.",),
    ),
    Section(
        name="detector",
        title="What drives it",
        blocks=(TableBlock("factors", FACTORS, "q of each factor."), figure_block("q", wide=False)),
        references=("Sen (1968). https://doi.org/10.1080/01621459.1968.10480934", "Wang 2010"),
    ),
)


class Page(HTMLParser):
    """All start tags with their attributes, and the text that is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data.replace("\u00a0", " ")

    def every(self, tag: str, key: str) -> list[str]:
        return [attrs[key] or "" for name, attrs in self.tags if name == tag and key in attrs]


@pytest.fixture(scope="module")
def source() -> str:
    chapters = [
        Chapter(
            section,
            {
                block.name: take_picture(block, Look(dpi=60))
                for block in section.blocks
                if isinstance(block, FigureBlock)
            },
            choices=("Months need 80 % of their days.", "Sen's slope over real time."),
            cautions=("Five years are few.",),
        )
        for section in SECTIONS
    ]
    front = Front("Qilian <script>alert(1)</script>", facts=(("Period", "2017 to 2021"),))
    return compose_page(front, chapters, Lineage())


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_words_from_outside_are_escaped(source, page):
    assert "<script>alert" not in source
    assert "Qilian <script>alert(1)</script>" in page.words
    assert "<i>P</i>" not in source.split('type="application/json"')[0]


def test_nothing_is_fetched_and_a_policy_forbids_it(page):
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert all(uri.startswith("data:image/") for uri in page.every("img", "src"))
    assert not page.every("script", "src")
    assert page.every("link", "href") == ["data:,"]
    kinds = ("#", "figures/", "https://doi.org/")
    assert all(link.startswith(kinds) for link in page.every("a", "href"))


def test_every_link_inside_the_page_arrives(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    inside = {link[1:] for link in page.every("a", "href") if link.startswith("#")}
    named = {attrs[key] for _, attrs in page.tags for key in ("aria-labelledby",) if key in attrs}
    assert inside | named <= set(ids)


def test_figures_and_tables_are_numbered_through_the_page(page):
    for words in ("Figure 1. Caption of maps.", "Figure 4. Caption of q.", "Table 1. q of each"):
        assert words in page.words
    assert "figures/variation-maps.svg" in page.every("a", "href")
    assert page.every("img", "alt")[0] == "Alternative of maps."


def test_narrow_figures_that_follow_each_other_share_a_row(page):
    rows = [words for words in page.every("div", "class") if words.startswith("plates")]
    assert rows == ["plates", "plates pair", "plates"]


def test_the_page_has_one_title_one_language_and_no_skipped_heading(page):
    levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert page.every("html", "lang") == ["en"]


def test_a_choice_is_told_once_whoever_tells_it(source):
    methods = source.split('id="methods-title"')[1].split('id="references"')[0]
    variation = methods.split("<h3>What drives it")[0].replace("\u00a0", " ")
    assert variation.count("Months need 80 % of their days.") == 1
    assert variation.count("Sen&#39;s slope over real time.") == 1
    assert source.count("Five years are few.") == 2, "once for each chapter that says so"


def test_the_same_work_is_cited_by_one_number(page):
    assert page.every("ol", "class") == ["references"]
    assert [link for link in page.every("a", "href") if "doi" in link] == [
        "https://doi.org/10.1080/01621459.1968.10480934"
    ]
    assert page.every("a", "href").count("#reference-1") == 2
    assert page.every("a", "href").count("#reference-2") == 1


def test_the_csv_in_the_page_is_unrounded(source):
    island = source.split('id="csv-1">')[1].split("</script>")[0]
    assert json.loads(island) == "factor,q\n<i>P</i>,0.52345678\nT,\n"


def test_a_report_without_chapters_says_so():
    page = Page(compose_page(Front("Empty"), (), Lineage()))
    assert "No step has found anything yet." in page.words


def test_maps_are_images_inside_an_svg_and_text_stays_vector():
    def mesh():
        figure = new_figure(3, 2)
        figure.subplots().pcolormesh(np.arange(12000.0).reshape(100, 120))
        return figure

    picture = take_picture(FigureBlock("map", mesh, "", ""), Look(dpi=60))
    assert len(picture.files["svg"]) < 100_000
    assert b"<image" in picture.files["svg"]
    assert picture.data_uri.startswith("data:image/svg+xml;base64,")


def test_an_svg_too_heavy_for_the_page_gives_way_to_the_png():
    def cloud():
        figure = new_figure(3, 2)
        figure.subplots().plot(*np.random.default_rng(1).random((2, 60_000)), "-")
        return figure

    picture = take_picture(FigureBlock("cloud", cloud, "", ""), Look(dpi=60))
    kind, content = picture.data_uri.split(";base64,")
    assert kind == "data:image/png"
    assert base64.b64decode(content) == picture.files["png"]


def test_a_figure_for_half_a_row_is_laid_out_anew_so_that_its_text_stays_readable():
    def broad():
        return new_figure(7, 4)

    narrow = take_picture(FigureBlock("n", broad, "", "", wide=False), Look(dpi=60))
    wide = take_picture(FigureBlock("w", broad, "", ""), Look(dpi=60))
    assert wide.width == 7 * 96
    assert narrow.width < 5 * 96
    assert narrow.height < wide.height


def test_the_labels_of_a_tall_map_are_not_cut_off():
    grid = GeoBox((9, 6), Affine(24000, 0, 3973370, 0, -24000, 2951850), "EPSG:3035")
    attrs = {"long_name": "Elevation", "units": "m"}
    values = np.linspace(200, 700, 54).reshape(9, 6)
    data = xr.DataArray(values, dims=("y", "x"), coords=grid_coords(grid), attrs=attrs)

    def tall():
        return map_figure(data)

    picture = take_picture(FigureBlock("tall", tall, "", "", wide=False), Look(100, ("png",)))
    pixels = imread(io.BytesIO(picture.files["png"]))[..., :3]
    assert pixels[:, [0, 1, -2, -1]].min() == 1.0
    assert pixels[[0, 1, -2, -1]].min() == 1.0


def test_the_same_figure_gives_the_same_bytes():
    block = figure_block("same", wide=True)
    assert take_picture(block) == take_picture(block)


def test_provenance_is_told_in_words(tmp_path):
    assert read_lineage(tmp_path) == Lineage()
    step = {"name": "grids", "skipped": True, "started": "2026-01-01T00:00:00+00:00"}
    record = {
        "headwater": "0.1.0",
        "packages": {"numpy": "2.4.0", "scipy": "1.17"},
        "study_file": {"path": "/somewhere/qilian.toml", "sha256": "ab12", "text": "[study]"},
        "inputs": {"sm.nc": {"bytes": 12_300_000, "sha256": "cd34", "of": "content"}},
        "steps": [step | {"seconds": 4.218, "peak_mb": 512.3}],
    }
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    lineage = read_lineage(tmp_path)
    ledgers = dict(lineage.ledgers)
    assert lineage.study_text == "[study]"
    assert ("Packages", "numpy 2.4.0, scipy 1.17") in ledgers["Software"]
    assert ("Study file", "qilian.toml, SHA-256 ab12") in ledgers["Software"]
    assert ledgers["Inputs"] == (("sm.nc", "12.3 MB, SHA-256 cd34 of content"),)
    assert ledgers["Steps"][0][1].startswith("4.2 s, 512 MB at most")
    assert ledgers["Steps"][0][1].endswith("kept from an earlier run")


def test_what_is_said_of_each_quantity_is_said_once_of_all() -> None:
    choices = (
        "NDVI: a mean needs data on 80 % of the area.",
        "One step was left out.",
        "Air temperature: a mean needs data on 80 % of the area.",
    )
    chapter = Chapter(Section("variation", "Variation"), {}, choices=choices)
    assert chapter.decisions == (
        "NDVI, Air temperature: a mean needs data on 80 % of the area.",
        "One step was left out.",
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read from 20150101.tif and '123456'", "Read from 20150101.tif and '123456'"),
        ("sm_20150.nc, 10000.csv and data/54321", "sm_20150.nc, 10000.csv and data/54321"),
        ('C:\\12345\\a.tif and "55555"', 'C:\\12345\\a.tif and "55555"'),
        ("n is 12345.", "n is 12\u202f345."),
    ],
)
def test_numbers_within_names_stay_as_they_are(text: str, shown: str) -> None:
    assert str(_hold_together(text).unescape()) == shown
