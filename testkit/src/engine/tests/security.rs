//! What processes in containers may do and see.

use super::*;

impl Bed {
    /// A field of `/proc/self/status`, of the container's own process and of an exec in it.
    async fn status(&self, field: &str, launch: Launch) -> String {
        let show = format!(
            "while read name value; do [ $name = {field}: ] && echo $value; done < /proc/self/status"
        );
        let script = format!("{show}; echo ready; sleep 1000");
        let launch = Launch {
            argv: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            name: script.clone(),
            ..launch
        };
        let _ = fs::remove_file(self.log());
        let id = self.start(launch).await;
        until(|| self.printed().ends_with("ready\n")).await;
        let (own, exec) = (self.printed(), self.exec(&id, &show).await.stdout);
        assert_eq!(own, format!("{}ready\n", String::from_utf8(exec).unwrap()));
        self.engine.remove_container(&id, true).await.unwrap();
        own.trim_end_matches("ready\n").trim().to_owned()
    }
}

#[tokio::test]
async fn capabilities_are_bounded() {
    let Some(bed) = Bed::walled().await else { return };
    let with = |capabilities, user| Launch {
        privileges: Privileges { capabilities: Some(capabilities), ..Privileges::default() },
        user,
        ..bed.launch(&["sh"])
    };
    let usual = LinuxCapabilities::usual();
    let app = || Some(User::Name("app".into()));
    for (field, launch, want) in [
        ("CapEff", with(usual, None), "00000000a80425fb"),
        ("CapPrm", with(usual, None), "00000000a80425fb"),
        ("CapBnd", with(usual, None), "00000000a80425fb"),
        ("CapInh", with(usual, None), "0000000000000000"),
        ("CapEff", with(LinuxCapabilities::NONE, None), "0000000000000000"),
        ("CapEff", with(usual, app()), "0000000000000000"),
        ("CapBnd", with(usual, app()), "00000000a80425fb"),
    ] {
        assert_eq!(bed.status(field, launch).await, want, "{field}");
    }
    bed.end().await;
}

#[tokio::test]
async fn privileges_are_not_gained() {
    let Some(bed) = Bed::walled().await else { return };
    for wanted in [false, true] {
        let privileges = Privileges { no_new_privs: wanted, ..Privileges::default() };
        let launch = Launch { privileges, ..bed.launch(&["sh"]) };
        assert_eq!(bed.status("NoNewPrivs", launch).await, u8::from(wanted).to_string());
    }
    bed.end().await;
}

#[tokio::test]
async fn system_calls_are_filtered() {
    let Some(bed) = Bed::walled().await else { return };
    for (filtered, mode) in [(false, "0"), (true, "2")] {
        let privileges = Privileges { filtered, ..Privileges::default() };
        let launch = || Launch { privileges, ..bed.launch(&["sh", "-c", "hostname other || echo refused"]) };
        assert_eq!(bed.status("Seccomp", launch()).await, mode);
        let (_, printed) = bed.run(launch()).await;
        assert_eq!(printed.contains("refused"), filtered, "{printed}");
    }
    bed.end().await;
}

#[tokio::test]
async fn paths_are_hidden_and_protected() {
    let Some(bed) = Bed::walled().await else { return };
    let script = "sleep 0.1; cat /etc/passwd /proc/version; ls /home; touch /tmp/x || echo refused; \
                  echo x > /proc/sys/kernel/hostname || echo refused too; cat /proc/1/cmdline";
    let mut launch = bed.launch(&["sh", "-c", script]);
    launch.masked_paths = ["/etc/passwd", "/home", "/proc/version", "/nowhere"].map(str::to_owned).to_vec();
    launch.read_only_paths = ["/tmp", "/proc/sys", "/nowhere"].map(str::to_owned).to_vec();
    let (exit, printed) = bed.run(launch).await;
    let lines: Vec<_> = printed.lines().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(lines, ["refused", "refused too"], "{exit:?} {printed}");
    assert!(!printed.contains("app"), "{printed}");
    assert!(!printed.contains("Linux version"), "{printed}");
    bed.end().await;
}

#[tokio::test]
async fn the_oom_score_is_raised() {
    let Some(bed) = Bed::walled().await else { return };
    let launch = Launch { oom_score_adj: Some(900), ..bed.launch(&["sleep", "1000"]) };
    let id = bed.start(launch).await;
    assert_eq!(bed.exec(&id, "cat /proc/1/oom_score_adj").await.stdout, b"900\n");
    bed.end().await;
}
