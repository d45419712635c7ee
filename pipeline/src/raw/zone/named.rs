//! Where objects belong that somebody names by bucket and key, such as events of a bucket do.

use std::collections::BTreeSet;

use url::Url;

use crate::contract::TableName;
use crate::error::Result;
use crate::lake::Lake;
use crate::raw::manifest;
use crate::request::{DayFolder, Selection};
use crate::storage::address;

use super::Watched;

/// An object that somebody names, as a source delivers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// Where it is looked for.
    pub folder: DayFolder,
    /// Path below the raw root, as if its account had no root of its own.
    pub path: String,
    /// The tables that read it.
    pub tables: BTreeSet<TableName>,
}

/// The places of all tables that are fed by raw objects.
pub struct RawPlaces(Vec<RawPlace>);

/// A place, and who reads what it has.
struct RawPlace {
    source: String,
    bucket: String,
    /// Path of the root in the bucket, with `/` behind it; empty at the bucket's own root.
    root: String,
    watched: Watched,
    tables: BTreeSet<TableName>,
}

impl Lake {
    /// Where raw objects lie in buckets, so that it can be said where one belongs that is named.
    ///
    /// # Errors
    /// When the root of an account is no address.
    pub fn raw_places(&self) -> Result<RawPlaces> {
        let zone = self.raw_zone();
        let mut places: Vec<RawPlace> = Vec::new();
        for (table, contract) in self.contracts() {
            let Some(feed) = contract.raw_feed() else { continue };
            for watched in zone.places(&table.source, feed, &Selection::default())? {
                let same = |known: &&mut RawPlace| {
                    known.source == table.source
                        && known.watched.root == watched.root
                        && known.watched.account == watched.account
                        && known.watched.pattern == watched.pattern
                };
                match places.iter_mut().find(same) {
                    Some(known) => known.tables.extend([table.clone()]),
                    None => places.extend(RawPlace::of(table, watched)?),
                }
            }
        }
        Ok(RawPlaces(places))
    }
}

impl RawPlace {
    /// None of a place that is in no bucket.
    fn of(table: &TableName, watched: Watched) -> Result<Option<Self>> {
        let Some(bucket) = bucket_of(&watched.root) else {
            return Ok(None);
        };
        let path = address::path_of(&watched.root)?;
        Ok(Some(Self {
            source: table.source.clone(),
            bucket,
            root: match path.as_ref() {
                "" => String::new(),
                path => format!("{path}/"),
            },
            watched,
            tables: BTreeSet::from([table.clone()]),
        }))
    }

    /// The path below the root; none of what lies elsewhere.
    fn below<'a>(&self, bucket: &str, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.root).filter(|_| bucket == self.bucket)
    }

    fn object(&self, path: &str) -> Option<NamedObject> {
        let found = self.watched.pattern.matches(path)?;
        Some(NamedObject {
            folder: DayFolder {
                source: self.source.clone(),
                account: self.watched.account.clone().or(found.account),
                day: found.period.date(),
            },
            path: format!("{}{path}", self.watched.above),
            tables: self.tables.clone(),
        })
    }
}

impl RawPlaces {
    /// Whether none is in a bucket, so that no object that is named is one of these places.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the object of that key in that bucket is for the tables that read it; nothing where no table does. What is delivered
    /// beside an object stands for the object. None where it lies below no root: who reads it is not known here.
    pub fn of(&self, bucket: &str, key: &str) -> Option<Vec<NamedObject>> {
        let key = key.strip_suffix(manifest::SUFFIX).unwrap_or(key);
        let mut objects: Option<Vec<NamedObject>> = None;
        for place in &self.0 {
            if let Some(path) = place.below(bucket, key) {
                objects.get_or_insert_default().extend(place.object(path));
            }
        }
        objects
    }
}

