//! Which value wins, where it is said to come from, and that the sample file tells the truth.

use std::cell::RefCell;

use aws::Reference;
use pipeline::secret::Secret;

use super::*;
use crate::units::Size;

const SAMPLE: &str = include_str!("../../marketlake.sample.toml");

fn resolve(folder: &Path, flags: &Options, variables: &[(&str, &str)]) -> Result<Config> {
    kept_by(folder, flags, variables, &|references, _| {
        panic!("{references:?} is asked for")
    })
}

fn kept_by(folder: &Path, flags: &Options, variables: &[(&str, &str)], keeper: Keeper<'_>) -> Result<Config> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::assemble(
        flags,
        None,
        &Machine { folder, memory: None },
        variables.iter().map(owned).collect::<Vec<_>>().into_iter(),
        keeper,
    )
}

/// Gives what these stand for, and notes what was asked for.
fn keeping<'a>(
    kept: &'a [(&'a str, &'a str)],
    asked: &'a RefCell<Vec<String>>,
) -> impl Fn(&BTreeSet<Reference>, Option<&str>) -> Result<Values> + 'a {
    move |references, region| {
        let mut asked = asked.borrow_mut();
        asked.extend(region.map(str::to_owned));
        asked.extend(references.iter().map(ToString::to_string));
        let values = references.iter().filter_map(|reference| {
            let known = kept.iter().find(|(name, _)| *name == reference.to_string())?;
            Some((reference.clone(), known.1.to_owned()))
        });
        Ok(values.collect())
    }
}

fn origin_of<'a>(config: &'a Config, key: &str) -> &'a str {
    &config
        .entries
        .iter()
        .find(|entry| entry.key == key)
        .unwrap()
        .origin
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    std::fs::write(
        &file,
        "lookback_days = 1\nbatch_objects = 1\nmemory_limit = \"1MiB\"\n",
    )
    .unwrap();
    let flags = Options {
        lookback_days: Some(3),
        ..Options::default()
    };
    let variables = [
        ("MARKETLAKE_LOOKBACK_DAYS", "2"),
        ("MARKETLAKE_BATCH_OBJECTS", "2"),
    ];
    let config = resolve(folder.path(), &flags, &variables).unwrap();
    assert_eq!(config.settings.lookback_days, 3);
    assert_eq!(config.settings.batch_objects, 2);
    assert_eq!(config.settings.memory_limit, 1 << 20);
    assert_eq!(origin_of(&config, "lookback_days"), "--lookback-days");
    assert_eq!(origin_of(&config, "batch_objects"), "MARKETLAKE_BATCH_OBJECTS");
    assert_eq!(
        origin_of(&config, "memory_limit"),
        format!("{}:3", file.display())
    );
    assert_eq!(origin_of(&config, "busy_wait"), "default");
    assert_eq!(origin_of(&config, "raw"), "default, below lake");
}

#[test]
fn a_container_gives_half_of_its_memory_where_nobody_says_more() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine {
        folder: folder.path(),
        memory: Some(512 << 20),
    };
    let nobody: Keeper<'_> = &|_, _| panic!("there are no references");
    let resolve =
        |flags: &Options| Config::assemble(flags, None, &machine, std::iter::empty(), nobody).unwrap();
    let config = resolve(&Options::default());
    assert_eq!(config.settings.memory_limit, 256 << 20);
    let origin = "default, half of the container's 512MiB";
    assert_eq!(origin_of(&config, "memory_limit"), origin);
    let flags = Options {
        memory_limit: Some(Size(1 << 30)),
        spill_limit: Some(Size(5 << 30)),
        spill_dir: Some("/scratch".to_owned()),
        ..Options::default()
    };
    let config = resolve(&flags);
    assert_eq!(config.settings.memory_limit, 1 << 30);
    assert_eq!(config.settings.spill_limit, Some(5 << 30));
    assert_eq!(config.settings.spill_dir.as_deref(), Some(Path::new("/scratch")));
}

#[test]
fn a_path_in_the_file_is_seen_from_the_file_and_zones_lie_below_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), "lake = \"data\"\n").unwrap();
    let config = resolve(folder.path(), &Options::default(), &[]).unwrap();
    assert_eq!(config.lake_folder(), Some(folder.path().join("data")));
    assert_eq!(
        config.settings.raw.to_file_path().unwrap(),
        folder.path().join("data/raw")
    );
    assert_eq!(
        config.curated_folder().unwrap(),
        folder.path().join("data/curated")
    );
}

#[test]
fn the_file_of_the_lake_that_is_named_beats_the_one_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("other");
    std::fs::create_dir(&lake).unwrap();
    std::fs::write(folder.path().join(FILE_NAME), "lookback_days = 1\n").unwrap();
    std::fs::write(lake.join(FILE_NAME), "lookback_days = 2\n").unwrap();
    let flags = Options {
        lake: Some(lake.to_string_lossy().into_owned()),
        ..Options::default()
    };
    assert_eq!(
        resolve(folder.path(), &flags, &[])
            .unwrap()
            .settings
            .lookback_days,
        2
    );
    assert_eq!(
        resolve(folder.path(), &Options::default(), &[])
            .unwrap()
            .settings
            .lookback_days,
        1
    );
}

