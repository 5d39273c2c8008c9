"""The checklist of the two source studies has a line for each statement, and none is empty."""

import csv
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.compile(r"^\| ([QT]\d{3}) \| (.*) \|$", re.MULTILINE)


def test_every_statement_has_its_line_and_no_cell_is_empty() -> None:
    with (ROOT / "studies" / "statements.csv").open(encoding="utf-8", newline="") as stream:
        statements = {row["id"]: row for row in csv.DictReader(stream)}
    page = (ROOT / "docs" / "studies-checklist.md").read_text(encoding="utf-8")
    found = dict(ROWS.findall(page))
    assert list(found) == list(statements)
    for name, line in found.items():
        cells = re.split(r"(?<!\\) \| ", line)
        assert len(cells) == 6, name
        assert all(cell.strip() for cell in cells), name
        assert cells[3].startswith(statements[name]["can_it_be_true"]), name
