//! The built-in computed tables: what comes in portions, in any order, is what a rebuild makes of it.

use anyhow::{Result, ensure};
use pipeline::contract::Feed;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use marketlake_tests::demo::Demo;

#[test]
fn portions_in_any_order_are_what_a_rebuild_makes() -> Result<()> {
    let demo = Demo::of_days(2)?;
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_130);
    let mut deliveries: Vec<_> = demo.deliveries.iter().collect();
    deliveries.shuffle(&mut rng);
    let lake = demo.lake()?;
    let contracts = lake.contracts()?;
    while !deliveries.is_empty() {
        let rest = deliveries.split_off(rng.random_range(1..=deliveries.len().min(80)));
        lake.deliver_all(deliveries)?;
        lake.run(&[])?.takes_in()?;
        deliveries = rest;
    }
    let computed = contracts
        .values()
        .filter(|contract| matches!(contract.feed, Feed::Inputs(_)));
    let mut rows = 0;
    for name in computed.map(|contract| contract.name.to_string()) {
        let before = lake.rows(&name)?.to_csv();
        rows += before.lines().count();
        lake.call(&["rebuild", &name])?.exits_with(0)?;
        ensure!(
            lake.rows(&name)?.to_csv() == before,
            "{name} is not what a rebuild makes of it"
        );
    }
    ensure!(rows > 100, "{rows} rows say little");
    Ok(())
}
