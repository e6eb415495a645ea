//! Takes out of kept chains of certificates what is no certificate. Works on texts alone, for a store of any age; what is
//! no JSON, or has no chain, stays as it is.

use rusqlite::{Transaction, params};
use serde_json::Value;

const BEGIN: &str = "-----BEGIN ";
const CERTIFICATE_BEGINS: &str = "-----BEGIN CERTIFICATE-----";
const CERTIFICATE_ENDS: &str = "-----END CERTIFICATE-----";

/// Scrubs the chains of certificates that are kept, of those in the log of changes, and of what a trial goes back to.
///
/// # Errors
/// What SQLite says.
pub fn chains(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    bodies(transaction, "entity", "body")?;
    bodies(transaction, "trial_undo", "undo")?;
    edits(transaction)
}

/// Bodies of certificates in a table, one an id.
fn bodies(transaction: &Transaction<'_>, table: &str, column: &str) -> rusqlite::Result<()> {
    let select = format!("SELECT id, {column} FROM {table} WHERE kind = 'certificate'");
    let mut select = transaction.prepare(&select)?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, scrubbed(row.get(1)?))))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let put = format!("UPDATE {table} SET {column} = ?2 WHERE kind = 'certificate' AND id = ?1");
    let mut put = transaction.prepare(&put)?;
    for (id, body) in rows {
        if let Some(body) = body {
            put.execute(params![id, body])?;
        }
    }
    Ok(())
}

fn edits(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut select = transaction
        .prepare("SELECT version, place, before, after, undo FROM edit WHERE kind = 'certificate'")?;
    let rows = select.query_map([], |row| {
        let texts = [scrubbed(row.get(2)?), scrubbed(row.get(3)?), scrubbed(row.get(4)?)];
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, texts))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut put = transaction.prepare(
        "UPDATE edit SET before = coalesce(?3, before), after = coalesce(?4, after), undo = coalesce(?5, undo) \
         WHERE version = ?1 AND place = ?2",
    )?;
    for (version, place, texts) in rows {
        if let [before, after, undo] = texts
            && (before.is_some() || after.is_some() || undo.is_some())
        {
            put.execute(params![version, place, before, after, undo])?;
        }
    }
    Ok(())
}

/// A body with a chain of certificates alone; `None`: it is as it should be.
fn scrubbed(body: Option<String>) -> Option<String> {
    let mut body: Value = serde_json::from_str(&body?).ok()?;
    let chain = body.get("chain")?.as_str()?;
    let alone = certificates(chain);
    if alone == chain {
        return None;
    }
    body["chain"] = alone.into();
    Some(body.to_string())
}

