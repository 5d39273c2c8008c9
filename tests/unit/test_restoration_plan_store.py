"""Plans as files: all comes back, merges keep what people did, tables make plans too."""

import json
import math
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely

from headwater.errors import DataError, HeadwaterError, InputError, StudyError
from headwater.restoration import (
    change_plan,
    design_earthwork,
    evaluate_plan,
    load_plan,
    make_plan,
    read_units,
    save_plan,
    write_plan,
)
from headwater.restoration.earthwork_design import HarvestStore, curve_number_of, season_harvest
from headwater.restoration.measures import Site
from headwater.restoration.plan import move_line
from headwater.restoration.plan_store import merge_plan, plan_as_json
from headwater.restoration.seasons import dry_year_shift
from headwater.restoration.treatment_effect import read_cover
from headwater.restoration.units import Unit, hectares_of, unit_of


def units(grade="severe"):
    return [
        Unit(
            f"U{i}",
            shapely.box(100 + i, 38, 100.5 + i, 38.5),
            10.0,
            Site(grade, 0.8, 3600.0, 20.0, soil_depth=1.0, cover=0.3),
            aspect=90.0,
        )
        for i in range(4)
    ]


def test_a_plan_comes_back_as_it_was(tmp_path):
    plan = make_plan(units(), year=2027)
    path = save_plan(plan, tmp_path / "plan.geojson")
    assert json.dumps(plan_as_json(load_plan(path))) == json.dumps(plan_as_json(plan))
    assert load_plan(path).line("U0").works[0].design == plan.line("U0").works[0].design
    assert math.isnan(load_plan(path).line("U0").unit.coming_water)
    assert [one.name for one in tmp_path.iterdir()] == ["plan.geojson"]
    with pytest.raises(StudyError, match="no such unit"):
        plan.line("U9")


@pytest.mark.parametrize("name", ["=1+1", "#N/A", "North\x0b slope"])
def test_a_name_is_text_in_a_workbook_whatever_it_looks_like(tmp_path, name):
    from openpyxl import load_workbook

    plan = make_plan([replace(units()[0], name=name)], year=2027)
    cell = load_workbook(write_plan(plan, tmp_path / "plan.xlsx"))["plan"]["A2"]
    assert (cell.data_type, cell.value) == ("s", name.replace("\x0b", "\ufffd"))


@pytest.mark.parametrize("text", ["{}", "not json", '{"headwater_plan": 99}', "[]"])
def test_what_is_no_plan_is_refused(tmp_path, text):
    path = tmp_path / "plan.geojson"
    path.write_text(text)
    with pytest.raises(InputError, match="no plan"):
        load_plan(path)


def test_a_step_of_several_units_is_taken_by_all_or_none(tmp_path):
    path = save_plan(make_plan(units(), year=2027), tmp_path / "plan.geojson")
    change_plan(path, "U0", "proposed", person="Z")
    before = path.read_bytes()
    with pytest.raises(StudyError, match="does not take"):
        change_plan(path, ("U1", "U0"), "proposed", person="Z")
    assert path.read_bytes() == before


def test_two_who_change_one_plan_lose_nothing(tmp_path):
    path = save_plan(make_plan(units(), year=2027), tmp_path / "plan.geojson")

    def move(name):
        for state in ("proposed", "draft") * 5:
            change_plan(path, name, state, person=name)

    threads = [threading.Thread(target=move, args=(f"U{i}",)) for i in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    plan = load_plan(path)
    assert [len(plan.line(f"U{i}").history) for i in range(4)] == [10, 10, 10, 0]


def test_new_advice_is_noted_once_and_moves_nothing():
    old = make_plan(units("severe"), year=2027)
    old = old.with_line(move_line(old.line("U1"), "proposed", person="Z", time="t"))
    new = make_plan(units("light")[:3], year=2027)
    merged = merge_plan(merge_plan(old, new, time="t2"), new, time="t3")
    assert merged.line("U1").state == "proposed"
    assert [step[0] for step in merged.line("U1").history] == ["t", "t2"]
    assert merged.line("U0").advice.measures == new.line("U0").advice.measures
    assert [line.unit.name for line in merged.lines].count("U3") == 0


def test_a_table_without_outlines_makes_a_plan_but_no_map(tmp_path):
    path = tmp_path / "units.csv"
    path.write_text(
        "name,grade,probability,elevation,slope,hectares,permafrost\n"
        "North,heavy,0.8,3500,8,120,yes\nSouth,light,0.6,3400,4,80,no\n"
    )
    plan = make_plan([unit_of(one) for one in read_units(path)], year=2027)
    assert plan.line("North").unit.site.permafrost
    assert plan.line("South").unit.hectares == 80
    with pytest.raises(DataError, match="without outlines"):
        write_plan(plan, tmp_path / "plan.gpkg")
    assert not (tmp_path / "plan.gpkg").exists()
    write_plan(plan, tmp_path / "plan.html")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,grade,elevation,slope\nA,heavy,3500,8\n", "no area"),
        ("name,elevation,slope,hectares\nA,3500,8,9\n", "lacks grade"),
        ("name,grade,slope,hectares\nA,heavy,8,9\n", "lacks elevation"),
        ("name,grade,elevation,slope,hectares\nA,heavy,3500,95,9\n", "slope of the unit 'A'"),
        ("title,grade\nA,heavy\n", "does not name its units"),
    ],
)
def test_tables_of_units_that_cannot_be_used_are_named(tmp_path, text, words):
    path = tmp_path / "units.csv"
    path.write_text(text)
    with pytest.raises(HeadwaterError, match=words):
        make_plan([unit_of(one) for one in read_units(path)], year=2027)


