"""Make the binary sample documents from their readable sources.

    python samples/make_samples.py [FOLDER]

`sources/FOLDER/NAME.FORMAT.md` becomes `FOLDER/NAME.FORMAT`; the same sources give the same bytes. What is text in
itself (csv, eml, html, ipynb, jsonl, md, rst, rtf, txt) is written by hand beside them. Five files are
made to be refused.
"""

from __future__ import annotations

import io
import random
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


@dataclass(frozen=True)
class Block:
    """A piece of a source. kind: h1, h2, text, item, row or break; a row has several cells."""

    kind: str
    cells: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first cell."""
        return self.cells[0] if self.cells else ""


def blocks(source: str) -> Iterator[Block]:
    """The blocks of a source in a small part of Markdown; a line is a paragraph, `---` a new page.

    >>> [block.kind for block in blocks("# A\\n\\nB\\n\\n| C | D |\\n| --- | --- |\\n")]
    ['h1', 'text', 'row']
    """
    marks = {"# ": "h1", "## ": "h2", "- ": "item"}
    for line in filter(None, map(str.strip, source.splitlines())):
        if line == "---":
            yield Block("break")
        elif line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if set("".join(cells)) != {"-"}:
                yield Block("row", cells)
        else:
            mark = next((mark for mark in marks if line.startswith(mark)), "")
            yield Block(marks.get(mark, "text"), (line.removeprefix(mark),))


def runs(source: str) -> Iterator[tuple[str, list[Block]]]:
    """Blocks of one kind that stand together: a whole table, a whole list."""
    return ((kind, list(group)) for kind, group in groupby(blocks(source), key=lambda block: block.kind))


def chapters(source: str) -> Iterator[tuple[str, list[Block]]]:
    """Each title and the blocks below it."""
    found: list[tuple[str, list[Block]]] = []
    for block in blocks(source):
        if block.kind == "h1":
            found.append((block.text, []))
        else:
            found[-1][1].append(block)
    return iter(found)


def pdf(source: str) -> bytes:
    """Pages with a running head and bookmarks, as a word processor would set them."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer

    styles = getSampleStyleSheet()
    named = {"h1": styles["Title"], "h2": styles["Heading2"], "text": styles["BodyText"], "item": styles["Bullet"]}
    levels = {"Title": 0, "Heading2": 1}
    title, story = next(block.text for block in blocks(source)), []
    for kind, group in runs(source):
        if kind == "row":
            story += [_pdf_table([block.cells for block in group], styles["BodyText"]), Spacer(1, 8)]
        else:
            story += [PageBreak() if kind == "break" else Paragraph(escape(b.text), named[kind]) for b in group]

    def frame(canvas: Any, page: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawRightString(A4[0] - 72, A4[1] - 40, f"{title}, {page.page}")

    class Bookmarked(SimpleDocTemplate):
        def afterFlowable(self, flowable: Any) -> None:
            if (level := levels.get(_style(flowable))) is not None:
                self.canv.bookmarkPage(flowable.text)
                self.canv.addOutlineEntry(flowable.text, flowable.text, level)

    made = io.BytesIO()
    Bookmarked(made, pagesize=A4, title=title, invariant=1).build(story, frame, frame)
    return made.getvalue()


def _style(flowable: Any) -> str:
    return flowable.style.name if hasattr(flowable, "text") else ""


def _pdf_table(rows: list[tuple[str, ...]], style: Any) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import Paragraph, Table

    cells = [[Paragraph(escape(cell), style) for cell in row] for row in rows]
    return Table(cells, style=[("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")])


def docx(source: str) -> bytes:
    """A text document with real headings and tables."""
    from docx import Document

    document = Document()
    for kind, group in runs(source):
        if kind == "row":
            table = document.add_table(0, len(group[0].cells), style="Table Grid")
            for block in group:
                for cell, text in zip(table.add_row().cells, block.cells, strict=True):
                    cell.text = text
        for block in group if kind != "row" else ():
            if kind in ("h1", "h2"):
                document.add_heading(block.text, int(kind[1]))
            else:
                document.add_paragraph(block.text, "List Bullet" if kind == "item" else None)
    return _saved(document.save)


def pptx(source: str) -> bytes:
    """A slide for each title, with its list or its table."""
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    for title, below in chapters(source):
        rows = [block.cells for block in below if block.kind == "row"]
        slide = deck.slides.add_slide(deck.slide_layouts[5 if rows else 1])
        slide.shapes.title.text = title
        if not rows:
            slide.placeholders[1].text = "\n".join(block.text for block in below)
            continue
        table = slide.shapes.add_table(len(rows), len(rows[0]), Inches(0.8), Inches(2), Inches(8.4), Inches(3)).table
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                table.cell(i, j).text = text
    return _saved(deck.save)


def xlsx(source: str) -> bytes:
    """A sheet for each title; what looks like a number is one."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for title, below in chapters(source):
        sheet = book.create_sheet(title)
        for block in below:
            sheet.append([int(cell) if cell.isdigit() else cell for cell in block.cells])
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = max(len(str(cell.value or "")) for cell in column)
    return _saved(book.save)


def odt(source: str) -> bytes:
    """An OpenDocument text: its few required parts, written out."""
    tags = {"h1": 'text:h text:outline-level="1"', "h2": 'text:h text:outline-level="2"'}
    body = ""
    for block in blocks(source):
        tag = tags.get(block.kind, "text:p")
        body += f"<{tag}>{escape(block.text)}</{tag.split()[0]}>"
    office, kind = "urn:oasis:names:tc:opendocument:xmlns", "application/vnd.oasis.opendocument.text"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content office:version="1.3"'
        f' xmlns:office="{office}:office:1.0" xmlns:text="{office}:text:1.0"><office:body><office:text>{body}'
        "</office:text></office:body></office:document-content>"
    )
    manifest = (
        f'<?xml version="1.0" encoding="UTF-8"?><m:manifest xmlns:m="{office}:manifest:1.0" m:version="1.3">'
        f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
        '<m:file-entry m:full-path="content.xml" m:media-type="text/xml"/></m:manifest>'
    )
    return archive({"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest})


def epub(source: str) -> bytes:
    """A book with a chapter for each title."""
    pages = {f"{i}.xhtml": _xhtml(title, below) for i, (title, below) in enumerate(chapters(source), 1)}
    title = next(chapters(source))[0]
    heads = [escape(head) for head, _below in chapters(source)]
    links = "".join(f'<li><a href="{name}">{head}</a></li>' for name, head in zip(pages, heads, strict=True))
    nav = f'<nav epub:type="toc" xmlns:epub="http://www.idpf.org/2007/ops"><ol>{links}</ol></nav>'
    spine = "".join(f'<itemref idref="p{name[0]}"/>' for name in pages)
    items = "".join(f'<item id="p{name[0]}" href="{name}" media-type="application/xhtml+xml"/>' for name in pages)
    package = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:qrag:sample</dc:identifier>'
        f"<dc:title>{escape(title)}</dc:title><dc:language>en</dc:language>"
        '<meta property="dcterms:modified">2026-01-01T00:00:00Z</meta></metadata>'
        f'<manifest>{items}<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f"</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    head = {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "book.opf": package}
    return archive({**head, "nav.xhtml": _page(title, nav), **pages})


def _xhtml(title: str, below: list[Block]) -> str:
    return _page(title, f"<h1>{escape(title)}</h1>" + "".join(f"<p>{escape(block.text)}</p>" for block in below))


def _page(title: str, body: str) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
    return f"{head}<head><title>{escape(title)}</title></head><body>{body}</body></html>"


def archive(parts: dict[str, str | bytes]) -> bytes:
    """A zip archive that is the same whenever it is made; the type of an odt or epub stands first, not packed."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in parts.items():
            packed = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            zipped.writestr(zipfile.ZipInfo(name, LONG_AGO), content, packed)
    return made.getvalue()


def _saved(save: Callable[[io.BytesIO], Any]) -> bytes:
    """What an office library saves, without the time at which it did."""
    made = io.BytesIO()
    save(made)
    with zipfile.ZipFile(made) as zipped:
        parts = {name: zipped.read(name) for name in zipped.namelist()}
    return archive({name: STAMP.sub(rb"\g<1>2026-01-01T00:00:00Z", part) for name, part in parts.items()})


# --- files that are to be refused ----------------------------------------------------------------


def scanned(text: str) -> bytes:
    """A PDF whose only page is a picture of a text."""
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    picture = Image.new("L", (1000, 400), 245)
    ImageDraw.Draw(picture).multiline_text((80, 90), text, fill=30, font=ImageFont.load_default(32), spacing=14)
    made = io.BytesIO()
    canvas = Canvas(made, invariant=1)
    canvas.drawImage(ImageReader(picture), 40, 560, 515, 206)
    canvas.save()
    return made.getvalue()


def locked(document: bytes, password: str) -> bytes:
    """The same PDF, readable only with a password."""
    from pypdf import PdfReader, PdfWriter

    writer, made = PdfWriter(clone_from=PdfReader(io.BytesIO(document))), io.BytesIO()
    writer.encrypt(password, algorithm="RC4-128")  # the newer algorithms draw random numbers
    writer.write(made)
    return made.getvalue()


def picture() -> bytes:
    """A small PNG of grey noise, like a photograph of nothing."""
    from PIL import Image

    noise, made = random.Random(2026).randbytes(32 * 32), io.BytesIO()
    Image.frombytes("L", (32, 32), noise).save(made, "png")
    return made.getvalue()


def refused(made: dict[str, bytes]) -> dict[str, bytes]:
    """One file for each way in which a document can be no document."""
    notice = "COMUNICADO\nA biblioteca fecha às 18h\nna véspera dos feriados."
    minutes = made["biblioteca/ata-conselho.docx"]
    return {
        "refused/digitalizado.pdf": scanned(notice),
        "refused/password-protected.pdf": locked(made["laboratory/safety-manual.pdf"], "sample"),
        "refused/cortado-no-meio.docx": minutes[: len(minutes) // 2],
        "refused/photograph.txt": picture(),
        "refused/empty.txt": b"",
    }


WRITERS = {"pdf": pdf, "docx": docx, "pptx": pptx, "xlsx": xlsx, "odt": odt, "epub": epub}


def make() -> dict[str, bytes]:
    """The files, by their path below `documents`."""
    made: dict[str, bytes] = {}
    for path in sorted((HERE / "sources").rglob("*.md")):
        write = WRITERS[path.stem.rpartition(".")[2]]
        made[f"{path.parent.name}/{path.stem}"] = write(path.read_text("utf-8"))
    return {**made, **refused(made)}


def main(folder: Path) -> None:
    """Write all files below the folder."""
    for name, content in make().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else HERE / "documents")
