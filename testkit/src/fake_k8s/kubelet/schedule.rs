//! Which node a pod is for.

use serde_json::Value;

/// Chooses among the nodes, or says why none will do. `pods_on` tells how many pods a node has.
///
/// # Errors
/// The message of the pod's condition.
pub(super) fn choose(
    pod: &Value,
    nodes: &[Value],
    pods_on: impl Fn(&str) -> usize,
) -> Result<String, String> {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    let mut best: Option<(usize, &str)> = None;
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        match misfit(pod, node) {
            None => {
                let load = pods_on(name);
                if best.is_none_or(|(least, _)| load < least) {
                    best = Some((load, name));
                }
            }
            Some(reason) => match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((reason, 1)),
            },
        }
    }
    match best {
        Some((_, name)) => Ok(name.to_owned()),
        None => Err(unschedulable(nodes.len(), reasons)),
    }
}

fn unschedulable(nodes: usize, mut reasons: Vec<(String, usize)>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut words: Vec<_> = reasons.drain(..).map(|(reason, count)| format!("{count} {reason}")).collect();
    words.sort();
    let words = words.join(", ");
    format!(
        "0/{nodes} nodes are available: {words}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: \
         {nodes} Preemption is not helpful for scheduling."
    )
}

/// Why a pod can't be on a node.
fn misfit(pod: &Value, node: &Value) -> Option<String> {
    const SELECTOR: &str = "node(s) didn't match Pod's node affinity/selector";
    let labels = &node["metadata"]["labels"];
    let selected = pod["spec"]["nodeSelector"]
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value));
    if !selected || !fits_affinity(pod, node) {
        return Some(SELECTOR.to_owned());
    }
    if node["spec"]["unschedulable"] == true {
        return Some("node(s) were unschedulable".to_owned());
    }
    let none = Vec::new();
    let taints = node["spec"]["taints"].as_array().unwrap_or(&none);
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap_or(&none);
    let hard = |taint: &&Value| matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute"));
    let untolerated = |taint: &&Value| !tolerations.iter().any(|toleration| tolerates(toleration, taint));
    let taint = taints.iter().filter(hard).find(untolerated)?;
    let text = |key: &str| taint[key].as_str().unwrap_or_default();
    Some(format!("node(s) had untolerated taint {{{}: {}}}", text("key"), text("value")))
}

/// Required node affinity: one of its terms has to fit.
fn fits_affinity(pod: &Value, node: &Value) -> bool {
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let Some(terms) = required["nodeSelectorTerms"].as_array() else { return true };
    let labels = &node["metadata"]["labels"];
    terms.iter().any(|term| {
        let expressions = term["matchExpressions"].as_array();
        let fields = term["matchFields"].as_array();
        let by_label = expressions.is_none_or(|all| {
            all.iter().all(|one| fits(one, labels[one["key"].as_str().unwrap_or_default()].as_str()))
        });
        let by_name =
            fields.is_none_or(|all| all.iter().all(|one| fits(one, node["metadata"]["name"].as_str())));
        (expressions.is_some() || fields.is_some()) && by_label && by_name
    })
}

fn fits(expression: &Value, value: Option<&str>) -> bool {
    let values: Vec<&str> =
        expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let number = |text: &str| text.parse::<i64>().ok();
    let compared = |holds: fn(&i64, &i64) -> bool| {
        let (left, right) = (value.and_then(number), values.first().copied().and_then(number));
        left.zip(right).is_some_and(|(left, right)| holds(&left, &right))
    };
    match expression["operator"].as_str() {
        Some("In") => value.is_some_and(|value| values.contains(&value)),
        Some("NotIn") => value.is_none_or(|value| !values.contains(&value)),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        Some("Gt") => compared(i64::gt),
        Some("Lt") => compared(i64::lt),
        _ => false,
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &'static str| toleration[value].as_str().unwrap_or_default();
    let effect = text("effect");
    if !effect.is_empty() && taint["effect"] != effect {
        return false;
    }
    match (text("key"), text("operator")) {
        ("", operator) => operator == "Exists",
        (key, _) if taint["key"] != key => false,
        (_, "Exists") => true,
        (_, _) => taint["value"].as_str().unwrap_or_default() == text("value"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_k8s::kubelet::NodeOptions;

    fn pod(spec: Value) -> Value {
        json!({"spec": spec})
    }

    fn nodes(architectures: &[&str]) -> Vec<Value> {
        let node = |(number, architecture): (usize, &&str)| {
            NodeOptions::new(format!("node{number}")).with_architecture(*architecture).object("now", false)
        };
        architectures.iter().enumerate().map(node).collect()
    }

    #[test]
    fn the_selector_decides_and_the_message_is_the_recorded_one() {
        let wants = |arch: &str| pod(json!({"nodeSelector": {"kubernetes.io/arch": arch}}));
        let nodes = nodes(&["amd64", "arm64"]);
        assert_eq!(choose(&wants("arm64"), &nodes, |_| 0).unwrap(), "node1");
        assert_eq!(
            choose(&wants("s390x"), &nodes[..1], |_| 0).unwrap_err(),
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
             preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        assert_eq!(choose(&pod(json!({})), &[], |_| 0).unwrap_err(), "no nodes available to schedule pods");
    }

    #[test]
    fn the_emptiest_node_is_taken() {
        let nodes = nodes(&["amd64", "amd64"]);
        assert_eq!(choose(&pod(json!({})), &nodes, |name| usize::from(name == "node0")).unwrap(), "node1");
    }

    #[test]
    fn taints_keep_pods_away_that_do_not_tolerate_them() {
        let mut nodes = nodes(&["amd64"]);
        nodes[0]["spec"]["taints"] = json!([{"key": "k", "value": "v", "effect": "NoSchedule"}]);
        let with = |toleration: Value| pod(json!({"tolerations": [toleration]}));
        assert!(choose(&pod(json!({})), &nodes, |_| 0).unwrap_err().contains("untolerated taint {k: v}"));
        for (toleration, fits) in [
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}), true),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"operator": "Exists"}), true),
        ] {
            assert_eq!(choose(&with(toleration.clone()), &nodes, |_| 0).is_ok(), fits, "{toleration}");
        }
    }

    #[test]
    fn affinity_is_read_term_by_term() {
        let nodes = nodes(&["arm64"]);
        let wants = |operator: &str, values: &[&str]| {
            pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/arch", "operator": operator, "values": values},
                ]}],
            }}}}))
        };
        for (operator, values, fits) in [
            ("In", &["amd64", "arm64"][..], true),
            ("In", &["amd64"], false),
            ("NotIn", &["amd64"], true),
            ("Exists", &[], true),
            ("DoesNotExist", &[], false),
        ] {
            assert_eq!(
                choose(&wants(operator, values), &nodes, |_| 0).is_ok(),
                fits,
                "{operator} {values:?}"
            );
        }
    }
}
