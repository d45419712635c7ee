"""Compares the curated tables with the truth, computed by DuckDB from the raw files alone.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python compare.py --raw lake/raw --curated lake/curated --accounts accounts.json

Nothing of marketlake's own code or contracts is used. `raw.py` and `reports.py` read the files, `<source>.sql` says what
the tables must hold, and DuckDB's delta extension reads the tables. Names, types and rows of all columns are compared,
both ways, and how many rows `marketlake.changes` makes of a table; except bookkeeping columns (a leading `_`) and those
in `NOT_COMPARED`. The truth knows the troubles of
the demo's raw zone; for others it lacks:

- lines without a line id, and rows whose order date is further from their report than a table's key window;
- copies of a stream message with the same id and other content, messages with fields that Amazon does not document,
  and campaigns with broken numbers or times;
- documents of several parts or of one day in several currencies, ties between documents with one id, and Smart Connect
  passwords or capacities in other shapes than text and array;
- texts that DuckDB casts and marketlake refuses (a decimal with too many places is rounded).

One line per table goes to stdout. The exit code is 0 when all tables are equal, 1 when one is not (its first
differing rows are shown) and 2 when a table cannot be read.
"""

import argparse
import importlib.resources
import json
import sys
from pathlib import Path

import duckdb

import raw
import reports

TABLES = """
    jwo.order_rows jwo.orders jwo.order_lines jwo.order_totals jwo.store_hourly
    ams.sp_traffic ams.sp_conversion ams.sp_hourly ams.campaigns
    ads.sp_campaigns ads.sp_search_term ads.sp_advertised_product ads.campaign_daily
    sp_api.vendor_sales sp_api.vendor_inventory sp_api.sales_traffic_daily sp_api.orders sp_api.settlement
    yojaka.events yojaka.orders yojaka.order_status_history
    retail.ad_share_daily
""".split()
SOURCES = ["jwo.sql", "ams.sql", "reports.sql", "ads.sql", "sp_api.sql", "yojaka.sql", "retail.sql"]
# A hash of marketlake's own, and a map of everything that order_id, line_id and the other tables already prove.
NOT_COMPARED = {"jwo.order_rows": {"content_hash", "fields"}}
SHOWN = 5


def main():
    """Runs the comparison; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Compare curated tables with the truth from the raw files.")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw zone")
    parser.add_argument("--curated", type=Path, required=True, help="folder of the curated zone")
    parser.add_argument("--accounts", type=Path, required=True, help="JSON list of the accounts")
    parser.add_argument("--personal-key", help="key with which personal columns were hashed; none: they were dropped")
    parser.add_argument("tables", nargs="*", default=TABLES, metavar="TABLE", help="only these, such as jwo.orders")
    arguments = parser.parse_args()
    connection = connect()
    accounts = json.loads(arguments.accounts.read_text())
    unreadable = raw.load(connection, arguments.raw, accounts, arguments.personal_key)
    unreadable += reports.load(connection, arguments.raw, accounts)
    for source in SOURCES:
        connection.execute(Path(__file__).with_name(source).read_text())
    rows, messages = len(connection.table("raw.jwo_rows")), len(connection.table("raw.messages"))
    reported = len(connection.table("raw.report_rows"))
    print(f"raw: {rows} rows of orders, {messages} messages, {reported} rows of reports, {unreadable} unreadable objects")
    return max([compare(connection, arguments.curated, table) for table in arguments.tables])


def connect():
    """A connection that can read Delta tables, without any network."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    extensions = importlib.resources.files("duckdb_extension_delta") / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{extensions / 'delta.duckdb_extension'}'")
    return connection


def compare(connection, curated, table):
    """Prints how a table compares; the result is its part of the exit code."""
    folder = curated.joinpath(*table.split("."))
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE curated AS FROM delta_scan('{folder.resolve()}')")
    except duckdb.Error as error:
        print(f"{table}: cannot be read: {error}")
        return 2
    columns = described(connection, table)
    found = {name: kind for name, kind in described(connection, "curated").items() if name[0] != "_"}
    for name in NOT_COMPARED.get(table, ()):
        found.pop(name, None)
    if columns != found:
        print(f"{table}: columns differ")
        for name in sorted(columns.keys() | found.keys()):
            if columns.get(name) != found.get(name):
                print(f"  {name}: wanted {columns.get(name, 'no such column')}, found {found.get(name, 'none')}")
        return 1
    selected = ", ".join(comparable(name, kind) for name, kind in columns.items())
    want, have = f"SELECT {selected} FROM {table}", f"SELECT {selected} FROM curated"
    missing = connection.sql(f"{want} EXCEPT ALL {have}")
    surplus = connection.sql(f"{have} EXCEPT ALL {want}")
    counts = [len(relation) for relation in [connection.sql(want), connection.sql(have), missing, surplus]]
    verdict = "equal" if counts[2:] == [0, 0] else f"{counts[2]} rows missing, {counts[3]} rows too many"
    print(f"{table}: {counts[0]} rows wanted, {counts[1]} rows found, {verdict}")
    for title, relation, count in [("missing", missing, counts[2]), ("too many", surplus, counts[3])]:
        for row in relation.order("ALL").limit(SHOWN if count else 0).fetchall():
            print(f"  {title}: " + json.dumps(dict(zip(relation.columns, row)), default=str, ensure_ascii=False))
    named = changed(connection, curated, table)
    if named != counts[1]:
        print(f"{table}: its changes add up to {named} rows")
    return 0 if counts[2:] == [0, 0] and named == counts[1] else 1


def changed(connection, curated, table):
    """The rows that a table must have by what its commits are said to have changed, partition by partition."""
    folder = curated.joinpath("marketlake", "changes").resolve()
    parts = connection.execute(
        "SELECT map_entries(partition_values), sum(rows_inserted) - sum(rows_removed) "
        f"FROM delta_scan('{folder}') WHERE table_name = ? GROUP BY ALL",
        [table],
    ).fetchall()
    return sum(rows for _, rows in parts if rows > 0)


def described(connection, table):
    """Names and types of a table's columns."""
    return {name: kind for name, kind, *_ in connection.sql(f"DESCRIBE {table}").fetchall()}


def comparable(name, kind):
    """A column as it can be compared: maps by their sorted entries, objects by their path below the raw zone."""
    if kind.startswith("MAP"):
        return f"nullif(list_sort(map_entries({name})), []) AS {name}"
    if name == "object_path":
        return f"regexp_extract({name}, 'jwo/[^/]+/Order/.*') AS {name}"
    return name


if __name__ == "__main__":
    sys.exit(main())
