//! Messages in the envelopes of a notification service.

use super::*;

fn notification(message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(
        r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":{message},"Timestamp":"t"}}"#
    )
}

#[test]
fn envelopes_are_unwrapped_where_they_are() {
    let text = [
        notification(r#"{"a":1,"s":"x\"é"}"#),
        r#"{"a":2}"#.to_owned(),
        notification(r#" [{"a":3}, {"a":4}] "#),
        notification("[]"),
        notification(r#"{"a":{"b":5}}"#),
    ];
    for between in ["", "\n"] {
        let all = read_within(text.join(between), &SNS, Limits::default()).unwrap();
        assert_eq!(all.malformed, []);
        assert_eq!(all.ordinals(), [1, 2, 3, 4, 5]);
        assert_eq!(all.field("a"), [Some("1"), Some("2"), Some("3"), Some("4"), None]);
        assert_eq!(all.columns, [["a", "s", "a.b"]], "the envelope leaves no columns");
    }
}

#[test]
fn envelopes_stay_unless_asked_for() {
    let all = read(notification(r#"{"a":1}"#));
    assert_eq!(all.field("Message"), [Some(r#"{"a":1}"#)]);
}

#[test]
fn envelopes_without_data_are_malformed() {
    let text = [
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn","Message":"You have chosen"}"#.to_owned(),
        notification("hello"),
        notification("[1]"),
        notification(r#"[{"a":1},{"a":"#),
        notification(r#"{"a":2} x"#),
        r#"{"a":3}"#.to_owned(),
        notification(r#"[{"a":4},{"a":5,"a":6},{"a":7}]"#),
    ]
    .join("\n");
    let all = read_within(text, &SNS, Limits::default()).unwrap();
    assert_eq!(all.field("a"), ["1", "2", "3", "4", "7"].map(Some));
    let reasons = all.reasons();
    assert_eq!(reasons[0], (1, "SNS SubscriptionConfirmation is not data"));
    assert!(
        reasons[1]
            .1
            .starts_with("is an SNS notification whose message is not valid JSON"),
        "{:?}",
        reasons[1]
    );
    assert_eq!(
        reasons[2].1,
        "is an SNS notification whose message has an array of something else than objects"
    );
    let within = "is in the message of an SNS notification and ";
    let why = [
        (5, "is cut short"),
        (7, "is not an object"),
        (10, "has the key \"a\" twice"),
    ];
    for (reason, (row, why)) in reasons[3..].iter().zip(why) {
        assert_eq!(reason.0, row);
        assert!(reason.1.starts_with(&format!("{within}{why}")), "{reason:?}");
    }
}

#[test]
fn data_that_looks_like_an_envelope_is_data() {
    let text = r#"{"Type":"SALE","Message":"thanks"}{"Type":"Notification","Message":7}"#;
    let all = read_within(text, &SNS, Limits::default()).unwrap();
    assert_eq!(all.field("Type"), [Some("SALE"), Some("Notification")]);
    assert_eq!(all.malformed, []);
}
