import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from headwater.isotopes import (
    Climate,
    WaterLine,
    audit_tables,
    d_excess,
    evaporated_fraction,
    fit_line,
)
from headwater.isotopes.audit.tables import Claims
from headwater.isotopes.evaporation import craig_gordon, residual_water
from headwater.isotopes.excess import d_excess_sd
from headwater.isotopes.intersection import intersect
from headwater.isotopes.quality import robust_distance

SEEDS = st.integers(0, 2**32 - 1)
PERIODS = ("June", "August", "September")
GROUPS = {"layer": ("0-20 cm", "20-40 cm"), "vegetation": ("meadow", "grassland", "forest")}
LMWL = WaterLine(7.9, 12.4)


def simulated(rng: np.random.Generator) -> Claims:
    """The tables that an honest study would print: samples, their means and their lines."""
    rows, lines, facts = [], [], []
    for period in PERIODS:
        labels = {name: rng.choice(words, 240) for name, words in GROUPS.items()}
        start = rng.normal(-16, 1)
        slope = {label: rng.uniform(2.9, 3.9) for label in GROUPS["vegetation"]}
        away = np.array([slope[label] for label in labels["vegetation"]])
        lift = {label: rng.normal(0, 1.5) for words in GROUPS.values() for label in words}
        gone = rng.uniform(0.0, 8.0, 240)
        o = start + gone + sum(np.vectorize(lift.get)(words) for words in labels.values())
        h = LMWL(start) + away * (o - start) + rng.normal(0, 1.0, 240)
        cuts = {"all": {"all": np.ones(240, bool)}} | {
            name: {word: labels[name] == word for word in words} for name, words in GROUPS.items()
        }
        for grouping, some in cuts.items():
            for label, mask in some.items():
                mean_o, mean_h = o[mask].mean(), h[mask].mean()
                rows.append(
                    (
                        grouping,
                        label,
                        period,
                        f"{mean_o:.2f}",
                        f"{mean_h:.2f}",
                        f"{d_excess(mean_o, mean_h):.2f}",
                    )
                )
                if grouping == "vegetation":
                    line = fit_line(o[mask], h[mask])
                    lines.append(
                        (grouping, label, period, f"{line.slope:.2f}", f"{line.intercept:.2f}")
                    )
        facts += [
            ("source", period, "", "d18O", f"{start:.2f}"),
            ("source", period, "", "d2H", f"{LMWL(start):.2f}"),
        ]
        share = rng.dirichlet(np.ones(3)) * 100
        facts += [("fraction", period, f"s{i}", "percent", f"{v:.1f}") for i, v in enumerate(share)]
    facts += [
        ("meteoric", "", "", "slope", "7.90"),
        ("meteoric", "", "", "intercept", "12.40"),
        ("precision", "", "", "d18O_sd", "0.1"),
        ("precision", "", "", "d2H_sd", "0.6"),
    ]
    years = rng.uniform(0.1, 0.14, 5)
    facts += [
        ("annual_years", "", "", "theta", "5"),
        ("annual_mean", "", "", "theta", f"{years.mean():.3f}"),
        ("annual_min", "", "", "theta", f"{years.min():.3f}"),
        ("annual_max", "", "", "theta", f"{years.max():.3f}"),
    ]
    return Claims(
        "simulated",
        pd.DataFrame(rows, columns=["grouping", "label", "period", "d18O", "d2H", "d_excess"]),
        pd.DataFrame(lines, columns=["grouping", "label", "period", "slope", "intercept"]),
        pd.DataFrame(facts, columns=["kind", "period", "label", "quantity", "value"]),
    )


@given(SEEDS)
def test_a_clean_study_has_no_findings(seed: int) -> None:
    found = audit_tables(simulated(np.random.default_rng(seed))).data
    assert found.empty, found[["rule", "label", "reason"]].values.tolist()


@given(SEEDS, st.sampled_from(["sign", "d_excess", "precision", "intercept", "source", "column"]))
def test_exactly_what_was_planted_is_found(seed: int, plant: str) -> None:
    rng = np.random.default_rng(seed)
    claims = simulated(rng)
    at = int(rng.integers(1, len(claims.means)))
    while claims.means.loc[at, "grouping"] == "all":
        at = int(rng.integers(1, len(claims.means)))
    expected = {
        "sign": ["A1"],
        "d_excess": ["A2"],
        "precision": ["A10"],
        "intercept": ["A4"],
        "source": ["A8"],
        "column": ["A2"] * 6 + ["A3"],
    }[plant]
    if plant == "sign":
        claims.means.loc[at, "d2H"] = claims.means.loc[at, "d2H"].lstrip("-")
    elif plant == "d_excess":
        claims.means.loc[at, "d_excess"] = f"{float(claims.means.loc[at, 'd_excess']) + 1.0:.2f}"
    elif plant == "precision":
        claims.facts.loc[claims.facts["quantity"] == "d18O_sd", "value"] = "0.9"
    elif plant == "intercept":
        line = int(rng.integers(len(claims.lines)))
        value = float(claims.lines.loc[line, "intercept"]) + 1.0
        claims.lines.loc[line, "intercept"] = f"{value:.2f}"
    elif plant == "source":
        claims.facts.loc[1, "value"] = f"{float(claims.facts.loc[1, 'value']) - 1.5:.2f}"
    else:
        august = claims.means["period"] == "August"
        moved = claims.means.loc[august, "d_excess"].astype(float) + 2.0
        claims.means.loc[august, "d_excess"] = moved.map("{:.2f}".format)
    found = audit_tables(claims).data
    assert found["rule"].tolist() == expected, found["reason"].tolist()


