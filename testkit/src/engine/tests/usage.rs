//! What is used, and limits that change.

use super::*;

#[tokio::test]
async fn what_runs_is_measured() {
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let walled = bed.engine.isolation() == Isolation::Chroot;
        let writes = if walled { "echo hello > /tmp/file; " } else { "" };
        let busy = format!("{writes}echo ready; while true; do :; done");
        let id = bed.start(bed.launch(&["sh", "-c", &busy])).await;
        until(|| bed.printed().contains("ready")).await;
        let first = bed.engine.usage(&id).await.unwrap();
        assert_eq!(first.processes, 1);
        assert!(first.memory_bytes > 0 && first.page_faults > 0, "{first:?}");
        if walled && let Some(layer) = first.layer {
            assert!(layer.bytes >= 4096 && layer.inodes >= 2, "{layer:?}");
        }
        let mut later = first.clone();
        while later.processor_time < first.processor_time + Duration::from_millis(50) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            later = bed.engine.usage(&id).await.unwrap();
            assert!(later.processor_time >= first.processor_time);
        }
        bed.engine.stop_container(&id, None, Duration::ZERO).await.unwrap();
        let refused = bed.engine.usage(&id).await;
        assert!(matches!(refused, Err(EngineError::InvalidState { .. })), "{refused:?}");
        assert!(bed.engine.traffic(&bed.pod).unwrap().is_empty(), "it is on the host's network");
        bed.end().await;
    }
}

#[tokio::test]
async fn a_new_limit_is_in_force_and_seen() {
    const SIGUSR1: i32 = 10;
    for bed in [Bed::walled().await, Bed::open().await].into_iter().flatten() {
        let walled = bed.engine.isolation() == Isolation::Chroot;
        let grows = "trap 'while true; do x=$x$x; done' USR1; x=0123456789; echo ready; while true; do sleep 0.01; done";
        let id = bed.start(bed.launch(&["sh", "-c", grows])).await;
        until(|| bed.printed().contains("ready")).await;
        let update = |limit: u64| Update {
            memory_limit_bytes: Some(limit),
            cgroup: if walled {
                vec![CgroupFile { path: "memory/limit".into(), content: format!("{limit}\n") }]
            } else {
                Vec::new()
            },
            config: serde_json::json!({ "limit": limit }),
        };
        let refused = bed.engine.update_container(&id, update(1)).await;
        assert!(matches!(refused, Err(EngineError::MemoryInUse { limit_bytes: 1, .. })), "{refused:?}");
        assert_eq!(bed.engine.container(&id).unwrap().launch.memory_limit_bytes, None);

        for limit in [64_u64 << 20, 32 << 20] {
            bed.engine.update_container(&id, update(limit)).await.unwrap();
            let launch = bed.engine.container(&id).unwrap().launch;
            assert_eq!((launch.memory_limit_bytes, &launch.config["limit"]), (Some(limit), &limit.into()));
            if walled {
                let seen = bed.exec(&id, "cat /sys/fs/cgroup/memory/limit").await;
                assert_eq!(seen.stdout, format!("{limit}\n").into_bytes());
            }
        }
        bed.engine.signal_container(&id, SIGUSR1).await.unwrap();
        let exit = tokio::time::timeout(LONG, bed.engine.wait_container(&id)).await.unwrap().unwrap();
        assert!(exit.oom_killed, "{exit:?}");
        bed.engine.update_container(&id, update(16 << 20)).await.unwrap();
        bed.engine.remove_container(&id, false).await.unwrap();
        let gone = bed.engine.update_container(&id, update(1)).await;
        assert!(matches!(gone, Err(EngineError::NotFound { .. })), "{gone:?}");
        bed.end().await;
    }
}
