//! Questions to the audit log: edits of some accounts and of a user, newest or oldest first, a page at a time.
//!
//! How many entries there are in all is counted with each question, so that must not read them: the indexes of edits hold all
//! that a question narrows by, and versions, of which there are `VERSIONS_KEPT_MAX` at most, are looked through once. Bodies
//! are read of the page alone. 100,000 entries of an account are counted in some 10 ms; with bodies it was ten times that.

use super::promise::{Actor, AuditAsk, AuditPage, AuditRow};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, ToSql};

/// What a question lets through, as SQL about an edit `e`.
#[derive(Default)]
struct Sieve {
    /// Whose edits, one part of the log after another, each with the index that has it: no edit is in two of them.
    parts: Vec<Part>,
    /// Which of those.
    terms: Vec<&'static str>,
    /// Of which versions `v`.
    versions: Vec<&'static str>,
    values: Vec<(&'static str, Value)>,
}

/// A part of the log: an index by name, and whose edits of it.
type Part = (&'static str, &'static str);

/// Answers a question.
pub fn audit(connection: &Connection, ask: &AuditAsk) -> rusqlite::Result<AuditPage> {
    let mut sieve = Sieve::of(ask);
    let total: i64 =
        connection.prepare_cached(&sieve.count())?.query_row(&*sieve.bound(), |row| row.get(0))?;
    let way = if ask.oldest_first { "ASC" } else { "DESC" };
    // Places are put in order, and the page's alone are read.
    let text = format!(
        "SELECT e.version, e.place, v.at, v.who, v.what, v.user, v.email, v.ip, e.kind, e.id, e.before, e.after,
                e.account, e.owner, e.zone
         FROM ({} ORDER BY version {way}, place {way} LIMIT :limit OFFSET :offset) page
         JOIN edit e ON e.version = page.version AND e.place = page.place JOIN version v ON v.number = e.version
         ORDER BY e.version {way}, e.place {way}",
        sieve.places()
    );
    sieve.values.push((":limit", number(ask.limit as u64)));
    sieve.values.push((":offset", number(ask.offset as u64)));
    let mut select = connection.prepare_cached(&text)?;
    let rows = select.query_map(&*sieve.bound(), read)?;
    Ok(AuditPage { rows: rows.collect::<rusqlite::Result<_>>()?, total: total as usize })
}

impl Sieve {
    /// Who asks for nobody's edits gets none.
    fn of(ask: &AuditAsk) -> Self {
        let mut sieve = Self::default();
        // One account's edits are an index in order; those of several have to be gathered.
        let of_accounts = match ask.accounts.len() {
            0 | 1 => "e.account = json_extract(:accounts, '$[0]')",
            _ => "e.account IN (SELECT value FROM json_each(:accounts))",
        };
        sieve.parts.push(("edit_account", of_accounts));
        sieve.values.push((":accounts", list(&ask.accounts)));
        if let Some(user) = &ask.user {
            // What is of an account is that account's.
            sieve.parts.push(("edit_owner", "e.owner = :user AND e.account IS NULL"));
            sieve.values.push((":user", text(user)));
        }
        sieve.of_versions(ask);
        if let Some(zone) = &ask.zone {
            sieve.term("e.zone = :zone", ":zone", text(zone));
        }
        if let Some(verb) = ask.verb {
            sieve.term("e.verb = :verb", ":verb", text(verb.name()));
        }
        if let Some((version, place)) = ask.id {
            sieve.term("e.version = :version", ":version", Value::Integer(version as i64));
            sieve.term("e.place = :place", ":place", Value::Integer(place as i64));
        }
        sieve
    }

    fn of_versions(&mut self, ask: &AuditAsk) {
        let actor =
            [("v.email = :email COLLATE NOCASE", ":email", &ask.email), ("v.ip = :ip", ":ip", &ask.ip)];
        let moment = [("v.at >= :since", ":since", ask.since), ("v.at < :before", ":before", ask.before)];
        let moment = moment.map(|(term, name, at)| (term, name, at.map(number)));
        let actor = actor.map(|(term, name, word)| (term, name, word.as_deref().map(text)));
        for (term, name, value) in moment.into_iter().chain(actor) {
            if let Some(value) = value {
                self.versions.push(term);
                self.values.push((name, value));
            }
        }
        if let Some(known) = ask.known.as_ref().filter(|_| ask.email.is_some() || ask.ip.is_some()) {
            self.versions.push("v.user IN (SELECT value FROM json_each(:known))");
            self.values.push((":known", list(known)));
        }
    }

    fn term(&mut self, term: &'static str, name: &'static str, value: Value) {
        self.terms.push(term);
        self.values.push((name, value));
    }

