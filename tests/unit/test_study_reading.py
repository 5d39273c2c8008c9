"""A study file is read whole, or everything that is wrong with it is told at once."""

from pathlib import Path

import pytest

from headwater.errors import ProblemsError
from headwater.study import parse_study, read_study

GOOD = """
[study]
name = "Qilian"
[inputs.soil_moisture]
path = "sm_*.nc"
[inputs.elevation]
path = "dem.tif"
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        parse_study(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_short_file_has_sound_defaults(tmp_path: Path) -> None:
    study = parse_study(GOOD, tmp_path / "study.toml")
    assert study.name == "Qilian"
    assert study.results == tmp_path / "results"
    assert study.inputs["soil_moisture"].path == str(tmp_path / "sm_*.nc")
    assert study.growing_season == (5, 10)
    assert study.like == "soil_moisture"
    assert study.variables == ("soil_moisture", "elevation", "slope", "aspect")
    assert (study.variation, study.correlation, study.detector) == (None, None, None)
    assert study.text == GOOD
    assert study.file == tmp_path / "study.toml"


def test_every_problem_is_told_at_once() -> None:
    told = problems_of(
        """
        [study]
        nmae = "x"
        growing_season = [5, 13]
        [grid]
        like = "soil_mosture"
        min_coverage = "half"
        [aera]
        bbox = [1, 2, 3, 4]
        [inputs.soil_moisture]
        path = 5
        units = "furlong"
        [settings]
        wrokers = 4
        """
    )
    assert len(told) == 9
    text = "\n".join(told)
    assert "[study] lacks 'name'" in text
    assert "unknown key in [study]. Found: 'nmae'. Did you mean 'name'?" in text
    assert "[study] growing_season: a month that does not exist. Found: [5, 13]." in text
    assert (
        "[grid] like names no input. Found: 'soil_mosture'. Did you mean 'soil_moisture'?" in text
    )
    assert "[grid] min_coverage is wrong. Found: 'half'." in text
    assert "unknown table. Found: 'aera'. Did you mean 'area'?" in text
    assert "[inputs.soil_moisture] path is wrong. Found: 5." in text
    assert "[inputs.soil_moisture] units: unknown unit. Found: 'furlong'." in text
    assert "unknown setting. Found: 'wrokers'. Did you mean 'workers'?" in text


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("[area]", "neither"),
        ("[area]\nbbox = [3, 2, 1, 4]", "a box without extent"),
        ('[grid]\nlike = "elevation"\nresolution = 0.1', "both like and resolution"),
        ('[inputs.rain]\npath = "p.nc"', "[inputs.rain] is no quantity of the glossary"),
        ('[inputs.t]\npath = "t.nc"\nquantity = "tempreature"', "Did you mean 'temperature'?"),
        ('[variation]\nof = ["soil_mosture"]', "Did you mean 'soil_moisture'?"),
        ('[correlation]\nwith = ["elevaton"]', "Did you mean 'elevation'?"),
        ("[variation]\nmin_covrage = 0.5", "Did you mean 'min_coverage'?"),
        ("[inputs.ndvi]\npath = 'n'\nlayer_depth = -1", "[inputs.ndvi] layer_depth is wrong"),
        *[
            (f"[{table}]\nmin_coverage = {value}", f"[{table}] min_coverage is wrong")
            for table in ("grid", "variation", "correlation", "detector")
            for value in (0.0, 1.01, -0.5)
        ],
        ("[study]", "is not TOML"),
    ],
)
def test_one_problem_is_told_in_words(addition: str, words: str) -> None:
    told = problems_of(GOOD + addition)
    assert len(told) == 1
    assert words in told[0]


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ('["2017-01-01", "2016-01-01"]', "ends before it starts"),
        ('["2017-02-30", "2018-01-01"]', "a day that the calendar does not know"),
        ('["2017-01-01"]', "[study] period is wrong"),
    ],
)
def test_a_period_is_two_days_in_order(period: str, words: str) -> None:
    told = problems_of(GOOD.replace('"Qilian"', f'"Qilian"\nperiod = {period}'))
    assert words in "\n".join(told)


@pytest.mark.parametrize("months", ["[0, 9]", "[5, 13]", "[-1, 3]", "[5]", "[5.5, 9]", '"May"'])
def test_a_growing_season_is_two_months(months: str) -> None:
    told = problems_of(GOOD.replace('"Qilian"', f'"Qilian"\ngrowing_season = {months}'))
    assert len(told) == 1
    assert "[study] growing_season" in told[0]


def test_days_may_be_toml_dates() -> None:
    text = GOOD.replace('"Qilian"', '"Qilian"\nperiod = [2017-01-01, 2018-12-31]')
    assert parse_study(text).period == ("2017-01-01", "2018-12-31")


def test_a_quantity_of_your_own_needs_units_and_words() -> None:
    own = GOOD + '[inputs.wind]\npath = "w.nc"\nunits = "1"\nlong_name = "Wind"\ntotal = "sum"'
    term = parse_study(own).term("wind")
    assert (term.name, term.long_name, term.units, term.total) == ("wind", "Wind", "1", "sum")
    assert term.valid_range == (float("-inf"), float("inf"))


def test_a_name_of_your_own_keeps_the_glossary_s_unit() -> None:
    own = GOOD + '[inputs.smap]\npath = "w.nc"\nquantity = "soil_moisture"'
    term = parse_study(own).term("smap")
    assert (term.name, term.units, term.valid_range) == ("smap", "m3 m-3", (0.0, 1.0))


def test_a_missing_file_is_a_problem_of_the_study(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="no such study file") as caught:
        read_study(tmp_path / "nowhere.toml")
    assert caught.value.exit_code == 2


def test_a_folder_in_place_of_the_file_is_told_with_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    with pytest.raises(ProblemsError, match=r"no study file.*mine\.toml"):
        read_study(tmp_path)


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b'[study]\nname = "\xff"')
    with pytest.raises(ProblemsError, match="cannot be read"):
        read_study(tmp_path / "study.toml")
