//! Namespaces and the veth pairs between them. Offloads are off on every end, as on the wires of the end-to-end tests.

use super::error::LabError;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::process::{Command, Stdio};

/// A network namespace of this process's; deleted, with its links, when dropped.
pub struct Host {
    name: String,
}

/// One end of a wire.
pub struct Nic<'a> {
    /// Whose.
    pub host: &'a Host,
    /// Its name there, at most 15 bytes.
    pub name: &'a str,
    /// Its addresses with prefix lengths; none for one that is not the kernel's to answer on.
    pub addresses: &'a [&'a str],
}

impl Host {
    /// A new one with its loopback up; `byway-ROLE-PID`.
    ///
    /// # Errors
    /// `NotThere`, `Refused`: namespaces are root's to make.
    pub fn new(role: &str) -> Result<Self, LabError> {
        let host = Self { name: format!("byway-{role}-{}", std::process::id()) };
        run(&["ip", "netns", "add", &host.name])?;
        host.ip(&["link", "set", "lo", "up"])?;
        Ok(host)
    }

    /// Its kernel answers nothing and forwards nothing: byway or another program owns its links.
    ///
    /// # Errors
    /// As above.
    pub fn silence(&self) -> Result<(), LabError> {
        self.set("net.ipv6.conf.all.disable_ipv6", "1")?;
        self.set("net.ipv6.conf.default.disable_ipv6", "1")?;
        self.set("net.ipv4.conf.all.arp_ignore", "8")?;
        self.set("net.ipv4.conf.default.arp_ignore", "8")
    }

    /// Sets one of its kernel's variables.
    ///
    /// # Errors
    /// As above.
    pub fn set(&self, key: &str, value: &str) -> Result<(), LabError> {
        self.run(&["sysctl", "-q", "-w", &format!("{key}={value}")]).map(drop)
    }

    /// `ip` in it.
    ///
    /// # Errors
    /// As above.
    pub fn ip(&self, args: &[&str]) -> Result<(), LabError> {
        run(&[&["ip", "-n", &self.name], args].concat()).map(drop)
    }

    /// Runs a program in it to its end; what it printed.
    ///
    /// # Errors
    /// `NotThere`, or `Refused` with what it complained of.
    pub fn run(&self, words: &[&str]) -> Result<String, LabError> {
        run(&[&["ip", "netns", "exec", &self.name], words].concat())
    }

    /// Moves the calling thread into it, for good.
    ///
    /// # Errors
    /// `Refused`.
    pub fn enter(&self) -> Result<(), LabError> {
        let refused = |error: String| LabError::Refused(format!("namespace {}", self.name), error);
        let file =
            File::open(format!("/run/netns/{}", self.name)).map_err(|error| refused(error.to_string()))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|error| refused(error.to_string()))
    }

    /// A program in it, to be started; its process is the program itself.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).args(words);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that is gone already is what was wanted.
        let _ = run(&["ip", "netns", "del", &self.name]);
    }
}

/// A wire between two hosts: a veth pair of MTU 1500 without checksum, segmentation or scatter offloads.
///
/// # Errors
/// `NotThere`, `Refused`.
pub fn wire(a: &Nic<'_>, b: &Nic<'_>) -> Result<(), LabError> {
    a.host.ip(&["link", "add", a.name, "type", "veth", "peer", "name", b.name, "netns", &b.host.name])?;
    for end in [a, b] {
        let plain = ["tx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off"];
        end.host.run(&[&["ethtool", "-K", end.name], &plain[..]].concat())?;
        for address in end.addresses {
            end.host.ip(&["address", "add", address, "dev", end.name])?;
        }
        end.host.ip(&["link", "set", end.name, "up"])?;
    }
    Ok(())
}

/// Runs on a thread in a host; threads that it makes are there, too.
///
/// # Errors
/// `Refused`, `Panicked`.
pub fn within<T: Send>(host: &Host, body: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    let work = move || host.enter().map(|()| body());
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or(Err(LabError::Panicked))
}

/// Runs a program to its end; what it printed.
fn run(words: &[&str]) -> Result<String, LabError> {
    let out = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let out = out.map_err(|error| LabError::NotThere(words[0].to_owned(), error))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = [out.stderr, out.stdout].concat();
    Err(LabError::Refused(words.join(" "), String::from_utf8_lossy(&said).into_owned()))
}
