"""Weights and declared classes reach every detector, or are named where they cannot."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from headwater.detector import detect, idsa, spade, srsgd, stratify
from headwater.detector.detection import detect_sample
from headwater.detector.local import local_q
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.rough_sets import queen_units
from headwater.detector.sample import read_sample
from headwater.detector.search_options import Scheme
from headwater.detector.spatial_association import GridWeights, psd, spatial_variance

SIDE = 14


@pytest.fixture(scope="module")
def maps() -> xr.Dataset:
    rng = np.random.default_rng(1)
    rain, snow = (gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5) * 5 for _ in range(2))
    layers = {"theta": rain + 0.4 * rng.normal(size=rain.shape), "rain": rain, "snow": snow}
    layers["area"] = np.linspace(1.0, 4.0, SIDE)[:, None] * np.ones((SIDE, SIDE))
    coords = {"y": np.arange(SIDE, 0.0, -1.0), "x": np.arange(SIDE) * 1.0}
    return xr.Dataset({name: (("y", "x"), one) for name, one in layers.items()}, coords)


def test_spatial_variance_sums_weights_of_pairs_and_of_units() -> None:
    rng = np.random.default_rng(2)
    y, mass = rng.normal(size=(4, 5)), rng.uniform(1, 3, (4, 5))
    codes = rng.integers(0, 2, (4, 5)).astype(np.int32)
    place = np.column_stack(np.indices((4, 5)).reshape(2, -1)).astype(float)
    far = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    near = np.divide(1.0, far, out=np.zeros_like(far), where=far > 0)
    size, gamma = spatial_variance(y, GridWeights(), codes, mass)
    for stratum in range(2):
        own = codes.ravel() == stratum
        weight = near[np.ix_(own, own)] * np.outer(mass.ravel()[own], mass.ravel()[own])
        apart = (y.ravel()[own][:, None] - y.ravel()[own][None]) ** 2 / 2
        assert gamma[stratum] == pytest.approx((weight * apart).sum() / weight.sum())
        assert size[stratum] == pytest.approx(mass.ravel()[own].sum())
    flat = spatial_variance(y.ravel(), near, codes.ravel(), mass.ravel())
    assert np.allclose(flat[1], gamma)


def test_equal_weights_change_nothing_and_unequal_ones_do(maps) -> None:
    y, x = maps["theta"].values, {"rain": maps["rain"].values, "snow": maps["snow"].values}
    plain, equal, area = (
        [
            spade(y, x, GridWeights(), classes=[4], unit_weights=unit).data,
            idsa(y, x, GridWeights(), classes=[4], unit_weights=unit).data,
        ]
        for unit in (None, np.full((SIDE, SIDE), 3.0), maps["area"].values)
    )
    for at, column in enumerate(("psmd", "pid")):
        assert equal[at][column].to_numpy() == pytest.approx(plain[at][column].to_numpy())
        assert area[at][column].to_numpy() != pytest.approx(plain[at][column].to_numpy(), abs=1e-4)


def test_local_q_is_weighted_as_q_is(maps) -> None:
    strata = stratify(maps["rain"].values, "quantile", 3)
    area = maps["area"].values
    found = local_q(maps["theta"], {"rain": strata}, window=9, weights=area, min_stratum_units=1)
    part = (slice(3, 12), slice(2, 11))
    sums = stratum_sums(maps["theta"].values[part], strata.codes[part], 3, weights=area[part])
    q = q_statistic(sums)
    assert found.data["rain_q"].values[7, 6] == pytest.approx(q.q)
    assert found.data["rain_q_adjusted"].values[7, 6] == pytest.approx(q.adjusted)


def test_rough_sets_weigh_neighbours_and_units() -> None:
    cover, soil = np.array(list("aabb")), np.array([0, 1, 1, 1])
    around, mass = queen_units(np.arange(4), (1, 4)), np.array([1.0, 2.0, 3.0, 4.0])
    found = srsgd(cover, {"soil": soil}, around, weights=mass, n_resamples=0).factor.data
    # units 1 to 3 share a stratum; unit 1 has another class, so 1 and 2 settle nothing near it
    local = np.array([1.0, 1 / 6, 4 / 9 * 0, 1.0])
    assert found["pd"][0] == pytest.approx((local * mass).sum() / mass.sum())
    plain = srsgd(cover, {"soil": soil}, around, n_resamples=0).factor.data
    assert plain["pd"][0] == pytest.approx((1.0 + 1 / 3 + 0.0 + 1.0) / 4)


def test_declared_classes_and_weights_reach_every_further_detector(maps) -> None:
    names = ["spade", "idsa", "shift", "local", "gozh", "rgd", "shares", "scale"]
    fixed = {"rain": Scheme("equal", 7)}
    found = detect(
        maps,
        "theta",
        ["rain", "snow"],
        weights="area",
        classes=[3, 4],
        fixed=fixed,
        n_resamples=99,
        further=names,
        style="headwater",
    )
    spades = found.further["spade"].data.set_index("factor")
    assert np.isfinite(spades.loc["rain", "cpsd_7"])
    assert np.isnan(spades.loc["rain", "cpsd_3"])
    assert "rain 7" in found.further["idsa"].choices[0]
    strata, unit = found.strata["rain"], maps["area"].values
    shift = found.further["shift"].data.set_index("factor")
    assert shift.loc["rain", "q"] == pytest.approx(
        found.factor.data.set_index("factor").loc["rain", "q"]
    )
    assert psd(maps["theta"].values.ravel(), strata, np.ones((SIDE**2,) * 2), unit.ravel()) < 1
    for name in ("gozh", "rgd"):
        assert "Classes declared for rain are not used" in found.further[name].cautions[0]
    assert "weights given are not used" in found.further["scale"].cautions[0]
    for name in ("spade", "idsa", "shift", "local"):
        assert any("Units are weighted" in text for text in found.further[name].choices), name


def test_detect_takes_what_detect_sample_takes(maps) -> None:
    given = {"classes": [3], "n_resamples": 99, "further": ["gozh"], "style": "gd"}
    whole = detect(maps, "theta", ["rain", "snow"], **given)
    parts = detect_sample(read_sample(maps, "theta", ["rain", "snow"]), **given)
    assert whole.factor.data.equals(parts.factor.data)
    assert set(whole.further) == {"gozh", "gozh_pairs"}
