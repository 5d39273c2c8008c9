"""Samples as data bases and programs write them."""

from pathlib import Path

import pytest

from headwater.errors import InputError, TimeAxisError, UnitError
from headwater.isotopes import check_quality, read_mixsiar, read_samples
from headwater.tables import ReadingOptions

DATA = Path(__file__).parents[1] / "data" / "tables"
FORMATS = DATA / "formats"


def test_gnip() -> None:
    samples = read_samples(FORMATS / "gnip.csv")
    table = samples.data
    assert table["water"].tolist() == ["precipitation"] * 2
    assert table[["d18O", "d2H", "amount", "elevation"]].values.tolist() == [
        [-12.1, -88.4, 63.5, 3649.0],
        [-17.6, -129.9, 121.4, 3649.0],
    ]
    assert table["time"].dt.month.tolist() == [6, 7]
    assert any("not 'Begin Of Period'" in text for text in samples.cautions)


def test_widb() -> None:
    table = read_samples(FORMATS / "widb.csv").data
    assert table["water"].tolist() == ["soil", "river"]
    assert table["depth_top"].iloc[0] == 0.3
    assert table[["d18O_sd", "d2H_sd"]].iloc[0].tolist() == [0.07, 0.6]
    assert str(table["time"].iloc[0]) == "2016-05-16 10:30:00"


def test_three_files_of_mixsiar() -> None:
    files = [FORMATS / name for name in ("mix.csv", "sources.csv", "discrimination.csv")]
    read = read_mixsiar(files[0], files[1], tracers=["d18O", "d2H"], discrimination=files[2])
    assert read.mixtures["d18O"].tolist() == [-12.1, -11.4]
    assert read.sources["d2H_mean"].tolist() == [-56.5, -101.0]
    assert read.sources["n"].tolist() == [40, 22]
    assert read.sources["source"].tolist() == ["rain", "ice"]


def test_ambiguous_dates_of_samples_are_asked() -> None:
    path = DATA / "isotopes" / "ambiguous_dates.csv"
    with pytest.raises(TimeAxisError, match="dates = 'dmy'"):
        read_samples(path)
    table = read_samples(path, reading=ReadingOptions(dates="dmy")).data
    assert table["time"].dt.month.tolist() == [6, 6, 6]


def test_waters_in_chinese_and_the_word_for_two_of_them() -> None:
    samples = read_samples(DATA / "isotopes" / "zh_headers.csv")
    assert samples.data["water"].value_counts().to_dict() == {
        "soil": 40,
        "precipitation": 40,
        "snow_melt": 40,
    }
    assert "'冰雪融水' was taken for snow_melt" in samples.cautions[0]
    sure = read_samples(DATA / "isotopes" / "zh_headers.csv", waters={"冰雪融水": "glacier_melt"})
    assert sure.cautions == ()
    assert set(sure.data["water"]) == {"soil", "precipitation", "glacier_melt"}


def test_report_is_kept_with_the_samples() -> None:
    samples = read_samples(DATA / "isotopes" / "us_cm.csv", reading=ReadingOptions(dates="mdy"))
    assert "'depth_top (cm)' is depth_top (known spelling), cm converted to m" in samples.choices
    assert samples.data["depth_bottom"].max() == 0.8


def test_coordinates_of_a_map_are_no_degrees(tmp_path: Path) -> None:
    path = tmp_path / "utm.csv"
    path.write_text("x,y,d18O\n500000,4200000,-12\n500010,4200010,-11\n")
    samples = read_samples(path)
    assert samples.data["longitude"].isna().all()
    assert samples.data["x"].tolist() == [500000.0, 500010.0]
    assert "'x' holds no degrees" in samples.cautions[0]


def test_zeros_for_missing_isotopes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "zeros.csv"
    path.write_text("id,d18O,d2H\na,0,0\nb,0,0\nc,-12,-88\nd,-11,-80\n")
    assert "rows 2, 3: 0 for both isotopes" in read_samples(path).cautions[0]


