"""Vegetation, early warning and restoration in one study: what two find feeds the third."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import shapely

from headwater.chapters import STEPS
from headwater.errors import DataError, StudyError
from headwater.restoration import (
    load_plan,
    make_plan,
    plan_table,
    read_profile,
    read_units,
    save_plan,
    write_plan,
)
from headwater.restoration.measures import Site, advise, check_amounts
from headwater.restoration.plan import PlanOptions, Work
from headwater.restoration.units import Unit, UnitRecord, unit_of
from headwater.study import check, read_study, run
from headwater.study.demo import _as_dataset, _write_raster
from headwater.virtual import make_headwater

TEXT = """
[study]
name = "Evidence"
seed = 3
[inputs.ndvi]
path = "ndvi.nc"
[inputs.soil_moisture]
path = "soil_moisture.nc"
[inputs.precipitation]
path = "precipitation.nc"
[inputs.temperature]
path = "temperature.nc"
[inputs.elevation]
path = "dem.tif"
units = "m"
[vegetation]
[warning]
watch_from = "2019-01-01"
rehearsals = 0
[restoration]
units = "units.geojson"
thaw = "air"
seed_rate = { "2000-9000" = 25 }
sowing_date = { "2000-9000" = "12-01" }
"""
ROWS, COLUMNS = slice(2, 4), slice(3, 6)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Eight years of a small headwater; a corner has lost half of its cover since June 2020."""
    home = tmp_path_factory.mktemp("evidence")
    here = make_headwater(seed=2, years=(2014, 2021), shape=(6, 9), resolution=0.4)
    cube = here.cube
    late = cube["time"].values >= np.datetime64("2020-06-01")
    own = cube["ndvi"].values[(late, ROWS, COLUMNS)]
    cube["ndvi"].values[(late, ROWS, COLUMNS)] = 0.1 + 0.5 * (own - 0.1)
    for name in ("ndvi", "soil_moisture", "precipitation", "temperature"):
        _as_dataset(cube[name]).to_netcdf(home / f"{name}.nc", engine="h5netcdf")
    _write_raster(here.dem.astype("float32"), home / "dem.tif", missing=-9999)
    write_units(home, cube)
    (home / "study.toml").write_text(TEXT)
    study = read_study(home / "study.toml")
    assert check(study, STEPS) == []
    run(study, STEPS)
    return load_plan(study.results / "restoration" / "plan.geojson")


def write_units(home, cube):
    x, y = cube["x"].values, cube["y"].values
    half = abs(x[1] - x[0]) * 0.49
    features = []
    for name, rows, columns in (("hurt", ROWS, COLUMNS), ("well", slice(4, 6), slice(6, 9))):
        shape = shapely.box(
            x[columns].min() - half,
            y[rows].min() - half,
            x[columns].max() + half,
            y[rows].max() + half,
        )
        features.append(
            {
                "type": "Feature",
                "properties": {"name": name},
                "geometry": shapely.geometry.mapping(shape),
            }
        )
    text = json.dumps({"type": "FeatureCollection", "features": features})
    (home / "units.geojson").write_text(text)


def test_a_confirmed_warning_raises_the_priority_of_its_unit(plan):
    hurt, well = plan.line("hurt"), plan.line("well")
    assert hurt.unit.site.warning == "confirmed"
    assert hurt.unit.site.warning_share > 0.5
    assert well.unit.site.warning in ("", "watch", "restored")
    assert any("confirmed by a second season" in reason for reason in hurt.advice.reasons)
    calm = replace(hurt.unit, site=replace(hurt.unit.site, warning=""))
    alone = make_plan([calm, well.unit], year=plan.year)
    assert hurt.priority > alone.line("hurt").priority
    assert plan.lines[0].unit.name == "hurt"
    table = plan_table(plan).set_index("unit")
    assert set(table.loc[["hurt"], "warning"]) == {"confirmed"}


def test_planned_cover_is_checked_against_carrying_capacity(plan):
    for line in plan.lines:
        site = line.unit.site
        assert np.isfinite([site.cover, site.capacity, site.capacity_lower]).all()
        assert line.advice.target_cover <= site.capacity_lower + 1e-9
        planted = set(line.advice.measures) & {"no_till_reseeding", "revegetation"}
        refused = {name for name, why in line.advice.refused if "water does not carry" in why}
        assert not (planted if site.cover > site.capacity else refused)
    checks = set(plan_table(plan)["water_check"])
    assert all("water carries" in text for text in checks)
    hurt = plan.line("hurt")
    assert hurt.unit.site.grade in ("moderate", "heavy", "severe")
    assert hurt.unit.amounts == {"seed_rate": 25.0, "sowing_date": "12-01"}


