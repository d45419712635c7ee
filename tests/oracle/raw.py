"""Reads a raw zone into DuckDB tables of text, and decides nothing beyond what a file's bytes say.

`raw.jwo_rows`  one row per CSV record with as many cells as its file has columns; every cell as text under its
                canonical name, cells of other columns in `extra`.
`raw.messages`  one row per JSON message or event, as text, out of its SNS envelope.

Both have `path` (below the raw root), `row` (ordinal in the object from 1; a header does not count, a malformed
record does), `generated_at` (the time in the path) and `modified` (the file's modification time).
"""

import csv
import gzip
import hashlib
import hmac
import io
import json
import re
import tempfile
import zlib
from datetime import datetime, timezone
from pathlib import Path

HEADER_COLUMNS = """
    order_id store_id store_timezone shopping_trip_id entry_method trip_start_at trip_end_at order_created_at
    order_updated_at order_date order_status payment_status payment_method card_brand card_last4 shopper_ref
    loyalty_id item_count subtotal discount_total fee_total tax_total order_total paid_total refunded_total
    currency_code
""".split()
LINE_COLUMNS = """
    line_id line_type sku upc product_name category quantity quantity_unit unit_price gross_amount discount_amount
    fee_amount tax_amount net_amount promotion_ids promotion_description tax_rate tax_inclusive line_status
    refund_reason_code refund_request_id
""".split()
JWO_COLUMNS = HEADER_COLUMNS + LINE_COLUMNS

JWO_PATH = re.compile(
    r"jwo/(?P<account>[^/]+)/Order/(?P<date>\d{4}-\d\d-\d\d)/(?P<hour>\d{1,2})/[^/]*?ALL(?P<minute>\d{1,2})"
    r"\.csv(?P<part>\d+)?(\.gz)?"
)
STREAM_PATH = re.compile(
    r"ams/(?P<dataset>sp-traffic|sp-conversion|campaigns)/year=(?P<year>\d{4})/month=(?P<month>\d{1,2})"
    r"/day=(?P<day>\d{1,2})/hour=(?P<hour>\d{1,2})/[^/]+"
)
EVENT_PATH = re.compile(
    r"yojaka/(?P<account>[^/]+)/(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/(?P<hour>\d\d)/[^/]+"
)
BEFORE_A_MESSAGE = re.compile(r"[\s,\[\]]*")


def load(connection, root, accounts, personal_key=None):
    """Fills `raw.jwo_rows` and `raw.messages`; returns how many objects could not be read."""
    merchants = {account["alias"]: account for account in accounts if account["source"] == "jwo"}
    unreadable = 0
    with tempfile.TemporaryDirectory() as folder:
        rows_path, messages_path = Path(folder, "rows"), Path(folder, "messages")
        with open(rows_path, "w") as rows, open(messages_path, "w") as messages:
            for file in sorted(file for file in root.rglob("*") if file.is_file()):
                path = file.relative_to(root).as_posix()
                of_jwo = JWO_PATH.fullmatch(path)
                of_messages = STREAM_PATH.fullmatch(path) or EVENT_PATH.fullmatch(path)
                if of_jwo and of_jwo["account"] in merchants:
                    records, target = jwo_rows(of_jwo, merchants[of_jwo["account"]], personal_key), rows
                elif of_messages:
                    records, target = stream_messages(of_messages), messages
                else:
                    continue
                try:
                    text = unpacked(file.read_bytes()).decode()
                except (EOFError, OSError, UnicodeDecodeError, zlib.error):
                    unreadable += 1
                    continue
                modified = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc).isoformat()
                for record in records(text):
                    print(json.dumps({"path": path, "modified": modified} | record), file=target)
        place = {"path": "VARCHAR", "row": "BIGINT", "generated_at": "TIMESTAMPTZ", "modified": "TIMESTAMPTZ"}
        jwo = place | {"part": "BIGINT", "zone": "VARCHAR", "merchant_id": "VARCHAR", "extra": "MAP(VARCHAR, VARCHAR)"}
        jwo |= {column: "VARCHAR" for column in JWO_COLUMNS}
        connection.execute("CREATE SCHEMA raw")
        create(connection, "jwo_rows", rows_path, jwo)
        create(connection, "messages", messages_path, place | {"dataset": "VARCHAR", "message": "VARCHAR"})
    return unreadable


def create(connection, table, source, columns):
    """A table of the schema raw from a file of JSON objects, a line each."""
    connection.execute(
        f"CREATE TABLE raw.{table} AS FROM read_json('{source}', format = 'newline_delimited', columns = {columns})"
    )


def unpacked(data):
    """The bytes, out of gzip where they are gzip, whatever the file is called."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def jwo_rows(place, account, personal_key):
    """A function from a file's text to its good rows."""
    dialect = account.get("csv") or {}
    rename = dialect.get("rename", {})
    null = dialect.get("null", ["", "\\N"])
    header = dialect.get("header", "detect")
    fields = {"merchant_id": account["alias"]} | account.get("fields", {})
    generated_at = f"{place['date']}T{int(place['hour']):02}:{int(place['minute']):02}:00Z"
    common = {"generated_at": generated_at, "part": int(place["part"] or 0), "zone": account["zone"]} | fields

    def rows(text):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.get("delimiter", ","), strict=True)
        records = [record for record in reader if record]
        columns = [rename.get(name, name) for name in dialect.get("columns") or []]
        if records and header != "absent":
            first = [rename.get(name, name) for name in records[0]]
            # Without an order of the columns the first record can only be a header, if anything in it is known.
            known = [name in JWO_COLUMNS for name in first]
            if header == "present" or (all(known) if columns else any(known)):
                columns, records = first, records[1:]
        for number, record in enumerate(records, 1):
            if len(record) != len(columns):
                continue
            cells = {name: cell for name, cell in zip(columns, record) if cell not in null}
            row = {name: cell for name, cell in cells.items() if name in JWO_COLUMNS}
            extra = {name: cell for name, cell in cells.items() if name not in JWO_COLUMNS}
            yield common | without_persons(row, personal_key) | {"row": number, "extra": extra or None}

    return rows


def without_persons(row, personal_key):
    """The row as it may be stored: the card dropped, shopper and loyalty card as keyed hashes or not at all."""
    row.pop("card_last4", None)
    for column in ["shopper_ref", "loyalty_id"]:
        value = row.pop(column, None)
        if value is not None and personal_key is not None:
            row[column] = hmac.new(personal_key.encode(), value.encode(), hashlib.sha256).hexdigest()
    return row


def stream_messages(place):
    """A function from an object's text to its messages: on lines, in arrays or just concatenated."""
    hour = [int(place[name]) for name in ["year", "month", "day", "hour"]]
    dataset = place.groupdict().get("dataset", "yojaka")
    common = {"dataset": dataset, "generated_at": datetime(*hour, tzinfo=timezone.utc).isoformat()}

    def messages(text):
        decoder = json.JSONDecoder()
        at, row = BEFORE_A_MESSAGE.match(text).end(), 0
        while at < len(text):
            row += 1
            try:
                value, end = decoder.raw_decode(text, at)
            except json.JSONDecodeError:
                # The next line is a new start.
                end = text.find("\n", at) + 1 or len(text)
            else:
                message = text[at:end]
                if isinstance(value, dict) and value.get("Type") == "Notification" and "Message" in value:
                    message = value["Message"]
                yield common | {"row": row, "message": message}
            at = BEFORE_A_MESSAGE.match(text, end).end()

    return messages
