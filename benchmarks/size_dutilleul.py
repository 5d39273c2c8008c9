"""How often two independent fields are called correlated: `python -m benchmarks.size_dutilleul`."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from headwater.inference.dutilleul import modified_t_test

SHAPE = (40, 40)
SMOOTHING = (0.0, 1.0, 2.0, 4.0, 6.0)
PAIRS = 4000
ALPHA = 0.05


def smooth_fields(count: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Draw stationary fields: smoothed noise, cut from a larger field so that no edge shows."""
    margin = int(np.ceil(4 * sigma))
    noise = rng.normal(size=(count, *(n + 2 * margin for n in SHAPE)))
    fields = gaussian_filter(noise, (0, sigma, sigma)) if sigma else noise
    return fields[:, margin : margin + SHAPE[0], margin : margin + SHAPE[1]]


def rows(pairs: int = PAIRS, seed: int = 20) -> list[dict[str, float]]:
    """Reject at 5 % by the naive test, with classes one cell wide, and with 13 classes."""
    table = []
    for sigma in SMOOTHING:
        rng = np.random.default_rng(seed)
        first, second = smooth_fields(pairs, sigma, rng), smooth_fields(pairs, sigma, rng)
        cell = [modified_t_test(x, y) for x, y in zip(first, second, strict=True)]
        thirteen = [modified_t_test(x, y, classes=13) for x, y in zip(first, second, strict=True)]
        table.append(
            {
                "sigma": sigma,
                "naive": float(np.mean([test.p_naive < ALPHA for test in cell])),
                "one cell": float(np.mean([test.p_value < ALPHA for test in cell])),
                "13 classes": float(np.mean([test.p_value < ALPHA for test in thirteen])),
                "effective n": float(np.median([test.effective_n for test in cell])),
                "no dof": float(np.mean([not test.dof > 0 for test in cell])),
            }
        )
    return table


def main() -> None:
    print("| sigma | naive | one-cell classes | 13 classes | median effective n | dof <= 0 |")
    print("|---|---|---|---|---|---|")
    for row in rows():
        shares = " | ".join(f"{100 * row[k]:.1f} %" for k in ("naive", "one cell", "13 classes"))
        last = f"{row['effective n']:.0f} | {100 * row['no dof']:.1f} %"
        print(f"| {row['sigma']:g} | {shares} | {last} |")


if __name__ == "__main__":
    main()
