//! Suspected objects are read, and suspected batches computed, by this program once more, in a process that may die of them.

use std::os::unix::process::{ExitStatusExt, parent_id};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pipeline::contract::TableName;
use pipeline::isolated::{Ending, IsolatedReader};
use pipeline::stop::Stop;
use pipeline::{Error, Kind};
use url::Url;

use crate::child;
use crate::config::Options;

/// How often a reader looks whether it is still waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Starts the program as it was started itself.
pub(crate) struct Reader {
    /// Settings of the command line; those of the environment are inherited.
    pub(crate) flags: Options,
    /// The file with settings.
    pub(crate) file: Option<PathBuf>,
    /// Ends its processes.
    pub(crate) stop: Stop,
}

impl IsolatedReader for Reader {
    fn read(&self, curated: &Url, tables: &[TableName], object: &str) -> pipeline::Result<Ending> {
        let cannot = |reason: &str| {
            Error::new(Kind::Io, format!("object could not be tried: {reason}")).with("object", object)
        };
        let flags = Options {
            curated: Some(curated.to_string()),
            log: Some("error".to_owned()),
            ..self.flags.clone()
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(flags.to_arguments().map_err(|error| cannot(&error.to_string()))?);
        if let Some(file) = &self.file {
            command.arg("--config").arg(file);
        }
        command
            .arg("read-alone")
            .arg(object)
            .args(tables.iter().map(ToString::to_string));
        tracing::warn!(
            object,
            "several runs ended while they worked on this; a process of its own does so now"
        );
        let output = child::output(&mut command, &self.stop)?;
        if !output.status.success() {
            self.stop.check()?;
        }
        match output.status.signal() {
            None if output.status.success() => Ok(Ending::Returned),
            None => Err(cannot(String::from_utf8_lossy(&output.stderr).trim())),
            Some(libc::SIGHUP | libc::SIGINT | libc::SIGTERM) => {
                Err(cannot("somebody stopped the process that read it"))
            }
            Some(_) => Ok(Ending::Died(output.status.to_string())),
        }
    }
}

/// Ends this process when the one that started it is gone: nobody would hear what is found out.
pub(crate) fn end_with_the_starter() {
    let starter = parent_id();
    std::thread::spawn(move || {
        while parent_id() == starter {
            std::thread::sleep(LOOK_EVERY);
        }
        std::process::exit(0);
    });
}
