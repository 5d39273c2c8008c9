"""A bad line is lost alone; observations in any order end with the flags they have in order."""

import tempfile
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.network import open_store
from headwater.network.ingest.csv_mapping import read_csv
from headwater.network.ingest.geojson import read_geojson
from headwater.network.ingest.ismn import read_ismn
from headwater.network.ingest.load import load_reading
from headwater.network.ingest.mapping import parse_mapping
from headwater.network.ingest.toa5 import read_toa5
from headwater.network.quality.faults import inject
from headwater.network.quality.flags import bits_of
from headwater.network.quality.run import control_store

MANY = 4 * settings.default.max_examples

N = 12
SERIES = {"column": "VWC", "thing": "A", "property": "soil_moisture", "unit": "m3 m-3"}
MAPPING = parse_mapping({"series": [SERIES]})
STM = "RSMN_RSMN_Adamclisi_sm_0.000000_0.050000_Meter-5TM_1_1_19500101_20260512.stm"

# anything that may stand in a line, but for what ends it
junk = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60).map(str.encode)
bytes_ = st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"?").replace(b"\n", b"?"))


@st.composite
def damage(draw, line: bytes) -> bytes:
    """Replace a line, or cut, or change some of its bytes."""
    kind = draw(st.sampled_from(["replace", "raw", "cut", "change"]))
    if kind == "replace":
        return draw(junk)
    if kind == "raw":
        return draw(bytes_)
    place = draw(st.integers(0, len(line) - 1))
    if kind == "cut":
        return line[:place]
    byte = draw(st.integers(0, 255).filter(lambda code: code not in (10, 13)))
    return line[:place] + bytes([byte]) + line[place + 1 :]


def clock(k: int, sep: str = "T") -> str:
    return f"2024-02-{28 + k // 24 if k < 48 else 1:02d}{sep}{k % 24:02d}:00:00"


def others(k: int) -> set[float]:
    return {round(0.1 + 0.01 * i, 2) for i in range(N) if i != k}


def kept(reading) -> set[float]:
    return {round(float(value), 6) for value in reading.data["value"].dropna()}


@settings(max_examples=MANY)
@given(data=st.data(), k=st.integers(0, N - 1))
def test_csv(data, k: int) -> None:
    lines = [f"{clock(i)}Z,{0.1 + 0.01 * i:.2f}".encode() for i in range(N)]
    lines[k] = data.draw(damage(lines[k]))
    told = read_csv(b"\n".join([b"time,VWC", *lines]), MAPPING)
    # the first line could only be told from the second by its value
    if not (k == 0 and lines[0].startswith(clock(1).encode())):
        assert others(k) <= kept(told)
    assert len(told.data) <= N
    assert {item.line for item in told.refused} <= {k + 2}


@given(k=st.integers(0, N - 1), m=st.integers(0, N - 1))
def test_a_line_with_the_time_of_another(k: int, m: int) -> None:
    times = [clock(i) for i in range(N)]
    times[k] = clock(m)
    lines = [f"{times[i]}Z,{0.1 + 0.01 * i:.2f}" for i in range(N)]
    told = read_csv("\n".join(["time,VWC", *lines]).encode(), MAPPING)
    if (k, m) != (0, 1):
        assert others(k) <= kept(told)


@settings(max_examples=MANY)
@given(data=st.data(), k=st.integers(-1, N - 1))
def test_ismn_with_its_header(data, k: int) -> None:
    header = b"RSMN RSMN Adamclisi 44.08829 27.96591 158.0 0.0000 0.0500 'Meter-5TM'"
    lines = [header]
    lines += [
        f"{clock(i, ' ').replace('-', '/')[:16]} {0.1 + 0.01 * i:.2f} G M".encode()
        for i in range(N)
    ]
    lines[k + 1] = data.draw(damage(lines[k + 1]))
    told = read_ismn(b"\r".join(lines), name=STM)
    assert others(k) <= kept(told)


@settings(max_examples=MANY)
@given(data=st.data(), k=st.integers(0, N - 1))
def test_toa5(data, k: int) -> None:
    head = [
        b'"TOA5","A","CR1000","1","OS","prog","1","hour"',
        b'"TIMESTAMP","RECORD","VWC"',
        b'"TS","RN","m^3/m^3"',
        b'"","","Avg"',
    ]
    lines = [f'"{clock(i, " ")}",{i},{0.1 + 0.01 * i:.2f}'.encode() for i in range(N)]
    lines[k] = data.draw(damage(lines[k]))
    told = read_toa5(b"\r\n".join([*head, *lines]), MAPPING, zone="UTC")
    if not (k == 0 and clock(1, " ").encode() in lines[0]):
        assert others(k) <= kept(told)


@settings(max_examples=MANY)
@given(data=st.data(), k=st.integers(0, N - 1))
def test_geojson(data, k: int) -> None:
    lines = [
        (
            '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [99.1, 35.2]}, '
            f'"properties": {{"station": "A", "time": "{clock(i)}Z", "property": "soil_moisture", '
            f'"unit": "m3 m-3", "value": {0.1 + 0.01 * i:.2f}}}}}'
        ).encode()
        for i in range(N)
    ]
    lines[k] = data.draw(damage(lines[k]))
    told = read_geojson(
        b'{"type": "FeatureCollection", "features": [\n' + b",\n".join(lines) + b"\n]}"
    )
    if not (k == 0 and clock(1).encode() in lines[0]):
        assert others(k) <= kept(told)


def faulty(seed: int, n: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    value = 0.2 + 0.05 * np.sin(np.arange(n) / 90.0) + rng.normal(0, 5e-4, n)
    value, _ = inject(value, kinds=("spike", "dead", "stuck"), each=1, rng=rng)
    frame = pd.DataFrame({"m": value.round(4), "t": 4.0 * np.sin(np.arange(n) / 150.0)})
    frame["time"] = pd.date_range("2026-03-01", periods=n, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    return frame


COLUMNS = parse_mapping(
    {
        "series": [
            {**SERIES, "column": "m", "depth": 0.05},
            {
                "column": "t",
                "thing": "A",
                "property": "soil_temperature",
                "unit": "degC",
                "depth": 0.05,
            },
        ]
    }
)


def final_flags(parts: list[pd.DataFrame]) -> dict[int, int]:
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/n.db") as store:
        for part in parts:
            loaded = load_reading(read_csv(part.to_csv(index=False).encode(), COLUMNS), store)
            control_store(store, spans=loaded.spans, consistency=False)
        id = next(id for key, id in loaded.datastreams.items() if "moisture" in key)
        held = store.read([id])
        flags = bits_of(held.quality, len(held)).tolist()
        return dict(zip(held.time.tolist(), flags, strict=True))


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(20, 880), min_size=1, max_size=4, unique=True),
    data=st.data(),
)
def test_late_stretches_end_with_the_flags_of_the_whole(seed: int, cuts: list[int], data) -> None:
    frame = faulty(seed)
    edges = [0, *sorted(cuts), len(frame)]
    parts = [frame[a:b] for a, b in pairwise(edges)]
    order = data.draw(st.permutations(parts))
    assert final_flags(list(order)) == final_flags([frame])
