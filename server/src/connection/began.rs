//! Whether a connection has begun to speak HTTP/2.
//!
//! A client opens with 24 bytes that are the same for every connection, before any request. hyper waits for them for ever,
//! so they are counted as they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Bytes of HTTP/2's preface.
const PREFACE_BYTES: usize = 24;

/// A stream of bytes whose beginning is waited for by somebody.
#[derive(Debug)]
pub(super) struct Watched<I> {
    io: I,
    read: usize,
    beginning: Arc<Notify>,
}

/// Waits for the beginning.
#[derive(Debug)]
pub(super) struct Began(Arc<Notify>);

impl Began {
    pub(super) async fn began(&self) {
        self.0.notified().await;
    }
}

impl<I> Watched<I> {
    pub(super) fn new(io: I) -> (Self, Began) {
        let beginning = Arc::new(Notify::new());
        let began = Began(Arc::clone(&beginning));
        let watched = Self {
            io,
            read: 0,
            beginning,
        };
        (watched, began)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        if self.read < PREFACE_BYTES {
            self.read += buffer.filled().len() - before;
            if self.read >= PREFACE_BYTES {
                self.beginning.notify_one();
            }
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_connection_has_begun_when_its_preface_was_read() {
        let (mut client, server) = tokio::io::duplex(64);
        let (mut watched, began) = Watched::new(server);
        let mut read = [0; 64];
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n")
            .await
            .unwrap();
        let _ = watched.read(&mut read).await.unwrap();
        assert!(began.began().now_or_never().is_none());
        client.write_all(b"\r\n").await.unwrap();
        let _ = watched.read(&mut read).await.unwrap();
        began.began().await;
    }
}
