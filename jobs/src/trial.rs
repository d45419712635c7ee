//! Suspected objects are read by this program once more, in a process that may die of them.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use pipeline::contract::TableName;
use pipeline::trial::{Ending, Trial};
use pipeline::{Error, Kind};
use url::Url;

use crate::config::Options;

/// Starts the program as it was started itself.
pub(crate) struct Reader {
    /// Settings of the command line; those of the environment are inherited.
    pub(crate) flags: Options,
    /// The file with settings.
    pub(crate) file: Option<PathBuf>,
}

impl Trial for Reader {
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
            "several runs ended while they read this object; a process of its own reads it now"
        );
        // The other end of its standard input is closed when this process is no more.
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let stdin = child.stdin.take();
        let status = child.wait()?;
        drop(stdin);
        ending(status).ok_or_else(|| cannot("somebody stopped the process that read it"))
    }
}

/// What the end of the reader says about the object; none where it was told to stop.
fn ending(status: ExitStatus) -> Option<Ending> {
    match status.signal() {
        None => Some(Ending::Returned),
        Some(libc::SIGHUP | libc::SIGINT | libc::SIGTERM) => None,
        Some(_) => Some(Ending::Died(status.to_string())),
    }
}

/// Ends this process when the one that started it is gone: nobody would hear what is found out.
pub(crate) fn follow_the_starter() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
