"""Make ``studies-checklist.md``: each statement of the two source studies, and what Headwater has.

``python docs/make_checklist.py RESULTS`` reads the results and the report of a demo of the virtual
headwater (``headwater demo``), and the statements in ``studies/statements.csv``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
STATEMENTS = HERE.parent / "studies" / "statements.csv"
PAGE = HERE / "studies-checklist.md"
STUDIES = {
    "Q": "Zhao, Li and Wang (2025): soil moisture of the Qilian Mountains, "
    "Arid Land Geography 48(8)",
    "T": "Li et al. (2024): sources of soil water in the Three-Rivers Headwater Region, "
    "Hydrology and Earth System Sciences 28, 719-736",
}
_HEAD = """\
# The two source studies, line by line

Made by `python docs/make_checklist.py RESULTS` from `studies/statements.csv` and a demo of the
virtual headwater. Each line is a figure, table, number, choice or demand of a study: what was
published, whether it can be true by arithmetic and logic, where Headwater makes it, and what it is
on the virtual headwater, which is another place: its values are not expected to be those of the
studies, only made by the same step; where one table answers several statements, they all name it.
*Background* is what a study quotes from elsewhere.
"""
Rule = tuple[str, str, str, Callable[["Demo"], str] | str]


class Demo:
    """The results of a demo, opened once."""

    def __init__(self, results: Path) -> None:
        self.results = results

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.results / f"{name}.csv")

    def figure(self, name: str) -> str:
        found = (self.results / "figures" / f"{name}.svg").is_file()
        return f"figure `{name}`" if found else f"no figure `{name}` in this demo"


def summary(variable: str, statistic: str, period: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table("variation/summary")
        own = table[(table["variable"] == variable) & (table["statistic"] == statistic)]
        row = own[own["period"] == period].iloc[0]
        units = "" if row["units"] == "1" else f" {row['units']}"
        span = f" ({row['low']:.3g} to {row['high']:.3g})" if pd.notna(row["low"]) else ""
        return f"{row['value']:.3g}{units}{span}, n = {row['n']} {row['of']}"

    return read


def month_of(variable: str, end: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table(f"variation/{variable}-cycle").dropna(subset="mean")
        row = table.loc[table["mean"].idxmax() if end == "max" else table["mean"].idxmin()]
        return f"{row['mean']:.3g} in month {int(row['month'])}"

    return read


def yearly(variable: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table(f"variation/{variable}-years")
        own = table[table["period"] == "year"]
        return "; ".join(f"{int(r['year'])}: {r['mean']:.3g}" for r in own.to_dict("records"))

    return read


def bands(demo: Demo) -> str:
    table = demo.table("variation/soil_moisture-bands")
    own = table[table["period"] == "year"].groupby("zone", sort=False)["mean"].mean()
    return "; ".join(f"{zone}: {value:.3f}" for zone, value in own.items())


def correlation(factor: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table("correlation/matrix")
        row = table[(table["first"] == "soil_moisture") & (table["second"] == factor)].iloc[0]
        p = row["p_effective"]
        return f"{row['statistic']} = {row['value']:.2f}, p = {p:.2g} of effective cells"

    return read


def q_of(factor: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table("detector/factor")
        row = table[table["factor"] == factor].iloc[0]
        p = f", search p = {row['p_search']:.2g}" if pd.notna(row["p_search"]) else ""
        return f"q = {row['q']:.3f} (adjusted {row['q_adjusted']:.3f}{p})"

    return read


def all_q(demo: Demo) -> str:
    table = demo.table("detector/factor")
    return " > ".join(f"{r['factor']} {r['q']:.2f}" for r in table.to_dict("records"))


def pairs(demo: Demo) -> str:
    rows = demo.table("detector/interaction").head(3).to_dict("records")
    return "; ".join(f"{r['factor_1']} with {r['factor_2']} {r['q_12']:.2f}" for r in rows)


def shares(period: str) -> Callable[[Demo], str]:
    def read(demo: Demo) -> str:
        table = demo.table("samples/mixing")
        own = table[(table["grouping"] == "all") & table["fraction"].notna()]
        own = own[own["period"].astype(str).str.startswith(period)]
        return "; ".join(
            f"{r['period']} {r['source']} {100 * r['fraction']:.0f} % "
            f"({100 * r['low']:.0f} to {100 * r['high']:.0f})"
            for r in own.to_dict("records")
        )

    return read


def sample_means(demo: Demo) -> str:
    table = demo.table("samples/summary")
    own = table[table["grouping"] == "all"]
    return "; ".join(
        f"{r['period']}: δ¹⁸O {r['d18O_mean']:.2f}, δ²H {r['d2H_mean']:.1f}, "
        f"d-excess {r['d_excess_mean']:.1f} ‰, n = {r['n']}"
        for r in own.to_dict("records")
    )


def lines(demo: Demo) -> str:
    table = demo.table("samples/lines")
    own = table[table["grouping"] == "all"]
    return "; ".join(
        f"{r['period']}: slope {r['slope']:.2f}, intercept {r['intercept']:.1f}, r² {r['r2']:.2f}"
        for r in own.to_dict("records")
    )


def meteoric(demo: Demo) -> str:
    row = demo.table("samples/meteoric").iloc[0]
    return f"δ²H = {row['slope']:.2f} δ¹⁸O + {row['intercept']:.2f} (n = {row['n']})"


def waters(demo: Demo) -> str:
    table = demo.table("samples/waters")
    return "; ".join(f"{r['group']} n = {r['n']}" for r in table.to_dict("records"))


def initial(demo: Demo) -> str:
    table = demo.table("samples/initial")
    own = table[(table["grouping"] == "all") & (table["quantity"] == "d18O")]
    return "; ".join(
        f"{r['period']}: δ¹⁸O {r['mean']:.1f} ± {r['sd']:.1f} ‰" for r in own.to_dict("records")
    )


def alerts(demo: Demo) -> str:
    return f"{len(demo.table('warning/alerts'))} alerts"


def plan(demo: Demo) -> str:
    table = demo.table("restoration/plan")
    return f"{len(table)} works on {table['unit'].nunique()} units"


def calendar(demo: Demo) -> str:
    table = demo.table("restoration/calendar")
    table = table[table["work"].str.contains("seed|vegetation|plant")].drop_duplicates("band")
    return "; ".join(
        f"{r['band']}, {r['work'].replace('_', ' ')}: day {r['opens']:.0f} to {r['deadline']:.0f}"
        for r in table.head(3).to_dict("records")
    )


def season(demo: Demo) -> str:
    table = demo.table("vegetation/bands")
    means = table.groupby("zone", sort=False)[["start", "end"]].mean()
    return "; ".join(f"{z}: day {r['start']:.0f} to {r['end']:.0f}" for z, r in means.iterrows())


def drawn(name: str) -> Callable[[Demo], str]:
    return lambda demo: demo.figure(name)


V, C, D, S = "variation", "correlation", "detector", "samples"
TREND = "trend (Sen, Mann-Kendall)"
RULES: tuple[Rule, ...] = (
    # part, words of the quantity, where it is made, what it is on the virtual headwater
    (
        V,
        "map.*trend|trend map|significance map|wetting",
        "report, maps of the trend",
        drawn("variation-soil_moisture-trend"),
    ),
    (
        V,
        "slope of soil|five-year tendency|trend of soil|trend analysis|after the peak",
        "variation/summary.csv",
        summary("soil_moisture", TREND, "year"),
    ),
    (
        V,
        "growing-season soil moisture (map|over|by)|pattern from|heterogeneity",
        "report, maps of growing seasons",
        drawn("variation-soil_moisture-season"),
    ),
    (
        V,
        "growing-season mean over",
        "variation/soil_moisture-years.csv",
        summary("soil_moisture", "mean", "growing season"),
    ),
    (
        V,
        "annual soil moisture with|annual mean soil|annual mean$|lowest annual|highest annual",
        "variation/soil_moisture-years.csv",
        yearly("soil_moisture"),
    ),
    (
        V,
        "five-year mean soil|mean soil moisture",
        "variation/summary.csv",
        summary("soil_moisture", "mean", "year"),
    ),
    (
        V,
        "coefficient of variation",
        "variation/summary.csv",
        summary("soil_moisture", "monthly CV", "mean year"),
    ),
    (
        V,
        "monthly soil moisture$|years analysed|time step",
        "report, every month of the record",
        drawn("variation-soil_moisture-months"),
    ),
    (V, "altitude|band", "variation/soil_moisture-bands.csv", bands),
    (
        V,
        "precipitation map|precipitation by part|by position",
        "report, maps of growing seasons",
        drawn("variation-precipitation-season"),
    ),
    (
        V,
        "temperature map|temperature by part",
        "report, maps of growing seasons",
        drawn("variation-temperature-season"),
    ),
    (V, "ndvi map|ndvi by part", "report, maps of growing seasons", drawn("variation-ndvi-season")),
    (
        V,
        "(annual|mean annual|by year).*precip|precip.*(annual|by year|year to year)",
        "variation/precipitation-years.csv",
        yearly("precipitation"),
    ),
    (
        V,
        "(annual|by year|change|mean annual).*temp|temp.*(annual|by year)",
        "variation/temperature-years.csv",
        yearly("temperature"),
    ),
    (
        V,
        "(annual|by year).*ndvi|ndvi.*(annual|by year)",
        "variation/ndvi-years.csv",
        yearly("ndvi"),
    ),
    (
        V,
        "largest monthly precip",
        "variation/precipitation-cycle.csv",
        month_of("precipitation", "max"),
    ),
    (
        V,
        "smallest monthly precip",
        "variation/precipitation-cycle.csv",
        month_of("precipitation", "min"),
    ),
    (V, "warmest", "variation/temperature-cycle.csv", month_of("temperature", "max")),
    (V, "coldest", "variation/temperature-cycle.csv", month_of("temperature", "min")),
    (V, "largest monthly ndvi", "variation/ndvi-cycle.csv", month_of("ndvi", "max")),
    (V, "smallest monthly ndvi", "variation/ndvi-cycle.csv", month_of("ndvi", "min")),
    (
        V,
        "precip|temperature|ndvi|months below zero",
        "report, every month of all variables",
        drawn("variation-months"),
    ),
    (V, "growing season$", "study file, `growing_season`", "May to October"),
    (V, "", "report, mean year of soil moisture", drawn("variation-soil_moisture-cycle")),
    (
        C,
        "precip|rain",
        "correlation/matrix.csv and with-precipitation",
        correlation("precipitation"),
    ),
    (C, "ndvi|vegetation", "correlation/matrix.csv and with-ndvi", correlation("ndvi")),
    (
        C,
        "temperature|warm",
        "correlation/matrix.csv and with-temperature",
        correlation("temperature"),
    ),
    (C, "", "report, spatial correlation", drawn("correlation-matrix")),
    (D, "precipitation with|with precip|pair|joint|interaction", "detector/interaction.csv", pairs),
    (D, "ecological", "detector/ecological.csv", drawn("detector-ecological")),
    (D, "risk", "detector/risk.csv", drawn("detector-risk")),
    (
        D,
        "by factor and year|year by year|by season",
        "detector/series.csv",
        drawn("detector-series"),
    ),
    (
        D,
        "class|rule|optimal",
        "detector/optimal.csv, study file `[detector.strata]`",
        drawn("detector-search"),
    ),
    *(
        (D, f"{words}$", "detector/factor.csv", q_of(name))
        for words, name in (
            ("precipitation", "precipitation"),
            ("ndvi", "ndvi"),
            ("elevation", "elevation"),
            ("aspect", "aspect"),
            ("slope.*", "slope"),
            ("temperature", "temperature"),
        )
    ),
    (D, "", "detector/factor.csv", all_q),
    (S, "site|position|map", "report, map of sampling sites", drawn("samples-sites")),
    (S, "box", "report, box plots", drawn("samples-boxes")),
    (S, "meteoric|water lines used|against the water line", "samples/meteoric.csv", meteoric),
    (
        S,
        "initial|source water|crossing|lel-lmwl",
        "samples/initial.csv, samples/crossings.csv",
        initial,
    ),
    (S, "evaporation line|line slope|slope|closeness|distance", "samples/lines.csv", lines),
    (S, "june", "samples/mixing.csv", shares("June")),
    (S, "august", "samples/mixing.csv", shares("August")),
    (S, "september", "samples/mixing.csv", shares("September")),
    (S, "share|source|end member|recharge|mixing|ice|melt", "samples/mixing.csv", shares("")),
    (S, "d18o|d2h|d-excess|delta|isotope", "samples/summary.csv", sample_means),
    (
        S,
        "samples|sampling|parallel|storage|extract|analyser|precision|raw|event|interval",
        "samples/waters.csv, samples/quality.csv",
        waters,
    ),
    (S, "", "samples/summary.csv", sample_means),
    ("vegetation", "carrying|supported", "vegetation/capacity.nc", drawn("vegetation-capacity")),
    ("vegetation", "growing season", "vegetation/bands.csv", season),
    (
        "vegetation",
        "model|production|growth",
        "vegetation/forecast.csv",
        drawn("vegetation-forecast"),
    ),
    (
        "vegetation",
        "cover responds|moisture gain|effect|summer",
        "vegetation/curves.csv",
        drawn("vegetation-curves"),
    ),
    ("vegetation", "dominant|belts|map", "grids, classes of vegetation", drawn("grids-vegetation")),
    ("vegetation", "", "vegetation/response.nc", drawn("vegetation-share")),
    ("warning", "", "warning/alerts.csv, docs/warning.md", alerts),
    ("restoration", "time|date|calendar|planting", "restoration/calendar.csv", calendar),
    ("restoration", "", "restoration/plan.csv, docs/restoration.md", plan),
    (
        "network",
        "",
        "docs/network-ingest.md, docs/network-maps.md",
        "the study demo has no sensors; `headwater demo-platform` has",
    ),
    ("platform", "", "docs/platform.md", "`headwater demo-platform`"),
    (
        "downscaling",
        "",
        "docs/downscaling.md, `headwater init --template downscaling`",
        "the study demo is not downscaled; `headwater twin` has scores",
    ),
    (
        "validation",
        "",
        "docs/validation.md",
        "the study demo has no stations; `headwater validate` has scores",
    ),
    (
        "grids",
        "elevation|altitude|map of|extent|area$|grid|clip|resampl|precip|temperature|ndvi",
        "grids/inputs.csv, docs/study-file.md",
        drawn("grids-elevation"),
    ),
    ("report", "study area|urgent|use of", "report, study at a glance", drawn("at-a-glance")),
)


def line_of(row: dict[str, str], demo: Demo) -> tuple[str, str]:
    """Find where a statement is made, and what it is on the virtual headwater."""
    words = f"{row['quantity']} {row['place_or_group']}".lower()
    for part, pattern, where, value in RULES:
        searched = row["quantity"].lower() if pattern.endswith("$") else words
        if part == row["headwater_part"] and re.search(pattern, searched):
            return where, value if isinstance(value, str) else value(demo)
    return "background", "not a result of a study file: quoted from elsewhere, or a photograph"


def page(demo: Demo) -> Iterator[str]:
    """Compose the page, a table for each study."""
    table = pd.read_csv(STATEMENTS, dtype=str, keep_default_na=False)
    yield _HEAD
    for study, title in STUDIES.items():
        own = table[table["study"] == study]
        counts = own["can_it_be_true"].value_counts()
        yield f"\n## {title}\n"
        said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        yield f"{len(own)} statements: {said}.\n"
        heads = ("id", "kind", "statement", "published", "can it be true", "Headwater")
        yield f"| {' | '.join(heads)} | virtual headwater |"
        yield "|---|---|---|---|---|---|---|"
        for row in own.to_dict("records"):
            where, value = line_of({str(k): str(v) for k, v in row.items()}, demo)
            published = f"{row['value']} {row['unit']}".replace(" -", "").strip() or "–"
            verdict = row["can_it_be_true"]
            if verdict in {"impossible", "doubtful"}:
                verdict += f": {row['why']}"
            what = ", ".join(
                x for x in (row["quantity"], row["place_or_group"], row["period"]) if x != "-"
            )
            cells = (row["id"], row["kind"], what, published, verdict, where, value)
            yield "| " + " | ".join(_cell(one) for one in cells) + " |"


def _cell(text: Any) -> str:
    """Escape what Markdown would take for its own."""
    return re.sub(r"([|*_<>\[\]~])", r"\\\1", str(text)) if "`" not in str(text) else str(text)


def main() -> None:
    """Write the page."""
    demo = Demo(Path(sys.argv[1]))
    PAGE.write_text("\n".join(page(demo)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
