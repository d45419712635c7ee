//! Maintenance: no row changes, nobody is disturbed, and what nobody needs goes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{Demo, assert_same, fingerprints};
use marketlake_tests::jwo::{ACCOUNT, orders, report};
use marketlake_tests::shop::{Shop, VISITS};
use marketlake_tests::tree::{actions, log_entries, tree};
use marketlake_tests::{Delivery, LakeUnderTest, Run, new_lake};
use pipeline::failpoint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::changes::assert_complete;

const ORDERS: &str = "jwo.orders";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A lake that took in so many reports of one order each, a batch each: the files of the day are ragged.
pub(crate) fn batches(count: usize) -> Result<LakeUnderTest> {
    let lake = new_lake(ACCOUNT)?;
    for number in 0..count {
        lake.deliver(&numbered(number))?;
    }
    lake.run(&["--batch-objects", "1"])?.exits_with(0)?;
    Ok(lake)
}

fn numbered(number: usize) -> marketlake_tests::Delivery {
    let time = format!("{:02}:{:02}", number / 4, number % 4 * 15);
    report(&time, &format!("A-{number:03}"), "10.00")
}

/// The data files in the folder of a table.
fn data_files(lake: &LakeUnderTest, table: &str) -> Result<Vec<PathBuf>> {
    let all = tree(&lake.table(table))?.into_keys();
    let is_data = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "parquet")
            && !path.iter().any(|part| part == "_delta_log")
    };
    Ok(all.filter(is_data).collect())
}

/// Makes everything in a folder look as if it had been written so many days ago.
fn age(folder: &Path, days: u32) -> Result<()> {
    for path in tree(folder)?.into_keys().filter(|path| path.is_file()) {
        File::options()
            .write(true)
            .open(&path)?
            .set_modified(SystemTime::now() - DAY * days)?;
    }
    Ok(())
}

/// What a maintenance says of a table.
pub(crate) fn maintained(run: &Run, table: &str, field: &str) -> Result<u64> {
    run.about(table)?[field]
        .as_u64()
        .with_context(|| format!("no {field} of {table} in {}", run.said()))
}

/// Has the next maintenance look at all keys of a table.
fn audited_long_ago(lake: &LakeUnderTest, table: &str) -> Result<()> {
    let remembered = lake.path().join("curated/marketlake/remembered");
    let kept = remembered.join(format!("{table}.audited"));
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&kept)?)?;
    document["whole_at"] = serde_json::json!("2020-01-01T00:00:00Z");
    Ok(fs::write(&kept, document.to_string())?)
}

#[test]
fn no_row_changes_and_there_are_fewer_files() -> Result<()> {
    let demo = Demo::of_days(1)?;
    let wanted = demo.undisturbed()?;
    let lake = demo.lake()?;
    lake.deliver_all(&demo.deliveries)?;
    lake.run(&["--batch-objects", "40"])?.exits_with(0)?;
    let would = lake.call(&["maintain", "--dry-run"])?.exits_with(0)?;
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    for system in [
        "marketlake.changes",
        "marketlake.ledger",
        "marketlake.quarantine",
        "marketlake.runs",
    ] {
        assert_eq!(
            maintained(&would, system, "files_before")?,
            maintained(&would, system, "files_after")?
        );
        assert_eq!(
            maintained(&would, system, "partitions")?,
            maintained(&done, system, "partitions")?
        );
        let (before, after) = (
            maintained(&done, system, "files_before")?,
            maintained(&done, system, "files_after")?,
        );
        ensure!(after < before, "{system}: {before} files became {after}");
    }
    assert_same(&wanted, &fingerprints(&lake)?);
    let quiet = lake.run(&[])?.exits_with(0)?;
    let document = quiet.document()?;
    let tables = document["tables"].as_array().context("no tables")?;
    ensure!(
        tables.iter().all(|table| table["outcome"] == "unchanged"),
        "{}",
        quiet.said()
    );
    // Where all is in order, maintenance does nothing.
    let again = lake.call(&["maintain"])?.exits_with(0)?;
    let document = again.document()?;
    let tables = document["tables"].as_array().context("no tables")?;
    ensure!(
        tables.iter().all(|table| table["commits"] == 0),
        "{}",
        again.said()
    );
    Ok(())
}

