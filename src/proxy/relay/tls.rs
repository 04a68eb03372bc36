//! TLS over a socket, with buffers that the caller lends: an idle connection keeps few bytes of its own.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The largest record with its header (RFC 8446, section 5.2; RFC 5246, section 6.2.3, which allows more).
pub(super) const LARGEST_RECORD: usize = 16_384 + 2_048 + 5;
/// To how much rustls shrinks its buffer for records, in bytes.
const SHRUNK: usize = 4_096;

/// A connection after its handshake.
pub(super) struct Tls {
    tcp: TcpStream,
    session: Connection,
    /// The buffer for records has grown.
    grown: bool,
    /// What came was no TLS: what was decrypted before is still good, but nothing follows.
    failed: bool,
}

impl Tls {
    pub(super) fn new(tcp: TcpStream, session: Connection) -> Self {
        Self { tcp, session, grown: true, failed: false }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads what there is into `out`, at most as much as `raw` takes at once; nothing at the end. An end without
    /// `close_notify` is an end too: whether all was said is known from the frames.
    ///
    /// `out` must have room for as much as `raw` and a record more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        raw: &mut [u8],
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        debug_assert!(out.len() >= raw.len() + LARGEST_RECORD, "what was read always fits");
        if self.failed {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        // Of the handshake's last reading something may be there already.
        let mut filled = match self.decrypted(out)? {
            Decrypted::End => return Poll::Ready(Ok(0)),
            Decrypted::Bytes(count) => count,
        };
        while filled == 0 {
            let mut buffer = ReadBuf::new(raw);
            if Pin::new(&mut self.tcp).poll_read(cx, &mut buffer)?.is_pending() {
                self.shrink();
                return Poll::Pending;
            }
            let mut bytes = buffer.filled();
            self.grown |= bytes.len() > SHRUNK;
            loop {
                // It takes nothing at the end, nor after close_notify.
                if self.session.read_tls(&mut bytes)? == 0 {
                    return Poll::Ready(Ok(filled));
                }
                self.failed = self.session.process_new_packets().is_err();
                if let Decrypted::Bytes(count) = self.decrypted(&mut out[filled..])? {
                    filled += count;
                }
                if bytes.is_empty() || self.failed {
                    break;
                }
            }
            // New keys, or an alert that says what was wrong.
            let _ = self.poll_flush(cx)?;
            if self.failed && filled == 0 {
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
        }
        Poll::Ready(Ok(filled))
    }

    fn decrypted(&mut self, out: &mut [u8]) -> io::Result<Decrypted> {
        match self.session.reader().read(out) {
            Ok(0) => Ok(Decrypted::End),
            Ok(count) => Ok(Decrypted::Bytes(count)),
            Err(problem) if problem.kind() == ErrorKind::WouldBlock => Ok(Decrypted::Bytes(0)),
            Err(problem) if problem.kind() == ErrorKind::UnexpectedEof => Ok(Decrypted::End),
            Err(problem) => Err(problem),
        }
    }

    /// Before a read that gives nothing, rustls makes its buffer for records small again.
    fn shrink(&mut self) {
        struct Nothing;
        impl Read for Nothing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::WouldBlock.into())
            }
        }
        if std::mem::take(&mut self.grown) {
            let _ = self.session.read_tls(&mut Nothing);
        }
    }

    /// Takes bytes when all earlier ones are with the kernel.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.session.writer().write(bytes)?;
        // What cannot go now goes before the next.
        let _ = self.poll_flush(cx)?;
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut wire = Wire { tcp: &mut self.tcp, cx };
            match self.session.write_tls(&mut wire) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Err(problem) => return Poll::Ready(Err(problem)),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.send_close_notify();
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

enum Decrypted {
    Bytes(usize),
    End,
}

/// The socket as rustls wants it.
struct Wire<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for Wire<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_write_vectored(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
