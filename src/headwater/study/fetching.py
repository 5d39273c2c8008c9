"""Inputs from where they are published: by a STAC catalogue, by web address, or cut from a cube."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from headwater.errors import InputError
from headwater.installation import install_hint
from headwater.storage import open_range, patiently

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Fetched",
    "Source",
    "crop_raster",
    "fetch_cube",
    "fetch_file",
    "search_stac",
    "sources_of",
]

Box = tuple[float, float, float, float]

MANIFEST = "fetched.json"
TOKEN = "HEADWATER_FETCH_TOKEN"
_BLOCK = 1 << 16
"""At most this much is lost where a connection breaks [bytes]."""
_TIMEOUT = (15.0, 60.0)
_HASHES = {"1220": "sha256", "1340": "sha512", "1114": "sha1"}
_AXES = {
    "y": (("latitude", "lat", "y"), ("degrees_north", "degree_north")),
    "x": (("longitude", "lon", "x"), ("degrees_east", "degree_east")),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a catalogue or a person names.

    Attributes
    ----------
    url : str
        Where it is.
    name : str
        What it is called here.
    checksum : str
        Multihash in hexadecimal digits, as ``file:checksum`` of STAC; empty where not given.
    """

    url: str
    name: str
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that lies here, whole.

    Attributes
    ----------
    name, url : str
        What it is called, and where it is from.
    bytes : int
        Its size.
    sha256 : str
        Of its content.
    checked : str
        What its content was compared with: ``"checksum"``, ``"length"`` or ``"nothing"``.
    when : str
        Time at which it was whole, in UTC (ISO 8601).
    """

    name: str
    url: str
    bytes: int
    sha256: str
    checked: str
    when: str


class _Answer(OSError):
    """An answer of a server that is no file."""

    def __init__(self, status: int, url: str) -> None:
        super().__init__(f"{url} answered {status}")
        self.status = status


def search_stac(
    catalogue: str,
    collection: str,
    asset: str,
    *,
    box: Box,
    period: tuple[str, str] | None = None,
) -> list[Source]:
    """Find the files of a collection in an area and a period.

    Parameters
    ----------
    catalogue : str
        Address of a STAC API.
    collection : str
        Identifier of the collection.
    asset : str
        Key of the asset of each item, such as ``"data"``.
    box : tuple of float
        West, south, east, north [degree].
    period : tuple of str, optional
        First and last day (ISO 8601).

    Returns
    -------
    list of Source
        In the order of time.

    Raises
    ------
    InputError
        If the catalogue does not answer, or has nothing there.
    """
    try:
        from pystac_client import Client
    except ImportError as error:
        raise InputError("no client of STAC is installed", do=install_hint("fetch")) from error
    try:
        # the library tries five times again where a server is busy
        client = Client.open(catalogue, headers=_headers(catalogue, catalogue), timeout=_TIMEOUT)
        when = "/".join(period) if period else None
        # older servers answer to GET alone
        posts = [link.extra_fields.get("method") == "POST" for link in client.get_links("search")]
        method = "POST" if any(posts) else "GET"
        found = client.search(method=method, collections=[collection], bbox=box, datetime=when)
        items = sorted(found.items(), key=lambda item: (str(item.datetime), item.id))
    except Exception as error:
        raise InputError(
            f"the catalogue {catalogue} cannot be searched",
            found=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            do=f"Check its address and the network; a token goes into {TOKEN}",
        ) from error
    return [_source(item, asset) for item in items] if items else _nothing(collection)


def _nothing(collection: str) -> list[Source]:
    raise InputError(
        f"the collection '{collection}' has nothing there",
        found="no item in the area and period",
        do="Widen them, and compare the identifier with the catalogue's list",
    )


def _source(item: Any, asset: str) -> Source:
    if asset not in item.assets:
        raise InputError(
            f"item {item.id} has no asset '{asset}'",
            found=", ".join(item.assets),
            do="Name one of these with --asset",
        )
    entry = item.assets[asset]
    url = entry.get_absolute_href()
    name = Path(urlsplit(url).path).name
    own = re.sub(r"[^\w.-]", "_", item.id)
    named = name if name.startswith(own) else f"{own}_{name}"
    return Source(url, named, str(entry.extra_fields.get("file:checksum", "")))


def _headers(url: str, trusted: str) -> dict[str, str]:
    """Give the token to the host that it is for, and to no other."""
    token = os.environ.get(TOKEN, "")
    same = urlsplit(url).hostname == urlsplit(trusted).hostname
    return {"Authorization": f"Bearer {token}"} if token and same else {}


def fetch_file(source: Source, out: Path, *, trusted: str = "", pause: float = 0.2) -> Fetched:
    """Download a file; go on where an earlier try stopped, and keep what is here already.

    Parameters
    ----------
    source : Source
        What to get.
    out : Path
        Folder, which must exist. ``fetched.json`` in it lists what is whole, with checksums.
    trusted : str
        Address whose host gets the token of ``HEADWATER_FETCH_TOKEN``; default: that of the file.
    pause : float
        Seconds to wait before the server is asked, so as not to press it.

    Returns
    -------
    Fetched

    Raises
    ------
    InputError
        If the file cannot be had, or is not what its checksum says.

    Notes
    -----
    Answers of 5xx and 429 and broken connections are tried again for 150 s. What came so far is
    kept as ``<name>.part`` with the entity tag of the file, and dropped where that has changed.
    """
    whole = out / source.name
    known = _manifest(out).get(source.name)
    if known and known["url"] == source.url and _size(whole) == known["bytes"]:
        return Fetched(**known)
    time.sleep(pause)
    try:
        length = patiently(lambda: _more(source.url, whole, trusted or source.url))
    except _Answer as error:
        raise _refused(source.url, error.status) from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError):
            raise
        raise InputError(
            f"{source.url} cannot be fetched",
            found=str(error)[:200],
            do="Check the network, then give the same command again: it goes on where it stopped",
        ) from error
    return _finished(source, whole, "nothing" if length is None else "length")


def _refused(url: str, status: int) -> InputError:
    if status in (401, 403):
        held = "the token is refused or has expired" if os.environ.get(TOKEN) else "no token is set"
        do = f"Get a new one from the provider's account page and put it into {TOKEN}"
        return InputError(f"{url} is not given to everybody", found=f"{status}; {held}", do=do)
    do = "Correct the address" if status == 404 else "Try later: what came so far is kept"
    return InputError(f"{url} is not given", found=f"the server answers {status}", do=do)


def _part(whole: Path) -> Path:
    return whole.with_name(f"{whole.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _more(url: str, whole: Path, trusted: str) -> int | None:
    """Get the rest of a file; return its length where the server says it."""
    try:
        import requests
    except ImportError as error:
        raise InputError("no client of HTTP is installed", do=install_hint("fetch")) from error
    part, tag = _part(whole), whole.with_name(f"{whole.name}.tag")
    had = max(_size(part), 0) if tag.exists() else 0
    headers = _headers(url, trusted) | {"Accept-Encoding": "identity"}
    if had:
        headers |= {"Range": f"bytes={had}-", "If-Range": tag.read_text(encoding="utf-8")}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == 416:
                # what is here is as long as the file, or longer: begin anew
                part.unlink(missing_ok=True)
            if answer.status_code not in (200, 206):
                raise _Answer(answer.status_code if answer.status_code != 416 else 503, url)
            begin = had if answer.status_code == 206 else 0
            tag.write_text(answer.headers.get("ETag", ""), encoding="utf-8")
            if not answer.headers.get("ETag") or answer.headers["ETag"].startswith("W/"):
                tag.unlink()
            with part.open("ab" if begin else "wb") as stream:
                for block in answer.iter_content(_BLOCK):
                    stream.write(block)
            length = answer.headers.get("Content-Length")
    except requests.exceptions.ConnectionError as error:
        raise ConnectionRefusedError(str(error)[:200]) from error
    expected = None if length is None else begin + int(length)
    if expected is not None and _size(part) != expected:
        raise _Answer(503, f"{url} ended after {_size(part)} of {expected} bytes and")
    return expected


def _finished(source: Source, whole: Path, checked: str) -> Fetched:
    part = _part(whole)
    kind = _HASHES.get(source.checksum[:4])
    if kind is not None:
        found = _digest(part, kind)
        if found != source.checksum[4:].lower():
            part.unlink()
            raise InputError(
                f"{source.url} is not what its catalogue says",
                found=f"{kind} {found[:12]}…, not {source.checksum[4:16]}…",
                do="Fetch it again; if that does not help, report it to the provider",
            )
        checked = "checksum"
    return _keep(part, whole, source.url, checked)


def _keep(part: Path, whole: Path, url: str, checked: str) -> Fetched:
    """Name a file by its name once it is whole, and list it."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    found = Fetched(whole.name, url, _size(part), _digest(part, "sha256"), checked, now)
    part.replace(whole)
    whole.with_name(f"{whole.name}.tag").unlink(missing_ok=True)
    listed = _manifest(whole.parent) | {whole.name: asdict(found)}
    text = json.dumps(listed, indent=2, ensure_ascii=False) + "\n"
    temporary = whole.parent / f".{MANIFEST}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(whole.parent / MANIFEST)
    return found


