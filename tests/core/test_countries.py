import pytest

from config.core.countries import CODES, objection


def test_there_are_the_249_countries_of_iso_3166_and_kosovo():
    assert len(CODES) == 250
    assert "XK" in CODES
    assert all(objection(code) is None for code in CODES)


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        *(("UK", "GB"), ("DEU", "DE"), ("de", "DE"), (" MX", "MX"), ("276", "DE")),
        *(("EL", "GR"), ("XI", "GB"), ("gbr", "GB")),
    ],
)
def test_the_right_code_is_named(code, meant):
    assert objection(code) == f"“{code}” is not a country code of ISO 3166. Write {meant}."


@pytest.mark.parametrize("code", ["ZZ", "EU", "AC", "SU", "XX", "", "Mexico"])
def test_what_is_no_country_is_refused(code):
    assert objection(code) == f"“{code}” is not a country code of ISO 3166."
