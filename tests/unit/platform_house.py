"""A small study as results on disk, and a platform over it that really listens."""

import contextlib
import functools
import json
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import requests
import uvicorn
import xarray as xr

from headwater.grids import write_netcdf
from headwater.web.platform.app import Platform
from headwater.web.platform.people import People
from headwater.web.platform.studies import find_results
from headwater.web.security import Access, create_service

ROWS, COLUMNS, YEARS = 6, 8, (2019, 2020, 2021)
PASSWORD = "a long password"


def water() -> xr.DataArray:
    """Daily soil moisture with a season and noise; one corner is outside the study."""
    times = pd.date_range(f"{YEARS[0]}-01-01", f"{YEARS[-1]}-12-31", freq="D")
    rng = np.random.default_rng(7)
    season = 0.15 + 0.05 * np.sin(2 * np.pi * (times.day_of_year.to_numpy() - 100) / 365.25)
    values = season[:, None, None] + rng.normal(0, 0.01, (len(times), ROWS, COLUMNS))
    values[:, :2, :2] = np.nan
    return gridded(values.astype("float32"), "soil_moisture", ("time", "y", "x"), time=times)


def gridded(values, name, dims=("y", "x"), **coordinates) -> xr.DataArray:
    y, x = 38.0 - 0.5 * np.arange(ROWS), 97.0 + 0.5 * np.arange(COLUMNS)
    found = xr.DataArray(values, {"y": y, "x": x, **coordinates}, dims, name)
    units = {"soil_moisture": "m3 m-3", "elevation": "m", "slope": "m3 m-3 year-1"}.get(name, "1")
    found.attrs |= {"units": units, "long_name": name.replace("_", " ").capitalize()}
    return found.rio.write_crs("EPSG:4326")


def finish(folder, step):
    home = folder / step
    names = sorted(one.name for one in home.iterdir() if one.name != "step.json")
    card = {"step": step, "fingerprint": f"f-{step}", "files": names}
    (home / "step.json").write_text(json.dumps(card), encoding="utf-8")


def write_results(folder, name="Small <b>study</b>"):
    """Write what a run of grids, variation and detector would have left."""
    import rioxarray  # noqa: F401  (the accessor)

    for step in ("grids", "variation", "detector"):
        (folder / step).mkdir(parents=True)
    cube = water()
    cube.to_dataset().to_zarr(folder / "grids" / "soil_moisture.zarr", zarr_format=2)
    elevation = gridded(np.linspace(3000, 4500, ROWS * COLUMNS).reshape(ROWS, COLUMNS), "elevation")
    write_netcdf(elevation.to_dataset(), folder / "grids" / "elevation.nc")
    rng = np.random.default_rng(1)
    slope = gridded(rng.normal(0, 0.002, (ROWS, COLUMNS)), "slope")
    maps = slope.to_dataset().assign(significant=(("y", "x"), np.abs(slope.values) > 0.002))
    for one in ("p", "slope_low", "slope_high"):
        maps[one] = (("y", "x"), slope.values)
    maps["trend_class"] = (("y", "x"), np.sign(slope.values).astype("float32"))
    told = {"flag_values": np.array([-1, 0, 1], "int16"), "flag_meanings": "falling none rising"}
    maps["trend_class"].attrs |= told
    write_netcdf(maps, folder / "variation" / "soil_moisture-trend.nc")
    card = {"class": "TrendMap", "method": "m", "cautions": ["three years say little"]}
    trend = folder / "variation" / "soil_moisture-trend.json"
    trend.write_text(json.dumps(card), encoding="utf-8")
    factors = pd.DataFrame({"factor": ["precipitation", "ndvi"], "q": [0.5, 0.3]})
    factors.assign(p_spatial=0.2, q_chance=0.55, n=44).to_csv(
        folder / "detector" / "factor.csv", index=False
    )
    for step in ("grids", "variation", "detector"):
        finish(folder, step)
    text = f'[study]\nname = "{name}"\n[variation]\n'
    told = {"headwater": "0", "study_file": {"text": text}, "steps": [{"name": "grids"}]}
    (folder / "provenance.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@functools.cache
def accounts() -> bytes:
    """Hash the passwords once: each takes a fifth of a second."""
    with tempfile.TemporaryDirectory() as folder:
        held = People(Path(folder) / "people.db")
        for name, role in (("zhuoma", "ranger"), ("li", "editor"), ("root", "admin")):
            held.add(name, PASSWORD, role)
        held.close()
        return (Path(folder) / "people.db").read_bytes()


def people_of_the_house() -> People:
    """Give a ranger, an editor and an administrator, in a file that is gone when they are."""
    folder = tempfile.mkdtemp()
    path = Path(folder) / "people.db"
    path.write_bytes(accounts())
    held = People(path)
    shutil.rmtree(folder)
    return held


def platform_over(store, *studies, access=None, public="", **options):
    """Build the application; a ranger, an editor and an administrator may sign in."""
    held = people_of_the_house()
    platform = Platform(held, [find_results(one) for one in studies], **options)
    return create_service(store, access=access or Access(), platform=platform, public=public)


@contextlib.contextmanager
def running(app):
    """Serve in a thread of its own on a free port; gives the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://localhost:{listener.getsockname()[1]}"
        finally:
            app.state.house.pulse.stopping = True
            server.should_exit = True
            thread.join()


class Browser:
    """What a browser would send: cookies, and the token once signed in."""

    def __init__(self, url):
        self.url, self.session, self.token = url, requests.Session(), None

    def ask(self, method, path, **options):
        headers = {"Origin": self.url, **options.pop("headers", {})}
        if self.token and "x-csrf-token" not in headers:
            headers["X-CSRF-Token"] = self.token
        return self.session.request(method, self.url + path, headers=headers, timeout=30, **options)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, json=body, **options)

    def sign_in(self, name, password=PASSWORD):
        answer = self.post("/api/session", {"name": name, "password": password})
        self.token = answer.json().get("token")
        return answer
