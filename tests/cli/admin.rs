//! `byway admin` with a store and no running byway: copies, restoring, moving.

use super::{Folder, byway, err, out};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const EDGE: &str = "state_dir = \"state\"\nsocket = \"s\"\nlab = true\nuser = \"\"\nmetrics = \"\"\n\
    [[ports]]\nname = \"mem\"\ndevice = \"net_null\"\naddresses = [\"198.18.0.1/24\"]\n\
    [[routes]]\nto = \"0.0.0.0/0\"\nvia = \"198.18.0.2\"\n[egress]\nipv4 = [\"198.18.0.10\"]\n\
    [api]\nstore = \"STORE\"\nlisten = \"\"\nsocket = \"api.sock\"\n";

/// A folder with a boot config for a store.
fn folder(name: &str) -> (Folder, String) {
    let folder = Folder::new(name);
    let config = folder.file("edge.toml");
    fs::write(&config, EDGE.replace("STORE", "store")).expect("written");
    (folder, config)
}

fn config_of(folder: &Folder, store: &str) -> String {
    let config = folder.file(&format!("{store}.toml"));
    fs::write(&config, EDGE.replace("STORE", store)).expect("written");
    config
}

fn init(folder: &Folder, config: &str, token: &str) -> Value {
    let made = byway(&["admin", "init", "--config", config, "--token-file", &folder.file(token)]);
    assert!(made.status.success(), "{}", err(&made));
    serde_json::from_str(&out(&made)).expect("JSON")
}

#[test]
fn a_copy_is_looked_over_before_it_takes_the_place_of_the_store() {
    let (folder, config) = folder("restore");
    init(&folder, &config, "token");
    let copy = folder.file("copy");
    assert!(byway(&["admin", "backup", &copy, "--config", &config]).status.success());
    let before = fs::read(folder.file("store")).expect("there");
    let dry = byway(&["admin", "restore", &copy, "--config", &config, "--dry-run"]);
    assert!(out(&dry).contains("the copy holds: 1 user, 1 account, 1 token"), "{}{}", out(&dry), err(&dry));
    assert!(out(&dry).ends_with("nothing was changed\n"), "{}", out(&dry));
    fs::remove_file(folder.file("store")).expect("lost");
    init(&folder, &config, "token2");
    let restored = byway(&["admin", "restore", &copy, "--config", &config]);
    let said = out(&restored);
    assert!(restored.status.success(), "{}", err(&restored));
    assert_eq!(said.matches("not in the copy: ").count(), 3, "{said}");
    assert!(said.contains("(root) of user "), "{said}");
    assert!(said.contains("is not in the store: if it was revoked, it opens the box again"), "{said}");
    let kept = said.rsplit_once("kept of the old store: ").expect("kept").1.trim();
    assert_eq!(fs::metadata(kept).expect("there").permissions().mode() & 0o777, 0o600);
    let again = byway(&["admin", "init", "--config", &config, "--token-file", &folder.file("token3")]);
    assert!(err(&again).contains("holds something already"), "{}", err(&again));
    // A copy that is half there, and one that the boot config does not bear.
    let half = folder.file("half");
    fs::write(&half, &before[..before.len() / 2]).expect("written");
    let refused = byway(&["admin", "restore", &half, "--config", &config]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains(&half), "{}", err(&refused));
    let names = fs::read_dir(&folder.0).expect("there").flatten();
    assert!(names.into_iter().all(|name| !name.file_name().to_string_lossy().contains("restoring")));
}

/// Does this to a store that no byway has open.
fn edit(store: &str, text: &str) {
    let store = rusqlite::Connection::open(store).expect("opened");
    store.execute_batch(text).expect("edited");
}

/// The id of a token, made of its name.
fn id_of(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<32}")
}

