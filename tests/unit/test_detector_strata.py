"""Stratification: rules, ties, singletons, bad input."""

from itertools import combinations

import numpy as np
import pytest

from headwater.detector import stratify
from headwater.detector.breaks import BREAKS, natural_breaks
from headwater.detector.strata import as_strata, categories, cross_strata, sectors
from headwater.errors import DataError, StudyError

VALUES = np.array([3.0, 1.0, 2.0, 2.0, 9.0, 4.0, np.nan, 7.0])


def spread(x: np.ndarray, breaks: np.ndarray) -> float:
    codes = np.searchsorted(breaks, x, side="left")
    return sum(float(((x[codes == c] - x[codes == c].mean()) ** 2).sum()) for c in np.unique(codes))


@pytest.mark.parametrize("seed", range(40))
def test_natural_breaks_are_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(np.round(rng.gamma(1.0, 3.0, rng.integers(5, 13)), seed % 3))
    distinct = np.unique(x)
    for k in range(2, min(5, distinct.size) + 1):
        every = [spread(x, np.array(inner)) for inner in combinations(distinct[:-1], k - 1)]
        (breaks,) = natural_breaks(x, [k])
        assert spread(x, breaks) <= min(every) + 1e-10


@pytest.mark.parametrize("method", sorted(BREAKS))
def test_equal_values_are_never_parted(method: str) -> None:
    x = np.repeat([1.0, 2.0, 5.0, 40.0, 41.0], 6)
    strata = stratify(x, method, 3)
    for value in np.unique(x):
        assert np.unique(strata.codes[x == value]).size == 1


@pytest.mark.parametrize("method", sorted(BREAKS))
def test_codes_are_without_gaps_and_missing_stays_missing(method: str) -> None:
    strata = stratify(VALUES, method, 3)
    assert strata.codes.dtype == np.int32
    assert strata.codes[np.isnan(VALUES)].tolist() == [-1]
    assert sorted(set(strata.codes) - {-1}) == list(range(strata.realised))
    assert len(strata.breaks) == strata.realised + 1


def test_classes_are_open_below_and_closed_above() -> None:
    strata = stratify([0.0, 1.0, 1.5, 2.0], breaks=[0.0, 1.0, 2.0])
    assert strata.codes.tolist() == [0, 0, 1, 1]
    assert strata.names == ("[0, 1]", "(1, 2]")


def test_quantiles_of_ties_realise_fewer_classes() -> None:
    strata = stratify([0.0] * 90 + list(range(1, 11)), "quantile", 5)
    assert (strata.requested, strata.realised) == (5, 1 + (strata.realised - 1))
    assert strata.realised < 5


def test_shape_of_a_map_is_kept() -> None:
    assert stratify(np.arange(12.0).reshape(3, 4), "equal", 3).codes.shape == (3, 4)


def test_names_tell_close_limits_apart() -> None:
    strata = stratify([1.00001, 1.00002, 1.00003, 1.00004], "equal", 3)
    assert len(set(strata.names)) == strata.realised == 3


@pytest.mark.parametrize(
    ("values", "options", "wrong"),
    [
        ([np.nan, np.nan], {}, "all values are missing"),
        ([2.0, 2.0, 2.0], {"classes": 2}, "constant factor"),
        ([1.0, 2.0, np.inf], {"classes": 2}, "infinite"),
        ([1.0, 2.0], {"classes": 3}, "fewer units than classes"),
        ([-1.0, 2.0, 3.0], {"method": "geometric", "classes": 2}, "positive"),
        ([0.0, 2.0, 3.0], {"method": "geometric", "classes": 2}, "positive"),
        ([1.0, 5.0], {"breaks": [0.0, 1.0, 2.0]}, "outside"),
        ([1.0, 5.0], {"breaks": [0.0, 7.0, 6.0]}, "ascend"),
    ],
)
def test_bad_values_are_refused(values: list[float], options: dict, wrong: str) -> None:
    with pytest.raises(DataError, match=wrong):
        stratify(values, **options)


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(StudyError, match="quantile"):
        stratify(VALUES, "quantiles", 3)


def test_singletons() -> None:
    x = [1.0, 1.1, 1.2, 5.0, 9.0, 9.1]
    kept = stratify(x, breaks=[0, 2, 6, 10])
    assert kept.codes.tolist() == [0, 0, 0, 1, 2, 2]
    dropped = stratify(x, breaks=[0, 2, 6, 10], singletons="drop")
    assert dropped.codes.tolist() == [0, 0, 0, -1, 1, 1]
    assert (dropped.dropped, dropped.realised) == (1, 2)
    merged = stratify(x, breaks=[0, 2, 6, 10], singletons="merge")
    assert merged.codes.tolist() == [0, 0, 0, 1, 1, 1]
    assert merged.breaks == (0.0, 2.0, 10.0)


def test_singletons_of_categories_become_other() -> None:
    strata = categories(["a", "a", "b", "c", "d", "d"], singletons="merge")
    assert strata.names == ("a", "d", "other")
    assert strata.codes.tolist() == [0, 0, 2, 2, 1, 1]
    lone = categories(["a", "a", "b", "d", "d", "d"], singletons="merge")
    assert lone.names == ("d", "other")


def test_categories_are_not_cast() -> None:
    assert categories([0.1, 0.5, 0.1, np.nan]).names == ("0.1", "0.5")
    assert categories(np.array([True, False, True])).names == ("False", "True")
    assert categories(np.array([3.0, np.nan, 1.0])).names == ("1", "3")
    with pytest.raises(DataError, match="mixed"):
        categories(np.array([1, "1", True], dtype=object))
    with pytest.raises(DataError, match="missing"):
        categories([None, None])


def test_crossing_cannot_confuse_separators() -> None:
    one, two = as_strata(["a", "a_b"]), as_strata(["b_c", "c"])
    assert len(set(cross_strata(one, two).tolist())) == 2
    assert cross_strata(as_strata(["a", None]), as_strata(["x", "y"])).tolist() == [0, -1]


def test_sectors_wrap_at_north() -> None:
    strata = sectors([359.0, 1.0, 360.0, 0.0, 44.0, 46.0, 90.0, np.nan, np.nextafter(337.5, 0)], 8)
    names = [strata.names[c] if c >= 0 else None for c in strata.codes]
    assert names == ["N", "N", "N", "N", "NE", "NE", "E", None, "NW"]
    assert sectors([0.0, 120.0, 240.0], 3).names == ("0°", "120°", "240°")
