"""Real samples: published values per sample, and sanity that a hydrologist would ask for.

Provenance: isotopes-montepaldi (Benettin et al., Zenodo 10.5281/zenodo.12708488, CC BY 4.0);
isotopes-vallon-de-nant (Zenodo 10.5281/zenodo.3475429, CC BY); isotopes-alp-erlenbach-series
(von Freyberg et al. 2022, Sci. Data 9:46). All in tests/data/real.
"""

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from headwater.isotopes import (
    WaterLine,
    check_quality,
    fit_line,
    fit_lines,
    read_samples,
    summarise,
)
from headwater.isotopes.intersection import crossings, judge_lines, slope_envelope
from headwater.isotopes.samples import check_samples
from headwater.isotopes.summary import add_excess

DATA = Path(__file__).parents[1] / "data" / "real"


@pytest.fixture(scope="module")
def vineyard():
    path = DATA / "isotopes-montepaldi" / "Montepaldi_isotopes_20240301.csv"
    return read_samples(path, waters={"Soil30": "soil", "Soil60": "soil"}).data


def test_lc_excess_per_sample_is_the_authors(vineyard) -> None:
    ours = add_excess(vineyard, WaterLine(7.14, 5.82))["lc_excess"]
    theirs = pd.to_numeric(vineyard["lc_ex"])
    assert len(ours) == 231
    assert np.abs(ours - theirs).max() < 1e-12


def test_vineyard_soil_evaporates_on_a_physical_slope(vineyard) -> None:
    assert vineyard["water"].value_counts().to_dict() == {
        "plant": 136,
        "soil": 85,
        "precipitation": 9,
        "dew": 1,
    }
    lines = fit_lines(vineyard[vineyard["water"] == "soil"]).lines()
    assert 3.5 < lines[0].slope < 4.7
    envelope = slope_envelope(-6.0, -37.0, temperature=(10.0, 30.0))
    assert judge_lines(lines, envelope).data["verdict"].tolist() == ["evaporation line"]
    start = crossings(WaterLine(7.14, 5.82), lines).data.loc[0]
    assert start["status"] == "ok"
    assert start["d18O_low"] < start["d18O"] < start["d18O_high"]
    # the source lies below all but the lightest soil waters
    assert start["d18O"] < vineyard.loc[vineyard["water"] == "soil", "d18O"].median()


def test_quality_report_accuses_no_vineyard_sample_of_an_error(vineyard) -> None:
    report = check_quality(vineyard).data
    assert not (report["severity"] == "error").any()


def test_amount_weighted_means_of_two_catchments() -> None:
    path = DATA / "isotopes-alp-erlenbach-series" / "isotopeData.csv"
    samples = read_samples(path, columns={"water": "variable"})
    found = summarise(samples.data, ["catchment", "water"], weighted=True).data.set_index("group")
    raw = pd.read_csv(path).dropna(subset=["delta_18O"])
    for (catchment, kind), all_rows in raw.groupby(["catchment", "variable"]):
        name = f"{catchment}, {'river' if kind == 'streamflow' else kind}"
        rows = all_rows[all_rows["water_flux_mm"] > 0]
        mean = np.average(rows["delta_18O"], weights=rows["water_flux_mm"])
        assert found.loc[name, "d18O_mean"] == pytest.approx(mean, rel=1e-12)
        assert found.loc[name, "n"] == len(
            raw[(raw.catchment == catchment) & (raw.variable == kind)]
        )
        assert np.isnan(found.loc[name, "d_excess_mean"])
    # streams carry the winter half of the rain
    assert found.loc["Alp, river", "d18O_mean"] < found.loc["Alp, precipitation", "d18O_mean"]


def sheet_rows(path: Path) -> pd.DataFrame:
    """The cells of a workbook's first sheet, without a workbook library."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as book:
        words = [
            "".join(t.itertext())
            for t in ElementTree.fromstring(book.read("xl/sharedStrings.xml")).findall(
                "m:si", space
            )
        ]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.iterfind(".//m:row", space):
        cells = {}
        for cell in row.iterfind("m:c", space):
            value = cell.find("m:v", space)
            if value is not None:
                text = words[int(value.text)] if cell.get("t") == "s" else value.text
                cells[cell.get("r").rstrip("0123456789")] = text
        rows.append(cells)
    frame = pd.DataFrame(rows[1:])
    return frame.rename(columns=rows[0])


def test_vallon_de_nant_means_and_line(tmp_path) -> None:
    frame = sheet_rows(DATA / "isotopes-vallon-de-nant" / "Rain_SP_GW_VdN.xlsx")
    frame["Date"] = pd.to_datetime(pd.to_numeric(frame["Date"]), unit="D", origin="1899-12-30")
    frame.to_csv(tmp_path / "vdn.csv", index=False)
    samples = read_samples(tmp_path / "vdn.csv").data
    means = summarise(samples, ["water"]).data.set_index("water")
    # as in the data's own description
    for water, n, o, h in (
        ("precipitation", 32, -7.45, -49.0),
        ("snow", 80, -15.15, -109.8),
        ("groundwater", 22, -12.45, -88.4),
    ):
        assert means.loc[water, "n"] == n
        assert means.loc[water, "d18O_mean"] == pytest.approx(o, abs=0.006)
        assert means.loc[water, "d2H_mean"] == pytest.approx(h, abs=0.06)
    line = fit_line(samples["d18O"], samples["d2H"])
    assert (round(line.slope, 2), round(line.intercept, 2)) == (7.80, 8.59)
    assert np.sqrt(line.r2) == pytest.approx(0.993, abs=6e-4)
    assert samples["time"].min().date().isoformat() == "2016-02-18"


def test_vallon_de_nant_workbook() -> None:
    pytest.importorskip("openpyxl", reason="workbooks are read only where openpyxl is installed")
    samples = read_samples(DATA / "isotopes-vallon-de-nant" / "Rain_SP_GW_VdN.xlsx").data
    assert len(check_samples(samples)) == 134
