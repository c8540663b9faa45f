"""The language of a document: its words, and how it writes dates and numbers."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from django.utils.translation import gettext_noop

CATALOGS = Path(__file__).resolve().parent / "locale"  # one file for each language but English
# The forms of Chinese characters: of Japan, Korea, Taiwan and Hong Kong, else of China.
CHARACTERS = {"JP": "JP", "KR": "KR", "TW": "TC", "MO": "HK", "HK": "HK"}
LABELS = {
    "page": gettext_noop("Page {page} of {pages}"),
    "carried_forward": gettext_noop("Carried forward"),
    "brought_forward": gettext_noop("Brought forward"),
    "from": gettext_noop("From"),
    "to": gettext_noop("To"),
}


class Language:
    """A language, and the country whose conventions and characters it follows."""

    def __init__(self, locale: str, *, country: str | None = None) -> None:
        """`locale` is a language tag: `es`, `es-MX`. `country` is that of the reader, if known."""
        self._locale = Locale.parse(locale.replace("-", "_"))
        self._words = _catalog(self._locale.language)
        self._characters = CHARACTERS.get(country or self._locale.territory or "", "SC")

    def text(self, message: str, **values: Any) -> str:
        """Return a message of the project in this language; `values` fill its {placeholders}."""
        return self._words.gettext(message).format(**values)

    def date(self, day: date) -> str:
        """Return a date as it is written in this language."""
        return format_date(day, "medium", locale=self._locale)

    def number(self, value: Decimal | int | str) -> str:
        """Return a number with all of its decimals."""
        decimals = max(-int(Decimal(value).as_tuple().exponent), 0)
        pattern = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
        return format_decimal(Decimal(value), pattern, locale=self._locale)

    def percent(self, rate: Decimal | str) -> str:
        """Return a fraction as percent: 0.075 is 7.5%."""
        return format_percent(Decimal(rate), locale=self._locale, decimal_quantization=False)

    def weight(self, kilograms: Decimal) -> str:
        """Return a weight without trailing zeros."""
        return self.number(f"{kilograms.normalize():f}")

    def document(self, *, created_at: datetime) -> dict[str, Any]:
        """Return what every template needs to know of the language.

        `lang` and `dir` are those of the words, which are English if there is no catalog.
        """
        written = self._locale if _path(self._locale.language).exists() else Locale("en")
        return {
            "lang": written.language,
            "dir": written.text_direction,
            "cjk": self._characters,
            "created_at": created_at.isoformat(timespec="seconds"),
            "labels": {name: self._words.gettext(message) for name, message in LABELS.items()},
        }


def is_known(locale: str) -> bool:
    """Return whether `locale` is a language tag whose conventions are known."""
    try:
        language = Locale.parse(locale.replace("-", "_")).language
    except (ValueError, UnknownLocaleError):
        return False
    return len(language) <= 3  # not `root`, which is none


def _path(language: str) -> Path:
    return CATALOGS / f"{language}.po"


@cache
def _catalog(language: str) -> NullTranslations:
    path = _path(language)
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as catalog:
        write_mo(compiled, read_po(catalog))
    compiled.seek(0)
    return GNUTranslations(compiled)


def address(party: Mapping[str, str | None]) -> dict[str, str]:
    """Return the lines of a postal address: one for each part that is known."""
    lines = {name: party.get(name) for name in ("name", "company", "line1", "line2")}
    place = " ".join(filter(None, [party.get("postal_code"), party.get("city")]))
    lines["place"] = ", ".join(filter(None, [place, party.get("region"), party.get("country")]))
    return {name: line for name, line in lines.items() if line}
