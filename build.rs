//! Stamps the commit into the binary and hands the shim's link words on; nothing else.

use std::process::Command;

fn main() {
    // HEAD changes with the branch, its log with every commit.
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    println!("cargo:rustc-env=BYWAY_COMMIT={}", commit().unwrap_or_else(|| "unknown".into()));
}

/// The short commit the tree stands at, where git and a checkout are there.
fn commit() -> Option<String> {
    let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    (out.status.success()).then(|| text.trim().to_owned())
}
