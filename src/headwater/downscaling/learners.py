"""Learners by name, whose predictions do not depend on the number of threads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.errors import DataError, nearest

__all__ = ["LEARNERS", "MeanOfLearners", "fit_learners", "make_learner", "pinned"]

_BAGGED = 40

LEARNERS = ("forest", "boosting")
"""Random forest, as in the study, and gradient boosting on histograms."""


def make_learner(
    learner: object, *, trees: int = 100, random_state: int = 0, workers: int = 1
) -> Any:
    """Make an unfitted regressor.

    Parameters
    ----------
    learner : {"forest", "boosting"} or scikit-learn regressor
        A regressor is cloned, and its ``random_state`` set where it has one.
    trees : int
        Trees of a forest, rounds of boosting times two.
    random_state : int
        Seed of the learner, as scikit-learn takes it.
    workers : int
        Threads that grow a forest.

    Returns
    -------
    scikit-learn regressor

    Raises
    ------
    DataError
        If the name is unknown, or the object cannot fit and predict.

    Notes
    -----
    The forest [1]_ considers a third of the predictors at each split, and stops at leaves of five.
    Boosting takes 31 leaves at most, at least 20 samples in each, and a learning rate of 0.06.

    References
    ----------
    .. [1] Breiman, L. (2001). Random forests. Machine Learning 45, 5-32.
       https://doi.org/10.1023/A:1010933404324

    Examples
    --------
    >>> make_learner("forest", trees=7).n_estimators
    7
    """
    if learner == "forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(
            trees,
            min_samples_leaf=5,
            max_features=1 / 3,
            n_jobs=workers,
            random_state=random_state,
            # in a small forest some rows are in every bag
            oob_score=trees >= _BAGGED,
        )
    if learner == "boosting":
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(
            max_iter=2 * trees,
            learning_rate=0.06,
            min_samples_leaf=20,
            early_stopping=False,
            random_state=random_state,
        )
    if isinstance(learner, str):
        raise DataError("unknown learner", found=repr(learner), do=nearest(learner, LEARNERS))
    if not (hasattr(learner, "fit") and hasattr(learner, "predict")):
        found = type(learner).__name__
        raise DataError("a learner must fit and predict", found=found, do="Give a regressor")
    from sklearn.base import clone

    copy = clone(learner)
    known = [name for name in copy.get_params() if name.endswith("random_state")]
    return copy.set_params(**dict.fromkeys(known, random_state))


class MeanOfLearners:
    """Fitted learners whose predictions are averaged.

    Parameters
    ----------
    members : sequence of fitted scikit-learn regressors
        At least one.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = tuple(members)

    def predict(self, table: NDArray[np.floating]) -> NDArray[np.float64]:
        """Predict, with NaN in rows that lack a predictor.

        Parameters
        ----------
        table : array (row, predictor)

        Returns
        -------
        array (row,)
        """
        predicted = np.full(len(table), np.nan)
        whole = np.isfinite(table).all(axis=1)
        if whole.any():
            rows = table[whole]
            total = sum(_predict(member, rows) for member in self.members)
            predicted[whole] = total / len(self.members)
        return predicted

    @property
    def out_of_bag(self) -> NDArray[np.float64] | None:
        """Predictions of the training rows by the trees that have not seen them, if a forest."""
        for member in self.members:
            if hasattr(member, "oob_prediction_"):
                return np.asarray(member.oob_prediction_)
        return None


def fit_learners(
    learners: Sequence[Any],
    tables: Sequence[NDArray[np.floating]],
    target: NDArray[np.floating],
    *,
    trees: int = 100,
    random_state: int = 0,
    workers: int = 1,
) -> MeanOfLearners:
    """Fit one or several learners and average them.

    Parameters
    ----------
    learners : sequence
        What :func:`make_learner` takes.
    tables : sequence of array (row, predictor)
        Training predictors of each learner; they may differ by their noise.
    target : array (row,)
        Training target.
    trees, random_state, workers : int
        As for :func:`make_learner`; every learner gets a seed of its own.

    Returns
    -------
    MeanOfLearners

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(300, 2))
    >>> fitted = fit_learners(["boosting"], [x], x[:, 0], trees=20)
    >>> float(np.corrcoef(fitted.predict(x), x[:, 0])[0, 1]) > 0.98
    True
    """
    members = []
    with pinned():
        for number, (learner, table) in enumerate(zip(learners, tables, strict=True)):
            unfitted = make_learner(
                learner, trees=trees, random_state=random_state + number, workers=workers
            )
            # scikit-learn's threads, leaving each other's contexts, can empty the filters of all
            with warnings.catch_warnings():
                members.append(unfitted.fit(table, target))
    return MeanOfLearners(members)


def _predict(member: Any, rows: NDArray[np.floating]) -> NDArray[np.float64]:
    from sklearn.ensemble import RandomForestRegressor

    if not isinstance(member, RandomForestRegressor):
        return np.asarray(member.predict(rows), dtype=np.float64)
    # the forest's own threads add the trees in another order every time, which changes bits
    table = np.ascontiguousarray(rows, dtype=np.float32)
    total = np.zeros(len(table))
    for tree in member.estimators_:
        total += tree.tree_.predict(table).ravel()
    return total / len(member.estimators_)


@contextmanager
def pinned() -> Iterator[None]:
    """Hold compiled libraries to one thread each: unpinned, boosting took ten times as long.

    Examples
    --------
    >>> with pinned():
    ...     total = np.ones(3).sum()
    """
    threads: Any = import_module("threadpoolctl")
    with threads.threadpool_limits(limits=1):
        yield