/// The certificates of a PEM text, their lines as they stand there.
fn certificates(pem: &str) -> String {
    let (mut alone, mut inside) = (String::new(), false);
    for line in pem.split(['\n', '\r']) {
        if line.starts_with(BEGIN) {
            inside = line.trim_end() == CERTIFICATE_BEGINS;
        }
        if inside && !line.is_empty() {
            alone.push_str(line);
            alone.push('\n');
        }
        if line.starts_with(CERTIFICATE_ENDS) {
            inside = false;
        }
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::super::schema::{APPLICATION_ID, STEPS};
    use super::super::tests::{Folder, open};
    use super::super::{AuditAsk, EditSpan, Vault};
    use rusqlite::{Connection, params};
    use serde_json::{Value, json};

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----\n";

    fn body(chain: &str, key: &str) -> String {
        json!({ "zone": "z", "chain": chain, "key": key, "priority": 1 }).to_string()
    }

    /// A store of schema 9 with `chain` wherever one may stand.
    fn older(folder: &Folder, chain: &str) {
        assert!(super::super::make_file(&folder.store()).expect("made"));
        let plain = Connection::open(folder.store()).expect("opened");
        STEPS[..9].iter().for_each(|step| plain.execute_batch(step).expect("made"));
        let meta = "INSERT INTO meta VALUES ('hash_key', zeroblob(32)), ('written_by', x'31');
            INSERT INTO version (at, who, what, edits, kept) VALUES (1, 'x', 'y', 3, 3);
            INSERT INTO trial VALUES (1, 0, 1, 2, 1, 'x', 'y');";
        plain.execute_batch(meta).expect("put");
        let (whole, shown) = (body(chain, KEY), body(chain, ""));
        plain.execute("INSERT INTO entity VALUES ('certificate', 'c', ?1)", [&whole]).expect("put");
        plain.execute("INSERT INTO entity VALUES ('app', 'a', ?1)", [&whole]).expect("put");
        plain.execute("INSERT INTO trial_undo VALUES ('certificate', 'c', ?1)", [&whole]).expect("put");
        let mut put = plain
            .prepare(
                "INSERT INTO edit (version, place, kind, id, before, after, undo, account) \
                 VALUES (1, ?1, 'certificate', 'c', ?2, ?3, ?4, 'one')",
            )
            .expect("right");
        put.execute(params![0, shown, shown, whole]).expect("put");
        put.execute(params![1, None::<String>, shown, None::<String>]).expect("put");
        put.execute(params![2, "no JSON", "{}", None::<String>]).expect("put");
        drop(put);
        plain.pragma_update(None, "application_id", APPLICATION_ID).expect("set");
        plain.pragma_update(None, "user_version", 9).expect("set");
    }

    #[test]
    fn a_key_that_came_in_a_chain_goes_from_everywhere_and_the_certificates_and_their_key_stay() {
        let folder = Folder::new("scrub");
        older(&folder, &format!("hidden\n{KEY}{CERTIFICATE}{}hidden", CERTIFICATE.replace('\n', "\r\n")));
        let mut vault = open(&folder.store()).expect("brought up");
        let alone = format!("{CERTIFICATE}{CERTIFICATE}");
        let mut rows = vault.load().expect("readable");
        rows.sort_by(|one, other| one.kind.cmp(&other.kind));
        assert!(rows[0].body.contains("hidden"), "what is no certificate stays: {}", rows[0].body);
        assert_eq!(rows[1].body, body(&alone, KEY));
        let undos = vault.undos().expect("readable");
        assert_eq!(
            undos.iter().map(|undo| undo.body.as_deref()).collect::<Vec<_>>(),
            [Some(&*body(&alone, KEY))]
        );
        let all = EditSpan { from: 0, count: usize::MAX, bytes: usize::MAX };
        let edits = vault.edits(1, all).expect("readable");
        let shown = body(&alone, "");
        assert_eq!((edits[0].before.as_ref(), edits[0].after.as_ref()), (Some(&shown), Some(&shown)));
        assert_eq!((&edits[1].before, &edits[1].after), (&None, &Some(shown)));
        assert_eq!((edits[2].before.as_deref(), edits[2].after.as_deref()), (Some("no JSON"), Some("{}")));
        let ask = AuditAsk { accounts: vec!["one".into()], limit: 100, ..AuditAsk::default() };
        assert_eq!(vault.audit(&ask).expect("answered").total, 3);
        assert!(folder.0.join("store.schema-9").exists());
        drop(vault);
        let plain = Connection::open(folder.store()).expect("opened");
        let undo = |place| {
            let text = "SELECT undo FROM edit WHERE version = 1 AND place = ?1";
            plain.query_row(text, [place], |row| row.get::<_, Option<String>>(0)).expect("there")
        };
        assert_eq!([0, 1, 2].map(undo), [Some(body(&alone, KEY)), None, None]);
    }

    #[test]
    fn a_chain_of_certificates_alone_stays_to_the_byte() {
        let folder = Folder::new("scrub-clean");
        older(&folder, CERTIFICATE);
        let mut vault = open(&folder.store()).expect("brought up");
        let rows = vault.load().expect("readable");
        assert!(rows.iter().all(|row| row.body == body(CERTIFICATE, KEY)), "{rows:?}");
        let text: Value = serde_json::from_str(&rows[0].body).expect("JSON");
        assert_eq!(text["chain"], CERTIFICATE);
    }
}
