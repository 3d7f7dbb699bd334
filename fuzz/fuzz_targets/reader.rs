//! One of the program's readers, which `READER` names: what it must not do is panic, hang, or take
//! memory that its input is not worth (`-malloc_limit_mb`, `-timeout`).
#![no_main]

use std::sync::LazyLock;

use es_train::readers::{Reader, reader};
use libfuzzer_sys::fuzz_target;

static READER: LazyLock<&'static Reader> =
    LazyLock::new(|| reader(&std::env::var("READER").expect("READER names one, as corpus prints")));

fuzz_target!(|bytes: &[u8]| (READER.read)(bytes));
