//! Checks of a call's input by itself, before any IO. Each error names the field.

mod container;
mod pod;

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use crate::{Call, Context, Error, Result, StopOptions, helpers::name, spec::ExecSpec};

/// Checks the input of a call.
pub(crate) fn call(cx: &Context, call: &Call<'_>) -> Result<()> {
    match call {
        Call::PodRun { spec, .. } => pod::check(spec),
        Call::ContainerCreate { pod, spec, .. } => {
            id("pod", pod.as_str())?;
            container::check(spec, None)
        }
        Call::PodStop { id: pod, options } => {
            id("id", pod.as_str())?;
            grace_period(cx, options)
        }
        Call::ContainerStop { id: container, options } => {
            id("id", container.as_str())?;
            grace_period(cx, options)
        }
        Call::PodRemove { id: pod } | Call::PodStatus { id: pod } | Call::PodStats { id: pod } => {
            id("id", pod.as_str())
        }
        Call::PodPortForward { id: pod, port } => {
            id("id", pod.as_str())?;
            if *port == 0 {
                return Err(Error::invalid("port", "must not be zero"));
            }
            Ok(())
        }
        Call::ContainerUpdate { id: container, resources } => {
            id("id", container.as_str())?;
            // A process has the score from its start. Runtimes take another one, and do nothing with it.
            if resources.linux.oom_score_adj.is_some() {
                return Err(Error::unsupported(
                    "resources.linux.oomScoreAdj of a container that is made already",
                ));
            }
            container::resources("resources", resources)
        }
        Call::ContainerCopyOut { id: container, path } => {
            id("id", container.as_str())?;
            absolute("path", path)
        }
        Call::ContainerCopyIn { id: container, directory } => {
            id("id", container.as_str())?;
            absolute("directory", directory)
        }
        Call::ContainerStart { id: container }
        | Call::ContainerRemove { id: container }
        | Call::ContainerStatus { id: container }
        | Call::ContainerWait { id: container }
        | Call::ContainerLogs { id: container, .. }
        | Call::ContainerReopenLog { id: container }
        | Call::ContainerStats { id: container }
        | Call::ExecAttach { id: container, .. } => id("id", container.as_str()),
        Call::ExecSync { id: container, spec } => {
            id("id", container.as_str())?;
            exec(spec)?;
            if spec.stdin {
                return Err(Error::invalid("stdin", "a command that is run to its end gets no input"));
            }
            Ok(())
        }
        Call::ExecStart { id: container, spec } => {
            id("id", container.as_str())?;
            exec(spec)
        }
        Call::PodList { filter } | Call::PodListStats { filter } => {
            filter.id.as_ref().map_or(Ok(()), |pod| id("filter.id", pod.as_str()))?;
            labels("filter.labels", &filter.labels)
        }
        Call::ContainerList { filter } | Call::ContainerListStats { filter } => {
            filter.id.as_ref().map_or(Ok(()), |container| id("filter.id", container.as_str()))?;
            filter.pod.as_ref().map_or(Ok(()), |pod| id("filter.pod", pod.as_str()))?;
            labels("filter.labels", &filter.labels)
        }
        Call::ImageMount { pod, spec } | Call::ImageRemount { pod, spec } => {
            id("pod", pod.as_str())?;
            mount_id("spec.id", &spec.id)?;
            if spec.source.is_empty() {
                return Err(Error::invalid("spec.source", "must not be empty"));
            }
            text("spec.source", &spec.source)?;
            let mut prefetch = spec.prefetch.iter().enumerate();
            prefetch.try_for_each(|(index, path)| absolute(format_args!("spec.prefetch[{index}]"), path))
        }
        Call::ImageUnmount { pod, id: mount } => {
            id("pod", pod.as_str())?;
            mount_id("id", mount)
        }
        Call::ImageMounts { pod } => id("pod", pod.as_str()),
        Call::ImagePull { options, .. } => {
            if options.no_progress_limit == Some(Duration::ZERO) {
                return Err(Error::invalid("noProgressLimit", "must not be zero"));
            }
            Ok(())
        }
        Call::Ping
        | Call::Reap { .. }
        | Call::Settle
        | Call::PodEvents
        | Call::ImageStatus { .. }
        | Call::ImageList { .. }
        | Call::ImageRemove { .. }
        | Call::ImageFilesystem => Ok(()),
    }
}

