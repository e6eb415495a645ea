//! `certificates` of a zone: pairs of paths, below the folder that the boot config names (`tls.certificates`).

use super::faults::{Faults, shown};
use super::json::{Object, Value};
use crate::base::limits::CERTIFICATES_PER_ZONE_MAX;
use crate::snapshot::CertificateSpec;
use std::path::{Component, Path};

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 1_024;

/// Reads a zone's list.
pub(super) fn read_certificates(holder: &Object<'_, '_>, faults: &mut Faults) -> Vec<CertificateSpec> {
    let Some(value) = holder.get("certificates") else { return Vec::new() };
    let Some(list) = value.list(faults) else { return Vec::new() };
    if list.len() == 0 || list.len() > CERTIFICATES_PER_ZONE_MAX {
        let text = format_args!(
            "holds {} certificates: a zone has 1 to {CERTIFICATES_PER_ZONE_MAX}, or leaves the list out",
            list.len()
        );
        faults.error(&list.at, text);
        return Vec::new();
    }
    list.items().filter_map(|item| read_certificate(item, faults)).collect()
}

fn read_certificate(value: Value<'_, '_>, faults: &mut Faults) -> Option<CertificateSpec> {
    let pair = value.object(faults)?;
    let mut path = |key: &'static str| {
        let value = pair.require(key, "the path of a PEM file", faults)?;
        read_path(value, faults)
    };
    let (cert, key) = (path("cert"), path("key"));
    pair.close(faults);
    Some(CertificateSpec::Files { cert: cert?, key: key? })
}

/// A path that stays below its folder.
fn read_path(value: Value<'_, '_>, faults: &mut Faults) -> Option<Box<str>> {
    let text = value.text(faults)?;
    let inside = Path::new(&*text).components().all(|part| matches!(part, Component::Normal(_)));
    if text.is_empty() || text.len() > PATH_BYTES_MAX || !inside || text.contains('\0') {
        let text = format_args!(
            "{} is not a path below the folder of certificates: write it without a leading '/' and without '..'",
            shown(&text)
        );
        faults.error(&value.at, text);
        return None;
    }
    Some(text.into())
}
