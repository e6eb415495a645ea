//! The `byway` binary as an operator meets it: arguments, files, exit codes, words.

mod admin;

use byway::base::Instant;
use byway::port::pcap::{PcapReader, PcapWriter};
use byway::testkit::frames::eth;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const EDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/edge.toml");
const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tables.json");

fn byway(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byway")).args(args).output().expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("byway-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn version_names_the_commit_and_usage_errors_end_with_two() {
    let version = out(&byway(&["--version"]));
    assert!(version.starts_with(concat!("byway ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
    assert_eq!(byway(&["fly"]).status.code(), Some(2));
    assert_eq!(byway(&["run"]).status.code(), Some(2));
}

#[test]
fn config_init_writes_a_file_that_check_likes_and_never_overwrites_one() {
    let folder = Folder::new("init");
    let path = folder.file("edge.toml");
    assert!(byway(&["config", "init", &path]).status.success());
    assert_eq!(fs::read_to_string(&path).expect("written"), fs::read_to_string(EDGE).expect("shipped"));
    assert!(out(&byway(&["check", &path])).ends_with("the boot config is right\n"));
    let again = byway(&["config", "init", &path]);
    assert_eq!((again.status.code(), err(&again).lines().count()), (Some(1), 1));
    assert!(out(&byway(&["config", "init"])).starts_with("# byway's boot config"));
}

#[test]
fn hostile_words_of_a_file_reach_no_terminal_by_any_way_out() {
    let folder = Folder::new("hostile");
    let hostile = "\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2028}\u{200b}";
    let plain =
        |text: &str| text.chars().all(|letter| letter == '\n' || byway::base::outside::is_plain(letter));
    let json = |text: &str| serde_json::to_string(text).expect("a text");
    let app = format!(
        r#"{{"protocol":"tcp/22","dns":{{"type":"ADDRESS","name":"a.example.com"}},{}:1,
        "origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{{"type":"static","ips":["198.51.100.10"]}}}}"#,
        json(&format!("key{hostile}"))
    );
    let good = format!(r#"{{"prefixes":["198.51.100.0/24"],"apps":[{app}]}}"#);
    let bad = good.replace("tcp://192.0.2.1:22", json(&format!("word{hostile}")).trim_matches('"'));
    let config = folder.file("edge.toml");
    fs::write(&config, format!("lab = {}\n\"key\\u202e\\u001b\" = 1\n", json(hostile))).expect("written");
    let name = |name: &str| folder.file(&format!("{name}\u{1b}[1m\u{202e}.json"));
    for (name, text, word) in [("good", &good, "key"), ("bad", &bad, "word")] {
        let path = folder.0.join(name);
        fs::write(&path, text).expect("written");
        let path = path.display().to_string();
        let said = byway(&["check", &path]);
        let told = [out(&said), err(&said)].concat();
        assert!(plain(&told) && told.contains(word), "{told:?}");
        let machine = out(&byway(&["check", "--json", &path]));
        assert!(plain(&machine), "{machine:?}");
        let read: Value = serde_json::from_str(&machine).expect("JSON");
        assert_eq!(read["ok"], name == "good");
        if name == "good" {
            let warnings = read["warnings"].to_string();
            assert!(warnings.contains('\u{202e}'), "a program gets the very pointer: {warnings}");
        }
    }
    for path in [config, name("none")] {
        let said = byway(&["check", &path]);
        assert!(plain(&err(&said)) && !said.status.success(), "{:?}", err(&said));
        let machine = out(&byway(&["check", "--json", &path]));
        assert!(plain(&machine) && serde_json::from_str::<Value>(&machine).is_ok(), "{machine:?}");
    }
}

#[test]
fn check_says_all_that_is_wrong_and_ends_with_one() {
    let folder = Folder::new("check");
    let path = folder.file("edge.toml");
    fs::write(&path, "tables = 1\nlab = 2\n").expect("written");
    let output = byway(&["check", &path]);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.contains("edge.toml: line 1: tables: should be a string"), "{said}");
    assert!(said.contains("edge.toml: line 2: lab: should be true or false"), "{said}");
    let table = folder.file("t.json");
    fs::write(&table, r#"{"prefixes":[{"cidr":"198.51.100.0/25"}],"apps":[{}]}"#).expect("written");
    let said = err(&byway(&["check", &table]));
    assert!(said.contains("/prefixes/0/cidr") && said.contains("/apps/0"), "{said}");
}

#[test]
fn check_shows_the_shipped_table_and_what_it_goes_without() {
    let shown = out(&byway(&["check", TABLES]));
    assert!(shown.contains("4590376cf2994d72cee36828ec4eff19") && shown.contains("in_force"), "{shown}");
    assert!(shown.contains("carried as plain TCP"), "{shown}");
    let json: Value = serde_json::from_str(&out(&byway(&["check", "--json", TABLES]))).expect("one object");
    assert_eq!((&json["ok"], json["apps"].as_array().map(Vec::len)), (&true.into(), Some(2)));
}

#[test]
fn where_tells_app_rule_and_drop_from_files() {
    let ask = |from: &str, to: &str| -> Value {
        let output = byway(&["where", "--from", from, "--to", to, "--tables", TABLES, "--json"]);
        serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)))
    };
    let found = ask("192.0.2.7:5", "198.51.100.10:22");
    assert_eq!((&found["verdict"], &found["origins"][0]), (&"relay".into(), &"192.0.2.1:22".into()));
    let found = ask("203.0.113.66:5", "198.51.100.10:22");
    assert_eq!((&found["verdict"], &found["rule"]["value"]), (&"block".into(), &"203.0.113.66".into()));
    assert_eq!(ask("192.0.2.7:5", "198.51.100.11:22")["reason"], "no_app");
    assert_eq!(ask("192.0.2.7:5", "198.51.100.10:23")["reason"], "no_app_port");
    assert_eq!(ask("192.0.2.7:5", "203.0.113.1:22")["reason"], "no_prefix");
    let mixed = byway(&["where", "--from", "1.2.3.4:5", "--to", "[::1]:5", "--tables", TABLES]);
    assert_eq!(mixed.status.code(), Some(1));
}

#[test]
fn show_without_a_running_byway_says_so_in_one_line() {
    let output = byway(&["show", "apps", "--socket", "/nonexistent/byway.sock"]);
    assert_eq!((output.status.code(), err(&output).lines().count()), (Some(1), 1));
    assert!(err(&output).contains("no byway answers on /nonexistent/byway.sock"));
}

#[test]
fn run_with_a_wrong_config_says_why_and_ends_with_one() {
    let output = byway(&["run", "--config", TABLES]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("not TOML"), "{}", err(&output));
    assert_eq!(byway(&["run", "--config", "/nonexistent"]).status.code(), Some(1));
}

fn capture(path: &str) {
    let file = fs::File::create(path).expect("a file");
    let mut writer = PcapWriter::new(file).expect("a capture");
    let ours = [0x02, 0xbb, 0, 0, 0, 9];
    let client = eth().dst(ours).src([0x02, 0xcc, 0, 0, 0, 7]);
    let syn = |client: byway::testkit::frames::Eth, port| {
        client.ip4("198.18.0.2", "198.51.100.10").tcp(port, 22).seq(1000).syn().bytes()
    };
    let second = 1_000_000_000;
    let start = 1_700_000_000 * second;
    let frames = [
        (0, syn(client.clone(), 40_000)),
        (second / 2, syn(client.clone(), 40_001)),
        (second, client.clone().ip4("198.18.0.2", "198.51.100.11").tcp(40_002, 22).seq(1).syn().bytes()),
        (second, eth().src(ours).ip4("198.51.100.10", "198.18.0.2").tcp(22, 40_000).seq(7).syn().bytes()),
    ];
    for (at, frame) in frames {
        writer.write(Instant::from_nanos(start + at), &frame).expect("written");
    }
    writer.finish().expect("written out");
}

fn sent(path: &str) -> Vec<Vec<u8>> {
    let mut reader = PcapReader::new(fs::File::open(Path::new(path)).expect("there")).expect("a capture");
    std::iter::from_fn(|| reader.next_record().expect("readable")).map(|record| record.bytes).collect()
}

#[test]
fn replay_answers_a_capture_and_the_same_input_gives_the_same_output() {
    let folder = Folder::new("replay");
    let (config, input) = (folder.file("edge.toml"), folder.file("in.pcap"));
    let text = fs::read_to_string(EDGE).expect("shipped").replace("lab = false", "lab = true");
    let text = text.replace("origin_allow = []", "origin_allow = [\"192.0.2.0/24\"]");
    fs::write(&config, text.replace("sessions = 16384", "sessions = 8192")).expect("written");
    capture(&input);
    let replay = |name: &str| {
        let output = byway(&[
            "replay",
            "--config",
            &config,
            "--tables",
            TABLES,
            "--in",
            &input,
            "--out",
            &folder.file(name),
            "--json",
        ]);
        let summary: Value =
            serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
        (summary, fs::read(folder.file(name)).expect("an output"))
    };
    let (first, second) = (replay("a.pcap"), replay("b.pcap"));
    assert_eq!(first, second);
    let summary = first.0;
    assert_eq!((&summary["frames_fed"], &summary["frames_skipped"]), (&3.into(), &1.into()), "{summary}");
    assert_eq!(
        (&summary["sessions_opened"], &summary["dropped"]["no_app"]),
        (&2.into(), &1.into()),
        "{summary}"
    );
    let answers = sent(&folder.file("a.pcap"));
    let syn_acks =
        answers.iter().filter(|frame| frame.len() >= 48 && frame[12..14] == [8, 0] && frame[47] == 0x12);
    assert!(syn_acks.count() >= 2, "each SYN has its answer, towards the one who sent it");
}

#[test]
fn the_pktgen_config_and_its_table_are_right() {
    for file in ["edge.toml", "tables.json"] {
        let said = byway(&["check", &format!("scripts/pktgen/{file}")]);
        assert!(said.status.success(), "{file}: {}", err(&said));
    }
}

#[test]
fn benches_are_listed_and_results_become_a_table_and_plots() {
    let list: Value = serde_json::from_str(&out(&byway(&["bench", "list", "--json"]))).expect("JSON");
    assert!(list.as_array().expect("a list").iter().any(|bench| bench["name"] == "session"));
    let (now, before) = (Folder::new("results"), Folder::new("before"));
    let row = |value: u32| {
        format!(
            r#"{{"name":"s","rows":[{{"name":"segment","value":{value},"unit":"instructions","ok":true}}]}}"#
        )
    };
    fs::write(now.0.join("session.json"), row(4_500)).expect("written");
    fs::write(before.0.join("session.json"), row(4_300)).expect("written");
    let folder = now.0.display().to_string();
    let said = byway(&["bench", "report", &folder, "--before", &before.0.display().to_string()]);
    assert!(
        out(&said).contains("session: segment is more: 4500.000 instructions, 4300.000 before"),
        "{said:?}"
    );
    assert!(fs::read_to_string(now.0.join("table.md")).expect("a table").contains("| segment | 4500 |"));
    assert!(fs::read_to_string(now.0.join("session.svg")).expect("a plot").starts_with("<svg "));
}
