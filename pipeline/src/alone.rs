//! For those who fill the raw zone: where accounts deliver, a folder of the lake for what has to be remembered, and the right to
//! work on one account alone.

use std::fmt::Write;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::contract::TableName;
use crate::error::Result;
use crate::lake::Lake;
use crate::raw::account::Account;
use crate::storage::address::{below, folder};
use crate::storage::{Lease, Place};

/// What the names of these leases begin with, as those of tables with their sources.
const LEASES: &str = "acquire";

/// A folder in a store.
pub struct Folder {
    /// The store; paths in it begin at its root.
    pub store: Arc<dyn ObjectStore>,
    /// Where it is in the store.
    pub path: Path,
    /// Whether it is on a disk of this machine.
    pub is_local: bool,
}

/// The right to fill the raw zone for one account. It ends with the process; who loses it without knowing finds out by what
/// was written in its folder meanwhile.
pub struct Alone(Lease);

impl Alone {
    /// Gives it back.
    pub async fn end(self) {
        self.0.release().await;
    }
}

impl Lake {
    /// The right to fill the raw zone alone for what has that name; none where somebody else has it for longer than a run waits.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn alone(&self, name: &str) -> Result<Option<Alone>> {
        let lease = TableName {
            source: LEASES.to_owned(),
            table: plain(name),
        };
        let (leases, tables) = (self.leases()?, [lease]);
        let lease = Lease::take(&leases, &tables, self.settings().busy_wait);
        Ok(self.stop().unless(lease).await?.map(Alone))
    }

    /// The folder of the lake for what has to be remembered under a name, such as `sp_api/corner`.
    ///
    /// # Errors
    /// When the name is none.
    pub fn remembering(&self, name: &str) -> Result<Folder> {
        self.curated().own("acquire")?.below(name).map(Folder::from)
    }

    /// The folder in which an account delivers: its own root, or its part of the raw root; without an account, that of the source.
    ///
    /// # Errors
    /// When it is none.
    pub fn delivers(&self, source: &str, account: Option<&str>) -> Result<Folder> {
        let configured = |alias: &str| {
            let mut accounts = self.accounts().iter();
            accounts.find(|account| account.source == source && account.alias == alias)
        };
        let own = match account.and_then(configured) {
            Some(account) => self.raw_zone().root_of(account)?,
            None => None,
        };
        let (root, names) = match own {
            Some(own) => (own, String::new()),
            None => (
                below(&folder(&self.settings().raw), &format!("{source}/"))?,
                account.unwrap_or_default().to_owned(),
            ),
        };
        let place = self.stores().place(&root)?;
        match names.is_empty() {
            true => Ok(place.into()),
            false => place.below(&names).map(Folder::from),
        }
    }

    /// The account of that alias, with what is configured of it.
    pub fn account(&self, source: &str, alias: &str) -> Account {
        let mut accounts = self.accounts().iter();
        let known = accounts.find(|account| account.source == source && account.alias == alias);
        known
            .cloned()
            .unwrap_or_else(|| Account::unconfigured(source, alias))
    }
}

impl From<Place> for Folder {
    fn from(place: Place) -> Self {
        Self {
            store: place.store().clone(),
            path: place.path().clone(),
            is_local: place.is_local(),
        }
    }
}

/// A name that can be that of a file everywhere, and of no other lease.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => plain.push(char::from(byte)),
            // A text takes everything.
            _ => _ = write!(plain, "%{byte:02X}"),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::Stores;
    use crate::contract::Contracts;
    use crate::lake::Settings;

    #[tokio::test]
    async fn an_account_delivers_into_its_own_root_or_its_part_of_the_raw_zone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Url::from_directory_path(folder.path()).unwrap();
        let settings = Settings::of_test(&root);
        let lake = Lake::open(settings, Stores::default(), Contracts::default(), Vec::new());
        let lake = lake.await.unwrap();
        let at = |source, account| lake.delivers(source, account).unwrap().path.to_string();
        let (of_source, of_account) = (at("sp_api", None), at("sp_api", Some("corner")));
        assert_eq!(of_account, format!("{of_source}/corner"));
        assert!(of_source.ends_with("raw/sp_api"), "{of_source}");
    }

    #[test]
    fn names_of_leases_are_their_own() {
        assert_eq!(plain("sp_api-corner"), "sp_api-corner");
        assert_eq!(plain("a/b C"), "a%2Fb%20%43");
    }
}
