"""The strata and their means as maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from headwater.detector.results import RiskMaps, RiskResult
from headwater.detector.sample import Sample
from headwater.detector.strata import Strata

__all__ = ["risk_maps"]


def risk_maps(sample: Sample, strata: Mapping[str, Strata], risks: RiskResult) -> RiskMaps:
    """Put strata and their means back on the grid.

    Parameters
    ----------
    sample : Sample
        Read from maps.
    strata : mapping of str to Strata
        The partitions of its units.
    risks : RiskResult
        Means of these strata.

    Returns
    -------
    RiskMaps
    """
    assert sample.grid is not None
    maps = {}
    for name, partition in strata.items():
        of_factor = risks.data[risks.data["factor"] == name]
        label = sample.labels.get(name, name)
        listing = "; ".join(f"{row.stratum}: {row[3]}" for row in of_factor.itertuples())
        codes, means = partition.codes, np.append(of_factor["mean"].to_numpy(), np.nan)
        maps[f"{name}_stratum"] = _on_grid(
            sample,
            np.where(codes < 0, np.nan, codes + 1.0).astype(np.float32),
            {"long_name": f"Stratum of {label}", "units": "1", "strata": listing},
        )
        maps[f"{name}_mean"] = _on_grid(
            sample,
            means[codes],
            {"long_name": f"Mean {_lower(sample.name)} by {label}", "units": sample.units},
        )
    return RiskMaps(
        data=xr.Dataset(maps),
        method="Risk maps: the stratum of each cell, and the mean of the response in that stratum.",
        references=risks.references,
        fingerprint=risks.fingerprint,
        cautions=risks.cautions,
    )


def _lower(name: str) -> str:
    """Write a name within a sentence; NDVI stays NDVI."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _on_grid(sample: Sample, values: npt.NDArray[Any], attrs: dict[str, str]) -> xr.DataArray:
    assert sample.grid is not None
    grid = sample.grid
    coords = {name: coord for name, coord in grid.coords.items() if set(coord.dims) <= {"y", "x"}}
    return xr.DataArray(_spread(sample, values, np.nan), coords, grid.dims, attrs=attrs)


def _spread(sample: Sample, values: npt.NDArray[Any], missing: float) -> npt.NDArray[Any]:
    """Put units back into their cells."""
    assert sample.grid is not None
    full = np.full(sample.grid.size, missing, values.dtype)
    full[sample.cells] = values
    return full.reshape(sample.grid.shape)