#[test]
fn a_restore_names_every_token_and_key_that_opens_the_box_again() {
    let (folder, config) = folder("revived");
    let key = folder.file("key");
    let token = folder.file("token");
    let made = byway(&["admin", "init", "--config", &config, "--token-file", &token, "--key-file", &key]);
    assert!(made.status.success(), "{}", err(&made));
    let (store, copy) = (folder.file("store"), folder.file("copy"));
    // Tokens by their ids: one that stays, and four that are rolled, disabled, revoked and narrowed after the copy.
    for name in ["stays", "rolled", "disabled", "revoked", "narrowed"] {
        let id = id_of(name);
        let of_root = "FROM entity WHERE kind = 'token' AND body LIKE '%root%'";
        let body = format!("json_set(body, '$.id', '{id}', '$.name', '{name}')");
        edit(&store, &format!("INSERT INTO entity SELECT kind, '{id}', {body} {of_root}"));
    }
    assert!(byway(&["admin", "backup", &copy, "--config", &config]).status.success());
    let report = || -> Value {
        let dry = byway(&["admin", "restore", &copy, "--config", &config, "--dry-run", "--json"]);
        assert!(dry.status.success(), "{}", err(&dry));
        serde_json::from_str(&out(&dry)).expect("JSON")
    };
    let (same, user) = (report(), json!("root@localhost"));
    assert_eq!(
        (&same["revived"], &same["restored"], &same["holds"]["token"]),
        (&json!([]), &json!(false), &json!(6))
    );
    edit(
        &store,
        &format!(
            "UPDATE entity SET body = json_set(body, '$.hash', '{}') WHERE id = '{}'; \
             UPDATE entity SET body = json_set(body, '$.enabled', json('false')) WHERE id = '{}'; \
             DELETE FROM entity WHERE id = '{}'; \
             UPDATE entity SET body = json_remove(body, '$.grants[0]') WHERE id = '{}'; \
             UPDATE entity SET body = json_set(body, '$.key_hash', NULL) WHERE kind = 'user'",
            "0".repeat(64),
            id_of("rolled"),
            id_of("disabled"),
            id_of("revoked"),
            id_of("narrowed")
        ),
    );
    let told = report();
    let mut revived = told["revived"].as_array().expect("a list").clone();
    assert!(revived.iter().all(|secret| secret["user"]["email"] == user), "{told}");
    revived.sort_by_key(|secret| secret["id"].to_string());
    let words = |secret: &Value| format!("{} {} {}", secret["kind"], secret["name"], secret["why"]);
    let mut all: Vec<String> = revived.iter().map(words).collect();
    all.sort();
    assert_eq!(
        all,
        [
            r#""token" "disabled" "was disabled, and opens the box again""#,
            r#""token" "narrowed" "may not do all of it in the store: what it was narrowed by since is undone""#,
            r#""token" "revoked" "is not in the store: if it was revoked, it opens the box again""#,
            r#""token" "rolled" "has another secret in the store: if it was rolled, the old one opens the box again""#,
            r#""user_key" null "has no key in the store: if it was revoked, the old one opens the box again""#,
        ]
    );
    let restored = byway(&["admin", "restore", &copy, "--config", &config]);
    let said = out(&restored);
    assert_eq!(said.matches("warning: ").count(), 5, "{said}");
    for secret in &revived {
        let (id, user) = (&secret["id"], &secret["user"]["id"]);
        let line =
            said.lines().find(|line| line.contains(id.as_str().expect("an id")) && line.contains("warning"));
        assert!(line.is_some_and(|line| line.contains(user.as_str().expect("an id"))), "{id}: {said}");
    }
}

#[test]
fn a_restore_over_a_store_that_cannot_be_read_says_that_nobody_knows_what_was_revoked() {
    let (folder, config) = folder("unread");
    init(&folder, &config, "token");
    let copy = folder.file("copy");
    assert!(byway(&["admin", "backup", &copy, "--config", &config]).status.success());
    fs::write(folder.file("store"), "no database").expect("written");
    let said = out(&byway(&["admin", "restore", &copy, "--config", &config]));
    assert!(
        said.contains("warning: the present store cannot be read, so that nobody knows what was revoked"),
        "{said}"
    );
    assert!(said.contains("is restored; kept of the old store: "), "{said}");
}

