//! What tables do not have of what lies in folders of the raw zone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::commit::{checked, waiting_of};
use crate::contract::{Contract, TableName};
use crate::error::{Error, Kind, Result};
use crate::ingest::{Group, listed};
use crate::lake::Lake;
use crate::raw::{Identity, Listing, NamedObject, RawObject};
use crate::request::{DayFolder, Selection};
use crate::system::ledger::Ledger;

/// What some tables lack.
#[derive(Debug, Default)]
pub struct Lacking(BTreeMap<TableName, Lacks>);

/// What a table lacks.
#[derive(Debug)]
enum Lacks {
    /// Nobody knows what it has, so it may be anything.
    Anything,
    /// Objects of these paths, and whatever these accounts have delivered: there it cannot be listed.
    These {
        paths: BTreeSet<String>,
        accounts: BTreeSet<Option<String>>,
    },
}

impl Lake {
    /// What these tables lack of what lies in these folders, as folders, ledger and tables say now: objects that no batch has
    /// taken, or only one that is not committed, and those that storage does not let be read.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn lacking(
        &self,
        tables: &BTreeSet<TableName>,
        folders: BTreeSet<DayFolder>,
    ) -> Result<Lacking> {
        let selection = Selection {
            folders: Some(Arc::new(folders)),
            ..Selection::default()
        };
        let ledger = Ledger::open_existing(self.curated()).await?;
        let mut lacking = Lacking::default();
        for group in Group::of(self.contracts(), |contract| tables.contains(&contract.name)) {
            let listing = listed(self, &group.contracts, &selection).await;
            for contract in &group.contracts {
                let lacks = match &listing {
                    Ok(listing) => lacks(self, ledger.as_ref(), contract, listing).await,
                    Err(error) => Err(Error::internal(error.chain())),
                };
                let lacks = lacks.unwrap_or_else(|error| {
                    tracing::debug!(%error, table = %contract.name, "what a table has is not known");
                    Lacks::Anything
                });
                lacking.0.insert(contract.name.clone(), lacks);
            }
        }
        Ok(lacking)
    }
}

impl Lacking {
    /// Where nobody knows what these tables have.
    pub fn anything(tables: BTreeSet<TableName>) -> Self {
        let anything = tables.into_iter().map(|table| (table, Lacks::Anything));
        Self(anything.collect())
    }

    /// Whether a table that reads this object may lack it.
    pub fn names(&self, object: &NamedObject) -> bool {
        let mut lacks = object.tables.iter().filter_map(|table| self.0.get(table));
        lacks.any(|lacks| match lacks {
            Lacks::Anything => true,
            Lacks::These { paths, accounts } => {
                let account = &object.folder.account;
                paths.contains(&object.path) || accounts.contains(account) || accounts.contains(&None)
            }
        })
    }
}

/// What a table lacks of what was listed.
async fn lacks(
    lake: &Lake,
    ledger: Option<&Ledger>,
    contract: &Contract,
    listing: &Listing,
) -> Result<Lacks> {
    let in_table = InTable::of(lake, ledger, contract, &listing.objects).await?;
    let lacking = listing.objects.iter().filter(|object| !in_table.has(object));
    Ok(Lacks::These {
        paths: lacking.map(|object| object.path.clone()).collect(),
        accounts: listing
            .refused
            .iter()
            .map(|refused| refused.account.clone())
            .collect(),
    })
}

/// Which of some objects are in a table.
#[derive(Default)]
struct InTable {
    taken: HashSet<Identity>,
    /// Paths of those that its batches went on without.
    waiting: BTreeSet<String>,
}

impl InTable {
    async fn of(
        lake: &Lake,
        ledger: Option<&Ledger>,
        contract: &Contract,
        objects: &[RawObject],
    ) -> Result<Self> {
        let name = &contract.name;
        let log = lake.table_log(name)?;
        let (Some(ledger), Some(snapshot)) = (ledger, log.load().await?) else {
            return Ok(Self::default());
        };
        let (batches, last) = checked(&log, &snapshot, ledger).await?;
        let claimed = ledger.progress(name).claimed;
        let mut taken = ledger.known(name, objects).await?;
        match claimed - batches {
            0 => {}
            1 => {
                let claim = ledger.claim_of(name, claimed).await?;
                for object in claim.iter().flat_map(|claim| &claim.draft.objects) {
                    taken.remove(&object.identity());
                }
            }
            _ => {
                let what = format!("ledger knows batches up to {claimed} and the table has {batches}");
                return Err(Error::new(Kind::Foreign, what).with("table", name));
            }
        }
        Ok(Self {
            taken,
            waiting: waiting_of(last.as_ref())?.into_keys().collect(),
        })
    }

