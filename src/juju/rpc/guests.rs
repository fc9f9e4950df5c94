//! Who is connected: strangers, who have not logged in, and clients. Both are bounded.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::{io, mem};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::juju::wire::limits::{BYTES_BEFORE_LOGIN_MAX, LOGIN_TIMEOUT, Limits};

/// Everybody who is connected to one server.
#[derive(Debug)]
pub(super) struct Guests {
    limits: Limits,
    list: Mutex<List>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct List {
    /// Strangers by the order of their coming, and how to end them.
    strangers: BTreeMap<u64, CancellationToken>,
    clients: usize,
    came: u64,
}

/// One connection's place. It is given up when the last clone of the `Arc` goes.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    number: u64,
    end: CancellationToken,
    known: Mutex<bool>,
    allowance: Arc<AtomicU64>,
}

impl Guests {
    pub fn new(limits: Limits, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { limits, list: Mutex::default(), stop })
    }

    /// Takes a stranger in. If there are as many as there may be, the one who came first has to go.
    pub fn admit(self: &Arc<Self>) -> Arc<Guest> {
        let end = self.stop.child_token();
        let mut list = self.list.lock();
        if list.strangers.len() >= self.limits.strangers_max
            && let Some((_, oldest)) = list.strangers.pop_first()
        {
            oldest.cancel();
        }
        list.came += 1;
        let number = list.came;
        list.strangers.insert(number, end.clone());
        drop(list);
        let allowance = Arc::new(AtomicU64::new(BYTES_BEFORE_LOGIN_MAX));
        Arc::new(Guest { guests: self.clone(), number, end, known: Mutex::new(false), allowance })
    }

    /// Returns how many strangers and clients there are.
    pub fn count(&self) -> (usize, usize) {
        let list = self.list.lock();
        (list.strangers.len(), list.clients)
    }
}

impl Guest {
    /// Makes a client of a stranger who has proved who it is, and lifts the bound of what it may send. False: there are as many
    /// clients as there may be.
    pub fn become_client(&self) -> bool {
        let mut known = self.known.lock();
        if *known {
            return true;
        }
        let mut list = self.guests.list.lock();
        if list.clients >= self.guests.limits.clients_max || list.strangers.remove(&self.number).is_none() {
            return false;
        }
        list.clients += 1;
        *known = true;
        self.allowance.store(u64::MAX, Ordering::Relaxed);
        true
    }

    /// Waits until the connection has to end: the server stops, or somebody needs the stranger's place.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Waits until the guest has been a stranger for as long as one may be; for ever if it has become a client by then.
    pub async fn overstayed(&self) {
        sleep(LOGIN_TIMEOUT).await;
        if *self.known.lock() {
            pending().await
        }
    }

    /// Bounds what is read from `stream` while the guest is a stranger.
    pub fn meter<S>(&self, stream: S) -> Metered<S> {
        Metered { stream, allowance: self.allowance.clone() }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let known = mem::take(&mut *self.known.lock());
        let mut list = self.guests.list.lock();
        if known {
            list.clients -= 1;
        } else {
            list.strangers.remove(&self.number);
        }
    }
}

/// A stream of which a stranger's bytes are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    allowance: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.allowance.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other("more bytes than a connection may send before it logs in")));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if left != u64::MAX {
            let read = (buf.filled().len() - before) as u64;
            // Whoever logs in meanwhile has set it to the maximum, which stays.
            let _ =
                self.allowance.compare_exchange(left, left.saturating_sub(read), Ordering::Relaxed, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
