"""What can go wrong, each with what was found and what to do.

The tree::

    HeadwaterError
    ├── StudyError       the study file itself (exit code 2)
    ├── InputError       a file that cannot be read or holds the wrong thing (exit code 3)
    │   ├── CRSError         no coordinate reference system, or two that differ
    │   ├── GridError        no regular grid, or no overlap
    │   ├── TimeAxisError    duplicate, non-monotonic or incompatible times
    │   └── UnitError        an unknown or incompatible unit
    ├── DataError        values that a method cannot answer for (exit code 4)
    ├── ResumeError      a results folder that cannot be written or is in use (exit code 5)
    └── ClusterError     a cluster that cannot be reached or used (exit code 6)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "CRSError",
    "ClusterError",
    "DataError",
    "GridError",
    "HeadwaterError",
    "InputError",
    "ProblemsError",
    "ResumeError",
    "StudyError",
    "TimeAxisError",
    "UnitError",
    "nearest",
]


_LISTED = 600  # characters of a list of known words, of which a damaged file may have any number


class HeadwaterError(Exception):
    """Root of all errors that Headwater raises on purpose.

    Parameters
    ----------
    wrong : str
        What was wrong, as a clause without a full stop.
    found : str
        What was found in its place.
    do : str
        What to do about it.

    Examples
    --------
    >>> print(UnitError("unknown unit", found="'furlong'", do="Use one of: m, mm"))
    unknown unit. Found: 'furlong'. Use one of: m, mm.
    """

    exit_code = 1

    def __init__(self, wrong: str, *, found: str = "", do: str = "") -> None:
        self.wrong, self.found, self.do = wrong, found, do
        super().__init__(wrong, found, do)

    def __str__(self) -> str:
        parts = [self.wrong, f"Found: {self.found}" if self.found else "", self.do]
        return " ".join(f"{part.rstrip('.')}." for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only parts would be lost when a worker process sends the error home.
        return _rebuild, (type(self), self.wrong, self.found, self.do)


def _rebuild(kind: type[HeadwaterError], wrong: str, found: str, do: str) -> HeadwaterError:
    return kind(wrong, found=found, do=do)


class StudyError(HeadwaterError, ValueError):
    """The study file has an unknown key, a wrong value, or asks for the impossible."""

    exit_code = 2


class InputError(HeadwaterError, ValueError):
    """An input file is missing, unreadable, or holds something else than declared."""

    exit_code = 3


class CRSError(InputError):
    """The coordinate reference system is missing or contradicts another one."""


class GridError(InputError):
    """The coordinates are not a regular grid, or grid and area do not overlap."""


class TimeAxisError(InputError):
    """Times are duplicated, out of order, of mixed calendars, or share no period."""


class UnitError(InputError):
    """A unit is unknown, or cannot be converted into the one needed."""


class DataError(HeadwaterError, ValueError):
    """The values cannot answer the question: all missing, constant, too few."""

    exit_code = 4


class ResumeError(HeadwaterError, OSError):
    """The results folder is in use, unwritable, or not one of ours."""

    exit_code = 5


class ClusterError(HeadwaterError, OSError):
    """The cluster cannot be reached or used, or lacks what the study needs."""

    exit_code = 6


class ProblemsError(HeadwaterError, ValueError):
    """All problems that a check found, reported at once.

    Parameters
    ----------
    problems : list of HeadwaterError
        At least one; the exit code is that of the first.
    """

    def __init__(self, problems: list[HeadwaterError]) -> None:
        self.problems = tuple(problems)
        self.exit_code = problems[0].exit_code
        super().__init__(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found")

    def __str__(self) -> str:
        lines = [f"  {i}. {problem}" for i, problem in enumerate(self.problems, start=1)]
        return "\n".join([f"{self.wrong}:", *lines])


def nearest(word: str, known: Sequence[str], listed: Sequence[str] = ()) -> str:
    """Suggest the known word nearest to a mistyped one.

    Parameters
    ----------
    word : str
        What was written.
    known : sequence of str
        What could have been meant.
    listed : sequence of str
        What to list, where `known` holds many spellings of the same; default: `known`, sorted.

    Returns
    -------
    str
        ``"Did you mean 'x'? Known: ..."``, or only the known words when none is near.

    Examples
    --------
    >>> nearest("elevatoin", ["slope", "elevation"])
    "Did you mean 'elevation'? Known: elevation, slope"
    """
    import difflib

    names = ", ".join(listed or sorted(known))
    shown = "".join(c if c.isprintable() else "\ufffd" for c in names[:_LISTED])
    listing = f"Known: {shown or 'none'}{' …' if len(names) > _LISTED else ''}"
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'? {listing}" if close else listing
