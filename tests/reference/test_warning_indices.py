"""Drought indices against published programs.

tests/data/warning/climate_indices: monocongo/climate_indices 58ca46a, BSD-3-Clause (LICENSE there).
tests/data/warning/indices.json: R package drought 1.2 (SSI), smadi 1.1.1 (ESSMI, SMDI), the flash
drought reference program of Yuan's group, all executed 2026-11-28; numbers only.
tests/data/warning/arl_exact.json: run lengths of control charts by Markov chains of 2000 states.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from headwater.warning import drought_class, find_flash_droughts, standardise
from headwater.warning.drought import FlashRule, moisture_deficit_index, soil_water_deficit_index
from headwater.warning.dry_seasons import climatic_balance
from headwater.warning.run_length import cusum_run_length, ewma_run_length
from headwater.warning.standardised import fit_standardisation, rolling_total

DATA = Path(__file__).parents[1] / "data" / "warning"
CASES = json.loads((DATA / "indices.json").read_text())
RUNS = json.loads((DATA / "arl_exact.json").read_text())


@pytest.mark.parametrize(
    ("name", "scale", "distribution", "first", "last"),
    [
        ("spi_06_gamma", 6, "gamma", 1895, 2017),
        ("spi_01_gamma", 1, "gamma", 1895, 2017),
        ("spi_06_pearson3", 6, "pearson3", 1981, 2010),
    ],
)
def test_spi_equals_climate_indices(name, scale, distribution, first, last):
    folder = DATA / "climate_indices"
    rain = np.load(folder / "precips_mm_monthly.npy").ravel()
    expected = np.load(folder / f"{name}.npy").ravel()
    year = 1895 + np.arange(len(rain)) // 12
    index = standardise(
        rolling_total(rain, scale),
        np.arange(len(rain)) % 12,
        distribution=distribution,
        calibration=(year >= first) & (year <= last),
    )
    np.testing.assert_array_equal(np.isnan(index), np.isnan(expected))
    np.testing.assert_allclose(index, expected, atol=1e-10)


def test_spei_equals_climate_indices():
    folder = DATA / "climate_indices"
    rain, demand, expected = (
        np.load(folder / f"{name}.npy").ravel()
        for name in ("precips_mm_monthly", "pet_thornthwaite", "spei_06_gamma")
    )
    months = np.datetime64("1895-01") + np.arange(len(rain))
    days = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int)
    balance = climatic_balance((rain / days)[:, None], (demand / days)[:, None], months)[:, 0]
    index = standardise(rolling_total(balance, 6), np.arange(len(rain)) % 12)
    np.testing.assert_array_equal(np.isnan(index), np.isnan(expected))
    np.testing.assert_array_equal(expected, expected.round(5))  # published to five decimals
    np.testing.assert_allclose(index, expected, atol=5.1e-6)


@pytest.mark.parametrize(
    ("case", "distribution"), [("SSI_empirical", "empirical"), ("ESSMI_kde", "kernel")]
)
def test_standardised_soil_moisture_equals_r_and_smadi(case, distribution):
    x = np.array(CASES[case]["x"])
    fitted = fit_standardisation(x, np.zeros(len(x), int), distribution=distribution)
    for value, expected in CASES[case]["expect"].items():
        assert fitted.index([[float(value)]], [0])[0, 0] == pytest.approx(expected, abs=1e-10)


def test_flash_droughts_equal_the_reference_program():
    rule = FlashRule(min_below=3, max_length=8)
    for series, expected in zip(
        CASES["FLASH_DROUGHT"]["sequences"], CASES["FLASH_DROUGHT"]["expect"], strict=True
    ):
        found = find_flash_droughts(series, rule)
        assert len(found) == expected["n"]
        for one in found:
            assert (one.first + 1, one.last + 1) == (expected["first"], expected["last"])
            assert (one.length, one.severity) == (expected["duration"], expected["severity"])


def test_moisture_deficit_equals_smadi():
    weeks = np.array(CASES["SMDI"]["weeks_by_year"])  # week, year
    year = CASES["SMDI"]["year_index"]
    order = [year, *(one for one in range(weeks.shape[1]) if one != year)]
    series, period = weeks[:, order].T.ravel(), np.tile(np.arange(3), weeks.shape[1])
    index, degenerate = moisture_deficit_index(series, period)
    np.testing.assert_allclose(index[:3], CASES["SMDI"]["expect_SMDI"])
    assert not degenerate.any()


def test_soil_water_deficit_and_drought_classes():
    case = CASES["SWDI"]
    for theta, expected in case["expect"].items():
        found = soil_water_deficit_index(float(theta), case["fc"], case["wp"])
        assert found == pytest.approx(expected)
    # weather.gov: D4 0-2, D3 3-5, D2 6-10, D1 11-20, D0 21-30
    assert drought_class([1, 4, 8, 15, 25, 31]).tolist() == [5, 4, 3, 2, 1, 0]


def test_run_lengths_are_exact():
    for threshold, rows in RUNS["cusum_one_sided(k=.5)"].items():
        for shift, expected in rows.items():
            found = cusum_run_length(float(threshold[2:]), shift=float(shift[3:]))
            assert found == pytest.approx(expected, rel=5e-4)
    for chart, rows in RUNS["ewma_two_sided"].items():
        memory, limit = (float(part.split("=")[1]) for part in chart.split(","))
        for shift, expected in rows.items():
            found = ewma_run_length(limit, memory=memory, shift=float(shift[3:]))
            assert found == pytest.approx(expected, rel=2e-3, abs=0.006)
