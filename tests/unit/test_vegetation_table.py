"""Vegetation from a table without a study: what is found, and what is said of bad tables."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from headwater.chapters.vegetation.inputs import greenest_months
from headwater.chapters.vegetation.options import VegetationOptions
from headwater.chapters.vegetation.places import describe_places
from headwater.chapters.vegetation.table import read_greenness
from headwater.cli import app
from headwater.errors import DataError, HeadwaterError, InputError, TimeAxisError
from headwater.results import Result
from headwater.study import load_result, save_result
from headwater.tables import ReadingOptions
from headwater.vegetation.response import fit_response
from headwater.vegetation.results import PlaceGrades
from headwater.vegetation.steps import level_months

RUN = CliRunner()
ENDS = {"end_values": {"0": (0.1, 0.8)}}


def series(years: int = 8, *, loss: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """Composites of 16 days: growth around day 205, lost from the seventh year on."""
    days = pd.date_range("2001-01-01", f"{2000 + years}-12-31")
    days = days[(days.day_of_year - 1) % 16 == 0]
    season = 0.5 * np.exp(-(((days.day_of_year - 205) / 45.0) ** 2))
    season = np.where(days.year >= 2007, (1.0 - loss) * season, season)
    noise = np.random.default_rng(seed).normal(0.0, 0.01, days.size)
    return pd.DataFrame({"date": days, "NDVI": (0.15 + season + noise).round(4)})


def with_water(years: int = 10) -> pd.DataFrame:
    """The same, and daily soil moisture that moves growth by a few percent."""
    days = pd.date_range("2001-01-01", f"{2000 + years}-12-31")
    theta = 0.16 + 0.05 * np.sin(np.arange(days.size) / 97.0)
    green = series(years).set_index("date")["NDVI"]
    at = days.get_indexer(green.index)
    moved = 0.15 + (green - 0.15) * (1.0 + 2.5 * (theta[at] - 0.16))
    table = pd.DataFrame({"date": days, "soil_moisture": theta.round(4)})
    return table.merge(moved.rename("NDVI"), left_on="date", right_index=True, how="left")


def described(table: pd.DataFrame, **options: object) -> dict[str, Result]:
    read = read_greenness(table.to_csv(index=False).encode())
    return describe_places(
        read, VegetationOptions.model_validate({**ENDS, **options}), rng=np.random.default_rng(1)
    )


def test_seasons_and_grades_of_two_places_are_found_each_for_itself() -> None:
    both = pd.concat([series().assign(site="kept"), series(loss=0.5, seed=2).assign(site="grazed")])
    found = described(both)
    grade = found["grade"].data.set_index("place")
    assert grade["grade"].to_dict() == {"kept": "none", "grazed": "heavy"}
    # cover = (NDVI - 0.1) / 0.7, so that half of the season is 45 % of cover at its peak
    assert grade.loc["grazed", "damage_low"] < 45.0 < grade.loc["grazed", "damage_high"]
    assert grade.filter(like="p_").sum(axis=1).round(6).tolist() == [1.0, 1.0]
    seasons = found["seasons"].data
    inner = seasons[seasons["year"].between(2002, 2007)]
    # where 0.5 exp(-x²) is a quarter of its height: 53 days from the peak
    assert inner["start"].mean() == pytest.approx(152, abs=5)
    assert inner["end"].mean() == pytest.approx(258, abs=5)
    assert (inner["start_sd"] > 2.0).all()
    # of 0.5 / 0.7 before the loss: the season itself must not be smoothed away
    early = inner[inner["year"] < 2007]
    assert early["amplitude"].mean() == pytest.approx(0.714, abs=0.05)
    assert (seasons["n"] == 23).all()
    assert set(found) == {"cover", "end-values", "seasons", "grade", "notes"}


def test_what_water_explains_is_found_though_the_season_grows_within_months() -> None:
    found = described(with_water())
    row = found["response"].data.iloc[0]
    assert row["share_low"] > 0.5
    assert row["years"] == 10
    curve = found["curves"].data
    assert set(curve["zone"]) == {"series"}
    july = curve[curve["month"] == 7]
    assert july["cover"].iloc[-1] > july["cover"].iloc[0]


def test_without_levelling_the_season_itself_hides_the_answer() -> None:
    table = with_water()
    seen = table.dropna().set_index("date")["NDVI"]
    cover = xr.DataArray(seen.to_numpy(), {"time": seen.index.rename("time")}, "time")
    water = xr.DataArray(
        table["soil_moisture"].to_numpy(), {"time": table["date"].to_numpy()}, "time"
    )
    shares = [float(fit_response(one, water).maps["share"]) for one in (cover, level_months(cover))]
    assert shares[0] < 0.3
    assert shares[1] > 0.6


def test_months_keep_their_means_when_levelled_and_gaps_stay() -> None:
    seen = series().set_index("date")["NDVI"]
    cover = xr.DataArray(
        np.stack([seen, seen], 1), {"time": seen.index.rename("time")}, ("time", "cell")
    )
    cover[5:9, 1] = np.nan
    found = level_months(cover)
    assert np.array_equal(np.isfinite(found), np.isfinite(cover))
    after, before = (one.groupby("time.month").mean().values for one in (found, cover))
    np.testing.assert_allclose(after, before, atol=1e-12)


def test_the_greenest_months_are_months_of_the_record() -> None:
    days = pd.to_datetime(["2001-05-01", "2001-07-01", "2001-09-01"])
    sample = xr.DataArray([[0.2], [0.6], [0.5]], {"time": days}, ("time", "cell"))
    assert greenest_months(sample, (5, 10)) == (7, 9)


def test_one_season_has_dates_and_says_what_it_lacks() -> None:
    table = series(1)
    table["soil_moisture"] = 0.2
    found = described(table)
    assert np.isfinite(found["seasons"].data["start"]).all()
    assert "three are needed" in found["response"].data["reason"].iloc[0]
    grade = found["grade"].data.iloc[0]
    assert pd.isna(grade["grade"])
    assert "1 whole seasons are too few" in grade["reason"]


def test_a_place_that_cannot_be_described_is_named_next_to_the_others() -> None:
    flat = series().assign(site="flat", NDVI=0.3)
    found = described(pd.concat([series().assign(site="meadow"), flat]))
    assert set(found["seasons"].data["zone"]) == {"meadow"}
    assert "'flat' has values that are all equal" in found["notes"].data["what"].iloc[0]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda t: t.assign(NDVI=t["NDVI"] * 10000), DataError, "Declare its scale"),
        (lambda t: t.assign(NDVI=0.3), DataError, "all equal"),
        (lambda t: pd.concat([t, t.iloc[[4]]]), TimeAxisError, "2001-03-06"),
        (lambda t: t.head(3), DataError, "fewer than 5 steps"),
        (lambda t: t.assign(NDVI=np.nan), DataError, "no value of ndvi is left"),
        (lambda t: t.rename(columns={"NDVI": "x1"}), InputError, "neither NDVI nor cover"),
        (lambda t: t.drop(columns="date").assign(v=1), InputError, "no dates"),
        (lambda t: t.rename(columns={"NDVI": "cover"}).assign(cover=40), DataError, "cover (%)"),
    ],
)
def test_bad_tables_are_refused_by_name(
    change: Callable[[pd.DataFrame], pd.DataFrame], kind: type[HeadwaterError], words: str
) -> None:
    with pytest.raises(kind, match=words.replace("(", r"\(").replace(")", r"\)")):
        described(change(series()))


def test_end_values_that_cannot_be_estimated_are_asked_for() -> None:
    read = read_greenness(series(1).tail(12).to_csv(index=False).encode())
    with pytest.raises(DataError, match="--end-values"):
        describe_places(read, VegetationOptions.model_validate({}), rng=np.random.default_rng(1))


def test_years_that_were_asked_for_and_are_not_there_are_an_error() -> None:
    with pytest.raises(DataError, match="no baseline to compare with"):
        described(series(), baseline=(1990, 1995))


def test_cover_in_percent_needs_no_end_values() -> None:
    table = series().rename(columns={"NDVI": "cover (%)"})
    table["cover (%)"] *= 100.0
    found = described(table)
    assert "end-values" not in found
    assert found["cover"].data["cover"].max() < 0.7


def test_results_are_read_back_as_they_were_saved(tmp_path: Path) -> None:
    grade = described(series(loss=0.5))["grade"]
    save_result(tmp_path, "grade", grade)
    again = load_result(tmp_path, "grade")
    assert isinstance(again, PlaceGrades)
    assert again.edges == (10.0, 20.0, 30.0)
    assert again.fingerprint == grade.fingerprint


def test_the_command_reports_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "meadow.csv"
    scaled = series(loss=0.5)
    scaled["NDVI"] = (scaled["NDVI"] * 10000).round()
    scaled.to_csv(path, index=False)
    call = ["vegetation", str(path), "--scale", "0.0001", "--end-values", "0.1", "0.8"]
    result = RUN.invoke(app, [*call, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    for words in ("'NDVI' is ndvi", "Seasons", "heavy", "2001-2004"):
        assert words in result.output
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"grade.csv", "grade.png", "cover.png", "seasons.csv", "reading.txt"} <= written
    shown = RUN.invoke(app, [*call, "--json"])
    assert json.loads(shown.stdout)["grade"][0]["grade"] == "heavy"


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "meadow.csv"
    series().to_csv(path, index=False)
    for option, words in (
        (["--baseline", "2004", "2001"], "years run backwards"),
        (["--peak-month", "13"], "a month that does not exist"),
        (["--threshold", "2"], "threshold"),
        (["--end-values", "0.8", "0.1"], "end values"),
        (["--profile", "gb19377"], "no such profile"),
    ):
        result = RUN.invoke(app, ["vegetation", str(path), *option])
        assert result.exit_code in {2, 3}, result.output
        assert words in " ".join(result.output.split())
        assert "Traceback" not in result.output


def test_a_fill_that_was_scaled_with_the_values_is_asked_about() -> None:
    days = pd.date_range("2018-01-01", "2020-12-31", freq="8D")
    green = 0.3 + 0.2 * np.sin(2 * np.pi * days.day_of_year / 365)
    green = np.where(np.arange(days.size) % 7 == 0, -0.3, green)
    rows = "".join(f"{day:%Y-%m-%d},{v:.5f}\n" for day, v in zip(days, green, strict=True))
    text = f"date,NDVI\n{rows}".encode()
    (told,) = read_greenness(text).report.guesses
    assert told.endswith("if it means no value, set missing = ['-0.3']")
    read = read_greenness(text, reading=ReadingOptions(missing=("-0.3", "-0.30000")))
    assert not read.report.guesses
    assert read.data["green"].min() > 0.0


def test_soil_water_in_percent_is_refused_unless_it_says_so() -> None:
    text = "date,NDVI,{}\n2020-06-01,0.4,36\n2020-06-17,0.5,28\n2020-07-03,0.6,31\n"
    with pytest.raises(DataError, match=r"28 to 36 without a unit"):
        read_greenness(text.format("soil_moisture").encode())
    percent = read_greenness(text.format("soil_moisture (%)").encode())
    assert percent.data["water"].tolist() == [0.36, 0.28, 0.31]
    given = ReadingOptions(units={"soil_moisture": "%"})
    read = read_greenness(text.format("soil_moisture").encode(), reading=given)
    assert read.data["water"].tolist() == [0.36, 0.28, 0.31]
    stray = b"date,NDVI,soil_moisture\n2020-06-01,0.4,0.36\n2020-06-17,0.5,3\n2020-07-03,0.6,0.3\n"
    assert any("above 1 m3 m-3" in told for told in read_greenness(stray).report.guesses)


def test_fractions_under_a_head_in_percent_are_doubted() -> None:
    table = with_water().rename(columns={"soil_moisture": "soil_moisture (%)"})
    told = " ".join(read_greenness(table.to_csv(index=False).encode()).report.guesses)
    assert "drier than any soil stays" in told
    mended = ReadingOptions(units={"soil_moisture": "m3 m-3"})
    read = read_greenness(table.to_csv(index=False).encode(), reading=mended)
    assert "drier than" not in " ".join(read.report.guesses)
    np.testing.assert_allclose(read.data["water"].max(), table["soil_moisture (%)"].max())
