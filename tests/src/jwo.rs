//! Order reports of one store.

use anyhow::Result;
use cases::{Delivery, LakeUnderTest};

use crate::new_lake;

/// Configuration with one account of Just Walk Out.
pub const ACCOUNT: &str = "[[account]]\nalias = \"corner\"\nsource = \"jwo\"\n";

/// A report of a quarter of an hour with one order of one line.
pub fn report(time: &str, order: &str, total: &str) -> Delivery {
    let (hour, minute) = time.split_once(':').unwrap_or((time, "00"));
    Delivery::new(
        format!("jwo/corner/Order/2026-03-01/{hour}/ALL{minute}.csv000"),
        format!(
            "order_id,order_date,order_total,currency_code,line_id,net_amount\n{order},2026-03-01,{total},USD,L1,{total}\n"
        ),
    )
}

/// A lake into which two reports were taken, a run each.
pub fn two_batches() -> Result<LakeUnderTest> {
    let lake = new_lake(ACCOUNT)?;
    for delivery in [report("07:15", "A-1", "10.00"), report("07:30", "A-2", "20.00")] {
        lake.deliver(&delivery)?;
        lake.run(&[])?.exits_with(0)?;
    }
    Ok(lake)
}

/// Order and total of every order.
pub fn orders(lake: &LakeUnderTest) -> Result<Vec<(String, String)>> {
    let rows = lake.rows("jwo.orders")?.of(&["order_id", "order_total"])?;
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    Ok(rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect())
}
