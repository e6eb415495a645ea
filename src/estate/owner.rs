//! Whose an entity is: for whoever may see a tenant's part of the audit log, and for whom a change of it counts there.

use super::change::Change;
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

impl Estate {
    /// Whose a change is, as this estate is before it and `next` after it: an account, or a user for what is of no account.
    /// `None`: of several, or of the box itself.
    pub fn owner_of(&self, next: &Self, change: &Change) -> Option<Id> {
        let mut owners = change.edits().iter().map(|edit| {
            let entity = edit.before.as_ref().or(edit.after.as_ref())?;
            counted(entity, self).or_else(|| counted(entity, next))
        });
        let first = owners.next()??;
        owners.all(|owner| owner == Some(first)).then_some(first)
    }
}

/// For whom a change of an entity counts.
fn counted(entity: &Entity, estate: &Estate) -> Option<Id> {
    match entity {
        // Who is on the box is the box's own business.
        Entity::User(_) | Entity::Account(_) => None,
        Entity::Token(_)
        | Entity::Zone(_)
        | Entity::Prefix(_)
        | Entity::LoaDocument(_)
        | Entity::AddressMap(_)
        | Entity::Binding(_)
        | Entity::BgpPrefix(_)
        | Entity::Delegation(_)
        | Entity::Certificate(_)
        | Entity::App(_)
        | Entity::DnsRecord(_)
        | Entity::Rule(_) => {
            let owner = Owner::of(entity, estate);
            owner.account.or(owner.user)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entity::{Account, Stamp, User, Zone};
    use super::*;

    #[test]
    fn what_goes_from_one_holder_to_another_is_neithers_to_see() {
        let owner = |account: u128| Some(Owner { account: Some(Id::from_bits(account)), ..Owner::default() });
        assert_eq!(Owner::of_both(owner(1), owner(2)), Owner::default());
        assert_eq!(Some(Owner::of_both(owner(1), owner(1))), owner(1));
        assert_eq!(Some(Owner::of_both(None, owner(1))), owner(1));
        assert_eq!(Some(Owner::of_both(owner(1), None)), owner(1));
    }

    #[test]
    fn a_change_is_its_accounts_and_one_of_several_is_the_boxs() {
        let (id, created_on) = (Id::from_bits, Stamp(0));
        let user: Entity = User { id: id(1), email: "a".into(), key_hash: None, created_on }.into();
        let account = |number: u128| Account { id: id(number), name: "n".into(), owner: id(1), created_on };
        let zone = |number: u128, account: u128| Zone {
            id: id(number),
            name: format!("z{number}"),
            account: id(account),
            created_on,
            modified_on: created_on,
        };
        let mut before = Estate::default();
        [user, account(2).into(), account(3).into(), zone(4, 2).into()]
            .into_iter()
            .for_each(|entity| before.put(entity));
        let owner = |edits: &dyn Fn(&mut Change)| {
            let mut change = Change::default();
            edits(&mut change);
            before.owner_of(&before.with(&change), &change)
        };
        assert_eq!(owner(&|change| change.make(zone(5, 3))), Some(id(3)));
        assert_eq!(owner(&|change| change.remove(zone(4, 2).into())), Some(id(2)));
        let both = |change: &mut Change| {
            change.make(zone(5, 3));
            change.remove(zone(4, 2).into());
        };
        assert_eq!(owner(&both), None);
        assert_eq!(owner(&|change| change.make(account(9))), None);
        assert_eq!(owner(&|_| {}), None);
    }
}
