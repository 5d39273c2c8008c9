"""Every error says what was wrong, what was found and what to do, wherever it comes from."""

import pickle
from pathlib import Path

import pytest

from headwater import errors
from headwater.errors import HeadwaterError, ProblemsError, StudyError, UnitError, nearest

DOCS = Path(__file__).parents[2] / "docs" / "study-file.md"
LEAVES = [
    getattr(errors, name)
    for name in errors.__all__
    if name.endswith("Error") and name not in {"HeadwaterError", "ProblemsError"}
]
CODES = {"StudyError": 2, "DataError": 4, "ResumeError": 5, "ClusterError": 6}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_an_error_has_three_parts_and_a_documented_exit_code(kind: type[HeadwaterError]) -> None:
    error = kind("it is wrong", found="this", do="Do that")
    assert str(error) == "it is wrong. Found: this. Do that."
    assert error.exit_code == CODES.get(kind.__name__, 3)
    assert f"\n| {error.exit_code} | " in DOCS.read_text(encoding="utf-8")
    assert issubclass(kind, ValueError | OSError), "callers need not know our tree"


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_an_error_comes_home_whole_from_another_process(kind: type[HeadwaterError]) -> None:
    back = pickle.loads(pickle.dumps(kind("wrong", found="found", do="Do")))
    assert type(back) is kind
    assert (back.wrong, back.found, back.do) == ("wrong", "found", "Do")


def test_parts_may_be_left_out_and_stops_do_not_double() -> None:
    assert str(StudyError("wrong.", do="Do.")) == "wrong. Do."
    assert str(StudyError("wrong")) == "wrong."


def test_problems_are_told_together_and_exit_as_the_first() -> None:
    one, two = UnitError("unknown unit", found="'x'", do="Write m"), StudyError("no name")
    both = ProblemsError([one, two])
    assert both.exit_code == 3
    assert str(both) == (
        "2 problems found:\n  1. unknown unit. Found: 'x'. Write m.\n  2. no name."
    )
    assert str(ProblemsError([two])).startswith("1 problem found:")


def test_the_nearest_word_is_suggested_only_when_near() -> None:
    assert nearest("temprature", ["temperature", "ndvi"]).startswith("Did you mean 'temperature'?")
    assert nearest("qqq", ["b", "a"]) == "Known: a, b"
    assert nearest("metr", ["metre", "m"], ["m"]) == "Did you mean 'metre'? Known: m"


def test_names_out_of_a_damaged_file_do_not_flood_the_terminal() -> None:
    listing = nearest("time", ["\x1b[2J" + "x" * 5000])
    assert len(listing) < 700
    assert listing.isprintable()
    assert listing.endswith(" …")