    /// How many there are.
    fn count(&self) -> String {
        let counts = self.selects("(SELECT count(*)", ")");
        format!("SELECT {}", counts.join(" + "))
    }

    /// Their versions and places.
    fn places(&self) -> String {
        self.selects("SELECT e.version AS version, e.place AS place", "").join(" UNION ALL ")
    }

    fn selects(&self, head: &str, tail: &str) -> Vec<String> {
        let mut terms: Vec<&str> = self.terms.clone();
        let versions = self.versions.join(" AND ");
        let versions = format!("e.version IN (SELECT v.number FROM version v WHERE {versions})");
        if !self.versions.is_empty() {
            terms.push(&versions);
        }
        // Named, since SQLite would rather read whole versions where a question narrows by them.
        let select = |(index, whose): &Part| {
            let terms = [&[*whose], terms.as_slice()].concat().join(" AND ");
            format!("{head} FROM edit e INDEXED BY {index} WHERE {terms}{tail}")
        };
        self.parts.iter().map(select).collect()
    }

    fn bound(&self) -> Vec<(&'static str, &dyn ToSql)> {
        self.values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect()
    }
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Ids as a JSON list.
fn list(ids: &[String]) -> Value {
    Value::Text(serde_json::Value::from(ids.to_vec()).to_string())
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let (version, place, at): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(AuditRow {
        id: (version as u64, place as u64),
        at: at as u64,
        who: row.get(3)?,
        what: row.get(4)?,
        actor: Actor { user: row.get(5)?, email: row.get(6)?, ip: row.get(7)? },
        kind: row.get(8)?,
        entity: row.get(9)?,
        before: row.get(10)?,
        after: row.get(11)?,
        account: row.get(12)?,
        user: row.get(13)?,
        zone: row.get(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema::{APPLICATION_ID, STEPS};
    use super::super::tests::{Folder, edit, entry, open};
    use super::super::{AuditVerb, RowEdit, RowOwner, Vault};
    use super::*;

    fn ask(account: &str) -> AuditAsk {
        AuditAsk { accounts: vec![account.into()], limit: 100, ..AuditAsk::default() }
    }

    fn ids(page: &AuditPage) -> Vec<(u64, u64)> {
        page.rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn who_asks_is_told_of_its_own_and_who_asks_for_nobody_of_nothing() {
        let folder = Folder::new("audit");
        let mut vault = open(&folder.store()).expect("made");
        let owned = |id: &str, account: Option<&str>, user: Option<&str>| RowEdit {
            owner: RowOwner { account: account.map(Into::into), user: user.map(Into::into), zone: None },
            ..edit(id, Some("1"))
        };
        let edits =
            vec![owned("a", Some("one"), None), owned("b", Some("two"), None), owned("c", None, None)];
        vault.commit(&entry(edits)).expect("kept");
        vault.commit(&entry(vec![owned("d", None, Some("u")), owned("e", Some("one"), None)])).expect("kept");
        let mut audit = |ask: AuditAsk| vault.audit(&ask).expect("answered");
        assert_eq!(ids(&audit(ask("one"))), [(2, 1), (1, 0)]);
        assert_eq!(ids(&audit(AuditAsk { oldest_first: true, ..ask("two") })), [(1, 1)]);
        assert_eq!(audit(AuditAsk { limit: 100, ..AuditAsk::default() }), AuditPage::default());
        let both = AuditAsk { user: Some("u".into()), ..ask("two") };
        assert_eq!(ids(&audit(both.clone())), [(2, 0), (1, 1)]);
        let second = audit(AuditAsk { limit: 1, offset: 1, ..both });
        assert_eq!((ids(&second), second.total), (vec![(1, 1)], 2));
        assert_eq!(ids(&audit(AuditAsk { id: Some((1, 0)), ..ask("one") })), [(1, 0)]);
        assert_eq!(audit(AuditAsk { id: Some((1, 0)), ..ask("two") }).total, 0, "another's by its id");
        assert_eq!(audit(AuditAsk { verb: Some(AuditVerb::Delete), ..ask("one") }).total, 0);
        assert_eq!(audit(AuditAsk { verb: Some(AuditVerb::Add), ..ask("one") }).total, 2);
        assert_eq!(audit(ask("one\",\"two")).total, 0, "an id is no list of ids");
    }

    #[test]
    fn a_question_and_its_count_are_answered_by_indexes_without_a_body() {
        let folder = Folder::new("audit-plan");
        drop(open(&folder.store()).expect("made"));
        let plain = Connection::open(folder.store()).expect("opened");
        let narrow = |ask: AuditAsk| AuditAsk {
            since: Some(1),
            before: Some(9),
            email: Some("a".into()),
            ip: Some("b".into()),
            known: Some(vec!["u".into()]),
            zone: Some("z".into()),
            verb: Some(AuditVerb::Change),
            ..ask
        };
        let two =
            AuditAsk { accounts: vec!["one".into(), "two".into()], user: Some("u".into()), ..ask("one") };
        for ask in [ask("one"), two.clone(), narrow(ask("one")), narrow(two)] {
            let sieve = Sieve::of(&ask);
            for text in [sieve.count(), format!("{} ORDER BY version DESC, place DESC", sieve.places())] {
                let mut explain = plain.prepare(&format!("EXPLAIN QUERY PLAN {text}")).expect("right");
                let steps =
                    explain.query_map(&*sieve.bound(), |row| row.get::<_, String>(3)).expect("planned");
                let steps: Vec<String> = steps.map(|step| step.expect("a text")).collect();
                let edits: Vec<&String> = steps.iter().filter(|step| step.contains(" e ")).collect();
                assert_eq!(edits.len(), sieve.parts.len(), "{steps:?}");
                assert!(edits.iter().all(|step| step.contains("USING COVERING INDEX edit_")), "{steps:?}");
            }
        }
    }

    /// A store of an older schema with what `rows` put into one of schema 3, brought up.
    fn brought_up(folder: &Folder, schema: usize, rows: &str) -> impl Vault {
        assert!(super::super::make_file(&folder.store()).expect("made"));
        let plain = Connection::open(folder.store()).expect("opened");
        let steps = |steps: &[&str]| steps.iter().for_each(|step| plain.execute_batch(step).expect("made"));
        steps(&STEPS[..3]);
        let meta = "INSERT INTO meta VALUES ('hash_key', zeroblob(32)), ('written_by', x'31')";
        plain.execute_batch(meta).expect("put");
        plain.execute_batch(rows).expect("put");
        steps(&STEPS[3..schema]);
        plain.pragma_update(None, "application_id", APPLICATION_ID).expect("set");
        plain.pragma_update(None, "user_version", schema as u32).expect("set");
        drop(plain);
        open(&folder.store()).expect("brought up")
    }

    #[test]
    fn old_entries_are_theirs_who_held_the_entity_then_and_nobodys_where_the_log_does_not_prove_it() {
        // Zones and prefixes that went from one to two, or may have gone: versions 3 and 4 are not in the log any more.
        let rows = r#"
            INSERT INTO entity VALUES ('zone', 'moved', '{"account":"two"}'), ('zone', 'older', '{"account":"two"}'),
                ('zone', 'still', '{"account":"two"}'), ('zone', 'gap', '{"account":"two"}'),
                ('prefix', 'p', '{"account":"two"}');
            INSERT INTO version (number, at, who, what) VALUES
                (2, 1, '', ''), (5, 1, '', ''), (6, 1, '', ''), (7, 1, '', ''), (8, 1, '', '');
            INSERT INTO edit (version, place, kind, id, before, after) VALUES
                (2, 0, 'app', 'still', NULL, '{"zone":"still"}'),
                (2, 1, 'zone', 'gap', NULL, '{"account":"one"}'),
                (5, 0, 'zone', 'moved', NULL, '{"account":"one"}'),
                (5, 1, 'app', 'moved', NULL, '{"zone":"moved"}'),
                (5, 2, 'app', 'still', '{"zone":"still"}', NULL),
                (5, 3, 'rule', 'older', NULL, '{"holder":{"zone":"older"}}'),
                (5, 4, 'binding', 'p', NULL, '{"prefix":"p"}'),
                (5, 5, 'dns_record', 'gap', '{"zone":"gap"}', NULL),
                (6, 0, 'app', 'moved', '{"zone":"moved"}', '{"zone":"moved"}'),
                (7, 0, 'zone', 'moved', '{"account":"one"}', '{"account":"two"}'),
                (7, 1, 'app', 'moved', '{"zone":"moved"}', '{"zone":"moved"}'),
                (7, 2, 'zone', 'older', '{"account":"one"}', '{"account":"two"}'),
                (7, 3, 'prefix', 'p', '{"account":"one"}', '{"account":"two"}'),
                (7, 4, 'token', 't', '{"user":"u"}', '{"user":"v"}'),
                (7, 5, 'address_map', 'm', '{"account":"one"}', '{"account":"two"}'),
                (8, 0, 'app', 'moved', '{"zone":"moved"}', NULL),
                (8, 1, 'binding', 'p', '{"prefix":"p"}', NULL),
                (8, 2, 'rule', 'own', NULL, '{"holder":{"user":"u"}}'),
                (8, 3, 'rule', 'odd', '{"holder":{"user":"u"}}', '{"holder":{"user":"v"}}');"#;
        // Of schema 3, and of the newest one that has the mistake: a store that was brought up before.
        for schema in [3, 7] {
            let folder = Folder::new(&format!("audit-held-{schema}"));
            let mut vault = brought_up(&folder, schema, rows);
            let mut all = |ask: AuditAsk| -> Vec<(u64, u64)> {
                ids(&vault.audit(&AuditAsk { oldest_first: true, limit: 100, ..ask }).expect("answered"))
            };
            let user = |user: &str| AuditAsk { user: Some(user.into()), ..AuditAsk::default() };
            assert_eq!(all(ask("one")), [(2, 1), (5, 0), (5, 1), (5, 3), (5, 4), (6, 0)], "schema {schema}");
            assert_eq!(all(ask("two")), [(5, 2), (5, 5), (8, 0), (8, 1)], "schema {schema}");
            assert_eq!((all(user("u")), all(user("v"))), (vec![(8, 2)], vec![]), "schema {schema}");
        }
    }

    #[test]
    fn what_a_user_or_a_tenant_is_known_to_have_done_keeps_its_reader_over_a_new_schema() {
        let folder = Folder::new("audit-kept");
        let rows = "INSERT INTO version (number, at, who, what) VALUES (2, 1, '', ''), (5, 1, '', ''), (6, 1, '', '');";
        drop(brought_up(&folder, 3, rows));
        let plain = Connection::open(folder.store()).expect("opened");
        let later = r#"
            UPDATE version SET user = 'u' WHERE number = 2;
            UPDATE version SET tenant = 'one' WHERE number = 5;
            INSERT INTO edit (version, place, kind, id, after, account) VALUES
                (2, 0, 'app', 'a', '{"zone":"lost"}', 'one'), (5, 0, 'app', 'a', '{"zone":"lost"}', 'one'),
                (6, 0, 'app', 'a', '{"zone":"lost"}', 'one');"#;
        plain.execute_batch(later).expect("put");
        plain.execute_batch(STEPS[7]).expect("once more");
        drop(plain);
        let mut vault = open(&folder.store()).expect("opened");
        assert_eq!(ids(&vault.audit(&ask("one")).expect("answered")), [(5, 0), (2, 0)]);
    }

    #[test]
    fn entries_of_an_older_schema_are_asked_whose_they_are() {
        let folder = Folder::new("audit-older");
        let mut vault = brought_up(
            &folder,
            3,
            r#"INSERT INTO entity VALUES ('zone', 'z', '{"account":"one","name":"z.example"}');
                INSERT INTO version (at, who, what) VALUES (1, 'x', 'y');
                INSERT INTO edit (version, place, kind, id, before, after) VALUES
                    (1, 0, 'account', 'one', NULL, '{}'),
                    (1, 1, 'user', 'u', NULL, '{}'),
                    (1, 2, 'token', 't', NULL, '{"user":"u"}'),
                    (1, 3, 'zone', 'z', NULL, '{"account":"one","name":"z.example"}'),
                    (1, 4, 'zone', 'gone', '{"account":"two","name":"gone.example"}', NULL),
                    (1, 5, 'app', 'a', NULL, '{"zone":"z"}'),
                    (1, 6, 'dns_record', 'd', '{"zone":"gone"}', NULL),
                    (1, 7, 'rule', 'r', NULL, '{"holder":{"zone":"z"}}'),
                    (1, 8, 'rule', 's', NULL, '{"holder":{"account":"two"}}'),
                    (1, 9, 'rule', 'v', NULL, '{"holder":{"user":"u"}}'),
                    (1, 10, 'prefix', 'p', '{"account":"two"}', NULL),
                    (1, 11, 'binding', 'b', NULL, '{"prefix":"p"}'),
                    (1, 12, 'delegation', 'g', NULL, '{"prefix":"p","account":"one"}'),
                    (1, 13, 'certificate', 'c', NULL, '{"zone":"z"}'),
                    (1, 14, 'address_map', 'm', NULL, '{"account":"one"}'),
                    (1, 15, 'app', 'lost', NULL, '{"zone":"unknown"}'),
                    (1, 16, 'app', 'odd', NULL, 'no JSON');"#,
        );
        let mut places = |ask: AuditAsk| -> Vec<u64> {
            let mut places: Vec<u64> =
                ids(&vault.audit(&ask).expect("answered")).iter().map(|id| id.1).collect();
            places.sort_unstable();
            places
        };
        assert_eq!(places(ask("one")), [0, 3, 5, 7, 13, 14]);
        assert_eq!(places(ask("two")), [4, 6, 8, 10, 11, 12]);
        let user = AuditAsk { user: Some("u".into()), limit: 100, ..AuditAsk::default() };
        assert_eq!(places(user), [1, 2, 9]);
        assert_eq!(places(AuditAsk { zone: Some("gone.example".into()), ..ask("two") }), [4, 6]);
    }
}
