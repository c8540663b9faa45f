"""The countries of ISO 3166-1, as the Unicode CLDR keeps them."""

from babel import Locale
from babel.core import get_global

# Two letters that CLDR knows and ISO 3166-1 has not assigned to a country. Kosovo stays: it has no
# other code than XK, which the EU and the carriers use.
NOT_ASSIGNED = frozenset(
    ["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"]
)
CODES = (
    frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2) - NOT_ASSIGNED
)
# A VAT id begins with these: they are not the country of an address.
VAT_PREFIXES = {"EL": "GR", "XI": "GB"}


def assigned_code(code: str) -> str | None:
    """Return the code that is meant: `GB` for `UK`, `DE` for `DEU` and `de`; None for `ZZ`."""
    code = code.strip().upper()
    aliases = get_global("territory_aliases").get(code, [])
    meant = VAT_PREFIXES.get(code) or (aliases[0] if len(aliases) == 1 else code)
    return meant if meant in CODES else None


def objection(code: str) -> str | None:
    """Return why a text is not the code of a country; None if it is one."""
    if code in CODES:
        return None
    meant = assigned_code(code)
    return f"“{code}” is not a country code of ISO 3166." + (f" Write {meant}." if meant else "")
