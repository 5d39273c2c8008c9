"""The studies that are shown: their results folders, opened anew when a run has changed them."""

from __future__ import annotations

import json
import re
import threading
import time
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from headwater.errors import HeadwaterError, InputError
from headwater.network.sensorthings.errors import NotFound
from headwater.results import fingerprint
from headwater.study.folder import finished_steps
from headwater.web.platform.grid import Grid, read_grid
from headwater.web.platform.layers import (
    Layer,
    Legend,
    correlations,
    find_layers,
    legend_of,
    open_values,
    reading,
)
from headwater.web.platform.quantise import NODATA, encode, encode_classes
from headwater.web.platform.runs import study_file_of
from headwater.web.platform.series import Place, Series, read_series

__all__ = ["BLOCK_DAYS", "Shelf", "Study", "block_days", "find_results"]

BLOCK_DAYS = 32
"""Maps of one block at most: the first view of a page is below 300 kB with it."""
_BLOCK_CELLS = 800_000
"""Cells of one block, so that it comes soon on a slow line however large the grid is."""
_FRESH = 3.0
"""So long a look at a results folder is believed [s]."""
_MOST_CACHED = 96_000_000
_MOST_LEGENDS = 2000
_MOST_TOGETHER = 60_000_000
"""Values that are encoded together because the store keeps them in one piece."""
_BAND = 25_000_000
"""Values of a cube that are held at once while it is ranked."""


def find_results(path: str | Path) -> Path:
    """Find the results folder of a study.

    Parameters
    ----------
    path : str or Path
        Of the study file, of its folder, or of the results folder itself.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If a folder holds neither results nor a study file.

    Notes
    -----
    A study file that was never run is shown too, so that it can be run from the browser.
    """
    given = Path(path).expanduser()
    if given.is_file():
        try:
            table = tomllib.loads(given.read_text(encoding="utf-8-sig")).get("study", {})
        except (ValueError, OSError) as error:
            raise InputError(f"{given} is no study file", found=str(error)[:200]) from None
        return (given.parent / str(table.get("results", "results"))).resolve()
    for place in (given, given / "results"):
        if (place / "provenance.json").is_file() or any(place.glob("*/step.json")):
            return place.resolve()
    raise InputError(
        "no results to show",
        found=str(given),
        do=f"Run the study first, with: headwater run {given if given.is_file() else 'study.toml'}",
    )


