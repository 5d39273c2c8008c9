"""Grades of degradation: profiles, their edges, and how sure a grade is."""

import numpy as np
import pytest
import xarray as xr
import yaml

from headwater.errors import DataError, InputError
from headwater.vegetation.cover import EndValues
from headwater.vegetation.degradation import (
    grade_degradation,
    in_usual_weather,
    land_degradation,
    peak_of_season,
)
from headwater.vegetation.profiles import GRADES, read_profile

BAND = {"source": "own survey", "mark": "user"}


def own(tmp_path, bands, **keys):
    content = {"name": "own", "version": "1", "basis": "relative_loss", "bands": bands, **keys}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def bands(*limits):
    return [
        {"grade": grade, "from": low, "to": high, **BAND}
        for grade, (low, high) in zip(GRADES, limits, strict=False)
    ]


def peaks(loss, *, sd=0.02, cells=50, seed=1):
    years = np.arange(2001, 2016)
    level = np.where(years <= 2010, 0.7, 0.7 * (1 - loss))
    noise = np.random.default_rng(seed).normal(0, sd, (15, cells))
    return xr.DataArray(level[:, None] + noise, {"year": years}, ("year", "cell"))


def graded(data, **options):
    options = {"baseline": (2001, 2010), "recent": (2012, 2015)} | options
    profile = options.pop("profile", read_profile("gb19377-cover"))
    return grade_degradation(data, profile, rng=np.random.default_rng(2), **options)


@pytest.mark.parametrize(
    ("loss", "grade"),
    [
        (-5, "none"),
        (10, "none"),
        (10.01, "light"),
        (20, "light"),
        (20.5, "moderate"),
        (31, "heavy"),
    ],
)
def test_edges_of_gb19377_are_half_open(loss, grade):
    assert GRADES[int(read_profile("gb19377-cover").grade(loss))] == grade


def test_every_shipped_edge_has_a_source_and_a_mark():
    for name in ("gb19377-cover", "qinghai-draft-2021"):
        profile = read_profile(name)
        assert len(profile.sources) == len(profile.marks) == len(profile.grades)
        assert all(profile.sources)
        assert set(profile.marks) <= {"read", "secondary"}


def test_the_draft_grades_cover_itself():
    profile = read_profile("qinghai-draft-2021")
    assert profile.basis == "absolute_cover"
    found = graded(peaks(0.2, sd=0.005), profile=profile)
    assert {GRADES[k] for k in found["grade"].values} == {"moderate"}


def test_a_standard_that_could_not_be_read_is_asked_for_by_name():
    with pytest.raises(DataError, match="DB63/T 2443-2025"):
        read_profile("DB63/T 2443-2025")


def test_own_profiles_are_accepted(tmp_path):
    path = own(tmp_path, bands((-1000, 10), (10, 25), (25, 40), (40, 70), (70, 100)))
    profile = read_profile(path)
    assert profile.edges == (10.0, 25.0, 40.0, 70.0)
    assert GRADES[int(profile.grade(70.0))] == "severe"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (bands((-1000, 10), (8, 25)), "overlap"),
        (bands((-1000, 10), (12, 25)), "leave a gap"),
        (bands((-1000, 10)), "missing, repeated or out of order"),
        ([{"grade": "none", "from": 0, "to": 5}], "incomplete"),
        (bands((-1000, 10), (10, 10)), "without width"),
    ],
)
def test_broken_profiles_are_refused(tmp_path, wrong, message):
    with pytest.raises(DataError, match=message):
        read_profile(own(tmp_path, wrong))


def test_unknown_keys_bases_and_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="unknown"):
        read_profile(own(tmp_path, bands((0, 10), (10, 20)), colour="red"))
    with pytest.raises(DataError, match="unknown basis"):
        read_profile(own(tmp_path, bands((0, 10), (10, 20)), basis="mixed"))
    with pytest.raises(InputError, match="no such profile"):
        read_profile("gb19377")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        read_profile(tmp_path / "bad.yaml")


@pytest.mark.parametrize(("loss", "grade"), [(0.05, "none"), (0.15, "light"), (0.25, "moderate")])
def test_known_losses_get_their_grade(loss, grade):
    found = graded(peaks(loss))
    assert float((found["grade"] == GRADES.index(grade)).mean()) > 0.9
    assert float(found["probability"].sum("grade_name").min()) == pytest.approx(1.0)


def test_probability_of_a_grade_is_honest():
    # losses spread evenly: a grade with a chance of about 70 % is right about as often
    rng = np.random.default_rng(5)
    loss = rng.uniform(0.0, 0.4, 600)
    years = np.arange(2001, 2016)
    level = np.where((years <= 2010)[:, None], 0.7, 0.7 * (1 - loss))
    data = xr.DataArray(level + rng.normal(0, 0.05, (15, 600)), {"year": years}, ("year", "cell"))
    found = graded(data)
    best = found["probability"].max("grade_name").values
    profile = read_profile("gb19377-cover")
    right = found["probability"].argmax("grade_name").values == profile.grade(100 * loss)
    middling = (best > 0.55) & (best < 0.85)
    assert right[middling].mean() == pytest.approx(best[middling].mean(), abs=0.1)
    inside = (found["damage_low"] < 100 * loss) & (100 * loss < found["damage_high"])
    assert 0.92 < float(inside.mean()) < 0.99


