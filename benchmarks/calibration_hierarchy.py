"""Calibration of the hierarchical engine by simulation: `-m benchmarks.calibration_hierarchy`.

Truths are drawn from the priors and samples from the truths, in plain NumPy and in ‰; each truth
is ranked among the draws of its posterior. If the engine is right the ranks are uniform. A setting
compiles once. Writes `docs/images/calibration_hierarchy.png` and prints the table of
`docs/simulations/mixing.md`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, chisquare, wishart

from headwater.figures import CATEGORY, MUTED, house_style, new_figure, render
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.hierarchical import Effects
from headwater.isotopes.mixing.hierarchical_chains import run_chains, within_caps
from headwater.isotopes.mixing.hierarchical_density import Chains, Model, Sums, make_cells
from headwater.isotopes.mixing.priors import (
    FractionPrior,
    capped_prior,
    clr_prior,
    dirichlet_prior,
    ilr_basis,
)

BINS, THIN, RANKS = 20, 10, 99
NAMES, TRACERS = ("rain", "ice", "snow"), ("d18O", "d2H")
MEAN = np.array([[-11.0, -80.0], [-14.0, -110.0], [-16.0, -114.0]])
SD = np.array([[1.5, 11.0], [1.0, 8.0], [1.2, 9.0]])
N = np.array([100, 66, 27])
SLOPE = (4.5, 0.4)
FLAT = dirichlet_prior([1, 1, 1])


@dataclass(frozen=True)
class Setting:
    name: str
    effects: Effects
    table: dict  # one row per cell
    residual: str = "process_residual"
    prior: FractionPrior = FLAT
    evaporation: tuple[float, float] | None = None
    tau: float = 1.0
    correlation: float = 0.9
    samples: int = 8
    total: int = 200
    seed: int = 0


SETTINGS = (
    Setting("Random month, process × residual", Effects(("month",)), {"month": [5, 6, 8, 9]}),
    Setting(
        "Sites nested in months, process",
        Effects(("month",), (("site", "month"),)),
        {"month": [6, 6, 6, 9, 9, 9], "site": list("abcabc")},
        "process",
        tau=0.5,
        total=300,
    ),
    Setting(
        "Random month and elevation, process + residual (simmr)",
        Effects(("month",), (), ("elevation",)),
        {"month": [6, 6, 6, 9, 9, 9], "elevation": [3600.0, 4000.0, 4400.0] * 2},
        "simmr",
        clr_prior(3),
        correlation=0.0,
        samples=6,
    ),
    Setting(
        "Random month, evaporation inside, process × residual",
        Effects(("month",)),
        {"month": [5, 6, 8, 9]},
        evaporation=SLOPE,
        samples=12,
    ),
    Setting(
        "Informative prior, residual, rain at most 0.5",
        Effects(("month",)),
        {"month": [5, 6, 8, 9]},
        "residual",
        capped_prior(dirichlet_prior([2, 4, 2]), NAMES, {"rain": 0.5}),
        tau=0.5,
        seed=1,
    ),
    Setting(
        "Fixed month, process + residual covariance (both)",
        Effects(fixed=("month",)),
        {"month": [5, 6, 8, 9]},
        "both",
        seed=2,
    ),
)


def ends(correlation: float) -> Composition:
    r = np.array([[1.0, correlation], [correlation, 1.0]])
    cov = r * SD[:, :, None] * SD[:, None, :]
    n = np.repeat(N[:, None], 2, axis=1)
    return Composition(NAMES, TRACERS, MEAN, cov, n, 0.0 * cov)


def shares(setting: Setting, rng: np.random.Generator) -> dict:
    """Draw common mean and fractions of the cells; where there are caps, until all keep to them."""
    basis, table = ilr_basis(3), pd.DataFrame(setting.table)
    while True:
        common = setting.prior.draw(1, rng)[0]
        truth = {f"common {name}": value for name, value in zip(NAMES, common, strict=True)}
        z = np.tile(basis.T @ np.log(common), (len(table), 1))
        nested = [list(reversed(pair)) for pair in setting.effects.nested]
        for name in setting.effects.fixed:
            codes = table.groupby(name).ngroup().to_numpy()
            z = z + rng.normal(size=(codes.max() + 1, 2))[codes]
        for columns in [[name] for name in setting.effects.random] + nested:
            codes = table.groupby(columns).ngroup().to_numpy()
            tau = abs(rng.normal(0.0, setting.tau))
            z = z + tau * rng.normal(size=(codes.max() + 1, 2))[codes]
            truth[f"sd of {' in '.join(reversed(columns))}"] = tau
        for name in setting.effects.continuous:
            x = table[name].to_numpy(dtype=float).repeat(setting.samples)
            slope = rng.normal(size=2)
            standard = (table[name].to_numpy(dtype=float) - x.mean()) / x.std(ddof=1)
            z = z + standard[:, None] * slope
            truth["slope of the covariate"] = slope[0]
        p = np.exp(z @ basis.T)
        p = p / p.sum(axis=1, keepdims=True)
        caps = getattr(setting.prior, "caps", (1.0, 1.0, 1.0))
        if (p <= caps).all():
            first = {f"first cell {name}": v for name, v in zip(NAMES, p[0], strict=True)}
            return truth | first | {"p": p}


def simulate(setting: Setting, rng: np.random.Generator) -> tuple[dict, pd.DataFrame]:
    """Draw a truth from the priors, and a table of samples from the truth."""
    r = np.array([[1.0, setting.correlation], [setting.correlation, 1.0]])
    truth = shares(setting, rng)
    p = truth.pop("p")
    root = np.linalg.cholesky(r)
    mu = MEAN + rng.normal(size=(3, 2)) @ root.T * SD / np.sqrt(N)[:, None]
    omega = SD * np.sqrt((N - 1.0)[:, None] / rng.chisquare(N[:, None], (3, 2)))
    v = np.einsum("ck,ktu->ctu", p**2, omega[:, :, None] * r * omega[:, None, :])
    unit = np.sqrt((SD**2).mean(axis=0))
    if setting.residual == "process_residual":
        xi = rng.uniform(0.0, 20.0, 2)
        v = v * np.sqrt(xi[:, None] * xi[None, :])
        truth["residual of d18O"] = xi[0]
    elif setting.residual == "simmr":
        sigma = np.abs(rng.normal(0.0, 2.0, 2))
        v = v + np.diag((sigma * unit) ** 2)
        truth["residual of d18O"] = sigma[0]
    elif setting.residual != "process":
        pooled = (SD[:, :, None] * r * SD[:, None, :]).mean(axis=0)
        own = wishart.rvs(3, pooled / 3.0, random_state=rng)
        v = v + own if setting.residual == "both" else np.tile(own, (len(p), 1, 1))
        truth["residual of d18O"] = own[0, 0] / unit[0] ** 2
    centre = p @ mu
    if setting.evaporation:
        enriched, slope = np.abs(rng.normal(0.0, 5.0, len(p))), rng.normal(*setting.evaporation)
        centre = centre + enriched[:, None] * [1.0, slope]
        truth |= {"slope of evaporation": slope, "enrichment of the first cell": enriched[0]}
    made = [rng.multivariate_normal(centre[c], v[c], setting.samples) for c in range(len(p))]
    frame = pd.DataFrame(setting.table).loc[np.repeat(np.arange(len(p)), setting.samples)]
    return truth, frame.reset_index(drop=True).assign(
        **dict(zip(TRACERS, np.concatenate(made).T, strict=True))
    )


def answers(setting: Setting, found: dict) -> dict:
    """Return the draws (D, S) of what was ranked, by the names of the truths."""
    flat = {name: v[:, 0] for name, v in found.items()}
    drawn = {f"common {name}": flat["p_global"][..., k] for k, name in enumerate(NAMES)}
    drawn |= {f"first cell {name}": flat["p"][:, :, 0, k] for k, name in enumerate(NAMES)}
    drawn |= {f"sd of {name[4:]}": v for name, v in flat.items() if name.startswith("tau ")}
    for name, at in (("xi", "residual of d18O"), ("sigma", "residual of d18O")):
        if name in flat:
            drawn[at] = flat[name][..., 0]
    if "omega" in flat:
        drawn["residual of d18O"] = flat["omega"][..., 0, 0]
    if "beta" in flat:
        drawn["slope of the covariate"] = flat["beta"][..., 0, 0]
    if setting.evaporation:
        drawn["slope of evaporation"] = flat["slope"]
        drawn["enrichment of the first cell"] = flat["enrichment"][..., 0]
    return drawn


def calibrate(setting: Setting, total: int, seed: int) -> dict:
    """Return ranks (0...1) of every quantity, and what share of data sets and draws was fine."""
    rng, sources = np.random.default_rng(seed), ends(setting.correlation)
    made = [simulate(setting, rng) for _ in range(total)]
    cells = [make_cells(frame, TRACERS, setting.effects, sources) for _, frame in made]
    model = Model(
        setting.prior,
        setting.residual,
        setting.evaporation,
        setting.tau,
        fixed=setting.effects.fixed,
    )
    parts = ("n", "mean", "scatter")
    stacked = Sums(*(np.array([getattr(one, part) for one in cells]) for part in parts))
    found, divergences = run_chains(
        model,
        cells[0],
        sources,
        rng,
        length=Chains(750, THIN * RANKS, 1),
        samples=stacked,
        collect=THIN,
    )
    fine = np.ones((total, RANKS), dtype=bool)
    if model.caps:  # draws beyond the wall are no draws of the posterior
        fine = within_caps({name: found[name][:, 0] for name in ("p", "p_global")}, model.caps)
    table = {}
    for name, draws in answers(setting, found).items():
        truth = np.array([one[name] for one, _ in made])
        below = ((draws < truth[:, None]) & fine).sum(axis=1)
        table[name] = (below + rng.random(total)) / (fine.sum(axis=1) + 1.0)
    return {"ranks": table, "divergent": int((divergences > 0).sum()), "kept": float(fine.mean())}


def ecdf_p(ranks: np.ndarray, seed: int = 1, points: int = 100, simulated: int = 4000) -> float:
    """How often uniform ranks leave the band of Säilynoja et al. (2022) as far as these."""
    at = np.arange(1, points) / points

    def farthest(values: np.ndarray) -> np.ndarray:
        below = (values[:, :, None] <= at).sum(axis=1)
        n = values.shape[1]
        tails = np.minimum(binom.cdf(below, n, at), binom.sf(below - 1, n, at))
        return 2.0 * tails.min(axis=1)

    rng = np.random.default_rng(seed)
    null = np.concatenate(
        [farthest(rng.random((500, len(ranks)))) for _ in range(simulated // 500)]
    )
    return float((1 + (null <= farthest(ranks[None])[0]).sum()) / (simulated + 1))


def coverage(ranks: np.ndarray, level: float) -> float:
    edge = 0.5 * (1.0 - level)
    return float(100.0 * ((ranks > edge) & (ranks < 1.0 - edge)).mean())


def print_table(found: list[tuple[Setting, dict]]) -> None:
    print("| setting | quantity | p (χ²) | p (ECDF band) | 50 % covers | 95 % covers |")
    print("|---|---|---|---|---|---|")
    for setting, result in found:
        for i, (name, ranks) in enumerate(result["ranks"].items()):
            counts = np.bincount((ranks * BINS).astype(int), minlength=BINS)
            cells = [
                setting.name if i == 0 else "",
                name,
                f"{chisquare(counts).pvalue:.2f}",
                f"{ecdf_p(ranks):.2f}",
                f"{coverage(ranks, 0.5):.0f} %",
                f"{coverage(ranks, 0.95):.1f} %",
            ]
            print("| " + " | ".join(cells) + " |")


def draw(found: list[tuple[Setting, dict]]):
    """Draw one row of rank histograms for each setting."""
    width = max(len(result["ranks"]) for _, result in found)
    figure = new_figure(1.55 * width, 1.65 * len(found))
    grid = figure.subplots(len(found), width, squeeze=False)
    for row, (setting, result) in zip(grid, found, strict=True):
        for axes in row[len(result["ranks"]) :]:
            axes.set_visible(False)
        for k, (axes, (name, ranks)) in enumerate(zip(row, result["ranks"].items(), strict=False)):
            even = len(ranks) / BINS
            spread = 1.96 * np.sqrt(even * (1 - 1 / BINS))
            axes.axhspan(even - spread, even + spread, color=MUTED, alpha=0.2, linewidth=0)
            counts = np.bincount((ranks * BINS).astype(int), minlength=BINS)
            axes.bar(np.arange(BINS), counts, width=0.9, color=CATEGORY[min(k // 3, 2)])
            axes.set_ylim(0, 2.4 * even)
            axes.set_xticks([])
            axes.set_xlabel(name.replace(" of the ", "\nof the ").replace(" cell ", " cell\n"))
            if k:
                axes.set_yticklabels([])
        row[0].set_ylabel("Truths")
        row[0].set_title(" ")
        # A long title would widen the first column.
        row[0].annotate(
            setting.name, (0, 1), (0, 6), "axes fraction", "offset points", weight="bold"
        ).set_in_layout(False)
    return figure


def main() -> None:
    start, found = time.process_time(), []
    for setting in SETTINGS:
        found.append((setting, calibrate(setting, setting.total, setting.seed)))
        print(
            f"{setting.name}: {found[-1][1]['divergent']} data sets with divergences, "
            f"{100 * found[-1][1]['kept']:.0f} % of draws kept"
        )
    print_table(found)
    print(f"\n{time.process_time() - start:.0f} CPU seconds")
    with house_style():
        Path("docs/images/calibration_hierarchy.png").write_bytes(
            render(draw(found), "png", dpi=100)
        )


def rows() -> list[dict]:
    """Return nothing: calibration is not a matter of time."""
    return []


if __name__ == "__main__":
    main()
