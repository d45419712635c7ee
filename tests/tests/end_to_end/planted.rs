//! Every kind of damage, planted into copies of the demo's objects: the tables hold what they hold without it, and each
//! damage is a reject of its own object.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{Demo, assert_same};
use marketlake_tests::{Delivery, LakeUnderTest};
use pipeline::contract::TableName;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kill::disturb;

/// Deaths on the way.
const KILLS: usize = 25;

/// What is planted into an object; what none fits into stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    /// A message that is cut, between two whole ones or before them.
    CutMessage,
    /// A message of a data set that is none of the folder's.
    OtherDataSet,
    /// A record with text after a closing quote.
    TextAfterQuote,
    /// A last record whose quote is never closed.
    OpenQuote,
    /// A line of the wrong number of cells.
    OddLine,
    /// Zero bytes after a gzip member: padding, and no damage.
    Padding,
    /// A copy under another name of which the end is missing.
    CutCopy,
}

use Damage::{CutCopy, CutMessage, OddLine, OpenQuote, OtherDataSet, Padding, TextAfterQuote};

impl Damage {
    /// The damages that fit an object.
    fn of(delivery: &Delivery) -> &'static [Self] {
        let key = delivery.key.as_str();
        let is_gzip = delivery.bytes.starts_with(&[0x1F, 0x8B]);
        match key.split('/').next() {
            _ if delivery.bytes.is_empty() || key.ends_with(".manifest.json") => &[],
            Some("jwo") if is_gzip => &[Padding],
            Some("jwo") => &[TextAfterQuote, OpenQuote],
            Some("ams") if is_gzip => &[Padding],
            Some("ams") => &[CutMessage, OtherDataSet],
            Some("yojaka") if !is_gzip => &[CutMessage],
            Some("ads") if is_gzip => &[Padding, CutCopy],
            Some("sp_api") if key.ends_with(".json") => &[CutCopy],
            Some("sp_api") if key.contains("ORDERS_DATA") => &[OddLine],
            _ => &[],
        }
    }

    /// The objects that stand for one: itself, damaged, or beside itself a damaged copy.
    fn plant(self, delivery: &Delivery, rng: &mut ChaCha8Rng) -> Result<Vec<Delivery>> {
        let with = |bytes: Vec<u8>| Delivery {
            bytes,
            ..delivery.clone()
        };
        let at_end = |text: &str| {
            let mut bytes = delivery.bytes.clone();
            if !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend(text.as_bytes());
            vec![with(bytes)]
        };
        Ok(match self {
            CutMessage => {
                let begins = messages(&delivery.bytes)?;
                let at = begins[rng.random_range(0..begins.len())];
                let cut: &[u8] =
                    br#"{"dataset_id": "cut", "id": "cut", "detail": {"merchantId": "M", "idempotency_"#;
                vec![with([&delivery.bytes[..at], cut, &delivery.bytes[at..]].concat())]
            }
            OtherDataSet => {
                at_end(r#"{"dataset_id": "adgroups", "idempotency_id": "other", "advertiser_id": "A"}"#)
            }
            TextAfterQuote => at_end("\"stray\" text,,\n"),
            OpenQuote => at_end("\"never closed"),
            OddLine => at_end("702-0\tone cell too few\n"),
            Padding => vec![with([&delivery.bytes[..], &[0; 700]].concat())],
            CutCopy => {
                let (folder, name) = delivery
                    .key
                    .rsplit_once('/')
                    .context("an object without a folder")?;
                let length = delivery.bytes.len();
                let mut copy = with(delivery.bytes[..length - length / 3].to_vec());
                copy.key = format!("{folder}/cut-{name}");
                vec![delivery.clone(), copy]
            }
        })
    }
}

/// Where each JSON object of a file begins.
fn messages(bytes: &[u8]) -> Result<Vec<usize>> {
    let mut begins = vec![0];
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<serde_json::Value>();
    // The demo has damaged files of its own; what comes before the damage is enough.
    while let Some(Ok(_)) = values.next() {
        begins.push(values.byte_offset());
    }
    Ok(begins)
}

