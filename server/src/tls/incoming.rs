//! Connections as they arrive at the port, ready to carry calls.
//!
//! With TLS, a connection is ready once its handshake is done. Handshakes run side by side, each for a short time only,
//! so that nobody who stalls in one holds up others; when there are very many, the one that has taken longest gives way.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use super::Tls;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many handshakes run at a time.
const HANDSHAKES: usize = 1024;
/// How long to wait when the system has no room for another connection.
const RECOVERY: Duration = Duration::from_millis(100);

/// The connections that arrive at a port, encrypted if `tls` says how.
pub(crate) fn incoming(
    listener: TcpListener,
    tls: Option<Tls>,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    let arriving = Arriving {
        listener,
        tls,
        handshakes: JoinSet::new(),
        oldest: VecDeque::new(),
    };
    stream::unfold(arriving, |mut arriving| async {
        let connection = arriving.next().await;
        Some((Ok(connection), arriving))
    })
}

struct Arriving {
    listener: TcpListener,
    tls: Option<Tls>,
    handshakes: JoinSet<Option<Connection>>,
    /// The handshakes in the order in which they began, also those that have ended since.
    oldest: VecDeque<AbortHandle>,
}

impl Arriving {
    async fn next(&mut self) -> Connection {
        loop {
            let accepted = tokio::select! {
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Some(connection)) => return connection,
                    _ => continue,
                },
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    if let Err(error) = tcp.set_nodelay(true) {
                        debug!(%peer, %error, "a connection sends late");
                    }
                    let Some(tls) = &self.tls else {
                        return Connection::Plain(tcp);
                    };
                    let handshake = handshake(TlsAcceptor::from(tls.settings()), tcp, peer);
                    self.begin(handshake);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept connections at the moment");
                    sleep(RECOVERY).await;
                }
            }
        }
    }

    fn begin(&mut self, handshake: impl Future<Output = Option<Connection>> + Send + 'static) {
        while self.handshakes.len() >= HANDSHAKES
            && let Some(oldest) = self.oldest.pop_front()
        {
            if !oldest.is_finished() {
                oldest.abort();
                break;
            }
        }
        while self.oldest.front().is_some_and(AbortHandle::is_finished) {
            self.oldest.pop_front();
        }
        self.oldest.push_back(self.handshakes.spawn(handshake));
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream, peer: SocketAddr) -> Option<Connection> {
    match timeout(HANDSHAKE, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => Some(Connection::Encrypted(Box::new(tls))),
        Ok(Err(error)) => {
            debug!(%peer, %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            debug!(%peer, "a TLS handshake took too long");
            None
        }
    }
}

/// Whether it is only one connection that failed while it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
    )
}

/// A connection that can carry calls.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(tcp) => tcp.connect_info(),
            Self::Encrypted(tls) => tls.get_ref().0.connect_info(),
        }
    }
}

/// Does the same with either kind of connection.
macro_rules! either {
    ($connection:expr, $inner:ident => $work:expr) => {
        match $connection.get_mut() {
            Connection::Plain(tcp) => {
                let $inner = Pin::new(tcp);
                $work
            }
            Connection::Encrypted(tls) => {
                let $inner = Pin::new(tls.as_mut());
                $work
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Encrypted(tls) => tls.is_write_vectored(),
        }
    }
}
