//! SNS envelopes around messages.

use super::cursor::{Cursor, Stop};
use super::fields::{Fields, Values};

/// What an object is if it is an SNS envelope: its message, or why it carries no data. None for other objects.
///
/// A notification has the strings `Type` and `Message`; an envelope of any other type is told from data that
/// happens to have these fields by its `TopicArn`.
pub(super) fn of(fields: &Fields, values: &Values, text: &[u8]) -> Option<Result<Vec<u8>, String>> {
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
pub(super) fn each_object(
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
