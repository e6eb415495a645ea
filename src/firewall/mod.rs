//! May this one come in? IP access rules by zone.

mod compile;
mod rule_spec;
mod rules;

pub use compile::{ScopeRules, ZoneScopes, compile};
pub use rule_spec::{AsNumber, Country, Mode, RuleNet, RuleSpec, Target, Words};
pub use rules::{Judgement, Rules};
