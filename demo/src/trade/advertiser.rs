//! Who advertises and sells on Amazon, and what.

use std::ops::Range;

/// Something on offer.
pub(crate) struct Item {
    pub(crate) asin: &'static str,
    pub(crate) sku: &'static str,
    pub(crate) name: &'static str,
    /// Price that shoppers pay, in hundredths of the currency.
    pub(crate) cents: i64,
    /// What it cost whoever sells it, in hundredths.
    pub(crate) cost: i64,
}

/// Who sells to shoppers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Business {
    /// Amazon, which buys from the advertiser.
    Vendor,
    /// The advertiser itself.
    Seller,
}

/// One merchant in one marketplace, under the names that each source has for it.
pub(crate) struct Advertiser {
    /// What its accounts of all sources have as their field `merchant`.
    pub(crate) merchant: &'static str,
    pub(crate) business: Business,
    /// The seller, or the entity of a vendor.
    pub(crate) advertiser_id: &'static str,
    /// Profile of the Ads API.
    pub(crate) profile_id: &'static str,
    pub(crate) marketplace_id: &'static str,
    /// The marketplace as reports for sellers write it.
    pub(crate) channel: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) zone: chrono_tz::Tz,
    /// How much is clicked in an hour of the day and of the night.
    pub(crate) clicks: [Range<u32>; 2],
    /// How many orders a day come without a click.
    pub(crate) organic: Range<u32>,
    /// Campaign id and name; a campaign is about two items.
    pub(crate) campaigns: [(&'static str, &'static str); 3],
    pub(crate) keywords: [&'static str; 4],
    pub(crate) items: [Item; 6],
}

impl Advertiser {
    /// Alias of its account at a source.
    pub(crate) fn alias(&self, source: &str) -> String {
        match (source, self.business) {
            ("ads", _) => format!("{}_ads", self.merchant),
            (_, Business::Vendor) => format!("{}_vendor", self.merchant),
            (_, Business::Seller) => format!("{}_seller", self.merchant),
        }
    }
}

/// An American vendor and a German seller.
pub(crate) const ADVERTISERS: &[Advertiser] = &[
    Advertiser {
        merchant: "trailshop",
        business: Business::Vendor,
        advertiser_id: "ENTITY7TRAILSHOPUS",
        profile_id: "3310001100220033",
        marketplace_id: "ATVPDKIKX0DER",
        channel: "Amazon.com",
        currency: "USD",
        zone: chrono_tz::Tz::America__Los_Angeles,
        clicks: [70..90, 20..35],
        organic: 150..190,
        campaigns: [
            ("410000000000101", "Boots - Manual - SP"),
            ("410000000000102", "Tents \"Summit\" - Auto - SP"),
            ("410000000000103", "Lamps - Exact - SP"),
        ],
        keywords: ["hiking boots", "waterproof boots", "2 person tent", "head lamp"],
        items: [
            item("B0DEMOBT01", "", "Ridge boots, 9", 12_900, 7_100),
            item("B0DEMOBT02", "", "Ridge boots, 10.5", 12_900, 7_100),
            item("B0DEMOTN01", "", "Summit tent, 2 person", 18_900, 11_200),
            item("B0DEMOTN02", "", "Summit tent footprint", 3_495, 1_650),
            item("B0DEMOLP01", "", "Head lamp 400 lm", 3_999, 1_900),
            item("B0DEMOLP02", "", "Camp lantern", 2_750, 1_240),
        ],
    },
    Advertiser {
        merchant: "wanderladen",
        business: Business::Seller,
        advertiser_id: "A9WANDERLADENDE",
        profile_id: "4420009900880077",
        marketplace_id: "A1PA6795UKMFR9",
        channel: "Amazon.de",
        currency: "EUR",
        zone: chrono_tz::Tz::Europe__Berlin,
        clicks: [20..32, 5..10],
        organic: 40..60,
        campaigns: [
            ("490000000000201", "Frühling: Schuhe"),
            ("490000000000202", "Zelte, automatisch"),
            ("490000000000203", "Stirnlampen"),
        ],
        keywords: ["wanderschuhe", "schuhe größe 43", "zelt 2 personen", "stirnlampe"],
        items: [
            item(
                "B0DEMOWS43",
                "SCHUH-GRÖSSE-43",
                "Wanderschuh \"Alm\", Größe 43",
                11_990,
                6_000,
            ),
            item(
                "B0DEMOWS44",
                "SCHUH-GRÖSSE-44",
                "Wanderschuh \"Alm\", Größe 44",
                11_990,
                6_000,
            ),
            item(
                "B0DEMOZE02",
                "ZELT-2P",
                "Zelt für 2 Personen, grün",
                16_900,
                9_800,
            ),
            item(
                "B0DEMOZE04",
                "ZELT-4P",
                "Zelt für 4 Personen, grün",
                24_900,
                14_500,
            ),
            item("B0DEMOST01", "LAMPE-400", "Stirnlampe 400 lm", 3_490, 1_700),
            item("B0DEMOST02", "LAMPE-AKKU", "Akku für Stirnlampe", 1_295, 520),
        ],
    },
];

const fn item(asin: &'static str, sku: &'static str, name: &'static str, cents: i64, cost: i64) -> Item {
    Item {
        asin,
        sku,
        name,
        cents,
        cost,
    }
}
