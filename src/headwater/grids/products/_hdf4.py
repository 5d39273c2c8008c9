"""HDF-EOS grids in HDF4 and HDF5 files: layers, their attributes and where their cells lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headwater.errors import GridError, InputError
from headwater.installation import install_hint

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

__all__ = ["Layer", "SINUSOIDAL", "grid_of_layer", "layer_names", "read_layers"]

# The sphere of all MODIS land grids.
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs +type=crs"
# The HDF4 library is not made for several threads.
_LOCK = Lock()
_NUMBER = r"([-+0-9.eE]+)"


class Layer(NamedTuple):
    """A scientific data set: stored numbers and attributes."""

    values: NDArray[Any]
    attrs: dict[str, Any]


def layer_names(path: Path) -> list[str]:
    """Names of the layers of a file."""
    with _opened(path) as file:
        return list(file.datasets())


def read_layers(
    path: Path, names: tuple[str, ...], part: tuple[slice, slice] | None = None
) -> list[Layer]:
    """Read some layers, or a rectangle of them, undecoded."""
    layers = []
    with _opened(path) as file:
        for name in names:
            data = file.select(name)
            rows, columns = part or (slice(None), slice(None))
            layers.append(Layer(np.asarray(data[rows, columns]), dict(data.attributes())))
            data.endaccess()
    return layers


def grid_of_layer(path: Path, name: str) -> GeoBox:
    """Read from the file's StructMetadata where the cells of a layer lie."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    with _opened(path) as file:
        attributes = file.attributes()
    texts = sorted(key for key in attributes if key.startswith("StructMetadata."))
    text = "".join(str(attributes[key]) for key in texts)
    for block in re.findall(r"GROUP=GRID_\d+(.*?)END_GROUP=GRID_\d+", text, flags=re.DOTALL):
        # HDF5 files of VIIRS write names of layers with blanks here and with underscores there
        if f'DataFieldName="{name}"'.replace("_", " ") not in block.replace("_", " "):
            continue
        rows, columns = (int(_field(block, rf"{axis}Dim=(\d+)", path)[0]) for axis in "YX")
        corners = [
            [float(v) for v in _field(block, rf"{key}=\({_NUMBER},{_NUMBER}\)", path)]
            for key in ("UpperLeftPointMtrs", "LowerRightMtrs")
        ]
        projection = _field(block, r"Projection=(\w+)", path)[0]
        if projection.removeprefix("HE5_") not in ("GCTP_SNSOID", "GCTP_ISINUS"):
            raise GridError(
                f"{path} lies on another grid than MODIS's sinusoidal one",
                found=f"projection {projection}",
                do="Give the tile as delivered, or turn it into GeoTIFF",
            )
        (left, top), (right, bottom) = corners
        cells = Affine((right - left) / columns, 0, left, 0, (bottom - top) / rows, top)
        return GeoBox((rows, columns), cells, SINUSOIDAL)
    raise GridError(
        f"{path} does not say where its cells lie",
        found=f"no grid with a field '{name}' in StructMetadata",
        do="Give the tile as delivered",
    )


def _field(block: str, pattern: str, path: Path) -> tuple[str, ...]:
    match = re.search(pattern, block)
    if match is None:
        raise GridError(
            f"{path} does not say where its cells lie",
            found=f"no '{pattern.split('=', maxsplit=1)[0]}' in StructMetadata",
            do="Give the tile as delivered",
        )
    return match.groups()


class _Hdf5:
    """The grids of an HDF-EOS5 file, as the HDF4 library would give them."""

    def __init__(self, file: Any) -> None:
        self._file, self._layers = file, {}
        for grid in file.get("HDFEOS/GRIDS", {}).values():
            for name, layer in grid.get("Data Fields", {}).items():
                self._layers[name.replace("_", " ")] = layer

    def datasets(self) -> dict[str, Any]:
        return self._layers

    def select(self, name: str) -> _Layer5:
        return _Layer5(self._layers[name])

    def attributes(self) -> dict[str, str]:
        text = self._file.get("HDFEOS INFORMATION/StructMetadata.0")
        value = b"" if text is None else text[()]
        return {"StructMetadata.0": value.decode() if isinstance(value, bytes) else str(value)}


class _Layer5:
    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __getitem__(self, part: Any) -> Any:
        return self._layer[part]

    def attributes(self) -> dict[str, Any]:
        return dict(self._layer.attrs)

    def endaccess(self) -> None:
        """Nothing to end in HDF5."""


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        newer = stream.read(4) == b"\x89HDF"
    if newer:
        import h5py

        with _LOCK, h5py.File(path, "r") as file:
            yield _Hdf5(file)
        return
    if find_spec("pyhdf") is None:
        raise InputError(
            f"{path.name} is HDF4, which needs the package pyhdf",
            found="no pyhdf here",
            do=install_hint("hdf4"),
        )
    library = import_module("pyhdf.SD")
    fault = import_module("pyhdf.error").HDF4Error
    with _LOCK:
        try:
            file = library.SD(str(path), library.SDC.READ)
        except fault as error:
            raise InputError(
                f"{path} cannot be read as HDF4",
                found=str(error),
                do="Check whether the file is complete",
            ) from error
        try:
            yield file
        finally:
            file.end()
