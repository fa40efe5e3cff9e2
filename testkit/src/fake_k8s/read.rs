//! Getting and listing.

use serde_json::Value;

use super::Refusal;
use super::answer::{self, Answer};
use super::cluster::Cluster;
use super::query::Query;
use super::route::Place;
use super::store::{ListOptions, Selection};

pub(super) fn get(cluster: &Cluster, place: &Place, name: &str) -> Result<Answer, Refusal> {
    let object = cluster.store.get(place.resource, &place.namespace, name)?;
    Ok(answer::json(200, &*object))
}

pub(super) fn list(cluster: &Cluster, place: &Place, query: &Query) -> Result<Answer, Refusal> {
    let selection = selection(place, query)?;
    let options = options(cluster, query)?;
    let list = cluster.store.list(place.resource, &selection, &options)?;
    Ok(answer::list(place.resource, &list))
}

/// What the selectors of a request choose.
pub(super) fn selection(place: &Place, query: &Query) -> Result<Selection, Refusal> {
    let namespace = Some(place.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    Selection::parse(place.resource, namespace, query.text("labelSelector"), query.text("fieldSelector"))
}

/// The version that a request names. Zero and none at all are alike: as new as it is.
pub(super) fn version(query: &Query) -> Result<Option<u64>, Refusal> {
    let invalid = |_| {
        let text = query.text("resourceVersion");
        Refusal::bad_request(format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        ))
    };
    Ok(query.number("resourceVersion").map_err(invalid)?.filter(|version| *version > 0))
}

fn options(cluster: &Cluster, query: &Query) -> Result<ListOptions, Refusal> {
    let version = version(query)?;
    let limit = query.number("limit")?.unwrap_or_default();
    let continue_token = Some(query.text("continue").to_owned()).filter(|token| !token.is_empty());
    if continue_token.is_some() && version.is_some() {
        return Err(Refusal::bad_request("specifying resource version is not allowed when using continue"));
    }
    let is_exact = match query.text("resourceVersionMatch") {
        "Exact" => true,
        "NotOlderThan" => false,
        // As it was before there was a choice.
        "" => limit > 0,
        other => {
            return Err(Refusal::bad_request(format!(
                "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
            )));
        }
    };
    let current = cluster.store.version();
    if let Some(asked) = version.filter(|asked| *asked > current) {
        return Err(Refusal::too_new(asked, current));
    }
    Ok(ListOptions { limit, continue_token, exactly_at: version.filter(|_| is_exact) })
}

/// The metrics of pods, of a namespace or of all, one or all.
pub(super) async fn pod_metrics(
    cluster: &Cluster,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Result<Answer, Refusal> {
    let mut metrics = cluster.nodes.pod_metrics().await;
    let is = |it: &Value, key: &str, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| it["metadata"][key].as_str() == Some(wanted))
    };
    metrics.retain(|it| is(it, "namespace", namespace) && is(it, "name", name));
    let Some(name) = name else {
        let list = serde_json::json!({
            "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": metrics,
        });
        return Ok(answer::json(200, &list));
    };
    let missing = || {
        let message = format!("podmetrics.metrics.k8s.io {name:?} not found");
        Refusal::new(404, "NotFound", message)
    };
    metrics.first().map(|it| answer::json(200, it)).ok_or_else(missing)
}
