"""Measures, plans, rain harvesting, calendars, and the effect of treatments."""

from importlib.resources import files
from itertools import product

import numpy as np
import pytest
import shapely

from headwater.errors import DataError, InputError, StudyError
from headwater.restoration import (
    advise,
    estimate_treatment_effect,
    make_plan,
    matched_controls,
    pit_layout,
    read_profile,
    runoff_cut,
    write_plan,
)
from headwater.restoration.calendar_bands import (
    REMINDERS,
    fit_season_start,
    planting_method,
    work_window,
)
from headwater.restoration.measures import GRADES, Site
from headwater.restoration.plan import Unit, move_line, plan_table
from headwater.restoration.rain_harvesting import FU_2010, HarvestStore, earthwork_refusals

BASE = ("winter_rodent_control", "growing_season_grazing_ban", "fertiliser")
TABLE = {
    "none": ("monitoring",),
    "light": BASE,
    "moderate": (*BASE, "no_till_reseeding"),
    "heavy": (*BASE, "revegetation"),
    "severe": ("fish_scale_pits", "contour_ditches", *BASE, "revegetation"),
}


@pytest.mark.parametrize(
    ("grade", "elevation", "slope"),
    list(product(GRADES, (3200.0, 4150.0, 4600.0), (2.0, 10.0, 20.0, 30.0, 50.0))),
)
def test_measures_equal_the_rule_table(grade, elevation, slope):
    advice = advise(Site(grade, 0.8, elevation, slope, soil_depth=1.0, field_visited=True))
    expected = [
        one
        for one in TABLE[grade]
        if not (one == "fish_scale_pits" and not 15 <= slope <= 45)
        and not (one == "contour_ditches" and not 5 <= slope <= 25)
    ]
    if elevation > 4300:
        expected = ["transplanting" if one == "no_till_reseeding" else one for one in expected]
    assert list(advice.measures) == expected
    assert set(TABLE[grade]) - set(expected) - {"no_till_reseeding"} == {
        name for name, _ in advice.refused
    }
    assert not advice.field_visit_first


def test_every_number_and_measure_has_a_source_and_a_mark():
    profile = read_profile()
    for entry in (*profile.texts.values(), *profile.numbers.values()):
        assert entry["source"].strip()
        assert entry["mark"] in ("read", "secondary", "proposal")
    assert set(profile.measures) == set(GRADES)


def test_heavy_and_severe_need_a_second_look():
    assert advise(Site("heavy", 0.9, 3500, 5)).field_visit_first
    assert not advise(Site("heavy", 0.9, 3500, 5, seasons=2)).field_visit_first


def test_water_protection_and_burrows_forbid():
    over = advise(Site("heavy", 0.9, 3500, 5, cover=0.5, capacity=0.4, field_visited=True))
    assert "revegetation" in dict(over.refused)
    capped = advise(Site("heavy", 0.9, 3500, 5, cover=0.2, capacity=0.5, capacity_lower=0.45))
    assert capped.target_cover == 0.45
    core = advise(Site("severe", 0.9, 3500, 20, soil_depth=1.0, protection="core"))
    assert {"fish_scale_pits", "contour_ditches", "revegetation"} <= set(dict(core.refused))
    few = advise(Site("light", 0.9, 3500, 5, pika_burrows=184))
    assert "winter_rodent_control" in dict(few.refused)
    assert "winter_rodent_control" in advise(Site("light", 0.9, 3500, 5, pika_burrows=185)).measures


def test_permafrost_is_refused_unless_a_person_overrides():
    words = {"slope": 20, "soil_depth": 1.0, "permafrost": True}
    assert earthwork_refusals(**words)
    assert earthwork_refusals(**words, thaw_depth=1.0) == ()
    assert earthwork_refusals(**words, override="trial of 2026, agreed with the reserve") == ()


def test_pits_cut_runoff_as_published():
    rain, cut = np.array(FU_2010).T
    np.testing.assert_allclose(100 * runoff_cut(rain), cut, atol=0.5)
    # a store alone, whatever its size, cannot do it
    alone = [
        100 * runoff_cut(rain, HarvestStore(number, 1.0, volume))
        for number in range(60, 96, 2)
        for volume in range(1, 60, 2)
    ]
    assert min(np.abs(one - cut).max() for one in alone) > 3


def test_pits_that_overlap_and_fields_that_cannot_be_are_refused():
    with pytest.raises(StudyError, match="overlap"):
        pit_layout(diameter=2.0, spacing=1.5)
    with pytest.raises(StudyError, match="cannot be"):
        HarvestStore(curve_number=120)
    layout = pit_layout(diameter=1.0, depth=0.4, spacing=2.0, row_distance=4.0, storm=54.0)
    runoff_kept = layout.plants_water * layout.per_hectare / 10_000
    assert runoff_kept == pytest.approx(0.39 * 13.72, abs=0.01)


def unit(name, x, grade="moderate", hectares=10.0, **facts):
    return Unit(name, shapely.box(x, 0, x + 1, 1), hectares, Site(grade, 0.9, 3500, 8, **facts))


