//! What happens to pods and containers: the server's events say where to look, and its lists what is there.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use runtime_core::{
    Context, Error, PodId, Result,
    events::{Hint, Hints, Snapshot, Source},
};

use crate::{
    api::models::EventLine,
    driver::VicDriver,
    id::is_vm,
    lines::Lines,
    translate::{annotations::Vm, status},
};

/// The longest event that is read.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// The VMs of a host.
pub(crate) struct Vms(pub(crate) VicDriver);

#[async_trait]
impl Source for Vms {
    async fn list(&self, cx: &Context) -> Result<Snapshot> {
        Ok(snapshot(&self.0.vms(cx).await?))
    }

    async fn look(&self, cx: &Context, pod: &PodId) -> Result<Snapshot> {
        let vm: Vec<_> = self.0.vm(cx, pod).await?.into_iter().collect();
        Ok(snapshot(&vm))
    }

    fn hints(&self, cx: &Context) -> Option<Hints> {
        let (driver, cx) = (self.0.clone(), cx.clone());
        let listening = async move {
            match driver.client().events(&cx).await {
                Ok(body) => Lines::new(body, MAX_EVENT_BYTES).map(|line| Ok(hint(&line?.content))).boxed(),
                Err(refusal) => stream::once(async { Err(Error::from(refusal)) }).boxed(),
            }
        };
        Some(stream::once(listening).flatten().boxed())
    }
}

fn snapshot(vms: &[Vm]) -> Snapshot {
    let pods = vms.iter().map(status::pod_summary).collect();
    Snapshot::new(pods, vms.iter().flat_map(status::container_summaries).collect())
}

/// Where an event says to look. What can't be read may be about anything.
fn hint(line: &[u8]) -> Hint {
    match serde_json::from_slice::<EventLine>(line) {
        Ok(event) if is_vm(&event.container) => Hint::InPod(PodId::new(event.container)),
        _ => Hint::Somewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_where_to_look() {
        let id = "a".repeat(64);
        let line = format!(r#"{{"Type":"events.ContainerEvent","Event":"Started","Ref":"{id}"}}"#);
        assert_eq!(hint(line.as_bytes()), Hint::InPod(PodId::new(id)));
        for line in [r#"{"Event":"Started"}"#, r#"{"Ref":"vm-1"}"#, "x"] {
            assert_eq!(hint(line.as_bytes()), Hint::Somewhere, "{line}");
        }
    }
}
