"""Parts of a study area, and means over them that can be checked by hand."""

import dask.array
import numpy as np
import pytest
import xarray as xr

from headwater.errors import DataError
from headwater.grids.zonal import zone_mean
from headwater.grids.zones import aspect_sectors, class_names, class_zones, elevation_bands


def grid(values: object, **attrs: str) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=float), dims=("y", "x"), attrs=attrs)


HEIGHTS = grid([[2000, 2999], [3000, 4000], [3500, np.nan]])


def test_equal_bands_include_their_lower_limit_and_the_summit() -> None:
    bands = elevation_bands(HEIGHTS, count=2)
    assert bands.names == ("2000–3000 m", "3000–4000 m")
    assert bands.edges.tolist() == [2000, 3000, 4000]
    assert np.array_equal(bands.labels, [[0, 0], [1, 1], [1, np.nan]], equal_nan=True)
    assert bands.labels.dtype == np.float32
    assert (bands.kind, bands.count) == ("elevation", 2)


def test_quantile_bands_hold_equally_many_cells() -> None:
    heights = grid(np.random.default_rng(0).gamma(2, 800, (30, 40)) + 2000)
    bands = elevation_bands(heights, count=5, method="quantile")
    _, counts = np.unique(bands.labels, return_counts=True)
    assert counts.tolist() == [240] * 5


def test_given_edges_tell_how_many_cells_they_leave_out() -> None:
    bands = elevation_bands(HEIGHTS, edges=[2500, 3000, 3600])
    assert np.array_equal(bands.labels, [[np.nan, 0], [1, np.nan], [1, np.nan]], equal_nan=True)
    assert bands.labels.attrs["outside"] == 2


def test_narrow_bands_keep_their_decimals() -> None:
    assert elevation_bands(grid([[1.0, 1.5]]), count=2).names == ("1.00–1.25 m", "1.25–1.50 m")


def test_one_band_of_a_plain_is_allowed() -> None:
    bands = elevation_bands(grid([[2000, 2000]]), count=1)
    assert bands.labels.values.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("heights", "choices", "words"),
    [
        (grid([[2000, 2000]]), {"count": 2}, "cannot be divided into 2 bands"),
        (grid([[1, 1, 1, 2]]), {"count": 3, "method": "quantile"}, "2 different elevations"),
        (HEIGHTS, {"edges": [3000, 2500]}, "must increase"),
        (HEIGHTS, {"edges": [3000]}, "must increase"),
        (HEIGHTS, {"count": 0}, "count=0"),
        (HEIGHTS, {"method": "jenks"}, "method='jenks'"),
        (HEIGHTS * np.nan, {}, "no valid cell"),
    ],
)
def test_impossible_bands_are_refused(heights, choices, words) -> None:
    with pytest.raises(DataError, match=words):
        elevation_bands(heights, **choices)


@pytest.mark.parametrize(
    ("count", "azimuths", "codes"),
    [
        (4, [0, 44.9, 45, 134.9, 180, 270, 314.9, 315, 360], [0, 0, 1, 1, 2, 3, 3, 0, 0]),
        (8, [0, 22.4, 22.5, 90, 135, 225, 292.5, 337.5], [0, 0, 1, 2, 3, 5, 7, 0]),
    ],
)
def test_sectors_are_centred_on_the_winds(count, azimuths, codes) -> None:
    sectors = aspect_sectors(grid([azimuths]), count=count)
    assert sectors.labels.values[0].tolist() == codes
    assert sectors.names[:2] == (("N", "E") if count == 4 else ("N", "NE"))


def test_flat_land_is_in_no_sector() -> None:
    assert aspect_sectors(grid([[np.nan, 90]])).labels.isnull().values.tolist() == [[True, False]]


def test_impossible_azimuths_are_refused() -> None:
    with pytest.raises(DataError, match="from -1 to 90"):
        aspect_sectors(grid([[-1, 90]]))
    with pytest.raises(DataError, match="4 or 8"):
        aspect_sectors(grid([[90]]), count=6)


