//! SIGKILL at random moments, while files are being delivered.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use marketlake_tests::demo::{Demo, assert_same, fingerprints};
use marketlake_tests::{Delivery, LakeUnderTest};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::changes::assert_complete;

/// Deaths that the lake has to survive, unless `MARKETLAKE_KILLS` says how many.
const KILLS: usize = 100;

fn kills_wanted() -> Result<usize> {
    match std::env::var("MARKETLAKE_KILLS") {
        Ok(kills) => Ok(kills.parse()?),
        Err(_) => Ok(KILLS),
    }
}

#[test]
fn a_lake_whose_runs_were_killed_often_holds_what_one_run_gives() -> Result<()> {
    let demo = Demo::of_days(1)?;
    let wanted = demo.undisturbed()?;
    let lake = demo.lake()?;
    disturb(&lake, &demo.deliveries, kills_wanted()?)?;
    assert_same(&wanted, &fingerprints(&lake)?);
    assert_complete(&lake)
}

/// Delivers in random portions, some objects twice, while runs and maintenance go on and are killed at random moments so
/// many times; then runs to the end.
pub(crate) fn disturb(lake: &LakeUnderTest, deliveries: &[Delivery], wanted_kills: usize) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut waiting: Vec<Delivery> = deliveries.to_vec();
    waiting.shuffle(&mut rng);
    let (mut kills, mut runs) = (0, 0);
    while kills < wanted_kills {
        runs += 1;
        ensure!(
            runs <= 5 * wanted_kills,
            "only {kills} of {runs} runs could be killed"
        );
        let portion = rng
            .random_range(0..=1 + 2 * deliveries.len() / wanted_kills)
            .min(waiting.len());
        lake.deliver_all(&waiting.split_off(waiting.len() - portion))?;
        if waiting.is_empty() || rng.random_bool(0.1) {
            // The same file again, changed later: there is always something to take in.
            let again = &deliveries[rng.random_range(0..deliveries.len())];
            waiting.retain(|one| one.key != again.key);
            lake.deliver(&again.clone().at(again.modified + TimeDelta::seconds(runs as i64)))?;
        }
        let objects = rng.random_range(1..=20).to_string();
        let arguments: &[&str] = match rng.random_range(0..20) {
            0 => &["maintain"],
            _ => &["run", "--from", "2020-01-01", "--batch-objects", &objects],
        };
        let mut run = lake
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        sleep(Duration::from_millis(rng.random_range(5..300)));
        if run.try_wait()?.is_none() {
            run.kill()?;
            kills += 1;
        }
        let ended = run.wait()?;
        ensure!(
            matches!(ended.code(), None | Some(0 | 3)),
            "a run that was not killed ended with {ended}"
        );
    }
    lake.deliver_all(&waiting)?;
    lake.run(&[])?.takes_in()?;
    Ok(())
}
