//! The program as a person or a scheduler meets it: exit codes, stdout, stderr.

use std::path::Path;
use std::process::{Command, Output};

fn marketlake(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marketlake"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("MARKETLAKE_")) {
        command.env_remove(variable);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_mistake_in_the_file_exits_with_2_and_one_line_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("marketlake.toml"), "lake = \"x\"\nspeed = 9\n").unwrap();
    let output = marketlake(folder.path(), &["config"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = stderr(&output);
    assert!(
        said.starts_with("error: marketlake.toml:2: unknown field `speed`"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn storage_that_is_not_in_this_build_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = marketlake(folder.path(), &["--raw", "gs://bucket/raw", "config"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("gs:// is not in this build"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn config_says_where_every_value_comes_from_and_hides_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let text = "lookback_days = 3\npersonal_key = \"pepper\"\n";
    std::fs::write(folder.path().join("marketlake.toml"), text).unwrap();
    let output = marketlake(folder.path(), &["--json", "config", "--batch-objects", "5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("pepper"));
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let entry = |key: &str| {
        document["settings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(entry("lookback_days")["origin"], "marketlake.toml:1");
    assert_eq!(entry("batch_objects")["value"], 5);
    assert_eq!(entry("batch_objects")["origin"], "--batch-objects");
    assert_eq!(entry("busy_wait")["origin"], "default");
}

#[test]
fn the_sample_that_is_printed_is_a_file_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let sample = marketlake(folder.path(), &["config", "--sample"]).stdout;
    std::fs::write(folder.path().join("marketlake.toml"), sample).unwrap();
    std::fs::create_dir(folder.path().join("sql")).unwrap();
    let output = marketlake(folder.path(), &["--json", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            document["accounts"].as_u64(),
            document["mistakes"].as_array().map(Vec::len)
        ),
        (Some(1), Some(0))
    );
}

#[test]
fn an_unknown_table_or_account_exits_with_2_and_says_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = marketlake(folder.path(), &["run", "jwo.nothing"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("jwo.orders"), "{}", stderr(&output));
    let output = marketlake(folder.path(), &["run", "--account", "nobody"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_mistake_in_a_contract_exits_with_2_and_every_mistake_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("sql/shop")).unwrap();
    std::fs::write(folder.path().join("sql/shop/till.toml"), "nonsense = 1\n").unwrap();
    let output = marketlake(folder.path(), &["--contracts", "sql", "--json", "check"]);
    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mistakes = document["mistakes"].as_array().unwrap();
    assert!(
        mistakes
            .iter()
            .any(|mistake| mistake["file"] == "shop/till.toml" && mistake["line"] == 1)
    );
}

#[test]
fn an_alias_is_of_one_source_and_a_source_without_tables_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let account = |source: &str| format!("[[account]]\nalias = \"corner\"\nsource = \"{source}\"\n");
    let check = |sources: [&str; 2]| {
        let text: String = sources.map(account).concat();
        std::fs::write(folder.path().join("marketlake.toml"), text).unwrap();
        let output = marketlake(folder.path(), &["check"]);
        (output.status.code(), stderr(&output))
    };
    assert_eq!(check(["jwo", "ads"]), (Some(0), String::new()));
    let (code, said) = check(["jwo", "jwo"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("two accounts of the source \"jwo\" have the alias \"corner\""),
        "{said}"
    );
    let (code, said) = check(["jwo", "spapi"]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("\"spapi\", which has no tables; there is ads"),
        "{said}"
    );
}

#[test]
fn help_teaches_by_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["demo", "run", "status", "why", "tables", "query"] {
        let output = marketlake(folder.path(), &[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("Example"),
            "{command}"
        );
    }
}

#[test]
fn the_schemas_in_the_documentation_are_those_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let said = marketlake(Path::new("."), &["schemas", "--json"]).stdout;
    let document: serde_json::Value = serde_json::from_slice(&said).unwrap();
    let mut wanted = std::collections::BTreeMap::new();
    for one in document["documents"].as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        let alone = marketlake(Path::new("."), &["schemas", name]).stdout;
        let schema: serde_json::Value = serde_json::from_slice(&alone).unwrap();
        assert_eq!(schema, one["json_schema"], "{name}");
        let types = schema["$defs"]
            .as_object()
            .into_iter()
            .flat_map(|types| types.values());
        for of_type in types.chain([&schema]) {
            let properties = of_type["properties"].as_object();
            for (property, said) in properties.into_iter().flatten() {
                assert!(
                    said["description"].is_string(),
                    "{name}: {property} is not described"
                );
            }
        }
        wanted.insert(format!("{name}.json"), String::from_utf8(alone).unwrap());
    }
    if std::env::var_os("MARKETLAKE_BLESS").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &wanted {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let files = std::fs::read_dir(&folder).unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    });
    let found: std::collections::BTreeMap<String, String> = files.collect();
    assert!(
        found == wanted,
        "docs/schemas is not what the program says; `just bless` rewrites it"
    );
}
