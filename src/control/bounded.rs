//! A TCP listener for people and probes on the control side: so many connections at once, and each for so long. A client
//! that sends nothing, half a request, or never reads costs its place until then, and no more.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// The listener; accepts no more while all places are taken, so that the rest waits in the system's queue.
pub struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    life: Duration,
}

/// A connection that has a place, and an end.
pub struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl BoundedListener {
    /// At most `connections_max` at once, each for at most `life`.
    pub fn new(listener: TcpListener, connections_max: usize, life: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections_max)), life }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let Ok(place) = self.places.clone().acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let end = Box::pin(sleep(self.life));
                    return (Connection { stream, end, _place: place }, from);
                }
                // Out of descriptors: they come back when clients leave.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// What is not ready in time never will be.
    fn unless_over<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = step(Pin::new(&mut self.stream), cx) {
            return Poll::Ready(done);
        }
        ready!(self.end.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_over(cx, |stream, cx| stream.poll_read(cx, into))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().unless_over(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_over(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unless_over(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    const LIFE: Duration = Duration::from_millis(300);

    /// A server with two places that says `yes`, or 8 MiB of it.
    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let much = || async { "yes".repeat(8 << 20) };
        let router = Router::new().route("/", get(|| async { "yes" })).route("/much", get(much));
        tokio::spawn(async move { axum::serve(BoundedListener::new(listener, 2, LIFE), router).await });
        address
    }

    async fn client(server: SocketAddr, says: &str) -> TcpStream {
        let mut stream = TcpStream::connect(server).await.expect("the system's queue has room");
        stream.write_all(says.as_bytes()).await.expect("a little");
        stream
    }

    async fn answer(mut stream: TcpStream, patience: Duration) -> Option<String> {
        let mut text = String::new();
        timeout(patience, stream.read_to_string(&mut text)).await.ok()?.ok()?;
        Some(text)
    }

    const ASKS: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_silent_client_and_half_a_request_give_their_places_back() {
        let server = server().await;
        let (silent, half) = (client(server, "").await, client(server, "GET / HT").await);
        let mut late = client(server, ASKS).await;
        assert_eq!(timeout(LIFE / 2, late.read_u8()).await.ok().and_then(Result::ok), None, "no place yet");
        let said = answer(late, 10 * LIFE).await;
        assert!(said.is_some_and(|text| text.ends_with("yes")));
        assert_eq!(answer(silent, LIFE).await.as_deref(), Some(""));
        assert_eq!(answer(half, LIFE).await.as_deref(), Some(""));
    }

    #[tokio::test]
    async fn a_client_that_never_reads_gives_its_place_back() {
        let server = server().await;
        let much = ASKS.replace("/ ", "/much ");
        let _deaf = [client(server, &much).await, client(server, &much).await];
        let said = answer(client(server, ASKS).await, 10 * LIFE).await;
        assert!(said.is_some_and(|text| text.ends_with("yes")));
    }
}
