import numpy as np
import pandas as pd
import pytest

from headwater.errors import InputError, StudyError
from headwater.figures import render
from headwater.isotopes import GMWL, audit_tables, check_quality, fit_lines, read_claims, summarise
from headwater.isotopes.audit.run import RULES, published_study
from headwater.isotopes.audit.tables import Claims, printed
from headwater.isotopes.intersection import crossings
from headwater.isotopes.results import SampleTable
from headwater.isotopes.samples import check_samples


def facts(*rows: tuple[str, ...]) -> Claims:
    names = ["kind", "period", "label", "quantity", "value"]
    return Claims("ours", facts=pd.DataFrame(list(rows), columns=names))


def rules(claims: Claims) -> list[str]:
    return audit_tables(claims).data["rule"].tolist()


def test_printed_decimals() -> None:
    numbers, halves = printed(pd.Series(["−6.8", "7.43", "6.1", "7.12", ""]))
    assert numbers.tolist()[:2] == [-6.8, 7.43]
    assert halves.tolist()[:4] == [0.005] * 4
    assert np.isnan(halves[4])
    assert printed(pd.Series(["5", "0.25"]), alone=True)[1].tolist() == [0.5, 0.005]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("72", "20", "8"), []),
        (("72", "20", "9"), []),
        (("72", "20", "12"), ["A11"]),
        (("0.72", "0.20", "0.08"), []),
        (("0.72", "0.30", "0.08"), ["A11"]),
    ],
)
def test_fractions_make_a_whole(values, found) -> None:
    rows = [("fraction", "June", f"s{i}", "percent", v) for i, v in enumerate(values)]
    assert rules(facts(*rows)) == found


def test_counts_and_precision() -> None:
    rows = [("count", "June", "ice", "n", "66"), ("count", "May", "ice", "n", "40")]
    assert rules(facts(*rows, ("total", "", "ice", "n", "106"))) == []
    assert rules(facts(*rows, ("total", "", "all", "n", "107"))) == ["A11"]
    swap = [("precision", "", "", "d18O_sd", "0.5"), ("precision", "", "", "d2H_sd", "0.2")]
    assert rules(facts(*swap)) == ["A10"]


@pytest.mark.parametrize(
    ("mean", "low", "high", "other", "severity"),
    [
        ("0.114", "0.108", "0.124", "0.112", []),
        ("0.114", "0.108", "0.138", "0.112", ["doubtful"]),
        ("0.112", "0.108", "0.138", "0.112", ["impossible"]),
        ("0.137", "0.108", "0.138", "0.112", ["impossible"]),
    ],
)
def test_means_of_years(mean, low, high, other, severity) -> None:
    claims = facts(
        ("annual_years", "", "", "theta", "5"),
        ("annual_mean", "", "", "theta", mean),
        ("annual_min", "2017", "", "theta", low),
        ("annual_max", "2019", "", "theta", high),
        ("annual", "2021", "", "theta", other),
    )
    assert audit_tables(claims).data["severity"].tolist() == severity


def test_exchanged_labels_are_recovered() -> None:
    study = published_study("li2024")
    lines = study.lines.copy()
    names = {"Forest": "Grassland", "Grassland": "Forest"}
    lines["label"] = lines["label"].replace(names)
    found = audit_tables(Claims("swapped", means=study.means, lines=lines)).data
    labels = found[found["rule"] == "A5"]
    assert set(zip(labels["printed"], labels["consistent"], strict=True)) == set(names.items())


