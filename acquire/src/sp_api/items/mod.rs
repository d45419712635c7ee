//! Catalog Items and Listings Items: pages about products, as the two APIs answer them.
//!
//! ```text
//!  list or query -> wanted -> batches of 20 -> pages -> raw zone
//! ```
//!
//! The raw zone is the ledger: a page is named after what was asked for, so that whoever comes after a crash sees which
//! pages of the day lie there, reads the token of the next one in the last of them, and asks for nothing twice. Only what
//! leaves no page behind, such as a refusal, is written to a book.

mod batch;
mod fetch;
mod page;
mod wanted;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rate::Rate;
use crate::sp_api::Operation;

pub use batch::{Batch, Batches, batches};
pub use fetch::Pages;
pub use wanted::{Kind, Wanted, listed, of_rows};

/// Which of the two APIs is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// What Amazon's catalog says about a product.
    Catalog,
    /// What a seller offers.
    Listings,
}

/// What the configuration of an account says about one of the APIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Items {
    /// ASINs that are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asins: Vec<String>,
    /// SKUs that are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<String>,
    /// Sellers all of whose listings are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sellers: Vec<String>,
    /// A statement over the lake, whose columns say by their names what is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Language of texts, such as `de_DE`; that of the marketplace where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What is asked for about each product; everything where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included: Vec<String>,
}

/// A search by identifiers, at most so many at once.
const AT_ONCE: usize = 20;

/// `searchCatalogItems`.
const SEARCH_CATALOG: Operation = Operation {
    name: "searchCatalogItems",
    rate: Rate {
        per_second: 2.0,
        burst: 2,
    },
};
/// `searchListingsItems`.
const SEARCH_LISTINGS: Operation = Operation {
    name: "searchListingsItems",
    rate: Rate {
        per_second: 5.0,
        burst: 5,
    },
};
/// `getListingsItem`.
const GET_LISTING: Operation = Operation {
    name: "getListingsItem",
    rate: Rate {
        per_second: 5.0,
        burst: 10,
    },
};

impl Api {
    /// Its folder below that of the account, which is also the kind that manifests and reports of the program say.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Catalog => "catalog_items",
            Self::Listings => "listings_items",
        }
    }

    /// Everything that can be asked for about a product.
    fn everything(self) -> &'static [&'static str] {
        match self {
            Self::Catalog => &[
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
            ],
            Self::Listings => &[
                "summaries",
                "attributes",
                "issues",
                "offers",
                "fulfillmentAvailability",
                "procurement",
                "relationships",
                "productTypes",
            ],
        }
    }

    /// What of it sellers are refused.
    fn of_vendors(self) -> &'static str {
        match self {
            Self::Catalog => "vendorDetails",
            Self::Listings => "procurement",
        }
    }

    /// Kinds of identifiers that it knows, the one first that is taken where a row has several.
    fn kinds(self) -> &'static [Kind] {
        use Kind::{Asin, Ean, Fnsku, Gtin, Isbn, Jan, Minsan, Sku, Upc};
        match self {
            Self::Catalog => &[Asin, Sku, Ean, Upc, Gtin, Isbn, Jan, Minsan],
            Self::Listings => &[Sku, Asin, Fnsku, Ean, Upc, Gtin, Isbn, Jan, Minsan],
        }
    }
}

impl Items {
    /// Whether the configuration says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it can be asked for.
    ///
    /// # Errors
    ///
    /// When the API would refuse everything that is asked for so.
    pub fn check(&self, api: Api) -> Result<()> {
        let known = api.everything();
        match self.included.iter().find(|data| !known.contains(&data.as_str())) {
            None => Ok(()),
            Some(strange) => Err(Error::mistake(format!(
                "included has {strange:?}, which {} cannot have; there is {}",
                api.folder(),
                known.join(", ")
            ))),
        }
    }

    /// What the configuration itself asks for, without its query.
    pub fn wanted(&self) -> Vec<Wanted> {
        let named = |kind: Kind, ids: &[String]| {
            let ids = ids.iter().map(move |id| Wanted::new(kind, id));
            ids.collect::<Vec<_>>()
        };
        let sellers = self.sellers.iter().map(|seller| Wanted::all_of(seller));
        let mut wanted = named(Kind::Asin, &self.asins);
        wanted.extend(named(Kind::Sku, &self.skus));
        wanted.extend(sellers);
        wanted
    }
}
