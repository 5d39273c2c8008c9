"""Fractions near 0 and 1: coverage and bias at the corners and on the edges of the simplex.

`python -m benchmarks.coverage_corners [count]` writes docs/simulations/corners.md.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from headwater.isotopes.mixing.closed_form import mix_closed_form
from headwater.isotopes.mixing.composition import Composition
from headwater.isotopes.mixing.posterior import mix_posterior
from headwater.isotopes.mixing.priors import boundary_prior, dirichlet_prior

from .calibration_mixing import MEAN, SD, N

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "corners.md"
TRUTHS = {
    3: [
        (0.98, 0.01, 0.01),
        (0.01, 0.98, 0.01),
        (0.01, 0.01, 0.98),
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
        (0.9, 0.1, 0.0),
        (0.94, 0.06, 0.0),
        (0.6, 0.3, 0.1),
    ],
    2: [(0.9, 0.1), (0.94, 0.06), (0.98, 0.02), (1.0, 0.0), (0.5, 0.5)],
}
SIZES = (3, 10, 50)
CORRELATION = 0.9


def ends(k: int) -> Composition:
    r = np.array([[1.0, CORRELATION], [CORRELATION, 1.0]])
    cov = (r * SD[:, :, None] * SD[:, None, :])[:k]
    n = np.repeat(N[:k, None], 2, axis=1)
    names = ("rain", "ice", "snow")[:k]
    return Composition(names, ("d18O", "d2H"), MEAN[:k], cov, n, 0.0 * cov)


def mixtures(truth: tuple[float, ...], n: int, count: int, rng: np.random.Generator) -> Composition:
    """Groups of n samples about the mean of their sources, which the study knows with an error.

    Samples scatter half as much as those of a source: soil mixes many rains.
    """
    sources, p = ends(len(truth)), np.array(truth)
    t = (len(p), 2)
    root = np.linalg.cholesky(sources.covariance / sources.n[:, :1, None])
    mu = sources.mean + np.einsum("ktu,gku->gkt", root, rng.normal(size=(count, *t)))
    own = 0.5 * np.linalg.cholesky(sources.covariance.mean(axis=0))
    y = (p @ mu)[:, None, :] + rng.normal(size=(count, n, 2)) @ own.T
    off = y - y.mean(axis=1, keepdims=True)
    cov = np.einsum("gst,gsu->gtu", off, off) / (n - 1)
    labels = tuple(f"g{i}" for i in range(count))
    size = np.full((count, 2), n)
    return Composition(labels, ("d18O", "d2H"), y.mean(axis=1), cov, size, 0.0 * cov)


def rates(truth: tuple[float, ...], n: int, prior: Any, count: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = mixtures(truth, n, count, rng)
    if prior is None:
        data = mix_closed_form(ends(len(truth)), made).data
    else:
        data = mix_posterior(
            ends(len(truth)),
            made,
            rng=rng,
            prior=prior,
            residual="residual",
            n_resamples=4000,
            n_kept=2000,
        ).data
    k = len(truth)
    table = data[["fraction", "low", "high"]].to_numpy().reshape(count, k, 3)
    fine = np.isfinite(table[:, 0, 0])
    inside = (table[fine, :, 1] <= np.array(truth) + 1e-12) & (
        np.array(truth) - 1e-12 <= table[fine, :, 2]
    )
    return {
        "covered": inside.mean(axis=0),
        "bias": (table[fine, :, 0] - truth).mean(axis=0),
        "width": np.median(table[fine, 0, 2] - table[fine, 0, 1]),
        "refused": int((~fine).sum()),
    }


def main(count: int = 100) -> None:
    start, lines = time.process_time(), []
    for k, truths in TRUTHS.items():
        for truth in truths:
            for n in SIZES:
                for name, prior in (
                    ("flat", dirichlet_prior(np.ones(k))),
                    ("boundary", boundary_prior(np.ones(k))),
                    ("none: closed form", None),
                ):
                    found = rates(truth, n, prior, count, 7)
                    lines.append(
                        f"| {' / '.join(f'{p:g}' for p in truth)} | {n} | {name} | "
                        f"{', '.join(f'{100 * c:.0f}' for c in found['covered'])} | "
                        f"{100 * found['covered'].min():.1f} % | "
                        f"{', '.join(f'{b:+.3f}' for b in found['bias'])} | "
                        f"{found['width']:.2f} | {found['refused']} |"
                    )
    spent = time.process_time() - start
    text = HEAD.format(count=count, spent=spent) + "\n".join(lines) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.read_text())


HEAD = """\
# Fractions near 0 and 1

A fraction cannot pass 0 or 1, so that a flat prior over all fractions pulls a mixture at a corner
inwards, and an interval between two quantiles never reaches the corner. `boundary_prior`
(`boundary = true` in `[samples.mixing]`) allows any source to be absent; its interval joins the
middle 95 % of all sets of sources to the middle 90 % of the full set. Sources as in
`calibration_mixing` (rain, ice, snow; n = 100, 66, 27; r = 0.9), δ18O and δ2H, residual with a full
covariance; samples of a group scatter half as much as those of a source. {count} groups for each
row, seed 7. Made by `python -m benchmarks.coverage_corners` ({spent:.0f} CPU seconds).

*Covered* by 95 % intervals, per source and the least of them; *bias* of the posterior mean, or of
the closed form, which stands next to it in tables and on the command line.

| truth | n | prior | covered [%] | least | bias | median width (first) | refused |
|---|---|---|---|---|---|---|---|
"""


def rows() -> list[dict]:
    """Return nothing: coverage is not a matter of time."""
    return []


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
