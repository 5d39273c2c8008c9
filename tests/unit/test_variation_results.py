import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.text import Text
from odc.geo.geobox import GeoBox

from headwater.errors import TimeAxisError
from headwater.grids.geometry import grid_coords
from headwater.grids.zones import elevation_bands
from headwater.variation import aggregate
from headwater.variation import correlation_results as relations
from headwater.variation import results_of as findings
from headwater.variation.summary import key_figures, summary_table

SHAPE = (6, 9)


def still(values, name, **attrs):
    grid = GeoBox.from_bbox((98, 36, 98.9, 36.6), "EPSG:4326", resolution=0.1)
    return xr.DataArray(values, grid_coords(grid), ("y", "x"), name, attrs)


def daily(seed=0, years=4, **attrs):
    rng = np.random.default_rng(seed)
    index = pd.date_range("2017-01-01", f"{2016 + years}-12-31")
    season = 0.03 * np.sin(2 * np.pi * (index.day_of_year.to_numpy() - 100) / 365)
    pattern = np.linspace(0.0, 0.05, SHAPE[1])
    noise = rng.normal(0, 0.01, (index.size, *SHAPE))
    values = 0.12 + season[:, None, None] + pattern + noise
    values[:, 0, 0] = np.nan
    about = {"units": "m3 m-3", "long_name": "Soil moisture", "kind": "continuous", "total": "mean"}
    cells = still(np.zeros(SHAPE), "soil_moisture")
    return xr.DataArray(
        values, {"time": index, **cells.coords}, ("time", "y", "x"), "soil_moisture", about | attrs
    )


@pytest.fixture(scope="module")
def cubes():
    data = daily()
    return {p: aggregate(data, p)["soil_moisture"] for p in ("month", "year", "growing_season")}


@pytest.fixture(scope="module")
def years(cubes):
    return {period: cubes[period] for period in ("year", "growing_season")}


@pytest.fixture
def draws(shows):
    """Check that a result draws these columns of its data, and leaves no figure open."""

    def check(result, *names):
        before = plt.get_fignums()
        shows(result.plot(None), result.data, *names)
        assert plt.get_fignums() == before

    return check


def test_every_month_of_the_record_has_its_area_mean(cubes, draws):
    monthly = cubes["month"]
    found = findings.monthly_series(monthly)
    table = found.data
    assert len(table) == monthly.sizes["time"]
    assert table["time"].iloc[1] == pd.Timestamp("2017-02-01")
    weights = findings.cell_area(monthly).where(np.isfinite(monthly[1]))
    expected = float((monthly[1] * weights).sum() / weights.sum())
    assert table["mean"].iloc[1] == pytest.approx(expected, rel=1e-6)
    assert (table["cell_low"] < table["mean"]).all()
    draws(found, "mean")


def test_months_in_chunks_of_whole_series_are_not_read_month_by_month(cubes):
    monthly = cubes["month"]
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    whole = monthly.chunk(time=-1)
    counted = whole.copy(data=whole.data.map_blocks(read, dtype=whole.dtype, meta=whole.data._meta))
    table = findings.monthly_series(counted).data
    assert len(reads) <= 4 < table.shape[0]
    pd.testing.assert_frame_equal(table, findings.monthly_series(monthly).data)


def test_the_mean_year_finds_its_months(cubes, draws):
    cycle = findings.seasonal_cycle(cubes["month"])
    table = cycle.data
    assert table["month"].tolist() == list(range(1, 13))
    assert int(table.loc[table["mean"].idxmax(), "month"]) in {6, 7}
    assert (table["year_low"] <= table["mean"]).all()
    assert (table["cell_low"] < table["cell_high"]).all()
    assert set(table["years"]) == {4}
    assert set(table["cells"]) == {SHAPE[0] * SHAPE[1] - 1}
    assert table.attrs["units"]["mean"] == "m3 m-3"
    draws(cycle, "mean", "year_low", "year_high", "cell_low", "cell_high")
    both = findings.seasonal_cycles({"a": cycle, "b": cycle})
    draws(both, "mean", "year_low", "year_high", "cell_low", "cell_high")


def test_years_stand_beside_growing_seasons(years, draws):
    found = findings.annual_series(years)
    assert found.data.groupby("period")["year"].apply(list).to_dict() == {
        "growing_season": [2017, 2018, 2019, 2020],
        "year": [2017, 2018, 2019, 2020],
    }
    assert found.data["coverage"].eq(1.0).all()
    draws(found, "mean", "cell_low", "cell_high")


def test_bands_have_their_own_lines(cubes, years, draws):
    heights = still(np.repeat(np.linspace(2000, 4000, 6)[:, None], 9, axis=1), "elevation")
    zones = elevation_bands(heights, count=3)
    found = findings.bands_through_time(cubes["month"], years, zones)
    assert list(dict.fromkeys(found.data["zone"])) == list(zones.names)
    assert len(found.data) == 3 * (12 + 4 + 4)
    draws(found, "mean")


def test_maps_say_what_the_field_of_tests_shows(cubes, years, draws, shows):
    found = findings.trend_map(years["year"])
    assert found.data["significant"].dtype == bool
    assert not found.data["significant"].any()
    assert "nothing could pass" in found.data.attrs["statement"]
    assert found.data.attrs["smallest_p"] == pytest.approx(1 / 12)
    assert any("4 years" in caution for caution in found.cautions)
    draws(found, "slope")
    shows(found.plot_p(), found.data, "p")
    for scope, cube in {"interannual": years["year"], "monthly": cubes["month"]}.items():
        cv = findings.cv_map(cube, scope)
        assert cv.data.attrs["scope"] == scope
        draws(cv, "cv")


