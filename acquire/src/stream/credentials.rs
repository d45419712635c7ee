//! `credentials.yml` of the seed's tool, read as it is.

use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

use crate::error::{Error, Result};

/// Where the seed's tool looks, below the home folder.
const PLACE: &str = ".config/python-ad-api/credentials.yml";

/// What a section of the file says.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What the advertiser gave the application.
    pub refresh_token: String,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The profile that subscriptions are of.
    pub profile_id: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials of profile {}", self.profile_id)
    }
}

/// Where the file is looked for when nobody says where it is.
pub fn place(home: Option<&Path>) -> Option<PathBuf> {
    home.map(|home| home.join(PLACE))
}

impl Credentials {
    /// Reads a section of a file.
    ///
    /// # Errors
    ///
    /// When something is missing, with what, and never with what is there.
    pub fn of_file(file: &Path, section: &str) -> Result<Self> {
        let wrong = |why: String| Error::mistake(format!("{}: {why}", file.display()));
        let text =
            std::fs::read_to_string(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        Self::read(&text, section).map_err(wrong)
    }

    fn read(text: &str, section: &str) -> Result<Self, String> {
        // The parser's own words may repeat what stands there.
        let documents = YamlLoader::load_from_str(text)
            .map_err(|error| format!("it is no YAML, at line {}", error.marker().line()))?;
        let document = documents.first().ok_or("it is empty")?;
        let values = &document[section];
        if values.is_badvalue() {
            return Err(format!("it has no section {section:?}"));
        }
        let value = |key: &str| {
            let text = match &values[key] {
                // A number as it is written, without what arithmetic would make of it.
                Yaml::String(text) | Yaml::Real(text) => text.clone(),
                Yaml::Integer(number) => number.to_string(),
                _ => String::new(),
            };
            match text.trim() {
                "" => Err(format!("it has no {key} in {section:?}")),
                text => Ok(text.to_owned()),
            }
        };
        Ok(Self {
            refresh_token: value("refresh_token")?,
            client_id: value("client_id")?,
            client_secret: value("client_secret")?,
            profile_id: value("profile_id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the seed has it.
    const SEED: &str = "version: '1.0'
default:
  refresh_token: 'Atzr|pepper'
  client_id: 'amzn1.application-oa2-client.1'
  client_secret: 'salt'
  profile_id: '3312690465898011'
";

    #[test]
    fn the_seeds_file_is_read_as_it_is() {
        let read = Credentials::read(SEED, "default").unwrap();
        assert_eq!(read.refresh_token, "Atzr|pepper");
        assert_eq!(
            (read.client_secret.as_str(), read.profile_id.as_str()),
            ("salt", "3312690465898011")
        );
        let bare = SEED.replace('\'', "");
        assert_eq!(Credentials::read(&bare, "default").unwrap(), read);
        assert!(!format!("{read:?}").contains("pepper"));
        let place = place(Some(Path::new("/home/a")));
        assert_eq!(
            place.unwrap(),
            Path::new("/home/a/.config/python-ad-api/credentials.yml")
        );
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_that_is_there() {
        for (text, section, says) in [
            (SEED, "other", "no section \"other\""),
            (
                &SEED.replace("client_secret", "secret"),
                "default",
                "no client_secret",
            ),
            (&SEED.replace("'salt'", "''"), "default", "no client_secret"),
            ("", "default", "is empty"),
            ("default: [pepper", "default", "no YAML"),
            ("default: 'pepper", "default", "no YAML"),
        ] {
            let error = Credentials::read(text, section).unwrap_err();
            assert!(error.contains(says) && !error.contains("pepper"), "{error}");
        }
    }
}
