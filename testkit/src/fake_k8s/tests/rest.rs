use serde_json::{Value, json};

use super::client::{Ask, ask, fake, send};
use crate::fake_k8s::store::Resource;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

#[tokio::test]
async fn objects_are_made_read_changed_and_deleted() {
    let fake = fake();
    let made = ask(&fake, "POST", PODS, Some(pod("a"))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let read = ask(&fake, "GET", &format!("{PODS}/a"), None).await;
    assert_eq!(read.json(), made.json());
    let patch = json!({"metadata": {"labels": {"x": "1"}}});
    let patched = ask(&fake, "PATCH", &format!("{PODS}/a"), Some(patch)).await;
    assert_eq!((patched.status, &patched.json()["metadata"]["labels"]["x"]), (200, &json!("1")));
    let mut object = patched.json();
    object["spec"]["containers"][0]["image"] = "j:1".into();
    let put = ask(&fake, "PUT", &format!("{PODS}/a"), Some(object)).await;
    assert_eq!((put.status, &put.json()["metadata"]["generation"]), (200, &json!(2)), "{}", put.text);
    let gone = ask(&fake, "DELETE", &format!("{PODS}/a"), None).await;
    assert_eq!((gone.status, &gone.json()["kind"]), (200, &json!("Pod")));
    assert_eq!(ask(&fake, "GET", &format!("{PODS}/a"), None).await.status, 404);
}

#[tokio::test]
async fn of_a_pod_little_can_be_changed() {
    let fake = fake();
    ask(&fake, "POST", PODS, Some(pod("a"))).await;
    let path = format!("{PODS}/a");
    let refused = ask(&fake, "PATCH", &path, Some(json!({"spec": {"restartPolicy": "Never"}}))).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("pod updates may not change fields other than"), "{}", refused.text);
    let deadline = ask(&fake, "PATCH", &path, Some(json!({"spec": {"activeDeadlineSeconds": 5}}))).await;
    assert_eq!(deadline.status, 200, "{}", deadline.text);
    let nothing = ask(&fake, "PATCH", &path, Some(json!({"status": {"phase": "Failed"}}))).await;
    assert_eq!(nothing.json()["status"]["phase"], "Pending");
    let status =
        ask(&fake, "PATCH", &format!("{path}/status"), Some(json!({"status": {"phase": "Failed"}}))).await;
    assert_eq!(status.json()["status"]["phase"], "Failed");
}

#[tokio::test]
async fn every_problem_of_a_pod_is_told() {
    let fake = fake();
    let bad = json!({
        "metadata": {"name": "a", "labels": {"b c": "d"}},
        "spec": {
            "restartPolicy": "Sometimes",
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}],
            "containers": [{
                "name": "A", "image": "",
                "volumeMounts": [{"name": "w", "mountPath": "/w"}],
                "ports": [{"containerPort": 70000}],
                "env": [{"name": "a=b"}],
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}},
            }],
        },
    });
    let refused = ask(&fake, "POST", PODS, Some(bad)).await;
    assert_eq!(refused.status, 422);
    let causes = refused.json()["details"]["causes"].clone();
    let fields: Vec<_> =
        causes.as_array().unwrap().iter().map(|cause| cause["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "metadata.labels",
            "spec.volumes[1].name",
            "spec.containers[0].name",
            "spec.containers[0].image",
            "spec.containers[0].ports[0].containerPort",
            "spec.containers[0].env[0].name",
            "spec.containers[0].volumeMounts[0].name",
            "spec.containers[0].resources.requests",
            "spec.restartPolicy",
        ]
    );
}

