//! Queues of SQS and topics of SNS at a server of this machine, looked at and written to by a test itself.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::message::answer;

/// Whose everything is at the server.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// The queues and topics of a server.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    address: SocketAddr,
}

/// How many messages of a queue can be received, and how many are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Anybody may receive them.
    pub visible: u64,
    /// Somebody has received them.
    pub hidden: u64,
}

/// The ARN of a topic of that name.
pub fn topic_arn(name: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
}

impl Messages {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Makes a queue that hides messages for so many seconds; its URL.
    ///
    /// # Errors
    ///
    /// When the server does not make it.
    pub fn queue(&self, name: &str, hides: u32) -> Result<String> {
        let mut attributes = json!({ "VisibilityTimeout": hides.to_string() });
        if name.ends_with(".fifo") {
            attributes["FifoQueue"] = "true".into();
        }
        let made = self.sqs(
            "CreateQueue",
            &json!({ "QueueName": name, "Attributes": attributes }),
        )?;
        let url = made["QueueUrl"].as_str().context("the queue has no URL")?;
        Ok(url.to_owned())
    }

    /// Makes a topic of that name; its ARN.
    ///
    /// # Errors
    ///
    /// When the server does not make it.
    pub fn topic(&self, name: &str) -> Result<String> {
        let mut asked = format!("Action=CreateTopic&Name={name}");
        if name.ends_with(".fifo") {
            asked.push_str("&Attributes.entry.1.key=FifoTopic&Attributes.entry.1.value=true");
        }
        self.sns(&asked)?;
        Ok(topic_arn(name))
    }

    /// Has the messages of a queue and of a topic encrypted with a key of KMS.
    ///
    /// # Errors
    ///
    /// When the server does not do it.
    pub fn encrypt(&self, queue: &str, topic: &str, key: &str) -> Result<()> {
        let asked = json!({ "QueueUrl": queue, "Attributes": { "KmsMasterKeyId": key } });
        self.sqs("SetQueueAttributes", &asked)?;
        self.sns(&format!(
            "Action=SetTopicAttributes&TopicArn={topic}&AttributeName=KmsMasterKeyId&AttributeValue={key}"
        ))
    }

    /// Subscribes a queue to a topic: to what the filter of attributes lets through, as it was published where `raw`.
    ///
    /// # Errors
    ///
    /// When the server does not do it.
    pub fn subscribe(&self, topic: &str, queue: &str, raw: bool, filter: Option<&Value>) -> Result<()> {
        let name = queue.rsplit('/').next().unwrap_or_default();
        let queue = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
        let mut asked = format!(
            "Action=Subscribe&TopicArn={topic}&Protocol=sqs&Endpoint={queue}&Attributes.entry.1.key=RawMessageDelivery&\
             Attributes.entry.1.value={raw}"
        );
        if let Some(filter) = filter {
            let encoded: String =
                url::form_urlencoded::byte_serialize(filter.to_string().as_bytes()).collect();
            asked.push_str(&format!(
                "&Attributes.entry.2.key=FilterPolicy&Attributes.entry.2.value={encoded}"
            ));
        }
        self.sns(&asked)
    }

    /// Has a bucket tell a topic of every object that is made below a prefix.
    ///
    /// # Errors
    ///
    /// When the server does not do it.
    pub fn notify(&self, bucket: &str, prefix: &str, topic: &str) -> Result<()> {
        let body = format!(
            "<NotificationConfiguration><TopicConfiguration><Id>raw</Id><Topic>{topic}</Topic>\
             <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>{prefix}</Value>\
             </FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>"
        );
        self.asked(
            &format!("PUT /{bucket}?notification HTTP/1.1\r\nhost: s3\r\n"),
            &body,
        )?;
        Ok(())
    }

    /// Sends a message to a queue.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub fn send(&self, queue: &str, body: &str) -> Result<()> {
        self.sqs("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body }))?;
        Ok(())
    }

    /// Takes all messages out of a queue that can be received.
    ///
    /// # Errors
    ///
    /// When the server does not give them.
    pub fn take(&self, queue: &str) -> Result<Vec<Value>> {
        let mut taken = Vec::new();
        loop {
            let asked = json!({
                "QueueUrl": queue,
                "MaxNumberOfMessages": 10,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            });
            let received = self.sqs("ReceiveMessage", &asked)?;
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return Ok(taken);
            }
            for message in messages {
                let receipt = &message["ReceiptHandle"];
                self.sqs(
                    "DeleteMessage",
                    &json!({ "QueueUrl": queue, "ReceiptHandle": receipt }),
                )?;
                taken.push(message);
            }
        }
    }

    /// What is in a queue.
    ///
    /// # Errors
    ///
    /// When the server does not say.
    pub fn waiting(&self, queue: &str) -> Result<Waiting> {
        let said = self.sqs(
            "GetQueueAttributes",
            &json!({ "QueueUrl": queue, "AttributeNames": ["All"] }),
        )?;
        let count = |name: &str| {
            let text = said["Attributes"][name].as_str();
            text.and_then(|text| text.parse().ok())
                .context("no number of messages")
        };
        Ok(Waiting {
            visible: count("ApproximateNumberOfMessages")?,
            hidden: count("ApproximateNumberOfMessagesNotVisible")?,
        })
    }

    fn sqs(&self, action: &str, asked: &Value) -> Result<Value> {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: sqs\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{action}\r\n{}",
            credential("sqs")
        );
        let said = self.asked(&head, &asked.to_string())?;
        match said.trim() {
            "" => Ok(Value::Null),
            said => serde_json::from_str(said).with_context(|| format!("{action}: {said}")),
        }
    }

    fn sns(&self, asked: &str) -> Result<()> {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: sns\r\ncontent-type: application/x-www-form-urlencoded\r\n{}",
            credential("sns")
        );
        self.asked(&head, &format!("Version=2010-03-31&{asked}"))?;
        Ok(())
    }

    /// The body of the answer.
    fn asked(&self, head: &str, body: &str) -> Result<String> {
        let mut server = TcpStream::connect(self.address)?;
        write!(
            server,
            "{head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let said = answer(&mut BufReader::new(server), "POST")?;
        let said = String::from_utf8_lossy(&said);
        ensure!(said.starts_with("HTTP/1.1 20"), "{head}{body}: {said}");
        let (_, body) = said.split_once("\r\n\r\n").unwrap_or_default();
        Ok(body.to_owned())
    }
}

/// By which the server finds out which service is asked; nobody looks at the signature.
fn credential(service: &str) -> String {
    format!(
        "authorization: AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, \
         Signature=x\r\n"
    )
}
