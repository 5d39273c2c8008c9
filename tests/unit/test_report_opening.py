"""The figure that opens the report shows what the study has, and nothing where it has little."""

import pandas as pd

from headwater.chapters.opening import make_opening
from headwater.results import TableResult


def factor_table():
    rows = {
        "factor": ["rain", "slope"],
        "q": [0.5, 0.02],
        "q_adjusted": [0.49, 0.01],
        "q_low": [0.4, None],
        "q_high": [0.6, None],
        "p_value": [0.0, 0.3],
    }
    return TableResult(pd.DataFrame(rows), "")


def mixing_table():
    rows = [
        {"grouping": "all", "label": "all", "period": month, "source": source, "fraction": share}
        for month, shares in {"June": (0.7, 0.3), "August": (0.9, 0.1)}.items()
        for source, share in zip(("precipitation", "ground ice"), shares, strict=True)
    ]
    table = pd.DataFrame(rows).assign(low=0.05, high=0.95)
    return TableResult(table, "")


def test_panels_are_those_of_the_results_there_are():
    found = {"detector": {"factor": factor_table()}, "samples": {"mixing": mixing_table()}}
    block = make_opening(found, None)
    titles = [axes.get_title(loc="left") for axes in block.draw().axes]
    assert titles == ["a  Drivers: share of the pattern explained", "b  Sources of the water"]
    assert block.caption.startswith("The study at a glance. a, drivers:")


def test_a_factor_that_chance_reaches_is_pale():
    found = {"detector": {"factor": factor_table()}, "samples": {"mixing": mixing_table()}}
    bars = make_opening(found, None).draw().axes[0].patches
    sure, chance = (bar.get_facecolor() for bar in bars)
    assert min(chance[:3]) > 0.7 > min(sure[:3])


def test_one_panel_alone_opens_nothing():
    assert make_opening({"detector": {"factor": factor_table()}}, None) is None
