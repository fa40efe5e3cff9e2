//! A long output through a streaming exec.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use wharf::{ContainerHandle, spec::ExecSpec};

use crate::{
    Result,
    measure::{Spread, in_turns, timed},
    memory_use::resident_bytes,
    processor::processor_time,
    table::{Goal, Row},
    target::Target,
};

/// The most that the output may take, against the raw stream: 0.95 of its rate.
const MAX_RATIO: f64 = 1.0 / 0.95;

/// The most that memory may grow over the start while the output passes.
const MAX_GROWTH_BYTES: usize = 16 << 20;

/// Prints a row for a long output of a pod.
pub(crate) async fn measure(target: &Target, quick: bool) -> Result<String> {
    let pod = target.client.run_pod(&target.spec("stream")).await?;
    let main = pod.container("main").ok_or("the container is missing")?;
    let raw = async |command: &[String]| target.raw.stream(main.id().as_str(), command).await;
    let told = compare(target.name, &main, raw, quick).await?;
    pod.remove().await?;
    Ok(told)
}

/// Prints a row for the time of a long output, and returns what memory did meanwhile. `raw` reads it without wharf, and
/// returns how long it was.
pub(crate) async fn compare(
    name: &str,
    main: &ContainerHandle,
    raw: impl AsyncFn(&[String]) -> Result<usize>,
    quick: bool,
) -> Result<String> {
    let (bytes, pairs) = if quick { (64 << 20, 2) } else { (1 << 30, 7) };
    let command = ["/guest".to_owned(), "bytes".to_owned(), bytes.to_string(), "stdout".to_owned()];
    let mut growth = 0;
    let times = in_turns(
        pairs,
        async || {
            let (grown, times) = both_timed(ours(main, &command, bytes)).await?;
            growth = growth.max(grown);
            Ok(times)
        },
        async || -> Result<[Duration; 2]> {
            let (read, times) = both_timed(raw(&command)).await?;
            if read == bytes { Ok(times) } else { Err(format!("{read} bytes came, not {bytes}").into()) }
        },
    )
    .await?;
    // What else runs on the machine takes time as well, but no processor time of ours.
    let processor = Spread::of(times.iter().map(|[ours, raw]| ours[1].as_secs_f64() / raw[1].as_secs_f64()));
    let times: Vec<_> = times.iter().map(|pair| pair.map(|[time, _]| time)).collect();
    let mib = bytes >> 20;
    println!("{}", Row::new(format!("{mib} MiB through exec, {name}"), Goal::Ratio(MAX_RATIO), &times));
    let verdict = if growth <= MAX_GROWTH_BYTES { "met" } else { "NOT MET" };
    Ok(format!(
        "Memory while {mib} MiB pass through exec: at most {} KiB over the start, of {} KiB that are allowed: {verdict}. \
         Processor time for it: {:.3} of the raw stream's.",
        growth >> 10,
        MAX_GROWTH_BYTES >> 10,
        processor.median
    ))
}

/// How long it takes, and how much time of the processor, beside what it gives.
async fn both_timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, [Duration; 2])> {
    let before = processor_time()?;
    let (value, time) = timed(work).await?;
    Ok((value, [time, processor_time()?.saturating_sub(before)]))
}

/// Reads everything, and returns by how much memory grew at most.
async fn ours(main: &ContainerHandle, command: &[String], bytes: usize) -> Result<usize> {
    let before = resident_bytes()?;
    let mut session = main.start_exec(&ExecSpec::new(command)).await?;
    let mut stdout = session.stdout.take().ok_or("there is no output")?;
    let mut buffer = vec![0; 64 << 10];
    let (mut read, mut highest, mut looked_at) = (0, before, 0);
    loop {
        let count = stdout.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        read += count;
        // Looking costs a system call, so not at every piece.
        if read - looked_at >= 16 << 20 {
            looked_at = read;
            highest = highest.max(resident_bytes()?);
        }
    }
    let exit = session.wait().await?;
    if read != bytes || !exit.success() {
        return Err(format!("{read} bytes came, not {bytes}; the command {exit}").into());
    }
    Ok(highest.saturating_sub(before))
}
