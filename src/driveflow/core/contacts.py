"""Normal forms of what people type: e-mail addresses, phone numbers, ABNs, slugs."""

import re
import unicodedata

from driveflow.core.errors import InvalidInputError

# These libraries carry the world's numbering plans and take longer to import than the rest of the program:
# they are imported when the first number or address is checked.
# ruff: noqa: PLC0415

# The region in which a number without a country code is read, by currency's country: a school's own region
# is not stored, and its currency tells the country well enough for the countries that have their own.
_REGION_OF_CURRENCY = {
    "AUD": "AU",
    "NZD": "NZ",
    "GBP": "GB",
    "USD": "US",
    "CAD": "CA",
    "SGD": "SG",
    "ZAR": "ZA",
}


def email_address(value: str, field: str = "email") -> str:
    """Return an e-mail address checked (RFC 5322 by email-validator) and in lower case."""
    from email_validator import EmailNotValidError, validate_email

    try:
        # No look-up of the domain: it would make saving a student depend on a name server.
        return validate_email(value, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidInputError.of(field, f"Is not an e-mail address: {error}") from error


def phone_number(value: str, currency: str, field: str = "phone") -> str:
    """Return a phone number in E.164; without a country code it is read as of the school's country."""
    import phonenumbers

    region = _REGION_OF_CURRENCY.get(currency)
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidInputError.of(
            field, "Is not a phone number; write it with its country code, such as +61 400 000 000."
        ) from error
    if not phonenumbers.is_possible_number(number) or not phonenumbers.is_valid_number(number):
        raise InvalidInputError.of(field, "Is not a valid phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def business_number(value: str, field: str = "abn") -> str:
    """Return an Australian Business Number as 11 digits, checked by the checksum of the ABN register."""
    from stdnum.au import abn as abn_number
    from stdnum.exceptions import ValidationError as NumberError

    try:
        return str(abn_number.validate(value))
    except NumberError as error:
        raise InvalidInputError.of(field, "Is not a valid ABN: its checksum is wrong.") from error


def known_locale(value: str, field: str = "locale") -> str:
    """Return the name of a language and region that the CLDR knows, such as `en_AU`."""
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(value.replace("-", "_")))
    except (UnknownLocaleError, ValueError) as error:
        raise InvalidInputError.of(
            field, f"{value!r} is not a language that is known here, such as en_AU."
        ) from error


_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SLUG_LENGTH = 60
_MADE_SLUG_LENGTH = 50  # leaves room for a number


def slug_of(name: str) -> str:
    """Return a slug made of a name: lower-case ASCII words joined by hyphens; `school` when none is left."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")
    return words[:_MADE_SLUG_LENGTH].strip("-") or "school"


def checked_slug(value: str, field: str = "slug") -> str:
    """Return a slug that a person chose, or raise InvalidInputError."""
    if len(value) > _SLUG_LENGTH or not _SLUG.fullmatch(value):
        raise InvalidInputError.of(
            field, f"Use up to {_SLUG_LENGTH} lower-case letters, digits and single hyphens."
        )
    return value


def search_text(*parts: str | None) -> str:
    """Return what a search looks in: the parts in lower case, and the digits of numbers without spaces."""
    return " ".join(part.lower() for part in parts if part)


def like_pattern(query: str) -> str:
    """Return the LIKE pattern that finds `query` anywhere, its wildcards taken literally."""
    escaped = query.lower().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
