//! What fits neither into memory nor into the folder for what does not: it is named, and costs nobody else.

use anyhow::{Result, ensure};

use marketlake_tests::shop::Shop;

const LITTLE: &str = "memory_limit = \"1MiB\"\nspill_limit = \"256KiB\"\n";

/// A report of so many visits.
fn visits(name: &str, count: usize) -> String {
    let rows: String = (0..count)
        .map(|number| format!("{name}{number},90,2\n"))
        .collect();
    format!("visit_id,seconds,guests\n{rows}")
}

#[test]
fn an_object_that_is_too_large_is_named_and_the_others_come_in() -> Result<()> {
    let shop = Shop::configured(LITTLE)?;
    shop.deliver("2026-03-01", "a", &visits("a", 10))?;
    shop.deliver("2026-03-02", "huge", &visits("h", 20_000))?;
    shop.deliver("2026-03-03", "z", &visits("z", 10))?;
    for _ in 0..3 {
        let run = shop.lake.run(&["shop.visits"])?.exits_with(1)?;
        assert_eq!(run.outcome("shop.visits")?, "failed");
        ensure!(
            run.stdout.contains("huge.csv") && run.stdout.contains("spill_limit, 262144 bytes"),
            "{}",
            run.said()
        );
    }
    let run = shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    assert_eq!(run.outcome("shop.visits")?, "partly_quarantined");
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 20);
    let rejects = shop.lake.quarantine("shop.visits")?;
    assert_eq!(rejects.len(), 1);
    ensure!(rejects[0].object.ends_with("huge.csv"), "{}", rejects[0].object);
    ensure!(
        rejects[0].reason.contains("give spill_dir"),
        "{}",
        rejects[0].reason
    );

    let replay = ["quarantine", "replay", "--table", "shop.visits"];
    shop.lake
        .call(
            &[
                &replay[..],
                &["--memory-limit", "256MiB", "--spill-limit", "1GiB"],
            ]
            .concat(),
        )?
        .exits_with(0)?;
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 20_020);
    assert_eq!(shop.lake.quarantine("shop.visits")?.len(), 0);
    Ok(())
}

#[test]
fn what_spills_leaves_nothing_in_its_folder() -> Result<()> {
    let shop = Shop::configured("memory_limit = \"1MiB\"\n")?;
    let folder = shop.lake.path().join("scratch");
    std::fs::create_dir(&folder)?;
    shop.deliver("2026-03-01", "a", &visits("a", 20_000))?;
    let folder = folder.to_string_lossy().into_owned();
    let run = ["shop.visits", "--spill-dir", &folder];
    shop.lake.run(&run)?.exits_with(0)?;
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 20_000);
    assert_eq!(std::fs::read_dir(&folder)?.count(), 0);
    let nowhere = ["shop.visits", "--spill-dir", "/nowhere/at/all"];
    shop.deliver("2026-03-02", "b", &visits("b", 20_000))?;
    let run = shop.lake.run(&nowhere)?.exits_with(1)?;
    ensure!(run.stdout.contains("/nowhere/at/all"), "{}", run.said());
    shop.lake.run(&["shop.visits"])?.exits_with(0)?;
    assert_eq!(shop.lake.rows("shop.visits")?.len(), 40_000);
    Ok(())
}
