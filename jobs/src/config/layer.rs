//! The layers of settings, each as keys with values and origins.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use aws::Values;
use serde::Deserialize;
use toml::de::{DeTable, Deserializer};
use toml::{Table, Value};

use super::kept;
use super::options::{KEYS, Options};
use super::origin::Origin;
use crate::exit::usage;
use crate::units::Size;

/// Prefix of the environment variables.
const PREFIX: &str = "MARKETLAKE_";

/// Variables with the prefix that are no settings.
const OTHER_VARIABLES: [&str; 3] = ["MARKETLAKE_CONFIG", "MARKETLAKE_FAILPOINT", "MARKETLAKE_RUN_ID"];

/// Key to value and origin.
pub(crate) type Layer = BTreeMap<String, (Value, Origin)>;

/// What holds where nobody says anything, in a container that may take so much memory.
pub(crate) fn defaults(container: Option<u64>) -> Result<Layer> {
    let mut layer = of_options(&Options::defaults(), |_| Origin::Default)?;
    if let Some(bytes) = container {
        // The other half is for what is not counted: code, decoders, and what the allocator keeps.
        let half = Value::String(Size(bytes / 2).to_string());
        layer.insert("memory_limit".to_owned(), (half, Origin::Container(Size(bytes))));
    }
    Ok(layer)
}

/// What the command line says.
pub(crate) fn flags(options: &Options) -> Result<Layer> {
    of_options(options, |key| {
        Origin::Flag(format!("--{}", key.replace('_', "-")))
    })
}

fn of_options(options: &Options, origin: impl Fn(&str) -> Origin) -> Result<Layer> {
    let table = Table::try_from(options).context("settings cannot be written down")?;
    Ok(table
        .into_iter()
        .map(|(key, value)| (key.clone(), (value, origin(&key))))
        .collect())
}

/// What a file says, as it is written there.
pub(crate) fn file(path: &Path, text: &str) -> Result<Layer> {
    let positions = DeTable::parse(text).map_err(|error| mistake(path, text, &error, error.message()))?;
    let lines: BTreeMap<String, usize> = positions
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)))
        .collect();
    let values: Table = toml::from_str(text).map_err(|error| mistake(path, text, &error, error.message()))?;
    let entries = values.into_iter().map(|(key, value)| {
        let line = lines.get(&key).copied().unwrap_or(1);
        (key, (value, Origin::File(path.to_owned(), line)))
    });
    Ok(entries.collect())
}

