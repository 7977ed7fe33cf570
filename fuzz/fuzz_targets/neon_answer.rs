#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hangar_fuzz::neon_answer(data));
