//! Documents of several parts: whole or rejected, and the same whatever came first.

use super::*;

#[test]
fn a_document_that_lacks_a_part_is_rejected_whole() {
    let contract = contract("\"day\"");
    let report = Report {
        at: 1,
        profile: 0,
        first: 0,
        days: 1,
        stated: true,
        rows: vec![(0, 1)],
    };
    let part = |number: u32, copy: usize| {
        let (mut object, mut gave, rows) = delivered(&contract, 0, &report, copy);
        object.uri.push_str(&number.to_string());
        object.path = format!("day/{copy}-{number}");
        object.document = Some("d0".to_owned());
        if let Some(declared) = &mut gave.declared {
            declared.parts = Parts { number, of: 2 };
        }
        (object, gave, rows)
    };
    let (mut whole, rows) = buffered(&contract, vec![part(2, 0), part(1, 0), part(1, 1)], 0);
    let gathered = gather(&contract, &mut whole, &rows, 2).unwrap().unwrap();
    assert_eq!(gathered.documents.list.len(), 1);
    assert_eq!(gathered.documents.rows, 2, "a part that came twice is one part");
    assert!(gathered.results.iter().all(Option::is_some));

    let (gone, _, rows) = part(1, 0);
    let rejected = (gone, ObjectRows::rejected(1, "gone".to_owned()), rows.slice(0, 0));
    let (mut lacking, rows) = buffered(&contract, vec![part(2, 0), rejected], 0);
    let gathered = gather(&contract, &mut lacking, &rows, 2).unwrap().unwrap();
    assert!(gathered.documents.list.is_empty());
    let reasons: Vec<_> = lacking
        .iter()
        .map(|(_, gave)| gave.rejected.clone().unwrap())
        .collect();
    assert_eq!(
        reasons,
        ["part 1 of 2 of the document is missing or rejected", "gone"]
    );

    let mut other = part(2, 0);
    if let Some(declared) = &mut other.1.declared {
        declared.days = Some((date(1), date(1)));
    }
    let (mut at_odds, rows) = buffered(&contract, vec![part(1, 0), other], 0);
    let gathered = gather(&contract, &mut at_odds, &rows, 2).unwrap().unwrap();
    assert!(gathered.documents.list.is_empty());
    let reasons: Vec<&str> = at_odds
        .iter()
        .map(|(_, gave)| gave.rejected.as_deref().unwrap())
        .collect();
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("of 2 of the document is missing"))
    );
    assert!(reasons[1].contains("others of its parts do not say the same"));
}

/// What a part says: its number, how many there are, and when it was changed. Its content is its place in the list.
type Part = (u32, u32, i64);

/// The documents of objects of which these are there, all in one batch; the number of the object of each of its rows, too.
fn gathered_of(
    contract: &Contract,
    parts: &[(Part, Report)],
    there: &[usize],
) -> (Vec<Document>, Vec<usize>) {
    // Only parts of a complete document are claimed.
    let is_complete = |of: u32| {
        let numbers = there.iter().filter(|part| parts[**part].0.1 == of);
        numbers
            .map(|part| parts[*part].0.0)
            .collect::<BTreeSet<_>>()
            .len() as u32
            == of
    };
    let claimed = there.iter().filter(|part| is_complete(parts[**part].0.1));
    let claimed: Vec<usize> = claimed.copied().collect();
    let delivered = claimed.iter().map(|index| {
        let ((number, of, changed), report) = &parts[*index];
        let (mut object, mut gave, rows) = delivered(contract, *index, report, 0);
        object.path = format!("day/{index}");
        object.document = Some("d".to_owned());
        object.modified += TimeDelta::seconds(*changed);
        let declared = gave.declared.as_mut().unwrap();
        declared.id = Some("d".to_owned());
        declared.parts = Parts {
            number: *number,
            of: *of,
        };
        (object, gave, rows)
    });
    let rows = claimed
        .iter()
        .flat_map(|index| vec![*index; parts[*index].1.rows.len()]);
    let rows = rows.collect();
    let (mut objects, buffered) = buffered(contract, delivered.collect(), 0);
    let gathered = gather(contract, &mut objects, &buffered, 1).unwrap().unwrap();
    (gathered.documents.list, rows)
}

