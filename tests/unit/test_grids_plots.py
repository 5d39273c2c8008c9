"""What a map shows: the right way up, to scale, and honest about what is missing."""

import warnings

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Geod
from shapely.geometry import MultiPolygon, box

from headwater.errors import CRSError, DataError
from headwater.figures import new_figure, render
from headwater.grids._cartography import map_frame
from headwater.grids.geometry import grid_coords
from headwater.grids.plots import draw_map, map_figure, map_panels, quantity_label, unit_label

QILIAN = GeoBox((72, 166), Affine(0.05, 0, 94.87, 0, -0.05, 40.03), "EPSG:4326")
MOSEL = GeoBox((6, 9), Affine(24000, 0, 4.02e6, 0, -24000, 3.0e6), "EPSG:3035")


def map_on(grid: GeoBox, values: object = None, **attrs: object) -> xr.DataArray:
    if values is None:
        values = np.random.default_rng(0).normal(size=grid.shape)
    return xr.DataArray(values, dims=("y", "x"), coords=grid_coords(grid), attrs=attrs)


def words_in(figure) -> list[str]:
    from matplotlib.text import Text

    render(figure, "png", dpi=50)
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_rows_up_and_rows_down_are_the_same_picture() -> None:
    down = map_on(QILIAN)
    up = down.isel(y=slice(None, None, -1))
    first, second = (
        map_figure(data, stipple=data > 1, title="same").axes[0] for data in (down, up)
    )
    assert np.array_equal(first.images[0].get_array(), second.images[0].get_array())
    assert np.allclose(first.images[0].get_extent(), second.images[0].get_extent())
    dots = [np.sort(axes.collections[0].get_offsets(), axis=0) for axes in (first, second)]
    assert np.allclose(*dots)


def test_north_is_up() -> None:
    image = draw_map(new_figure().add_subplot(), map_on(QILIAN, np.indices(QILIAN.shape)[0]))
    assert image.get_array()[0, 0] == 0
    assert image.get_extent() == pytest.approx([94.87, 103.17, 36.43, 40.03])


def test_geographic_maps_are_to_scale_at_their_middle() -> None:
    axes = new_figure().add_subplot()
    draw_map(axes, map_on(QILIAN))
    assert axes.get_aspect() == pytest.approx(1 / np.cos(np.radians(38.2)), rel=0.005)
    projected = new_figure().add_subplot()
    draw_map(projected, map_on(MOSEL))
    assert projected.get_aspect() == 1.0


def test_ticks_are_degrees_or_kilometres() -> None:
    assert {"96°E", "39°N"} <= set(words_in(map_figure(map_on(QILIAN))))
    assert {"4100 km", "2950 km"} <= set(words_in(map_figure(map_on(MOSEL))))
    west = GeoBox((20, 20), Affine(0.1, 0, -1, 0, -0.1, 1), "EPSG:4326")
    assert {"0.5°W", "0°", "0.5°S"} <= set(words_in(map_figure(map_on(west))))


@pytest.mark.parametrize("code", ["EPSG:4326", "EPSG:3857", "EPSG:2263"])
def test_the_scale_bar_is_true_on_the_ground(code: str) -> None:
    from pyproj import Transformer

    step, left, top = (0.05, 10.0, 60.0) if code == "EPSG:4326" else (5000.0, 1.0e6, 8.4e6)
    grid = GeoBox((20, 30), Affine(step, 0, left, 0, -step, top), code)
    km_per_unit, _ = map_frame(grid)
    x, y = left + 15 * step, top - 10.5 * step
    ends = Transformer.from_crs(code, "EPSG:4326", always_xy=True).transform(
        [x - step, x + step], [y, y]
    )
    geod = Geod(ellps="WGS84")
    metres = geod.inv(ends[0][0], ends[1][0], ends[0][1], ends[1][1])[2]
    assert km_per_unit * 2 * step == pytest.approx(metres / 1000, rel=2e-3)


def test_the_bar_has_a_round_length() -> None:
    assert "100 km" in words_in(map_figure(map_on(QILIAN)))
    assert "50 km" in words_in(map_figure(map_on(MOSEL)))


def test_a_rotated_map_has_a_north_arrow() -> None:
    far = GeoBox((20, 30), Affine(24000, 0, 6.5e6, 0, -24000, 3.6e6), "EPSG:3035")
    assert map_frame(far)[1] < -20
    assert "N" in words_in(map_figure(map_on(far)))
    assert "N" not in words_in(map_figure(map_on(MOSEL)))


def test_the_scale_is_robust_and_says_that_values_go_on() -> None:
    values = np.linspace(0, 1, 72 * 166).reshape(72, 166)
    values[0, 0] = 1e6
    figure = map_figure(map_on(QILIAN, values))
    image = figure.axes[0].images[0]
    assert image.norm.vmin == pytest.approx(0.02, abs=1e-3)
    assert image.norm.vmax == pytest.approx(0.98, abs=1e-3)
    assert image.colorbar.extend == "both"
    given = map_figure(map_on(QILIAN, values), limits=(0, 1)).axes[0].images[0]
    assert (given.norm.vmin, given.norm.vmax, given.colorbar.extend) == (0, 1, "max")


