//! The files of `[geo]`: looked at with every load, read anew when one has changed. What is wrong with one is told; a
//! source that was read before then stays in force as it was, one that never was is missing.

use super::{read_asns, read_countries, read_tor};
use crate::control::config::boot::GeoSpec;
use crate::control::store::read_text;
use crate::control::watch::{FileWatch, Look, look};
use crate::firewall::{Layers, Sources, WhenceMap};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// The largest database that is read, in bytes.
const MMDB_BYTES_MAX: u64 = 1 << 30;

/// The files and what was made of them.
#[derive(Debug, Default)]
pub struct GeoFiles {
    spec: GeoSpec,
    looks: Option<[Look; 3]>,
    map: Arc<WhenceMap>,
    problems: Vec<String>,
}

impl GeoFiles {
    /// For these files; nothing is read yet.
    pub fn new(spec: GeoSpec) -> Self {
        Self { spec, ..Self::default() }
    }

    /// Watches the files from what was read of them on: a change since then is told, too.
    pub fn watches(&self) -> Vec<FileWatch> {
        let watch = |(path, at): (Option<&Path>, usize)| {
            let path = path?;
            Some(match self.looks {
                Some(looks) => FileWatch::since(path, looks[at]),
                None => FileWatch::new(path),
            })
        };
        self.spec.paths().into_iter().zip(0..).filter_map(watch).collect()
    }

    /// The map of what was read last.
    pub const fn map(&self) -> &Arc<WhenceMap> {
        &self.map
    }

    /// What is wrong with the files, a line each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Reads the files where one of them is another than before.
    pub fn refresh(&mut self) {
        let looks = self.spec.paths().map(|path| path.and_then(look));
        if self.looks == Some(looks) {
            return;
        }
        self.looks = Some(looks);
        self.problems.clear();
        let GeoSpec { asn, country, tor } = self.spec.clone();
        let layers = Layers {
            asn: self.layer(asn.as_deref(), |path| read_asns(read_bytes(path)?).map_err(told)),
            country: self.layer(country.as_deref(), |path| read_countries(read_bytes(path)?).map_err(told)),
            tor: self.layer(tor.as_deref(), |path| {
                let text = read_text(path).map_err(told)?;
                read_tor(&text).map_err(|problems| {
                    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                })
            }),
        };
        if !self.loses(&layers) {
            self.map = Arc::new(WhenceMap::build(&layers));
        } else {
            self.problems.push("geo: what was read before stays in force".into());
        }
    }

    fn layer<T>(
        &mut self,
        path: Option<&Path>,
        read: impl Fn(&Path) -> Result<Vec<T>, String>,
    ) -> Option<Vec<T>> {
        let path = path?;
        read(path).map_err(|why| self.problems.push(format!("geo: {}: {why}", path.display()))).ok()
    }

    /// Whether a source that is in force could not be read again.
    fn loses(&self, layers: &Layers) -> bool {
        let Sources { asn, country, tor } = self.map.sources();
        asn && layers.asn.is_none() || country && layers.country.is_none() || tor && layers.tor.is_none()
    }
}

fn told(why: impl Display) -> String {
    why.to_string()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MMDB_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(told)?;
    if bytes.len() as u64 > MMDB_BYTES_MAX {
        return Err(format!("is larger than {MMDB_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Instant, Span};

    #[test]
    fn a_list_that_changed_between_its_reading_and_the_watch_is_told() {
        let folder = std::env::temp_dir().join(format!("byway-geo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let tor = folder.join("tor.txt");
        std::fs::write(&tor, "192.0.2.1\n").expect("written");
        let mut files = GeoFiles::new(GeoSpec { tor: Some(tor.clone()), ..GeoSpec::default() });
        files.refresh();
        let told = |files: &GeoFiles| {
            let mut watches = files.watches();
            assert_eq!(watches.len(), 1);
            let at = |ms| Instant::ZERO + Span::from_millis(ms);
            watches[0].changed(at(0));
            watches[0].changed(at(1_000))
        };
        assert!(!told(&files));
        std::fs::write(&tor, "192.0.2.1\n192.0.2.22\n").expect("written");
        assert!(told(&files));
        files.refresh();
        assert!(!told(&files) && files.problems().is_empty());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
