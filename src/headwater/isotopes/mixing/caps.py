"""Sources that cannot give more than they hold: caps of the fractions, as part of the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.errors import DataError, InputError, nearest
from headwater.isotopes.mixing.priors import FractionPrior

__all__ = ["CappedPrior", "capped_prior", "held_by_caps"]

_TRIES, _BLOCK = 200, 10_000
_NEAR = 0.9


@dataclass(frozen=True, slots=True)
class CappedPrior(FractionPrior):
    """A prior cut where a source would give more than it holds.

    Attributes
    ----------
    caps : tuple of float
        Largest fraction of each source [1]; 1 where there is none.
    names : tuple of str
        Of the sources.
    wall : float
        0 cuts; above 0 the density falls off beyond a cap within about this relative excess, so
        that a search for the mode has slopes to follow.
    """

    caps: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    wall: float = 0.0

    def describe(self) -> str:
        """Say the prior in words."""
        said = [
            f"{name} at most {cap:g}"
            for name, cap in zip(self.names, self.caps, strict=True)
            if cap < 1.0
        ]
        return ", ".join([self.whole().describe(), *said])

    def whole(self) -> FractionPrior:
        """Return the prior without its caps."""
        return FractionPrior(self.kind, self.first, self.second)

    def allows(self, p: Any) -> Any:
        """Tell which fractions, (..., K), keep to the caps."""
        return (np.asarray(p) <= np.array(self.caps)).all(axis=-1)

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Draw fractions, (count, K), by leaving out those above a cap."""
        whole, kept, found = self.whole(), [], 0
        for _ in range(_TRIES):
            drawn = whole.draw(max(count, _BLOCK), rng)
            kept.append(drawn[self.allows(drawn)])
            found += len(kept[-1])
            if found >= count:
                return np.concatenate(kept)[:count]
        raise DataError(
            "the caps and the prior of the fractions contradict each other",
            found=f"{found} of {_TRIES * max(count, _BLOCK)} draws of "
            f"{whole.describe()} keep to the caps",
            do="Raise a cap, or choose a prior that allows it",
        )

    def log_density(self, z: Any, log_p: Any) -> Any:
        """Log density in the isometric log-ratio coordinates z, up to a constant."""
        # Named, because a slotted dataclass is rebuilt and super() would not find it.
        inside = FractionPrior.log_density(self, z, log_p)
        limits = np.log(self.caps).reshape(-1, *[1] * (log_p.ndim - 1))
        if self.wall > 0.0:
            above = np.maximum(log_p - limits, 0.0) / self.wall
            return inside - 0.5 * np.square(above).sum(axis=0)
        return np.where((log_p <= limits).all(axis=0), inside, -np.inf)


def capped_prior(
    prior: FractionPrior, labels: Sequence[str], caps: Mapping[str, float]
) -> CappedPrior:
    """Cut a prior where a source would give more water than is there.

    Parameters
    ----------
    prior : FractionPrior
        What is believed of the fractions otherwise.
    labels : sequence of str
        Names of the sources, in the order of the prior.
    caps : mapping of str to float
        Largest fraction of a source: its available volume over that of the mixture [1].

    Returns
    -------
    CappedPrior
        For every engine that takes a prior; in the hierarchical one the caps hold for the common
        mean and for every cell.

    Raises
    ------
    InputError
        If a cap names no source.
    DataError
        If a cap is not positive, or the caps leave less than a whole.

    Notes
    -----
    The posterior is that of the whole prior, cut at the caps and normalised again.

    Examples
    --------
    >>> from headwater.isotopes.mixing.priors import dirichlet_prior
    >>> prior = capped_prior(dirichlet_prior([1, 1]), ("rain", "ice"), {"rain": 0.3})
    >>> prior.describe()
    'Dirichlet(1, 1), rain at most 0.3'
    >>> float(prior.draw(500, np.random.default_rng(0))[:, 0].max()) <= 0.3
    True
    """
    if len(labels) != len(prior):
        raise DataError(
            "the prior has another number of sources than the data",
            found=f"{len(prior)} and {len(labels)}",
            do="Give one value per source",
        )
    for name, cap in caps.items():
        if name not in labels:
            raise InputError("no such source", found=f"'{name}'", do=nearest(name, list(labels)))
        if not cap > 0.0:
            raise DataError(
                f"the cap of {name} must be above 0",
                found=f"{cap:g}",
                do="Leave the source out instead",
            )
    limits = tuple(min(float(caps.get(name, 1.0)), 1.0) for name in labels)
    if sum(limits) <= 1.0:
        raise DataError(
            "the available volumes of all sources do not fill the mixture",
            found=f"largest fractions sum to {sum(limits):g}",
            do="Raise a cap, or add the missing source",
        )
    return CappedPrior(prior.kind, prior.first, prior.second, limits, tuple(labels))


def held_by_caps(prior: FractionPrior, draws: Any, labels: Sequence[str]) -> tuple[str, ...]:
    """Say where the samples ask for more of a source than its cap allows.

    Parameters
    ----------
    prior : FractionPrior
        With caps, or without, when there is nothing to say.
    draws : array of shape (G, S, K)
        Posterior fractions [1]; NaN where there are none.
    labels : sequence of str
        Names of the groups.

    Returns
    -------
    tuple of str
        One sentence for each source whose median fraction lies above nine tenths of its cap in
        some group.

    Examples
    --------
    >>> from headwater.isotopes.mixing.priors import dirichlet_prior
    >>> prior = capped_prior(dirichlet_prior([1, 1]), ("rain", "ice"), {"rain": 0.3})
    >>> held_by_caps(prior, np.array([[[0.29, 0.71]] * 9]), ("June",))
    ('The cap of rain (0.3) holds its fraction in June: the samples ask for more ...',)
    """
    if not isinstance(prior, CappedPrior):
        return ()
    middle, said = np.median(draws, axis=1), []
    for k, (name, cap) in enumerate(zip(prior.names, prior.caps, strict=True)):
        held = [
            label
            for label, value in zip(labels, middle[:, k], strict=True)
            if cap < 1.0 and value > _NEAR * cap
        ]
        if held:
            where = held[0] if len(held) == 1 else f"{len(held)} of {len(labels)} groups"
            said.append(
                f"The cap of {name} ({cap:g}) holds its fraction in {where}: the samples ask for "
                "more of it than is there. Check the volume, or look for a source that is missing."
            )
    return tuple(said)
