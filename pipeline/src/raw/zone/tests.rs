//! Folders as raw zones.

use std::sync::Arc;

use chrono::NaiveDate;

use super::*;
use crate::request::DayFolder;
use crate::storage::Stores;

fn touch(root: &std::path::Path, path: &str) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "x").unwrap();
}

#[tokio::test]
async fn a_listing_knows_accounts_periods_and_strangers() {
    let folder = tempfile::tempdir().unwrap();
    touch(folder.path(), "jwo/corner/Order/2026-03-01/07/ALL45.csv000");
    touch(
        folder.path(),
        "jwo/corner/Order/2026-03-01/07/ALL45.csv000.manifest.json",
    );
    touch(folder.path(), "jwo/corner/Order/2026-03-02/00/ALL00.csv000");
    touch(folder.path(), "jwo/corner/Order/2026-03-02/00/notes.txt");
    touch(folder.path(), "own/Order/2026-03-01/08/ALL00.csv001");
    let root = Url::from_directory_path(folder.path().canonicalize().unwrap()).unwrap();
    let mut account = Account::unconfigured("jwo", "arena");
    account.raw = Some("own".to_owned());
    let accounts = [account];
    let stores = Stores::default();
    let zone = RawZone::new(&root, &stores, &accounts);
    let pattern = PathPattern::parse("jwo/{account}/Order/{date}/{hour}/ALL{minute}.csv{part}").unwrap();

    let mut found = Vec::new();
    let mut manifests = Vec::new();
    for selection in [
        Selection::default(),
        Selection {
            from: NaiveDate::from_ymd_opt(2026, 3, 1),
            to: NaiveDate::from_ymd_opt(2026, 3, 1),
            ..Default::default()
        },
        Selection {
            account: Some("arena".to_owned()),
            ..Default::default()
        },
    ] {
        let listing = zone
            .list(&contract(&pattern), &feed(&pattern), &[], &selection)
            .await
            .unwrap();
        let accounts: Vec<_> = listing
            .objects
            .iter()
            .map(|o| (o.account.clone().unwrap(), o.period.to_string(), o.part))
            .collect();
        manifests.push(
            listing
                .objects
                .iter()
                .filter(|object| object.manifest.is_some())
                .count(),
        );
        found.push((accounts, listing.unmatched.len()));
    }
    assert_eq!(manifests, [1, 1, 0]);
    let arena = ("arena".to_owned(), "2026-03-01 08:00:00".to_owned(), 1);
    let first = ("corner".to_owned(), "2026-03-01 07:45:00".to_owned(), 0);
    let second = ("corner".to_owned(), "2026-03-02 00:00:00".to_owned(), 0);
    assert_eq!(found[0], (vec![first.clone(), arena.clone(), second], 1));
    assert_eq!(found[1], (vec![first, arena.clone()], 0));
    assert_eq!(found[2].0, vec![arena]);
}

async fn listed(
    folder: &std::path::Path,
    pattern: &str,
    accounts: &[Account],
    selection: &Selection,
) -> Vec<(String, String)> {
    let root = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
    let pattern = PathPattern::parse(pattern).unwrap();
    let stores = Stores::default();
    let zone = RawZone::new(&root, &stores, accounts);
    let listing = zone
        .list(&contract(&pattern), &feed(&pattern), &[], selection)
        .await
        .unwrap();
    let shown = |object: RawObject| (object.account.unwrap_or_default(), object.path);
    listing.objects.into_iter().map(shown).collect()
}

fn day(year: i32, month: u32, day: u32) -> Selection {
    let day = NaiveDate::from_ymd_opt(year, month, day);
    Selection {
        from: day,
        to: day,
        ..Default::default()
    }
}

