//! One app by itself: the body of an API call, or a stored one.

use super::app::{AppReader, read_app};
use super::faults::{Faults, Message, TableErrors};
use super::json::parse;
use crate::table::{AppSpec, PrefixMap, Reserved, ScopeName};

/// What an app is read against.
#[derive(Clone, Copy, Debug)]
pub struct AppGround<'g> {
    /// What the boot config has taken.
    pub reserved: &'g Reserved,
    /// The prefixes that its addresses may lie in.
    pub prefixes: &'g PrefixMap,
    /// The app's zone.
    pub zone: &'g ScopeName,
    /// Whether the zone has a certificate.
    pub has_certificates: bool,
}

/// A good app.
#[derive(Clone, Debug)]
pub struct OneApp {
    /// The app.
    pub spec: AppSpec,
    /// What was accepted but is worth telling: unknown fields.
    pub messages: Vec<Message>,
}

/// Reads one app.
///
/// # Errors
/// All that is wrong with it, each with its JSON pointer.
pub fn one_app(text: &[u8], ground: AppGround<'_>) -> Result<OneApp, TableErrors> {
    let mut faults = Faults::default();
    let AppGround { reserved, prefixes, zone, has_certificates } = ground;
    let reader = AppReader { reserved, prefixes, has_certificates };
    let read = parse(text, &mut faults).and_then(|value| read_app(value, zone, &reader, &mut faults));
    if read.is_none() && faults.count() == 0 {
        faults.broken(1, "says nothing");
    }
    let messages = faults.finish()?;
    // Without errors there is an app.
    read.map(|spec| OneApp { spec, messages }).ok_or(TableErrors { list: Vec::new(), more: 0 })
}
