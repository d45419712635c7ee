//! `query`: SQL over the curated tables.

use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;

use crate::cli::{QueryArgs, RowFormat};
use crate::exit::DONE;
use crate::session::Session;

/// Rows of a table that decide how wide its columns are.
const WIDENING: usize = 10_000;

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
    let mut rows = session.lake().await?.query_rows(&sql).await?;
    let format = if session.output.json() {
        RowFormat::Json
    } else {
        arguments.format
    };
    if let RowFormat::Table = format {
        let mut batches = vec![RecordBatch::new_empty(rows.schema())];
        let mut count = 0;
        while count <= WIDENING
            && let Some(batch) = rows.next().await?
        {
            count += batch.num_rows();
            batches.push(batch);
        }
        let table = print(&batches, format)?;
        drop(batches);
        session.output.data(&table)?;
        // The first rows say how wide the columns are; of the others only as many are held as come at once.
        let frame = table.lines().next().unwrap_or_default().to_owned();
        drop(table);
        let mut has_more = false;
        while let Some(batch) = rows.next().await? {
            session.output.data(&lines(&batch, &frame)?)?;
            has_more = true;
        }
        if has_more {
            session.output.data(&format!("{frame}\n"))?;
        }
        return Ok(DONE);
    }
    if let RowFormat::Csv = format {
        session
            .output
            .data(&csv(&RecordBatch::new_empty(rows.schema()), true)?)?;
    }
    while let Some(batch) = rows.next().await? {
        let text = match format {
            RowFormat::Csv => csv(&batch, false)?,
            _ => print(&[batch], format)?,
        };
        session.output.data(&text)?;
    }
    Ok(DONE)
}

/// More rows of a table whose columns are as wide as in this line of its frame; what is wider stands out.
fn lines(rows: &RecordBatch, frame: &str) -> Result<String> {
    let widths: Vec<usize> = frame.trim_matches('+').split('+').map(str::len).collect();
    let options = FormatOptions::default();
    let columns = rows.columns().iter();
    let cells = columns.map(|column| ArrayFormatter::try_new(column, &options));
    let cells = cells.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut text = String::new();
    for row in 0..rows.num_rows() {
        for (cells, width) in cells.iter().zip(&widths) {
            let cell = cells.value(row).try_to_string()?;
            let cell = cell.replace(['\n', '\r'], " ");
            let _ = write!(text, "| {cell:<width$} ", width = width.saturating_sub(2));
        }
        text.push_str("|\n");
    }
    Ok(text)
}

/// Rows as text; every format ends with a line feed unless there is nothing to print.
pub(crate) fn print(batches: &[RecordBatch], format: RowFormat) -> Result<String> {
    match format {
        RowFormat::Table => Ok(format!("{}\n", pretty_format_batches(batches)?)),
        RowFormat::Csv => {
            let texts = batches.iter().enumerate();
            texts.map(|(batch, rows)| csv(rows, batch == 0)).collect()
        }
        RowFormat::Json => batches.iter().map(json).collect(),
    }
}

fn csv(rows: &RecordBatch, with_header: bool) -> Result<String> {
    let mut bytes = Vec::new();
    let mut writer = arrow::csv::WriterBuilder::new()
        .with_header(with_header)
        .build(&mut bytes);
    writer
        .write(&flat(rows)?)
        .context("rows cannot be written as CSV")?;
    drop(writer);
    String::from_utf8(bytes).context("rows are not text")
}

fn json(rows: &RecordBatch) -> Result<String> {
    let mut bytes = Vec::new();
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut bytes);
    writer.write(rows).context("rows cannot be written as JSON")?;
    writer.finish().context("rows cannot be written as JSON")?;
    String::from_utf8(bytes).context("rows are not text")
}

/// The rows with maps, lists and structs as JSON texts, since a cell of CSV has no parts.
fn flat(rows: &RecordBatch) -> Result<RecordBatch> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if !field.data_type().is_nested() {
            fields.push(field.as_ref().clone());
            columns.push(column.clone());
            continue;
        }
        let lines = json(&RecordBatch::try_from_iter_with_nullable([(
            "v",
            column.clone(),
            true,
        )])?)?;
        let inner = |line: &str| line.strip_prefix("{\"v\":")?.strip_suffix('}').map(str::to_owned);
        let mut texts = Vec::with_capacity(rows.num_rows());
        for (row, line) in lines.lines().enumerate() {
            texts.push(inner(line).filter(|_| column.is_valid(row)));
        }
        fields.push(Field::new(field.name(), DataType::Utf8, true));
        columns.push(Arc::new(StringArray::from(texts)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &options,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    use arrow::array::{ArrayRef, Int64Array, MapBuilder, StringBuilder};

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
    fn further_rows_of_a_table_stand_below_the_first_ones() {
        let table = print(&rows(), RowFormat::Table).unwrap();
        let frame = table.lines().next().unwrap();
        let more = lines(&rows()[0], frame).unwrap();
        assert!(table.ends_with(&format!("{more}{frame}\n")), "{more}");
    }

    #[test]
    fn no_rows_are_no_error_in_any_format() {
        for format in [RowFormat::Table, RowFormat::Csv, RowFormat::Json] {
            assert!(print(&[], format).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn a_map_is_a_cell_of_json() {
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for entries in [Some(vec![("note", "a \"b\", c\nd")]), None, Some(Vec::new())] {
            for (key, value) in entries.iter().flatten() {
                maps.keys().append_value(key);
                maps.values().append_value(value);
            }
            maps.append(entries.is_some()).unwrap();
        }
        let maps: ArrayRef = Arc::new(maps.finish());
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("extra", maps, true)]);
        let cell = r#""{""note"":""a \""b\"", c\nd""}""#;
        assert_eq!(
            print(&[rows.unwrap()], RowFormat::Csv).unwrap(),
            format!("n,extra\n1,{cell}\n2,\n3,{{}}\n")
        );
    }
}
