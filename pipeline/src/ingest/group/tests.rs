use super::*;
use crate::contract::{builtin, load};

#[test]
fn built_in_tables_over_the_same_objects_know_the_same_fields_and_read_them_together() {
    let contracts = load(&builtin(), &[]).unwrap();
    let groups = Group::of(&contracts, |contract| contract.name.source == "jwo");
    let names = groups.iter().map(|group| {
        let names = group
            .contracts
            .iter()
            .map(|contract| contract.name.table.as_str());
        names.collect::<Vec<_>>()
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        [["order_lines", "order_rows", "orders"]]
    );
}
