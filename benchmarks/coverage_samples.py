"""Coverage of the intervals that samples give, on virtual headwaters whose fractions are known.

`python -m benchmarks.coverage_samples [count]` writes docs/simulations/samples.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from headwater.isotopes import add_groups, check_samples
from headwater.study.sample_lines import line_results
from headwater.study.sample_mixing import mixing_results
from headwater.study.steps.samples import SamplesOptions
from headwater.virtual import make

PAGE = Path(__file__).parents[1] / "docs" / "simulations" / "samples.md"
SOURCES = ["precipitation", "ground_ice", "snow_melt"]
BY = ["altitude_band", "vegetation", "aspect_sector"]
EDGES = (3000, 3500, 4000, 4500, 5100)
MODELS = {
    "soil, evaporation in the model": {"mixtures": ["soil"], "evaporation": True},
    "soil, evaporation ignored": {"mixtures": ["soil"], "evaporation": False},
    "river, evaporation in the model": {"mixtures": ["river"], "evaporation": True},
    "river, evaporation ignored": {"mixtures": ["river"], "evaporation": False},
}


def campaign(seed: int) -> pd.DataFrame:
    """One campaign of 2,678 samples, each mixture with its true shares beside it."""
    here = make(seed=seed, years=(2020, 2021), shape=(10, 16), resolution=0.5)
    truth = here.truth.samples.set_index("sample_id")
    table = add_groups(check_samples(here.samples), altitude=EDGES)
    known = truth.reindex(table["sample_id"]).set_index(table.index)
    names = [*SOURCES, "d18O_mixture", "enrichment"]
    return table.join(known[names].add_prefix("true_"))


def options(mixing: dict) -> SamplesOptions:
    table = {"sources": SOURCES, "by": BY, "paired": ["month"], "lapse": True, **mixing}
    if mixing["mixtures"] == ["soil"]:
        table["absent"] = {"August": ["snow_melt"], "September": ["snow_melt"]}
    return SamplesOptions.model_validate(
        {"path": "-", "altitude": EDGES, "groups": BY, "mixing": table}
    )


def true_means(table: pd.DataFrame, kind: str, names: list[str]) -> pd.DataFrame:
    """Mean truth of every group that the results have a row for."""
    rows = table[table["water"] == kind]
    parts = []
    for grouping in ("all", *BY):
        keys = ["month"] if grouping == "all" else [grouping, "month"]
        if grouping != "all" and rows[grouping].isna().all():
            continue
        means = rows.groupby(keys, observed=True)[names].mean().reset_index()
        means["label"] = "all" if grouping == "all" else means[grouping].astype(str)
        parts.append(means.assign(grouping=grouping, period=means["month"].astype(str)))
    return pd.concat(parts)[["grouping", "label", "period", *names]]


def fractions_covered(table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    asked = options(MODELS[name])
    found = mixing_results(table, asked, rng=np.random.default_rng(seed))["mixing"].data
    kind = MODELS[name]["mixtures"][0]
    truth = true_means(table, kind, [f"true_{s}" for s in SOURCES]).melt(
        ["grouping", "label", "period"], var_name="source", value_name="truth"
    )
    truth["source"] = truth["source"].str.removeprefix("true_").str.replace("_", " ")
    found = found[found["status"] == "ok"]
    both = found.merge(truth, on=["grouping", "label", "period", "source"])
    return both.assign(
        model=name, seed=seed, inside=both["truth"].between(both["low"], both["high"]),
        width=both["high"] - both["low"], error=both["fraction"] - both["truth"],
    )  # fmt: skip


def initial_covered(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The water before it evaporated, as the crossing, the physical slope and the mixture say."""
    asked = options(MODELS["soil, evaporation in the model"])
    rng = np.random.default_rng(seed)
    lines = line_results(table, asked, rng=rng)
    crossing = lines["crossings"].data.rename(columns={"d18O": "value"})
    crossing = crossing.assign(low=crossing["d18O_low"], high=crossing["d18O_high"])
    believed = crossing[(crossing["status"] == "ok") & (crossing["verdict"] == "evaporation line")]
    physical = lines["initial"].data.query("quantity == 'd18O'").rename(columns={"mean": "value"})
    mixing = mixing_results(table, asked, rng=rng)["mixing-evaporation"].data
    half = 1.96 * mixing["mixture_d18O_sd"]
    mean = mixing["mixture_d18O_mean"]
    mixed = mixing.assign(value=mean, low=mean - half, high=mean + half)
    truth = true_means(table, "soil", ["true_d18O_mixture"])
    parts = []
    for name, found in (
        ("crossing of the fitted line, all", crossing),
        ("crossing, where the line can be one of evaporation", believed),
        ("along slopes of evaporation, to the meteoric line", physical),
        ("mixing model with evaporation", mixed),
    ):
        both = found.merge(truth, on=["grouping", "label", "period"]).dropna(subset=["low"])
        inside = both["true_d18O_mixture"].between(both["low"], both["high"])
        error = both["value"] - both["true_d18O_mixture"]
        parts.append(pd.DataFrame({"model": name, "inside": inside, "error": error,
                                   "width": both["high"] - both["low"]}))  # fmt: skip
    return pd.concat(parts)


