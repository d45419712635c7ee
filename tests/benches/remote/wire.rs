//! Processes over the wire, beside peers: an S3 server of this machine, behind a proxy that keeps each answer for 40 ms.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use marketlake_tests::Delivery;
use marketlake_tests::s3::{Fault, KEY_ID, Proxy, S3Lake, SECRET, Server};

use super::DELAY;

/// What arrives, in this order.
pub(super) struct Arrivals {
    pub(super) before: Vec<Delivery>,
    pub(super) orders: Vec<Delivery>,
    pub(super) messages: Vec<Delivery>,
}

/// Tables of the orders, and what identifies a row of them with the partition; the last two are computed.
const OF_ORDERS: &[&str] = &[
    "jwo/orders:order_date,merchant_id,order_id",
    "jwo/order_lines:order_date,merchant_id,order_id,line_id",
    "jwo/order_rows:report_date,object_path,row_number,content_hash",
    "jwo/order_totals:order_date,merchant_id,order_id",
    "jwo/store_hourly:order_date,merchant_id,store_id,hour,currency_code",
];
/// Of the messages.
const OF_MESSAGES: &[&str] = &["ams/sp_traffic:window_date,dataset_id,idempotency_id"];

/// One S3 server with the lake, and the peers' copies of its tables.
struct Bench<'a> {
    server: Server,
    proxy: Proxy,
    lake: S3Lake,
    python: &'a Path,
}

/// Runs of the program, each beside the merges of peers that bring their copies of its tables to the same rows.
pub(super) fn beside_peers(python: &Path, configuration: &str, arrivals: &Arrivals) -> Result<()> {
    let server = Server::ministack(python, &[("lake", "us-east-1")])?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = S3Lake::new(&server, &proxy, configuration)?;
    let bench = Bench {
        server,
        proxy,
        lake,
        python,
    };
    println!(
        "\n{:<44} {:>8} {:>9} {:>12}",
        "a process over the wire at 40 ms", "seconds", "requests", "ratio"
    );
    bench.lake.deliver(&arrivals.before)?;
    bench.run()?;
    bench.timed("nothing new")?;
    bench.beside(
        "a quarter of an hour of store orders",
        &arrivals.orders,
        OF_ORDERS,
        "upsert",
    )?;
    bench.beside(
        "three objects of Marketing Stream",
        &arrivals.messages,
        OF_MESSAGES,
        "insert",
    )
}

impl Bench<'_> {
    fn run(&self) -> Result<Duration> {
        let started = Instant::now();
        let run = self.lake.call(&["run", "--from", "2026-02-01"])?;
        let took = started.elapsed();
        ensure!(matches!(run.code, Some(0 | 3)), "it failed: {run:?}");
        Ok(took)
    }

    /// How long a run takes that waits for each answer, in seconds.
    fn timed(&self, what: &str) -> Result<f64> {
        self.proxy.seen();
        self.proxy.judge(|_| Fault::Late(DELAY));
        let took = self.run()?.as_secs_f64();
        self.proxy.judge(|_| Fault::None);
        println!("{what:<44} {took:>8.2} {:>9}", self.proxy.seen().len());
        Ok(took)
    }

    /// A run after these arrived, then each peer.
    fn beside(&self, what: &str, arrived: &[Delivery], tables: &[&str], how: &str) -> Result<()> {
        // The peers begin with the rows that our tables have now.
        self.peer("copy", how, tables)?;
        self.lake.deliver(arrived)?;
        let ours = self.timed(what)?;
        for peer in ["deltalake", "polars"] {
            self.proxy.seen();
            self.proxy.judge(|_| Fault::Late(DELAY));
            let theirs = self.peer(peer, how, tables)?;
            self.proxy.judge(|_| Fault::None);
            println!(
                "{:<44} {theirs:>8.2} {:>9} {:>12.2}",
                format!("  MERGE of {peer}, {} tables", tables.len()),
                self.proxy.seen().len(),
                ours / theirs
            );
        }
        Ok(())
    }

    /// What a peer does with its copies of these tables; the seconds that it counted.
    fn peer(&self, action: &str, how: &str, tables: &[&str]) -> Result<f64> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bench/remote.py");
        let said = Command::new(self.python)
            .arg(script)
            .args([action, how])
            .arg(format!("http://{}", self.server.address()))
            .arg(self.proxy.uri())
            .args(tables)
            .envs([("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)])
            .output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        ensure!(
            said.status.success(),
            "{text}\n{}",
            String::from_utf8_lossy(&said.stderr)
        );
        Ok(text.trim().parse()?)
    }
}
