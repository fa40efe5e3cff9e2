//! Who gets a lease, and who doesn't.

use futures::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::ErrorKind;

#[tokio::test(start_paused = true)]
async fn fifty_that_start_at_once_are_in_one_group() {
    let store = MemoryGroupStore::default();
    let open = (0..50).map(|number| {
        let line = Line::to(&store);
        // Some need more than one attempt.
        line.set(|faults| faults.down = number % 3 == 0);
        tokio::spawn(async move {
            let heal = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                line.set(|faults| faults.down = false);
            };
            tokio::join!(group(&line), heal).0.id().to_owned()
        })
    });
    let ids: Vec<_> = join_all(open).await.into_iter().map(|id| id.unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{ids:?}");
    let line = Line::to(&store);
    let other = Group::open(&cx(), Arc::new(line), "testers", GroupOptions::default()).await.unwrap();
    assert_ne!(other.id(), ids[0]);
}

#[tokio::test(start_paused = true)]
async fn names_and_times_are_checked_before_anything_is_asked() {
    let line = Line::to(&MemoryGroupStore::default());
    let bad_times = GroupOptions::default().with_margin(seconds(0));
    for (name, options) in [("No Label", GroupOptions::default()), ("builders", bad_times)] {
        let error = Group::open(&cx(), Arc::new(line.clone()), name, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(line.faults().requests, 0);
    let group = group(&line).await;
    for executor in ["", "a b", "-a", &"a".repeat(300)] {
        let error = group.join(&cx(), executor).await.unwrap_err();
        assert_eq!(error.field(), Some("executor"), "{executor:?}");
    }
    assert_eq!(line.faults().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_executors_with_one_id_is_refused() {
    let store = MemoryGroupStore::default();
    let first = join(&Line::to(&store), "a").await.unwrap();
    let start = Instant::now();
    let error = join(&Line::to(&store), "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(start.elapsed() <= seconds(15), "as soon as the first renews: {:?}", start.elapsed());
    assert!(first.is_valid());
    let outcomes = join_all((0..2).map(|_| {
        let line = Line::to(&store);
        async move { join(&line, "b").await }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_crashed_is_taken_over_when_it_is_stale_and_its_tenure_goes_on() {
    let store = MemoryGroupStore::default();
    let first = join(&Line::to(&store), "a").await.unwrap();
    let before = first.epoch().clone();
    drop(first);
    let start = Instant::now();
    let second = join(&Line::to(&store), "a").await.unwrap();
    assert!(start.elapsed() >= seconds(OTHERS_LIMIT) && start.elapsed() <= seconds(OTHERS_LIMIT + 5));
    assert!(second.epoch().same_tenure(&before));
    assert_eq!(second.epoch().turn, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_left_is_replaced_at_once_by_another_tenure() {
    let store = MemoryGroupStore::default();
    let first = join(&Line::to(&store), "a").await.unwrap();
    let before = first.epoch().clone();
    first.leave(&cx()).await.unwrap();
    assert_eq!(executors(&group(&Line::to(&store)).await).await, [""; 0]);
    let start = Instant::now();
    let second = join(&Line::to(&store), "a").await.unwrap();
    assert_eq!(start.elapsed(), seconds(0));
    assert!(!second.epoch().same_tenure(&before));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_other_executor() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let group = group(&line).await;
    line.set(|faults| faults.loses_answers = true);
    let heal = async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        line.set(|faults| faults.loses_answers = false);
    };
    let start = Instant::now();
    let (membership, ()) = {
        let cx = cx();
        tokio::join!(group.join(&cx, "a"), heal)
    };
    assert_eq!(membership.unwrap().epoch().turn, 1);
    assert!(start.elapsed() < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_can_read_is_replaced_when_it_is_stale() {
    let store = MemoryGroupStore::default();
    let group = group(&Line::to(&store)).await;
    store.create(&cx(), group.id(), &LeaseRecord::new("a")).await.unwrap();
    let membership = group.join(&cx(), "a").await.unwrap();
    assert!(!membership.epoch().tenure.is_empty());
}

#[tokio::test(start_paused = true)]
async fn joining_ends_with_its_context_and_with_errors_that_stay() {
    let store = MemoryGroupStore::default();
    let line = Line::to(&store);
    let group = group(&line).await;
    drop(group.join(&cx(), "a").await.unwrap());
    let error = group.join(&cx().with_timeout(seconds(20)), "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    line.set(|faults| faults.down = true);
    let error = group.join(&cx(), "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    line.set(|faults| (faults.down, faults.hangs) = (false, true));
    let error = group.join(&cx(), "b").await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true));
    line.set(|faults| (faults.hangs, faults.conflicts) = (false, 100));
    let error = group.join(&cx(), "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}
