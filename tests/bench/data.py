"""Data of the benchmark: orders over sixty days, and batches of changes to them, all made by DuckDB from numbers."""

import json
import shutil
from pathlib import Path

FIRST = "DATE '2026-01-01'"
COLUMNS = [
    "order_date", "order_id", "version", "store_id", "sku", "title", "status", "city", "quantity",
    "price", "discount", "tax", "total", "note",
]


def orders(ids: str, days: int, per_day: int, version: int, changed: str, first: str = FIRST) -> str:
    """SELECT of orders. `changed` is none, some (4 columns of 14) or all (12 columns); `first` is the day of number 0."""
    some = version if changed in ("some", "all") else 0
    every = version if changed == "all" else 0
    return f"""
        SELECT {first} + CAST(id // {per_day} AS INTEGER) AS order_date,
               id AS order_id,
               {version} AS version,
               CAST((hash(id) + {every}) % 40 AS BIGINT) AS store_id,
               'SKU-' || ((hash(id, 1) + {every}) % 20000) AS sku,
               'Article number ' || ((hash(id, 1) + {every}) % 20000) || ' of the house' AS title,
               (['OPEN', 'CLOSED', 'PAID', 'REFUNDED'])[CAST(1 + (hash(id) + {some}) % 4 AS BIGINT)] AS status,
               'City ' || ((hash(id) + {every}) % 40) AS city,
               CAST(1 + (hash(id, 2) + {every}) % 9 AS BIGINT) AS quantity,
               CAST((100 + (hash(id, 3) + {every}) % 9000) / 100.0 AS DECIMAL(18,4)) AS price,
               CAST(((hash(id, 4) + {every}) % 300) / 100.0 AS DECIMAL(18,4)) AS discount,
               CAST(((hash(id, 5) + {some}) % 900) / 100.0 AS DECIMAL(18,4)) AS tax,
               CAST((200 + (hash(id, 6) + {some}) % 90000) / 100.0 AS DECIMAL(18,4)) AS total,
               md5(CAST(hash(id, 7) + {every} AS VARCHAR)) AS note
        FROM ({ids})
        WHERE id // {per_day} < {days} + 1
    """


