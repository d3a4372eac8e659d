//! The connection loop: HTTP/1.1 on one socket, with limits on time and number.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use packhouse_registry::router::Registry;
use packhouse_registry::spacing::ClientAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::impatient::Impatient;

/// Connections at one time; the next ones wait in the system's queue.
const CONNECTIONS: usize = 1024;
/// A request's head must be there within this time; an idle connection is closed after it.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const STUCK: Duration = Duration::from_secs(60);
/// How long connections may finish their request once the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` says true, then lets running requests end.
pub(crate) async fn serve(listener: TcpListener, router: Registry, stop: watch::Receiver<bool>) {
    let mut stopping = std::pin::pin!(stopped(stop.clone()));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopping.as_mut() => break,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for connections to end.
                packhouse_registry::log::error(&format!("cannot accept a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = connection(stream, address, router.clone(), stop.clone());
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GRACE, places.acquire_many(all)).await;
}

/// Waits until the server is to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Place)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Registry,
    stop: watch::Receiver<bool>,
) {
    // Answers are written whole: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
        request.extensions_mut().insert(ClientAddr(address.ip()));
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let mut builder = http1::Builder::new();
    let stream = Impatient::new(stream, STUCK);
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(stop) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
