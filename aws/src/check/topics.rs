//! Whether a queue can be drained and a topic be told something.

use aws_sdk_sqs::types::QueueAttributeName;

use super::{Check, State, Statement};
use crate::answer::said;
use crate::queue::Queue;
use crate::topic::Topic;

/// A handle of no message.
const NO_HANDLE: &str = "marketlake-doctor";
/// The attribute of a topic that names its key of KMS.
const KEY: &str = "KmsMasterKeyId";
const USE_OF_KEY: &str = "use of the key of KMS";

impl Queue {
    /// Whether it can be drained. A message that it shows meanwhile is there for everybody at once.
    pub async fn check(&self) -> Vec<Check> {
        let (client, url) = (&self.client, &self.url);
        let look = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .attribute_names(QueueAttributeName::KmsMasterKeyId);
        let looked = look.send().await;
        let attributes = looked.as_ref().ok().and_then(|found| found.attributes());
        let key = attributes.and_then(|found| found.get(&QueueAttributeName::KmsMasterKeyId).cloned());
        let looked = looked.err().map(|error| said(&error));
        let receive = client
            .receive_message()
            .queue_url(url)
            .visibility_timeout(0)
            .send();
        let received = receive.await.err().map(|error| said(&error));
        let delete = client
            .delete_message()
            .queue_url(url)
            .receipt_handle(NO_HANDLE)
            .send();
        let deleted = delete.await.err().map(|error| said(&error));
        let hide = client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(NO_HANDLE);
        let hidden = hide.visibility_timeout(0).send().await.err();
        let hidden = hidden.map(|error| said(&error));
        let resource = arn_of_queue(url).unwrap_or_else(|| "the ARN of the queue".to_owned());
        let asked = [
            ("look at its attributes", "sqs:GetQueueAttributes", looked),
            ("receive", "sqs:ReceiveMessage", received),
            ("delete", "sqs:DeleteMessage", deleted),
            ("hide", "sqs:ChangeMessageVisibility", hidden),
        ];
        let encrypted = key.map(|key| encrypted(url, &key, &resource, &["kms:Decrypt"]));
        let checks = asked.map(|(what, action, said)| {
            let statement = Statement::allows(&[action], std::slice::from_ref(&resource));
            // The queue is there, and what was asked for may be asked.
            judged(format!("{url}: {what}"), statement, said, |code| {
                [
                    "ReceiptHandleIsInvalid",
                    "InvalidParameterValue",
                    "MessageNotInflight",
                ]
                .iter()
                .any(|known| code.contains(known))
            })
        });
        checks.into_iter().chain(encrypted).collect()
    }
}

impl Topic {
    /// Whether it can be told something: a message without a word is refused by who would take another one.
    pub async fn check(&self) -> Vec<Check> {
        let publish = self.client.publish().topic_arn(&self.arn).message("").send();
        let said = publish.await.err().map(|error| said(&error));
        let statement = Statement::allows(&["sns:Publish"], std::slice::from_ref(&self.arn));
        let published = judged(format!("{}: publish", self.arn), statement, said, |code| {
            code.starts_with("InvalidParameter")
        });
        match published.state {
            State::Ok => [Some(published), self.encrypted().await]
                .into_iter()
                .flatten()
                .collect(),
            _ => vec![published],
        }
    }

    /// What is known of the key that the topic is encrypted with; nothing where it is not. The message without a word is
    /// refused before the key is used.
    async fn encrypted(&self) -> Option<Check> {
        let actions = ["kms:GenerateDataKey", "kms:Decrypt"];
        match self
            .client
            .get_topic_attributes()
            .topic_arn(&self.arn)
            .send()
            .await
        {
            Ok(found) => {
                let key = found.attributes()?.get(KEY)?;
                Some(encrypted(&self.arn, key, &self.arn, &actions))
            }
            Err(error) => {
                let (_, said) = said(&error);
                let said = format!(
                    "whether it is encrypted is not known, for which doctor alone needs sns:GetTopicAttributes ({said}); with a \
                     key of KMS, {} on that are needed",
                    actions.join(" and ")
                );
                Some(Check::skipped(format!("{}: {USE_OF_KEY}", self.arn), said))
            }
        }
    }
}

