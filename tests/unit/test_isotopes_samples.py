import numpy as np
import pandas as pd
import pytest

from headwater.errors import DataError, InputError, UnitError
from headwater.isotopes import check_quality, fit_line, read_mixsiar, read_samples, summarise
from headwater.isotopes.read import average_replicates
from headwater.isotopes.samples import COLUMNS, add_groups, check_samples
from headwater.isotopes.summary import compare_groups


def written(tmp_path, text: str, name: str = "samples.csv", encoding: str = "utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def test_contract_comes_first_and_extras_stay(tmp_path) -> None:
    path = written(tmp_path, "Station,Type,d18O,d2H\nA,Rain,-12,-88\n")
    table = read_samples(path).data
    assert list(table.columns) == [*COLUMNS, "Station"]
    assert table.attrs["units"]["d2H"] == "‰"
    assert table.index.tolist() == [2]


@pytest.mark.parametrize(
    "text",
    [
        "id;Type;δ18O [‰];δD [‰]\nA;soil water;-12,30;-88,1\n",
        "id\tType\tdelta 18O\tdeuterium\nA\tSoil\t-12.30\t-88.1\n",
        '"id","Type","d18O (permil)","d2H (permil)"\n"A","soil","−12.3","-88.10"\n',
        "My laboratory\nreport of June\nid,type,O18,H2\nA,soil,-12.3,-88.1\n",
        "id,type,d18O,d2H\nA,soil,-0.0123,-0.0881\n",
    ],
)
def test_shapes_of_files_say_the_same(tmp_path, text) -> None:
    row = read_samples(written(tmp_path, text)).data.iloc[0]
    assert (row["sample_id"] if row["sample_id"] == row["sample_id"] else "A", row["water"]) == (
        "A",
        "soil",
    )
    assert row["d18O"] == pytest.approx(-12.3)
    assert row["d2H"] == pytest.approx(-88.1)


def test_latin_1_and_dates(tmp_path) -> None:
    text = "Probe,type,time,d18O,d2H\nHöhe,soil,30.06.2020,-12,-88\nB,soil,2020-07-01,-12,-88\n"
    table = read_samples(written(tmp_path, text, encoding="latin-1")).data
    assert table["time"].dt.month.tolist() == [6, 7]


def test_fractions_are_said_to_be_so(tmp_path) -> None:
    samples = read_samples(written(tmp_path, "type,d18O,d2H\nsoil,-0.0123,-0.0881\n"))
    assert any("multiplied by 1000" in choice for choice in samples.choices)


def test_gnip_export(tmp_path) -> None:
    text = (
        "Name Of Site,Country,WMO Code,Latitude,Longitude,Altitude,Sample Name,Media Type,Date,"
        "O18,O18 Laboratory Code,H2,Precipitation\n"
        "LHASA,China,5559100,29.7,91.13,3649,PR1,Water - Precipitation - rain only,2020-06-15,"
        "-12.1,12,-88.4,63.5\n"
    )
    row = read_samples(written(tmp_path, text)).data.iloc[0]
    assert (row["water"], row["elevation"], row["amount"]) == ("precipitation", 3649.0, 63.5)
    assert row["sample_id"] == "PR1"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("id,type,d18O,d2H\nA,soil,-12,-88\nB,soil,abc,-90\n", DataError, "row 3"),
        ("id,type,d18O,d2H\nA,soil,-12,-88\nB,soil,-0.012,-0.09\n", UnitError, "rows 3"),
        ("id,type,d18O,d2H\nA,soli,-12,-88\n", InputError, "Did you mean 'soil'"),
        ("id,type,oxygen\nA,soil,-12\n", InputError, "no header"),
        ("id,type,d18O,date\nA,soil,-12,yesterday\n", DataError, "row 2"),
        ("id,type,d18O,d2H\n", DataError, "empty"),
    ],
)
def test_bad_files_get_a_sentence(tmp_path, text, error, words) -> None:
    with pytest.raises(error, match=words):
        read_samples(written(tmp_path, text))


