//! Which fields speak about people.

/// Words of column names that speak about people, or open a door, wherever they stand, in English and in German.
const WORDS: [&str; 36] = [
    "kunde",
    "kundenname",
    "vorname",
    "nachname",
    "telefon",
    "anschrift",
    "adresse",
    "strasse",
    "plz",
    "mail",
    "email",
    "phone",
    "telephone",
    "fax",
    "birthday",
    "birthdate",
    "iban",
    "ssn",
    "cpf",
    "passport",
    "firstname",
    "lastname",
    "surname",
    "zip",
    "postcode",
    "zipcode",
    "street",
    "contact",
    "address",
    "dob",
    "geburtsdatum",
    "otp",
    "passcode",
    "password",
    "passwort",
    "pin",
];

/// Who people are, beside a word that says what of them.
const PEOPLE: [&str; 14] = [
    "buyer",
    "customer",
    "recipient",
    "consignee",
    "guest",
    "contact",
    "shopper",
    "ship",
    "shipping",
    "bill",
    "billing",
    "first",
    "last",
    "full",
];

/// What of people is said.
const OF_THEM: [&str; 7] = ["name", "city", "county", "postal", "company", "id", "citizen"];

/// Column names of which a word is meant otherwise.
const OTHERS: [&str; 2] = ["address_type", "mail_class"];

/// Whether a column looks as if its values were about people: by its name, or because they are mail addresses.
pub(super) fn is_personal<'a>(name: &str, mut values: impl Iterator<Item = &'a str>) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if OTHERS.contains(&name) {
        return false;
    }
    let by_name = has(&WORDS)
        || (has(&PEOPLE) && has(&OF_THEM))
        || (has(&["postal"]) && has(&["code"]))
        || (has(&["date"]) && has(&["birth"]));
    by_name || values.any(has_mail)
}

/// `somebody@example.com`, by itself or among other words.
fn has_mail(text: &str) -> bool {
    let signs = |c: char| c.is_whitespace() || "\"'<>()[]{},;/".contains(c);
    text.split(signs).any(|word| {
        let Some((somebody, place)) = word.split_once('@') else {
            return false;
        };
        let host = place.trim_end_matches(['.', ':', '!', '?']);
        !somebody.is_empty() && !host.contains('@') && host.split('.').count() > 1 && !host.starts_with('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(name: &str) -> bool {
        is_personal(name, std::iter::empty())
    }

    #[test]
    fn mail_phone_names_and_addresses_are_personal() {
        for name in [
            "buyer_email",
            "e_mail",
            "ship_phone_number",
            "buyer_name",
            "recipient_name",
            "ship_address_1",
            "ship_city",
            "ship_postal_code",
            "customer_id",
            "first_name",
            "contact",
        ] {
            assert!(by_name(name), "{name}");
        }
    }

    #[test]
    fn names_of_things_are_not_personal() {
        for name in [
            "campaign_name",
            "product_name",
            "campaign_id",
            "sku",
            "ship_country",
            "address_type",
            "store_name",
            "shipment_id",
            "full_price",
            "customer_returns",
            "shipping_tax",
            "mobile_app_sessions",
        ] {
            assert!(!by_name(name), "{name}");
        }
    }

    #[test]
    fn a_mail_address_is_personal_whatever_the_column_is_called() {
        assert!(is_personal("note", ["-", "ann@example.com"].into_iter()));
        assert!(is_personal("note", ["call <ann@example.com>."].into_iter()));
        assert!(by_name("otp") && by_name("dob"));
        assert!(!is_personal("note", ["5 @ 2.50", "a@b"].into_iter()));
    }
}
