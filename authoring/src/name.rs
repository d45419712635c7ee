//! Names of columns from names of raw fields.

use std::collections::BTreeSet;

/// Words of SQL that people would have to quote.
const RESERVED: [&str; 26] = [
    "all", "and", "as", "by", "case", "cast", "column", "cross", "default", "desc", "end", "from", "full",
    "group", "in", "index", "join", "limit", "not", "null", "order", "select", "table", "to", "user",
    "where",
];

/// Letters with marks, and what they are written as without.
const PLAIN: [(&str, &str); 10] = [
    ("äæ", "ae"),
    ("öœø", "oe"),
    ("ü", "ue"),
    ("ß", "ss"),
    ("àáâãå", "a"),
    ("èéêë", "e"),
    ("ìíîï", "i"),
    ("òóôõ", "o"),
    ("ùúû", "u"),
    ("çñ", "c"),
];

/// A field's name as `[a-z][a-z0-9_]*`: `orderItemId`, `Order Item ID` and `order-item-id` are `order_item_id`. None
/// where nothing of it is left.
pub(super) fn snake(field: &str) -> Option<String> {
    let characters: Vec<char> = field.chars().collect();
    let mut name = String::new();
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index]);
        if starts_word(before, *character, characters.get(index + 1).copied()) {
            name.push('_');
        }
        match plain(*character) {
            Some(text) => name.push_str(&text),
            None => name.push('_'),
        }
    }
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    let first = name.chars().next()?;
    if first.is_ascii_digit() {
        return Some(format!("n_{name}"));
    }
    let reserved = RESERVED.contains(&name.as_str()) || name == pipeline::contract::EXTRA;
    Some(if reserved { format!("{name}_value") } else { name })
}

/// Whether a word starts between two characters: `orderId`, `ASINCode`, `sales14d`.
fn starts_word(before: Option<char>, character: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    let digit = character.is_ascii_digit() && before.is_lowercase();
    let hump = character.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
    let acronym_ends =
        character.is_uppercase() && before.is_uppercase() && after.is_some_and(char::is_lowercase);
    digit || hump || acronym_ends
}

fn plain(character: char) -> Option<String> {
    let lower = character.to_lowercase().next()?;
    if lower.is_ascii_alphanumeric() {
        return Some(lower.to_string());
    }
    let known = PLAIN.iter().find(|(marked, _)| marked.contains(lower));
    known.map(|(_, plain)| (*plain).to_owned())
}

/// The name, or the name with the first number that makes it another than all that are taken. Takes it.
pub(super) fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.clone();
    for number in 2.. {
        if taken.insert(free.clone()) {
            break;
        }
        free = format!("{name}_{number}");
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_customs_become_words_with_underscores() {
        let names = [
            ("orderItemId", "order_item_id"),
            ("amazon-order-id", "amazon_order_id"),
            ("Order Item ID", "order_item_id"),
            ("ASINCode", "asin_code"),
            ("(Child) ASIN", "child_asin"),
            ("orderedRevenue.amount", "ordered_revenue_amount"),
            ("purchasesSameSku14d", "purchases_same_sku_14d"),
            ("7 Day Total Sales ", "n_7_day_total_sales"),
            ("Größe (cm)", "groesse_cm"),
            ("order", "order_value"),
            ("extra", "extra_value"),
            ("time_window_start", "time_window_start"),
        ];
        for (field, name) in names {
            assert_eq!(snake(field).as_deref(), Some(name), "{field}");
        }
    }

    #[test]
    fn a_name_without_letters_is_none() {
        assert_eq!(snake("注文番号"), None);
        assert_eq!(snake("--"), None);
    }

    #[test]
    fn equal_names_are_numbered() {
        let mut taken = BTreeSet::new();
        let names = ["id", "id", "id"].map(|name| unique(name.to_owned(), &mut taken));
        assert_eq!(names, ["id", "id_2", "id_3"]);
    }
}
