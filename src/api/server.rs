//! Listeners of the API: TCP with or without TLS, and the admin socket. A thread and a runtime of its own, so that neither
//! parsing nor the store's disk delays the control loop.

use super::admin_socket::{AdminSocket, Fence};
use super::caller::Peer;
use super::listener_tls::{InForce, ListenerTls};
use super::office::{Office, Terms};
use super::rates::Suspect;
use super::router::router;
use crate::analytics::Clerk;
use crate::base::limits::{API_CONNECTIONS_MAX, API_CONNECTIONS_PER_NET_MAX, API_LOCAL_CONNECTIONS_MAX};
use crate::control::desk::Desk;
use crate::control::{ApiStart, ApiStop, log, privileges};
use crate::estate::Estate;
use crate::vault::Vault;
use axum::body::{Body, Bytes};
use axum::{Extension, Router};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How long a client may take for its TLS handshake, and for the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be without a request, or take nothing of an answer.
const IDLE_PATIENCE: Duration = Duration::from_secs(60);
/// How long connections may take to end after a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often a trial is looked at.
const TEND: Duration = Duration::from_millis(500);
/// How often one looks whether the store is to hear when tokens were used.
const USES_PACE: Duration = Duration::from_secs(60);
/// Streams of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 64;
/// Headers of one request, in bytes.
const HEADER_BYTES_MAX: u32 = 32 << 10;

/// What the API is served on, bound before privileges are dropped.
pub struct ApiListeners {
    /// TCP.
    pub tcp: Option<TcpListener>,
    /// TLS on it.
    pub tls: Option<ListenerTls>,
    /// The admin socket.
    pub socket: AdminSocket,
}

/// The API, ready to be started by the control loop, with the keeper of its numbers.
pub fn start(
    listeners: ApiListeners,
    (vault, estate): (Box<dyn Vault>, Estate),
    terms: Terms,
    clerk: Clerk,
) -> ApiStart {
    Box::new(move |desk| {
        let numbers = std::thread::Builder::new().name("byway-numbers".into()).spawn(move || {
            let _ = privileges::shed();
            clerk.run(|text| log::warning(text));
        })?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        let (stop, stopped) = watch::channel(false);
        let hangup = {
            let _inside = runtime.enter();
            signal(SignalKind::hangup())?
        };
        let thread = std::thread::Builder::new().name("byway-api".into()).spawn(move || {
            // It wants no rights; where there are none to give up, nothing is lost.
            let _ = privileges::shed();
            let office = (vault, estate, desk, terms);
            runtime.block_on(serve(listeners, office, (stopped, hangup)));
            runtime.shutdown_timeout(Duration::from_millis(200));
        })?;
        let stop: ApiStop = Box::new(move || {
            let _ = stop.send(true);
            if thread.join().is_err() {
                log::error("api: its thread panicked");
            }
            // They end with what the control loop gathered last.
            if numbers.join().is_err() {
                log::error("analytics: their thread panicked");
            }
        });
        Ok(stop)
    })
}

async fn serve(
    ApiListeners { tcp, tls, socket }: ApiListeners,
    (vault, estate, desk, terms): (Box<dyn Vault>, Estate, Desk, Terms),
    (mut stopped, hangup): (watch::Receiver<bool>, Signal),
) {
    let tls = tls.map(|tls| tls.tended(desk.clone(), hangup));
    let office = Arc::new(Office::open(vault, estate, desk, terms));
    tokio::spawn(tend(office.clone(), stopped.clone()));
    let house = House {
        router: router(office.clone()),
        places: Arc::new(Semaphore::new(API_CONNECTIONS_MAX)),
        local_places: Arc::new(Semaphore::new(API_LOCAL_CONNECTIONS_MAX)),
        nets: Arc::default(),
        tls,
        stopped: stopped.clone(),
    };
    let tcp = tcp.map(tokio::net::TcpListener::from_std).transpose();
    let unix = socket.listener().and_then(tokio::net::UnixListener::from_std);
    match (tcp, unix) {
        (Ok(tcp), Ok(unix)) => {
            if let Some(tcp) = tcp {
                tokio::spawn(house.clone().welcome_net(tcp));
            }
            tokio::spawn(house.clone().welcome_local(unix, socket.fence()));
        }
        (Err(error), _) | (_, Err(error)) => log::error(format_args!("api: {error}")),
    }
    let keeping = async {
        loop {
            sleep(USES_PACE).await;
            office.keep_uses(false).await;
        }
    };
    tokio::select! {
        () = end(&mut stopped) => {}
        () = keeping => {}
    }
    // All places are free once every connection has ended, those of the admin socket as well.
    let all_ended = async {
        let _ = house.places.acquire_many(API_CONNECTIONS_MAX as u32).await;
        let _ = house.local_places.acquire_many(API_LOCAL_CONNECTIONS_MAX as u32).await;
    };
    if timeout(STOP_PATIENCE, all_ended).await.is_err() {
        log::warning("api: some calls took too long to end and were cut");
    }
    let _ = timeout(STOP_PATIENCE, office.keep_uses(true)).await;
}

/// Looks after a trial until the stop.
async fn tend(office: Arc<Office>, mut stopped: watch::Receiver<bool>) {
    office.tell_trial().await;
    loop {
        tokio::select! {
            () = sleep(TEND) => {}
            () = end(&mut stopped) => return,
        }
        office.tend_trial(office.now().0 / 1_000_000).await;
    }
}