/// Whether a file says what its keys take, with `values` in the place of references; a mistake in it is an error with file and
/// line. What a key by reference says that others stand above is not known, and not looked at.
pub(crate) fn check(
    path: &Path,
    text: &str,
    values: &Values,
    is_in_force: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut written = DeTable::parse(text).map_err(|error| mistake(path, text, &error, error.message()))?;
    let root = written.get_mut();
    let of_others: Vec<_> = root
        .iter()
        .filter(|(key, value)| {
            kept::is_whole(value.get_ref()) || kept::has_any(value.get_ref()) && !is_in_force(key.get_ref())
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in of_others {
        root.remove(&key);
    }
    let put = root
        .iter_mut()
        .flat_map(|(_, value)| kept::put_into(value, values));
    let put: Vec<_> = put.collect();
    let checked = Options::deserialize(Deserializer::from(written));
    checked.map(drop).map_err(|error| {
        let at = error.span().map(|span| span.start);
        let of = put
            .iter()
            .find(|(span, _)| at.is_some_and(|at| span.contains(&at)));
        let message = values.hidden(error.message());
        match of {
            Some((_, reference)) => mistake(
                path,
                text,
                &error,
                &format!("what {reference} is does not fit: {message}"),
            ),
            None => mistake(path, text, &error, &message),
        }
    })
}

fn mistake(path: &Path, text: &str, error: &toml::de::Error, message: &str) -> anyhow::Error {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    usage(format!("{}:{line}: {message}", path.display()))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// What the environment says, and the variables with our prefix that mean nothing.
pub(crate) fn environment(variables: impl Iterator<Item = (String, String)>) -> Result<(Layer, Vec<String>)> {
    let (mut layer, mut unknown) = (Layer::new(), Vec::new());
    for (variable, text) in variables {
        let Some(key) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else {
            continue;
        };
        if OTHER_VARIABLES.contains(&variable.as_str()) {
            continue;
        }
        if !KEYS.contains(&key.as_str()) {
            unknown.push(variable);
            continue;
        }
        let value = written(&key, &text).map_err(|message| usage(format!("{variable}: {message}")))?;
        layer.insert(key, (value, Origin::Environment(variable)));
    }
    Ok((layer, unknown))
}

/// What a variable says; what is there by reference gets its type once it is known.
fn written(key: &str, text: &str) -> Result<Value, String> {
    let as_text = Value::String(text.to_owned());
    if kept::is_marked(text) {
        return Ok(as_text);
    }
    match value_of(text) {
        Some(value) if kept::has_any(&value) => Ok(value),
        _ => typed(key, text),
    }
}

fn value_of(text: &str) -> Option<Value> {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    parsed.and_then(|mut table| table.remove("value"))
}

/// A text as the key's type: as text where that fits, else as TOML (`7`, `[{alias = "corner", …}]`).
pub(crate) fn typed(key: &str, text: &str) -> Result<Value, String> {
    let fits = |value: &Value| {
        let table = Table::from_iter([(key.to_owned(), value.clone())]);
        table
            .try_into::<Options>()
            .map(drop)
            .map_err(|error| error.message().to_owned())
    };
    let as_text = Value::String(text.to_owned());
    let Err(message) = fits(&as_text) else {
        return Ok(as_text);
    };
    let Some(value) = value_of(text) else {
        return Err(message);
    };
    fits(&value).map(|()| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect::<Vec<_>>().into_iter()
    }

    /// What a file says, where nothing in it is wrong.
    fn file(path: &Path, text: &str) -> Result<Layer> {
        check(path, text, &Values::default(), |_| true)?;
        super::file(path, text)
    }

    #[test]
    fn a_file_gives_every_key_its_line() {
        let text = "# comment\nlake = \"here\"\n\n[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n";
        let layer = file(Path::new("/etc/marketlake.toml"), text).unwrap();
        assert_eq!(layer["lake"].0.as_str(), Some("here"));
        assert_eq!(layer["lake"].1.to_string(), "/etc/marketlake.toml:2");
        assert_eq!(layer["account"].1.to_string(), "/etc/marketlake.toml:4");
    }

    #[test]
    fn an_unknown_key_is_named_with_file_and_line() {
        let unknown = file(Path::new("m.toml"), "lake = \"x\"\nlokback_days = 3\n")
            .unwrap_err()
            .to_string();
        assert!(
            unknown.starts_with("m.toml:2: unknown field `lokback_days`"),
            "{unknown}"
        );
        let nested = "[[account]]\nalias = \"corner\"\nsource = \"jwo\"\ntimezone = \"UTC\"\n";
        let nested = file(Path::new("m.toml"), nested).unwrap_err().to_string();
        assert!(
            nested.starts_with("m.toml:4: unknown field `timezone`"),
            "{nested}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_with_file_and_line() {
        let size = file(Path::new("m.toml"), "\nbatch_bytes = \"many\"\n")
            .unwrap_err()
            .to_string();
        assert!(
            size.starts_with("m.toml:2: ") && size.contains("is not a size"),
            "{size}"
        );
        let broken = file(Path::new("m.toml"), "lake = \"x\"\nraw = \n")
            .unwrap_err()
            .to_string();
        assert!(broken.starts_with("m.toml:2: "), "{broken}");
    }

    #[test]
    fn a_variable_is_read_as_the_type_of_its_key() {
        let given = [
            ("MARKETLAKE_LAKE", "2026"),
            ("MARKETLAKE_LOOKBACK_DAYS", "3"),
            ("MARKETLAKE_BATCH_BYTES", "1GiB"),
            ("MARKETLAKE_ACCOUNT", "[{ alias = \"corner\", source = \"jwo\" }]"),
            ("HOME", "/root"),
        ];
        let (layer, unknown) = environment(variables(&given)).unwrap();
        assert_eq!(layer["lake"].0.as_str(), Some("2026"));
        assert_eq!(layer["lookback_days"].0.as_integer(), Some(3));
        assert_eq!(layer["account"].0.as_array().unwrap().len(), 1);
        assert_eq!((layer.len(), unknown.len()), (4, 0));
    }

    #[test]
    fn a_variable_that_means_nothing_is_reported_and_a_wrong_one_refused() {
        let (_, unknown) = environment(variables(&[("MARKETLAKE_LOKBACK_DAYS", "3")])).unwrap();
        assert_eq!(unknown, ["MARKETLAKE_LOKBACK_DAYS"]);
        let wrong = environment(variables(&[("MARKETLAKE_LOOKBACK_DAYS", "soon")]))
            .unwrap_err()
            .to_string();
        assert!(wrong.starts_with("MARKETLAKE_LOOKBACK_DAYS: "), "{wrong}");
    }
}
