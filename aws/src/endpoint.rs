//! Where a bucket is.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::error::{Error, Result};

/// The region where nobody needs one: another server than Amazon's.
const ANYWHERE: &str = "us-east-1";

/// The server of a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its address; of a server that knows buckets by the names of hosts, with that of the bucket.
    pub(crate) address: String,
    /// Whether the bucket is in the name of the host, not in the path.
    pub(crate) is_host_of_bucket: bool,
    /// The region that requests are signed for.
    pub(crate) region: String,
}

/// The server that the environment or the profile names for S3, or for everything; else Amazon's.
pub(crate) fn of_bucket(config: &SdkConfig, bucket: &str, region: Option<&str>) -> Result<Endpoint> {
    if let Some(address) = configured(config) {
        return Ok(Endpoint {
            address,
            is_host_of_bucket: false,
            region: region.unwrap_or(ANYWHERE).to_owned(),
        });
    }
    let region = region.ok_or_else(|| Error::NoRegion {
        bucket: bucket.to_owned(),
    })?;
    let is = |asked: Option<bool>| asked == Some(true);
    let service = match (is(config.use_fips()), is(config.use_dual_stack())) {
        (false, false) => "s3",
        (true, false) => "s3-fips",
        (false, true) => "s3.dualstack",
        (true, true) => "s3-fips.dualstack",
    };
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    let server = format!("{service}.{region}.{domain}");
    // No certificate is for a name with another dot in it.
    let is_host_of_bucket = !bucket.contains('.');
    Ok(Endpoint {
        address: match is_host_of_bucket {
            true => format!("https://{bucket}.{server}"),
            false => format!("https://{server}"),
        },
        is_host_of_bucket,
        region: region.to_owned(),
    })
}

/// `AWS_ENDPOINT_URL_S3` before `AWS_ENDPOINT_URL`, and the like of a profile, as every client of the SDK looks for its own.
fn configured(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = config
        .service_config()
        .zip(key.ok())
        .and_then(|(service, key)| service.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
        .filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[derive(Debug)]
    struct Own(&'static str);

    impl LoadServiceConfig for Own {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "S3" && key.env() == "AWS_ENDPOINT_URL").then(|| self.0.to_owned())
        }
    }

    fn address(config: &SdkConfig, bucket: &str, region: &str) -> String {
        of_bucket(config, bucket, Some(region)).unwrap().address
    }

    #[test]
    fn amazons_servers_know_buckets_by_names_of_hosts() {
        let plain = SdkConfig::builder().build();
        assert_eq!(
            address(&plain, "retail", "eu-west-1"),
            "https://retail.s3.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            address(&plain, "retail.eu", "eu-west-1"),
            "https://s3.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            address(&plain, "retail", "cn-north-1"),
            "https://retail.s3.cn-north-1.amazonaws.com.cn"
        );
        let fips = SdkConfig::builder().use_fips(true).build();
        assert_eq!(
            address(&fips, "retail", "us-east-1"),
            "https://retail.s3-fips.us-east-1.amazonaws.com"
        );
        assert!(matches!(
            of_bucket(&plain, "retail", None),
            Err(Error::NoRegion { bucket }) if bucket == "retail"
        ));
    }

    #[test]
    fn the_server_for_s3_comes_before_the_one_for_everything() {
        let all = SdkConfig::builder().endpoint_url("http://all:1").build();
        let found = of_bucket(&all, "retail", None).unwrap();
        assert_eq!(
            (
                found.address.as_str(),
                found.is_host_of_bucket,
                found.region.as_str()
            ),
            ("http://all:1", false, ANYWHERE)
        );
        let own = all.to_builder().service_config(Own("http://own:2")).build();
        assert_eq!(address(&own, "retail", "eu-west-1"), "http://own:2");
    }
}
