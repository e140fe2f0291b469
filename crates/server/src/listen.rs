//! Connections: accepted with bounds on their number and on how long they may take to say something.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use plimsoll_store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::serve::Shared;
use crate::{ServeError, ServeOptions, Tls};

/// Connections in all: ten thousand workers and some who look on.
const CONNECTIONS_MAX: usize = 12_288;
/// Connections of one address beyond loopback.
const PER_CLIENT_MAX: usize = 1_024;
/// Head of a request, or the TLS handshake.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Refuses to listen where others can reach us without TLS and tokens.
pub fn check_exposure(options: &ServeOptions, store: &Store) -> Result<(), ServeError> {
    if options.listen.ip().is_loopback() {
        return Ok(());
    }
    let mut lacks = Vec::new();
    if options.tls.is_none() {
        lacks.push("no TLS certificate was given");
    }
    if store.tokens()?.is_empty() {
        lacks.push("there is no token yet");
    }
    if lacks.is_empty() {
        return Ok(());
    }
    Err(ServeError::Exposed {
        address: options.listen,
        lacks: lacks.join(" and "),
    })
}

/// A bound socket.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

/// Binds.
pub async fn bind(options: &ServeOptions) -> Result<Listening, ServeError> {
    let listen_error = |source| ServeError::Listen {
        address: options.listen,
        source,
    };
    let tls = options.tls.as_ref().map(acceptor).transpose()?;
    let listener = TcpListener::bind(options.listen).await.map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    Ok(Listening {
        listener,
        address,
        tls,
    })
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ServeError> {
    let failed = |path: &Path, reason: String| ServeError::Tls {
        path: path.to_owned(),
        reason,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&tls.cert, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| failed(&tls.key, error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&tls.cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Listening {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the runtime ends.
    pub async fn serve(self, router: Router, shared: Arc<Shared>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let clients = Arc::new(Clients::default());
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: others have to close first.
                    shared.failed(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(seat) = clients.seat(peer.ip()) else {
                continue;
            };
            let (router, tls) = (router.clone(), self.tls.clone());
            tokio::spawn(async move {
                connection(stream, router, tls).await;
                drop((seat, place));
            });
        }
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>) {
    // Answers are small and whole; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(64)
        .max_buf_size(64 << 10);
    // What a client does wrong is its own affair.
    let _ = match tls {
        None => http.serve_connection(TokioIo::new(stream), service).await,
        Some(tls) => match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => http.serve_connection(TokioIo::new(stream), service).await,
            _ => return,
        },
    };
}

/// Connections by address.
#[derive(Debug, Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

impl Clients {
    /// A place for one more connection of `ip`, unless it has enough.
    fn seat(self: &Arc<Self>, ip: IpAddr) -> Option<Seat> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(ip).or_default();
        if *count >= PER_CLIENT_MAX && !ip.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Seat(Arc::clone(self), ip))
    }
}

/// Gives the place back.
struct Seat(Arc<Clients>, IpAddr);

impl Drop for Seat {
    fn drop(&mut self) {
        let mut clients = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.1);
            }
        }
    }
}
