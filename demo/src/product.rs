//! What the stores of the demo sell.

/// Something on the shelves.
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) upc: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// Price of one unit in hundredths of the currency.
    pub(super) cents: i64,
    pub(super) by_weight: bool,
}

/// The shelves; two names need quotes in a CSV file.
pub(super) const PRODUCTS: &[Product] = &[
    product(
        "DRK-001",
        "0041570054529",
        "Still water 0.5 l",
        "Drinks",
        199,
        false,
    ),
    product(
        "DRK-002",
        "0049000028911",
        "Cola, zero sugar",
        "Drinks",
        249,
        false,
    ),
    product(
        "DRK-014",
        "0858176002010",
        "Cold brew \"Midnight\"",
        "Drinks",
        475,
        false,
    ),
    product(
        "SNK-003",
        "0028400090896",
        "Sea salt crisps",
        "Snacks",
        229,
        false,
    ),
    product(
        "SNK-008",
        "0602652171826",
        "Trail mix 6\" bar, dark chocolate",
        "Snacks",
        299,
        false,
    ),
    product(
        "MEA-021",
        "0073420530017",
        "Sandwich of the day\nham & cheddar",
        "Meals",
        849,
        false,
    ),
    product("MEA-022", "0073420530024", "Caesar salad", "Meals", 975, false),
    product("FRU-004", "4011", "Bananas", "Fruit", 79, true),
    product("FRU-009", "4131", "Apples, Fuji", "Fruit", 249, true),
    product(
        "HOM-002",
        "0037000863427",
        "Phone charger cable",
        "Home",
        1499,
        false,
    ),
    product(
        "BAK-005",
        "0072250013727",
        "Croissant au beurre",
        "Bakery",
        325,
        false,
    ),
    product("BAK-006", "0072250013734", "Blåbär muffin", "Bakery", 350, false),
];

const fn product(
    sku: &'static str,
    upc: &'static str,
    name: &'static str,
    category: &'static str,
    cents: i64,
    by_weight: bool,
) -> Product {
    Product {
        sku,
        upc,
        name,
        category,
        cents,
        by_weight,
    }
}
