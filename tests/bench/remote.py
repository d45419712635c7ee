"""What peers do over the wire: bring their copies of tables to the rows that ours have, by MERGE.

    remote.py copy|deltalake|polars upsert|insert DIRECT DELAYED TABLE:KEY,KEY… …

DIRECT is the S3 server, DELAYED the same behind a proxy that is slow. `copy` makes the copies; a peer prints the seconds
that its merges took one after another: opening tables, finding rows, writing and committing, over DELAYED. Which rows they
merge is found out before, and is not counted; columns of maps are left out, of the copies, too.
"""

import sys
import time

import duckdb
import pyarrow
from deltalake import DeltaTable, write_deltalake

OURS, COPIES = "s3://lake/prod/curated", "s3://lake/copies"


def options(endpoint):
    """How a server is reached; commits are puts on condition."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_CONDITIONAL_PUT": "etag",
    }


def rows(uri, endpoint):
    """All rows of a table, without its maps."""
    table = DeltaTable(uri, storage_options=options(endpoint)).to_pyarrow_table()
    return table.select([field.name for field in table.schema if not pyarrow.types.is_map(field.type)])


def copy(peer, table, key, direct):
    """A copy of our table for a peer, a file a day."""
    uri = f"{COPIES}/{peer}/{table}"
    storage = options(direct)
    write_deltalake(uri, rows(f"{OURS}/{table}", direct), partition_by=[key[0]], mode="overwrite", storage_options=storage)


def fresh(peer, table, direct):
    """The rows of ours that the copy has not."""
    ours, theirs = rows(f"{OURS}/{table}", direct), rows(f"{COPIES}/{peer}/{table}", direct)
    found = duckdb.sql("SELECT * FROM ours EXCEPT SELECT * FROM theirs").to_arrow_table()
    return found.cast(ours.schema)


def merge(peer, table, key, new, how, delayed):
    """Merges rows into a copy; those that are there are changed unless rows are only inserted."""
    uri, storage = f"{COPIES}/{peer}/{table}", options(delayed)
    days = ", ".join(f"'{day}'" for day in sorted(set(map(str, new[key[0]].to_pylist()))))
    same = " AND ".join(f"s.{name} = t.{name}" for name in key)
    predicate = f"{same} AND t.{key[0]} IN ({days})"
    values = {name: f"s.{name}" for name in new.column_names}
    if peer == "polars":
        import polars

        named = {"predicate": predicate, "source_alias": "s", "target_alias": "t"}
        frame = polars.from_arrow(new)
        merging = frame.write_delta(uri, mode="merge", delta_merge_options=named, storage_options=storage)
    else:
        target = DeltaTable(uri, storage_options=storage)
        merging = target.merge(new, predicate=predicate, source_alias="s", target_alias="t", streamed_exec=False)
    if how == "upsert":
        merging = merging.when_matched_update(values)
    merging.when_not_matched_insert(values).execute()


def main(action, how, direct, delayed, tables):
    named = [(table, key.split(",")) for table, key in (table.split(":") for table in tables)]
    if action == "copy":
        for peer in ("deltalake", "polars"):
            for table, key in named:
                copy(peer, table, key, direct)
        print(0)
        return
    news = [fresh(action, table, direct) for table, _ in named]
    if not any(len(new) for new in news):
        sys.exit("nothing is new")
    if action == "polars":
        import polars  # noqa: F401  (not counted)
    started = time.monotonic()
    for (table, key), new in zip(named, news):
        if len(new):
            merge(action, table, key, new, how, delayed)
    print(time.monotonic() - started)
    for table, _ in named:
        left = len(fresh(action, table, direct))
        if left:
            sys.exit(f"{table}: {left} rows of ours are not in the copy")


main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
