//! Schedules and notifications: made once, whatever happens to the answers.

use std::collections::{BTreeMap, BTreeSet};

use fakes::http::Fault;
use serde_json::json;

use super::super::notifications::{self, Notifications, REPORT_DONE};
use super::super::schedules::{self, Schedule};
use super::super::{Arranged, Became};
use super::{partner, process};

const SCHEDULES: &str = "/reports/2021-06-30/schedules";

fn schedule(report: &str, period: &str) -> Schedule {
    Schedule {
        report: report.to_owned(),
        period: period.to_owned(),
        options: BTreeMap::new(),
        marketplaces: vec!["DE".to_owned(), "FR".to_owned()],
        next: None,
    }
}

fn became(told: &[Arranged]) -> Vec<Became> {
    told.iter().map(|told| told.outcome).collect()
}

#[tokio::test]
async fn schedules_are_made_where_they_are_missing() {
    let partner = partner();
    let api = process(&partner).await;
    let mut declared = vec![schedule("GET_A", "P1D"), schedule("GET_B", "P7D")];
    declared[1]
        .options
        .insert("reportPeriod".to_owned(), "WEEK".to_owned());
    let told = schedules::create(&api, &declared).await.unwrap();
    assert_eq!(became(&told), [Became::Created; 2]);
    let told = schedules::create(&api, &declared).await.unwrap();
    assert_eq!(became(&told), [Became::There; 2]);
    declared[0].period = "P2D".to_owned();
    let told = schedules::create(&api, &declared).await.unwrap();
    assert_eq!(became(&told), [Became::Replaced, Became::There]);
    assert_eq!(partner.server.asked_for("POST", SCHEDULES).len(), 3);
    let types = BTreeSet::from(["GET_A".to_owned(), "GET_B".to_owned()]);
    let there = schedules::list(&api, &types).await.unwrap();
    assert_eq!(
        (there.len(), there[0].about["marketplaceIds"].as_str()),
        (2, "DE,FR")
    );
    let ids: Vec<String> = there.iter().filter_map(|there| there.id.clone()).collect();
    let told = schedules::delete(&api, &[ids[0].clone(), "4711".to_owned()]).await;
    assert_eq!(became(&told), [Became::Deleted, Became::Gone]);
    assert_eq!(partner.known().schedules.all.len(), 1);
}

#[tokio::test]
async fn a_schedule_whose_answer_was_lost_is_found_or_made_again() {
    let partner = partner();
    let api = process(&partner).await;
    partner.server.plan(Fault::lost().on("POST", SCHEDULES));
    let told = schedules::create(&api, &[schedule("GET_A", "P1D")])
        .await
        .unwrap();
    assert_eq!(
        (became(&told), told[0].id.is_some()),
        (vec![Became::Created], true)
    );
    assert_eq!(partner.server.asked_for("POST", SCHEDULES).len(), 1);
    // An error of the service is no answer either, and here nothing was made.
    partner.server.plan(Fault::status(500, 1).on("POST", SCHEDULES));
    let told = schedules::create(&api, &[schedule("GET_B", "P1D")])
        .await
        .unwrap();
    assert_eq!(
        (became(&told), partner.known().schedules.all.len()),
        (vec![Became::Created], 2)
    );
    partner.server.plan(Fault::status(400, 1).on("POST", SCHEDULES));
    let told = schedules::create(&api, &[schedule("GET_C", "P1D")])
        .await
        .unwrap();
    assert_eq!(became(&told), [Became::Refused]);
}

#[test]
fn a_schedule_that_cannot_be_is_a_mistake() {
    assert!(schedule("GET_A", "P1D").check().is_ok());
    assert!(schedule("GET_A", "1 day").check().is_err());
    let nowhere = Schedule {
        marketplaces: Vec::new(),
        ..schedule("GET_A", "P1D")
    };
    assert!(nowhere.check().is_err());
}

fn declared() -> Notifications {
    let declared = json!({"queue_arn": "arn:aws:sqs:eu-west-1:123456789012:reports"});
    serde_json::from_value(declared).unwrap()
}

#[tokio::test]
async fn a_destination_and_a_subscription_are_made_once() {
    let partner = partner();
    let api = process(&partner).await;
    let told = notifications::create(&api, &declared()).await.unwrap();
    assert_eq!(became(&told), [Became::Created; 2]);
    let told = notifications::create(&api, &declared()).await.unwrap();
    assert_eq!(became(&told), [Became::There; 2]);
    assert_eq!(partner.server.asked_for("POST", "/notifications").len(), 2);
    // One token of the application, one of the account.
    assert_eq!(partner.lwa().given().len(), 2);
    let there = notifications::list(&api, &[REPORT_DONE.to_owned(), "ORDER_CHANGE".to_owned()])
        .await
        .unwrap();
    assert_eq!(there.len(), 2);
    assert_eq!(there[0].about["arn"], declared().queue_arn);
    let destination = there[0].id.clone().unwrap();
    let types = [REPORT_DONE.to_owned()];
    let told = notifications::delete(&api, &types, Some(&destination))
        .await
        .unwrap();
    assert_eq!(became(&told), [Became::Deleted; 2]);
    let told = notifications::delete(&api, &types, Some(&destination))
        .await
        .unwrap();
    assert_eq!(became(&told), [Became::Gone; 2]);
}

#[tokio::test]
async fn what_was_made_by_a_lost_answer_is_found() {
    let partner = partner();
    let api = process(&partner).await;
    partner
        .server
        .plan(Fault::lost().on("POST", "/notifications/v1/destinations"));
    partner
        .server
        .plan(Fault::lost().on("POST", "/notifications/v1/subscriptions"));
    let told = notifications::create(&api, &declared()).await.unwrap();
    assert!(
        told.iter()
            .all(|told| told.id.is_some() && !told.outcome.is_failure()),
        "{told:?}"
    );
    assert_eq!(partner.server.asked_for("POST", "/notifications").len(), 2);
    let known = partner.known();
    assert_eq!(
        (
            known.notifications.destinations.len(),
            known.notifications.subscriptions.len()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_subscription_that_sends_elsewhere_is_left() {
    let partner = partner();
    let api = process(&partner).await;
    notifications::create(&api, &declared()).await.unwrap();
    let other = Notifications {
        queue_arn: "arn:aws:sqs:eu-west-1:123456789012:other".to_owned(),
        ..declared()
    };
    let told = notifications::create(&api, &other).await.unwrap();
    assert_eq!(became(&told), [Became::Created, Became::Refused]);
    assert!(told[1].said.as_deref().unwrap().contains("delete it first"));
    let wrong = Notifications {
        queue_arn: "https://sqs.eu-west-1.amazonaws.com/123456789012/reports".to_owned(),
        ..declared()
    };
    assert!(declared().check().is_ok() && wrong.check().is_err());
}
