//! The merchants of the demo and the dialects of their files.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use pipeline::account::{Account, CsvOverride};

/// A Just Walk Out merchant with one store.
pub(super) struct Merchant {
    pub(super) alias: &'static str,
    pub(super) merchant_id: &'static str,
    pub(super) store_id: &'static str,
    /// Start of every order id.
    pub(super) prefix: &'static str,
    pub(super) zone: Tz,
    pub(super) currency: &'static str,
    /// Tax in millionths.
    pub(super) tax_rate: i64,
    pub(super) tax_inclusive: bool,
    /// Unit of goods sold by weight.
    pub(super) weight_unit: &'static str,
    /// Whether times are written with the store's offset, or as local time without one.
    pub(super) with_offset: bool,
    /// Local opening hours.
    pub(super) hours: std::ops::Range<u32>,
    dialect: Dialect,
}

/// How a merchant's files are written.
enum Dialect {
    /// Comma, a header of canonical names, empty cells for NULL.
    Canonical,
    /// Comma and header; from the third day on there is a column that nobody announced, so that a header cannot
    /// be told by its names alone.
    Growing,
    /// Pipe, no header, own column names in a declared order, `\N` for NULL.
    Own,
}

/// Three merchants in three time zones.
pub(super) const ALL: &[Merchant] = &[
    Merchant {
        alias: "corner_shop",
        merchant_id: "M-CORNER-01",
        store_id: "LAX-014",
        prefix: "CS",
        zone: Tz::America__Los_Angeles,
        currency: "USD",
        tax_rate: 87_500,
        tax_inclusive: false,
        weight_unit: "lb",
        with_offset: false,
        hours: 6..24,
        dialect: Dialect::Canonical,
    },
    Merchant {
        alias: "stadium_east",
        merchant_id: "M-STADIUM-02",
        store_id: "NYC-201",
        prefix: "SE",
        zone: Tz::America__New_York,
        currency: "USD",
        tax_rate: 88_750,
        tax_inclusive: false,
        weight_unit: "lb",
        with_offset: true,
        hours: 11..23,
        dialect: Dialect::Growing,
    },
    Merchant {
        alias: "airport_hub",
        merchant_id: "M-AIRPORT-03",
        store_id: "LHR-T5",
        prefix: "AH",
        zone: Tz::Europe__London,
        currency: "GBP",
        tax_rate: 200_000,
        tax_inclusive: true,
        weight_unit: "kg",
        with_offset: false,
        hours: 5..22,
        dialect: Dialect::Own,
    },
];

/// Canonical columns, as most merchants deliver them.
const CANONICAL: &[&str] = &[
    "order_id",
    "store_id",
    "store_timezone",
    "shopping_trip_id",
    "entry_method",
    "trip_start_at",
    "trip_end_at",
    "order_created_at",
    "order_updated_at",
    "order_date",
    "order_status",
    "payment_status",
    "payment_method",
    "card_brand",
    "card_last4",
    "shopper_ref",
    "loyalty_id",
    "item_count",
    "subtotal",
    "discount_total",
    "fee_total",
    "tax_total",
    "order_total",
    "paid_total",
    "refunded_total",
    "currency_code",
    "line_id",
    "line_type",
    "sku",
    "upc",
    "product_name",
    "category",
    "quantity",
    "quantity_unit",
    "unit_price",
    "gross_amount",
    "discount_amount",
    "fee_amount",
    "tax_amount",
    "net_amount",
    "promotion_ids",
    "promotion_description",
    "tax_rate",
    "tax_inclusive",
    "line_status",
    "refund_reason_code",
    "refund_request_id",
];

