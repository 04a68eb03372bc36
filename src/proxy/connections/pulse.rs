//! Who is woken when something happens on a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Wake};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::Tunnel;

/// Somebody moves the connection at this moment.
const MOVING: u8 = 1;
/// Something happened meanwhile.
const WOKEN: u8 = 2;

/// Between a connection and the task that moves it: a waker that stays the same while tasks come and go.
///
/// The parts of a connection wake each other while it is moved. They are all moved together, so such a wake-up stays here, and
/// the task is not put into the scheduler's queue for it; nor is the task of an earlier request.
#[derive(Default)]
pub(super) struct Pulse {
    task: AtomicWaker,
    state: AtomicU8,
    /// Bytes came or went since this was last asked.
    has_progress: AtomicBool,
}

impl Pulse {
    /// From here on, wake-ups are remembered, until [`Pulse::end`].
    pub(super) fn begin(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
        self.begin_alone();
    }

    /// The same, for nobody who would wait for anything.
    pub(super) fn begin_alone(&self) {
        self.state.store(MOVING, Ordering::SeqCst);
    }

    /// From here on, wake-ups go to the task. Tells whether there was one meanwhile.
    pub(super) fn end(&self) -> bool {
        self.state.swap(0, Ordering::SeqCst) & WOKEN != 0
    }

    /// Nobody is to be woken any more.
    pub(super) fn forget_task(&self) {
        self.task.take();
    }

    pub(super) fn take_progress(&self) -> bool {
        self.has_progress.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Pulse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::SeqCst) & MOVING == 0 {
            self.task.wake();
        }
    }
}

/// The bytes of a connection, with an eye on whether any move.
pub(super) struct Metered {
    pub(super) tunnel: Tunnel,
    pub(super) pulse: Arc<Pulse>,
}

impl Metered {
    fn note<T>(&self, result: Poll<T>) -> Poll<T> {
        if result.is_ready() {
            self.pulse.has_progress.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.tunnel {
            Tunnel::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Tunnel::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.note(result)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.tunnel {
            Tunnel::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Tunnel::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.tunnel {
            Tunnel::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Tunnel::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.tunnel {
            Tunnel::Plain(stream) => stream.is_write_vectored(),
            Tunnel::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tunnel {
            Tunnel::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Tunnel::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tunnel {
            Tunnel::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Tunnel::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
