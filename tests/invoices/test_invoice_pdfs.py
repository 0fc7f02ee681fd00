"""The PDF of a paper: what stands on it, in which letters, and that it is the same each time."""

import io
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anyascii import anyascii
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from driveflow.invoices.document import english_in, number_line, render
from driveflow.invoices.lettering import letters, printable
from driveflow.invoices.paper import Adjusts, Buyer, Paper, Received, Seller, Supply
from driveflow.invoices.taxation import InvoiceKind, TaxStatus

ISSUED = datetime(2026, 8, 3, 15, 0, tzinfo=UTC)  # already the 4th in Sydney
GST = TaxStatus(registered=True, name="GST", rate_bps=1000, business_number="51824753556")
INVOICE = Paper(
    kind=InvoiceKind.INVOICE,
    number="INV-000042",
    title="Tax invoice",
    reason="The school is registered for GST.",
    issued_at=ISSUED,
    time_zone="Australia/Sydney",
    locale="en_AU",
    currency="AUD",
    total_cents=9500,
    tax_cents=864,
    statement="Total price includes GST.",
    tax=GST,
    seller=Seller("Harbour Driving School", "12 Wharf Road\nBalmain NSW 2041", "+61299990000", "a@b.example"),
    buyer=Buyer("Pat Parent", "pat@example.com", "Alex Student"),
    supply=Supply("60-min Lesson with Casey", ISSUED + timedelta(days=1), 60),
    received=Received("bank_transfer", ISSUED),
)
NOTE = replace(
    INVOICE,
    kind=InvoiceKind.CREDIT_NOTE,
    number="CN-000007",
    title="Adjustment note",
    total_cents=4750,
    tax_cents=432,
    statement="The credit includes GST.",
    received=None,
    adjusts=Adjusts("INV-000042", "Tax invoice", ISSUED, 9500, 4750, "The booking was cancelled."),
)
PLAIN = replace(
    INVOICE,
    title="Invoice",
    tax_cents=0,
    statement=None,
    tax=replace(GST, registered=False, business_number=None),
)
# All that the database can hold.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)


def read(paper: Paper) -> PdfReader:
    return PdfReader(io.BytesIO(render(paper)))


def text_of(paper: Paper) -> str:
    return " ".join(" ".join(page.extract_text() for page in read(paper).pages).split())


def test_a_tax_invoice_shows_all_that_the_law_asks_for() -> None:
    text = text_of(INVOICE)
    for wanted in (
        "Tax invoice",
        "INV-000042",
        "Date of issue 4 August 2026",
        "Harbour Driving School ABN 51 824 753 556 12 Wharf Road Balmain NSW 2041",
        "Pat Parent for Alex Student",
        "60-min Lesson with Casey",
        "Date of supply: 5 August 2026, 1:00 am AEST",
        "Duration: 60 minutes, quantity 1",
        "Without GST $86.36",
        "GST 10 % $8.64",
        "Total $95.00",
        "Total price includes GST.",
        "Paid in full by bank transfer on 4 August 2026. Nothing is due.",
    ):
        assert wanted in text


def test_an_adjustment_note_shows_its_effect_its_reason_and_its_invoice() -> None:
    text = text_of(NOTE)
    for wanted in (
        "Adjustment note",
        "Adjusts Tax invoice INV-000042 of 4 August 2026",
        "Without GST -$43.18",
        "GST 10 % -$4.32",
        "Credit -$47.50",
        "Price before $95.00 Price after $47.50",
        "The credit includes GST.",
        "Reason: The booking was cancelled.",
    ):
        assert wanted in text
    assert "Nothing is due" not in text


def test_the_invoice_of_an_unregistered_school_speaks_of_no_tax() -> None:
    text = text_of(PLAIN)
    assert "Invoice Number" in text
    assert not re.search("tax|GST|ABN", text, re.IGNORECASE)


def test_amounts_and_dates_are_written_as_in_the_schools_country() -> None:
    yen = replace(PLAIN, currency="JPY", total_cents=12_000, locale="ja_JP", time_zone="Asia/Tokyo")
    text = text_of(yen)
    assert "Total ¥12,000" in text
    # The language is that of the words around it.
    assert "Date of issue August 4, 2026" in text
    assert (english_in("de_CH"), english_in("fr"), english_in("es_419")) == ("en_CH", "en", "en")


