"""marketlake beside its peers on the same files: ratios of wall time, and whether the results are equal.

Run by `just bench`. Peers run in processes of their own and count only their work; marketlake counts from the start of
its process to its end. Every figure is the best of three, taken in turns.
"""

import argparse
import datetime
import importlib.resources
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

import data

HERE = Path(__file__).resolve().parent

# What upserts are compared with, by the name that --peers knows: how it is called, its function, what it writes.
PEERS = {
    "duckdb": [("DuckDB", "duckdb_upsert", "bare")],
    "deltalake": [("deltalake MERGE", "deltalake_merge", "delta")],
    "polars": [("polars", "polars_upsert", "bare"), ("polars MERGE", "polars_merge", "delta")],
    "dlt": [("dlt merge", "dlt_merge", "own")],
    "spark": [("Spark MERGE", "spark_merge", "delta")],
}


def child(*arguments):
    """Runs a program: seconds, peak memory in MB, what it said. It is started by a process of its own, because the
    peak of a process counts that of whoever started it."""
    launched = subprocess.run([sys.executable, HERE / "launch.py", *map(str, arguments)], capture_output=True, text=True)
    if launched.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))} failed:\n{launched.stderr}")
    measured = json.loads(launched.stdout)
    return measured["seconds"], measured["memory"], measured["said"]


