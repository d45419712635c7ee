//! What the command line understands.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn global_options_are_understood_before_and_after_the_command() {
    for line in [
        "marketlake --lake x --json status --gaps",
        "marketlake status --gaps --lake x --json",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.options.lake.as_deref(), Some("x"));
        assert!(cli.json);
        assert!(matches!(
            cli.command,
            Command::Status(StatusArgs {
                gaps: true,
                runs: false,
                ..
            })
        ));
    }
}

#[test]
fn a_run_takes_tables_and_a_range() {
    let line = "marketlake run jwo.orders ams.sp_traffic --from 2026-03-01 --to 2026-03-02 --account corner";
    let Command::Run(run) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
        panic!("not a run")
    };
    assert_eq!(
        run.tables.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["jwo.orders", "ams.sp_traffic"]
    );
    assert_eq!(run.from.unwrap().to_string(), "2026-03-01");
    assert_eq!((run.account.as_deref(), run.dry_run), (Some("corner"), false));
}

#[test]
fn settings_can_be_said_again() {
    let line =
        "marketlake --sql mine --batch-bytes 5MiB --busy-wait 90s --lookback-days 3 --raw s3://a/b check";
    let said = Cli::try_parse_from(line.split(' ')).unwrap().settings();
    let mut again = vec!["marketlake".to_owned()];
    again.extend(said.to_arguments().unwrap());
    again.push("check".to_owned());
    assert_eq!(Cli::try_parse_from(again).unwrap().settings(), said);
}

#[test]
fn maintenance_keeps_what_the_library_keeps_by_default() {
    let Command::Maintain(maintain) = Cli::try_parse_from(["marketlake", "maintain"]).unwrap().command else {
        panic!("not maintain")
    };
    assert_eq!(maintain.retention.0, pipeline::request::RETENTION);
    assert_eq!(maintain.log_retention.0, pipeline::request::LOG_RETENTION);
}

#[test]
fn what_is_no_table_or_date_is_refused_with_an_example() {
    let refused = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
    assert!(refused("marketlake run orders").contains("such as jwo.orders"));
    assert!(refused("marketlake run --from yesterday").contains("--from"));
    assert!(refused("marketlake tables --sql").contains("TABLE"));
}

#[test]
fn tables_prints_sql_and_knows_the_global_options() {
    for option in ["--contracts", "--sql"] {
        let line = format!("marketlake {option} mine tables jwo.orders --sql --lake x");
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let settings = cli.settings();
        assert_eq!(
            (settings.contracts.as_deref(), settings.lake.as_deref()),
            (Some("mine"), Some("x"))
        );
        assert!(matches!(
            cli.command,
            Command::Tables(TablesArgs { sql: true, .. })
        ));
    }
}

#[test]
fn no_option_of_a_command_hides_a_global_one() {
    let root = Cli::command();
    let global: Vec<_> = root.get_arguments().filter(|one| one.is_global_set()).collect();
    assert!(global.len() > 5);
    for command in root.get_subcommands() {
        for own in command.get_arguments() {
            let mut hidden = global
                .iter()
                .filter(|one| one.get_id() == own.get_id() || one.get_long() == own.get_long());
            assert!(hidden.next().is_none(), "{} {}", command.get_name(), own.get_id());
        }
    }
}

#[test]
fn every_command_explains_itself() {
    for command in Cli::command().get_subcommands() {
        assert!(
            command.get_about().is_some(),
            "{} has no description",
            command.get_name()
        );
    }
}
