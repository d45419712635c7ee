//! Batches: as much of what is wanted as one search takes.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{AT_ONCE, Api, GET_LISTING, Items, Kind, SEARCH_CATALOG, SEARCH_LISTINGS, Wanted};
use crate::sp_api::Operation;

/// Hexadecimal digits of a batch's name: enough that no two of an account are called alike.
const NAME: usize = 20;

/// What one search asks for, in one marketplace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which API is asked.
    pub api: Api,
    /// Id of the marketplace.
    pub marketplace: String,
    /// The seller, where the API is asked about one.
    pub seller: Option<String>,
    /// Kind of the identifiers; none: all that the seller lists.
    pub kind: Option<Kind>,
    /// The identifiers, in order.
    pub ids: Vec<String>,
}

/// What is wanted, in batches.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// What is asked.
    pub batches: Vec<Batch>,
    /// What cannot be asked for, and why.
    pub refused: Vec<(String, String)>,
}

/// What the identifiers of a batch have in common, and whether it is asked for alone.
type Together = (String, Option<String>, Option<Kind>, Option<String>);

/// What is wanted of an account with these marketplaces and this seller, each thing once, in batches that are the same
/// whatever order it was wanted in.
pub fn batches(api: Api, wanted: &[Wanted], marketplaces: &[String], seller: Option<&str>) -> Batches {
    let mut refused = BTreeMap::new();
    let mut together: BTreeMap<Together, BTreeSet<String>> = BTreeMap::new();
    for wanted in wanted {
        let name = match &wanted.identifier {
            Some((_, id)) => id.clone(),
            None => wanted.seller.clone().unwrap_or_default(),
        };
        let seller = wanted.seller.as_deref().or(seller);
        if let Err(why) = may_be_asked(api, wanted, seller) {
            refused.insert(name, why);
            continue;
        }
        let own = wanted.marketplace.as_ref().map(std::slice::from_ref);
        let marketplaces = own.unwrap_or(marketplaces);
        if marketplaces.is_empty() {
            let why = "no marketplace is known: give the account `marketplaces`, or the list a column marketplace_id";
            refused.insert(name, why.to_owned());
        }
        for marketplace in marketplaces {
            let (kind, id) = match &wanted.identifier {
                // Letters of an ASIN are capital ones.
                Some((Kind::Asin, id)) => (Some(Kind::Asin), Some(id.to_uppercase())),
                Some((kind, id)) => (Some(*kind), Some(id.clone())),
                None => (None, None),
            };
            let about_seller = api == Api::Listings || kind == Some(Kind::Sku);
            let seller = seller.filter(|_| about_seller).map(str::to_owned);
            // Commas stand between identifiers: one that has a comma itself is asked for alone, by its path.
            let alone = id.clone().filter(|id| id.contains(','));
            let ids = together
                .entry((marketplace.clone(), seller, kind, alone))
                .or_default();
            ids.extend(id);
        }
    }
    let mut all = Vec::new();
    for ((marketplace, seller, kind, _), ids) in together {
        let ids: Vec<String> = ids.into_iter().collect();
        // All that a seller lists is one batch without identifiers.
        let chunks: Vec<&[String]> = match kind {
            Some(_) => ids.chunks(AT_ONCE).collect(),
            None => vec![&[]],
        };
        all.extend(chunks.into_iter().map(|ids| Batch {
            api,
            marketplace: marketplace.clone(),
            seller: seller.clone(),
            kind,
            ids: ids.to_vec(),
        }));
    }
    Batches {
        batches: all,
        refused: refused.into_iter().collect(),
    }
}

