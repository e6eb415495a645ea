//! An edit of apps is asked about everything that it touched, and about some apps that it should not have: the hash maps
//! that workers ask must say what the sorted book of places and the spec say.

use super::cross_check::{Disagreement, pick};
use super::frozen::Snapshot;
use super::live_spec::LiveSpec;
use super::reports::Reports;
use crate::base::{Addr, AppSlot, DropReason, Rng};
use crate::table::{AppTurn, Placed};
use crate::wire::Protocol;

/// Addresses of one app that are asked about.
const ADDRS_ASKED_MAX: usize = 32;
/// Apps beside those that changed.
const OTHERS_ASKED: usize = 16;

/// Asks; `seed` chooses the questions. `spec` and `reports` are from before the edit.
///
/// # Errors
/// The first `Disagreement`.
pub(super) fn check_edit(
    (spec, reports): (&LiveSpec, &Reports),
    turns: &[AppTurn<'_>],
    snapshot: &Snapshot,
    seed: u64,
) -> Result<(), Disagreement> {
    let mut rng = Rng::new(seed);
    for turn in turns {
        let (old, new) = (turn.old.as_ref(), turn.new.as_ref());
        for placed in old.into_iter().chain(new) {
            for addr in placed.addrs.iter().take(ADDRS_ASKED_MAX) {
                ask_around(placed, *addr, (spec, snapshot), &mut rng)?;
            }
        }
        hold_slots(old, new, snapshot)?;
    }
    let touched =
        |slot: AppSlot| turns.iter().filter_map(|turn| turn.old.as_ref()).any(|old| old.slot == slot);
    for _ in 0..OTHERS_ASKED {
        let Some((placed, slot)) = any_app(spec, reports, &mut rng) else { continue };
        if let Some((addr, protocol, port)) = placed.filter(|_| !touched(slot)) {
            let found = snapshot.table.find(addr, protocol, port);
            differ((addr, protocol, port), found, Ok(slot))?;
        }
    }
    Ok(())
}

/// The ports at both ends of a place, within it and around it, by both protocols.
fn ask_around(
    placed: &Placed<'_>,
    addr: Addr,
    (spec, snapshot): (&LiveSpec, &Snapshot),
    rng: &mut Rng,
) -> Result<(), Disagreement> {
    let (table, ports) = (&snapshot.table, placed.spec.edge.ports);
    let within = ports.first() + rng.below(u64::from(ports.count())) as u16;
    let around = [ports.first().wrapping_sub(1), ports.last().wrapping_add(1), rng.next_u32() as u16];
    for port in [ports.first(), within, ports.last()].into_iter().chain(around) {
        for (protocol, other) in [(Protocol::Tcp, Protocol::Udp), (Protocol::Udp, Protocol::Tcp)] {
            let naive = match table.booked(addr, protocol, port) {
                Some(slot) => Ok(slot),
                None if !table.booked_addr(addr) => Err(without_app(spec, addr)),
                None if table.booked(addr, other, port).is_some() => Err(DropReason::WrongProtocol),
                None => Err(DropReason::NoAppPort),
            };
            differ((addr, protocol, port), table.find(addr, protocol, port), naive)?;
        }
    }
    if table.has_app(addr) != table.booked_addr(addr) {
        let question = format!("whether {addr} has an app");
        let (compiled, naive) = (table.has_app(addr).to_string(), table.booked_addr(addr).to_string());
        return Err(Disagreement { question, compiled, naive });
    }
    Ok(())
}

fn without_app(spec: &LiveSpec, addr: Addr) -> DropReason {
    let mut around = spec.prefixes.iter().filter(|prefix| prefix.prefix.contains(addr)).peekable();
    if around.peek().is_none() {
        DropReason::NoPrefix
    } else if around.any(|prefix| prefix.elsewhere.iter().any(|stretch| stretch.contains(addr))) {
        DropReason::OtherService
    } else {
        DropReason::NoApp
    }
}

/// Whoever is in force now has its places and is found by its slot; whoever went is not found.
fn hold_slots(
    old: Option<&Placed<'_>>,
    new: Option<&Placed<'_>>,
    snapshot: &Snapshot,
) -> Result<(), Disagreement> {
    let table = &snapshot.table;
    let wanted = new.or(old).map(|placed| (placed.slot, new.map(|new| new.spec.id)));
    if let Some((slot, id)) = wanted
        && table.app(slot).map(|app| app.id) != id
    {
        let (compiled, naive) = (format!("{:?}", table.app(slot).map(|app| app.id)), format!("{id:?}"));
        return Err(Disagreement { question: format!("the app of slot {slot}"), compiled, naive });
    }
    let Some(new) = new else { return Ok(()) };
    for addr in new.addrs.iter().take(ADDRS_ASKED_MAX) {
        let at = (*addr, new.spec.edge.protocol, new.spec.edge.ports.first());
        differ(at, table.find(at.0, at.1, at.2), Ok(new.slot))?;
    }
    Ok(())
}

/// An app in force of a zone, both picked at random, and one of its places.
#[expect(clippy::type_complexity, reason = "a place, where it has one, and its app")]
fn any_app(
    spec: &LiveSpec,
    reports: &Reports,
    rng: &mut Rng,
) -> Option<(Option<(Addr, Protocol, u16)>, AppSlot)> {
    let account = pick(&spec.accounts, rng)?;
    let app = pick(&pick(&account.zones, rng)?.apps, rng)?;
    let slot = reports.find(app.id)?.slot?;
    let addr = pick(app.edge_addrs(), rng).copied();
    Some((addr.map(|addr| (addr, app.edge.protocol, app.edge.ports.last())), slot))
}

fn differ(
    (addr, protocol, port): (Addr, Protocol, u16),
    compiled: Result<AppSlot, DropReason>,
    naive: Result<AppSlot, DropReason>,
) -> Result<(), Disagreement> {
    if compiled == naive {
        return Ok(());
    }
    Err(Disagreement {
        question: format!("the app of {addr} {protocol:?} {port}"),
        compiled: format!("{compiled:?}"),
        naive: format!("{naive:?}"),
    })
}
