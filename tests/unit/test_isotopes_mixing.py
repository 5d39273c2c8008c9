"""Closed-form mixing: what it answers, and what it says when it cannot."""

import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, InputError
from headwater.isotopes.mixing.bounds import feasible_bounds, fraction_bounds
from headwater.isotopes.mixing.closed_form import (
    exact_fractions,
    fraction_covariance,
    mix_closed_form,
    simplex_fractions,
)
from headwater.isotopes.mixing.composition import (
    check_sources,
    compose,
    compose_each,
    compose_stated,
)
from headwater.isotopes.mixing.end_member_analysis import archetypes, emma, mixing_space
from headwater.isotopes.mixing.mix_model import estimate_end_members, mix_carrera
from headwater.isotopes.mixing.plots import draw_mixing_diagram
from headwater.isotopes.mixing.source_checks import identifiability, polygon_test

TRACERS = ["d18O", "d_excess"]


def ends(**changes):
    table = pd.DataFrame(
        {
            "source": ["precipitation", "ground_ice", "snow_melt"],
            "d18O": [-11.0, -14.0, -16.0],
            "d18O_sd": [1.5, 1.0, 1.2],
            "d_excess": [8.0, 2.0, 14.0],
            "d_excess_sd": [2.0, 1.5, 2.0],
            "n": [100, 66, 27],
        }
    )
    return compose_stated(table.assign(**changes), TRACERS)


def soils(rows, sd=(0.2, 0.4)):
    table = pd.DataFrame(rows, columns=TRACERS)
    return compose_stated(
        table.assign(source=[f"s{i}" for i in range(len(rows))], d18O_sd=sd[0], d_excess_sd=sd[1]),
        TRACERS,
    )


def fractions(result, mixture="s0"):
    return result.data.loc[result.data["mixture"] == mixture, "fraction"].to_numpy()


def test_one_table_row_per_mixture_and_source():
    result = mix_closed_form(ends(), soils([[-12.0, 7.28], [-13.0, 6.0]]))
    assert len(result.data) == 6
    assert result.data.groupby("mixture")["fraction"].sum().round(12).eq(1.0).all()
    assert result.data.attrs["units"]["fraction"] == "1"
    assert result.references


def test_mixture_outside_is_said_and_held():
    result = mix_closed_form(ends(), soils([[-10.0, 12.0]]))
    assert (result.data["status"] == "outside the polygon").all()
    assert result.data["unconstrained"].min() < 0.0 <= result.data["fraction"].min()
    assert "outside the polygon" in result.cautions[0]


def test_rows_of_mixtures_outside_are_named():
    frame = pd.DataFrame({"d18O": [-12.0, -5.0], "d_excess": [7.0, 20.0]}, index=[7, 11])
    assert "row 11" in " ".join(mix_closed_form(ends(), compose_each(frame, TRACERS)).cautions)


def test_cap_holds_a_source_to_its_volume():
    free = fractions(mix_closed_form(ends(), soils([[-12.0, 7.28]])))
    held = mix_closed_form(ends(), soils([[-12.0, 7.28]]), caps={"precipitation": 0.4})
    assert free[0] > 0.4
    assert fractions(held)[0] == pytest.approx(0.4)
    assert (held.data["status"] == "held by a cap").all()
    assert "precipitation may make up at most 0.4" in held.choices


def test_caps_that_leave_less_than_a_whole_are_refused():
    with pytest.raises(DataError, match="do not fill the mixture"):
        mix_closed_form(
            ends(),
            soils([[-12.0, 7.0]]),
            caps=dict.fromkeys(("precipitation", "ground_ice", "snow_melt"), 0.2),
        )


def test_paired_sources_equal_each_set_alone():
    early, late = ends(), ends(d18O=[-10.0, -14.0, -17.0])
    water = soils([[-12.0, 7.0], [-12.0, 7.0]])
    both = mix_closed_form({"s0": early, "s1": late}, water)
    assert fractions(both, "s0") == pytest.approx(fractions(mix_closed_form(early, water), "s0"))
    assert fractions(both, "s1") == pytest.approx(fractions(mix_closed_form(late, water), "s1"))
    with pytest.raises(DataError, match="no sources paired"):
        mix_closed_form({"s0": early}, water)


def test_missing_tracer_leaves_two_sources_solvable_and_three_not():
    water = soils([[-12.0, np.nan], [-12.0, 7.0]])
    three = mix_closed_form(ends(), water)
    assert np.isnan(fractions(three, "s0")).all()
    assert three.data["status"].iloc[0] == "too few tracers: 1 for 3 sources"
    two = mix_closed_form(ends().take(["precipitation", "snow_melt"]), water)
    assert fractions(two, "s0") == pytest.approx([0.8, 0.2])


