//! Reports of the Ads and the Selling Partner API: documents that state days anew, each with its manifest.

mod ads;
mod orders;
mod seller;
mod settlement;
mod stock;
mod vendor;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use pipeline::account::Account;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

pub(super) use ads::report as ads_report;
pub(super) use orders::{State as OrderState, line as order_line};

use super::jwo::Wrapping;
use super::message::{iso, uuid};
use super::trade::{Advertiser, Business, Trade};
use super::{Options, RawObject};

/// A document before it is written.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) source: &'static str,
    pub(super) account: String,
    /// Kind of the report in the source's words.
    pub(super) kind: &'static str,
    /// Name of the file.
    pub(super) name: String,
    pub(super) document_id: String,
    pub(super) marketplace: &'static str,
    /// First and last day that were asked for, where the kind has such.
    pub(super) days: Option<(NaiveDate, NaiveDate)>,
    pub(super) options: Vec<(&'static str, &'static str)>,
    pub(super) charset: Option<&'static str>,
    /// When the source made it.
    pub(super) made: DateTime<Utc>,
    /// The day that it is filed under: that on which it was made, unless it got stuck on its way.
    pub(super) filed: NaiveDate,
    /// When it was put into the raw zone.
    pub(super) delivered: DateTime<Utc>,
    pub(super) text: Vec<u8>,
    pub(super) wrapping: Wrapping,
    /// Whether it says what was asked for.
    pub(super) has_manifest: bool,
}

impl Report {
    /// A document of an advertiser's account, delivered soon after it was made.
    fn new(
        advertiser: &Advertiser,
        source: &'static str,
        kind: &'static str,
        made: DateTime<Utc>,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let id = uuid(rng);
        let document_id = match source {
            "ads" => id.clone(),
            _ => format!("amzn1.spdoc.1.4.{id}"),
        };
        Self {
            source,
            account: advertiser.alias(source),
            kind,
            name: id,
            document_id,
            marketplace: advertiser.marketplace_id,
            days: None,
            options: Vec::new(),
            charset: None,
            made,
            filed: made.date_naive(),
            delivered: made + TimeDelta::minutes(6),
            text: Vec::new(),
            wrapping: Wrapping::Plain,
            has_manifest: true,
        }
    }

    /// Where it is delivered, below the raw root.
    pub(super) fn path(&self) -> String {
        let extension = match self.kind {
            orders::KIND | settlement::KIND => "txt",
            _ => "json",
        };
        let suffix = match self.wrapping {
            Wrapping::NamedGzip | Wrapping::BrokenGzip => ".gz",
            _ => "",
        };
        format!(
            "{}/{}/{}/{}/{}.{extension}{suffix}",
            self.source, self.account, self.kind, self.filed, self.name
        )
    }

    /// The same document, downloaded once more so many hours later.
    pub(super) fn again(&self, hours: i64) -> Self {
        let delivered = self.delivered + TimeDelta::hours(hours);
        Self {
            filed: delivered.date_naive(),
            delivered,
            ..self.clone()
        }
    }

    fn objects(&self) -> Vec<RawObject> {
        let path = self.path();
        let bytes = self.wrapping.around(self.text.clone());
        let manifest = self.has_manifest.then(|| RawObject {
            path: format!("{path}.manifest.json"),
            bytes: self.manifest(&bytes),
            delivered: self.delivered,
        });
        let object = RawObject {
            path,
            bytes,
            delivered: self.delivered + TimeDelta::seconds(1),
        };
        manifest.into_iter().chain([object]).collect()
    }

    fn manifest(&self, bytes: &[u8]) -> Vec<u8> {
        // What breaks off on its way has the size that the source announced.
        let size = match self.wrapping {
            Wrapping::BrokenGzip => Wrapping::NamedGzip.around(self.text.clone()).len(),
            _ => bytes.len(),
        };
        let mut manifest = json!({
            "schema": 1,
            "document_id": self.document_id,
            "report_type": self.kind,
            "account": self.account,
            "marketplace_ids": [self.marketplace],
            "generated_at": iso(self.made),
            "requested_at": iso(self.made - TimeDelta::minutes(4)),
            "bytes": size,
        });
        if let Some((from, to)) = self.days {
            manifest["period"] = json!({"from": from.to_string(), "to": to.to_string()});
        }
        if !self.options.is_empty() {
            manifest["options"] = self
                .options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
        }
        if let Some(charset) = self.charset {
            manifest["charset"] = json!(charset);
        }
        format!("{manifest:#}\n").into_bytes()
    }
}

/// When reports are asked for and about which days.
pub(super) struct Request {
    pub(super) made: DateTime<Utc>,
    pub(super) days: (NaiveDate, NaiveDate),
}

/// A week on the first day, `width` days up to yesterday on every other morning, and a week at the very end.
fn requests(options: &Options, hour: i64, width: u64) -> Vec<Request> {
    let request = |made: DateTime<Utc>, width: u64| Request {
        made,
        days: (
            made.date_naive() - Days::new(width),
            made.date_naive() - Days::new(1),
        ),
    };
    let mornings = options.all_days().into_iter().map(|day| {
        let made = day.and_time(Default::default()).and_utc() + TimeDelta::hours(hour);
        request(made, if day == options.start { 7 } else { width })
    });
    let evening = request(options.end() - TimeDelta::seconds(1), 7);
    mornings.chain([evening]).collect()
}

/// The accounts of an advertiser.
pub(super) fn accounts(advertiser: &Advertiser, since: NaiveDate) -> [Account; 2] {
    let account = |source: &str, fields: &[(&str, &str)]| Account {
        alias: advertiser.alias(source),
        zone: advertiser.zone,
        since: Some(since),
        currency: Some(advertiser.currency.to_owned()),
        marketplaces: vec![advertiser.marketplace_id.to_owned()],
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Account::unconfigured(source, "")
    };
    let (account_type, id) = match advertiser.business {
        Business::Vendor => ("vendor", "vendor_id"),
        Business::Seller => ("seller", "seller_id"),
    };
    let ads = [
        ("profile_id", advertiser.profile_id),
        ("merchant", advertiser.merchant),
        ("account_type", account_type),
        ("marketplace_id", advertiser.marketplace_id),
    ];
    let partner = [(id, advertiser.advertiser_id), ("merchant", advertiser.merchant)];
    [account("ads", &ads), account("sp_api", &partner)]
}

/// Every report about an advertiser, without troubles.
pub(super) fn of(trade: &Trade, options: &Options) -> Vec<Report> {
    let mut rng = options.rng(&trade.advertiser.alias("reports"));
    let mut reports = ads::make(trade, options, &mut rng);
    match trade.advertiser.business {
        Business::Vendor => reports.extend(vendor::make(trade, options, &mut rng)),
        Business::Seller => {
            reports.extend(seller::make(trade, options, &mut rng));
            reports.extend(orders::make(trade, options, &mut rng));
            reports.extend(settlement::make(trade, options, &mut rng));
        }
    }
    reports
}

/// The objects of reports, manifests first.
pub(super) fn objects(reports: &[Report]) -> Vec<RawObject> {
    reports.iter().flat_map(Report::objects).collect()
}
