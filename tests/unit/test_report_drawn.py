"""Figures are drawn again only where their results, their look or the program changed."""

import io

import pytest
from matplotlib.image import imread

from headwater.errors import StudyError
from headwater.figures import known_font, new_figure
from headwater.report.picture import INDEX, Look, index_of, kept_pictures, key_of, take_picture
from headwater.report.section import FigureBlock


def figure(words="Soil moisture"):
    drawn = new_figure(4.0, 2.0)
    axes = drawn.add_subplot()
    axes.plot([0, 1], [0, 1])
    axes.set_title(words)
    return drawn


def block(words="Soil moisture", *, wide=True):
    return FigureBlock("line", lambda: figure(words), "", "", wide)


def width_of(png):
    return imread(io.BytesIO(png)).shape[1]


def test_a_figure_is_kept_as_long_as_its_key_stays(tmp_path):
    picture = take_picture(block(), key="a")
    for kind, content in picture.files.items():
        (tmp_path / f"line.{kind}").write_bytes(content)
    (tmp_path / INDEX).write_bytes(index_of({"line": picture}))
    assert kept_pictures(tmp_path, "a") == {"line": picture}
    assert kept_pictures(tmp_path, "b") == {}
    (tmp_path / "line.svg").unlink()
    assert kept_pictures(tmp_path, "a") == {}


def test_a_result_changed_by_hand_and_another_look_change_the_key(tmp_path):
    table = tmp_path / "cycle.csv"
    table.write_text("month,mean\n1,0.1\n")
    before = key_of([tmp_path], [], None, Look())
    assert key_of([tmp_path], [], None, Look()) == before
    assert key_of([tmp_path], [], None, Look(dpi=300)) != before
    table.write_text("month,mean\n1,0.2\n")
    assert key_of([tmp_path], [], None, Look()) != before


def test_journal_figures_have_the_width_of_their_columns():
    for wide, inches in ((True, 180 / 25.4), (False, 90 / 25.4)):
        look = Look(dpi=100, width="single", formats=("png", "pdf"))
        picture = take_picture(block(wide=wide), look)
        assert width_of(picture.files["png"]) == pytest.approx(100 * inches, abs=3)
        assert picture.files["pdf"].startswith(b"%PDF")


def test_letters_of_an_svg_stay_text_where_asked():
    assert b"Soil moisture</text>" in take_picture(block(), Look(editable_text=True)).files["svg"]
    assert b"Soil moisture</text>" not in take_picture(block()).files["svg"]


def test_letters_that_no_font_has_become_a_word_and_are_reported():
    strange = "\N{PHAISTOS DISC SIGN CAT}"
    svg = take_picture(block(f"Site {strange}"), Look(editable_text=True))
    assert svg.lost == strange
    assert b"Site [no font]" in svg.files["svg"]


def test_a_font_that_is_not_there_is_refused():
    with pytest.raises(StudyError, match="not installed"):
        known_font("No Such Font")
    assert known_font("DEJAVU SANS") == "DejaVu Sans"