#[test]
fn a_run_after_a_compaction_merges_into_the_sorted_file() -> Result<()> {
    let lake = batches(6)?;
    let undisturbed = batches(6)?;
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(maintained(&done, ORDERS, "partitions")?, 1);
    let sorted = |path: &PathBuf| path.to_string_lossy().contains("/sorted-");
    ensure!(data_files(&lake, ORDERS)?.iter().any(sorted), "no sorted file");
    for one in [&lake, &undisturbed] {
        one.deliver(&report("09:00", "A-002", "99.00"))?;
        one.deliver(&report("09:15", "B-1", "5.00"))?;
        let run = one.run(&[])?.exits_with(0)?;
        assert_eq!(run.count(ORDERS, "rows_updated")?, 1);
        assert_eq!(run.count(ORDERS, "rows_inserted")?, 1);
    }
    assert_same(&fingerprints(&undisturbed)?, &fingerprints(&lake)?);
    Ok(())
}

#[test]
fn a_table_computed_from_a_compacted_one_is_not_computed_again() -> Result<()> {
    let lake = batches(6)?;
    let computed = ["jwo.order_totals", "jwo.store_hourly"];
    let before: Vec<_> = computed
        .iter()
        .map(|table| Ok(log_entries(&lake, table)?.len()))
        .collect::<Result<_>>()?;
    lake.call(&["maintain", ORDERS, "jwo.order_lines"])?
        .exits_with(0)?;
    let run = lake.run(&[])?.exits_with(0)?;
    for (table, before) in computed.iter().zip(before) {
        assert_eq!(run.outcome(table)?, "unchanged");
        assert_eq!(log_entries(&lake, table)?.len(), before);
    }
    Ok(())
}

#[test]
fn what_no_version_within_the_retention_names_goes_and_nothing_that_lives() -> Result<()> {
    let lake = batches(12)?;
    let wanted = fingerprints(&lake)?;
    let folder = data_files(&lake, ORDERS)?[0]
        .parent()
        .context("no folder")?
        .to_owned();
    let (dead, young) = (
        folder.join("part-dead-1.parquet"),
        folder.join("part-young-1.parquet"),
    );
    fs::write(&dead, "of an attempt that died")?;
    age(&lake.path().join("curated"), 20)?;
    fs::write(&young, "of an attempt that is under way")?;
    let before = data_files(&lake, ORDERS)?.len();
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    let removed = maintained(&done, ORDERS, "vacuumed_files")?;
    let after = data_files(&lake, ORDERS)?;
    ensure!(removed >= 10, "{removed} of {before} files were removed");
    ensure!(!dead.exists() && young.exists());
    assert_same(&wanted, &fingerprints(&lake)?);
    for entry in log_entries(&lake, ORDERS)?.iter().rev().take(1) {
        for add in actions(entry)?.iter().filter_map(|action| action.get("add")) {
            let path = lake.table(ORDERS).join(add["path"].as_str().context("no path")?);
            ensure!(after.contains(&path), "{} is gone", path.display());
        }
    }
    lake.deliver(&report("09:00", "A-002", "99.00"))?;
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?[2], ("A-002".to_owned(), "99.0000".to_owned()));
    Ok(())
}

#[test]
fn logs_get_short_and_progress_is_still_proved() -> Result<()> {
    let lake = batches(30)?;
    let wanted = fingerprints(&lake)?;
    age(&lake.path().join("curated"), 50)?;
    let entries = |table: &str| Ok::<_, anyhow::Error>(log_entries(&lake, table)?.len());
    let before = (entries(ORDERS)?, entries("marketlake.ledger")?);
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    ensure!(
        maintained(&done, ORDERS, "log_files_removed")? > 0,
        "{}",
        done.said()
    );
    let after = (entries(ORDERS)?, entries("marketlake.ledger")?);
    ensure!(
        after.0 < before.0 && after.1 < before.1 / 2,
        "{before:?} entries became {after:?}"
    );
    assert_same(&wanted, &fingerprints(&lake)?);
    let quiet = lake.run(&[])?.exits_with(0)?;
    assert_eq!(quiet.outcome(ORDERS)?, "unchanged");
    lake.deliver(&numbered(30))?;
    let run = lake.run(&[])?.exits_with(0)?;
    assert_eq!(run.count(ORDERS, "rows_inserted")?, 1);
    assert_eq!(run.outcome("jwo.order_totals")?, "updated");
    assert_eq!(orders(&lake)?.len(), 31);
    Ok(())
}

