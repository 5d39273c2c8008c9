"""A study of samples, alone or beside grids: read, checked, computed, drawn."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.chapters import SECTIONS, STEPS
from headwater.chapters.samples.end_members import paired_sources
from headwater.chapters.samples.lines import describe, line_results
from headwater.chapters.samples.mixing import mixing_results
from headwater.chapters.samples.mixing_job import build_job, jobs_by_part
from headwater.chapters.samples.options import SamplesOptions
from headwater.chapters.samples.results import differences
from headwater.chapters.samples.section import make_section
from headwater.chapters.samples.table import groupings, read_table
from headwater.errors import DataError, InputError, ProblemsError
from headwater.report import write_report
from headwater.report.section import FigureBlock
from headwater.study import load_result, parse_study, read_study, run
from headwater.study.checks import survey

HEAD = '[study]\nname = "Waters"\n[samples]\npath = "lab.csv"\n'
SHARES = {"June": 0.6, "August": 0.9}


def campaign(rows: int = 60, seed: int = 5) -> pd.DataFrame:
    """Rain and ice that grow lighter with altitude; soil of 60 % rain in June, 90 % in August."""
    rng = np.random.default_rng(seed)
    parts = []
    for month, day in (("June", "2020-06-10"), ("August", "2020-08-10")):
        height = rng.uniform(3000.0, 4000.0, rows)
        fall = -0.002 * (height - 3500.0)
        ends = {"precipitation": (-11.0, 0.0), "ground_ice": (-16.0, -9.0)}
        waters = {}
        for name, (o, below) in ends.items():
            waters[name] = o + fall, 8.0 * (o + fall) + 10.0 + below
        share = SHARES[month]
        mixed = [
            share * waters["precipitation"][i] + (1 - share) * waters["ground_ice"][i]
            for i in (0, 1)
        ]
        lost = rng.gamma(4.0, 0.25, rows)
        waters["soil"] = mixed[0] + lost, mixed[1] + 3.2 * lost
        for name, (o, h) in waters.items():
            along, across = rng.normal(0, 0.3, rows), rng.normal(0, 0.5, rows)
            parts.append(
                pd.DataFrame(
                    {
                        "water": name,
                        "time": day,
                        "elevation": height,
                        "d18O": o + along,
                        "d2H": h + 8.0 * along + across,
                        "d18O_sd": 0.1,
                        "d2H_sd": 0.5,
                        "plot": np.where(height > 3500, "upper", "lower"),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    campaign().to_csv(tmp_path / "lab.csv", index=False)
    return tmp_path


def study_of(home: Path, more: str = ""):
    (home / "study.toml").write_text(HEAD + more)
    return read_study(home / "study.toml")


MIXING = """
groups = ["plot"]
[samples.mixing]
sources = ["precipitation", "ground_ice"]
paired = ["month"]
lapse = true
"""


def test_the_check_judges_what_the_run_judges(home: Path) -> None:
    options = SamplesOptions(path=str(home / "lab.csv"), groups=("plot",))
    samples = read_table(options)
    whole, brief = (
        line_results(samples.data, options, rng=np.random.default_rng(1), thorough=thorough)
        for thorough in (True, False)
    )
    assert set(whole) - set(brief) == {"slopes"}
    for name in ("lines", "meteoric", "verdicts"):
        pd.testing.assert_frame_equal(brief[name].data, whole[name].data)
    means = describe(samples, options, thorough=False)
    assert set(describe(samples, options)) - set(means) == {"excess", "tests"}


def test_parts_of_a_mixture_are_the_same_one_by_one(home: Path) -> None:
    mixing = {"sources": ("precipitation", "ground_ice"), "paired": ("month",)}
    options = SamplesOptions(path=str(home / "lab.csv"), mixing=mixing, groups=("plot",))
    table = read_table(options).data
    table = table[(table["water"] != "ground_ice") | (table["month"] == "June")]
    together = build_job(table, options).parts
    apart = [part for job in jobs_by_part(table, options) for part in job.parts]
    assert any(isinstance(part, DataError) for part in together)
    assert not all(isinstance(part, DataError) for part in together)
    for one, other in zip(together, apart, strict=True):
        assert type(one) is type(other)
        assert isinstance(one, DataError) or one.label == other.label


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory):
    """The study of mixed waters, run once: the study, records of its steps, its page."""
    home = tmp_path_factory.mktemp("waters")
    campaign().to_csv(home / "lab.csv", index=False)
    study = study_of(home, MIXING)
    records = run(study, STEPS)
    return study, records, write_report(study.results, study, SECTIONS).read_text()


def test_a_study_of_samples_alone_runs_to_its_report(computed, tmp_path: Path) -> None:
    study, records, page = computed
    lines = "\n".join(survey(study, STEPS).lines())
    assert "Samples: 360 rows (" in lines
    assert "Steps: samples" in lines
    assert [record.name for record in records] == ["samples"]
    for words in ("360 of 3 waters", "2020-06-10", "Where the water came from", "Mixing diagram"):
        assert words in page
    assert "Growing season" not in page
    home = shutil.copytree(study.results.parent, tmp_path / "again")
    again = read_study(home / "study.toml")
    assert all(record.skipped for record in run(again, STEPS))
    # another table is noticed
    campaign(seed=6).to_csv(home / "lab.csv", index=False)
    assert not run(again, STEPS)[0].skipped


def test_fractions_and_the_water_before_evaporation_are_found(computed) -> None:
    results = computed[0].results
    table = load_result(results, "samples/mixing").data
    rain = table[(table["source"] == "precipitation") & (table["grouping"] == "all")]
    for row in rain.to_dict("records"):
        assert row["low"] < SHARES[row["period"]] < row["high"]
        assert row["high"] - row["low"] < 0.35
    assert table.groupby("mixture")["fraction"].sum().to_numpy() == pytest.approx(1.0)
    lost = load_result(results, "samples/mixing-evaporation").data
    assert np.abs(lost["enrichment_mean"] - 1.0).max() < 0.4
    gaps = load_result(results, "samples/mixing-differences").data
    change = gaps[(gaps["grouping"] == "all") & (gaps["source"] == "precipitation")]
    assert change["difference"].abs().item() == pytest.approx(0.3, abs=0.12)


def test_tables_1_and_2_are_what_the_samples_say(home: Path) -> None:
    run(study_of(home, 'groups = ["plot"]'), STEPS)
    soil = campaign().query("water == 'soil'")
    summary = load_result(home / "results", "samples/summary").data
    assert list(summary["grouping"].unique()) == ["all", "plot"]
    row = summary[(summary["label"] == "upper") & (summary["period"] == "June")]
    own = soil[(soil["plot"] == "upper") & (soil["time"] == "2020-06-10")]
    assert row["d2H_mean"].item() == pytest.approx(own["d2H"].mean())
    assert row["n"].item() == len(own)
    lines = load_result(home / "results", "samples/lines").data
    fit = np.polyfit(own["d18O"], own["d2H"], 1)
    mine = lines[(lines["label"] == "upper") & (lines["period"] == "June")]
    assert [mine["slope"].item(), mine["intercept"].item()] == pytest.approx(list(fit))
    rain = load_result(home / "results", "samples/meteoric").data
    assert rain.loc[rain["used"], "slope"].item() == pytest.approx(8.0, abs=0.1)
    assert {"OLS", "RMA", "MA", "Huber", "Theil-Sen", "York"} == set(rain["method"])


def test_figures_without_periods_are_not_empty(home: Path) -> None:
    study = study_of(home, 'period = ""\n' + MIXING.replace('["month"]', "[]"))
    run(study, STEPS)
    folder = study.results / "samples"
    names = [path.stem for path in folder.glob("*.json") if path.stem != "step"]
    chapter = make_section(
        {name: load_result(study.results, f"samples/{name}") for name in names}, None
    )
    figures = [block for block in chapter.blocks if isinstance(block, FigureBlock)]
    assert {block.name for block in figures} == {
        "dual-isotope",
        "boxes",
        "means",
        "lines",
        "lines-plot",
        "mixing-diagram",
        "stacked",
        "fractions",
        "densities",
        "matrix",
        "concept",
    }
    for block in figures:
        for axes in block.draw().axes:
            assert axes.collections or axes.patches or axes.lines or axes.texts
            assert "nan" not in axes.get_legend_handles_labels()[1]
    assert any(text.startswith("All samples: precipitation") for text in chapter.headline)


def test_samples_of_one_isotope_have_means_and_no_lines(home: Path) -> None:
    campaign().drop(columns="d2H").to_csv(home / "lab.csv", index=False)
    study = study_of(home)
    run(study, STEPS)
    assert not (study.results / "samples" / "lines.csv").exists()
    page = write_report(study.results, study, SECTIONS).read_text()
    assert "No water lines" in page


def test_several_waters_are_told_apart(home: Path) -> None:
    options = SamplesOptions(path=str(home / "lab.csv"), of=("soil", "precipitation"))
    table = read_table(options).data
    both = table[table["water"].isin(options.of)]
    assert groupings(both, options, ("plot",)) == [
        ("all", ("water", "month")),
        ("plot", ("water", "plot", "month")),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('of = ["snow"]', "of names a water that the table does not have"),
        ('groups = ["plott"]', "Did you mean 'plot'?"),
        ('groups = ["layer"]', "Give depth = [0, 0.2, …]"),
        ('[samples.mixing]\nsources = ["soil", "lake"]', "mixing.sources names a water"),
        ('columns = { d18O = "O18" }', "the file has no such column"),
    ],
)
def test_what_the_table_does_not_have_is_told_by_the_check(
    home: Path, more: str, words: str
) -> None:
    problems = survey(study_of(home, more), STEPS).problems
    assert len(problems) == 1
    assert isinstance(problems[0], InputError)
    assert words in str(problems[0])


def test_a_study_needs_inputs_or_samples() -> None:
    with pytest.raises(ProblemsError, match="there is nothing to study"):
        parse_study('[study]\nname = "x"')
    with pytest.raises(ProblemsError) as caught:
        parse_study(HEAD + "[variation]\n[detector]")
    assert [problem.wrong for problem in caught.value.problems] == [
        "[variation] works on grids",
        "[detector] works on grids",
    ]
    with pytest.raises(ProblemsError, match=r"\[samples\] lacks 'path'"):
        parse_study('[study]\nname = "x"\n[samples]\nperiod = "year"')


def test_sources_are_brought_to_the_altitude_of_their_mixtures(home: Path) -> None:
    mixing = {"sources": ("precipitation", "ground_ice"), "lapse": True}
    options = SamplesOptions(path=str(home / "lab.csv"), mixing=mixing)
    table = read_table(options).data
    high = table[(table["water"] == "soil") & (table["elevation"] > 3900)]
    sources = paired_sources(table, high, options.mixing, ("plot",))
    height = high["elevation"].mean()
    rain = table[table["water"] == "precipitation"]
    for k, name in enumerate(("d18O", "d2H")):
        line = np.polyfit(rain["elevation"], rain[name], 1)
        assert sources.mean[0, k] == pytest.approx(np.polyval(line, height))
    # the error of a mean away from the middle is larger than that of the mean itself
    flat = paired_sources(
        table, high, options.mixing.model_copy(update={"lapse": False}), ("plot",)
    )
    assert sources.mean_covariance()[0, 0, 0] < flat.mean_covariance()[0, 0, 0]
    with pytest.raises(DataError, match="altitude gradient of precipitation is not known"):
        paired_sources(table.assign(elevation=3000.0), high, options.mixing, ("plot",))


def test_an_absent_source_has_no_share(home: Path) -> None:
    mixing = {
        "sources": ("precipitation", "ground_ice"),
        "paired": ("month",),
        "evaporation": False,
        "absent": {"August": ("ground_ice",)},
    }
    options = SamplesOptions(path=str(home / "lab.csv"), mixing=mixing)
    # one source alone is no mixture: the month has no answer, the other one has
    found = mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))
    assert set(found["mixing"].data["period"]) == {"June"}
    assert any("at least two sources" in text for text in found["mixing"].cautions)


def test_three_sources_of_which_one_is_absent(home: Path) -> None:
    table = campaign()
    snow = table[table["water"] == "ground_ice"].assign(
        water="snow_melt", d18O=lambda t: t["d18O"] - 2.0, d2H=lambda t: t["d2H"] - 2.0
    )
    pd.concat([table, snow]).to_csv(home / "lab.csv", index=False)
    mixing = {
        "sources": ("precipitation", "ground_ice", "snow_melt"),
        "paired": ("month",),
        "absent": {"August": ("snow_melt",)},
    }
    options = SamplesOptions(path=str(home / "lab.csv"), mixing=mixing)
    found = mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))
    data = found["mixing"].data.set_index(["period", "source"])
    assert data.loc[("August", "snow melt"), "fraction"] == 0.0
    assert data.loc[("August", "snow melt"), "status"] == "absent, as the study file says"
    assert data.loc[("June", "snow melt"), "fraction"] > 0.0
    draws = found["mixing-draws"].data
    assert (draws.loc[draws["period"] == "August", "snow melt"] == 0.0).all()


def test_a_prior_moves_the_shares(home: Path) -> None:
    def share(prior: dict[str, float]) -> float:
        mixing = {"sources": ("precipitation", "ground_ice"), "prior": prior}
        options = SamplesOptions(path=str(home / "lab.csv"), mixing=mixing)
        found = mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))
        data = found["mixing"].data
        return data.loc[data["source"] == "precipitation", "fraction"].iloc[0]

    assert share({"precipitation": 12.0, "ground_ice": 2.0}) > share({}) + 0.003


def test_a_source_that_both_groups_lack_has_no_difference() -> None:
    low = pd.DataFrame({"rain": [0.8, 0.9], "ice": [0.2, 0.1], "snow": [0.0, 0.0]})
    high = pd.DataFrame({"rain": [0.5, 0.6], "ice": [0.5, 0.4], "snow": [0.0, 0.0]})
    gaps = differences(
        {("altitude_band", "low", "June"): low, ("altitude_band", "high", "June"): high},
        ["rain", "ice", "snow"],
    )
    assert gaps["source"].tolist() == ["rain", "ice"]
    assert gaps["difference"].tolist() == pytest.approx([0.3, -0.3])


def solutes(rows: int = 50, seed: int = 2) -> pd.DataFrame:
    """River of three sources with two solutes, 50 % rain, 20 % ice, 30 % melt."""
    rng = np.random.default_rng(seed)
    ends = {
        "precipitation": (-11.0, -78.0, 50.0, 1.0),
        "ground_ice": (-15.0, -116.0, 400.0, 8.0),
        "snow_melt": (-18.0, -126.0, 120.0, 30.0),
    }
    names, error = ["d18O", "d2H", "EC", "Cl"], [0.1, 0.5, 3.0, 0.2]
    parts = []
    for kind, point in ends.items():
        scatter = rng.normal(size=(rows, 4)) * [1.0, 1.5, 0.1 * point[2], 0.1 * point[3]]
        scatter[:, 1] += 8.0 * scatter[:, 0]
        parts.append(pd.DataFrame(point + scatter, columns=names).assign(water=kind))
    shares = rng.dirichlet([15.0, 6.0, 9.0], rows)
    mixed = shares @ np.array(list(ends.values())) + rng.normal(size=(rows, 4)) * error
    parts.append(pd.DataFrame(mixed, columns=names).assign(water="river"))
    table = pd.concat(parts, ignore_index=True).assign(time="2020-06-10")
    return table.assign(**{f"{name}_sd": sd for name, sd in zip(names, error, strict=True)})


def river(home: Path, **mixing: object) -> dict:
    solutes().to_csv(home / "lab.csv", index=False)
    asked = {
        "sources": ("precipitation", "ground_ice", "snow_melt"),
        "mixtures": ("river",),
        "tracers": ("d18O", "d2H", "EC", "Cl"),
        **mixing,
    }
    options = SamplesOptions.model_validate({"path": str(home / "lab.csv"), "mixing": asked})
    return mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))


def test_four_tracers_are_asked_how_many_end_members_there_are(home: Path) -> None:
    found = river(home)
    assert found["emma"].ranks["residual structure"] == 2
    best = found["emma-screening"].data.iloc[0]
    assert best["end_members"] == "ground ice + precipitation + snow melt"
    assert best["inside"] > 0.9
    assert len(found["emma-archetypes"].data) == 3
    likely = found["mixing-likelihood"].data.set_index("source")["fraction"]
    for name, share in (("precipitation", 0.5), ("ground ice", 0.2), ("snow melt", 0.3)):
        assert likely[name] == pytest.approx(share, abs=0.06)
    assert found["mixing-end-members"].data["shift"].abs().max() < 2.0


def test_too_few_named_sources_are_told(home: Path) -> None:
    found = river(home, sources=("precipitation", "ground_ice"), tracers=("d18O", "EC", "Cl"))
    ranks = found["emma"].ranks
    least = min(rank for name, rank in ranks.items() if name != "residual structure")
    told = [text for text in found["emma-screening"].cautions if "a source is missing" in text]
    assert bool(told) == (least + 1 > 2)


def test_two_tracers_are_told_that_they_cannot_count_end_members(home: Path) -> None:
    found = river(home, tracers=("d18O", "d2H"))
    assert "Two tracers cannot show how many end members" in found["emma"].cautions[0]
    assert "emma-screening" not in found


@pytest.mark.parametrize("evaporation", [True, False])
@pytest.mark.parametrize(
    "limit",
    [{"caps": {"ground_ice": 0.1}}, {"available": {"ground_ice": 12.0}, "stored": 120.0}],
    ids=["cap", "volume"],
)
def test_a_source_gives_no_more_than_it_has(home: Path, evaporation: bool, limit: dict) -> None:
    found = river(home, tracers=("d18O", "d2H"), evaporation=evaporation, **limit)
    draws = found["mixing-draws"].data
    assert draws["ground ice"].max() <= 0.1 + 1e-9
    free = river(home, tracers=("d18O", "d2H"), evaporation=evaporation)
    assert free["mixing-draws"].data["ground ice"].max() > 0.15


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"caps": {"ice": 0.1}}, "caps names no source"),
        ({"prior": {"ground_ice": 0.0}}, "prior of ground_ice must be above 0"),
        ({"available": {"ground_ice": 3.0}}, "available and stored belong together"),
        ({"caps": {"precipitation": 0.3, "ground_ice": 0.3}}, "less than the whole"),
        ({"model": "hierarchical", "lapse": True}, "one set of sources for all altitudes"),
        ({"boundary": True, "caps": {"ground_ice": 0.5}}, "boundary needs groups that stand alone"),
        ({"concentration": {"ground_ice": [1, 1]}}, "concentration needs a value of every source"),
        ({"random": ["plot"]}, "effects belong to the hierarchical model"),
    ],
)
def test_options_that_contradict_each_other_are_told(home: Path, wrong: dict, words: str) -> None:
    asked = {"sources": ["precipitation", "ground_ice"], **wrong}
    with pytest.raises(ValueError, match=words):
        SamplesOptions.model_validate({"path": str(home / "lab.csv"), "mixing": asked})


@pytest.mark.parametrize(
    "choice",
    [
        {"residual": "process"},
        {"residual": "both", "residual_sd": {"d18O": 0.5}},
        {"boundary": True},
    ],
    ids=["process", "both", "boundary"],
)
def test_the_study_chooses_the_model_of_the_residual_and_of_the_corners(
    home: Path, choice: dict
) -> None:
    mixing = {"sources": ("precipitation", "ground_ice"), "mixtures": ("soil",), **choice}
    options = SamplesOptions.model_validate(
        {"path": str(home / "lab.csv"), "mixing": {**mixing, "evaporation": False}}
    )
    found = mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))[
        "mixing"
    ]
    said = " ".join([found.method, *found.choices])
    for words in {
        "process": ("of the sources alone",),
        "both": ("and one of its own", "d18O ± 0.5"),
    }.get(choice.get("residual", ""), ("may be absent",)):
        assert words in said
    assert found.data.groupby("period")["fraction"].sum().to_numpy() == pytest.approx(1.0)


@pytest.mark.slow
def test_a_hierarchical_model_tells_the_groups_together(home: Path) -> None:
    pytest.importorskip("numpyro", reason="needs the extra bayes")
    more = """
groups = ["plot"]
[samples.mixing]
sources = ["precipitation", "ground_ice"]
paired = ["month"]
model = "hierarchical"
evaporation = false
tracers = ["d18O"]
"""
    run(study_of(home, more), STEPS)
    results = home / "results"
    table = load_result(results, "samples/mixing").data
    assert set(table["grouping"]) == {"all", "plot"}
    assert table.groupby(["grouping", "label", "period"])["fraction"].sum().to_numpy() == (
        pytest.approx(1.0)
    )
    check = load_result(results, "samples/mixing-diagnostics").data
    assert (check["r_hat"] <= 1.01).all()
    assert {"mean", "sd"} <= set(load_result(results, "samples/mixing-checks").data["statistic"])
    page = write_report(results, read_study(home / "study.toml"), SECTIONS).read_text()
    for words in ("Convergence: rank R-hat", "Posterior predictive check", "leave-one-out"):
        assert words in page


def test_percent_is_written_alike_everywhere(computed) -> None:
    page = computed[2]
    text = page[page.index("Where the water came from") :]
    told = [word for word in text.split("<script")[0].split() if word.rstrip(".,;)").endswith("%")]
    assert not [word for word in told if word[0].isdigit() and "=" not in word and ":" not in word]