#[tokio::test]
async fn tokens_and_rights() {
    let fake = fake();
    for (token, path, status) in [
        (None, PODS, 401),
        (None, "/version", 200),
        (Some("wrong".to_owned()), "/version", 401),
        (Some(fake.token()), PODS, 200),
    ] {
        let asked = Ask { method: "GET", path, content_type: "", body: None, token };
        assert_eq!(send(&fake, asked).await.unwrap().status, status, "{path}");
    }
    let old = fake.token();
    fake.set_token("new");
    let asked = Ask { method: "GET", path: PODS, content_type: "", body: None, token: Some(old) };
    assert_eq!(send(&fake, asked).await.unwrap().status, 401);

    fake.deny("list", "pods");
    let denied = ask(&fake, "GET", PODS, None).await;
    assert_eq!((denied.status, &denied.json()["reason"]), (403, &json!("Forbidden")));
    let review = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let reviewed = ask(&fake, "POST", path, Some(review)).await;
    assert_eq!(reviewed.json()["status"], json!({"allowed": false}));
    let rules = ask(
        &fake,
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        Some(json!({"spec": {}})),
    )
    .await;
    assert_eq!(rules.status, 201);
}

#[tokio::test]
async fn finalizers_are_added_and_taken_off_one_by_one() {
    let fake = fake();
    let mut held = pod("a");
    held["metadata"]["finalizers"] = json!(["x.dev/a"]);
    ask(&fake, "POST", PODS, Some(held)).await;
    let path = format!("{PODS}/a");
    let patch = async |metadata: Value| {
        let asked = Ask {
            method: "PATCH",
            path: &path,
            content_type: "application/strategic-merge-patch+json",
            body: Some(json!({"metadata": metadata})),
            token: Some(fake.token()),
        };
        send(&fake, asked).await.unwrap()
    };
    let unqualified = patch(json!({"finalizers": ["b c"]})).await;
    assert_eq!(unqualified.status, 422, "{}", unqualified.text);
    let added = patch(json!({"finalizers": ["x.dev/b"]})).await;
    assert_eq!(added.json()["metadata"]["finalizers"], json!(["x.dev/a", "x.dev/b"]));
    // No node has it, so it is gone but for those.
    let going = ask(&fake, "DELETE", &path, None).await;
    assert_eq!(going.json()["metadata"]["deletionGracePeriodSeconds"], 0);
    let late = patch(json!({"finalizers": ["x.dev/c"]})).await;
    assert_eq!(
        (late.status, late.json()["message"].as_str().unwrap()),
        (
            422,
            "Pod \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
             deleted, found new finalizers []string{\"x.dev/c\"}"
        )
    );
    let mine = json!({"$deleteFromPrimitiveList/finalizers": ["x.dev/b"]});
    assert_eq!(patch(mine).await.json()["metadata"]["finalizers"], json!(["x.dev/a"]));
    let others =
        json!({"uid": going.json()["metadata"]["uid"], "$deleteFromPrimitiveList/finalizers": ["x.dev/a"]});
    assert_eq!(patch(others).await.status, 200);
    assert_eq!(ask(&fake, "GET", &path, None).await.status, 404);
}

#[tokio::test]
async fn a_lease_is_replaced_only_by_who_knows_it() {
    let fake = fake();
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}});
    // One that is missing is made.
    let made = ask(&fake, "PUT", path, Some(lease.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let blind = ask(&fake, "PUT", path, Some(lease)).await;
    assert_eq!(
        blind.json()["message"],
        "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    ask(&fake, "DELETE", path, None).await;
    let another_life = ask(&fake, "PUT", path, Some(made.json())).await;
    assert_eq!((another_life.status, &another_life.json()["reason"]), (409, &json!("Conflict")));
}

#[tokio::test]
async fn applied_objects_are_made_and_merged() {
    let fake = fake();
    let path = "/api/v1/namespaces/default/configmaps/c";
    let apply = async |query: &str, body: Value| {
        let path = format!("{path}?{query}");
        let asked = Ask {
            method: "PATCH",
            path: &path,
            content_type: "application/apply-patch+yaml",
            body: Some(body),
            token: Some(fake.token()),
        };
        send(&fake, asked).await.unwrap()
    };
    let body = |key: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {key: "1"}});
    assert_eq!(apply("", body("a")).await.status, 422);
    assert_eq!(apply("fieldManager=m", body("a")).await.status, 201);
    let merged = apply("fieldManager=m", body("b")).await;
    assert_eq!((merged.status, &merged.json()["data"]), (200, &json!({"a": "1", "b": "1"})));
}

