"""References: numbered once, whatever way a room writes its DOI."""

import pytest

from headwater.report.page import number_references

DOI = "10.1080/01621459.1968.10480934"


@pytest.mark.parametrize(
    "citation",
    [
        f"Sen, P. K. (1968). Estimates. JASA 63, 1379-1389. https://doi.org/{DOI}",
        f"Sen, P. K. (1968). Estimates. JASA 63, 1379-1389. doi:{DOI}.",
        f"Sen, P. K. (1968). Estimates. JASA 63, 1379-1389, DOI: {DOI}",
        f"Sen, P. K. (1968). Estimates. JASA 63, 1379-1389 ({DOI}).",
        f"Sen, P. K. (1968). Estimates.\n    JASA 63, 1379-1389. http://dx.doi.org/{DOI}.",
    ],
)
def test_the_doi_is_found_and_taken_out_of_the_text(citation):
    (reference,) = number_references([citation]).values()
    assert reference.doi == DOI
    assert reference.text == "Sen, P. K. (1968). Estimates. JASA 63, 1379-1389."


def test_numbers_follow_first_appearance_and_the_same_work_counts_once():
    cited = [
        "Mann (1945), doi:10.2307/1907187",
        f"Sen 1968 doi:{DOI}",
        "Kendall (1975). Rank correlation methods. Griffin.",
        f"P. K. Sen, 1968. https://doi.org/{DOI.upper()}",
        "Kendall (1975), Rank Correlation Methods, Griffin",
    ]
    numbered = number_references(cited)
    assert [numbered[text].number for text in cited] == [1, 2, 3, 2, 3]


def test_nothing_cited_is_no_reference():
    assert number_references(["", "  "]) == {}


def test_an_old_doi_keeps_its_brackets_and_semicolon():
    doi = "10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2"
    (reference,) = number_references([f"Bretherton (1999). J. Climate (doi:{doi})."]).values()
    assert reference.doi == doi
    assert reference.text == "Bretherton (1999). J. Climate."