def test_classes_keep_the_order_of_their_codes() -> None:
    zones = class_zones(grid([[30, 10], [np.nan, 20]]), {10: "meadow", 30: "rock"})
    assert zones.names == ("meadow", "20", "rock")
    assert np.array_equal(zones.labels, [[2, 0], [np.nan, 1]], equal_nan=True)
    with pytest.raises(DataError, match="no valid cell"):
        class_zones(grid([[np.nan]]))


def cube(seed: int = 0, shape: tuple[int, int, int] = (9, 6, 7)) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.2, 0.05, shape).astype("float32")
    values[rng.random(shape) < 0.2] = np.nan
    coords = {"time": np.arange("2020-01", "2020-10", dtype="datetime64[M]").astype("<M8[ns]")}
    return xr.DataArray(
        values, dims=("time", "y", "x"), coords=coords, attrs={"units": "m3 m-3"}, name="sm"
    )


def zones_and_area(seed: int = 1):
    rng = np.random.default_rng(seed)
    classes = grid(rng.integers(0, 4, (6, 7)))
    classes[0, :3] = np.nan
    return class_zones(classes), grid(rng.uniform(10, 30, (6, 7)))


def test_zone_means_are_weighted_by_the_area_that_is_valid_at_each_time() -> None:
    data, (zones, area) = cube(), zones_and_area()
    means = zone_mean(data, zones, area)
    for code in range(zones.count):
        weights = area.where(zones.labels == code, 0.0)
        expected = data.astype("float64").weighted(weights).mean(("y", "x"))
        assert np.allclose(means["mean"][:, code], expected, rtol=1e-14, atol=0)
        valid = data.notnull() & (zones.labels == code)
        assert (means["n"][:, code] == valid.sum(("y", "x"))).all()
        assert np.allclose(means["area_valid"][:, code], (valid * area).sum(("y", "x")))
    assert means["mean"].attrs["units"] == "m3 m-3"
    assert means["n"].dtype == np.int64


def test_a_zone_without_valid_cells_is_missing_with_n_zero() -> None:
    data, (zones, area) = cube(), zones_and_area()
    data = data.where((zones.labels != 2) | (data.time.dt.month != 3))
    third = zone_mean(data, zones, area).isel(time=2, zone=2)
    assert np.isnan(third["mean"])
    assert (third["n"], third["area_valid"]) == (0, 0.0)


@pytest.mark.parametrize(
    "chunks", [{"time": 2}, {"time": 4, "y": 2, "x": 3}, {"y": 1}], ids=["time", "all", "rows"]
)
def test_lazy_cubes_stay_lazy_keep_their_time_chunks_and_give_the_same(chunks) -> None:
    data, (zones, area) = cube(), zones_and_area()
    lazy = zone_mean(data.chunk(chunks), zones, area)
    assert isinstance(lazy["mean"].data, dask.array.Array)
    assert lazy["mean"].chunks[0] == data.chunk(chunks).chunks[0]
    whole = zone_mean(data, zones, area)
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-14)
    assert (lazy["n"].compute() == whole["n"]).all()


def test_a_map_has_means_without_time() -> None:
    data, (zones, area) = cube(), zones_and_area()
    one = zone_mean(data.isel(time=3, drop=True), zones, area)
    assert one["mean"].dims == ("zone",)
    assert np.array_equal(one["mean"], zone_mean(data, zones, area)["mean"][3], equal_nan=True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.transpose("y", "x", "time"), "zone means need the dimensions"),
        (lambda data: data.isel(x=slice(3)), "not on the same cells"),
        (lambda data: data.assign_attrs(kind="circular"), "no arithmetic mean"),
    ],
)
def test_data_that_does_not_fit_is_refused(spoil, words) -> None:
    zones, area = zones_and_area()
    with pytest.raises(DataError, match=words):
        zone_mean(spoil(cube()), zones, area)


def test_flags_name_classes_and_a_class_without_a_name_keeps_its_number() -> None:
    classes = grid([[1, 2], [3, np.nan]]).assign_attrs(
        flag_values=[1, 2], flag_meanings="desert alpine_meadow"
    )
    assert class_zones(classes, class_names(classes)).names == ("desert", "alpine meadow", "3")
    assert class_names(classes.assign_attrs(flag_meanings="desert")) == {}
