//! Where the services are: at Amazon, or where somebody who tests a set-up says.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Result};

/// What variables of the environment that say an address begin with: `MARKETLAKE_ENDPOINT_SP_API_EU` for `sp_api_eu`.
pub const VARIABLES: &str = "MARKETLAKE_ENDPOINT_";

/// A part of the world with endpoints of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// North America.
    Na,
    /// Europe, Middle East, India.
    Eu,
    /// Far East.
    Fe,
}

/// A service with addresses of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Login with Amazon.
    Lwa,
    /// Selling Partner API.
    SpApi,
    /// Amazon Ads API.
    Ads,
    /// Subscriptions of Marketing Stream, at the Ads API.
    Stream,
    /// Smart Connect, which is in one region.
    Yojaka,
}

/// The address of a service in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    /// Whether it is somebody else's address than Amazon's.
    pub is_overridden: bool,
}

/// Every address that is not Amazon's, by its key: `lwa_na`, `sp_api_eu`, …, `yojaka`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoints(BTreeMap<String, String>);

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Na => "na",
            Self::Eu => "eu",
            Self::Fe => "fe",
        })
    }
}

/// Keys with the addresses of Amazon.
const AMAZON: [(&str, &str); 13] = [
    ("lwa_na", "https://api.amazon.com"),
    ("lwa_eu", "https://api.amazon.co.uk"),
    ("lwa_fe", "https://api.amazon.co.jp"),
    ("sp_api_na", "https://sellingpartnerapi-na.amazon.com"),
    ("sp_api_eu", "https://sellingpartnerapi-eu.amazon.com"),
    ("sp_api_fe", "https://sellingpartnerapi-fe.amazon.com"),
    ("ads_na", "https://advertising-api.amazon.com"),
    ("ads_eu", "https://advertising-api-eu.amazon.com"),
    ("ads_fe", "https://advertising-api-fe.amazon.com"),
    ("stream_na", "https://advertising-api.amazon.com"),
    ("stream_eu", "https://advertising-api-eu.amazon.com"),
    ("stream_fe", "https://advertising-api-fe.amazon.com"),
    ("yojaka", YOJAKA),
];

/// Address of Smart Connect, whose requests all stand below `/v1`.
const YOJAKA: &str = "https://api.smartconnect.amazon.com";

impl Endpoints {
    /// The same, with what variables of the environment say above what the configuration says.
    ///
    /// # Errors
    ///
    /// For a key that is none, and for what is no address.
    pub fn with_variables(mut self, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        for (variable, address) in variables {
            if let Some(key) = variable.strip_prefix(VARIABLES) {
                self.0.insert(key.to_lowercase(), address);
            }
        }
        for (key, address) in &self.0 {
            if !AMAZON.iter().any(|(known, _)| known == key) {
                let known: Vec<&str> = AMAZON.iter().map(|(known, _)| *known).collect();
                return Err(Error::mistake(format!(
                    "acquire.endpoints.{key}: there is no such endpoint; there is {}",
                    known.join(", ")
                )));
            }
            parse(key, address)?;
        }
        Ok(self)
    }

    /// The address of a service in a region.
    ///
    /// # Errors
    ///
    /// When the configuration says what is no address.
    pub fn of(&self, service: Service, region: Region) -> Result<Endpoint> {
        let key = match service {
            Service::Lwa => format!("lwa_{region}"),
            Service::SpApi => format!("sp_api_{region}"),
            Service::Ads => format!("ads_{region}"),
            Service::Stream => format!("stream_{region}"),
            Service::Yojaka => "yojaka".to_owned(),
        };
        if let Some(address) = self.0.get(&key) {
            let base = parse(&key, address)?;
            return Ok(Endpoint {
                base,
                is_overridden: true,
            });
        }
        let amazon = AMAZON.iter().find(|(known, _)| *known == key);
        let (_, address) = amazon.ok_or_else(|| Error::mistake(format!("there is no endpoint {key}")))?;
        Ok(Endpoint {
            base: parse(&key, address)?,
            is_overridden: false,
        })
    }
}

impl Endpoint {
    /// The address of a path of the service, which begins with `/`, below what the base has as a path.
    ///
    /// # Errors
    ///
    /// When the two make no address.
    pub fn at(&self, path: &str) -> Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}"))
            .map_err(|error| Error::mistake(format!("{base}{path} is no address: {error}")))
    }
}

fn parse(key: &str, address: &str) -> Result<Url> {
    let wrong = |why: &str| {
        Error::mistake(format!(
            "acquire.endpoints.{key}: {why}; give an address such as https://HOST or http://127.0.0.1:PORT"
        ))
    };
    let url = Url::parse(address).map_err(|error| wrong(&format!("{error}")))?;
    match url.scheme() {
        _ if url.host_str().is_none() => Err(wrong("it names no host")),
        _ if url.query().is_some() || !url.username().is_empty() => Err(wrong("it has a query or a user")),
        "http" | "https" => Ok(url),
        _ => Err(wrong("it is neither https nor http")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_and_region_has_an_address_that_a_variable_can_replace() {
        let regions = [Region::Na, Region::Eu, Region::Fe];
        for service in [
            Service::Lwa,
            Service::SpApi,
            Service::Ads,
            Service::Stream,
            Service::Yojaka,
        ] {
            for region in regions {
                let endpoint = Endpoints::default().of(service, region).unwrap();
                assert!(!endpoint.is_overridden && endpoint.at("/x").unwrap().scheme() == "https");
            }
        }
        let variables = [
            ("MARKETLAKE_ENDPOINT_SP_API_EU", "http://127.0.0.1:9/base/"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let endpoints = Endpoints::default()
            .with_variables(variables.into_iter())
            .unwrap();
        let endpoint = endpoints.of(Service::SpApi, Region::Eu).unwrap();
        assert!(endpoint.is_overridden);
        assert_eq!(
            endpoint.at("/reports/x").unwrap().as_str(),
            "http://127.0.0.1:9/base/reports/x"
        );
    }

    #[test]
    fn what_is_no_endpoint_is_said() {
        for (key, address, says) in [
            (
                "MARKETLAKE_ENDPOINT_SPAPI_EU",
                "http://127.0.0.1:9",
                "no such endpoint",
            ),
            (
                "MARKETLAKE_ENDPOINT_LWA_EU",
                "127.0.0.1:9",
                "acquire.endpoints.lwa_eu",
            ),
            ("MARKETLAKE_ENDPOINT_LWA_EU", "ftp://host", "neither"),
        ] {
            let said = [(key.to_owned(), address.to_owned())];
            let error = Endpoints::default().with_variables(said.into_iter()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
