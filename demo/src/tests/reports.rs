use std::collections::BTreeMap;

use serde_json::Value;

use super::{DEMO, Zone, is_broken, object, text, told};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn manifest(zone: &Zone, path: &str) -> Value {
    json(&text(&zone[&format!("{path}.manifest.json")].0))
}

/// Every report of that kind with its manifest, except the broken one and the one without.
fn reports(zone: &Zone, kind: &str) -> Vec<(String, Value)> {
    let part = format!("/{kind}/");
    zone.iter()
        .filter(|(path, (bytes, _))| {
            path.contains(&part) && !path.ends_with(".manifest.json") && !is_broken(bytes)
        })
        .filter(|(path, _)| zone.contains_key(&format!("{path}.manifest.json")))
        .map(|(path, (bytes, _))| (text(bytes), manifest(zone, path)))
        .collect()
}

#[test]
fn every_report_but_one_has_a_manifest_that_was_there_before_it_and_says_its_size() {
    let (generated, zone) = &*DEMO;
    let (by_hand, _) = object(generated, zone, "has no manifest");
    let (cut, _) = object(generated, zone, "breaks off in the middle of its download");
    let mut found = 0;
    for (path, (bytes, delivered)) in zone {
        if !(path.starts_with("ads/") || path.starts_with("sp_api/")) || path.ends_with(".manifest.json") {
            continue;
        }
        found += 1;
        let beside = zone.get(&format!("{path}.manifest.json"));
        assert_eq!(beside.is_none(), path == by_hand, "{path}");
        if let Some((_, said)) = beside {
            assert!(said < delivered, "{path}");
            let whole = manifest(zone, path)["bytes"] == bytes.len();
            assert_eq!(whole, path != cut, "{path}");
        }
    }
    assert!(found > 70, "{found} reports");
}

#[test]
fn a_report_whose_clicks_were_taken_back_is_empty_and_was_not_before() {
    let (generated, zone) = &*DEMO;
    let (merchant, day) = generated.emptied.as_ref().unwrap();
    for kind in ["spCampaigns", "spSearchTerm", "spAdvertisedProduct"] {
        let about: Vec<(String, Value)> = reports(zone, kind)
            .into_iter()
            .filter(|(_, said)| said["account"] == format!("{merchant}_ads"))
            .filter(|(_, said)| {
                let period = &said["period"];
                let covers = |name: &str| period[name].as_str().unwrap().to_owned();
                (covers("from")..=covers("to")).contains(&day.to_string())
            })
            .collect();
        let (newest, older): (Vec<_>, Vec<_>) = about.into_iter().partition(|(text, _)| text == "[]");
        assert_eq!(newest.len(), 1, "{kind}");
        assert!(older.iter().all(|(text, said)| {
            text.contains(&format!("\"date\":\"{day}\""))
                && said["generated_at"].as_str() < newest[0].1["generated_at"].as_str()
        }));
        assert!(!older.is_empty(), "{kind}");
    }
}

#[test]
fn the_reports_that_the_story_names_are_in_the_shape_that_it_says() {
    let (generated, zone) = &*DEMO;
    let (late, _) = object(
        generated,
        zone,
        "was made before a report of the same day and comes a day after it",
    );
    assert!(late.contains("/2026-03-03/"));
    let said = manifest(zone, late);
    assert_eq!(said["period"]["from"], said["period"]["to"]);
    assert!(said["generated_at"].as_str().unwrap().starts_with("2026-03-02T"));
    assert!(is_broken(
        object(generated, zone, "breaks off in the middle of its download").1
    ));
    let failed = text(object(generated, zone, "holds an error instead of a report").1);
    assert!(failed.starts_with("{\"errorDetails\""));
    let (again, bytes) = object(generated, zone, "is a document that was delivered the day before");
    let first = again.replace("/2026-03-03/", "/2026-03-02/");
    assert_eq!(zone[&first].0, bytes);
    assert_eq!(
        manifest(zone, again)["document_id"],
        manifest(zone, &first)["document_id"]
    );
    let (other, bytes) = object(generated, zone, "which wanderladen did not ask for");
    assert_eq!(manifest(zone, other)["period"]["from"], "2026-03-01");
    assert!(text(bytes).contains("\"date\":\"2026-02-28\""));
    let settlement = told(generated, "with decimal commas and in windows-1252");
    let [second, first] = [0, 5].map(|word| settlement.split(' ').nth(word).unwrap());
    assert_eq!(zone[first].0, zone[second].0);
    assert!(std::str::from_utf8(&zone[first].0).is_err());
    assert_ne!(
        manifest(zone, first)["document_id"],
        manifest(zone, second)["document_id"]
    );
}