/// What is known of the key that something is encrypted with: it is used for messages alone, of which none is there to try it.
fn encrypted(name: &str, key: &str, arn: &str, actions: &[&'static str]) -> Check {
    let what = format!("{name}: {USE_OF_KEY}");
    if key.contains("alias/aws/") {
        return Check::ok(what, format!("{key} is managed by AWS and needs no permission"));
    }
    let said =
        format!("only a message shows whether {key} may be used; the policy of the key has to allow it, too");
    Check::skipped(what, said).lacking(Statement::allows(actions, &[arn_of_key(key, arn)]))
}

/// The ARN of a key that may be named by its id, which is in the region and the account of what it encrypts. What an alias
/// stands for only KMS knows, and policies take none.
fn arn_of_key(key: &str, beside: &str) -> String {
    let place: Vec<&str> = beside.split(':').collect();
    match (key, &place[..]) {
        _ if key.starts_with("arn:") && !key.contains(":alias/") => key.to_owned(),
        _ if key.contains("alias/") => format!("the ARN of the key behind {key}"),
        (_, ["arn", partition, _, region, account, _]) => {
            format!("arn:{partition}:kms:{region}:{account}:key/{key}")
        }
        _ => format!("the ARN of the key {key}"),
    }
}

/// What a refusal means, of which some are welcome.
fn judged(
    what: String,
    statement: Statement,
    said: Option<(Option<String>, String)>,
    is_welcome: impl Fn(&str) -> bool,
) -> Check {
    match said {
        None => Check::ok(what, ""),
        Some((Some(code), _)) if is_welcome(&code) => Check::ok(what, ""),
        Some((Some(code), said))
            if code.contains("AccessDenied") || code.starts_with("AuthorizationError") =>
        {
            Check::failed(what, said).lacking(statement)
        }
        Some((_, said)) => Check::failed(what, said),
    }
}

/// The ARN of a queue by its URL, `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`.
fn arn_of_queue(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let mut parts = rest.split('/');
    let host = parts.next()?;
    let (account, name) = (parts.next()?, parts.next()?);
    let region = host.strip_prefix("sqs.")?.split('.').next()?;
    Some(format!(
        "arn:{}:sqs:{region}:{account}:{name}",
        super::partition(Some(region))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_queue_says_its_arn() {
        assert_eq!(
            arn_of_queue("https://sqs.eu-west-1.amazonaws.com/111122223333/intake").as_deref(),
            Some("arn:aws:sqs:eu-west-1:111122223333:intake")
        );
        assert_eq!(arn_of_queue("http://127.0.0.1:4566/queue/intake"), None);
    }

    #[test]
    fn a_refusal_that_shows_the_permission_is_welcome_and_one_of_access_lacks_a_statement() {
        let statement = || Statement::allows(&["sns:Publish"], &["arn:t".to_owned()]);
        let judge = |code: &str| {
            let said = Some((Some(code.to_owned()), code.to_owned()));
            judged("t".to_owned(), statement(), said, |code| {
                code == "InvalidParameter"
            })
        };
        assert_eq!(judge("InvalidParameter").state, State::Ok);
        let denied = judge("AuthorizationError");
        assert_eq!(
            (denied.state, denied.statement),
            (State::Failed, Some(statement()))
        );
        assert_eq!(judge("NotFound").statement, None);
    }

    #[test]
    fn a_key_that_was_not_tried_is_said_with_what_it_needs_and_one_of_aws_needs_nothing() {
        let topic = "arn:aws-cn:sns:cn-north-1:111122223333:notices";
        let look = |key: &str| encrypted("t", key, topic, &["kms:GenerateDataKey", "kms:Decrypt"]);
        for key in [
            "alias/aws/sns",
            "arn:aws:kms:eu-west-1:111122223333:alias/aws/sqs",
        ] {
            let check = look(key);
            assert_eq!((check.state, check.statement), (State::Ok, None), "{key}");
        }
        for (key, resource) in [
            ("1-2", "arn:aws-cn:kms:cn-north-1:111122223333:key/1-2"),
            (
                "arn:aws:kms:eu-west-1:4:key/1-2",
                "arn:aws:kms:eu-west-1:4:key/1-2",
            ),
            ("alias/ours", "the ARN of the key behind alias/ours"),
        ] {
            let check = look(key);
            let statement =
                Statement::allows(&["kms:GenerateDataKey", "kms:Decrypt"], &[resource.to_owned()]);
            assert_eq!(
                (check.state, check.statement),
                (State::Skipped, Some(statement)),
                "{key}"
            );
        }
        assert_eq!(arn_of_key("1-2", "http://host/queue"), "the ARN of the key 1-2");
    }
}
