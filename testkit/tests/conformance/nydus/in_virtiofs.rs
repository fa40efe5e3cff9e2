//! Daemons that serve a vhost-user socket.

use testkit::{
    cases,
    conformance::{Env, Verdict},
    ensure_eq,
};
use wharf::{StopOptions, nydus::Mode};

use super::{
    options::refuses_what_is_there,
    own::{apart, ensure_nothing_of, sockets, status, with},
};

cases! { Volumes;
    a_vhost_socket_that_is_in_the_way_is_refused: proves [], needs [PodWithoutContainers];
    sockets_of_the_callers_go_with_the_daemon: proves [], needs [PodWithoutContainers];
}

async fn a_vhost_socket_that_is_in_the_way_is_refused(env: &Env) -> Verdict {
    let socket = sockets(env)?.join("v");
    let spec = with(env, |options| options.socket = Some(socket.clone()))?;
    refuses_what_is_there(env, &socket, &spec, "socket").await
}

async fn sockets_of_the_callers_go_with_the_daemon(env: &Env) -> Verdict {
    for stop_first in [true, false] {
        let pod = env.client().run_pod(&apart(env, |_| {})?).await?;
        let own = status(&pod).await?;
        ensure_eq!(own.mode, Mode::Virtiofs);
        let directory = sockets(env)?;
        ensure_eq!((own.api_socket, own.socket), (directory.join("a"), Some(directory.join("v"))));
        if stop_first {
            pod.stop(&StopOptions::default()).await?;
            ensure_eq!(std::fs::read_dir(&directory)?.count(), 0);
        }
        pod.remove().await?;
        ensure_nothing_of(env).await?;
    }
    Ok(())
}
