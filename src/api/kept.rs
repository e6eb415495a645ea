//! What a store holds, read into an estate.

use crate::estate::{Estate, Id};
use crate::table::Reserved;
use crate::vault::{Vault, VaultError};

/// Reads a store into an estate.
///
/// # Errors
/// The store's, or every entity that the boot config does not bear, a line each.
pub fn read(vault: &mut dyn Vault, reserved: &Reserved) -> Result<Estate, Vec<String>> {
    let one = |error: VaultError| vec![error.to_string()];
    let rows = vault.load().map_err(one)?;
    let mut reader = crate::estate::Reader::new(reserved);
    let mut wrong = Vec::new();
    for kind in crate::estate::Kind::ALL {
        for row in rows.iter().filter(|row| row.kind == kind.name()) {
            let read = match Id::parse(&row.id) {
                Some(id) => reader.read(*kind, id, &row.body),
                None => Err("its id is none".into()),
            };
            wrong.extend(read.err().map(|why| format!("stored {} {}: {why}", row.kind, row.id)));
        }
    }
    let known =
        |row: &&crate::vault::Row| crate::estate::Kind::ALL.iter().any(|kind| kind.name() == row.kind);
    wrong.extend(
        rows.iter()
            .filter(|row| !known(row))
            .map(|row| format!("stored {} {}: no such kind", row.kind, row.id)),
    );
    if wrong.is_empty() { Ok(reader.done()) } else { Err(wrong) }
}
