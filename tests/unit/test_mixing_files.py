"""Sources from files of their own, by any column, combined afterwards; and numbered replicates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headwater.chapters.samples.mixing import mixing_results
from headwater.chapters.samples.options import SamplesOptions
from headwater.chapters.samples.table import read_table
from headwater.errors import InputError
from headwater.isotopes import read_samples
from headwater.isotopes.mixing.source_tables import read_sources
from headwater.study.read import parse_samples

SHARE = {"a": (0.6, 0.3, 0.1), "b": (0.2, 0.3, 0.5)}
MEAN = np.array([[-8.0, -50.0], [-14.0, -100.0], [-18.0, -150.0]])
NAMES = ["rain", "ice", "snow"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three files as MixSIAR has them, with tracers of any name, and the same sources raw."""
    rng = np.random.default_rng(4)
    mixed = [
        pd.DataFrame(
            np.array(p) @ MEAN + rng.normal(0.0, [0.4, 3.0], (12, 2)), columns=["x1", "x2"]
        ).assign(Region=name)
        for name, p in SHARE.items()
    ]
    pd.concat(mixed).to_csv(tmp_path / "mix.csv", index=False)
    raw = [
        pd.DataFrame(MEAN[k] + rng.normal(0.0, [0.8, 6.0], (15, 2)), columns=["x1", "x2"]).assign(
            source=name
        )
        for k, name in enumerate(NAMES)
    ]
    whole = pd.concat(raw)[["source", "x1", "x2"]]
    whole.to_csv(tmp_path / "raw.csv", index=False)
    grouped = whole.groupby("source", sort=False)
    means = pd.DataFrame({"n": grouped.size()})
    for name in ("x1", "x2"):
        means[f"Mean{name}"], means[f"SD{name}"] = grouped[name].mean(), grouped[name].std()
    means.rename_axis("").to_csv(tmp_path / "means.csv")
    means.drop(columns="n").to_csv(tmp_path / "simmr.csv")
    (tmp_path / "none.csv").write_text(",Meanx1,SDx1,Meanx2,SDx2\nrain,0,0,0,0\nice,0,0,0,0\n")
    (tmp_path / "some.csv").write_text(
        ",Meanx1,SDx1,Meanx2,SDx2\nrain,1,0.5,2,0\nice,1,0.5,2,0\nsnow,1,0.5,2,0\n"
    )
    return tmp_path


def mixing(home: Path, **asked: object) -> dict:
    table = {"tracers": ["x1", "x2"], "by": ["Region"], **asked}
    for key in ("source_file", "discrimination_file"):
        if key in table:
            table[key] = str(home / str(table[key]))
    options = parse_samples(str(home / "mix.csv"), {"period": "", "mixing": table})
    return mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))


def fractions(found: dict) -> pd.DataFrame:
    table = found["mixing"].data
    return table[table["grouping"] == "Region"].pivot_table(
        index="label", columns="source", values="fraction"
    )[NAMES]


def test_three_files_give_the_fractions_without_a_join(home: Path) -> None:
    found = mixing(home, source_file="means.csv", discrimination_file="none.csv")
    table = fractions(found)
    truth = np.array([SHARE[label.split()[-1]] for label in table.index])
    assert np.abs(table.to_numpy() - truth).max() < 0.12
    assert (
        "3 sources of means.csv, given as means and standard deviations" in found["mixing"].choices
    )
    raw = fractions(mixing(home, source_file="raw.csv"))
    assert raw.to_numpy() == pytest.approx(table.to_numpy(), abs=0.03)


@pytest.mark.parametrize("residual", ["process", "residual", "both", "simmr", "mixsiar"])
def test_every_residual_is_for_the_asking(home: Path, residual: str) -> None:
    table = fractions(mixing(home, source_file="means.csv", residual=residual))
    assert table.sum(axis=1).to_numpy() == pytest.approx(1.0)


def test_without_n_means_are_taken_as_exact_and_said_so(home: Path) -> None:
    found = mixing(home, source_file="simmr.csv")
    assert any("means are taken as exact" in text for text in found["mixing"].choices)
    wide = mixing(home, source_file="means.csv")["mixing"].data
    assert found["mixing"].data["sd"].mean() < wide["sd"].mean()


