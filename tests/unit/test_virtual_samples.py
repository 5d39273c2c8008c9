"""Water samples: mass balance, shares, lines and errors are those that were put in."""

import numpy as np
import pandas as pd
import pytest

from headwater.virtual.frame import Frame
from headwater.virtual.landscape import lay_landscape
from headwater.virtual.samples import (
    COLUMNS,
    LMWL,
    PRECISION,
    SOURCES,
    Sampling,
    fractions,
    sampling,
    sources,
)


@pytest.fixture(scope="module")
def campaign() -> Sampling:
    return sampling(
        lay_landscape(Frame(18, 42, 0.05, 94.87, 36.43), seed=3).fine, seed=3, year=2020
    )


def test_table_has_the_columns_of_the_contract(campaign):
    assert list(campaign.table) == list(COLUMNS)
    assert campaign.table["sample_id"].is_unique
    assert campaign.table.attrs["units"]["d18O"] == "‰ VSMOW"
    soil = campaign.table.query("water == 'soil'")
    assert soil[["vegetation", "aspect", "depth_top", "depth_bottom"]].notna().all(axis=None)
    rain = campaign.table.query("water == 'precipitation'")
    assert rain["amount"].gt(0).all()
    assert rain["depth_top"].isna().all()
    assert set(rain["time"].dt.month) == set(range(1, 13))


def test_numbers_of_samples_are_those_of_the_source_study(campaign):
    counts = campaign.table["water"].value_counts()
    assert counts.drop("soil").to_dict() == {
        "river": 676,
        "supra_permafrost": 416,
        "precipitation": 375,
        "ground_ice": 143,
        "snow_melt": 100,
    }
    # four layers at 79, 70 and 93 sites
    assert counts["soil"] == 4 * (79 + 70 + 93)


def test_shares_sum_to_one_everywhere(campaign):
    for table in (fractions(), campaign.truth):
        np.testing.assert_allclose(table[list(SOURCES)].sum(axis=1), 1.0, atol=1e-12)
        assert table[list(SOURCES)].min(axis=None) >= 0.0


@pytest.mark.parametrize("isotope", ["d18O", "d2H"])
def test_every_mixture_obeys_mass_balance(campaign, isotope):
    truth = campaign.truth
    means = sources().pivot_table(index=["month", "band"], columns="source", values=isotope)
    here = means.loc[pd.MultiIndex.from_frame(truth[["month", "band"]]), list(SOURCES)]
    mixed = (truth[list(SOURCES)].to_numpy() * here.to_numpy()).sum(axis=1)
    along = truth["wandering"] * (1.0 if isotope == "d18O" else LMWL["slope"])
    np.testing.assert_allclose(truth[f"{isotope}_mixture"], mixed + along, atol=1e-10)
    rise = truth["enrichment"] * (1.0 if isotope == "d18O" else truth["slope"])
    np.testing.assert_allclose(truth[isotope], truth[f"{isotope}_mixture"] + rise, atol=1e-10)


@pytest.mark.parametrize("isotope", ["d18O", "d2H"])
def test_measured_isotopes_are_true_plus_the_stated_error(campaign, isotope):
    both = campaign.table.merge(campaign.truth, on="sample_id", suffixes=("", "_true"))
    assert len(both) == len(campaign.truth)
    error = both[isotope] - both[f"{isotope}_true"]
    assert error.std() == pytest.approx(PRECISION[isotope], rel=0.08)
    assert abs(error.mean()) < 4 * PRECISION[isotope] / np.sqrt(len(both))
    assert (campaign.table[f"{isotope}_sd"] == PRECISION[isotope]).all()


def test_mean_shares_of_a_group_are_those_of_the_table(campaign):
    soil = campaign.truth.query("water == 'soil'").merge(
        campaign.table[["sample_id", "vegetation", "aspect"]], on="sample_id"
    )
    keys = ["month", "band", "vegetation", "aspect"]
    expected = fractions().set_index(keys).loc[pd.MultiIndex.from_frame(soil[keys])]
    drawn = soil[list(SOURCES)].to_numpy()
    # a Dirichlet of concentration 60 has a standard deviation of at most 0.064
    assert np.abs(drawn - expected.to_numpy()).max() < 0.32
    np.testing.assert_allclose(drawn.mean(axis=0), expected.mean().to_numpy(), atol=0.01)


def test_precipitation_lies_on_the_meteoric_line(campaign):
    rain = campaign.table.query("water == 'precipitation'")
    slope, intercept = np.polyfit(rain["d18O"], rain["d2H"], 1)
    assert slope == pytest.approx(LMWL["slope"], abs=0.25)
    assert intercept == pytest.approx(LMWL["intercept"], abs=4.0)
    lighter = rain.groupby("elevation")["d18O"].mean()
    assert lighter.iloc[0] > lighter.iloc[-1]


def test_sources_follow_the_findings_of_the_source_study():
    table = fractions()
    by = table.groupby(["month", "band"])[list(SOURCES)].mean()
    assert by.loc[6, "ground_ice"].idxmax() == "3500-4000"
    assert (by.loc[(6, ["3000-3500", "3500-4000"]), "snow_melt"] == 0).all()
    assert by.loc[8, "ground_ice"].is_monotonic_increasing
    assert by.loc[(8, "3000-3500"), "precipitation"] == 1.0
    assert by.loc[(9, "3500-4000"), "precipitation"] == 1.0
    plants = table.groupby("vegetation")[list(SOURCES)].mean()
    assert plants["ground_ice"].idxmax() == "meadow"
    assert plants["snow_melt"].idxmax() == "grassland"
    assert plants["precipitation"].idxmax() == "forest"
    slopes = table.groupby("aspect")["precipitation"].mean()
    assert slopes["N"] < slopes["S"]


def test_soil_is_more_evaporated_near_the_surface_and_in_the_sun(campaign):
    soil = campaign.truth.query("water == 'soil'").merge(
        campaign.table[["sample_id", "depth_top", "aspect"]], on="sample_id"
    )
    assert soil.groupby("depth_top")["enrichment"].mean().is_monotonic_decreasing
    assert (
        soil.groupby("aspect")["enrichment"].mean()["S"]
        > soil.groupby("aspect")["enrichment"].mean()["N"]
    )
    assert soil["slope"].between(2.6, 4.2).all()


def test_sites_lie_in_the_study_area_at_their_altitude(campaign):
    land = lay_landscape(Frame(18, 42, 0.05, 94.87, 36.43), seed=3)
    from shapely import contains_xy

    assert contains_xy(land.area, campaign.table["longitude"], campaign.table["latitude"]).all()
    row = np.abs(land.fine.frame.latitude[:, None] - campaign.table["latitude"].to_numpy()).argmin(
        axis=0
    )
    column = np.abs(
        land.fine.frame.longitude[:, None] - campaign.table["longitude"].to_numpy()
    ).argmin(axis=0)
    np.testing.assert_allclose(campaign.table["elevation"], land.fine.z[row, column])
