"""GLDAS-2 Noah soil moisture, 3-hourly or monthly at 0.25 degree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from headwater.errors import InputError, StudyError, nearest
from headwater.glossary import term
from headwater.grids._files import find_files, open_raw
from headwater.grids.open import open_grid
from headwater.grids.products._stack import CODES, cropped, described

if TYPE_CHECKING:
    from headwater.grids.area import Area

__all__ = ["read_gldas"]

_DEPTHS = {"0-10cm": 0.1, "10-40cm": 0.3, "40-100cm": 0.6, "100-200cm": 1.0}


def read_gldas(
    source: str | Path | Sequence[str | Path],
    *,
    layer: str = "0-10cm",
    area: Area | None = None,
    frozen: bool = True,
) -> xr.Dataset:
    """Read soil moisture of a layer of GLDAS Noah, lazily.

    Parameters
    ----------
    source : path, glob pattern, or list of them
        NetCDF files as delivered, one for each time.
    layer : {"0-10cm", "10-40cm", "40-100cm", "100-200cm"}
        The model's layers.
    area : Area, optional
        Keep the cells that touch it.
    frozen : bool
        Keep values of soil below 0 degC. False needs the layer's soil temperature in the files
        (``SoilTMP..._inst``); without it nothing is masked and ``attrs["notes"]`` says so.

    Returns
    -------
    Dataset (time, y, x)
        ``soil_moisture`` [m3 m-3] (the file's kg m-2 over the layer's thickness) and ``quality``
        (why a value is missing). The model's soil moisture counts ice (recalled, unchecked).

    Raises
    ------
    StudyError
        If the layer is unknown.
    InputError
        If the files do not hold it.
    GridError, TimeAxisError, CRSError, UnitError
        As :func:`headwater.grids.open_grid`, and if `area` lies outside.

    References
    ----------
    .. [1] Rodell, M., et al. (2004). The Global Land Data Assimilation System. Bull. Amer. Meteor.
       Soc. 85, 381-394. https://doi.org/10.1175/BAMS-85-3-381
    """
    if layer not in _DEPTHS:
        raise StudyError(
            "GLDAS Noah has no such layer", found=f"'{layer}'", do=nearest(layer, list(_DEPTHS))
        )
    files = find_files(source)
    part = layer.replace("-", "_")
    name, heat = f"SoilMoi{part}_inst", f"SoilTMP{part}_inst"
    names = set(map(str, open_raw(files[0]).data_vars))
    if name not in names:
        raise InputError(
            f"{files[0]} has no variable '{name}'",
            found=f"variables {', '.join(sorted(names)) or 'none'}",
            do="Give files of GLDAS Noah that hold this layer",
        )
    depth = _DEPTHS[layer]
    data = open_grid(files, term("soil_moisture"), variable=name, layer_depth=depth)
    theta = cropped(data, area)
    quality = theta.isnull().astype(np.uint8) * np.uint8(CODES["not_observed"])
    notes = [f"layer {layer}", "liquid water and ice"]
    if not frozen and heat in names:
        soil = cropped(open_grid(files, term("soil_temperature"), variable=heat), area)
        cold = theta.notnull() & (soil < 0)
        quality = quality.where(~cold, CODES["frozen_or_snow"])
        notes.append(f"frozen soil masked by {heat}")
    elif not frozen:
        notes.append(f"no variable '{heat}': frozen soil is not masked")
    quality = quality.astype(np.uint8).transpose(*theta.dims)
    return described(
        theta.where(quality == 0),
        quality,
        term("soil_moisture"),
        source=files,
        product=f"GLDAS Noah soil moisture, {layer}",
        notes=notes,
    )
