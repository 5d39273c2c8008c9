"""Real treatments next to the effects that were computed for them beforehand.

Portal (weecology/PortalData e3307bf, CC0): winter plants of Erodium by plot, treatments of plots
switched in 2015. Danube (Bauer et al. 2023, doi:10.1111/1365-2664.14497, CC BY 4.0): cover of
seeded dikes by aspect, 288 plots in 6 blocks. Expected values were computed beforehand, with plots
(Portal) and blocks (Danube, mixed model) as units.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.restoration import estimate_treatment_effect

DATA = Path(__file__).parents[1] / "data" / "real"

GROUPS = {
    "control to removal": (1, 9, 12),
    "control to exclosure": (2, 8, 22),
    "removal to control": (5, 7, 24),
    "exclosure to control": (6, 13, 18),
}


def portal():
    """Log plants per 16 quadrats, plots by winters; and the treatment of each plot before."""
    home = DATA / "portal-ndvi-rodents"
    plants = pd.read_csv(home / "plants_plot_season.csv")
    winter = plants[(plants["season"] == "winter") & (plants["quadrats"] >= 12)]
    density = np.log1p(winter["erodium"] * 16 / winter["quadrats"])
    wide = winter.assign(value=density).pivot_table(index="plot", columns="year", values="value")
    wide = wide[[year for year in wide if 2008 <= year <= 2024 and year != 2016]]
    months = pd.read_csv(home / "plot_treatment_monthly.csv.gz")
    return wide, months


@pytest.mark.parametrize(
    ("group", "unchanged", "effect", "lower", "upper"),
    [
        ("control to removal", "control", 0.80, 0.17, 1.44),
        ("removal to control", "removal", -1.11, -1.74, -0.49),
        ("control to exclosure", "control", 0.73, 0.10, 1.36),
        ("exclosure to control", "exclosure", -0.96, -1.89, -0.04),
    ],
)
def test_rodents_removed_and_let_in_again(group, unchanged, effect, lower, upper):
    wide, months = portal()
    switched = {plot for plots in GROUPS.values() for plot in plots}
    last = months[months["year"] == 2014].groupby("plot")["treatment"].agg(lambda t: t.mode()[0])
    controls = [p for p in wide.index if p not in switched and last.get(p) == unchanged]
    rows = [*GROUPS[group], *controls]
    found = estimate_treatment_effect(
        wide.loc[rows].to_numpy(),
        np.arange(len(rows)) < 3,
        np.asarray(wide.columns) >= 2017,
        rng=np.random.default_rng(1),
    )
    assert found.design == "before_after_control_impact"
    assert found.effect == pytest.approx(effect, abs=0.05)
    if group == "exclosure to control":
        # the three plots (0.32, -0.58, -1.26) differ far more than their five controls: Welch has
        # two degrees of freedom, and a wider interval than one that pools both spreads
        assert found.lower < lower
        assert found.upper > upper
    else:
        assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=0.15)


@pytest.mark.parametrize(
    ("year", "effect", "low", "high"), [(2018, -6.9, -12.5, -1.3), (2021, -16.9, -19.6, -14.2)]
)
def test_slopes_that_face_south_grow_less_cover(year, effect, low, high):
    """Published: -6.9 (se 2.1) and -16.9 (se 1.0); the interval is from 6 blocks, not 288 plots."""
    found = danube(year, "exposition", "south", "north")
    assert found.effect == pytest.approx(effect, abs=0.15)
    assert found.lower < effect < found.upper
    assert (found.n_treated, found.n_control) == (6, 6)
    assert found.upper - found.lower > 0.5 * (high - low)


@pytest.mark.parametrize(("year", "effect"), [(2018, 2.3), (2021, -1.0)])
def test_seed_density_changes_nothing(year, effect):
    found = danube(year, "seed_density", 8, 4)
    assert found.effect == pytest.approx(effect, abs=0.15)
    assert found.lower < 0 < found.upper


def danube(year, factor, one, other):
    plots = pd.read_csv(DATA / "danube-dike-seeding" / "plots_2018_2021.csv.gz")
    own = plots[pd.to_datetime(plots["survey_date"]).dt.year == year]
    means = own.groupby(["site", factor])["vegetation_cover"].mean().reset_index()
    means = means.pivot_table(index="site", columns=factor, values="vegetation_cover")
    values = np.concatenate([means[one], means[other]])[:, None]
    sites = np.tile(np.arange(len(means)), 2)
    return estimate_treatment_effect(
        values,
        np.arange(len(values)) < len(means),
        [True],
        rng=np.random.default_rng(1),
        block=sites,
    )
