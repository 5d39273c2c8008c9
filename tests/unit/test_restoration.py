"""Measures, plans, rain harvesting, calendars, and the effect of treatments."""

from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from headwater.errors import DataError, InputError, StudyError
from headwater.restoration import (
    design_earthwork,
    estimate_treatment_effect,
    make_plan,
    matched_controls,
    read_profile,
    season_windows,
    write_plan,
)
from headwater.restoration.calendar_bands import fit_season_start
from headwater.restoration.earthwork_design import HarvestStore, earthwork_refusals, runoff_cut
from headwater.restoration.measures import Site, advise
from headwater.restoration.plan import Unit, move_line, plan_table
from headwater.restoration.profile import _NUMBERS, GRADES
from headwater.restoration.work_calendar import SeasonDays, work_days

RAINS = (54, 120, 160)
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


def test_published_cuts_are_the_only_numbers_the_code_does_not_use():
    published = {f"runoff_cut_at_{rain}_mm" for rain in RAINS}
    assert set(read_profile().numbers) == {*_NUMBERS, *published}


# the store is the default of HarvestStore, which the published cuts check
@pytest.mark.parametrize("name", sorted(set(_NUMBERS) - {"calibrated_store"}))
def test_no_number_of_the_profile_hides_in_the_code(name):
    entry = dict(read_profile().numbers[name])
    entry["value"] *= 1.5 if name in LARGER else 0.7
    other = replace(read_profile(), numbers={**read_profile().numbers, name: entry})
    assert facts_of(other) != facts_as_shipped()


LARGER = ("calibrated_capture", "curve_number_range", "certain_seasons", "pit_spacing_from")


@cache
def facts_as_shipped():
    return facts_of(read_profile())


def facts_of(profile):
    """All that advice, earthwork and calendar say with a profile."""
    found = [
        advise(site, profile)
        for grade in ("moderate", "severe")
        for height in (2500.0, 4050.0, 5000.0)
        for slope in (3.0, 12.0, 20.0, 40.0)
        for site in (
            Site(grade, 0.9, height, slope, 0.55, thaw_depth=0.7, pika_burrows=150),
            Site(grade, 0.9, height, slope, 0.55, thaw_depth=0.8, pika_burrows=100, seasons=2),
        )
    ]
    found += [
        design_earthwork(
            kind, slope=slope, storm=storm, infiltration=rate, width=width, profile=profile
        )
        for kind in ("pits", "ditches")
        for storm in (10.0, 54.0, 300.0)
        for width in ((None, 2.0) if kind == "pits" else (None,))
        for rate in (None, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0)
        for slope in (10.0, 20.0, 40.0)
    ]
    days = pd.date_range("2001-01-01", "2001-12-31")
    day = xr.DataArray(days.day_of_year.values * 1.0, {"time": days}, "time")
    air = 12.0 - abs(day - 200) / 8 - 3.0 * (day % 5 == 0) * (day < 150)
    found.append(season_windows(air, air + 9, 0.2 + 0 * day, germination=0.1, profile=profile))
    one = np.array([150.0])
    fitted = SeasonDays(one, one, one, one, one, one, one, one > 0)
    found.append(work_days("winter", fitted, duration=5, profile=profile))
    warned = [
        Unit("a", None, 10.0, Site("light", 0.9, 3500, 5, warning="warning")),
        Unit("b", None, 10.0, Site("light", 0.9, 3500, 5, warning="confirmed")),
    ]
    found += [line.priority for line in make_plan(warned, profile, year=2027).lines]
    return [str(one) for one in found]


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
    reason = "trial of 2026, agreed with the reserve"
    words = {"slope": 20, "soil_depth": 1.0, "permafrost": True}
    for thaw in (None, 0.5, 2.0):  # how deep it thaws is no person's reason
        assert "permafrost" in earthwork_refusals(**words, thaw_depth=thaw)[0]
        assert earthwork_refusals(**words, thaw_depth=thaw, override=reason) == ()
    words["permafrost"] = False
    assert "thaws only 0.8 m" in earthwork_refusals(**words, thaw_depth=0.8)[0]
    assert earthwork_refusals(**words, thaw_depth=0.8, override=reason) == ()
    assert earthwork_refusals(**words, thaw_depth=0.9) == ()


def test_pits_cut_runoff_as_published():
    rain = np.array(RAINS, dtype=float)
    cut = 100 * np.array([read_profile().number(f"runoff_cut_at_{one}_mm") for one in RAINS])
    np.testing.assert_allclose(100 * runoff_cut(rain), cut, atol=0.01)
    # a store alone, whatever its size, cannot do it
    alone = [
        100 * runoff_cut(rain, HarvestStore(number, 1.0, volume))
        for number in range(60, 96, 2)
        for volume in range(1, 60, 2)
    ]
    assert min(np.abs(one - cut).max() for one in alone) > 3


def test_pits_that_overlap_and_fields_that_cannot_be_are_refused():
    with pytest.raises(StudyError, match="wider than its spacing"):
        design_earthwork("pits", slope=20, storm=54, width=2.0, spacing=1.5)
    with pytest.raises(StudyError, match="cannot be"):
        HarvestStore(curve_number=120)


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


def test_too_few_starts_are_refused():
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


def test_what_high_ground_gains_is_no_success_of_units_that_lie_low():
    rng = np.random.default_rng(7)
    after, rates = np.arange(6) >= 3, {"plain": 0, "adjusted": 0, "held": 0}
    for _ in range(200):
        height = rng.uniform(3.0, 4.8, 80)
        cover = 50 + rng.normal(0, 6, (80, 1)) + 3.0 * np.outer(height - 3.9, after)
        cover = cover + rng.normal(0, 5, cover.shape)
        treated = np.argsort(np.argsort(height + rng.normal(0, 0.3, 80))) < 20
        ways = {"plain": None, "adjusted": height[:, None]}
        for name, traits in ways.items():
            found = estimate_treatment_effect(
                cover, treated, after, rng=rng, traits=traits, n_resamples=99
            )
            rates[name] += found.p_value < 0.05
        rates["held"] += found.lower <= 0 <= found.upper
    assert rates["plain"] > 40
    assert rates["adjusted"] <= 18
    assert rates["held"] >= 182


def test_traits_need_units_and_no_blocks():
    rng = np.random.default_rng(1)
    cover, label, after = rng.normal(50, 2, (5, 2)), np.arange(5) < 2, [False, True]
    with pytest.raises(DataError, match="too few units to take traits out"):
        estimate_treatment_effect(cover, label, after, rng=rng, traits=rng.normal(size=(5, 1)))
    with pytest.raises(DataError, match="traits cannot be taken out"):
        estimate_treatment_effect(
            cover, label, after, rng=rng, traits=np.ones((5, 1)), block=np.arange(5)
        )


def test_controls_are_those_that_were_alike():
    before = np.array([[30.0, 31.0], [30.5, 31.0], [60.0, 61.0], [29.5, 31.5]])
    chosen = matched_controls(before, [True, False, False, False], n_controls=2)
    assert chosen.tolist() == [False, True, False, True]
    with pytest.raises(DataError, match="too few units"):
        estimate_treatment_effect(
            before, [True, False, False, False], [False, True], rng=np.random.default_rng(1)
        )
