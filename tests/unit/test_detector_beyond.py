"""Spatial power, local q, size of the cells, and tables, against loops and by hand."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from headwater.detector import stratify
from headwater.detector.local import local_q, window_q
from headwater.detector.null_models import GridSpectral
from headwater.detector.q import q_statistic, stratum_sums
from headwater.detector.resample import Resampling
from headwater.detector.scale import coarsen, scale_sweep
from headwater.detector.search_options import Search
from headwater.detector.spatial_association import (
    GridWeights,
    cpsd,
    distance_weights,
    psd,
    spade,
    spatial_variance,
)
from headwater.detector.strata import as_strata
from headwater.detector.table_detection import figures_of, from_table, on_lattice, summary_lines
from headwater.errors import CRSError, DataError, StudyError
from headwater.grids import cell_area
from headwater.grids.geometry import grid_coords


@pytest.fixture
def maps() -> xr.Dataset:
    rng = np.random.default_rng(1)
    grid = GeoBox((30, 40), Affine(0.1, 0, 95, 0, -0.1, 40), "EPSG:4326")
    rain, ndvi = (gaussian_filter(rng.normal(size=(30, 40)), 3) * 8 for _ in range(2))
    theta = rain + ndvi * (np.arange(40) > 20) + rng.normal(0, 0.3, (30, 40))
    theta[:3, :5] = np.nan
    layers = {"theta": theta, "rain": rain, "ndvi": ndvi}
    data = {name: (("y", "x"), layer, {"long_name": name}) for name, layer in layers.items()}
    return xr.Dataset(data, coords=grid_coords(grid))


def test_spatial_variance_is_the_double_sum() -> None:
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=9) + 300, rng.uniform(size=(9, 9))
    codes = np.array([0, 0, 0, 1, 1, 1, 1, 2, -1], np.int32)
    n, gamma = spatial_variance(y, weights, codes)
    assert n.tolist() == [3, 4, 1]
    for stratum in (0, 1):
        pairs = [
            (weights[i, j], (y[i] - y[j]) ** 2 / 2)
            for i in range(9)
            for j in range(9)
            if i != j and codes[i] == codes[j] == stratum
        ]
        direct = sum(w * d for w, d in pairs) / sum(w for w, _ in pairs)
        assert gamma[stratum] == pytest.approx(direct, rel=1e-12)
    assert np.isnan(gamma[2])


@pytest.mark.parametrize("bandwidth", [3.5, np.inf])
def test_grid_weights_are_those_of_the_pairs(bandwidth: float) -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=(7, 9)) + 50
    y[2, 3] = np.nan
    rows, columns = np.mgrid[0:7, 0:9]
    places = np.column_stack([2.0 * rows.ravel(), columns.ravel()])
    pairs = distance_weights(places, power=1.5, bandwidth=bandwidth)
    strata = as_strata(rng.integers(0, 3, (7, 9)))
    grid = GridWeights((2.0, 1.0), 1.5, bandwidth)
    flat = as_strata(strata.codes.ravel())
    assert psd(y, strata, grid) == pytest.approx(psd(y.ravel(), flat, pairs), rel=1e-9)


def test_equal_weights_make_psd_nearly_q() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=400) + np.repeat([0.0, 1.0], 200)
    strata = as_strata(np.repeat([0, 1], 200))
    q = q_statistic(stratum_sums(y, strata.codes, 2))
    assert psd(y, strata, np.ones((400, 400))) == pytest.approx(q.adjusted, abs=2e-3)
    assert cpsd(y, y, strata, np.ones((400, 400))) == pytest.approx(1.0)


def test_smooth_noise_is_significant_by_shuffling_and_not_by_waves() -> None:
    rng = np.random.default_rng(3)
    y, x = (gaussian_filter(rng.normal(size=(24, 30)), 3) for _ in range(2))
    weights, rng = GridWeights(bandwidth=3), np.random.default_rng(0)
    p = []
    for null in (None, GridSpectral(np.arange(y.size), y.shape)):
        by = Resampling(rng, null, n_resamples=59)
        found = spade(y, {"x": x}, weights, classes=[4], resampling=by)
        p.append(found.data["p_value"][0])
    assert p[0] < 0.05 < p[1]


def test_spade_refuses_what_it_cannot_weigh() -> None:
    y = np.arange(12.0)
    with pytest.raises(DataError, match="not of the units"):
        spade(y, {"x": y}, np.ones((5, 5)))
    with pytest.raises(DataError, match="need maps"):
        spade(y, {"x": y}, GridWeights())
    with pytest.raises(DataError, match="share a place"):
        distance_weights([[0.0, 0.0], [0.0, 0.0]])


def test_local_q_is_q_of_the_cells_in_the_window() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(size=(13, 17)) + 280
    y[4:6, 7] = np.nan
    strata = as_strata(rng.integers(0, 3, (13, 17)))
    found = window_q(y, strata, window=5, min_units=6, min_stratum_units=2)
    for row, column in ((0, 0), (6, 8), (12, 16), (5, 0)):
        cut = np.s_[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        sums = stratum_sums(y[cut], strata.codes[cut], 3).drop(2)
        direct = q_statistic(sums)
        assert found.q[row, column] == pytest.approx(direct.q, abs=1e-9)
        assert found.adjusted[row, column] == pytest.approx(direct.adjusted, abs=1e-9)
        assert (found.n[row, column], found.strata[row, column]) == (direct.n, direct.strata)


def test_windows_that_cannot_answer_are_empty() -> None:
    flat = window_q(
        np.full((9, 9), 3.0), as_strata(np.indices((9, 9))[1] % 2), min_units=4, window=3
    )
    assert np.isnan(flat.q).all()
    few = window_q(np.arange(81.0).reshape(9, 9), as_strata(np.indices((9, 9))[1] % 2), window=3)
    assert np.isnan(few.q).all()
    assert few.n[4, 4] == 9
    with pytest.raises(DataError, match="window"):
        window_q(np.zeros((4, 4)), as_strata(np.zeros((4, 4))), window=4)


def test_local_maps_draw_and_keep_their_grid(maps, shows) -> None:
    parts = {name: stratify(maps[name].values, "quantile", 4) for name in ("rain", "ndvi")}
    found = local_q(maps["theta"], parts, window=11)
    q = found.data["ndvi_q_adjusted"]
    assert float(q[:, 26:].mean()) > float(q[:, :14].mean()) + 0.2
    assert found.data["rain_n"].attrs["units"] == "1"
    shows(found.plot(), found.data, "rain_q_adjusted", "ndvi_q_adjusted")
    with pytest.raises(CRSError):
        local_q(maps["theta"].drop_vars("spatial_ref"), parts, window=11).plot()


def test_coarse_cells_are_means_by_area(maps) -> None:
    coarse = coarsen(maps, 3)
    block = np.s_[27:30, 6:9]
    area = cell_area(maps).values[block]
    direct = (maps["theta"].values[block] * area).sum() / area.sum()
    assert coarse["theta"].values[9, 2] == pytest.approx(direct, rel=1e-12)
    assert coarse.sizes == {"y": 10, "x": 14}
    np.testing.assert_allclose(coarse["x"][:2], [95.15, 95.45])
    assert np.isnan(coarse["theta"].values[0, 0])
    # the last column of cells has a third of its area on the map
    assert np.isnan(coarse["rain"].values[:, 13]).all()
    np.testing.assert_array_equal(coarsen(maps, 1)["rain"], maps["rain"])


def test_coarse_directions_and_classes() -> None:
    aspect = [[350.0, 10.0, 0.0, 180.0], [350.0, 10.0, 0.0, 180.0]]
    cover = [[1.0, 2.0, 3.0, 3.0], [2.0, 2.0, np.nan, 5.0]]
    data = xr.Dataset({"aspect": (("y", "x"), aspect), "cover": (("y", "x"), cover)})
    coarse = coarsen(data, 2, kinds={"aspect": "circular", "cover": "categorical"})
    np.testing.assert_allclose(np.cos(np.radians(coarse["aspect"].values[0, 0])), 1.0)
    assert np.isnan(coarse["aspect"].values[0, 1])
    assert coarse["cover"].values.tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("rule", ["quantile", "rise"])
def test_sizes_of_cells(maps, rule, shows) -> None:
    found = scale_sweep(
        maps, "theta", sizes=[1, 2, 3, 4, 5, 20], rule=rule, search=Search(classes=(4, 5))
    )
    assert set(found.data["size"]) == {1, 2, 3, 4, 5}
    assert any("Size 20 was left out" in caution for caution in found.cautions)
    assert len(set(found.best["size"])) == 1
    shows(found.plot(), found.data, "q_adjusted")
    with pytest.raises(StudyError, match="rule"):
        scale_sweep(maps, "theta", rule="largest")  # type: ignore[arg-type]


@pytest.fixture
def rows(maps) -> pd.DataFrame:
    return maps.to_dataframe().reset_index().drop(columns="spatial_ref")


def test_places_of_rows_become_maps(maps, rows) -> None:
    shuffled = rows.sample(frac=1.0, random_state=0)
    laid = on_lattice(shuffled, ("x", "y"), ["theta", "rain"])
    np.testing.assert_allclose(laid["theta"], maps["theta"])
    np.testing.assert_allclose(laid["x"], maps["x"])
    scattered = rows.assign(x=rows["x"] + np.random.default_rng(0).uniform(0, 0.1, len(rows)))
    assert on_lattice(scattered, ("x", "y"), ["theta"]) is None
    assert on_lattice(pd.concat([rows, rows]), ("x", "y"), ["theta"]) is None


def test_a_table_with_places_is_tested_by_its_smoothness(rows) -> None:
    found = from_table(rows, "theta", coordinates=("x", "y"), classes=(3, 4))
    assert set(found.factor.data["factor"]) == {"rain", "ndvi"}
    assert "maps" in figures_of(found)
    text = "\n".join(summary_lines(found))
    assert "rain × ndvi" in text
    assert "less the sum" in text
    assert "Caution:" in text


def test_columns_may_be_called_as_the_axes_of_a_map(rows) -> None:
    named = rows.rename(columns={"theta": "y", "ndvi": "x", "x": "lon", "y": "lat"})
    found = from_table(named, "y", ["x", "rain"], coordinates=("lon", "lat"), classes=(4, 4))
    assert set(found.factor.data["factor"]) == {"x (column)", "rain"}


def test_scattered_points_are_tested_as_neighbours(rows) -> None:
    few = rows.dropna().sample(150, random_state=1)
    few["x"] += np.random.default_rng(0).uniform(0, 0.05, len(few))
    found = from_table(few, "theta", coordinates=("x", "y"), classes=(4, 4))
    assert found.maps is None
    assert set(found.factor.data["factor"]) == {"rain", "ndvi"}
    assert "p_spatial" in found.factor.data


class Shapes(pd.DataFrame):
    """What a GeoDataFrame shows of itself."""

    _metadata: ClassVar[list[str]] = []

    @property
    def geometry(self) -> pd.Series:
        return self["geometry"]


def test_shapes_are_no_factor(rows, shows) -> None:
    shapes = Shapes(rows.drop(columns=["y", "x"]).assign(geometry=object()))
    found = from_table(shapes, "theta", classes=(4, 4))
    assert set(found.factor.data["factor"]) == {"rain", "ndvi"}
    # two factors make one pair; figures of pairs and of the search are in test_detector_detect.py
    assert {"factor", "risk", "interaction", "ecological"} <= set(figures_of(found))
    for name in ("factor", "risk"):
        shows(figures_of(found)[name](), found.results()[name].data)


def test_a_table_says_what_is_wrong(rows) -> None:
    with pytest.raises(DataError, match="Did you mean 'rain'"):
        from_table(rows, "theta", ["rian"])
    with pytest.raises(DataError, match="two kinds"):
        from_table(rows, "theta", category=["rain"], circular=["rain"])
    with pytest.raises(DataError, match="not a table"):
        from_table([1, 2], "theta")
