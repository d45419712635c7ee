//! Catalog Items API, 2022-04-01: `searchCatalogItems`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::items::{Parameters, Refusal, Tokens, only, refuse};

const INCLUDED: [&str; 10] = [
    "attributes",
    "classifications",
    "dimensions",
    "identifiers",
    "images",
    "productTypes",
    "relationships",
    "salesRanks",
    "summaries",
    "vendorDetails",
];
const KINDS: [&str; 8] = ["ASIN", "EAN", "GTIN", "ISBN", "JAN", "MINSAN", "SKU", "UPC"];
const PARAMETERS: [&str; 12] = [
    "identifiers",
    "identifiersType",
    "marketplaceIds",
    "includedData",
    "locale",
    "sellerId",
    "keywords",
    "brandNames",
    "classificationIds",
    "pageSize",
    "pageToken",
    "keywordsLocale",
];

/// The catalog of all marketplaces.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Products by marketplace and ASIN.
    items: BTreeMap<(String, String), Value>,
    tokens: Tokens,
    /// Whether who asks is a vendor.
    pub is_vendor: bool,
}

/// A product of a marketplace, with everything that the model has.
pub fn product(marketplace: &str, asin: &str, ean: &str, sku: &str) -> Value {
    let of = |field: &str, value: Value| json!([{"marketplaceId": marketplace, field: value}]);
    let classification = json!({"displayName": "Lighting", "classificationId": "108", "parent": {
        "displayName": "Home", "classificationId": "7"}});
    json!({
        "asin": asin,
        "attributes": {"item_name": [{"value": format!("Lamp {asin}"), "marketplace_id": marketplace}]},
        "classifications": of("classifications", json!([classification])),
        "dimensions": [{"marketplaceId": marketplace, "item": {"height": {"unit": "inches", "value": 7.25}},
            "package": {"weight": {"unit": "pounds", "value": 0.5}}}],
        "identifiers": of("identifiers", json!([
            {"identifierType": "EAN", "identifier": ean}, {"identifierType": "SKU", "identifier": sku}])),
        "images": of("images", json!([
            {"variant": "MAIN", "link": format!("https://m.media-amazon.com/{asin}.jpg"), "height": 500, "width": 400}])),
        "productTypes": [{"marketplaceId": marketplace, "productType": "LAMP"}],
        "relationships": of("relationships", json!([])),
        "salesRanks": [{"marketplaceId": marketplace, "displayGroupRanks": [
            {"websiteDisplayGroup": "lighting_display_on_website", "title": "Lighting", "rank": 4711}]}],
        "summaries": [{"marketplaceId": marketplace, "brand": "Corner & Söhne", "itemName": format!("Lamp {asin}"),
            "itemClassification": "BASE_PRODUCT", "packageQuantity": 1, "releaseDate": "2024-02-29"}],
        "vendorDetails": [{"marketplaceId": marketplace, "brandCode": "CORNE", "replenishmentCategory": "NEW_PRODUCT"}],
    })
}

impl Catalog {
    /// Puts a product into the catalog of a marketplace.
    pub fn add(&mut self, marketplace: &str, product: Value) {
        let asin = product["asin"].as_str().unwrap_or_default().to_owned();
        self.items.insert((marketplace.to_owned(), asin), product);
    }

    /// Ends all tokens of pages.
    pub fn expire_tokens(&mut self) {
        self.tokens.expire();
    }

    /// Answers a search.
    pub(super) fn search(&mut self, query: &[(String, String)]) -> Result<Value, Refusal> {
        let asked = Parameters::read(query, &PARAMETERS)?;
        let marketplace = asked.marketplace()?;
        let included = asked.included(&INCLUDED, "vendorDetails", self.is_vendor)?;
        let found = match (asked.identifiers(&KINDS)?, asked.get("keywords")) {
            (Some(_), Some(_)) => return Err(refuse(400, "Invalid Input", "identifiers and keywords")),
            (None, None) => return Err(refuse(400, "Invalid Input", "neither identifiers nor keywords")),
            (None, Some(_)) => return Err(refuse(400, "Invalid Input", "nobody searches by keywords here")),
            (Some(("SKU", _)), None) if asked.get("sellerId").is_none() => {
                return Err(refuse(400, "Invalid Input", "sellerId is missing"));
            }
            (Some((kind, ids)), None) => {
                let here = self.items.iter().filter(|((of, _), _)| of == marketplace);
                let wanted = here.filter(|(_, item)| ids.iter().any(|id| is(item, kind, id)));
                wanted.map(|(_, item)| only(item, "asin", &included)).collect()
            }
        };
        asked.page(found, usize::MAX, &mut self.tokens)
    }
}

fn is(item: &Value, kind: &str, id: &str) -> bool {
    if kind == "ASIN" {
        return item["asin"] == id;
    }
    let identifiers = item["identifiers"].as_array().into_iter().flatten();
    let mut identifiers = identifiers.flat_map(|of| of["identifiers"].as_array().into_iter().flatten());
    identifiers.any(|known| known["identifierType"] == kind && known["identifier"] == id)
}
