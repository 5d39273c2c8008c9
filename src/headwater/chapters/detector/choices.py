"""Classes as the study file writes them next to classes that are searched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from headwater.detector.detection import chance_of, rank_factors
from headwater.results import TableResult

if TYPE_CHECKING:
    import numpy as np

    from headwater.detector.sample import Sample
    from headwater.detector.search_options import Search

__all__ = ["compare_choices"]


def compare_choices(
    sample: Sample,
    search: Search,
    written: pd.DataFrame,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> TableResult:
    """Search the classes of all factors, those that the study file fixes as well.

    Parameters
    ----------
    sample : Sample
        Response and factors.
    search : Search
        As the study file has it.
    written : DataFrame
        The factor table with the classes of the study file.
    n_resamples : int
        Responses made by chance.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    TableResult
        One row a factor: the classes, q and rank of both; the p that takes cells as independent of
        the classes as written, and the p of the whole search of those that are searched.
    """
    found = rank_factors(sample, replace(search, fixed={}), chance_of(sample, n_resamples, rng))
    ours = found.factor.data.set_index("factor")
    ranks = {str(name): rank for rank, name in enumerate(ours.index, start=1)}
    rows = []
    for rank, row in enumerate(written.to_dict("records"), start=1):
        own = ours.loc[row["factor"]]
        rows.append(
            {
                "factor": row["factor"],
                "classes_written": _words(row),
                "q_written": row["q"],
                "rank_written": rank,
                "p_written": row["p_value"],
                "classes_searched": _words(own),
                "q_searched": own["q"],
                "rank_searched": ranks[row["factor"]],
                "p_search": own.get("p_search", float("nan")),
                "n": row["n"],
            }
        )
    return TableResult(
        pd.DataFrame(rows),
        "q with the classes of the study file, p as if cells were independent; and with classes "
        "searched, p from maps made by chance that are searched alike.",
    )


def _words(row: Any) -> str:
    return f"{row['method']}, {row['strata']}".replace("_", " ")
