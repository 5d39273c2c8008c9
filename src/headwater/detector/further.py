"""Further detectors on the units of a detection, by name: trees, shares, neighbours and scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from headwater.detector.local import local_q
from headwater.detector.null_models import GridSpectral, Permutation, Randomisation
from headwater.detector.resample import Resampling
from headwater.detector.robust_detector import rgd
from headwater.detector.rough_sets import nearest_units, queen_units, srsgd
from headwater.detector.sample import Sample
from headwater.detector.scale import scale_sweep
from headwater.detector.search_options import Search
from headwater.detector.shapley import crossed_shares, lesh, shegd
from headwater.detector.spatial_association import GridWeights, Weights, distance_weights, spade
from headwater.detector.spatial_overlay import idsa
from headwater.detector.spread import spread_across
from headwater.detector.strata import Strata
from headwater.detector.torus_shift import torus_shift_table
from headwater.detector.tree import gozh
from headwater.errors import DataError, StudyError, nearest
from headwater.results import Result

__all__ = ["FURTHER", "Further", "further_results"]

Floats = npt.NDArray[np.float64]

_MOST_CLASSES = 30
_MOST_WEIGHED = 40_000
"""Units beyond which SPADE and IDSA, which look at all pairs, would take minutes."""


@dataclass(frozen=True, slots=True, eq=False)
class Further:
    """What further detectors found.

    Attributes
    ----------
    results : dict of str to Result
        By name.
    left_out : tuple of str
        Which could not run on these units, and why.
    """

    results: Mapping[str, Result]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """Units of a detection, as every further detector wants them."""

    sample: Sample
    strata: Mapping[str, Strata]
    search: Search
    n_resamples: int
    rng: np.random.Generator

    @property
    def continuous(self) -> dict[str, Floats]:
        """Factors that are amounts."""
        return {
            name: np.asarray(values, dtype=np.float64)
            for name, values in self.sample.factors.items()
            if self.sample.kinds[name] == "continuous"
        }

    @property
    def grid(self) -> xr.DataArray:
        """Map of the response."""
        if self.sample.grid is None:
            raise DataError(
                "it needs maps", found="a table", do="Give maps, or coordinates that form a grid"
            )
        return self.sample.grid

    def sheet(self, values: npt.NDArray[Any], missing: int | None = None) -> npt.NDArray[Any]:
        """Lay values of the units out as a map."""
        grid, number = self.grid, values.dtype.kind in "iufb"
        kind = values.dtype if missing is not None else np.float64 if number else np.object_
        full = np.full(grid.size, np.nan if missing is None else missing, kind)
        full[self.sample.cells] = values
        return full.reshape(grid.shape)

    def weight_sheet(self) -> Floats | None:
        """Lay the weights out as a map; cells without a unit weigh 1, and do not count."""
        if self.sample.weights is None:
            return None
        sheet: Floats = np.nan_to_num(self.sheet(self.sample.weights), nan=1.0)
        return sheet

    def mapped(self, name: str, values: npt.NDArray[Any]) -> xr.DataArray:
        """Lay a variable out as a map with coordinates."""
        grid = self.grid
        coords = {key: one for key, one in grid.coords.items() if set(one.dims) <= {"y", "x"}}
        attrs = {"kind": self.sample.kinds[name]} if name in self.sample.kinds else {}
        return xr.DataArray(self.sheet(values), coords, ("y", "x"), attrs=attrs)

    def on_map(self) -> dict[str, Strata]:
        """Strata with codes in the shape of the map."""
        return {
            name: Strata(
                self.sheet(part.codes, -1),
                part.names,
                part.breaks,
                part.method,
                part.requested,
            )
            for name, part in self.strata.items()
        }


def further_results(
    sample: Sample,
    strata: Mapping[str, Strata],
    names: Sequence[str],
    search: Search,
    *,
    n_resamples: int = 199,
    rng: np.random.Generator | None = None,
) -> Further:
    """Run further detectors.

    Parameters
    ----------
    sample : Sample
        From :func:`headwater.detector.sample.read_sample`.
    strata : mapping of str to Strata
        Partitions of its factors.
    names : sequence of str
        Keys of :data:`FURTHER`.
    search : Search
        What the detection tried; rules, numbers of classes and schemes are the same here.
    n_resamples : int
        How often chance is drawn, where a detector draws it.
    rng : numpy Generator, optional
        Source of randomness; default: one seeded with 1.

    Returns
    -------
    Further
        A detector that these units do not allow is left out with the reason.

    Raises
    ------
    StudyError
        If there is no such detector; the message names the nearest one.

    Examples
    --------
    >>> import pandas as pd
    >>> from headwater.detector.sample import read_sample
    >>> x = np.arange(60.0)
    >>> sample = read_sample(pd.DataFrame({"theta": x // 20, "rain": x}), "theta")
    >>> found = further_results(sample, {}, ["gozh", "local"], Search())
    >>> sorted(found.results), found.left_out
    (['gozh'], ('local was left out: it needs maps (a table).',))
    """
    units = _Units(sample, strata, search, n_resamples, rng or np.random.default_rng(1))
    results: dict[str, Result] = {}
    left_out = []
    for name in dict.fromkeys(names):
        if name not in FURTHER:
            known = list(FURTHER)
            raise StudyError("no such detector", found=f"'{name}'", do=nearest(name, known))
        try:
            results |= _noted(name, FURTHER[name](units), units)
        except DataError as error:
            left_out.append(f"{name} was left out: {error.wrong} ({error.found}).")
    return Further(results, tuple(left_out))


_OF_THEIR_OWN = ("gozh", "lesh", "shegd", "rgd")
"""Detectors whose strata are their own: trees, and robust classes."""


def _noted(name: str, found: dict[str, Result], units: _Units) -> dict[str, Result]:
    """Say where classes that were declared, or weights, could not be used."""
    notes = []
    if units.search.fixed and name in _OF_THEIR_OWN:
        declared = ", ".join(units.search.fixed)
        notes.append(f"Classes declared for {declared} are not used: {name} makes its own.")
    if units.sample.weights is not None and name == "scale":
        notes.append("Larger cells are averaged by area; the weights given are not used.")
    return {key: replace(one, cautions=(*notes, *one.cautions)) for key, one in found.items()}


def _present(**results: Result | None) -> dict[str, Result]:
    return {name: one for name, one in results.items() if one is not None}


def _gozh(units: _Units) -> dict[str, Result]:
    sample = units.sample
    found = gozh(sample.response, sample.factors, kinds=sample.kinds, weights=sample.weights)
    return _present(gozh=found.factor, gozh_pairs=found.interaction)


def _lesh(units: _Units) -> dict[str, Result]:
    sample = units.sample
    found = lesh(sample.response, sample.factors, kinds=sample.kinds, weights=sample.weights)
    return {"lesh": found}


def _shegd(units: _Units) -> dict[str, Result]:
    sample = units.sample
    found = shegd(sample.response, sample.factors, kinds=sample.kinds, weights=sample.weights)
    return _present(shegd=found.shares, shegd_pairs=found.interaction)


def _shares(units: _Units) -> dict[str, Result]:
    sample = units.sample
    return {"shares": crossed_shares(sample.response, units.strata, weights=sample.weights)}


def _rgd(units: _Units) -> dict[str, Result]:
    sample = units.sample
    found = rgd(
        sample.response,
        sample.factors,
        kinds=sample.kinds,
        classes=units.search.classes,
        weights=sample.weights,
    )
    return _present(rgd=found.factor, rid=found.interaction)


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    """Units with the weights of their pairs."""

    response: Floats
    factors: dict[str, Floats]
    weights: Weights
    null: Randomisation
    unit_weights: Floats | None
    strata: dict[str, Strata]


def _weighed(units: _Units) -> _Weighed:
    """Lay units out with the weights of their pairs, for detectors of continuous factors."""
    sample, factors = units.sample, units.continuous
    if not factors:
        raise DataError("it needs a continuous factor", found=", ".join(sample.kinds))
    if sample.response.size > _MOST_WEIGHED:
        raise DataError(
            "it looks at all pairs of units",
            found=f"{sample.response.size} units, at most {_MOST_WEIGHED}",
        )
    fixed = set(units.search.fixed) & set(factors)
    if sample.grid is not None:
        sheets = {name: units.sheet(values) for name, values in factors.items()}
        shape = (sample.grid.shape[0], sample.grid.shape[1])
        cells, response = np.arange(sample.grid.size), units.sheet(sample.response)
        null = GridSpectral(cells, shape, spread_across(response.ravel(), cells, shape))
        strata = {name: part for name, part in units.on_map().items() if name in fixed}
        return _Weighed(response, sheets, GridWeights(), null, units.weight_sheet(), strata)
    if sample.places is None:
        raise DataError("it needs to know which units are near", found="no coordinates")
    strata = {name: part for name, part in units.strata.items() if name in fixed}
    near = distance_weights(sample.places)
    return _Weighed(sample.response, factors, near, Permutation(), sample.weights, strata)


def _spade(units: _Units) -> dict[str, Result]:
    on = _weighed(units)
    found = spade(
        on.response,
        on.factors,
        on.weights,
        classes=units.search.classes,
        strata=on.strata,
        unit_weights=on.unit_weights,
        resampling=Resampling(units.rng, on.null, n_resamples=min(units.n_resamples, 99)),
    )
    return {"spade": found}


def _idsa(units: _Units) -> dict[str, Result]:
    on = _weighed(units)
    found = idsa(
        on.response,
        on.factors,
        on.weights,
        classes=units.search.classes,
        strata=on.strata,
        unit_weights=on.unit_weights,
    )
    return {"idsa": found}


def _scale(units: _Units) -> dict[str, Result]:
    sample, search = units.sample, units.search
    maps = {name: units.mapped(name, values) for name, values in sample.factors.items()}
    response = units.mapped("", sample.response).assign_attrs(long_name=sample.name)
    found = scale_sweep(
        xr.Dataset({"the response": response, **maps}),
        "the response",
        list(sample.factors),
        kinds=sample.kinds,
        search=search,
    )
    return {"scale": found}


def _local(units: _Units) -> dict[str, Result]:
    response = units.mapped("", units.sample.response).assign_attrs(long_name=units.sample.name)
    return {"local": local_q(response, units.on_map(), weights=units.weight_sheet())}


def _shift(units: _Units) -> dict[str, Result]:
    response = units.sheet(units.sample.response)
    return {"shift": torus_shift_table(response, units.on_map(), weights=units.weight_sheet())}


def _srsgd(units: _Units) -> dict[str, Result]:
    sample = units.sample
    classes = np.unique(sample.response).size
    if classes > _MOST_CLASSES:
        raise DataError("it needs a response of classes", found=f"{classes} different values")
    if sample.grid is not None:
        around = queen_units(sample.cells, (sample.grid.shape[0], sample.grid.shape[1]))
    elif sample.places is not None:
        around = nearest_units(sample.places)
    else:
        raise DataError("it needs to know which units are near", found="no coordinates")
    found = srsgd(
        sample.response,
        units.strata,
        around,
        weights=sample.weights,
        n_resamples=units.n_resamples,
        rng=units.rng,
    )
    return _present(srsgd=found.factor, srsgd_pairs=found.interaction)


FURTHER: Mapping[str, Callable[[_Units], dict[str, Result]]] = {
    "gozh": _gozh,
    "lesh": _lesh,
    "shegd": _shegd,
    "shares": _shares,
    "rgd": _rgd,
    "spade": _spade,
    "idsa": _idsa,
    "srsgd": _srsgd,
    "scale": _scale,
    "local": _local,
    "shift": _shift,
}
"""Further detectors by the name used in study files and on the command line."""