#[test]
fn init_gives_its_user_a_key_and_leaves_no_secret_of_a_store_that_is_not_made() {
    let (folder, config) = folder("keyed");
    let (token, key) = (folder.file("token"), folder.file("key"));
    let run = || byway(&["admin", "init", "--config", &config, "--token-file", &token, "--key-file", &key]);
    fs::write(&key, "there already").expect("written");
    let refused = run();
    assert!(err(&refused).contains(&key), "{}", err(&refused));
    assert!(!fs::exists(&token).expect("looked"), "the token opens nothing");
    fs::remove_file(&key).expect("gone");
    assert!(run().status.success());
    let text = fs::read_to_string(&key).expect("there");
    assert!(text.trim_end().len() == 64 && text.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    let exported = out(&byway(&["admin", "export", "--config", &config]));
    assert!(exported.contains("\"key_hash\":") && !exported.contains(text.trim_end()), "{exported}");
}

#[test]
fn what_no_start_would_put_in_force_is_not_taken_in() {
    let (folder, config) = folder("unfit");
    init(&folder, &config, "token");
    let plain = folder.file("plain.json");
    let export = |to: &str| byway(&["admin", "export", "--config", &config, "--out", to]);
    assert!(export(&plain).status.success());
    let text = fs::read_to_string(&plain).expect("there");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let (now, id) = (document["entities"]["account"][0]["created_on"].clone(), "1".repeat(32));
    document["entities"]["zone"] = json!([{
        "id": id, "name": "example.com", "account": document["entities"]["account"][0]["id"],
        "created_on": now, "modified_on": now,
    }]);
    let mut import = |key: &str, more: &[&str]| {
        document["entities"]["certificate"] = json!([{
            "id": "2".repeat(32), "zone": id, "chain": include_str!("../certs/edge.pem"), "key": key,
            "hosts": ["*.example.com"], "priority": 1, "bundle_method": "ubiquitous",
            "uploaded_on": now, "modified_on": now,
        }]);
        let path = folder.file("unfit.json");
        fs::write(&path, document.to_string()).expect("written");
        byway(&[&["admin", "import", &path, "--config", &config], more].concat())
    };
    for more in [&["--dry-run"][..], &[]] {
        let refused = import(include_str!("../certs/edge-rsa.key"), more);
        assert_eq!(refused.status.code(), Some(1), "{}", out(&refused));
        assert!(
            err(&refused).contains("could not be put in force; nothing was changed"),
            "{}",
            err(&refused)
        );
    }
    let again = folder.file("again.json");
    assert!(export(&again).status.success());
    assert_eq!(fs::read_to_string(&again).expect("there"), text);
    let taken = import(include_str!("../certs/edge.key"), &[]);
    assert_eq!(out(&taken), "2 made, 0 changed, nothing removed\n", "{}", err(&taken));
}

#[test]
fn a_box_moves_with_its_secrets_and_they_are_nowhere_in_plain() {
    let (folder, config) = folder("moving");
    init(&folder, &config, "token");
    let (plain, sealed, words) =
        (folder.file("plain.json"), folder.file("sealed.json"), folder.file("words"));
    fs::write(&words, "correct horse battery staple\n").expect("written");
    fs::set_permissions(&words, fs::Permissions::from_mode(0o600)).expect("changed");
    let export = |args: &[&str]| byway(&[&["admin", "export", "--config", &config], args].concat());
    assert!(export(&["--out", &plain]).status.success());
    let whole = export(&["--with-secrets", "--passphrase-file", &words, "--out", &sealed]);
    assert!(whole.status.success(), "{}", err(&whole));
    assert_eq!(export(&["--out", &plain]).status.code(), Some(1), "nothing is overwritten");
    assert_eq!(fs::metadata(&sealed).expect("there").permissions().mode() & 0o777, 0o600);
    let read = |path: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(path).expect("there")).expect("JSON")
    };
    let (bare, full) = (read(&plain), read(&sealed));
    assert_eq!((&bare["secrets"], &bare["entities"]), (&Value::Null, &full["entities"]));
    assert_eq!(bare["entities"]["token"][0]["hash"], "secret");
    let same = byway(&["admin", "import", &plain, "--config", &config]);
    assert_eq!(out(&same), "0 made, 0 changed, nothing removed\n", "{}", err(&same));
    // Another box, whose store is empty yet.
    let other = config_of(&folder, "other");
    let bare = byway(&["admin", "import", &plain, "--config", &other]);
    assert!(
        err(&bare).contains("/entities/token/0/hash: the document was written without secrets"),
        "{}",
        err(&bare)
    );
    let import = |config: &str, more: &[&str]| {
        byway(
            &[&["admin", "import", &sealed, "--config", config, "--passphrase-file", &words], more].concat(),
        )
    };
    let dry = import(&other, &["--dry-run"]);
    assert!(out(&dry).ends_with("3 would be made, 0 would be changed, nothing removed\n"), "{}", out(&dry));
    assert_eq!(out(&import(&other, &[])), "3 made, 0 changed, nothing removed\n");
    let moved = folder.file("moved.json");
    let args = ["admin", "export", "--config", &other, "--with-secrets", "--passphrase-file", &words];
    assert!(byway(&[&args[..], &["--out", &moved]].concat()).status.success());
    assert_eq!(read(&moved)["entities"], full["entities"]);
    assert_ne!(read(&moved)["secrets"], full["secrets"], "another salt");
    // A box that has tokens of its own already.
    let third = config_of(&folder, "third");
    let token = folder.file("token4");
    byway(&["admin", "init", "--config", &third, "--token-file", &token, "--email", "third@localhost"]);
    let refused = import(&third, &[]);
    assert!(err(&refused).contains("made under another store's key"), "{}", err(&refused));
    assert_eq!(out(&import(&third, &["--leave-out"])), "2 made, 0 changed, nothing removed\n");
    fs::write(&words, "wrong horse battery staple\n").expect("written");
    assert!(err(&import(&other, &[])).contains("the passphrase is wrong"));
}

#[test]
fn an_import_from_cloudflare_wants_a_private_token_a_safe_url_and_whole_replies() {
    let folder = Folder::new("cloudflare");
    let token = folder.file("token");
    fs::write(&token, "word\n").expect("written");
    let nothing = folder.file("nothing");
    let import = |more: &[&str]| {
        let output = byway(&[&["admin", "import", "cloudflare"][..], more].concat());
        (output.status.code(), err(&output))
    };
    let mode = |mode| fs::set_permissions(&token, fs::Permissions::from_mode(mode)).expect("set");
    mode(0o644);
    let wide = import(&["--token-file", &token]);
    mode(0o600);
    let plain = import(&["--token-file", &token, "--base-url", "http://api.example/client/v4"]);
    let empty = import(&["--from", &nothing]);
    for ((code, said), words) in [(wide, "chmod 0600"), (plain, "write https"), (empty, "accounts.json")] {
        assert!(code == Some(1) && said.contains(words), "{code:?} {said}");
    }
    assert_eq!(import(&[]).0, Some(2), "a token or saved replies must be named");
}