def block_days(shape: tuple[int, int]) -> int:
    """Say how many maps a block holds.

    Examples
    --------
    >>> block_days((72, 166)), block_days((720, 1660))
    (32, 1)
    """
    return max(1, min(BLOCK_DAYS, _BLOCK_CELLS // (shape[0] * shape[1])))


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it was when its folder was last looked at.

    Attributes
    ----------
    id, name : str
    results : Path
        Never shown to anybody.
    fingerprint : str
        Of all its finished steps.
    grid : Grid
    layers : mapping of str to Layer
    about : dict
        What provenance says: version, steps with their seconds, when.
    """

    id: str
    name: str
    results: Path
    fingerprint: str
    grid: Grid | None
    layers: dict[str, Layer]
    about: dict[str, Any]


@dataclass(slots=True)
class _Cache:
    """Bytes that were made before, the oldest thrown away when there are too many."""

    most: int = _MOST_CACHED
    held: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    making: dict[str, threading.Lock] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether what is made ahead would soon drive out what somebody has asked for."""
        return self.size > 0.8 * self.most

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        with self.lock:
            if key in self.held:
                self.held.move_to_end(key)
                return self.held[key]
            own = self.making.setdefault(key, threading.Lock())
        with own:  # many who ask for the same are served by one making
            with self.lock:
                if key in self.held:
                    return self.held[key]
            made = make()
            with self.lock:
                self.held[key] = made
                self.size += len(made)
                while self.size > self.most and len(self.held) > 1:
                    self.size -= len(self.held.popitem(last=False)[1])
                self.making.pop(key, None)
            return made


class Shelf:
    """All studies that are shown, by a name that a browser may use.

    Parameters
    ----------
    places : sequence of Path
        Results folders.
    files : mapping of Path to Path
        Study files by results folders, where the results do not yet say so themselves.
    """

    def __init__(
        self, places: Sequence[Path] = (), *, files: Mapping[Path, Path] | None = None
    ) -> None:
        self._places: dict[str, Path] = {}
        self._files = dict(files or {})
        for place in places:
            self._places[self._free_name(place)] = place
        self._seen: dict[str, tuple[float, str, Study]] = {}
        self._legends: dict[str, Legend] = {}
        self._lock = threading.Lock()
        self.cache = _Cache()
        # each reads up to the whole cube: two cores gain nothing from more at once, memory loses
        self._making = threading.Semaphore(2)
        self._reading = threading.Lock()

    def _free_name(self, place: Path) -> str:
        named = place.parent.name if place.name == "results" else place.name
        plain = re.sub(r"[^a-z0-9]+", "-", named.lower()).strip("-") or "study"
        name, number = plain, 2
        while name in self._places:
            name, number = f"{plain}-{number}", number + 1
        return name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the studies, in the order in which they were given."""
        return tuple(self._places)

    @property
    def places(self) -> dict[str, Path]:
        """Results folders by name; never shown to anybody."""
        return dict(self._places)

    @property
    def files(self) -> dict[str, Path]:
        """Study files by name, of those studies whose file is here; never shown to anybody."""
        found = {
            name: self._files.get(place) or study_file_of(place)
            for name, place in self._places.items()
        }
        return {name: file for name, file in found.items() if file is not None}

    def look(self) -> str:
        """Give a text that changes when any study does, with what is running in it."""
        running = [one.name for place in self._places.values() for one in place.glob(".running-*")]
        return fingerprint([_fingerprint_of(one) for one in self._places.values()], sorted(running))

    def study(self, name: str) -> Study:
        """Open a study, or take the look of a moment ago.

        Parameters
        ----------
        name : str

        Returns
        -------
        Study

        Raises
        ------
        NotFound
            If there is no study of this name.
        """
        if name not in self._places:
            raise NotFound(
                "no such study", found=f"'{name[:60]}'", do="List them with: GET /api/studies"
            )
        with self._lock:
            at, print_, study = self._seen.get(name, (-_FRESH, "", None))
            if study is not None and time.monotonic() - at < _FRESH:
                return study
            now = _fingerprint_of(self._places[name])
            if study is None or now != print_:
                study = _open_study(name, self._places[name], now, self.files.get(name))
            self._seen[name] = (time.monotonic(), now, study)
            return study

    def keep_warm(self, stopped: threading.Event, every: float = 10.0) -> None:
        """Make blocks before anybody asks for them, now and whenever a study has changed.

        Parameters
        ----------
        stopped : threading.Event
            Ends it.
        every : float
            Seconds between two looks.
        """
        seen = ""
        while not stopped.is_set():
            now = self.look()
            if now != seen:
                seen = now
                self.warm()
                self._make_ahead(stopped, seen)
            stopped.wait(every)

    def _make_ahead(self, stopped: threading.Event, seen: str) -> None:
        """Make all blocks of daily layers, with pauses, where the cache has room for them."""
        for name in self.names:
            try:
                study = self.study(name)
                for layer in [one for one in study.layers.values() if one.cube]:
                    sizes = open_values(layer).sizes
                    n = int(sizes["time"])
                    if n * sizes["y"] * sizes["x"] > _MOST_TOGETHER:
                        continue
                    for number in reversed(range(-(-n // block_days((sizes["y"], sizes["x"]))))):
                        if stopped.is_set() or self.cache.full or self.look() != seen:
                            return
                        began = time.thread_time()
                        self.block(study, layer, number)
                        stopped.wait(time.thread_time() - began)  # half of one core at most
            except RuntimeError:  # at the end of the process no thread takes up work any more
                return
            except (HeadwaterError, OSError, ValueError, KeyError):
                continue

    def warm(self) -> None:
        """Read what the first view needs, so that the first who looks need not wait."""
        for name in self.names:
            try:
                study = self.study(name)
                for layer in list(study.layers.values())[:2]:
                    self.legend(study, layer)
                    times = open_values(layer).sizes.get("time", 1)
                    days = block_days(study.grid.shape) if study.grid else 1
                    self.block(study, layer, (times - 1) // days if layer.cube else 0)
            except (HeadwaterError, OSError, ValueError):
                continue

    def block(self, study: Study, layer: Layer, number: int) -> bytes:
        """Give the maps of a block as gzipped bytes.

        Parameters
        ----------
        study : Study
        layer : Layer
        number : int
            Of the block; a layer without times has one.

        Returns
        -------
        bytes
            Gzip of uint8, shape (maps, rows, columns). Of a layer with times each map is its
            difference from the one before, modulo 256. A layer that knows which of its cells are
            significant gives a second map, of 1 and 0.

        Raises
        ------
        NotFound
            If there is no such block.
        """
        import gzip

        key = f"{layer.fingerprint}/{layer.id}/{number}"
        legend = self.legend(study, layer)

        def make() -> bytes:
            with self._making, reading(layer.path):
                coded = _block(study, layer, legend, number)
            return gzip.compress(coded.tobytes(), compresslevel=5)

        return self.cache.get(key, make)

    def series(self, layer: Layer, place: Place) -> Series:
        """Read the series of a place, or take the one that was read for it before.

        Of a large grid, whose store keeps whole maps together, it takes seconds; and the page asks
        for a place twice, for its chart and for what drives it.

        Raises
        ------
        WrongRequest
            As of :func:`headwater.web.platform.series.read_series`.
        """
        cells = place.rows.tobytes() + place.columns.tobytes()
        key = f"{layer.fingerprint}/{layer.id}/series/{fingerprint(cells.hex())}"

        def make() -> bytes:
            found = read_series(layer, place)
            return np.stack([found.value, found.share]).tobytes()

        held = np.frombuffer(self.cache.get(key, make)).reshape(2, -1)
        times = np.asarray(open_values(layer)["time"].values, dtype="datetime64[s]")
        return Series(times, held[0], held[1])

    def legend(self, study: Study, layer: Layer) -> Legend:
        """Give the legend of a layer; it is read once."""
        key = f"{layer.fingerprint}/{layer.id}"
        known = self._legends.get(key)
        if known is not None:
            return known
        with self._reading:  # or many who come at once would each read the cube for it
            if key not in self._legends:
                if len(self._legends) > _MOST_LEGENDS:
                    self._legends.clear()
                held = correlations(tuple(study.layers.values()))
                with reading(layer.path):
                    self._legends[key] = legend_of(layer, held)
            return self._legends[key]


def _fingerprint_of(results: Path) -> str:
    cards = []
    for step in finished_steps(results):
        stamp = (results / step / "step.json").stat()
        cards.append((step, stamp.st_mtime_ns, stamp.st_size))
    report = results / "report.html"
    return fingerprint(cards, report.exists())


def _open_study(name: str, results: Path, print_: str, file: Path | None) -> Study:
    about = _about(results, file)
    layers = {one.id: one for one in find_layers(results)}
    grid = _first_grid(layers.values(), results)
    return Study(name, about.pop("name") or name, results, print_, grid, layers, about)


def _first_grid(layers: Iterable[Layer], results: Path) -> Grid | None:
    """Read the grid from the first layer that can be read: one that is damaged hides no other."""
    failed: HeadwaterError | None = None
    for layer in layers:
        try:
            return read_grid(layer, results)
        except HeadwaterError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return None


def _about(results: Path, file: Path | None) -> dict[str, Any]:
    """Read what the study file says, or provenance where the file is not here."""
    try:
        card = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        card = {}
    text = str(card.get("study_file", {}).get("text", ""))
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig") if file else text)
    except (OSError, ValueError):
        table = {}
    steps = card.get("steps", [])
    done = finished_steps(results)
    return {
        "name": str(table.get("study", {}).get("name", "")),
        "version": str(card.get("headwater", "")),
        "steps": [
            {
                "name": step.get("name", ""),
                "seconds": step.get("seconds"),
                "started": step.get("started"),
            }
            for step in steps
            if isinstance(step, dict)
        ],
        "finished": done,
        "may_run": file is not None,
        "running": sorted(one.name.removeprefix(".running-") for one in results.glob(".running-*")),
        "report": (results / "report.html").is_file(),
        "tables": [key for key in table if key not in {"study", "area", "grid", "inputs"}],
    }


def _block(study: Study, layer: Layer, legend: Legend, number: int) -> Any:
    if layer.derived == "dominant":
        _insist(number, 1)
        return _encoded(legend, _dominant(study))[None]
    values = open_values(layer)
    if not layer.cube:
        _insist(number, 1)
        return _still(layer, legend, values)
    n = int(values.sizes["time"])
    days = block_days((values.sizes["y"], values.sizes["x"]))
    _insist(number, -(-n // days))
    first, last = number * days, min(n, (number + 1) * days)
    if layer.derived == "percentile":
        return _differences(encode(_percentiles(layer, values, first, last), legend.scale))
    length = int((values.encoding.get("chunks") or (1,))[0])
    together = length * values.sizes["y"] * values.sizes["x"] <= _MOST_TOGETHER
    if together and first // length == (last - 1) // length:
        at = first // length * length
        return _differences(_of_chunk(layer, legend, at, length)[first - at : last - at])
    return _differences(_encoded(legend, values.isel(time=slice(first, last)).values))


@lru_cache(maxsize=3)
def _of_chunk(layer: Layer, legend: Legend, first: int, length: int) -> Any:
    """Encode all days that the store keeps in one piece: reading one of them reads them all."""
    return _encoded(legend, open_values(layer).isel(time=slice(first, first + length)).values)


def _differences(coded: Any) -> Any:
    """Give each map as its difference from the one before, modulo 256: it packs a third smaller."""
    return np.diff(coded, axis=0, prepend=np.uint8(0))


def _insist(number: int, blocks: int) -> None:
    if not 0 <= number < blocks:
        raise NotFound("no such block", found=str(number), do=f"Ask for 0 to {blocks - 1}")


def _encoded(legend: Legend, values: Any) -> Any:
    if legend.classes:
        return encode_classes(values, [value for value, *_ in legend.classes])
    return encode(values, legend.scale)


def _still(layer: Layer, legend: Legend, values: Any) -> Any:
    coded = _encoded(legend, values.values)
    if not layer.mask:
        return coded[None]
    mask = _masked(layer)
    return np.stack([coded, np.where(coded == NODATA, NODATA, mask).astype(np.uint8)])


def _masked(layer: Layer) -> Any:
    return np.asarray(open_values(replace(layer, variable=layer.mask)).values, dtype=np.uint8)


def _percentiles(layer: Layer, values: Any, first: int, last: int) -> Any:
    """Rank the days of a block, some rows at a time so that no more than enough is held."""
    from headwater.web.platform.percentile import percentile_maps  # whose compiler takes 50 MB

    times = np.asarray(values["time"].values, dtype="datetime64[s]")
    wanted = np.arange(first, last)
    if values.size <= _BAND:
        return percentile_maps(_cube(layer), times, wanted)
    rows, columns = values.shape[1:]
    step = max(1, _BAND // (len(times) * columns))
    parts = []
    for top in range(0, rows, step):
        band = values.isel(y=slice(top, top + step)).values
        parts.append(percentile_maps(band, times, wanted))
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1)
def _cube(layer: Layer) -> Any:
    """Read all days of a small cube once: each block of percentiles needs them all."""
    return np.asarray(open_values(layer).values, dtype=np.float32)


def _dominant(study: Study) -> Any:
    """Say for each cell which factor has the largest significant correlation of anomalies."""
    factors = correlations(tuple(study.layers.values()))
    strength = np.stack([np.abs(open_values(one).values) for one in factors])
    known = np.stack([_masked(one) for one in factors]).astype(bool) & np.isfinite(strength)
    best = np.where(known, strength, -1.0).argmax(axis=0).astype(float)
    return np.where(known.any(axis=0), best, np.nan)
