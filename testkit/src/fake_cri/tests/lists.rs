//! Lists and their filters.

use super::*;

#[tokio::test]
async fn containers_are_filtered() {
    let mut bench = Bench::new().await;
    let (one, two) = (bench.run("a").await, bench.run("b").await);
    let created = bench.create(&one, shell("created", "true")).await;
    let running = bench.create(&two, shell("running", "sleep 1000")).await;
    bench.start(&running).await.unwrap();
    let state = |state: i32| Some(ContainerStateValue { state });
    let label = |value: &str| [("c".to_owned(), value.to_owned())].into();
    let none = ContainerFilter::default;
    for (filter, want) in [
        (none(), vec![&created, &running]),
        (ContainerFilter { id: created[..10].into(), ..none() }, vec![&created]),
        (ContainerFilter { id: "ffff".into(), ..none() }, vec![]),
        (ContainerFilter { state: state(1), ..none() }, vec![&running]),
        (ContainerFilter { state: state(9), ..none() }, vec![]),
        (ContainerFilter { pod_sandbox_id: one[..10].into(), ..none() }, vec![&created]),
        (ContainerFilter { pod_sandbox_id: two.clone(), state: state(0), ..none() }, vec![]),
        (ContainerFilter { label_selector: label("running"), ..none() }, vec![&running]),
        (ContainerFilter { label_selector: label("zzz"), ..none() }, vec![]),
    ] {
        let request = ListContainersRequest { filter: Some(filter.clone()) };
        let got = bench.runtime.list_containers(request).await.unwrap().into_inner().containers;
        let got: Vec<_> = got.iter().map(|container| &container.id).collect();
        assert_eq!(got, want, "{filter:?}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_list_of_twenty_thousand_fits() {
    let options = FakeCriOptions { synthetic_containers: 20_000, ..Default::default() };
    let mut bench = Bench::with(options, Some(Isolation::None)).await;
    let list = |bench: &Bench| {
        let mut runtime = bench.runtime.clone();
        async move {
            runtime.list_containers(ListContainersRequest::default()).await.unwrap().into_inner().containers
        }
    };
    let all = list(&bench).await;
    assert_eq!(all.len(), 20_000);
    assert!(prost::Message::encoded_len(&ListContainersResponse { containers: all.clone() }) > 4 << 20);
    let id = &all[777].id;
    assert_eq!(bench.status(id).await.reason, "Completed");
    bench.stop(id, 1).await.unwrap();
    bench.remove(id).await.unwrap();
    assert_eq!(list(&bench).await.len(), 19_999);
    bench.finish().await;
}

#[tokio::test]
async fn stats_are_of_the_running() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let created = bench.create(&sandbox, shell("created", "true")).await;
    let running = bench.create(&sandbox, shell("running", "sleep 1000")).await;
    bench.start(&running).await.unwrap();
    let of = |id: &String| ContainerStatsRequest { container_id: id.clone() };
    let stats = bench.runtime.container_stats(of(&running)).await.unwrap().into_inner().stats.unwrap();
    assert!(stats.memory.unwrap().usage_bytes.unwrap().value > 0);
    let refused = bench.runtime.container_stats(of(&created)).await;
    assert_refused(refused, Code::Unknown, "unexpected metrics response: []");
    let all = bench.runtime.list_container_stats(ListContainerStatsRequest::default()).await.unwrap();
    assert_eq!(all.into_inner().stats.iter().filter(|stats| stats.memory.is_some()).count(), 1);
    bench.finish().await;
}
