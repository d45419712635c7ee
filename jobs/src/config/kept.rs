//! Values of the configuration that are kept at AWS: what is written there is a reference, `secret:NAME#key` or `ssm:NAME`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use aws::{Aws, Reference, Said, Values};
use toml::de::DeValue;
use toml::{Spanned, Value};

use super::layer::{Layer, typed};
use super::location;
use super::options::{ACQUIRE, LOCATIONS};
use super::origin::Origin;
use crate::at_aws::mistake;
use crate::exit::usage;

/// Who gives what references stand for, with the region that is configured.
pub(super) type Keeper<'a> = &'a dyn Fn(&BTreeSet<Reference>, Option<&str>) -> Result<Values>;

/// Asks AWS.
///
/// # Errors
///
/// With what is missing; usage errors where the configuration has to be mended.
pub(super) fn ask(references: &BTreeSet<Reference>, region: Option<&str>) -> Result<Values> {
    // A thread of its own, as some commands read a configuration amid their work.
    let values = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let asked = async { Aws::load(region).await?.values(references).await };
            Ok(runtime.context("the runtime cannot be started")?.block_on(asked))
        });
        let failed = || anyhow::anyhow!("values by reference could not be asked for");
        asking.join().unwrap_or_else(|_| Err(failed()))
    })?;
    values.map_err(mistake)
}

/// Whether a text says more than itself: a reference, or what only looks like one.
pub(super) fn is_marked(text: &str) -> bool {
    !matches!(Said::read(text), Ok(Said::Text(itself)) if itself == text)
}

/// Whether a value is kept elsewhere.
pub(super) fn is_reference(value: &Value) -> bool {
    let said = value.as_str().map(Said::read);
    matches!(said, Some(Ok(Said::Reference(_))))
}

/// A value as it is written in a file or in the environment.
pub(super) trait Written {
    /// The text, where it is one.
    fn text(&self) -> Option<&str>;
    /// What it is made of, where it is no text.
    fn parts(&self) -> Vec<&Self>;
}

impl Written for Value {
    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Array(items) => items.iter().collect(),
            Self::Table(entries) => entries.values().collect(),
            _ => Vec::new(),
        }
    }
}

impl Written for DeValue<'_> {
    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Array(items) => items.iter().map(|item| item.get_ref()).collect(),
            Self::Table(entries) => entries.values().map(|value| value.get_ref()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether a value is a marked text itself.
pub(super) fn is_whole(value: &impl Written) -> bool {
    value.text().is_some_and(is_marked)
}

/// Whether there is a marked text in a value.
pub(super) fn has_any(value: &impl Written) -> bool {
    is_whole(value) || value.parts().into_iter().any(has_any)
}

/// Puts what is meant in the place of texts of a file; where in the file that was done, and what stands there.
pub(super) fn put_into(value: &mut Spanned<DeValue<'_>>, values: &Values) -> Vec<(Range<usize>, String)> {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if is_marked(text) => {
            let written = text.to_string();
            *text = Cow::Owned(meant(&written, values));
            vec![(span, written)]
        }
        DeValue::Array(items) => items.iter_mut().flat_map(|item| put_into(item, values)).collect(),
        DeValue::Table(entries) => {
            let entries = entries.iter_mut();
            entries.flat_map(|(_, value)| put_into(value, values)).collect()
        }
        _ => Vec::new(),
    }
}

/// The references of a layer.
///
/// # Errors
///
/// A usage error for one that names nothing, with where it is written.
pub(super) fn references(layer: &Layer) -> Result<BTreeSet<Reference>> {
    let mut found = BTreeSet::new();
    // Secrets of sources are asked for by who asks the sources.
    let resolved = layer.iter().filter(|(key, _)| *key != ACQUIRE);
    for (value, origin) in resolved.map(|(_, entry)| entry) {
        collect(value, &mut found).map_err(|error| usage(format!("{origin}: {error}")))?;
    }
    Ok(found)
}

fn collect(value: &Value, found: &mut BTreeSet<Reference>) -> aws::Result<()> {
    if let Some(text) = value.as_str()
        && let Said::Reference(reference) = Said::read(text)?
    {
        found.insert(reference);
    }
    value
        .parts()
        .into_iter()
        .try_for_each(|part| collect(part, found))
}

/// The same layer with what is meant in the place of what is written, and places seen from where they are written.
///
/// # Errors
///
/// A usage error for what a key does not take, with the reference.
pub(super) fn put(layer: &Layer, values: &Values) -> Result<Layer> {
    let entries = layer.iter().map(|(key, (written, origin))| {
        let value = match written {
            secrets if key == ACQUIRE => secrets.clone(),
            Value::String(text) if is_marked(text) => {
                let meant = meant(text, values);
                // The message would have the value in it.
                typed(key, &meant)
                    .map_err(|_| usage(format!("{origin}: {key} does not take what {text} is")))?
            }
            other => within(other, values),
        };
        let value = match (value, origin) {
            (Value::String(text), Origin::File(file, _)) if LOCATIONS.contains(&key.as_str()) => {
                let folder = file.parent().unwrap_or(Path::new(""));
                Value::String(location::relative_to(folder, &text))
            }
            (value, _) => value,
        };
        Ok((key.clone(), (value, origin.clone())))
    });
    entries.collect()
}

fn within(value: &Value, values: &Values) -> Value {
    match value {
        Value::String(text) => Value::String(meant(text, values)),
        Value::Array(items) => Value::Array(items.iter().map(|item| within(item, values)).collect()),
        Value::Table(entries) => Value::Table(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), within(value, values)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// What a text means; a reference that was not asked for means itself.
fn meant(text: &str, values: &Values) -> String {
    match Said::read(text) {
        Ok(Said::Text(itself)) => itself,
        Ok(Said::Reference(reference)) => values.get(&reference).unwrap_or(text).to_owned(),
        Err(_) => text.to_owned(),
    }
}
