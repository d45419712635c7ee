#![no_main]

// The Parquet reader gives up on damaged files by panicking. The decoder catches that, but libFuzzer's hook would end the
// process before; a panic that nobody catches ends it still.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| marketlake_tests::fuzz::parquet(bytes)
);