def test_pooled_mean_outside_its_parts_and_stated_crossing() -> None:
    means = pd.DataFrame(
        [
            ("all", "all", "June", "-15.00", "-110.00"),
            ("veg", "meadow", "June", "-12.00", "-86.00"),
            ("veg", "forest", "June", "-11.00", "-78.00"),
        ],
        columns=["grouping", "label", "period", "d18O", "d2H"],
    )
    assert rules(Claims("ours", means=means)) == ["A6"]
    lines = pd.DataFrame(
        {
            "label": ["a", "b"],
            "period": "June",
            "slope": [4.0, 4.0],
            "intercept": ["-30.00", "-30.00"],
            "d18O_crossing": [-10.0, -12.0],
        }
    )
    lmwl = facts(("meteoric", "", "", "slope", "8"), ("meteoric", "", "", "intercept", "10"))
    found = audit_tables(Claims("ours", lines=lines, facts=lmwl.facts)).data
    assert found[["rule", "label", "consistent"]].values.tolist() == [["A7", "b", "-10.00"]]


def test_out_of_range_means_and_rising_trend() -> None:
    means = pd.DataFrame(
        {
            "grouping": "veg",
            "label": "a",
            "period": ["May", "June"],
            "d18O": ["-60.00", "-12.00"],
            "d2H": ["-470.00", "-90.00"],
        }
    )
    assert rules(Claims("ours", means=means)) == ["A1", "A1"]
    trend = facts(("trend", "May>June", "a", "d18O", "rising"))
    assert "A12" not in rules(Claims("ours", means=means, facts=trend.facts))


def test_reading_and_refusing_tables(tmp_path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("# ours\nlabel,slope,intercept\nJune,4.1,-30.2\n")
    assert len(read_claims(path).lines) == 1
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no table of means"):
        read_claims(path)
    with pytest.raises(InputError, match="no such table"):
        read_claims(tmp_path / "none.csv")
    with pytest.raises(StudyError, match="no such published study"):
        published_study("li2025")
    with pytest.raises(InputError, match="lacks a column"):
        audit_tables(Claims("ours", lines=pd.DataFrame({"label": ["a"]})))


def test_every_result_draws_itself() -> None:
    rng = np.random.default_rng(1)
    o = rng.normal(-12, 3, 60)
    frame = pd.DataFrame(
        {
            "water": ["soil", "precipitation"] * 30,
            "d18O": o,
            "d2H": 8 * o + 10 + rng.normal(0, 4, 60),
        }
    )
    soil = frame["water"] == "soil"
    frame.loc[soil, "d2H"] = 4 * frame.loc[soil, "d18O"] - 42 + rng.normal(0, 3, 30)
    samples = check_samples(frame)
    lines = fit_lines(samples, ["water"])
    lmwl, lel = lines.lines()
    points = crossings(lmwl, [lel])
    figures = [
        SampleTable(samples, "ours").plot(lmwl=lmwl, lines=[lel], crossings=points.data),
        summarise(samples, ["water"], lmwl=GMWL).plot(),
        lines.plot(lmwl=lmwl),
        check_quality(samples).plot(),
        audit_tables(published_study("li2024")).plot(),
        audit_tables(facts()).plot(),
    ]
    sizes = [len(render(figure, "png", dpi=50)) for figure in figures]
    assert min(sizes) > 2000


def test_rules_are_twelve() -> None:
    assert list(RULES) == [f"A{i}" for i in range(1, 13)]
    checked = audit_tables(published_study("li2024")).checked
    assert all(checked[rule] > 0 for rule in RULES)


def test_tables_of_one_kind_are_joined_and_differences_refused(tmp_path) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("label,d18O,d2H,d_excess\nmeadow,-12.15,-90.36,9.87\n")
    two.write_text("label;δ18O (‰);δD (‰);d-excess\nforest;−10,00;−70,00;12,00\n", "utf-8")
    claims = read_claims(one, two)
    assert claims.means["label"].tolist() == ["meadow", "forest"]
    assert claims.means["d18O"].tolist() == ["-12.15", "-10.00"]
    found = audit_tables(claims).data
    assert found[found["rule"] == "A2"]["label"].tolist() == ["meadow", "forest"]
    two.write_text("label,d18O,d2H,d_excess\nmeadow,-12.25,-90.36,9.87\n")
    with pytest.raises(InputError, match="gives other figures than a table before it"):
        read_claims(one, two)
