"""Responses made by chance keep what they must keep, and tests with them find what is there."""

import numpy as np
import pandas as pd
import pytest
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from headwater.detector import ecological, factor, interaction, stratify
from headwater.detector.detection import detect_sample
from headwater.detector.null_models import GridSpectral, MoranSpectral, Permutation, Rotation
from headwater.detector.resample import Resampling, point_blocks, square_blocks, unit_blocks
from headwater.detector.risk_detector import compact_letters
from headwater.detector.sample import read_sample
from headwater.errors import DataError, StudyError
from headwater.inference.significance import benjamini_hochberg, chance_p

SHAPE = (24, 30)
CELLS = np.arange(720)
NULL = GridSpectral(CELLS, SHAPE)


def smooth(rng: np.random.Generator, sigma: float = 2.0) -> np.ndarray:
    field = gaussian_filter(rng.normal(size=(64, 70)), sigma)[20:44, 20:50]
    return field / field.std()


def drawn(null, values: np.ndarray, number: int = 20) -> np.ndarray:
    return np.concatenate(list(null.draw(values, number, np.random.default_rng(1))))


def test_drawn_maps_keep_mean_variance_and_spectrum() -> None:
    y = smooth(np.random.default_rng(0)) + 280.0
    maps = drawn(NULL, y)
    assert maps.shape == (20, 720)
    np.testing.assert_allclose(maps.std(axis=1), y.std(), rtol=1e-5)
    spectrum = np.abs(dctn(y, norm="ortho"))
    for one in maps[:3]:
        np.testing.assert_allclose(
            np.abs(dctn(one.reshape(SHAPE), norm="ortho"))[1:], spectrum[1:], atol=1e-4
        )
    assert np.abs(np.corrcoef(maps)[0, 1:]).max() < 0.9


def test_missing_cells_stay_missing() -> None:
    y = smooth(np.random.default_rng(1)).ravel()
    y[:100] = np.nan
    maps = drawn(NULL, y)
    assert np.isnan(maps[:, :100]).all()
    assert np.isfinite(maps[:, 100:]).all()
    part = np.flatnonzero(np.isfinite(y))
    again = drawn(GridSpectral(part, SHAPE), y[part])
    np.testing.assert_array_equal(again, maps[:, part])
    with pytest.raises(DataError, match="all values are missing"):
        drawn(NULL, np.full(720, np.nan))


def test_points() -> None:
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 10, (150, 2))
    y = np.sin(places[:, 0]) + places[:, 1]
    patterns = drawn(MoranSpectral(places), y)
    np.testing.assert_allclose(patterns.std(axis=1), y.std(), rtol=1e-9)
    np.testing.assert_allclose(patterns.mean(axis=1), y.mean(), rtol=1e-9)
    turned = drawn(Rotation(places), y)
    assert np.isin(turned, y).all()
    assert sorted(drawn(Permutation(), y, 1)[0]) == sorted(y)
    with pytest.raises(DataError, match="two finite coordinates"):
        MoranSpectral(np.full((3, 2), np.nan))
    with pytest.raises(DataError, match="too many points"):
        MoranSpectral(np.zeros((2501, 2)))


def test_smooth_fields_mislead_permutation_and_not_the_spectral_test() -> None:
    rng = np.random.default_rng(3)
    p = {"p_permutation": [], "p_spatial": []}
    for _ in range(40):
        strata = {"x": stratify(smooth(rng), "quantile", 5)}
        y = smooth(rng)
        for null in (Permutation(), NULL):
            by = Resampling(rng, null, n_resamples=99)
            p[null.column].append(factor(y, strata, resampling=by).data[null.column][0])
    assert np.mean(np.array(p["p_permutation"]) <= 0.05) > 0.7
    assert np.mean(np.array(p["p_spatial"]) <= 0.05) < 0.2


def test_intervals_of_blocks_are_wider_for_smooth_noise() -> None:
    rng = np.random.default_rng(4)
    x, y = smooth(rng), smooth(rng)
    strata = {"x": stratify(x, "quantile", 5)}
    y = x + y
    blocks = square_blocks(CELLS, SHAPE, y.ravel())
    assert 16 <= blocks.number < 30
    refused = factor(y, strata, resampling=Resampling(rng, blocks=blocks))
    assert refused.data["q_low"].isna().all()
    assert "30 are needed" in refused.cautions[0]
    blocks = square_blocks(CELLS, SHAPE, y.ravel(), side=4)
    plain = factor(y, strata).data.iloc[0]
    resampled = factor(y, strata, resampling=Resampling(rng, blocks=blocks)).data.iloc[0]
    assert resampled["q_low"] < resampled["q_adjusted"] < resampled["q_high"]
    assert resampled["q_high"] - resampled["q_low"] > 1.5 * (plain["q_high"] - plain["q_low"])
    noise = rng.normal(size=720)
    assert square_blocks(CELLS, SHAPE, noise).side <= 2
    assert unit_blocks(5000, rng).number == 2000