def rate(rows: pd.DataFrame) -> pd.Series:
    n = len(rows)
    share = rows["inside"].mean()
    return pd.Series(
        {"intervals": n, "covered": share, "width": rows["width"].median(),
         "bias": rows["error"].mean(), "rmse": np.sqrt((rows["error"] ** 2).mean())}
    )  # fmt: skip


def rates(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return table.groupby(keys, sort=False)[["inside", "error", "width"]].apply(rate)


def markdown(table: pd.DataFrame, keys: list[str], digits: int) -> str:
    head = [*keys, "intervals", "covered", "median width", "mean error", "RMSE"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in table.reset_index().to_dict("records"):
        cells = [str(row[key]) for key in keys]
        cells += [f"{row['intervals']:.0f}", f"{row['covered']:.1%}"]
        cells += [f"{row[name]:.{digits}f}" for name in ("width", "bias", "rmse")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rows() -> list[dict]:
    """Nothing is timed here."""
    return []


def main(count: int) -> None:
    shares, starts = [], []
    for seed in range(1, count + 1):
        table = campaign(seed)
        for name in MODELS:
            shares.append(fractions_covered(table, name, seed))
        starts.append(initial_covered(table, seed))
    every = pd.concat(shares)
    group = every.groupby(["model", "seed", "grouping", "label", "period"])["truth"]
    edge = group.transform("min") == 0.0
    by_model = rates(every[~edge], ["model", "source"])
    zero = rates(every[edge], ["model", "source"])
    start = rates(pd.concat(starts), ["model"])
    PAGE.write_text(
        HEAD.format(count=count)
        + markdown(by_model, ["model", "source"], 3)
        + ZERO + markdown(zero, ["model", "source"], 3)
        + START + markdown(start, ["model"], 2) + "\n" + END,
        encoding="utf-8",
    )  # fmt: skip
    print(PAGE.read_text())


HEAD = """\
# How often the intervals of the samples hold the truth

The virtual headwater knows the share of every source in every sample, and what the water was
before it evaporated. {count} campaigns of 2,678 samples (seeds 1 to {count}) went through the
study's own functions, as the demo runs them: fractions by month for all samples, by altitude
band, vegetation and aspect; sources of the same month, brought to the altitude of their mixtures;
no snow melt in August and September. Counted is how often a 95 % interval holds the mean of the
true fractions of its group. Groups of one campaign share samples, so the counts are not
independent. Made by `python -m benchmarks.coverage_samples`.

## Fractions, where every source is there

"""
ZERO = """

## Fractions, where one of the sources is truly absent

An interval between two quantiles never reaches 0: it cannot hold a true 0, nor a true 1.

"""
START = """

## δ18O of soil water before it evaporated [‰]

"""
END = """
## What this says

- **With evaporation in the model the intervals nearly keep their promise** where every source is
  there: snow melt 100 %, ground ice 94 %, precipitation 90 %; δ18O before evaporation 93 %. They
  are wide, because three sources and an unknown enrichment are three unknowns for two isotopes,
  and precipitation falls short of 95 % because the prior calls every fraction equally likely: it
  pulls a true 0.8 or 0.9 of precipitation down by 0.09 on average. The report warns of this;
  `prior` in the study file says what is known.
- **Ignoring evaporation is not a small error.** Soil water that lost part of itself looks like
  ground ice, which lies below the meteoric line: its share is overstated by 0.4, with narrow
  intervals around the wrong number.
- Rivers evaporated least, yet even there the intervals of the model without evaporation hold too
  rarely.
- **Name the sources that a month does not have** (`absent`): a source that is offered is given a
  share.
- **The crossing of a fitted line is not the water before evaporation.** Samples of all altitudes
  lie along the line of their sources, and so does the fitted line. Within one altitude band the
  line is one of evaporation and the crossing comes near, but its interval speaks of the lines
  alone and is far too narrow: soil water that holds ground ice or snow melt never stood on the
  meteoric line.
"""

if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
