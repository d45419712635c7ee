//! `acquire ads`: reports of the Amazon Ads API, and the profiles that they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use acquire::ads::{self, Access, Api, Chosen, Definition, Profile, ProfileReports, Seen, Would};
use acquire::{Book, Period, Rates, Told};
use anyhow::Result;
use futures::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Account, Ground};
use crate::cli::{AdsProfilesArgs, AdsReportsArgs};
use crate::exit::{DONE, usage};
use crate::output::Grid;
use crate::session::Session;

/// The source, as accounts and paths name it.
const SOURCE: &str = "ads";
/// Kinds of work, each with a lease and a folder of its own.
const REPORTS: &str = "reports";
const PROFILES: &str = "profiles";
/// Profiles that are worked on at the same time: each waits for Amazon most of the time.
const AT_ONCE: usize = 8;

/// A profile of one of the logins, as it is shown.
#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Shown {
    /// Alias of the account as which it is known here.
    account: String,
    #[serde(flatten)]
    profile: Profile,
}

/// The profiles that the logins see.
#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Profiles {
    /// Version of this document's shape.
    schema: u32,
    /// Those that reports are asked for of.
    profiles: Vec<Shown>,
    /// What is named in the configuration, and not seen.
    unseen: Vec<String>,
}

/// Reports from the API to the raw zone.
pub(super) async fn reports(session: &Session, args: AdsReportsArgs) -> Result<u8> {
    args.asking.days()?;
    let mut ground = Ground::open(session).await?;
    let mut taken = BTreeMap::new();
    for access in accesses(&ground, None)? {
        let definitions = definitions(access, &args.reports)?;
        let Some(Login { held, api, chosen }) = login(&mut ground, access, false).await? else {
            continue;
        };
        let profiles = meant(chosen.profiles, &args, &mut taken)?;
        of_login(&mut ground, (access, &api, &definitions), profiles, &args).await?;
        if args.asking.account.is_none() && args.profile.is_none() {
            for unseen in chosen.unseen {
                ground.tell(&unseen.id, Err(acquire::Error::odd("profiles", &unseen)))?;
            }
        }
        held.end().await;
    }
    if taken.is_empty()
        && !ground.is_in_trouble()
        && (args.asking.account.is_some() || args.profile.is_some())
    {
        return Err(usage(
            "no profile is meant: `marketlake acquire ads profiles` shows those that there are",
        ));
    }
    ground.end()
}

/// The profiles that a call means, each once: two logins may see one, and the first one asks. `taken` are profiles by alias.
fn meant(
    chosen: BTreeMap<String, Profile>,
    args: &AdsReportsArgs,
    taken: &mut BTreeMap<String, String>,
) -> Result<Vec<(String, Profile)>> {
    let mut profiles = Vec::new();
    for (alias, profile) in chosen {
        if !args.asking.is_meant(&alias) || args.profile.as_ref().is_some_and(|id| *id != profile.id) {
            continue;
        }
        match taken.insert(alias.clone(), profile.id.clone()) {
            None => profiles.push((alias, profile)),
            Some(id) if id == profile.id => {}
            Some(id) => {
                let other = profile.id;
                return Err(usage(format!(
                    "the profiles {id} and {other} of two logins both have the alias {alias:?}: give one another alias"
                )));
            }
        }
    }
    Ok(profiles)
}

/// The reports of profiles that a login sees, of some of them at a time.
async fn of_login(
    ground: &mut Ground<'_>,
    (access, api, definitions): (&Access, &Api, &[Definition]),
    profiles: Vec<(String, Profile)>,
    args: &AdsReportsArgs,
) -> Result<()> {
    let mut left = profiles.into_iter().peekable();
    while left.peek().is_some() {
        let mut held = Vec::new();
        for (alias, profile) in left.by_ref().take(AT_ONCE) {
            if let Some(account) = ground.account(SOURCE, REPORTS, &alias).await? {
                held.push((alias, profile, account));
            }
        }
        let asking = Asked {
            ground,
            access,
            api,
            definitions,
            args,
            days: args.asking.days()?,
        };
        let work = stream::iter(held)
            .map(|(alias, profile, account)| asking.of(alias, profile, account))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        for (alias, became) in ground.unless_stopped(work).await? {
            let told = became.map(|became| match became {
                Became::Asked(told) => told,
                Became::Would(would) => {
                    ground.would(would.calls, would.takes);
                    would.requests
                }
            });
            ground.tell(&alias, told)?;
        }
    }
    Ok(())
}

/// The profiles that the logins see now.
pub(super) async fn profiles(session: &Session, args: AdsProfilesArgs) -> Result<u8> {
    let mut ground = Ground::open(session).await?;
    let mut shown = Profiles {
        schema: pipeline::report::SCHEMA,
        profiles: Vec::new(),
        unseen: Vec::new(),
    };
    for access in accesses(&ground, args.login.as_deref())? {
        let Some(login) = login(&mut ground, access, true).await? else {
            continue;
        };
        let chosen = login.chosen.profiles.into_iter();
        shown
            .profiles
            .extend(chosen.map(|(account, profile)| Shown { account, profile }));
        shown
            .unseen
            .extend(login.chosen.unseen.iter().map(ToString::to_string));
        login.held.end().await;
    }
    if ground.is_in_trouble() {
        return ground.end();
    }
    for unseen in &shown.unseen {
        session.output.warning(unseen);
    }
    session.output.show(&shown, || shown.text())?;
    Ok(DONE)
}

