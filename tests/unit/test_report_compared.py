"""The usual way of a finding stands next to the one that the data allow."""

import numpy as np
import pandas as pd
import xarray as xr

from headwater.chapters.compared import make_compared
from headwater.chapters.detector.choices import compare_choices
from headwater.detector.detection import detect_sample
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Scheme, Search
from headwater.results import TableResult


def test_p_that_take_cells_as_independent_stand_next_to_those_that_do_not():
    pairs = pd.DataFrame(
        {"first": "a", "second": ["b", "c"], "p": [0.001, 0.2], "p_effective": [0.3, 0.5]}
    )
    factors = pd.DataFrame({"factor": ["b", "c"], "p_value": [0.0, 0.001], "p_search": [0.01, 0.4]})
    section = make_compared(
        {
            "correlation": {"matrix": TableResult(pairs, "")},
            "detector": {"factor": TableResult(factors, "")},
        }
    )
    assert section is not None
    table = section.blocks[1].frame
    assert list(table["as published"]) == ["1 / 2", "2 / 2"]
    assert list(table["as it should be"]) == ["0 / 2", "1 / 2"]
    assert section.blocks[2].text.startswith("Pairs of maps that correlate. Neighbouring")


def test_nothing_to_compare_is_no_chapter():
    assert make_compared({"grids": {}}) is None


def test_classes_of_the_study_file_are_compared_with_a_search():
    rng = np.random.default_rng(1)
    slope = rng.normal(size=(12, 20))
    water = (slope > 1.0) + rng.normal(0, 0.2, (12, 20))
    data = xr.Dataset({name: (("y", "x"), one) for name, one in (("w", water), ("s", slope))})
    sample = read_sample(data, "w", ["s"])
    fixed = {"s": Scheme("quantile", 3, None)}
    search = Search(("quantile", "equal"), (3, 4, 5, 6), "q_cv", 2, sample.kinds, fixed)
    written = detect_sample(
        sample, methods=search.methods, classes=search.classes, fixed=fixed, n_resamples=99
    )
    found = compare_choices(sample, search, written.factor.data, n_resamples=99, rng=rng).data
    assert found.loc[0, "classes_written"] == "quantile, 3"
    assert found.loc[0, "classes_searched"] != "quantile, 3"
    assert found.loc[0, "q_searched"] > found.loc[0, "q_written"] > 0.0
    assert found.loc[0, "p_search"] < 0.05


def test_shares_of_sources_by_period_and_altitude_stand_both_ways():
    place = {"label": ["all", "3000–3500 m", "meadow"], "period": "June", "source": "rain"}
    rows = pd.DataFrame({"grouping": ["all", "altitude_band", "vegetation"], **place})
    likely = rows.assign(fraction=[0.7, 0.8, 0.6], low=0.5, high=0.9)
    usual = rows.assign(fraction=[0.9, 1.0, 0.7])
    found = {"mixing": TableResult(likely, ""), "mixing-usual": TableResult(usual, "")}
    section = make_compared({"samples": found})
    assert section is not None
    table = section.blocks[1].frame
    assert list(table["group"]) == ["all", "3000–3500 m"]
    assert list(table["as published"]) == [0.9, 1.0]
    assert list(table["as it should be"]) == [0.7, 0.8]
