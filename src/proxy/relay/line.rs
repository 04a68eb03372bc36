//! One end of a relay: the bare connection, without the buffers that HTTP needed.

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use super::super::Tunnel;
use super::tls::{LARGEST_RECORD, Tls};

/// How many bytes are read at once. Larger ones gain little: the kernel seldom has more ready.
const READ: usize = 64 * 1024;

/// Where bytes are read to. One for each thread that runs relays, so that idle sockets need none.
pub(super) struct Buffer {
    raw: Box<[u8]>,
    bytes: Box<[u8]>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        // Room for what waits of a header, and of a record.
        Self { raw: vec![0; READ].into(), bytes: vec![0; READ + LARGEST_RECORD + READ_AGAIN].into() }
    }
}

/// The most that is put before what is read: the beginning of a header (see [`super::frames::Reading::pass`]).
const READ_AGAIN: usize = 16;

/// A connection over which a websocket's frames go.
pub struct Line {
    io: Io,
    /// What was read of it already.
    ahead: Bytes,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<Tls>),
    /// Whatever else a server may have accepted.
    Other(Box<TokioIo<Upgraded>>),
}

impl From<TcpStream> for Line {
    fn from(tcp: TcpStream) -> Self {
        Self::new(Io::Plain(tcp))
    }
}

impl From<client::TlsStream<TcpStream>> for Line {
    fn from(stream: client::TlsStream<TcpStream>) -> Self {
        let (tcp, session) = stream.into_inner();
        Self::new(Io::Tls(Box::new(Tls::new(tcp, Connection::Client(session)))))
    }
}

impl From<server::TlsStream<TcpStream>> for Line {
    fn from(stream: server::TlsStream<TcpStream>) -> Self {
        let (tcp, session) = stream.into_inner();
        Self::new(Io::Tls(Box::new(Tls::new(tcp, Connection::Server(session)))))
    }
}

impl From<Tunnel> for Line {
    fn from(tunnel: Tunnel) -> Self {
        match tunnel {
            Tunnel::Plain(tcp) => tcp.into(),
            Tunnel::Tls(stream) => (*stream).into(),
        }
    }
}

/// Takes the connection out of what the server upgraded.
impl From<Upgraded> for Line {
    fn from(upgraded: Upgraded) -> Self {
        let upgraded = match downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::from(parts.io.into_inner()).read_ahead(&parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match downcast::<TokioIo<server::TlsStream<TcpStream>>>(upgraded) {
            Ok(parts) => Self::from(parts.io.into_inner()).read_ahead(&parts.read_buf),
            Err(upgraded) => Self::new(Io::Other(Box::new(TokioIo::new(upgraded)))),
        }
    }
}

impl Line {
    fn new(io: Io) -> Self {
        Self { io, ahead: Bytes::new() }
    }

    /// Of this connection so much was read already.
    pub fn read_ahead(self, bytes: &[u8]) -> Self {
        // A copy: the buffer of which it is a part would live as long as it.
        Self { ahead: Bytes::copy_from_slice(bytes), ..self }
    }

    pub(super) fn take_ahead(&mut self) -> Bytes {
        std::mem::take(&mut self.ahead)
    }

    /// Small frames go at once: Nagle's algorithm would hold an answer back until the one before is acknowledged.
    pub(super) fn set_nodelay(&self) {
        let tcp = match &self.io {
            Io::Plain(tcp) => tcp,
            Io::Tls(tls) => tls.tcp(),
            Io::Other(_) => return,
        };
        // A connection that is gone already is noticed when it is read.
        let _ = tcp.set_nodelay(true);
    }

    /// Reads behind `held`, which is put first, and gives both; only `held` at the end.
    pub(super) fn poll_read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &'a mut Buffer,
        held: &[u8],
    ) -> Poll<io::Result<&'a [u8]>> {
        let Buffer { raw, bytes } = buffer;
        bytes[..held.len()].copy_from_slice(held);
        let room = &mut bytes[held.len()..];
        let count = match &mut self.io {
            Io::Plain(tcp) => ready!(read(tcp, cx, &mut room[..READ]))?,
            Io::Tls(tls) => ready!(tls.poll_read(cx, raw, room))?,
            Io::Other(other) => ready!(read(&mut **other, cx, &mut room[..READ]))?,
        };
        Poll::Ready(Ok(&bytes[..held.len() + count]))
    }

    /// Writes some of these bytes. What is taken may need [`Line::poll_flush`].
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = match &mut self.io {
            Io::Plain(tcp) => ready!(Pin::new(tcp).poll_write(cx, bytes))?,
            Io::Tls(tls) => ready!(tls.poll_write(cx, bytes))?,
            Io::Other(other) => ready!(Pin::new(&mut **other).poll_write(cx, bytes))?,
        };
        Poll::Ready(if count == 0 { Err(ErrorKind::WriteZero.into()) } else { Ok(count) })
    }

    /// Until all that was taken is with the kernel.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(tls) => tls.poll_flush(cx),
            Io::Other(other) => Pin::new(&mut **other).poll_flush(cx),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => tls.poll_shutdown(cx),
            Io::Other(other) => Pin::new(&mut **other).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.io {
            Io::Plain(_) => "Line(plain)",
            Io::Tls(_) => "Line(TLS)",
            Io::Other(_) => "Line(other)",
        })
    }
}

fn read(from: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(room);
    ready!(Pin::new(from).poll_read(cx, &mut room))?;
    Poll::Ready(Ok(room.filled().len()))
}
