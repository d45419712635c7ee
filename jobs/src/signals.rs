//! SIGTERM and SIGINT: the first one asks the work to end in order, the second one ends the process at once.
//!
//! Both are blocked in every thread and waited for in one of its own. So they are heard by process 1 of a container, too,
//! which the kernel spares those that it has no handler for, and nothing is interrupted in the middle of a step.

use std::os::raw::c_int;
use std::thread;
use std::time::Duration;
use std::{mem, ptr};

use pipeline::stop::Stop;

use crate::exit::STOPPED;

/// How long what is on its way may take to its end. Those who stop containers kill them after 30 seconds, or 10 more.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a last message may take.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Hears signals from now on, of which the first asks the work to end; without work it ends the process, too. To be called
/// before any thread is started.
pub(crate) fn listen(work: Option<Stop>) {
    let signals = wanted();
    mask(libc::SIG_BLOCK, &signals);
    let heard = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || hear(&signals, work));
    if heard.is_err() {
        // Without a listener they do what they always do.
        mask(libc::SIG_UNBLOCK, &signals);
    }
}

fn hear(signals: &libc::sigset_t, work: Option<Stop>) {
    let Some(first) = wait(signals) else { return };
    let Some(work) = work else { end(first) };
    work.ask();
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        let said = "what is on its way did not end in time and is left; the next call goes on with it";
        // Nobody may be reading what is said.
        thread::spawn(move || tracing::warn!("{said}"));
        thread::sleep(LAST_WORDS);
        // SAFETY: the process ends here, without anything that could wait for its other threads.
        unsafe { libc::_exit(c_int::from(STOPPED)) }
    });
    thread::spawn(|| {
        tracing::warn!("stopping: what is on its way is ended; a second signal ends it at once")
    });
    if let Some(second) = wait(signals) {
        end(second);
    }
}

/// The signals, without those that whoever started this process does not want it to hear.
fn wanted() -> libc::sigset_t {
    // SAFETY: both structures are plain data that the calls fill in; a null action changes nothing.
    unsafe {
        let mut signals: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut signals);
        for signal in [libc::SIGTERM, libc::SIGINT] {
            let mut action: libc::sigaction = mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut action);
            if action.sa_sigaction != libc::SIG_IGN {
                libc::sigaddset(&mut signals, signal);
            }
        }
        signals
    }
}

fn mask(how: c_int, signals: &libc::sigset_t) {
    // SAFETY: changes which signals this thread, and those that it starts, are interrupted by.
    unsafe { libc::pthread_sigmask(how, signals, ptr::null_mut()) };
}

fn wait(signals: &libc::sigset_t) -> Option<c_int> {
    let mut signal = 0;
    // SAFETY: waits; the signals are blocked in every thread.
    let failed = unsafe { libc::sigwait(signals, &mut signal) };
    (failed == 0).then_some(signal)
}

/// Dies of the signal, as without a listener. Where it does not kill, by the code that shells give such an end.
fn end(signal: c_int) -> ! {
    mask(libc::SIG_UNBLOCK, &wanted());
    // SAFETY: the signal has its default action; the process ends here.
    unsafe {
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}
