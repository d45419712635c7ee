//! A short run of what `fuzz/` runs for hours: mutations of seeds, the same in every run.

use marketlake_tests::fuzz::{TARGETS, Target};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Mutations of each decoder; `MARKETLAKE_FUZZ_RUNS` asks for more.
const RUNS: usize = 3000;
/// Pieces that formats give a meaning to.
const WORDS: [&[u8]; 16] = [
    b"\"", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b"\t", b"\0", b"\xff", b"\x81",
    b"\\ud83d", b"1e999",
];

fn mutated(target: &Target, random: &mut ChaCha8Rng) -> Vec<u8> {
    let pick = |random: &mut ChaCha8Rng| target.seeds[random.random_range(0..target.seeds.len())];
    let mut bytes = pick(random).to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(at),
            2 => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            3 => {
                let end = random.random_range(at..=bytes.len().min(at + 16));
                bytes.drain(at..end);
            }
            4 => {
                let end = random.random_range(at..=bytes.len().min(at + 64));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.extend_from_slice(pick(random)),
        }
    }
    bytes
}

#[test]
fn no_bytes_harm_a_decoder() {
    let runs = std::env::var("MARKETLAKE_FUZZ_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok());
    for target in &TARGETS {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for seed in target.seeds {
            (target.check)(seed);
        }
        for run in 0..runs.unwrap_or(RUNS) {
            let bytes = mutated(target, &mut random);
            let held = std::panic::catch_unwind(|| (target.check)(&bytes));
            assert!(
                held.is_ok(),
                "{} run {run}: {:?}",
                target.name,
                bytes.escape_ascii().to_string()
            );
        }
    }
}
