//! Whether a queue can be drained and a topic be told something.

use aws_sdk_sqs::types::QueueAttributeName;

use super::{Check, Statement};
use crate::answer::said;
use crate::queue::Queue;
use crate::topic::Topic;

/// A handle of no message.
const NO_HANDLE: &str = "marketlake-doctor";

impl Queue {
    /// Whether it can be drained. A message that it shows meanwhile is there for everybody at once.
    pub async fn check(&self) -> Vec<Check> {
        let (client, url) = (&self.client, &self.url);
        let timeout = QueueAttributeName::VisibilityTimeout;
        let look = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(timeout)
            .send();
        let looked = look.await.err().map(|error| said(&error));
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
        checks.into()
    }
}

impl Topic {
    /// Whether it can be told something: a message without a word is refused by who would take another one.
    pub async fn check(&self) -> Check {
        let publish = self.client.publish().topic_arn(&self.arn).message("").send();
        let said = publish.await.err().map(|error| said(&error));
        let statement = Statement::allows(&["sns:Publish"], std::slice::from_ref(&self.arn));
        judged(format!("{}: publish", self.arn), statement, said, |code| {
            code.starts_with("InvalidParameter")
        })
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
    use crate::check::State;

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
}
