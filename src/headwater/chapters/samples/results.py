"""What the groups of mixtures gave, collected: tables, draws, refusals, differences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headwater.results import Result, TableResult

if TYPE_CHECKING:
    from headwater.errors import DataError

__all__ = ["Shares", "differences", "first_notes"]

_MOST_NOTES = 4
_ABSENT = "absent, as the study file says"
_PLACE = ["grouping", "label", "period"]


@dataclass(slots=True)
class Shares:
    """What the groups gave: tables by name, draws by group, and what could not be answered.

    Attributes
    ----------
    tables : dict
        Rows of each result.
    results : dict
        The first result of each name: its method, references and units.
    draws : dict
        By (grouping, label, period): draws of the fractions, a column for each source.
    refusals : dict
        Each once, by its words.
    notes : dict
        Cautions of each result, each once.
    """

    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    draws: dict[tuple[str, str, str], pd.DataFrame] = field(default_factory=dict)
    refusals: dict[str, DataError] = field(default_factory=dict)
    notes: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, name: str, result: Any, table: pd.DataFrame) -> None:
        """Add rows, and the words of their result."""
        self.results.setdefault(name, result)
        self.tables.setdefault(name, []).append(table)
        self.notes.setdefault(name, {}).update(dict.fromkeys(result.cautions))

    def keep_draws(self, place: tuple[Any, ...], draws: Any, sources: Iterable[str]) -> None:
        """Keep the draws of a group that has an answer."""
        if np.isfinite(draws).all():
            grouping, label, period = map(str, place)
            self.draws[grouping, label, period] = pd.DataFrame(draws, columns=list(sources))

    def collected(self, name: str) -> Any:
        """Return all rows of a name as one result."""
        data = pd.concat(self.tables[name], ignore_index=True)
        data.attrs.update(self.results[name].data.attrs)
        return replace(self.results[name], data=data, cautions=first_notes(self.notes[name]))

    def fractions(self, sources: list[str], *, choices: Any = (), cautions: Any = ()) -> Any:
        """Return the fractions, with a 0 for what a period does not have."""
        from headwater.isotopes.mixing.results import MixingPosterior

        found = _with_absent(self.collected("mixing"), sources)
        return MixingPosterior(
            found.data,
            found.method,
            found.references,
            found.fingerprint,
            (*found.choices, *choices),
            (*found.cautions, *cautions, *first_notes(self.refusals)),
        )

    def compared(self, sources: list[str]) -> dict[str, Result]:
        """Return the differences of groups, and the draws of all samples together."""
        from headwater.isotopes.mixing.results import PosteriorDraws

        whole = {k: one.reindex(columns=sources, fill_value=0.0) for k, one in self.draws.items()}
        results: dict[str, Result] = {}
        gaps = differences(whole, sources)
        if len(gaps):
            results["mixing-differences"] = TableResult(
                gaps, "Groups are compared by the differences of their posterior draws."
            )
        parts = [
            draws.assign(label=label, period=period)
            for (grouping, label, period), draws in whole.items()
            if grouping == "all"
        ]
        if parts:
            results["mixing-draws"] = PosteriorDraws(pd.concat(parts, ignore_index=True), "")
        return results


def first_notes(notes: Iterable[str]) -> tuple[str, ...]:
    """Keep the first of many notes that differ in their numbers alone.

    Parameters
    ----------
    notes : iterable of str
        Sentences.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> first_notes(str(k) for k in range(6))
    ('0', '1', '2', '3', '… and 2 notes like these.')
    """
    told = list(notes)
    more = len(told) - _MOST_NOTES
    return (*told[:_MOST_NOTES], *((f"… and {more} notes like these.",) if more > 0 else ()))


def _with_absent(posterior: Any, sources: list[str]) -> Any:
    """Add the sources that a period does not have, as the 0 that the study file makes them."""
    place = [*_PLACE, "mixture"]
    groups = posterior.data[[*place, "n"]].drop_duplicates(place)
    lacking = groups.merge(pd.DataFrame({"source": sources}), how="cross").merge(
        posterior.data[[*place, "source"]], how="left", indicator=True
    )
    lacking = lacking[lacking["_merge"] == "left_only"].drop(columns="_merge")
    if lacking.empty:
        return posterior
    zeros = dict.fromkeys(("fraction", "low", "median", "high"), 0.0)
    data = pd.concat([posterior.data, lacking.assign(**zeros, status=_ABSENT)], ignore_index=True)
    data.attrs.update(posterior.data.attrs)
    return replace(posterior, data=data)


def differences(
    whole: dict[tuple[str, str, str], pd.DataFrame], sources: list[str]
) -> pd.DataFrame:
    """Compare the periods of all samples, and the groups of a grouping within a period.

    Parameters
    ----------
    whole : dict
        By (grouping, label, period): draws of the fractions, a column for each source.
    sources : list of str
        The columns.

    Returns
    -------
    DataFrame
        ``grouping``, ``within``, ``group_a``, ``group_b``, ``source``, ``difference`` (a - b),
        ``sd``, ``low``, ``high``, ``probability`` (that a has more).
    """
    rows = []
    for one, two in combinations(whole, 2):
        periods = one[0] == two[0] == "all" and one[1] == two[1] and one[2] != two[2]
        groups = one[0] == two[0] != "all" and one[2] == two[2] and one[1] != two[1]
        if not (periods or groups):
            continue
        gap = whole[one].to_numpy() - whole[two].to_numpy()
        low, high = np.quantile(gap, [0.025, 0.975], axis=0)
        place = {
            "grouping": one[0],
            "within": one[1] if periods else one[2],
            "group_a": one[2] if periods else one[1],
            "group_b": two[2] if periods else two[1],
        }
        rows += [
            {
                **place,
                "source": name,
                "difference": gap[:, k].mean(),
                "sd": gap[:, k].std(),
                "low": low[k],
                "high": high[k],
                "probability": (gap[:, k] > 0.0).mean(),
            }
            for k, name in enumerate(sources)
            if gap[:, k].any()  # a source that both lack has no difference to tell
        ]
    return pd.DataFrame(rows)
