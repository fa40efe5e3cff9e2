//! Paths of the subresources of pods.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use remotecommand::Channels;
use url::form_urlencoded::Serializer;

use crate::id::{ContainerKey, PodKey};

/// What a name is written without in a path: anything but what names are made of.
const NOT_OF_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// A path with its query.
struct Path {
    path: String,
    query: Serializer<'static, String>,
}

impl Path {
    fn of(pod: &PodKey, subresource: &str) -> Self {
        let name = |name| utf8_percent_encode(name, NOT_OF_NAMES);
        let PodKey { namespace, name: pod, .. } = pod;
        let path = format!("/api/v1/namespaces/{}/pods/{}/{subresource}", name(namespace), name(pod));
        Self { path, query: Serializer::new(String::new()) }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.query.append_pair(key, value);
        self
    }

    fn with_channels(self, Channels { stdin, tty }: Channels) -> Self {
        let word = |is| if is { "true" } else { "false" };
        self.with("stdin", word(stdin))
            .with("stdout", "true")
            .with("stderr", word(!tty))
            .with("tty", word(tty))
    }

    fn finish(mut self) -> String {
        format!("{}?{}", self.path, self.query.finish())
    }
}

/// Of a command. It is in the URL, which servers write into their audit logs.
pub(super) fn exec(key: &ContainerKey, command: &[String], channels: Channels) -> String {
    let path = Path::of(&key.pod, "exec").with("container", &key.container).with_channels(channels);
    command.iter().fold(path, |path, word| path.with("command", word)).finish()
}

/// Of a container's own streams.
pub(super) fn attach(key: &ContainerKey, channels: Channels) -> String {
    Path::of(&key.pod, "attach").with("container", &key.container).with_channels(channels).finish()
}

/// Of a port.
pub(super) fn port_forward(key: &PodKey, port: u16) -> String {
    Path::of(key, "portforward").with("ports", &port.to_string()).finish()
}

/// Of a container's log, with these options.
pub(crate) fn log(key: &ContainerKey, options: &[(&str, String)]) -> String {
    let path = Path::of(&key.pod, "log").with("container", &key.container).with("timestamps", "true");
    options.iter().fold(path, |path, (name, value)| path.with(name, value)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pod: &str) -> ContainerKey {
        let pod = PodKey { namespace: "ci".to_owned(), name: pod.to_owned(), uid: "1".to_owned() };
        pod.container("main")
    }

    #[test]
    fn paths_are_as_kubernetes_has_them() {
        let command = ["sh", "-c", "echo a & b=ü?"].map(str::to_owned);
        assert_eq!(
            exec(&key("p.1"), &command, Channels { stdin: true, tty: false }),
            "/api/v1/namespaces/ci/pods/p.1/exec?container=main&stdin=true&stdout=true&stderr=true&tty=false\
             &command=sh&command=-c&command=echo+a+%26+b%3D%C3%BC%3F"
        );
        assert_eq!(
            attach(&key("p"), Channels { stdin: false, tty: true }),
            "/api/v1/namespaces/ci/pods/p/attach?container=main&stdin=false&stdout=true&stderr=false&tty=true"
        );
        assert_eq!(port_forward(&key("p").pod, 80), "/api/v1/namespaces/ci/pods/p/portforward?ports=80");
        assert_eq!(
            log(&key("p"), &[("follow", "true".to_owned())]),
            "/api/v1/namespaces/ci/pods/p/log?container=main&timestamps=true&follow=true"
        );
    }

    #[test]
    fn a_name_can_not_become_anything_else() {
        let path = port_forward(&key("p?a=b#c/../d %2e").pod, 80);
        assert_eq!(path, "/api/v1/namespaces/ci/pods/p%3Fa%3Db%23c%2F..%2Fd%20%252e/portforward?ports=80");
    }
}
