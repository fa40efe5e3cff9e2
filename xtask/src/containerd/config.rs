//! `config.toml` of a private containerd.

use std::path::Path;

use super::layout::Layout;

/// The configuration, in version 2 of the format.
pub(super) fn render(layout: &Layout, sandbox_image: &str, cni_bin_dir: &Path) -> String {
    let quote = |path: &Path| quoted(&path.to_string_lossy());
    format!(
        r#"version = 2
root = {root}
state = {state}

[grpc]
  address = {socket}

[ttrpc]
  address = {ttrpc}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {sandbox_image}
  # Without CAP_SYS_RESOURCE nothing can lower an oom_score_adj, and runc fails when it is asked to.
  restrict_oom_score_adj = true
  # The network namespaces of pods are mounted below `state`, where the cleanup finds them.
  netns_mounts_under_state_dir = true
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {bin_dir}
    conf_dir = {conf_dir}

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = {runc_root}

[plugins."io.containerd.internal.v1.opt"]
  path = {opt}
"#,
        root = quote(&layout.root()),
        state = quote(&layout.state()),
        socket = quote(&layout.socket()),
        ttrpc = quote(&layout.ttrpc_socket()),
        sandbox_image = quoted(sandbox_image),
        bin_dir = quote(cni_bin_dir),
        conf_dir = quote(&layout.cni_conf()),
        runc_root = quote(&layout.runc_root()),
        opt = quote(&layout.dir().join("opt")),
    )
}

/// A TOML basic string. JSON's escapes are a subset of its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_below_the_directory() {
        let layout = Layout::new(Path::new("/run/w"));
        let text = render(&layout, "wharf.local/pause:1", Path::new("/usr/lib/cni"));
        let paths = text.lines().filter_map(|line| line.split_once(" = \"/")).map(|(_, path)| path);
        let outside: Vec<_> = paths.filter(|path| !path.starts_with("run/w/")).collect();
        assert_eq!(outside, ["usr/lib/cni\""]);
    }

    #[test]
    fn quotes_in_a_path_do_not_end_the_string() {
        assert_eq!(quoted(r#"/a"b\c"#), r#""/a\"b\\c""#);
    }
}