def test_maps_in_another_reference_system_and_formats_are_read(tmp_path):
    import pyogrio
    from shapely import to_wkb

    shapes = [shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)]
    for suffix, driver in (("gpkg", "GPKG"), ("shp", "ESRI Shapefile")):
        pyogrio.raw.write(
            tmp_path / f"u.{suffix}",
            geometry=np.array([to_wkb(one) for one in shapes], dtype=object),
            field_data=[np.array(["A", "B"], dtype=object), np.array(["heavy", "light"], object)],
            fields=["name", "grade"],
            geometry_type="Polygon",
            crs="+proj=laea +lat_0=38 +lon_0=100 +datum=WGS84",
            driver=driver,
        )
        records = read_units(tmp_path / f"u.{suffix}")
        known = {"elevation": 3500.0, "slope": 4.0}
        found = [unit_of(record, known) for record in records]
        assert [one.hectares for one in found] == pytest.approx([100, 100], rel=1e-3)
        assert found[0].outline.bounds[0] == pytest.approx(100, abs=1e-6)


def test_pits_and_ditches_hold_what_the_storm_brings():
    pits = design_earthwork("pits", slope=20, storm=54)
    assert (pits.cut, pits.overflow) == (pytest.approx(0.39), 0)
    assert pits.cut_low <= pits.cut <= pits.cut_high
    ditches = design_earthwork("ditches", slope=10, storm=100, infiltration=0.5)
    assert ditches.curve_number == curve_number_of(0.5) == 89
    assert ditches.kept + ditches.overflow == pytest.approx(ditches.storm_runoff)
    assert not ditches.enough
    assert design_earthwork("pits", slope=35, storm=54).width == 0.5
    steeper = design_earthwork("pits", slope=40, storm=120, width=1.0)
    assert steeper.volume < design_earthwork("pits", slope=20, storm=120).volume
    for wrong in ({"slope": 70, "storm": 54}, {"slope": 20, "storm": 0}):
        with pytest.raises(StudyError, match="cannot be"):
            design_earthwork("pits", **wrong)
    with pytest.raises(StudyError, match="wider than its spacing"):
        design_earthwork("pits", slope=20, storm=54, width=2.0, spacing=1.0)


def test_a_wet_spell_fills_pits_and_the_rest_spills():
    rain = np.zeros(30)
    rain[:3] = 80
    found = season_harvest(rain, HarvestStore(), infiltration=0.1)
    alone = season_harvest(rain[:1], HarvestStore(), infiltration=0.1)
    assert found.cut < alone.cut
    assert found.kept + found.overflow == pytest.approx(0.39 * found.runoff)
    rain[5] = np.nan
    assert season_harvest(rain, HarvestStore()).missing == 1


def done_plan(count=6):
    plan = make_plan([replace(one, name=f"U{i}") for i, one in enumerate(many(20))], year=2027)
    for i in range(count):
        line = plan.line(f"U{i}")
        for state in ("proposed", "approved", "done"):
            line = move_line(line, state, person="Z", time="t", comment="seen")
        plan = plan.with_line(line)
    return plan


def many(count):
    return [
        Unit(f"U{i}", shapely.box(i, 0, i + 0.5, 1), 5.0, Site("heavy", 0.8, 3500.0, 5.0))
        for i in range(count)
    ]


