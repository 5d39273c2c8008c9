"""The glossary is sound in itself, and its page in the docs says the same."""

import math
import re
from pathlib import Path

import pytest

from headwater.errors import StudyError
from headwater.figures import COLORMAP
from headwater.glossary import GLOSSARY, Term, term
from headwater.units import convert, parse

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
TERMS = list(GLOSSARY.values())


def row(entry: Term) -> str:
    """One line of the page."""
    low, high = entry.valid_range
    valid = f"{low:g} to {high:g}" if math.isfinite(low) else "any"
    cells = (
        f"`{entry.name}`",
        entry.symbol,
        entry.long_name,
        f"`{entry.standard_name}`" if entry.standard_name else "–",
        f"`{entry.units}`",
        valid,
        entry.kind,
        entry.total,
    )
    return f"| {' | '.join(cells)} |"


def test_the_page_says_what_the_code_says() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert lines[2:] == [row(entry) for entry in TERMS]


@pytest.mark.parametrize("entry", TERMS, ids=lambda entry: entry.name)
def test_a_term_is_sound(entry: Term) -> None:
    low, high = entry.valid_range
    assert low < high
    assert parse(entry.units)
    assert convert(0.5, entry.units, entry.units) == 0.5
    assert re.fullmatch(r"[a-z0-9_]*", entry.standard_name)
    assert entry.long_name[0].isupper()
    assert "(" not in entry.long_name, "a figure adds the unit"
    if entry.kind == "categorical":
        assert entry.total == "none"
        assert entry.units == "1"
    if entry.kind == "circular":
        assert (low, high) == (0.0, 360.0)
    assert (entry.total == "sum") == (entry.units == "mm")


def test_names_and_symbols_are_unique() -> None:
    assert list(GLOSSARY) == [entry.name for entry in TERMS]
    assert len({entry.symbol for entry in TERMS}) == len(TERMS)
    assert len({entry.long_name for entry in TERMS}) == len(TERMS)


def test_colours_are_of_known_quantities_or_statistics() -> None:
    statistics = {"cv", "trend", "warming", "correlation", "p_value", "n"}
    states = {"drought", "degradation", "warning_state"}
    assert set(COLORMAP) - set(GLOSSARY) == statistics | states


def test_an_unknown_quantity_gets_the_nearest_name() -> None:
    assert term("ndvi") is GLOSSARY["ndvi"]
    with pytest.raises(StudyError, match=r"'soil_moistur'. Did you mean 'soil_moisture'\?"):
        term("soil_moistur")
