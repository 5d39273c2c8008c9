"""Fine cells to satellite cells: `python -m benchmarks.support`."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from benchmarks.correlation import seconds
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from headwater.downscaling.support_operator import Support, support
from headwater.grids.products.smap import ease2_grid

FINE = GeoBox((72, 166), Affine(0.05, 0, 94.87, 0, -0.05, 40.03), "EPSG:4326")
COARSE = ease2_grid(36, (94.87, 36.43, 103.17, 40.03))
PIXEL = 463.312716527917
MODIS = GeoBox(
    (1000, 1000),
    Affine(PIXEL, 0, 8300000, 0, -PIXEL, 4440000),
    "+proj=sinu +R=6371007.181 +units=m +type=crs",
)


def fields(days: int = 730, gaps: float = 0.3, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.random((days, *FINE.shape))
    values[rng.random(values.shape) < gaps] = np.nan
    return values


def brute_force() -> np.ndarray:
    """Cut every fine cell with every coarse cell, as polygons in the plane of EASE-Grid 2.0."""
    to_metres = Transformer.from_crs(4326, 6933, always_xy=True)
    t, c = FINE.transform, COARSE.transform
    x, y = t.c + t.a * np.arange(167), t.f + t.e * np.arange(73)
    x = np.asarray(to_metres.transform(x, np.full(x.size, 38.0))[0])
    y = np.asarray(to_metres.transform(np.full(y.size, 99.0), y)[1])
    left, top = np.meshgrid(x[:-1], y[:-1])
    right, bottom = np.meshgrid(x[1:], y[1:])
    fine = shapely.box(left, bottom, right, top).ravel()
    row, column = np.indices(COARSE.shape).reshape(2, -1)
    west, north = c.c + c.a * column, c.f + c.e * row
    coarse = shapely.box(west, north + c.e, west + c.a, north)
    return np.array([shapely.area(shapely.intersection(cell, fine)) for cell in coarse])


def warped(values: np.ndarray) -> np.ndarray:
    """Average with GDAL's warper, day by day."""
    from rasterio.warp import Resampling, reproject

    means = np.full((len(values), *COARSE.shape), np.nan)
    for day, field in enumerate(values):
        reproject(
            field,
            means[day],
            src_transform=FINE.transform,
            src_crs="EPSG:4326",
            dst_transform=COARSE.transform,
            dst_crs="EPSG:6933",
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=Resampling.average,
        )
    return means


def errors(operator: Support) -> tuple[float, float]:
    """Largest error of a mean of whole fields: ours and GDAL's, against brute force."""
    values = fields(3, gaps=0.0)
    weights = brute_force()[operator.cells]
    exact = (weights @ values.reshape(3, -1).T).T / weights.sum(axis=1)
    ours = np.abs(operator.aggregate(values).value - exact).max()
    return float(ours), float(np.nanmax(np.abs(operator.take(warped(values)) - exact)))


def rows() -> list[dict]:
    operator, values = support(COARSE, FINE), fields()
    whole = operator.only(operator.covered > 0.999)
    ours, theirs = errors(whole)
    return [
        {
            "task": "weights of 11 952 cells (0.05°) in 253 SMAP cells (36 km)",
            "ours": seconds(lambda: support(COARSE, FINE)),
            "peer": seconds(brute_force, 1),
            "target": "",
            "note": "peer: all pairs of polygons cut with shapely",
        },
        {
            "task": "means of SMAP cells, 730 days with 30 % gaps",
            "ours": seconds(lambda: operator.aggregate(values)),
            "peer": seconds(lambda: warped(values), 1),
            "target": "≤ 1",
            "note": "peer: GDAL's average through rasterio, which gives no share seen",
        },
        {
            "task": "largest error of a mean of values between 0 and 1, whole cells",
            "ours": ours,
            "peer": theirs,
            "target": "≤ 1e-12",
            "note": "not a time; against polygons cut with shapely; peer: GDAL's average",
        },
        {
            "task": "weights of 1 000 000 MODIS pixels (463 m, sinusoidal) in SMAP cells",
            "ours": seconds(lambda: support(ease2_grid(36), MODIS), 1),
            "peer": None,
            "target": "",
            "note": f"cells cut as polygons; rows sum to 1 within {closure():.0e}",
        },
    ]


def closure() -> float:
    corner = MODIS[0:200, 0:200]
    total = np.asarray(support(ease2_grid(36), corner).matrix.sum(axis=1)).ravel()
    return float(np.abs(total - 1.0).max())


if __name__ == "__main__":
    for row in rows():
        print(row)
