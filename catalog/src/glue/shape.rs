//! What Glue is told about a table, in the shape in which Athena finds a Delta table without a crawler.
//!
//! Athena and Trino read schema and files from the log; they need the provider and the path of the SerDe. Views, Lake
//! Formation and people read the columns. Formats and SerDe stand for nothing: they are what Athena itself writes.

use std::collections::HashMap;

use aws_sdk_glue::types::{Column as GlueColumn, SerDeInfo, StorageDescriptor, TableInput};

use crate::difference::cut;
use crate::{Column, Error, Result, Table};

/// What tells an entry of this program: the name in the lake.
pub(super) const OURS: &str = "marketlake.table";
/// Columns that identify a row.
const KEY: &str = "marketlake.key";
/// Begin of the parameters that hold the schema in parts.
pub(super) const SCHEMA: &str = "spark.sql.sources.schema.";
/// Parameter of the SerDe that says where the table is.
pub(super) const PATH: &str = "path";

/// Characters of a part of the schema, as Spark cuts it.
const PART: usize = 4000;
/// Bytes that Glue takes of a column's comment, of a description and of a type.
const COMMENT: usize = 255;
const DESCRIPTION: usize = 2048;

const INPUT_FORMAT: &str = "org.apache.hadoop.mapred.SequenceFileInputFormat";
const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat";
const SERDE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

/// The entry of a table; `name` is its name in the database.
pub(super) fn table(table: &Table, name: &str) -> Result<TableInput> {
    let unfit = |why: String| Error::Unfit {
        name: table.name.clone(),
        why,
    };
    let (mut keys, mut columns) = (Vec::new(), Vec::new());
    for part in &table.partition {
        let column = table.columns.iter().find(|column| column.name == *part);
        let column = column.ok_or_else(|| unfit(format!("partition column {part} is not a column")))?;
        keys.push(glue_column(column).map_err(unfit)?);
    }
    for column in table
        .columns
        .iter()
        .filter(|column| !table.partition.contains(&column.name))
    {
        columns.push(glue_column(column).map_err(unfit)?);
    }
    let serde = SerDeInfo::builder()
        .serialization_library(SERDE)
        .parameters(PATH, &table.location)
        .parameters("serialization.format", "1");
    let storage = StorageDescriptor::builder()
        .set_columns(Some(columns))
        .location(&table.location)
        .input_format(INPUT_FORMAT)
        .output_format(OUTPUT_FORMAT)
        .serde_info(serde.build());
    let mut parameters: HashMap<String, String> = [
        ("EXTERNAL", "TRUE"),
        ("table_type", "delta"),
        ("spark.sql.sources.provider", "delta"),
        ("spark.sql.partitionProvider", "catalog"),
        (OURS, &table.name),
        (KEY, &table.key.join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    parameters.extend(schema(&table.delta_schema));
    TableInput::builder()
        .name(name)
        .description(description(&table.description))
        .table_type("EXTERNAL_TABLE")
        .storage_descriptor(storage.build())
        .set_partition_keys(Some(keys))
        .set_parameters(Some(parameters))
        .build()
        .map_err(|error| unfit(error.to_string()))
}

/// The schema in parts, and how many there are.
fn schema(text: &str) -> impl Iterator<Item = (String, String)> {
    let characters: Vec<char> = text.chars().collect();
    let parts: Vec<String> = characters
        .chunks(PART)
        .map(|part| part.iter().collect())
        .collect();
    let count = (format!("{SCHEMA}numParts"), parts.len().to_string());
    let parts = parts.into_iter().enumerate();
    std::iter::once(count).chain(parts.map(|(index, part)| (format!("{SCHEMA}part.{index}"), part)))
}

/// A description that Glue takes.
pub(super) fn description(text: &str) -> String {
    short(text, DESCRIPTION)
}

/// A column as Glue takes it: its comment is one line of at most 255 bytes.
pub(super) fn glue_column(column: &Column) -> Result<GlueColumn, String> {
    GlueColumn::builder()
        .name(&column.name)
        .r#type(hive_type(&column.ty).ok_or_else(|| {
            format!(
                "column {} is a {}, which Glue has no type for",
                column.name, column.ty
            )
        })?)
        .set_comment(column.doc.as_deref().map(|doc| short(doc, COMMENT)))
        .build()
        .map_err(|error| error.to_string())
}

/// One line of at most so many bytes.
fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= most {
        return line;
    }
    let ellipsis = "…";
    format!("{}{ellipsis}", cut(&line, most - ellipsis.len()).trim_end())
}

/// The type as Hive writes it; none for a word that is no type.
fn hive_type(ty: &str) -> Option<&str> {
    Some(match ty {
        "text" => "string",
        "bool" => "boolean",
        "int" => "bigint",
        "double" => "double",
        "date" => "date",
        "timestamp" => "timestamp",
        "map" => "map<string,string>",
        decimal if decimal.starts_with("decimal(") => decimal,
        _ => return None,
    })
}
