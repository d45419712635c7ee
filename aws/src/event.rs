//! What a message of a queue says about objects of S3: nothing is asked of anybody here.
//!
//! A notification of S3 comes bare, in an envelope of SNS, as SNS delivers it without one, or as an event of EventBridge.

use serde_json::Value;

/// Envelopes in envelopes that are opened.
const ENVELOPES: usize = 2;

/// An object that something happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name of its bucket.
    pub bucket: String,
    /// Its key, as it is in the bucket.
    pub key: String,
    /// Which version of it, where the bucket keeps several.
    pub version: Option<String>,
    /// Orders what happened to one key: see [`is_after`].
    pub sequencer: Option<String>,
    /// Whether there is less of it now than before: it was deleted, or is over.
    pub is_gone: bool,
}

/// Whether what has that sequencer happened to a key after what has the other one did: the shorter one is filled up with
/// zeros, and then the greater one is later.
pub fn is_after(sequencer: &str, other: &str) -> bool {
    let width = sequencer.len().max(other.len());
    let filled = |text: &str| format!("{text:0<width$}").to_lowercase();
    filled(sequencer) > filled(other)
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Something happened to these objects.
    Objects(Vec<Named>),
    /// S3 tries whether it may send: nothing happened.
    Test,
    /// Something else than an event of S3.
    Foreign,
}

/// Reads a message, whatever it is.
pub fn read(body: &str) -> Said {
    of_text(body, ENVELOPES).unwrap_or(Said::Foreign)
}

fn of_text(text: &str, envelopes: usize) -> Option<Said> {
    let message: Value = serde_json::from_str(text).ok()?;
    if message["Type"] == "Notification" {
        let inside = message["Message"].as_str()?;
        return of_text(inside, envelopes.checked_sub(1)?);
    }
    if message["Event"] == "s3:TestEvent" {
        return Some(Said::Test);
    }
    if message["source"] == "aws.s3" {
        // Here keys are as they are.
        let mut named = named(&message["detail"], str::to_owned)?;
        named.is_gone = message["detail-type"] == "Object Deleted";
        return Some(Said::Objects(vec![named]));
    }
    let records = message["Records"]
        .as_array()
        .filter(|records| !records.is_empty())?;
    let objects = records.iter().map(|record| {
        let is_of_s3 = record["eventSource"] == "aws:s3";
        let mut named = is_of_s3.then(|| named(&record["s3"], decoded)).flatten()?;
        let event = record["eventName"].as_str().unwrap_or_default();
        let event = event.strip_prefix("s3:").unwrap_or(event);
        named.is_gone = event.starts_with("ObjectRemoved:") || event.starts_with("LifecycleExpiration:");
        Some(named)
    });
    Some(Said::Objects(objects.collect::<Option<_>>()?))
}

fn named(about: &Value, key: fn(&str) -> String) -> Option<Named> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let object = &about["object"];
    Some(Named {
        bucket: text(&about["bucket"]["name"])?,
        key: key(&text(&object["key"])?),
        // A notification and an event of EventBridge write it differently.
        version: text(&object["versionId"]).or_else(|| text(&object["version-id"])),
        sequencer: text(&object["sequencer"]),
        is_gone: false,
    })
}

