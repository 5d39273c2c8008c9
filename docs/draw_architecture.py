"""Draw the rooms and their imports, read from the source, as docs/images/architecture.svg.

Run ``make architecture``; a test compares the picture with the source.
"""

from __future__ import annotations

import ast
import json
import sys
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src" / "headwater"
PICTURE = HERE / "images" / "architecture.svg"
GROUND = (
    "errors",
    "figures",
    "glossary",
    "installation",
    "results",
    "settings",
    "storage",
    "units",
)
# From top to bottom: a room imports rooms of lower rows only.
ROWS = (
    ("cli",),
    ("chapters", "web"),
    ("report",),
    ("study",),
    ("restoration",),
    ("warning",),
    ("downscaling", "vegetation"),
    ("variation", "detector", "isotopes", "validation", "virtual", "network"),
    ("grids", "tables"),
    ("inference",),
    ("ground",),
)
WIDTH, BOX, HIGH, GAP, LEFT = 1040, 132, 44, 40, 20


def room_of(path: Path) -> str:
    """Name the room of a file; the ground modules count as one."""
    name = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "ground" if name in GROUND or name == "__init__" else name


def read_rooms() -> tuple[dict[str, int], set[tuple[str, str]]]:
    """Count the lines of each room, and find which rooms import which."""
    lines: dict[str, int] = {}
    arrows: set[tuple[str, str]] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        text, room = path.read_text(encoding="utf-8"), room_of(path)
        lines[room] = lines.get(room, 0) + text.count("\n")
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "headwater":
                names = [f"headwater.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                # a study reads the options of its chapters as values: no import runs up otherwise
                options = room == "study" and name.endswith(".options")
                if name.startswith("headwater.") and not name.endswith("__") and not options:
                    there = name.split(".")[1]
                    there = "ground" if there in GROUND else there
                    if there != room and not there.startswith("__"):
                        arrows.add((room, there))
    return lines, arrows


def reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out arrows that follow from others, so that the picture stays readable."""
    below: dict[str, set[str]] = {}
    for start, end in arrows:
        below.setdefault(start, set()).add(end)

    def reach(room: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found = set()
        for one in below.get(room, set()) - seen:
            found |= {one} | reach(one, seen | {room})
        return found

    return {
        (start, end)
        for start, end in arrows
        if not any(end in reach(other, frozenset({start})) for other in below[start] - {end})
    }


def places(rooms: set[str]) -> dict[str, tuple[float, float]]:
    """Lay rooms out in rows: the middle of the top edge of each box."""
    laid: dict[str, tuple[float, float]] = {}
    y = 16.0
    for row in ROWS:
        there = [room for room in row if room in rooms]
        if not there:
            continue
        step = (WIDTH - 2 * LEFT) / len(there)
        for at, room in enumerate(there):
            laid[room] = (LEFT + step * (at + 0.5), y)
        y += HIGH + GAP
    return laid


def draw() -> str:
    """Write the picture as text."""
    lines, arrows = read_rooms()
    laid = places(set(lines))
    facts = {"rooms": sorted(lines), "imports": sorted(map(list, arrows))}
    height = max(y for _, y in laid.values()) + HIGH + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        'font-family="sans-serif" font-size="14">',
        "<title>The rooms of Headwater and what they import</title>",
        f"<desc>{escape(json.dumps(facts))}</desc>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#6b7a86"/></marker>',
    ]
    for start, end in sorted(reduced(arrows)):
        if start in laid and end in laid:
            (x1, y1), (x2, y2) = laid[start], laid[end]
            shift = 0.12 * (x2 - x1)
            shift = max(-BOX / 2.6, min(BOX / 2.6, shift))
            parts.append(
                f'<path d="M{x1 + shift:.1f},{y1 + HIGH:.1f} L{x2 - shift:.1f},{y2 - 2:.1f}" '
                'stroke="#6b7a86" stroke-width="1.2" fill="none" marker-end="url(#tip)"/>'
            )
    for room, (x, y) in laid.items():
        wide = WIDTH - 2 * LEFT if room == "ground" else BOX
        words = " · ".join(GROUND) if room == "ground" else f"{room}/"
        parts += [
            f'<rect x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{HIGH}" rx="6" '
            'fill="#e8f1f8" stroke="#0072B2" stroke-width="1.2"/>',
            f'<text x="{x:.1f}" y="{y + 19:.1f}" text-anchor="middle" fill="#10242f" '
            f'font-weight="600">{words}</text>',
            f'<text x="{x:.1f}" y="{y + 35:.1f}" text-anchor="middle" fill="#4a5a66" '
            f'font-size="11">{round(lines[room], -2):,} lines</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
