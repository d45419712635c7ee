//! Orders, and what they say of themselves at a moment.

use chrono::{DateTime, TimeDelta, Utc};

use super::merchant::Merchant;
use super::product::Product;

/// Columns that the payment provider fills in.
pub(super) const PAYMENT: &[&str] = &[
    "payment_status",
    "payment_method",
    "card_brand",
    "card_last4",
    "paid_total",
];

/// One shopping trip.
pub(super) struct Order {
    pub(super) id: String,
    pub(super) opened: DateTime<Utc>,
    pub(super) closed: DateTime<Utc>,
    /// When the payment went through.
    pub(super) captured: DateTime<Utc>,
    /// Last digits of the card; also tells the shopper and the brand.
    pub(super) card: u32,
    pub(super) lines: Vec<Line>,
    /// In which files the order is.
    pub(super) reports: Vec<Report>,
}

/// One line of an order.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) product: &'static Product,
    /// Thousandths of a unit; negative in a refund.
    pub(super) quantity: i64,
    pub(super) promoted: bool,
    /// The price after a correction in hundredths, and since when.
    pub(super) corrected: Option<(DateTime<Utc>, i64)>,
    /// Since when this line refunds another one.
    pub(super) refunded: Option<DateTime<Utc>>,
}

/// An order's place in one file.
pub(super) struct Report {
    /// When the file was generated: a quarter of an hour.
    pub(super) quarter: DateTime<Utc>,
    /// Indexes of the lines that it holds.
    pub(super) lines: Vec<usize>,
    /// Columns that it leaves empty.
    pub(super) silent: &'static [&'static str],
}

/// Amounts of a line in hundredths.
struct Amounts {
    unit: i64,
    gross: i64,
    discount: i64,
    tax: i64,
    net: i64,
}

impl Line {
    /// Whether the line exists at that moment.
    pub(super) fn known(&self, at: DateTime<Utc>) -> bool {
        self.refunded.is_none_or(|since| since <= at)
    }

    fn corrected_at(&self, at: DateTime<Utc>) -> Option<(DateTime<Utc>, i64)> {
        self.corrected.filter(|(since, _)| *since <= at)
    }

    fn amounts(&self, merchant: &Merchant, at: DateTime<Utc>) -> Amounts {
        let unit = self
            .corrected_at(at)
            .map_or(self.product.cents, |(_, cents)| cents);
        let gross = (self.quantity * unit) / 1000;
        let discount = if self.promoted { gross / 10 } else { 0 };
        let due = gross - discount;
        if merchant.tax_inclusive {
            Amounts {
                unit,
                gross,
                discount,
                tax: due - due * 1_000_000 / (1_000_000 + merchant.tax_rate),
                net: due,
            }
        } else {
            let tax = due * merchant.tax_rate / 1_000_000;
            Amounts {
                unit,
                gross,
                discount,
                tax,
                net: due + tax,
            }
        }
    }
}

impl Order {
    fn sum(&self, at: DateTime<Utc>, amount: impl Fn(&Line) -> i64) -> i64 {
        self.lines.iter().filter(|line| line.known(at)).map(amount).sum()
    }

    fn refunded(&self, merchant: &Merchant, at: DateTime<Utc>) -> i64 {
        let lines = self
            .lines
            .iter()
            .filter(|line| line.refunded.is_some() && line.known(at));
        -lines.map(|line| line.amounts(merchant, at).net).sum::<i64>()
    }

    fn updated(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let changes = self
            .lines
            .iter()
            .flat_map(|line| line.refunded.into_iter().chain(line.corrected.map(|(t, _)| t)));
        changes
            .chain([self.captured])
            .filter(|change| *change <= at)
            .max()
            .unwrap_or(self.closed)
    }

