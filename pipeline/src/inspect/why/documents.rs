//! The documents that spoke about the cells of some rows.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;

use crate::contract::{Contract, Covers, Feed, Keep};
use crate::error::Result;
use crate::inspect::text::{TextRow, text_rows};
use crate::keep::{Cell, covered};
use crate::lake::Lake;
use crate::layout;
use crate::raw::RawObject;
use crate::system::ledger::{Ledger, LedgerRow};

use super::observed::{AT_ONCE, Observed, objects};

/// A recorded document, and of which of the explained rows it covers the cell; none: its rows tell.
struct Document {
    object: RawObject,
    order: String,
    covers: Option<Vec<bool>>,
}

/// What committed documents say about the cell of each of the `kept` rows: one list per row, oldest first. Each is
/// shown by the row of it that has the kept row's key, or by the kept row itself.
pub(super) async fn documents(
    lake: &Lake,
    contract: &Contract,
    ledger: &Ledger,
    taken: i64,
    kept: &RecordBatch,
) -> Result<Vec<Vec<Observed>>> {
    let rows = text_rows(kept)?;
    let per = contract.scope();
    let cell = |row: &TextRow| -> Cell {
        let value = |name: &String| row.get(name).unwrap_or_default().to_owned();
        per.iter().map(value).collect()
    };
    let cells: Vec<Cell> = rows.iter().map(cell).collect();
    let mut found: Vec<Vec<Observed>> = vec![Vec::new(); rows.len()];
    let documents = recorded(contract, ledger, taken, &cells).await?;
    for some in documents.chunks(AT_ONCE) {
        let objects: Vec<RawObject> = some.iter().map(|document| document.object.clone()).collect();
        let mut said = by_cell(
            crate::ingest::observe(lake, contract, &objects).await?,
            &cells,
            &cell,
        )?;
        for document in some {
            for (index, kept) in rows.iter().enumerate() {
                let uri = &document.object.uri;
                let of_cell = said.remove(&(uri.clone(), index)).unwrap_or_default();
                let covers = match &document.covers {
                    Some(covers) => covers[index],
                    None => !of_cell.is_empty(),
                };
                if covers {
                    found[index].push(observation(contract, document, kept, &of_cell));
                }
            }
        }
    }
    for documents in &mut found {
        documents.sort_by(|a, b| (&a.order, &a.object).cmp(&(&b.order, &b.object)));
    }
    Ok(found)
}

/// The newest state of each object that the table holds, as the ledger remembers it.
async fn recorded(contract: &Contract, ledger: &Ledger, taken: i64, cells: &[Cell]) -> Result<Vec<Document>> {
    let mut results: HashMap<String, LedgerRow> = HashMap::new();
    for row in ledger.rows(&contract.name).await? {
        let is_document = row.is_result() && row.batch <= taken && row.document_order.is_some();
        if is_document
            && results
                .get(&row.object)
                .is_none_or(|known| known.batch < row.batch)
        {
            results.insert(row.object.clone(), row);
        }
    }
    let day = match &contract.feed {
        Feed::Raw(feed) => match &feed.keep {
            Keep::LatestDocument {
                covers: Covers::Days(day),
                ..
            } => Some(day.as_str()),
            _ => None,
        },
        Feed::Inputs(_) => None,
    };
    let mut documents = Vec::new();
    for object in objects(ledger, contract, taken).await? {
        let Some(result) = results.remove(&object.uri) else {
            continue;
        };
        let covers = result.coverage().map(|coverage| {
            let covered = covered(contract.scope(), day, &coverage);
            let is_covered = |cell: &Cell| covered.contains(cell);
            cells.iter().map(is_covered).collect::<Vec<bool>>()
        });
        if covers.as_ref().is_none_or(|covers| covers.contains(&true)) {
            documents.push(Document {
                object,
                order: result.document_order.unwrap_or_default(),
                covers,
            });
        }
    }
    Ok(documents)
}

/// Rows of the given cells, by object and index of the cell.
fn by_cell(
    batches: Vec<RecordBatch>,
    cells: &[Cell],
    cell_of: &impl Fn(&TextRow) -> Cell,
) -> Result<BTreeMap<(String, usize), Vec<TextRow>>> {
    let mut found: BTreeMap<(String, usize), Vec<TextRow>> = BTreeMap::new();
    for batch in batches {
        for row in text_rows(&batch)? {
            let cell = cell_of(&row);
            let object = row.get(layout::OBJECT).unwrap_or_default().to_owned();
            for index in (0..cells.len()).filter(|index| cells[*index] == cell) {
                found
                    .entry((object.clone(), index))
                    .or_default()
                    .push(row.clone());
            }
        }
    }
    Ok(found)
}

fn observation(contract: &Contract, document: &Document, kept: &TextRow, rows: &[TextRow]) -> Observed {
    let uri = &document.object.uri;
    let is_kept = |row: &&TextRow| {
        kept.get(layout::OBJECT) == Some(uri) && row.get(layout::ROW) == kept.get(layout::ROW)
    };
    let key = contract.document_key();
    let has_key = |row: &&TextRow| !key.is_empty() && key.iter().all(|name| row.get(name) == kept.get(name));
    let shown = rows.iter().find(is_kept).or(rows.iter().find(has_key));
    let ordinal = shown.and_then(|row| row.get(layout::ROW)?.parse().ok());
    Observed {
        object: uri.clone(),
        row: ordinal.unwrap_or_default(),
        order: order(document, rows),
        rows: Some(rows.len() as u64),
        cells: shown.cloned().unwrap_or_default(),
        ..Observed::default()
    }
}

/// The place of a document in a cell: where its rows decide what it covers, each cell has its own.
fn order(document: &Document, rows: &[TextRow]) -> String {
    let newest = rows.iter().filter_map(|row| row.get(layout::ORDER)).max();
    let ending = document
        .order
        .trim_end_matches('.')
        .rsplit_once('.')
        .and_then(|(before, content)| Some((before.rsplit_once('.')?.1, content)));
    match (newest, ending, &document.covers) {
        (Some(newest), Some((id, content)), None) => format!("{newest}{id}.{content}."),
        _ => document.order.clone(),
    }
}
