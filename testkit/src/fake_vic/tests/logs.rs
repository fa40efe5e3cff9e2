//! Logs of containers.

use super::*;

#[tokio::test]
async fn what_the_first_task_wrote() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "echo one; echo two; printf three", json!({})).await;
    bench.add(&draft, "second", "echo not kept", json!({})).await;
    bench.equip(&draft).await;
    bench.commit(&draft.handle).await.ok();
    let id = &draft.id;
    let logs = async |query: &str| bench.get(&format!("/containers/{id}/logs?since=0{query}")).await.text;
    assert_eq!(logs("").await, "", "nothing yet");
    bench.start(id).await;
    bench.stopped(id).await;
    assert_eq!(logs("").await, "one\ntwo\nthree");
    assert_eq!(logs("&taillines=2").await, "two\nthree");
    assert_eq!(logs("&taillines=-1").await, "one\ntwo\nthree");
    assert_eq!(logs("&follow=true").await, "one\ntwo\nthree", "it has ended");
    let stamped = logs("&timestamp=true&taillines=1").await;
    let (stamp, rest) = stamped.split_once(' ').unwrap();
    assert_eq!((stamp.len(), rest), ("2006-01-02T15:04:05.000000000Z".len(), "three"));
    stamp.parse::<jiff::Timestamp>().unwrap();
    let later = jiff::Timestamp::now().as_second() + 60;
    assert_eq!(bench.get(&format!("/containers/{id}/logs?since={later}")).await.text, "");
    // The next run goes on in the same log.
    bench.start(id).await;
    bench.stopped(id).await;
    assert_eq!(logs("").await.matches("one").count(), 2);
    bench.finish().await;
}

#[tokio::test]
async fn followed_to_the_end() {
    let bench = Bench::new().await;
    let id = bench.running("echo begun; exec sleep 60").await;
    let target = format!("/containers/{id}/logs?since=0&follow=true");
    let following = bench.get(&target);
    let stopping = async {
        bench.wrote(&id, "begun\n").await;
        bench.stop(&id).await;
    };
    let (log, ()) = tokio::join!(following, stopping);
    assert_eq!((log.status, log.text.as_str()), (200, "begun\n"));
    bench.finish().await;
}

#[tokio::test]
async fn since_has_to_be_said() {
    for (options, panics) in [(quick(), true), (without_bugs(), false)] {
        let bench = Bench::with(options).await;
        let id = bench.made("true").await;
        let target = format!("/containers/{id}/logs");
        if panics {
            bench.dropped("GET", &target, None).await;
        } else {
            bench.get(&target).await;
        }
        assert_eq!(bench.get("/containers/nobody/logs?since=0").await.without_words(), 404);
        bench.finish().await;
    }
}

#[tokio::test]
async fn without_a_port_for_it_there_is_no_log() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    bench.add(&draft, &draft.id, "echo lost", json!({})).await;
    bench.commit(&draft.handle).await.ok();
    bench.change(&draft.id, async |handle| bench.ask_for(handle, "RUNNING").await).await;
    bench.stopped(&draft.id).await;
    assert_eq!(bench.get(&format!("/containers/{}/logs?since=0", draft.id)).await.text, "");
    bench.finish().await;
}
