//! What the API manages, as values: users, accounts, zones, tokens, prefixes with all that belongs to them, apps, rules. Every change is a
//! list of edits that can be undone; what the workers need of it all is lowered to the same spec that a table file
//! gives. No I/O, no clock, no HTTP.

mod account_index;
mod addressing;
mod app_index;
mod below;
mod body;
mod change;
mod dns;
mod entity;
mod holdings;
mod id;
mod lower;
mod moving;
mod name_index;
mod owner;
mod permit;
mod record_index;
mod said;
mod shelf;
mod sound;
#[cfg(test)]
mod tests;
mod txt;

pub use addressing::{
    AddressMap, BgpPrefix, Check, CheckState, Checks, Delegation, LoaDocument, MapIp, Member, MemberKind,
};
pub use below::{Below, below};
pub use body::{Reader, body, shown};
pub use change::{Change, Edit, Key};
pub use dns::{CaaProperty, DnsRecord, RecordData, RecordName, RecordSettings, RecordType, TargetName};
pub use entity::{
    Account, App, Approval, Binding, Certificate, Entity, Kind, Prefix, Rule, RuleHolder, Service, Stamp,
    Token, User, Zone,
};
pub use holdings::Estate;
pub use id::Id;
pub use lower::{app_changes, lower};
pub use moving::{Misfit, Secrets, export, import, secrets};
pub use owner::Owner;
pub use permit::{Access, Grant, Level, Permission, Reach};
pub use said::{Said, dynamic_name, has_dynamic_names, is_dynamic, said, said_id};
pub use shelf::Shelf;
pub use sound::{Unsound, unsound};
pub use txt::TxtContent;
