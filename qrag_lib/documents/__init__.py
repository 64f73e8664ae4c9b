"""Files, records and bundles to documents, or refusals with their reason.

::

    walk            the files of a folder
    sniff           the kind of a file, by its bytes
    limits          bytes, seconds and memory that reading may take
    reader          one file to one document
    bounded         the child process in which formats that can explode are read
    readers         a module a format
    text            what all formats need to make text
    outside_reader  a LlamaIndex reader in the place of ours
    records         documents from JSON lines, mappings, LlamaIndex documents
    stix            MITRE ATT&CK bundles
    packages        Python packages as documents
    validate        what ingest would make of files, told before it
    hints           refusals with their next step

To read a new format, add a module to `readers` and enter it in `readers.FORMATS`.
"""

from qrag_lib.documents.hints import refusal_of
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.reader import Reader, read_file
from qrag_lib.documents.records import from_llama_index, from_records
from qrag_lib.documents.stix import from_stix, looks_like_stix
from qrag_lib.documents.validate import validate
from qrag_lib.documents.walk import FoundFile, Walk, find_file, printable, unprinted, walk

__all__ = [
    "FoundFile",
    "Limits",
    "Reader",
    "Walk",
    "find_file",
    "from_llama_index",
    "from_records",
    "from_stix",
    "looks_like_stix",
    "printable",
    "read_file",
    "refusal_of",
    "unprinted",
    "validate",
    "walk",
]
