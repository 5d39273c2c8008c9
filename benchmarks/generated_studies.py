"""Studies made up by hypothesis: whatever `check` passes, `run` finishes.

A study is drawn as a plain mapping of what its files hold and what its tables say: grids of any
step with gaps, missing seasons and odd periods, tiny areas, classes, stations, samples. Its files
are written, it is checked and, where the check finds nothing, run. Run:
``python -m benchmarks.generated_studies --n 300 --seed 1``.
"""

from __future__ import annotations

import argparse
import collections
import re
import shutil
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from headwater.chapters import SECTIONS, STEPS
from headwater.errors import HeadwaterError, ProblemsError
from headwater.report import write_report
from headwater.settings import Settings
from headwater.study import read_study, run
from headwater.study.checks import survey

UNITS = {
    "soil_moisture": "m3 m-3",
    "precipitation": "mm",
    "temperature": "degC",
    "ndvi": "1",
    "surface_temperature": "degC",
    "elevation": "m",
    "slope": "degree",
    "vegetation": "1",
}
STILL = ("elevation", "slope", "vegetation")
MONTHS = ("month", "dekad", "8 days", "16 days")


def mostly(plain: Any, *odd: Any, times: int = 15) -> st.SearchStrategy[Any]:
    """Draw what is usual, and now and then something odd."""
    return st.sampled_from([plain] * times * max(len(odd), 1) + list(odd))


def times_of(steps: str, start: str, count: int) -> Any:
    """Stamps of an axis."""
    if steps == "irregular":
        gaps = np.random.default_rng(count).integers(1, 40, count).cumsum()
        return pd.Timestamp(start) + pd.to_timedelta(gaps, unit="D")
    if steps == "dekad":
        days = pd.date_range(start, periods=12 * count, freq="D")
        return days[days.day.isin((1, 11, 21))][:count]
    offset = {"month": "MS", "year": "YS", "day": "D", "season": "QS-DEC", "6 hours": "6h"}
    return pd.date_range(start, periods=count, freq=offset.get(steps, steps.replace(" days", "D")))