@pytest.mark.parametrize(
    ("choices", "center"), [({"quantity": "trend"}, 0), ({"quantity": "ndvi", "center": 3}, 3)]
)
def test_diverging_maps_are_centred(choices, center) -> None:
    image = map_figure(map_on(QILIAN) + 1, **choices).axes[0].images[0]
    assert (image.norm.vmin + image.norm.vmax) / 2 == pytest.approx(center)


def test_aspect_has_a_scale_of_winds() -> None:
    figure = map_figure(map_on(QILIAN, np.full(QILIAN.shape, 90.0)), quantity="aspect")
    assert {"N", "E", "S", "W"} <= set(words_in(figure))
    assert figure.axes[0].images[0].norm.vmax == 360


def test_missing_cells_are_told() -> None:
    values = np.ones(MOSEL.shape)
    assert "no data" not in words_in(map_figure(map_on(MOSEL, values)))
    values[0, 0] = np.nan
    assert "no data" in words_in(map_figure(map_on(MOSEL, values)))


def test_nothing_but_missing_cells_is_said_and_not_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = words_in(map_figure(map_on(MOSEL, np.full(MOSEL.shape, np.nan))))
    assert "no valid data" in words


def test_n_label_outline_and_stipples_are_named() -> None:
    marked = map_on(QILIAN) > 1
    marked.attrs["long_name"] = "significant at α(FDR) = 0.10"
    words = words_in(
        map_figure(
            map_on(QILIAN, long_name="Soil moisture", units="m3 m-3", n=1826),
            title="Mean",
            outline=MultiPolygon([box(95, 37, 97, 39), box(98, 37, 99, 38)]),
            stipple=marked,
        )
    )
    expected = {
        "n = 1826",
        "Soil moisture (m³\u00a0m⁻³)",
        "study area",
        "significant at α(FDR) = 0.10",
    }
    assert expected <= set(words)


def test_stipples_are_thinned_and_never_on_missing_cells() -> None:
    values = np.ones(QILIAN.shape)
    values[:, :83] = np.nan
    everywhere = map_on(QILIAN, np.ones(QILIAN.shape, dtype=bool))
    dots = map_figure(map_on(QILIAN, values), stipple=everywhere).axes[0].collections[0]
    places = dots.get_offsets()
    assert 100 < len(places) < 2000
    assert places[:, 0].min() > 94.87 + 83 * 0.05


def test_classes_have_a_legend_of_those_that_occur() -> None:
    values = np.arange(54.0).reshape(6, 9) % 3
    values[0, 0] = 7
    words = words_in(map_figure(map_on(MOSEL, values), categories=["low", "middle", "high", "top"]))
    assert {"low", "middle", "high", "class 7"} <= set(words)
    assert "top" not in words
    image = draw_map(
        new_figure().add_subplot(), map_on(MOSEL, values), categories={0: "a", 2: "b", 1: "c"}
    )
    colors = {tuple(image.cmap(image.norm(code))) for code in (0, 1, 2, 7)}
    assert len(colors) == 4


@pytest.mark.parametrize("count", [1, 6, 12, 30])
def test_any_number_of_classes_keeps_its_colours_apart(count: int) -> None:
    values = np.arange(54.0).reshape(6, 9) % count
    for quantity in ("", "elevation", "aspect"):
        image = draw_map(
            new_figure().add_subplot(),
            map_on(MOSEL, values),
            quantity=quantity,
            categories=[f"class {i}" for i in range(count)],
        )
        colors = {tuple(image.cmap(image.norm(code))) for code in range(count)}
        assert len(colors) == count


def test_panels_share_one_scale() -> None:
    base = map_on(MOSEL)
    months = xr.concat([base + step for step in range(5)], "month")
    figure = map_panels(months, titles=list("abcde"), columns=4)
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == 5
    assert len({id(image.norm) for image in images}) == 1
    words = words_in(figure)
    assert set("abcde") <= set(words)
    assert words.count("50 km") == 1


def test_panels_draw_stipples_of_their_own() -> None:
    base = map_on(MOSEL)
    two = xr.concat([base, base], "factor")
    marked = xr.concat([base > 9, base > -9], "factor")
    figure = map_panels(
        two, titles=["none", "all"], stipple=marked, outline=box(4.1e6, 2.9e6, 4.2e6, 2.95e6)
    )
    dots = [len(axes.collections[-1].get_offsets()) for axes in figure.axes[:2]]
    assert dots == [0, 54]
    assert {"study area", "significant"} <= set(words_in(figure))


def test_what_is_no_map_is_refused() -> None:
    stack = xr.concat([map_on(MOSEL)] * 2, "time")
    with pytest.raises(DataError, match=r"a map needs the dimensions \(y, x\)"):
        map_figure(stack)
    with pytest.raises(DataError, match="2 panels and 1 titles"):
        map_panels(stack, titles=["one"])
    with pytest.raises(DataError, match="stipples"):
        map_figure(map_on(MOSEL), stipple=map_on(QILIAN) > 0)
    with pytest.raises(CRSError):
        map_figure(map_on(MOSEL).drop_vars("spatial_ref"))


def test_labels_are_printed_as_people_write_them() -> None:
    assert unit_label("W m-2") == "W m⁻²"
    assert unit_label("degree") == "°"
    assert unit_label("%") == "%"
    assert quantity_label(xr.DataArray(0.0, name="soil_water")) == "soil water"
    assert quantity_label(xr.DataArray(0.0, attrs={"long_name": "NDVI", "units": "1"})) == "NDVI"