@given(SEEDS, st.sampled_from(["ols", "rma", "ma", "huber", "theil-sen"]), st.floats(-9, 9))
def test_lines_follow_a_shift_of_both_axes(seed: int, method: str, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(-12, 3, 25)
    y = 8 * x + 10 + rng.normal(0, 4, 25)
    line, moved = fit_line(x, y, method=method), fit_line(x + shift, y - 3, method=method)
    assert np.isclose(moved.slope, line.slope, rtol=1e-7)
    assert np.isclose(moved(-10.0 + shift), line(-10.0) - 3, atol=1e-5)


@given(SEEDS, st.sampled_from(["ols", "rma", "ma"]))
def test_amounts_count_like_repeated_samples(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(-12, 3, 20)
    y, times = 8 * x + 10 + rng.normal(0, 4, 20), rng.integers(1, 5, 20)
    weighted = fit_line(x, y, method=method, amount=times)
    repeated = fit_line(np.repeat(x, times), np.repeat(y, times), method=method)
    assert np.isclose(weighted.slope, repeated.slope, rtol=1e-9)
    assert np.isclose(weighted.intercept, repeated.intercept, rtol=1e-7, atol=1e-7)


@given(
    st.floats(-25, 0),
    st.floats(0, 30),
    st.floats(0.25, 0.95),
    st.floats(0.5, 1.0),
    st.floats(0.01, 0.9),
    st.sampled_from(["d18O", "d2H"]),
    st.sampled_from(["desiccating", "throughflow"]),
)
def test_fraction_is_the_inverse_of_enrichment(source, t, h, n, lost, isotope, setting) -> None:
    delta = source if isotope == "d18O" else 8 * source + 10
    air = craig_gordon(delta, Climate(t, h, n), isotope)
    now = residual_water(delta, lost, air, setting=setting)
    back = evaporated_fraction(now, delta, air, setting=setting)
    # near the limit the water no longer knows how much of it is gone
    if abs(float(air.limit - now)) > 1e-3 * abs(float(air.limit - delta)):
        assert np.isclose(back, lost, rtol=1e-6)


@given(SEEDS)
def test_spread_of_d_excess_is_the_sample_spread(seed: int) -> None:
    rng = np.random.default_rng(seed)
    o = rng.normal(-12, 3, 30)
    h = 8 * o + rng.normal(0, 4, 30)
    cov = np.cov(o, h)
    ours = d_excess_sd(np.sqrt(cov[0, 0]), np.sqrt(cov[1, 1]), cov[0, 1])
    assert np.isclose(ours, d_excess(o, h).std(ddof=1), rtol=1e-8)


def test_fieller_covers_at_its_level() -> None:
    rng = np.random.default_rng(11)
    hits = n = 0
    for _ in range(400):
        x, z = rng.normal(-12, 3, 50), rng.uniform(-14, -6, 40)
        lmwl = fit_line(x, 8 * x + 10 + rng.normal(0, 4, 50))
        lel = fit_line(z, 5 * z - 35 + rng.normal(0, 4, 40))  # crosses at -15
        point = intersect(lmwl, lel)
        n += point.status == "ok"
        hits += point.d18O_low < -15.0 < point.d18O_high
    assert n > 390
    # 95 % by z, not t: 40 samples cost about half a percent
    assert 0.92 < hits / n < 0.97


def test_clean_waters_rarely_have_outliers() -> None:
    from scipy.special import chdtri

    rng = np.random.default_rng(4)
    for n in (15, 40, 200):
        limit = np.sqrt(chdtri(2, 0.01 / n) * (1 + 17 / n + 760 / n**2))
        alarms = 0
        for _ in range(300):
            o = rng.normal(-12, 3, n)
            alarms += (robust_distance(o, 8 * o + 10 + rng.normal(0, 5, n)) > limit).any()
        assert alarms / 300 < 0.04
