"""People's texts do no harm, and text messages stay short."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.messaging.wording import MAX_SEGMENTS, clean, fit, segments


@given(st.text(), st.integers(4, 60))
def test_a_cleaned_text_is_one_line_without_control_characters(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"} for letter in cleaned)
    assert clean(cleaned, limit) == cleaned


def test_line_breaks_and_marks_of_direction_become_spaces() -> None:
    assert clean("Alex\r\nBcc: all@x.example\u202e\u2028end\x00", 80) == "Alex Bcc: all@x.example end"
    assert clean(None, 10) == ""
    assert clean("abcdefghij", 9) == "abcdef..."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ш" * 70, 1),
        ("ш" * 71, 2),
        ("🚗" * 35, 1),
        ("🚗" * 36, 2),
    ],
)
def test_segments_are_counted_as_carriers_do(text: str, count: int) -> None:
    assert segments(text) == count


@given(st.text(max_size=700))
def test_a_text_message_never_takes_more_segments_than_allowed(text: str) -> None:
    fitted = fit(text)
    assert segments(fitted) <= MAX_SEGMENTS
    assert "\n" not in fitted


def test_a_long_text_message_is_cut_and_a_short_one_kept() -> None:
    assert fit("Hello\u202fthere") == "Hello there"
    assert fit("a" * 459) == "a" * 459
    assert fit("a" * 460) == "a" * 456 + "..."
    assert fit("ш" * 300).endswith("...")
