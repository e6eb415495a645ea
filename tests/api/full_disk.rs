//! A disk that is full: changes are refused by name, nothing of them is kept, and what is there goes on. A real one: a small
//! tmpfs in a mount namespace of the test's own thread, which wants root.

use crate::stand::Stand;
use axum::http::Method;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;

/// Runs `test` with a stand whose store has so much room.
fn on_a_small_disk(size: &str, test: impl FnOnce(Stand) + Send) {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("root may have a mount namespace");
        let (none, nothing) = (None::<&str>, None::<&str>);
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("ours alone");
        let options = format!("size={size}");
        test(Stand::new_in(|folder| {
            mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
                .expect("a disk");
        }));
    };
    std::thread::scope(|scope| scope.spawn(inside).join()).expect("the test holds");
}

fn rules(stand: &Stand) -> String {
    format!("/zones/{}/firewall/access_rules/rules", stand.zone)
}

fn block(number: u32) -> Value {
    let value = format!("198.51.{}.{}", number / 256, number % 256);
    json!({"mode": "block", "configuration": {"target": "ip", "value": value}, "notes": "x".repeat(200)})
}

#[test]
fn a_full_disk_refuses_changes_by_name_and_lets_them_in_again() {
    on_a_small_disk("4m", |stand| {
        stand.post(&rules(&stand), block(0)).result();
        let fill = stand.folder().join("fill");
        let mut file = File::create(&fill).expect("a name");
        while file.write_all(&[0; 4_096]).is_ok() {}
        // What the log of changes has already, it may use: at last there is no room.
        let mut kept = 1_u32;
        let refused = loop {
            let reply = stand.post(&rules(&stand), block(kept));
            if !reply.status.is_success() {
                break reply;
            }
            kept += 1;
            assert!(kept < 5_000, "a disk of 4 MiB took {kept} rules and did not fill");
        };
        assert_eq!(refused.failure().0, 503);
        assert_eq!(
            refused.body["errors"][0]["message"], "the disk of the store is full; nothing was changed",
            "{refused:?}"
        );
        let token = json!({"email": "full@example.net"});
        assert_eq!(
            stand.post("/byway/users", token.clone()).failure().0,
            503,
            "what no worker knows of, too"
        );
        assert_eq!(stand.estate().rules.len() as u32, kept);
        let page = format!("{}?per_page=1", rules(&stand));
        assert_eq!(stand.get(&page).body["result_info"]["total_count"], kept, "reading goes on");
        drop(file);
        std::fs::remove_file(&fill).expect("room again");
        stand.post(&rules(&stand), block(kept)).result();
        stand.post("/byway/users", token).result();
        let stand = stand.restarted();
        assert_eq!(stand.estate().rules.len() as u32, kept + 1, "what was acknowledged, and nothing else");
        let newest = stand.get("/byway/history?limit=1");
        assert_eq!(newest.result()[0]["action"], "POST /byway/users");
        let gone = stand.call(Method::GET, &format!("{}/{}", rules(&stand), "0".repeat(32)), Value::Null);
        assert_eq!(gone.failure().0, 404);
    });
}
