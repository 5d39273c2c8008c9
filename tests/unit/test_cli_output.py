"""What programs, pipes and Excel read of the command line, and what a full disk says."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from headwater.cli import app, study_run
from headwater.cli.command_help import parted
from headwater.cli.errors import report_errors
from headwater.cli.output import print_json, print_table
from headwater.results import TableResult
from headwater.study import load_result, save_result


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"q": [0.5, np.nan], "factor": ["雨", "rain"]})
    print_json({"table": table, "n": np.int64(3), "when": pd.Timestamp("2020-01-01"), "x": np.inf})
    found = json.loads(capsys.readouterr().out)
    assert found["table"] == [{"q": 0.5, "factor": "雨"}, {"q": None, "factor": "rain"}]
    assert found["n"] == 3
    assert found["x"] is None
    assert found["when"].startswith("2020-01-01")


def test_columns_of_chinese_words_stand_below_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(pd.DataFrame({"factor": ["海拔", "rain"], "q": [0.5, 0.25]}), ["factor", "q"])
    lines = capsys.readouterr().out.splitlines()
    # two cells a character: eight cells of letters are four of these and two blanks
    assert lines[1:] == ["  海拔    0.500", "  rain    0.250"]


def test_a_detection_is_one_json_value(tmp_path: Path) -> None:
    rows = pd.DataFrame({"y": [1.0, 1.1, 0.9, 3.0, 3.1, 2.9] * 4, "kind": list("aaabbb") * 4})
    rows.to_csv(tmp_path / "t.csv", index=False)
    call = ["detect", str(tmp_path / "t.csv"), "--y", "y", "--draws", "99", "--json"]
    result = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["factor"][0]["factor"] == "kind"


def test_values_joined_by_commas_are_parted() -> None:
    typed = ["detect", "a,b.csv", "--coordinates", "lon,lat", "--x", "a,b", "--classes", "3", "8"]
    parts = ["detect", "a,b.csv", "--coordinates", "lon", "lat", "--x", "a,b", "--classes"]
    assert parted(typed) == [*parts, "3", "8"]
    assert parted(["--bbox", "98,38,99,39"]) == ["--bbox", "98", "38", "99", "39"]


def test_check_reports_problems_as_json(tmp_path: Path) -> None:
    text = '[study]\nname = "A"\n[inputs.soil_moisture]\npath = "lost.nc"\n[variation]\n'
    (tmp_path / "study.toml").write_text(text)
    result = CliRunner().invoke(app, ["check", str(tmp_path / "study.toml"), "--json"])
    assert result.exit_code == 3
    assert "lost.nc" in json.loads(result.stdout)["problems"][0]["found"]


def test_a_pipe_gets_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 59.0, 61.0, 100.0, 240.0])
    report = study_run._line_printer(clock=lambda: next(times))
    for fraction in (0.0, 0.1, 0.2, 0.25, 0.4, 1.0):
        report("detector", fraction, "done" if fraction == 1.0 else "search")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "detector: search",
        "detector: search (25%, about 4 min left in this step)",
        "detector: done",
    ]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "x"), RuntimeError(f"write failed: {os.strerror(errno.ENOSPC)}")],
)
def test_a_full_disk_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stopped, report_errors():
        raise error
    assert stopped.value.exit_code == 5
    assert "the disk is full" in capsys.readouterr().err


def test_tables_open_in_excel_and_come_back(tmp_path: Path) -> None:
    table = TableResult(data=pd.DataFrame({"层": ["根区"], "θ": [0.25]}), method="m")
    save_result(tmp_path, "t", table)
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    pd.testing.assert_frame_equal(load_result(tmp_path, "t").data, table.data)
