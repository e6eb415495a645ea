//! TLS of the API's listener: a chain and its key, read at start, and again when they change or byway is told to reload. What
//! is read then is for handshakes from then on: open connections go on. Asks nothing of whoever renews the files but that
//! both are right in the end: a pair that is not leaves the one before in force, and that is told.

use crate::base::{Clock, OsClock};
use crate::control::certificates::read_pair;
use crate::control::desk::{Desk, Inquiry};
use crate::control::log;
use crate::control::watch::{FilesWatch, look};
use crate::tls::Certificate;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::SingleCertAndKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::sleep;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The pair in force.
pub struct ListenerTls {
    paths: [PathBuf; 2],
    certificate: Certificate,
    config: Arc<ServerConfig>,
    watch: FilesWatch,
}

/// What is in force at any time.
pub type InForce = Receiver<Arc<ServerConfig>>;

impl ListenerTls {
    /// Reads a chain and its key from PEM files. One that is open to others is told of and taken, so that an update keeps no
    /// box from starting; a renewed one is not.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let paths = [certificate.to_owned(), key.to_owned()];
        let watch = watch_from_now(&paths);
        let (certificate, is_open) = read_pair(&paths, Certificate::from_pem_of_any)?;
        if let Some(is_open) = is_open {
            log::warning(format_args!("api: {is_open}"));
        }
        let config = config_of(&certificate)?;
        Ok(Self { paths, certificate, config, watch })
    }

    /// Keeps it fresh in a task of this runtime, which ends once nobody holds what it returns.
    pub fn tended(self, desk: Desk, hangup: Signal) -> InForce {
        let (sender, receiver) = channel(self.config.clone());
        tokio::spawn(self.tend(desk, hangup, sender));
        receiver
    }

    async fn tend(mut self, desk: Desk, mut hangup: Signal, in_force: Sender<Arc<ServerConfig>>) {
        let clock = OsClock::new();
        loop {
            let is_told = tokio::select! {
                () = sleep(LOOK) => false,
                Some(()) = hangup.recv() => true,
                () = in_force.closed() => return,
            };
            if !is_told && !self.watch.changed(clock.now()) {
                continue;
            }
            let problem = self.renew(&in_force).await.err();
            if let Some(why) = &problem {
                log::error(why);
            }
            if !desk.put(Inquiry::ListenerTls(problem)).await {
                return;
            }
        }
    }

    /// Reads the pair again, and puts it in force where it is another.
    ///
    /// # Errors
    /// What the operator has to know: which file, what is wrong with it, what would be right.
    async fn renew(&mut self, in_force: &Sender<Arc<ServerConfig>>) -> Result<(), String> {
        // It has to be looked at before it is read, so that whatever changes from then on is seen.
        self.watch = watch_from_now(&self.paths);
        let paths = self.paths.clone();
        let read = tokio::task::spawn_blocking(move || safe_pair(&paths)).await;
        let pair = read.unwrap_or_else(|_| Err("their reader ended".into()));
        let pair = pair.and_then(|certificate| Ok((config_of(&certificate)?, certificate)));
        let (config, certificate) = pair.map_err(|why| {
            format!(
                "[api] certificate and key: {why}; what was read before stays in force: wanted are a chain and its own \
                 key, which byway's user may read and others may not"
            )
        })?;
        if certificate.key().cert != self.certificate.key().cert {
            log::info(format_args!("api: the renewed certificate is in force: {}", self.paths[0].display()));
            (self.certificate, self.config) = (certificate, config);
            in_force.send_replace(self.config.clone());
        }
        Ok(())
    }
}

fn watch_from_now(paths: &[PathBuf; 2]) -> FilesWatch {
    FilesWatch::since(&paths.each_ref().map(|path| (path.clone(), look(path))))
}

/// A pair whose key is nobody else's.
fn safe_pair(paths: &[PathBuf; 2]) -> Result<Certificate, String> {
    match read_pair(paths, Certificate::from_pem_of_any)? {
        (certificate, None) => Ok(certificate),
        (_, Some(is_open)) => Err(is_open),
    }
}

/// The server's side of TLS.
fn config_of(certificate: &Certificate) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| error.to_string())?;
    let resolver = Arc::new(SingleCertAndKey::from(certificate.key().clone()));
    let mut config = versions.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
