//! The table `acquire` of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ads::Access;
use crate::endpoints::Endpoints;
use crate::error::{Error, Result};
use crate::jwo::Merchant;
use crate::secret::Kept;
use crate::sp_api;
use crate::stream::{DataSets, Stream};
use crate::yojaka::Seller;

/// What the configuration says about the sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long to wait before the first look at a report that was asked for; longer each time, up to `poll_most`.
    pub poll: Wait,
    /// The longest wait between two looks.
    pub poll_most: Wait,
    /// How long one call waits for reports; what is not ready then is `not yet`, and the next call goes on with it.
    pub wait: Wait,
    /// What failed or was not there yet is asked for again no sooner than this.
    pub again_after: Wait,
    /// Requests of an account that are under way at the same time.
    pub parallel: usize,
    /// How long a message of a queue is hidden from others while it is worked on.
    pub visibility: Wait,
    /// Addresses that are not Amazon's.
    pub endpoints: Endpoints,
    /// Applications of Login with Amazon, by name.
    #[serde(rename = "application")]
    pub applications: BTreeMap<String, Application>,
    /// Logins of advertisers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ads: Vec<Access>,
    /// Accounts of the Selling Partner API.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sp_api: Vec<sp_api::Account>,
    /// Whether envelopes of SNS have to be signed by Amazon. `false` is taken only where an endpoint of AWS is overridden.
    pub verify_signatures: bool,
    /// Merchants of Just Walk Out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwo: Vec<Merchant>,
    /// Marketing Stream.
    pub ams: Stream,
    /// Sellers at Smart Connect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub yojaka: Vec<Seller>,
}

/// An application of Login with Amazon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its id.
    pub client_id: Kept,
    /// Its secret.
    pub client_secret: Kept,
    /// The secret of Secrets Manager in which tasks leave access tokens for one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_cache: Option<Kept>,
}

/// A time, written `30s`, `5m`, `1h`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(pub Duration);

/// Units of times, in seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

impl Default for Settings {
    fn default() -> Self {
        let minutes = |minutes: u64| Wait(Duration::from_secs(minutes * 60));
        Self {
            poll: Wait(Duration::from_secs(30)),
            poll_most: minutes(5),
            wait: minutes(60),
            again_after: minutes(30),
            parallel: 8,
            visibility: minutes(5),
            endpoints: Endpoints::default(),
            applications: BTreeMap::new(),
            ads: Vec::new(),
            sp_api: Vec::new(),
            verify_signatures: true,
            jwo: Vec::new(),
            ams: Stream::default(),
            yojaka: Vec::new(),
        }
    }
}

impl Settings {
    /// What one call may do, whatever account it is for.
    ///
    /// # Errors
    ///
    /// For values with which nothing would ever be done.
    pub fn check(&self) -> Result<()> {
        let zero = [
            ("poll", self.poll),
            ("poll_most", self.poll_most),
            ("visibility", self.visibility),
        ];
        if let Some((key, _)) = zero.iter().find(|(_, wait)| wait.0.is_zero()) {
            return Err(Error::mistake(format!(
                "acquire.{key} is 0; give a time such as 30s"
            )));
        }
        DataSets::with(&self.ams.data_sets)?;
        once("jwo", self.jwo.iter().map(|merchant| merchant.account.as_str()))?;
        once(
            "yojaka",
            self.yojaka.iter().map(|seller| seller.merchant_id.as_str()),
        )?;
        match self.parallel {
            0 => Err(Error::mistake(
                "acquire.parallel is 0; one request has to be under way at least",
            )),
            _ => Ok(()),
        }
    }

    /// The application of that name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn application(&self, name: &str) -> Result<&Application> {
        self.applications.get(name).ok_or_else(|| {
            Error::mistake(format!(
                "there is no application {name:?}: say [acquire.application.{name}] with client_id and client_secret"
            ))
        })
    }
}

/// Fails where one of these is there twice: of two that say something else about the same neither would be right.
fn once<'a>(source: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(Error::mistake(format!("acquire.{source}: {name} is there twice")));
        }
    }
    Ok(())
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let whole = |(_, unit): &&(&str, u64)| seconds >= *unit && seconds.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().rev().find(whole).unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", seconds / unit)
    }
}

impl std::str::FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = UNITS.iter().find(|(name, _)| *name == &text[number.len()..]);
        let seconds = number
            .parse::<u64>()
            .ok()
            .zip(unit)
            .and_then(|(number, (_, unit))| number.checked_mul(*unit));
        let seconds = seconds.ok_or_else(|| format!("{text:?} is no time; write 30s, 5m, 1h or 2d"))?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_named() {
        let text = "poll = \"1s\"\n[application.main]\nclient_id = \"id\"\nclient_secret = \"env:SECRET\"\n";
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.poll, Wait(Duration::from_secs(1)));
        assert!(settings.application("main").is_ok() && settings.application("other").is_err());
        assert!(!format!("{settings:?}").contains("\"id\""));
        for (text, says) in [
            ("pol = \"1s\"", "unknown field `pol`"),
            ("poll = \"soon\"", "is no time"),
            ("[[jwo]]\naccount = \"a\"\nbuket = \"b\"", "unknown field `buket`"),
            ("[ams]\nqueues = []", "unknown field `queues`"),
            ("poll = \"9999999999999999999d\"", "is no time"),
        ] {
            let error = toml::from_str::<Settings>(text).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
        for text in [
            "parallel = 0",
            "[[yojaka]]\naccount = \"a\"\nmerchant_id = \"m\"\n[[yojaka]]\naccount = \"b\"\nmerchant_id = \"m\"",
            "[ams.data_sets.x]\nna = \"1\"",
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            assert!(settings.check().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["0s", "30s", "90s", "5m", "1h", "2d"] {
            assert_eq!(text.parse::<Wait>().unwrap().to_string(), text);
        }
    }
}