/// The demo's objects with damages, and what was planted into which.
fn planted(
    demo: &Demo,
    damaged_already: &BTreeMap<String, usize>,
) -> Result<(Vec<Delivery>, BTreeMap<String, Damage>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut deliveries, mut damages) = (Vec::new(), BTreeMap::new());
    for delivery in &demo.deliveries {
        let fitting = Damage::of(delivery);
        if fitting.is_empty()
            || damaged_already.contains_key(&delivery.key)
            || (fitting != [Padding] && rng.random_bool(0.6))
        {
            deliveries.push(delivery.clone());
            continue;
        }
        let damage = fitting[rng.random_range(0..fitting.len())];
        let objects = damage.plant(delivery, &mut rng)?;
        if let Some(damaged) = objects.last() {
            damages.insert(damaged.key.clone(), damage);
        }
        deliveries.extend(objects);
    }
    let sizes: BTreeMap<String, usize> = deliveries
        .iter()
        .filter(|delivery| damages.contains_key(&delivery.key))
        .map(|delivery| (format!("{}.manifest.json", delivery.key), delivery.bytes.len()))
        .collect();
    for delivery in &mut deliveries {
        let Some(size) = sizes.get(&delivery.key) else {
            continue;
        };
        // A manifest that says another size would reject the object as half a download.
        let mut manifest: serde_json::Value = serde_json::from_slice(&delivery.bytes)?;
        if manifest.get("bytes").is_some() {
            manifest["bytes"] = (*size).into();
            delivery.bytes = serde_json::to_vec(&manifest)?;
        }
    }
    Ok((deliveries, damages))
}

/// The rows of every table, and the rejects of those objects that are not damaged, as text.
fn tables(lake: &LakeUnderTest, damages: &BTreeMap<String, Damage>) -> Result<Vec<(String, String)>> {
    let names: Vec<TableName> = lake.contracts()?.keys().cloned().collect();
    let mut all = Vec::new();
    for name in names.iter().map(ToString::to_string) {
        let rejects = lake.quarantine(&name)?;
        let others = rejects
            .iter()
            .filter(|reject| !damages.contains_key(&reject.object));
        let others: String = others
            .map(|reject| format!("{} {:?} {}\n", reject.object, reject.row, reject.reason))
            .collect();
        all.push((format!("quarantine of {name}"), others));
        all.push((name.clone(), lake.rows(&name)?.to_csv()));
    }
    Ok(all)
}

/// How many rejects each object has, in all tables.
fn rejected(lake: &LakeUnderTest) -> Result<BTreeMap<String, usize>> {
    let mut rejected = BTreeMap::new();
    for name in lake.contracts()?.keys() {
        for reject in lake.quarantine(&name.to_string())? {
            *rejected.entry(reject.object).or_default() += 1;
        }
    }
    Ok(rejected)
}

#[test]
fn damages_of_every_kind_cost_themselves_and_nothing_else() -> Result<()> {
    let scale = match std::env::var("MARKETLAKE_SCALE") {
        Ok(scale) => scale.parse()?,
        Err(_) => 1,
    };
    let demo = Demo::of(1, scale)?;
    let clean = demo.lake()?;
    clean.deliver_all(&demo.deliveries)?;
    clean.run(&[])?.takes_in()?;
    let (deliveries, damages) = planted(&demo, &rejected(&clean)?)?;
    for kind in [
        CutMessage,
        OtherDataSet,
        TextAfterQuote,
        OpenQuote,
        OddLine,
        Padding,
        CutCopy,
    ] {
        ensure!(
            damages.values().any(|damage| *damage == kind),
            "{kind:?} is nowhere"
        );
    }
    let wanted = tables(&clean, &damages)?;

    let lake = demo.lake()?;
    disturb(&lake, &deliveries, KILLS)?;
    assert_same(&wanted, &tables(&lake, &damages)?);

    let rejected = rejected(&lake)?;
    for (object, damage) in &damages {
        let is_rejected = rejected.contains_key(object);
        ensure!(
            is_rejected == (*damage != Padding),
            "{damage:?} in {object}: rejected is {is_rejected}"
        );
    }
    Ok(())
}
