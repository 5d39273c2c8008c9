"""How often the detectors' tests reject, without an effect and with one.

Run ``python -m benchmarks.size_detector [runs] [table ...]``; the tables in
docs/simulations/detector.md come from 600 runs. Every table is seeded and can be made again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from headwater.detector import contrasts, ecological, factor, interaction, opgd, risk, stratify
from headwater.detector.field_covariance import FieldPlaces
from headwater.detector.null_models import (
    GridSpectral,
    MoranSpectral,
    Permutation,
    Rotation,
)
from headwater.detector.optimal_parameters import search_test
from headwater.detector.q import q_interval, q_statistic, stratum_sums
from headwater.detector.resample import Resampling, square_blocks, unit_blocks
from headwater.detector.search_options import Search
from headwater.detector.spread import spread_across
from headwater.detector.strata import Strata
from headwater.detector.torus_shift import torus_shift_test

SIDE, DRAWS, ALPHA = 40, 199, 0.05
CELLS = np.arange(SIDE * SIDE)
GRID = GridSpectral(CELLS, (SIDE, SIDE))
SIGMAS = (0.0, 1.0, 2.0, 4.0)
ROUND = np.hypot(*(np.indices((SIDE, SIDE)) - (SIDE - 1) / 2)) < SIDE / 2
Row = dict[str, float]


def field(sigma: float, rng: np.random.Generator, *, trend: float = 0.0) -> np.ndarray:
    """Draw smoothed noise of unit variance, cut from a larger map, and lay a trend over it."""
    margin = int(4 * sigma) + 1
    noise = rng.normal(size=(SIDE + 2 * margin,) * 2)
    smooth = gaussian_filter(noise, sigma) if sigma else noise
    scale = 2.0 * sigma * np.sqrt(np.pi) if sigma else 1.0
    down, right = np.indices((SIDE, SIDE)) / SIDE - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    tilt = trend * (np.cos(angle) * down + np.sin(angle) * right)
    return scale * smooth[margin : margin + SIDE, margin : margin + SIDE] + tilt


def tally(runs: int, seed: int, one: Callable[[np.random.Generator], Row]) -> Row:
    """Share of runs in which each p is at most ALPHA (or each flag true), in per cent."""
    rng = np.random.default_rng(seed)
    rows = [one(rng) for _ in range(runs)]
    return {name: 100 * _mean([row[name] for row in rows]) for name in rows[0]}


def _mean(shares: list[float]) -> float:
    """Mean of the runs that gave an answer; NaN where fewer than one in twenty did."""
    given = np.array(shares, dtype=float)
    few = np.isfinite(given).sum() < max(1, 0.05 * given.size)
    return float("nan") if few else float(np.nanmean(given))


def of_factor(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Row:
    """F, permutation, torus shift and spectral test of q on a map."""
    strata = stratify(x, "quantile", 5)
    found = {"F": factor(y, {"x": strata}).data["p_value"][0]}
    for name, null in (("permutation", Permutation()), ("spectral", GRID)):
        by = Resampling(rng, null, n_resamples=DRAWS)
        found[name] = factor(y, {"x": strata}, resampling=by).data[null.column][0]
    found["shift"] = torus_shift_test(y, strata).p_value
    return {name: p <= ALPHA for name, p in found.items()}


def factor_on_maps(runs: int) -> Iterator[tuple[str, Row]]:
    """Unrelated fields, trends, a round area, and a real effect."""
    for sigma in SIGMAS:
        yield (
            f"unrelated, sigma {sigma:g}",
            tally(runs, 1, lambda rng, s=sigma: of_factor(field(s, rng), field(s, rng), rng)),
        )
    yield (
        "unrelated, sigma 1, a trend across each",
        tally(runs, 2, lambda rng: of_factor(field(1, rng, trend=4), field(1, rng, trend=4), rng)),
    )
    for sigma in SIGMAS:

        def area(rng: np.random.Generator, sigma: float = sigma) -> Row:
            x, y = (np.where(ROUND, field(sigma, rng), np.nan) for _ in range(2))
            return of_factor(x, y, rng)

        yield f"unrelated, round area, sigma {sigma:g}", tally(runs, 3, area)
    for sigma in SIGMAS:

        def effect(rng: np.random.Generator, sigma: float = sigma) -> Row:
            x, noise = field(sigma, rng), field(sigma, rng)
            return of_factor(x, 0.5 * x + noise, rng)

        yield f"effect (true q about 0.2), sigma {sigma:g}", tally(runs, 4, effect)


def factor_at_points(runs: int) -> Iterator[tuple[str, Row]]:
    """Two hundred points on unrelated fields, and with an effect."""
    for effect in (0.0, 0.5):
        for sigma in SIGMAS:

            def one(rng: np.random.Generator, sigma: float = sigma, effect: float = effect) -> Row:
                places = rng.uniform(0, SIDE - 1, (200, 2))
                x, y = (map_coordinates(field(sigma, rng), places.T, order=1) for _ in range(2))
                y = effect * x + y
                strata = {"x": stratify(x, "quantile", 5)}
                row = {"F": factor(y, strata).data["p_value"][0]}
                for name, null in (
                    ("Moran spectral", MoranSpectral(places)),
                    ("rotation", Rotation(places)),
                ):
                    by = Resampling(rng, null, n_resamples=DRAWS)
                    row[name] = factor(y, strata, resampling=by).data["p_spatial"][0]
                return {name: p <= ALPHA for name, p in row.items()}

            word = "effect" if effect else "unrelated"
            yield f"{word}, sigma {sigma:g}", tally(runs, 5, one)


def search(runs: int) -> Iterator[tuple[str, Row]]:
    """The search for the best strata, tested with the strata as chosen and searched anew."""

    def table(rng: np.random.Generator) -> Row:
        x, y = rng.normal(size=(2, 300))
        return _searched(x, y, Permutation(), rng)

    yield "table of 300, unrelated", tally(runs, 6, table)
    for sigma in SIGMAS:

        def one(rng: np.random.Generator, sigma: float = sigma) -> Row:
            x, y = (field(sigma, rng).ravel() for _ in range(2))
            return _searched(x, y, GRID, rng)

        yield f"map, unrelated, sigma {sigma:g}", tally(max(runs // 2, 1), 7, one)


def _searched(
    x: np.ndarray, y: np.ndarray, null: Permutation | GridSpectral, rng: np.random.Generator
) -> Row:
    found = search_test(y, {"x": x}, Search(), null=null, n_resamples=DRAWS, rng=rng).data.iloc[0]
    strata = opgd(y, {"x": x}).best.iloc[0]
    plain = opgd(y, {"x": x}, by="q").best.iloc[0]
    return {
        "F after q_cv": _f(strata) <= ALPHA,
        "F after plain q": _f(plain) <= ALPHA,
        "strata as chosen": found["p_fixed"] <= ALPHA,
        "whole search": found["p_search"] <= ALPHA,
    }


def _f(row) -> float:
    from scipy.special import fdtrc

    free = row["n"] - row["strata"]
    f = row["q"] / (1 - row["q"]) * free / (row["strata"] - 1)
    return float(fdtrc(row["strata"] - 1, free, f))


def pairs(runs: int) -> Iterator[tuple[str, Row]]:
    """Interaction: noise, one factor, two that add up, two that interact; tables and maps."""
    effects = {
        "noise": lambda a, b: 0.0 * a,
        "one factor": lambda a, b: 0.7 * a,
        "two, additive": lambda a, b: 0.7 * a + 0.5 * b,
        "two, interacting": lambda a, b: 0.7 * a + 0.5 * a * b,
    }
    for sigma in (0.0, 2.0):
        for name, effect in effects.items():

            def one(rng: np.random.Generator, sigma: float = sigma, effect=effect) -> Row:
                a, b, noise = (field(sigma, rng) for _ in range(3))
                strata = {"a": _fifths(a), "b": _fifths(b)}
                y = effect(_scores(strata["a"]), _scores(strata["b"])) + noise
                by = Resampling(rng, GRID, square_blocks(CELLS, (SIDE, SIDE), y.ravel()), DRAWS)
                plain = interaction(y, strata).data.iloc[0]
                drawn = interaction(y, strata, resampling=by).data.iloc[0]
                return {
                    "published: nonlinear": plain["interaction"] == "enhance, nonlinear",
                    "gain, F": plain["p_gain"] <= ALPHA,
                    "gain, spectral": drawn["p_gain"] <= ALPHA,
                    "non-additive, F": plain["p_nonadditive"] <= ALPHA,
                    "non-additive, spectral": drawn["p_nonadditive"] <= ALPHA,
                }

            yield f"{name}, sigma {sigma:g}", tally(max(runs // 2, 1), 8, one)


def equals(runs: int) -> Iterator[tuple[str, Row]]:
    """Ecological: two factors of the same strength, and of different ones."""
    for sigma in (0.0, 1.0, 2.0):
        for second in (0.5, 0.2):

            def one(rng: np.random.Generator, sigma: float = sigma, second: float = second) -> Row:
                a, b, noise = (field(sigma, rng) for _ in range(3))
                strata = {"a": _fifths(a), "b": _fifths(b)}
                y = 0.5 * _scores(strata["a"]) + second * _scores(strata["b"]) + noise
                blocks = square_blocks(CELLS, (SIDE, SIDE), y.ravel())
                row: Row = {}
                for name, of in (
                    ("paired, units", unit_blocks(y.size, rng)),
                    ("paired, blocks", blocks),
                ):
                    by = Resampling(rng, blocks=of, n_resamples=DRAWS)
                    row[name] = ecological(y, strata, resampling=by).data["p_value"][0] <= ALPHA
                few = Resampling(rng, blocks=blocks, n_resamples=9)
                for method in ("wang2010", "gd", "gdverse"):
                    found = ecological(y, strata, method=method, resampling=few)
                    row[method] = found.data["differ"][0]
                return row

            word = "equal" if second == 0.5 else "unequal"
            yield f"{word}, sigma {sigma:g}", tally(max(runs // 2, 1), 9, one)


def means(runs: int) -> Iterator[tuple[str, Row]]:
    """Strata means and their contrasts on fields of one covariance, under unrelated strata."""
    for kind, length, side in FIELDS:

        def one(rng: np.random.Generator, kind=kind, length=length, side=side) -> Row:
            x, y = (covaried(kind, length, side, rng).ravel() for _ in range(2))
            strata = {"x": stratify(x, "quantile", 5)}
            by = Resampling(rng, where=_whole(side))
            found, plain = risk(y, strata, resampling=by), risk(y, strata)
            apart, naive = contrasts(y, strata, resampling=by).data, contrasts(y, strata).data
            given = found.data["low"].notna().all()
            return {
                "means, t": _share_held(plain.data),
                "means, field": _share_held(found.data) if given else np.nan,
                "contrasts, field": (apart["p_value"] > ALPHA).mean() if given else np.nan,
                "false, Welch": (naive["p_holm"] <= ALPHA).any(),
                "false, field": (apart["p_holm"] <= ALPHA).any(),
                "refused": not given,
            }

        yield f"{kind}, {length:g} of {side} cells", tally(max(runs // 3, 1), 11, one)


FIELDS = [
    *(("exponential", 2.0, 40), ("exponential", 8.0, 40), ("Gaussian", 2.0, 40)),
    *(("Gaussian", 8.0, 40), ("exponential", 5.0, 100), ("exponential", 20.0, 100)),
    *(("Gaussian", 5.0, 100), ("Gaussian", 20.0, 100)),
]
_ROOTS: dict[tuple[str, float, int], np.ndarray] = {}
_WHERE: dict[int, FieldPlaces] = {}


def covaried(kind: str, length: float, side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a field with covariance exp(-d / length) or exp(-(d / length)²), by embedding."""
    key, wide = (kind, length, side), 4 * side
    if key not in _ROOTS:
        step = np.minimum(np.arange(wide), wide - np.arange(wide))
        far = np.hypot(step[:, None], step[None]) / length
        wave = np.fft.fft2(np.exp(-far) if kind == "exponential" else np.exp(-(far**2)))
        _ROOTS[key] = np.sqrt(np.maximum(wave.real, 0.0))
    noise = rng.normal(size=(2, wide, wide))
    drawn = np.fft.fft2(_ROOTS[key] * (noise[0] + 1j * noise[1])).real / wide
    return drawn[:side, :side]


