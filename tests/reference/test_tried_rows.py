"""Every file of ../shared/cases/tried has a test with the right value; the rest of them stand here.

``TESTS`` names, for each file (or folder of files that are one case), the test that holds its right
value, on the file itself or on one of its kind that is made in the test.
"""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from headwater.chapters import STEPS
from headwater.chapters.samples.mixing import mixing_results
from headwater.chapters.samples.options import SamplesOptions
from headwater.chapters.samples.table import read_table
from headwater.detector import detect
from headwater.detector.factor_table import read_factors
from headwater.errors import HeadwaterError
from headwater.isotopes import audit_tables, read_claims
from headwater.study import read_study
from headwater.study.checks import survey
from headwater.variation import aggregate

ROOT = Path(__file__).parents[2]
TRIED = ROOT.parent / "shared" / "cases" / "tried"
pytestmark = pytest.mark.skipif(not TRIED.is_dir(), reason="no files of ../shared/cases/tried")

_MEAN = "reference/test_grids_tried.py::test_files_mean_what_they_say"
_TABLES = "unit/test_tables_read.py::"
_FACTORS = "unit/test_detector_factor_table.py::"
_MIXING = "reference/test_isotopes_tried.py::"
_NETWORK = "unit/test_network_tried.py::"
_WATCHERS = "journeys/test_network_watchers.py::"
_HERE = "reference/test_tried_rows.py::"
_INTERVALS = "journeys/sensorthings/test_sensorthings_times.py::test_relations_of_times"

TESTS = {
    **dict.fromkeys(
        (
            *("bounds", "composites", "curvi3", "floatyear", "hourly", "monthssince", "nc3cdf5"),
            *("ndvi3000s", "nod0", "pr_era5mean", "pr_mmmonth", "single", "t_degreesC", "yyyymm"),
            *("tenthCpeng", "tifmonth", "validrange", "yearly", "m9999.nc", "m9999.toml"),
            *("noquote.toml", "swapped.nc", "swapped.toml", "win.toml"),
        ),
        _MEAN,
    ),
    "arcminutes": "journeys/test_tried_grids.py::test_grids_of_arc_minutes_run",
    "trailing_comma.csv": _TABLES + "test_trailing_commas_shift_no_column",
    "onemix.csv": _MIXING + "test_one_sample_has_an_answer_of_its_own",
    "trees.csv": _HERE + "test_a_sample_of_a_tree_moves_its_fractions",
    "pair.csv": _MIXING + "test_the_choice_of_equivalent_tracers_does_not_matter",
    "outside14.csv": _MIXING + "test_a_mixture_off_the_line_of_two_sources_is_said",
    "us_cm.csv": _TABLES + "test_american_dates_thousands_and_centimetres",
    "ambiguous_dates.csv": _TABLES + "test_ambiguous_dates_are_asked_and_the_key_settles_them",
    "thousands.csv": _TABLES + "test_thousands",
    "tz_utc.csv": _TABLES + "test_times_of_utc",
    "unknown_header.csv": _TABLES + "test_head_of_an_analyser_is_known_and_any_other_can_be_named",
    "m9999.csv": _TABLES + "test_fill_is_missing_and_counted",
    "zh_headers.csv": _TABLES + "test_chinese_names",
    "eleven.csv": _HERE + "test_eleven_factors_of_a_file_can_differ",
    "repro_smallest.py": "unit/test_detector_field.py::test_eleven_factors_can_differ",
    "aspect_as_published.toml": (
        "unit/test_detector_field.py::test_schemes_are_done_as_asked_or_refused"
    ),
    "weights.py": "unit/test_detector_field.py::test_weights_reach_every_table",
    "lc.csv": _HERE + "test_one_category_that_is_named_drops_no_other_column",
    "smooth.csv": "unit/test_detector_field.py::test_without_coordinates_no_p_is_recommended",
    "asp.csv": _FACTORS + "test_flat_is_no_direction",
    **dict.fromkeys(
        ("nodata.csv", "nodata_text.csv", "mixednum.csv"),
        _FACTORS + "test_marks_of_missing_values_leave_numbers_numbers",
    ),
    "texty.csv": _FACTORS + "test_text_is_no_response",
    **dict.fromkeys(
        ("bin.csv", "ids.csv"),
        _FACTORS + "test_columns_that_cannot_be_factors_are_left_out_by_name",
    ),
    **dict.fromkeys(
        ("cn_gbk.csv", "semi.csv", "tab.txt"), _FACTORS + "test_encodings_and_separators"
    ),
    "merged.csv": _FACTORS + "test_heads_over_the_names_and_options",
    "fault_intervals.sh": _INTERVALS,
    **dict.fromkeys(
        ("wa.toml", "wb.toml", "mq.toml"),
        _WATCHERS + "test_two_watchers_on_one_broker_lose_and_double_nothing",
    ),
    "ttn.toml": _WATCHERS + "test_nested_messages_of_a_network_server_and_bytes_that_are_decoded",
    "ttn.json": (
        "unit/test_network_tables.py::test_messages_that_a_server_has_saved_are_read_as_files"
    ),
    "nodelay_proof.py": "unit/test_web_protocol.py::test_small_answers_go_out_without_delay",
    **dict.fromkeys(
        ("weird.dat", "CR1000_Meadow_Soil.dat", "toa5.toml"),
        _NETWORK + "test_impossible_values_are_flagged_without_any_mapping",
    ),
    "g.geojson": _NETWORK + "test_geojson_is_taken_over_http_as_on_the_command_line",
    "RISMA": _NETWORK + "test_flags_of_several_words_cost_no_line",
    "zh.toml": _NETWORK + "test_a_chinese_logger_is_read",
    "small": _HERE + "test_fewer_folds_than_asked_for_are_foretold",
    **dict.fromkeys(
        ("depths.csv", "prod.nc"),
        "unit/test_validation_stations.py::test_each_depth_is_a_series_of_its_own",
    ),
    "dupconf.csv": "unit/test_validation_stations.py::test_two_values_at_one_time_are_refused",
    "local.csv": (
        "unit/test_validation_stations.py::test_local_times_are_told_and_the_zone_settles_them"
    ),
    **dict.fromkeys(("a.csv", "b.csv"), _HERE + "test_two_tables_of_one_kind_are_joined"),
    "fingerprints.py": (
        "unit/test_results.py::test_two_results_that_differ_never_share_a_fingerprint"
    ),
    "inner.py": "unit/test_results.py::test_the_fingerprint_sees_names_units_and_whatever_is_long",
    "types_lost.py": (
        "unit/test_typed_callers.py::test_a_callers_script_is_checked_against_every_signature"
    ),
    "docstrings.py": _HERE + "test_seasons_and_shares_that_cannot_be_are_refused",
}


