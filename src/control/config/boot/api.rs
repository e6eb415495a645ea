//! `[api]`: where the API is served, and what it may do.

use super::read::{Notes, Section, flag, parsed, text, whole};
use super::values::{filled, or_off};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a listener's address looks like.
const SOCKET_ADDR: &str = "an address and port like \"127.0.0.1:8480\"";

/// The API; where there is one, no table file rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiSpec {
    /// The store's file.
    pub store: PathBuf,
    /// Where it is served by TCP; `None`: not.
    pub listen: Option<SocketAddr>,
    /// The admin socket.
    pub socket: PathBuf,
    /// Certificate chain and key, PEM files; `None`: without TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether it may be served without TLS on an address that is not loopback.
    pub plain: bool,
    /// Requests of one user in five minutes.
    pub requests_per_5min: u32,
    /// Apps of one account.
    pub apps_per_account: usize,
    /// Origins of one account's apps.
    pub origins_per_account: usize,
    /// Host names of one account's apps and DNS records.
    pub names_per_account: usize,
    /// Prefixes of one account.
    pub prefixes_per_account: usize,
    /// Letters of authorisation of one account, in bytes together.
    pub loa_bytes_per_account: u64,
    /// A validator's JSON export, for the RPKI check of prefixes.
    pub rpki_export: Option<PathBuf>,
    /// A mirror of routing registries, for the IRR check of prefixes.
    pub irr_mirror: Option<PathBuf>,
    /// Access rules of one account with its zones, and of one user.
    pub rules_per_account: usize,
}

/// Reads `[api]`; `None` where it names no store.
pub fn api(top: &mut Section, notes: &mut Notes, folder: &Path) -> Option<ApiSpec> {
    let mut section = top.section(notes, "api");
    let place = section.place_of("listen");
    let store = section.value(notes, "store", String::new(), text);
    let listen = Some(([127, 0, 0, 1], 8_480).into());
    let listen: Option<SocketAddr> = section.value(notes, "listen", listen, or_off(parsed(SOCKET_ADDR)));
    let socket = section.value(notes, "socket", "/run/byway/api.sock".to_owned(), filled);
    let mut file = |key| Some(section.value(notes, key, String::new(), text)).filter(|path| !path.is_empty());
    let tls = match (file("certificate"), file("key")) {
        (Some(certificate), Some(key)) => Ok(Some((folder.join(certificate), folder.join(key)))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("a certificate needs its key"),
        (None, Some(_)) => Err("a key needs its certificate"),
    };
    let plain = section.value(notes, "plain", false, flag);
    let requests = section.value(notes, "requests_per_5min", 1_200, whole("requests", 1..=1_000_000_000));
    let apps = section.value(notes, "apps_per_account", 100_000, whole("apps", 1..=1_000_000));
    let origins = section.value(notes, "origins_per_account", 500_000, whole("origins", 1..=10_000_000));
    let names = section.value(notes, "names_per_account", 200_000, whole("names", 1..=10_000_000));
    let prefixes = section.value(notes, "prefixes_per_account", 1_000, whole("prefixes", 1..=100_000));
    let loa_mib: u64 = section.value(notes, "loa_mib_per_account", 100, whole("MiB", 10..=10_000));
    let mut file = |key| Some(section.value(notes, key, String::new(), text)).filter(|path| !path.is_empty());
    let (rpki, irr) = (file("rpki_export"), file("irr_mirror"));
    let rules = section.value(notes, "rules_per_account", 50_000, whole("rules", 1..=1_000_000));
    let wrong = tls.as_ref().err().copied().or_else(|| {
        let open = listen.is_some_and(|address| !address.ip().is_loopback());
        let bare = open && tls == Ok(None) && !plain;
        bare.then_some(
            "is not loopback, and there is no TLS: name a certificate and its key, or say plain = true, which shows every \
             token to the network",
        )
    });
    if let Some(wrong) = wrong {
        notes.push_at(&place, wrong);
    }
    section.finish(notes);
    (!store.is_empty()).then(|| ApiSpec {
        store: folder.join(store),
        listen,
        socket: folder.join(socket),
        tls: tls.unwrap_or_default(),
        plain,
        requests_per_5min: requests,
        apps_per_account: apps,
        origins_per_account: origins,
        names_per_account: names,
        prefixes_per_account: prefixes,
        loa_bytes_per_account: loa_mib << 20,
        rpki_export: rpki.map(|path| folder.join(path)),
        irr_mirror: irr.map(|path| folder.join(path)),
        rules_per_account: rules,
    })
}
