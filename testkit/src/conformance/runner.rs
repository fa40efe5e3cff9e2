//! Runs the cases against one setup.

use std::{
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use futures::FutureExt;
use libtest_mimic::{Completion, Trial};
use runtime_core::{Capability, Client};

use super::{
    Case, Env, Failure, Group, RealSystem, Setup, Verdict,
    arguments::Arguments,
    capture::Capture,
    groups, matrix, refusal,
    report::{self, Entry},
    shared::Shared,
};

/// The longest that a case may take; beyond it the driver hangs.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);
/// Cases mostly wait, so more of them run than there are processors.
const CASES_AT_ONCE: usize = 6;

/// The last pause, doubled from 1 ms, before what is still held counts as left behind.
const REST_PAUSE_MAX: Duration = Duration::from_secs(4);

/// The main function of a conformance binary: reads the command line, runs the cases, writes the report.
///
/// `--setup NAME [--url URL] [--control SOCKET] [--group G]… [--case TEXT] [--seed N] [--report FILE]`, or `--print-matrix`. It ends with
/// 0 if nothing failed, 1 if something did, 2 for a command line that it can't read.
#[must_use]
pub fn main(setups: &[Setup]) -> ExitCode {
    let arguments = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return usage(&error.to_string()),
    };
    if arguments.print_matrix {
        return print_matrix(&runtime, setups);
    }
    let Some(setup) = setups.iter().find(|setup| Some(setup.name) == arguments.setup.as_deref()) else {
        let known: Vec<_> = setups.iter().map(|setup| setup.name).collect();
        return usage(&format!("--setup must be one of {}", known.join(", ")));
    };
    run(&runtime, *setup, &arguments)
}

fn usage(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}

fn run(runtime: &tokio::runtime::Runtime, setup: Setup, arguments: &Arguments) -> ExitCode {
    let capture = Capture::install();
    let seed = arguments.seed.unwrap_or_else(|| jiff::Timestamp::now().as_nanosecond() as u64);
    println!("setup {}, seed {seed}", setup.name);
    let shared = runtime.block_on(async {
        let connected = (setup.connect)(arguments.system.clone()).await?;
        Shared::new(connected, capture, seed).await.map(Arc::new)
    });
    let shared = match shared {
        Ok(shared) => shared,
        Err(failure) => return usage(&format!("setup {} can't run: {failure:?}", setup.name)),
    };
    let entries = Arc::new(Mutex::new(Vec::new()));
    let cases: Vec<_> = groups::all()
        .chain(refusal::CASES.iter().copied())
        .chain(setup.cases.iter().flat_map(|cases| cases.iter().copied()))
        .filter(|case| arguments.selects(case.group, case.name))
        .collect();
    // Those that run alone come last, so that the others need not wait for each other again and again.
    let (alone, beside): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.alone);
    let trials = beside
        .into_iter()
        .map(|case| trial(runtime.handle(), &shared, &entries, case))
        .chain(
            refusal::capabilities()
                .filter(|capability| selects_refusal(arguments, *capability))
                .map(|capability| refusal_trial(runtime.handle(), &shared, &entries, capability)),
        )
        .chain(alone.into_iter().map(|case| trial(runtime.handle(), &shared, &entries, case)))
        .collect();
    let options = libtest_mimic::Arguments { test_threads: Some(CASES_AT_ONCE), ..Default::default() };
    let conclusion = libtest_mimic::run(&options, trials);
    let nothing_left = nothing_left(runtime, &shared);
    let mut entries = std::mem::take(&mut *entries.lock().unwrap_or_else(PoisonError::into_inner));
    entries.push(nothing_left.clone());
    entries.sort_by(|a, b| (a.group, &a.case).cmp(&(b.group, &b.case)));
    if let Some(path) = &arguments.report
        && let Err(error) = report::write(path, &entries)
    {
        return usage(&format!("{}: {error}", path.display()));
    }
    let failed = conclusion.has_failed() || nothing_left.outcome == "failed";
    if nothing_left.outcome == "failed" {
        println!("left behind after the run: {}", nothing_left.reason);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

type Entries = Arc<Mutex<Vec<Entry>>>;

fn trial(runtime: &tokio::runtime::Handle, shared: &Arc<Shared>, entries: &Entries, case: Case) -> Trial {
    let (runtime, shared, entries) = (runtime.clone(), Arc::clone(shared), Arc::clone(entries));
    Trial::ignorable_test(format!("{}/{}", case.group.name(), case.name), move || {
        let _turn = Turn::wait(&shared, case.alone);
        conclude(&entries, case.group, case.name, || match missing(&shared, &case) {
            Some(reason) => Err(Failure::Skipped(reason)),
            None => runtime.block_on(attempt(&shared, case.group, case.name, |env| (case.run)(env))),
        })
    })
}

fn refusal_trial(
    runtime: &tokio::runtime::Handle,
    shared: &Arc<Shared>,
    entries: &Entries,
    capability: Capability,
) -> Trial {
    let (runtime, shared, entries) = (runtime.clone(), Arc::clone(shared), Arc::clone(entries));
    let name = refusal::name(capability);
    Trial::ignorable_test(format!("{}/{name}", Group::Contract.name()), move || {
        let _turn = Turn::wait(&shared, false);
        conclude(&entries, Group::Contract, &name, || {
            runtime.block_on(attempt(&shared, Group::Contract, &name, |env| {
                refusal::check(env, capability).boxed()
            }))
        })
    })
}

/// A case's turn: beside others, or alone.
enum Turn<'a> {
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
}

