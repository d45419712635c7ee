//! Notices in the file of a lake; of a lake in a bucket, where nothing is appended to, in a file of the run.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pipeline::lake::Lake;
use pipeline::report::News;
use url::Url;
use uuid::Uuid;

use super::{Around, Notice};

/// The folder of a lake in a bucket that holds notices, by run.
pub(crate) const FOLDER: &str = "notices";

/// The file of a lake to which notices are appended.
pub(crate) fn of_lake(lake: &Path) -> PathBuf {
    lake.join("notices.jsonl")
}

/// Writes down news in the lake at `location`, each on a line.
pub(super) async fn tell(lake: &Lake, location: &Url, news: &[&News], around: Around<'_>) -> Result<()> {
    if news.is_empty() {
        return Ok(());
    }
    let lines = lines(news, around)?;
    match location.to_file_path() {
        Ok(folder) => append(&folder, &lines),
        Err(()) => {
            // Under an id that it was given a run may have begun before, or others may be at work: nobody writes over what
            // another one told.
            let name = match lake.job() {
                Some(_) => format!("{}-{}", around.run.run, Uuid::new_v4()),
                None => around.run.run.clone(),
            };
            let name = format!("{FOLDER}/{name}.jsonl");
            Ok(lake.stores().write(location, &name, lines).await?)
        }
    }
}

fn lines(news: &[&News], around: Around<'_>) -> Result<String> {
    let mut lines = String::new();
    for notice in news.iter().map(|news| Notice::of(news, around)) {
        lines.push_str(&serde_json::to_string(&notice).context("a notice cannot be written down")?);
        lines.push('\n');
    }
    Ok(lines)
}

/// Appends to the lake's file, in one write at its end, so that the lines of two runs do not mix.
fn append(lake: &Path, lines: &str) -> Result<()> {
    let path = of_lake(lake);
    let append = || -> std::io::Result<()> {
        fs::create_dir_all(lake)?;
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    };
    append().with_context(|| format!("notices cannot be appended to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{around, news, run};
    use super::*;
    use pipeline::report::Outcome;

    #[test]
    fn each_news_is_one_line_and_later_ones_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake");
        let outcomes = [
            Outcome::Empty,
            Outcome::Updated,
            Outcome::PartlyQuarantined,
            Outcome::Late,
            Outcome::Held,
            Outcome::Busy,
            Outcome::Stopped,
            Outcome::Failed,
        ];
        for outcome in outcomes {
            let both = [news(outcome, 3), news(outcome, 4)];
            let both: Vec<&News> = both.iter().collect();
            append(&lake, &lines(&both, around(&run("r-1"), None)).unwrap()).unwrap();
        }
        let text = fs::read_to_string(of_lake(&lake)).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .step_by(2)
            .map(|line| (line["outcome"].as_str().unwrap(), line["attention"] == true))
            .collect();
        assert_eq!(
            told,
            [
                ("empty", false),
                ("updated", false),
                ("partly_quarantined", false),
                ("late", true),
                ("held", true),
                ("busy", true),
                ("stopped", true),
                ("failed", true)
            ]
        );
    }
}