def test_a_file_without_isotopes_names_its_columns() -> None:
    with pytest.raises(InputError, match="no header with δ18O or δ2H"):
        read_samples(DATA / "detector" / "ids.csv")


@pytest.mark.parametrize("scale", ["‰ VPDB", "ppm", "×10"])
def test_other_scales_than_vsmow_are_refused(tmp_path: Path, scale: str) -> None:
    path = tmp_path / "scale.csv"
    path.write_text(f"id,d18O ({scale}),d2H (‰ vs. VSMOW)\na,-12,-88\n")
    with pytest.raises(UnitError, match="not in ‰ of VSMOW"):
        read_samples(path)
    path.write_text("id,d18O (‰ VSMOW-SLAP),d2H (‰ vs. VSMOW)\na,-12,-88\n")
    assert read_samples(path).data["d18O"].tolist() == [-12.0]


def test_means_between_samples_are_no_samples_and_directions_no_means(tmp_path: Path) -> None:
    path = tmp_path / "means.csv"
    rows = ["A,-12,-88", "B,-11,-80", "Mean (n = 2),-11.5,-84", "SD,0.7,5", "C,-9,-64", "D,-8,-56"]
    path.write_text("\n".join(("id,d18O,d2H", *rows, "n,4,4", "average,-10,-72")))
    samples = read_samples(path)
    assert samples.data["sample_id"].tolist() == ["A", "B", "C", "D"]
    assert any("rows 4, 5, 8, 9: a summary" in text for text in samples.choices)
    path.write_text("aspect,d18O,d2H\nN,-12,-88\nS,-11,-80\nSE,-10,-72\n")
    assert len(read_samples(path).data) == 3


def test_turned_places_standards_and_lengths_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text(
        "sample,lat,lon,elevation,amount,d18O,d2H,d-excess\n"
        "A,100.5,37.5,3.5,0.025,-12,-88,8\nUSGS46,100.6,37.6,3.6,0.01,-11,-80,30\n"
    )
    samples = read_samples(path)
    assert samples.data[["longitude", "latitude"]].values.tolist() == [[100.5, 37.5], [100.6, 37.6]]
    for part in ("'lat' holds longitudes", "'USGS46' (row 3) looks", "kilometres", "are metres"):
        assert sum(part in text for text in samples.cautions) == 1
    found = check_quality(samples.data).data
    assert found.loc[found["rule"] == "d_excess", "value"].tolist() == [30.0]


def test_isotopes_that_no_water_has_are_told(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("id,d18O,d2H\na,-8.1,-55\nb,-99,-99\nc,-8.3,-550\nd,-8.4,-57\n")
    samples = read_samples(path)
    assert samples.data["d18O"].isna().tolist() == [False, True, False, False]
    assert any("row 3: -99 of δ2H was kept, though" in text for text in samples.cautions)
    assert any("row 4: no natural water has such" in text for text in samples.cautions)
    path.write_text("id,d18O,d2H\na,-55,-8.1\nb,-61,-9\n")
    assert any("under each other's names" in text for text in read_samples(path).cautions)
    path.write_text("id,d18O,d2H\nleaf,35,40\nsnow,-60,-470\nlake,12,30\n")
    assert read_samples(path).cautions == ()


def test_injections_of_an_analyser_are_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "picarro.csv"
    rows = "\n".join(f"{k},{-8.1 + 0.01 * k},{-55 + 0.1 * k},S1" for k in range(1, 4))
    path.write_text(f"Inj Nr,d(18_16)Mean,d(D_H)Mean,Identifier 1\n{rows}\n")
    samples = read_samples(path)
    assert samples.data[["d18O", "d2H"]].round(2).values.tolist() == [[-8.08, -54.8]]
    assert "replicates averaged: 3 rows became 1 samples" in samples.choices
