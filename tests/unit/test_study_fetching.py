"""Data from a server that is busy, stops halfway, wants a token, or lies about its files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

from headwater import storage
from headwater.cli import app
from headwater.errors import InputError
from headwater.study.fetching import Source, fetch_file

FILE = bytes(range(256)) * 1024


class Provider(BaseHTTPRequestHandler):
    """A STAC API and its files; faults are counted down by path."""

    files: ClassVar[dict[str, bytes]] = {}
    faults: ClassVar[dict[str, list[str]]] = {}
    seen: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        type(self).seen.append((path, self.headers["Range"], self.headers["Authorization"]))
        fault = next(iter(self.faults.get(path, [])), "")
        if fault:
            self.faults[path].pop(0)
        if fault.isdigit():
            self.send_error(int(fault))
        elif path in ("/stac", "/search"):
            self._send(json.dumps(catalogue(self.headers["Host"], path)).encode())
        elif path in self.files:
            self._file(self.files[path], half=fault == "half")
        else:
            self.send_error(404)

    def _file(self, body: bytes, *, half: bool) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        begin, end, status = 0, len(body), 200
        if self.headers["Range"] and self.headers.get("If-Range", tag) == tag:
            first, _, last = self.headers["Range"].partition("=")[2].partition("-")
            begin, end, status = int(first), int(last or len(body) - 1) + 1, 206
        part = body[begin : min(end, len(body))]
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(body)}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part[: len(part) // 2] if half else part)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def catalogue(host: str, what: str) -> dict:
    home = f"http://{host}"
    if what == "/stac":
        core = "https://api.stacspec.org/v1.0.0/"
        links = [
            {"rel": "self", "href": f"{home}/stac"},
            {"rel": "root", "href": f"{home}/stac"},
            {"rel": "search", "href": f"{home}/search", "type": "application/geo+json"},
        ]
        conforms = [f"{core}core", f"{core}item-search"]
        head = {"type": "Catalog", "stac_version": "1.0.0", "id": "local", "description": "local"}
        return {**head, "links": links, "conformsTo": conforms}
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "Copernicus_DSM_COG_10_N38_00_E099_00_DEM",
        "bbox": [99, 38, 100, 39],
        "geometry": {"type": "Point", "coordinates": [99.5, 38.5]},
        "properties": {"datetime": "2021-04-22T00:00:00Z"},
        "collection": "cop-dem-glo-30",
        "links": [],
        "assets": {
            "data": {
                "href": f"{home}/dem.tif",
                "file:checksum": "1220" + hashlib.sha256(Provider.files["/dem.tif"]).hexdigest(),
            }
        },
    }
    return {"type": "FeatureCollection", "features": [item], "links": []}


def tile(path: Path) -> bytes:
    values = np.arange(100, dtype=np.float32).reshape(1, 10, 10)
    transform = rasterio.transform.from_origin(99, 39, 0.1, 0.1)
    profile = {"driver": "COG", "dtype": "float32", "crs": "EPSG:4326", "transform": transform}
    with rasterio.open(path, "w", count=1, width=10, height=10, **profile) as raster:
        raster.write(values)
    return path.read_bytes()


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Provider.files = {"/file.bin": FILE, "/dem.tif": tile(tmp_path / "tile.tif")}
    Provider.faults, Provider.seen = {}, []
    monkeypatch.setattr(storage, "_PAUSES", (0.01, 0.02))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_busy_server_and_half_a_file_end_in_a_whole_one(provider: str, tmp_path: Path) -> None:
    Provider.faults["/file.bin"] = ["503", "half", "429", "half"]
    found = fetch_file(Source(f"{provider}/file.bin", "file.bin"), tmp_path, pause=0.0)
    assert (tmp_path / "file.bin").read_bytes() == FILE
    assert found.checked == "length"
    assert found.sha256 == hashlib.sha256(FILE).hexdigest()
    assert [part for _, part, _ in Provider.seen if part] == [
        f"bytes={len(FILE) // 2}-",
        f"bytes={len(FILE) // 2}-",
        f"bytes={len(FILE) * 3 // 4}-",
    ]
    asked = len(Provider.seen)
    assert fetch_file(Source(f"{provider}/file.bin", "file.bin"), tmp_path) == found
    assert len(Provider.seen) == asked
    assert (
        sorted(path.name for path in tmp_path.iterdir() if "file" in path.name)
        == [
            "file.bin",
        ]
        or (tmp_path / "fetched.json").exists()
    )


def test_a_file_that_changed_meanwhile_is_begun_anew(provider: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"old" * 100)
    (tmp_path / "file.bin.tag").write_text('"old"')
    fetch_file(Source(f"{provider}/file.bin", "file.bin"), tmp_path, pause=0.0)
    assert (tmp_path / "file.bin").read_bytes() == FILE
    assert not (tmp_path / "file.bin.part").exists()
    assert not (tmp_path / "file.bin.tag").exists()


def test_a_token_that_has_expired_is_a_sentence(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Provider.faults["/file.bin"] = ["401", "401"]
    source = Source(f"{provider}/file.bin", "file.bin")
    with pytest.raises(InputError, match=r"no token is set.*HEADWATER_FETCH_TOKEN"):
        fetch_file(source, tmp_path, pause=0.0)
    monkeypatch.setenv("HEADWATER_FETCH_TOKEN", "secret")
    with pytest.raises(InputError, match="refused or has expired"):
        fetch_file(source, tmp_path, pause=0.0)
    assert Provider.seen[-1][2] == "Bearer secret"
    fetch_file(source, tmp_path, trusted="https://elsewhere.example", pause=0.0)
    assert Provider.seen[-1][2] is None


def test_a_file_that_is_not_what_was_promised_is_refused(provider: str, tmp_path: Path) -> None:
    source = Source(f"{provider}/file.bin", "file.bin", "1220" + "0" * 64)
    with pytest.raises(InputError, match="not what its catalogue says"):
        fetch_file(source, tmp_path, pause=0.0)
    assert not (tmp_path / "file.bin").exists()


def test_a_catalogue_gives_whole_files_or_the_area(provider: str, tmp_path: Path) -> None:
    call = ["fetch", "stac", f"{provider}/stac", "cop-dem-glo-30", "--asset", "data"]
    call += ["--bbox", "99.2", "38.3", "99.5", "38.7"]
    whole = CliRunner().invoke(app, [*call, "--out", str(tmp_path / "whole")])
    assert whole.exit_code == 0, whole.output
    listed = json.loads((tmp_path / "whole" / "fetched.json").read_text())
    assert [entry["checked"] for entry in listed.values()] == ["checksum"]
    cut = CliRunner().invoke(app, [*call, "--crop", "--out", str(tmp_path / "cut")])
    assert cut.exit_code == 0, cut.output
    (path,) = (tmp_path / "cut").glob("*.tif")
    with rasterio.open(path) as raster:
        assert raster.shape == (4, 3)
        assert raster.read(1)[0, 0] == 32.0
        assert np.allclose(raster.bounds, (99.2, 38.3, 99.5, 38.7))


def test_a_cube_on_a_server_is_cut_to_area_and_years(provider: str, tmp_path: Path) -> None:
    coords = {
        "time": np.arange("2019-12-30", "2020-01-03", dtype="datetime64[D]").astype("M8[ns]"),
        "latitude": ("latitude", np.arange(40.0, 36.0, -0.5), {"units": "degrees_north"}),
        "longitude": ("longitude", np.arange(98.0, 101.0, 0.5), {"units": "degrees_east"}),
    }
    values = np.random.default_rng(1).normal(280, 5, (4, 8, 6)).astype(np.float32)
    cube = xr.DataArray(values, coords, name="t2m", attrs={"units": "K"})
    store = tmp_path / "era5.zarr"
    cube.to_dataset().chunk({"time": 2}).to_zarr(store, zarr_format=2)
    for path in store.rglob("*"):
        if path.is_file():
            Provider.files[f"/era5.zarr/{path.relative_to(store)}"] = path.read_bytes()
    call = ["fetch", "cube", f"{provider}/era5.zarr", "--variable", "t2m"]
    call += ["--bbox", "98.4", "37", "99.6", "39", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "out" / "t2m_2020.nc") as part:
        wanted = cube.sel(time="2020", latitude=slice(39, 37), longitude=slice(98.4, 99.6))
        xr.testing.assert_equal(part["t2m"].load(), wanted)
        assert part["t2m"].attrs["units"] == "K"
    asked = len(Provider.seen)
    assert CliRunner().invoke(app, call).exit_code == 0
    assert not any("t2m/" in path for path, *_ in Provider.seen[asked:] if "0." in path)


def test_no_network_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_NOBODY", 0.0)
    result = CliRunner().invoke(
        app, ["fetch", "files", "http://127.0.0.1:9/a.nc", "--out", str(tmp_path)]
    )
    assert result.exit_code == 3
    assert "Check the network" in result.output


def test_a_disk_that_is_full_is_a_sentence_and_the_rest_follows(
    provider: str, tmp_path: Path
) -> None:
    """On a file system that is really full, where we may make one."""
    call = f"{sys.executable} -m headwater fetch files {provider}/file.bin --out {tmp_path}/data"
    steps = (
        f"mkdir {tmp_path}/data && mount -t tmpfs -o size=16k none {tmp_path}/data || exit 90",
        f"{call}; echo rc $?",
        f"mount -o remount,size=4m {tmp_path}/data",
        f"{call}; cp {tmp_path}/data/file.bin {tmp_path}/kept.bin",
    )
    Provider.files["/file.bin"] = FILE * (100_000 // len(FILE) + 1)
    words = ["unshare", "-m", "sh", "-c", "\n".join(steps)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if done.returncode == 90 or "permitted" in done.stderr or "denied" in done.stderr:
        pytest.skip("this user may not mount a file system")
    assert "headwater: the disk is full" in done.stderr
    assert "rc 0" not in done.stdout
    assert "the same command goes on from there" in done.stderr
    assert (tmp_path / "kept.bin").read_bytes() == Provider.files["/file.bin"]
    assert any(part and part != "bytes=0-" for _, part, _ in Provider.seen)