    fn has(&self, object: &RawObject) -> bool {
        self.taken.contains(&object.identity()) && !self.waiting.contains(&object.path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use chrono::NaiveDate;
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::commit::table::now;
    use crate::contract::{SourceFile, load};
    use crate::lake::Settings;
    use crate::raw::manifest;
    use crate::report::Silent;
    use crate::storage::Stores;
    use crate::system::ledger::Draft;

    /// A lake with visits of shops, and documents about them.
    async fn lake(folder: &Path) -> Lake {
        let contract = |table: &str, keep: &str| SourceFile {
            path: format!("shop/{table}.toml"),
            text: format!(
                "description = \"One.\"\npath = \"shop/{{account}}/{table}/{{date}}/{{name}}.csv\"\nformat = \"csv\"\n{keep}\
                 partition = [\"day\"]\n[columns]\nday = {{ type = \"date\", from = \"_period\" }}\nid = \"text\"\n"
            ),
        };
        let contracts = load(
            &[],
            &[
                contract("visits", "keep = \"every_row\"\nkey = [\"day\", \"id\"]\n"),
                contract(
                    "papers",
                    "keep = \"latest_document\"\nper = [\"day\"]\nnewest_by = [\"_generated_at\"]\n",
                ),
            ],
        );
        let root = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
        let lake = Lake::open(
            Settings::of_test(&root),
            Stores::default(),
            contracts.unwrap(),
            Vec::new(),
        );
        lake.await.unwrap()
    }

    /// The object of that path in the raw zone, delivered if there is none.
    fn object(folder: &Path, account: &str, table: &str, name: &str) -> NamedObject {
        let path = format!("shop/{account}/{table}/2026-03-01/{name}.csv");
        let file = folder.join("raw").join(&path);
        if !file.exists() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("id\n{name}\n")).unwrap();
        }
        NamedObject {
            folder: DayFolder {
                source: "shop".to_owned(),
                account: Some(account.to_owned()),
                day: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
            },
            path,
            tables: BTreeSet::from([format!("shop.{table}").parse().unwrap()]),
        }
    }

    /// Which of these objects their tables lack.
    async fn lacked(lake: &Lake, objects: &[&NamedObject]) -> Vec<bool> {
        let tables = objects.iter().flat_map(|object| object.tables.clone()).collect();
        let folders = objects.iter().map(|object| object.folder.clone()).collect();
        let lacking = lake.lacking(&tables, folders).await.unwrap();
        objects.iter().map(|object| lacking.names(object)).collect()
    }

    #[tokio::test]
    async fn a_table_lacks_what_came_since_what_is_only_claimed_and_what_cannot_be_listed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let lake = lake(folder).await;
        let visit = |account: &str, name: &str| object(folder, account, "visits", name);
        let first = visit("corner", "first");
        assert_eq!(lacked(&lake, &[&first]).await, [true]);
        lake.run(&Selection::default(), &Silent).await.unwrap();
        let (second, theirs) = (visit("corner", "second"), visit("market", "theirs"));
        let all = [&first, &second, &theirs];
        assert_eq!(lacked(&lake, &all).await, [false, true, true]);
        // Claimed, and not committed.
        let mut ledger = Ledger::open(lake.curated()).await.unwrap();
        let name: TableName = "shop.visits".parse().unwrap();
        let contract = &lake.contracts()[&name];
        let selection = Selection::default();
        let objects = listed(&lake, &[contract], &selection).await.unwrap().objects;
        let draft = Draft {
            table: name,
            batch: 2,
            rules: contract.fingerprint(),
            objects: objects
                .into_iter()
                .filter(|object| object.path != first.path)
                .collect(),
            inputs: Vec::new(),
        };
        assert!(ledger.claim(&[draft], now(), async { Ok(true) }).await.unwrap());
        assert_eq!(lacked(&lake, &all).await, [false, true, true]);
        lake.run(&Selection::default(), &Silent).await.unwrap();
        assert_eq!(lacked(&lake, &all).await, [false; 3]);
        // Where nobody can look there may be anything, and elsewhere not.
        let far = folder.join("raw/shop/market/visits/2026-03-01/far");
        symlink("x".repeat(4000), far).unwrap();
        assert_eq!(lacked(&lake, &all).await, [false, false, true]);
        // What was changed is another object.
        let file = folder.join("raw").join(&first.path);
        fs::write(file, "id\nanother\n").unwrap();
        assert_eq!(lacked(&lake, &all).await, [true, false, true]);
    }

    #[tokio::test]
    async fn of_a_document_in_parts_all_parts_are_lacking_until_the_last_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let lake = lake(folder).await;
        let paper = |name: &str| object(folder, "corner", "papers", name);
        let part = |name: &str, number: u32| {
            let paper = paper(name);
            let said = json!({
                "schema": 1,
                "document_id": "d",
                "generated_at": "2026-03-04T09:00:00Z",
                "parts": { "number": number, "of": 2 },
            });
            let file = folder
                .join("raw")
                .join(format!("{}{}", paper.path, manifest::SUFFIX));
            fs::write(file, said.to_string()).unwrap();
            paper
        };
        let (whole, one) = (paper("whole"), part("one", 1));
        let report = lake.run(&Selection::default(), &Silent).await.unwrap();
        assert!(report.tables.iter().any(|table| table.waiting_documents == 1));
        assert_eq!(lacked(&lake, &[&whole, &one]).await, [false, true]);
        let two = part("two", 2);
        lake.run(&Selection::default(), &Silent).await.unwrap();
        assert_eq!(lacked(&lake, &[&whole, &one, &two]).await, [false; 3]);
    }
}
