"""The scorecard, the measures that need a grid, and the figures."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.sparse import csr_array

from headwater.errors import DataError
from headwater.validation.agreement_intervals import pairwise_agreement
from headwater.validation.gain import (
    coarse_closure,
    downscaling_gain,
    spatial_correlation,
    within_cell_correlation,
)
from headwater.validation.scorecards import SERIES, ScorecardOptions, scorecard

DAYS = pd.date_range("2018-05-01", periods=500)
NAMES = ["A", "B", "C", "D"]
STRATA = {"A": "meadow", "B": "meadow", "C": "shrub", "D": "shrub"}


def field(seed=1, stations=4):
    rng = np.random.default_rng(seed)
    noise = lfilter([1], [1, -0.9], rng.normal(size=(2, stations, len(DAYS))), axis=-1) * 0.01
    season = 0.25 + 0.05 * np.sin(2 * np.pi * np.arange(len(DAYS)) / 365)
    truth = season + noise[0] + rng.normal(0, 0.02, (stations, 1))
    product = truth + 0.02 + 0.6 * noise[1]
    product[rng.random(product.shape) < 0.4] = np.nan
    names = NAMES if stations == 4 else [f"S{i}" for i in range(stations)]
    return (pd.DataFrame(part.T, DAYS, names) for part in (product, truth))


@pytest.fixture(scope="module")
def card():
    product, truth = field()
    return scorecard(
        product,
        truth,
        coarse=0.5 * truth + 0.15,
        cells={"A": 0, "B": 0, "C": 1, "D": 1},
        strata=STRATA,
        periods={"first": ("2018-05-01", "2018-12-31")},
        rng=np.random.default_rng(1),
    )


def test_every_group_has_every_measure(card):
    table = card.to_frame()
    groups = set(zip(table["grouping"], table["group"], strict=True))
    wanted = {("all", "all"), ("stratum", "shrub"), ("period", "first"), ("season", "JJA")}
    assert wanted | {("station", name) for name in NAMES} <= groups
    assert card.of("station").shape == (4, 20)
    assert set(card.of("all", SERIES[1]).columns) < set(card.of("all").columns)


def test_a_station_is_compared_as_agreement_does(card):
    from headwater.validation.agreement_intervals import agreement

    product, truth = field()
    alone = agreement(product["B"], truth["B"]).set_index("measure")
    table = card.to_frame()
    rows = table[(table["group"] == "B") & (table["series"] == "raw")].set_index("measure")
    for column in ("value", "low", "high", "n_effective"):
        assert rows.loc[alone.index, column].tolist() == pytest.approx(
            alone[column].tolist(), nan_ok=True
        )


def test_over_stations_means_are_plain_and_correlations_fisher(card):
    single, whole = card.of("station"), card.of("all").loc["all"]
    assert whole["bias"] == pytest.approx(single["bias"].mean())
    assert np.arctanh(whole["pearson"]) == pytest.approx(np.arctanh(single["pearson"]).mean())
    table = card.to_frame()
    rows = table[table["measure"].isin(["pearson", "spearman", "kendall"])]
    assert (rows["high"].dropna() <= 1).all()
    assert (table.loc[table["measure"] == "rmsd", "low"].dropna() >= 0).all()
    pairs = table[(table["group"] == "all") & (table["measure"] == "bias")]
    assert (pairs["n"] > 1000).all()


def test_seasons_hold_their_months_only(card):
    product, truth = field()
    summer = product.index.month.isin([6, 7, 8])
    both = (product[summer].notna() & truth[summer].notna()).sum().sum()
    table = card.to_frame()
    rows = table[(table["group"] == "JJA") & (table["measure"] == "bias")]
    assert rows["n"].tolist() == [both, both]


def test_fine_skill_stands_in_the_card(card):
    table = card.to_frame().set_index(["group", "measure"])
    assert 0.5 < table.loc[("all", "within_cell_r"), "value"].item() < 1
    assert table.loc[("all", "within_cell_r"), "low"].item() > 0.3
    assert {"g_down", "g_slope", "g_correlation", "g_bias"} <= set(card.of("station").columns)


def test_few_pairs_are_left_out_and_told():
    product, truth = field()
    product.loc[product.index[20:], "D"] = np.nan
    card = scorecard(product, truth)
    assert "D" not in card.of("station").index
    assert any("too few pairs" in caution for caution in card.cautions)


def test_short_records_and_independent_intervals_are_warned_of():
    options = ScorecardOptions(series=SERIES, interval="independent", seasons={})
    card = scorecard(*field(), options=options)
    assert any("mean year of 1.4 years" in caution for caution in card.cautions)
    assert any("assume independent" in caution for caution in card.cautions)
    assert card.of("season").empty


def test_html_shows_the_whole_and_its_cautions(card):
    text = card._repr_html_()
    assert "16 measures" in text
    assert "Stations near each other" in text
    assert text.count("<tr") < 60


@pytest.fixture(scope="module", params=[4, 12])
def raw(request):
    """A scorecard whose stations have a legend each, and one with too many of them."""
    return scorecard(*field(stations=request.param), options=ScorecardOptions(series=("raw",)))


def points(card):
    """Where each station stands in a Taylor and in a target diagram, from the definitions."""
    rows = []
    for _, own in card.pairs.dropna(subset=["product", "reference"]).groupby("station"):
        x, y = own["product"].to_numpy(), own["reference"].to_numpy()
        r, ratio, bias = np.corrcoef(x, y)[0, 1], np.std(x) / np.std(y), np.mean(x - y) / np.std(y)
        apart = np.sqrt(1 + ratio**2 - 2 * ratio * r) * (1 if ratio >= 1 else -1)
        rows.append((ratio * r, ratio * np.sqrt(1 - r**2), apart, bias))
    return pd.DataFrame(rows, columns=["along", "across", "ubrmsd", "bias"])


def test_taylor_and_target_diagrams_show_every_station(raw, shows):
    shows(raw.plot(kind="taylor"), points(raw), "along", "across")
    shows(raw.plot(kind="target"), points(raw), "ubrmsd", "bias")


def test_the_scatter_counts_every_pair(raw):
    cells = raw.plot(kind="scatter").axes[0].collections[0]
    both = raw.pairs.dropna(subset=["product", "reference"])
    assert cells.get_array().sum() == len(both)
    middle = np.average(cells.get_offsets(), axis=0, weights=cells.get_array())
    np.testing.assert_allclose(middle, both[["reference", "product"]].mean(), atol=0.002)


def test_forest_and_series_show_their_numbers(raw, shows):
    table = raw.to_frame()
    asked = table[table["measure"].isin(["bias", "ubrmsd", "pearson"])]
    shows(raw.plot(kind="forest"), asked[["value", "low", "high"]], "value", "low", "high")
    most = raw.pairs.dropna()["station"].value_counts().index[:6]
    shown = raw.pairs[raw.pairs["station"].isin(most)]
    shows(raw.plot(kind="series"), shown[["product", "reference"]], "product", "reference")


def test_the_summary_holds_all_four(raw, shows):
    shows(raw.plot(), points(raw), "along", "across", "ubrmsd", "bias")
    whole = raw.to_frame().query("grouping == 'season' and measure == 'pearson'")
    shows(raw.plot(), whole[["value", "low", "high"]], "value", "low", "high")


def test_negative_correlation_opens_the_whole_taylor_diagram():
    product, truth = field()
    card = scorecard(0.5 - product, truth)
    axes = card.plot(kind="taylor").axes[0]
    assert axes.get_xlim()[0] < -1


def test_unknown_figure_names_the_nearest(card):
    with pytest.raises(DataError, match="Did you mean 'taylor'"):
        card.plot(kind="tailor")


def test_frames_that_differ_are_refused():
    product, truth = field()
    with pytest.raises(DataError, match="differ in times or stations"):
        scorecard(product.iloc[:-1], truth)
    with pytest.raises(DataError, match="differ in times or stations"):
        scorecard(product[["A"]], truth)
    with pytest.raises(DataError, match="needs dates"):
        scorecard(product.reset_index(drop=True), truth.reset_index(drop=True))
    with pytest.raises(DataError, match="no station has enough pairs"):
        scorecard(product * np.nan, truth)
    with pytest.raises(DataError, match="Did you mean 'raw'"):
        scorecard(product, truth, options=ScorecardOptions(series=("row",)))


def test_every_two_of_many():
    product, truth = field()
    frame = product.rename(columns=str.lower).assign(truth=truth["A"], empty=np.nan)
    table = pairwise_agreement(frame)
    assert table[["product", "reference"]].drop_duplicates().shape[0] == 10
    assert len(table.attrs["left_out"]) == 5
    named = pairwise_agreement(frame, reference="truth")
    assert set(named["reference"]) == {"truth"}
    with pytest.raises(DataError, match="unknown reference"):
        pairwise_agreement(frame, reference="trust")


def test_gain_is_one_for_the_truth_and_minus_one_for_its_opposite():
    _, truth = field()
    y = truth["A"].to_numpy()
    coarse = 0.5 * y + 0.15 + np.random.default_rng(1).normal(0, 0.01, len(y))
    best = downscaling_gain(y, coarse, y).set_index("part")
    worst = downscaling_gain(coarse, y, y).set_index("part")
    assert best.gain["all"] == pytest.approx(1.0)
    assert worst.gain["all"] == pytest.approx(-1.0)
    parts = best.loc[["slope", "correlation", "bias"], "gain"]
    assert best.gain["all"] == pytest.approx(parts.mean())
    told = downscaling_gain(y + 0.01, coarse, y, rng=np.random.default_rng(1), n_resamples=200)
    assert (told["low"] <= told["gain"]).all()
    assert (told["gain"] <= told["high"]).all()


def test_repeating_the_coarse_cell_has_no_skill_within_it():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(200, 12))
    cells = np.repeat([0, 1, 2], 4)
    means = np.stack([truth[:, cells == c].mean(axis=1) for c in range(3)], axis=1)
    assert np.isnan(within_cell_correlation(means[:, cells], truth, cells)["value"])
    noise = rng.normal(size=(200, 12))
    found = within_cell_correlation(noise, truth, cells, rng=rng, n_resamples=200)
    assert found["low"] < 0 < found["high"]
    shifted = truth + 10 * rng.normal(size=(200, 3))[:, cells]
    assert within_cell_correlation(shifted, truth, cells)["value"] == pytest.approx(1.0)
    with pytest.raises(DataError, match="no coarse cell holds two"):
        within_cell_correlation(truth, truth, np.arange(12))


def test_closure_takes_matrix_and_function_and_counts_what_is_missing():
    operator = csr_array(np.kron(np.eye(3), np.full((1, 4), 0.25)))
    fine = np.random.default_rng(3).random((5, 12))
    coarse = fine @ operator.T.toarray()
    assert coarse_closure(fine, coarse, operator)["largest"] < 1e-15
    off = coarse + 0.03
    off[0, 0] = np.nan
    found = coarse_closure(fine, off, lambda f: f @ operator.T.toarray())
    assert found["largest"] == pytest.approx(0.03)
    assert found["rmsd"] == pytest.approx(0.03)
    assert found["n"] == 14
    with pytest.raises(DataError, match="shape of the coarse"):
        coarse_closure(fine, coarse[:, :2], operator)


def test_daily_correlation_over_space_needs_pixels():
    truth = np.random.default_rng(4).random((3, 10))
    truth[1, 4:] = np.nan
    found = spatial_correlation(2 * truth + 1, truth)
    assert found["r"].round(9).tolist()[0] == 1
    assert np.isnan(found["r"][1])
    assert found["n"].tolist() == [10, 4, 10]
