"""Figures of posterior draws show what the draws are."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError
from headwater.isotopes.mixing.posterior_plots import (
    _place,
    draw_densities,
    draw_matrix,
    draw_triangles,
    fraction_density,
)
from headwater.isotopes.mixing.results import PosteriorDraws


def draws(absent: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for period, alpha in (("June", (6.0, 2.0, 2.0)), ("August", (9.0, 1.0, 1.0))):
        p = rng.dirichlet(alpha, 800)
        if absent and period == "August":
            p = np.column_stack([p[:, 0], 1.0 - p[:, 0], 0.0 * p[:, 0]])
        table = pd.DataFrame(p, columns=["precipitation", "ground ice", "snow melt"])
        parts.append(table.assign(label="all", period=period))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("alpha", [(1.0, 1.0), (30.0, 1.0), (1.0, 60.0)])
def test_a_density_of_fractions_holds_one_even_at_the_ends(alpha: tuple[float, float]) -> None:
    p = np.random.default_rng(1).beta(*alpha, 4000)
    at = np.linspace(0.0, 1.0, 2001)
    assert np.trapezoid(fraction_density(p, at), at) == pytest.approx(1.0, abs=0.01)


def test_a_panel_for_each_period_and_a_line_for_each_source() -> None:
    axes = draw_densities(draws()).axes
    assert [one.get_title(loc="left") for one in axes] == ["June", "August"]
    assert [len(one.lines) for one in axes] == [3, 3]
    assert [len(one.lines) for one in draw_densities(draws(absent=True)).axes] == [3, 2]


def test_the_matrix_tells_the_correlations() -> None:
    table = draws()
    figure = draw_matrix(table)
    assert len(figure.axes) == 9
    june = table[table["period"] == "June"]
    r = np.corrcoef(june["precipitation"], june["ground ice"])[0, 1]
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert f"r = {r:.2f}".replace("-", "−") in words
    with pytest.raises(DataError, match="needs two sources"):
        draw_matrix(table[["precipitation", "label", "period"]])


def test_corners_of_the_triangle_are_the_sources() -> None:
    corners = np.column_stack(_place(np.eye(3)))
    assert corners == pytest.approx(np.array([[0.5, np.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]]))
    sides = [np.linalg.norm(corners[i] - corners[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert sides == pytest.approx([1.0, 1.0, 1.0])


def test_triangles_with_and_without_an_absent_source() -> None:
    means = pd.DataFrame(
        {
            "grouping": ["plot"],
            "period": ["June"],
            "precipitation": [0.6],
            "ground ice": [0.2],
            "snow melt": [0.2],
        }
    )
    assert len(draw_triangles(draws(), means).axes) == 2
    assert len(PosteriorDraws(draws(absent=True), "").plot_triangles().axes) == 2
    with pytest.raises(DataError, match="a triangle has three corners"):
        draw_triangles(draws().drop(columns="snow melt"))
