mod events;
mod reports;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use std::time::SystemTime;

use super::{Generated, Options, generate};

type Zone = BTreeMap<String, (Vec<u8>, SystemTime)>;

/// What the default options make.
static DEMO: LazyLock<(Generated, Zone)> = LazyLock::new(|| made(&Options::default()));

fn read(root: &Path, folder: &Path, zone: &mut Zone) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            read(root, &entry.path(), zone);
        } else {
            let path = entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            zone.insert(
                path,
                (
                    std::fs::read(entry.path()).unwrap(),
                    entry.metadata().unwrap().modified().unwrap(),
                ),
            );
        }
    }
}

fn made(options: &Options) -> (Generated, Zone) {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(folder.path(), options).unwrap();
    let mut zone = Zone::new();
    read(folder.path(), folder.path(), &mut zone);
    (generated, zone)
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes)
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text.push_str(std::str::from_utf8(bytes).unwrap());
    }
    text
}

/// The only line of the story that ends like this.
fn told<'a>(generated: &'a Generated, ending: &str) -> &'a str {
    let lines: Vec<&String> = generated
        .story
        .iter()
        .filter(|line| line.ends_with(ending))
        .collect();
    assert!(
        !lines.is_empty(),
        "no line of the story ends in {ending:?}: {:#?}",
        generated.story
    );
    lines[0]
}

/// The object that the story says this of.
fn object<'a>(generated: &Generated, zone: &'a Zone, ending: &str) -> (&'a str, &'a [u8]) {
    let path = told(generated, ending).split(' ').next().unwrap();
    let (path, (bytes, _)) = zone
        .get_key_value(path)
        .unwrap_or_else(|| panic!("{path} is not there"));
    (path, bytes)
}

/// Texts of the files of a merchant that mention the order, in the order of their paths.
fn files_with(zone: &Zone, order: &str) -> Vec<String> {
    let merchants = zone
        .iter()
        .filter(|(path, (bytes, _))| path.starts_with("jwo/") && !is_broken(bytes));
    merchants
        .map(|(_, (bytes, _))| text(bytes))
        .filter(|text| text.contains(order))
        .collect()
}

fn is_broken(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
        && flate2::read::GzDecoder::new(bytes)
            .read_to_string(&mut String::new())
            .is_err()
}

#[test]
fn two_calls_write_the_same_bytes_and_times() {
    let options = Options {
        days: 2,
        ..Options::default()
    };
    let (first, zone) = made(&options);
    let (second, same) = made(&options);
    assert!(zone == same);
    assert_eq!(first.story, second.story);
    assert_eq!(first.objects, zone.len() as u64);
    assert_eq!(
        first.bytes,
        zone.values().map(|(bytes, _)| bytes.len() as u64).sum::<u64>()
    );
    let (_, other) = made(&Options { seed: 8, ..options });
    assert!(zone != other);
}

#[test]
fn a_merchant_delivers_96_files_a_day_less_the_missing_and_plus_the_second_part() {
    let (_, zone) = &*DEMO;
    let count = |alias: &str| {
        zone.keys()
            .filter(|path| path.starts_with(&format!("jwo/{alias}/")))
            .count()
    };
    assert_eq!(count("corner_shop"), 4 * 96 - 1);
    assert_eq!(count("stadium_east"), 4 * 96 + 1);
    assert_eq!(count("airport_hub"), 4 * 96);
}

#[test]
fn the_files_that_the_story_names_are_in_the_shape_that_it_says() {
    let (generated, zone) = &*DEMO;
    let missing = told(generated, "was never delivered").split(' ').next().unwrap();
    assert!(!zone.contains_key(missing));
    assert!(object(generated, zone, "has no bytes").1.is_empty());
    let (_, header) = object(generated, zone, "a header and no rows");
    assert!(text(header).starts_with("order_id,") && text(header).lines().count() == 1);
    let (path, bytes) = object(generated, zone, "is gzip");
    assert!(path.ends_with(".csv000.gz") && text(bytes).lines().count() > 1);
    let (path, bytes) = object(generated, zone, "is gzip, though its name does not say so");
    assert!(path.ends_with(".csv000") && text(bytes).lines().count() > 1);
    assert!(is_broken(object(generated, zone, "breaks off in the middle").1));
    let (path, bytes) = object(generated, zone, "is the second part of a report");
    assert!(path.ends_with(".csv001") && text(bytes).lines().count() > 1);
    let again = told(generated, "was delivered again a day later")
        .split(' ')
        .next()
        .unwrap();
    let late = |path: &String| zone[path].1;
    let next_day = zone
        .keys()
        .find(|path| path.contains("stadium_east/Order/2026-03-02/00"))
        .unwrap();
    assert!(late(&again.to_owned()) > late(next_day));
}

#[test]
fn the_rows_that_the_story_calls_broken_are_broken() {
    let (generated, zone) = &*DEMO;
    let last = |ending| {
        let (_, bytes) = object(generated, zone, ending);
        text(bytes).trim_end().rsplit('\n').next().unwrap().to_owned()
    };
    assert!(last("has a cell too many").ends_with(",surplus"));
    assert!(last("has the quantity 12,5").contains(",\"12,5\","));
    assert!(last("has no order id").starts_with(",LAX-014,"));
    assert!(last("has the order date 2026-02-30").contains(",2026-02-30,"));
}

