//! Amazon Marketing Stream messages, written field by field so that numbers keep their text.

use chrono::{DateTime, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// One message and when it comes in.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) arrives: DateTime<Utc>,
    /// One JSON object.
    pub(super) text: String,
}

/// One advertiser in one marketplace.
pub(super) struct Advertiser {
    pub(super) advertiser_id: &'static str,
    pub(super) marketplace_id: &'static str,
    pub(super) currency: &'static str,
    pub(super) zone: chrono_tz::Tz,
    /// Campaign id and name.
    pub(super) campaigns: [(&'static str, &'static str); 3],
    pub(super) keywords: [&'static str; 4],
}

/// An American and a German advertiser.
pub(super) const ADVERTISERS: &[Advertiser] = &[
    Advertiser {
        advertiser_id: "A1TRAILSHOP7US",
        marketplace_id: "ATVPDKIKX0DER",
        currency: "USD",
        zone: chrono_tz::Tz::America__Los_Angeles,
        campaigns: [
            ("410000000000101", "Boots - Manual - SP"),
            ("410000000000102", "Tents \"Summit\" - Auto - SP"),
            ("410000000000103", "Lamps - Exact - SP"),
        ],
        keywords: ["hiking boots", "waterproof boots", "2 person tent", "head lamp"],
    },
    Advertiser {
        advertiser_id: "A9WANDERLADENDE",
        marketplace_id: "A1PA6795UKMFR9",
        currency: "EUR",
        zone: chrono_tz::Tz::Europe__Berlin,
        campaigns: [
            ("490000000000201", "Frühling: Schuhe"),
            ("490000000000202", "Zelte, automatisch"),
            ("490000000000203", "Stirnlampen"),
        ],
        keywords: ["wanderschuhe", "schuhe größe 43", "zelt 2 personen", "stirnlampe"],
    },
];

const PLACEMENTS: [&str; 3] = [
    "Top of Search on-Amazon",
    "Detail Page on-Amazon",
    "Other on-Amazon",
];
const MATCH_TYPES: [&str; 4] = ["BROAD", "PHRASE", "EXACT", "TARGETING_EXPRESSION"];

/// What the metrics of a message are about: one ad, keyword, placement and hour.
pub(super) struct Subject {
    advertiser: &'static Advertiser,
    campaign: usize,
    ad: u32,
    keyword: Option<usize>,
    placement: Option<usize>,
    hour: DateTime<Utc>,
}

impl Subject {
    /// Somebody's ad in that hour.
    pub(super) fn any(advertiser: &'static Advertiser, hour: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Self {
        Self {
            advertiser,
            campaign: rng.random_range(0..advertiser.campaigns.len()),
            ad: rng.random_range(0..4),
            keyword: rng
                .random_bool(0.97)
                .then(|| rng.random_range(0..advertiser.keywords.len())),
            placement: rng
                .random_bool(0.98)
                .then(|| rng.random_range(0..PLACEMENTS.len())),
            hour,
        }
    }

    fn common(&self, dataset: &str, id: &str) -> Vec<(String, String)> {
        let campaign = self.advertiser.campaigns[self.campaign].0;
        let keyword_id = |keyword: usize| format!("{}{keyword}{}", &campaign[..4], &campaign[12..]);
        let window = self.hour.with_timezone(&self.advertiser.zone).to_rfc3339();
        [
            ("idempotency_id", quoted(id)),
            ("dataset_id", quoted(dataset)),
            ("marketplace_id", quoted(self.advertiser.marketplace_id)),
            ("currency", quoted(self.advertiser.currency)),
            ("advertiser_id", quoted(self.advertiser.advertiser_id)),
            ("campaign_id", quoted(campaign)),
            ("ad_group_id", quoted(&format!("{campaign}{}", self.ad / 2))),
            ("ad_id", quoted(&format!("{campaign}{}", 10 + self.ad))),
            (
                "keyword_id",
                self.keyword
                    .map_or_else(null, |keyword| quoted(&keyword_id(keyword))),
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

    /// An `sp-conversion` message of one order of `units` units for `cents`, which counts from the window of
    /// that index (1, 7, 14, 30 days) on.
    pub(super) fn conversion(
        &self,
        id: &str,
        first_window: usize,
        units: i64,
        cents: i64,
        same_sku: bool,
    ) -> String {
        let mut fields = self.common("sp-conversion", id);
        for (metric, value) in [
            ("conversions", units.signum().to_string()),
            ("sales", super::order::money(cents)),
            ("units_ordered", units.to_string()),
        ] {
            for suffix in ["", "_same_sku"] {
                for (index, window) in ["1d", "7d", "14d", "30d"].iter().enumerate() {
                    let counts = index >= first_window && (suffix.is_empty() || same_sku);
                    let value = if counts { value.clone() } else { "0".to_owned() };
                    fields.push((format!("attributed_{metric}_{window}{suffix}"), value));
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

fn iso(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn null() -> String {
    "null".to_owned()
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}
