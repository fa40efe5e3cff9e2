//! Container logs: records, and lines put together from them. A part of the input is noise, and a part is put behind
//! a right beginning, so that the fuzzer need not find out about timestamps.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::cri_log::LogRecord;
use runtime_core::helpers::line_assembler::LineAssembler;

const STARTS: [&str; 4] = ["stdout P ", "stdout F ", "stderr P:X ", "stderr F:P "];

fuzz_target!(|data: (u8, &[u8], Vec<(u8, &[u8])>)| {
    let (max, noise, records) = data;
    let mut log = noise.to_vec();
    for (start, rest) in records {
        let start = STARTS[usize::from(start) % STARTS.len()];
        log.extend_from_slice(format!("\n2016-10-06T00:17:09.669794202Z {start}").as_bytes());
        log.extend_from_slice(rest);
    }
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
