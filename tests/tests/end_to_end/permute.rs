//! Any order, any portions, any copies: against a model that knows nothing of tables.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use marketlake_tests::{Delivery, LakeUnderTest, new_lake};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TABLES: [&str; 4] = [
    "jwo.orders",
    "ams.sp_traffic",
    "ams.campaigns",
    "jwo.order_totals",
];
const INPUTS: [&str; 1] = ["jwo.order_lines"];

/// Place of a row in the order in which values supersede each other: minute and part of the report, row.
type Place = (u32, u32, usize);

/// A raw zone and what a careful person would say is in it.
#[derive(Default)]
struct World {
    deliveries: Vec<Delivery>,
    /// Order and column to the newest value.
    values: BTreeMap<(String, &'static str), (Place, String)>,
    /// Order to its first and last place.
    seen: BTreeMap<String, (Place, Place)>,
    /// Ids of messages.
    messages: BTreeMap<String, i64>,
    /// Campaign to its newest version and name.
    campaigns: BTreeMap<String, (u32, u32, usize, String)>,
}

const COLUMNS: [&str; 4] = ["order_date", "order_status", "item_count", "order_total"];

impl World {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let mut world = Self::default();
        for minute in (0..24 * 60)
            .step_by(15)
            .collect::<Vec<u32>>()
            .choose_multiple(rng, 14)
        {
            for part in 0..rng.random_range(1..3) {
                world.add_report(*minute, part, rng);
            }
        }
        for hour in 0..10 {
            world.add_messages(hour, rng);
            world.add_campaigns(hour, rng);
        }
        world
    }

    fn add_report(&mut self, minute: u32, part: u32, rng: &mut ChaCha8Rng) {
        let mut text = format!("order_id,{}\n", COLUMNS.join(","));
        for row in 1..=rng.random_range(0..6) {
            let order = format!("A-{}", rng.random_range(0..6));
            let place = (minute, part, row);
            let cells: Vec<Option<String>> = COLUMNS
                .iter()
                .map(|column| {
                    rng.random_bool(0.6).then(|| match *column {
                        "order_date" => format!("2026-03-0{}", rng.random_range(1..=3)),
                        "order_status" => ["OPEN", "PAID", "CLOSED"][rng.random_range(0..3)].to_owned(),
                        "item_count" => rng.random_range(-1..5).to_string(),
                        _ => format!("{}.{:02}", rng.random_range(-9..99), rng.random_range(0..100)),
                    })
                })
                .collect();
            let seen = self.seen.entry(order.clone()).or_insert((place, place));
            *seen = (seen.0.min(place), seen.1.max(place));
            for (column, cell) in COLUMNS.into_iter().zip(&cells) {
                let Some(value) = cell else { continue };
                let newest = self
                    .values
                    .entry((order.clone(), column))
                    .or_insert((place, value.clone()));
                if newest.0 <= place {
                    *newest = (place, value.clone());
                }
            }
            let cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
            text.push_str(&format!("{order},{}\n", cells.join(",")));
        }
        let key = format!(
            "jwo/corner/Order/2026-03-02/{:02}/ALL{:02}.csv{part:03}",
            minute / 60,
            minute % 60
        );
        self.deliveries.push(Delivery::new(key, text));
    }

    fn add_messages(&mut self, hour: u32, rng: &mut ChaCha8Rng) {
        let mut text = String::new();
        for _ in 0..rng.random_range(0..8) {
            let number = rng.random_range(0..30_i64);
            let (id, clicks) = (format!("m-{number}"), number - 10);
            text.push_str(&format!(
                r#"{{"dataset_id":"sp-traffic","idempotency_id":"{id}","time_window_start":"2026-03-0{}T0{}:00:00-08:00","clicks":{clicks}}}"#,
                1 + number % 3,
                number % 10
            ));
            text.push_str(["", "\n", "\n\n"][rng.random_range(0..3)]);
            self.messages.insert(id, clicks);
        }
        self.deliveries
            .push(Delivery::new(stream_key("sp-traffic", hour), text));
    }

    fn add_campaigns(&mut self, hour: u32, rng: &mut ChaCha8Rng) {
        let mut text = String::new();
        for row in 1..=rng.random_range(0..5) {
            let (campaign, version) = (format!("C-{}", rng.random_range(0..4)), rng.random_range(1..15));
            let name = format!("{campaign} {version} {hour} {row}");
            text.push_str(&format!(
                r#"{{"advertiser_id":"A","marketplace_id":"M","campaignId":"{campaign}","version":{version},"name":"{name}"}}"#
            ));
            text.push('\n');
            let candidate = (version, hour, row, name);
            let newest = self
                .campaigns
                .entry(campaign)
                .or_insert_with(|| candidate.clone());
            *newest = candidate.max(newest.clone());
        }
        self.deliveries
            .push(Delivery::new(stream_key("campaigns", hour), text));
    }

