//! Keys of a bucket that no path of a store can have, over the wire: each is told, and nothing else is passed over.

use anyhow::{Context, Result, ensure};
use marketlake_tests::Delivery;
use marketlake_tests::s3::{Proxy, Request};

use crate::s3::{LAKE, ministack, visit, visits};

/// Keys of a page of a listing.
const PAGE: usize = 1000;
const RUN: [&str; 2] = ["run", "shop.visits"];

#[test]
fn keys_that_no_path_can_have_are_told_each_and_every_other_object_is_taken_in() -> Result<()> {
    let server = ministack(&[LAKE])?;
    let proxy = Proxy::before(server.address(), None)?;
    let lake = visits(&server, &proxy, "")?;
    // Beside the folders of accounts, beside those of days, and of an account that has nothing else.
    let above = ["a\tb", "../x", "/y", "corner//x", "garden/2026-03-01//x"];
    let told_above = ["a\\tb", "../", "/", "corner//x", "garden/2026-03-01//x"];
    // The last one of the first page and the first one of the next, and the last one of all.
    let within = [
        "corner/2026-03-02/f\n",
        "corner/2026-03-02/f/../x",
        "corner/2026-03-04/a//b",
    ];
    let told_within = ["corner/2026-03-02/f\\n", within[1], within[2]];
    for key in above.iter().chain(&within) {
        server.put(LAKE.0, &format!("prod/raw/shop/{key}"), b"x")?;
    }
    // An object that is not empty is no mark of a folder, and cannot be opened by the name that a store gives it.
    for (key, bytes) in [("corner/", b"".as_slice()), ("corner/2026-03-03/", b"full")] {
        server.put(LAKE.0, &format!("prod/raw/shop/{key}"), bytes)?;
    }
    // With the two of the account's folder itself and a visit.
    let filling = (3..PAGE - 1).map(|number| {
        let key = format!("shop/corner/2026-03-02/e{number:04}.manifest.json");
        Delivery::new(key, "{}")
    });
    lake.deliver(&filling.chain([visit(1), visit(3)]).collect::<Vec<_>>())?;
    let run = lake.call(&RUN)?.exits_with(0)?;
    let about = run.about("shop.visits")?;
    assert_eq!(about["counts"]["rows_inserted"], 2, "{about:#}");
    let said: Vec<&str> = about["messages"]
        .as_array()
        .context("nothing was said")?
        .iter()
        .filter_map(|message| message.as_str())
        .filter(|message| message.contains("no address can have"))
        .collect();
    let mut wanted: Vec<String> = told_above
        .iter()
        .chain(&told_within)
        .chain(&["corner//", "corner/2026-03-03/"])
        .map(|key| {
            format!("\"s3://lake/prod/raw/shop/{key}\" has a name that no address can have and is left alone")
        })
        .collect();
    wanted.sort();
    assert_eq!(said, wanted);

    // They cost nothing: what is above the accounts and in each of them is one page, and below the one there are two.
    proxy.seen();
    lake.call(&RUN)?.exits_with(0)?;
    let is_page =
        |request: &&Request| request.target.contains("list-type=2") && request.target.contains("%2Fraw");
    let pages = proxy.seen();
    let pages: Vec<&str> = pages
        .iter()
        .filter(is_page)
        .map(|request| request.target.as_str())
        .collect();
    assert_eq!(pages.len(), 1 + 2 + 2 + 1, "{pages:#?}");

    // Who looks whether the bucket can be used is not misled, and a run from a day on goes on as well.
    let doctor = lake.call(&["doctor"])?;
    let is_listed = doctor.stdout.contains("s3://lake/prod/raw: list");
    ensure!(
        is_listed && !doctor.stdout.contains("illegal"),
        "{}",
        doctor.stdout
    );
    lake.deliver(&[visit(5)])?;
    let run = lake
        .call(&[RUN.as_slice(), &["--from", "2026-03-04"]].concat())?
        .exits_with(0)?;
    let about = run.about("shop.visits")?;
    assert_eq!(about["counts"]["rows_inserted"], 1, "{about:#}");
    ensure!(about["messages"].to_string().contains("a//b"), "{about:#}");
    Ok(())
}
