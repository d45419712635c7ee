//! Amazon Marketing Stream messages, written field by field so that numbers keep their text.

use chrono::{DateTime, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::trade::{Advertiser, Conversion, Subject, WINDOWS};

/// One message and when it comes in.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) arrives: DateTime<Utc>,
    /// One JSON object.
    pub(super) text: String,
}

const PLACEMENTS: [&str; 3] = [
    "Top of Search on-Amazon",
    "Detail Page on-Amazon",
    "Other on-Amazon",
];
const MATCH_TYPES: [&str; 4] = ["BROAD", "PHRASE", "EXACT", "TARGETING_EXPRESSION"];

impl Subject {
    /// Id of the ad group, unique in the whole demo.
    pub(super) fn ad_group_id(&self) -> String {
        format!("{}{}", self.advertiser.campaigns[self.campaign].0, self.ad / 2)
    }

    /// Id of the ad, unique in the whole demo.
    pub(super) fn ad_id(&self) -> String {
        format!("{}{}", self.advertiser.campaigns[self.campaign].0, 10 + self.ad)
    }

    /// Id of the keyword in its campaign; none where Amazon chose by itself.
    pub(super) fn keyword_id(&self) -> Option<String> {
        let campaign = self.advertiser.campaigns[self.campaign].0;
        self.keyword
            .map(|keyword| format!("{}{keyword}{}", &campaign[..4], &campaign[12..]))
    }

    fn common(&self, dataset: &str, id: &str) -> Vec<(String, String)> {
        let campaign = self.advertiser.campaigns[self.campaign].0;
        let window = self.hour.with_timezone(&self.advertiser.zone).to_rfc3339();
        [
            ("idempotency_id", quoted(id)),
            ("dataset_id", quoted(dataset)),
            ("marketplace_id", quoted(self.advertiser.marketplace_id)),
            ("currency", quoted(self.advertiser.currency)),
            ("advertiser_id", quoted(self.advertiser.advertiser_id)),
            ("campaign_id", quoted(campaign)),
            ("ad_group_id", quoted(&self.ad_group_id())),
            ("ad_id", quoted(&self.ad_id())),
            (
                "keyword_id",
                self.keyword_id().map_or_else(null, |keyword| quoted(&keyword)),
            ),
            (
                "placement",
                self.placement
                    .map_or_else(null, |placement| quoted(PLACEMENTS[placement])),
            ),
            ("time_window_start", quoted(&window)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// An `sp-traffic` message; `cost` is the text of a number.
    pub(super) fn traffic(&self, id: &str, clicks: i64, impressions: i64, cost: &str) -> String {
        let keyword = self.keyword.map(|keyword| match (keyword, self.ad) {
            (3, 3) => "Placeholder keyword",
            _ => self.advertiser.keywords[keyword],
        });
        let mut fields = self.common("sp-traffic", id);
        fields.extend([
            ("keyword_text".to_owned(), keyword.map_or_else(null, quoted)),
            (
                "match_type".to_owned(),
                self.keyword
                    .map_or_else(null, |keyword| quoted(MATCH_TYPES[keyword])),
            ),
            ("clicks".to_owned(), clicks.to_string()),
            ("impressions".to_owned(), impressions.to_string()),
            ("cost".to_owned(), cost.to_owned()),
        ]);
        object(&fields)
    }
}

impl Conversion {
    /// An `sp-conversion` message.
    pub(super) fn message(&self, id: &str) -> String {
        let mut fields = self.subject.common("sp-conversion", id);
        for (metric, value) in [
            ("conversions", self.units.signum().to_string()),
            ("sales", super::order::money(self.cents)),
            ("units_ordered", self.units.to_string()),
        ] {
            for suffix in ["", "_same_sku"] {
                for (index, days) in WINDOWS.iter().enumerate() {
                    let counts = index >= self.window && (suffix.is_empty() || self.same_item);
                    let value = if counts { value.clone() } else { "0".to_owned() };
                    fields.push((format!("attributed_{metric}_{days}d{suffix}"), value));
                }
            }
        }
        object(&fields)
    }
}

/// A `campaigns` message: the whole campaign as it is since `updated`.
pub(super) fn campaign(
    advertiser: &Advertiser,
    index: usize,
    version: i64,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
) -> String {
    let (id, name) = advertiser.campaigns[index];
    let bid_setting = serde_json::json!({
        "bidStrategy": if version > 2 { "AUTO_FOR_SALES" } else { "LEGACY_FOR_SALES" },
        "placementBidAdjustment": [{"placement": "PLACEMENT_TOP", "percentage": 10 * version}],
        "shopperCohortBidAdjustment": [],
    });
    let mut message = serde_json::json!({
        "dataset_id": "campaigns",
        "advertiser_id": advertiser.advertiser_id,
        "marketplace_id": advertiser.marketplace_id,
        "version": version,
        "campaignId": id,
        "accountId": format!("7{}", &id[6..]),
        "portfolioId": if index == 0 { "" } else { "330011" },
        "adProduct": "SPONSORED_PRODUCTS",
        "productLocation": "SOLD_ON_AMAZON",
        "name": if version > 1 { format!("{name} v{version}") } else { name.to_owned() },
        "startDateTime": iso(created),
        "endDateTime": null,
        "state": if version == 3 { "PAUSED" } else { "ENABLED" },
        "tags": if index == 1 { serde_json::json!({"season": "spring"}) } else { serde_json::json!({}) },
        "targetingSettings": if index == 1 { "AUTO" } else { "MANUAL" },
        "budget": {
            "budgetCap": {
                "monetaryBudget": {"amount": 25.5 * version as f64, "currencyCode": advertiser.currency},
                "recurrence": {"recurrenceType": "DAILY"},
            },
        },
        "audit": {"creationDateTime": iso(created), "lastUpdatedDateTime": iso(updated)},
    });
    // Amazon's table has the bid setting at the top, its sample below the budget: both occur.
    if index == 2 {
        message["budget"]["bidSetting"] = bid_setting;
    } else {
        message["bidSetting"] = bid_setting;
    }
    message.to_string()
}

/// The message as SNS wraps it where raw delivery is off.
pub(super) fn enveloped(message: &Message, dataset: &str, id: &str) -> String {
    serde_json::json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": format!("arn:aws:sns:us-east-1:123456789012:stream-{dataset}"),
        "Message": message.text,
        "Timestamp": iso(message.arrives),
        "SignatureVersion": "1",
        "Signature": "c2lnbmF0dXJl",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/example.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    })
    .to_string()
}

/// A random UUID.
pub(super) fn uuid(rng: &mut ChaCha8Rng) -> String {
    let (a, b): (u64, u64) = (rng.random(), rng.random());
    let variant = 0x8000 | ((b >> 48) & 0x3fff);
    format!(
        "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b & 0xffff_ffff_ffff
    )
}

/// The instant as Amazon writes it, to the millisecond.
pub(super) fn iso(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The text as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON's null.
pub(super) fn null() -> String {
    "null".to_owned()
}

/// A JSON object of fields whose values are JSON already.
pub(super) fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}