impl<'a> Turn<'a> {
    fn wait(shared: &'a Shared, alone: bool) -> Self {
        if alone {
            Self::Alone(shared.turns.write().unwrap_or_else(PoisonError::into_inner))
        } else {
            Self::Beside(shared.turns.read().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

fn selects_refusal(arguments: &Arguments, capability: Capability) -> bool {
    arguments.selects(Group::Contract, &refusal::name(capability))
}

/// Why a case can't run here.
fn missing(shared: &Shared, case: &Case) -> Option<String> {
    let capabilities = shared.connected.driver.capabilities();
    // What says nothing else runs containers.
    let without_containers =
        case.proves.iter().chain(case.needs).any(|named| *named == Capability::PodWithoutContainers);
    let implied = (!without_containers && !case.any_pod).then_some(&Capability::PodContainers);
    let all = || case.proves.iter().chain(case.needs).chain(implied);
    if let Some(capability) = all().find(|capability| !capabilities.has(**capability)) {
        return Some(format!("the driver does not declare {capability}"));
    }
    let (_, reason) =
        shared.connected.lacks.iter().find(|(lacking, _)| all().any(|capability| capability == lacking))?;
    Some((*reason).to_owned())
}

/// Runs one case with an environment of its own, which is cleaned whatever happens.
async fn attempt<'s, F>(shared: &'s Arc<Shared>, group: Group, name: &'s str, run: F) -> Verdict
where
    F: for<'e> FnOnce(&'e Env) -> futures::future::BoxFuture<'e, Verdict>,
{
    let env = Env::new(Arc::clone(shared), group.name(), name)?;
    let ran = tokio::time::timeout(CASE_TIMEOUT, AssertUnwindSafe(run(&env)).catch_unwind()).await;
    let verdict = match ran {
        Err(_) => Err(Failure::Failed(format!("not done after {CASE_TIMEOUT:?}"))),
        Ok(Err(_)) => Err(Failure::Failed("panicked".to_owned())),
        Ok(Ok(verdict)) => verdict,
    };
    let left = env.clean().await;
    match verdict {
        Ok(()) if !left.is_empty() => {
            Err(Failure::Failed(format!("can't be cleaned up: {}", left.join("; "))))
        }
        verdict => verdict,
    }
}

fn conclude(
    entries: &Entries,
    group: Group,
    name: &str,
    run: impl FnOnce() -> Verdict,
) -> Result<Completion, libtest_mimic::Failed> {
    let started = Instant::now();
    let verdict = run();
    let entry = Entry::new(group.name(), name, &verdict, started.elapsed());
    entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    match verdict {
        Ok(()) => Ok(Completion::Completed),
        Err(Failure::Skipped(reason)) => Ok(Completion::ignored_with(reason)),
        Err(Failure::Failed(reason)) => Err(reason.into()),
    }
}

/// After the run: nothing of it may be alive.
fn nothing_left(runtime: &tokio::runtime::Runtime, shared: &Arc<Shared>) -> Entry {
    let started = Instant::now();
    let client = Client::new(Arc::clone(&shared.connected.driver)).with_timeout(Duration::from_secs(60));
    let mut left = runtime.block_on(shared.clean(&client));
    left.extend(runtime.block_on(holdings_at_rest(shared)));
    let verdict = if left.is_empty() { Ok(()) } else { Err(Failure::Failed(left.join("; "))) };
    Entry::new(Group::Contract.name(), "nothing_is_left_after_the_run", &verdict, started.elapsed())
}

/// What the system still holds; it may be about to let go of what was just removed.
async fn holdings_at_rest(shared: &Shared) -> Vec<String> {
    let Ok(holdings) = &shared.connected.holdings else { return Vec::new() };
    let mut pause = Duration::from_millis(1);
    loop {
        let left: Vec<_> = match holdings().await {
            Ok(held) => {
                let forgiven = shared.forgiven.lock().unwrap_or_else(PoisonError::into_inner);
                held.iter().filter(|held| !forgiven.contains(held)).map(ToString::to_string).collect()
            }
            Err(error) => vec![error.to_string()],
        };
        if left.is_empty() || pause > REST_PAUSE_MAX {
            return left;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

fn print_matrix(runtime: &tokio::runtime::Runtime, setups: &[Setup]) -> ExitCode {
    let mut columns: Vec<(&str, _)> = Vec::new();
    for setup in setups {
        // A real system is not needed to know what a driver can do; setups that want a URL have a fake beside them.
        let nothing_real = RealSystem { only_asked: true, ..RealSystem::default() };
        match runtime.block_on((setup.connect)(nothing_real)) {
            Ok(connected) => {
                let (driver, capabilities) = (connected.driver.info().name, connected.driver.capabilities());
                match columns.iter_mut().find(|(name, _)| *name == driver) {
                    Some((_, others)) => *others = matrix::either(others, capabilities),
                    None => columns.push((driver, capabilities.clone())),
                }
            }
            Err(error) if error.field() == Some("url") => {}
            Err(error) => return usage(&format!("setup {}: {error}", setup.name)),
        }
    }
    print!("{}", matrix::markdown(&columns));
    ExitCode::SUCCESS
}
