//! Where connections come in: one address of the host, and none of a name that leads to somebody else.
//!
//! A name such as `localhost` may stand for several addresses, and clients try all of them. The server listens on the
//! first that this machine has, IPv4 before IPv6. If the port is taken on any of them, it does not start: some clients of
//! the name would reach whoever has it there, and no error would tell them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::sleep;
use tracing::warn;

/// How long to wait before accepting again, when the system has nothing left for another connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Listens on a port of a host, and says on which address; 0 takes a free port.
///
/// # Errors
/// If the host has no address that this machine has, or the port is taken on one of them.
pub(crate) async fn listen(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    listen_on(&addresses).await
}

async fn listen_on(addresses: &[SocketAddr]) -> io::Result<(TcpListener, SocketAddr)> {
    let mut absent = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut addresses = addresses.iter();
    while let Some(address) = addresses.next() {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                // A name may tell the same address twice.
                for other in addresses.filter(|other| *other != address) {
                    expect_free(*other).await?;
                }
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error) if is_elsewhere(&error) => absent = error,
            Err(error) => return Err(error),
        }
    }
    Err(absent)
}

/// Refuses an address of the same name on which somebody else listens. A port that was taken because it is free leads
/// nobody to another one: its number is known with its address only.
async fn expect_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let problem = format!("{address}, to which the name leads, too: {error}");
            Err(io::Error::new(error.kind(), problem))
        }
        _ => Ok(()),
    }
}

/// Waits for the next connection that comes in, however long the system has nothing left for it.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, listener = ?listener.local_addr().ok(), "cannot accept a connection");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Whether it is only the connection that failed while it was being accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Whether this machine does not have the address, or none of its kind.
fn is_elsewhere(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT`: the system was started without IPv6.
    const NO_SUCH_FAMILY: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that no machine has: it is for documents (RFC 5737).
    const NOWHERE: &str = "192.0.2.1";

    fn at(host: &str, port: u16) -> SocketAddr {
        SocketAddr::new(host.parse().unwrap(), port)
    }

    /// A port that is free on every address, as far as anybody can know.
    async fn free_port() -> u16 {
        let (_, address) = listen_on(&[at("127.0.0.1", 0)]).await.unwrap();
        address.port()
    }

    #[tokio::test]
    async fn addresses_of_other_machines_are_passed_over() {
        let port = free_port().await;
        let here = at("127.0.0.1", port);
        let addresses = [at(NOWHERE, port), here, at(NOWHERE, port), here];
        let (_listener, address) = listen_on(&addresses).await.unwrap();
        assert_eq!(address, here);
        let error = listen_on(&[at(NOWHERE, port)]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(listen_on(&[]).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_on_any_address_of_the_name_is_an_error() {
        let (_one, address) = listen_on(&[at("127.0.0.1", 0)]).await.unwrap();
        let (taken, other) = (at("127.0.0.1", address.port()), at("::1", address.port()));
        for addresses in [[taken, other], [other, taken]] {
            let error = listen_on(&addresses).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
    }
}
