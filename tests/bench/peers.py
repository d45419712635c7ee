"""The same work done by other programs; each function runs in a process of its own and prints its seconds."""

import glob
import json
import os
import shutil
import sys
import time
from pathlib import Path

import duckdb


def connect():
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    return connection


def swap(staged: Path, table: str):
    """Puts the staged days in the place of those of the table."""
    for folder in staged.iterdir():
        shutil.rmtree(Path(table) / folder.name, ignore_errors=True)
        folder.rename(Path(table) / folder.name)


def duckdb_upsert(table: str, batch: str) -> float:
    """Anti join, union, COPY with PARTITION_BY over the touched days of bare Parquet; no log, no transaction."""
    connection, staged = connect(), Path(table).with_name("staged")
    started = time.monotonic()
    days = [str(day) for (day,) in connection.execute(f"SELECT DISTINCT order_date FROM '{batch}'").fetchall()]
    files = [str(file) for day in days for file in Path(table).glob(f"order_date={day}/*.parquet")]
    rest = "SELECT * FROM read_parquet($files, hive_partitioning = true) old ANTI JOIN new USING (order_date, order_id)"
    connection.execute(f"CREATE TEMP VIEW new AS SELECT * FROM '{batch}'")
    union = f"{rest.replace('$files', repr(files))} UNION ALL BY NAME SELECT * FROM new" if files else "FROM new"
    connection.execute(f"COPY ({union}) TO '{staged}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (order_date))")
    swap(staged, table)
    seconds = time.monotonic() - started
    shutil.rmtree(staged)
    return seconds


def duckdb_replace(table: str, reports: str) -> float:
    """COPY with PARTITION_BY of the days that the reports cover, in place of what was there."""
    connection, staged = connect(), Path(table).with_name("staged")
    started = time.monotonic()
    connection.execute(
        f"COPY (FROM '{reports}') TO '{staged}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (order_date))"
    )
    swap(staged, table)
    seconds = time.monotonic() - started
    shutil.rmtree(staged)
    return seconds


def deltalake_merge(table: str, batch: str) -> float:
    """MERGE of the deltalake package into a Delta table."""
    import pyarrow.parquet
    from deltalake import DeltaTable

    started = time.monotonic()
    columns = pyarrow.parquet.read_schema(batch).names
    values = {name: f"s.{name}" for name in columns}
    merge = DeltaTable(table).merge(
        pyarrow.parquet.read_table(batch),
        predicate="s.order_date = t.order_date AND s.order_id = t.order_id",
        source_alias="s",
        target_alias="t",
        streamed_exec=False,  # lets the batch say which partitions are read
    )
    merge.when_matched_update(values, predicate="s.version > t.version").when_not_matched_insert(values).execute()
    return time.monotonic() - started


def polars_upsert(table: str, batch: str) -> float:
    """Anti join, union and partitioned sink of polars over the touched days of bare Parquet; no log, no transaction."""
    import polars

    staged = Path(table).with_name("staged")
    started = time.monotonic()
    new = polars.read_parquet(batch)
    days = [str(day) for day in new["order_date"].unique()]
    files = [file for day in days for file in Path(table).glob(f"order_date={day}/*.parquet")]
    union = new.lazy()
    if files:
        old = polars.scan_parquet(files, hive_partitioning=True)
        rest = old.join(new.lazy(), on=["order_date", "order_id"], how="anti")
        union = polars.concat([rest.select(new.columns), union], how="vertical_relaxed")
    target = polars.PartitionBy(staged, key="order_date", include_key=False)
    union.sink_parquet(target, mkdir=True, maintain_order=False)
    swap(staged, table)
    seconds = time.monotonic() - started
    shutil.rmtree(staged)
    return seconds


