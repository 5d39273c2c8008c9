"""Tables of factors as people have them: what can be a factor, of which kind, and what cannot."""

from pathlib import Path

import numpy as np
import pytest

from headwater.detector import from_table
from headwater.detector.factor_table import read_factors
from headwater.errors import DataError
from headwater.tables import ReadingOptions

DATA = Path(__file__).parents[1] / "data" / "tables" / "detector"


def test_flat_is_no_direction() -> None:
    for circular in ((), ("asp",)):
        table = read_factors(DATA / "asp.csv", "y", circular=circular)
        flat = next(mark for mark in table.report.missing if mark.kind == "flat")
        assert (flat.column, flat.n, table.circular) == ("asp", 21, ("asp",))
        assert table.data["asp"].isna().sum() == 21
    assert "'asp' is taken for a direction" in read_factors(DATA / "asp.csv", "y").report.guesses[0]


def test_marks_of_missing_values_leave_numbers_numbers() -> None:
    table = read_factors(DATA / "nodata_text.csv", "y", circular=["deg"])
    assert (table.circular, table.data["deg"].isna().sum()) == (("deg",), 1)
    table = read_factors(DATA / "mixednum.csv", "y")
    assert (table.factors, table.category) == (("x", "lc"), ())
    assert table.data["x"].isna().sum() == 1
    table = read_factors(DATA / "nodata.csv", "y")
    assert table.data["x"].isna().sum() == 24
    assert table.report.guesses


def test_columns_that_cannot_be_factors_are_left_out_by_name() -> None:
    table = read_factors(DATA / "ids.csv", "y")
    assert table.factors == ("x", "lc")
    assert table.report.ignored == ("'id' has another word in every row",)
    table = read_factors(DATA / "bin.csv", "y")
    assert (table.factors, table.category) == (("x", "lc", "bin"), ("bin",))
    rows = "".join(f"{i},{i % 7},{'err' if i == 5 else i},1,\n" for i in range(30))
    table = read_factors(f"y,a,broken,same,none\n{rows}".encode(), "y")
    assert table.factors == ("a",)
    assert [text.split("'")[1] for text in table.report.ignored] == ["broken", "same", "none"]
    assert "'err' (row 7)" in table.report.ignored[0]
    with pytest.raises(DataError, match="factor 'broken' holds numbers and text"):
        read_factors(f"y,a,broken,same,none\n{rows}".encode(), "y", ["broken"])


def test_a_running_number_is_no_factor() -> None:
    rows = "".join(f"{i + 1},{i},{i % 5},{i % 7}\n" for i in range(20))
    table = read_factors(f'"",FID,y,x\n{rows}'.encode(), "y")
    assert table.factors == ("x",)
    assert table.report.ignored == ("'column 1' counts the rows", "'FID' counts the rows")
    assert read_factors(f'"",FID,y,x\n{rows}'.encode(), "y", ["FID"]).factors == ("FID",)


def test_text_is_no_response() -> None:
    with pytest.raises(DataError, match=r"the response 'y' holds text\. Found: 'yes', 'no'"):
        read_factors(DATA / "texty.csv", "y")
    with pytest.raises(DataError, match="Did you mean 'lc'"):
        read_factors(DATA / "ids.csv", "y", ["lcc"])


def test_a_kind_that_is_named_leaves_the_others_factors() -> None:
    table = read_factors(DATA / "mixednum.csv", "y", category=["lc"])
    assert (table.factors, table.category) == (("x", "lc"), ("lc",))
    found = from_table(table, "y", classes=(3, 4))
    kinds = found.factor.data.set_index("factor")["method"]
    assert kinds["lc"] == "categories"
    assert any("1 × 'NoData' in x: missing" in text for text in found.factor.choices)


@pytest.mark.parametrize("name", ["cn_gbk.csv", "semi.csv", "tab.txt"])
def test_encodings_and_separators(name) -> None:
    table = read_factors(DATA / name, "土壤湿度")
    assert table.factors == ("降水量", "土地利用")
    assert len(table.data) == 240


def test_heads_over_the_names_and_options() -> None:
    assert read_factors(DATA / "merged.csv", "y").factors == ("x", "lc")
    text = b"y;x;z\n1,5;-7;1\n2,5;3;2\n3,5;4;3\n4,5;5;5\n"
    table = read_factors(text, "y", reading=ReadingOptions(missing=("-7",)))
    assert table.data["x"].isna().sum() == 1
    assert table.data["y"].tolist() == [1.5, 2.5, 3.5, 4.5]


def test_the_command_keeps_how_the_table_was_read(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from headwater.cli import app

    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, 80)
    rows = [f"{a + rng.normal():.3f};{a};{'-' if k == 3 else k}" for k, a in enumerate(x)]
    (tmp_path / "t.csv").write_text("\n".join(["y;x;z", *rows]))
    words = ["detect", str(tmp_path / "t.csv"), "--y", "y", "--x", "x", "--draws", "99"]
    words += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    kept = (tmp_path / "out" / "reading.txt").read_text("utf-8")
    assert "80 rows read" in kept
    assert "semicolon" in kept


def test_rows_entered_twice_are_told() -> None:
    rows = "".join(f"{0.2 + 0.013 * i:.3f},{3000 + 10 * i},meadow\n" for i in range(6))
    told = read_factors(f"theta,height,cover\n{rows}{rows}".encode(), "theta").report.guesses
    assert any(text.startswith("rows 8, 9, 10, 11, 12, 13: the same as rows") for text in told)
    rounded = b"theta,height\n0.2,3000\n0.2,3000\n0.2,3100\n0.3,3000\n"
    assert not any("the same as" in text for text in read_factors(rounded, "theta").report.guesses)


def test_classes_apart_by_their_capitals_are_told() -> None:
    words = ["Meadow", "meadow", "Steppe", "Alpine meadow", "alpine  meadow", "Ｓteppe"]
    rows = "".join(f"0.{20 + i},{word}\n" for i, word in enumerate(words * 3))
    told = read_factors(f"theta,cover\n{rows}".encode(), "theta").report.guesses
    assert [text.split(" are ")[0] for text in told] == [
        "'Meadow' and 'meadow'",
        "'Steppe' and 'Ｓteppe'",
        "'Alpine meadow' and 'alpine  meadow'",
    ]


def test_percentages_are_numbers_and_codes_are_asked_about() -> None:
    rows = "".join(f"{i % 9}.5%,{10 * (i % 4)},{20 + i % 7}.25%\n" for i in range(60))
    table = read_factors(f"sm,land_cover,clay\n{rows}".encode(), "sm")
    assert table.factors == ("land_cover", "clay")
    assert table.data["sm"].iloc[3] == 3.5
    assert table.data["clay"].iloc[0] == 20.25
    told = " ".join(table.report.guesses)
    assert "'clay': numbers in %, as its cells say" in told
    assert "'land_cover' has 4 whole numbers (0, 10, 20, 30) and is taken for a measure" in told
    named = read_factors(f"sm,land_cover,clay\n{rows}".encode(), "sm", category=["land_cover"])
    assert "is taken for a measure" not in " ".join(named.report.guesses)
    mixed = f"sm,land_cover,clay\n{rows}".replace("20.25%", "20.25")
    told = " ".join(read_factors(mixed.encode(), "sm").report.guesses)
    assert "'clay' holds 9 numbers and text such as '21.25%'" in told
    beyond = f"sm,land_cover,clay\n{rows}".replace("20.25%", ">20%")
    told = " ".join(read_factors(beyond.encode(), "sm").report.guesses)
    assert "'clay' holds 51 numbers and text such as '>20%'" in told
