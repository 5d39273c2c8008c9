"""A chapter of the report as a value: text, figures and tables in reading order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from headwater.grids.area import Area
    from headwater.results import Result

__all__ = [
    "Block",
    "FigureBlock",
    "MakeComparison",
    "MakeOpening",
    "MakeSection",
    "Section",
    "TableBlock",
    "TextBlock",
]


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """A figure with its caption; `draw` is called once, when the report is rendered.

    Attributes
    ----------
    name : str
        File name without suffix: ``figures/<name>.svg``, or as ``[report]`` asks.
    draw : callable
        Returns the figure.
    caption : str
        What is seen, with unit, n and period; one or two sentences.
    alt : str
        The finding in one sentence, for readers who cannot see the figure.
    wide : bool
        Whether it takes the full width of the page.
    """

    name: str
    draw: Callable[[], Figure]
    caption: str
    alt: str
    wide: bool = True


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table with its caption; also written as ``tables/<name>.csv``, unrounded.

    Attributes
    ----------
    name : str
        File name without suffix.
    frame : DataFrame
        Flat columns; ``frame.attrs["units"]`` maps columns to units.
    caption : str
        What the rows are, with n.
    digits : int
        Significant digits shown on the page.
    """

    name: str
    frame: pd.DataFrame
    caption: str
    digits: int = 3


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A paragraph of plain text."""

    text: str


Block = FigureBlock | TableBlock | TextBlock


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter.

    Attributes
    ----------
    name : str
        Anchor in the page.
    title : str
        Heading.
    headline : tuple of str
        The findings, each a sentence with number, unit and n, for the top of the page.
    blocks : tuple of Block
        In reading order.
    methods, references, cautions : tuple of str
        Sentences that go to the methods page, the reference list and "what to distrust".
    """

    name: str
    title: str
    headline: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    cautions: tuple[str, ...] = field(default=())


MakeSection = Callable[[Mapping[str, "Result"], "Area | None"], Section]
"""``make(results, outline)`` turns the results of a step into its chapter."""

MakeOpening = Callable[[Mapping[str, Mapping[str, "Result"]], "Area | None"], FigureBlock | None]
"""``make(results, outline)`` turns the results of all steps into the figure on top, if any."""

MakeComparison = Callable[[Mapping[str, Mapping[str, "Result"]]], Section | None]
"""``make(results)`` puts usual methods next to better ones, where the results have both."""

MakeClosing = Callable[[Mapping[str, Mapping[str, "Result"]], "Path", tuple[int, int]], Section]
"""``make(results, truth)`` compares the results of all steps with a folder of truth."""
