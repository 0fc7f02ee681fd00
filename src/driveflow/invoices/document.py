"""Render a paper as PDF: one A4 page as a rule, the same bytes for the same paper.

The file is made for archives (PDF/A-2u as far as fpdf2 checks it: fonts embedded, text extractable, no
colour that depends on the device); its dates are the day of issue. The same bytes come out as long as the
versions of fpdf2, fontTools and HarfBuzz stay the same. Rendering takes a third of a second of computing:
call it in a thread.
"""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.sax.saxutils import escape

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_name
from babel.numbers import format_decimal
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

from driveflow.core.clock import zone
from driveflow.core.money import format_cents
from driveflow.invoices.lettering import FAMILY, printable, write_fonts
from driveflow.invoices.paper import Paper
from driveflow.invoices.taxation import InvoiceKind

LANGUAGE: Final = "en"
PRODUCER: Final = "DriveFlow"
_MARGIN_MM: Final = 20.0
_LABEL_MM: Final = 34.0
_AMOUNT_MM: Final = 40.0
_INK: Final = (33, 37, 41)
_GREY: Final = (108, 117, 125)
_RULE: Final = (206, 212, 218)
_METHODS: Final = {
    "stripe": "card or online payment",
    "cash": "cash",
    "bank_transfer": "bank transfer",
    "elsewhere": "payment outside DriveFlow",
}

# PDF/A wants its own mark in the metadata. fpdf2 writes one too, but with the time of rendering in it.
_XMP: Final = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>2</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<pdf:Producer>{producer}</pdf:Producer>
<xmp:CreateDate>{date}</xmp:CreateDate><xmp:ModifyDate>{date}</xmp:ModifyDate>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def render(paper: Paper) -> bytes:
    """Return the paper as a PDF file."""
    with TemporaryDirectory(prefix="driveflow-") as folder:
        sheet = _Sheet(paper, Path(folder))
        try:
            sheet.head()
            sheet.parties()
            sheet.supply()
            sheet.totals()
            sheet.notes()
            return bytes(sheet.output())
        finally:
            sheet.close()