def peer(name, *arguments):
    """A function of peers.py: the seconds that it counted, peak memory in MB."""
    _, memory, said = child(sys.executable, HERE / "peers.py", name, *arguments)
    return json.loads(said), memory


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = Path(options.work)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        extensions = importlib.resources.files("duckdb_extension_delta") / "extensions" / f"v{duckdb.__version__}"
        self.connection.execute(f"LOAD '{extensions / 'delta.duckdb_extension'}'")
        self.results = []

    def marketlake(self, lake, *arguments):
        return child(self.options.marketlake, "--lake", lake, "--sql", HERE / "contracts", *arguments)

    def tell(self, name, ours, memory, other, against, target, held=None):
        ratio = ours / other
        self.results.append((name, ratio, target))
        limit = f"wanted {target}" if target else ""
        held = f" {held:6.0f} MB" if held else ""
        print(
            f"{name:44} {ours:8.3f} s {memory:6.0f} MB   {against:18} {other:8.3f} s{held}   ratio {ratio:6.2f}  {limit}",
            flush=True,
        )

    def equal(self, lake, table, other):
        """Whether a table has the rows of a peer's, by count and by a sum of hashes over all columns."""
        columns = ", ".join(f"CAST({name} AS VARCHAR)" for name in data.COLUMNS)
        bare = f"read_parquet('{other}/*/*.parquet', hive_partitioning = true)"
        sums = [
            self.connection.execute(f"SELECT count(*), sum(hash({columns})) FROM {source}").fetchone()
            for source in (
                f"delta_scan('{lake}/curated/{table}')",
                f"delta_scan('{other}')" if (other / "_delta_log").exists() else bare,
            )
        ]
        if sums[0] != sums[1]:
            sys.exit(f"{table} differs from its peer's {other}: {sums}")

    def table(self, function, writes, table, files):
        """A peer's table of the rows of the base, as bare Parquet, as Delta, or made by the peer itself."""
        if writes == "own":
            peer(function, table, files)
            return
        table.parent.mkdir(parents=True)
        if writes == "delta":
            from deltalake import write_deltalake

            write_deltalake(table, self.connection.execute(f"FROM '{files}'").arrow(), partition_by=["order_date"])
        else:
            self.connection.execute(
                f"COPY (FROM '{files}') TO '{table}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (order_date))"
            )

    def upserts(self, keep, targets):
        """scatter, recent and worst into a table of sixty days."""
        days, per_day = 60, self.options.rows // 60
        lake = self.work / keep / "lake"
        raw = lake / "raw" / "bench" / keep
        data.base(self.connection, raw, days, per_day)
        self.marketlake(lake, "run", f"bench.{keep}")
        peers = [
            (name, function, writes, self.work / keep / function / "orders")
            for program in self.options.peers
            if keep == "rows" or program == "duckdb"
            for name, function, writes in PEERS[program]
        ]
        for _, function, writes, table in peers:
            self.table(function, writes, table, f"{raw}/*/base.parquet")
        version = 1
        for kind, target in targets.items():
            best = {}
            for _ in range(3):
                version += 1
                batch = raw / data.date(self.connection, days - 1) / f"{kind}-{version}.parquet"
                data.copy(self.connection, data.batch(self.connection, kind, days, per_day, version), batch)
                seconds, memory, _ = self.marketlake(lake, "run", f"bench.{keep}")
                runs = {"ours": (seconds, memory)}
                for name, function, _, table in peers:
                    runs[name] = peer(function, table, batch)
                for name, run in runs.items():
                    best[name] = min(best.get(name, run), run)
            for *_, table in peers:
                self.equal(lake, f"bench/{keep}", table)
            seconds, memory = best.pop("ours")
            for name, (other, held) in best.items():
                wanted = target if name == "DuckDB" else None
                self.tell(f"{keep}, {kind}", seconds, memory, other, name, wanted, held)

    def recompute(self):
        """One changed day of 365, of a million rows (half of --rows), in a group-by."""
        lake, days, per_day = self.work / "daily" / "lake", 365, self.options.rows // 2
        raw = lake / "raw" / "bench" / "rows"
        best, day = {}, data.date(self.connection, 180)
        for number in range(days):
            rows = per_day if number == 180 else 1000
            ids = f"SELECT CAST(range AS BIGINT) AS id FROM range({number * per_day}, {number * per_day + rows})"
            base = data.orders(ids, days, per_day, 1, "none")
            data.copy(self.connection, base, raw / data.date(self.connection, number) / "base.parquet")
        self.marketlake(lake, "run")
        for version in range(2, 5):
            ids = f"SELECT CAST(range AS BIGINT) AS id FROM range({180 * per_day}, {180 * per_day + 1000})"
            data.copy(
                self.connection,
                data.orders(ids, days, per_day, version, "some"),
                raw / day / f"change-{version}.parquet",
            )
            self.marketlake(lake, "run", "bench.rows")
            bare = lake / "curated" / "bench" / "rows"
            live = {Path(file).name for (file,) in self.connection.execute(
                f"SELECT DISTINCT filename FROM delta_scan('{bare}', filename = true) WHERE order_date = DATE '{day}'"
            ).fetchall()}
            folder = self.work / "daily" / "bare"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / f"order_date={day}").mkdir(parents=True)
            for name in live:
                shutil.copy(bare / f"order_date={day}" / name, folder / f"order_date={day}" / name)
            seconds, memory, _ = self.marketlake(lake, "run", "bench.daily")
            runs = {"ours": (seconds, memory), "DuckDB": peer("duckdb_day", folder, self.work / "day.parquet", day)}
            for name, run in runs.items():
                best[name] = min(best.get(name, run), run)
        self.tell("one of 365 days computed anew", *best["ours"], best["DuckDB"][0], "DuckDB", 1.2)

    def decode(self):
        """Stream messages and order reports, from raw objects to tables."""
        lake = self.work / "decode"
        data.messages(self.connection, lake / "raw" / "ams" / "sp-traffic", 2000 * self.options.scale)
        data.reports(self.connection, lake / "raw" / "jwo" / "corner_shop" / "Order", 500 * self.options.scale)
        for name, table, function, pattern in (
            ("Stream messages", "ams.sp_traffic", "duckdb_messages", "ams/sp-traffic/*/*/*/*/*"),
            ("order reports", "jwo.orders", "duckdb_orders", "jwo/*/Order/*/*/*"),
        ):
            best = {}
            for _ in range(3):
                shutil.rmtree(lake / "curated", ignore_errors=True)
                seconds, memory, _ = self.marketlake(lake, "run", table)
                other = peer(function, lake / "raw" / pattern, self.work / "decoded.parquet")
                for who, run in {"ours": (seconds, memory), "DuckDB": other}.items():
                    best[who] = min(best.get(who, run), run)
            ours = f"delta_scan('{lake}/curated/{table.replace('.', '/')}')"
            counts = [
                self.connection.execute(f"SELECT count(*) FROM {source}").fetchone()
                for source in (ours, f"'{self.work}/decoded.parquet'")
            ]
            if counts[0] != counts[1]:
                sys.exit(f"{table} differs from its peer: {counts}")
            self.tell(f"{name}, decoded and de-duplicated", *best["ours"], best["DuckDB"][0], "DuckDB", 1.0)

    def documents(self):
        """Seven of sixty days replaced by newer documents, one a day."""
        days, per_day = 60, self.options.rows // 60
        lake, bare = self.work / "documents" / "lake", self.work / "documents" / "bare"
        raw = lake / "raw" / "bench" / "documents"
        data.base(self.connection, raw, days, per_day)
        self.marketlake(lake, "run", "bench.documents")
        self.connection.execute(
            f"COPY (FROM '{raw}/*/base.parquet') TO '{bare}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (order_date))"
        )
        best = {}
        for version in range(2, 5):
            for day in range(50, 57):
                ids = f"SELECT CAST(range AS BIGINT) AS id FROM range({day * per_day}, {(day + 1) * per_day})"
                report = data.orders(ids, days, per_day, version, "all")
                data.copy(self.connection, report, raw / data.date(self.connection, day) / f"newer-{version}.parquet")
            seconds, memory, _ = self.marketlake(lake, "run", "bench.documents")
            runs = {"ours": (seconds, memory), "DuckDB": peer("duckdb_replace", bare, f"{raw}/*/newer-{version}.parquet")}
            for name, run in runs.items():
                best[name] = min(best.get(name, run), run)
        self.equal(lake, "bench/documents", bare)
        self.tell("7 of 60 days replaced by documents", *best["ours"], best["DuckDB"][0], "DuckDB", 1.0)

    def partitions(self):
        """A quarter of an hour of orders of today, into tables with few and with many days before; the schedule looks
        for new objects in the last three days."""
        seconds, per_day, today = {}, 2000, datetime.date.today()
        for days in (10, 1000):
            first = f"DATE '{today - datetime.timedelta(days=days - 1)}'"
            lake = self.work / f"partitions-{days}"
            raw = lake / "raw" / "bench" / "rows"
            data.base(self.connection, raw, days, per_day, first)
            self.marketlake(lake, "run", "bench.rows")
            for version in range(2, 12):
                ids = f"SELECT CAST(range AS BIGINT) AS id FROM range({(days - 1) * per_day}, {days * per_day})"
                batch = data.orders(ids, days, per_day, version, "some", first)
                data.copy(self.connection, batch, raw / str(today) / f"new-{version}.parquet")
                run = self.marketlake(lake, "--lookback-days", 3, "run", "bench.rows")[:2]
                seconds[days] = min(seconds.get(days, run), run)
        self.tell("a batch into a table of 1,000 partitions", *seconds[1000], seconds[10][0], "of 10", 1.2)

    def memory(self):
        """Peak memory: one JSON document, and Stream messages, each ten times as large as what may be held."""
        limit = self.options.limit
        lake = self.work / "memory"
        report = lake / "raw" / "sp_api" / "vendor" / "GET_VENDOR_SALES_REPORT" / "2026-03-02" / "report.json"
        data.vendor_report(self.connection, report, limit * 24_000)
        data.messages(self.connection, lake / "raw" / "ams" / "sp-traffic", limit * 480)
        for name, table, paths in (
            ("one JSON document", "sp_api.vendor_sales", [report]),
            ("Stream messages", "ams.sp_traffic", (lake / "raw" / "ams").rglob("messages-*")),
        ):
            megabytes = sum(path.stat().st_size for path in paths) >> 20
            arguments = ("--memory-limit", f"{limit}MiB", "--batch-bytes", "100GiB", "run", table)
            seconds, memory, _ = self.marketlake(lake, *arguments)
            self.results.append((name, memory / limit, 1.3))
            print(
                f"{name} of {megabytes:,} MB{'':20} {seconds:8.3f} s {memory:6.0f} MB   "
                f"{'of ' + str(limit) + ' MB':18} {'':10}   ratio {memory / limit:6.2f}  wanted 1.3",
                flush=True,
            )

    def remote(self):
        """Runs on a store each answer of which takes 40 ms; within the process, so it is a program of its own."""
        environment = {**os.environ, "MARKETLAKE_BENCH_PYTHON": sys.executable}
        subprocess.run(["cargo", "bench", "--workspace", "--locked", "--bench", "remote"], check=True, env=environment)

    def quiet(self):
        """A run that finds nothing, by the number of objects in the ledger; three days of them are listed."""
        seconds, today = {}, datetime.date.today()
        for objects, target in ((100, None), (10_000, 1.5), (self.options.objects, 3.0)):
            if objects in seconds:
                continue
            lake = self.work / f"quiet-{objects}"
            raw = lake / "raw" / "jwo"
            # So many stores that no day has more than a few thousand objects.
            stores = max(1, objects // 96_000)
            for number in range(objects):
                quarter = number // stores
                day = today - datetime.timedelta(days=quarter // 96)
                folder = raw / f"store{number % stores}" / "Order" / str(day) / f"{quarter // 4 % 24:02}"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"ALL{quarter % 4 * 15:02}.csv000").write_text("order_id,order_date\n")
            arguments = ("--lookback-days", 3, "run", "jwo.orders")
            self.marketlake(lake, *arguments)
            seconds[objects] = min(self.marketlake(lake, *arguments)[:2] for _ in range(5))
            if target:
                name = f"nothing new among {objects:,} objects"
                self.tell(name, *seconds[objects], seconds[100][0], "among 100", target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--marketlake", required=True, help="the program to time")
    parser.add_argument("--work", required=True, help="folder for data; it is emptied")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the tables that are upserted into")
    parser.add_argument("--scale", type=int, default=20, help="size of the raw objects that are decoded")
    parser.add_argument("--limit", type=int, default=256, help="memory limit whose keeping is measured, in MiB")
    parser.add_argument("--objects", type=int, default=10_000, help="objects of the largest ledger that finds nothing new")
    parser.add_argument("--only", help="upserts, documents, recompute, decode, partitions, memory, quiet or remote")
    parser.add_argument(
        "--peers",
        type=lambda names: names.split(","),
        default=["duckdb", "deltalake"],
        help=f"whom upserts are compared with, of {','.join(PEERS)}; all but the first two need requirements-peers.txt",
    )
    options = parser.parse_args()
    if unknown := set(options.peers) - set(PEERS):
        parser.error(f"--peers knows no {', '.join(sorted(unknown))}")
    bench = Bench(options)
    parts = {
        "upserts": lambda: (
            bench.upserts("rows", {"scatter": 0.3, "recent": 1.0, "worst": 0.8}),
            bench.upserts("values", {"scatter": 0.45, "recent": 1.5, "worst": 1.2}),
        ),
        "documents": bench.documents,
        "recompute": bench.recompute,
        "decode": bench.decode,
        "partitions": bench.partitions,
        "memory": bench.memory,
        "quiet": bench.quiet,
        "remote": bench.remote,
    }
    for name, part in parts.items():
        if bench.options.only in (None, name):
            part()
    missed = [name for name, ratio, target in bench.results if target and ratio > target]
    print(f"{len(bench.results)} comparisons, {len(missed)} beyond what is wanted" + "".join(f"\n  {name}" for name in missed))


if __name__ == "__main__":
    main()