def values_of(one: dict[str, Any]) -> xr.DataArray:
    """Values of an input, as drawn."""
    rng = np.random.default_rng(one["noise"])
    rows, columns, name = one["rows"], one["columns"], one["name"]
    shape: tuple[int, ...] = (rows, columns)
    if one["steps"] != "still":
        times = times_of(one["steps"], one["start"], one["count"])
        shape = (len(times), rows, columns)
    field = rng.normal(0, 1, shape)
    if one["pattern"] == "same in all cells" and len(shape) == 3:
        field = np.broadcast_to(field[:, :1, :1], shape).copy()
    elif one["pattern"] == "same at all times" and len(shape) == 3:
        field = np.broadcast_to(field[:1], shape).copy()
    elif one["pattern"] == "rounded":
        field = np.round(field)
    values = {
        "soil_moisture": 0.25 + 0.05 * field,
        "precipitation": np.abs(20 + 15 * field),
        "temperature": 3 + 6 * field,
        "ndvi": np.clip(0.4 + 0.15 * field, -0.1, 0.95),
        "surface_temperature": 10 + 8 * field,
        "elevation": 3500 + 300 * field,
        "slope": np.abs(20 + 8 * field),
        "vegetation": np.clip(np.round(3 + field), 1, 5),
    }[name]
    values = np.clip(values, 0.01, 0.6) if name == "soil_moisture" else values
    values[rng.random(shape) < one["missing"]] = np.nan
    if len(shape) == 3 and one["without"]:
        values[np.isin(times.month, one["without"])] = np.nan
    if one["hole"]:
        values[..., : rows // 2 + 1, : columns // 2] = np.nan
    lat = 38.0 - one["size"] * (np.arange(rows) + 0.5)
    lon = 98.0 + one["shift"] + one["size"] * (np.arange(columns) + 0.5)
    coords: dict[str, Any] = {
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    dims = ("lat", "lon")
    if len(shape) == 3:
        coords, dims = {"time": times, **coords}, ("time", "lat", "lon")
    return xr.DataArray(values.astype("f4"), coords, dims, name=name, attrs={"units": UNITS[name]})


@st.composite
def inputs(draw: st.DrawFn, name: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Draw what a file holds."""
    still = name in STILL
    odd = st.sampled_from([*MONTHS, "year", "day", "season", "irregular", "still", "6 hours"])
    steps = "still" if still else draw(mostly(frame["steps"], None)) or draw(odd)
    most = {"day": 500, "6 hours": 200, "year": 12, "season": 24, "irregular": 60}.get(steps, 96)
    per_year = {"month": 12, "dekad": 36, "8 days": 46, "16 days": 23, "day": 365}.get(steps, 1)
    years = draw(mostly(4, 1, 2, 6, times=3))
    count = draw(mostly(min(years * per_year, most), None)) or draw(st.integers(1, most))
    scale = draw(mostly(1, 2, 0.5, times=4)) if not still else 0.5
    side = frame["size"] * scale
    return {
        "name": name,
        "steps": steps,
        "start": f"{draw(mostly(2011, 2010, 2012, times=8))}-{draw(mostly(1, 7)):02d}-01",
        "count": count,
        "rows": max(int(frame["rows"] / scale), 1) if scale != 1 else frame["rows"],
        "columns": max(int(frame["columns"] / scale), 1) if scale != 1 else frame["columns"],
        "size": side,
        "shift": draw(mostly(0.0, 0.03, 1.0)),
        "missing": draw(mostly(0.0, 0.1, 0.7, times=6)),
        "without": draw(mostly([], [1, 2], [5, 6, 7, 8, 9, 10], [7], times=8)),
        "hole": draw(mostly(False, True, times=4)),
        "pattern": draw(mostly("plain", "same in all cells", "same at all times", "rounded")),
        "noise": draw(st.integers(0, 99)),
    }


def some(draw: st.DrawFn, keys: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Draw a value for some of the keys."""
    chosen = [key for key in keys if draw(st.integers(0, 6)) == 6]
    return {key: draw(keys[key]) for key in chosen}


def names_among(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)


COVER = mostly(0.8, 0.1, 0.5, 1.0, times=1)
METHODS = (
    *("equal", "quantile", "natural", "geometric", "standard_deviation"),
    *("head_tail", "optimal"),
)
ALSO = (
    "gozh",
    "lesh",
    "shegd",
    "shares",
    "rgd",
    "spade",
    "idsa",
    "srsgd",
    "scale",
    "local",
    "shift",
)


@st.composite
def tables(draw: st.DrawFn, names: list[str]) -> dict[str, dict[str, Any]]:
    """Draw the tables of a study."""
    moving = [n for n in names if n not in STILL] or names
    wanted = draw(
        st.lists(
            mostly(
                "variation",
                "correlation",
                "detector",
                "samples",
                "validation",
                "downscaling",
                times=1,
            ),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    found: dict[str, dict[str, Any]] = {}
    for table in wanted:
        found[table] = _table(draw, table, names, moving)
    return found


def _table(draw: st.DrawFn, table: str, names: list[str], moving: list[str]) -> dict[str, Any]:
    season = st.sampled_from(["growing_season", "year"])
    if table == "variation":
        return some(
            draw,
            {
                "of": names_among(moving),
                "min_coverage": COVER,
                "neighbours": st.integers(0, 2),
                "rain": st.sampled_from(moving),
                "max_breaks": st.integers(0, 3),
                "bands": st.sampled_from(
                    [
                        {"count": 3},
                        {"edges": [3000.0, 3500.0, 4000.0]},
                        {"edges": [0.0, 10.0]},
                        {"count": 20, "method": "quantile"},
                    ]
                ),
            },
        )
    if table == "correlation":
        return some(
            draw,
            {
                "of": st.sampled_from(moving),
                "with": names_among(names[1:]),
                "min_coverage": COVER,
                "months": st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True),
                "longest_lag": st.sampled_from([0, 1, 6, 24]),
            },
        )
    if table == "detector":
        return {"draws": 99} | some(
            draw,
            {
                "response": st.sampled_from(names[:2]),
                "factors": names_among(names[1:]),
                "response_season": season,
                "factor_season": season,
                "methods": st.lists(st.sampled_from(METHODS), min_size=1, max_size=3, unique=True),
                "classes": mostly([3, 6], [2, 3], [5, 5], [20, 30], times=2),
                "style": st.sampled_from(["headwater", "gd", "sdsfun"]),
                "by": st.sampled_from(["q_cv", "q_adjusted", "q"]),
                "weights": st.sampled_from(["none", "area"]),
                "min_coverage": COVER,
                "series": st.sampled_from(["year", "season", "month", "none"]),
                "also": st.lists(st.sampled_from(ALSO), min_size=1, max_size=2, unique=True),
                "strata": st.sampled_from(names).flatmap(
                    lambda n: st.sampled_from(
                        [
                            {n: {"method": "quantile", "count": 4}},
                            {n: {"method": "sectors", "count": 8}},
                            {n: {"method": "given", "breaks": [0.0, 0.2, 0.5]}},
                            {n: {"method": "natural", "count": 40}},
                        ]
                    )
                ),
            },
        )
    if table == "downscaling":
        return {"trees": 10, "rows": 200, "learners": ["forest"], "twins": 0} | some(
            draw,
            {
                "of": mostly("soil_moisture", names[-1], times=20),
                "predictors": names_among(names[1:]),
                "coupling": st.sampled_from(["none", "smooth", "bands"]),
                "level": st.integers(1, 6),
                "folds": st.sampled_from(["space", "time", "space-time", "random"]),
                "fold_count": mostly(5, 2, 20, times=2),
                "residual": st.sampled_from(["soft", "exact", "bilinear", "none"]),
                "min_covered": st.sampled_from([0.1, 0.9]),
                "edges": st.sampled_from(["fill", "leave"]),
                "stations": st.just("stations.csv"),
                "memory_mb": mostly(1500.0, 0.001),
                "twins": st.just(2),
                "longest_gap": st.sampled_from([0, 16]),
            },
        )
    if table == "validation":
        return {"reference": "stations.csv"} | some(
            draw,
            {
                "of": mostly("soil_moisture", names[-1]),
                "depth": mostly([0.0, 0.1], [1.0, 2.0]),
                "overpass": st.just([6.0]),
                "anomalies": st.sampled_from(["none", "full", "pairs"]),
                "scaling": st.sampled_from(["mean_std", "min_max", "linreg", "cdf_match"]),
                "strata": st.sampled_from([n for n in names if n == "vegetation"] or names[:1]),
                "min_pairs": st.sampled_from([8, 30]),
            },
        )
    return {"path": "samples.csv"} | some(
        draw,
        {
            "depth": st.sampled_from([[0.0, 0.2, 0.4], [5.0, 6.0]]),
            "altitude": st.sampled_from([[3000.0, 3500.0, 4000.0], [0.0, 1.0]]),
            "groups": st.sampled_from([["layer"], ["altitude_band"], ["vegetation"], ["plot"]]),
            "period": st.sampled_from(["month", "season", "year", "", "plot"]),
            "replicates": st.sampled_from(["keep", "mean"]),
            "weighted": st.booleans(),
            "method": st.sampled_from(["ols", "rma", "ma", "york", "huber", "theil-sen"]),
            "of": st.sampled_from([["soil"], ["plant"], ["precipitation"]]),
            "lmwl": st.sampled_from(
                [
                    {"slope": 8.0, "intercept": 10.0},
                    {"method": "york"},
                    {"water": "stream"},
                    {"weighted": True},
                ]
            ),
            "mixing": st.sampled_from(
                [
                    {"sources": ["precipitation", "ground_ice"]},
                    {"sources": ["precipitation", "ground_ice", "snow_melt"], "by": ["plot"]},
                    {
                        "sources": ["precipitation", "ground_ice"],
                        "tracers": ["d18O"],
                        "paired": ["month"],
                    },
                    {
                        "sources": ["precipitation", "snow_melt"],
                        "lapse": True,
                        "mixtures": ["soil", "stream"],
                    },
                    {
                        "sources": ["precipitation", "stream"],
                        "boundary": True,
                        "tracers": ["d18O", "d_excess"],
                    },
                ]
            ),
        },
    )


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a study: its files and its tables."""
    frame = {
        "steps": draw(
            st.sampled_from(["month", "month", "day", "16 days", "dekad", "8 days", "year"])
        ),
        "rows": draw(mostly(8, 1, 2, 4, 12, times=4)),
        "columns": draw(mostly(8, 1, 2, 3, 5, times=4)),
        "size": draw(st.sampled_from([0.25, 0.1, 1 / 24, 1.0])),
    }
    others = draw(
        st.lists(
            st.sampled_from([n for n in UNITS if n != "soil_moisture"]), max_size=4, unique=True
        )
    )
    others = others or ["precipitation", "ndvi"]
    names = draw(mostly(["soil_moisture", *others], None)) or draw(
        st.permutations(["soil_moisture", *others])
    )
    files = [draw(inputs(name, frame)) for name in names]
    wanted = draw(tables(list(names)))
    if "downscaling" in wanted and len(files) > 1 and draw(st.integers(0, 3)):
        _coarse(draw, files)
    head = some(
        draw,
        {
            "growing_season": st.sampled_from([[5, 9], [11, 2], [7, 7], [1, 12]]),
            "period": mostly(
                ["2011-01-01", "2014-12-31"],
                ["2012-06-15", "2012-07-20"],
                ["2030-01-01", "2030-12-31"],
                times=8,
            ),
        },
    )
    w, n = 98.0, 38.0
    reach = frame["size"] * max(frame["rows"], frame["columns"])
    area = some(
        draw,
        {
            "bbox": mostly(
                [w, n - reach * 0.8, w + reach * 0.8, n],
                [w + 0.01, n - 0.03, w + 0.02, n - 0.01],
                [w + reach / 4, n - reach, w + reach, n],
                [w + 90, n - 1, w + 91, n],
                times=8,
            )
        },
    )
    grid = some(
        draw,
        {
            "resolution": st.sampled_from([frame["size"], frame["size"] * 2, frame["size"] / 2]),
            "min_coverage": st.sampled_from([0.1, 1.0]),
        },
    )
    stations = {
        "count": draw(mostly(5, 0, 1)),
        "days": draw(mostly(400, 5, 60)),
        "noise": draw(st.integers(0, 9)),
    }
    samples = {
        "rows": draw(mostly(80, 2, 6, 30, times=5)),
        "noise": draw(st.integers(0, 9)),
        "dates": draw(mostly(True, False)),
    }
    return {
        "head": head,
        "area": area,
        "grid": grid,
        "files": files,
        "tables": wanted,
        "stations": stations,
        "samples": samples,
    }


def _coarse(draw: st.DrawFn, files: list[dict[str, Any]]) -> None:
    """Make the soil moisture coarse and the rest daily, as a downscaling wants them."""
    start, count = "2012-03-01", draw(st.sampled_from([20, 60, 120]))
    for one in files:
        one |= {
            "pattern": "plain",
            "shift": 0.0,
            "hole": False,
            "start": start,
            "size": 0.05,
            "without": [],
        }
        if one["name"] != "soil_moisture":
            one.update(rows=12, columns=16)
        if one["name"] not in STILL:
            one.update(steps="day", count=count)
        if one["name"] == "soil_moisture":
            one |= {
                "rows": 3,
                "columns": 4,
                "size": 0.2,
                "missing": draw(st.sampled_from([0.0, 0.5, 0.95])),
            }


def write_stations(path: Path, given: dict[str, Any]) -> None:
    rng = np.random.default_rng(given["noise"])
    rows = []
    for number in range(given["count"]):
        lon, lat = 98.0 + rng.uniform(0, 0.6), 38.0 - rng.uniform(0, 0.6)
        for day in pd.date_range("2012-03-01", periods=given["days"]):
            rows.append(
                (f"s{number}", lon, lat, f"{day:%Y-%m-%d 06:00}", 0.05, rng.uniform(0.1, 0.4))
            )
    columns = ["station", "longitude", "latitude", "time", "depth", "soil_moisture"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def write_samples(path: Path, given: dict[str, Any]) -> None:
    rng = np.random.default_rng(given["noise"])
    size = given["rows"]
    waters = ["soil", "precipitation", "ground_ice", "snow_melt", "stream"]
    kinds = np.repeat(rng.choice(waters, (size + 1) // 2), 2)[:size]  # a sample is of one water
    heavy = rng.normal(-10, 3, size)
    table = pd.DataFrame(
        {
            "sample_id": [f"a{i // 2}" for i in range(size)],
            "water": kinds,
            "d18O": heavy,
            "d2H": 8 * heavy + 10 + rng.normal(0, 3, size),
            "elevation": rng.uniform(3000, 4200, size),
            "depth": rng.uniform(0, 0.6, size),
            "vegetation": rng.choice(["meadow", "steppe"], size),
        }
    )
    if given["dates"]:
        days = rng.integers(0, 150, size)
        table["time"] = [
            f"{pd.Timestamp('2012-05-01') + pd.Timedelta(days=int(d)):%Y-%m-%d}" for d in days
        ]
    table.to_csv(path, index=False)


def toml_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_of(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def written(folder: Path, study: dict[str, Any]) -> Path:
    """Write the files of a study, and the study file."""
    lines = ["[study]", 'name = "made up"']
    lines += [f"{key} = {toml_of(value)}" for key, value in study["head"].items()]
    for table in ("area", "grid"):
        lines += [f"[{table}]"] if study[table] else []
        lines += [f"{key} = {toml_of(value)}" for key, value in study[table].items()]
    for one in study["files"]:
        values_of(one).to_netcdf(folder / f"{one['name']}.nc", engine="scipy")
        lines += [f"[inputs.{one['name']}]", f'path = "{one["name"]}.nc"']
    for table, keys in study["tables"].items():
        lines += [f"[{table}]", *(f"{key} = {toml_of(value)}" for key, value in keys.items())]
    write_stations(folder / "stations.csv", study["stations"])
    write_samples(folder / "samples.csv", study["samples"])
    path = folder / "study.toml"
    path.write_text("\n".join(lines))
    return path


def outcome(study: dict[str, Any], *, report: bool = False) -> str:
    """Check and run a study: refused, finished, or passed by `check` and stopped in `run`."""
    folder = Path(tempfile.mkdtemp())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _outcome(written(folder, study), report=report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(path: Path, *, report: bool) -> str:
    try:
        asked = read_study(path, STEPS)
        found = survey(asked, STEPS, rehearsed=True)
    except ProblemsError as error:
        return f"refused: {_words(error.problems)}"
    except Exception:
        return f"BROKEN CHECK\n{path.read_text()}\n{traceback.format_exc()}"
    if found.problems:
        return f"refused: {_words(found.problems)}"
    try:
        run(asked, STEPS, settings=Settings(workers=1))
        if report:
            write_report(asked.results, asked, SECTIONS)
    except HeadwaterError as error:
        return f"BROKEN PROMISE: {error}\n{path.read_text()}\n{traceback.format_exc()}"
    except Exception:
        return f"BROKEN PROMISE\n{path.read_text()}\n{traceback.format_exc()}"
    return "finished"


def _words(problems: Any) -> str:
    return " | ".join(sorted({re.sub(r"[-\d.]+", "#", each.wrong) for each in problems}))


def main(n: int = 300, seed: int = 1, *, report: bool = False) -> collections.Counter[str]:
    """Check and run `n` studies, and print what became of them."""
    counts: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    broken: collections.Counter[str] = collections.Counter()

    @seeded(seed)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(studies())
    def every(study: dict[str, Any]) -> None:
        found = outcome(study, report=report)
        counts[found.split("\n")[0].split(":")[0]] += 1
        if found.startswith("refused"):
            reasons.update(found.removeprefix("refused: ").split(" | "))
        if found.startswith("BROKEN"):
            # one of each kind: by what stopped it
            kind = found.strip().splitlines()[-1][:100]
            if kind not in broken:
                print(found, "\n" + "-" * 80, flush=True)
            broken[kind] += 1

    every()
    for kind, count in broken.items():
        print(f"  broken {count} times: {kind}")
    for word, count in reasons.most_common(40):
        print(f"  refused {count} times: {word}")
    for word, count in counts.most_common():
        print(f"{word}: {count} of {sum(counts.values())}")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write the report as well")
    options = parser.parse_args()
    main(options.n, options.seed, report=options.report)