fn exec(spec: &ExecSpec) -> Result<()> {
    container::command("command", &spec.command)?;
    if spec.command.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("command", "must not be empty"));
    }
    container::env("env", &spec.env)?;
    if let Some(cwd) = &spec.cwd {
        absolute("cwd", cwd)?;
    }
    if spec.timeout == Some(Duration::ZERO) {
        return Err(Error::invalid("timeout", "must not be zero"));
    }
    if let Some(size) = spec.terminal_size {
        if !spec.tty {
            return Err(Error::invalid("terminalSize", "there is no terminal: tty is not set"));
        }
        if size.columns == 0 || size.rows == 0 {
            return Err(Error::invalid("terminalSize", "must not be zero"));
        }
    }
    Ok(())
}

/// An id that is empty would mean "all" to some systems.
fn id(field: &str, id: &str) -> Result<()> {
    if id.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    text(field, id)
}

/// The name of a mount becomes a directory's.
fn mount_id(field: &str, id: &str) -> Result<()> {
    const MAX_LENGTH: usize = 255;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let reason = match id {
        "" => "must not be empty".to_owned(),
        "." | ".." => "would leave its directory".to_owned(),
        _ if id.len() > MAX_LENGTH => format!("is longer than {MAX_LENGTH} bytes"),
        _ if !id.bytes().all(is_allowed) => {
            format!("{id:?} has something else than letters, digits, _, +, - and . in it")
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(field, reason))
}

/// A stop needs its grace period and a margin; a deadline that cuts it would turn a graceful end into a kill.
fn grace_period(cx: &Context, options: &StopOptions) -> Result<()> {
    match cx.remaining() {
        Some(remaining) if options.grace_period > remaining => Err(Error::invalid(
            "gracePeriod",
            format!(
                "{:?} is longer than the {remaining:?} left until the deadline of the call",
                options.grace_period
            ),
        )),
        _ => Ok(()),
    }
}

/// Labels by Kubernetes' rules.
fn labels(field: &str, labels: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in labels {
        name::validate_label_key(key).map_err(|error| Error::invalid(field, error))?;
        name::validate_label_value(value)
            .map_err(|error| Error::invalid(format!("{field}[{key:?}]"), error))?;
    }
    Ok(())
}

/// A path that is absolute and has no NUL.
fn absolute(field: impl Display, path: &str) -> Result<()> {
    let field = field.to_string();
    if !path.starts_with('/') {
        return Err(Error::invalid(field, format!("{path:?} is not an absolute path")));
    }
    text(&field, path)
}

/// Text that can be passed to the kernel.
fn text(field: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(field, "must not contain NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PodId, spec::ImageMountSpec};

    fn mount(spec: &ImageMountSpec) -> Result<()> {
        call(&Context::background(), &Call::ImageMount { pod: &PodId::new("p"), spec })
    }

    #[test]
    fn ids_of_mounts_are_names_of_directories() {
        let longest = "a".repeat(255);
        for id in ["a", "0.b-c_d+e", "...", ".a", &longest] {
            mount(&ImageMountSpec::new(id, "/b")).unwrap();
        }
        let too_long = "a".repeat(256);
        for id in ["", ".", "..", "a/b", "../a", "a b", "a%2fb", "a\nb", "ä", "a\0", &too_long] {
            let error = mount(&ImageMountSpec::new(id, "/b")).unwrap_err();
            assert_eq!(error.field(), Some("spec.id"), "{id:?}");
            let pod = PodId::new("p");
            let error = call(&Context::background(), &Call::ImageUnmount { pod: &pod, id }).unwrap_err();
            assert_eq!(error.field(), Some("id"), "{id:?}");
        }
    }

    #[test]
    fn what_a_mount_fetches_ahead_is_absolute() {
        let spec = ImageMountSpec::new("a", "/b").with_prefetch(["/etc", "usr"]);
        assert_eq!(mount(&spec).unwrap_err().field(), Some("spec.prefetch[1]"));
        assert_eq!(mount(&ImageMountSpec::new("a", "")).unwrap_err().field(), Some("spec.source"));
    }
}
