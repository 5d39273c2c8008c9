"""The step "validation": tables, ISMN and networks; depths, flags, overpasses and strata."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from headwater.chapters import SECTIONS, STEPS
from headwater.chapters.validation.reference import read_reference
from headwater.chapters.validation.run import Comparison, compare_with_stations
from headwater.chapters.validation.tables import to_qa4sm
from headwater.errors import DataError
from headwater.grids import write_netcdf
from headwater.grids.geometry import grid_coords
from headwater.study import load_result, read_study, run
from headwater.study.checks import survey
from headwater.validation.scorecards import ScorecardOptions, scorecard

GRID = GeoBox((4, 5), Affine(0.25, 0, 99.0, 0, -0.25, 39.0), "EPSG:4326")
DAYS = pd.date_range("2019-04-01", periods=160)
RNG = np.random.default_rng(1)


def cube(values: np.ndarray, name: str = "soil_moisture") -> xr.DataArray:
    coords = {"time": DAYS, **grid_coords(GRID)}
    attrs = {"units": "m3 m-3", "long_name": name}
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, attrs=attrs, name=name)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    rng = np.random.default_rng(7)
    slow = np.cumsum(rng.normal(0.0, 0.012, (160, *GRID.shape)), axis=0)
    return np.clip(0.25 + slow - slow.mean(axis=0), 0.05, 0.5)


def stations(truth: np.ndarray, *, hours: tuple[int, ...] = (12,), swing: float = 0.0):
    """Stations in the middle of three cells, with a course over the day."""
    coords, rng, parts = grid_coords(GRID), np.random.default_rng(2), []
    for row, column in ((0, 0), (1, 2), (3, 4)):
        for hour in hours:
            values = truth[:, row, column] + swing * hour + rng.normal(0.0, 0.005, 160)
            parts.append(
                pd.DataFrame(
                    {
                        "station": f"P{row}",
                        "longitude": float(coords["x"][column]),
                        "latitude": float(coords["y"][row]),
                        "time": DAYS + pd.Timedelta(f"{hour}h"),
                        "soil_moisture": values.clip(0.0, 1.0).round(4),
                    }
                )
            )
    return pd.concat(parts)


def product(truth: np.ndarray, bias: float = 0.02, seed: int = 3) -> xr.DataArray:
    noise = np.random.default_rng(seed).normal(0.0, 0.02, truth.shape)
    return cube(np.clip(truth + bias + noise, 0.01, 0.7))


def test_a_study_compares_its_soil_moisture_and_reports_it(truth, tmp_path: Path) -> None:
    write_netcdf(product(truth).to_dataset(), tmp_path / "sm.nc")
    for name, seed in (("second", 4), ("third", 5)):
        write_netcdf(product(truth, 0.0, seed).to_dataset(), tmp_path / f"{name}.nc")
    stations(truth).to_csv(tmp_path / "stations.csv", index=False)
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "x"\n[inputs.soil_moisture]\npath = "sm.nc"\n[validation]\n'
        'reference = "stations.csv"\nproducts = { second = "second.nc", third = "third.nc" }\n'
        'correlated = [["second", "third"]]\nscaling = "mean_std"\n',
        encoding="utf-8",
    )
    study = read_study(tmp_path / "study.toml", STEPS)
    seen = survey(study, STEPS)
    assert seen.problems == ()
    assert any("3 series" in line for line in seen.tables)
    run(study, STEPS)
    found = {
        name: load_result(study.results, f"validation/{name}")
        for name in (
            "scorecard",
            "scorecard-scaled",
            "stations",
            "pairs",
            "pairwise",
            "collocation",
            "extended-collocation",
        )
    }
    whole = found["scorecard"].data.query("grouping == 'all' and series == 'raw'")
    assert whole.set_index("measure")["value"]["bias"] == pytest.approx(0.02, abs=0.004)
    assert len(found["stations"].data) == 3
    assert set(found["pairwise"].data["reference"]) >= {"station"}
    pairs = found["extended-collocation"].data["dataset"]
    assert "second & third" in set(pairs)
    named = xr.open_dataset(study.results / "validation" / "qa4sm.nc", engine="h5netcdf")
    assert named.sizes["loc"] == 3
    assert "R_between_0-reference_and_1-soil_moisture" in named
    chapter = SECTIONS["validation"](found, None)
    assert "unbiased RMSD" in chapter.headline[0]
    names = {block.name for block in chapter.blocks}
    drawn = [block.draw() for block in chapter.blocks if hasattr(block, "draw")]
    assert all(figure.axes for figure in drawn)
    assert {"summary", "stations", "boxes", "pairwise", "extended-collocation"} <= names


def composites(cube: xr.DataArray, days: int = 8) -> xr.DataArray:
    """Average by steps of some days, stamped at their first."""
    parts = [cube[at : at + days] for at in range(0, cube.sizes["time"], days)]
    means = [part.mean("time").expand_dims(time=part["time"][:1]) for part in parts]
    return xr.concat(means, "time").assign_attrs(cube.attrs).rename(cube.name)


def test_composites_are_compared_over_their_steps(truth, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    rising = truth + np.linspace(-0.1, 0.1, 160)[:, None, None]
    stations(rising).to_csv(path, index=False)
    found = compare_with_stations(
        composites(cube(rising)),
        path,
        Comparison(min_pairs=10),
        others={"daily": cube(rising + 0.01), "second": composites(cube(rising + 0.02))},
        rng=np.random.default_rng(1),
    )
    card = found["scorecard"]
    bias = card.data.query("grouping == 'all' and series == 'raw' and measure == 'bias'")
    # a first day stands 3.5 days before the middle of its step, when it is drier by 0.0044
    assert bias["value"].iloc[0] == pytest.approx(0.0, abs=0.0008)
    assert "steps last 8 days" in " ".join(card.choices)
    times = card.pairs["time"].unique()
    assert len(times) == 20
    assert pd.Timestamp(times[0]) == DAYS[4]
    pairwise = found["pairwise"].data
    assert set(pairwise["n"]) == {20}


def test_overpasses_are_matched_in_local_solar_time(truth, tmp_path: Path) -> None:
    path = tmp_path / "hourly.csv"
    stations(truth, hours=tuple(range(0, 24, 2)), swing=0.004).to_csv(path, index=False)
    # 6:00 solar time at 99-100 E is about 23:20 UTC of the day before, next to the values of 0:00
    early, late, daily = (
        compare_with_stations(
            product(truth, 0.0), path, Comparison(overpass=hours), rng=np.random.default_rng(1)
        )["scorecard"]
        .data.query("grouping == 'all' and measure == 'bias'")["value"]
        .iloc[0]
        for hours in ((6.0,), (18.0,), ())
    )
    assert early - late == pytest.approx(0.004 * 12, abs=0.006)
    assert min(early, late) < daily < max(early, late)


def test_dates_without_hours_are_not_of_an_overpass(truth, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    stations(truth, hours=(0,)).to_csv(path, index=False)
    with pytest.raises(DataError, match="dates without hours at P0, P1, P3"):
        compare_with_stations(
            product(truth, 0.0), path, Comparison(overpass=(6.0,)), rng=np.random.default_rng(1)
        )


def ismn(folder: Path, truth: np.ndarray) -> Path:
    home = folder / "ISMN" / "NET" / "S1"
    home.mkdir(parents=True)
    for top, bias in ((0.05, 0.0), (0.50, 0.1)):
        lines = [f"NET NET S1 38.875 99.125 3000.0 {top:.2f} {top:.2f} Probe"]
        for number, (day, value) in enumerate(zip(DAYS, truth[:, 0, 0], strict=True)):
            flag = "C03" if number % 10 == 0 else "G"
            lines.append(f"{day:%Y/%m/%d} 12:00 {value + bias:.4f} {flag} M")
        span = f"{DAYS[0]:%Y%m%d}_{DAYS[-1]:%Y%m%d}"
        name = f"NET_NET_S1_sm_{top:.6f}_{top:.6f}_Probe_{span}.stm"
        (home / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "ISMN"


def test_files_of_ismn_are_taken_by_depth_and_flag(truth, tmp_path: Path) -> None:
    folder = ismn(tmp_path, truth)
    every = read_reference(folder)
    assert len(every.places) == 2
    shallow = read_reference(folder, depth=(0.0, 0.1))
    assert len(shallow.places) == 1
    assert len(shallow.data) == 144
    assert "16 values" in " ".join(shallow.cautions)
    assert len(read_reference(folder, depth=(0.0, 0.1), flags=("G", "C03")).data) == 160
    with pytest.raises(DataError, match="no sensor of soil moisture"):
        read_reference(folder, depth=(0.8, 1.0))


def test_the_store_of_a_network_is_a_reference(truth, tmp_path: Path) -> None:
    from headwater.network import load_reading, open_store
    from headwater.network.ingest.ismn import read_ismn_archive

    folder = ismn(tmp_path, truth)
    path = tmp_path / "net.db"
    with open_store(str(path)) as store:
        load_reading(read_ismn_archive(folder), store)
    found = read_reference(path, depth=(0.0, 0.1))
    assert found.kind == "network"
    assert len(found.places) == 1
    card = compare_with_stations(product(truth), found, rng=np.random.default_rng(1))["scorecard"]
    bias = card.data.query("grouping == 'all' and measure == 'bias'")["value"].iloc[0]
    assert bias == pytest.approx(0.02, abs=0.005)


def test_strata_intervals_and_their_figures(truth, tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    stations(truth).to_csv(path, index=False)
    classes = xr.DataArray(
        np.where(np.arange(4)[:, None] < 2, 1, 2) * np.ones(GRID.shape),
        dims=("y", "x"),
        coords=grid_coords(GRID),
        attrs={"flag_values": [1, 2], "flag_meanings": "meadow forest"},
    )
    made = product(truth, 0.0)
    ends = xr.Dataset({"low": made - 0.0345, "high": made + 0.0345}, attrs={"interval": 0.90})
    found = compare_with_stations(
        made, path, strata=classes, intervals=ends, rng=np.random.default_rng(1)
    )
    assert set(found["stations"].data["stratum"]) == {"meadow", "forest"}
    groups = set(found["scorecard"].data.query("grouping == 'stratum'")["group"])
    assert groups == {"meadow", "forest"}
    every = found["intervals"].data.set_index("station").loc["all"]
    assert every["picp"] == pytest.approx(0.90, abs=0.04)
    boxes = found["scorecard"].plot(kind="boxes")
    labels = [text.get_text() for text in boxes.axes[0].get_yticklabels()]
    assert labels == ["raw  (3)", "meadow  (2)", "forest  (1)"]
    where = found["stations"].plot()
    marks = where.axes[0].collections[0]
    np.testing.assert_allclose(
        np.sort(marks.get_offsets()[:, 0]), np.sort(found["stations"].data["longitude"])
    )
    named = to_qa4sm(found["stations"], product="sm", reference="insitu")
    wanted = found["stations"].data["pearson"].to_numpy()
    np.testing.assert_array_equal(named["R_between_0-insitu_and_1-sm"].values, wanted)


def test_anomalies_of_full_series_keep_the_days_that_the_other_lacks() -> None:
    rng = np.random.default_rng(5)
    days = pd.date_range("2019-01-01", periods=300)
    season = 0.1 * np.sin(np.arange(300) / 40.0)
    truth = pd.DataFrame(0.25 + season + rng.normal(0, 0.02, 300), days, ["A"])
    product = truth + rng.normal(0, 0.01, (300, 1))
    # a product that is seen in bursts has other 35-day means on its days than on all
    product[(np.arange(300) % 40 > 12)] = np.nan
    series = ("short-term anomaly",)
    values = {}
    for way in ("full", "pairs"):
        card = scorecard(product, truth, options=ScorecardOptions(series=series, anomalies=way))
        values[way] = card.of("all", series[0])["ubrmsd"].iloc[0]
    assert values["full"] != values["pairs"]
    with pytest.raises(DataError, match="Did you mean 'pairs'"):
        scorecard(product, truth, options=ScorecardOptions(anomalies="pair"))
