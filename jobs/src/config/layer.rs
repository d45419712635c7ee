//! The layers of settings, each as keys with values and origins.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use toml::de::DeTable;
use toml::{Table, Value};

use super::location;
use super::options::{KEYS, LOCATIONS, Options};
use super::origin::Origin;
use crate::exit::usage;
use crate::units::Size;

/// Prefix of the environment variables.
const PREFIX: &str = "MARKETLAKE_";

/// Variables with the prefix that are no settings.
const OTHER_VARIABLES: [&str; 2] = ["MARKETLAKE_CONFIG", "MARKETLAKE_FAILPOINT"];

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

/// What a file says; a mistake in it is an error with file and line.
pub(crate) fn file(path: &Path, text: &str) -> Result<Layer> {
    let mistake = |error: &toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        usage(format!("{}:{line}: {}", path.display(), error.message()))
    };
    toml::from_str::<Options>(text).map_err(|error| mistake(&error))?;
    let positions = DeTable::parse(text).map_err(|error| mistake(&error))?;
    let lines: BTreeMap<String, usize> = positions
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)))
        .collect();
    let values: Table = toml::from_str(text).map_err(|error| mistake(&error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let entries = values.into_iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) if LOCATIONS.contains(&key.as_str()) => {
                Value::String(location::relative_to(folder, &text))
            }
            other => other,
        };
        let line = lines.get(&key).copied().unwrap_or(1);
        (key, (value, Origin::File(path.to_owned(), line)))
    });
    Ok(entries.collect())
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
        let value = typed(&key, &text).map_err(|message| usage(format!("{variable}: {message}")))?;
        layer.insert(key, (value, Origin::Environment(variable)));
    }
    Ok((layer, unknown))
}

/// A variable's text as the key's type: as text where that fits, else as TOML (`7`, `[{alias = "corner", …}]`).
fn typed(key: &str, text: &str) -> Result<Value, String> {
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
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let Some(value) = parsed.and_then(|mut table| table.remove("value")) else {
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

    #[test]
    fn a_file_gives_every_key_its_line() {
        let text = "# comment\nlake = \"here\"\n\n[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n";
        let layer = file(Path::new("/etc/marketlake.toml"), text).unwrap();
        assert_eq!(layer["lake"].0.as_str(), Some("/etc/here"));
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
