//! `marketlake`: Amazon merchant data as exact, queryable Delta tables.

mod authoring;
mod cli;
mod commands;
mod config;
mod contracts;
mod demo;
mod exit;
mod logging;
mod notice;
mod output;
mod progress;
mod session;
mod units;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use output::Output;

/// Rows of raw objects are many small pieces of text, made on one thread and given up on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    refuse_huge_pages();
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let code = match commands::dispatch(cli, &output) {
        Ok(code) => code,
        Err(error) => match exit::code_of(&error) {
            Some(code) => {
                output.error(&error);
                code
            }
            None => exit::DONE,
        },
    };
    ExitCode::from(code)
}

/// Asks the kernel for pages of their ordinary size. It would clear two megabytes and count them as ours wherever the
/// allocator touches some of them: a third of the memory of a run, for no time gained.
fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call sets a flag of this process and reads or writes no memory.
    unsafe {
        let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused);
    }
}