def _whole(side: int) -> FieldPlaces:
    """Take all cells of a map; correlation matrices are shared by all runs."""
    if side not in _WHERE:
        _WHERE[side] = FieldPlaces.of_cells(np.arange(side**2), (side, side))
    where = _WHERE[side]
    for key in [key for key in where.memo if len(key) <= 64]:
        # what was fitted to one map is not needed for the next; matrices of the places are
        del where.memo[key]
    return where


def _share_held(table) -> float:
    return float(((table["low"] <= 0) & (table["high"] >= 0)).mean())


def unequal(runs: int) -> Iterator[tuple[str, Row]]:
    """Maps whose standard deviation grows from one side to the other, under two kinds of strata."""
    plan = Search(("quantile", "equal"), (3, 5, 8), "q_cv")
    for growth in (1.0, 2.7, 12.0):
        for trend in (0.0, 4.0):
            for sigma in (1.0, 4.0):

                def one(rng: np.random.Generator, g=growth, t=trend, s=sigma) -> Row:
                    x = field(s, rng) + t * np.indices((SIDE, SIDE))[1] / SIDE
                    y = field(s, rng) * g ** (np.arange(SIDE) / (SIDE - 1))
                    strata = {"x": stratify(x, "quantile", 5)}
                    scale = spread_across(y.ravel(), CELLS, (SIDE, SIDE))
                    row: Row = {}
                    made_equal = GridSpectral(CELLS, (SIDE, SIDE), scale)
                    for name, null in (("as if equal", GRID), ("made equal", made_equal)):
                        by = Resampling(rng, null, n_resamples=DRAWS)
                        p = factor(y, strata, resampling=by).data["p_spatial"][0]
                        whole = search_test(
                            y, {"x": x}, plan, null=null, n_resamples=99, rng=rng
                        ).data["p_search"][0]
                        row |= {f"p_spatial, {name}": p <= ALPHA}
                        row |= {f"p_search, {name}": whole <= ALPHA}
                    return {**row, "found unequal": scale is not None}

                words = "strata along it" if trend else "strata anywhere"
                name = f"growing {growth:g} times, {words}, sigma {sigma:g}"
                yield name, tally(max(runs // 2, 1), 12, one)


def coverage(runs: int) -> Iterator[tuple[str, Row]]:
    """Share of 95 % intervals that hold the true q of the process."""
    limits = [NormalDist().inv_cdf(p) for p in (0.2, 0.4, 0.6, 0.8)]
    for sigma_x, sigma_y in ((0, 0), (2, 0), (2, 1), (2, 2), (4, 2), (4, 4)):
        for slope in (0.3, 1.0):

            def one(rng: np.random.Generator, s=(sigma_x, sigma_y), slope: float = slope) -> Row:
                codes = np.searchsorted(limits, field(s[0], rng)).astype(np.int32)
                y = slope * (codes - 2.0) + field(s[1], rng)
                true = 2 * slope**2 / (2 * slope**2 + 1)
                strata = Strata(codes, tuple("abcde"))
                low, high = q_interval(q_statistic(stratum_sums(y, codes, 5)))
                blocks = square_blocks(CELLS, (SIDE, SIDE), y.ravel())
                by = Resampling(rng, None, blocks, 499, _whole(SIDE))
                row = factor(y, {"x": strata}, resampling=by).data.iloc[0]
                given = bool(np.isfinite(row["q_low"]))
                held = row["q_low"] <= true <= row["q_high"]
                return {
                    "F inversion": low <= true <= high,
                    "field": held if given else np.nan,
                    "refused": not given,
                }

            true = 2 * slope**2 / (2 * slope**2 + 1)
            name = f"q {true:.2f}, strata sigma {sigma_x}, noise sigma {sigma_y}"
            yield name, tally(max(runs // 2, 1), 10, one)


def _fifths(x: np.ndarray) -> Strata:
    return stratify(x, "quantile", 5)


def _scores(strata: Strata) -> np.ndarray:
    return (strata.codes - 2.0) / np.sqrt(2.0)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    tables = (factor_on_maps, factor_at_points, search, pairs, equals, means, unequal, coverage)
    for table in tables:
        if sys.argv[2:] and table.__name__ not in sys.argv[2:]:
            continue
        print(f"\n### {table.__name__}: {table.__doc__}\n")
        for at, (name, row) in enumerate(table(runs)):
            if at == 0:
                print(f"| | {' | '.join(row)} |\n|---|{'---|' * len(row)}")
            shares = " | ".join("–" if np.isnan(one) else f"{one:.1f}" for one in row.values())
            print(f"| {name} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
