import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from scipy import stats
from scipy.ndimage import gaussian_filter

from headwater.errors import DataError, GridError
from headwater.grids.geometry import cell_size, grid_coords
from headwater.inference import modified_t_test
from headwater.variation import correlate_maps
from headwater.variation import correlation_results as relations
from headwater.variation.map_correlation import matrix

SHAPE = (24, 30)


def field(seed, smooth=2.0, located=True, **attrs):
    rng = np.random.default_rng(seed)
    values = gaussian_filter(rng.normal(size=SHAPE), smooth)
    values[rng.random(SHAPE) < 0.05] = np.nan
    grid = GeoBox.from_bbox((98, 36, 101, 38.4), "EPSG:4326", resolution=0.1)
    return xr.DataArray(values, grid_coords(grid) if located else None, ("y", "x"), attrs=attrs)


def test_naive_and_honest_p_stand_side_by_side():
    maps = {name: field(seed) for seed, name in enumerate("abcd")}
    table = matrix(maps)
    assert len(table) == 6
    eastward, northward = cell_size(maps["a"])
    size = (float(abs(northward[12])), float(abs(eastward[12])))
    for row in table.to_dict("records"):
        x, y = maps[row["first"]].values, maps[row["second"]].values
        wanted = modified_t_test(x, y, cell_size=size)
        assert row["value"] == pytest.approx(wanted.r, rel=1e-12)
        assert row["p"] == pytest.approx(wanted.p_naive, rel=1e-12)
        assert row["p_effective"] == pytest.approx(wanted.p_value, rel=1e-9)
        assert row["n_effective"] == pytest.approx(wanted.effective_n, rel=1e-9)
        both = ~(np.isnan(x) | np.isnan(y))
        assert row["value"] == pytest.approx(stats.pearsonr(x[both], y[both])[0], rel=1e-10)
        assert row["n"] == both.sum()
    assert (table["n_effective"] < table["n"]).all()
    assert set(table.attrs["units"]) == {"value", "p", "n", "n_effective", "p_effective"}


def test_ranks_of_maps():
    a, b = field(4), np.exp(3.0 * field(5) + 30.0 * field(4))
    found = correlate_maps(a, b, method="spearman")
    both = ~(np.isnan(a.values) | np.isnan(b.values))
    rho, p = stats.spearmanr(a.values[both], b.values[both])
    assert found.statistic == "rho"
    assert found.value == pytest.approx(rho, rel=1e-10)
    assert found.p == pytest.approx(p, rel=1e-6, abs=1e-300)
    assert found.n_effective < found.n
    assert matrix({"a": a, "b": b}, method="spearman").loc[0, "value"] == pytest.approx(rho)
    with pytest.raises(DataError, match="unknown method"):
        correlate_maps(a, b, method="kendal")


def test_an_angle_has_an_honest_p_too():
    naive, honest = [], []
    for seed in range(60):
        height, wet = field(2 * seed, 3.0, False), field(2 * seed + 1, 3.0, False)
        north, east = np.gradient(height.values)
        aspect = wet.copy(data=np.degrees(np.arctan2(-east, north)) % 360)
        found = correlate_maps(aspect.assign_attrs(kind="circular"), wet)
        naive.append(found.p)
        honest.append(found.p_effective)
        assert found.n_effective < found.n
    assert np.mean(np.array(naive) < 0.05) > 0.5
    assert np.mean(np.array(honest) < 0.05) < 0.12


def test_constant_maps_few_cells_and_bad_values():
    a = field(7, located=False)
    flat = correlate_maps(a, xr.ones_like(a))
    assert np.isnan([flat.value, flat.p, flat.p_effective]).all()
    few = a.where(a == a.max())
    assert correlate_maps(few, a).n == 1
    assert np.isnan(correlate_maps(few, a).value)
    turns = xr.full_like(a, 90.0).assign_attrs(kind="circular")
    assert np.isnan(correlate_maps(turns, a).p_effective)
    strange = a.where(a != a.max(), np.inf)
    for pair in ((a, strange), (strange.assign_attrs(kind="circular"), a), (turns, strange)):
        with pytest.raises(DataError, match="infinite"):
            correlate_maps(*pair)
    with pytest.raises(DataError, match="infinite"):
        correlate_maps(a, strange, method="spearman")
    with pytest.raises(GridError, match="different cells"):
        correlate_maps(a[0], a[0])


def test_without_a_reference_system_distances_count_cells():
    a, b = field(8, located=False), field(9, located=False)
    wanted = modified_t_test(a.values, b.values)
    assert correlate_maps(a, b).p_effective == pytest.approx(wanted.p_value)


def test_only_honest_stars_in_the_figure():
    maps = {name: field(seed, 4.0) for seed, name in enumerate(("wet", "warm", "high"), start=20)}
    maps["aspect"] = field(30).copy(data=np.random.default_rng(1).uniform(0, 360, SHAPE))
    maps["aspect"].attrs["kind"] = "circular"
    result = relations.correlation_matrix(maps)
    texts = [text.get_text() for text in result.plot().axes[0].texts]
    table = result.data
    assert ((table["p"] < 0.05) & (table["p_effective"] > 0.05)).any()
    assert sum("*" in text for text in texts) == int((table["p_effective"] < 0.05).sum())
    assert sum("nₑ" in text for text in texts) == len(table)
    npt.assert_array_equal(table["n"] >= table["n_effective"], True)
