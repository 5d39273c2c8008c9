"""The factors of a sample, parted as well as they can be, tested and ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from headwater.detector.factor import factor
from headwater.detector.null_models import GridSpectral, Permutation, Randomisation
from headwater.detector.optimal import best_strata, optimal
from headwater.detector.randomise_points import MOST_POINTS, MoranSpectral, Rotation
from headwater.detector.resample import Resampling, point_blocks, square_blocks, unit_blocks
from headwater.detector.results import FactorResult, OptimalResult, SearchResult
from headwater.detector.sample import Sample
from headwater.detector.search_options import Search
from headwater.detector.search_test import search_test
from headwater.detector.strata import Strata

__all__ = ["FEWEST", "MOST_WORK", "Ranking", "chance_of", "rank_factors"]

_WORK = 400_000_000
"""Units times factors times draws beyond which fewer responses are made by chance."""

MOST_WORK = 2_000_000_000
"""Beyond this even the fewest draws would take minutes."""

FEWEST = 99
"""Below this many responses made by chance no test is worth its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What a search found, and what it is worth.

    Attributes
    ----------
    strata : dict of str to Strata
        The partitions chosen.
    optimal, factor : TableResult
        See the functions of the same names; the factor table with the tests of the search.
    search : SearchResult or None
        None where there are too many units to repeat the search.
    """

    strata: Mapping[str, Strata]
    optimal: OptimalResult
    factor: FactorResult
    search: SearchResult | None


def rank_factors(sample: Sample, search: Search, chance: Resampling) -> Ranking:
    """Search, part and test all factors of a sample.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.read_sample`.
    search : Search
        What is tried.
    chance : Resampling
        From :func:`chance_of`.

    Returns
    -------
    Ranking

    Raises
    ------
    DataError
        As :func:`headwater.detector.optimal`.
    """
    y, weights = sample.response, sample.weights
    found = optimal(
        y,
        sample.factors,
        kinds=search.kinds,
        methods=search.methods,
        classes=search.classes,
        by=search.by,
        smallest=search.smallest,
        weights=weights,
        fixed=search.fixed,
    )
    strata = best_strata(sample.factors, found)
    blocks = replace(chance, null=None) if chance.number else None
    factors = factor(y, strata, weights=weights, resampling=blocks)
    if chance.number == 0:
        sentence = "Nothing was resampled: there are too many units."
        return Ranking(strata, found, _with(factors, sentence), None)
    tested = search_test(
        y,
        sample.factors,
        search,
        null=chance.null,
        number=chance.number,
        weights=weights,
        rng=chance.rng,
    )
    return Ranking(strata, found, _tested(factors, tested, chance), tested)


def chance_of(sample: Sample, number: int, rng: np.random.Generator) -> Resampling:
    """Choose the null and the blocks that know about neighbours what the sample tells.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.read_sample`.
    number : int
        How many responses by chance; fewer of very many units, and 0 where that would be too few.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Resampling
    """
    y = sample.response
    work = max(y.size * len(sample.factors), 1)
    number = min(number, max(_WORK // work, FEWEST))
    number = number if work * number <= MOST_WORK else 0
    if sample.grid is not None:
        shape = (sample.grid.shape[0], sample.grid.shape[1])
        blocks = square_blocks(sample.cells, shape, y)
        return Resampling(rng, GridSpectral(sample.cells, shape), blocks, number)
    if sample.places is not None:
        few = len(sample.places) <= MOST_POINTS
        null: Randomisation = MoranSpectral(sample.places) if few else Rotation(sample.places)
        return Resampling(rng, null, point_blocks(sample.places), number)
    return Resampling(rng, Permutation(), unit_blocks(y.size, rng), number)


def _tested(factors: FactorResult, tested: SearchResult, chance: Resampling) -> FactorResult:
    """Put the tests of the whole search beside the F tests."""
    assert chance.null is not None
    found = tested.data.set_index("factor").loc[factors.data["factor"]]
    table = factors.data.copy()
    place = list(table.columns).index("p_holm") + 1
    table.insert(place, chance.null.column, found["p_fixed"].to_numpy())
    table.insert(place + 1, "p_search", found["p_search"].to_numpy())
    table.insert(place + 2, "q_chance", found["q_chance"].to_numpy())
    sentence = (
        f"{chance.null.column}: share of {chance.number} {chance.null.words} whose q reaches the "
        "one observed, the strata as chosen; p_search: the same with the whole search repeated on "
        "each; q_chance: the q that 5 % of them exceed after their search."
    )
    return _with(replace(factors, data=table), sentence)


def _with(factors: FactorResult, sentence: str) -> FactorResult:
    return replace(factors, choices=(*factors.choices, sentence))
