"""Simulation-based calibration of the mixing posterior: `python -m benchmarks.calibration_mixing`.

Truths are drawn from the priors, data from the truths, and each truth is ranked among the draws of
its posterior. If the engine is right, ranks are uniform and intervals cover as often as they say.
Writes `docs/images/calibration_mixing.png` and prints the table of `docs/simulations/mixing.md`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import chisquare, wishart

from headwater.figures import CATEGORY, MUTED, house_style, new_figure, render
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.posterior import mix_posterior
from headwater.isotopes.mixing.priors import FractionPrior, clr_prior, dirichlet_prior

BINS, RANKS = 20, 99
MEAN = np.array([[-11.0, -80.0], [-14.0, -110.0], [-16.0, -114.0]])
SD = np.array([[1.5, 11.0], [1.0, 8.0], [1.2, 9.0]])
N = np.array([100, 66, 27])


@dataclass(frozen=True)
class Setting:
    name: str
    prior: FractionPrior
    residual: str
    correlation: float
    samples: int
    source_error: bool = True


SETTINGS = (
    Setting(
        "process × residual, softmax prior, r = 0.9, n = 10",
        clr_prior(3),
        "process_residual",
        0.9,
        10,
    ),
    Setting(
        "process × residual, Dirichlet(1), r = 0.9, n = 10",
        dirichlet_prior([1, 1, 1]),
        "process_residual",
        0.9,
        10,
    ),
    Setting(
        "process, Dirichlet(1), independent tracers, n = 3",
        dirichlet_prior([1, 1, 1]),
        "process",
        0.0,
        3,
    ),
    Setting(
        "simmr (σ ~ Gamma(3, 2)), softmax prior, n = 25", clr_prior(3), "simmr", 0.0, 25, False
    ),
    Setting(
        "informative Dirichlet(6, 3, 1), residual, r = 0.9, n = 5",
        dirichlet_prior([6, 3, 1]),
        "residual",
        0.9,
        5,
    ),
)
SIGMA = (3.0, 2.0)


def ends(correlation: float) -> Composition:
    r = np.array([[1.0, correlation], [correlation, 1.0]])
    cov = r * SD[:, :, None] * SD[:, None, :]
    n = np.repeat(N[:, None], 2, axis=1)
    return Composition(("rain", "ice", "snow"), ("d18O", "d2H"), MEAN, cov, n, 0.0 * cov)


def simulate(setting: Setting, count: int, rng: np.random.Generator):
    """Draw truths from the priors and mixtures from the truths."""
    sources = ends(setting.correlation)
    p = setting.prior.draw(count, rng)
    errors = np.linalg.cholesky(sources.covariance / N[:, None, None])
    mu = MEAN + setting.source_error * np.einsum(
        "ktu,gku->gkt", errors, rng.normal(size=(count, 3, 2))
    )
    v = np.einsum("gk,ktu->gtu", p**2, sources.covariance)
    if setting.residual == "process_residual":
        xi = np.sqrt(rng.uniform(0, 20, (count, 2)))
        v = v * xi[:, :, None] * xi[:, None, :]
    elif setting.residual in ("simmr", "residual"):
        sigma = rng.gamma(SIGMA[0], 1.0 / SIGMA[1], (count, 2))
        v = v + sigma[:, :, None] ** 2 * np.eye(2)
        if setting.residual == "residual":
            v = wishart.rvs(3, sources.covariance.mean(axis=0) / 3.0, size=count, random_state=rng)
    y = np.einsum("gk,gkt->gt", p, mu)[:, None, :] + np.einsum(
        "gtu,gsu->gst", np.linalg.cholesky(v), rng.normal(size=(count, setting.samples, 2))
    )
    off = y - y.mean(axis=1, keepdims=True)
    cov = np.einsum("gst,gsu->gtu", off, off) / (setting.samples - 1)
    labels = tuple(f"g{i}" for i in range(count))
    n = np.full((count, 2), setting.samples)
    return p, sources, Composition(labels, ("d18O", "d2H"), y.mean(axis=1), cov, n, 0.0 * cov)


def calibrate(setting: Setting, total: int = 2000, seed: int = 0, block: int = 200):
    """Return ranks (total, K) of the truths, coverage of 50 and 95 % intervals, and refusals."""
    rng = np.random.default_rng(seed)
    ranks, covered, refused = [], [], 0
    for _ in range(total // block):
        p, sources, water = simulate(setting, block, rng)
        post = mix_posterior(
            sources,
            water,
            rng=rng,
            prior=setting.prior,
            residual=setting.residual,
            source_error=setting.source_error,
            sigma_prior=SIGMA,
            n_resamples=8000,
            n_kept=4000,
        )
        fine = ~np.isnan(post.draws[:, 0, 0])
        refused += int((~fine).sum())
        draws, truth = post.draws[fine], p[fine]
        ranks.append((draws[:, :RANKS] < truth[:, None]).sum(axis=1))
        covered.append(
            [
                [(low <= truth) & (truth <= high)]
                for low, high in (
                    np.quantile(draws, q, axis=1) for q in ((0.25, 0.75), (0.025, 0.975))
                )
            ]
        )
    inside = [np.concatenate([block_[i][0] for block_ in covered]).mean() for i in (0, 1)]
    return np.concatenate(ranks), inside, refused


def main() -> None:
    found = []
    print(
        "| setting | p of uniform ranks (rain, ice, snow) | 50 % covers | 95 % covers | refused |"
    )
    print("|---|---|---|---|---|")
    start = time.process_time()
    for setting in SETTINGS:
        ranks, (half, most), refused = calibrate(setting)
        counts = [np.bincount(r * BINS // (RANKS + 1), minlength=BINS) for r in ranks.T]
        p = ", ".join(f"{chisquare(c).pvalue:.2f}" for c in counts)
        print(
            f"| {setting.name} | {p} | {100 * half:.1f} % | {100 * most:.1f} % | {refused}/2000 |"
        )
        found.append((setting.name, counts, len(ranks)))
    print(f"\n{time.process_time() - start:.0f} CPU seconds")
    with house_style():
        figure = new_figure(8.4, 1.5 * len(found) + 0.6)
        grid = figure.subplots(len(found), 3, sharex=True)
        for row, (name, counts, total) in zip(grid, found, strict=True):
            even = total / BINS
            spread = 1.96 * np.sqrt(even * (1 - 1 / BINS))
            for k, (axes, c) in enumerate(zip(row, counts, strict=True)):
                axes.axhspan(even - spread, even + spread, color=MUTED, alpha=0.2, linewidth=0)
                axes.bar(np.arange(BINS), c, width=0.9, color=CATEGORY[k])
                axes.set_ylim(0, 1.6 * even)
                axes.set_xticks([])
            row[0].set_title(name)
            row[0].set_ylabel("Truths")
        for axes, label in zip(grid[-1], ("rain", "ice", "snow"), strict=True):
            axes.set_xlabel(f"Rank of the true fraction of {label}")
    Path("docs/images/calibration_mixing.png").write_bytes(render(figure, "png", dpi=100))


def rows() -> list[dict]:
    """Return nothing: calibration is not a matter of time."""
    return []


if __name__ == "__main__":
    main()
