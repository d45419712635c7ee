//! Marketing Stream: which data sets there are, subscriptions to them, and what their queues hold.

mod credentials;
mod ingress;
mod subscriptions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoints::Region;
use crate::error::{Error, Result};
use crate::intake;
use crate::secret::Kept;
use crate::sns::TopicArn;

pub use credentials::{Credentials, place};
pub use ingress::Ingress;
pub(crate) use ingress::{came, fates};
pub use subscriptions::{Created, Destination, New, Subscription, Subscriptions};

/// What is known of every data set.
const KNOWN: &str = include_str!("data_sets.toml");

/// What a configuration says about Stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// Queues that its topics send to.
    #[serde(rename = "queue", skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Queue>,
    /// Data sets beside those that are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data_sets: BTreeMap<String, Owners>,
    /// `credentials.yml` of the seed's tool; none: where that looks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// Who subscribes, instead of what `credentials.yml` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// A queue that topics of Stream send to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its URL.
    pub url: String,
    /// Its region, where the URL does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of the queue for messages that cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// The data set of messages that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_set: Option<String>,
}

/// Who subscribes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Name of the application of Login with Amazon.
    pub application: String,
    /// What the advertiser gave the application.
    pub refresh_token: Kept,
    /// The profile that subscriptions are of.
    pub profile_id: String,
}

impl Queue {
    /// The queue itself.
    pub fn named(&self) -> intake::Named {
        intake::Named {
            url: self.url.clone(),
            region: self.region.clone(),
            dead_letters: self.dead_letters.clone(),
        }
    }
}

/// The AWS accounts that own the topics of a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owners {
    /// In North America.
    pub na: Option<String>,
    /// In Europe.
    pub eu: Option<String>,
    /// In the Far East.
    pub fe: Option<String>,
}

/// Data sets by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSets(BTreeMap<String, Owners>);

/// The region of AWS that the topics of a region of the Ads API are in.
pub fn aws_region(region: Region) -> &'static str {
    match region {
        Region::Na => "us-east-1",
        Region::Eu => "eu-west-1",
        Region::Fe => "us-west-2",
    }
}

impl DataSets {
    /// Those that are known, and more that a configuration knows.
    ///
    /// # Errors
    ///
    /// When a name can be that of no folder, or an account is none.
    pub fn with(more: &BTreeMap<String, Owners>) -> Result<Self> {
        let mut known: BTreeMap<String, Owners> =
            toml::from_str(KNOWN).map_err(|error| Error::odd("data sets of Marketing Stream", error))?;
        for (name, owners) in more {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(Error::mistake(format!(
                    "acquire.ams.data_sets.{name}: a name of a data set has letters, digits, - and _"
                )));
            }
            let is_account =
                |account: &String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            if !owners.all().all(|(_, account)| is_account(account)) {
                return Err(Error::mistake(format!(
                    "acquire.ams.data_sets.{name}: an AWS account has twelve digits"
                )));
            }
            known.insert(name.clone(), owners.clone());
        }
        Ok(Self(known))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is one of that name; the name as it is kept here.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.0.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// Which data set a topic is of, by who owns it and where it is.
    pub fn of_topic(&self, topic: &str) -> Option<&str> {
        let topic = TopicArn::read(topic)?;
        let is_owner = |(region, account): (Region, &String)| {
            account == topic.account && aws_region(region) == topic.region
        };
        let mut sets = self.0.iter();
        let (name, _) = sets.find(|(_, owners)| owners.all().any(is_owner))?;
        Some(name)
    }
}

impl Owners {
    fn all(&self) -> impl Iterator<Item = (Region, &String)> {
        let all = [
            (Region::Na, &self.na),
            (Region::Eu, &self.eu),
            (Region::Fe, &self.fe),
        ];
        all.into_iter()
            .filter_map(|(region, account)| Some((region, account.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_set_of_the_seed_has_an_owner_in_every_region_and_no_two_share_one() {
        let sets = DataSets::with(&BTreeMap::new()).unwrap();
        assert_eq!(sets.0.len(), 15);
        let mut topics = 0;
        for (name, owners) in &sets.0 {
            for (region, account) in owners.all() {
                let topic = format!("arn:aws:sns:{}:{account}:anything", aws_region(region));
                assert_eq!(sets.of_topic(&topic), Some(name.as_str()));
                let elsewhere = format!("arn:aws:sns:eu-central-1:{account}:anything");
                assert_eq!(sets.of_topic(&elsewhere), None);
                topics += 1;
            }
        }
        assert_eq!(topics, 45);
        let fe = "arn:aws:sns:us-west-2:074266271188:x";
        assert_eq!(
            (sets.of_topic(fe), sets.named("sp-traffic")),
            (Some("sp-traffic"), Some("sp-traffic"))
        );
        assert_eq!(sets.of_topic("arn:aws:sns:us-west-2:000000000000:x"), None);
    }

    #[test]
    fn a_configuration_knows_more() {
        let owners = Owners {
            eu: Some("123456789012".to_owned()),
            ..Owners::default()
        };
        let more = |name: &str, owners: &Owners| DataSets::with(&[(name.to_owned(), owners.clone())].into());
        let sets = more("ads-campaign-management-campaigns", &owners).unwrap();
        let topic = "arn:aws:sns:eu-west-1:123456789012:x";
        assert_eq!(sets.of_topic(topic), Some("ads-campaign-management-campaigns"));
        assert!(more("a/b", &owners).is_err());
        let short = Owners {
            na: Some("1".to_owned()),
            ..Owners::default()
        };
        assert!(more("a", &short).is_err());
    }
}
