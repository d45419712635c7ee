use serde_json::json;

use super::*;

/// A certificate, and envelopes that its key signed as SNS does, by both versions. The key itself is gone.
fn signed() -> (Certificates, Vec<Value>) {
    let signed: Value = serde_json::from_str(include_str!("signed.json")).unwrap();
    let envelopes = signed["envelopes"].as_array().unwrap().clone();
    let url = Url::parse(envelopes[0]["SigningCertURL"].as_str().unwrap()).unwrap();
    let mut certificates = Certificates::default();
    certificates
        .put(url, signed["certificate"].as_str().unwrap().as_bytes())
        .unwrap();
    (certificates, envelopes)
}

fn envelope(message: &Value) -> Envelope {
    match Sent::read(&message.to_string()) {
        Sent::Notification(envelope) | Sent::Confirmation(envelope) | Sent::Farewell(envelope) => envelope,
        Sent::Bare => panic!("{message} is no envelope"),
    }
}

#[test]
fn what_was_signed_is_believed_and_every_change_of_it_is_found_out() {
    let (certificates, envelopes) = signed();
    assert_eq!(envelopes.len(), 5);
    for message in &envelopes {
        assert_eq!(envelope(message).verify(&certificates), Ok(()), "{message}");
        for field in [
            "Message",
            "MessageId",
            "Subject",
            "Timestamp",
            "TopicArn",
            "Token",
            "SubscribeURL",
            "SignatureVersion",
            "Signature",
            "SigningCertURL",
        ] {
            let Some(value) = message[field].as_str() else {
                continue;
            };
            let mut other = message.clone();
            other[field] = format!("{value}x").into();
            assert!(
                envelope(&other).verify(&certificates).is_err(),
                "{field} of {message}"
            );
        }
    }
    // What was not signed does not become so by a field that is not there.
    let mut other = envelopes[2].clone();
    other["Subject"] = "".into();
    assert!(envelope(&other).verify(&certificates).is_err());
    let mut other = envelopes[0].clone();
    other["SignatureVersion"] = "2".into();
    assert!(envelope(&other).verify(&certificates).is_err());
    assert!(envelope(&envelopes[0]).verify(&Certificates::default()).is_err());
}

#[test]
fn certificates_are_amazons_alone() {
    let at = |url: &str| {
        envelope(&json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": "m", "SigningCertURL": url })).certificate()
    };
    for url in [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123.pem",
        "https://sns.us-east-1.amazonaws.com:443/SimpleNotificationService-0123.pem",
    ] {
        assert!(at(url).is_ok(), "{url}");
    }
    for url in [
        "",
        "<SIGNATURE_VALUE>",
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.txt",
        "https://sns.us-east-1.amazonaws.com/a.pem?b=.pem",
        "https://a@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.evil.example#.us-east-1.amazonaws.com/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "https://sns..amazonaws.com/a.pem",
        "https://bucket.s3.amazonaws.com/a.pem",
        "https://sns-us-east-1.amazonaws.com/a.pem",
        "https://127.0.0.1/a.pem",
    ] {
        assert!(at(url).is_err(), "{url}");
    }
}

#[test]
fn a_subscription_is_confirmed_where_topic_address_and_token_fit() {
    let (_, envelopes) = signed();
    let message = &envelopes[3];
    assert_eq!(
        envelope(message).confirmation(),
        Ok("2336412f37fb687f5d51e6e2425f004a")
    );
    let arn = "arn:aws:sns:us-east-1:906013806264:sp-traffic";
    for (field, value) in [
        ("Token", String::new()),
        ("Token", "other".to_owned()),
        ("TopicArn", "arn:aws:sns:us-east-1:906013806264:other".to_owned()),
        (
            "TopicArn",
            "arn:aws:sns:eu-west-1:906013806264:sp-traffic".to_owned(),
        ),
        (
            "TopicArn",
            "arn:aws:sqs:us-east-1:906013806264:sp-traffic".to_owned(),
        ),
        ("TopicArn", "sp-traffic".to_owned()),
        (
            "SubscribeURL",
            format!("https://evil.example/?Action=ConfirmSubscription&TopicArn={arn}"),
        ),
        (
            "SubscribeURL",
            format!("http://sns.us-east-1.amazonaws.com/?TopicArn={arn}"),
        ),
        (
            "SubscribeURL",
            "https://sns.us-east-1.amazonaws.com/?Action=Subscribe".to_owned(),
        ),
        (
            "SubscribeURL",
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription".to_owned(),
        ),
    ] {
        let mut other = message.clone();
        other[field] = value.clone().into();
        assert!(envelope(&other).confirmation().is_err(), "{field}: {value}");
    }
}

#[test]
fn what_is_no_envelope_is_bare() {
    for body in [
        "",
        "hello",
        "[]",
        "{}",
        r#"{"Type": "Notification"}"#,
        r#"{"Type": "Other", "MessageId": "1", "TopicArn": "t", "Message": "m"}"#,
        r#"{"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": {}}"#,
        r#"{"dataset_id": "sp-traffic"}"#,
    ] {
        assert_eq!(Sent::read(body), Sent::Bare, "{body}");
    }
    let farewell =
        json!({ "Type": "UnsubscribeConfirmation", "MessageId": "1", "TopicArn": "t", "Message": "m" });
    assert!(matches!(Sent::read(&farewell.to_string()), Sent::Farewell(_)));
}

#[test]
fn arns_of_topics_have_region_and_account() {
    let arn = TopicArn::read("arn:aws:sns:us-west-2:074266271188:topic-of_stream");
    let wanted = TopicArn {
        region: "us-west-2",
        account: "074266271188",
    };
    assert_eq!(arn, Some(wanted));
    for text in [
        "",
        "arn:aws:sns:us-west-2:074266271188",
        "arn:aws:sns:us-west-2::x",
        "arn:aws:sns::074266271188:x",
        "arn:aws:sns:us-west-2:074266271188:x:y",
        "arn:aws:sns:us-west-2:074266271188:a b",
        "arn:other:sns:us-west-2:074266271188:x",
    ] {
        assert_eq!(TopicArn::read(text), None, "{text}");
    }
}
