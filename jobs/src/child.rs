//! Further processes of this program, which end when it is asked to.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use pipeline::stop::Stop;

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Starts a process and waits for its end; asks it to end, too, when `stop` is asked.
///
/// # Errors
///
/// When it cannot be started or waited for.
pub(crate) fn output(command: &mut Command, stop: &Stop) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A terminal asks all processes of a group, and the second time ends at once.
        .process_group(0)
        .spawn()?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let said = scope.spawn(|| all_of(stdout.as_mut()));
        let told = scope.spawn(|| all_of(stderr.as_mut()));
        let mut asked = false;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if !asked && stop.is_asked() {
                ask(&child);
                asked = true;
            }
            thread::sleep(LOOK_EVERY);
        };
        Ok(Output {
            status,
            stdout: said.join().unwrap_or_default(),
            stderr: told.join().unwrap_or_default(),
        })
    })
}

fn all_of(pipe: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was said until then is all there is.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn ask(child: &Child) {
    if let Ok(process) = libc::pid_t::try_from(child.id()) {
        // SAFETY: the process was not waited for yet, so the id is its own.
        unsafe { libc::kill(process, libc::SIGTERM) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_process_says_what_it_says_and_ends_when_asked() {
        let stop = Stop::default();
        let said = output(Command::new("sh").args(["-c", "echo a; echo b >&2"]), &stop).unwrap();
        assert_eq!((&said.stdout[..], &said.stderr[..]), (&b"a\n"[..], &b"b\n"[..]));
        stop.ask();
        let ended = output(Command::new("sleep").arg("600"), &stop).unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGTERM));
    }
}