def test_overdetermined_sources_use_the_metric():
    pair = ends().take(["precipitation", "snow_melt"])
    result = mix_closed_form(pair, soils([[-12.0, 14.0]], sd=(0.1, 5.0)))
    assert fractions(result)[1] < 0.45
    assert result.data["distance"].iloc[0] > 0.0


def test_concentration_needs_every_source():
    with pytest.raises(DataError, match="no concentration"):
        mix_closed_form(ends(), soils([[-12.0, 7.0]]), concentration={"snow_melt": 1.0})


def test_mean_and_sd_of_groups_are_the_same_as_their_samples():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "site": np.repeat(["a", "b"], 20),
            "d18O": rng.normal(-13, 1, 40),
            "d_excess": rng.normal(7, 2, 40),
        }
    )
    sampled = compose(frame, TRACERS, by=["site"])
    stated = (
        frame.groupby("site")
        .agg(
            d18O_mean=("d18O", "mean"),
            d18O_sd=("d18O", "std"),
            d_excess_mean=("d_excess", "mean"),
            d_excess_sd=("d_excess", "std"),
            n=("d18O", "size"),
        )
        .reset_index()
    )
    r = {
        label: np.corrcoef(part["d18O"], part["d_excess"]) for label, part in frame.groupby("site")
    }
    given = compose_stated(stated, TRACERS, label="site", correlation=r)
    assert mix_closed_form(ends(), given).data[["fraction", "sd"]].to_numpy() == pytest.approx(
        mix_closed_form(ends(), sampled).data[["fraction", "sd"]].to_numpy()
    )


# --- what a field scientist gets for bad input ---------------------------------------------------


def sampled_sources(**rows):
    frame = pd.DataFrame(
        {
            "water": ["rain"] * 3 + ["ice"] * 3,
            "d18O": [-10.0, -11, -9.5, -15, -14, -16],
            "d2H": [-70.0, -79, -66, -110, -102, -119],
        },
        index=range(2, 8),
    )
    for column, values in rows.items():
        frame[column] = values
    return frame


@pytest.mark.parametrize(
    ("change", "tracers", "said"),
    [
        ({"water": ["rain"] * 5 + ["ice"]}, ["d18O"], r"ice has one sample \(row 7\)"),
        ({"d18O": [-10.0, -11, -9.5, -15, -15, -15]}, ["d18O"], r"same d18O \(rows 5, 6, 7\)"),
        ({"d18O": [-10.0, -11, -12, -12, -11, -10]}, ["d18O"], "ice and rain are identical"),
        ({}, ["d18O", "d2H", "d_excess"], r"depend on each other exactly \(rows 5, 6, 7\)"),
        ({"d18O": [np.nan] * 3 + [-15.0, -14, -16]}, ["d18O"], r"rain is empty \(rows 2, 3, 4\)"),
        ({"d18O": [-10.0, "wet", -9.5, -15, -14, -16]}, ["d18O"], r"holds text \(row 3\)"),
    ],
)
def test_bad_sources_get_a_sentence_with_rows(change, tracers, said):
    with pytest.raises(DataError, match=said):
        check_sources(compose(sampled_sources(**change), tracers))


def test_missing_column_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'd18O'"):
        compose(sampled_sources(), ["d18o"])


def test_four_sources_with_two_tracers():
    four = compose_stated(
        pd.DataFrame(
            {
                "source": list("abcd"),
                "d18O": [-11.0, -14, -16, -9],
                "d_excess": [8.0, 2, 14, 5],
                "d18O_sd": 1.0,
                "d_excess_sd": 1.0,
                "n": 9,
            }
        ),
        TRACERS,
    )
    water = soils([[-12.2, 6.8], [0.0, 0.0]])
    with pytest.raises(DataError, match=r"4 sources cannot be distinguished.*feasible_bounds"):
        mix_closed_form(four, water)
    table = feasible_bounds(four, water).data
    assert (table["low"] <= table["high"]).loc[:3].all()
    assert (table["status"].iloc[4:] == "outside the polygon").all()
    assert identifiability(four, water).data["verdict"].iloc[0] == "bad"


def test_sources_on_one_line():
    with pytest.raises(DataError, match="lie on one line"):
        exact_fractions([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]], [[1.0, 2.0]])


def test_singular_covariance():
    with pytest.raises(DataError, match="covariance of the tracers is singular"):
        simplex_fractions([[0.0, 1.0], [1.0, 3.0]], [[0.5, 2.0]], covariance=[[1, 1], [1, 1]])


def test_negative_sd_names_its_row():
    with pytest.raises(DataError, match=r"negative \(row 1\)"):
        ends(d18O_sd=[1.0, -1.0, 1.0])


# --- polygon, bounds, likelihood, components -----------------------------------------------------


