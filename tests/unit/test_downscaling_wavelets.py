"""Bands add up, slow parts are slow, gaps are filled before and told after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.downscaling.predictors import build_predictors
from headwater.downscaling.wavelets import (
    Coupling,
    fill_in_time,
    fill_predictors,
    low_pass,
    split_in_bands,
)
from headwater.errors import DataError

DAYS = np.arange(128.0)


@given(
    seed=st.integers(0, 10_000),
    wavelet=st.sampled_from(["haar", "db4", "sym5", "coif1"]),
    level=st.integers(1, 3),
    steps=st.integers(90, 140),
)
def test_bands_add_up_to_the_series(seed: int, wavelet: str, level: int, steps: int) -> None:
    series = np.random.default_rng(seed).normal(size=(steps, 3))
    bands = split_in_bands(series, wavelet=wavelet, level=level)
    assert bands.shape == (level + 1, steps, 3)
    np.testing.assert_allclose(bands.sum(axis=0), series, atol=1e-12)
    np.testing.assert_allclose(bands[0], low_pass(series, wavelet=wavelet, level=level))


def test_bands_are_those_of_pywavelets() -> None:
    pywt = pytest.importorskip("pywt")
    series = np.random.default_rng(1).normal(size=128)
    theirs = pywt.mra(series, "db4", level=3, transform="dwt", mode="symmetric")
    np.testing.assert_allclose(split_in_bands(series, level=3), theirs, atol=1e-10)


def test_a_constant_has_no_details_even_at_the_ends() -> None:
    bands = split_in_bands(np.full(100, 0.3))
    np.testing.assert_allclose(bands[0], 0.3)
    np.testing.assert_allclose(bands[1:], 0.0, atol=1e-12)


def test_low_pass_takes_most_of_white_noise_and_keeps_the_season() -> None:
    rng = np.random.default_rng(2)
    season = np.cos(2 * np.pi * np.arange(730.0) / 365)[:, None]
    slow = low_pass(season + rng.normal(0, 1, (730, 50)))
    # a share of 2^-3 of the variance of white noise is slower than 2^3 days
    assert 0.30 < (slow - season).std() < 0.41


def test_low_pass_keeps_single_precision() -> None:
    assert low_pass(DAYS.astype(np.float32)).dtype == np.float32


def test_wide_tables_are_the_same_in_parts() -> None:
    series = np.random.default_rng(3).normal(size=(64, 5000))
    np.testing.assert_array_equal(low_pass(series)[:, 4000:], low_pass(series[:, 4000:]))


@pytest.mark.parametrize("level", [0, 5, 99])
def test_a_level_deeper_than_the_series_is_refused(level: int) -> None:
    with pytest.raises(DataError, match=r"128 steps allow 1 to 4 with db4"):
        low_pass(DAYS, level=level)


def test_an_unknown_wavelet_and_gaps_are_refused() -> None:
    with pytest.raises(DataError, match="unknown mother wavelet"):
        low_pass(DAYS, wavelet="mexican hat")
    with pytest.raises(DataError, match="1 missing"):
        low_pass(np.where(DAYS == 5, np.nan, DAYS))


def test_gaps_lie_on_straight_lines_and_long_ones_stay() -> None:
    gappy = np.where(np.isin(DAYS, [3, 4, 50, 51, 52, 53, 127]), np.nan, DAYS)
    filled, missing = fill_in_time(gappy, limit=3)
    assert missing.sum() == 7
    assert filled[3:5].tolist() == [3.0, 4.0]
    assert np.isnan(filled[50:54]).all()
    assert filled[127] == 126.0
    assert np.isnan(gappy).sum() == 7  # the input is left as it was


def test_a_series_without_any_value_stays_missing() -> None:
    empty = np.column_stack([np.full(128, np.nan), np.where(DAYS == 3, np.nan, DAYS)])
    filled, _ = fill_in_time(empty)
    assert np.isnan(filled[:, 0]).all()
    np.testing.assert_allclose(filled[:, 1], DAYS)


@pytest.mark.parametrize("kind", ["none", "smooth", "bands"])
def test_parts_of_the_target_add_up_and_are_masked_after(kind: str) -> None:
    target = np.random.default_rng(4).uniform(0.1, 0.4, (128, 3))
    target[np.random.default_rng(5).random(target.shape) < 0.5] = np.nan
    parts = Coupling(kind).split(target)
    assert len(parts) == (2 if kind == "bands" else 1)
    np.testing.assert_allclose(np.sum(parts, axis=0), target)


def test_views_of_the_predictors() -> None:
    rng = np.random.default_rng(6)
    heat = rng.normal(size=(128, 4, 5)).astype(np.float32)
    rain = rng.gamma(1, 2, size=(128, 4, 5)).astype(np.float32)
    days = np.arange("2020-01-01", "2020-05-08", dtype="datetime64[D]")
    known = build_predictors({"heat": heat, "precipitation": rain}, {"z": np.ones((4, 5))}, days)
    (smooth,) = Coupling("smooth").views(known)
    assert smooth.day(7)[3, 0] != known.day(7)[3, 0]
    assert (smooth.day(7)[:, 1] == known.day(7)[:, 1]).all()  # rain has no noise to smooth
    slow, quick = Coupling("bands").views(known)
    parts = slow.day(7)[:, :4] + quick.day(7)[:, :4]
    np.testing.assert_allclose(parts, known.day(7)[:, :4], atol=1e-5)
    assert quick.day(7)[0, 4] == 1.0  # maps that last are in both
    pixels = np.array([3, 7])
    np.testing.assert_array_equal(quick.day(9, pixels), quick.day(9)[pixels])


def test_filled_predictors_say_what_was_filled() -> None:
    heat = np.random.default_rng(7).normal(size=(128, 2, 2)).astype(np.float32)
    heat[5] = np.nan
    heat[:, 1, 1] = np.nan
    days = np.arange("2020-01-01", "2020-05-08", dtype="datetime64[D]")
    known = build_predictors({"heat": heat}, {}, days, precipitation=None)
    whole = fill_predictors(known, limit=16)
    assert "heat: 25.6% of the values were missing" in whole.notes[0]
    assert "25.0% stay missing" in whole.notes[0]
    assert np.isfinite(whole.day(5)[:3, 0]).all()
    (slow,) = Coupling("smooth").views(whole)
    assert np.isnan(slow.day(5)[3, 0])
    assert np.isfinite(slow.day(5)[:3, 0]).all()


def test_an_unknown_coupling_is_refused() -> None:
    with pytest.raises(DataError, match="Did you mean 'bands'"):
        Coupling("band").check()
