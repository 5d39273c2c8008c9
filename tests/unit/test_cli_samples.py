"""Commands on a sample table: what they print, and what is said when the table is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from headwater.cli import app

RUN = CliRunner()


def campaign(rows: int = 12, seed: int = 3) -> pd.DataFrame:
    """Rain and ice, and soil that is 0.7 rain and 0.3 ice, in two months and two vegetations."""
    rng = np.random.default_rng(seed)
    parts = []
    for kind, o, h, spread in (
        ("precipitation", -10.0, -70.0, 1.0),
        ("ground_ice", -16.0, -126.0, 1.0),
        ("soil", -11.8, -86.8, 0.3),
    ):
        d18O = o + spread * rng.normal(size=rows)
        d2H = h + 8.0 * (d18O - o) + rng.normal(size=rows)
        parts.append(pd.DataFrame({"water": kind, "d18O": d18O, "d2H": d2H}))
    table = pd.concat(parts, ignore_index=True)
    table["time"] = np.where(np.arange(len(table)) % 2, "2020-06-10", "2020-08-10")
    table["vegetation"] = np.where(np.arange(len(table)) % 4 < 2, "meadow", "forest")
    table.insert(0, "sample_id", [f"S{i:03d}" for i in range(len(table))])
    return table.round(3)


def save(table: pd.DataFrame, folder: Path) -> str:
    path = folder / "lab.csv"
    table.to_csv(path, index=False)
    return str(path)


def told(result) -> str:
    """All that was printed, without the line breaks that wrapping made."""
    assert "Traceback" not in result.output
    assert "bug in Headwater" not in result.output
    return " ".join(result.output.split())


def test_check_of_a_clean_table_ends_well(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["samples", "check", save(campaign(), tmp_path)])
    assert result.exit_code == 0, result.output
    assert "Quality of 36 samples: 0 errors" in told(result)


def test_summary_tells_means_by_group_and_period(tmp_path: Path) -> None:
    table = campaign()
    file, out = save(table, tmp_path), tmp_path / "out"
    command = ["samples", "summary", file, "--by", "vegetation", "--out", str(out)]
    result = RUN.invoke(app, command)
    assert result.exit_code == 0, result.output
    for words in ("forest", "meadow", "August", "δ¹⁸O mean", "lc-excess sd"):
        assert words in told(result)
    written = pd.read_csv(out / "summary.csv")
    soil = table[table["water"] == "soil"]
    mean = soil.loc[soil["time"] == "2020-06-10", "d18O"].mean()
    row = written[(written["grouping"] == "all") & (written["period"] == "June")]
    assert row["d18O_mean"].item() == pytest.approx(mean)
    assert (out / "summary.png").stat().st_size > 5000


def test_lines_tell_slopes_crossings_and_verdicts(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["samples", "lines", save(campaign(), tmp_path), "--period", ""])
    assert result.exit_code == 0, result.output
    for words in ("Local meteoric water line", "Theil-Sen", "Crossings", "R²"):
        assert words in told(result)


def test_a_given_meteoric_line_is_taken(tmp_path: Path) -> None:
    file = save(campaign().query("water == 'soil'"), tmp_path)
    result = RUN.invoke(app, ["samples", "lines", file, "--lmwl", "8.0,10.0", "--period", ""])
    assert result.exit_code == 0, result.output
    assert "given 8.0" in told(result)
    wrong = RUN.invoke(app, ["samples", "lines", file, "--lmwl", "8.0"])
    assert wrong.exit_code == 2
    assert "a line is a slope and an intercept" in told(wrong)


def mix(file: str, *words: str, sources: tuple[str, ...] = ("precipitation", "ground_ice")):
    ends = [part for name in sources for part in ("--source", name)]
    return RUN.invoke(app, ["samples", "mix", file, *ends, "--period", "", *words])


def test_mix_finds_the_shares_that_made_the_soil(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = mix(
        save(campaign(40), tmp_path), "--set", "mixing.evaporation=false", "--out", str(out)
    )
    assert result.exit_code == 0, result.output
    assert "well separated" in told(result)
    table = pd.read_csv(out / "mixing.csv").set_index("source")
    assert table.loc["ground ice", "low"] < 0.3 < table.loc["ground ice", "high"]
    assert table.loc["precipitation", "fraction"] == pytest.approx(0.7, abs=0.05)


def test_report_is_a_page_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "results"
    command = ["samples", "report", save(campaign(), tmp_path), "--by", "vegetation"]
    result = RUN.invoke(
        app, [*command, "--source", "precipitation", "--source", "ground_ice", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text()
    for words in ("Where the water came from", "36 samples with isotopes", "Sampled", "Table 1"):
        assert words in page
    assert {path.stem for path in (out / "figures").glob("*.svg")} == {
        "samples-boxes",
        "samples-lines-vegetation",
        "samples-concept",
        "samples-densities",
        "samples-matrix",
        "samples-stacked",
        "samples-dual-isotope",
        "samples-means",
        "samples-lines",
        "samples-mixing-diagram",
        "samples-fractions",
    }
    other = RUN.invoke(app, [*command, "--out", str(tmp_path)])
    assert other.exit_code == 5
    assert "holds other things than results" in told(other)


def edited(**cells: object) -> pd.DataFrame:
    """The campaign with the first rows of a column exchanged."""
    table = campaign().astype(object)
    for name, values in cells.items():
        for row, value in enumerate(values):
            table.loc[row, name] = value
    return table


BAD = {
    "a missing column": (
        lambda t: t.drop(columns=["d18O", "d2H"]),
        "check",
        3,
        ["no header with δ18O or δ2H"],
    ),
    "text in numbers": (
        lambda t: t.astype(object).replace({"d18O": {t["d18O"][4]: "n.d. yet"}}),
        "check",
        4,
        ["column 'd18O' holds text", "'n.d. yet'", "row 6"],
    ),
    "‰ and fractions mixed": (
        lambda t: t.assign(
            d18O=t["d18O"].where(t.index > 4, t["d18O"] / 1000),
            d2H=t["d2H"].where(t.index > 4, t["d2H"] / 1000),
        ),
        "check",
        3,
        ["‰ and fractions are mixed", "rows 2, 3, 4, 5, 6"],
    ),
    "δ swapped": (
        lambda t: t.assign(
            d18O=t["d18O"].where(t.index != 3, t["d2H"]),
            d2H=t["d2H"].where(t.index != 3, t["d18O"]),
        ),
        "check",
        4,
        ["swap", "look exchanged", "rows 5"],
    ),
    "one sample in a source": (
        lambda t: t[(t["water"] != "ground_ice") | (t.index == 12)],
        "mix",
        4,
        ["ground ice has one sample (row 14)", "its scatter is unknown", "state a standard"],
    ),
    "zero variance": (
        lambda t: t.assign(d18O=t["d18O"].where(t["water"] != "ground_ice", -16.0)),
        "mix",
        4,
        ["all samples of the source ground ice have the same d18O", "(rows 14, 15, "],
    ),
    "identical sources": (
        lambda t: pd.concat(
            [
                t[t["water"] != "ground_ice"],
                t[t["water"] == "precipitation"].assign(water="ground_ice"),
            ]
        ),
        "mix",
        4,
        ["the sources precipitation and ground ice are identical", "Join them"],
    ),
    "singular covariance": (
        lambda t: t.assign(
            d2H=8.0 * t["d18O"]
            + t["water"].map({"precipitation": 10.0, "ground_ice": 2.0, "soil": 8.0})
        ),
        "mix",
        4,
        ["depend on each other exactly", "(rows 2, 3, "],
    ),
    "an empty group": (
        lambda t: t.assign(
            d18O=t["d18O"].where(t["water"] != "soil"), d2H=t["d2H"].where(t["water"] != "soil")
        ),
        "mix",
        4,
        ["the group all is empty", "(rows 26, 27, ", "no value of d18O, d2H"],
    ),
    "an unknown water": (
        lambda t: t.replace({"water": {"ground_ice": "ground_icee"}}),
        "mix",
        3,
        ["unknown kind of water", "'ground_icee'", "Did you mean 'ground_ice'?"],
    ),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_gets_a_sentence_with_rows(case: str, tmp_path: Path) -> None:
    spoil, command, code, words = BAD[case]
    file = save(spoil(campaign()), tmp_path)
    result = mix(file) if command == "mix" else RUN.invoke(app, ["samples", command, file])
    text = told(result)
    assert result.exit_code == code, text
    for part in words:
        assert part in text


@pytest.mark.parametrize("evaporation", ["true", "false"])
def test_bad_sources_are_refused_by_both_engines(evaporation: str, tmp_path: Path) -> None:
    spoil, _, code, words = BAD["identical sources"]
    result = mix(save(spoil(campaign()), tmp_path), "--set", f"mixing.evaporation={evaporation}")
    assert result.exit_code == code
    assert words[0] in told(result)


def test_a_mixture_outside_the_polygon_is_told_with_its_rows(tmp_path: Path) -> None:
    table = campaign()
    table.loc[table["water"] == "soil", "d18O"] -= 9.0
    melt = table[table["water"] == "ground_ice"].assign(water="snow_melt")
    melt["d18O"], melt["d2H"] = melt["d18O"] - 1.0, melt["d2H"] + 12.0
    table = pd.concat([table, melt])
    sources = ("precipitation", "ground_ice", "snow_melt")
    file = save(table, tmp_path)
    result = mix(file, "--set", "mixing.evaporation=false", sources=sources)
    assert result.exit_code == 4
    assert "lie outside 95 % of the polygons" in told(result)
    assert "rows 26, 27" in told(result)
    near = table.assign(d18O=table["d18O"].where(table["water"] != "soil", table["d18O"] + 8.0))
    result = mix(save(near, tmp_path), "--set", "mixing.evaporation=false", sources=sources)
    assert result.exit_code == 0, result.output
    assert "outside the polygon" in told(result)


def test_four_sources_with_two_tracers_get_their_range_and_a_caution(tmp_path: Path) -> None:
    table = campaign()
    extra = [
        table[table["water"] == "ground_ice"].assign(
            water=name, d18O=lambda t, by=by: t["d18O"] + by, d2H=lambda t, to=to: t["d2H"] + to
        )
        for name, by, to in (("snow_melt", -2.0, 4.0), ("glacier_melt", 2.0, -4.0))
    ]
    file, out = save(pd.concat([table, *extra]), tmp_path), tmp_path / "out"
    sources = ("precipitation", "ground_ice", "snow_melt", "glacier_melt")
    result = mix(file, "--set", "mixing.evaporation=false", "--out", str(out), sources=sources)
    assert result.exit_code == 0, result.output
    assert "4 sources cannot be distinguished with 2 tracers" in told(result)
    bounds = pd.read_csv(out / "mixing-closed.csv")
    assert list(bounds["source"]) == [name.replace("_", " ") for name in sources]
    assert (bounds["high"] - bounds["low"]).max() > 0.1


def test_a_source_that_the_table_lacks_is_named(tmp_path: Path) -> None:
    result = mix(save(campaign(), tmp_path), sources=("precipitation", "snow_melt"))
    assert result.exit_code == 3
    assert "mixing.sources names a water that the table does not have" in told(result)


def test_a_wrong_key_or_value_of_set_is_told(tmp_path: Path) -> None:
    file = save(campaign(), tmp_path)
    for setting, words in (
        ("altitud=[1, 2]", "Did you mean 'altitude'?"),
        ("lmwl={method='spline'}", "[samples.lmwl] method is wrong"),
        ("altitude=", "--set takes a line of TOML"),
    ):
        result = RUN.invoke(app, ["samples", "lines", file, "--set", setting])
        assert result.exit_code == 2
        assert words in told(result)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["samples", "check", str(tmp_path / "no.csv")])
    assert result.exit_code == 3
    assert "no such file of samples" in told(result)


def test_audit_of_the_published_tables() -> None:
    result = RUN.invoke(app, ["audit", "--published", "li2024"])
    assert result.exit_code == 0, result.output
    for words in ("22 impossible, 8 doubtful", "14.23", "−14.23", "A10"):
        assert words in told(result)
    assert RUN.invoke(app, ["audit"]).exit_code == 2
    assert RUN.invoke(app, ["audit", "--published", "li2023"]).exit_code == 2


def test_audit_of_own_tables(tmp_path: Path) -> None:
    means = tmp_path / "means.csv"
    means.write_text("label,period,d18O,d2H,d_excess\nmeadow,June,-12.15,-90.36,9.87\n")
    lines = tmp_path / "lines.csv"
    lines.write_text("label,period,slope,intercept\nmeadow,June,6.80,-7.74\n")
    out = tmp_path / "out"
    result = RUN.invoke(app, ["audit", str(means), "--lines", str(lines), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "9.87 6.84" in told(result)
    assert (out / "audit.png").is_file()
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    wrong = RUN.invoke(app, ["audit", str(bad)])
    assert wrong.exit_code == 3
    assert "is no table of means, of lines or of facts" in told(wrong)


def test_detect_explains_a_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    height = rng.uniform(3000, 5000, 300)
    table = pd.DataFrame({"theta": height // 500 + rng.normal(0, 0.3, 300), "height": height})
    file, out = tmp_path / "units.csv", tmp_path / "out"
    table.to_csv(file, index=False)
    command = ["detect", str(file), "--y", "theta", "--x", "height", "--classes", "3", "4"]
    result = RUN.invoke(app, [*command, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "height" in told(result)
    assert (out / "factor.csv").is_file()
    wrong = RUN.invoke(app, ["detect", str(file), "--y", "thetta"])
    assert wrong.exit_code == 4
    assert "Did you mean 'theta'?" in told(wrong)


def test_a_table_without_an_isotope_is_told(tmp_path: Path) -> None:
    file = save(campaign().drop(columns="d18O"), tmp_path)
    result = RUN.invoke(app, ["samples", "check", file])
    assert "No value of δ¹⁸O was found" in told(result)
    wrong = mix(file)
    assert wrong.exit_code == 4
    assert "no column of the file is known as it" in told(wrong)


def test_rain_that_lies_on_no_line_leaves_the_rest_of_the_summary(tmp_path: Path) -> None:
    table = campaign()
    table.loc[table["water"] == "precipitation", ["d18O", "d2H"]] = (-10.0, -70.0)
    result = RUN.invoke(app, ["samples", "summary", save(table, tmp_path)])
    assert result.exit_code == 0, result.output
    assert "No local meteoric water line" in told(result)
    assert "By group" in told(result)


def test_one_d_excess_and_rows_entered_twice_leave_the_summary(tmp_path: Path) -> None:
    table = campaign()
    table["d2H"] = 8.0 * table["d18O"] + 10.0
    twice = pd.concat([table, table.iloc[:5]], ignore_index=True)
    result = RUN.invoke(app, ["samples", "summary", save(twice, tmp_path)])
    assert result.exit_code == 0, result.output
    assert "By group" in told(result)
    assert f"5 of {len(twice)} samples repeat one above" in told(result)


def test_impossible_values_are_told_with_the_fractions(tmp_path: Path) -> None:
    table = campaign()
    table.loc[3:5, ["d18O", "d2H"]] = table.loc[3:5, ["d2H", "d18O"]].to_numpy(copy=True)
    result = mix(save(table, tmp_path))
    assert result.exit_code == 0, result.output
    assert "3 samples have impossible values (rows 5, 6, 7)" in told(result)


def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    import subprocess
    import sys

    file = save(campaign(), tmp_path)
    code = (
        "import sys; sys.modules['numpyro'] = None; sys.modules['jax'] = None\n"
        "from headwater.cli import app\n"
        f"app(['samples', 'mix', {file!r}, '--source', 'precipitation', '--source', 'ground_ice',"
        " '--set', 'mixing.model=\"hierarchical\"'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    text = " ".join((done.stdout + done.stderr).split())
    assert "-m pip install" in text
    assert '"numpyro' in text
    assert "Traceback" not in text
    assert done.returncode == 2
