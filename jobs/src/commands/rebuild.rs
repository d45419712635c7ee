//! `rebuild`: a table anew, in one commit.

use anyhow::Result;
use pipeline::request::RebuildOptions;

use super::once::{self, Job};
use super::run::{self, Said, Told};
use crate::cli::RebuildArgs;
use crate::exit::{usage, worse};
use crate::session::{Session, find};

/// Makes a table anew, then tells catalog and notices, as a run does.
pub(super) async fn rebuild(session: &Session, arguments: RebuildArgs) -> Result<u8> {
    let lake = session.lake_for(&arguments.start).await?;
    find(lake.contracts(), &arguments.table)?;
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(usage(format!("--from {from} is after --to {to}")));
    }
    let options = RebuildOptions {
        table: arguments.table,
        from: arguments.from,
        to: arguments.to,
        accept_missing: arguments.accept_missing,
        release: arguments.release,
    };
    let here = match once::begin(session, &lake, format!("rebuild {options:?}")).await? {
        Job::Here(here) => here,
        Job::Done(code) => return Ok(code),
    };
    let report = {
        let progress = session.progress();
        lake.rebuild(&options, &progress).await?
    };
    let code = worse(report.exit_code(), run::finish(session, &lake, &report).await);
    let mut said = Said::new(session, "rebuild");
    said.run(&lake, &report, Told::of(code))?;
    Ok(said.end(here, code).await)
}
