"""The results folder has one writer, and never something half-written."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from headwater.errors import ResumeError
from headwater.study.folder import (
    finished,
    finished_steps,
    held,
    opened,
    replace_folder,
    running_folder,
)
from headwater.study.inputs import of_input
from headwater.study.provenance import checksum, input_files


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "results") as results, pytest.raises(ResumeError, match="another run"):
        opened(results).__enter__()
    with opened(tmp_path / "results"):
        assert (results / "headwater.log").is_file()


def test_a_folder_of_other_things_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(ResumeError, match=r"other things than results.*thesis\.docx"):
        opened(tmp_path).__enter__()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResumeError, match="cannot be written"):
        opened(tmp_path / "file" / "results").__enter__()


def test_a_folder_whose_log_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "headwater.log").mkdir()
    with pytest.raises(ResumeError, match="cannot be written"):
        opened(tmp_path).__enter__()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_told_as_such(tmp_path: Path, number: int) -> None:
    def fill() -> None:
        # while the values of an input are written, too: the input is sound
        with opened(tmp_path), of_input("ndvi"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(ResumeError, match=r"is full.*Make room, then run again"):
        fill()


def test_a_report_is_drawn_by_one_at_a_time_and_clears_what_was_left(tmp_path: Path) -> None:
    (tmp_path / ".writing-figures").mkdir()
    (tmp_path / ".writing-report.html").touch()
    with held(tmp_path):
        assert not list(tmp_path.glob(".writing-*"))
        with pytest.raises(ResumeError, match="another run"):
            held(tmp_path).__enter__()


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    with opened(tmp_path) as results:
        (results / ".running-grids").mkdir()
        (results / ".running-grids" / "half.csv").touch()
    with opened(tmp_path):
        assert not (results / ".running-grids").exists()


def test_a_step_counts_when_it_has_its_final_name_and_all_its_files(tmp_path: Path) -> None:
    with running_folder(tmp_path, "grids") as folder:
        (folder / "a.csv").write_text("1")
        assert finished(tmp_path, "grids") is None
        replace_folder(folder, "grids", "f1")
    assert finished(tmp_path, "grids") == "f1"
    assert finished_steps(tmp_path) == ["grids"]
    with running_folder(tmp_path, "grids") as folder:
        (folder / "b.csv").write_text("2")
        replace_folder(folder, "grids", "f2")
    assert finished(tmp_path, "grids") == "f2"
    assert not (tmp_path / "grids" / "a.csv").exists()
    (tmp_path / "grids" / "b.csv").unlink()
    assert finished(tmp_path, "grids") is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["grids"]


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        with running_folder(tmp_path, "grids") as folder:
            (folder / "a.csv").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not list(tmp_path.iterdir())


def test_checksums_follow_content(tmp_path: Path) -> None:
    file = tmp_path / "a.nc"
    file.write_bytes(b"abc")
    before = checksum(file)
    assert before == {"bytes": 3, "of": "content", "sha256": hashlib.sha256(b"abc").hexdigest()}
    store = tmp_path / "s.zarr"
    (store / "c").mkdir(parents=True)
    (store / "c" / "0").write_bytes(b"abc")
    first = checksum(store)
    os.utime(store / "c" / "0", (1, 1))
    assert checksum(store) == first
    (store / "c" / "0").write_bytes(b"abd")
    assert checksum(store)["sha256"] != first["sha256"]


def test_a_large_file_is_summed_by_its_ends(tmp_path: Path) -> None:
    file = tmp_path / "large.nc"
    with file.open("wb") as stream:
        stream.truncate(1_000_000_001)
    before = checksum(file)
    assert before["of"] == "size, time of change, first and last bytes"
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"x")
    assert checksum(file)["sha256"] != before["sha256"]


def test_globs_are_sorted_and_names_with_brackets_work(tmp_path: Path) -> None:
    for name in ("b_1.nc", "a_1.nc", "x[1].nc"):
        (tmp_path / name).touch()
    assert [f.name for f in input_files(str(tmp_path / "*_1.nc"))] == ["a_1.nc", "b_1.nc"]
    assert [f.name for f in input_files(str(tmp_path / "x[1].nc"))] == ["x[1].nc"]
    assert input_files(str(tmp_path / "no*.nc")) == []
