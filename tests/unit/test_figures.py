"""Figures look alike, render to the same bytes, and leave the caller's style alone."""

import re

import matplotlib as mpl
import numpy as np
import pytest

from headwater.figures import CATEGORY, COLORMAP, grouped, house_style, new_figure, render


def drawn() -> bytes:
    with house_style():
        figure = new_figure(3, 2)
        figure.subplots().plot([1.0, 2.0, 3.0], label="θ")
    return render(figure, "svg")


def test_the_same_figure_is_the_same_bytes() -> None:
    assert drawn() == drawn()
    assert b"<dc:date>" not in drawn()


def test_the_style_ends_where_it_ends() -> None:
    before = dict(mpl.rcParams)
    drawn()
    assert dict(mpl.rcParams) == before


def test_a_picture_has_the_size_asked_for() -> None:
    from io import BytesIO

    from matplotlib.image import imread

    figure = new_figure(4, 2)
    figure.subplots()
    assert imread(BytesIO(render(figure, "png", dpi=50))).shape[:2] == (100, 200)


def test_colours_can_be_told_apart_also_in_grey() -> None:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CATEGORY]) / 255
    distance = np.linalg.norm(rgb[:, None] - rgb, axis=2)[np.triu_indices(len(CATEGORY), 1)]
    assert distance.min() > 0.25
    red_green = {"RdYlGn", "RdYlGn_r", "jet", "rainbow", "hsv"}
    assert not red_green & set(COLORMAP.values())
    assert set(COLORMAP.values()) <= set(mpl.colormaps)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (2017, 0, "2017"),
        (9999, 0, "9999"),
        (10000, 0, "10_000"),
        (1234567.891, 2, "1_234_567.89"),
        (-0.001, 2, "0.00"),
        (-12345, 0, "−12_345"),
        (float("inf"), 0, "∞"),
    ],
)
def test_numbers_are_grouped_in_one_style(value: float, decimals: int, text: str) -> None:
    assert grouped(value, decimals) == text.replace("_", "\u202f")


def test_a_font_holds_the_letters_of_the_field() -> None:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
    letters = set("θδσ°‰−–×²³⁻¹ρ≥\u202f")
    assert {letter for letter in letters if ord(letter) not in known} == set()
    assert re.fullmatch(r"#[0-9A-F]{6}", CATEGORY[0])