class _Sheet(FPDF):
    """The page under the pen."""

    def __init__(self, paper: Paper, folder: Path) -> None:
        super().__init__(format="A4", enforce_compliance="PDF/A-2U")
        self._paper = paper
        self._locale = english_in(paper.locale)
        for style, file in write_fonts(folder).items():
            self.add_font(FAMILY, style, file)
        self.set_text_shaping(use_shaping_engine=True)
        self._describe()
        self.set_margin(_MARGIN_MM)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=_MARGIN_MM)
        self.add_page()

    def close(self) -> None:
        """Let go of the font files, which fpdf2 keeps open."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def footer(self) -> None:
        """Say on each page which paper it is of (called by fpdf2)."""
        self.set_y(-15)
        self._pen(8, colour=_GREY)
        text = f"{self._paper.title} {self._paper.number}   ·   page {self.page_no()}"
        self.cell(0, 5, printable(text), align=Align.C)

    def head(self) -> None:
        """Write what the paper is, its number and its day."""
        paper = self._paper
        self._pen(22, "B")
        self._line(paper.title, 10)
        self.ln(2)
        self._fact("Number", paper.number)
        self._fact("Date of issue", self._date(paper.issued_at))
        if paper.adjusts is not None:
            adjusts = paper.adjusts
            self._fact("Adjusts", f"{adjusts.title} {adjusts.number} of {self._date(adjusts.issued_at)}")
        self.ln(6)

    def parties(self) -> None:
        """Write who sold and who paid, side by side."""
        seller, buyer, number = self._paper.seller, self._paper.buyer, self._paper.tax.business_number
        top = self.get_y()
        half = self.epw / 2
        lines = [number_line(number), seller.address, seller.phone, seller.email]
        self._party("From", seller.name, lines, self.l_margin, half - 6)
        left_end = self.get_y()
        self.set_y(top)
        student = f"for {buyer.student_name}" if buyer.student_name else None
        self._party("To", buyer.name, [student, buyer.email], self.l_margin + half, half)
        self.set_y(max(left_end, self.get_y()))
        self.ln(8)

    def supply(self) -> None:
        """Write what was sold, or of what the price changed, and for how much."""
        paper = self._paper
        self._pen(9, "B", _GREY)
        width = self.epw - _AMOUNT_MM
        self.cell(width, 7, "Description")
        self.cell(_AMOUNT_MM, 7, "Amount", align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._ruled()
        self.ln(2)
        top = self.get_y()
        self._pen(10.5)
        self.set_x(self.l_margin + width)
        self.cell(_AMOUNT_MM, 6, self._signed(paper.total_cents), align=Align.R)
        self.set_xy(self.l_margin, top)
        self._block(paper.supply.description, width - 4, 6)
        self._pen(9, colour=_GREY)
        self._block(f"Date of supply: {self._moment(paper.supply.start_at)}", width - 4, 5)
        minutes = format_decimal(paper.supply.duration_min, locale=self._locale)
        self._block(f"Duration: {minutes} minutes, quantity 1", width - 4, 5)
        self.ln(2)
        self._ruled()
        self.ln(2)

    def totals(self) -> None:
        """Write the sums; tax only where the school is registered for it."""
        paper = self._paper
        if paper.statement is not None:
            percent = format_decimal(paper.tax.rate_bps / 100, locale=self._locale)
            self._sum(f"Without {paper.tax.name}", self._signed(paper.total_cents - paper.tax_cents))
            self._sum(f"{paper.tax.name} {percent} %", self._signed(paper.tax_cents))
        label = "Total" if paper.kind is InvoiceKind.INVOICE else "Credit"
        self._sum(label, self._signed(paper.total_cents), "B")
        if paper.adjusts is not None:
            self._sum("Price before", self._money(paper.adjusts.price_before_cents))
            self._sum("Price after", self._money(paper.adjusts.price_after_cents))
        self.ln(4)

    def notes(self) -> None:
        """Write what remains to be said: tax, payment, reason."""
        paper = self._paper
        self._pen(10)
        if paper.statement is not None:
            self._block(paper.statement, self.epw, 6)
        if paper.received is not None:
            method = _METHODS.get(paper.received.method, paper.received.method)
            paid_on = self._date(paper.received.at)
            self._block(f"Paid in full by {method} on {paid_on}. Nothing is due.", self.epw, 6)
        if paper.adjusts is not None:
            self._block(f"Reason: {paper.adjusts.reason}", self.epw, 6)

    def _describe(self) -> None:
        paper = self._paper
        title, author = f"{paper.title} {paper.number}", paper.seller.name
        self.set_creation_date(paper.issued_at)
        self.set_title(title)
        self.set_author(author)
        self.set_producer(PRODUCER)
        self.set_lang(LANGUAGE)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.set_xmp_metadata(
            _XMP.format(
                title=escape(title),
                author=escape(author),
                language=LANGUAGE,
                producer=PRODUCER,
                date=paper.issued_at.isoformat(timespec="seconds"),
            )
        )

    def _party(self, role: str, name: str, lines: list[str | None], left: float, width: float) -> None:
        self._pen(9, colour=_GREY)
        self.set_x(left)
        self._block(role, width, 5, left)
        self._pen(11, "B")
        self._block(name, width, 6, left)
        self._pen(10)
        for text in lines:
            # An address may have lines of its own.
            for line in (text or "").splitlines():
                self._block(line, width, 5, left)

    def _fact(self, label: str, value: str) -> None:
        self._pen(10, colour=_GREY)
        self.cell(_LABEL_MM, 6, printable(label))
        self._pen(10)
        self._block(value, self.epw - _LABEL_MM, 6, self.l_margin + _LABEL_MM)

    def _sum(self, label: str, amount: str, style: str = "") -> None:
        self._pen(12 if style else 10, style)
        self.cell(self.epw - _AMOUNT_MM, 7, printable(label), align=Align.R)
        self.cell(_AMOUNT_MM, 7, printable(amount), align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _block(self, text: str, width: float, height: float, left: float | None = None) -> None:
        self.set_x(self.l_margin if left is None else left)
        shown = printable(text)
        self.multi_cell(width, height, shown, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _line(self, text: str, height: float) -> None:
        self._block(text, self.epw, height)

    def _ruled(self) -> None:
        self.set_draw_color(*_RULE)
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw, self.get_y())

    def _pen(self, size_pt: float, style: str = "", colour: tuple[int, int, int] = _INK) -> None:
        self.set_font(FAMILY, style, size_pt)
        self.set_text_color(*colour)

    def _signed(self, cents: int) -> str:
        return self._money(cents if self._paper.kind is InvoiceKind.INVOICE else -cents)

    def _money(self, cents: int) -> str:
        return format_cents(cents, self._paper.currency, self._locale)

    def _date(self, instant: datetime) -> str:
        local = instant.astimezone(zone(self._paper.time_zone))
        return format_date(local, "long", locale=self._locale)

    def _moment(self, instant: datetime) -> str:
        local = instant.astimezone(zone(self._paper.time_zone))
        time = format_time(local, "short", tzinfo=local.tzinfo, locale=self._locale)
        name = get_timezone_name(local, "short", locale=self._locale)
        return f"{self._date(instant)}, {time} {name}"


def english_in(locale: str) -> str:
    """Return the English of a locale's region, `en_JP` for `ja_JP`: a date must be of the words around it."""
    region = Locale.parse(locale).territory
    try:
        return str(Locale.parse(f"{LANGUAGE}_{region}"))
    except UnknownLocaleError:
        return LANGUAGE


def number_line(business_number: str | None) -> str | None:
    """Return an Australian Business Number as it is written: `ABN 51 824 753 556`; None without one."""
    if business_number is None:
        return None
    digits = business_number
    return f"ABN {digits[:2]} {digits[2:5]} {digits[5:8]} {digits[8:]}"