#[tokio::test]
async fn formats_that_nobody_speaks() {
    let fake = fake();
    let token = || Some(fake.token());
    let post =
        Ask { method: "POST", path: PODS, content_type: "text/html", body: Some(json!({})), token: token() };
    assert_eq!(send(&fake, post).await.unwrap().status, 415);
    let path = format!("{PODS}/a");
    let patch = Ask {
        method: "PATCH",
        path: &path,
        content_type: "application/json",
        body: Some(json!({})),
        token: token(),
    };
    assert_eq!(send(&fake, patch).await.unwrap().status, 415);
}

#[tokio::test]
async fn immutable_data_stays() {
    let fake = fake();
    let secret = json!({"metadata": {"name": "s"}, "immutable": true, "stringData": {"a": "b"}});
    let made = ask(&fake, "POST", "/api/v1/namespaces/default/secrets", Some(secret)).await;
    assert_eq!((made.status, &made.json()["data"]["a"]), (201, &json!("Yg==")), "{}", made.text);
    assert_eq!(made.json()["type"], "Opaque");
    let path = "/api/v1/namespaces/default/secrets/s";
    let refused = ask(&fake, "PATCH", path, Some(json!({"data": {"a": "Yw=="}}))).await;
    assert!(refused.text.contains("field is immutable when `immutable` is set"), "{}", refused.text);
    let large = "x".repeat(1024 * 1024 + 1);
    let secret = json!({"metadata": {"name": "t"}, "stringData": {"a": large}});
    let refused = ask(&fake, "POST", "/api/v1/namespaces/default/secrets", Some(secret)).await;
    assert!(refused.text.contains("Too long: may not be more than 1048576 bytes"), "{}", refused.text);
}

#[tokio::test]
async fn an_account_is_needed() {
    let fake = fake();
    let mut pod = pod("a");
    pod["spec"]["serviceAccountName"] = "none".into();
    let refused = ask(&fake, "POST", PODS, Some(pod)).await;
    assert_eq!(
        refused.json()["message"],
        "pods \"a\" is forbidden: error looking up service account default/none: serviceaccounts \"none\" not found"
    );
}

#[tokio::test]
async fn unknown_fields_are_warned_of() {
    let fake = fake();
    let mut pod = pod("a");
    pod["spec"]["nope"] = 1.into();
    let made = ask(&fake, "POST", PODS, Some(pod)).await;
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.nope\\\"\"");
    assert_eq!(made.json()["spec"].get("nope"), None);
}

#[tokio::test]
async fn what_is_served_can_be_found_out() {
    let fake = fake();
    let core = ask(&fake, "GET", "/api/v1", None).await.json();
    assert!(core["resources"].as_array().unwrap().iter().any(|it| it["name"] == "pods/exec"));
    let groups = ask(&fake, "GET", "/apis", None).await.json();
    let names: Vec<_> = groups["groups"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["authorization.k8s.io", "coordination.k8s.io"]);
    for resource in Resource::ALL.into_iter().filter(|it| it.is_namespaced() && it.group().is_empty()) {
        let listed = ask(&fake, "GET", &format!("/api/v1/{}", resource.plural()), None).await;
        assert_eq!(listed.json()["kind"], format!("{}List", resource.kind()));
    }
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let fake = fake();
    for name in ["a", "b"] {
        ask(&fake, "POST", PODS, Some(pod(name))).await;
    }
    let deleted = ask(&fake, "DELETE", &format!("{PODS}?fieldSelector=metadata.name%3Da"), None).await;
    assert_eq!(deleted.json()["items"].as_array().unwrap().len(), 1);
    let rest = ask(&fake, "GET", PODS, None).await;
    assert_eq!(rest.json()["items"][0]["metadata"]["name"], "b");
}

#[tokio::test]
async fn requests_are_recorded() {
    let fake = fake();
    ask(&fake, "GET", &format!("{PODS}?limit=1"), None).await;
    ask(&fake, "GET", "/version", None).await;
    let requests = fake.requests().all();
    assert_eq!((requests[0].operation.as_str(), requests[0].status), ("LIST pods", Some(200)));
    assert_eq!((requests[0].query.as_str(), requests[0].user_agent.as_str()), ("limit=1", "tests"));
    assert_eq!(fake.requests().count("GET /version"), 1);
}