def _manifest(out: Path) -> dict[str, Any]:
    try:
        held = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def crop_raster(source: Source, out: Path, *, box: Box) -> Fetched:
    """Cut an area out of a GeoTIFF on a server, reading only the tiles that it needs.

    Parameters
    ----------
    source : Source
        What to get.
    out : Path
        Folder, which must exist.
    box : tuple of float
        West, south, east, north [degree].

    Returns
    -------
    Fetched

    Raises
    ------
    InputError
        If it cannot be read, or does not reach the area.
    """
    import rasterio
    from rasterio.errors import RasterioError, WindowError
    from rasterio.warp import transform_bounds
    from rasterio.windows import Window, from_bounds

    whole = out / source.name
    known = _manifest(out).get(source.name)
    if known and known["url"] == f"{source.url} {box}" and _size(whole) == known["bytes"]:
        return Fetched(**known)
    try:
        with rasterio.open(source.url, opener=open_range) as raster:
            sides = transform_bounds("EPSG:4326", raster.crs, *box, densify_pts=21)
            window = _cells(from_bounds(*sides, transform=raster.transform))
            window = window.intersection(Window(0, 0, raster.width, raster.height))
            profile = raster.profile | {"width": window.width, "height": window.height}
            profile |= {"transform": raster.window_transform(window), "driver": "GTiff"}
            values = raster.read(window=window)
    except WindowError as error:
        raise InputError(
            f"{source.url} does not reach the area", found=str(error), do="Correct --bbox"
        ) from error
    except RasterioError as error:
        do = "Check the address and the network; without --crop the whole file is fetched"
        raise InputError(f"{source.url} cannot be cut", found=str(error)[:200], do=do) from error
    for key in ("blockxsize", "blockysize", "tiled"):
        profile.pop(key, None)
    with rasterio.open(_part(whole), "w", **profile) as cut:
        cut.write(values)
    return _keep(_part(whole), whole, f"{source.url} {box}", "nothing")


