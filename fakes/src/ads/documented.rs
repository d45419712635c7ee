//! Report types as they are documented.

use std::sync::LazyLock;

use serde::Deserialize;

/// The documentation, as the program has it, too.
const FILES: [&str; 5] = [
    include_str!("../../../acquire/src/ads/types/products.toml"),
    include_str!("../../../acquire/src/ads/types/brands.toml"),
    include_str!("../../../acquire/src/ads/types/display.toml"),
    include_str!("../../../acquire/src/ads/types/television.toml"),
    include_str!("../../../acquire/src/ads/types/all.toml"),
];

static ALL: LazyLock<Vec<Documented>> = LazyLock::new(|| {
    let files = FILES.iter().filter_map(|text| toml::from_str::<File>(text).ok());
    files.flat_map(|file| file.report).collect()
});

#[derive(Deserialize)]
struct File {
    report: Vec<Documented>,
}

/// A report type with one grouping.
#[derive(Deserialize)]
pub(super) struct Documented {
    #[serde(rename = "type")]
    report: String,
    group_by: Vec<String>,
    pub(super) product: String,
    pub(super) units: Vec<String>,
    pub(super) filters: Vec<String>,
    pub(super) longest: u32,
    pub(super) retention: u32,
    pub(super) columns: String,
}

pub(super) fn find(report: &str, group_by: &[String]) -> Option<&'static Documented> {
    ALL.iter()
        .find(|known| known.report == report && known.group_by == group_by)
}

/// Names of the columns of a report type, but for those of time; none where there is no such type.
pub fn documented_columns(report: &str, group_by: &str) -> Vec<&'static str> {
    let found = find(report, &[group_by.to_owned()]);
    found
        .into_iter()
        .flat_map(|known| known.columns.split_whitespace())
        .collect()
}