def test_missing_file_and_wrong_mapping(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_samples(tmp_path / "none.csv")
    path = written(tmp_path, "a,d18O\n1,-12\n")
    with pytest.raises(InputError, match="no such column in a sample table"):
        read_samples(path, columns={"delta": "a"})
    with pytest.raises(InputError, match="the file has no such column"):
        read_samples(path, columns={"d2H": "b"})


def test_replicates(tmp_path) -> None:
    text = (
        "sample id,type,d18O,d2H,d18O_sd\nA,soil,-12,-88,0.1\nA,soil,-12.4,-90,0.1\n"
        "B,soil,-9,-70,0.2\n"
    )
    table = read_samples(written(tmp_path, text), replicates="mean").data
    assert table["replicates"].tolist() == [2, 1]
    assert table["d18O"].tolist() == pytest.approx([-12.2, -9.0])
    assert table["d18O_sd"].tolist() == pytest.approx([np.std([-12, -12.4], ddof=1), 0.2])
    mixed = check_samples(
        pd.DataFrame({"sample_id": ["A", "A"], "water": ["soil", "river"], "d18O": [-1.0, -2]})
    )
    with pytest.raises(DataError, match="different waters"):
        average_replicates(mixed)


def test_mixsiar_files(tmp_path) -> None:
    mixtures = written(tmp_path, "group,d18O,d2H\ng,-12,-90\n", "mix.csv")
    raw = written(
        tmp_path,
        "source,d18O,d2H\nrain,-10,-70\nrain,-12,-86\nice,-14,-104\nice,-15,-112\n",
        "raw.csv",
    )
    none = written(tmp_path, "source,Meand18O\nrain,0\nice,0\n", "zero.csv")
    found = read_mixsiar(mixtures, raw, tracers=["d18O", "d2H"], discrimination=none)
    assert found.sources.set_index("source").loc["rain", ["d18O_mean", "n"]].tolist() == [-11.0, 2]
    lone = written(tmp_path, "source,d18O,d2H\nrain,-10,-70\nice,-14,-104\n", "lone.csv")
    with pytest.raises(DataError, match="one sample has no spread"):
        read_mixsiar(mixtures, lone, tracers=["d18O", "d2H"])
    some = written(tmp_path, "source,Meand18O\nrain,0.4\n", "some.csv")
    with pytest.raises(InputError, match="does not discriminate"):
        read_mixsiar(mixtures, raw, tracers=["d18O"], discrimination=some)
    with pytest.raises(InputError, match="lacks a column"):
        read_mixsiar(mixtures, raw, tracers=["d17O"])


@pytest.fixture
def clean() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    o = rng.normal(-12, 2, 40)
    return check_samples(
        pd.DataFrame(
            {
                "sample_id": [f"s{i}" for i in range(40)],
                "water": "soil",
                "d18O": o,
                "d2H": 8 * o + 8 + rng.normal(0, 3, 40),
                "d18O_sd": 0.1,
                "d2H_sd": 0.6,
                "time": "2020-06-15",
                "depth_top": 0.0,
                "depth_bottom": 0.2,
            }
        )
    )


def test_clean_samples_raise_no_doubt(clean) -> None:
    assert check_quality(clean, latest="2021-01-01").data.empty


@pytest.mark.parametrize(
    ("column", "change", "rule"),
    [
        ("d18O", lambda v: -v, "sign"),
        ("d2H", lambda v: -v, "sign"),
        ("d18O", lambda v: -60.0, "range"),
        ("d2H", lambda v: v + 120.0, "d_excess"),
        ("d18O_sd", lambda v: 2.0, "precision"),
        ("sample_id", lambda v: "s0", "duplicate"),
        ("depth_top", lambda v: 0.5, "depth"),
        ("depth_bottom", lambda v: 20.0, "depth"),
        ("depth_top", lambda v: -0.1, "depth"),
        ("time", lambda v: pd.Timestamp("1920-06-15"), "date"),
        ("time", lambda v: pd.Timestamp("2029-06-15"), "date"),
        ("d18O", lambda v: v + 4.0, "outlier"),
    ],
)
def test_one_planted_error_is_found_where_it_is(clean, column, change, rule) -> None:
    clean.loc[7, column] = change(clean.loc[7, column])
    report = check_quality(clean, latest="2021-01-01").data
    assert report[["row", "rule"]].values.tolist() == [[7, rule]]


def test_exchanged_columns_and_printed_d_excess(clean) -> None:
    o, h = clean.loc[3, ["d18O", "d2H"]]
    clean.loc[3, ["d18O", "d2H"]] = [h, o]
    clean["d_excess"] = clean["d2H"] - 8 * clean["d18O"]
    clean.loc[5, "d_excess"] += 3.0
    report = check_quality(clean).data
    assert report[["row", "rule"]].values.tolist() == [[3, "swap"], [5, "d_excess"]]


def test_summary_of_table_1(clean) -> None:
    clean["vegetation"] = ["meadow", "forest"] * 20
    line = fit_line(clean["d18O"], clean["d2H"])
    table = summarise(clean, ["vegetation"], lmwl=line).data
    part = clean[clean["vegetation"] == "forest"]
    d = part["d2H"] - 8 * part["d18O"]
    first = table.iloc[0]
    assert (first["group"], first["n"]) == ("forest", 20)
    assert first["d_excess_mean"] == pytest.approx(d.mean())
    assert first["d_excess_sd"] == pytest.approx(d.std())
    assert first["d_excess_sd"] ** 2 == pytest.approx(
        first["d2H_sd"] ** 2 + 64 * first["d18O_sd"] ** 2 - 16 * first["covariance"]
    )
    assert first["d_excess_error"] == pytest.approx(np.hypot(0.6, 0.8))
    # residuals of the line average to nothing over all samples
    assert table["lc_excess_mean"].mean() == pytest.approx(0.0, abs=1e-9)
    assert table.attrs["units"]["d18O_mean"] == "‰"


def test_summary_of_one_sample_is_said(clean) -> None:
    clean["vegetation"] = ["meadow"] * 39 + ["forest"]
    result = summarise(clean, ["vegetation"])
    assert "forest" in result.cautions[0]
    assert np.isnan(result.data.loc[0, "d18O_sd"])


def test_summary_of_samples_entered_twice_is_said(clean) -> None:
    assert not summarise(clean).cautions
    doubled = pd.concat([clean, clean.iloc[:7]], ignore_index=True)
    doubled.loc[2, "d2H"] = np.nan
    first, second = summarise(doubled).cautions
    assert first.startswith("7 of 47 samples repeat one above")
    assert second == "1 of the samples counted in n have no δ2H: its means rest on fewer"


def test_differences_between_groups_equal_scipy(clean) -> None:
    from scipy import stats

    clean["month"] = np.repeat(["June", "August"], 20)
    clean.loc[20:, "d18O"] += 1.0
    table = compare_groups(clean, "month").data
    one, two = clean.loc[20:, "d18O"], clean.loc[:19, "d18O"]
    known = stats.ttest_ind(one, two, equal_var=False)
    assert table.loc[1, "p_mean"] == pytest.approx(known.pvalue)
    interval = known.confidence_interval()
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    # of two groups Welch's analysis of variance is his t-test
    assert table.loc[0, "p_mean"] == pytest.approx(known.pvalue)
    assert table.loc[0, "p_rank"] == pytest.approx(stats.kruskal(one, two).pvalue)
    with pytest.raises(DataError, match="no two groups"):
        compare_groups(clean, "water")
    with pytest.raises(InputError, match="no such column to group by"):
        compare_groups(clean, "moth")


def test_groups_of_a_field_study() -> None:
    table = check_samples(
        pd.DataFrame(
            {
                "d18O": [-12.0, -11, -10],
                "time": ["2020-12-31", "2020-06-01", None],
                "aspect": ["north", 180.0, None],
                "elevation": [3500.0, 3499.9, 9000],
                "depth_top": [0.0, 0.2, np.nan],
                "depth_bottom": [0.2, 0.4, np.nan],
            }
        )
    )
    found = add_groups(table, altitude=(3000, 3500, 4000), depth=(0, 0.2, 0.4))
    assert found["season"].astype(object).where(found["season"].notna(), None).tolist() == [
        "DJF",
        "JJA",
        None,
    ]
    assert found["aspect_sector"].iloc[:2].tolist() == ["N", "S"]
    assert found["altitude_band"].iloc[:2].tolist() == ["3500–4000 m", "3000–3500 m"]
    assert found["layer"].iloc[:2].tolist() == ["0–20 cm", "20–40 cm"]
    assert pd.isna(found["altitude_band"].iloc[2])
