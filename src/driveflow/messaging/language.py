"""The reader's language: translated sentences, and dates, times, amounts as the reader writes them.

The sentences in `letters.py` are English and are translated by gettext from `locale/LANGUAGE/LC_MESSAGES/
driveflow.mo`; a language is a file (CONTRIBUTING.md). A language without a file reads English, with dates and
amounts of its own all the same.
"""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_timezone_name
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

from driveflow.core.clock import zone
from driveflow.core.money import format_cents
from driveflow.messaging.wording import plain_spaces

DOMAIN: Final = "driveflow"
CATALOGUES: Final = Path(__file__).with_name("locale")
_METRES_PER_KM: Final = 1000


class Language:
    """One language and region, with the catalogue of its sentences."""

    def __init__(self, name: str, translations: NullTranslations) -> None:
        self.locale = Locale.parse(name)
        self._translations = translations

    @property
    def tag(self) -> str:
        """The language as HTML and mail headers name it (BCP 47), such as `en-AU`."""
        return str(self.locale).replace("_", "-")

    def say(self, sentence: str, **values: str) -> str:
        """Return a sentence in this language with its values put in."""
        translated = str(self._translations.gettext(sentence))
        return translated % values if values else translated

    def money(self, cents: int, currency: str) -> str:
        """Return an amount."""
        return plain_spaces(format_cents(cents, currency, str(self.locale)))

    def moment(self, instant: datetime, time_zone: str) -> str:
        """Return a day and time of the zone, which is named: a mail may be read anywhere."""
        place = zone(time_zone)
        return self.say(
            "%(day)s at %(time)s (%(zone)s)",
            day=plain_spaces(format_date(instant.astimezone(place), "full", self.locale)),
            time=plain_spaces(format_time(instant, "short", tzinfo=place, locale=self.locale)),
            zone=plain_spaces(get_timezone_name(instant.astimezone(place), "long", locale=self.locale)),
        )

    def short_moment(self, instant: datetime, time_zone: str) -> str:
        """Return a day and time of the zone in few letters, for text messages."""
        place = zone(time_zone)
        wall = instant.astimezone(place)
        day = format_skeleton("MMMEd", wall, tzinfo=place, locale=self.locale)
        time = format_time(instant, "short", tzinfo=place, locale=self.locale)
        name = get_timezone_name(wall, "short", locale=self.locale)
        return plain_spaces(f"{day}, {time} {name}")

    def kilometres(self, metres: int) -> str:
        """Return a distance to a tenth of a kilometre."""
        number = format_decimal(metres / _METRES_PER_KM, "#,##0.0", locale=self.locale)
        return self.say("%(number)s km", number=number)

    def minutes(self, seconds: int) -> str:
        """Return a duration in whole minutes."""
        return self.say("%(number)s min", number=format_decimal(round(seconds / 60), locale=self.locale))


@lru_cache(maxsize=256)
def language(name: str, catalogues: Path = CATALOGUES) -> Language:
    """Return the language of a locale name such as `en_AU`, with the catalogue of its region or language."""
    locale = Locale.parse(name)
    wanted = [str(locale), locale.language]
    return Language(name, Translations.load(catalogues, wanted, DOMAIN))
