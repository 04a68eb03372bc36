//! The tenant's door: one port, plain or with TLS, that can be shut and opened again.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use axum_server::{
    Handle,
    tls_rustls::{RustlsConfig, from_tcp_rustls},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::task::JoinHandle;

use super::settings::Tls;

pub(super) struct Listener {
    /// The first time perhaps with port 0, later always with the port that came of it.
    pub address: SocketAddr,
    tls: Option<RustlsConfig>,
    running: Option<(Handle<SocketAddr>, JoinHandle<io::Result<()>>)>,
}

impl Listener {
    /// Takes the port, without serving yet.
    pub fn bind(listen: SocketAddr, tls: Option<&Tls>) -> io::Result<(Self, std::net::TcpListener)> {
        let tls = tls.map(rustls_config).transpose()?;
        let socket = socket(listen)?;
        Ok((Self { address: socket.local_addr()?, tls, running: None }, socket))
    }

    /// Serves on a socket from [`Listener::bind`] or [`Listener::rebind`].
    pub fn serve(&mut self, socket: std::net::TcpListener, router: Router) -> io::Result<()> {
        let handle = Handle::new();
        let service = router.into_make_service();
        let task = match self.tls.clone() {
            None => tokio::spawn(axum_server::from_tcp(socket)?.handle(handle.clone()).serve(service)),
            Some(tls) => tokio::spawn(from_tcp_rustls(socket, tls)?.handle(handle.clone()).serve(service)),
        };
        self.running = Some((handle, task));
        Ok(())
    }

    /// Stops listening and breaks off what is under way. The task that ends is returned.
    pub fn stop(&mut self) -> Option<JoinHandle<io::Result<()>>> {
        let (handle, task) = self.running.take()?;
        handle.shutdown();
        Some(task)
    }

    /// Takes the same port again.
    pub fn rebind(&self) -> io::Result<std::net::TcpListener> {
        socket(self.address)
    }
}

fn socket(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn rustls_config(tls: &Tls) -> io::Result<RustlsConfig> {
    let bad = |problem: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, problem.to_string());
    let chain = CertificateDer::pem_slice_iter(tls.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| bad(&e))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(|e| bad(&e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| bad(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}
