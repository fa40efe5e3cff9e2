//! Random faults, by seed: whoever believes to be a member loses nothing, and nothing of the dead stays.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{line::Faults, pods::Pods, *};
use crate::{group::seat::Seat, marks, spec::PodSpec};

const EXECUTORS: usize = 5;
const SEEDS: u64 = 10;
const STEPS: usize = 150;

/// What an executor is told to do.
#[derive(Debug, Clone, Copy)]
enum Command {
    MakePod,
    Crash,
    Leave,
    Quit,
}

struct World {
    store: MemoryGroupStore,
    lines: Vec<Line>,
    pods: Pods,
    seats: Seats,
    made: AtomicUsize,
    /// Pods that were reaped while their member was valid.
    wronged: Arc<Mutex<Vec<String>>>,
}

/// All memberships that ever were, by tenure.
type Seats = Arc<Mutex<Vec<(String, Arc<Seat>)>>>;

impl World {
    fn new() -> Self {
        let (seats, wronged) = (Seats::default(), Arc::<Mutex<Vec<String>>>::default());
        let (judged, told) = (Arc::clone(&seats), Arc::clone(&wronged));
        let pods = Pods::new(move |pod| {
            let tenure = &pod.labels[marks::TENURE];
            if judged.lock().unwrap().iter().any(|(own, seat)| own == tenure && seat.loss().is_none()) {
                told.lock().unwrap().push(pod.name.clone());
            }
        });
        let store = MemoryGroupStore::default();
        let lines = (0..EXECUTORS).map(|_| Line::to(&store)).collect();
        Self { store, lines, pods, seats, made: AtomicUsize::new(0), wronged }
    }

    /// One executor, whose process is started again whenever it ends.
    async fn executor(self: Arc<Self>, number: usize, mut commands: mpsc::Receiver<Command>) {
        let (line, id) = (&self.lines[number], format!("e{number}"));
        loop {
            let mut member = loop {
                let group =
                    Group::open(&cx(), Arc::new(line.clone()), "builders", GroupOptions::default()).await;
                let Ok(group) = group else { continue };
                match group.join(&cx(), &id).await {
                    Ok(member) => break member,
                    Err(_) => sleep(seconds(1)).await,
                }
            };
            loop {
                self.seats.lock().unwrap().push((member.epoch().tenure.clone(), Arc::clone(&member.seat)));
                let reaper = member.reaper(self.pods.client());
                let command = tokio::select! {
                    command = commands.recv() => command,
                    _ = reaper.run(seconds(7), |_| {}) => {
                        while member.rejoin(&cx()).await.is_err() {
                            sleep(seconds(1)).await;
                        }
                        continue;
                    }
                };
                match command {
                    Some(Command::MakePod) => self.make_pod(&member),
                    Some(Command::Crash) => break,
                    Some(Command::Leave) => {
                        let _ = member.leave(&cx()).await;
                        break;
                    }
                    Some(Command::Quit) | None => return,
                }
            }
        }
    }

    /// A pod that comes into being after a while, whatever has become of its member by then.
    fn make_pod(self: &Arc<Self>, member: &Membership) {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let Ok(spec) = member.stamp(PodSpec::new(format!("p{number}"))) else { return };
        let world = Arc::clone(self);
        tokio::spawn(async move {
            sleep(seconds(number as u64 % 90)).await;
            world.pods.add(&spec);
        });
    }

    /// Somebody who keeps no rules removes or spoils a lease.
    async fn meddle(&self, group: &Group, number: usize, remove: bool) {
        let id = format!("e{number}");
        let Some(found) = self.store.read(&cx(), group.id(), &id).await.unwrap() else { return };
        if remove {
            self.store.delete(&cx(), group.id(), &id, &found.version).await.unwrap();
        } else {
            let spoilt = LeaseRecord::new(id);
            self.store.replace(&cx(), group.id(), &spoilt, &found.version).await.unwrap();
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

async fn run(seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let world = Arc::new(World::new());
    let group = group(&Line::to(&world.store)).await;
    let mut tell = Vec::new();
    let mut tasks = Vec::new();
    for number in 0..EXECUTORS {
        let (sender, receiver) = mpsc::channel(100);
        tell.push(sender);
        tasks.push(AbortOnDropHandle::new(tokio::spawn(Arc::clone(&world).executor(number, receiver))));
    }
    for _ in 0..STEPS {
        sleep(Duration::from_millis(random.below(15_000))).await;
        let number = random.below(EXECUTORS as u64) as usize;
        let line = &world.lines[number];
        // A full queue is an executor that can't join.
        let command = |command| _ = tell[number].try_send(command);
        match random.below(24) {
            0 => line.set(|faults| faults.down = true),
            1 => line.set(|faults| faults.hangs = true),
            2 => line.set(|faults| faults.loses_answers = true),
            3 => line.set(|faults| faults.conflicts = 7),
            4..8 => line.set(|faults| {
                (faults.down, faults.hangs, faults.loses_answers) = (false, false, false);
            }),
            8 => {
                let clock = SignedDuration::from_secs(random.below(600) as i64 - 300);
                line.set(|faults| faults.clock = clock);
            }
            9 => world.lines.iter().for_each(|line| line.set(|faults| faults.down = true)),
            10 => world.lines.iter().for_each(|line| line.set(|faults| faults.down = false)),
            11 => world.meddle(&group, number, true).await,
            12 => world.meddle(&group, number, false).await,
            13 => command(Command::Crash),
            14 => command(Command::Leave),
            15 => sleep(seconds(90)).await,
            _ => command(Command::MakePod),
        }
    }
    // All is well from now on, but for two of them, which are gone for good.
    for line in &world.lines {
        line.set(|faults| *faults = Faults::default());
    }
    sleep(seconds(300)).await;
    for number in [0, 1] {
        tell[number].send(Command::Quit).await.unwrap();
    }
    sleep(seconds(300)).await;
    assert_eq!(*world.wronged.lock().unwrap(), [""; 0], "seed {seed}");
    let living: Vec<_> = executors(&group).await;
    assert_eq!(living, ["e2", "e3", "e4"], "seed {seed}");
    let tenures: Vec<_> =
        group.executors(&cx()).await.unwrap().into_iter().map(|record| record.epoch.tenure).collect();
    let left = world.pods.client().list_pods(&group.pod_filter()).await.unwrap();
    for pod in &left {
        assert!(tenures.contains(&pod.labels[marks::TENURE]), "seed {seed}: {} was not reaped", pod.name);
    }
    for task in &tasks[2..] {
        assert!(!task.is_finished(), "seed {seed}");
    }
    (world.made.load(Ordering::Relaxed), left.len())
}

#[tokio::test(start_paused = true)]
async fn no_pod_of_a_member_that_believes_itself_valid_is_reaped() {
    let mut sums = (0, 0);
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        let (made, left) = run(seed).await;
        sums = (sums.0 + made, sums.1 + left);
    }
    // Otherwise nothing was tried.
    assert!(sums.0 > 300 && sums.1 > 10 && sums.1 < sums.0, "{sums:?}");
}