def test_interaction_by_chance_maps() -> None:
    rng = np.random.default_rng(5)
    a, b, c, noise = (smooth(rng) for _ in range(4))
    y = a + 1.5 * a * b + 0.5 * noise
    strata = {name: stratify(x, "quantile", 4) for name, x in {"a": a, "b": b, "c": c}.items()}
    by = Resampling(rng, NULL, square_blocks(CELLS, SHAPE, y.ravel(), side=4), 199)
    table = interaction(y, strata, resampling=by).data.set_index(["factor_1", "factor_2"])
    assert table.loc[("a", "b"), "tested"] == "gain, non-additive"
    assert table.loc[("b", "c"), "tested"] == "no gain shown"
    pair = table.loc[("a", "b")]
    assert pair["beyond_best_low"] < pair["beyond_best"] < pair["beyond_best_high"]
    assert pair["beyond_sum_low"] > 0
    columns = list(table.columns)
    assert columns.index("tested") < columns.index("interaction")


def test_interaction_by_permutation_agrees_with_f_where_f_is_right() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 3, (2, 200))
    y = a + 0.4 * b + rng.normal(size=200)
    plain = interaction(y, {"a": a, "b": b}).data.iloc[0]
    by = Resampling(rng, Permutation(), n_resamples=999)
    drawn_rows = interaction(y, {"a": a, "b": b}, resampling=by).data.iloc[0]
    for column in ("p_gain", "p_nonadditive"):
        assert drawn_rows[column] == pytest.approx(plain[column], abs=0.05)
    nested = interaction(y, {"a": a, "b": a * 1.0}, resampling=by).data.iloc[0]
    assert np.isnan(nested["p_nonadditive"])


def test_ecological_paired() -> None:
    rng = np.random.default_rng(7)
    a, b, c = rng.integers(0, 4, (3, 400))
    y = a + b + 0.2 * c + rng.normal(size=400)
    table = ecological(y, {"a": a, "b": b, "c": c}).data.set_index(["factor_1", "factor_2"])
    assert not table.loc[("a", "b"), "differ"]
    assert table.loc[("a", "c"), "differ"]
    assert table.loc[("a", "c"), "low"] > 0
    turned = ecological(y, {"c": c, "a": a}).data.iloc[0]
    assert turned["difference"] == pytest.approx(-table.loc[("a", "c"), "difference"])
    with pytest.raises(StudyError, match="paired"):
        ecological(y, {"a": a, "b": b}, method="pair")


@pytest.mark.parametrize("seed", range(5))
def test_letters_are_shared_where_nothing_differs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    apart = np.triu(rng.uniform(size=(7, 7)) < 0.5, 1)
    apart |= apart.T
    letters = compact_letters(apart, rng.normal(size=7))
    for one in range(7):
        for two in range(7):
            if one != two:
                assert bool(set(letters[one]) & set(letters[two])) != apart[one, two]


def test_corrections_of_many_tests() -> None:
    p = np.array([0.001, np.nan, 0.02, 0.03, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.004, np.nan, 0.04, 0.04, 0.5])
    draws = np.random.default_rng(8).chisquare(3, 5000)
    assert chance_p(np.quantile(draws, 0.9), draws) == pytest.approx(0.1, abs=0.001)
    assert chance_p(20.0, draws[:199]) == pytest.approx(0.00017, rel=0.95)


def test_a_table_of_points_is_tested_as_points() -> None:
    rng = np.random.default_rng(9)
    places = rng.uniform(0, 100, (120, 2))
    table = pd.DataFrame(
        {
            "theta": np.sin(places[:, 0] / 20) + rng.normal(0, 0.3, 120),
            "rain": np.sin(places[:, 0] / 20),
            "easting": places[:, 0],
            "northing": places[:, 1],
        }
    )
    sample = read_sample(table, "theta", coordinates=("easting", "northing"))
    assert list(sample.factors) == ["rain"]
    found = detect_sample(sample, classes=[3, 4], n_resamples=199, rng=rng)
    assert found.factor.data["p_spatial"][0] <= 0.05
    assert point_blocks(places).number <= 36
    table.loc[3, "easting"] = np.nan
    with pytest.raises(DataError, match="units without coordinates"):
        read_sample(table, "theta", coordinates=("easting", "northing"))
