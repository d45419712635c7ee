//! What a raw row knows of where it comes from.

/// What a raw row knows of where it comes from, beside the fields of the source; `from` can name these.
///
/// `_object` is the URI of the raw object, `_path` its path below the raw root (the same wherever a raw zone is
/// copied to, and whether or not its account has a root of its own), `_row` the ordinal of the row in it, `_modified` the object's last
/// modification, `_generated_at` and `_period` the time and the day of its path, `_part` the part of its path,
/// `_account` the alias of the account, `_hash` the hash of the raw fields as delivered. A field that the source has
/// called so itself is `raw._row` and so on.
///
/// A manifest beside the object says more, and of `_generated_at` and `_part` it knows best: `_document` is the id of the
/// document, `_report_type` its kind, `_marketplaces` those that were asked for (with commas between them),
/// `_requested_at` the time of the request, `_requested_from` and `_requested_to` its days. `_option.<name>` is an
/// option of the request.
pub const LINEAGE: [&str; 15] = [
    "_object",
    "_path",
    "_row",
    "_modified",
    "_generated_at",
    "_period",
    "_part",
    "_account",
    "_hash",
    "_document",
    "_report_type",
    "_marketplaces",
    "_requested_at",
    "_requested_from",
    "_requested_to",
];

/// What lineage fields with the options of a request start with.
pub const OPTION: &str = "_option.";

/// Whether a field says where a row comes from: one of [`LINEAGE`] or an option.
pub fn is_lineage(field: &str) -> bool {
    LINEAGE.contains(&field) || field.strip_prefix(OPTION).is_some_and(|name| !name.is_empty())
}