def _cells(window: Any) -> Any:
    """Widen a window to whole cells, but not by one for the last digit."""
    from rasterio.windows import Window

    (top, bottom), (left, right) = window.toranges()
    low = [math.floor(edge + 1e-6) for edge in (left, top)]
    high = [math.ceil(edge - 1e-6) for edge in (right, bottom)]
    return Window(*low, *(end - start for start, end in zip(low, high, strict=True)))


def fetch_cube(
    url: str,
    variable: str,
    out: Path,
    *,
    box: Box,
    period: tuple[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Fetched]:
    """Cut an area and a period out of a Zarr store or a NetCDF file on a server, a file a year.

    Parameters
    ----------
    url : str
        Of the store or file.
    variable : str
        Its name there.
    out : Path
        Folder, which must exist; years that are whole are kept.
    box : tuple of float
        West, south, east, north [degree].
    period : tuple of str, optional
        First and last day.
    progress : callable
        Is given the name of each file that is whole.

    Returns
    -------
    list of Fetched

    Raises
    ------
    InputError
        If it cannot be read, or has no such variable, area or period.
    """
    try:
        cube = _cut(_opened(url, variable), box, period)
        years = dict(cube.groupby("time.year")) if "time" in cube.dims else {"all": cube}
        found = []
        for year, part in years.items():
            found.append(_year(part, out / f"{variable}_{year}.nc", f"{url} {box} {period}"))
            progress(found[-1].name)
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{url} cannot be read",
            found=(str(error).splitlines() or [type(error).__name__])[0][:200],
            do="Check the address and the network, then give the same command again: years that "
            "are whole are kept",
        ) from error
    return found


