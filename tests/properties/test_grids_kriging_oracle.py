"""Kriging against the system written out and solved whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headwater.grids.kriging import Kriging
from headwater.grids.variogram import Variogram


def dense(variogram, places, drift, target, target_drift):
    """Weights and variance from the bordered matrix of semivariances."""
    gamma = variogram(np.linalg.norm(places[:, None] - places, axis=-1))
    base = np.column_stack([np.ones(len(places)), drift])
    border = base.shape[1]
    matrix = np.block([[gamma, base], [base.T, np.zeros((border, border))]])
    near = variogram(np.linalg.norm(places - target, axis=-1))
    right = np.r_[near, 1.0, target_drift]
    solution = np.linalg.solve(matrix, right)
    return solution[: len(places)], solution @ right


@given(
    model=st.sampled_from(["exponential", "spherical", "matern32", "nugget"]),
    nugget=st.floats(0.01, 2.0),
    reach=st.floats(1.0, 200.0),
    drifts=st.integers(0, 2),
    local=st.booleans(),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**32 - 1),
)
def test_weights_and_variance(model, nugget, reach, drifts, local, scale, seed):
    rng = np.random.default_rng(seed)
    places, targets = rng.uniform(0, 100, (14, 2)), rng.uniform(-20, 120, (5, 2))
    drift, target_drift = rng.normal(size=(14, drifts)), rng.normal(size=(5, drifts))
    values = rng.normal(size=14)
    variogram = Variogram(model, nugget * scale, scale, reach)
    kriging = Kriging(variogram, neighbours=9 if local else None).fit(places, drift)
    estimate = kriging.predict(values, targets, target_drift)
    variance = kriging.variance(targets, target_drift)
    weights = kriging.weights(targets, target_drift)
    np.testing.assert_allclose(np.asarray(weights.matrix.sum(axis=1)).ravel(), 1.0, rtol=1e-8)
    for row, target in enumerate(targets):
        near = np.argsort(np.linalg.norm(places - target, axis=1))[: 9 if local else 14]
        expected, spread = dense(variogram, places[near], drift[near], target, target_drift[row])
        np.testing.assert_allclose(estimate[row], expected @ values[near], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(variance[row], spread, rtol=1e-6, atol=1e-8 * scale)
