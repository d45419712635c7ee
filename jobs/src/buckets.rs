//! The buckets that the configuration names, and no others: who names none has nothing to do with AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use aws::{Access, Bucket, Role};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::list::PaginatedListOptions;
use pipeline::account::Account;
use pipeline::{Page, Paged, Stores};
use url::Url;

use crate::at_aws::{AtAws, mistake};
use crate::config::{Config, to_url};
use crate::exit::usage;

/// The stores of a lake: of local folders, and of every bucket that is named.
///
/// # Errors
///
/// Usage errors for what cannot be as it is configured. Nothing is asked of a bucket.
pub(crate) async fn stores(config: &Config, at_aws: &AtAws) -> Result<Stores> {
    let named = named(config)?;
    let mut stores = Stores::default();
    if named.is_empty() {
        return Ok(stores);
    }
    let aws = at_aws.get().await?;
    for (root, access) in named {
        let name = root.host_str().unwrap_or_default();
        let bucket = aws.bucket(name, &access).map_err(mistake)?;
        stores = stores.with_pages(&root, bucket.clone(), Arc::new(Pages(bucket)))?;
    }
    Ok(stores)
}

/// The pages of a bucket.
struct Pages(Arc<Bucket>);

impl Paged for Pages {
    fn page<'a>(
        &'a self,
        prefix: Option<&'a str>,
        options: PaginatedListOptions,
    ) -> BoxFuture<'a, object_store::Result<Page>> {
        let page = self.0.page(prefix, options);
        let page = page.map(|page| {
            page.map(|page| Page {
                objects: page.objects,
                folders: page.folders,
                nameless: page.nameless,
                next: page.next,
            })
        });
        page.boxed()
    }
}

/// Buckets, and parts of buckets that are reached another way than the rest.
pub(crate) fn named(config: &Config) -> Result<BTreeMap<Url, Access>> {
    let own = Access {
        region: config.region.clone(),
        role: None,
        kms_key: config.kms_key.clone(),
    };
    let mut named = BTreeMap::new();
    let zones = [&config.lake, &config.settings.raw, &config.settings.curated];
    for zone in zones.into_iter().filter(|zone| is_bucket(zone)) {
        named.insert(bucket_of(zone), own.clone());
    }
    for account in &config.accounts {
        let of_account = || format!("account {} of {}", account.alias, account.source);
        let root = account.raw.as_deref().filter(|raw| raw.contains("://"));
        let root = root.map(to_url).transpose().with_context(of_account)?;
        let root = root.filter(is_bucket);
        let (root, access) = match (root, access_of(account)) {
            (None, None) => continue,
            (Some(root), None) => (bucket_of(&root), own.clone()),
            (Some(root), Some(access)) => (as_folder(root), access),
            (None, Some(_)) => {
                return Err(usage(format!(
                    "{} has a region or a role and no bucket of its own: set its raw to s3://BUCKET/PREFIX",
                    of_account()
                )));
            }
        };
        if named.get(&root).is_some_and(|known| *known != access) {
            return Err(usage(format!(
                "{} is reached in two ways: {} has another region or role than who else uses it; give it a prefix of its \
                 own there",
                root,
                of_account()
            )));
        }
        named.insert(root, access);
    }
    Ok(named)
}

/// How the root of an account is reached, where that is not as the lake is.
fn access_of(account: &Account) -> Option<Access> {
    let role = account.role.clone().map(|arn| Role {
        arn,
        external_id: account.external_id.clone(),
    });
    (role.is_some() || account.region.is_some()).then(|| Access {
        region: account.region.clone(),
        role,
        kms_key: None,
    })
}

fn is_bucket(address: &Url) -> bool {
    address.scheme() == "s3"
}

/// The whole bucket.
fn bucket_of(address: &Url) -> Url {
    let mut bucket = address.clone();
    bucket.set_path("/");
    bucket
}

fn as_folder(mut address: Url) -> Url {
    if !address.path().ends_with('/') {
        address.set_path(&format!("{}/", address.path()));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn configured(text: &str) -> Result<BTreeMap<Url, Access>> {
        let options: Options = toml::from_str(text).unwrap();
        let file = tempfile::tempdir().unwrap();
        let file = file.path().join("lake.toml");
        std::fs::write(&file, toml::to_string(&options).unwrap()).unwrap();
        named(&Config::load(&Options::default(), Some(&file)).unwrap())
    }

    fn roots(text: &str) -> Vec<String> {
        configured(text).unwrap().into_keys().map(String::from).collect()
    }

    fn account(more: &str) -> String {
        format!("[[account]]\nalias = 'corner'\nsource = 'jwo'\n{more}\n")
    }

    #[tokio::test]
    async fn a_local_lake_names_no_bucket() {
        assert!(roots("lake = 'here'").is_empty());
        assert!(roots(&account("raw = 'merchants/corner'")).is_empty());
    }

    #[test]
    fn every_bucket_is_named_once_and_those_of_accounts_as_they_are_reached() {
        assert_eq!(roots("lake = 's3://lake/of/all'"), ["s3://lake/"]);
        assert_eq!(roots("lake = 'here'\nraw = 's3://raw/x'"), ["s3://raw/"]);
        let of_account = account("raw = 's3://theirs/jwo'");
        assert_eq!(
            roots(&format!("lake = 's3://lake'\n{of_account}")),
            ["s3://lake/", "s3://theirs/"]
        );
        let with_role =
            account("raw = 's3://theirs/jwo'\nrole = 'arn:r'\nexternal_id = 'e'\nregion = 'eu-west-1'");
        let named = configured(&format!("lake = 's3://theirs/lake'\nkms_key = 'k'\n{with_role}")).unwrap();
        let [(all, own), (part, theirs)] = named.iter().collect::<Vec<_>>()[..] else {
            panic!("{named:?}")
        };
        assert_eq!(
            (all.as_str(), part.as_str()),
            ("s3://theirs/", "s3://theirs/jwo/")
        );
        assert_eq!((own.kms_key.as_deref(), own.role.as_ref()), (Some("k"), None));
        let role = Role {
            arn: "arn:r".to_owned(),
            external_id: Some("e".to_owned()),
        };
        assert_eq!(
            (theirs.region.as_deref(), theirs.role.as_ref()),
            (Some("eu-west-1"), Some(&role))
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_account() {
        for (text, told) in [
            (account("role = 'arn:r'"), "no bucket of its own"),
            (
                account("raw = 'merchants'\nregion = 'eu-west-1'"),
                "no bucket of its own",
            ),
            (account("raw = 'gs://theirs'"), "is not in this build"),
            (
                format!(
                    "lake = 's3://theirs'\n{}",
                    account("raw = 's3://theirs/'\nregion = 'eu-west-1'")
                ),
                "reached in two ways",
            ),
        ] {
            let refused = format!("{:#}", configured(&text).unwrap_err());
            assert!(refused.contains(told) && refused.contains("corner"), "{refused}");
        }
    }
}
