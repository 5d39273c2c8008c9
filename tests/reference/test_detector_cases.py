"""The detectors against values computed with R packages and Python packages.

Source: tests/data/reference/detector, made by running GD 10.10, gdverse 1.7 with sdsfun 0.9.0,
geodetector 1.0-5 (R 4.2.2), py-geodetector 0.2.1 and the package geodetector 0.2.0.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.detector import contrasts, ecological, factor, interaction, opgd, risk, stratify
from headwater.detector.breaks import (
    effective_breaks,
    equal_breaks,
    natural_breaks,
    quantile_breaks,
    standard_deviation_breaks,
)
from headwater.detector.peer_breaks import styled_rule
from headwater.detector.q import p_wang2016, q_interval, q_statistic, stratum_sums
from headwater.detector.strata import as_strata, categories

CASES = Path(__file__).parents[1] / "data" / "reference" / "detector"
SWEPT = {"ndvi_40": "NDVIchange", "sim": "y"}


@cache
def expected(name: str) -> dict:
    return json.loads((CASES / f"{name}.json").read_text())


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(CASES / f"{name}.csv")


def ntds_strata(name: str, columns: tuple[str, ...]) -> dict:
    return {column: categories(table(name)[column]) for column in columns}


NTDS = ("watershed", "soiltype", "elevation")


@pytest.mark.parametrize("software", ["GD", "gdverse", "geodetector"])
def test_q_of_the_neural_tube_defects(software: str) -> None:
    found = factor(table("ntds_collectdata")["incidence"], ntds_strata("ntds_collectdata", NTDS))
    q = found.data.set_index("factor")["q"]
    key = {"GD": "qv", "gdverse": "Q-statistic", "geodetector": "q"}[software]
    for row in expected("ntds_collectdata")["categorical"][software]["factor"]:
        assert q[row["variable"]] == pytest.approx(row[key], abs=1e-12)


@pytest.mark.parametrize("software", ["GD", "gdverse"])
def test_wang_p_of_the_neural_tube_defects(software: str) -> None:
    found = factor(
        table("ntds_collectdata")["incidence"],
        ntds_strata("ntds_collectdata", NTDS),
        p_method="wang2016",
    )
    p = found.data.set_index("factor")["p_value"]
    key = {"GD": "sig", "gdverse": "P-value"}[software]
    for row in expected("ntds_collectdata")["categorical"][software]["factor"]:
        assert p[row["variable"]] == pytest.approx(row[key], abs=1e-9)
    assert any("no valid test" in caution for caution in found.cautions)


def test_interval_is_the_ninety_percent_one_that_gdverse_calls_ninety_five() -> None:
    y = table("ntds_collectdata")["incidence"]
    for row in expected("ntds_collectdata")["categorical"]["gdverse"]["factor_ci"]:
        strata = categories(table("ntds_collectdata")[row["variable"]])
        statistic = q_statistic(stratum_sums(y, strata.codes, strata.realised))
        limits = q_interval(statistic, 0.90)
        assert limits == pytest.approx((row["CIL"], row["CIU"]), abs=3e-4)


@pytest.mark.parametrize("software", ["GD", "gdverse"])
def test_interaction_without_single_cells(software: str) -> None:
    found = interaction(
        table("ntds_collectdata")["incidence"],
        ntds_strata("ntds_collectdata", NTDS),
        singletons="drop",
    ).data.set_index(["factor_1", "factor_2"])
    one, two, q12, kind = {
        "GD": ("var1", "var2", "qv12", "interaction"),
        "gdverse": (
            "variable1",
            "variable2",
            "Variable1 and Variable2 interact Q-statistics",
            "Interaction",
        ),
    }[software]
    for row in expected("ntds_collectdata")["categorical"][software]["interaction"]:
        ours = found.loc[(row[one], row[two])]
        assert ours["q_12"] == pytest.approx(row[q12], abs=1e-12)
        assert ours["interaction"] == row[kind].lower().rstrip("-")


def test_interaction_with_single_cells() -> None:
    found = interaction(
        table("ntds_collectdata")["incidence"], ntds_strata("ntds_collectdata", NTDS)
    ).data
    q12 = {frozenset((row.factor_1, row.factor_2)): row.q_12 for row in found.itertuples()}
    rows = expected("ntds_collectdata")["categorical"]["geodetector"]["interaction"]
    pairs = [row for row in rows if row["v1"] != row["v2"]]
    assert pairs
    for row in pairs:
        assert q12[frozenset((row["v1"], row["v2"]))] == pytest.approx(float(row["q"]), abs=1e-12)


def test_disease_table() -> None:
    data, want = table("disease_mit"), expected("disease_mit")["py_geodetector"]
    strata = {name: categories(data[name]) for name in ("type", "region", "level")}
    q = factor(data["incidence"], strata).data.set_index("factor")["q"]
    for name, values in want["factor"].items():
        assert q[name] == pytest.approx(values["q"], abs=1e-12)
    pairs = interaction(data["incidence"], strata).data
    for row in pairs.itertuples():
        values = want["interaction_q"]
        q12 = values[row.factor_1][row.factor_2] or values[row.factor_2][row.factor_1]
        assert row.q_12 == pytest.approx(q12, abs=1e-9)
    means = risk(data["incidence"], strata).data
    for name, values in want["risk"].items():
        ours = means[means["factor"] == name].set_index("name")["mean"]
        for stratum, mean in values["mean"].items():
            assert ours[stratum] == pytest.approx(mean, abs=1e-12)


def test_welch_tests() -> None:
    strata = ntds_strata("ntds_collectdata", NTDS)
    found = contrasts(table("ntds_collectdata")["incidence"], strata).data
    found = found.set_index(["factor", "name_1", "name_2"])
    for name, rows in expected("ntds_collectdata")["categorical"]["GD"]["risk"].items():
        for row in rows:
            ours = found.loc[(name, str(row["itv1"]), str(row["itv2"]))]
            for key, column in (("t", "t"), ("df", "df"), ("sig", "p_value")):
                assert ours[column] == pytest.approx(row[key], rel=1e-9, abs=1e-14)


def test_ecological_test_does_not_depend_on_the_order_as_that_of_gdverse_does() -> None:
    strata = ntds_strata("ntds_collectdata", NTDS)
    y = table("ntds_collectdata")["incidence"]
    found = ecological(y, strata, method="wang2010").data.set_index(["factor_1", "factor_2"])
    for row in expected("ntds_collectdata")["categorical"]["gdverse"]["ecological"]:
        ours = found.loc[(row["variable1"], row["variable2"])]
        assert ours["F"] == pytest.approx(row["F-statistic"], rel=1e-12)
        one_sided = row["P-value"]
        assert ours["p_value"] == pytest.approx(2 * min(one_sided, 1 - one_sided), rel=1e-6)


PUBLISHED = {
    "ntds_collectdata": (NTDS, "incidence"),
    "ndvi_40": (("Climatezone", "Mining"), "NDVIchange"),
}


@pytest.mark.parametrize("name", list(PUBLISHED))
@pytest.mark.parametrize("software", ["GD", "gdverse"])
def test_ecological_decisions_of_both_packages(name: str, software: str) -> None:
    columns, response = PUBLISHED[name]
    strata = ntds_strata(name, columns)
    found = ecological(table(name)[response], strata, method=software.lower()).data
    ours = found.set_index(["factor_1", "factor_2"])
    one, two, decision = {
        "GD": ("var1", "var2", "eco"),
        "gdverse": ("variable1", "variable2", "Ecological"),
    }[software]
    for row in expected(name)["categorical"][software]["ecological"]:
        assert ours.loc[(row[one], row[two]), "differ"] == row[decision].startswith("Y")
        if software == "gdverse":
            assert ours.loc[(row[one], row[two]), "F"] == pytest.approx(row["F-statistic"])
            assert ours.loc[(row[one], row[two]), "p_value"] == pytest.approx(
                row["P-value"], abs=1e-6
            )


@pytest.mark.parametrize("name", list(SWEPT))
@pytest.mark.parametrize("software", ["GD", "gdverse"])
def test_ecological_decisions_after_their_own_search(name: str, software: str) -> None:
    """Their optimal strata rebuilt from class maxima or breaks; every pair decided as they do."""
    strata = chosen_strata(name, software)
    y = table(name)[SWEPT[name]]
    compared = 0
    for row in ecological_rows(name, software):
        if row["one"] not in strata or row["two"] not in strata:
            continue
        pair = {key: strata[key] for key in (row["one"], row["two"])}
        ours = ecological(y, pair, method=software.lower()).data.iloc[0]
        assert ours["differ"] == row["differ"]
        compared += 1
    assert compared


def ecological_rows(name: str, software: str):
    part = expected(name)["opgd"][software]["gdm" if software == "GD" else "opgd"]
    keys = ("var1", "var2", "eco") if software == "GD" else ("variable1", "variable2", "Ecological")
    for row in part["ecological"]:
        yield {"one": row[keys[0]], "two": row[keys[1]], "differ": row[keys[2]].startswith("Y")}


def chosen_strata(name: str, software: str) -> dict:
    case, data = expected(name)["opgd"][software], table(name)
    strata = {}
    for variable, sweep in case["sweep"].items():
        rows = [
            (row["q"], method, row)
            for method, by_classes in sweep.items()
            for row in by_classes.values()
            if row["q"] is not None
        ]
        _, _, row = max(rows, key=lambda entry: entry[0])
        if software == "GD":
            if row["n_dropped_to_NA"]:
                continue
            edges = [-np.inf, *row["breaks"][1:-1], np.inf]
            strata[variable] = stratify(data[variable], breaks=edges)
        else:
            upper = np.atleast_1d(row["class_max"])
            strata[variable] = as_strata(np.searchsorted(upper, data[variable] - 1e-9))
    if name == "ndvi_40":
        strata |= ntds_strata(name, ("Climatezone", "Mining"))
    return strata


def swept_rows():
    for name in SWEPT:
        for variable in json.loads((CASES / f"{name}.json").read_text())["opgd"]["GD"]["sweep"]:
            yield name, variable


@pytest.mark.parametrize(("name", "variable"), list(swept_rows()))
def test_q_of_every_break_set_of_gd(name: str, variable: str) -> None:
    data = table(name)
    y, x = data[SWEPT[name]], data[variable]
    compared = 0
    for by_classes in expected(name)["opgd"]["GD"]["sweep"][variable].values():
        for row in by_classes.values():
            if row["q"] is None or row["n_dropped_to_NA"]:
                continue
            edges = [-np.inf, *row["breaks"][1:-1], np.inf]
            strata = stratify(x, breaks=edges)
            assert np.bincount(strata.codes).tolist() == row["counts"]
            q = q_statistic(stratum_sums(y, strata.codes, strata.realised)).q
            assert q == pytest.approx(row["q"], abs=1e-12)
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize(("name", "variable"), list(swept_rows()))
def test_own_breaks_against_gd(name: str, variable: str) -> None:
    x = table(name)[variable].to_numpy(np.float64)
    ordered = np.sort(x)
    sweep = expected(name)["opgd"]["GD"]["sweep"][variable]
    for classes in range(3, 9):
        equal = sweep["equal"][str(classes)]
        (breaks,) = equal_breaks(ordered, [classes])
        np.testing.assert_allclose(breaks, equal["breaks"][1:-1], rtol=1e-12, atol=1e-12)
        quantile = sweep["quantile"][str(classes)]
        (breaks,) = quantile_breaks(ordered, [classes])
        if np.unique(np.append(breaks, ordered[[0, -1]])).size == classes + 1:
            np.testing.assert_allclose(breaks, quantile["breaks"][1:-1], rtol=1e-10, atol=1e-12)
        natural = sweep["natural"][str(classes)]
        (breaks,) = natural_breaks(ordered, [classes])
        ours, theirs = (spread(x, inner) for inner in (breaks, natural["breaks"][1:-1]))
        assert ours <= theirs * (1 + 1e-9)


def test_standard_deviation_breaks_are_those_of_gd() -> None:
    ordered = np.sort(table("ndvi_40")["Tempchange"].to_numpy(np.float64))
    sweep = expected("ndvi_40")["opgd"]["GD"]["sweep"]["Tempchange"]["sd"]
    for classes, breaks in zip(
        range(3, 9), standard_deviation_breaks(ordered, range(3, 9)), strict=True
    ):
        np.testing.assert_allclose(breaks, sweep[str(classes)]["breaks"][1:-1], rtol=1e-12)


def spread(x: np.ndarray, breaks: list[float]) -> float:
    codes = np.searchsorted(breaks, x, side="left")
    return sum(float(((x[codes == c] - x[codes == c].mean()) ** 2).sum()) for c in np.unique(codes))


@pytest.mark.parametrize("name", list(SWEPT))
def test_wang_p_of_gdverse_sweeps(name: str) -> None:
    data, compared = table(name), 0
    for variable, methods in expected(name)["opgd"]["gdverse"]["sweep"].items():
        for row in methods["equal"].values():
            counts = np.atleast_1d(row["counts"])
            if counts.size < 2 or (counts < 2).any():
                continue
            upper = np.atleast_1d(row["class_max"])
            strata = as_strata(np.searchsorted(upper, data[variable] - 1e-9, side="left"))
            if not np.array_equal(np.bincount(strata.codes), counts):
                continue
            sums = stratum_sums(data[SWEPT[name]], strata.codes, strata.realised)
            assert q_statistic(sums).q == pytest.approx(row["q"], abs=1e-12)
            assert p_wang2016(sums) == pytest.approx(row["p"], abs=1e-5)
            compared += 1
    assert compared


@pytest.mark.parametrize("name", list(SWEPT))
@pytest.mark.parametrize(("style", "software"), [("gd", "GD"), ("sdsfun", "gdverse")])
def test_class_rules_in_the_style_of_others(name: str, style: str, software: str) -> None:
    """GD loses the first or last unit of some geometric classes by rounding; here it stays."""
    same = lost = 0
    for variable, methods in expected(name)["opgd"][software]["sweep"].items():
        x = np.sort(table(name)[variable].to_numpy(float))
        for method, numbers in methods.items():
            rule = styled_rule({"sd": "standard_deviation"}.get(method, method), style)
            for number, case in numbers.items():
                ends = effective_breaks(x, rule(x, [int(number)])[0])[1]
                counts = np.diff([0, *ends, x.size])
                wanted = np.array([one for one in np.atleast_1d(case["counts"]) if one])
                dropped = case.get("n_dropped_to_NA") or 0
                assert np.abs(counts - wanted).sum() == dropped, (variable, method, number)
                same, lost = same + (dropped == 0), lost + (dropped > 0)
    assert same > 70
    assert lost == 0 if style == "sdsfun" else lost < 20


def test_best_classes_in_the_style_of_gd_are_those_of_gd() -> None:
    best = expected("ndvi_40")["opgd"]["GD"]["best"]
    frame = table("ndvi_40")
    factors = {name: frame[name].to_numpy(float) for name in best}
    found = opgd(frame["NDVIchange"], factors, by="q", style="gd").best.set_index("factor")
    for name, case in best.items():
        assert found.loc[name, "q"] == pytest.approx(case["q"], abs=1e-9)
        assert found.loc[name, "strata"] == case["n.itv"]
