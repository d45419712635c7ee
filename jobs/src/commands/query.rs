//! `query`: SQL over the curated tables.

use std::io::Read;

use anyhow::{Context, Result};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;

use crate::cli::{QueryArgs, RowFormat};
use crate::exit::DONE;
use crate::session::Session;

/// Runs one statement and prints its rows.
pub(super) async fn query(session: &Session, arguments: &QueryArgs) -> Result<u8> {
    let sql = match arguments.sql.as_str() {
        "-" => {
            let mut sql = String::new();
            std::io::stdin()
                .read_to_string(&mut sql)
                .context("stdin cannot be read")?;
            sql
        }
        sql => sql.to_owned(),
    };
    let batches = session.lake().await?.query(&sql).await?;
    let format = if session.output.json() {
        RowFormat::Json
    } else {
        arguments.format
    };
    session.output.data(&print(&batches, format)?)?;
    Ok(DONE)
}

/// Rows as text; every format ends with a line feed unless there is nothing to print.
pub(crate) fn print(batches: &[RecordBatch], format: RowFormat) -> Result<String> {
    let mut bytes = Vec::new();
    match format {
        RowFormat::Table => return Ok(format!("{}\n", pretty_format_batches(batches)?)),
        RowFormat::Csv => {
            let mut writer = arrow::csv::WriterBuilder::new()
                .with_header(true)
                .build(&mut bytes);
            for batch in batches {
                writer
                    .write(batch)
                    .context("rows cannot be written as CSV; try --format json")?;
            }
        }
        RowFormat::Json => {
            let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut bytes);
            for batch in batches {
                writer.write(batch).context("rows cannot be written as JSON")?;
            }
            writer.finish().context("rows cannot be written as JSON")?;
        }
    }
    String::from_utf8(bytes).context("rows are not text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    fn rows() -> Vec<RecordBatch> {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a,b"), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        vec![RecordBatch::try_from_iter([("name", names), ("number", numbers)]).unwrap()]
    }

    #[test]
    fn json_is_one_object_a_line_with_nulls() {
        let text = print(&rows(), RowFormat::Json).unwrap();
        assert_eq!(
            text,
            "{\"name\":\"a,b\",\"number\":1}\n{\"name\":null,\"number\":2}\n"
        );
    }

    #[test]
    fn csv_quotes_and_has_one_header_however_many_batches() {
        let twice = [rows(), rows()].concat();
        let text = print(&twice, RowFormat::Csv).unwrap();
        assert_eq!(text, "name,number\n\"a,b\",1\n,2\n\"a,b\",1\n,2\n");
    }

    #[test]
    fn no_rows_are_no_error_in_any_format() {
        for format in [RowFormat::Table, RowFormat::Csv, RowFormat::Json] {
            assert!(print(&[], format).is_ok(), "{format:?}");
        }
    }
}