/// The objects of the newest document that is there when these parts are taken in together; its order, too.
fn newest_of(contract: &Contract, parts: &[Part], there: &[usize]) -> Option<(String, BTreeSet<usize>)> {
    let report = |number: usize| Report {
        at: 1,
        profile: 0,
        first: 0,
        days: 1,
        stated: true,
        rows: vec![(0, number as i64)],
    };
    let parts: Vec<(Part, Report)> = parts
        .iter()
        .enumerate()
        .map(|(number, part)| (*part, report(number)))
        .collect();
    let (documents, objects) = gathered_of(contract, &parts, there);
    let newest = documents.iter().max_by_key(|document| &document.order)?;
    let rows = newest.cells.values().flat_map(|share| share.rows.iter());
    Some((
        newest.order.clone(),
        rows.map(|row| objects[row as usize]).collect(),
    ))
}

/// Per cell its order and the objects of its rows, of documents that cover no more than their rows.
fn cells_of(
    contract: &Contract,
    parts: &[(Part, Report)],
    there: &[usize],
) -> BTreeMap<Cell, (String, BTreeSet<usize>)> {
    let (documents, objects) = gathered_of(contract, parts, there);
    let mut cells: BTreeMap<Cell, (String, BTreeSet<usize>)> = BTreeMap::new();
    for (cell, share) in documents.into_iter().flat_map(|document| document.cells) {
        let objects = share.rows.iter().map(|row| objects[row as usize]).collect();
        let known = cells.entry(cell).or_default();
        *known = std::mem::take(known).max((share.order, objects));
    }
    cells
}

proptest! {
    #[test]
    fn parts_that_come_again_make_one_document_in_any_order_of_arrival(
        (parts, arrival) in proptest::collection::vec((1..4_u32, 1..4_u32, 0..4_i64), 1..8).prop_flat_map(|parts| {
            let arrival: Vec<usize> = (0..parts.len()).collect();
            (Just(parts), Just(arrival).prop_shuffle())
        }),
    ) {
        let contract = contract("\"day\"");
        let parts: Vec<Part> = parts.into_iter().map(|(number, of, changed)| (number.min(of), of, changed)).collect();
        let all: Vec<usize> = (0..parts.len()).collect();
        let together = newest_of(&contract, &parts, &all);
        let one_by_one = (1..=arrival.len()).filter_map(|count| newest_of(&contract, &parts, &arrival[..count])).max();
        prop_assert_eq!(one_by_one, together);
    }

    #[test]
    fn former_parts_say_what_newer_ones_have_no_rows_of_in_any_order_of_arrival(
        (parts, arrival) in proptest::collection::vec(
            (1..3_u32, 0..4_i64, proptest::collection::btree_set(0..3_i32, 0..3)), 2..7,
        ).prop_flat_map(|parts| {
            let arrival: Vec<usize> = (0..parts.len()).collect();
            (Just(parts), Just(arrival).prop_shuffle())
        }),
    ) {
        let contract = contract("\"day\"");
        let parts = parts.into_iter().map(|(number, changed, days)| {
            let rows = days.into_iter().map(|day| (day, 1)).collect();
            let report = Report { at: 1, profile: 0, first: 0, days: 3, stated: false, rows };
            ((number, 2, changed), report)
        });
        let parts: Vec<(Part, Report)> = parts.collect();
        let all: Vec<usize> = (0..parts.len()).collect();
        let mut one_by_one: BTreeMap<Cell, (String, BTreeSet<usize>)> = BTreeMap::new();
        for count in 1..=arrival.len() {
            for (cell, said) in cells_of(&contract, &parts, &arrival[..count]) {
                let known = one_by_one.entry(cell).or_default();
                *known = std::mem::take(known).max(said);
            }
        }
        prop_assert_eq!(one_by_one, cells_of(&contract, &parts, &all));
    }
}