/// What is no identifier spoils the whole batch that it is asked for in: it is not asked for.
fn may_be_asked(api: Api, wanted: &Wanted, seller: Option<&str>) -> Result<(), String> {
    let no_seller =
        "no seller is known: give the account `seller` in [[acquire.sp_api]], or the list a column seller_id";
    let Some((kind, id)) = &wanted.identifier else {
        return match api {
            Api::Listings => Ok(()),
            Api::Catalog => Err("the catalog is asked about products, not about sellers".to_owned()),
        };
    };
    let is_digits = || id.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = match kind {
        Kind::Asin => id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        Kind::Ean | Kind::Gtin | Kind::Jan | Kind::Upc => (6..=14).contains(&id.len()) && is_digits(),
        _ => !id.is_empty(),
    };
    match () {
        () if !is_one => Err(format!("it is no {kind}")),
        () if !api.kinds().contains(kind) => Err(format!("the catalog does not know the identifiers {kind}")),
        () if id.contains(',') && (api == Api::Catalog || *kind != Kind::Sku) => {
            Err("an identifier with a comma in it cannot be asked for".to_owned())
        }
        () if seller.is_none() && (api == Api::Listings || *kind == Kind::Sku) => Err(no_seller.to_owned()),
        () => Ok(()),
    }
}

impl Batch {
    /// Whether it is one listing that is asked for by its path.
    pub(super) fn is_single(&self) -> bool {
        self.api == Api::Listings && self.ids.len() == 1 && self.ids[0].contains(',')
    }

    /// Whether it is all that a seller lists.
    pub(super) fn is_all(&self) -> bool {
        self.kind.is_none()
    }

