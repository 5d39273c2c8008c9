"""The picture of the rooms is the one that their imports give."""

import html
import json
import runpy
from pathlib import Path

import headwater

SOURCE = Path(headwater.__file__).parent


def test_the_picture_of_the_rooms_is_the_one_their_imports_give() -> None:
    docs = SOURCE.parents[1] / "docs"
    namespace = runpy.run_path(str(docs / "draw_architecture.py"))
    lines, arrows = namespace["read_rooms"]()
    text = (docs / "images" / "architecture.svg").read_text(encoding="utf-8")
    drawn = json.loads(html.unescape(text.split("<desc>")[1].split("</desc>")[0]))
    assert drawn["rooms"] == sorted(lines), "run: make architecture"
    assert drawn["imports"] == sorted(map(list, arrows)), "run: make architecture"
