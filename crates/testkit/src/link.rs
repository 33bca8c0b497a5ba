//! A way to a server that can be cut, held up and slowed, as networks are.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that go over the link in one piece.
const CHUNK: usize = 16 * 1024;

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It carries everything.
    Open,
    /// It carries every piece so much later.
    Slow(Duration),
    /// It lets everybody in and carries nothing: who waits, waits.
    Frozen,
    /// Its connections are reset, and new ones too.
    Cut,
}

/// A link to a server, at an address of its own. It goes when it is dropped, with its connections.
#[derive(Debug)]
pub struct Link {
    /// The URL of the server by way of this link.
    pub url: String,
    state: watch::Sender<State>,
    carrier: JoinHandle<()>,
}

impl Link {
    /// A link to the server of a URL, which names host and port.
    ///
    /// # Errors
    /// When the server has no address, or there is no port to listen at.
    pub async fn to(url: &str) -> anyhow::Result<Self> {
        let server = host_of(url);
        let target = lookup_host(server).await.with_context(|| format!("`{server}` is no host and port"))?;
        let target = target.into_iter().next().with_context(|| format!("`{server}` has no address"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = url.replacen(server, &listener.local_addr()?.to_string(), 1);
        let state = watch::Sender::new(State::Open);
        let carrier = tokio::spawn(carry_all(listener, target, state.subscribe()));
        Ok(Self { url, state, carrier })
    }

    /// Makes the link so from now on, also for the connections that are there.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// Host and port of a URL.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

async fn carry_all(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((caller, _)) = listener.accept() => {
                connections.spawn(connect(caller, target, state.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries a connection until one side ends it or the link is cut; then both sides see it reset.
async fn connect(mut caller: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Cut {
        return reset(&caller);
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(&caller) };
    // Small pieces are not held back: only a slow link takes its time.
    let _ = (caller.set_nodelay(true), server.set_nodelay(true));
    let ((from_caller, to_caller), (from_server, to_server)) = (caller.split(), server.split());
    tokio::select! {
        () = carry(from_caller, to_server, state.clone()) => return,
        () = carry(from_server, to_caller, state.clone()) => return,
        _ = state.wait_for(|state| *state == State::Cut) => {}
    }
    reset(&caller);
    reset(&server);
}

/// The other side sees a reset when the stream is dropped, and no orderly end.
fn reset(stream: &TcpStream) {
    // One that is gone already needs none.
    let _ = stream.set_zero_linger();
}

async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut state: watch::Receiver<State>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let Ok(length @ 1..) = from.read(&mut chunk).await else { return };
        let Ok(now) = state.wait_for(|state| *state != State::Frozen).await.map(|state| *state) else {
            return;
        };
        if let State::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use anyhow::Result;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    /// A server that says everything again, and a link to it.
    async fn echo() -> Result<Link> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("echo://user:word@{}/room?x=1", listener.local_addr()?);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Link::to(&url).await
    }

    async fn say(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"word").await?;
        stream.read_exact(&mut [0; 4]).await.map(drop)
    }

    #[tokio::test]
    async fn a_link_carries_until_it_is_cut_and_again_when_it_is_mended() -> Result<()> {
        let link = echo().await?;
        assert!(link.url.starts_with("echo://user:word@127.0.0.1:") && link.url.ends_with("/room?x=1"));
        let mut stream = TcpStream::connect(host_of(&link.url)).await?;
        say(&mut stream).await?;
        link.set(State::Cut);
        assert!(say(&mut stream).await.is_err(), "what was open is reset");
        let again = async { say(&mut TcpStream::connect(host_of(&link.url)).await?).await };
        assert!(again.await.is_err(), "nobody is let in");
        link.set(State::Open);
        say(&mut TcpStream::connect(host_of(&link.url)).await?).await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_frozen_link_loses_nothing_and_a_slow_one_takes_its_time() -> Result<()> {
        let link = echo().await?;
        let mut stream = TcpStream::connect(host_of(&link.url)).await?;
        link.set(State::Frozen);
        assert!(tokio::time::timeout(MOMENT, say(&mut stream)).await.is_err(), "nothing comes back");
        link.set(State::Open);
        stream.read_exact(&mut [0; 4]).await?;
        link.set(State::Slow(MOMENT));
        let began = Instant::now();
        say(&mut stream).await?;
        assert!(began.elapsed() >= 2 * MOMENT, "there and back");
        Ok(())
    }
}