    /// The rows of `jwo.orders` in the columns that are compared.
    fn orders(&self) -> Vec<Vec<Option<String>>> {
        let rows = self.seen.iter().map(|(order, (first, last))| {
            let values = COLUMNS.map(|column| {
                let value = self
                    .values
                    .get(&(order.clone(), column))
                    .map(|(_, value)| value.clone());
                value.map(|value| {
                    if column == "order_total" {
                        format!("{value}00")
                    } else {
                        value
                    }
                })
            });
            let ends = [
                instant(last.0),
                last.1.to_string(),
                instant(first.0),
                instant(last.0),
            ]
            .map(Some);
            [Some(order.clone())]
                .into_iter()
                .chain(values)
                .chain(ends)
                .collect()
        });
        rows.collect()
    }

    /// Orders with a day, and whether their total is negative, from another table computed from them.
    fn totals(&self) -> BTreeSet<Vec<Option<String>>> {
        let of = |order: &str, column| {
            self.values
                .get(&(order.to_owned(), column))
                .map(|(_, value)| value.clone())
        };
        let dated = self.seen.keys().filter_map(|order| {
            let day = of(order, "order_date")?;
            let total = of(order, "order_total").map(|total| format!("{total}00"));
            Some(vec![Some(day), Some(order.clone()), total])
        });
        dated.collect()
    }
}

fn stream_key(dataset: &str, hour: u32) -> String {
    format!("ams/{dataset}/year=2026/month=03/day=02/hour={hour:02}/part-{hour}")
}

fn instant(minute: u32) -> String {
    format!("2026-03-02T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

#[test]
fn any_order_portion_and_copy_of_a_raw_zone_gives_what_the_model_says() -> Result<()> {
    for seed in 1..=6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let world = World::random(&mut rng);
        let lake = new_lake("[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n")?;
        deliver(&world, &lake, &mut rng)?;
        check(&world, &lake).map_err(|error| error.context(format!("seed {seed}")))?;
    }
    Ok(())
}

/// Delivers everything in random order and portions, some files again and again, with a run after each portion.
fn deliver(world: &World, lake: &LakeUnderTest, rng: &mut ChaCha8Rng) -> Result<()> {
    let mut waiting = world.deliveries.clone();
    for _ in 0..8 {
        let again = &world.deliveries[rng.random_range(0..world.deliveries.len())];
        waiting.push(
            again
                .clone()
                .at(again.modified + TimeDelta::seconds(rng.random_range(1..1000))),
        );
    }
    waiting.shuffle(rng);
    let tables: Vec<&str> = INPUTS.into_iter().chain(TABLES).collect();
    while !waiting.is_empty() {
        let portion = rng.random_range(1..=waiting.len().min(16));
        lake.deliver_all(&waiting.split_off(waiting.len() - portion))?;
        lake.run(&tables)?.exits_with(0)?;
    }
    Ok(())
}

fn check(world: &World, lake: &LakeUnderTest) -> Result<()> {
    let columns = [
        &["order_id"],
        &COLUMNS[..],
        &["generated_at", "part", "first_seen_at", "last_seen_at"],
    ]
    .concat();
    let orders = lake.rows("jwo.orders")?.of(&columns)?;
    ensure!(
        orders == world.orders(),
        "orders differ\nwanted {:#?}\nfound {orders:#?}",
        world.orders()
    );

    let messages = lake.rows("ams.sp_traffic")?.of(&["idempotency_id", "clicks"])?;
    let wanted: Vec<_> = world
        .messages
        .iter()
        .map(|(id, clicks)| vec![Some(id.clone()), Some(clicks.to_string())])
        .collect();
    ensure!(
        messages == wanted,
        "messages differ\nwanted {wanted:#?}\nfound {messages:#?}"
    );

    let campaigns = lake
        .rows("ams.campaigns")?
        .of(&["campaign_id", "version", "name"])?;
    let newest = world.campaigns.iter();
    let wanted: Vec<_> = newest
        .map(|(id, (version, _, _, name))| {
            vec![Some(id.clone()), Some(version.to_string()), Some(name.clone())]
        })
        .collect();
    ensure!(
        campaigns == wanted,
        "campaigns differ\nwanted {wanted:#?}\nfound {campaigns:#?}"
    );

    let totals = lake
        .rows("jwo.order_totals")?
        .of(&["order_date", "order_id", "order_total"])?;
    let totals: BTreeSet<_> = totals.into_iter().collect();
    ensure!(
        totals == world.totals(),
        "totals differ\nwanted {:#?}\nfound {totals:#?}",
        world.totals()
    );
    Ok(())
}
