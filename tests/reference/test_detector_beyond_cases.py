"""Trees, shares, spatial power and robust strata against the R package gdverse.

Source of GOZH, LESH and SPADE: tests/data/reference/detector, made by running gdverse 1.7 with
sdsfun 0.9.0 (R 4.2.2, rpart's defaults). Source of RGD: the table printed in gdverse's vignette
"rgdrid" (its runs need the Python package ruptures, and were not repeated here).
"""

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.detector import stratify
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.robust_detector import robust_strata
from headwater.detector.shapley import shegd
from headwater.detector.spatial_association import cpsd, distance_weights, spade
from headwater.detector.strata import as_strata
from headwater.detector.tree import gozh

CASES = Path(__file__).parents[1] / "data" / "reference" / "detector"
RESPONSES = {"ndvi_40": "NDVIchange", "sim": "y"}


@cache
def expected(name: str) -> dict:
    return json.loads((CASES / f"{name}.json").read_text())


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(CASES / f"{name}.csv")


def factors(name: str) -> dict:
    used = {row["variable"] for row in expected(name)["gozh"]["factor"]}
    return {column: table(name)[column] for column in table(name) if column in used}


@pytest.mark.parametrize("name", list(RESPONSES))
def test_trees_are_those_of_rpart(name: str) -> None:
    found = gozh(table(name)[RESPONSES[name]], factors(name))
    q = found.factor.data.set_index("factor")["q"]
    for row in expected(name)["gozh"]["factor"]:
        assert q[row["variable"]] == pytest.approx(row["Q-statistic"], abs=1e-12)
    pairs = found.interaction.data.set_index(["factor_1", "factor_2"])
    assert len(pairs) == len(expected(name)["gozh"]["interaction"])
    for row in expected(name)["gozh"]["interaction"]:
        ours = pairs.loc[(row["variable1"], row["variable2"])]
        q12 = row["Variable1 and Variable2 interact Q-statistics"]
        assert ours["q_12"] == pytest.approx(q12, abs=1e-12)
        assert ours["interaction"] == row["Interaction"].lower().rstrip("-")


@pytest.mark.parametrize("name", list(RESPONSES))
def test_shares_are_those_of_gdverse_with_the_empty_subset_it_leaves_out(name: str) -> None:
    found = shegd(table(name)[RESPONSES[name]], factors(name))
    ours = found.shares.data.set_index("factor")
    theirs = {row["variable"]: row["spd_theta"] for row in expected(name)["lesh"]["spd_lesh"]}
    for factor, theta in theirs.items():
        lacking = ours["q"][factor] / len(ours)
        assert ours["share"][factor] == pytest.approx(theta + lacking, abs=1e-12)
    assert ours["share"].sum() == pytest.approx(found.shares.data.attrs["joint"], abs=1e-12)
    pairs = found.interaction.data.set_index(["factor_1", "factor_2"])
    for row in expected(name)["lesh"]["interaction"]:
        one, two = row["variable1"], row["variable2"]
        # their division of a pair's q, from thetas without the empty subset
        divided = pairs.loc[(one, two), "q_12"] * theirs[one] / (theirs[one] + theirs[two])
        assert divided == pytest.approx(row["Variable1 SPD"], abs=1e-9)


def test_joint_q_of_ndvi() -> None:
    found = shegd(table("ndvi_40")["NDVIchange"], factors("ndvi_40"))
    assert found.shares.data.attrs["joint"] == pytest.approx(0.9096309, abs=5e-8)
    theirs = sum(row["spd_theta"] for row in expected("ndvi_40")["lesh"]["spd_lesh"])
    assert theirs == pytest.approx(0.496, abs=5e-4)


def test_spade_of_the_simulated_points() -> None:
    data = table("sim")
    weights = distance_weights(data[["lo", "la"]])
    found = spade(data["y"], {name: data[name] for name in ("xa", "xb", "xc")}, weights)
    psmd = found.data.set_index("factor")["psmd"]
    for row in expected("sim")["spade"]:
        assert psmd[row["variable"]] == pytest.approx(row["Q-statistic"], abs=1e-12)
        # and with the quantile rule of sdsfun, which takes the value below
        x = data[row["variable"]].to_numpy()
        ordered = np.sort(x)
        powers = []
        for k in range(3, 9):
            inner = [ordered[i * (x.size - 1) // k] for i in range(1, k)]
            parts = stratify(x, breaks=[-np.inf, *inner, np.inf])
            powers.append(cpsd(data["y"], x, parts, weights))
        assert np.mean(powers) == pytest.approx(row["Q-statistic"], abs=1e-12)


@pytest.mark.parametrize(
    ("name", "classes", "q"),
    [("Precipitation", 8, 0.8883955), ("Tempchange", 8, 0.3722571), ("GDP", 7, 0.1406153)],
)
def test_robust_strata_of_ndvi(name: str, classes: int, q: float) -> None:
    data = table("ndvi_40")
    strata = robust_strata(data["NDVIchange"], data[name], classes, min_units=1)
    # gdverse leaves out strata with one unit
    sums = stratum_sums(data["NDVIchange"], strata.codes, strata.realised).drop(2)
    assert q_statistic(sums).q == pytest.approx(q, abs=5e-8)


def test_robust_strata_of_gdverse_part_ties_and_lose_by_it() -> None:
    data = table("ndvi_40")
    y, x = data["NDVIchange"].to_numpy(), data["Popdensity"].to_numpy(np.float64)
    order = np.argsort(x, kind="stable")
    untied = robust_strata(y[order], np.arange(x.size), 5, min_units=1)
    ends = [int(edge) + 1 for edge in untied.breaks[1:-1]]
    assert all(low < high for low, high in pairwise(ends))
    theirs = as_strata(np.searchsorted(ends, data["Popdensity"].rank().to_numpy(), side="left"))
    ours = robust_strata(y, x, 5, min_units=1)
    q = [q_statistic(stratum_sums(y, s.codes, s.realised)).q for s in (theirs, ours)]
    assert q[0] == pytest.approx(0.2193538, abs=5e-8)
    assert q[1] > q[0] + 0.003
