//! Databases of Glue, and what may be done to the tables in them.

use std::collections::BTreeMap;

use aws::{Aws, Check, Statement};
use catalog::{Error, GlueCatalog, Looked};

use crate::config::{Config, WhichCatalog};
use crate::contracts;

/// Looks at the databases of sources that deliver: those of accounts, where there are some.
pub(super) async fn checks(config: &Config, aws: &Aws) -> Vec<Check> {
    if config.catalog != WhichCatalog::Glue {
        return vec![Check::skipped("Glue", "catalog is local")];
    }
    let Ok(Ok(contracts)) = contracts::read(config.contracts.as_deref()) else {
        return vec![Check::skipped("Glue", "contracts are not in order")];
    };
    let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in contracts.keys() {
        tables.entry(&name.source).or_default().push(name.table.clone());
    }
    let delivers = |source: &str| config.accounts.iter().any(|account| account.source == source);
    let catalog = GlueCatalog::new(aws.config(), config.databases.clone());
    let mut checks = Vec::new();
    for (source, tables) in tables {
        if !config.accounts.is_empty() && !delivers(source) {
            continue;
        }
        let looked = catalog.look_at(source, &tables).await;
        checks.extend(
            looked
                .into_iter()
                .map(|looked| check(aws, looked, delivers(source))),
        );
    }
    checks
}

fn check(aws: &Aws, looked: Looked, delivers: bool) -> Check {
    let (database, action) = (&looked.database, looked.action);
    let what = format!("{database}: {action}");
    match looked.found {
        None => Check::skipped(what, "no table is there yet, and a look would make one"),
        Some(Ok(())) => Check::ok(what, ""),
        Some(Err(error @ Error::NoDatabase { .. })) if !delivers => {
            Check::skipped(what, format!("{error}; it is needed once the source delivers"))
        }
        Some(Err(error)) => {
            let check = Check::failed(what, format!("{error:#}"));
            let on = [
                "catalog".to_owned(),
                format!("database/{database}"),
                format!("table/{database}/*"),
            ];
            match looked.is_denied {
                true => check.lacking(Statement::allows(
                    &[action],
                    &on.map(|on| aws.resource("glue", &on)),
                )),
                false => check,
            }
        }
    }
}
