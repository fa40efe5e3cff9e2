//! Waiting until a daemon that was started answers.

use std::{path::Path, thread, time::Duration};

use runtime_core::{Context, Error, ErrorKind, Result, file_watch::Watch};
use tokio::{task::spawn_blocking, time::sleep};

use crate::api::{Client, DaemonState};

/// The first and the longest pause between two questions. The daemon listens the moment after its socket is there, so the first
/// pauses are the ones that count.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Tells when a socket appears. To be made before the daemon is started.
pub(crate) fn watch(socket: &Path) -> Watch {
    let mut watch = Watch::new();
    watch.add_directory_of(socket);
    watch
}

/// Waits until the daemon says that it is running: it asks when the socket appears, then again and again.
///
/// # Errors
/// `DeadlineExceeded` after `limit`, with what it said last; `Protocol` for something that is no daemon; the context's end.
pub(crate) async fn wait(cx: &Context, client: &Client, mut watch: Watch, limit: Duration) -> Result<()> {
    let mut last = None;
    let asking = async {
        while !tokio::fs::try_exists(client.socket()).await.unwrap_or(true) {
            watch.changed().await;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match client.info(cx).await.map_err(Error::from) {
                Ok(info) if info.state == DaemonState::Running => return Ok(()),
                Ok(info) => last = Some(format!("its state is {}", info.state.name())),
                Err(error) if error.is_transient() => last = Some(error.message().to_owned()),
                Err(error) => return Err(error),
            }
            rest(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    tokio::select! {
        biased;
        done = asking => return done,
        error = cx.ended() => return Err(error),
        () = sleep(limit) => {}
    }
    let why = last.unwrap_or_else(|| "its socket did not appear".to_owned());
    let message = format!("the daemon was not ready within {limit:?}: {why}");
    Err(Error::new(ErrorKind::DeadlineExceeded, message))
}

/// Sleeps. The runtime's own clock has ticks of a millisecond, which is half of what a daemon takes to start.
async fn rest(pause: Duration) {
    if pause >= Duration::from_millis(1) || spawn_blocking(move || thread::sleep(pause)).await.is_err() {
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    /// Answers each connection with the next of these.
    async fn serve(listener: UnixListener, answers: Vec<String>) {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn says(state: &str) -> String {
        let body = format!("{{\"version\":{{}},\"state\":\"{state}\",\"backend_collection\":{{}}}}");
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    async fn waited(answers: Vec<String>, limit: Duration) -> Result<()> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let (watch, client) = (watch(&socket), Client::new(socket.clone()));
        let serving = async {
            tokio::task::yield_now().await;
            serve(UnixListener::bind(&socket).unwrap(), answers).await;
            std::future::pending::<()>().await
        };
        let cx = Context::background();
        tokio::select! {
            done = wait(&cx, &client, watch, limit) => done,
            () = serving => Ok(()),
        }
    }

    #[tokio::test]
    async fn it_is_asked_until_it_runs() {
        let answers = vec![says("INIT"), String::new(), says("READY"), says("RUNNING")];
        waited(answers, Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test]
    async fn what_never_answers_or_never_runs_is_given_up_at_the_limit() {
        let limit = Duration::from_millis(50);
        let error = waited(vec![says("INIT")], limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.message().contains("not ready within 50ms"), "{error}");
        let socket = std::env::temp_dir().join("no-such-directory-of-wharf/s");
        let error = wait(&Context::background(), &Client::new(socket.clone()), watch(&socket), limit).await;
        assert!(error.unwrap_err().message().contains("its socket did not appear"));
    }

    #[tokio::test]
    async fn what_is_no_daemon_is_given_up_at_once() {
        let error = waited(vec!["SSH-2.0-x\r\n".to_owned()], Duration::from_secs(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
}