#[tokio::test]
async fn only_folders_that_are_named_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "jwo/corner/Order/2026-03-01/a",
        "jwo/corner/Order/2026-03-02/a",
        "jwo/market/Order/2026-03-01/a",
        "own/Order/2026-03-01/a",
        "own/Order/2026-03-03/a",
    ] {
        touch(folder.path(), path);
    }
    let arena = Account {
        raw: Some("own".to_owned()),
        ..Account::unconfigured("jwo", "arena")
    };
    let accounts = [arena, Account::unconfigured("jwo", "corner")];
    let named = |folders: &[(&str, Option<&str>, u32)]| {
        let folders = folders.iter().map(|(source, account, day)| DayFolder {
            source: (*source).to_owned(),
            account: account.map(str::to_owned),
            day: NaiveDate::from_ymd_opt(2026, 3, *day).unwrap(),
        });
        Selection {
            folders: Some(Arc::new(folders.collect())),
            ..Selection::default()
        }
    };
    let pattern = "jwo/{account}/Order/{date}/{name}";
    let listed = async |pattern: &str, folders: &[(&str, Option<&str>, u32)]| {
        let found = listed(folder.path(), pattern, &accounts, &named(folders)).await;
        let paths: Vec<String> = found.into_iter().map(|(_, path)| path).collect();
        paths.join(" ")
    };
    assert_eq!(listed(pattern, &[]).await, "");
    assert_eq!(listed(pattern, &[("ams", Some("corner"), 1)]).await, "");
    // Also of an account that nobody configured, and of one with a root of its own.
    assert_eq!(
        listed(pattern, &[("jwo", Some("market"), 1)]).await,
        "jwo/market/Order/2026-03-01/a"
    );
    assert_eq!(
        listed(pattern, &[("jwo", Some("corner"), 2), ("jwo", Some("arena"), 3)]).await,
        "jwo/corner/Order/2026-03-02/a jwo/arena/Order/2026-03-03/a"
    );
    // Where paths name no account, or not as a folder, a day is one folder.
    assert_eq!(
        listed("jwo/corner/Order/{date}/{name}", &[("jwo", None, 1)]).await,
        "jwo/corner/Order/2026-03-01/a"
    );
    assert_eq!(
        listed("jwo/corner/Order/{date}/{account}", &[("jwo", Some("a"), 2)]).await,
        "jwo/corner/Order/2026-03-02/a"
    );
}

