"""Our flags and those of the network's own program on one station with known faults.

``python -m benchmarks.ismn_flags PYTHON`` writes docs/simulations/ismn-flags.md and
tests/data/network/flagit.json; PYTHON is an interpreter with flagit 0.3 and pandas below 2.2,
which flagit needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.network.quality.control import flag_series
from headwater.network.quality.faults import FAULTS, inject
from headwater.network.quality.flags import Flag
from headwater.network.quality.ismn_rules import ismn_flags

HERE = Path(__file__).resolve().parents[1]
SEED, HOURS = 14, 3 * 8766
RULES = {
    "C01": (Flag.BELOW_RANGE, "the same"),
    "C02": (Flag.ABOVE_RANGE, "the same"),
    "D01": (Flag.FROZEN, "frost with its hysteresis: the soil temperature holds for a day"),
    "D04": (
        Flag.RISE_WITHOUT_WATER,
        "a rise of at least 0.01, rain by depth, never while ice melts: noise is no rise",
    ),
    "D06": (
        Flag.SPIKE,
        "by the distance from both sides and the restlessness around, at any cadence",
    ),
    "D07": (Flag.DROP, "lasting ones only; not while the soil freezes"),
    "D08": (Flag.JUMP, "not where half the water fell: a wetting front is no fault"),
    "D09": (Flag.LOW_PLATEAU, "ends when the level does; not in frozen soil"),
    "D10": (Flag.HIGH_PLATEAU, "flat means no recession: a soil that drains is no plateau"),
}
HEAD = f"""# Flags of the International Soil Moisture Network: theirs, reproduced, and ours

Made by `python -m benchmarks.ismn_flags PYTHON`: one simulated station of three years of hours
(seed {SEED}; rain, drying, frost, sensor noise of 0.0004 m3 m-3, resolution 0.001) with five faults
of each kind put in. It is flagged by the network's own program (flagit 0.3), by its rules in
`headwater.network.quality.ismn_rules` (columns `ismn_flags`, `recall`, `precision`), and by our own
quality control (columns `control …`); both are compared with flagit's flags. Downloaded archives
with their flags were not at hand. D02, D03 and D05 are comparisons with a threshold, and C03 needs
a soil map.

Where our own control differs, it does so on purpose: most of the hours that the network's D09 and
D10 mark are of frozen or draining soil, and its D04 takes sensor noise for a rise.
`headwater network export --ismn` writes the network's flags next to ours.

"""
PEER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from flagit.flagit import Interface
data = pd.read_csv(sys.argv[1], index_col=0, parse_dates=True)
data["qflag"] = [set() for _ in range(len(data))]
codes = ["C01", "C02", "D01", "D04", "D06", "D07", "D09", "D10"]
index, found = data.index, {}
for code in codes:
    one = data.copy(); one["qflag"] = [set() for _ in range(len(one))]
    tool = Interface(one)
    names = ["D07", "D09"] if code == "D09" else [code]
    flags = tool.run(name=names)["qflag"]
    for name in {"D07": ["D07", "D08"]}.get(code, [code]):
        hit = [isinstance(f, set) and name in f for f in flags.reindex(index)]
        found[name] = [k for k, h in enumerate(hit) if h]
json.dump(found, open(sys.argv[2], "w"))
"""


def station(seed: int = SEED, n: int = HOURS) -> pd.DataFrame:
    """A station of three years with rain, drying, frost, noise and five faults of each kind."""
    rng = np.random.default_rng(seed)
    hour = np.arange(n)
    season = np.cos(2 * np.pi * (hour / 8766 - 0.55))
    air = (
        4
        + 12 * season
        + 5 * np.sin(2 * np.pi * hour / 24)
        + np.convolve(rng.normal(0, 2, n), np.ones(24) / 24, "same")
    )
    soil = pd.Series(air).ewm(halflife=72).mean().to_numpy()
    starts = rng.random(n) < 0.004
    rain = np.zeros(n)
    for at in np.flatnonzero(starts & (air > 0)):
        length = int(rng.integers(2, 9))
        rain[at : at + length] += rng.gamma(1.5, 1.2, rain[at : at + length].size)
    rain = np.round(rain, 1)
    level = np.empty(n)
    held = 0.22
    for k in range(n):
        wet = 0.006 * rain[k] * (0.45 - held) / 0.3
        held = min(held + wet, 0.45) - 0.00035 * max(held - 0.08, 0.0) * (1 + max(season[k], 0))
        level[k] = held
    liquid = np.where(soil < 0, 0.35 + 0.65 * np.exp(soil / 1.5), 1.0)
    value = np.round(level * liquid + rng.normal(0, 0.0004, n), 3)
    faulty, _ = inject(value, kinds=FAULTS, each=5, rng=rng)
    columns = {"soil_moisture": np.round(100 * faulty, 1), "soil_temperature": np.round(soil, 2)}
    columns |= {"air_temperature": np.round(air, 2), "precipitation": rain}
    return pd.DataFrame(columns, index=pd.date_range("2021-01-01", periods=n, freq="h"))


def our_flags(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Flags by the network's rules, and by ours."""
    value = data.soil_moisture.to_numpy() / 100
    soil, air = data.soil_temperature.to_numpy(), data.air_temperature.to_numpy()
    rain = data.precipitation.to_numpy()
    theirs = ismn_flags(value, soil_temperature=soil, rain=rain)
    time = data.index.to_numpy("datetime64[us]").astype(np.int64)
    ours = flag_series(time, value, soil_temperature=soil, air_temperature=air, rain=rain)
    return theirs, ours


def compared(wanted: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Recall and precision."""
    both = (wanted & found).sum()
    return tuple(float(both / n) if n else np.nan for n in (wanted.sum(), found.sum()))


def rows(peer: dict[str, list[int]]) -> list[dict]:
    """One row for each rule."""
    data = station()
    theirs, ours = our_flags(data)
    table = []
    for code, (bit, why) in RULES.items():
        wanted = np.zeros(len(data), dtype=bool)
        wanted[peer[code]] = True
        a, b = compared(wanted, theirs & int(bit) > 0), compared(wanted, ours & int(bit) > 0)
        table.append(
            {
                "rule": code,
                "flagit": int(wanted.sum()),
                "ismn_flags": int((theirs & int(bit) > 0).sum()),
                "recall": a[0],
                "precision": a[1],
                "control": int((ours & int(bit) > 0).sum()),
                "control recall": b[0],
                "control precision": b[1],
                "what ours does": why,
            }
        )
    return table


def main(python: str) -> None:
    """Run the peer, and write the page and the facts for the test."""
    with tempfile.TemporaryDirectory() as folder:
        table, answer = Path(folder) / "station.csv", Path(folder) / "flags.json"
        station().to_csv(table)
        subprocess.run([python, "-c", PEER, table, answer], check=True)
        peer = json.loads(answer.read_text())
    facts = {"source": "flagit 0.3 (MIT), run on benchmarks.ismn_flags.station", "seed": SEED}
    facts |= {"hours": HOURS, "flags": peer}
    (HERE / "tests/data/network/flagit.json").write_text(json.dumps(facts) + "\n")
    found = rows(peer)
    names = list(found[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in found:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    page = HERE / "docs/simulations/ismn-flags.md"
    page.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1])