def test_plans_are_sorted_moved_and_written(tmp_path):
    plan = make_plan([unit("a", 0), unit("b", 2, "heavy"), unit("c", 4, "none")], year=2027)
    lines = plan.lines
    assert [line.unit.name for line in lines] == ["b", "a", "c"]
    line = move_line(lines[0], "proposed", person="Li", time="2026-11-28T08:00:00+08:00")
    with pytest.raises(StudyError, match="comment"):
        move_line(line, "approved", person="Wang", time="2026-11-29")
    line = move_line(line, "approved", person="Wang", time="2026-11-29", comment="bare, seen")
    with pytest.raises(StudyError, match="does not take"):
        move_line(line, "draft", person="Wang", time="2026-11-30")
    assert [step[2] for step in line.history] == ["proposed", "approved"]
    for suffix in ("csv", "xlsx", "gpkg", "html"):
        path = write_plan(plan, tmp_path / f"plan.{suffix}")
        assert path.stat().st_size > 100
    import pyogrio

    back = pyogrio.read_info(tmp_path / "plan.gpkg")
    assert back["features"] == 3
    table = plan_table(plan, language="zh")
    assert "免耕补播" in set(table["measure"])
    assert all(table["source"].str.contains(r"\(read\)|\(secondary\)"))
    with pytest.raises(InputError, match="no format"):
        write_plan(plan, tmp_path / "plan.doc")
    assert not list(tmp_path.glob(".writing*"))


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([unit("a", 0), unit("b", 0.5)], "overlap"),
        ([unit("a", 0), unit("a", 2)], "one name"),
        ([Unit("a", shapely.Polygon(), 1.0, Site("light", 1, 3500, 5))], "without area"),
    ],
)
def test_units_that_cannot_be_planned_for_are_refused(units, words):
    with pytest.raises(DataError, match=words):
        make_plan(units, year=2027)


def read_profile_text():
    return files("headwater.restoration").joinpath("data/measures.yaml").read_text("utf-8")


def test_unknown_grades_and_profiles_without_sources_are_refused(tmp_path):
    with pytest.raises(StudyError, match="unknown grade"):
        advise(Site("awful", 1, 3500, 5))
    path = tmp_path / "mine.yaml"
    path.write_text(
        read_profile_text().replace(
            "    source: Li et al. (2024), HESS 28, 719, section 4.2\n", "", 1
        )
    )
    with pytest.raises(InputError, match="without a source"):
        read_profile(path)


def season_starts(seed, years=12):
    rng = np.random.default_rng(seed)
    bands = np.array([3000.0, 3400.0, 3800.0, 4200.0, 4600.0, 5000.0])
    z, year = np.tile(bands, years), np.repeat(np.arange(years), len(bands))
    start = 160 + 14 * (z - 3800) / 1000 + rng.normal(0, 6, years)[year]
    return start + rng.normal(0, 4, len(z)), z, year, bands, rng


def test_deadlines_are_missed_in_a_tenth_of_years():
    missed = []
    for seed in range(150):
        start, z, year, bands, rng = season_starts(seed)
        fitted = fit_season_start(start, z, year)
        coming = 160 + 14 * (bands - 3800) / 1000 + rng.normal(0, 6) + rng.normal(0, 4, len(bands))
        missed.append(coming < fitted.quantile(0.1, bands))
    assert np.mean(missed) <= 0.13


def test_low_bands_are_sown_in_may_and_high_ones_planted_in_june():
    start, z, year, *_ = season_starts(3, years=30)
    fitted = fit_season_start(start, z, year)
    low = work_window(fitted, "sow", duration=14, elevation=3100)
    high = work_window(fitted, "transplant", duration=5, elevation=4900, share=0.5)
    assert low.deadline <= 151  # 31 May
    assert 166 <= high.deadline <= 186  # about the end of June
    assert (planting_method(3100)[0], planting_method(4900)[0]) == ("sow", "transplant")
    assert low.reminders == tuple(low.latest_beginning - days for days in REMINDERS)
    assert work_window(fitted, "sow", duration=14, elevation=3100, shift=6).deadline < low.deadline
    assert work_window(fitted, "sow", duration=1, elevation=5600).extrapolated
    with pytest.raises(StudyError, match="before the season"):
        work_window(fitted, "sow", duration=400, elevation=3100)
    with pytest.raises(DataError, match="too few starts"):
        fit_season_start([150.0], [3500.0], [2020])


def test_effects_of_five_points_are_found_and_none_is_invented():
    rng = np.random.default_rng(2026)
    found = {0.0: 0, 5.0: 0}
    covered = 0
    for _ in range(200):
        for effect in found:
            cover = 50 + rng.normal(0, 6, (40, 1)) + rng.normal(0, 3, (1, 6))
            cover = cover + rng.normal(0, 5, (40, 6))
            treated = np.arange(40) < 20
            cover[:20, 3:] += effect
            result = estimate_treatment_effect(
                cover, treated, np.arange(6) >= 3, rng=rng, n_resamples=99
            )
            found[effect] += result.p_value < 0.05
            covered += effect == 5.0 and result.lower <= effect <= result.upper
    assert found[0.0] / 200 <= 0.09
    assert found[5.0] / 200 >= 0.8
    assert covered / 200 >= 0.9


def test_a_wet_year_of_the_treated_units_is_no_success():
    rng = np.random.default_rng(1)
    water = rng.normal(0, 1, (1, 40, 6))
    water[0, :20, 3:] += 2
    cover = 50 + 5 * water[0] + rng.normal(0, 1, (40, 6))
    treated, after = np.arange(40) < 20, np.arange(6) >= 3
    plain = estimate_treatment_effect(cover, treated, after, rng=rng)
    adjusted = estimate_treatment_effect(cover, treated, after, rng=rng, covariates=water)
    assert plain.lower > 5
    assert adjusted.lower < 0 < adjusted.upper


def test_controls_are_those_that_were_alike():
    before = np.array([[30.0, 31.0], [30.5, 31.0], [60.0, 61.0], [29.5, 31.5]])
    chosen = matched_controls(before, [True, False, False, False], n_controls=2)
    assert chosen.tolist() == [False, True, False, True]
    with pytest.raises(DataError, match="too few units"):
        estimate_treatment_effect(
            before, [True, False, False, False], [False, True], rng=np.random.default_rng(1)
        )