    /// The text in a column of the row of `line` when the file is generated at `at`; empty where nothing is known.
    pub(super) fn cell(&self, column: &str, line: &Line, merchant: &Merchant, at: DateTime<Utc>) -> String {
        let paid = self.captured <= at;
        let refund = line.refunded.is_some();
        let net = |line: &Line| line.amounts(merchant, at).net;
        let amounts = || line.amounts(merchant, at);
        let if_paid = |text: &str| if paid { text.to_owned() } else { String::new() };
        let if_refund = |text: String| if refund { text } else { String::new() };
        match column {
            "order_id" => self.id.clone(),
            "store_id" => merchant.store_id.to_owned(),
            "store_timezone" => merchant.zone.name().to_owned(),
            "shopping_trip_id" => format!("trip-{}", self.id.to_lowercase()),
            "entry_method" => if self.card.is_multiple_of(3) {
                "SCAN_CODE"
            } else {
                "CARD"
            }
            .to_owned(),
            "trip_start_at" => timestamp(self.opened, merchant),
            "trip_end_at" => timestamp(self.closed, merchant),
            "order_created_at" => timestamp(self.closed + TimeDelta::seconds(41), merchant),
            "order_updated_at" => timestamp(self.updated(at), merchant),
            "order_date" => self.opened.with_timezone(&merchant.zone).date_naive().to_string(),
            "order_status" => match (self.refunded(merchant, at), paid) {
                (0, false) => "OPEN".to_owned(),
                (0, true) => "CLOSED".to_owned(),
                _ => "REFUNDED".to_owned(),
            },
            "payment_status" => if_paid("CAPTURED"),
            "payment_method" => if_paid("CREDIT_CARD"),
            "card_brand" => if_paid(["VISA", "MASTERCARD", "AMEX"][self.card as usize % 3]),
            "card_last4" => if_paid(&format!("{:04}", self.card)),
            "paid_total" => if_paid(&money(self.sum(at, net) + self.refunded(merchant, at))),
            "shopper_ref" => format!("shopper-{}", self.card % 977),
            "loyalty_id" if self.card.is_multiple_of(4) => format!("LOY{:06}", self.card * 7),
            "item_count" => self
                .sum(at, |line| {
                    if line.product.by_weight {
                        1
                    } else {
                        line.quantity / 1000
                    }
                })
                .to_string(),
            "subtotal" => money(self.sum(at, |line| line.amounts(merchant, at).gross)),
            "discount_total" => money(self.sum(at, |line| line.amounts(merchant, at).discount)),
            "fee_total" | "fee_amount" => money(0),
            "tax_total" => money(self.sum(at, |line| line.amounts(merchant, at).tax)),
            "order_total" => money(self.sum(at, net)),
            "refunded_total" => money(self.refunded(merchant, at)),
            "currency_code" => merchant.currency.to_owned(),
            "line_id" => line.id.clone(),
            "line_type" => if refund { "REFUND" } else { "SALE" }.to_owned(),
            "sku" => line.product.sku.to_owned(),
            "upc" => line.product.upc.to_owned(),
            "product_name" => line.product.name.to_owned(),
            "category" => line.product.category.to_owned(),
            "quantity" if line.product.by_weight => decimal(line.quantity, 3),
            "quantity" => (line.quantity / 1000).to_string(),
            "quantity_unit" => if line.product.by_weight {
                merchant.weight_unit
            } else {
                "each"
            }
            .to_owned(),
            "unit_price" => money(amounts().unit),
            "gross_amount" => money(amounts().gross),
            "discount_amount" => money(amounts().discount),
            "tax_amount" => money(amounts().tax),
            "net_amount" => money(amounts().net),
            "promotion_ids" if line.promoted => "PROMO-10".to_owned(),
            "promotion_description" if line.promoted => "10% off, this week only".to_owned(),
            "tax_rate" => decimal(merchant.tax_rate, 6),
            "tax_inclusive" => merchant.tax_inclusive.to_string(),
            "line_status" if line.corrected_at(at).is_some() => "ADJUSTED".to_owned(),
            "line_status" => "SOLD".to_owned(),
            "refund_reason_code" => if_refund("DAMAGED_ITEM".to_owned()),
            "refund_request_id" => if_refund(format!("RR-{}-{}", self.id, line.id)),
            "basket_mood" => ["calm", "hungry", "in a hurry"][self.card as usize % 3].to_owned(),
            _ => String::new(),
        }
    }
}

fn timestamp(at: DateTime<Utc>, merchant: &Merchant) -> String {
    let format = if merchant.with_offset {
        "%Y-%m-%dT%H:%M:%S%:z"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    at.with_timezone(&merchant.zone).format(format).to_string()
}

/// An amount of hundredths as text.
pub(super) fn money(cents: i64) -> String {
    decimal(cents, 2)
}

/// A whole number of 10^-`digits` as text with that many digits after the point.
fn decimal(units: i64, digits: u32) -> String {
    let one = 10_i64.pow(digits);
    let sign = if units < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:0width$}",
        units.abs() / one,
        units.abs() % one,
        width = digits as usize
    )
}
