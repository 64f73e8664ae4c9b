"""Small files of the formats, made in memory: what a test needs and nothing else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
O = (  # noqa: E741  # the family's own prefix
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return buffer.getvalue()


def relations(**targets: str) -> str:
    told = "".join(
        f'<Relationship Id="r{n}" Type="{RELS}/{kind.rstrip("0123456789")}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{told}</Relationships>'


def docx(body: str, **parts: str) -> bytes:
    """A Word file; parts: further ones by name, as `styles="<w:style .../>"`."""
    inner = {f"word/{name}.xml": f"<w:{name} {W}>{content}</w:{name}>" for name, content in parts.items()}
    rels = relations(**{name: f"{name}.xml" for name in parts})
    document = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    return archive({"word/document.xml": document, "word/_rels/document.xml.rels": rels, **inner})


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def shape(text: str, kind: str = "") -> str:
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:txBody>{lines}</p:txBody></p:sp>"


def pptx(*slides: str, notes: str = "") -> bytes:
    """A PowerPoint file; its slides are shown in the reverse order of their file names; notes: of the first shown."""
    names = [f"slide{len(slides) - n}.xml" for n in range(len(slides))]
    parts = {f"ppt/slides/{name}": f"<p:sld {P}>{slide}</p:sld>" for name, slide in zip(names, slides, strict=True)}
    ids = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in range(1, len(slides) + 1))
    parts["ppt/presentation.xml"] = f"<p:presentation {P}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
    parts["ppt/_rels/presentation.xml.rels"] = relations(**{f"slide{n}": f"slides/{s}" for n, s in enumerate(names)})
    if notes:
        parts["ppt/notesSlides/n.xml"] = f"<p:notes {P}>{notes}</p:notes>"
        parts[f"ppt/slides/_rels/{names[0]}.rels"] = relations(notesSlide="../notesSlides/n.xml")
    return archive(parts)


def odt(body: str, kind: str = "text") -> bytes:
    inner = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = f"<office:document-content {O}>{inner}</office:document-content>"
    return archive({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def pdf(*pages: list[str]) -> bytes:
    """A PDF of Latin-1 text; a page is its lines."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    kids = []
    for lines in pages:
        told = "".join(f"({line.replace('(', '[').replace(')', ']')}) Tj T*\n" for line in lines)
        stream = f"BT /F1 10 Tf 12 TL 50 800 Td\n{told}ET".encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % kid for kid in kids), len(kids))
    return _numbered(objects)


def _numbered(objects: list[bytes]) -> bytes:
    file = io.BytesIO()
    file.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.writelines(b"%010d 00000 n \n" % place for place in places)
    file.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return file.getvalue()
