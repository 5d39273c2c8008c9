"""Intervals and tests under the covariance of the field, and what every table must share."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from headwater.detector import contrasts, detect, ecological, factor, opgd, risk, stratify
from headwater.detector.detection import detect_sample
from headwater.detector.field_covariance import (
    FieldPlaces,
    Kernel,
    fit_covariance,
    mean_noise,
)
from headwater.detector.interaction_tests import sign_flip_p
from headwater.detector.null_models import GridSpectral
from headwater.detector.resample import Resampling, square_blocks
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Scheme
from headwater.detector.spread import spread_across
from headwater.detector.strata import Strata
from headwater.errors import DataError, StudyError

SIDE = 40
CELLS = np.arange(SIDE * SIDE)


def field(sigma: float, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    margin = int(4 * sigma) + 1
    smooth = gaussian_filter(rng.normal(size=(side + 2 * margin,) * 2), sigma)
    return 2 * sigma * np.sqrt(np.pi) * smooth[margin : margin + side, margin : margin + side]


def fifths(x: np.ndarray) -> Strata:
    return stratify(x.ravel(), "quantile", 5)


def test_noise_of_means_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    where = FieldPlaces.of_cells(np.arange(300), (15, 20), stretch=1.5)
    codes = rng.integers(0, 3, 300).astype(np.int32)
    weights = rng.uniform(1, 2, 300)
    fit = fit_covariance(field(1.5, rng, 20)[:15].ravel(), codes, where, rng)
    found = mean_noise(fit, codes, where, weights)
    far = np.hypot(*(where.scaled[:, None] - where.scaled[None]).transpose(2, 0, 1))
    for kernel, variance, covariance in zip(
        fit.kernels, fit.variance, found.covariance, strict=True
    ):
        matrix = kernel.at(far)
        np.fill_diagonal(matrix, 1.0)
        onto = (codes[:, None] == np.arange(3)) * weights[:, None]
        onto = onto / onto.sum(axis=0)
        np.testing.assert_allclose(covariance, variance * onto.T @ matrix @ onto, rtol=2e-3)
    points = FieldPlaces(where.scaled)
    assert np.allclose(mean_noise(fit, codes, points, weights).covariance, found.covariance, 2e-2)


@pytest.mark.parametrize("sigma", [1.4, 5.7])
def test_intervals_of_means_cover_on_smooth_maps(sigma: float) -> None:
    rng = np.random.default_rng(2)
    where = FieldPlaces.of_cells(CELLS, (SIDE, SIDE))
    held, plain, false = [], [], 0
    for _ in range(12):
        strata, y = {"x": fifths(field(sigma, rng))}, field(sigma, rng).ravel()
        by = Resampling(rng, where=where)
        table = risk(y, strata, resampling=by).data
        held += ((table["low"] <= 0) & (table["high"] >= 0)).tolist()
        naive = risk(y, strata).data
        plain += ((naive["low"] <= 0) & (naive["high"] >= 0)).tolist()
        false += bool((contrasts(y, strata, resampling=by).data["p_holm"] < 0.05).any())
    assert np.mean(held) >= 0.83
    assert np.mean(plain) < 0.7
    assert false <= 2


def test_a_field_as_long_as_the_map_has_no_intervals() -> None:
    rng = np.random.default_rng(3)
    where = FieldPlaces.of_cells(CELLS, (SIDE, SIDE))
    y = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel() + 0.01 * rng.normal(size=CELLS.size)
    found = risk(
        y, {"x": fifths(rng.normal(size=CELLS.size))}, resampling=Resampling(rng, where=where)
    )
    assert found.data["low"].isna().all()
    assert (found.data["letters"] == "").all()
    assert "correlated across most of the area" in found.cautions[0]


def test_interval_of_q_under_the_field_holds_it_and_is_refused_for_few_patches() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(10):
        x, noise = fifths(field(1.0, rng)), field(0.7, rng).ravel()
        y = (x.codes - 2.0) / np.sqrt(2.0) + noise
        by = Resampling(
            rng,
            blocks=square_blocks(CELLS, (SIDE, SIDE), y),
            n_resamples=499,
            where=FieldPlaces.of_cells(CELLS, (SIDE, SIDE)),
        )
        row = factor(y, {"x": x}, resampling=by).data.iloc[0]
        hits += row["q_low"] <= 0.5 <= row["q_high"]
    assert hits >= 7
    y = field(8.0, rng).ravel()
    by = Resampling(
        rng,
        blocks=square_blocks(CELLS, (SIDE, SIDE), y),
        where=FieldPlaces.of_cells(CELLS, (SIDE, SIDE)),
    )
    found = factor(y, {"x": x}, resampling=by)
    assert np.isnan(found.data["q_low"][0])
    assert found.cautions[0].startswith("No interval of q for x")


def test_a_kernel_falls_to_a_twentieth_at_its_reach() -> None:
    for smoothness in (0.5, 1.5, np.inf):
        kernel = Kernel(smoothness, 3.0, 0.0)
        assert kernel.at(np.array([kernel.reach]))[0] == pytest.approx(0.05, abs=0.002)


def test_unequal_spread_is_found_taken_out_of_the_tests_and_reported() -> None:
    rng = np.random.default_rng(5)
    grows = np.exp(2.0 * np.linspace(0, 1, SIDE))
    x = field(1.0, rng)
    maps = xr.Dataset({"theta": (("y", "x"), field(1.0, rng) * grows), "rain": (("y", "x"), x)})
    found = detect_sample(read_sample(maps, "theta"), classes=[4], n_resamples=99)
    assert any("varies unequally" in text for text in found.factor.cautions)
    assert any("over its local standard deviation" in text for text in found.factor.choices)
    y = maps["theta"].values.ravel()
    scale = spread_across(y, CELLS, (SIDE, SIDE))
    assert scale is not None
    null = GridSpectral(CELLS, (SIDE, SIDE), scale)
    tested = null.tested(y)
    (block, *_) = null.draw(y, 50, rng)
    for sheets in (tested.reshape(1, SIDE, SIDE), block.reshape(-1, SIDE, SIDE)):
        assert 0.6 < sheets[..., -8:].std() / sheets[..., :8].std() < 1.7
    # the test by waves is that of the response made equal
    strata = {"x": stratify(x.ravel(), "quantile", 4)}
    p = [
        factor(one, strata, resampling=Resampling(np.random.default_rng(1), how, None, 99)).data
        for one, how in ((y, null), (tested, GridSpectral(CELLS, (SIDE, SIDE))))
    ]
    assert p[0]["p_spatial"][0] == p[1]["p_spatial"][0]
    assert p[0]["q"][0] != pytest.approx(p[1]["q"][0], abs=1e-6)


def test_signs_in_all_ways_agree_with_counting_and_with_drawing() -> None:
    rng = np.random.default_rng(6)
    terms = rng.gamma(1.0, size=20) * rng.choice([-1, 1], 20, p=[0.25, 0.75])
    signs = 1.0 - 2.0 * ((np.arange(2**20)[:, None] >> np.arange(20)) & 1)
    exact = (np.abs(signs @ terms) >= abs(terms.sum())).mean()
    assert sign_flip_p(terms) == pytest.approx(exact, rel=0.05)
    assert sign_flip_p(np.abs(terms)) == pytest.approx(2.0**-19)
    assert sign_flip_p(np.zeros(5)) == 1.0


def test_eleven_factors_can_differ() -> None:
    """shared/cases/tried/detector/repro_smallest.py, F1: no pair of 55 could ever differ."""
    rng = np.random.default_rng(1)
    factors = {f"x{i:02d}": rng.integers(0, 4, 400) for i in range(1, 12)}
    y = factors["x01"] * 2.0 + rng.normal(size=400)
    table = pd.DataFrame({"y": y, **{k: [f"c{v}" for v in x] for k, x in factors.items()}})
    found = detect(table, "y").ecological.data
    first = (found["factor_1"] == "x01") | (found["factor_2"] == "x01")
    assert found.loc[first, "differ"].all()
    assert not found.loc[~first, "differ"].any()
    assert found["p_value"].min() < 1e-6


def test_few_blocks_report_the_smallest_p_there_can_be() -> None:
    rng = np.random.default_rng(7)
    strata = {name: rng.integers(0, 3, 64) for name in "abcd"}
    blocks = square_blocks(np.arange(64), (8, 8), np.zeros(64) + np.arange(64), side=4)
    found = ecological(rng.normal(size=64), strata, resampling=Resampling(rng, blocks=blocks))
    assert any("no two factors can be shown to differ" in text for text in found.cautions)


def test_weights_reach_every_table() -> None:
    """shared/cases/tried/detector/weights.py: two of the tables ignored them."""
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 800))
    table = pd.DataFrame({"x": x, "z": z, "w": np.where(x > 0, 10.0, 0.1)})
    table["y"] = np.where(x > 1, 3.0, 0) + 0.5 * z + rng.normal(size=800)
    fixed = {"x": Scheme("quantile", 4), "z": Scheme("quantile", 4)}
    found = detect(table, "y", ["x", "z"], weights="w", fixed=fixed)
    q = found.factor.data.set_index("factor")["q"]
    y, w = table["y"], table["w"]
    groups = pd.qcut(table["x"], 4, labels=False)
    mean = groups.map(lambda g: np.average(y[groups == g], weights=w[groups == g]))
    total = (w * (y - np.average(y, weights=w)) ** 2).sum()
    assert q["x"] == pytest.approx(1 - (w * (y - mean) ** 2).sum() / total, abs=1e-9)
    for pairs in (found.ecological.data, found.interaction.data):
        row = pairs.iloc[0]
        assert row["q_1"] == pytest.approx(q[row["factor_1"]], abs=1e-12)
        assert row["q_2"] == pytest.approx(q[row["factor_2"]], abs=1e-12)
    means = found.risk.data.set_index(["factor", "name"])["mean"]
    for row in found.contrasts.data.to_dict("records"):
        one, two = (means[row["factor"], row[f"name_{side}"]] for side in (1, 2))
        assert row["difference"] == pytest.approx(one - two, abs=1e-12)
    for result in (found.factor, found.interaction, found.risk, found.contrasts):
        assert "Units are weighted." in result.choices
    assert "Units are weighted." in found.ecological.choices
    assert "Units are weighted." in found.association.choices


def test_schemes_are_done_as_asked_or_refused() -> None:
    """shared/cases/tried/detector/aspect_as_published.toml and repro_smallest.py, F2."""
    rng = np.random.default_rng(8)
    aspect = rng.uniform(0, 360, 400)
    given = {"asp": aspect, "cat": rng.choice(list("ab"), 400)}
    kinds = {"asp": "circular"}
    y = rng.normal(size=400)
    asked = {"asp": Scheme("standard_deviation", 6)}
    found = opgd(y, given, kinds=kinds, fixed=asked)
    row = found.best.set_index("factor").loc["asp"]
    assert (row["method"], row["k"]) == ("standard_deviation", 6)
    inner = [float(text) for text in row["breaks"].split()][1:-1]
    steps = np.arange(-2, 3) * aspect.std(ddof=1)
    np.testing.assert_allclose(inner, [b for b in aspect.mean() + steps if 0 < b < 360])
    assert any("asp: directions were parted" in text for text in found.cautions)
    with pytest.raises(StudyError, match="no factor"):
        opgd(y, given, kinds=kinds, fixed={"typo": Scheme("equal", 3)})
    with pytest.raises(DataError, match="scheme for categories"):
        opgd(y, given, fixed={"cat": Scheme("natural", 6)})


def test_candidates_with_an_empty_class_keep_the_classes_they_have() -> None:
    x = np.concatenate([np.linspace(0, 1, 50), np.linspace(9, 10, 50)])
    found = opgd(np.repeat([0.0, 1.0], 50) + 0.1 * x, {"x": x}, methods=["equal"], classes=[4])
    assert found.best[["k", "strata", "refused"]].values.tolist() == [[4, 2, ""]]


def test_without_coordinates_no_p_is_recommended() -> None:
    """shared/cases/tried/detector/smooth.csv: the caution pointed to p (search)."""
    rng = np.random.default_rng(9)
    table = pd.DataFrame({"sm": field(4, rng).ravel(), "x1": field(4, rng).ravel()})
    found = detect_sample(read_sample(table, "sm"), classes=[4], n_resamples=99)
    texts = " ".join(found.factor.cautions)
    assert "Without coordinates" in texts
    assert "go by p_search" not in texts
    maps = xr.Dataset({k: (("y", "x"), v.to_numpy().reshape(40, 40)) for k, v in table.items()})
    onto = detect_sample(read_sample(maps, "sm"), classes=[4], n_resamples=99)
    assert "go by p_search" in " ".join(onto.factor.cautions)
    assert onto.factor.data["p_search"][0] > 0.05
    assert (onto.contrasts.data["p_holm"] > 0.05).all()


def test_fewer_draws_than_asked_for_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.detector.detection._WORK", 40_000)
    rng = np.random.default_rng(10)
    table = pd.DataFrame({"y": rng.normal(size=200), "x": rng.normal(size=200)})
    found = detect_sample(read_sample(table, "y"), classes=[3], n_resamples=999)
    assert any("200 of 999 draws" in text for text in found.factor.cautions)