def test_polygon_probability_falls_outwards():
    test = polygon_test(
        ends(), soils([[-13.0, 8.0], [-10.0, 8.0], [-5.0, 8.0]]), rng=np.random.default_rng(0)
    )
    chance = test.data["probability"].to_numpy()
    assert chance[0] > 0.7 > chance[1] > 0.05 > chance[2]
    assert "1 of 3 mixtures lie outside" in test.cautions[0]


def test_polygon_needs_a_polygon():
    with pytest.raises(DataError, match="make no polygon"):
        polygon_test(
            ends().take(["precipitation", "snow_melt"]),
            soils([[-12.0, 7.0]]),
            rng=np.random.default_rng(0),
        )


def test_bounds_with_tolerance_and_caps_only_widen_and_narrow():
    s, y = [[-11.0, 8.0], [-14.0, 2.0], [-16.0, 14.0], [-9.0, 5.0]], [[-12.2, 6.8]]
    low, high = fraction_bounds(s, y)
    wide_low, wide_high = fraction_bounds(s, y, tolerance=0.1)
    held_low, held_high = fraction_bounds(s, y, caps=[0.3, 1, 1, 1])
    assert (wide_low <= low + 1e-9).all()
    assert (wide_high >= high - 1e-9).all()
    assert held_high[0, 0] == pytest.approx(0.3)
    assert (held_low >= low - 1e-9).all()


def test_mix_estimates_move_towards_the_mixtures():
    rng = np.random.default_rng(4)
    true = np.array([[500.0, 200, 50], [100, 700, 300], [900, 900, 10]])
    f = rng.dirichlet(np.ones(3), 60)
    measured = true + rng.normal(0, 60, (3, 3))
    _, found, objective = estimate_end_members(
        measured, f @ true + rng.normal(0, 2, (60, 3)), source_sd=[60.0] * 3, mixture_sd=[2.0] * 3
    )
    assert np.abs(found - true).mean() < np.abs(measured - true).mean()
    assert objective > 0.0


def test_mix_without_errors_is_refused():
    water = compose_each(pd.DataFrame({"d18O": [-12.0], "d_excess": [7.0]}), TRACERS)
    with pytest.raises(DataError, match="needs an error above 0"):
        mix_carrera(ends(), water)


def test_two_tracers_are_no_emma():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=TRACERS)
    assert "plain mixing" in emma(frame, TRACERS, rng=rng).cautions[0]


def test_emma_names_incomplete_rows():
    frame = pd.DataFrame({"a": [1.0, 2, np.nan, 4], "b": [1.0, 3, 2, 5]}, index=[2, 3, 4, 5])
    with pytest.raises(DataError, match=r"every tracer of every sample \(row 4\)"):
        mixing_space(frame, ["a", "b"])


def test_archetypes_reach_the_corners():
    rng = np.random.default_rng(3)
    corners = np.array([[0.0, 0], [10, 0], [0, 10]])
    found, shares = archetypes(
        np.vstack([corners, rng.dirichlet(np.ones(3), 100) @ corners]), 3, rng=rng
    )
    assert np.sort(found.ravel()) == pytest.approx([0, 0, 0, 0, 10, 10], abs=0.05)
    assert shares.sum(axis=1) == pytest.approx(np.ones(103))


def test_covariance_of_fractions_sums_to_nothing():
    var = fraction_covariance(
        ends().mean,
        [[0.5, 0.3, 0.2]],
        mixture_covariance=np.diag([0.04, 0.16]),
        source_covariance=ends().mean_covariance(),
    )
    assert var.sum(axis=2) == pytest.approx(np.zeros((1, 3)), abs=1e-15)


def test_figures_have_labels_and_something_to_see():
    result = mix_closed_form(ends(), soils([[-12.0, 7.28], [-13.0, 6.0]]))
    panels = result.plot().axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        "Precipitation",
        "Ground ice",
        "Snow melt",
    ]
    diagram = draw_mixing_diagram(ends(), soils([[-12.0, 7.0]])).axes[0]
    assert diagram.get_ylabel() == "d-excess (‰)"


def test_intervals_of_few_samples_are_those_of_student() -> None:
    ends = compose_stated(
        pd.DataFrame(
            {"source": ["rain", "ice"], "d18O": [-20.0, -10.0], "d18O_sd": [1e-6, 1e-6], "n": 50}
        ),
        ["d18O"],
    )
    few = pd.DataFrame({"water": "soil", "d18O": [-14.0, -15.0, -16.0]})
    table = mix_closed_form(ends, compose(few, ["d18O"], by=["water"])).data
    reach = (table["high"] - table["fraction"]) / table["sd"]
    assert reach.to_numpy() == pytest.approx(4.3027, abs=1e-3)  # t of two degrees of freedom
