//! The columns of a table from the fields of its samples.

use std::collections::BTreeSet;

use anyhow::Result;
use pipeline::contract::{Column, ColumnType, Contract, Personal, Zone, is_lineage};

use super::observe::{Field, Observed};
use super::written::Written;
use super::{kind, name, personal};

/// A column as it is proposed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Proposed {
    /// Name, type, fields, and what becomes of personal values.
    pub(super) column: Column,
    /// The raw field that it shows; none for columns that say where a row comes from.
    pub(super) field: Option<String>,
    /// How texts of the field have to be written anew.
    pub(super) written: Option<Written>,
    /// What a person should check.
    pub(super) check: Option<String>,
}

impl Proposed {
    /// A column of a field or of lineage.
    pub(super) fn new(name: &str, from: &str, ty: ColumnType) -> Self {
        Self {
            column: Column {
                name: name.to_owned(),
                from: vec![from.to_owned()],
                ty,
                doc: None,
                zone: Zone::Utc,
                personal: None,
                required: false,
                pick: pipeline::contract::Pick::Newest,
                unreadable: pipeline::contract::Unreadable::Reject,
            },
            field: (!is_lineage(from)).then(|| from.to_owned()),
            written: None,
            check: None,
        }
    }

    /// The same column with a meaning.
    pub(super) fn meaning(mut self, doc: &str) -> Self {
        self.column.doc = Some(doc.to_owned());
        self
    }

    /// Name of the column.
    pub(super) fn name(&self) -> &str {
        &self.column.name
    }

    /// Whether its values are about people.
    pub(super) fn is_personal(&self) -> bool {
        self.column.personal.is_some()
    }
}

/// Columns for every field that can have one, and notes on those that cannot. `like` is a table of the same source,
/// whose columns are taken over where they show the same fields.
pub(super) fn propose(
    observed: &Observed,
    like: Option<&Contract>,
    taken: &mut BTreeSet<String>,
) -> Result<(Vec<Proposed>, Vec<String>)> {
    let mut columns = Vec::new();
    let mut notes = Vec::new();
    for (index, field) in observed.fields.iter().enumerate() {
        if field.name.is_empty() || (field.name.starts_with('_') && !is_lineage(&field.name)) {
            notes.push(format!(
                "The field {:?} stays in extra: what starts with _ is kept for lineage.",
                field.name
            ));
            continue;
        }
        let known = like.map_or_else(|| Ok(Vec::new()), |like| known(field, like, taken))?;
        if known.is_empty() {
            columns.push(inferred(index, field, observed, taken)?);
        }
        columns.extend(known);
    }
    Ok((columns, notes))
}

/// The columns that another table makes of a field, if their types fit.
fn known(field: &Field, like: &Contract, taken: &mut BTreeSet<String>) -> Result<Vec<Proposed>> {
    let mut columns = Vec::new();
    for column in like
        .columns
        .iter()
        .filter(|column| column.from.first() == Some(&field.name))
    {
        if !kind::casts(&column.name, &column.ty, &field.values())? || !taken.insert(column.name.clone()) {
            continue;
        }
        columns.push(Proposed {
            column: column.clone(),
            field: Some(field.name.clone()),
            written: None,
            check: None,
        });
    }
    Ok(columns)
}

fn inferred(
    index: usize,
    field: &Field,
    observed: &Observed,
    taken: &mut BTreeSet<String>,
) -> Result<Proposed> {
    let own = match field.header {
        // What stands around the rows is told by its own name: reportSpecification.reportOptions.reportPeriod.
        true => field.name.rsplit('.').next().unwrap_or_default(),
        false => &field.name,
    };
    let plain = name::snake(own).unwrap_or_else(|| format!("column_{}", index + 1));
    let name = name::unique(plain.clone(), taken);
    let values = (0..observed.rows()).filter_map(|row| field.value(row));
    if personal::is_personal(&plain, values) {
        let mut column = Proposed::new(&name, &field.name, ColumnType::Text);
        column.column.personal = Some(Personal::Drop);
        column.check = Some(
            "looks personal, so it is not stored; personal = \"hash\" keeps a keyed hash to count and join by".to_owned(),
        );
        return Ok(column);
    }
    let kind = kind::infer(&plain, &field.values())?;
    let mut column = Proposed::new(&name, &field.name, kind.ty);
    column.check = kind.check;
    column.written = kind.written;
    if column.written.is_some() {
        column.column.from = vec![name::unique(format!("{name}_read"), taken)];
    }
    Ok(column)
}

#[cfg(test)]
mod tests {
    use super::super::format;
    use super::super::sample::Sample;
    use super::*;

    fn columns(text: &str) -> Vec<String> {
        let sample = Sample {
            path: "a".into(),
            bytes: text.as_bytes().to_vec().into(),
            manifest: None,
        };
        let (_, observed) = format::guess(&[sample], None).unwrap();
        let (columns, _) = propose(&observed, None, &mut BTreeSet::new()).unwrap();
        columns
            .iter()
            .map(|column| {
                let Column {
                    name,
                    from,
                    ty,
                    personal,
                    ..
                } = &column.column;
                format!(
                    "{name} {ty} {}{}",
                    from.join("|"),
                    if personal.is_some() { " personal" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn fields_become_columns_with_names_types_and_personal_ones_are_marked() {
        assert_eq!(
            columns("orderId;Betrag;E-Mail;note\n0017;\"1.234,50\";a@b.de;x\n18;7;;y\n"),
            [
                "order_id text orderId",
                "betrag decimal(18,4) betrag_read",
                "e_mail text E-Mail personal",
                "note text note",
            ]
        );
    }

    #[test]
    fn fields_that_are_no_names_are_counted_and_equal_names_are_numbered() {
        assert_eq!(
            columns("注文,orderId,order-id\nx,1,2\n"),
            [
                "column_1 text 注文",
                "order_id text orderId",
                "order_id_2 text order-id"
            ]
        );
    }
}
