"""What restoration, vegetation, warning and samples would have left in a study's results."""

import numpy as np
import pandas as pd
import shapely

from headwater.grids import write_netcdf
from headwater.restoration import make_plan, read_profile, save_plan
from headwater.restoration.measures import Site
from headwater.restoration.units import Unit

from .platform_house import COLUMNS, ROWS, finish, gridded

BAND = "3000–4600 m"


def write_rooms(results):
    """Add a plan with its calendar, a grade, a state of warning, a forecast and samples."""
    for step in ("restoration", "vegetation", "warning", "samples"):
        (results / step).mkdir()
    _plan(results / "restoration")
    grade = gridded(np.full((ROWS, COLUMNS), 3, "int8"), "grade")
    grade.attrs |= {
        "flag_values": np.arange(5, dtype="int8"),
        "flag_meanings": "none light moderate heavy severe",
        "units": "1",
    }
    maps = grade.to_dataset()
    for name, value in (("damage", 38.0), ("damage_low", 20.0), ("damage_high", 51.0)):
        maps[name] = (("y", "x"), np.full((ROWS, COLUMNS), value))
    write_netcdf(maps, results / "vegetation" / "grade.nc")
    state = gridded(np.full((ROWS, COLUMNS), 2, "int16"), "state").to_dataset()
    state["loss"] = (("y", "x"), np.full((ROWS, COLUMNS), -0.08))
    state["water_part"] = (("y", "x"), np.full((ROWS, COLUMNS), -0.01))
    write_netcdf(state, results / "warning" / "states.nc")
    _forecast(results / "vegetation")
    _samples(results / "samples")
    for step in ("restoration", "vegetation", "warning", "samples"):
        finish(results, step)
    return results


def _plan(folder):
    site = Site(grade="heavy", elevation=3400.0, slope=8.0, grade_probability=0.8)
    box = shapely.box(98.0, 35.6, 98.6, 36.1)
    plan = make_plan([Unit("North slope", box, 2400.0, site)], read_profile(), year=2022)
    save_plan(plan, folder / "plan.geojson")
    day = {"start_early": 130, "start_median": 145, "start_late": 160, "enough_days": True}
    rows = [
        {"band": "3000-3500 m", "elevation": 3250, "aspect": "south", "work": work}
        | {"opens": 120, "latest_beginning": 125, "deadline": 135, "closes_dry": 190}
        | {"extrapolated": False, **day}
        for work in ("revegetation", "fertiliser")
    ]
    pd.DataFrame(rows).to_csv(folder / "calendar.csv", index=False)


def _forecast(folder):
    dates = pd.date_range("2021-07-02", periods=3, freq="5D")
    columns = {"low": 0.1, "lower": 0.11, "median": 0.12, "upper": 0.13, "high": 0.14}
    columns |= {"normal": 0.12, "observed": 0.115, "skill": 0.4, "skill_low": 0.2, "years": 9}
    table = pd.DataFrame({"zone": BAND, "quantity": "water", "date": dates.strftime("%Y-%m-%d")})
    table.assign(**columns).to_csv(folder / "forecast.csv", index=False)


def _samples(folder):
    rng = np.random.default_rng(4)
    waters = {"soil": -10.0, "precipitation": -14.0, "ground_ice": -13.0, "snow_melt": -18.0}
    parts = []
    for water, middle in waters.items():
        oxygen = rng.normal(middle, 1.0, 12)
        parts.append(pd.DataFrame({"water": water, "d18O": oxygen, "d2H": 8 * oxygen + 10}))
    table = pd.concat(parts, ignore_index=True)
    table["sample_id"] = [f"S{k}" for k in range(len(table))]
    table = table.assign(month="June", elevation=3300.0, altitude_band=BAND, vegetation="meadow")
    table = table.assign(site="Spring", longitude=99.1, latitude=36.2)
    table.to_csv(folder / "table.csv", index=False)
    rows = [
        {"grouping": grouping, "label": label, "period": "June", "source": source}
        | {"median": share, "low": share - 0.1, "high": share + 0.1, "n": 12, "status": "ok"}
        for grouping, label in (("all", "all"), ("altitude_band", BAND), ("site", "Spring"))
        for source, share in (("precipitation", 0.5), ("ground ice", 0.3), ("snow melt", 0.2))
    ]
    pd.DataFrame(rows).to_csv(folder / "mixing.csv", index=False)
    finding = {"sample_id": "S1", "rule": "outlier", "severity": "doubt", "column": "d18O"}
    pd.DataFrame([finding | {"reason": "far from <b>the others</b>"}]).to_csv(
        folder / "quality.csv", index=False
    )
