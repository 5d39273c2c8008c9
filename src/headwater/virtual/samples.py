"""Water samples of the same catchment, whose sources and their mean shares are known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headwater.virtual.fields import stream
from headwater.virtual.landscape import CLASSES, Terrain

__all__ = [
    "COLUMNS",
    "LMWL",
    "PRECISION",
    "Sampling",
    "band_name",
    "fractions",
    "meteoric",
    "sampling",
    "sources",
]

LAYERS = (0.0, 0.2, 0.4, 0.6)
PRECISION = {"d18O": 0.15, "d2H": 0.6}
BANDS = ((3000, 3500), (3500, 4000), (4000, 4500), (4500, 5100))
MONTHS = (6, 8, 9)
SOURCES = ("precipitation", "ground_ice", "snow_melt")
VEGETATION = ("grassland", "meadow", "forest")
ASPECTS = ("N", "E", "S", "W")
LMWL = {"slope": 7.90, "intercept": 12.43, "sd": 4.0}
"""Standard deviation of the measurement error [‰]."""


_RAIN_BY_MONTH = (-20.0, -19.0, -16.0, -13, -11.8, -12.5, -13.6, -14.6, -13.8, -14.8, -17, -20)

_RAIN_EVENTS = (4, 5, 9, 16, 40, 72, 80, 72, 54, 14, 6, 3)

_STATIONS = (3540.0, 3967.0, 4066.0, 4272.0, 4533.0)

_SITES = {6: 79, 8: 70, 9: 93}

_POINTS = {
    "ground_ice": {6: 66, 8: 40, 9: 37},
    "snow_melt": {6: 27, 8: 32, 9: 41},
    "river": {6: 259, 8: 231, 9: 186},
    "supra_permafrost": {6: 125, 8: 161, 9: 130},
}

_SHARES = {
    "river": {6: (0.74, 0.12, 0.14), 8: (0.80, 0.15, 0.05), 9: (0.86, 0.10, 0.04)},
    "supra_permafrost": {6: (0.70, 0.22, 0.08), 8: (0.72, 0.28, 0.0), 9: (0.78, 0.22, 0.0)},
}

_ENRICHMENT = {"river": 0.3, "supra_permafrost": 0.5}

_BY_LAYER = (2.2, 1.4, 0.8, 0.4)

_BY_MONTH = {6: 1.15, 8: 0.9, 9: 1.0}

_SUN = {"N": 0.8, "E": 1.0, "S": 1.25, "W": 1.0}

_SLOPES = (3.4, 3.2, 3.0, 2.8)

COLUMNS = {
    "sample_id": "",
    "water": "",
    "time": "",
    "longitude": "degree",
    "latitude": "degree",
    "elevation": "m",
    "depth_top": "m",
    "depth_bottom": "m",
    "vegetation": "",
    "aspect": "",
    "d18O": "‰ VSMOW",
    "d2H": "‰ VSMOW",
    "d18O_sd": "‰",
    "d2H_sd": "‰",
    "amount": "mm",
    "replicate": "",
}
"""Columns of the sample table and their units."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """A campaign: what the laboratory hands over, and the truth of every mixture.

    Attributes
    ----------
    table : DataFrame
        Columns as in :data:`COLUMNS`; units in ``attrs["units"]``.
    truth : DataFrame
        By ``sample_id`` of soil, river and supra-permafrost water: ``month``, ``band``, the share
        of each source, ``d18O_mixture`` and ``d2H_mixture`` before evaporation, ``wandering``,
        ``enrichment`` and ``slope``, and ``d18O`` and ``d2H`` without measurement error [‰].
    """

    table: pd.DataFrame
    truth: pd.DataFrame


def sampling(ground: Terrain, *, seed: int, year: int) -> Sampling:
    """Go out and sample.

    Parameters
    ----------
    ground : Terrain
        The mountain in fine cells, where the sites are.
    seed : int
        The seed of the headwater.
    year : int
        When: soil, ice, melt, river and supra-permafrost water in June, August and September;
        precipitation all year.

    Returns
    -------
    Sampling
        Bands without vegetated ground in the study area get no samples.

    Examples
    --------
    >>> from headwater.virtual.landscape import Frame
    >>> from headwater.virtual.landscape import lay_landscape
    >>> land = lay_landscape(Frame(8, 12, 0.05, 95.0, 37.0), seed=1)
    >>> campaign = sampling(land.fine, seed=1, year=2020)
    >>> campaign.table.query("water == 'soil'").depth_bottom.max()
    np.float64(0.8)
    """
    rng = stream(seed, "samples")
    parts = [_precipitation(ground, rng, year)]
    for month in MONTHS:
        parts += [_pool(ground, rng, year, month, water) for water in ("ground_ice", "snow_melt")]
        parts.append(_soil(ground, rng, year, month))
        parts += [_mixed(ground, rng, year, month, water) for water in _SHARES]
    every = pd.concat(parts, ignore_index=True)
    every.insert(0, "sample_id", [f"W{number:05d}" for number in range(1, len(every) + 1)])
    truth_columns = [
        "sample_id",
        "water",
        "month",
        "band",
        *SOURCES,
        "d18O_mixture",
        "d2H_mixture",
        "wandering",
        "enrichment",
        "slope",
        "d18O",
        "d2H",
    ]
    truth = every.loc[every["slope"].notna(), truth_columns].reset_index(drop=True)
    table = every.reindex(columns=list(COLUMNS))
    for isotope, sd in PRECISION.items():
        table[isotope] += sd * rng.standard_normal(len(table))
        table[f"{isotope}_sd"] = sd
    table["replicate"] = 1
    table.attrs["units"] = dict(COLUMNS)
    return Sampling(table, truth)


def _sites(
    ground: Terrain, rng: np.random.Generator, count: int, *, vegetated: bool = True
) -> pd.DataFrame:
    """Choose places: bands in turn, and within a band every vegetation class alike often."""
    cells: list[int] = []
    kinds = ground.vegetation.ravel()
    allowed = [number for number, name in CLASSES.items() if not vegetated or name in VEGETATION]
    for low, high in BANDS:
        band = ground.inside & (ground.z >= low) & (ground.z < high)
        within = np.flatnonzero(band.ravel() & np.isin(kinds, allowed))
        # the share of the band, rounded so that the bands together give the count
        due = count * (BANDS.index((low, high)) + 1) // len(BANDS) - len(cells)
        if within.size == 0:
            continue
        present, sizes = np.unique(kinds[within], return_counts=True)
        weight = 1.0 / sizes[np.searchsorted(present, kinds[within])]
        cells += rng.choice(within, due, p=weight / weight.sum()).tolist()
    return _places(ground, np.array(cells, dtype=np.int64))


def _places(ground: Terrain, cells: NDArray[np.int64]) -> pd.DataFrame:
    """Describe cells of the elevation model as a field book would."""
    row, column = np.unravel_index(cells, ground.z.shape)
    bearing = np.degrees(np.arctan2(ground.eastward[row, column], ground.northward[row, column]))
    z = ground.z[row, column].astype(np.float64)
    edges = np.array([high for _, high in BANDS[:-1]])
    return pd.DataFrame(
        {
            "longitude": ground.frame.longitude[column],
            "latitude": ground.frame.latitude[row],
            "elevation": z,
            "vegetation": [CLASSES[int(number)] for number in ground.vegetation[row, column]],
            "aspect": np.array(ASPECTS)[(np.round(bearing / 90.0) % 4).astype(int)],
            "band": [band_name(BANDS[index]) for index in np.searchsorted(edges, z, side="right")],
        }
    )


def _dated(rows: pd.DataFrame, rng: np.random.Generator, year: int, month: int) -> pd.DataFrame:
    days = pd.to_timedelta(rng.integers(0, 28, len(rows)), unit="D")
    rows["time"] = pd.Timestamp(year, month, 1).as_unit("ns") + days
    rows["month"] = month
    return rows


def _means(rows: pd.DataFrame, month: int, source: str) -> NDArray[np.float64]:
    """δ¹⁸O and δ²H of a source for every row, shape (rows, 2)."""
    means = sources().query("month == @month and source == @source").set_index("band")
    return np.asarray(means.loc[rows["band"], ["d18O", "d2H"]], dtype=np.float64)


def _precipitation(ground: Terrain, rng: np.random.Generator, year: int) -> pd.DataFrame:
    """Events at five stations, all year."""
    inside = np.flatnonzero(ground.inside.ravel())
    nearest = [inside[np.abs(ground.z.ravel()[inside] - z).argmin()] for z in _STATIONS]
    parts = []
    for month, events in enumerate(_RAIN_EVENTS, start=1):
        stations = np.array(nearest)[rng.integers(0, len(_STATIONS), events)]
        rows = _dated(_places(ground, stations), rng, year, month)
        lapse = SIGNATURE["precipitation"][1] * (rows["elevation"] - 4000.0)
        rows["d18O"] = _RAIN_BY_MONTH[month - 1] + lapse + 3.0 * rng.standard_normal(events)
        rows["d2H"] = meteoric(rows["d18O"]) + LMWL["sd"] * rng.standard_normal(events)
        rows["amount"] = rng.gamma(1.2, 4.0, events).clip(0.2)
        parts.append(rows)
    rain = pd.concat(parts, ignore_index=True).drop(columns=["vegetation", "aspect"])
    return rain.assign(water="precipitation", slope=np.nan)


def _pool(
    ground: Terrain, rng: np.random.Generator, year: int, month: int, water: str
) -> pd.DataFrame:
    """Sample ground ice or snow melt."""
    rows = _dated(_sites(ground, rng, _POINTS[water][month], vegetated=False), rng, year, month)
    along = 1.0 * rng.standard_normal(len(rows))
    across = 1.5 * rng.standard_normal(len(rows))
    mean = _means(rows, month, water)
    rows["d18O"] = mean[:, 0] + along
    rows["d2H"] = mean[:, 1] + LMWL["slope"] * along + across
    return rows.drop(columns=["vegetation", "aspect"]).assign(water=water, slope=np.nan)


def _soil(ground: Terrain, rng: np.random.Generator, year: int, month: int) -> pd.DataFrame:
    """Soil water of four layers at every site; the layers of a site share their sources."""
    rows = _dated(_sites(ground, rng, _SITES[month]), rng, year, month)
    keys = ["month", "band", "vegetation", "aspect"]
    mean = fractions().set_index(keys).loc[pd.MultiIndex.from_frame(rows[keys])]
    rows = _shared(rows, mean.to_numpy(dtype=np.float64), rng)
    sun = rows["aspect"].map(_SUN) * _BY_MONTH[month]
    layers = []
    for top, strength in zip(LAYERS, _BY_LAYER, strict=True):
        depth = rows.assign(depth_top=top, depth_bottom=round(top + 0.2, 1), water="soil")
        layers.append(_evaporated(depth, np.asarray(strength * sun, dtype=np.float64), rng))
    return pd.concat(layers, ignore_index=True)


def _mixed(
    ground: Terrain, rng: np.random.Generator, year: int, month: int, water: str
) -> pd.DataFrame:
    """River or supra-permafrost water."""
    rows = _dated(_sites(ground, rng, _POINTS[water][month], vegetated=False), rng, year, month)
    rows = rows.drop(columns=["vegetation", "aspect"]).assign(water=water)
    rows = _shared(rows, np.tile(_SHARES[water][month], (len(rows), 1)), rng)
    return _evaporated(rows, np.full(len(rows), _ENRICHMENT[water]), rng)


def _shared(
    rows: pd.DataFrame, mean: NDArray[np.float64], rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the shares around their means, and mix the sources."""
    # a gamma of shape zero is not defined: a source that is absent stays absent
    weights = np.where(mean > 0.0, rng.gamma(np.maximum(60.0 * mean, 1e-9)), 0.0)
    shares = weights / weights.sum(axis=1, keepdims=True)
    month = int(rows["month"].iloc[0])
    isotopes = np.stack([_means(rows, month, source) for source in SOURCES], axis=1)
    mixture = np.einsum("nk,nki->ni", shares, isotopes)
    wandering = 0.5 * rng.standard_normal(len(rows))
    return rows.assign(
        **dict(zip(SOURCES, shares.T, strict=True)),
        wandering=wandering,
        d18O_mixture=mixture[:, 0] + wandering,
        d2H_mixture=mixture[:, 1] + LMWL["slope"] * wandering,
    )


