"""What satellites see of the virtual headwater has the errors that were promised."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from headwater.errors import DataError
from headwater.virtual import make_headwater
from headwater.virtual.satellite import ERRORS, TRUTHS, observe_from_space

SHAPE, BLOCK = (24, 40), 8


def blocks() -> csr_array:
    row, column = np.indices(SHAPE)
    cell = (row // BLOCK * (SHAPE[1] // BLOCK) + column // BLOCK).ravel()
    return csr_array((np.full(cell.size, BLOCK**-2.0), (cell, np.arange(cell.size))))


@pytest.fixture(scope="module")
def headwater():
    return make_headwater(seed=3, years=(2018, 2019), shape=SHAPE, noise=0, gaps=0)


@pytest.fixture(scope="module")
def clear(headwater):
    return observe_from_space(headwater, blocks(), seed=3)


def test_the_same_seed_sees_the_same_bits(headwater, clear) -> None:
    again = observe_from_space(headwater, blocks(), seed=3)
    np.testing.assert_array_equal(clear.truth, again.truth)
    np.testing.assert_array_equal(clear.retrieval, again.retrieval)
    for name, cube in clear.dynamic.items():
        np.testing.assert_array_equal(cube, again.dynamic[name])
    other = observe_from_space(headwater, blocks(), seed=4)
    assert (clear.truth != other.truth).any()


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("errors", ERRORS)
def test_every_world_is_plausible(headwater, truth: str, errors: str) -> None:
    seen = observe_from_space(headwater, blocks(), seed=3, truth=truth, errors=errors)
    assert 0.02 <= seen.truth.min() < seen.truth.max() <= 0.6
    assert 0.05 < seen.truth[seen.thawed].std() < 0.12
    for name, sign in (("lst_day", -1), ("lst_range", -1), ("albedo", -1), ("precipitation", 1)):
        r = np.corrcoef(seen.dynamic[name][seen.thawed], seen.truth[seen.thawed])[0, 1]
        assert sign * r > 0.15, name
        assert np.isfinite(seen.dynamic[name]).all()


def test_retrievals_err_as_stated(clear) -> None:
    coarse = (blocks() @ clear.truth.reshape(730, -1).T).T
    error = clear.retrieval - coarse
    seen = np.isfinite(error)
    within = error - np.nanmean(error, axis=0, where=seen)
    assert within[seen].std() == pytest.approx(clear.noise["retrieval"], rel=0.05)
    assert np.nanmean(error, axis=0).std() == pytest.approx(clear.noise["cell_bias"], rel=0.6)


def test_retrievals_are_seen_in_swaths_over_thawed_ground(clear) -> None:
    seen = np.isfinite(clear.retrieval)
    warm = (blocks() @ clear.thawed.reshape(730, -1).T.astype(float)).T
    assert not seen[warm == 0.0].any()
    assert seen[warm == 1.0].mean() == pytest.approx(0.45, abs=0.03)


def test_white_errors_have_their_size_and_correlated_ones_last(headwater, clear) -> None:
    broad = observe_from_space(headwater, blocks(), seed=3, errors="correlated")
    np.testing.assert_array_equal(clear.truth, broad.truth)
    perfect = headwater.cube["ndvi"].values
    white, lasting = (view.dynamic["ndvi"] - perfect for view in (clear, broad))
    assert white.std() == pytest.approx(0.02, rel=0.02)
    assert lasting.std() == pytest.approx(0.02, rel=0.25)

    def lag_one(error) -> float:
        return float(np.corrcoef(error[1:].ravel(), error[:-1].ravel())[0, 1])

    def beside(error) -> float:
        return float(np.corrcoef(error[:, :, 1:].ravel(), error[:, :, :-1].ravel())[0, 1])

    assert abs(lag_one(white)) < 0.01
    assert abs(beside(white)) < 0.01
    assert lag_one(lasting) > 0.4
    assert beside(lasting) > 0.7


def test_cloud_cools_and_doubles_the_error(headwater, clear) -> None:
    broad = observe_from_space(headwater, blocks(), seed=3, errors="correlated")
    cloud = headwater.cube["precipitation"].values > 0.5
    error = broad.dynamic["ndvi"] - headwater.cube["ndvi"].values
    assert error[cloud].std() == pytest.approx(2 * error[~cloud].std(), rel=0.15)
    colder = broad.dynamic["lst_day"] - clear.dynamic["lst_day"]
    assert colder[cloud].mean() == pytest.approx(colder[~cloud].mean() - 1.2, abs=0.15)


def test_what_no_predictor_knows_is_there(headwater, clear) -> None:
    from headwater.virtual import satellite

    unknown = satellite._unknown(clear.truth.shape, headwater, 3)
    still = unknown.mean(axis=0)
    assert still.std() == pytest.approx(clear.noise["static"], rel=0.25)
    assert (unknown - still).std() == pytest.approx(clear.noise["daily"], rel=0.05)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"truth": "bucket"}, "Choose of balance, threshold"),
        ({"errors": "none"}, "Choose of white, correlated"),
        ({"aggregation": np.full((1, 7), 1 / 7)}, "7 pixels, the grid has 960"),
    ],
)
def test_what_there_is_not_is_refused(headwater, change, found) -> None:
    given = {"aggregation": blocks(), **change}
    with pytest.raises(DataError, match=found):
        observe_from_space(headwater, seed=3, **given)