    /// What has to be asked for so that it is seen which product is which, or when it was listed.
    pub(super) fn needs(&self) -> Option<&'static str> {
        match (self.api, self.kind) {
            (Api::Catalog, Some(Kind::Asin)) | (Api::Listings, Some(Kind::Sku)) => None,
            (Api::Catalog, _) => Some("identifiers"),
            (Api::Listings, None | Some(Kind::Asin | Kind::Fnsku)) => Some("summaries"),
            (Api::Listings, _) => Some("attributes"),
        }
    }

    /// The operation that answers it.
    pub(super) fn operation(&self) -> &'static Operation {
        match self.api {
            Api::Catalog => &SEARCH_CATALOG,
            Api::Listings if self.is_single() => &GET_LISTING,
            Api::Listings => &SEARCH_LISTINGS,
        }
    }

    /// Its folder below that of the account.
    pub(super) fn folder(&self) -> &'static str {
        match self.is_single() {
            true => "listings_item",
            false => self.api.folder(),
        }
    }

    /// What it is called: the same for whoever asks for the same.
    pub(super) fn name(&self, account: &str, settings: &Items) -> String {
        let (kind, included) = (self.kind.map(|kind| kind.to_string()), &settings.included);
        let asked = serde_json::json!([account, self.seller, kind, self.ids, settings.locale, included]);
        let digits: String = Sha256::digest(asked.to_string())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}-{}", self.marketplace, &digits[..NAME])
    }

    /// The path of the request, where names of the user stand as they are; and the names, to be encoded.
    pub(super) fn path(&self) -> Vec<&str> {
        let seller = self.seller.as_deref().unwrap_or_default();
        match self.api {
            Api::Catalog => vec!["catalog", "2022-04-01", "items"],
            Api::Listings if self.is_single() => {
                vec!["listings", "2021-08-01", "items", seller, &self.ids[0]]
            }
            Api::Listings => vec!["listings", "2021-08-01", "items", seller],
        }
    }

    /// What was asked for, by the names of the API's parameters: what a manifest tells, and a request sends.
    pub(super) fn parameters(&self, settings: &Items, included: &[String]) -> BTreeMap<String, String> {
        let mut parameters = BTreeMap::new();
        let mut say = |name: &str, value: String| parameters.insert(name.to_owned(), value);
        say("includedData", included.join(","));
        if let Some(locale) = &settings.locale {
            let name = match self.api {
                Api::Catalog => "locale",
                Api::Listings => "issueLocale",
            };
            say(name, locale.clone());
        }
        if let (Api::Catalog, Some(seller)) = (self.api, &self.seller) {
            say("sellerId", seller.clone());
        }
        if self.is_single() {
            return parameters;
        }
        say("pageSize", AT_ONCE.to_string());
        match self.kind {
            Some(kind) => {
                say("identifiers", self.ids.join(","));
                say("identifiersType", kind.to_string());
            }
            None => {
                // In an order that what is listed meanwhile does not change, and by which the next slice begins.
                say("sortBy", "createdDate".to_owned());
                say("sortOrder", "ASC".to_owned());
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marketplaces(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn asins(range: std::ops::Range<u32>) -> Vec<Wanted> {
        range
            .map(|i| Wanted::new(Kind::Asin, &format!("b{i:09}")))
            .collect()
    }

    #[test]
    fn products_come_in_twenties_each_once_in_each_marketplace_in_any_order() {
        let mut wanted = asins(0..45);
        wanted.extend(asins(40..45));
        let one = batches(Api::Catalog, &wanted, &marketplaces(&["DE", "FR"]), None);
        wanted.reverse();
        assert_eq!(
            one,
            batches(Api::Catalog, &wanted, &marketplaces(&["DE", "FR"]), None)
        );
        let sizes: Vec<usize> = one.batches.iter().map(|batch| batch.ids.len()).collect();
        assert_eq!((sizes, one.refused.len()), (vec![20, 20, 5, 20, 20, 5], 0));
        assert_eq!(one.batches[0].ids[1], "B000000001");
        let named = |batch: &Batch| batch.name("corner", &Items::default());
        let names: BTreeSet<String> = one.batches.iter().map(named).collect();
        assert_eq!(names.len(), 6);
        let french = Items {
            locale: Some("fr_FR".to_owned()),
            ..Items::default()
        };
        assert_ne!(one.batches[0].name("corner", &french), named(&one.batches[0]));
    }

    #[test]
    fn what_would_spoil_a_batch_is_not_asked_for() {
        let mut wanted = asins(0..1);
        for id in ["B1", "", "B00000000é"] {
            wanted.push(Wanted::new(Kind::Asin, id));
        }
        wanted.push(Wanted::new(Kind::Ean, "no number"));
        wanted.push(Wanted::new(Kind::Fnsku, "X001"));
        wanted.push(Wanted::new(Kind::Sku, "a,b"));
        wanted.push(Wanted::new(Kind::Sku, "without a seller"));
        wanted.push(Wanted::all_of("S1"));
        let found = batches(Api::Catalog, &wanted, &marketplaces(&["DE"]), None);
        assert_eq!((found.batches.len(), found.refused.len()), (1, 8), "{found:?}");
        let nowhere = batches(Api::Catalog, &asins(0..1), &[], None);
        assert_eq!((nowhere.batches.len(), nowhere.refused.len()), (0, 1));
    }

    #[test]
    fn listings_are_of_a_seller_and_those_with_commas_alone() {
        let skus = ["a", "b,c", "d"].map(|sku| Wanted::new(Kind::Sku, sku));
        let found = batches(Api::Listings, &skus, &marketplaces(&["DE"]), Some("S1")).batches;
        let ids: Vec<&[String]> = found.iter().map(|batch| &batch.ids[..]).collect();
        assert_eq!(
            ids,
            [&["a".to_owned(), "d".to_owned()][..], &["b,c".to_owned()][..]]
        );
        assert_eq!(found[0].path(), ["listings", "2021-08-01", "items", "S1"]);
        assert_eq!(found[1].path(), ["listings", "2021-08-01", "items", "S1", "b,c"]);
        assert!(
            !found[1]
                .parameters(&Items::default(), &[])
                .contains_key("identifiers")
        );
        let all = batches(
            Api::Listings,
            &[Wanted::all_of("S2")],
            &marketplaces(&["DE"]),
            None,
        )
        .batches;
        assert_eq!(
            (all.len(), all[0].is_all(), all[0].seller.as_deref()),
            (1, true, Some("S2"))
        );
        assert_eq!(
            batches(Api::Listings, &skus, &marketplaces(&["DE"]), None)
                .refused
                .len(),
            3
        );
    }
}
