//! Jobs under an id of whoever starts them: started twice, as a scheduler may, they are done once.

use anyhow::{Context, Result};
use pipeline::done::{Done, Ours, Turn};
use pipeline::lake::Lake;
use pipeline::report::Outcome;
use serde::Serialize;

use crate::exit::{ATTENTION, DONE, FAILED, worse};
use crate::session::Session;

/// Who does a job.
pub(crate) enum Job {
    /// This process.
    Here(Here),
    /// Somebody did it under its id, and it ended with this exit code.
    Done(u8),
}

/// A job that this process does.
pub(crate) struct Here(Option<Box<Ours>>);

/// Whether a job is not done with a table: another process was at work on it, or it waits for a person, after whom the same
/// job has something to do.
pub(crate) fn is_left(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Busy | Outcome::Held)
}

/// Finds out whether what is `asked` for is still to be done. Without an id it always is.
///
/// # Errors
///
/// When that cannot be found out.
pub(crate) async fn begin(session: &Session, lake: &Lake, asked: String) -> Result<Job> {
    let Some(id) = lake.job() else {
        return Ok(Job::Here(Here(None)));
    };
    let waits = || tracing::info!(run = %id, "another process does the same under this id: it is waited for");
    match lake.turn(id, &asked, waits).await? {
        Turn::Ours(ours) => Ok(Job::Here(Here(Some(ours)))),
        Turn::Done(done) => {
            say(session, &done)?;
            Ok(Job::Done(done.exit_code))
        }
    }
}

/// Says what was done, as who did it.
fn say(session: &Session, done: &Done) -> Result<()> {
    let text = format!(
        "{} was done under the id {}, until {}: nothing is done again\n",
        done.asked.split(' ').next().unwrap_or_default(),
        done.id,
        done.ended_at.format("%Y-%m-%dT%H:%M:%SZ")
    );
    tracing::info!(run = %done.id, ended_at = %done.ended_at, "it was done under this id: nothing is done again");
    Ok(session.output.show(&done.report, || text)?)
}

impl Here {
    /// Notes that it is done where it is: not where something failed, was stopped or `is_left`. Returns the exit code, which is that of a failure where it cannot be noted.
    pub(crate) async fn end(self, session: &Session, code: u8, is_left: bool, report: &impl Serialize) -> u8 {
        let Some(ours) = self.0 else { return code };
        if is_left || ![DONE, ATTENTION].contains(&code) {
            ours.leave().await;
            return code;
        }
        let noted = async {
            let report = serde_json::to_value(report)?;
            anyhow::Ok(ours.done(code, report).await?)
        };
        let noted = noted
            .await
            .context("it is done, and would be done again under its id");
        match noted {
            Ok(()) => code,
            Err(error) => {
                session.output.error(&error);
                worse(code, FAILED)
            }
        }
    }
}
