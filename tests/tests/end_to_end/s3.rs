//! Lakes in a bucket over the wire: under faults of server and network, deaths and credentials that end; what is said where
//! something is missing; and what is asked of the server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use marketlake_tests::demo::{Demo, assert_same, fingerprints};
use marketlake_tests::s3::{Fault, Proxy, Request, S3Lake, Server};
use marketlake_tests::{Delivery, Run, shop};
use object_store::ObjectStoreExt;
use pipeline::failpoint;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

use crate::oracle;

/// Rounds of runners after which everything has to be in.
const ROUNDS: usize = 12;

/// Where the lake is.
pub(super) const LAKE: (&str, &str) = ("lake", "us-east-1");
pub(super) const THEIRS: (&str, &str) = ("theirs", "eu-west-2");

pub(super) fn ministack(buckets: &[(&str, &str)]) -> Result<Server> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("s3");
    Server::ministack(&oracle::environment(&folder)?, buckets)
}

#[test]
fn runners_over_a_bad_wire_of_which_some_die_give_what_one_local_run_gives() -> Result<()> {
    let server = ministack(&[LAKE])?;
    // Each token is good for some hundred requests.
    let proxy = Proxy::before(server.address(), Some(700))?;
    proxy.judge(bad_wire(5));
    disturbed(&server, &proxy, |lake| lake)?;
    ensure!(
        proxy.expired() > 2,
        "only {} tokens have expired",
        proxy.expired()
    );
    Ok(())
}

/// `MARKETLAKE_VERSITYGW` names the binary of a server that checks signatures and puts under a lock; it is no Python package,
/// so that not every machine has it.
#[test]
fn on_a_server_that_checks_signatures_it_is_the_same() -> Result<()> {
    let Some(program) = std::env::var_os("MARKETLAKE_VERSITYGW") else {
        eprintln!("not tried: MARKETLAKE_VERSITYGW names no versitygw");
        return Ok(());
    };
    let server = Server::versitygw(&PathBuf::from(program), &["lake"])?;
    let proxy = Proxy::before(server.address(), None)?;
    proxy.judge(bad_wire(6));
    disturbed(&server, &proxy, S3Lake::with_key)
}

/// Runs until everything is in, compares, maintains, makes a table anew, and compares again.
fn disturbed(server: &Server, proxy: &Proxy, known: fn(S3Lake) -> S3Lake) -> Result<()> {
    let demo = Demo::of_days(1)?;
    let lake = known(S3Lake::new(server, proxy, &demo.configuration)?);
    let mut deliveries = demo.deliveries.clone();
    deliveries.sort_by_key(|delivery| delivery.modified);
    lake.deliver(&deliveries)?;
    let local = demo.lake()?;
    local.deliver_all(&lake.delivered()?)?;
    local.run(&[])?.takes_in()?;
    let wanted = fingerprints(&local)?;

    let mut random = ChaCha8Rng::seed_from_u64(12);
    let (mut deaths, mut is_quiet, mut last) = (0, false, String::new());
    for round in 0..ROUNDS {
        let dies_at = (round < 3).then(|| failpoint::ALL.choose(&mut random)).flatten();
        let runs = std::thread::scope(|scope| {
            let runners = [dies_at, None].map(|dies_at| {
                let lake = &lake;
                scope.spawn(move || run(lake, dies_at.copied()))
            });
            runners.map(|runner| runner.join().map_err(|_| anyhow::anyhow!("a runner panicked"))?)
        });
        let runs = runs.into_iter().collect::<Result<Vec<Run>>>()?;
        deaths += runs.iter().filter(|run| run.code.is_none()).count();
        for run in &runs {
            // What the wire does to a run it may say, and nothing else.
            ensure!(matches!(run.code, None | Some(0 | 1 | 3)), "{run:?}");
        }
        is_quiet = runs
            .iter()
            .all(|run| run.code == Some(0) && !run.stdout.contains("\"updated\""));
        if is_quiet {
            break;
        }
        last = format!("{runs:#?}");
    }
    ensure!(
        is_quiet && deaths > 0,
        "after {deaths} deaths the runners still find something new: {last}"
    );
    assert_same(&wanted, &lake.fingerprints()?);

    lake.call(&["maintain"])?.exits_with(0)?;
    lake.call(&["rebuild", "jwo.orders"])?.takes_in()?;
    assert_same(&wanted, &lake.fingerprints()?);
    lake.has_no_secrets()
}

