"""A study whose inputs and results lie in object storage, which fails for a while."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("moto")
s3fs: Any = pytest.importorskip("s3fs")

STUDY = """
[study]
name = "{name}"
results = "{results}"
[inputs.soil_moisture]
path = "{place}/sm.zarr"
[inputs.precipitation]
path = "{place}/p_*.nc"
[inputs.elevation]
path = "{place}/dem.tif"
units = "m"
[variation]
of = ["soil_moisture"]
"""


class Front:
    """An S3 server that answers 503 or 403 while it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.failing = 0
        """How many answers more are 503."""
        self.refusing = ""
        """Method that is answered 403."""
        self.asked: list[str] = []
        self._behind = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _answer(self, asked: dict[str, Any], start: Any) -> Any:
        method = asked["REQUEST_METHOD"]
        self.asked.append(f"{method} {asked['PATH_INFO']}")
        if method == self.refusing:
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]
        if self.failing > 0:
            self.failing -= 1
            start("503 Service Unavailable", [("Content-Type", "application/xml")])
            return [b"<Error><Code>ServiceUnavailable</Code></Error>"]
        return self._behind(asked, start)


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Front()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(scope="module")
def cloud(front: Front) -> dict[str, str]:
    """The environment by which the server is reached."""
    return {
        "AWS_ENDPOINT_URL": front.url,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        # so that it is ours that tries again
        "AWS_MAX_ATTEMPTS": "1",
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, front: Front, cloud: dict[str, str]) -> Path:
    """Three inputs here and in a bucket, and what is made of those here."""
    folder = tmp_path_factory.mktemp("cloud")
    write_inputs(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.items():
            patch.setenv(name, value)
        system = s3fs.S3FileSystem(skip_instance_cache=True)
        system.mkdir("inputs")
        system.mkdir("outputs")
        for name in ("sm.zarr", "p_1.nc", "p_2.nc", "dem.tif"):
            system.put(str(folder / name), f"inputs/{name}", recursive=True)
    done = headwater(folder, cloud, place=str(folder), results="here")
    assert done.returncode == 0, done.stderr
    return folder


def write_inputs(folder: Path) -> None:
    import rioxarray  # noqa: F401

    from headwater.grids import write_geotiff

    rng = np.random.default_rng(1)
    rain = rng.gamma(2.0, 10.0, (48, 6, 8))
    theta = np.clip(0.05 + 0.003 * rain + rng.normal(0, 0.01, rain.shape), 0.0, 0.6)
    places = {
        "time": pd.date_range("2018-01-01", periods=48, freq="MS"),
        "lat": ("lat", 40.0 - 0.25 * (np.arange(6) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", 94.0 + 0.25 * (np.arange(8) + 0.5), {"units": "degrees_east"}),
    }
    wet = xr.DataArray(theta, places, ("time", "lat", "lon"), "v", {"units": "m3 m-3"})
    wet.chunk(time=12).to_dataset().to_zarr(folder / "sm.zarr", zarr_format=2)
    fallen = xr.DataArray(rain, places, ("time", "lat", "lon"), "v", {"units": "mm"})
    for number, part in enumerate((slice(0, 24), slice(24, 48)), start=1):
        fallen.isel(time=part).to_netcdf(folder / f"p_{number}.nc", engine="h5netcdf")
    dem = wet.isel(time=0, drop=True).rename(lat="y", lon="x") * 1e4
    dem.attrs.clear()
    write_geotiff(dem.rio.write_crs(4326), folder / "dem.tif")


def headwater(
    home: Path, cloud: dict[str, str], place: str, results: str, *options: str, name: str = "Cloud"
) -> subprocess.CompletedProcess[str]:
    file = home / f"{results.rpartition('/')[2]}.toml"
    text = STUDY.format(name=name, place=place, results=results)
    if place.startswith("http"):  # a web server cannot be listed
        text = text.replace(f'"{place}/p_*.nc"', f'["{place}/p_1.nc", "{place}/p_2.nc"]')
    file.write_text(text)
    words = ["run", str(file), "--no-report", "--chunk-mb", "0.01", *options]
    return subprocess.run(
        [sys.executable, "-m", "headwater", *words],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | cloud | {"XDG_CACHE_HOME": str(home / "cache")},
    )


def stored(cloud: dict[str, str], root: str) -> dict[str, bytes]:
    """What lies in a bucket, without what speaks of the run itself."""
    system = s3fs.S3FileSystem(
        endpoint_url=cloud["AWS_ENDPOINT_URL"],
        key="someone",
        secret="secret",
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    return {name.removeprefix(f"{root}/"): system.cat_file(name) for name in system.find(root)}


def steps_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """What steps made; the table of inputs names files, and fingerprints stand for their states."""
    return {
        name: content
        for name, content in files.items()
        if name.startswith("variation/") and not name.endswith(".json")
    }


def here(home: Path, results: str = "here") -> dict[str, bytes]:
    root = home / results
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_inputs_and_results_in_object_storage_that_fails_for_a_while(
    home: Path, front: Front, cloud: dict[str, str]
) -> None:
    front.failing = 12
    done = headwater(home, cloud, "s3://inputs", "s3://outputs/first", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert front.failing == 0
    assert done.stdout.rstrip().endswith("s3://outputs/first")
    there = stored(cloud, "outputs/first")
    assert steps_of(there) == steps_of(here(home))
    assert len(steps_of(there)) > 5
    assert json.loads(there["grids/step.json"])["step"] == "grids"
    inputs = json.loads(there["provenance.json"])["inputs"]
    assert inputs["s3://inputs/sm.zarr"]["bytes"] > 0
    puts = [line.partition(" ")[2] for line in front.asked if "PUT" in line]
    of_grids = [path for path in puts if path.startswith("/outputs/first/grids/")]
    assert of_grids[-1].endswith("step.json")
    assert puts[-1].endswith("provenance.json")


@pytest.mark.slow
def test_a_client_that_is_gone_goes_on_elsewhere(
    home: Path, front: Front, cloud: dict[str, str], tmp_path: Path
) -> None:
    done = headwater(home, cloud, "s3://inputs", "s3://outputs/moved", "--until", "grids")
    assert done.returncode == 0, done.stderr
    done = headwater(tmp_path, cloud, "s3://inputs", "s3://outputs/moved")
    assert done.returncode == 0, done.stderr
    assert "1 step computed, 1 kept" in done.stdout
    assert steps_of(stored(cloud, "outputs/moved")) == steps_of(here(home))


@pytest.mark.slow
def test_what_is_refused_before_anything_is_computed(
    home: Path, front: Front, cloud: dict[str, str]
) -> None:
    done = headwater(home, cloud, str(home), "s3://outputs/taken", "--until", "grids")
    assert done.returncode == 0, done.stderr
    other = headwater(home, cloud, str(home), "s3://outputs/taken", name="Another")
    assert other.returncode == 5
    assert "holds the results of another study" in other.stderr
    lost = headwater(home, cloud, str(home), "s3://nobucket/results")
    assert lost.returncode == 5
    assert "there is no bucket for s3://nobucket/results" in lost.stderr
    lost = headwater(home, cloud, "s3://inputs/elsewhere", "nowhere")
    assert lost.returncode == 3
    assert "there is nothing at s3://inputs/elsewhere/sm.zarr" in lost.stderr
    assert not (home / "nowhere" / "grids").exists()
    front.refusing = "PUT"
    try:
        closed = headwater(home, cloud, str(home), "s3://outputs/closed")
    finally:
        front.refusing = ""
    assert closed.returncode == 5
    assert "storage refuses access to s3://outputs/closed" in closed.stderr
    assert not list(home.glob(".closed-results-*/grids"))


class Ranges(SimpleHTTPRequestHandler):
    """A web server that gives the parts of files that are asked for, as those of archives do."""

    def do_GET(self) -> None:
        path, asked = Path(self.translate_path(self.path)), self.headers.get("Range")
        if asked is None or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(data) - int(last)
        stop = int(last) + 1 if first and last else len(data)
        part = data[start:stop]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_inputs_on_a_web_server(home: Path, cloud: dict[str, str]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(home)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    try:
        done = headwater(home, cloud, place, "web")
        gone = headwater(home, cloud, f"{place}/elsewhere", "gone")
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    ours = {name: data for name, data in here(home, "web").items() if "/" in name}
    assert steps_of(ours) == steps_of(here(home))
    assert gone.returncode == 3
    assert f"there is nothing at {place}/elsewhere/sm.zarr" in gone.stderr