#[test]
fn what_a_computed_table_has_still_to_read_stays_however_old_it_is() -> Result<()> {
    let raw = ["jwo.order_rows", ORDERS, "jwo.order_lines"];
    let (lake, undisturbed) = (batches(1)?, batches(1)?);
    for one in [&lake, &undisturbed] {
        for number in 1..26 {
            one.deliver(&numbered(number))?;
        }
        one.run(&[&raw[..], &["--batch-objects", "1"]].concat())?
            .exits_with(0)?;
    }
    age(&lake.path().join("curated"), 400)?;
    let before = log_entries(&lake, ORDERS)?;
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    // Only what came before the version that was taken in first.
    ensure!(
        maintained(&done, ORDERS, "log_files_removed")? <= 1,
        "{}",
        done.said()
    );
    ensure!(
        before.iter().skip(2).all(|entry| entry.exists()),
        "an entry is gone"
    );
    for one in [&lake, &undisturbed] {
        let run = one.run(&[])?.exits_with(0)?;
        assert_eq!(run.outcome("jwo.order_totals")?, "updated");
    }
    assert_same(&fingerprints(&undisturbed)?, &fingerprints(&lake)?);
    Ok(())
}

#[test]
fn leftovers_of_batches_that_were_recorded_go() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    // What is to be recorded of a batch with rejects is in a file of its own.
    let deliver = |number: usize| {
        lake.deliver(&report(
            &format!("{:02}:45", 12 + number),
            &format!("B-{number}"),
            "ten",
        ))?;
        lake.deliver(&numbered(number))
    };
    for number in 0..3 {
        deliver(number)?;
        lake.run(&[])?.exits_with(0)?;
    }
    let attempts = lake.path().join("curated/marketlake/attempts");
    let side_files = || Ok::<_, anyhow::Error>(tree(&attempts)?.keys().filter(|path| path.is_file()).count());
    deliver(3)?;
    ensure!(lake.run_until("after_files", &[])?.died());
    let before = side_files()?;
    lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(side_files()?, before, "young ones stay");
    age(&lake.path().join("curated"), 20)?;
    let done = lake.call(&["maintain"])?.exits_with(0)?;
    ensure!(done.document()?["leftovers_removed"].as_u64() >= Some(6));
    let open: Vec<_> = tree(&attempts)?
        .into_keys()
        .filter(|path| path.is_file())
        .collect();
    ensure!(
        open.iter()
            .all(|path| path.to_string_lossy().contains("/4-")
                || path.to_string_lossy().contains("-4.journal")),
        "{open:?}"
    );
    lake.run(&[])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 4);
    Ok(())
}

#[test]
fn maintenance_that_dies_anywhere_harms_nobody() -> Result<()> {
    let lake = batches(12)?;
    let wanted = fingerprints(&lake)?;
    age(&lake.path().join("curated"), 50)?;
    for point in failpoint::MAINTAIN {
        let mut command = lake.command(&["maintain", ORDERS, "marketlake.ledger"]);
        let output = command.env("MARKETLAKE_FAILPOINT", point).output()?;
        ensure!(Run::from(output).died(), "{point} was not passed");
        assert_same(&wanted, &fingerprints(&lake)?);
    }
    lake.deliver(&report("09:00", "A-002", "99.00"))?;
    lake.run(&[])?.exits_with(0)?;
    lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(orders(&lake)?.len(), 12);
    Ok(())
}

