//! Streams over SPDY/3.1: the client opens one for each purpose, and says which in a header.

use std::collections::HashMap;
use std::time::Duration;

use ::spdy::frame::ResetStatus;
use ::spdy::{Connection, Offer, Stream};
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::client::{Client, Incoming, Link, Outgoing, StatusStream};
use super::refusal::{Refusal, UpgradeHeaders};

/// How long the streams of a client are waited for.
pub(crate) const STREAM_CREATION: Duration = Duration::from_secs(30);
pub(crate) const REMOTE_COMMAND: &[&str] =
    &["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
pub(crate) const PORT_FORWARD: &[&str] = &["portforward.k8s.io"];

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED_VERSIONS: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");
const UPGRADED_TO: &str = "SPDY/3.1";

/// The answer to a request: what it is upgraded with, and the protocol.
pub(crate) fn answer(
    headers: &HeaderMap,
    spoken: &'static [&'static str],
) -> Result<(UpgradeHeaders, &'static str), Refusal> {
    let wanted: Vec<&str> = headers
        .get_all(PROTOCOL_VERSION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|text| text.trim_matches(' '))
        .filter(|text| !text.is_empty())
        .collect();
    if wanted.is_empty() && spoken == PORT_FORWARD {
        // The one answer that containerd forgets.
        return Err(Refusal::new(StatusCode::OK, ""));
    }
    if wanted.is_empty() {
        return Err(Refusal::bad_request("unable to upgrade: X-Stream-Protocol-Version is required"));
    }
    let agreed = wanted.iter().find_map(|name| spoken.iter().find(|spoken| *spoken == name));
    let Some(agreed) = agreed.copied() else {
        let words = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
            wanted.join(" "),
            spoken.join(" ")
        );
        let accepted = spoken.iter().map(|name| (ACCEPTED_VERSIONS, (*name).to_owned()));
        // An exec or attach hears it twice.
        let words = if spoken == PORT_FORWARD { words } else { format!("{words}\n{words}") };
        return Err(Refusal::forbidden(&words).with_headers(accepted));
    };
    let says = |name: HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.to_lowercase().contains(word)
    };
    if !says(CONNECTION, "upgrade") || !says(UPGRADE, "spdy/3.1") {
        return Err(Refusal::bad_request("unable to upgrade: missing upgrade headers in request"));
    }
    let answer = vec![
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, UPGRADED_TO.to_owned()),
        (PROTOCOL_VERSION, agreed.to_owned()),
    ];
    Ok((answer, agreed))
}

/// The client of an exec or attach that wants these streams, once it has opened them all. `None`: it didn't in time.
pub(crate) async fn client(
    io: TokioIo<Upgraded>,
    protocol: &str,
    [stdin, stdout, stderr]: [bool; 3],
    tty: bool,
) -> Option<Client> {
    let (connection, mut incoming) = Connection::server(io);
    let version = REMOTE_COMMAND.iter().rev().position(|name| *name == protocol).unwrap_or(0) + 1;
    let expected = [true, stdin, stdout, stderr, tty && version >= 3];
    let expected = expected.into_iter().filter(|wanted| *wanted).count();
    let gather = async {
        let mut streams: HashMap<String, Stream> = HashMap::new();
        let mut count = 0;
        while count < expected {
            let offer = incoming.next().await?;
            let kind = offer.headers().get("streamtype").unwrap_or_default().to_owned();
            let stream = offer.accept();
            // One of another kind stays unheard.
            if ["error", "stdin", "stdout", "stderr", "resize"].contains(&kind.as_str()) {
                count += 1;
                streams.insert(kind, stream);
            }
        }
        Some(streams)
    };
    let mut streams = timeout(STREAM_CREATION, gather).await.ok()??;
    let status = streams.remove("error")?;
    let status = match version {
        1 => {
            status.reset(ResetStatus::Cancel);
            StatusStream::Nowhere
        }
        4 => StatusStream::Json(outgoing(status)),
        _ => StatusStream::Text(outgoing(status)),
    };
    let mut take = |kind: &str| streams.remove(kind);
    // In the first version the client ends no input, and hears of no error once the streams stand.
    let stdin = take("stdin").map(|stream| {
        let (read, write) = stream.into_split();
        if version == 1 {
            drop(write);
            return Box::new(read) as Incoming;
        }
        Box::new(tokio::io::join(read, write)) as Incoming
    });
    let client = Client {
        stdin,
        stdout: take("stdout").map(outgoing),
        stderr: take("stderr").map(outgoing),
        resize: take("resize").map(|stream| Box::new(stream) as Incoming),
        status,
        link: Link::Spdy(connection),
    };
    Some(client)
}

/// The direction to the client. What the client sends there is thrown away.
pub(crate) fn outgoing(stream: Stream) -> Outgoing {
    Outgoing::Spdy(stream.into_split().1)
}

/// Whether a stream of a port-forward can be one: its port and kind.
pub(crate) fn check_port_stream(offer: &Offer) -> Option<(u16, PortStream)> {
    let port = offer.headers().get("port")?.parse().ok().filter(|port| *port > 0)?;
    let kind = match offer.headers().get("streamtype")? {
        "error" => PortStream::Error,
        "data" => PortStream::Data,
        _ => return None,
    };
    Some((port, kind))
}

/// The two streams of a forwarded connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortStream {
    Error,
    Data,
}

/// Refuses a stream as containerd does.
pub(crate) fn refuse(offer: Offer) {
    offer.refuse(ResetStatus::Cancel);
}
