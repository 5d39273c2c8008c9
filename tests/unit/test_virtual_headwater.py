"""The virtual headwater as a whole: contract, reproducibility, noise, gaps, imposed trend."""

import numpy as np
import pytest
import xarray as xr

from headwater.errors import DataError, GridError
from headwater.glossary import GLOSSARY
from headwater.virtual import VirtualHeadwater, make_headwater
from headwater.virtual.frame import Frame, outline
from headwater.virtual.landscape import CLASSES, lay_landscape
from headwater.virtual.vegetation import GREENNESS, ndvi

SMALL = {"years": (2018, 2019), "shape": (12, 20)}


@pytest.fixture(scope="module")
def here() -> VirtualHeadwater:
    return make_headwater(seed=4, gaps=0.05, **SMALL)


def test_same_seed_gives_the_same_bits_and_another_seed_does_not(here):
    again, other = (
        make_headwater(seed=4, gaps=0.05, **SMALL),
        make_headwater(seed=5, gaps=0.05, **SMALL),
    )
    xr.testing.assert_identical(here.cube, again.cube)
    xr.testing.assert_identical(here.truth.fields, again.truth.fields)
    assert here.samples.equals(again.samples)
    for name in here.cube:
        assert not np.array_equal(here.cube[name], other.cube[name], equal_nan=True)
    assert not here.dem.equals(other.dem)


def test_one_year_does_not_depend_on_the_noise_or_gaps_asked_for(here):
    plain = make_headwater(seed=4, noise=0.0, gaps=0.0, **SMALL)
    xr.testing.assert_identical(plain.cube["precipitation"], here.cube["precipitation"])
    xr.testing.assert_identical(plain.truth.fields, here.truth.fields)
    assert np.array_equal(plain.cube["soil_moisture"], plain.truth.fields["soil_moisture"])


def test_cube_keeps_the_contract(here):
    assert set(here.cube) == {
        "soil_moisture",
        "precipitation",
        "temperature",
        "ndvi",
        "snow_melt",
    }
    for name, values in here.cube.items():
        assert values.dims == ("time", "y", "x")
        assert values.dtype == np.float32
        assert values.attrs["units"] == GLOSSARY[name].units
        assert values.attrs["total"] == GLOSSARY[name].total
        low, high = GLOSSARY[name].valid_range
        assert float(values.min()) >= low
        assert float(values.max()) <= high
        assert name == "soil_moisture" or bool(values.notnull().all())
    assert here.dem.shape == (120, 200)
    assert set(np.unique(here.vegetation)) <= set(CLASSES)
    assert here.vegetation.attrs["kind"] == "categorical"


def test_every_variable_of_the_truth_says_its_unit(here):
    for values in here.truth.fields.values():
        assert values.attrs["units"]
        assert values.attrs["long_name"]


def test_coordinates_and_crs_are_recognised_by_the_geo_libraries(here):
    import odc.geo.xr  # noqa: F401
    import rioxarray  # noqa: F401

    for labelled in (here.cube, here.dem, here.vegetation, here.truth.fields):
        assert labelled.rio.crs.to_epsg() == 4326
        assert labelled.odc.geobox.crs.epsg == 4326
    box = here.cube.odc.geobox.boundingbox
    assert here.dem.odc.geobox.boundingbox.bbox == pytest.approx(box.bbox)
    assert here.area.bounds == pytest.approx(box.bbox)


def test_observation_is_truth_plus_the_stated_noise_and_gaps(here):
    error = (here.cube["soil_moisture"] - here.truth.fields["soil_moisture"]).values
    assert np.isnan(error).mean() == pytest.approx(0.05, abs=0.005)
    valid = error[~np.isnan(error)]
    assert valid.std() == pytest.approx(here.truth.noise["soil_moisture"], rel=0.02)
    assert abs(valid.mean()) < 1e-4
    lost_days = np.isnan(error).all(axis=(1, 2)).sum()
    assert lost_days == round(730 * 0.05 / 4)


def test_gaps_spare_no_place_and_no_season(here):
    missing = here.cube["soil_moisture"].isnull()
    assert float(missing.mean("time").min()) > 0.02
    assert float(missing.mean("time").max()) < 0.09
    monthly = missing.groupby("time.month").mean(("time", "y", "x"))
    assert float(monthly.max()) < 0.15