#[test]
fn runs_and_maintenance_at_once_some_of_them_killed_give_what_one_run_gives() -> Result<()> {
    let demo = Demo::of_days(1)?;
    let wanted = demo.undisturbed()?;
    let lake = demo.lake()?;
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    for part in demo.deliveries.chunks(demo.deliveries.len() / 12 + 1) {
        lake.deliver_all(part)?;
        let calls: [&[&str]; 4] = [
            &["run", "--from", "2020-01-01", "--batch-objects", "5"],
            &["maintain", "--busy-wait", "0s"],
            &["run", "--from", "2020-01-01", "--batch-objects", "9"],
            &["maintain", ORDERS, "marketlake.ledger"],
        ];
        let mut started = Vec::new();
        for call in calls {
            let mut command = lake.command(call);
            started.push(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        }
        sleep(Duration::from_millis(rng.random_range(20..400)));
        started[rng.random_range(0..4)].kill()?;
        for child in started {
            let run = Run::from(child.wait_with_output()?);
            ensure!(
                matches!(run.code, None | Some(0 | 3)),
                "{:?} {}",
                run.code,
                run.said()
            );
        }
    }
    lake.run(&[])?.exits_with(0)?;
    lake.call(&["maintain"])?.exits_with(0)?;
    lake.run(&[])?.exits_with(0)?;
    assert_same(&wanted, &fingerprints(&lake)?);
    assert_complete(&lake)
}

#[test]
fn copies_of_a_key_that_moved_beyond_its_window_are_merged() -> Result<()> {
    let shop = Shop::open()?;
    let moving = VISITS
        .replace(
            "key       = [\"day\", \"visit_id\"]",
            "key       = [\"visit_id\"]",
        )
        .replace("[\"day\"]\n", "[\"day\"]\nkey_window = \"1d\"\n");
    shop.write("visits.toml", &moving)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,90,1\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    shop.deliver("2026-03-09", "a", "visit_id,seconds,guests\nv1,90,5\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(shop.rows("shop.visits")?.lines().count(), 4);
    let would = shop.lake.call(&["maintain", "--dry-run"])?.exits_with(0)?;
    assert_eq!(maintained(&would, "shop.visits", "copied_keys")?, 1);
    let done = shop.lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(maintained(&done, "shop.visits", "merged_rows")?, 1);
    assert_eq!(
        shop.rows("shop.visits")?,
        "day,shop,visit_id,minutes,guests\n2026-03-01,main,v2,1.5,1\n2026-03-09,main,v1,1.5,5\n"
    );
    // What is computed from it follows.
    shop.lake.run(&[])?.exits_with(0)?;
    assert_eq!(
        shop.rows("shop.daily")?,
        "day,guests\n2026-03-01,1\n2026-03-09,5\n"
    );
    let again = shop.lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(maintained(&again, "shop.visits", "copied_keys")?, 0);
    Ok(())
}

/// Which of the rows is right only the source knows.
#[test]
fn an_identity_with_several_keys_is_told_and_its_rows_stay() -> Result<()> {
    let shop = Shop::open()?;
    let assumed = VISITS.replace(
        "key       = [\"day\", \"visit_id\"]",
        "key       = [\"day\", \"visit_id\"]\nidentity  = [\"visit_id\"]",
    );
    shop.write("visits.toml", &assumed)?;
    shop.deliver("2026-03-01", "a", "visit_id,seconds,guests\nv1,90,2\nv2,90,1\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    let first = shop.lake.call(&["maintain"])?.exits_with(0)?;
    assert_eq!(maintained(&first, "shop.visits", "torn_identities")?, 0);
    shop.deliver("2026-03-09", "a", "visit_id,seconds,guests\nv1,90,5\n")?;
    shop.lake.run(&[])?.exits_with(0)?;
    let rows = shop.rows("shop.visits")?;
    assert_eq!(rows.lines().count(), 4);
    audited_long_ago(&shop.lake, "shop.visits")?;
    // As long as it is so, it is said.
    for _ in 0..2 {
        let told = shop.lake.call(&["maintain"])?.exits_with(3)?;
        assert_eq!(maintained(&told, "shop.visits", "torn_identities")?, 1);
        assert_eq!(maintained(&told, "shop.visits", "copied_keys")?, 0);
        assert!(told.said().contains("GROUP BY visit_id"));
    }
    assert_eq!(shop.rows("shop.visits")?, rows);
    Ok(())
}

/// Rows of days that got none since the last audit are not read again.
#[test]
fn an_audit_looks_at_what_came_since_the_last_one() -> Result<()> {
    let lake = new_lake(ACCOUNT)?;
    let order = |day: u32, name: &str| {
        Delivery::new(
            format!("jwo/corner/Order/2026-0{day}-01/07/ALL{name}.csv000"),
            format!("order_id,order_date\nA-{day}{name},2026-0{day}-01\n"),
        )
    };
    lake.deliver(&order(3, "15"))?;
    lake.deliver(&order(7, "15"))?;
    lake.run(&[])?.exits_with(0)?;
    lake.call(&["maintain"])?.exits_with(0)?;
    lake.deliver(&order(7, "30"))?;
    lake.run(&[])?.exits_with(0)?;
    // A file of which nothing but its end can be read.
    let day = lake.table(ORDERS).join("order_date=2026-03-01");
    let file = fs::read_dir(&day)?.next().context("no file")??.path();
    let mut bytes = fs::read(&file)?;
    bytes[4..400].fill(0xff);
    fs::write(&file, bytes)?;
    lake.call(&["maintain", ORDERS])?.exits_with(0)?;
    // After a while all is looked at again.
    audited_long_ago(&lake, ORDERS)?;
    lake.call(&["maintain", ORDERS])?.exits_with(1)?;
    Ok(())
}