fn run(lake: &S3Lake, dies_at: Option<&str>) -> Result<Run> {
    let mut command = lake.command(&["run", "--from", "2020-01-01", "--batch-objects", "60"]);
    if let Some(failpoint) = dies_at {
        command.env("MARKETLAKE_FAILPOINT", failpoint);
    }
    lake.ended(&mut command)
}

/// One request in eight goes wrong, in every way that one can.
fn bad_wire(seed: u64) -> impl FnMut(&Request) -> Fault + Send + 'static {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    move |request| {
        if !random.random_bool(0.125) {
            return Fault::None;
        }
        let mut faults = vec![
            Fault::Refused(503, "SlowDown"),
            Fault::Refused(500, "InternalError"),
            Fault::Late(Duration::from_millis(150)),
        ];
        match request.method.as_str() {
            "GET" => faults.push(Fault::CutAnswer),
            "PUT" => faults.extend([
                Fault::DoneAndRefused(500, "InternalError"),
                Fault::CutWithin,
                Fault::DoneAndCut,
            ]),
            _ => {}
        }
        if request.commits() {
            faults.extend([
                Fault::Refused(409, "ConditionalRequestConflict"),
                Fault::DoneAndRefused(412, "PreconditionFailed"),
            ]);
        }
        faults.choose(&mut random).copied().unwrap_or(Fault::None)
    }
}

/// A lake with a contract of visits and more of a configuration.
pub(super) fn visits(server: &Server, proxy: &Proxy, more: &str) -> Result<S3Lake> {
    let lake = S3Lake::new(server, proxy, &format!("contracts = \"sql\"\n{more}"))?;
    let contracts = lake.folder().join("sql/shop");
    fs::create_dir_all(&contracts)?;
    fs::write(contracts.join("visits.toml"), shop::VISITS)?;
    fs::write(contracts.join("visits.sql"), shop::VISITS_SQL)?;
    Ok(lake)
}

/// A visit of that day of March, with as many guests.
pub(super) fn visit(day: usize) -> Delivery {
    let key = format!("shop/corner/2026-03-{day:02}/visits.csv");
    Delivery::new(key, format!("visit_id,seconds,guests\nv{day},60,{day}\n"))
}

/// How often an entry or an object that is new goes wrong before it goes through.
fn first_of_each(is_meant: fn(&Request) -> bool, fault: Fault) -> impl FnMut(&Request) -> Fault + Send {
    let mut met = BTreeSet::new();
    move |request| match is_meant(request) && met.insert((request.method.clone(), request.target.clone())) {
        true => fault,
        false => Fault::None,
    }
}