/// A key as notifications write it, in which `+` is a space. What is not escaped as it should be stays as it is.
fn decoded(key: &str) -> String {
    let bytes = key.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    let digit = |at: usize| bytes.get(at).and_then(|digit| (*digit as char).to_digit(16));
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        decoded.push(match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                (high * 16 + low) as u8
            }
            (b'+', ..) => b' ',
            _ => byte,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Content of the seed's `Message`, as given.
    const SEED: &str = r#"{"Records": [{
  "eventVersion": "2.1",
  "eventSource": "aws:s3",
  "awsRegion": "us-east-1",
  "eventTime": "2024-06-05T22:18:24.822Z",
  "eventName": "ObjectCreated:CompleteMultipartUpload",
  "userIdentity": {"principalId": "AWS:AROA5G7Q7N2GZSXO3I4Q6:RedshiftIamRoleSession"},
  "requestParameters": {"sourceIPAddress": "54.81.145.214"},
  "responseElements": {"x-amz-request-id": "F7P4FE2Q4QXCW3JH", "x-amz-id-2": "<id>"},
  "s3": {
    "s3SchemaVersion": "1.0",
    "configurationId": "<S3ReportNotifsConfigID>",
    "bucket": {
      "name": "<S3BucketNameProvided>",
      "ownerIdentity": {"principalId": "AO07TJS0N6VFV"},
      "arn": "arn:aws:s3:::<S3BucketNameProvided>"
    },
    "object": {
      "key": "Order/<ReportGenDate YYYY-MM-DD>/<ReportGenHour H24>/<ReportFileName>",
      "size": 166,
      "eTag": "40dabe44630f69d6693151ea9d1aae44-1",
      "versionId": "QywepIoqoFXvLzxs1vvAObS306zaU8e7",
      "sequencer": "006660E4307DDF229D"
    }
  }
}]}"#;

    /// The seed's envelope, as given, around a message.
    fn envelope(message: &str) -> String {
        json!({
            "Type": "Notification",
            "MessageId": "34920377-24ac-5f27-8172-5dadc2dd506e",
            "TopicArn": "<Source SNS Topic Arn>",
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": "2024-06-05T22:18:25.734Z",
            "SignatureVersion": "1",
            "Signature": "<SIGNATURE_VALUE>",
            "SigningCertURL": "<SIGNATURE_VALUE>",
            "UnsubscribeURL": "<UNSUSBSCRIBE_URL_VALUE>"
        })
        .to_string()
    }

    fn object(bucket: &str, key: &str) -> Named {
        Named {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: None,
            sequencer: None,
            is_gone: false,
        }
    }

    fn objects(named: &[(&str, &str)]) -> Said {
        Said::Objects(named.iter().map(|(bucket, key)| object(bucket, key)).collect())
    }

    /// The seed's object of that bucket and key.
    fn seeds(bucket: &str, key: &str) -> Said {
        Said::Objects(vec![Named {
            version: Some("QywepIoqoFXvLzxs1vvAObS306zaU8e7".to_owned()),
            sequencer: Some("006660E4307DDF229D".to_owned()),
            ..object(bucket, key)
        }])
    }

    fn record(key: &str) -> Value {
        json!({ "eventSource": "aws:s3", "s3": { "bucket": { "name": "b" }, "object": { "key": key } } })
    }

    #[test]
    fn the_seeds_notification_is_read_bare_and_in_its_envelope() {
        let key = "Order/<ReportGenDate YYYY-MM-DD>/<ReportGenHour H24>/<ReportFileName>";
        let wanted = seeds("<S3BucketNameProvided>", key);
        assert_eq!(read(SEED), wanted);
        assert_eq!(read(&envelope(SEED)), wanted);
        let filled = SEED
            .replace("<S3BucketNameProvided>", "retail")
            .replace("<ReportGenDate YYYY-MM-DD>", "2024-06-05")
            .replace("<ReportGenHour H24>", "22")
            .replace("<ReportFileName>", "ALL15.csv000");
        let wanted = seeds("retail", "Order/2024-06-05/22/ALL15.csv000");
        assert_eq!(read(&envelope(&filled)), wanted);
    }

    #[test]
    fn an_event_of_eventbridge_has_its_key_as_it_is() {
        let event = json!({
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "111122223333",
            "time": "2021-11-12T00:00:00Z",
            "region": "ca-central-1",
            "resources": ["arn:aws:s3:::retail"],
            "detail": {
                "version": "0",
                "bucket": { "name": "retail" },
                "object": { "key": "a+b %41/ü.csv", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184" },
                "reason": "PutObject"
            }
        })
        .to_string();
        let wanted = objects(&[("retail", "a+b %41/ü.csv")]);
        assert_eq!(read(&event), wanted);
        assert_eq!(read(&envelope(&event)), wanted);
    }

    #[test]
    fn what_is_deleted_is_gone_and_sequencers_order_what_happened_to_a_key() {
        for (event, is_gone) in [
            ("ObjectCreated:Put", false),
            ("s3:ObjectCreated:CompleteMultipartUpload", false),
            ("ObjectRemoved:DeleteMarkerCreated", true),
            ("s3:LifecycleExpiration:Delete", true),
        ] {
            let mut one = record("k");
            one["eventName"] = event.into();
            let Said::Objects(named) = read(&json!({ "Records": [one] }).to_string()) else {
                panic!("{event} is none of S3");
            };
            assert_eq!(named[0].is_gone, is_gone, "{event}");
        }
        assert!(is_after("006660E5", "006660E4307DDF229D"));
        assert!(!is_after("006660E4307DDF229D", "006660e5"));
        assert!(!is_after("0066", "006600") && !is_after("006600", "0066"));
    }

    #[test]
    fn several_records_are_read_in_one_message() {
        let both = json!({ "Records": [record("one"), record("two")] }).to_string();
        assert_eq!(read(&both), objects(&[("b", "one"), ("b", "two")]));
    }

    #[test]
    fn a_test_of_s3_is_one_in_any_envelope() {
        let test = json!({
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2014-10-13T15:57:02.089Z",
            "Bucket": "retail",
            "RequestId": "5582815E1AEA5ADF",
            "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR"
        })
        .to_string();
        assert_eq!(read(&test), Said::Test);
        assert_eq!(read(&envelope(&test)), Said::Test);
    }

    #[test]
    fn keys_are_decoded_and_what_is_not_escaped_stays() {
        for (written, is) in [
            ("a/b.csv", "a/b.csv"),
            ("my+file%2B1.csv", "my file+1.csv"),
            ("gr%C3%BC%c3%9Fe/%E6%97%A5.csv", "grüße/日.csv"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%4", "%zz%4"),
            ("%+1", "% 1"),
            ("%25%32%35", "%25"),
            ("%ff", "\u{fffd}"),
            ("%é", "%é"),
        ] {
            assert_eq!(decoded(written), is, "{written}");
            let message = json!({ "Records": [record(written)] }).to_string();
            assert_eq!(read(&message), objects(&[("b", is)]));
        }
    }

    #[test]
    fn what_is_no_event_of_s3_is_foreign() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut often = envelope(SEED);
        for _ in 0..3 {
            often = envelope(&often);
        }
        let of_another = json!({ "eventSource": "aws:sqs", "s3": record("x")["s3"] });
        let without_key = json!({ "eventSource": "aws:s3", "s3": { "bucket": { "name": "b" } } });
        let texts = [
            String::new(),
            "hello".to_owned(),
            "\u{0}".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "7".to_owned(),
            "\"s3:TestEvent\"".to_owned(),
            "{}".to_owned(),
            SEED[..SEED.len() / 2].to_owned(),
            deep,
            often,
            envelope("hello"),
            envelope(""),
            json!({ "Type": "SubscriptionConfirmation", "Message": SEED }).to_string(),
            json!({ "Type": "Notification", "Message": { "Records": [record("x")] } }).to_string(),
            json!({ "Records": [] }).to_string(),
            json!({ "Records": record("x") }).to_string(),
            json!({ "Records": [null] }).to_string(),
            // One stranger makes all of it foreign: what is in it beside is not deleted.
            json!({ "Records": [record("x"), of_another] }).to_string(),
            json!({ "Records": [without_key] }).to_string(),
            json!({ "Records": [record("")] }).to_string(),
            json!({ "Records": [{ "eventSource": "aws:s3", "s3": { "bucket": { "name": 5 }, "object": { "key": "k" } } }] })
                .to_string(),
            json!({ "source": "aws.ec2", "detail": record("x")["s3"] }).to_string(),
            json!({ "source": "aws.s3", "detail": [] }).to_string(),
        ];
        for text in texts {
            assert_eq!(read(&text), Said::Foreign, "{}", &text[..text.len().min(200)]);
        }
    }

    #[test]
    fn no_damage_of_a_message_breaks_the_reader() {
        let whole = envelope(SEED);
        for at in 0..whole.len() {
            for damage in ["", "\"", "{", "\u{fffd}", "%"] {
                let Some((before, after)) = whole.split_at_checked(at) else {
                    continue;
                };
                read(&format!("{before}{damage}"));
                read(&format!("{before}{damage}{after}"));
            }
        }
    }
}