fn bucket_of(root: &Url) -> Option<String> {
    let is_bucket = root.scheme() == "s3";
    root.host_str().filter(|_| is_bucket).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::contract::{SourceFile, load};
    use crate::lake::Settings;
    use crate::raw::account::Account;
    use crate::storage::Stores;

    /// A lake in a bucket, with visits of shops, of which one has a bucket of its own.
    async fn places() -> RawPlaces {
        let own = Account {
            raw: Some("s3://theirs/of shops".to_owned()),
            ..Account::unconfigured("shop", "market")
        };
        places_of(
            "s3://lake/prod/",
            vec![Account::unconfigured("shop", "corner"), own],
        )
        .await
    }

    async fn places_of(root: &str, accounts: Vec<Account>) -> RawPlaces {
        let contract = |table: &str, path: &str| SourceFile {
            path: format!("shop/{table}.toml"),
            text: format!(
                "description = \"One visit.\"\npath = \"{path}\"\nformat = \"csv\"\nkeep = \"every_row\"\nkey = [\"id\"]\n\
                 [columns]\nid = \"text\"\n"
            ),
        };
        let contracts = load(
            &[],
            &[
                contract("visits", "shop/{account}/{date}/{name}.csv"),
                contract("guests", "shop/{account}/{date}/{name}.csv"),
                contract("days", "shop/days/{account}-{date}.csv"),
            ],
        )
        .unwrap();
        let root = Url::parse(root).unwrap();
        let mut stores = Stores::default();
        for bucket in ["s3://lake/", "s3://theirs/"] {
            let bucket = Url::parse(bucket).unwrap();
            stores = stores.with(&bucket, Arc::new(InMemory::new())).unwrap();
        }
        let lake = Lake::open(Settings::of_test(&root), stores, contracts, accounts);
        lake.await.unwrap().raw_places().unwrap()
    }

    #[tokio::test]
    async fn an_object_belongs_to_the_folder_of_its_account_and_day() {
        let places = places().await;
        let of = |bucket: &str, key: &str| {
            let Some(found) = places.of(bucket, key) else {
                return "elsewhere".to_owned();
            };
            let told = found.into_iter().map(|object| {
                let tables: Vec<&str> = object.tables.iter().map(|table| table.table.as_str()).collect();
                let (folder, path) = (object.folder, object.path);
                let account = folder.account.unwrap_or_default();
                format!(
                    "{} {account} {} {}: {path}",
                    folder.source,
                    folder.day,
                    tables.join("+")
                )
            });
            told.collect::<Vec<_>>().join("; ")
        };
        let day = "2026-03-01";
        let visits = |name: &str| format!("shop corner {day} guests+visits: shop/corner/{day}/{name}");
        assert_eq!(
            of("lake", &format!("prod/raw/shop/corner/{day}/a b.csv")),
            visits("a b.csv")
        );
        let beside = format!("prod/raw/shop/corner/{day}/a.csv{}", manifest::SUFFIX);
        assert_eq!(of("lake", &beside), visits("a.csv"));
        // As a listing of the account's own root calls it.
        assert_eq!(
            of("theirs", &format!("of shops/{day}/a.csv")),
            format!("shop market {day} guests+visits: shop/market/{day}/a.csv")
        );
        assert_eq!(
            of("lake", &format!("prod/raw/shop/days/corner-{day}.csv")),
            format!("shop corner {day} days: shop/days/corner-{day}.csv")
        );
        for (bucket, key) in [
            ("lake", "prod/raw/shop/corner/2026-03-01/a.txt"),
            ("lake", "prod/raw/shop/corner/2026-02-31/a.csv"),
        ] {
            assert_eq!(of(bucket, key), "", "{bucket} {key}");
        }
        for (bucket, key) in [
            ("lake", "prod/curated/shop/corner/2026-03-01/a.csv"),
            ("lake", "prod/raw"),
            ("lake", ""),
            ("lake", "/prod/raw/shop/corner/2026-03-01/a.csv"),
            ("theirs", "of shopsX/2026-03-01/a.csv"),
            ("other", "prod/raw/shop/corner/2026-03-01/a.csv"),
        ] {
            assert_eq!(of(bucket, key), "elsewhere", "{bucket} {key}");
        }
    }

    #[tokio::test]
    async fn a_lake_of_this_machine_has_places_in_buckets_only_where_an_account_has_one() {
        let corner = Account::unconfigured("shop", "corner");
        assert!(
            places_of("file:///nowhere/lake/", vec![corner.clone()])
                .await
                .is_empty()
        );
        let theirs = Account {
            raw: Some("s3://theirs/visits".to_owned()),
            ..corner
        };
        assert!(!places_of("file:///nowhere/lake/", vec![theirs]).await.is_empty());
    }
}
