//! Privileges are really gone, in every thread: a child process gives them up, and this test reads the kernel's word on
//! each of its threads. Needs root. Has no test harness, because a harness makes threads before a test can begin.

use byway::control::privileges::{RECOVERY, RunAs, become_user, forbid_gains, shed, verify};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const CHILD: &str = "BW_PRIVILEGES_CHILD";

fn main() {
    if std::env::var_os(CHILD).is_some() {
        return child_gives_its_privileges_up();
    }
    let tests: [(&str, fn()); 2] = [
        (
            "every_thread_of_a_process_that_became_another_user_is_powerless",
            every_thread_of_a_process_that_became_another_user_is_powerless,
        ),
        ("a_process_that_is_still_root_does_not_pass", a_process_that_is_still_root_does_not_pass),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}

/// As byway does it: first of all no new privileges, then threads, then another user.
fn child_gives_its_privileges_up() {
    forbid_gains().expect("no new privileges");
    let nobody = RunAs::find("nobody").expect("every Debian has nobody");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let early = std::thread::Builder::new().name("bw-early".into());
    let early = early.spawn(move || stopped.recv().is_ok()).expect("a thread");
    let warden = std::thread::Builder::new().name("bw-warden".into());
    let (ready, is_ready) = std::sync::mpsc::channel();
    let warden = warden.spawn(move || {
        become_user(&nobody, &RECOVERY).expect("root may become nobody");
        let late = std::thread::Builder::new().name("bw-late".into()).spawn(shed).expect("a thread");
        late.join().expect("no panic").expect("a thread may shed");
        verify(&nobody, &RECOVERY).expect("still so");
        ready.send(()).expect("somebody waits");
        std::thread::sleep(std::time::Duration::from_secs(10));
    });
    is_ready.recv().expect("the warden is ready");
    println!("ready");
    drop((warden, early));
    // The parent closes our standard input when it has read enough.
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(stop);
}

type Status = BTreeMap<String, String>;

fn status(path: &std::path::Path) -> Status {
    let text = std::fs::read_to_string(path.join("status")).expect("a live thread");
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

fn every_thread_of_a_process_that_became_another_user_is_powerless() {
    assert!(nix::unistd::geteuid().is_root(), "this test runs as root");
    let exe = std::env::current_exe().expect("this test's binary");
    let mut child = Command::new(exe)
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let is_ready = out.lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(is_ready, "the child gave its privileges up");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("it lives");
    let threads: Vec<Status> = tasks.flatten().map(|task| status(&task.path())).collect();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it lives");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());

    let names: Vec<&str> = threads.iter().map(|thread| thread["Name"].as_str()).collect();
    assert!(names.contains(&"bw-early") && names.contains(&"bw-warden"), "{names:?}");
    for thread in &threads {
        let name = &thread["Name"];
        assert_eq!(thread["Uid"], "65534\t65534\t65534\t65534", "{name}");
        assert_eq!(thread["Gid"], "65534\t65534\t65534\t65534", "{name}");
        assert_eq!(thread["Groups"], "65534", "{name}");
        assert_eq!(thread["NoNewPrivs"], "1", "{name}");
        // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13, CAP_IPC_LOCK bit 14: the three of `RECOVERY`.
        let wanted = if name == "bw-warden" { "0000000000007000" } else { "0000000000000000" };
        assert_eq!(thread["CapEff"], wanted, "{name}");
        assert_eq!(thread["CapPrm"], wanted, "{name}");
    }
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

fn a_process_that_is_still_root_does_not_pass() {
    let nobody = RunAs::find("nobody").expect("every Debian has nobody");
    let error = verify(&nobody, &[]).expect_err("we are root");
    assert!(error.to_string().contains("Uid:"), "{error}");
}
