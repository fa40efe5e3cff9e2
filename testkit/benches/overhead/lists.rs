//! Lists of many containers: time and bytes for each, and how both grow.

use std::fmt::Write;

use wharf::ContainerFilter;

use crate::{
    Result,
    measure::{Spread, in_turns, per_call},
    memory_use::resident_bytes,
    table::{Goal, Row},
    target::{Images, Target},
};

/// The most that a list may take, against the raw call, which makes nothing of the answer.
const MAX_RATIO: f64 = 1.5;

/// Lists that are held at the same time to see what one takes.
const HELD: usize = 10;

/// Prints a row for each length of list, and returns what a container takes in each.
pub(crate) async fn measure(images: &Images, quick: bool) -> Result<String> {
    let pairs = if quick { 3 } else { 40 };
    let mut told = String::from(
        "\n| containers | time for each | on the wire for each | held for each |\n| --- | --- | --- | --- |\n",
    );
    for count in [100, 1000, 10_000] {
        let fake = Target::fake(images, count).await?;
        fake.finish_after(row(&fake, count, pairs, &mut told)).await?;
    }
    Ok(told)
}

async fn row(fake: &Target, count: usize, pairs: usize, told: &mut String) -> Result<()> {
    let all = ContainerFilter::default();
    // A short list is repeated, so that each measurement takes about as long.
    let calls = u32::try_from(10_000 / count)?;
    let bytes = fake.raw.list_containers().await?;
    let times = in_turns(
        pairs,
        async || per_call(calls, async || fake.client.list_containers(&all).await).await,
        async || per_call(calls, async || fake.raw.list_containers().await).await,
    )
    .await?;
    println!(
        "{}",
        Row::new(format!("list of {count} containers, {}", fake.name), Goal::Ratio(MAX_RATIO), &times)
    );

    let before = resident_bytes()?;
    let mut held = Vec::new();
    for _ in 0..HELD {
        held.push(fake.client.list_containers(&all).await?);
    }
    let held_bytes = resident_bytes()?.saturating_sub(before);
    let listed: usize = held.iter().map(Vec::len).sum();
    if listed != HELD * count {
        return Err(format!("{listed} containers are listed, not {}", HELD * count).into());
    }
    let micros = Spread::of(times.iter().map(|[ours, _]| ours.as_secs_f64() * 1e6)).median;
    // What fits into memory that the allocator had already doesn't show.
    let held_each = if held_bytes == 0 {
        "too little to see".to_owned()
    } else {
        format!("{} bytes", held_bytes / listed)
    };
    writeln!(told, "| {count} | {:.2} µs | {} bytes | {held_each} |", micros / count as f64, bytes / count)?;
    Ok(())
}