#[test]
fn whatever_becomes_of_a_request_the_rows_are_in_once_and_the_run_says_so() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = visits(&server, &proxy, "")?;
    let puts: fn(&Request) -> bool = |request| request.method == "PUT";
    let gets: fn(&Request) -> bool = |request| request.method == "GET";
    let faults = [
        (
            Request::commits as fn(&Request) -> bool,
            Fault::DoneAndRefused(500, "InternalError"),
        ),
        (Request::commits, Fault::DoneAndRefused(412, "PreconditionFailed")),
        (
            Request::commits,
            Fault::Refused(409, "ConditionalRequestConflict"),
        ),
        (puts, Fault::Refused(503, "SlowDown")),
        (puts, Fault::DoneAndRefused(500, "InternalError")),
        (puts, Fault::CutWithin),
        (puts, Fault::DoneAndCut),
        (gets, Fault::CutAnswer),
        (gets, Fault::Refused(500, "InternalError")),
        (|_| true, Fault::Late(Duration::from_millis(60))),
    ];
    for (index, (is_meant, fault)) in faults.into_iter().enumerate() {
        let number = index + 1;
        lake.deliver(&[visit(number)])?;
        proxy.judge(first_of_each(is_meant, fault));
        let run = lake.call(&["run", "shop.visits", "--from", "2020-01-01"])?;
        let report = run
            .exits_with(0)
            .with_context(|| format!("{fault:?}"))?
            .document()?;
        let table = &report["tables"][0];
        ensure!(
            table["outcome"] == "updated" && table["version"] == number,
            "{fault:?}: {report:#}"
        );
        ensure!(table["counts"]["rows_inserted"] == 1, "{fault:?}: {report:#}");
    }
    proxy.judge(|_| Fault::None);
    let rows = lake.fingerprints()?;
    let rows = rows
        .iter()
        .find(|(name, _)| name == "shop.visits")
        .context("no visits")?;
    let found: Vec<&str> = rows
        .1
        .lines()
        .skip(1)
        .filter_map(|line| line.rsplit(',').next())
        .collect();
    let wanted: Vec<String> = (1..=faults.len()).map(|number| number.to_string()).collect();
    assert_eq!(found, wanted, "{rows:?}");
    lake.has_no_secrets()
}

#[test]
fn what_is_missing_is_said_with_the_bucket_and_what_it_needs() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = visits(&server, &proxy, "")?;
    lake.deliver(&[visit(1)])?;
    let run = ["run", "shop.visits", "--from", "2020-01-01"];
    let said = |run: Run| format!("{}{}", run.stdout, run.stderr);
    let denied = Fault::Refused(403, "AccessDenied");
    let lists: fn(&Request) -> bool = |request| request.target.contains("prefix=prod%2Fraw");
    for (is_meant, needed) in [
        (lists, "s3:ListBucket"),
        (
            |request| request.method == "GET" && request.target.contains("/raw/"),
            "s3:GetObject",
        ),
        (|request| request.method == "PUT", "s3:PutObject"),
    ] {
        proxy.judge(move |request| if is_meant(request) { denied } else { Fault::None });
        let told = said(lake.call(&run)?.exits_with(1)?);
        ensure!(
            told.contains("s3://lake/") && told.contains(needed),
            "{needed}: {told}"
        );
    }
    proxy.judge(|_| Fault::None);
    let told = said(
        lake.call(&["--lake", "s3://nowhere/prod", "run"])?
            .exits_with(1)?,
    );
    ensure!(told.contains("there is no bucket nowhere"), "{told}");
    let without = |variable: &str, other: &str| {
        let mut command = lake.command(&run);
        lake.ended(command.env_remove(variable).env(other, "true"))
            .map(said)
    };
    let told = without("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_DISABLED")?;
    ensure!(told.contains("there are no AWS credentials"), "{told}");
    let told = without("TOKEN", "AWS_S3_ALLOW_UNSAFE_RENAME")?;
    ensure!(told.contains("AWS_S3_ALLOW_UNSAFE_RENAME is set"), "{told}");
    // After all that the run is as if nothing had been.
    lake.call(&run)?.exits_with(0)?;
    lake.has_no_secrets()
}