/// `(own name, canonical name)` in the order of the columns of [`Dialect::Own`].
const OWN: &[(&str, &str)] = &[
    ("OrderNumber", "order_id"),
    ("LineNumber", "line_id"),
    ("LineKind", "line_type"),
    ("Shop", "store_id"),
    ("Trip", "shopping_trip_id"),
    ("store_timezone", "store_timezone"),
    ("EntryAt", "trip_start_at"),
    ("ExitAt", "trip_end_at"),
    ("CreatedAt", "order_created_at"),
    ("UpdatedAt", "order_updated_at"),
    ("BusinessDate", "order_date"),
    ("order_status", "order_status"),
    ("payment_status", "payment_status"),
    ("payment_method", "payment_method"),
    ("card_brand", "card_brand"),
    ("PAN4", "card_last4"),
    ("shopper_ref", "shopper_ref"),
    ("Article", "sku"),
    ("EAN", "upc"),
    ("Description", "product_name"),
    ("Department", "category"),
    ("Qty", "quantity"),
    ("Uom", "quantity_unit"),
    ("Price", "unit_price"),
    ("Gross", "gross_amount"),
    ("Discount", "discount_amount"),
    ("Vat", "tax_amount"),
    ("Net", "net_amount"),
    ("VatRate", "tax_rate"),
    ("tax_inclusive", "tax_inclusive"),
    ("line_status", "line_status"),
    ("refund_reason_code", "refund_reason_code"),
    ("refund_request_id", "refund_request_id"),
    ("Items", "item_count"),
    ("Subtotal", "subtotal"),
    ("TotalDiscount", "discount_total"),
    ("TotalVat", "tax_total"),
    ("Total", "order_total"),
    ("Paid", "paid_total"),
    ("Refunded", "refunded_total"),
    ("Ccy", "currency_code"),
];

impl Merchant {
    /// Canonical names of the columns of this merchant's files on the day of that index.
    pub(super) fn columns(&self, day: i64) -> Vec<&'static str> {
        match self.dialect {
            Dialect::Canonical => CANONICAL.to_vec(),
            Dialect::Growing if day < 2 => CANONICAL.to_vec(),
            Dialect::Growing => CANONICAL.iter().copied().chain(["basket_mood"]).collect(),
            Dialect::Own => OWN.iter().map(|(_, canonical)| *canonical).collect(),
        }
    }

    /// The first record of a file with these columns; empty where there is none.
    pub(super) fn header(&self, columns: &[&str]) -> String {
        if matches!(self.dialect, Dialect::Own) {
            String::new()
        } else {
            columns.join(",") + "\n"
        }
    }

    /// One record, with its line end.
    pub(super) fn record(&self, cells: &[String]) -> String {
        let (delimiter, null) = match self.dialect {
            Dialect::Own => ('|', "\\N"),
            Dialect::Canonical | Dialect::Growing => (',', ""),
        };
        let mut record = String::new();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                record.push(delimiter);
            }
            if cell.is_empty() {
                record.push_str(null);
            } else if cell.contains([delimiter, '"', '\n', '\r']) {
                record.push('"');
                record.push_str(&cell.replace('"', "\"\""));
                record.push('"');
            } else {
                record.push_str(cell);
            }
        }
        record.push('\n');
        record
    }

    /// The account of this merchant.
    pub(super) fn account(&self, since: NaiveDate) -> Account {
        let csv = match self.dialect {
            Dialect::Canonical => None,
            Dialect::Growing => Some(CsvOverride {
                header: Some("present".to_owned()),
                ..CsvOverride::default()
            }),
            Dialect::Own => Some(own_csv()),
        };
        Account {
            zone: self.zone,
            since: Some(since),
            currency: Some(self.currency.to_owned()),
            fields: BTreeMap::from([("merchant_id".to_owned(), self.merchant_id.to_owned())]),
            csv,
            ..Account::unconfigured("jwo", self.alias)
        }
    }
}

/// What an account says about files of [`Dialect::Own`].
fn own_csv() -> CsvOverride {
    CsvOverride {
        delimiter: Some('|'),
        header: Some("absent".to_owned()),
        columns: Some(OWN.iter().map(|(own, _)| (*own).to_owned()).collect()),
        null: Some(vec![String::new(), "\\N".to_owned()]),
        rename: OWN
            .iter()
            .filter(|(own, canonical)| own != canonical)
            .map(|(own, canonical)| ((*own).to_owned(), (*canonical).to_owned()))
            .collect(),
    }
}
