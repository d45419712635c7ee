//! SIGTERM and SIGINT, wherever they come: no new commit is begun, the process ends in order and says so, and the next call
//! goes on.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use marketlake_tests::demo::{assert_same, fingerprints};
use marketlake_tests::shop::Shop;
use marketlake_tests::{Delivery, LakeUnderTest, Run, empty_lake, new_lake, program};
use pipeline::failpoint;

use crate::maintain::{batches, maintained};

/// What a process says once it has heard the signal.
const HEARD: &str = "stopping:";

/// A process that waits at a failpoint.
struct Waiting {
    child: Child,
    gate: PathBuf,
}

impl Waiting {
    /// Starts the program and waits until it has come to the failpoint.
    fn at(point: &str, lake: &LakeUnderTest, arguments: &[&str]) -> Result<Self> {
        hear_interrupts();
        let gate = lake.path().join("gate");
        fs::write(&gate, "")?;
        let child = lake
            .command(arguments)
            .env("MARKETLAKE_FAILPOINT", format!("{point}!{}", gate.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut waiting = Self { child, gate };
        while fs::read(&waiting.gate)? != b"here" {
            if waiting.child.try_wait()?.is_some() {
                let run: Run = waiting.child.wait_with_output()?.into();
                bail!("{point} was not passed: {}", run.said());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(waiting)
    }

    /// Sends a signal, lets the process go on once it has heard it, and waits for its end.
    fn stopped_by(mut self, signal: &str) -> Result<Run> {
        let mut stderr = BufReader::new(self.child.stderr.take().context("no stderr")?);
        send(&self.child, signal)?;
        let mut said = String::new();
        while !said.contains(HEARD) {
            ensure!(stderr.read_line(&mut said)? > 0, "nothing was heard: {said}");
        }
        fs::remove_file(&self.gate)?;
        let rest = thread::spawn(move || {
            let _ = stderr.read_to_string(&mut said);
            said
        });
        let mut run: Run = self.child.wait_with_output()?.into();
        run.stderr = rest.join().unwrap_or_default();
        Ok(run)
    }
}

/// Lets this process, and those that it starts, hear SIGINT, which whoever starts tests in the background has them ignore.
fn hear_interrupts() {
    // SAFETY: it sets what holds for a process that nobody did anything about.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
}

fn send(child: &Child, signal: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &child.id().to_string()])
        .status()?;
    ensure!(sent.success(), "{signal} was not sent");
    Ok(())
}

/// Waits until a process hears signals.
fn until_it_hears(child: &Child) -> Result<()> {
    let blocks_both = |status: &str| {
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = blocked.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        blocked.is_some_and(|bits| bits & (1 << 14) != 0 && bits & (1 << 1) != 0)
    };
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    while !blocks_both(&fs::read_to_string(&status)?) {
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn shop() -> Result<Shop> {
    let shop = Shop::open()?;
    for (day, rows) in [("2026-03-01", "v1,90,2\nv2,600,0\n"), ("2026-03-02", "v3,45,3\n")] {
        shop.deliver(day, "a", &format!("visit_id,seconds,guests\n{rows}"))?;
    }
    Ok(shop)
}

fn wanted() -> Result<Vec<(String, String)>> {
    let shop = shop()?;
    shop.lake.run(&[])?.exits_with(0)?;
    fingerprints(&shop.lake)
}

const RUN: [&str; 3] = ["run", "--from", "2020-01-01"];

#[test]
fn a_run_is_stopped_at_every_step_and_the_next_one_goes_on() -> Result<()> {
    let wanted = wanted()?;
    let commit = failpoint::ALL.iter().position(|point| *point == "after_commit");
    for (place, point) in failpoint::ALL.iter().enumerate() {
        // The last one is passed only where a table was left undone.
        if *point == "before_runs" {
            continue;
        }
        let shop = shop()?;
        let signal = if place % 2 == 0 { "TERM" } else { "INT" };
        let run = Waiting::at(point, &shop.lake, &RUN)?
            .stopped_by(signal)
            .and_then(|run| run.exits_with(4))
            .with_context(|| (*point).to_owned())?;
        for table in ["shop.visits", "shop.daily"] {
            assert_eq!(run.outcome(table)?, "stopped", "{point}: {}", run.said());
        }
        // What was on its way is ended and recorded; nothing else is begun.
        let visits = run.about("shop.visits")?;
        let is_in = Some(place) >= commit;
        assert_eq!(visits["batches"], u64::from(is_in), "{point}: {visits}");
        assert_eq!(shop.lake.rows("shop.visits")?.is_empty(), !is_in, "{point}");
        ensure!(shop.lake.rows("shop.daily")?.is_empty(), "{point}");
        if point.starts_with("after_claim") || point.starts_with("before_commit") {
            ensure!(
                run.stdout.contains("batch 1 is begun and not committed"),
                "{}",
                run.said()
            );
        }
        let recorded = shop
            .lake
            .query("SELECT DISTINCT outcome FROM marketlake.runs WHERE table_name = 'shop.daily'")?;
        assert_eq!(recorded, "outcome\nstopped\n", "{point}");
        shop.lake.run(&[])?.exits_with(0)?;
        assert_same(&wanted, &fingerprints(&shop.lake)?);
    }
    Ok(())
}

#[test]
fn a_table_is_made_anew_or_as_it_was_when_its_rebuild_is_stopped() -> Result<()> {
    let rebuild = ["rebuild", "shop.visits"];
    for point in failpoint::REBUILD {
        let shop = shop()?;
        shop.lake.run(&[])?.exits_with(0)?;
        let wanted = fingerprints(&shop.lake)?;
        let run = Waiting::at(point, &shop.lake, &rebuild)?
            .stopped_by("TERM")
            .and_then(|run| run.exits_with(4))
            .with_context(|| (*point).to_owned())?;
        // Claimed is held until it is in.
        let is_in = !["after_staging", "after_rebuild_files"].contains(point);
        let (outcome, batches) = if is_in {
            ("partly_quarantined", 1)
        } else {
            ("stopped", 0)
        };
        assert_eq!(run.outcome("shop.visits")?, outcome, "{point}: {}", run.said());
        assert_eq!(run.about("shop.visits")?["batches"], batches, "{point}");
        assert_same(&wanted, &fingerprints(&shop.lake)?);
        shop.lake.call(&rebuild)?.exits_with(0)?;
        shop.lake.run(&[])?.exits_with(0)?;
        assert_same(&wanted, &fingerprints(&shop.lake)?);
    }
    Ok(())
}

#[test]
fn maintenance_that_is_stopped_leaves_the_rest_to_the_next() -> Result<()> {
    for point in ["before_compaction", "after_compaction_files", "after_compaction"] {
        let lake = batches(6)?;
        let wanted = fingerprints(&lake)?;
        let run = Waiting::at(point, &lake, &["maintain", "jwo.order_lines", "jwo.orders"])?
            .stopped_by("TERM")
            .and_then(|run| run.exits_with(4))
            .context(point)?;
        let mut commits = 0;
        for table in ["jwo.order_lines", "jwo.orders"] {
            assert_eq!(run.outcome(table)?, "stopped", "{}", run.said());
            commits += maintained(&run, table, "commits")?;
        }
        assert_eq!(commits, u64::from(point == "after_compaction"), "{point}");
        assert_same(&wanted, &fingerprints(&lake)?);
        lake.call(&["maintain"])?.exits_with(0)?;
        assert_same(&wanted, &fingerprints(&lake)?);
    }
    Ok(())
}

#[test]
fn a_second_signal_ends_at_once() -> Result<()> {
    let shop = shop()?;
    let mut waiting = Waiting::at("before_commit", &shop.lake, &RUN)?;
    send(&waiting.child, "TERM")?;
    let mut stderr = BufReader::new(waiting.child.stderr.take().context("no stderr")?);
    let mut said = String::new();
    while !said.contains(HEARD) {
        ensure!(stderr.read_line(&mut said)? > 0, "nothing was heard: {said}");
    }
    send(&waiting.child, "TERM")?;
    let ended = waiting.child.wait()?;
    ensure!(ended.code().is_none(), "{ended}");
    shop.lake.run(&[])?.exits_with(0)?;
    assert_same(&wanted()?, &fingerprints(&shop.lake)?);
    Ok(())
}

#[test]
fn a_query_that_would_not_end_is_stopped() -> Result<()> {
    let lake = new_lake("")?;
    let many: Vec<String> = (0..100).map(|number| format!("({number})")).collect();
    let endless = format!(
        "WITH t(x) AS (VALUES {}) SELECT max(a.x * b.x + c.x * d.x + e.x * f.x) FROM t a, t b, t c, t d, t e, t f",
        many.join(",")
    );
    hear_interrupts();
    let child = lake
        .command(&["query", &endless])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    until_it_hears(&child)?;
    send(&child, "INT")?;
    let run: Run = child.wait_with_output()?.into();
    let run = run.exits_with(4)?;
    ensure!(run.stderr.contains("error: stopped as asked"), "{}", run.said());
    Ok(())
}

#[test]
fn what_writes_nothing_dies_of_the_first_signal() -> Result<()> {
    hear_interrupts();
    let lake = new_lake("")?;
    let mut child = lake.command(&["status"]).stdout(Stdio::null()).spawn()?;
    // It may have ended before it was asked to.
    if until_it_hears(&child).is_ok() && send(&child, "TERM").is_ok() {
        ensure!(matches!(child.wait()?.code(), None | Some(0)));
    }
    child.wait()?;
    Ok(())
}

#[test]
fn the_process_that_tries_an_object_ends_with_the_one_that_started_it() -> Result<()> {
    let lake = new_lake("[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n")?;
    for report in 0..2 {
        let rows = format!("order_id,order_date,order_total,currency_code\no-{report},2026-03-01,1.00,USD\n");
        let key = format!("jwo/corner/Order/2026-03-01/00/ALL{report:02}.csv000");
        lake.deliver(&Delivery::new(key, rows))?;
    }
    let deadly = "reading=ALL01.csv000";
    for _ in 0..6 {
        ensure!(lake.run_until(deadly, &[])?.died());
    }
    // Now another process reads it, and waits there.
    let run = Waiting::at(deadly, &lake, &RUN)?
        .stopped_by("TERM")?
        .exits_with(4)?;
    assert_eq!(run.outcome("jwo.orders")?, "stopped", "{}", run.said());
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(lake.rows("jwo.orders")?.len(), 2);
    Ok(())
}

#[test]
fn the_demo_is_stopped_with_the_run_that_it_started() -> Result<()> {
    let lake = empty_lake()?;
    let mut child = Command::new(program()?)
        .current_dir(lake.path())
        .args(["--log", "error", "demo", "--days", "4", "--first", "2026-03-01"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
    let mut said = String::new();
    while !said.contains("One run a day") {
        ensure!(stdout.read_line(&mut said)? > 0, "{said}");
    }
    send(&child, "TERM")?;
    stdout.read_to_string(&mut said)?;
    let run: Run = child.wait_with_output()?.into();
    run.exits_with(4)?;
    ensure!(!said.contains("Checked"), "{said}");
    let mut next = Command::new(program()?);
    next.current_dir(lake.path())
        .args(["--lake", "lake", "run", "--from", "2020-01-01"]);
    let next: Run = next.output()?.into();
    next.exits_with(0)?;
    Ok(())
}
