"""The reading report: what a reader recognised in a table, what it assumed, what it left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["LeftOut", "MissingCode", "ReadingReport", "Recognised", "name_rows"]

_MOST = 8


@dataclass(frozen=True, slots=True)
class Recognised:
    """One column and what it was taken for.

    Attributes
    ----------
    column : str
        The file's name.
    name : str
        Ours.
    how : str
        ``exact`` name, known ``spelling``, or ``given`` by the user.
    unit : str
        That the file names; empty for none.
    converted : str
        Unit that the values were converted to; empty where they stayed as they were.
    """

    column: str
    name: str
    how: str
    unit: str = ""
    converted: str = ""

    def __str__(self) -> str:
        how = {"exact": "", "spelling": " (known spelling)", "given": " (as given)"}
        words = f"'{self.column}' is {self.name}{how.get(self.how, f' ({self.how})')}"
        if self.converted:
            return f"{words}, {self.unit} converted to {self.converted}"
        return f"{words}, {self.unit}" if self.unit else words


@dataclass(frozen=True, slots=True)
class MissingCode:
    """A mark that stands for a missing value.

    Attributes
    ----------
    column : str
    code : str
        As the file has it.
    n : int
    kind : {"missing", "below detection", "flat"}
    """

    column: str
    code: str
    n: int
    kind: str = "missing"

    def __str__(self) -> str:
        return f"{self.n} × '{self.code}' in {self.column}: {self.kind}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are not in the table, and why.

    Attributes
    ----------
    reason : str
    rows : tuple of int
        Numbers in the file, from 1.
    """

    reason: str
    rows: tuple[int, ...]

    def __str__(self) -> str:
        return f"{name_rows(self.rows)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """How a table was read; every reader returns one, `check` prints it, results keep it.

    Attributes
    ----------
    source : str
        Name of the file.
    layout : str
        Encoding, separator, sheet and row of the names, in words.
    n_rows : int
        Rows that are in the table.
    recognised : tuple of Recognised
    kept : tuple of str
        Columns without a known meaning, which stay under their own names.
    ignored : tuple of str
        Columns that nothing uses, with the reason.
    guesses : tuple of str
        What was assumed though the file does not say it, each with the key that settles it.
    missing : tuple of MissingCode
    left_out : tuple of LeftOut

    Examples
    --------
    >>> report = ReadingReport("lab.csv", "UTF-8, comma", 2, (Recognised("dD", "d2H", "spelling"),))
    >>> report.lines()[1]
    "'dD' is d2H (known spelling)"
    """

    source: str
    layout: str
    n_rows: int
    recognised: tuple[Recognised, ...] = ()
    kept: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    missing: tuple[MissingCode, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Write the report as lines of text."""
        return (*self.choices(), *(f"Assumed: {text}" for text in self.guesses))

    def choices(self) -> tuple[str, ...]:
        """Write all but the guesses, as a result keeps them."""
        kept = [f"Columns of no known meaning, kept: {', '.join(self.kept)}"] if self.kept else []
        return (
            f"{self.source}: {self.n_rows} rows read ({self.layout})",
            *(str(one) for one in self.recognised if one.how != "exact" or one.unit),
            *kept,
            *(f"Ignored: {text}" for text in self.ignored),
            *map(str, self.missing),
            *(f"Left out {entry}" for entry in self.left_out),
        )

    def but(self, *guesses: str) -> ReadingReport:
        """Add guesses; those that stand there already are not repeated."""
        return replace(self, guesses=tuple(dict.fromkeys((*self.guesses, *guesses))))


def name_rows(rows: Sequence[int]) -> str:
    """Name rows by their numbers, the first of many.

    Examples
    --------
    >>> name_rows([3]), name_rows(range(2, 13))
    ('row 3', 'rows 2, 3, 4, 5, 6, 7, 8, 9 and 3 more')
    """
    numbers = ", ".join(str(row) for row in rows[:_MOST])
    more = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
    return f"row{'s' if len(rows) > 1 else ''} {numbers}{more}"