#[test]
fn an_account_is_read_by_its_role_in_its_region_and_objects_are_encrypted_as_configured() -> Result<()> {
    let server = ministack(&[LAKE, THEIRS])?;
    let proxy = Proxy::before(server.address(), None)?;
    let account = |external_id: &str| {
        format!(
            "kms_key = \"alias/ours\"\n[[account]]\nalias = \"corner\"\nsource = \"shop\"\nraw = \"s3://theirs/visits\"\n\
             region = \"eu-west-2\"\nrole = \"arn:aws:iam::111122223333:role/READER\"\nexternal_id = \"{external_id}\"\n"
        )
    };
    let key = object_store::path::Path::from("visits/2026-03-01/visits.csv");
    let theirs = server.store(THEIRS.0, THEIRS.1)?;
    tokio::runtime::Runtime::new()?.block_on(theirs.put(&key, visit(1).bytes.into()))?;
    let run = ["run", "shop.visits", "--from", "2020-01-01"];
    let refused = visits(&server, &proxy, &account("another"))?.call(&run)?;
    let told = format!("{}{}", refused.stdout, refused.stderr);
    ensure!(
        told.contains("role/READER cannot be taken on") && told.contains("sts:AssumeRole"),
        "{told}"
    );

    proxy.seen();
    let lake = visits(&server, &proxy, &account("agreed"))?;
    let report = lake.call(&run)?.exits_with(0)?.document()?;
    ensure!(report["tables"][0]["counts"]["rows_inserted"] == 1, "{report:#}");
    let (mut of_role, mut puts) = (0, 0);
    for request in proxy.seen() {
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let is_theirs = request.target.starts_with("/theirs");
        if is_theirs || request.target.starts_with("/lake") {
            let region = if is_theirs {
                "/eu-west-2/s3/"
            } else {
                "/us-east-1/s3/"
            };
            assert!(header("authorization").contains(region), "{request:?}");
            assert_eq!(
                header("x-amz-security-token").ends_with("-role"),
                is_theirs,
                "{request:?}"
            );
            of_role += usize::from(is_theirs);
        }
        if request.method == "PUT" {
            let how = ["", "-aws-kms-key-id", "-bucket-key-enabled"];
            let how = how.map(|more| header(&format!("x-amz-server-side-encryption{more}")));
            assert_eq!(how, ["aws:kms", "alias/ours", "true"], "{request:?}");
            puts += 1;
        }
    }
    ensure!(
        of_role > 0 && puts > 0,
        "{of_role} requests by the role, {puts} puts"
    );
    lake.has_no_secrets()
}

#[test]
fn a_demo_in_a_bucket_finds_true_what_it_checks_and_its_raw_zone_is_read_into_a_local_lake() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = S3Lake::new(&server, &proxy, "")?;
    fs::remove_file(lake.folder().join("marketlake.toml"))?;
    let demo = [
        "--lake",
        "s3://lake/prod",
        "--catalog",
        "glue",
        "demo",
        "--days",
        "1",
        "--first",
        "2026-03-01",
    ];
    lake.call(&[&demo[..4], &["catalog", "sync", "--create-databases"]].concat())?
        .exits_with(0)?;
    for _ in 0..2 {
        // The second one makes the lake of the first one anew.
        let made = lake.call(&demo)?.exits_with(0)?.document()?;
        let checks = made["checks"].as_array().context("nothing was checked")?;
        ensure!(checks.len() > 7, "{checks:?}");
    }
    let count = [
        "--config",
        "marketlake-demo.toml",
        "query",
        "SELECT count(*) AS n FROM jwo.order_rows",
    ];
    let rows = lake.call(&count)?.exits_with(0)?.document()?;
    ensure!(rows["n"].as_u64() > Some(0), "{rows}");
    let compared = ["--config", "marketlake-demo.toml", "catalog", "diff"];
    let compared = lake.call(&compared)?.exits_with(0)?.document()?;
    let entries = compared["entries"].as_array().context("no entries")?;
    ensure!(
        entries.len() > 10 && entries.iter().all(|entry| entry["state"] == "same"),
        "{compared:#}"
    );
    let here = [
        "--config",
        "marketlake-demo.toml",
        "--catalog",
        "local",
        "--raw",
        "s3://lake/prod/raw",
        "--lake",
        "here",
        "--curated",
        "here/curated",
    ];
    lake.call(&[here.as_slice(), &["run", "jwo.order_rows"]].concat())?
        .takes_in()?;
    let local = lake
        .call(&[here.as_slice(), &count[2..]].concat())?
        .exits_with(0)?
        .document()?;
    assert_eq!(local, rows);
    // What a demo did not make it leaves alone.
    let foreign = [&["--lake", "s3://lake/prod/curated"], &demo[2..]].concat();
    let told = lake.call(&foreign)?.exits_with(2)?.stderr;
    ensure!(told.contains("was not made by a demo"), "{told}");
    lake.has_no_secrets()
}