def _functions(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef)}


def test_every_file_has_a_test_that_exists() -> None:
    files = {
        each.name
        for folder in TRIED.iterdir()
        if folder.is_dir()
        for each in folder.iterdir()
        if not each.name.startswith(("README", "__"))
    }
    assert files - set(TESTS) == set()
    for test in set(TESTS.values()):
        file, name = test.split("::")
        assert name in _functions(ROOT / "tests" / file), test


def test_a_sample_of_a_tree_moves_its_fractions() -> None:
    sources = ("shallow", "deep", "groundwater")
    asked = {
        "sources": sources,
        "mixtures": ("xylem",),
        "by": ("tree",),
        "paired": ("tree",),
        "evaporation": False,
    }
    options = SamplesOptions.model_validate(
        {
            "path": str(TRIED / "isotopes" / "trees.csv"),
            "columns": {"water": "type"},
            "waters": {name: name for name in ("shallow", "deep", "xylem")},
            "period": "",
            "mixing": asked,
        }
    )
    table = read_table(options).data
    found = mixing_results(table, options, rng=np.random.default_rng(1))["mixing"].data
    trees = found[found["grouping"] == "tree"]
    assert trees["n"].eq(1).all()
    assert len(trees) == 24
    # three equal sources alone: the middle 95 % of a fraction lie between 0.013 and 0.842
    assert (trees["high"] - trees["low"]).max() < 0.72
    assert (trees[trees["source"] == "shallow"]["low"] > 0.15).all()
    means = table.groupby(["tree", "water"])[["d18O", "d2H"]].mean()
    for tree, rows in trees.groupby("label"):
        share = rows.set_index("source")["fraction"]
        mixed = sum(share[name] * means.loc[(tree, name)] for name in sources)
        assert mixed.to_numpy() == pytest.approx(means.loc[(tree, "xylem")].to_numpy(), abs=4)
        assert abs(mixed["d18O"] - means.loc[(tree, "xylem"), "d18O"]) < 0.6


def test_eleven_factors_of_a_file_can_differ() -> None:
    table = read_factors(TRIED / "detector" / "eleven.csv", "y")
    found = detect(table.data, "y", list(table.factors), n_resamples=99).ecological.data
    first = (found["factor_1"] == "x01") | (found["factor_2"] == "x01")
    assert len(found) == 55
    assert found["differ"].tolist() == first.tolist()


def test_one_category_that_is_named_drops_no_other_column() -> None:
    table = read_factors(TRIED / "detector" / "lc.csv", "y", category=["lc"])
    assert (table.factors, table.category) == (("x", "lc"), ("lc",))


def test_fewer_folds_than_asked_for_are_foretold() -> None:
    found = survey(read_study(TRIED / "downscaling" / "small" / "study.toml", STEPS), STEPS)
    assert found.problems == ()
    assert any("Held-out folds: 3 instead of 5" in note for note in found.notes)


@pytest.mark.parametrize("period", ["growing_season", "year"])
@pytest.mark.parametrize(
    "given", [{"min_coverage": 2.0}, {"growing_season": (0, 13)}, {"growing_season": (5, 99)}]
)
def test_seasons_and_shares_that_cannot_be_are_refused(period: str, given: dict) -> None:
    days = pd.date_range("2017-01-01", "2018-12-31")
    attrs = {"total": "sum", "units": "mm"}
    rain = xr.DataArray(np.ones(days.size), {"time": days}, "time", "rain", attrs)
    with pytest.raises(HeadwaterError, match=r"not a share|a month that does not exist"):
        aggregate(rain, period, **given)


def test_two_tables_of_one_kind_are_joined() -> None:
    claims = read_claims(TRIED / "house" / "a.csv", TRIED / "house" / "b.csv")
    assert claims.means["label"].tolist() == ["meadow", "forest"]
    found = audit_tables(claims).data
    assert pd.unique(found[found["rule"] == "A2"]["label"]).tolist() == ["meadow"]
