#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| marketlake_tests::fuzz::json_rows(bytes));