def _opened(url: str, variable: str) -> xr.DataArray:
    import xarray as xr

    if urlsplit(url).path.lower().endswith((".nc", ".nc4", ".h5")):
        data = xr.open_dataset(cast(Any, open_range(url)), engine="h5netcdf", chunks={})
    else:
        data = xr.open_zarr(url, chunks={})
    if variable not in data.data_vars:
        listed = ", ".join(map(str, data.data_vars))
        raise InputError(
            f"{url} has no variable '{variable}'", found=listed, do="Name one of these"
        )
    return data[variable]


def _cut(cube: xr.DataArray, box: Box, period: tuple[str, str] | None) -> xr.DataArray:
    west, south, east, north = box
    y, x = (_axis(cube, side) for side in "yx")
    if float(cube[x].max()) > 180.0 and east <= 0.0:
        west, east = west + 360.0, east + 360.0
    columns = (cube[x] >= west) & (cube[x] <= east)
    rows = (cube[y] >= south) & (cube[y] <= north)
    cut = cube.isel({x: columns.values.nonzero()[0], y: rows.values.nonzero()[0]})
    if period is not None and "time" in cut.dims:
        cut = cut.sel(time=slice(*period))
    if 0 in cut.shape:
        empty = ", ".join(str(dim) for dim, size in cut.sizes.items() if size == 0)
        raise InputError("the cube has nothing there", found=f"no {empty}", do="Widen the area")
    return cut


def _axis(cube: xr.DataArray, side: str) -> str:
    names, units = _AXES[side]
    for name in map(str, cube.dims):
        if name.lower() in names or cube[name].attrs.get("units") in units:
            return name
    raise InputError(
        f"the cube has no {names[0]}",
        found=", ".join(map(str, cube.dims)),
        do="Fetch cubes of longitude and latitude; others whole, with headwater fetch files",
    )


def _year(part: xr.DataArray, path: Path, origin: str) -> Fetched:
    known = _manifest(path.parent).get(path.name)
    if known and known["url"] == origin and _size(path) == known["bytes"]:
        return Fetched(**known)
    loaded = patiently(part.load)
    loaded.encoding = {key: v for key, v in loaded.encoding.items() if key == "_FillValue"}
    packed: Mapping[str, Any] = {str(part.name): {"zlib": True, "complevel": 4}}
    loaded.to_dataset().to_netcdf(_part(path), engine="h5netcdf", encoding=packed)
    return _keep(_part(path), path, origin, "nothing")


def sources_of(urls: Sequence[str]) -> Iterator[Source]:
    """Name files by the last part of their addresses.

    Parameters
    ----------
    urls : sequence of str

    Yields
    ------
    Source

    Examples
    --------
    >>> next(sources_of(["https://example.org/dem/tile.tif?download=1"])).name
    'tile.tif'
    """
    for url in urls:
        name = Path(urlsplit(url).path).name
        if not name:
            raise InputError("the address names no file", found=url, do="Give that of one file")
        yield Source(url, name)