def _evaporated(
    rows: pd.DataFrame, mean: NDArray[np.float64], rng: np.random.Generator
) -> pd.DataFrame:
    """Enrich the mixture along the line of evaporation of its altitude."""
    slopes = dict(zip((band_name(band) for band in BANDS), _SLOPES, strict=True))
    slope = rows["band"].map(slopes).astype(np.float64)
    enrichment = mean * rng.gamma(4.0, 0.25, len(rows))
    return rows.assign(
        slope=slope,
        enrichment=enrichment,
        d18O=rows["d18O_mixture"] + enrichment,
        d2H=rows["d2H_mixture"] + slope * enrichment,
    )


"""Slope, intercept [‰] and scatter of δ²H [‰] of the local meteoric water line."""


SIGNATURE = {
    "precipitation": ({6: -12.5, 8: -14.6, 9: -13.8}, -0.0018, 0.0),
    "ground_ice": ({6: -15.0, 8: -15.4, 9: -15.2}, -0.0012, -9.0),
    "snow_melt": ({6: -18.5, 8: -17.8, 9: -17.2}, -0.0012, 5.0),
}
"""By source: δ¹⁸O at 4000 m [‰] by month, Γ [‰ m-1] and h [‰]."""


_ICE = {6: (0.18, 0.28, 0.20, 0.16), 8: (0.0, 0.08, 0.14, 0.20), 9: (0.0, 0.0, 0.10, 0.16)}

