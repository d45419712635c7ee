use std::collections::BTreeMap;

use serde_json::Value;

use super::{DEMO, Zone, text, told};

/// Every event in the order of objects and rows, with the path of its object.
fn events(zone: &Zone) -> Vec<(String, Value)> {
    let objects = zone
        .iter()
        .filter(|(path, _)| path.starts_with("yojaka/deccan_lights/"));
    let mut events = Vec::new();
    for (path, (bytes, _)) in objects {
        let all = text(bytes);
        assert!(!all.contains('\n'), "{path}");
        for event in serde_json::Deserializer::from_str(&all).into_iter::<Value>() {
            events.push((path.clone(), event.unwrap()));
        }
    }
    events
}

fn with_id<'a>(events: &'a [(String, Value)], id: &str) -> Vec<&'a (String, Value)> {
    events.iter().filter(|(_, event)| event["id"] == id).collect()
}

fn id(line: &str) -> &str {
    line.split(' ').nth(1).unwrap()
}

#[test]
fn the_events_that_the_story_names_are_as_it_says() {
    let (generated, zone) = &*DEMO;
    let events = events(zone);
    let mut stories = generated.story.iter().filter(|line| line.starts_with("event "));
    let twice = stories.find(|line| line.ends_with("came twice")).unwrap();
    let copies = with_id(&events, id(twice));
    assert!(copies.len() == 2 && copies[0].1 == copies[1].1);
    let one = |ending| with_id(&events, id(told(generated, ending)))[0];
    let (path, late) = one("comes in nine hours after it happened");
    let hour = late["time"].as_str().unwrap()[..13].replace(['-', 'T'], "/");
    assert_eq!(late["detail"]["metadata"]["status"], "PACKAGE_CREATED");
    let folder = &path["yojaka/deccan_lights/".len()..];
    assert!(*folder > *format!("{hour}/zz"), "{path} {hour}");
    assert_eq!(one("is from the sandbox").1["account"], "227455371037");
    assert_eq!(one("has no seller").1["detail"]["merchantId"], Value::Null);
    assert_eq!(
        one("has a state that nobody documented").1["detail"]["metadata"]["status"],
        "HANDED_TO_DRONE"
    );
}

#[test]
fn every_password_of_a_return_comes_with_its_second_event_and_one_with_a_broken_event() {
    let (generated, zone) = &*DEMO;
    let mut out: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    let events = events(zone);
    for (_, event) in events
        .iter()
        .filter(|(_, event)| event["detail-type"] == "Returns.OutForDelivery")
    {
        let password = event["detail"]["otp"].as_str().map(str::to_owned);
        let about = event["detail"]["returnId"].as_str().unwrap_or("none").to_owned();
        out.entry(about).or_default().push(password);
    }
    let broken = out.remove("none").unwrap();
    assert!(
        broken
            .iter()
            .flatten()
            .all(|password| generated.passwords.contains(password))
    );
    assert!(out.len() > 8, "{} returns", out.len());
    for said in out.values() {
        assert!(said.contains(&None), "{said:?}");
        assert!(
            said.iter()
                .flatten()
                .all(|password| generated.passwords.contains(password))
        );
    }
    assert!(out.values().any(|said| said.iter().flatten().count() > 0));
}

#[test]
fn updates_repeat_what_other_events_say() {
    let (_, zone) = &*DEMO;
    let events = events(zone);
    let created: Vec<&str> = events
        .iter()
        .filter(|(_, event)| event["detail-type"] == "Orders.Created" && event["account"] == "096882763573")
        .filter_map(|(_, event)| event["detail"]["orderId"].as_str())
        .collect();
    let repeated = created.iter().filter(|order| {
        events.iter().any(|(_, event)| {
            event["detail"]["orderId"] == **order && event["detail"]["metadata"]["status"] == "CREATED"
        })
    });
    assert!(repeated.count() > 50);
}