def test_greenness_answers_the_true_soil_moisture_after_the_stated_lag(here):
    true = here.truth.fields["soil_moisture"].values
    air = here.cube["temperature"].values
    z = here.dem.values.reshape(12, 10, 20, 10).mean(axis=(1, 3))
    inside = here.truth.fields["inside"].values
    warmth = here.truth.lapse_rate * (z - z[inside].mean())
    green = ndvi(true, air, here.vegetation.values, warmth.astype(np.float32))
    error = here.cube["ndvi"].values - green
    assert error.std() == pytest.approx(here.truth.noise["ndvi"], rel=0.02)
    lags = {number: answer.lag for number, answer in GREENNESS.items()}
    assert {lags[int(n)] for n in np.unique(here.vegetation)} == set(
        np.unique(here.truth.fields["ndvi_lag"])
    )


@pytest.mark.parametrize("number", sorted(GREENNESS))
def test_a_pulse_of_soil_water_shows_after_exactly_the_lag(number):
    water = np.full((200, 1, 1), 0.1, np.float32)
    water[100] = 0.3
    hot = np.full((200, 1, 1), 25.0, np.float32)
    green = ndvi(water, hot, np.array([[number]], np.int8), np.zeros((1, 1), np.float32))[:, 0, 0]
    risen = np.flatnonzero(green > green[0] + 1e-5)
    # the fifteen-day window is centred on the lag
    assert risen.mean() - 100 == GREENNESS[number].lag
    assert risen.size == 15


def test_imposed_trend_is_small_eastern_and_nothing_in_the_middle(here):
    trend = here.truth.fields["trend"].values
    assert trend.min() >= 0.0
    assert trend[:, -1].min() == pytest.approx(0.002, rel=0.01)
    assert trend[:, 0].max() < 1e-5


def test_imposed_trend_is_what_the_record_rises_by():
    from headwater.virtual.headwater import impose_trend

    series = np.zeros((1827, 2, 2), np.float32)
    impose_trend(series, np.array([[0.001, 0.0], [0.01, -0.01]]))
    years = np.arange(1827) / 365.25
    slope = np.polyfit(years, series.reshape(1827, 4).astype(float), 1)[0]
    assert slope == pytest.approx([0.001, 0.0, 0.01, -0.01], abs=1e-8)
    assert np.abs(series[913]).max() < 1e-9


def test_fluxes_of_every_year_close_with_precipitation(here):
    fields = here.truth.fields
    for year in fields["year"].values:
        rain = here.cube["precipitation"].sel(time=str(year)).sum("time", dtype="float64")
        spent = (fields["evapotranspiration"] + fields["runoff"]).sel(year=year)
        residual = rain - spent - fields["storage_change"].sel(year=year)
        assert float(abs(residual).max()) < 1e-4


def test_annual_amounts_and_temperatures_are_met_exactly(here):
    inside = here.truth.fields["inside"]
    yearly = here.cube["precipitation"].astype("float64").resample(time="YS").sum()
    assert yearly.where(inside).mean(("y", "x")).values == pytest.approx([347.0, 366.72], abs=1e-2)
    warmth = here.cube["temperature"].astype("float64").resample(time="YS").mean()
    assert warmth.where(inside).mean(("y", "x")).values == pytest.approx([-3.62, -3.87], abs=1e-3)


def test_years_outside_the_study_are_drawn_but_stay_near_it():
    here = make_headwater(seed=2, years=(1999, 2000), shape=(6, 8))
    assert here.cube.sizes["time"] == 731
    rain = here.cube["precipitation"].where(here.truth.fields["inside"]).mean(("y", "x"))
    assert np.all(np.abs(rain.resample(time="YS").sum().values - 349.0) < 70.0)


def test_a_small_headwater_has_the_hypsometry_of_a_large_one():
    small, large = (
        np.quantile(lay_landscape(Frame(*shape, 0.05, 95.0, 37.0), seed=1).fine.z, [0.1, 0.5, 0.9])
        for shape in ((8, 12), (36, 83))
    )
    assert small == pytest.approx(large, abs=5.0)


def test_outline_fills_its_frame():
    area = outline(Frame(10, 20, 0.1, 95.0, 37.0))
    assert area.is_valid
    assert 0.6 < area.area / 2.0 < 0.8


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"years": (2020, 2019)}, DataError),
        ({"noise": -0.1}, DataError),
        ({"gaps": 1.0}, DataError),
        ({"seed": -1}, DataError),
        ({"shape": (3, 20)}, GridError),
        ({"resolution": 0.0}, GridError),
    ],
)
def test_impossible_headwaters_are_refused(asked, error):
    with pytest.raises(error, match=r"Found: .*\. Give"):
        make_headwater(**asked)