def cover(effect=0.05, seed=1):
    rng = np.random.default_rng(seed)
    rows = [
        (f"U{i}", year, 0.5 + rng.normal(0, 0.01) + effect * (i < 6 and year >= 2028))
        for i in range(20)
        for year in range(2025, 2031)
    ]
    return pd.DataFrame(rows, columns=["unit", "year", "cover"])


def test_what_is_done_is_compared_with_controls():
    found = evaluate_plan(done_plan(), cover(), since=2028, rng=np.random.default_rng(1))
    assert set(found) == {f"U{i}" for i in range(6)}
    one = found["U0"]
    assert one["effect"] == pytest.approx(0.05, abs=0.02)
    assert one["lower"] < one["effect"] < one["upper"]
    assert one["design"] == "before_after_control_impact"
    after_only = evaluate_plan(
        done_plan(), cover().query("year >= 2028"), since=2028, rng=np.random.default_rng(1)
    )
    assert "nothing was surveyed before" in str(after_only["U0"]["statement"])


@pytest.mark.parametrize(
    ("count", "table", "words"),
    [
        (0, cover(), "no done unit"),
        (6, cover().query("unit != 'U2'"), "without cover"),
        (6, pd.concat([cover(), cover().head(1)]), "stands twice"),
        (6, cover().drop(columns="cover"), "without its columns"),
    ],
)
def test_what_cannot_be_evaluated_is_said(count, table, words):
    with pytest.raises(DataError, match=words):
        evaluate_plan(done_plan(count), table, since=2028, rng=np.random.default_rng(1))


def test_cover_in_percent_is_refused(tmp_path):
    path = tmp_path / "cover.csv"
    path.write_text("unit,year,cover\nA,2025,45\n")
    with pytest.raises(DataError, match="no share"):
        read_cover(path)


def test_fewer_than_five_years_say_nothing_of_dry_years():
    found = dry_year_shift(np.ones((4, 3)), [1, 2, 3, 4.0], [1, 2, 3, 4])
    assert math.isnan(found.shift)
    with pytest.raises(DataError, match="do not fit"):
        dry_year_shift(np.ones((4, 3)), [1, 2, 3.0], [1, 2, 3, 4])


def features(tmp_path, *shapes):
    whole = [
        {
            "type": "Feature",
            "properties": {"name": f"U{i}"},
            "geometry": shapely.geometry.mapping(shape),
        }
        for i, shape in enumerate(shapes)
    ]
    path = tmp_path / "units.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": whole}))
    return path


def test_a_unit_in_the_hole_of_another_overlaps_nothing(tmp_path):
    whole, hole = shapely.box(100, 38, 100.1, 38.1), shapely.box(100.04, 38.04, 100.06, 38.06)
    ring = shapely.MultiPolygon([whole.difference(hole), shapely.box(101, 38, 101.1, 38.1)])
    records = read_units(features(tmp_path, ring, hole))
    areas = hectares_of([record.outline for record in records])
    assert areas[0] == pytest.approx(2 * hectares_of([whole])[0] - areas[1], rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (shapely.Point(100, 38), "no area"),
        (shapely.GeometryCollection([shapely.box(100, 38, 101, 39), shapely.Point(1, 1)]), "area"),
        (shapely.Polygon([(100, 38), (101, 39), (101, 38), (100, 39)]), "crosses itself"),
        (shapely.box(500000, 4200000, 501000, 4201000), "nowhere on the Earth"),
    ],
)
def test_outlines_that_are_no_units_are_refused(tmp_path, shape, words):
    with pytest.raises(DataError, match=words):
        read_units(features(tmp_path, shape))


def test_a_shapefile_that_does_not_say_its_encoding_is_refused(tmp_path):
    import pyogrio

    path = tmp_path / "units.shp"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(shapely.box(500000, 4200000, 501000, 4201000))], dtype=object),
        [np.array(["北坡"], dtype=object)],
        ["name"],
        geometry_type="Polygon",
        crs="EPSG:32647",
        driver="ESRI Shapefile",
        encoding="GBK",
    )
    path.with_suffix(".cpg").unlink(missing_ok=True)
    with pytest.raises(InputError, match="how its names are encoded"):
        read_units(path)
    (record,) = read_units(path, encoding="GBK")
    assert record.name == "北坡"
    assert hectares_of([record.outline])[0] == pytest.approx(100.08, abs=0.01)
