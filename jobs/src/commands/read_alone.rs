//! `read-alone`: reads an object for a run that suspects it of killing its readers.

use anyhow::Result;

use crate::cli::ReadAloneArgs;
use crate::exit::DONE;
use crate::isolated;
use crate::session::Session;

/// Reads the object and keeps nothing. What is wrong with it the run will say.
pub(super) async fn read_alone(session: &Session, arguments: &ReadAloneArgs) -> Result<u8> {
    isolated::end_with_the_starter();
    let lake = session.lake().await?;
    lake.read_alone(&arguments.tables, &arguments.object).await?;
    Ok(DONE)
}
