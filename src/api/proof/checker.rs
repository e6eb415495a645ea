//! The three checks of a prefix, each with its source. A check without one is pending and says so.

use super::{irr, ownership, rpki};
use crate::control::config::boot::DnsSpec;
use crate::control::resolve::NameServers;
use crate::estate::{Check, CheckState, Checks};
use ipnet::IpNet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long all checks of a prefix may take together.
const PATIENCE: Duration = Duration::from_secs(45);

/// What is claimed: that this AS may originate the prefix, and that who holds it has published the token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The prefix.
    pub net: IpNet,
    /// The AS.
    pub asn: u32,
    /// The token.
    pub token: String,
}

/// Checks that come in time.
pub type Checking<'c> = Pin<Box<dyn Future<Output = Checks> + Send + 'c>>;

/// Who makes checks.
pub trait Checker: Send + Sync + Debug {
    /// Makes all three; what could not be made is pending.
    fn check(&self, claim: Claim) -> Checking<'_>;
}

/// Where the boot config says that proof is found.
#[derive(Clone, Debug)]
pub struct Sources {
    /// A validator's JSON export of the RPKI.
    pub rpki_export: Option<PathBuf>,
    /// A mirror of routing registries in RPSL.
    pub irr_mirror: Option<PathBuf>,
    /// Name servers.
    pub dns: DnsSpec,
    /// Large files are read one at a time.
    turn: Arc<Semaphore>,
}

impl Sources {
    /// As the boot config names them.
    pub fn new(rpki_export: Option<PathBuf>, irr_mirror: Option<PathBuf>, dns: DnsSpec) -> Self {
        Self { rpki_export, irr_mirror, dns, turn: Arc::new(Semaphore::new(1)) }
    }

    async fn look(&self, claim: Claim) -> Checks {
        // The semaphore is never closed. Readers hold the turn, too: one whose check was given up still reads.
        let turn = Arc::new(self.turn.clone().acquire_owned().await);
        let rpki = of_file(self.rpki_export.clone(), "rpki_export", {
            let (claim, turn) = (claim.clone(), turn.clone());
            move |path| {
                let _turn = turn;
                rpki::read(path, claim.net).map(|found| rpki::judge(&found, &claim))
            }
        });
        let found = of_file(self.irr_mirror.clone(), "irr_mirror", {
            let claim = claim.clone();
            move |path| {
                let _turn = turn;
                irr::read(path, &claim)
            }
        });
        let (rpki, found) = (rpki.await, found.await);
        let proven = found.as_ref().is_ok_and(|found| found.bears_token);
        let irr = found.map(|found| irr::judge(&found, &claim));
        let ownership = match proven {
            true => Check::new(CheckState::Valid, "the token is in the registry's object"),
            false => self.ask_names(&claim).await,
        };
        Checks { irr: irr.unwrap_or_else(pending), rpki: rpki.unwrap_or_else(pending), ownership }
    }

    async fn ask_names(&self, claim: &Claim) -> Check {
        if self.dns.resolvers.is_empty() {
            return pending("[dns] names no resolvers to ask for the TXT record".into());
        }
        match NameServers::new(&self.dns.resolvers, self.dns.timeout, self.dns.attempts) {
            Ok(servers) => ownership::ask(&servers, claim).await,
            Err(why) => pending(why),
        }
    }
}

impl Checker for Sources {
    fn check(&self, claim: Claim) -> Checking<'_> {
        Box::pin(async move {
            timeout(PATIENCE, self.look(claim)).await.unwrap_or_else(|_| {
                let late = || pending("the check took too long".into());
                Checks { irr: late(), rpki: late(), ownership: late() }
            })
        })
    }
}

/// Not made, and why.
fn pending(why: String) -> Check {
    Check::new(CheckState::Pending, why)
}

/// Reads a file away from the API's own thread.
async fn of_file<T: Send + 'static>(
    path: Option<PathBuf>,
    key: &str,
    read: impl FnOnce(&std::path::Path) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let path = path.ok_or_else(|| format!("[api] names no {key}"))?;
    let told = format!("[api] {key} {}", path.display());
    match tokio::task::spawn_blocking(move || read(&path)).await {
        Ok(result) => result.map_err(|why| format!("{told}: {why}")),
        Err(_) => Err(format!("{told}: its reader ended")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_its_source_is_pending_and_says_what_to_name() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let second = crate::base::Span::from_millis(1_000);
        let dns = DnsSpec {
            resolvers: Vec::new(),
            timeout: second,
            attempts: 1,
            ttl_min: second,
            stale_max: second,
        };
        let sources = Sources::new(None, Some("/nowhere/mirror".into()), dns);
        let claim = Claim { net: "203.0.113.0/24".parse().expect("a net"), asn: 64_496, token: "t".into() };
        let checks = runtime.block_on(sources.check(claim));
        for (_, check) in checks.named() {
            assert_eq!(check.state, CheckState::Pending, "{check:?}");
        }
        assert!(checks.rpki.why.contains("names no rpki_export"), "{checks:?}");
        assert!(checks.irr.why.contains("/nowhere/mirror"), "{checks:?}");
        assert!(checks.ownership.why.contains("resolvers"), "{checks:?}");
    }
}
