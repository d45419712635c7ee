//! What pages say: their items, where the next one is, and which of the wanted products are in them.

use serde_json::Value;

use super::{Api, Batch, Kind};
use crate::error::{Error, Result};

/// A page, as far as the program reads it.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    /// Its products.
    pub(super) items: Vec<Value>,
    /// The token of the next page.
    pub(super) next: Option<String>,
    /// Products of all pages, as the API counts them.
    pub(super) total: u64,
}

/// Reads a page.
pub(super) fn read(body: &[u8], batch: &Batch) -> Result<Page> {
    let what = batch.operation().name;
    let odd = |why: &str| Error::odd(what, why);
    let page: Value = serde_json::from_slice(body).map_err(|_| odd("the answer is no JSON"))?;
    if batch.is_single() {
        return match page.get("sku").is_some() {
            true => Ok(Page {
                items: vec![page],
                next: None,
                total: 1,
            }),
            false => Err(odd("the answer has no `sku`")),
        };
    }
    let next = page.pointer("/pagination/nextToken").and_then(Value::as_str);
    let next = next.filter(|token| !token.is_empty()).map(str::to_owned);
    let total = page.get("numberOfResults").and_then(Value::as_u64);
    match page.get("items") {
        Some(Value::Array(items)) => Ok(Page {
            items: items.clone(),
            next,
            total: total.unwrap_or(items.len() as u64),
        }),
        _ => Err(odd("the answer has no `items`")),
    }
}

/// Whether a product is the one with that identifier.
pub(super) fn is(item: &Value, batch: &Batch, id: &str) -> bool {
    let says = |value: &Value, field: &str| value.get(field).and_then(Value::as_str) == Some(id);
    let of = |field: &str| item.get(field).and_then(Value::as_array).into_iter().flatten();
    match (batch.api, batch.kind) {
        (Api::Catalog, Some(Kind::Asin)) => says(item, "asin"),
        (Api::Catalog, _) => of("identifiers").any(|identifiers| has_text(identifiers, id)),
        (Api::Listings, Some(Kind::Sku)) => says(item, "sku"),
        (Api::Listings, Some(Kind::Asin)) => of("summaries").any(|summary| says(summary, "asin")),
        (Api::Listings, Some(Kind::Fnsku)) => of("summaries").any(|summary| says(summary, "fnSku")),
        (Api::Listings, _) => item
            .get("attributes")
            .is_some_and(|attributes| has_text(attributes, id)),
    }
}

/// Whether a text stands anywhere in a value, zeros in front of it or not, as numbers of articles are written both ways.
fn has_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.trim_start_matches('0') == text.trim_start_matches('0'),
        Value::Array(values) => values.iter().any(|value| has_text(value, text)),
        Value::Object(fields) => fields.values().any(|value| has_text(value, text)),
        _ => false,
    }
}

/// When the last product of a page was listed, in the words of the API.
pub(super) fn listed_at(page: &Page, marketplace: &str) -> Option<String> {
    let summaries = page.items.last()?.get("summaries")?.as_array()?;
    let of_marketplace =
        |summary: &&Value| summary.get("marketplaceId").and_then(Value::as_str) == Some(marketplace);
    let summary = summaries.iter().find(of_marketplace)?;
    summary.get("createdDate")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch(api: Api, kind: Kind, ids: &[&str]) -> Batch {
        Batch {
            api,
            marketplace: "DE".to_owned(),
            seller: Some("S1".to_owned()),
            kind: Some(kind),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    #[test]
    fn a_page_is_read_as_far_as_it_is_needed() {
        let wanted = batch(Api::Catalog, Kind::Asin, &["B1"]);
        let text = br#"{"numberOfResults": 7, "pagination": {"nextToken": "t"}, "items": [{"asin": "B1"}]}"#;
        let page = read(text, &wanted).unwrap();
        assert_eq!(
            (page.next.as_deref(), page.total, page.items.len()),
            (Some("t"), 7, 1)
        );
        for text in ["", "[]", "{}", r#"{"items": {}}"#, r#"{"items": ["#] {
            assert!(read(text.as_bytes(), &wanted).is_err(), "{text}");
        }
        let single = batch(Api::Listings, Kind::Sku, &["a,b"]);
        assert_eq!(read(br#"{"sku": "a,b"}"#, &single).unwrap().items.len(), 1);
        assert!(read(br#"{"items": []}"#, &single).is_err());
    }

    #[test]
    fn products_are_known_by_what_they_were_asked_for_with() {
        let item = json!({
            "asin": "B1", "sku": "a", "relationships": [{"childAsins": ["B2"]}],
            "identifiers": [{"identifiers": [{"identifierType": "GTIN", "identifier": "00012345678905"}]}],
            "summaries": [{"marketplaceId": "DE", "asin": "B1", "fnSku": "X1", "createdDate": "2026-01-01T00:00:00Z"}],
            "attributes": {"externally_assigned_product_identifier": [{"value": "4006381333931"}]},
        });
        for (api, kind, id, is_it) in [
            (Api::Catalog, Kind::Asin, "B1", true),
            (Api::Catalog, Kind::Asin, "B2", false),
            (Api::Catalog, Kind::Upc, "012345678905", true),
            (Api::Catalog, Kind::Ean, "4006381333931", false),
            (Api::Listings, Kind::Sku, "a", true),
            (Api::Listings, Kind::Asin, "B2", false),
            (Api::Listings, Kind::Fnsku, "X1", true),
            (Api::Listings, Kind::Ean, "4006381333931", true),
        ] {
            assert_eq!(is(&item, &batch(api, kind, &[id]), id), is_it, "{kind} {id}");
        }
        let page = Page {
            items: vec![item],
            next: None,
            total: 1,
        };
        assert_eq!(listed_at(&page, "DE").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(listed_at(&page, "FR"), None);
    }
}