/// The logins that are configured, or the one of that name.
fn accesses<'a>(ground: &Ground<'a>, name: Option<&str>) -> Result<Vec<&'a Access>> {
    let configured = ground.settings.ads.iter();
    let meant: Vec<&Access> = configured
        .filter(|access| name.is_none_or(|name| access.name() == name))
        .collect();
    let mut names = BTreeSet::new();
    if let Some(twice) = meant.iter().find(|access| !names.insert(access.name())) {
        let name = twice.name();
        return Err(usage(format!(
            "two of [[acquire.ads]] are called {name}: give one of them another name"
        )));
    }
    match meant.is_empty() {
        true => Err(usage(
            "no login of the Ads API is meant: say [[acquire.ads]] with application, region and refresh_token",
        )),
        false => Ok(meant),
    }
}

/// What is asked for: all that is configured, or what is named.
fn definitions(access: &Access, named: &[String]) -> Result<Vec<Definition>> {
    let mistake = |error: acquire::Error| usage(error.to_string());
    let configured = Definition::all(&access.reports).map_err(mistake)?;
    if named.is_empty() {
        return Ok(configured);
    }
    let mut meant: Vec<Definition> = Vec::new();
    for word in named {
        let known = configured
            .iter()
            .find(|definition| definition.is_called(word))
            .cloned();
        let definition = match known {
            Some(known) => known,
            None => Definition::of(&ads::Wanted::named(word)).map_err(mistake)?,
        };
        if !meant.contains(&definition) {
            meant.push(definition);
        }
    }
    Ok(meant)
}

/// A login with the profiles that are asked for.
struct Login {
    /// Its tokens are asked for by one process at a time.
    held: Account,
    api: Api,
    chosen: Chosen,
}

/// Opens a login; none where that failed or another process is at it, which is told.
async fn login(ground: &mut Ground<'_>, access: &Access, anew: bool) -> Result<Option<Login>> {
    let name = access.name();
    let Some(held) = ground.account(SOURCE, PROFILES, &name).await? else {
        return Ok(None);
    };
    let seen = async {
        let api = Api::open(
            ground.settings,
            access,
            ground.transport.clone(),
            &held.remembered,
            ground.at.clone(),
        )
        .await?;
        let seen = Seen::profiles(&api, access, &held.remembered, anew).await?;
        let chosen = access.chosen(&seen, &configured(ground))?;
        Ok((api, chosen))
    };
    match ground.unless_stopped(seen).await? {
        Ok((api, chosen)) => Ok(Some(Login { held, api, chosen })),
        Err(error) => {
            held.end().await;
            ground.tell(&name, Err(error))?;
            Ok(None)
        }
    }
}

/// Aliases of accounts by the profile that is a field of them.
fn configured(ground: &Ground<'_>) -> BTreeMap<String, String> {
    let accounts = ground
        .lake
        .accounts()
        .iter()
        .filter(|account| account.source == SOURCE);
    let of = |account: &pipeline::account::Account| {
        Some((account.fields.get("profile_id")?.clone(), account.alias.clone()))
    };
    accounts.filter_map(of).collect()
}

/// What is asked for of profiles.
struct Asked<'a> {
    ground: &'a Ground<'a>,
    access: &'a Access,
    api: &'a Api,
    definitions: &'a [Definition],
    args: &'a AdsReportsArgs,
    days: Option<Period>,
}

/// What became of a profile.
enum Became {
    Asked(Vec<Told>),
    /// Nothing was asked.
    Would(Would),
}

impl Asked<'_> {
    /// The reports of one profile.
    async fn of(&self, alias: String, profile: Profile, held: Account) -> (String, acquire::Result<Became>) {
        let became = self.reports_of(&alias, profile, &held).await;
        held.end().await;
        (alias, became)
    }

    async fn reports_of(&self, alias: &str, profile: Profile, held: &Account) -> acquire::Result<Became> {
        let api = Api {
            rates: Arc::new(Rates::open(&held.remembered).await?),
            ..self.api.clone()
        };
        let book = Book::open(&held.remembered, "requests").await?;
        let calendar = acquire::requests::Calendar {
            now: chrono::Utc::now(),
            zone: profile.tz()?,
            since: held.configured.since,
            until: held.configured.until,
        };
        let reports = ProfileReports::new(
            Arc::new(api),
            alias,
            profile,
            self.definitions.to_vec(),
            held.raw.clone(),
        );
        let reports = reports.pending_most(self.access.pending_most.0);
        let drive = acquire::requests::Drive {
            account: alias,
            book: &book,
            reports: &reports,
            transport: &self.ground.transport,
            spool: &self.ground.spool,
            settings: self.ground.settings,
            again: self.args.asking.again,
        };
        let wants = reports.wants(self.days, &calendar, &book).await;
        match self.args.asking.dry_run {
            true => Ok(Became::Would(reports.would(&drive, wants).await)),
            false => Ok(Became::Asked(drive.run(wants).await?)),
        }
    }
}

impl Profiles {
    fn text(&self) -> String {
        let mut grid = Grid::new(&[
            "account",
            "profile",
            "type",
            "country",
            "currency",
            "zone",
            "marketplace",
            "name",
        ]);
        for Shown { account, profile } in &self.profiles {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            grid.row([
                account.clone(),
                profile.id.clone(),
                profile.kind.clone(),
                text(&profile.country),
                text(&profile.currency),
                profile.zone.clone(),
                text(&profile.marketplace),
                text(&profile.name),
            ]);
        }
        match grid.is_empty() {
            true => "no profiles of sellers or vendors\n".to_owned(),
            false => grid.to_string(),
        }
    }
}
