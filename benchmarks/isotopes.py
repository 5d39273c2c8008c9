"""Mixing and evaporated water: `python -m benchmarks.isotopes`."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.isotopes.lines import WaterLine
from headwater.isotopes.mixing.closed_form import fraction_sd, simplex_fractions
from headwater.isotopes.mixing.composition import compose, compose_each, compose_stated
from headwater.isotopes.mixing.evaporated_water import evaporated_source
from headwater.isotopes.mixing.mix_model import estimate_end_members
from headwater.isotopes.mixing.posterior import mix_posterior

CASES = Path(__file__).parents[1] / "tests" / "data" / "reference" / "isotopes"
APART = {2: 0.092, 3: 1.06}
"""CPU seconds of mescla 0.1.0 by end members, on the machine of docs/benchmarks.md."""
SOURCES = np.array([[-11.0, 8.0], [-14.0, 2.0], [-16.0, 14.0]])


def seconds(call, repeats: int = 5) -> float:
    """Return the median CPU time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def row(task: str, ours: float, peer: float | None, target: str, note: str) -> dict:
    return {"task": task, "ours": ours, "peer": peer, "target": target, "note": note}


def closed_form() -> list[dict]:
    rng = np.random.default_rng(0)
    f = rng.dirichlet(np.ones(3), 1_000_000)
    y = f @ SOURCES + rng.normal(size=(1_000_000, 2)) * [1.0, 2.0]
    cov = np.array([[1.0, 0.5], [0.5, 4.0]])
    errors = np.array([cov / 40] * 3)
    return [
        row(
            "1e6 mixtures, 3 sources, 2 tracers: constrained (s)",
            seconds(lambda: simplex_fractions(SOURCES, y, covariance=cov)),
            200.0,
            "≤ 0.7",
            "scipy nnls extrapolated from 2000 rows",
        ),
        row(
            "1e6 mixtures: errors of all fractions (s)",
            seconds(
                lambda: fraction_sd(SOURCES, f, mixture_covariance=cov, source_covariance=errors)
            ),
            None,
            "≤ 0.6",
            "",
        ),
    ]


def mix250():
    tracers = ["d18O", "dexcess"]
    table = pd.DataFrame(
        {
            "source": ["precipitation", "ground_ice", "snow_melt"],
            "d18O": SOURCES[:, 0],
            "dexcess": SOURCES[:, 1],
            "d18O_sd": [1.5, 1.0, 1.2],
            "dexcess_sd": [2.0, 1.5, 2.0],
            "n": [100, 66, 27],
        }
    )
    if CASES.exists():
        samples = pd.read_csv(CASES / "mix250_mixtures.csv")
    else:
        rng = np.random.default_rng(0)
        made = np.array([0.65, 0.23, 0.12]) @ SOURCES + rng.normal(size=(250, 2)) * [1.2, 1.8]
        samples = pd.DataFrame(made, columns=tracers).assign(group=np.repeat(np.arange(10), 25))
    return compose_stated(table, tracers), compose(samples, tracers, by=["group"])


def posterior() -> dict:
    sources, mixtures = mix250()

    def call():
        return mix_posterior(
            sources,
            mixtures,
            rng=np.random.default_rng(1),
            residual="simmr",
            source_error=False,
            n_resamples=40_000,
        )

    return row(
        "simmr's model, 250 mixtures in 10 groups (effective draws per CPU s)",
        call().data["effective_draws"].min() / seconds(call),
        None,
        "≥ 50 000",
        "smallest group over the time of all; elsewhere: simmr 0.5.1 (JAGS) 173, PyMC 169",
    )