def test_the_same_paper_gives_the_same_bytes_whenever_it_is_rendered() -> None:
    for paper in (INVOICE, NOTE):
        assert render(paper) == render(Paper.from_json(paper.to_json()))


def test_the_file_says_what_it_is_in_which_language_and_when_it_was_issued() -> None:
    reader = read(INVOICE)
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert len(reader.pages) == 1
    width, height = (round(float(side) * 25.4 / 72) for side in reader.pages[0].mediabox[2:])
    assert (width, height) == (210, 297)
    metadata = reader.xmp_metadata
    assert metadata is not None
    assert metadata.dc_title == {"x-default": "Tax invoice INV-000042"}
    assert metadata.dc_creator == ["Harbour Driving School"]
    assert metadata.xmp_create_date == metadata.xmp_modify_date == ISSUED.replace(tzinfo=None)
    pages: Any = reader.pages
    fonts: Any = {font for page in pages for font in page["/Resources"]["/Font"].values()}
    assert fonts
    for font in fonts:
        [descendant] = font["/DescendantFonts"]
        assert "/FontFile2" in descendant["/FontDescriptor"], "each font is embedded"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("José Łukasz Žižek", "José Łukasz Žižek"),
        ("Nguye\u0302\u0303n Thị Hường", "Nguyễn Thị Hường"),
        ("Иван Петров", "Иван Петров"),
        ("Γιώργος", "Γιώργος"),
        ("محمد علي", "محمد علي"),
        ("דניאל כהן", "דניאל כהן"),
        ("दीपक शर्मा", "दीपक शर्मा"),
        ("สมชาย ใจดี", "สมชาย ใจดี"),
        ("გიორგი", "გიორგი"),
        ("王伟", "Wang Wei"),
        ("김민준", "Gim Min Jun"),
        ("தமிழ்", "tmil"),
        ("Bob 🚗", "Bob :red_car:"),
        ("Dash\u202fAm\u00a0Ende\n", "Dash Am Ende"),
        ("Bell\x07", "Bell"),
        ("\ue000\U000e0100", "U+E000 U+E0100"),
        ("", ""),
    ],
)
def test_names_are_printed_in_their_letters_or_else_in_latin_ones(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_each_script_that_the_fonts_have_reaches_the_page() -> None:
    names = "Žižek Hường Петров Γιώργος 王伟 <b>&amp;</b> \\(x\\) %PDF"
    text = text_of(replace(PLAIN, buyer=Buyer(names, None, "محمد दीपक สมชาย გიორგი")))
    assert "To Žižek Hường Петров Γιώργος Wang Wei <b>&amp;</b> \\(x\\) %PDF for" in text
    # How the others are joined and ordered is the reader's affair; that the letters are there is ours.
    drawn = text.partition(" for ")[2].partition(" Description")[0]
    for first_letter in ("ARABIC", "DEVANAGARI", "THAI", "GEORGIAN"):
        assert any(unicodedata.name(letter).startswith(first_letter) for letter in drawn), first_letter


@given(st.text(max_size=60))
def test_what_is_printed_is_in_letters_of_the_fonts_and_has_no_new_question_marks(name: str) -> None:
    shown = printable(name)
    assert all(ord(letter) in letters() for letter in shown)
    assert bool(shown) == bool(name.split())
    # Question marks of other scripts become one.
    if "?" not in anyascii(name):
        assert "?" not in shown


@settings(max_examples=5)
@given(texts, texts)
def test_no_text_breaks_a_paper(name: str, reason: str) -> None:
    assert NOTE.adjusts is not None
    adjusts = replace(NOTE.adjusts, reason=reason * 20)
    seller = replace(NOTE.seller, name=name)
    paper = replace(NOTE, buyer=Buyer(name, name, name), seller=seller, adjusts=adjusts)
    assert len(read(paper).pages) >= 1


def test_a_long_reason_goes_on_over_pages_that_all_name_the_paper() -> None:
    assert NOTE.adjusts is not None
    reader = read(replace(NOTE, adjusts=replace(NOTE.adjusts, reason="Ill. " * 1500)))
    assert len(reader.pages) > 1
    for number, page in enumerate(reader.pages, 1):
        assert f"Adjustment note CN-000007 · page {number}" in page.extract_text()


def test_a_business_number_is_grouped_as_the_register_writes_it() -> None:
    assert number_line("51824753556") == "ABN 51 824 753 556"
    assert number_line(None) is None