#[test]
fn a_secret_is_used_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = resolve(
        folder.path(),
        &Options::default(),
        &[("MARKETLAKE_PERSONAL_KEY", "pepper")],
    )
    .unwrap();
    let key = config.settings.personal_key.as_ref();
    assert_eq!(key.map(Secret::expose), Some("pepper"));
    assert!(!format!("{config:?}").contains("pepper"));
    assert!(!serde_json::to_string(&config.entries).unwrap().contains("pepper"));
}

#[test]
fn two_accounts_with_one_alias_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let account = "[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n";
    std::fs::write(folder.path().join(FILE_NAME), account.repeat(2)).unwrap();
    let refused = resolve(folder.path(), &Options::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("\"corner\""), "{refused}");
}

#[test]
fn the_sample_file_has_every_key_and_states_the_defaults() {
    let sample: Options = toml::from_str(SAMPLE).unwrap();
    let written = Table::try_from(&sample).unwrap();
    let missing: Vec<_> = KEYS.iter().filter(|key| !written.contains_key(**key)).collect();
    assert!(missing.is_empty(), "marketlake.sample.toml lacks {missing:?}");
    assert_eq!(written.len(), KEYS.len(), "KEYS lacks a field of Options");
    for (key, default) in Table::try_from(Options::defaults()).unwrap() {
        assert_eq!(
            written[&key], default,
            "{key} has another default than marketlake.sample.toml says"
        );
    }
}

#[test]
fn the_sample_file_has_every_option_of_an_account() {
    let sample: Options = toml::from_str(SAMPLE).unwrap();
    let account = sample.account.unwrap().remove(0);
    let blank: Account = toml::from_str("alias = \"blank\"\nsource = \"jwo\"\n").unwrap();
    let (shown, blank) = (
        Table::try_from(&account).unwrap(),
        Table::try_from(&blank).unwrap(),
    );
    assert!(blank.keys().all(|key| shown.contains_key(key)));
    // Exhaustive on purpose: a new option of an account has to be shown in the sample.
    let Account {
        alias: _,
        source: _,
        raw,
        region,
        role,
        external_id,
        zone: _,
        since,
        until,
        currency,
        marketplaces,
        fields,
        csv,
        keep: _,
    } = account;
    assert!(raw.is_some() && region.is_some() && role.is_some() && external_id.is_some());
    assert!(since.is_some() && until.is_some() && currency.is_some());
    assert!(!marketplaces.is_empty() && !fields.is_empty());
    let pipeline::account::CsvOverride {
        delimiter,
        header,
        columns,
        null,
        rename,
    } = csv.unwrap();
    assert!(
        delimiter.is_some() && header.is_some() && columns.is_some() && null.is_some() && !rename.is_empty()
    );
}

#[test]
fn zones_of_a_lake_in_a_bucket_lie_in_the_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let flags = Options {
        lake: Some("s3://retail/lake/".to_owned()),
        ..Options::default()
    };
    let config = resolve(folder.path(), &flags, &[]).unwrap();
    assert_eq!(config.settings.raw.as_str(), "s3://retail/lake/raw");
    assert_eq!(config.settings.curated.as_str(), "s3://retail/lake/curated");
    assert_eq!((config.lake_folder(), config.curated_folder()), (None, None));
}

#[test]
fn a_bucket_is_no_folder_in_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let taken_for_it = folder.path().join("s3:/bucket/lake");
    std::fs::create_dir_all(&taken_for_it).unwrap();
    std::fs::write(taken_for_it.join(FILE_NAME), "lookback_days = 77\n").unwrap();
    assert_eq!(find_file(folder.path(), Some("s3://bucket/lake")), None);
    assert_eq!(
        find_file(folder.path(), Some("s3:/bucket/lake")),
        Some(taken_for_it.join(FILE_NAME))
    );
}

#[test]
fn a_topic_is_named_by_its_arn() {
    let folder = tempfile::tempdir().unwrap();
    let of = |topic: &str| {
        let flags = Options {
            notice_topic: Some(topic.to_owned()),
            ..Options::default()
        };
        resolve(folder.path(), &flags, &[])
    };
    let arn = "arn:aws:sns:eu-west-1:111122223333:retail.fifo";
    assert_eq!(of(arn).unwrap().notice_topic.as_deref(), Some(arn));
    for wrong in [
        "retail",
        "arn:aws:sqs:eu-west-1:111122223333:retail",
        "arn:aws:sns::1:x",
        "",
    ] {
        let refused = of(wrong).unwrap_err().to_string();
        assert!(
            refused.contains("notice_topic") && refused.contains("arn:aws:sns:REGION"),
            "{refused}"
        );
    }
}