/// One connection of a net.
struct Guest {
    nets: Arc<Mutex<HashMap<Suspect, usize>>>,
    net: Suspect,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut nets = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = nets.get_mut(&self.net) {
            *count -= 1;
            if *count == 0 {
                nets.remove(&self.net);
            }
        }
    }
}

/// A request under way; a stream that its client resets ends it, too.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn of(requests: &watch::Sender<usize>) -> Self {
        requests.send_modify(|requests| *requests += 1);
        Self(requests.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

/// An answer on its way to its client: each part of it that is taken shows that somebody is there.
struct OnItsWay {
    body: Body,
    requests: watch::Sender<usize>,
}

impl HttpBody for OnItsWay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.requests.send_modify(|_| ());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits until no request was under way and nothing was taken for `IDLE_PATIENCE`: also of a client that never chose its
/// protocol.
async fn idle(asking: &mut watch::Receiver<usize>) {
    loop {
        let none = *asking.borrow_and_update() == 0;
        let changed = match none {
            true => timeout(IDLE_PATIENCE, asking.changed()).await,
            false => Ok(asking.changed().await),
        };
        // Late, or the service is gone: nobody asks any more.
        let Ok(Ok(())) = changed else { return };
    }
}

/// Waits for the stop.
async fn end(stopped: &mut watch::Receiver<bool>) {
    // An error means that whoever could stop it is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What every connection needs.
#[derive(Clone)]
struct House {
    router: Router,
    places: Arc<Semaphore>,
    /// The admin socket's own, so that no stranger shuts it.
    local_places: Arc<Semaphore>,
    /// How many connections each net has.
    nets: Arc<Mutex<HashMap<Suspect, usize>>>,
    tls: Option<InForce>,
    stopped: watch::Receiver<bool>,
}

impl House {
    async fn welcome_net(self, listener: tokio::net::TcpListener) {
        let mut stopped = self.stopped.clone();
        loop {
            // The semaphore is never closed.
            let Ok(place) = self.places.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = end(&mut stopped) => return,
            };
            let Ok((stream, from)) = accepted else {
                // Out of descriptors: they come back when clients leave.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let house = self.clone();
            let Some(guest) = house.welcome(from) else { continue };
            tokio::spawn(async move {
                let peer = Peer::Net(from);
                match &house.tls {
                    None => house.converse(stream, peer).await,
                    Some(tls) => {
                        let tls = TlsAcceptor::from(tls.borrow().clone());
                        if let Ok(Ok(stream)) = timeout(HEAD_PATIENCE, tls.accept(stream)).await {
                            house.converse(stream, peer).await;
                        }
                    }
                }
                drop((guest, place));
            });
        }
    }

    async fn welcome_local(self, listener: tokio::net::UnixListener, fence: Fence) {
        let mut stopped = self.stopped.clone();
        loop {
            let Ok(place) = self.local_places.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = end(&mut stopped) => return,
            };
            let Ok((stream, _)) = accepted else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(peer) = stream.peer_cred() else { continue };
            if !fence.admits(peer.uid(), peer.gid()) {
                log::warning(format_args!("api: user {} may not use the admin socket", peer.uid()));
                continue;
            }
            let house = self.clone();
            tokio::spawn(async move {
                house.converse(stream, Peer::Local { uid: peer.uid() }).await;
                drop(place);
            });
        }
    }

    /// A place for a client of this net; `None` where the net has as many as it may.
    fn welcome(&self, from: SocketAddr) -> Option<Guest> {
        let net = Suspect::net_of(from.ip());
        let mut nets = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = nets.entry(net).or_default();
        if *count >= API_CONNECTIONS_PER_NET_MAX {
            return None;
        }
        *count += 1;
        Some(Guest { nets: self.nets.clone(), net })
    }

    /// Serves a connection until it ends, is without a request for too long, or its present one is answered after a stop.
    async fn converse<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(peer)));
        let (asked, mut asking) = watch::channel(0_usize);
        let service = service_fn(move |request| {
            let (answering, under_way, requests) =
                (service.call(request), UnderWay::of(&asked), asked.clone());
            async move {
                let answer = answering.await;
                drop(under_way);
                answer.map(|answer| answer.map(|body| OnItsWay { body, requests }))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(HEADER_BYTES_MAX as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .keep_alive_interval(HEAD_PATIENCE)
            .keep_alive_timeout(HEAD_PATIENCE);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopped = self.stopped.clone();
        // A client that goes away in the middle is its own business.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = end(&mut stopped) => connection.as_mut().graceful_shutdown(),
            () = idle(&mut asking) => connection.as_mut().graceful_shutdown(),
        }
        let _ = timeout(STOP_PATIENCE, connection).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn each_part_of_an_answer_that_is_taken_shows_that_somebody_is_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (requests, mut seen) = watch::channel(0_usize);
            let mut body = OnItsWay { body: Body::from("all of it"), requests };
            assert_eq!(body.size_hint().exact(), Some(9), "and it is as long as it was");
            seen.mark_unchanged();
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
            assert_eq!(seen.has_changed().ok(), Some(true));
        });
    }
}
