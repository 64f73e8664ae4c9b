"""Files, records and bundles to documents, or refusals with their reason.

`QragReader`, ours as a LlamaIndex reader, is in `documents.llama`, which imports LlamaIndex.
"""

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.reader import Reader, read_file
from qrag_lib.documents.records import from_llama_index, from_records
from qrag_lib.documents.stix import from_stix, looks_like_stix
from qrag_lib.documents.validate import refusal_of, validate
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