def test_heavy_is_certain_only_with_two_seasons_or_a_plot():
    data = peaks(0.45, sd=0.005)
    assert bool(graded(data)["certain"].all())
    one = graded(data, recent=(2015, 2015))
    assert set(np.unique(one["grade"])) == {GRADES.index("heavy")}
    assert not bool(one["certain"].any())
    assert bool(graded(data, recent=(2015, 2015), field_plot=True)["certain"].all())


def test_uncertain_end_values_make_grades_less_sure():
    ndvi = peaks(0.25, sd=0.01)
    sure = graded(ndvi, ends=EndValues.given({0: (0.05, 0.85)}), n_resamples=100)
    unsure = graded(ndvi, ends=EndValues.given({0: (0.05, 0.85)}, sd=0.08), n_resamples=100)
    width = [float((one["damage_high"] - one["damage_low"]).mean()) for one in (sure, unsure)]
    assert width[1] > 1.5 * width[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": (1981, 1985)}, "no baseline"),
        ({"baseline": (2001, 2002)}, "no baseline"),
        ({"recent": (2020, 2022)}, "no recent year"),
        ({"recent": (2009, 2015)}, "overlap"),
    ],
)
def test_impossible_periods_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        graded(peaks(0.2), **options)


def test_one_year_alone_has_no_baseline():
    with pytest.raises(DataError, match="no baseline"):
        graded(peaks(0.2).isel(year=[14]))


def test_cells_without_data_have_no_grade():
    data = peaks(0.2)
    data[:, 3] = np.nan
    found = graded(data)
    assert int(found["grade"][3]) == -1
    assert not bool(found["certain"][3])


def test_land_degradation_needs_one_sign_only():
    years = np.arange(2001, 2017)
    rng = np.random.default_rng(3)
    steady = 0.5 + rng.normal(0, 0.01, (16, 4))
    steady[:, 1] *= 0.4
    steady[13:, 2] -= 0.2
    data = xr.DataArray(steady, {"year": years}, ("year", "cell"))
    units = xr.DataArray([1.0, 1.0, 1.0, 1.0], dims="cell")
    found = land_degradation(data, units, baseline=(2001, 2010), recent=(2014, 2016))
    assert found["degraded"].values[[1, 2]].tolist() == [True, True]
    assert float(found["performance"][1]) < 0.5
    assert float(found["performance"][0]) > 0.9
    assert int(found["state"][2]) <= -2


def test_peaks_need_values():
    days = np.arange("2001-01-01", "2001-12-31", np.timedelta64(16, "D"), dtype="datetime64[D]")
    cover = xr.DataArray(np.full(len(days), np.nan), {"time": days.astype("M8[ns]")}, "time")
    with pytest.raises(DataError, match="no year has a peak"):
        peak_of_season(cover)


def test_warm_years_do_not_hide_a_loss_when_weather_is_taken_out() -> None:
    rng = np.random.default_rng(3)
    years = np.arange(2000, 2025)
    warmth = 8 + rng.normal(0, 0.8, (25, 60)) + 1.5 * (years >= 2022)[:, None]
    lost = np.where(years >= 2014, 0.85, 1.0)[:, None]
    peak = 0.4 * np.exp(0.1 * (warmth - 8)) * lost * np.exp(rng.normal(0, 0.03, (25, 60)))
    cover, drive = (xr.DataArray(one, {"year": years}, ("year", "cell")) for one in (peak, warmth))
    spans = {"baseline": (2000, 2007), "recent": (2022, 2024)}
    profile = read_profile("gb19377-cover")
    usual = in_usual_weather(cover, [drive], **spans)
    found = [
        grade_degradation(one, profile, **spans, rng=np.random.default_rng(1))
        for one in (cover, usual)
    ]
    light = GRADES.index("light")
    assert (found[0]["grade"] == light).mean() < 0.2
    assert (found[1]["grade"] == light).mean() > 0.9
    held = (found[1]["damage_low"] <= 15) & (found[1]["damage_high"] >= 15)
    assert held.mean() > 0.9
    short = in_usual_weather(
        cover.isel(year=slice(16, 25)), [drive], baseline=(2016, 2019), recent=(2022, 2024)
    )
    assert not short["adjusted"].any()
    np.testing.assert_array_equal(short.values, cover.values[16:25])
    with pytest.raises(DataError, match="different cells"):
        in_usual_weather(cover, [drive.isel(cell=slice(3))], **spans)