#[test]
fn an_order_that_is_stated_as_it_was_before_is_in_an_older_report_as_it_became() {
    let (generated, zone) = &*DEMO;
    let (newer, bytes) = object(
        generated,
        zone,
        "states an order as it was before an older report did",
    );
    let stated = text(bytes);
    let row: Vec<&str> = stated
        .trim_end()
        .rsplit('\n')
        .next()
        .unwrap()
        .split('\t')
        .collect();
    assert_eq!(row[4], "Unshipped");
    let older = zone
        .iter()
        .filter(|(path, _)| path.contains("ALL_ORDERS") && path.ends_with(".txt") && path.as_str() != newer);
    let later = older.flat_map(|(path, (bytes, _))| {
        let made = manifest(zone, path)["generated_at"].as_str().unwrap().to_owned();
        text(bytes)
            .lines()
            .map(|line| (made.clone(), line.to_owned()))
            .collect::<Vec<_>>()
    });
    let made = manifest(zone, newer)["generated_at"].as_str().unwrap().to_owned();
    assert!(later.into_iter().any(|(other, line)| {
        let cells: Vec<&str> = line.split('\t').collect();
        cells[0] == row[0] && cells[3] > row[3] && cells[4] == "Shipped" && other < made
    }));
}

/// Campaign and day to clicks and hundredths of cost.
type Totals = BTreeMap<(String, String), (i64, i64)>;

fn cents(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 100.0).round() as i64
}

fn streamed(zone: &Zone) -> Totals {
    let mut messages: BTreeMap<String, Value> = BTreeMap::new();
    for (_, (bytes, _)) in zone
        .iter()
        .filter(|(path, _)| path.starts_with("ams/sp-traffic/"))
    {
        let all = text(bytes);
        for value in serde_json::Deserializer::from_str(&all).into_iter::<Value>() {
            // After what is not JSON nothing follows.
            let Ok(value) = value else { break };
            let message = value["Message"].as_str().map_or_else(|| value.clone(), json);
            if let Some(id) = message["idempotency_id"].as_str() {
                messages.insert(id.to_owned(), message);
            }
        }
    }
    let mut totals = Totals::new();
    for message in messages.values().filter(|message| message["cost"].is_number()) {
        let day = message["time_window_start"].as_str().unwrap()[..10].to_owned();
        let key = (message["campaign_id"].as_str().unwrap().to_owned(), day);
        let sum = totals.entry(key).or_default();
        *sum = (
            sum.0 + message["clicks"].as_i64().unwrap(),
            sum.1 + cents(&message["cost"]),
        );
    }
    totals
}

#[test]
fn the_last_reports_say_what_the_messages_of_the_stream_add_up_to() {
    let (_, zone) = &*DEMO;
    let streamed = streamed(zone);
    let last = reports(zone, "spCampaigns").into_iter().filter(|(_, said)| {
        said["generated_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-04T23:59:59")
    });
    let mut compared = 0;
    for (text, _) in last {
        for row in json(&text).as_array().unwrap() {
            let day = row["date"].as_str().unwrap();
            if day < "2026-03-01" {
                continue;
            }
            let sums = (row["clicks"].as_i64().unwrap(), cents(&row["cost"]));
            assert_eq!(
                streamed[&(row["campaignId"].to_string(), day.to_owned())],
                sums,
                "{row}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * 3 * 3);
}

#[test]
fn a_later_report_about_a_day_knows_of_more_purchases() {
    let (_, zone) = &*DEMO;
    let mut sales: BTreeMap<String, i64> = BTreeMap::new();
    for (text, said) in reports(zone, "spCampaigns") {
        if said["account"] != "trailshop_ads" {
            continue;
        }
        for row in json(&text).as_array().unwrap() {
            if row["date"] == "2026-02-28" {
                *sales
                    .entry(said["generated_at"].as_str().unwrap().to_owned())
                    .or_default() += cents(&row["sales14d"]);
            }
        }
    }
    let stated: Vec<i64> = sales.into_values().collect();
    assert!(
        stated.len() > 1 && stated[0] < stated[stated.len() - 1],
        "{stated:?}"
    );
}