#[test]
fn what_is_kept_elsewhere_is_used_in_every_value_and_the_reference_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = "region = 'eu-west-1'\nbatch_bytes = 'ssm:/bytes'\nlookback_days = 'secret:numbers#days'\n\
                personal_key = 'secret::mine'\nlake = 'ssm:/folder'\nlog = 'ssm:/not/asked'\n\
                [[account]]\nalias = 'corner'\nsource = 'jwo'\nzone = 'ssm:/zone'\nmarketplaces = ['secret:m#uk']\n";
    std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
    let flags = Options {
        kms_key: Some("ssm:/key".to_owned()),
        log: Some("info".to_owned()),
        ..Options::default()
    };
    let kept = [
        ("ssm:/bytes", "3MiB"),
        ("secret:numbers#days", "17"),
        ("ssm:/folder", "data"),
        ("ssm:/zone", "Europe/London"),
        ("secret:m#uk", "A1F83G8C2ARO7P"),
        ("ssm:/key", "alias/k3y"),
        ("ssm:/objects", "secret:not-twice"),
        ("ssm:/contracts", "secret:not-twice"),
    ];
    let asked = RefCell::default();
    let variables = [("MARKETLAKE_CONTRACTS", "ssm:/contracts")];
    let config = kept_by(folder.path(), &flags, &variables, &keeping(&kept, &asked)).unwrap();
    assert_eq!(asked.borrow()[0], "eu-west-1");
    assert!(!asked.borrow().contains(&"ssm:/not/asked".to_owned()));
    let settings = &config.settings;
    assert_eq!((settings.batch_bytes, settings.lookback_days), (3 << 20, 17));
    assert_eq!(
        settings.personal_key.as_ref().map(Secret::expose),
        Some("secret:mine")
    );
    assert_eq!(config.lake_folder(), Some(folder.path().join("data")));
    assert_eq!(config.contracts.as_deref(), Some(Path::new("secret:not-twice")));
    assert_eq!(config.kms_key.as_deref(), Some("alias/k3y"));
    let account = &config.accounts[0];
    assert_eq!(account.zone.name(), "Europe/London");
    assert_eq!(account.marketplaces, ["A1F83G8C2ARO7P"]);

    let shown = serde_json::to_string(&config.entries).unwrap();
    let values = kept.iter().take(6).map(|(_, value)| *value);
    for hidden in values.filter(|value| *value != "data").chain(["secret:mine"]) {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    for reference in [
        "ssm:/bytes",
        "secret:numbers#days",
        "ssm:/folder/raw",
        "ssm:/zone",
        "ssm:/key",
    ] {
        assert!(shown.contains(reference), "{reference}: {shown}");
    }
}

#[test]
fn what_is_kept_and_does_not_fit_is_told_by_its_reference() {
    let folder = tempfile::tempdir().unwrap();
    let account = "\n[[account]]\nalias = 'corner'\nsource = 'jwo'\n";
    let kept = [("ssm:/x", "pepper"), ("ssm:/place", "gs://pepper/x")];
    for (text, told) in [
        (
            "batch_bytes = 'ssm:/x'".to_owned(),
            "marketlake.toml:1: batch_bytes does not take what ssm:/x is",
        ),
        (format!("{account}zone = 'ssm:/x'"), "marketlake.toml:"),
        (format!("{account}since = 'ssm:/x'"), "ssm:/x"),
        (
            "lake = 'ssm:/place'".to_owned(),
            "ssm:/place/curated: gs:// is not in this build",
        ),
        (
            "raw = 'secret:'".to_owned(),
            "marketlake.toml:1: \"secret:\" names nothing",
        ),
    ] {
        std::fs::write(folder.path().join(FILE_NAME), &text).unwrap();
        let asked = RefCell::default();
        let refused = kept_by(folder.path(), &Options::default(), &[], &keeping(&kept, &asked));
        let refused = refused.unwrap_err();
        let said = format!("{refused:#}");
        assert!(said.contains(told) && !said.contains("pepper"), "{text}: {said}");
        assert_eq!(crate::exit::code_of(&refused), Some(crate::exit::USAGE));
    }
}

#[test]
fn accounts_may_be_kept_elsewhere_as_a_whole_and_a_variable_may_have_references_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let asked = RefCell::default();
    let kept = [
        ("secret:accounts", "[{ alias = \"corner\", source = \"jwo\" }]"),
        ("ssm:/role", "arn:r"),
    ];
    for (variable, role) in [
        ("secret:accounts", None),
        (
            "[{ alias = \"corner\", source = \"jwo\", role = \"ssm:/role\" }]",
            Some("arn:r"),
        ),
    ] {
        let variables = [("MARKETLAKE_ACCOUNT", variable)];
        let config = kept_by(
            folder.path(),
            &Options::default(),
            &variables,
            &keeping(&kept, &asked),
        );
        let config = config.unwrap();
        assert_eq!(config.accounts[0].alias, "corner");
        assert_eq!(config.accounts[0].role.as_deref(), role);
    }
}
