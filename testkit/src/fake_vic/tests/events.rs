//! The stream of events.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::*;

/// Reads lines as they come.
struct Lines {
    body: Incoming,
    read: Vec<u8>,
}

impl Lines {
    async fn open(bench: &Bench, target: &str) -> Self {
        let answer =
            client::open(bench.fake.port_layer(), "GET", target, &[], client::full("")).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        Self { body: answer.into_body(), read: Vec::new() }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = tokio::time::timeout(LONG, self.body.frame()).await.unwrap().unwrap().unwrap();
            self.read.extend_from_slice(frame.data_ref().unwrap());
        }
    }

    /// The events to the one of this name.
    async fn to(&mut self, last: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().await["Event"].as_str().unwrap().to_owned();
            seen.push(event);
            if seen.last().is_some_and(|event| event == last) {
                return seen;
            }
        }
    }
}

#[tokio::test]
async fn a_life_in_events() {
    let bench = Bench::new().await;
    let mut events = Lines::open(&bench, "/events").await;
    let id = bench.made("exec sleep 60").await;
    let created = events.next().await;
    assert_eq!((&created["Type"], &created["Event"]), (&json!("events.ContainerEvent"), &json!("Created")));
    assert_eq!(
        (&created["Ref"], &created["Detail"]),
        (&json!(id), &json!(format!("Container {id} Created")))
    );
    created["CreatedTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    bench.start(&id).await;
    assert_eq!(events.to("Started").await, ["Reconfigured", "PoweredOn", "Started"]);
    bench.stop(&id).await;
    let stopped = events.to("Stopped").await;
    assert!(!stopped.contains(&"PoweredOff".to_owned()), "{stopped:?}");
    bench.start(&id).await;
    events.to("Started").await;
    bench.call("POST", &format!("/containers/{id}/signal?signal=9")).await.ok();
    let off = events.to("PoweredOff").await;
    assert!(!off.contains(&"Stopped".to_owned()), "by its own doing: {off:?}");
    bench.call("DELETE", &format!("/containers/{id}")).await.ok();
    events.to("Removed").await;
    bench.finish().await;
}

#[tokio::test]
async fn what_can_not_be_launched() {
    let bench = Bench::new().await;
    let id = bench.made_with("", json!({"path": "/no/such/program"})).await;
    let mut events = Lines::open(&bench, "/events").await;
    assert_eq!(bench.try_start(&id).await.status, 503);
    assert_eq!(events.to("PoweredOff").await, ["Reconfigured", "PoweredOn", "Failed", "PoweredOff"]);
    bench.finish().await;
}

#[tokio::test]
async fn statistics_come_line_by_line() {
    let bench = Bench::new().await;
    let id = bench.running("while :; do :; done").await;
    let mut lines = Lines::open(&bench, &format!("/containers/{id}/stats?stream=true")).await;
    for _ in 0..3 {
        let line = lines.next().await;
        assert_eq!(line["CPU"]["CPUs"].as_array().unwrap().len(), 2);
        assert_eq!(line["Memory"]["Provisioned"], json!(512 << 20));
        assert!(line["Memory"]["Consumed"].as_u64().unwrap() > 0);
        line["SampleTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_eq!(bench.get("/containers/nobody/stats?stream=true").await.without_words(), 404);
    assert_eq!(bench.get(&format!("/containers/{id}/stats")).await.status, 422);
    bench.finish().await;
}
