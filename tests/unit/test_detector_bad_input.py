"""Bad input to the detectors: each a defined result or a named error."""

import numpy as np
import pandas as pd
import pytest

from headwater.detector import (
    contrasts,
    detect,
    ecological,
    factor,
    interaction,
    opgd,
    risk,
    stratify,
)
from headwater.detector.breaks import geometric_breaks
from headwater.detector.detection import detect_sample
from headwater.detector.optimal_parameters import search_test
from headwater.detector.sample import read_sample
from headwater.detector.strata import categories
from headwater.errors import DataError

Y = np.random.default_rng(0).normal(size=40)
X = np.arange(40.0)


@pytest.mark.parametrize("constant", [0.0, 273.15, 1e8 + 0.1])
def test_a_constant_response(constant: float) -> None:
    y = np.full(40, constant)
    with pytest.raises(DataError, match="the response is constant"):
        factor(y, {"x": X > 20})
    with pytest.raises(DataError, match="the response is constant"):
        opgd(y, {"x": X})
    with pytest.raises(DataError, match="the response is constant"):
        detect(pd.DataFrame({"y": y, "x": X}), "y")


def test_a_constant_factor() -> None:
    with pytest.raises(DataError, match="a constant factor has no strata"):
        stratify(np.full(9, 2.0), "equal", 3)
    with pytest.raises(DataError, match="x: a constant factor has no strata"):
        opgd(Y, {"x": np.ones(40)})


def test_one_stratum() -> None:
    with pytest.raises(DataError, match="x: one stratum cannot explain anything"):
        factor(Y, {"x": ["a"] * 40})
    with pytest.raises(DataError, match="one stratum cannot explain anything"):
        opgd(Y, {"x": ["a"] * 40})


@pytest.mark.parametrize("values", [np.full(40, np.nan), [None] * 40])
def test_all_missing(values) -> None:
    with pytest.raises(DataError, match="all values are missing"):
        factor(Y, {"x": values})
    with pytest.raises(DataError, match="no unit has both"):
        factor(np.full(40, np.nan), {"x": X > 20})
    with pytest.raises(DataError, match="has no values"):
        detect(pd.DataFrame({"y": np.full(40, np.nan), "x": X}), "y")


@pytest.mark.parametrize(
    "method",
    ["equal", "quantile", "natural", "geometric", "standard_deviation", "head_tail", "optimal"],
)
def test_fewer_units_than_classes(method: str) -> None:
    with pytest.raises(DataError, match="fewer units than classes"):
        stratify([1.0, 2.0, 5.0], method, 4, response=[1.0, 2.0, 3.0])


def test_as_many_strata_as_units() -> None:
    with pytest.raises(DataError, match="as many strata as units"):
        factor(Y, {"x": X.astype(int)})


@pytest.mark.parametrize(
    "method",
    ["equal", "quantile", "natural", "geometric", "standard_deviation", "head_tail"],
)
@pytest.mark.parametrize("rule", ["keep", "drop", "merge"])
def test_singletons_by_every_method(method: str, rule: str) -> None:
    x = np.concatenate([np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 8), [400.0]])
    strata = stratify(x, method, 4, singletons=rule)
    sizes = np.bincount(strata.codes[strata.codes >= 0], minlength=strata.realised)
    assert sizes.size == strata.realised
    assert (sizes > 0).all()
    if rule != "keep":
        assert (sizes > 1).all()
    assert strata.dropped == (41 - sizes.sum() if rule == "drop" else 0)
    if strata.breaks:
        assert strata.realised == len(strata.breaks) - 1


@pytest.mark.parametrize("separator", ["_", ":", "|", " ", "", "\x1f", "→"])
def test_text_codes_with_any_separator(separator: str) -> None:
    # joined as texts, "a" + "ab" and "aa" + "b" (with the separator between) would be one cell
    one = ["a", f"a{separator}a"] * 10
    two = [f"a{separator}b", "b"] * 10
    three = [f"a{separator}b", f"a{separator}b", "b", "b"] * 5
    assert interaction(Y[:20], {"one": one, "two": two}).data["cells"][0] == 2
    assert interaction(Y[:20], {"one": one, "two": three}).data["cells"][0] == 4


def test_float_codes_are_not_cut_to_integers() -> None:
    codes = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], 8)
    found = factor(codes + 0.01 * Y, {"x": categories(codes)}).data.iloc[0]
    assert found["strata"] == 5
    assert found["q"] > 0.95


def test_booleans_and_mixed_types() -> None:
    found = factor(Y, {"x": X > 20}).data.iloc[0]
    assert found["strata"] == 2
    with pytest.raises(DataError, match=r"mixed types. Found: number, text"):
        factor(Y, {"x": [*["a"] * 20, *range(20)]})
    with pytest.raises(DataError, match=r"mixed types. Found: boolean, number"):
        factor(Y, {"x": pd.Series([*[True] * 20, *range(20)], dtype=object)})


def test_negative_values_in_geometric_breaks() -> None:
    with pytest.raises(DataError, match="geometric breaks need positive values"):
        geometric_breaks(np.array([-1.0, 0.0, 3.0]), [2])
    table = opgd(Y, {"x": X - 5}, methods=["geometric", "equal"]).data
    refused = table[table["method"] == "geometric"]["refused"]
    assert refused.str.contains("positive values").all()
    assert table.loc[table["chosen"], "method"].item() == "equal"
    with pytest.raises(DataError, match="no way of parting 'x'"):
        opgd(Y, {"x": X - 5}, methods=["geometric"])


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_zero_inflated_factors_run_through(share: float) -> None:
    rng = np.random.default_rng(4)
    rain = np.where(rng.uniform(size=400) < share, 0.0, rng.gamma(2, 5, 400))
    table = pd.DataFrame({"y": 0.1 * rain + rng.normal(size=400), "rain": rain})
    found = detect(table, "y", methods=["equal", "quantile", "natural", "optimal"])
    strata = found.strata["rain"]
    codes = strata.codes[rain == 0]
    assert (codes == codes[0]).all()
    assert found.factor.data["q"][0] > 0.03


def test_single_units_in_pairs_and_contrasts() -> None:
    x = np.array(["a"] * 20 + ["b"] * 19 + ["c"])
    table = contrasts(Y, {"x": x}).data
    assert table["p_value"].isna().tolist() == [False, True, True]
    assert risk(Y, {"x": x}).data["letters"].str.len().min() >= 1
    pair = ecological(Y, {"x": x, "z": X > 20}).data.iloc[0]
    assert pair["n"] == 40
    assert 0 < pair["p_value"] <= 1


def test_a_search_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="all values are missing"):
        search_test(np.full(9, np.nan), {"x": np.arange(9.0)}, rng=np.random.default_rng(1))


def test_a_direction_that_no_sector_parts_is_left_out_by_name() -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {"y": rng.normal(size=80), "deg": rng.choice([10.0, 11.0, 12.0], 80), "a": rng.random(80)}
    )
    sample = read_sample(table, "y", kinds={"deg": "circular"})
    found = detect_sample(sample, classes=[3], n_resamples=99)
    assert set(found.strata) == {"a"}
    assert any("Left out as a factor, deg" in word for word in found.factor.cautions)
    alone = read_sample(table[["y", "deg"]], "y", kinds={"deg": "circular"})
    with pytest.raises(DataError, match="deg: one stratum"):
        detect_sample(alone, classes=[3], n_resamples=99)
