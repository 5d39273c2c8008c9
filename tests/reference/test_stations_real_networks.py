"""Two real networks ingested whole by the mapping files of `studies/`, and their flags beside ours.

Sources: tests/data/real/station-network-hb (Araki et al. 2022, doi 10.1002/hyp.14553; eleven months
of it; its stationflag.csv calls a station and depth good with 100) and cookfarm-network (Gasch et
al. 2015, Spatial Statistics 14:70-90; it has no flags). Counts of lines and values were taken from
the files with the standard library alone.
"""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from headwater.network import open_store
from headwater.network.derived.write import derive
from headwater.network.ingest.formats import read_file
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import Mapping, read_mapping
from headwater.network.quality.flags import Flag
from headwater.network.quality.run import control_store

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "real"
HAMBURG, COOKFARM = DATA / "station-network-hb", DATA / "cookfarm-network"
pytestmark = pytest.mark.slow


def mapping_of(study: str, folder: Path) -> Mapping:
    """The mapping of a study, with its places read from the tests' data."""
    text = (ROOT / "studies" / f"{study}.toml").read_text()
    (folder / "mapping.toml").write_text(text.replace("../../shared/data", str(DATA)))
    return read_mapping(folder / "mapping.toml")


def counted(path: Path) -> tuple[int, int]:
    """Lines with data, and their fields that are numbers, by the standard library."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(io.StringIO(file.read())))[1:]
    n = 0
    for row in rows:
        for text in row:
            try:
                n += float(text) == float(text)
            except ValueError:
                continue
    return len(rows), n


def test_hamburg(tmp_path: Path) -> None:
    mapping = mapping_of("network-hb", tmp_path)
    files = sorted(HAMBURG.glob("*_s0?.csv.gz"))
    with open_store(tmp_path / "hb.db") as store:
        for path in files:
            reading = read_file(path, mapping)
            lines, numbers = counted(path)
            assert (reading.lines, reading.kept, reading.refused) == (lines, lines, ())
            assert load_reading(reading, store).written.inserted == numbers
        assert store.count() == 57_759
        told = {
            one.stream.thing: one
            for one in control_store(store)
            if one.stream.role == "soil_moisture"
        }
    own = np.loadtxt(HAMBURG / "stationflag.csv", delimiter=",")[:8, 0]
    assert np.all(own == 100)  # the owners call all eight stations good at 5 cm
    assert told["HB 1"].stream.latitude == pytest.approx(53.67727761)
    above = {name: one.codes.get(Flag.ABOVE_RANGE, 0) / one.n for name, one in told.items()}
    # 1 and 2 reach 1.10, 4 reaches 0.62; the others stay below 0.60
    assert {name for name, share in above.items() if share} == {"HB 1", "HB 2", "HB 4"}
    assert above["HB 1"] > 0.5
    assert above["HB 2"] > 0.5
    assert above["HB 4"] < 0.01
    for name in ("HB 3", "HB 4", "HB 5", "HB 6", "HB 7", "HB 8"):
        assert told[name].doubted / told[name].n < 0.01


def some_stations(folder: Path) -> Path:
    """Readings of the first six stations, and of the one whose deepest port never gave a value."""
    with gzip.open(COOKFARM / "gsif_readings.csv.gz", "rt") as file:
        head, *lines = file
    names = sorted({line.split(",")[0] for line in lines})
    kept = [line for line in lines if line.split(",")[0] in {*names[:6], "CAF119"}]
    with gzip.open(folder / "gsif_readings.csv.gz", "wt") as file:
        file.writelines([head, *kept])
    return folder / "gsif_readings.csv.gz"


def test_cook_farm(tmp_path: Path) -> None:
    mapping = mapping_of("network-cookfarm", tmp_path)
    with open_store(tmp_path / "cook.db") as store:
        reading = read_file(some_stations(tmp_path), mapping)
        assert (reading.lines, reading.kept, reading.refused) == (5103, 5103, ())
        assert len(reading.series) == 7 * 5 * 2
        load_reading(reading, store)
        weather = load_reading(read_file(COOKFARM / "gsif_weather.csv.gz", mapping), store)
        assert weather.written.inserted == 729 * 3
        told = [one for one in control_store(store) if one.stream.role == "soil_moisture"]
        assert len(told) == 34  # one port never gave a value
        assert all(np.isfinite(one.stream.latitude) for one in told)
        n, doubted = sum(one.n for one in told), sum(one.doubted for one in told)
        assert n == 15_643
        assert doubted / n < 0.06
        # deep soil repeats itself for weeks at a resolution of 0.001
        assert sum(one.codes.get(Flag.STUCK, 0) for one in told) / n < 0.005
        derived = derive(store)
        storage = [one for one in derived if one.name.startswith("Water stored above")]
        assert len(storage) == 7
        assert {one.name for one in derived if one.thing == "Network"} == {
            f"Soil moisture at {depth:g} m, daily mean of all stations"
            for depth in (0.3, 0.6, 0.9, 1.2, 1.5)
        }
        again = derive(store)
        assert sum(one.written.inserted + one.written.updated + one.removed for one in again) == 0