def test_simmr_is_taken_whole(home: Path) -> None:
    said = " ".join(mixing(home, source_file="means.csv", residual="simmr")["mixing"].choices)
    assert "softmax of normals" in said
    assert "taken as exact" in said


def test_discrimination_moves_the_sources_and_is_warned_of(home: Path) -> None:
    shifted = read_sources(
        home / "means.csv", tracers=["x1", "x2"], discrimination=home / "some.csv"
    ).compose()
    plain = read_sources(home / "means.csv", tracers=["x1", "x2"]).compose()
    assert shifted.mean - plain.mean == pytest.approx(np.tile([1.0, 2.0], (3, 1)))
    assert (shifted.covariance - plain.covariance)[:, 0, 0] == pytest.approx(0.25)
    found = mixing(home, source_file="means.csv", discrimination_file="some.csv")
    assert any("does not discriminate" in text for text in found["mixing"].cautions)


def test_sources_are_combined_draw_by_draw(home: Path) -> None:
    found = mixing(home, source_file="means.csv", combine={"frozen": ["ice", "snow"]})
    both = found["mixing-combined"].data.set_index(["grouping", "label"])["fraction"]
    rain = found["mixing"].data.query("source == 'rain'").set_index(["grouping", "label"])
    assert both.to_numpy() == pytest.approx(1.0 - rain["fraction"].to_numpy(), abs=0.02)


def test_groups_of_few_samples_are_scattered_by_the_sources(home: Path) -> None:
    found = mixing(home, source_file="means.csv", residual="mixsiar", process_below=13)
    said = " ".join(found["mixing"].choices)
    assert "2 groups of fewer than 13 samples: scattered by the sources alone" in said
    alone = fractions(mixing(home, source_file="means.csv", residual="process"))
    # 12 samples that scatter less than their sources leave few draws: b may go unanswered
    assert fractions(found).loc["a"].to_numpy() == pytest.approx(
        alone.loc["a"].to_numpy(), abs=0.02
    )


def test_sources_of_any_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"water": "soil", "horizon": name, "d18O": o, "d2H": 8 * o + rng.normal(0, 1)}
        for name, centre in (("top", -6.0), ("deep", -12.0))
        for o in rng.normal(centre, 0.4, 15)
    ]
    o = 0.25 * -6.0 + 0.75 * -12.0 + rng.normal(0, 0.3, 15)
    rows += [{"water": "plant", "d18O": v, "d2H": 8 * v} for v in o]
    pd.DataFrame(rows).to_csv(tmp_path / "plants.csv", index=False)
    asked = {"sources": ["top", "deep"], "source_column": "horizon", "mixtures": ["plant"]}
    options = SamplesOptions.model_validate(
        {
            "path": str(tmp_path / "plants.csv"),
            "period": "",
            "mixing": {**asked, "evaporation": False, "tracers": ["d18O"]},
        }
    )
    found = mixing_results(read_table(options).data, options, rng=np.random.default_rng(1))
    share = found["mixing"].data.set_index("source")["fraction"]
    assert share["top"] == pytest.approx(0.25, abs=0.08)


def test_faults_of_files_are_named(home: Path) -> None:
    with pytest.raises(InputError, match=r"raw\.csv lacks a column"):
        read_sources(home / "raw.csv", tracers=["x1", "x3"])
    with pytest.raises(InputError, match="no such file of sources"):
        read_sources(home / "gone.csv", tracers=["x1"])
    with pytest.raises(InputError, match="has no such source"):
        mixing(home, source_file="raw.csv", sources=["rain", "hail"])
    said = mixing(home, source_file="raw.csv", paired=["Region"])["mixing"].cautions
    assert any("no column Region to pair by" in text for text in said)


