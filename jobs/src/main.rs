//! marketlake

mod demo;

/// `marketlake DIRECTORY`: writes the raw zone of the demo to `DIRECTORY/raw` and its accounts beside it.
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, scale @ ..] = &arguments[..] else {
        anyhow::bail!("say where the raw zone should be")
    };
    let directory = std::path::Path::new(directory);
    let mut options = demo::generate::Options::default();
    if let Some(scale) = scale.first() {
        options.scale = scale.parse()?;
    }
    let made = demo::generate::generate(&directory.join("raw"), &options)?;
    std::fs::write(
        directory.join("accounts.json"),
        serde_json::to_string_pretty(&made.accounts)?,
    )?;
    for line in &made.story {
        println!("{line}");
    }
    let (merchant, order) = &made.split_order;
    println!(
        "{} objects, {} bytes, {} days; why: {merchant} {order}",
        made.objects,
        made.bytes,
        made.days.len()
    );
    Ok(())
}
