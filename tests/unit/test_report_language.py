"""The report in Chinese: whatever the demo's report says in headings, captions, tables, figures."""

import re
from pathlib import Path

import pytest

from headwater.figures import new_figure
from headwater.report.language import ENGLISH, Translator, translate_figure, translator_of
from headwater.report.page import Chapter, Front, Lineage, compose_page
from headwater.report.section import Section

WORDS = Path(__file__).with_name("report_words.txt").read_text(encoding="utf-8").splitlines()
HOLE = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def chinese():
    return translator_of("zh")


def test_nothing_that_the_demo_report_says_lacks_a_translation(chinese):
    for words in WORDS:
        chinese.head(words[7:]) if words.startswith("column|") else chinese(words)
    assert list(chinese.missing) == []


def test_no_english_sentence_is_left_in_the_chinese_report(chinese):
    told = tuple(words for words in WORDS if words.endswith((".", "?")))
    section = Section("variation", "Variation in time and space", told, methods=told, cautions=told)
    page = compose_page(
        Front("Study", told[0], (("Period", "2017-01-01 to 2021-12-31"),)),
        [Chapter(section, {}, choices=told)],
        Lineage((("Software", (("Packages", "NumPy 2.1"),)),)),
        chinese,
    )
    shown = re.sub(r"<(style|script|head|pre).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    found = re.findall(r"(?:\b[A-Za-z]+[ ,;]+){4,}[A-Za-z]+\b", shown)
    assert found == []


def test_what_stands_in_braces_is_in_both_languages(chinese):
    for template in chinese.templates:
        holes = set(re.findall(r"\(\?P<(\w+)>", template.pattern.pattern))
        assert {hole[1:-1] for hole in HOLE.findall(template.wanted)} == holes


def test_a_sentence_is_translated_by_its_template_and_so_are_its_words(chinese):
    told = chinese("Soil moisture is lowest in March (0.0929 m³ m⁻³) and highest in May (0.13).")
    assert told == "土壤水分在3月最低（0.0929 m³ m⁻³），在5月最高（0.13）。"
    cells = (
        "Cell by cell: 0 of 8395 cells (0.0 %) are significant at a false discovery rate of 0.05."
    )
    assert chinese(cells) == "逐格网：8395 个格网中 0 个（0.0 %）在错误发现率 0.05 下显著。"
    assert chinese("2678 samples with isotopes were used: 143 of ground ice, 375 of river.") == (
        "共使用 2678 个同位素样品：地下冰 143 个、河水 375 个。"
    )


def test_numbers_pass_names_stay_and_the_unknown_is_remembered():
    here = translator_of("zh")
    assert here("0.111 m³ m⁻³") == "0.111 m³ m⁻³"
    first = here("First: Desert gate (severe, probability 82%).")
    assert first == "首要：Desert gate（极重度，概率 82%）。"
    assert list(here.names) == ["Desert gate"]
    assert here("Quite another sentence.") == "Quite another sentence."
    assert list(here.missing) == ["Quite another sentence."]


def test_units_that_are_words_are_translated_within_sentences(chinese):
    said = chinese(
        "Trend of the area mean by year: −0.1 m³ m⁻³ year⁻¹ (too few years for an "
        "interval, Mann-Kendall p = 1, n = 5 years)."
    )
    assert "m⁻³ 年⁻¹" in said
    assert "year" not in said


def test_a_head_of_a_column_may_mean_another_thing_than_a_factor(chinese):
    assert (chinese("slope"), chinese.head("slope")) == ("坡度", "斜率")


def test_english_changes_nothing():
    assert ENGLISH("Soil moisture") == "Soil moisture"
    assert isinstance(translator_of("en"), Translator)


def test_titles_ticks_and_labels_of_a_figure_are_translated(chinese):
    figure = new_figure()
    axes = figure.add_subplot()
    axes.set_xticks([0, 1], ["Elevation", "Slope"])
    axes.set_title("Precipitation", loc="left")
    translate_figure(figure, chinese)
    assert axes.get_title(loc="left") == "降水"
    assert axes.xaxis.get_major_formatter().format_ticks([0, 1]) == ["高程", "坡度"]


def test_the_page_says_its_language_and_speaks_it(chinese):
    page = compose_page(Front("祁连山"), (), Lineage(), chinese)
    assert '<html lang="zh">' in page
    assert "主要结果" in page
    assert ">Findings<" not in page
