//! Profiles: who advertises, in which zone and money.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Api, LOOK};
use crate::book::Book;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::transport::Call;

/// Without `accessLevel` those are left out that may only be looked at, as those of vendors are; agencies have no ads of
/// their own, and calls about them fail.
const PATH: &str = "/v2/profiles?accessLevel=view&profileTypeFilter=seller,vendor";

/// For how long a login's profiles are taken for what they were.
const KNOWN: TimeDelta = TimeDelta::hours(24);
/// The one entry of the book of profiles.
const SEEN: &str = "seen";

/// An advertising profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Its id.
    pub id: String,
    /// `seller` or `vendor`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Country of its marketplace.
    pub country: Option<String>,
    /// ISO 4217 code of its money.
    pub currency: Option<String>,
    /// IANA name of the zone by whose days it counts.
    pub zone: String,
    /// Id of its marketplace.
    pub marketplace: Option<String>,
    /// What the advertiser calls it.
    pub name: Option<String>,
}

/// The profiles that a login saw last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: DateTime<Utc>,
    /// All of them, those that nobody asked for, too.
    pub profiles: Vec<Profile>,
}

/// The profiles that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// By alias.
    pub profiles: BTreeMap<String, Profile>,
    /// Those that are named and not seen.
    pub unseen: Vec<Unseen>,
}

/// A profile that was named and is not among those that a login sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Its id.
    pub id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    profile_id: Value,
    country_code: Option<String>,
    currency_code: Option<String>,
    timezone: String,
    account_info: Info,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    marketplace_string_id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
}

/// Asks which profiles of sellers and vendors a login sees.
///
/// # Errors
///
/// When the service refuses, or does not answer.
pub async fn profiles(api: &Api) -> Result<Vec<Profile>> {
    let what = "profiles";
    let answer = api
        .call(&LOOK, None, Call::get(what, api.endpoint.at(PATH)?))
        .await?;
    if !answer.status.is_success() {
        return Err(Error::Refused(api.transport.refused(&answer, what)));
    }
    let said: Vec<Said> = answer.json(what)?;
    let mut profiles = Vec::new();
    for one in said {
        // Ids reach beyond what a float holds: they are taken as they are written.
        let id = match &one.profile_id {
            Value::String(id) => id.clone(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            _ => return Err(Error::odd(what, "a profileId is no whole number")),
        };
        if !["seller", "vendor"].contains(&one.account_info.kind.as_str()) {
            continue;
        }
        profiles.push(Profile {
            id,
            kind: one.account_info.kind,
            country: one.country_code,
            currency: one.currency_code,
            zone: one.timezone,
            marketplace: one.account_info.marketplace_string_id,
            name: one.account_info.name,
        });
    }
    profiles.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(profiles)
}

impl Seen {
    /// The profiles that a login sees: those that it saw within a day, unless one that is named is not among them or they are
    /// wanted `anew`; else the service is asked. `remembered` is the login's folder in the lake.
    ///
    /// # Errors
    ///
    /// As [`profiles`], and when they cannot be remembered.
    pub async fn profiles(
        api: &Api,
        access: &Access,
        remembered: &Place,
        anew: bool,
    ) -> Result<Vec<Profile>> {
        let book = Book::<Self>::open(remembered, "profiles").await?;
        if let Some(seen) = book.get(SEEN).await.filter(|_| !anew) {
            let is_there = |id: &String| seen.profiles.iter().any(|profile| profile.id == *id);
            if Utc::now() < seen.at + KNOWN && access.profiles.iter().all(is_there) {
                return Ok(seen.profiles);
            }
        }
        let seen = Self {
            at: Utc::now(),
            profiles: profiles(api).await?,
        };
        book.put(SEEN, seen.clone()).await?;
        Ok(seen.profiles)
    }
}

impl Profile {
    /// The zone by whose days it counts.
    ///
    /// # Errors
    ///
    /// When it is none that this program knows.
    pub fn tz(&self) -> Result<Tz> {
        self.zone.parse().map_err(|_| {
            Error::odd(
                format!("profile {}", self.id),
                format!("its zone {:?} is none that is known", self.zone),
            )
        })
    }
}

impl Access {
    /// Those of the profiles that are asked for. `configured` are aliases of accounts by the profile that is a field of them.
    ///
    /// # Errors
    ///
    /// When two have one alias.
    pub fn chosen(&self, seen: &[Profile], configured: &BTreeMap<String, String>) -> Result<Chosen> {
        let is_asked = |profile: &&Profile| self.profiles.is_empty() || self.profiles.contains(&profile.id);
        let mut chosen = BTreeMap::new();
        for profile in seen.iter().filter(is_asked) {
            let alias = self
                .accounts
                .get(&profile.id)
                .or_else(|| configured.get(&profile.id))
                .unwrap_or(&profile.id);
            if let Some(other) = chosen.insert(alias.clone(), profile.clone()) {
                return Err(Error::mistake(format!(
                    "the profiles {} and {} both have the alias {alias:?}: their reports would lie in one folder",
                    other.id, profile.id
                )));
            }
        }
        let is_seen = |id: &String| seen.iter().any(|profile| profile.id == *id);
        let unseen = self
            .profiles
            .iter()
            .filter(|id| !is_seen(id))
            .cloned()
            .map(|id| Unseen { id })
            .collect();
        Ok(Chosen {
            profiles: chosen,
            unseen,
        })
    }
}

impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "profile {} is not among those that this login sees in its region: give the application's user access to it, \
             or take it out of acquire.ads.profiles",
            self.id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: &str) -> Profile {
        Profile {
            id: id.to_owned(),
            kind: "seller".to_owned(),
            country: None,
            currency: None,
            zone: "Europe/Berlin".to_owned(),
            marketplace: None,
            name: None,
        }
    }

    fn access(more: &str) -> Access {
        toml::from_str(&format!(
            "application = \"main\"\nregion = \"eu\"\nrefresh_token = \"env:TOKEN\"\n{more}"
        ))
        .unwrap()
    }

    #[test]
    fn profiles_have_the_alias_that_is_said_or_that_of_their_account_or_their_id() {
        let seen = [profile("1"), profile("2"), profile("3")];
        let configured = BTreeMap::from([
            ("1".to_owned(), "other".to_owned()),
            ("2".to_owned(), "lamps".to_owned()),
        ]);
        let of = |access: &Access| {
            let Chosen {
                profiles: chosen,
                unseen,
            } = access.chosen(&seen, &configured).unwrap();
            let chosen: Vec<String> = chosen
                .iter()
                .map(|(alias, profile)| format!("{alias}={}", profile.id))
                .collect();
            (chosen, unseen.len())
        };
        let all = of(&access("accounts = { 1 = \"corner\" }"));
        assert_eq!(all.0, ["3=3", "corner=1", "lamps=2"]);
        assert_eq!(
            of(&access("profiles = [\"2\", \"9\"]")),
            (vec!["lamps=2".to_owned()], 1)
        );
        let both = access("accounts = { 1 = \"x\", 3 = \"x\" }")
            .chosen(&seen, &configured)
            .unwrap_err();
        assert!(both.to_string().contains("alias \"x\""), "{both}");
    }

    #[test]
    fn a_zone_that_is_none_is_said() {
        assert!(profile("1").tz().is_ok());
        let odd = Profile {
            zone: "Mars".to_owned(),
            ..profile("1")
        };
        assert!(odd.tz().unwrap_err().to_string().contains("\"Mars\""));
    }
}