#[test]
fn the_split_order_comes_in_three_files_with_the_payment_in_the_second() {
    let (generated, zone) = &*DEMO;
    let (merchant, order) = &generated.split_order;
    assert_eq!(merchant, "M-CORNER-01");
    let files = files_with(zone, order);
    assert_eq!(files.len(), 3);
    let start = format!("{order},");
    let rows = |file: &str| file.split('\n').filter(|row| row.starts_with(&start)).count();
    assert_eq!(files.iter().map(|file| rows(file)).collect::<Vec<_>>(), [3, 2, 1]);
    let paid = |file: &str| {
        file.split('\n')
            .any(|row| row.starts_with(&start) && row.contains(",CAPTURED,"))
    };
    assert_eq!(
        files.iter().map(|file| paid(file)).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[test]
fn the_orders_that_the_story_names_change_as_it_says() {
    let (generated, zone) = &*DEMO;
    let order = |ending| told(generated, ending).split(' ').nth(1).unwrap();
    let any = |files: &[String], order: &str, text: &str| {
        files.iter().any(|file| {
            file.split('\n')
                .any(|row| row.contains(order) && row.contains(text))
        })
    };
    let corrected = order("got a new price after it was reported");
    assert!(any(&files_with(zone, corrected), corrected, "ADJUSTED"));
    let refunded = order("was refunded a day or more later");
    assert!(
        files_with(zone, refunded)
            .iter()
            .any(|file| file.contains(&format!("RR-{refunded}-")))
    );
    let late = order("was processed hours after it was closed");
    assert!(!files_with(zone, late).is_empty());
    let dateless = files_with(zone, order("has no date in its first two files"));
    let dated = |file: &String| {
        file.split('\n')
            .any(|row| row.starts_with("SE260301-") && row.contains(",2026-03-01,"))
    };
    assert!(dateless.len() == 4 && dated(&dateless[3]));
    let short = order("lacks lines that its totals count");
    assert!(
        any(&files_with(zone, short), short, "|1|SALE|") && !any(&files_with(zone, short), short, "|2|SALE|")
    );
    let midnight = order("its UTC date is a day later");
    let files = files_with(zone, midnight);
    assert!(any(&files, midnight, "2026-03-01 23:50:") && any(&files, midnight, ",2026-03-01,"));
}

#[test]
fn names_weights_and_new_columns_are_as_in_real_files() {
    let (_, zone) = &*DEMO;
    let of = |prefix: &str| -> String {
        let files = zone
            .iter()
            .filter(|(path, (bytes, _))| path.starts_with(prefix) && !is_broken(bytes));
        files.map(|(_, (bytes, _))| text(bytes)).collect()
    };
    let corner = of("jwo/corner_shop/");
    assert!(
        corner.contains("\"Cold brew \"\"Midnight\"\"\"")
            && corner.contains("\"Sandwich of the day\nham & cheddar\"")
    );
    assert!(corner.contains(",lb,") && !corner.contains("basket_mood"));
    assert!(!of("jwo/stadium_east/Order/2026-03-02/").contains("basket_mood"));
    assert!(of("jwo/stadium_east/Order/2026-03-03/").contains(",basket_mood\n"));
    let airport = of("jwo/airport_hub/");
    assert!(airport.contains("|\\N|") && airport.contains("|kg|") && !airport.contains("OrderNumber"));
}

#[test]
fn the_stream_has_every_way_of_writing_and_every_odd_message() {
    let (generated, zone) = &*DEMO;
    let of = |ending| text(object(generated, zone, ending).1);
    assert!(of("has blank lines between its messages").contains("}\n\n{"));
    assert!(of("has no line ends between its messages").contains("}{"));
    assert!(of("has its messages in SNS envelopes").contains("\"Type\":\"Notification\""));
    let (path, _) = object(generated, zone, "ends in a message that is not JSON");
    assert!(text(&zone[path].0).ends_with("\"clicks\":3,\n"));
    let stream = |dataset: &str| -> String {
        let prefix = format!("ams/{dataset}/");
        zone.iter()
            .filter(|(path, _)| path.starts_with(&prefix))
            .map(|(_, (bytes, _))| text(bytes))
            .collect()
    };
    let traffic = stream("sp-traffic").replace("\\\"", "\"");
    for id in ["came twice"].map(|ending| told(generated, ending).split(' ').nth(2).unwrap()) {
        assert_eq!(traffic.matches(id).count(), 2);
    }
    for needle in [
        "E-2}",
        "\"clicks\":-1,\"impressions\":0,\"cost\":-",
        "\"keyword_id\":null",
        "\"placement\":null",
        "{\"dataset_id\"",
        "+01:00",
        "-08:00",
    ] {
        assert!(traffic.contains(needle), "no {needle}");
    }
    let conversions = stream("sp-conversion").replace("\\\"", "\"");
    let without_traffic = "\"time_window_start\":\"2026-02-28T23:00:00-08:00\"";
    let without_conversions = "\"time_window_start\":\"2026-03-01T01:00:00-08:00\"";
    assert!(conversions.contains(without_traffic) && !traffic.contains(without_traffic));
    assert!(traffic.contains(without_conversions) && !conversions.contains(without_conversions));
    let campaigns = stream("campaigns").replace("\\\"", "\"");
    assert_eq!(campaigns.matches("\"campaignId\":\"410000000000102\"").count(), 5);
    let versions: Vec<usize> = [2, 3]
        .map(|version| {
            campaigns
                .find(&format!("Boots - Manual - SP v{version}"))
                .unwrap()
        })
        .to_vec();
    assert!(versions[0] > versions[1]);
}

#[test]
fn one_day_is_enough_for_a_demo() {
    let (generated, zone) = made(&Options {
        days: 1,
        ..Options::default()
    });
    assert_eq!(generated.days.len(), 1);
    assert!(zone.keys().all(|path| {
        ["2026-03-01", "2026/03/01", "day=01"]
            .iter()
            .any(|day| path.contains(day))
    }));
}
