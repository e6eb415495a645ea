//! `byway admin init`: a new store with its first user, account and root token, and the user's key where one is wanted.

use super::args::AdminInitArgs;
use super::hand_out::Outlet;
use super::verb::api_of;
use crate::api::{Secret, TokenText, new_id};
use crate::base::OsClock;
use crate::cli::estate;
use crate::estate::{Account, Change, Stamp, Token, User};
use crate::vault::Vault;
use nix::unistd::{Uid, chown};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes user, account and root token, in one change; the token is out before it is worth anything.
pub fn init(args: &AdminInitArgs) -> Result<Value, String> {
    let api = api_of(&args.config)?;
    let Some(at) = args.email.find('@').filter(|at| *at > 0) else {
        return Err(format!("{} is no address of a user: write one such as root@example.com", args.email));
    };
    if args.email.len() > 254
        || args.email[at + 1..].is_empty()
        || !args.email.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err("an address of a user has up to 254 plain letters around its @".into());
    }
    let mut vault = estate::vault(&api.store)?;
    if !vault.load().map_err(|error| error.to_string())?.is_empty() {
        return Err(format!("{}: holds something already; nothing was changed", api.store.display()));
    }
    let now = Stamp(OsClock::unix_micros());
    let text = TokenText { id: new_id()?, secret: Secret::draw()? };
    let key = args.key_file.as_ref().map(|_| Secret::draw()).transpose()?;
    let key_hash = key.map(|key| key.hash(&vault.hash_key()));
    let user = User { id: new_id()?, email: args.email.clone(), key_hash, created_on: now };
    let account = Account { id: new_id()?, name: args.account.clone(), owner: user.id, created_on: now };
    let token = Token::root(text.id, user.id, text.secret.hash(&vault.hash_key()), now);
    let words = json!({ "user_id": user.id.to_string(), "account_id": account.id.to_string(), "token_id": text.id.to_string() });
    let mut change = Change::default();
    change.make(user);
    change.make(account);
    change.make(token);
    let mut outlet = Outlet::open(args.token_file.as_deref(), "--token-file")?;
    let mut key_outlet =
        args.key_file.as_deref().map(|path| Outlet::open(Some(path), "--key-file")).transpose()?;
    outlet.write(&text.text())?;
    if let (Some(outlet), Some(key)) = (&mut key_outlet, key) {
        outlet.write(&key.text())?;
    }
    let who = super::verb::who();
    let entry = crate::api::entry(who, "byway admin init".into(), &change, now);
    if let Err(error) = vault.commit(&entry) {
        outlet.take_back();
        key_outlet.iter_mut().for_each(Outlet::take_back);
        return Err(error.to_string());
    }
    hand_over(&api.store);
    Ok(words)
}

/// Root's new file in a folder of the user that byway becomes is that user's.
pub fn hand_over(store: &Path) {
    let Some(folder) = store.parent().and_then(|folder| std::fs::metadata(folder).ok()) else { return };
    if Uid::effective().is_root() {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = store.as_os_str().to_owned();
            path.push(suffix);
            // `run` gives it away once more, and says where that fails.
            let _ = chown(Path::new(&path), Some(folder.uid().into()), Some(folder.gid().into()));
        }
    }
}
