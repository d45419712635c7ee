//! What is asked for: identifiers and sellers, out of a list or the rows of a query.

use std::fmt;

use super::Api;
use crate::error::{Error, Result};

/// A kind of identifier, in the APIs' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Amazon's number of a product.
    Asin,
    /// European article number.
    Ean,
    /// Amazon's number of a unit of one seller.
    Fnsku,
    /// Global trade item number.
    Gtin,
    /// Of a book.
    Isbn,
    /// Japanese article number.
    Jan,
    /// Of a medicine in Italy.
    Minsan,
    /// A seller's own number.
    Sku,
    /// Universal product code.
    Upc,
}

/// A product, or all that a seller lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The marketplace; none: all of the account.
    pub marketplace: Option<String>,
    /// The seller, or the vendor's code; none: that of the account.
    pub seller: Option<String>,
    /// The product; none: all that the seller lists.
    pub identifier: Option<(Kind, String)>,
}

/// What a column is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Identifier(Kind),
    Seller,
    Marketplace,
}

const KINDS: [(Kind, &str); 9] = [
    (Kind::Asin, "ASIN"),
    (Kind::Ean, "EAN"),
    (Kind::Fnsku, "FNSKU"),
    (Kind::Gtin, "GTIN"),
    (Kind::Isbn, "ISBN"),
    (Kind::Jan, "JAN"),
    (Kind::Minsan, "MINSAN"),
    (Kind::Sku, "SKU"),
    (Kind::Upc, "UPC"),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(kind, _)| kind == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl Wanted {
    /// A product, of the account's seller and in its marketplaces.
    pub fn new(kind: Kind, id: &str) -> Self {
        Self {
            marketplace: None,
            seller: None,
            identifier: Some((kind, id.trim().to_owned())),
        }
    }

    /// All that a seller lists.
    pub fn all_of(seller: &str) -> Self {
        Self {
            marketplace: None,
            seller: Some(seller.trim().to_owned()),
            identifier: None,
        }
    }
}

/// What column a name is the name of, whatever way of writing names it comes from.
fn column(name: &str) -> Option<Column> {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name = letters.collect::<String>().to_lowercase();
    Some(match name.as_str() {
        "sellersku" | "msku" => Column::Identifier(Kind::Sku),
        "seller" | "sellerid" | "sellingpartnerid" | "merchantid" | "vendorcode" => Column::Seller,
        "marketplace" | "marketplaceid" => Column::Marketplace,
        name => {
            let kind = KINDS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
            Column::Identifier(kind?.0)
        }
    })
}

/// What a list wants, whose lines are identifiers of that kind, or sellers where there is none. Where its first line names
/// columns, with commas or tabs between them, it is a table instead.
///
/// # Errors
///
/// When a line of a table has more cells than there are columns.
pub fn listed(text: &str, kind: Option<Kind>, api: Api) -> Result<Vec<Wanted>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .peekable();
    let Some(first) = lines.peek() else {
        return Ok(Vec::new());
    };
    let between = if first.contains('\t') { '\t' } else { ',' };
    let names: Vec<String> = first.split(between).map(|name| name.trim().to_owned()).collect();
    if names.iter().all(|name| column(name).is_some()) {
        let rows = lines.skip(1).map(|line| {
            let cells = line.split(between).map(|cell| Some(cell.trim().to_owned()));
            cells.collect()
        });
        return of_rows(&names, rows, api);
    }
    let wanted = lines.map(|line| match kind {
        Some(kind) => Wanted::new(kind, line),
        None => Wanted::all_of(line),
    });
    Ok(wanted.collect())
}

/// What rows want: the names of the columns say what is in them. A row that names nothing is none.
///
/// # Errors
///
/// When a column is called what nothing is, or a row has more cells than there are columns.
pub fn of_rows(
    names: &[String],
    rows: impl IntoIterator<Item = Vec<Option<String>>>,
    api: Api,
) -> Result<Vec<Wanted>> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let known = column(name).ok_or_else(|| {
            Error::mistake(format!(
                "a column is called {name:?}, which says nothing; give columns the names asin, sku, fnsku, ean, upc, gtin, \
                 isbn, jan, minsan, seller_id or marketplace_id (in SQL: AS asin)"
            ))
        })?;
        columns.push(known);
    }
    let mut wanted = Vec::new();
    for row in rows {
        if row.len() > columns.len() {
            return Err(Error::mistake(format!(
                "a row has {} cells, and there are {} columns: {}",
                row.len(),
                columns.len(),
                names.join(", ")
            )));
        }
        let cell = |wanted: Column| {
            let at = columns.iter().position(|column| *column == wanted)?;
            row.get(at)?.clone().filter(|text| !text.is_empty())
        };
        let identifiers = api.kinds().iter();
        let identifier = identifiers
            .copied()
            .find_map(|kind| Some((kind, cell(Column::Identifier(kind))?)));
        let seller = cell(Column::Seller);
        if identifier.is_some() || (seller.is_some() && api == Api::Listings) {
            wanted.push(Wanted {
                marketplace: cell(Column::Marketplace),
                seller,
                identifier,
            });
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asin(id: &str) -> Wanted {
        Wanted::new(Kind::Asin, id)
    }

    #[test]
    fn a_list_has_a_product_or_a_seller_a_line() {
        let text = "\u{feff}B000000001\r\n\n  B000000002\n";
        let wanted = listed(text, Some(Kind::Asin), Api::Catalog).unwrap();
        assert_eq!(wanted, [asin("B000000001"), asin("B000000002")]);
        let wanted = listed("shoes, red\n", Some(Kind::Sku), Api::Listings).unwrap();
        assert_eq!(wanted, [Wanted::new(Kind::Sku, "shoes, red")]);
        assert_eq!(
            listed("A1\n", None, Api::Listings).unwrap(),
            [Wanted::all_of("A1")]
        );
        assert_eq!(listed(" \n", None, Api::Listings).unwrap(), []);
    }

    #[test]
    fn a_table_says_by_its_names_what_is_in_it() {
        let text = "Seller-SKU\tasin\tmarketplace_id\nred, 1\tB000000001\tA1\n\tB000000002\t\n\t\tA1\n";
        let listings = listed(text, Some(Kind::Asin), Api::Listings).unwrap();
        let one = Wanted {
            marketplace: Some("A1".to_owned()),
            ..Wanted::new(Kind::Sku, "red, 1")
        };
        assert_eq!(listings, [one, asin("B000000002")]);
        let catalog = listed(text, None, Api::Catalog).unwrap();
        assert_eq!(catalog[0].identifier, Some((Kind::Asin, "B000000001".to_owned())));
        let sellers = listed("seller_id\nS1\n", None, Api::Listings).unwrap();
        assert_eq!(sellers, [Wanted::all_of("S1")]);
        assert_eq!(listed("seller_id\nS1\n", None, Api::Catalog).unwrap(), []);
    }

    #[test]
    fn a_column_that_says_nothing_is_a_mistake() {
        let error = of_rows(&["product".to_owned()], [], Api::Catalog).unwrap_err();
        assert!(
            error.is_mistake() && error.to_string().contains("AS asin"),
            "{error}"
        );
        assert!(
            listed("asin\nB1,B2\n", None, Api::Catalog)
                .unwrap_err()
                .is_mistake()
        );
    }
}
