//! Listings Items API, 2021-08-01: `searchListingsItems` and `getListingsItem`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::items::{Parameters, Refusal, Tokens, only, refuse};

const INCLUDED: [&str; 8] = [
    "summaries",
    "attributes",
    "issues",
    "offers",
    "fulfillmentAvailability",
    "procurement",
    "relationships",
    "productTypes",
];
const KINDS: [&str; 9] = [
    "ASIN", "EAN", "FNSKU", "GTIN", "ISBN", "JAN", "MINSAN", "SKU", "UPC",
];
const OF_ONE: [&str; 3] = ["marketplaceIds", "issueLocale", "includedData"];
const OF_MANY: [&str; 11] = [
    "marketplaceIds",
    "issueLocale",
    "includedData",
    "identifiers",
    "identifiersType",
    "createdAfter",
    "createdBefore",
    "sortBy",
    "sortOrder",
    "pageSize",
    "pageToken",
];
/// Products that can be paged through.
const REACH: usize = 1000;

/// What sellers list.
#[derive(Debug)]
pub struct Listings {
    /// Listings by seller and SKU.
    items: BTreeMap<(String, String), Value>,
    tokens: Tokens,
    /// Whether who asks is a vendor.
    pub is_vendor: bool,
    /// Products that can be paged through.
    pub reach: usize,
}

impl Default for Listings {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            tokens: Tokens::default(),
            is_vendor: false,
            reach: REACH,
        }
    }
}

/// A listing in a marketplace, with everything that the model has.
pub fn listing(marketplace: &str, sku: &str, asin: &str, created: DateTime<Utc>) -> Value {
    let created = created.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "sku": sku,
        "summaries": [{"marketplaceId": marketplace, "asin": asin, "productType": "LAMP", "conditionType": "new_new",
            "status": ["BUYABLE", "DISCOVERABLE"], "itemName": format!("Lamp {sku}"), "createdDate": created,
            "lastUpdatedDate": created, "fnSku": format!("X00{asin}")}],
        "attributes": {"condition_type": [{"value": "new_new", "marketplace_id": marketplace}]},
        "issues": [],
        "offers": [{"marketplaceId": marketplace, "offerType": "B2C", "price": {"currencyCode": "EUR", "amount": "19.99"}}],
        "fulfillmentAvailability": [{"fulfillmentChannelCode": "DEFAULT", "quantity": 12}],
        "procurement": [{"costPrice": {"currencyCode": "EUR", "amount": "7.10"}}],
        "relationships": [{"marketplaceId": marketplace, "relationships": []}],
        "productTypes": [{"marketplaceId": marketplace, "productType": "LAMP"}],
    })
}

impl Listings {
    /// Puts up a listing of a seller.
    pub fn add(&mut self, seller: &str, listing: Value) {
        let sku = listing["sku"].as_str().unwrap_or_default().to_owned();
        self.items.insert((seller.to_owned(), sku), listing);
    }

    /// Ends all tokens of pages.
    pub fn expire_tokens(&mut self) {
        self.tokens.expire();
    }

    /// Answers a search of what a seller lists.
    pub(super) fn search(&mut self, seller: &str, query: &[(String, String)]) -> Result<Value, Refusal> {
        let asked = Parameters::read(query, &OF_MANY)?;
        let marketplace = asked.marketplace()?;
        let included = asked.included(&INCLUDED, "procurement", self.is_vendor)?;
        let wanted = asked.identifiers(&KINDS)?;
        let after = asked.get("createdAfter").map(instant).transpose()?;
        let before = asked.get("createdBefore").map(instant).transpose()?;
        let of_seller = self.items.iter().filter(|((of, _), _)| of == seller);
        let mut found: Vec<&Value> = of_seller.map(|(_, item)| item).collect();
        found.retain(|item| {
            let is_wanted = wanted
                .as_ref()
                .is_none_or(|(kind, ids)| ids.iter().any(|id| is(item, kind, id)));
            let created = instant(text(item, "createdDate")).ok();
            let is_here = text(item, "marketplaceId") == marketplace;
            is_here
                && is_wanted
                && after.is_none_or(|after| created >= Some(after))
                && before.is_none_or(|before| created <= Some(before))
        });
        let by = match asked.get("sortBy").unwrap_or("lastUpdatedDate") {
            by @ ("createdDate" | "lastUpdatedDate") => by,
            "sku" => "",
            _ => return Err(refuse(400, "Invalid Input", "sortBy")),
        };
        // They come in the order of their SKUs, which stays where they are equal.
        found.sort_by_key(|item| {
            if by.is_empty() {
                String::new()
            } else {
                text(item, by).to_owned()
            }
        });
        match asked.get("sortOrder").unwrap_or("DESC") {
            "ASC" => {}
            "DESC" => found.reverse(),
            _ => return Err(refuse(400, "Invalid Input", "sortOrder")),
        }
        let found = found
            .into_iter()
            .map(|item| only(item, "sku", &included))
            .collect();
        asked.page(found, self.reach, &mut self.tokens)
    }

    /// Answers a question about one listing.
    pub(super) fn get(&self, seller: &str, sku: &str, query: &[(String, String)]) -> Result<Value, Refusal> {
        let asked = Parameters::read(query, &OF_ONE)?;
        let marketplace = asked.marketplace()?;
        let included = asked.included(&INCLUDED, "procurement", self.is_vendor)?;
        let item = self.items.get(&(seller.to_owned(), sku.to_owned()));
        let item = item.filter(|item| text(item, "marketplaceId") == marketplace);
        let item = item.ok_or_else(|| {
            refuse(
                404,
                &format!("SKU '{sku}' not found in marketplace {marketplace}"),
                "",
            )
        })?;
        Ok(only(item, "sku", &included))
    }
}

/// A field of a listing's summary.
fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item["summaries"][0][field].as_str().unwrap_or_default()
}

fn is(item: &Value, kind: &str, id: &str) -> bool {
    match kind {
        "SKU" => item["sku"] == id,
        "ASIN" => text(item, "asin") == id,
        "FNSKU" => text(item, "fnSku") == id,
        _ => false,
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let instant =
        DateTime::parse_from_rfc3339(text).map_err(|_| refuse(400, "Invalid Input", "no date-time"))?;
    Ok(instant.to_utc())
}
