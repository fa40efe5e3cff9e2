//! Container logs: records, and lines put together from them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::cri_log::LogRecord;
use runtime_core::helpers::line_assembler::LineAssembler;

fuzz_target!(|data: (u8, &[u8])| {
    let (max, log) = data;
    let max = usize::from(max).max(1);
    let mut assembler = LineAssembler::new(max);
    let (mut came, mut went) = (0, 0);
    let mut check = |lines: Vec<runtime_core::LogLine>| {
        for line in lines {
            assert!(line.content.len() <= max);
            went += line.content.len();
        }
    };
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let _ = LogRecord::parse_docker(line);
        let Ok(record) = LogRecord::parse(line) else { continue };
        let written = record.to_bytes();
        assert_eq!(LogRecord::parse(&written), Ok(record.clone()));
        came += record.content.len();
        check(assembler.push(record));
    }
    check(assembler.finish());
    assert_eq!(came, went);
});