def evaporated() -> dict:
    line = WaterLine(7.9745, 13.0902, 0.12574, 1.6175, 0.19258, rmse=4.0302, n=60)
    water = compose_each(
        pd.DataFrame({"d18O": [-6.0], "d2H": [-60.0], "d18O_sd": 0.1, "d2H_sd": 0.5}),
        ["d18O", "d2H"],
    )

    def call():
        return evaporated_source(water, line, rng=np.random.default_rng(0), n_resamples=150_000)

    effective = call().data["effective_draws"].min()
    return row(
        "isoWater's source model, 100 000 effective draws (s)",
        seconds(call) * 1e5 / effective,
        None,
        "≤ 0.5",
        "isoWater 1.2.1: about 350 effective draws in 105 s elapsed",
    )


def carrera() -> list[dict]:
    """MIX on the two problems of Carrera et al. (2004); mescla beside it where it is installed."""
    problems = {
        "two end members, 50 samples": (
            [[478.0, 244.0], [21050.0, 2910.0]],
            [[200.0, 150.0], [1000.0, 1000.0]],
            [600.0, 400.0],
            50,
        ),
        "three end members, 100 samples": (
            [[500.0, 700, 100, 800, 200], [100, 100, 400, 200, 700], [700, 400, 900, 500, 50]],
            [[100.0, 100, 50, 100, 50], [50, 50, 100, 50, 100], [100, 100, 100, 100, 25]],
            [4.0] * 5,
            100,
        ),
    }
    table = []
    for name, (true, sd, error, n) in problems.items():
        rng = np.random.default_rng(0)
        y = rng.dirichlet(np.ones(len(true)), n) @ true + rng.normal(0, error, (n, len(error)))
        m = np.array(true) + rng.normal(0, sd)
        ours = seconds(
            lambda m=m, y=y, sd=sd, error=error: estimate_end_members(
                m, y, source_sd=sd, mixture_sd=error
            )
        )
        note = f"mescla 0.1.0 on the same problem; measured apart: {APART[len(true)]} s"
        table.append(row(f"MIX, {name} (s)", ours, mescla(m, y, sd, error), "≤ mescla", note))
    return table


def mescla(m, y, sd, error) -> float | None:
    try:
        from mescla.mixing.ml import mix_ml
        from mescla.types import EndMembers, WaterChemistry
    except ImportError:
        return None
    species = tuple(f"t{j}" for j in range(m.shape[1]))
    ends = EndMembers(m, species, tuple(f"e{i}" for i in range(len(m))), "mg/L", np.array(sd))
    names = tuple(f"s{i}" for i in range(len(y)))
    waters = WaterChemistry(y, species, names, "mg/L", np.tile(error, (len(y), 1)))
    return seconds(lambda: mix_ml(ends, waters), 3)


def hierarchical() -> list[dict]:
    """MixSIAR's model with a random effect of the group, where the extra ``bayes`` is installed."""
    from importlib.util import find_spec

    if not (CASES.exists() and find_spec("numpyro") and find_spec("arviz_stats")):
        return []
    from headwater.isotopes.mixing.hierarchical import Effects, mix_hierarchical

    samples = pd.read_csv(CASES / "mix250_mixtures.csv")

    def call():
        start = time.process_time()
        post = mix_hierarchical(
            mix250()[0], samples, Effects(("group",)), rng=np.random.default_rng(0)
        )
        return post.diagnostics["ess_bulk"].min() / (time.process_time() - start)

    with_compilation = call()
    return [
        row(
            "MixSIAR's model, 250 mixtures (effective draws per CPU s, with compilation)",
            with_compilation,
            None,
            "≥ 47",
            "worst quantity; elsewhere: MixSIAR 3.1.12 (JAGS) 0.47, not converged (R-hat 1.63), "
            "and 0.37 in a longer run (R-hat 1.21)",
        ),
        row(
            "the same model and size again (effective draws per CPU s)",
            statistics.median(call() for _ in range(3)),
            None,
            "≥ 47",
            "already compiled",
        ),
    ]


def rows() -> list[dict]:
    return [*closed_form(), posterior(), evaporated(), *carrera(), *hierarchical()]


if __name__ == "__main__":
    for entry in rows():
        print(entry)
