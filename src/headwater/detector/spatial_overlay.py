"""The interactive detector for spatial associations: zones overlaid by their risk (IDSA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headwater.detector.spatial_association import (
    CANG2018,
    Weights,
    as_given,
    cpsd,
    psd,
    spatial_variance,
    weighted_words,
)
from headwater.detector.strata import Strata, compact, stratify
from headwater.errors import DataError, StudyError, nearest
from headwater.figures import drawing_on
from headwater.results import TableResult, of_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["IdsaResult", "idsa"]

Floats = npt.NDArray[np.float64]
Overlay = Literal["and", "or"]

_MOST = 10
"""Factors beyond which 2^m overlays are no longer computed."""

_NO_TEST = (
    "The power of IDSA grows with the number of zones, and has no test here: it orders sets of "
    "factors, and shows nothing of chance."
)
SONG2021 = (
    "Song, Y., Wu, P. (2021). An interactive detector for spatial associations. International "
    "Journal of Geographical Information Science 35(8), 1676-1701. "
    "https://doi.org/10.1080/13658816.2021.1882680"
)


@dataclass(frozen=True, slots=True, eq=False)
class IdsaResult(TableResult):
    """Power of interactive determinant of every set of factors, strongest first.

    Columns: factors (joined by " ∩ "), number (of factors), pid, theta (power of the zones on the
    response), phi (power of the zones on the factors themselves), zones, single_zones (with one
    unit), n.
    """

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw pid as bars.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Figure
        """
        from headwater.detector.extension_plots import draw_idsa

        with drawing_on(ax):
            return draw_idsa(self.data)


@of_inputs
def idsa(
    response: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    weights: Weights,
    *,
    method: str = "quantile",
    classes: Sequence[int] = range(3, 9),
    strata: Mapping[str, Strata] | None = None,
    unit_weights: npt.ArrayLike | None = None,
    overlay: Overlay = "and",
    rise: float = 0.05,
) -> IdsaResult:
    r"""Compute how far zones overlaid from several factors determine the response.

    Parameters
    ----------
    response : array_like, shape (n,), or (y, x) with GridWeights
        The variable to be explained [any unit]; NaN is missing.
    factors : mapping of str to array_like, same shape
        At most ten continuous factors [any unit].
    weights : GridWeights, ndarray or scipy.sparse array of shape (n, n)
        Weight of each pair; see
        :func:`headwater.detector.spatial_association.distance_weights`.
    method : str
        Rule that parts the factors; see :func:`headwater.detector.stratify`.
    classes : sequence of int
        Numbers of classes to try.
    strata : mapping of str to Strata, optional
        Factors that are parted already, with codes of the shape of the response.
    unit_weights : array_like, same shape, optional
        Weight of each unit, such as its area: a unit of weight 2 counts as two of weight 1.
    overlay : {"and", "or"}
        Which stratum a unit takes of those of its factors: the one of least, or of greatest, mean
        response (fuzzy overlay).
    rise : float
        Of the numbers of classes the first is taken to which the compensated power rises by no
        more than this share after it rose by more; the one of greatest power if there is none.

    Returns
    -------
    IdsaResult
        For every set of factors.

    Raises
    ------
    DataError
        If there are no factors or more than ten, or a factor cannot be parted.
    StudyError
        If the overlay is unknown.

    Notes
    -----
    .. math:: PID = \theta / \varphi, \quad
              \varphi = 1 - \sum_k (1 - \theta_k) \Gamma_k / \sum_k \Gamma_k

    with θ the power of spatial determinant of the zones on the response, and θ_k that on the
    classes of factor k, whose spatial variance is Γ_k. A single factor has its compensated power.
    The rule for the number of classes is that of gdverse, whose loess through the powers of the six
    numbers tried by default returns them as they are. Units that lack a value of any factor are
    left out. There is no test: the power grows with the number of zones.

    References
    ----------
    Song, Y., Wu, P. (2021). An interactive detector for spatial associations. International
    Journal of Geographical Information Science 35(8), 1676-1701.
    https://doi.org/10.1080/13658816.2021.1882680

    Examples
    --------
    >>> x = np.arange(12.0)
    >>> found = idsa(x // 4, {"x": x}, np.ones((12, 12)), classes=[3])
    >>> found.data[["factors", "pid"]].round(2).values.tolist()
    [['x', 1.15]]
    """
    _check(overlay, len(factors))
    y = np.array(response, dtype=np.float64)
    arrays = {name: np.asarray(given, dtype=np.float64) for name, given in factors.items()}
    y[np.any([np.isnan(one) for one in arrays.values()], axis=0)] = np.nan
    kept = {name: np.where(np.isnan(y), np.nan, one) for name, one in arrays.items()}
    mass = np.ones(y.shape) if unit_weights is None else np.asarray(unit_weights, np.float64)
    field, parted = _Field(y, weights, mass), strata or {}
    parts = {
        name: parted[name]
        if name in parted
        else field.slowing(one, _candidates(name, one, method, classes), rise)
        for name, one in kept.items()
    }
    sets = [names for size in range(1, len(parts) + 1) for names in combinations(parts, size)]
    rows = [field.row(kept, {name: parts[name] for name in names}, overlay) for names in sets]
    table = pd.DataFrame(rows).sort_values("pid", ascending=False, kind="stable")
    chosen = ", ".join(f"{name} {part.requested or part.realised}" for name, part in parts.items())
    rule = f"Factors parted by the rule {method.replace('_', ' ')}{as_given(parted)}"
    return IdsaResult(
        data=table.reset_index(drop=True),
        method="Interactive detector for spatial associations (IDSA): power of zones overlaid "
        f"fuzzily by “{overlay}”, compensated for what they leave of the factors.",
        references=(SONG2021, CANG2018),
        choices=(f"{rule}; classes: {chosen}.", weighted_words(unit_weights)),
        cautions=(_NO_TEST,),
    )