def test_the_users_amounts_stand_by_their_measures():
    made = Unit("a", None, 10.0, Site("heavy", 0.9, 3500, 5), amounts={"seed_rate": 25.0})
    for language, words in (("en", "seed 25 kg/ha"), ("zh", "播种量 25 公斤/公顷")):
        table = plan_table(make_plan([made], year=2027), language=language)
        own = table[table["amounts"] != ""]
        assert own["amounts"].tolist() == [words]
        assert own["source"].str.startswith("Li et al.").all()


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ({"seed_rate": {"3000": 20.0}}, "no band of altitude"),
        ({"seed_rate": {"3500-3000": 20.0}}, "no band of altitude"),
        ({"seed_rate": {"3000-3500": 20.0, "3400-4000": 25.0}}, "overlap"),
        ({"seed_rate": {"3000-3500": -1.0}}, "below 0"),
        ({"sowing_date": {"3000-3500": "31 May"}}, "no day"),
        ({"sowing_date": {"3000-3500": "02-30"}}, "no day"),
    ],
)
def test_amounts_that_cannot_be_are_refused(bands, words):
    with pytest.raises(StudyError, match=words):
        check_amounts(bands)


def test_parts_of_a_season_are_refused(tmp_path):
    path = tmp_path / "units.csv"
    path.write_text("name,grade,elevation,slope,hectares,seasons\na,none,3500,5,10,1.7\n")
    with pytest.raises(DataError, match=r"no whole number. Found: 1\.7"):
        read_units(path)


def test_a_table_of_units_may_say_where_warnings_stand(tmp_path):
    path = tmp_path / "units.csv"
    path.write_text(
        "name,grade,probability,elevation,slope,hectares,warning,warning_share,seed_rate\n"
        "a,none,0.9,3500,5,10,confirmed,0.4,30\nb,none,0.9,3500,5,10,none,,\n"
    )
    one, two = (unit_of(record) for record in read_units(path))
    assert (one.site.warning, two.site.warning) == ("confirmed", "")
    assert one.amounts == {"seed_rate": 30.0}
    made = make_plan([one, two], year=2027)
    assert made.line("a").priority == pytest.approx(0.2)  # one half of 40 % of the unit
    assert made.line("a").advice.field_visit_first
    assert made.line("b").priority == 0


CASES = [
    Site(grade, 0.8, height, slope, soil, permafrost=frozen, protection=zone, **more)
    for grade in ("none", "moderate", "severe")
    for height in (3300.0, 4150.0, 4600.0)
    for slope, soil in ((3.0, None), (18.0, 0.4), (18.0, 1.0))
    for frozen, zone, more in (
        (True, "", {"pika_burrows": 150.0, "cover": 0.2, "capacity": 0.5, "warning": "watch"}),
        (False, "core", {"pika_burrows": 100.0, "warning": "warning", "warning_share": 0.4}),
        (False, "", {"cover": 0.6, "capacity": 0.5, "warning": "confirmed", "thaw_depth": 0.6}),
        (False, "", {"capacity": 0.5, "capacity_lower": 0.4, "warning": "restored", "alert": "甲"}),
    )
]


def test_all_that_a_plan_says_is_said_in_chinese_too(tmp_path):
    units = [Unit(f"U{i}", None, 10.0, site) for i, site in enumerate(CASES)]
    made = make_plan(units, year=2027, options=PlanOptions(storm=200.0))
    table = plan_table(made, language="zh")
    for name in ("measure", "reasons", "refused", "water_check", "earthwork", "amounts"):
        left = [text for text in table[name] if re.search(r"[a-z]{3}", text)]
        assert left == [], name
    english = plan_table(made)
    for name in ("reasons", "refused"):
        assert (english[name].str.count("; ") == table[name].str.count("；")).all()
    page = write_plan(made, tmp_path / "plan.html", language="zh").read_text(encoding="utf-8")
    assert "2027 年恢复计划" in page
    assert not re.search("Measure|Done by|Refused", page)


def test_a_page_shows_what_does_not_fit_and_escapes_names(tmp_path):
    late = Work("revegetation", 120.0, 100.0, 130.0, enough=False)
    plan = make_plan([Unit("<b>x", None, 10.0, Site("heavy", 0.9, 3500, 5))], year=2027)
    plan = plan.with_line(replace(plan.lines[0], works=(late,)))
    page = write_plan(plan, tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "does not fit between opening and deadline" in page
    assert "Visit the field before work begins." in page
    assert "&lt;b&gt;x" in page
    assert "<b>x" not in page


def test_a_capacity_from_the_field_is_not_mixed_with_a_computed_bound():
    record = UnitRecord("a", None, {"capacity": 0.55, "hectares": 9.0})
    computed = {"grade": "heavy", "elevation": 3500.0, "slope": 5.0, "capacity_lower": 0.69}
    site = unit_of(record, computed | {"capacity": 0.8}).site
    assert site.capacity == 0.55
    assert np.isnan(site.capacity_lower)
    assert advise(site).target_cover == 0.55


def test_a_plan_of_a_profile_of_ones_own_can_be_read_without_it(tmp_path):
    own = read_profile()
    texts = {**own.texts, "goats": {**own.texts["monitoring"], "en": "Keep goats out"}}
    profile = replace(own, texts=texts, measures={**own.measures, "none": ("goats",)})
    plan = make_plan([Unit("a", None, 10.0, Site("none", 0.9, 3500, 5))], profile, year=2027)
    back = load_plan(save_plan(plan, tmp_path / "plan.geojson"))
    for suffix in ("csv", "xlsx", "html"):
        write_plan(back, tmp_path / f"plan.{suffix}")
    assert plan_table(back)["measure"].tolist() == ["Keep goats out"]
