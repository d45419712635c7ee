//! Arguments of the commands for tables of one's own.

use std::path::PathBuf;

use clap::Args;
use pipeline::contract::TableName;

#[derive(Debug, Args)]
#[command(after_help = "\
A case is a folder <source>/<table>/<case>: raw/ with objects as in the raw zone, case.toml (what
it proves, accounts, outcome), and what must come of it: rows.csv and quarantine.csv. Each runs in
a lake of its own as is, with its files in reverse order one by one, and with every file delivered
twice; with --crash also with a death of the program at each failpoint. All must give the same.

Exit code 1 when one does not. docs/cases.md explains the files.

Examples:
  marketlake --contracts sql test
  marketlake --contracts sql test shop.visits --crash
  marketlake --contracts sql test shop.visits --bless     then read what it wrote")]
pub(crate) struct TestArgs {
    /// Only cases of these tables
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<TableName>,
    /// Folder of the cases [default: fixtures beside the folder of contracts]
    #[arg(long, value_name = "DIR")]
    pub(crate) cases: Option<PathBuf>,
    /// Also kill the program at each failpoint and run again; takes several times as long
    #[arg(long)]
    pub(crate) crash: bool,
    /// Take what comes out now as wanted: rewrite rows.csv and quarantine.csv
    #[arg(long, conflicts_with = "crash")]
    pub(crate) bless: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the samples and writes <contracts>/<source>/<table>.toml with columns, types, key and path as
they look from here, and comments on what a person has to decide; and a case of the first rows of
each sample, <cases>/<source>/<table>/first. Values that look personal are masked in it. Then the
contract is checked and the case is run.

A sample that lies in the raw zone, or at a path such as .../shop/corner/2026-03-01/visits.csv,
tells path pattern and account, too. A manifest beside it is taken along.

Examples:
  marketlake new shop.visits --sample downloads/visits.csv
  marketlake --contracts sql new ads.sb_campaigns --sample lake/raw/ads/uk/sbCampaigns/2026-03-05/r.gz
  marketlake --contracts sql new shop.visits --sample a.csv --sample b.csv --force")]
pub(crate) struct NewArgs {
    /// Name of the new table, such as shop.visits
    #[arg(value_name = "TABLE")]
    pub(crate) table: TableName,
    /// A raw object of the table; several of one format make the guess better
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) sample: Vec<PathBuf>,
    /// Path of the array with the rows, where a JSON document has several: data.rows
    #[arg(long, value_name = "PATH")]
    pub(crate) rows: Option<String>,
    /// Folder for the case [default: fixtures beside the folder of contracts]
    #[arg(long, value_name = "DIR")]
    pub(crate) cases: Option<PathBuf>,
    /// Replace a contract and a first case that are there
    #[arg(long)]
    pub(crate) force: bool,
}