#[tokio::test]
async fn objects_below_roots_of_accounts_have_the_paths_that_they_would_have_in_the_raw_root() {
    let folder = tempfile::tempdir().unwrap();
    touch(folder.path(), "own/arena/Order/2026-03-01/a");
    touch(folder.path(), "own/corner/Order/2026-03-01/a");
    let accounts = ["arena", "corner"].map(|alias| {
        let mut account = Account::unconfigured("jwo", alias);
        account.raw = Some(format!("own/{alias}"));
        account
    });
    let pattern = "jwo/{account}/Order/{date}/{name}";
    let found = listed(folder.path(), pattern, &accounts, &Selection::default()).await;
    let wanted = ["arena", "corner"].map(|alias| {
        let path = format!("jwo/{alias}/Order/2026-03-01/a");
        (alias.to_owned(), path)
    });
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_day_is_found_however_its_path_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "x/2026/03/01/a",
        "x/2026/3/1/b",
        "x/2026/03/1/c",
        "x/2026/3/01/d",
        "x/2026/3/2/e",
    ] {
        touch(folder.path(), path);
    }
    let found = listed(
        folder.path(),
        "x/{year}/{month}/{day}/{name}",
        &[],
        &day(2026, 3, 1),
    )
    .await;
    let mut names: Vec<&str> = found
        .iter()
        .filter_map(|(_, path)| path.rsplit('/').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn an_account_is_found_wherever_the_pattern_names_it() {
    let folder = tempfile::tempdir().unwrap();
    touch(folder.path(), "a/of=corner/2026-03-01/x");
    touch(folder.path(), "b/2026-03-01/corner/x");
    touch(folder.path(), "c/2026-03-01/corner_x");
    for (pattern, path) in [
        ("a/of={account}/{date}/{name}", "a/of=corner/2026-03-01/x"),
        ("b/{date}/{account}/{name}", "b/2026-03-01/corner/x"),
        ("c/{date}/{account}_{name}", "c/2026-03-01/corner_x"),
    ] {
        let wanted = [("corner".to_owned(), path.to_owned())];
        let found = listed(folder.path(), pattern, &[], &day(2026, 3, 1)).await;
        assert_eq!(found, wanted, "{pattern}");
        let of_account = Selection {
            account: Some("corner".to_owned()),
            ..day(2026, 3, 1)
        };
        let found = listed(folder.path(), pattern, &[], &of_account).await;
        assert_eq!(found, wanted, "{pattern}");
    }
}

#[tokio::test]
async fn folders_of_accounts_are_found_whatever_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = ["a b~c", "a#1", "caf\u{e9}", "main"];
    for account in accounts {
        touch(folder.path(), &format!("shop/{account}/visits/2026-03-01/x"));
    }
    for selection in [Selection::default(), day(2026, 3, 1)] {
        let found = listed(
            folder.path(),
            "shop/{account}/visits/{date}/{name}",
            &[],
            &selection,
        )
        .await;
        let found: Vec<&str> = found.iter().map(|(account, _)| account.as_str()).collect();
        assert_eq!(found.len(), accounts.len(), "{found:?}");
        assert!(
            accounts.iter().all(|account| found.contains(account)),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn what_another_table_reads_is_no_stranger_and_what_none_reads_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "shop/corner/visits/2026-03-01/a",
        "shop/corner/visits/2026-03-01/readme",
        "shop/corner/visits/2026-03-01/a.log",
        "shop/corner/orders/2026-03-01/b",
        "shop/corner/visit/2026-03-01/c",
        "shop/arena/visits/2026-03-02/d",
        "shop/arena/loose",
        "shop/looser",
    ] {
        touch(folder.path(), path);
    }
    let root = Url::from_directory_path(folder.path().canonicalize().unwrap()).unwrap();
    let stores = Stores::default();
    let zone = RawZone::new(&root, &stores, &[]);
    let patterns = [
        "shop/{account}/visits/{date}/a",
        "shop/{account}/visits/{date}/{name}.log",
        "shop/{account}/orders/{date}/{name}",
    ]
    .map(|pattern| PathPattern::parse(pattern).unwrap());
    let feeds = patterns.each_ref().map(feed);
    let mut told = Vec::new();
    for (pattern, own) in patterns.iter().zip(&feeds) {
        let mut contract = contract(pattern);
        contract.name = "shop.any".parse().unwrap();
        let listing = zone
            .list(&contract, own, &feeds.each_ref(), &Selection::default())
            .await
            .unwrap();
        let below = |uris: Vec<String>| -> Vec<String> {
            let path = |uri: String| uri.strip_prefix(root.as_str()).unwrap().to_owned();
            uris.into_iter().map(path).collect()
        };
        told.push((
            listing.objects.len(),
            below(listing.unmatched),
            below(listing.unread),
        ));
    }
    let strangers = [
        "shop/arena/visits/2026-03-02/d",
        "shop/corner/visits/2026-03-01/readme",
    ];
    let strangers = strangers.map(str::to_owned).to_vec();
    let unread = ["shop/arena/loose", "shop/corner/visit", "shop/looser"];
    let unread = unread.map(str::to_owned).to_vec();
    assert_eq!(told[0], (1, strangers.clone(), unread));
    assert_eq!(told[1], (1, strangers, Vec::new()));
    assert_eq!(told[2], (1, Vec::new(), Vec::new()));
}

async fn listing(folder: &std::path::Path, pattern: &str, selection: &Selection) -> Result<Listing> {
    let root = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
    let pattern = PathPattern::parse(pattern).unwrap();
    let feed = feed(&pattern);
    let mut contract = contract(&pattern);
    contract.name = "shop.any".parse().unwrap();
    let stores = Stores::default();
    let zone = RawZone::new(&root, &stores, &[]);
    zone.list(&contract, &feed, &[&feed], selection).await
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_odd_is_told_and_hides_nothing() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    touch(folder.path(), "shop/corner/2026-03-01/x");
    touch(folder.path(), "shop/corner/2026-03-02/x");
    touch(folder.path(), "shop/corner/2026-03-01/x#1");
    touch(folder.path(), "shop/corner/2026-03-01/two\nlines/x");
    touch(folder.path(), "shop/corner/2026-03-01/two\nlines/y");
    touch(folder.path(), "shop/arena");
    symlink(shop.join("corner"), shop.join("corner/2026-03-01/up")).unwrap();
    symlink("round", shop.join("corner/2026-03-01/round")).unwrap();
    symlink("gone", shop.join("gone_as_well")).unwrap();
    let pattern = "shop/{account}/{date}/{any}";
    let odd = |listing: &Listing| {
        let root = format!("{:?}", folder.path().canonicalize().unwrap());
        let root = format!("{}/shop/", root.trim_end_matches('"'));
        let short = |what: &String| what.strip_prefix(&root).unwrap().to_owned();
        listing.odd.iter().map(short).collect::<Vec<_>>()
    };
    let here = [
        "corner/2026-03-01/round\" is a link that leads nowhere",
        "corner/2026-03-01/two\\nlines\" has a name that no address can have",
        "corner/2026-03-01/up\" is a link that leads in a circle",
        "corner/2026-03-01/x#1\" looks like a file that is still being written",
    ];
    let all = listing(folder.path(), pattern, &Selection::default())
        .await
        .unwrap();
    assert_eq!(all.objects.len(), 2);
    assert_eq!(odd(&all)[..4], here);
    assert_eq!(odd(&all)[4..], ["gone_as_well\" is a link that leads nowhere"]);
    // The circle begins above what is listed.
    let one = listing(folder.path(), pattern, &day(2026, 3, 1)).await.unwrap();
    assert_eq!(one.objects.len(), 1);
    assert_eq!(odd(&one), here);
    let of_a_file = Selection {
        account: Some("arena".to_owned()),
        ..day(2026, 3, 1)
    };
    let none = listing(folder.path(), pattern, &of_a_file).await.unwrap();
    assert!(none.objects.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn where_objects_may_be_missed_the_place_is_named_and_all_else_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "corner/2026-03-01/x",
        "corner/2026-03-02/x",
        "market/2026-03-01/x",
    ] {
        touch(folder.path(), &format!("shop/{path}"));
    }
    let link = folder.path().join("shop/corner/2026-03-01/far");
    std::os::unix::fs::symlink("x".repeat(4000), link).unwrap();
    let listed = listing(
        folder.path(),
        "shop/{account}/{date}/{any}",
        &Selection::default(),
    )
    .await
    .unwrap();
    assert_eq!(listed.objects.len(), 3);
    assert_eq!(listed.refused.len(), 1);
    let refused = &listed.refused[0].why;
    assert!(
        refused.contains("2026-03-01/far") && refused.contains("account: corner"),
        "{refused}"
    );
}

pub(super) fn feed(pattern: &PathPattern) -> RawFeed {
    RawFeed {
        paths: vec![pattern.clone()],
        format: crate::contract::Format::JsonRows(Default::default()),
        keep: crate::contract::Keep::EveryRow { key: Vec::new() },
        unknown: crate::contract::Unknown::Ignore,
        harmless: Vec::new(),
        only: BTreeMap::new(),
        elsewhere: BTreeMap::new(),
        key_window_days: None,
        identity: Vec::new(),
        expect: None,
    }
}

pub(super) fn contract(pattern: &PathPattern) -> Contract {
    Contract {
        name: "jwo.orders".parse().unwrap(),
        description: String::new(),
        columns: Vec::new(),
        partition: Vec::new(),
        sort: Vec::new(),
        file_size: crate::contract::FILE_SIZE,
        feed: crate::contract::Feed::Raw(feed(pattern)),
        sql: None,
        checks: Vec::new(),
        quarantine: crate::contract::Budget::default(),
    }
}
