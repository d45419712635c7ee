//! Parts of buckets that runs read and write.

use anyhow::Result;
use aws::Access;
use object_store::path::Path;
use url::Url;

use crate::buckets;
use crate::config::{Config, to_url};

/// A part of a bucket, and how it is reached.
pub(super) struct Zone {
    bucket: String,
    prefix: String,
    access: Access,
    is_written: bool,
}

impl Zone {
    pub(super) fn as_asked(&self) -> aws::Zone<'_> {
        aws::Zone {
            bucket: &self.bucket,
            prefix: &self.prefix,
            access: &self.access,
            is_written: self.is_written,
        }
    }
}

/// Those that a configuration names.
///
/// # Errors
///
/// Usage errors for what cannot be as it is configured.
pub(super) fn of(config: &Config) -> Result<Vec<Zone>> {
    let named = buckets::named(config)?;
    let notices = Url::parse(&format!("{}/notices", config.lake.as_str().trim_end_matches('/')))?;
    let mut addresses = vec![
        (config.settings.raw.clone(), false),
        (config.settings.curated.clone(), true),
        (notices, true),
    ];
    for raw in config
        .accounts
        .iter()
        .filter_map(|account| account.raw.as_deref())
    {
        if raw.contains("://") {
            addresses.push((to_url(raw)?, false));
        }
    }
    let zones = addresses.into_iter().filter_map(|(address, is_written)| {
        let bucket = address
            .host_str()
            .filter(|_| address.scheme() == "s3")?
            .to_owned();
        let below = format!("{}/", address.as_str().trim_end_matches('/'));
        let serving = named.iter().filter(|(root, _)| below.starts_with(root.as_str()));
        let (_, access) = serving.max_by_key(|(root, _)| root.as_str().len())?;
        Some(Zone {
            bucket,
            prefix: Path::from_url_path(address.path()).ok()?.to_string(),
            access: access.clone(),
            is_written,
        })
    });
    Ok(zones.collect())
}
