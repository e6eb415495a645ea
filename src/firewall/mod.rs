//! May this one come in? IP access rules by zone, and where an address comes from.

mod compile;
mod edits;
mod rule_spec;
mod rules;
mod whence_map;

pub use crate::base::{AsNumber, Country};
pub use compile::{ScopeRules, ZoneScopes, compile};
pub use edits::RuleEdit;
pub use rule_spec::{Mode, RuleNet, RuleSpec, Target, Words};
pub use rules::{Judgement, Rules};
pub use whence_map::{Layers, NetOf, Sources, WhenceMap};