_SNOW = {6: (0.0, 0.0, 0.12, 0.20), 8: (0.0,) * 4, 9: (0.0,) * 4}

_BY_VEGETATION = {"grassland": (0.9, 1.2), "meadow": (1.15, 0.9), "forest": (0.5, 0.3)}

_BY_ASPECT = {"N": 1.2, "E": 1.0, "S": 0.8, "W": 1.0}


def band_name(band: tuple[int, int]) -> str:
    """Name an altitude band.

    Examples
    --------
    >>> band_name((3000, 3500))
    '3000-3500'
    """
    return f"{band[0]}-{band[1]}"


def meteoric(oxygen: Any) -> Any:
    """δ²H on the meteoric water line [‰] at a δ¹⁸O [‰].

    Examples
    --------
    >>> round(meteoric(-10.0), 2)
    -66.57
    """
    return LMWL["slope"] * oxygen + LMWL["intercept"]


def fractions() -> pd.DataFrame:
    """Mean share of every source in soil water.

    Returns
    -------
    DataFrame
        One row for each month, altitude band, vegetation and aspect; the shares sum to 1.

    Examples
    --------
    >>> table = fractions().set_index(["month", "band", "vegetation", "aspect"])
    >>> table.loc[(6, "3500-4000", "meadow", "E"), "ground_ice"].round(3)
    np.float64(0.322)
    """
    rows = []
    for month, (index, band), plant, aspect in product(
        MONTHS, enumerate(BANDS), VEGETATION, ASPECTS
    ):
        ice = _ICE[month][index] * _BY_VEGETATION[plant][0] * _BY_ASPECT[aspect]
        snow = _SNOW[month][index] * _BY_VEGETATION[plant][1] * _BY_ASPECT[aspect]
        rows.append((month, band_name(band), plant, aspect, 1.0 - ice - snow, ice, snow))
    return pd.DataFrame(rows, columns=["month", "band", "vegetation", "aspect", *SOURCES])


def sources() -> pd.DataFrame:
    """Mean isotopes of every source.

    Returns
    -------
    DataFrame
        One row for each month, altitude band and source: ``d18O`` and ``d2H`` [‰].

    Examples
    --------
    >>> rain = sources().query("source == 'precipitation' and month == 6")
    >>> bool((rain.d2H - 7.9 * rain.d18O).round(2).eq(12.43).all())
    True
    """
    rows = []
    for month, band, source in product(MONTHS, BANDS, SOURCES):
        monthly, lapse, above = SIGNATURE[source]
        oxygen = monthly[month] + lapse * (sum(band) / 2.0 - 4000.0)
        rows.append((month, band_name(band), source, oxygen, meteoric(oxygen) + above))
    return pd.DataFrame(rows, columns=["month", "band", "source", "d18O", "d2H"])
