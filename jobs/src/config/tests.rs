//! Which value wins, where it is said to come from, and that the sample file tells the truth.

use pipeline::secret::Secret;

use super::*;
use crate::units::Size;

const SAMPLE: &str = include_str!("../../marketlake.sample.toml");

fn resolve(folder: &Path, flags: &Options, variables: &[(&str, &str)]) -> Result<Config> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::assemble(
        flags,
        None,
        &Machine { folder, memory: None },
        variables.iter().map(owned).collect::<Vec<_>>().into_iter(),
    )
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
    let resolve = |flags: &Options| Config::assemble(flags, None, &machine, std::iter::empty()).unwrap();
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