def polars_merge(table: str, batch: str) -> float:
    """MERGE of polars, which is that of the deltalake package, into a Delta table."""
    import polars

    started = time.monotonic()
    merge = polars.read_parquet(batch).write_delta(
        table,
        mode="merge",
        delta_merge_options={
            "predicate": "s.order_date = t.order_date AND s.order_id = t.order_id",
            "source_alias": "s",
            "target_alias": "t",
            "streamed_exec": False,
        },
    )
    merge.when_matched_update_all(predicate="s.version > t.version").when_not_matched_insert_all().execute()
    return time.monotonic() - started


def dlt_merge(table: str, batch: str) -> float:
    """A run of a dlt pipeline: extract, normalize and an upsert into a Delta table, which the first run makes."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt
    import pyarrow.dataset

    dataset = Path(table).parent
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(dataset.with_name("pipelines")),
        destination=dlt.destinations.filesystem(str(dataset.parent), deltalake_streamed_exec=False),
        dataset_name=dataset.name,
    )
    started = time.monotonic()
    pipeline.run(
        pyarrow.dataset.dataset(sorted(glob.glob(batch))).to_table(),
        table_name=Path(table).name,
        table_format="delta",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        primary_key=["order_date", "order_id"],
        columns={"order_date": {"partition": True}},
    )
    return time.monotonic() - started


def spark_merge(table: str, batch: str) -> float:
    """MERGE INTO of Spark into a Delta table; the session has done the same on a table of the batch's size before."""
    from delta import configure_spark_with_delta_pip
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config(map={
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": 8,
        "spark.databricks.delta.snapshotPartitions": 2,
        "spark.driver.memory": "8g",
        "spark.driver.host": "localhost",
        "spark.ui.enabled": False,
    })
    spark = configure_spark_with_delta_pip(builder).getOrCreate()

    def merge(table):
        spark.read.parquet(batch).createOrReplaceTempView("s")
        days = spark.sql("SELECT DISTINCT order_date FROM s").collect()
        spark.sql(f"""
            MERGE INTO delta.`{table}` t USING s
            ON t.order_date IN ({", ".join(f"DATE '{day}'" for (day,) in days)})
               AND s.order_date = t.order_date AND s.order_id = t.order_id
            WHEN MATCHED AND s.version > t.version THEN UPDATE SET *
            WHEN NOT MATCHED THEN INSERT *
        """)

    small = str(Path(table).with_name("small"))
    spark.read.parquet(batch).write.format("delta").mode("overwrite").partitionBy("order_date").save(small)
    merge(small)
    started = time.monotonic()
    merge(table)
    seconds = time.monotonic() - started
    gateway = SparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    return seconds


def duckdb_day(table: str, target: str, day: str) -> float:
    """One day of a group-by."""
    connection = connect()
    started = time.monotonic()
    connection.execute(
        f"COPY (SELECT order_date, store_id, count(*) AS orders, sum(quantity) AS quantity, sum(total) AS total "
        f"FROM read_parquet('{table}/order_date={day}/*.parquet', hive_partitioning = true) GROUP BY ALL) "
        f"TO '{target}' (FORMAT parquet)"
    )
    return time.monotonic() - started


def duckdb_messages(pattern: str, target: str) -> float:
    """Reads Stream messages, keeps one of each idempotency id, writes Parquet."""
    connection = connect()
    started = time.monotonic()
    connection.execute(
        f"COPY (SELECT * FROM read_json('{pattern}', format = 'newline_delimited', union_by_name = true) "
        f"QUALIFY row_number() OVER (PARTITION BY idempotency_id) = 1) TO '{target}' (FORMAT parquet)"
    )
    return time.monotonic() - started


def duckdb_orders(pattern: str, target: str) -> float:
    """Reads order reports, keeps the newest row of each order, writes Parquet."""
    connection = connect()
    started = time.monotonic()
    connection.execute(
        f"COPY (SELECT * FROM read_csv('{pattern}', all_varchar = true, union_by_name = true, filename = true) "
        f"QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY filename DESC) = 1) "
        f"TO '{target}' (FORMAT parquet)"
    )
    return time.monotonic() - started


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
