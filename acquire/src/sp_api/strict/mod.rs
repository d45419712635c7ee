//! The API against a strict one, for what is about products, schedules and notifications.

mod arranged;
mod items;

use std::sync::Arc;

use fakes::lwa::Lwa;
use fakes::partner::Partner;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::SpApi;
use crate::endpoints::{Endpoints, Region, Service};
use crate::place::Place;
use crate::rate::Rates;
use crate::token::{Grant, Login, Tokens};
use crate::transport::Transport;

/// Alias of the account.
const ACCOUNT: &str = "corner";

/// The strict one, a hundred times quicker than documented.
fn partner() -> Partner {
    let lwa = Lwa::new()
        .application("app", "pepper")
        .account("app", "Atzr|salt", ACCOUNT);
    Partner::start(lwa, 100.0)
}

/// A folder that lives as long as the test.
fn folder(name: &str) -> Place {
    Place::new(Arc::new(InMemory::new()), Path::from(name), true)
}

/// A process that works on the account, and knows nothing of the buckets of others: it would wait for what they wrote down
/// ahead.
async fn process(partner: &Partner) -> SpApi {
    let url = partner.server.url();
    let said = ["LWA_EU", "SP_API_EU"].map(|key| (format!("MARKETLAKE_ENDPOINT_{key}"), url.clone()));
    let endpoints = Endpoints::default().with_variables(said.into_iter()).unwrap();
    let transport = Arc::new(Transport::new().unwrap().impatient());
    let rates = Arc::new(Rates::open(&folder("rates")).await.unwrap());
    let tokens = |grant: Grant| {
        let login = Login {
            client_id: "app".to_owned(),
            client_secret: "pepper".to_owned(),
        };
        let at = endpoints.of(Service::Lwa, Region::Eu).unwrap();
        Tokens::new(transport.clone(), rates.clone(), at, login, grant)
    };
    let account = tokens(Grant::Refresh {
        refresh_token: "Atzr|salt".to_owned(),
    });
    let own = tokens(Grant::Client {
        scope: super::NOTIFICATIONS.to_owned(),
    });
    let at = endpoints.of(Service::SpApi, Region::Eu).unwrap();
    SpApi::new(ACCOUNT, transport.clone(), rates.clone(), at, account, Some(own))
}