def copy(connection, select: str, target: Path) -> None:
    """Writes the rows of a SELECT as one Parquet object of the raw zone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def base(connection, raw: Path, days: int, per_day: int, first: str = FIRST) -> None:
    """One object per day."""
    for day in range(days):
        ids = f"SELECT CAST(range AS BIGINT) AS id FROM range({day * per_day}, {(day + 1) * per_day})"
        rows = orders(ids, days, per_day, 1, "none", first)
        copy(connection, rows, raw / date(connection, day, first) / "base.parquet")


def batch(connection, kind: str, days: int, per_day: int, version: int) -> str:
    """SELECT of a batch: scatter (2 % of all rows), recent (two days, half of it new rows), worst (scatter with all
    columns changed)."""
    if kind == "recent":
        first, new = (days - 2) * per_day, days * per_day
        ids = f"""SELECT CAST(range AS BIGINT) AS id FROM range({first}, {new})
                  UNION ALL SELECT CAST(range AS BIGINT) FROM range({new}, {new + 2 * per_day})
                  WHERE range < {new + per_day}"""
        ids = f"SELECT id FROM ({ids}) WHERE hash(id) % 2 = 0 OR id >= {new}"
        return orders(ids, days, per_day, version, "some")
    ids = f"SELECT CAST(range AS BIGINT) AS id FROM range(0, {days * per_day}) WHERE hash(range, {version}) % 50 = 0"
    return orders(ids, days, per_day, version, "all" if kind == "worst" else "some")


def date(connection, day: int, first: str = FIRST) -> str:
    return str(connection.execute(f"SELECT {first} + {day}").fetchone()[0])


def reports(connection, raw: Path, orders_per_report: int) -> None:
    """A day of order reports, one every quarter of an hour, each of which repeats half of the one before."""
    for quarter in range(96):
        first = quarter * orders_per_report // 2
        target = raw / "2026-03-01" / f"{quarter // 4:02}" / f"ALL{quarter % 4 * 15:02}.csv000"
        target.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(f"""
            COPY (
                SELECT 'O-' || range AS order_id, '2026-03-01' AS order_date, 'S' || range % 40 AS store_id,
                       strftime(TIMESTAMP '2026-03-01 00:00:00' + to_seconds(range % 86400), '%Y-%m-%d %H:%M:%S')
                           AS order_created_at,
                       (['OPEN', 'CLOSED', 'PAID', 'REFUNDED'])[CAST(1 + (hash(range) + {quarter}) % 4 AS BIGINT)] AS order_status,
                       'EUR' AS currency_code, 1 + range % 9 AS item_count,
                       CAST((hash(range) % 90000) / 100.0 AS DECIMAL(18,2)) AS subtotal,
                       CAST((hash(range, 1) % 9000) / 100.0 AS DECIMAL(18,2)) AS tax_total,
                       CAST((hash(range, 2) % 90000) / 100.0 AS DECIMAL(18,2)) AS order_total
                FROM range({first}, {first + orders_per_report})
            ) TO '{target}' (FORMAT csv, HEADER)""")


def messages(connection, raw: Path, per_hour: int) -> None:
    """Two days of Stream messages, a file an hour; a tenth of each hour comes again in the next."""
    for hour in range(48):
        first = hour * per_hour * 9 // 10
        target = raw / "year=2026" / "month=03" / f"day={1 + hour // 24:02}" / f"hour={hour % 24:02}" / "messages-1"
        target.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(f"""
            COPY (
                SELECT md5(CAST(range AS VARCHAR)) AS idempotency_id, 'sp-traffic' AS dataset_id,
                       'ATVPDKIKX0DER' AS marketplace_id, 'USD' AS currency, 'ENTITY1' AS advertiser_id,
                       CAST(hash(range, 1) % 50 AS VARCHAR) AS campaign_id,
                       CAST(hash(range, 2) % 500 AS VARCHAR) AS ad_group_id,
                       CAST(hash(range, 3) % 5000 AS VARCHAR) AS ad_id,
                       CAST(hash(range, 4) % 9000 AS VARCHAR) AS keyword_id,
                       'Top of Search on-Amazon' AS placement,
                       strftime(TIMESTAMP '2026-03-01 00:00:00' + to_hours(CAST(range // {per_hour} AS INTEGER)),
                                '%Y-%m-%dT%H:%M:%S-08:00') AS time_window_start,
                       CAST(hash(range, 5) % 9 AS INTEGER) AS clicks, CAST(hash(range, 6) % 900 AS INTEGER) AS impressions,
                       CAST((hash(range, 7) % 900) / 100.0 AS DECIMAL(18,2)) AS cost
                FROM range({first}, {first + per_hour})
            ) TO '{target}' (FORMAT json)""")


def vendor_report(connection, target: Path, products: int) -> None:
    """A vendor sales report of one day: one JSON document, with its manifest; about 440 bytes per product."""
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = target.with_suffix(".rows")
    connection.execute(f"""
        COPY (
            SELECT '2026-03-01' AS startDate, '2026-03-01' AS endDate, 'B' || lpad(CAST(range AS VARCHAR), 9, '0') AS asin,
                   hash(range) % 9 AS customerReturns,
                   {{'amount': (hash(range, 1) % 90000) / 100, 'currencyCode': 'USD'}} AS orderedRevenue,
                   hash(range, 2) % 90 AS orderedUnits,
                   {{'amount': (hash(range, 3) % 90000) / 100, 'currencyCode': 'USD'}} AS shippedCogs,
                   {{'amount': (hash(range, 4) % 90000) / 100, 'currencyCode': 'USD'}} AS shippedRevenue,
                   hash(range, 5) % 90 AS shippedUnits
            FROM range({products})
        ) TO '{rows}' (FORMAT json, ARRAY true)""")
    about = """{"reportSpecification": {"reportType": "GET_VENDOR_SALES_REPORT", "reportOptions": {"reportPeriod": "DAY",
        "distributorView": "SOURCING", "sellingProgram": "RETAIL"}, "dataStartTime": "2026-03-01",
        "dataEndTime": "2026-03-01", "marketplaceIds": ["ATVPDKIKX0DER"]}, "salesByAsin": """
    with open(target, "wb") as document, open(rows, "rb") as source:
        document.write(about.encode())
        shutil.copyfileobj(source, document)
        document.write(b"}")
    rows.unlink()
    manifest = {"schema": 1, "document_id": target.stem, "period": {"from": "2026-03-01", "to": "2026-03-01"}}
    target.with_name(f"{target.name}.manifest.json").write_text(json.dumps(manifest))