def test_numbered_replicates_are_averaged_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text(
        "sample_id,replicate,water,d18O,d2H\na,1,soil,-10,-70\na,2,soil,-11,-78\nb,1,soil,-12,-86\n"
        "c,,soil,-9,-62\nc,,soil,-9.5,-66\n"
    )
    samples = read_samples(path)
    assert samples.data["d18O"].tolist() == [-10.5, -12.0, -9.0, -9.5]
    assert samples.data["d18O_sd"].iloc[0] == pytest.approx(np.sqrt(0.5))
    assert any("5 rows became 4 samples" in text for text in samples.choices)
    assert len(read_samples(path, replicates="keep").data) == 5
    assert len(read_samples(path, replicates="mean").data) == 3


def regions(home: Path, **asked: object) -> dict:
    """Mix with sources that have means of their own in each region, 1 and 2."""
    rng = np.random.default_rng(6)
    far = {"1": MEAN, "2": MEAN + np.array([0.0, 40.0])}
    rows = [
        {"source": name, "Region": int(r), "n": 20}
        | {f"Mean{t}": m[k, j] for j, t in enumerate(("x1", "x2"))}
        | {"SDx1": 0.5, "SDx2": 4.0}
        for r, m in far.items()
        for k, name in enumerate(NAMES)
    ]
    pd.DataFrame(rows).to_csv(home / "regions.csv", index=False)
    mixed = [
        pd.DataFrame(
            np.array(SHARE["a"]) @ far[r] + rng.normal(0.0, [0.3, 2.0], (8, 2)),
            columns=["x1", "x2"],
        ).assign(Region=r, Pack=pack)
        for r, pack in (("1", "p"), ("1", "q"), ("2", "s"))
    ]
    pd.concat(mixed).to_csv(home / "mix.csv", index=False)
    return mixing(home, source_file="regions.csv", **asked)


def test_sources_with_means_by_region_meet_the_mixtures_of_their_region(home: Path) -> None:
    found = regions(home, by=["Region", "Pack"])["mixing"]
    table = found.data.pivot_table(index="label", columns="source", values="fraction")[NAMES]
    assert list(table.index) == ["1", "2", "p", "q", "s"]
    assert np.abs(table.to_numpy() - SHARE["a"]).max() < 0.15
    assert any("sources differ by Region" in text for text in found.choices)
    assert any("spans several of its values" in text for text in found.cautions)


def test_columns_of_simmr_are_taken_by_their_place(home: Path) -> None:
    table = pd.read_csv(home / "simmr.csv", index_col=0)
    table.columns = ["Meanx1", "SD one", "Meanx2", "SD two"]
    table.to_csv(home / "placed.csv")
    found = read_sources(home / "placed.csv", tracers=["x1", "x2"])
    assert found.compose().mean == pytest.approx(table[["Meanx1", "Meanx2"]].to_numpy())
    assert "SD two of x2" in " ".join(found.notes)


def test_a_workbook_holds_sources_and_discrimination(home: Path) -> None:
    with pd.ExcelWriter(home / "all.xlsx") as book:
        for sheet, name in (("Sources", "means.csv"), ("TEFs", "some.csv")):
            pd.read_csv(home / name).to_excel(book, sheet_name=sheet, index=False)
    sheets = {"sheet": "Sources", "discrimination_sheet": "TEFs"}
    one = read_sources(
        home / "all.xlsx", tracers=["x1", "x2"], discrimination=home / "all.xlsx", **sheets
    )
    two = read_sources(home / "means.csv", tracers=["x1", "x2"], discrimination=home / "some.csv")
    assert one.compose().mean == pytest.approx(two.compose().mean)


def test_a_source_without_discrimination_is_named(home: Path) -> None:
    (home / "two.csv").write_text(",Meanx1,SDx1,Meanx2,SDx2\nrain,1,0,2,0\nice,1,0,2,0\n")
    with pytest.raises(InputError, match="discrimination lacks a source"):
        read_sources(home / "means.csv", tracers=["x1", "x2"], discrimination=home / "two.csv")


def test_a_column_called_time_may_count_visits(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("Time,x1\n1,-11.4\n2,-11.9\n")
    read = read_samples(tmp_path / "visits.csv", tracers=["x1"])
    assert read.data["Time"].tolist() == ["1", "2"]
    assert any("no dates" in text for text in read.cautions)