def test_a_real_trend_is_found(draws):
    data = daily(years=20)
    rising = data + xr.DataArray(np.linspace(0, 0.2, data.sizes["time"]), dims="time")
    rising.attrs = data.attrs
    found = findings.trend_map(aggregate(rising.rename("wet"), "year")["wet"])
    assert int(found.data["significant"].sum()) == SHAPE[0] * SHAPE[1] - 1
    assert set(np.unique(found.data["trend_class"].values[~np.isnan(found.data["slope"])])) == {2}
    draws(found, "slope")
    dots = found.plot().axes[0].collections
    assert max(len(one.get_offsets()) for one in dots) == SHAPE[0] * SHAPE[1] - 1


def test_season_maps_keep_every_year(years, draws):
    found = findings.season_maps(years["growing_season"])
    assert found.data["yearly"].sizes["year"] == 4
    np.testing.assert_allclose(found.data["mean"], found.data["yearly"].mean("year"), rtol=1e-12)
    draws(found, "yearly")


def test_the_summary_tells_units_and_n(cubes, years):
    table = summary_table(key_figures(cubes["month"], years)).data
    told = table.set_index(["statistic", "period"])
    assert told.loc[("mean", "year"), "n"] == 4
    assert told.loc[("monthly CV", "mean year"), "n"] == 12
    assert told.loc[("spatial CV", "growing season"), "n"] == 53
    assert told.loc[("trend (Sen, Mann-Kendall)", "year"), "units"] == "m3 m-3 year-1"
    assert 0 < told.loc[("interannual CV", "year"), "value"] < 0.05


def test_temperature_has_standard_deviations_but_no_cv(draws):
    data = daily(units="degC", long_name="Air temperature")
    cubes = {p: aggregate(data, p)["soil_moisture"] for p in ("month", "year", "growing_season")}
    month = cubes.pop("month")
    table = summary_table(key_figures(month, cubes)).data
    assert not table["statistic"].str.contains("CV").any()
    assert (table["statistic"] == "standard deviation").sum() == 3
    draws(findings.annual_series(cubes), "mean")


def test_correlation_in_time_of_values_and_anomalies(cubes, draws):
    other = aggregate(daily(seed=1, long_name="Precipitation"), "month")["soil_moisture"]
    found = relations.correlation_map(cubes["month"], other.rename("precipitation"))
    assert float(found.data["r"].median()) > 0.8
    assert abs(float(found.data["anomaly_r"].median())) < 0.3
    assert found.data.attrs["months"] == 48
    draws(found, "r", "anomaly_r")
    panels = relations.correlation_panels({"precipitation": found, "again": found})
    assert panels.data["r"].sizes["factor"] == 2
    draws(panels, "r")
    with pytest.raises(TimeAxisError, match="share no time"):
        relations.correlation_map(cubes["month"][:12], other[20:])


def test_the_matrix_names_its_statistic_and_its_caution(cubes):
    rng = np.random.default_rng(2)
    maps = {
        "soil_moisture": cubes["month"].mean("time", keep_attrs=True),
        "aspect": still(rng.uniform(0, 360, SHAPE), "aspect", kind="circular", long_name="Aspect"),
        "vegetation": still(np.ones(SHAPE), "vegetation", kind="categorical"),
        "flat": still(np.ones(SHAPE), "flat", long_name="Flat"),
    }
    found = relations.correlation_matrix(maps, choices=("How the maps were made.",))
    assert found.data["statistic"].tolist() == ["R", "r", "R"]
    assert found.data["value"].isna().tolist() == [False, True, True]
    assert "How the maps were made." in found.choices
    assert any("Dutilleul" in text for text in found.choices)
    assert found.data["n_effective"].isna().tolist() == [False, True, True]
    assert any("vegetation" in text for text in found.choices)
    axes = found.plot().axes[0]
    drawn = axes.images[0].get_array().filled(np.nan)
    assert drawn[1, 0] == found.data["value"][0]
    assert np.isfinite(drawn).sum() == 1
    words = " ".join(text.get_text() for text in axes.texts)
    assert f"R {found.data['value'][0]:.2f}" in words
    assert words.count("–") == 2


def test_gappy_data_give_gaps_and_no_warning(draws):
    data = daily(years=2)
    data = data.where(data.time.dt.month > 6)
    cubes = {p: aggregate(data, p)["soil_moisture"] for p in ("month", "year", "growing_season")}
    month = cubes.pop("month")
    draws(findings.seasonal_cycle(month), "mean")
    series = findings.annual_series(cubes)
    assert series.data["mean"].isna().all()
    lines = [line for axes in series.plot().axes for line in axes.lines]
    assert not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in lines)
    empty = findings.trend_map(cubes["year"]).plot()
    assert "no data" in [text.get_text() for text in empty.findobj(Text)]
    assert "enough values" in findings.trend_map(cubes["year"]).data.attrs["statement"]
    table = summary_table(key_figures(month, cubes)).data
    assert np.isnan(table.set_index(["statistic", "period"]).loc[("mean", "year"), "value"])
