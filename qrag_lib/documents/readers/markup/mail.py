"""E-mail: who, when and about what, the message, and the names of what was attached."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup.html import write_html
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import clean, squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_FIELDS = ("Subject", "From", "To", "Cc", "Date")


def read(data: bytes, limits: Limits) -> Extract:
    """The header as lines, the plain text (else the HTML) of the message, attachments by name."""
    message = email.message_from_bytes(data, policy=default)
    if message.get_content_type() == "multipart/encrypted" or _is_enveloped(message):
        raise DocumentRefused("encrypted", _("the message is encrypted"), hint=_("decrypt it in your mail program"))
    draft = Draft()
    _write_header(draft, message)
    for part in _bodies(message):
        _write_body(draft, part)
    names = [squeeze(part.get_filename() or "") for part in message.walk()]
    draft.add("\n".join(f"Attachment: {name}" for name in names if name))
    return draft.finish("message/rfc822")


def _is_enveloped(message: EmailMessage) -> bool:
    return message.get_content_type().endswith("pkcs7-mime") and message.get_param("smime-type") != "signed-data"


def _write_header(draft: Draft, message: EmailMessage) -> None:
    lines = []
    for field in _FIELDS:
        if value := _field(message, field):
            lines.append(f"{field}: {value}")
            draft.metadata[field.lower()] = value
    draft.add("\n".join(lines))


def _field(message: EmailMessage, name: str) -> str:
    """A header field, decoded; what cannot be parsed stands as it was sent."""
    try:
        return clean(squeeze(str(message.get(name) or "")))
    except Exception:  # the standard library's parser raises many kinds on hostile headers
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return clean(squeeze(str(raw)))


def _bodies(message: EmailMessage) -> list[EmailMessage]:
    """The text parts: in an alternative the plain one, else the HTML one."""
    parts = [
        p
        for p in message.walk()
        if isinstance(p, EmailMessage) and p.get_content_maintype() == "text" and not p.get_filename()
    ]
    plain = [p for p in parts if p.get_content_type() != "text/html" and _content(p).strip()]
    return plain or [p for p in parts if p.get_content_type() == "text/html"]


def _write_body(draft: Draft, part: EmailMessage) -> None:
    if part.get_content_type() == "text/html":
        write_html(draft, _content(part))
    else:
        draft.add(_content(part))


def _content(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset("")
    try:
        return payload.decode(charset)
    except (LookupError, ValueError):
        return decode(payload)[0]
