//! SNS envelopes around messages.

use super::cursor::{Cursor, Stop};
use super::fields::{Fields, Values};
use super::{JsonRows, keep};
use crate::contract::JsonFormat;
use crate::decode::Decoded;
use crate::decode::malformed::Malformed;
use crate::decode::window::Window;
use crate::{Error, Result};

impl JsonRows {
    /// Rows of the object at the front of the window, which has so many bytes and was read: of itself, or of the message in it.
    pub(super) fn keep_or_unwrap(&mut self, length: usize) -> Result<()> {
        let text = &self.window.bytes()[..length];
        let envelope = match self.sns_envelope {
            true => of(&self.fields, &self.values, text),
            false => None,
        };
        match envelope {
            None => {
                keep(
                    &self.fields,
                    &self.values,
                    text,
                    &mut self.batch,
                    &mut self.ordinal,
                );
                Ok(())
            }
            Some(Ok(message)) => self.take_message(message),
            Some(Err(reason)) => {
                let malformed = self.malformed(reason, length);
                self.waiting.push_back(malformed);
                Ok(())
            }
        }
    }

    /// Rows of what was in an envelope: an object, or an array of objects.
    fn take_message(&mut self, message: Vec<u8>) -> Result<()> {
        let read = each_object(&mut Cursor::new(&message), |cursor| {
            self.fields.read(cursor, &mut self.values)
        });
        if let Err(reason) = read {
            return self.take_apart(message, &reason);
        }
        // Nothing is kept before all of it was read: else what is good in it would be told twice.
        let (fields, values) = (&mut self.fields, &mut self.values);
        let (batch, ordinal) = (&mut self.batch, &mut self.ordinal);
        let kept = each_object(&mut Cursor::new(&message), |cursor| {
            fields.read(cursor, values)?;
            keep(fields, values, &message, batch, ordinal);
            Ok(())
        });
        kept.map_err(Error::internal)
    }

    /// Rows of the objects of a message, each of which stands alone, in batches of their own. Where there are none, the reason
    /// why the message cannot be read as a whole.
    fn take_apart(&mut self, message: Vec<u8>, reason: &str) -> Result<()> {
        let format = JsonFormat { sns_envelope: false };
        let window = Window::new(Box::new(std::io::Cursor::new(message.clone())), self.limits.chunk);
        let mut inner = Self::new(window, &format, self.limits);
        inner.ordinal = self.ordinal;
        let (mut rows, mut malformed) = (Vec::new(), Vec::new());
        while let Some(next) = inner.step()? {
            match next {
                Decoded::Malformed(one) => malformed.push(Malformed {
                    reason: format!("is in the message of an SNS notification and {}", one.reason),
                    ..one
                }),
                Decoded::Rows(_) => rows.push(next),
                _ => {}
            }
        }
        if rows.is_empty() {
            self.reject(format!("is an SNS notification whose message {reason}"), &message);
            return Ok(());
        }
        self.ordinal = inner.ordinal;
        self.waiting.extend(self.batch.take()?.map(Decoded::Rows));
        self.waiting.extend(malformed.into_iter().map(Decoded::Malformed));
        self.waiting.extend(rows);
        Ok(())
    }
}

/// What an object is if it is an SNS envelope: its message, or why it carries no data. None for other objects.
///
/// A notification has the strings `Type` and `Message`; an envelope of any other type is told from data that
/// happens to have these fields by its `TopicArn`.
fn of(fields: &Fields, values: &Values, text: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let string = |name: &str| values.string(fields.column(name)?, text);
    let kind = string("Type")?;
    let message = string("Message")?;
    if kind == b"Notification" {
        return Some(Ok(message.to_vec()));
    }
    string("TopicArn")?;
    // What else stands there may be anything.
    let kind = match kind {
        b"SubscriptionConfirmation" => "SubscriptionConfirmation",
        b"UnsubscribeConfirmation" => "UnsubscribeConfirmation",
        _ => "of an unknown type",
    };
    Some(Err(format!("SNS {kind} is not data")))
}

/// Calls `take` at each object of a message, which is one object or an array of objects. The error follows the
/// word "message".
fn each_object(
    cursor: &mut Cursor<'_>,
    mut take: impl FnMut(&mut Cursor<'_>) -> Result<(), Stop>,
) -> Result<(), String> {
    let mut all = || {
        let first = cursor.peek()?;
        if first == b'{' {
            return take(cursor);
        }
        cursor.expect(b'[')?;
        if cursor.peek()? == b']' {
            cursor.at += 1;
            return Ok(());
        }
        loop {
            if cursor.peek()? != b'{' {
                return Err(Stop::Broken(
                    "has an array of something else than objects".to_owned(),
                ));
            }
            take(cursor)?;
            if !cursor.goes_on(b']')? {
                return Ok(());
            }
        }
    };
    match all() {
        Ok(()) => match cursor.peek() {
            Err(Stop::More) => Ok(()),
            _ => Err("goes on after its end".to_owned()),
        },
        Err(Stop::More) => Err("is cut short".to_owned()),
        Err(Stop::Broken(reason)) => Err(reason),
    }
}
