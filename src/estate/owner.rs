//! Whose an entity is: for whoever may see a tenant's part of the audit log.

use super::entity::{Entity, RuleHolder};
use super::holdings::Estate;
use super::id::Id;

/// Whose an entity is. One of a zone is its account's, too.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owner {
    /// The account.
    pub account: Option<Id>,
    /// The user, of what belongs to no account.
    pub user: Option<Id>,
    /// The name of the zone.
    pub zone: Option<String>,
}

impl Owner {
    /// Of an entity of this estate.
    pub fn of(entity: &Entity, estate: &Estate) -> Self {
        let account = |account: Id| Self { account: Some(account), ..Self::default() };
        let user = |user: Id| Self { user: Some(user), ..Self::default() };
        let zone = |zone: Id| match estate.zones.get(zone) {
            Some(zone) => Self { zone: Some(zone.name.clone()), ..account(zone.account) },
            None => Self::default(),
        };
        let prefix = |prefix: Id| match estate.prefixes.get(prefix) {
            Some(prefix) => account(prefix.account),
            None => Self::default(),
        };
        match entity {
            Entity::User(one) => user(one.id),
            Entity::Token(token) => user(token.user),
            Entity::Account(one) => account(one.id),
            Entity::Zone(one) => zone(one.id),
            Entity::LoaDocument(document) => account(document.account),
            Entity::Prefix(one) => account(one.account),
            // What is delegated stays the holder's of the prefix.
            Entity::Binding(binding) => prefix(binding.prefix),
            Entity::BgpPrefix(route) => prefix(route.prefix),
            Entity::Delegation(delegation) => prefix(delegation.prefix),
            Entity::AddressMap(map) => account(map.account),
            Entity::Certificate(certificate) => zone(certificate.zone),
            Entity::App(app) => zone(app.zone),
            Entity::DnsRecord(record) => zone(record.zone),
            Entity::Rule(rule) => match rule.holder {
                RuleHolder::User(id) => user(id),
                RuleHolder::Account(id) => account(id),
                RuleHolder::Zone(id) => zone(id),
            },
        }
    }

    /// Of what became something else. What went from one holder to another is neither's to see: each would learn of the
    /// other.
    pub fn of_both(before: Option<Self>, after: Option<Self>) -> Self {
        match (before, after) {
            (Some(before), Some(after)) if (before.account, before.user) != (after.account, after.user) => {
                Self::default()
            }
            (_, Some(owner)) | (Some(owner), None) => owner,
            (None, None) => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_from_one_holder_to_another_is_neithers_to_see() {
        let owner = |account: u128| Some(Owner { account: Some(Id::from_bits(account)), ..Owner::default() });
        assert_eq!(Owner::of_both(owner(1), owner(2)), Owner::default());
        assert_eq!(Some(Owner::of_both(owner(1), owner(1))), owner(1));
        assert_eq!(Some(Owner::of_both(None, owner(1))), owner(1));
        assert_eq!(Some(Owner::of_both(owner(1), None)), owner(1));
    }
}
