"""Reads reports and their manifests into two DuckDB tables, and decides nothing beyond what the files say.

`raw.documents`    one row per object that can be read: where it lies, whose it is, what its manifest says was asked for,
                   and the head of the document.
`raw.report_rows`  one row per row of a document, with its fields as text by name; nested fields by their path.
"""

import csv
import io
import json
import re
import tempfile
import zlib
from pathlib import Path

import raw

REPORT_PATH = re.compile(
    r"(?P<source>ads|sp_api)/(?P<account>[^/]+)/(?P<kind>[^/]+)/(?P<date>\d{4}-\d\d-\d\d)/[^/]+\.(json|txt|tsv)(\.gz)?"
)
ARRAYS = {
    "GET_VENDOR_SALES_REPORT": "salesByAsin",
    "GET_VENDOR_INVENTORY_REPORT": "inventoryByAsin",
    "GET_SALES_AND_TRAFFIC_REPORT": "salesAndTrafficByDate",
}
CHARSETS = {"cp1252": "cp1252", "windows-1252": "cp1252"}
TEXTS = "MAP(VARCHAR, VARCHAR)"
DOCUMENT_COLUMNS = {
    "path": "VARCHAR",
    "source": "VARCHAR",
    "account": "VARCHAR",
    "kind": "VARCHAR",
    "fields": TEXTS,
    "currency": "VARCHAR",
    "document_id": "VARCHAR",
    "report_type": "VARCHAR",
    "generated_at": "TIMESTAMPTZ",
    "is_known": "BOOLEAN",
    "asked_from": "DATE",
    "asked_to": "DATE",
    "marketplaces": "VARCHAR",
    "options": TEXTS,
    "head": TEXTS,
}
ROW_COLUMNS = {"path": "VARCHAR", "row": "BIGINT", "fields": TEXTS}


def load(connection, root, accounts):
    """Fills `raw.documents` and `raw.report_rows`; returns how many objects could not be read."""
    known = {(account["source"], account["alias"]): account for account in accounts}
    with tempfile.TemporaryDirectory() as folder:
        documents_path, rows_path = Path(folder, "documents"), Path(folder, "report_rows")
        with open(documents_path, "w") as documents, open(rows_path, "w") as rows:
            unreadable = read(root, known, documents, rows)
        raw.create(connection, "documents", documents_path, DOCUMENT_COLUMNS)
        raw.create(connection, "report_rows", rows_path, ROW_COLUMNS)
    return unreadable


def read(root, known, documents, rows):
    """Writes down every document and its rows; returns how many could not be read."""
    unreadable = 0
    for file in sorted(file for file in root.rglob("*") if file.is_file()):
        place = REPORT_PATH.fullmatch(file.relative_to(root).as_posix())
        if not place or file.name.endswith(".manifest.json"):
            continue
        manifest = file.with_name(file.name + ".manifest.json")
        said = json.loads(manifest.read_text()) if manifest.exists() else {}
        try:
            head, records = content(file.read_bytes(), place["kind"], said)
        except (EOFError, OSError, UnicodeDecodeError, ValueError, zlib.error):
            unreadable += 1
            continue
        account = known.get((place["source"], place["account"]), {})
        print(json.dumps(described(place, said, account) | {"head": head}), file=documents)
        for number, fields in records:
            print(json.dumps({"path": place[0], "row": number, "fields": fields}), file=rows)
    return unreadable


def described(place, said, account):
    """What path, manifest and account say of a document."""
    period = said.get("period", {})
    return {
        "path": place[0],
        "source": place["source"],
        "account": place["account"],
        "kind": place["kind"],
        "fields": account.get("fields", {}),
        "currency": account.get("currency"),
        "document_id": said.get("document_id"),
        "report_type": said.get("report_type"),
        "generated_at": said.get("generated_at", f"{place['date']}T00:00:00Z"),
        "is_known": "generated_at" in said,
        "asked_from": period.get("from"),
        "asked_to": period.get("to"),
        "marketplaces": ",".join(said["marketplace_ids"]) if said.get("marketplace_ids") else None,
        "options": said.get("options", {}),
    }


def content(data, kind, said):
    """The head of a document and its rows with their ordinals."""
    if said.get("bytes", len(data)) != len(data):
        raise ValueError("another size than the manifest says")
    text = raw.unpacked(data).decode(CHARSETS.get(said.get("charset", "").lower(), "utf-8"))
    if not text.lstrip().startswith(("[", "{")):
        return {}, list(lines(text))
    # Numbers stay the text that they are.
    document = json.loads(text, parse_int=str, parse_float=str)
    if isinstance(document, list):
        return {}, list(enumerate(map(flat, document), 1))
    if ARRAYS[kind] not in document:
        raise ValueError("no rows")
    head = flat({"reportSpecification": document.get("reportSpecification", {})})
    return head, list(enumerate(map(flat, document[ARRAYS[kind]]), 1))


def lines(text):
    """The rows of a file with tabs; one with another number of cells than the header counts and is none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(reader, [])
    for number, cells in enumerate((cells for cells in reader if cells), 1):
        if len(cells) == len(header):
            yield number, {name: cell for name, cell in zip(header, cells) if cell != ""}


def flat(value, name=""):
    """The scalars in an object by their path, as text; an array of one scalar is that scalar."""
    if isinstance(value, dict):
        found = {}
        for key, below in value.items():
            found |= flat(below, f"{name}.{key}" if name else key)
        return found
    if isinstance(value, list):
        return {name: value[0] if len(value) == 1 and isinstance(value[0], str) else json.dumps(value)}
    if value is None:
        return {}
    return {name: str(value).lower() if isinstance(value, bool) else value}
