//! The configuration by which clients find the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A kubeconfig with one context, `fake`, in the namespace `default`.
pub(super) fn write(url: &str, authority: &str, token: &str) -> String {
    let authority = STANDARD.encode(authority);
    format!(
        "apiVersion: v1
kind: Config
current-context: fake
clusters:
- name: fake
  cluster:
    server: {url}
    certificate-authority-data: {authority}
contexts:
- name: fake
  context:
    cluster: fake
    user: fake
    namespace: default
users:
- name: fake
  user:
    token: {token}
"
    )
}