def _check(overlay: str, factors: int) -> None:
    if overlay not in ("and", "or"):
        raise StudyError(
            "unknown overlay", found=f"'{overlay}'", do=nearest(overlay, ["and", "or"])
        )
    if not 1 <= factors <= _MOST:
        raise DataError(
            "overlays are computed of all sets of the factors",
            found=f"{factors} factors",
            do=f"Give one to {_MOST} factors",
        )


def _candidates(name: str, x: Floats, method: str, classes: Sequence[int]) -> list[Strata]:
    try:
        return [stratify(x, method, number) for number in sorted(set(classes))]
    except DataError as error:
        raise DataError(f"{name}: {error.wrong}", found=error.found, do=error.do) from error


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """A response, the weights of its pairs, and those of its units."""

    y: Floats
    weights: Weights
    mass: Floats

    def slowing(self, x: Floats, tried: list[Strata], rise: float) -> Strata:
        """Choose the strata from which more classes hardly raise the power."""
        power = np.array([cpsd(self.y, x, part, self.weights, self.mass) for part in tried])
        rises = np.append(0.0, np.diff(power) / np.where(power[:-1] != 0, power[:-1], np.nan))
        slow = np.flatnonzero((rises[1:] <= rise) & (rises[:-1] > rise))
        return tried[int(slow[0]) + 1] if slow.size else tried[int(np.nanargmax(power))]

    def row(
        self, arrays: Mapping[str, Floats], parts: Mapping[str, Strata], overlay: Overlay
    ) -> dict[str, Any]:
        """Overlay factors, and compute how far the zones determine the response."""
        zones = self.overlaid(list(parts.values()), overlay)
        theta = psd(self.y, zones, self.weights, self.mass)
        if len(parts) == 1:
            ((name, part),) = parts.items()
            phi = psd(arrays[name], part, self.weights, self.mass)
        else:
            left, whole = 0.0, 0.0
            for part in parts.values():
                classes = np.where(part.codes >= 0, part.codes.astype(np.float64), np.nan)
                spread = float(spatial_variance(classes, self.weights, None, self.mass)[1][0])
                left += (1.0 - psd(classes, zones, self.weights, self.mass)) * spread
                whole += spread
            phi = 1.0 - left / whole if whole > 0 else np.nan
        sizes = np.bincount(zones.codes[zones.codes >= 0])
        return {
            "factors": " ∩ ".join(parts),
            "number": len(parts),
            "pid": theta / phi if phi > 0 else np.nan,
            "theta": theta,
            "phi": phi,
            "zones": zones.realised,
            "single_zones": int((sizes == 1).sum()),
            "n": int(sizes.sum()),
        }

    def overlaid(self, parts: list[Strata], overlay: Overlay) -> Strata:
        """Give each unit the stratum of least, or greatest, mean response of its factors'."""
        present = ~np.isnan(self.y)
        means = []
        for part in parts:
            own = present & (part.codes >= 0)
            codes, mass = part.codes[own], self.mass[own]
            total = np.bincount(codes, mass * self.y[own], minlength=part.realised)
            size = np.bincount(codes, mass, minlength=part.realised)
            mean = np.append(total / np.where(size > 0, size, 1.0), np.nan)
            means.append(mean[part.codes])
        pick = np.argmin(means, axis=0) if overlay == "and" else np.argmax(means, axis=0)
        start = np.concatenate([[0], np.cumsum([part.realised for part in parts])])
        stacked = np.stack([part.codes + start[at] for at, part in enumerate(parts)])
        codes = np.take_along_axis(stacked, pick[None], axis=0)[0]
        codes = np.where(present, codes, -1).astype(np.int32)
        return compact(Strata(codes, tuple(f"zone {at}" for at in range(int(start[-1])))))
