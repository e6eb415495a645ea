//! Dynamic edge addresses: a host name of a zone gets an address of each family that its apps ask for, keeps it over
//! reloads and restarts, and gives it back when its last app goes.
//!
//! Addresses are handed out one after the other, so that one given back rests as long as the pool allows. Only those
//! that lie in an onboarded prefix, and in no stretch of it that is bound to another service, are handed out. What was
//! handed out is kept in the state folder.

use super::config::Problem;
use super::config::tables::Code;
use super::store::{Laid, Store};
use crate::base::Addr;
use crate::snapshot::LiveSpec;
use crate::table::{AppSpec, Connectivity, EdgeIps, PrefixSpec, Stretch};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

/// The file's name in the state folder.
const NAME: &str = "edge_addresses.json";
/// Errors of one table that are told.
const PROBLEMS_MAX: usize = 100;

/// Zone and host name.
type Host = (String, String);
/// An IPv4 and an IPv6 address.
type Pair = [Option<Addr>; 2];

/// The pool and who has what of it.
pub struct EdgePool {
    store: Store,
    book: Option<Book>,
    /// Whether nobody gives anything back.
    holds: bool,
}

/// A book that is to count once something else has come true; it is as if it had never been where that does not.
#[derive(Debug)]
pub struct LaidBook {
    book: Book,
    laid: Option<Laid>,
}

/// Who has what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Book {
    hosts: BTreeMap<Host, Pair>,
    /// The last address handed out, by family.
    last: Pair,
}

impl EdgePool {
    /// Kept in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { store: Store::named(folder, NAME), book: None, holds: false }
    }

    /// Whether those who want no address any more are to keep theirs all the same: on trial, so that going back finds it.
    pub const fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Gives the dynamic apps of `spec` their addresses out of `nets`. Nothing is kept before `keep`; `warnings` hears
    /// of what is odd.
    ///
    /// # Errors
    /// The apps for which the pool has nothing left (12005).
    pub fn lease(
        &mut self,
        nets: &[IpNet],
        spec: &mut LiveSpec,
        warnings: &mut Vec<String>,
    ) -> Result<Book, Vec<Problem>> {
        let old = self.book.get_or_insert_with(|| read(&self.store, warnings));
        let wanted = wanted(spec);
        if wanted.is_empty() && !self.holds {
            return Ok(Book { last: old.last, ..Book::default() });
        }
        let pools = [true, false].map(|v4| Ranges::new(nets, &spec.prefixes, v4));
        warnings.extend(outside(nets, &spec.prefixes));
        let book = old.follow(&wanted, &pools, self.holds);
        let problems = hand_out(spec, &book);
        if problems.is_empty() { Ok(book) } else { Err(problems) }
    }

    /// Keeps `book` as what is handed out, also on disk where `store` says so.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&mut self, book: Book, store: bool) -> std::io::Result<()> {
        if store && self.book.as_ref() != Some(&book) {
            self.store.save(&book.text())?;
        }
        self.book = Some(book);
        Ok(())
    }

    /// Makes `book` ready to be kept by `take`: it stands on the disk already, beside the one that counts.
    ///
    /// # Errors
    /// The system's.
    pub fn lay(&self, book: Book) -> std::io::Result<LaidBook> {
        let is_new = self.book.as_ref() != Some(&book);
        let laid = is_new.then(|| self.store.lay(&book.text())).transpose()?;
        Ok(LaidBook { book, laid })
    }

    /// Keeps what was made ready. Where its last step fails, what is handed out is so all the same, and the next start
    /// hands it out again.
    ///
    /// # Errors
    /// The system's.
    pub fn take(&mut self, LaidBook { book, laid }: LaidBook) -> std::io::Result<()> {
        self.book = Some(book);
        laid.map_or(Ok(()), Laid::put)
    }

    /// Where it is kept.
    pub fn path(&self) -> std::path::PathBuf {
        self.store.path()
    }
}

impl Book {
    /// The next book: who still wants an address that the pool has keeps it, who wants one gets the next free one. Where it
    /// `holds`, who wants none any more keeps it, too.
    fn follow(&self, wanted: &BTreeMap<Host, [bool; 2]>, pools: &[Ranges; 2], holds: bool) -> Self {
        let mut next = Self { last: self.last, ..Self::default() };
        let mut taken = [HashSet::new(), HashSet::new()];
        for (host, pair) in self.hosts.iter().filter(|(host, _)| holds && !wanted.contains_key(*host)) {
            (0..2).for_each(|family| taken[family].extend(pair[family]));
            next.hosts.insert(host.clone(), *pair);
        }
        for (host, wants) in wanted {
            let mut pair = self.hosts.get(host).copied().unwrap_or_default();
            for family in 0..2 {
                pair[family] = pair[family].filter(|addr| {
                    let stays = if wants[family] { pools[family].place(*addr).is_some() } else { holds };
                    stays && taken[family].insert(*addr)
                });
            }
            next.hosts.insert(host.clone(), pair);
        }
        for (host, pair) in &mut next.hosts {
            for family in 0..2 {
                if pair[family].is_none() && wanted.get(host).is_some_and(|wants| wants[family]) {
                    pair[family] = pools[family].free(&taken[family], next.last[family]);
                    taken[family].extend(pair[family]);
                    next.last[family] = pair[family].or(next.last[family]);
                }
            }
        }
        next
    }

    fn text(&self) -> String {
        let ip = |addr: &Option<Addr>| addr.map(|addr| addr.to_string());
        let hosts = self.hosts.iter().map(
            |((zone, name), [v4, v6])| json!({"zone": zone, "name": name, "ipv4": ip(v4), "ipv6": ip(v6)}),
        );
        let [v4, v6] = &self.last;
        let all = json!({"version": 1, "last": {"ipv4": ip(v4), "ipv6": ip(v6)}, "hosts": hosts.collect::<Value>()});
        format!("{all:#}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let all: Value = serde_json::from_str(text).ok()?;
        let mut book = Self { last: pair(&all["last"])?, ..Self::default() };
        for host in all["hosts"].as_array()? {
            let key = (host["zone"].as_str()?.to_owned(), host["name"].as_str()?.to_owned());
            book.hosts.insert(key, pair(host)?);
        }
        (all["version"] == 1).then_some(book)
    }
}

fn pair(value: &Value) -> Option<Pair> {
    let read = |key: &str, v4: bool| match &value[key] {
        Value::Null => Some(None),
        other => {
            let addr = Addr::from(other.as_str()?.parse::<IpAddr>().ok()?);
            (addr.is_v4() == v4).then_some(Some(addr))
        }
    };
    Some([read("ipv4", true)?, read("ipv6", false)?])
}

fn read(store: &Store, warnings: &mut Vec<String>) -> Book {
    let text = match store.load() {
        Ok(stored) => stored.map(|stored| stored.text),
        Err(error) => {
            warnings.push(format!(
                "{}: {error}: dynamic edge addresses are handed out anew",
                store.path().display()
            ));
            None
        }
    };
    let Some(text) = text else { return Book::default() };
    Book::parse(&text).unwrap_or_else(|| {
        let path = store.path();
        warnings.push(format!(
            "{} is not as it was written: dynamic edge addresses are handed out anew",
            path.display()
        ));
        Book::default()
    })
}

/// Which families each host name wants.
fn wanted(spec: &LiveSpec) -> BTreeMap<Host, [bool; 2]> {
    let mut wanted = BTreeMap::<Host, [bool; 2]>::new();
    for (_, zone) in spec.zones() {
        for app in &zone.apps {
            if let EdgeIps::Dynamic(connectivity) = app.edge_ips {
                let families = wanted.entry(host(zone.id.as_str(), app)).or_default();
                let [v4, v6] = families_of(connectivity);
                *families = [families[0] | v4, families[1] | v6];
            }
        }
    }
    wanted
}

fn host(zone: &str, app: &AppSpec) -> Host {
    (zone.to_owned(), app.dns.name.as_str().to_owned())
}

const fn families_of(connectivity: Connectivity) -> [bool; 2] {
    match connectivity {
        Connectivity::All => [true, true],
        Connectivity::Ipv4 => [true, false],
        Connectivity::Ipv6 => [false, true],
    }
}

/// Writes the addresses of `book` into the apps; what is wrong with those that go without.
fn hand_out(spec: &mut LiveSpec, book: &Book) -> Vec<Problem> {
    let flat = spec.accounts.len() == 1 && spec.accounts[0].id.as_str() == "default";
    let mut problems = Vec::new();
    for (account, spec) in spec.accounts.iter_mut().enumerate() {
        for (zone, spec) in spec.zones.iter_mut().enumerate() {
            let zone_id = spec.id.as_str().to_owned();
            let holder = if flat && zone_id == "default" {
                String::new()
            } else {
                format!("/accounts/{account}/zones/{zone}")
            };
            for (place, app) in spec.apps.iter_mut().enumerate() {
                let EdgeIps::Dynamic(connectivity) = app.edge_ips else { continue };
                let pair = book.hosts.get(&host(&zone_id, app)).copied().unwrap_or_default();
                let families = families_of(connectivity);
                app.leased = (0..2).filter_map(|family| pair[family].filter(|_| families[family])).collect();
                for (family, name) in [(0, "IPv4"), (1, "IPv6")] {
                    if families[family] && pair[family].is_none() && problems.len() < PROBLEMS_MAX {
                        problems.push(none_left(&format!("{holder}/apps/{place}/edge_ips"), app, name));
                    }
                }
            }
        }
    }
    problems
}

fn none_left(pointer: &str, app: &AppSpec, family: &str) -> Problem {
    let text = format!(
        "no {family} address is left for {} in the part of [edge_pool] that lies in onboarded prefixes: \
         enlarge the pool in the boot config, write another connectivity, or write static addresses",
        app.dns.name.as_str()
    );
    Problem { place: pointer.to_owned(), line: None, text, code: Some(Code::PoolEmpty.number()) }
}

/// The nets of the pool that no onboarded prefix holds.
fn outside(nets: &[IpNet], prefixes: &[PrefixSpec]) -> impl Iterator<Item = String> {
    let held = |net: &&IpNet| !prefixes.iter().any(|spec| spec.prefix.net().contains(*net));
    let text = |net: &IpNet| {
        format!(
            "edge_pool: {net} lies wholly or in part outside the onboarded prefixes; that part is not handed out"
        )
    };
    nets.iter().filter(held).map(text).collect::<Vec<_>>().into_iter()
}

/// The addresses of one family that may be handed out: stretches apart from each other, in order.
struct Ranges(Vec<Stretch>);

impl Ranges {
    fn new(nets: &[IpNet], prefixes: &[PrefixSpec], v4: bool) -> Self {
        let mut parts: Vec<Stretch> = Vec::new();
        for net in nets.iter().filter(|net| net.addr().is_ipv4() == v4) {
            for prefix in prefixes.iter().map(|spec| spec.prefix.net()) {
                // Two nets are apart, or one holds the other.
                if prefix.contains(net) {
                    parts.push(Stretch::from(*net));
                } else if net.contains(&prefix) {
                    parts.push(Stretch::from(prefix));
                }
            }
        }
        parts.sort_unstable_by_key(|part| (part.first, std::cmp::Reverse(part.last)));
        let mut apart: Vec<Stretch> = Vec::new();
        for part in parts {
            if apart.last().is_none_or(|before| before.last < part.first) {
                apart.push(part);
            }
        }
        for hole in prefixes.iter().flat_map(|spec| &spec.elsewhere).filter(|hole| hole.first.is_v4() == v4) {
            apart = apart.into_iter().flat_map(|part| part.without(*hole)).collect();
        }
        Self(apart)
    }

    /// The range that holds `addr`.
    fn place(&self, addr: Addr) -> Option<usize> {
        self.0.iter().position(|range| range.contains(addr))
    }

    /// The first address behind `last` that is not taken, from the start again after the end.
    fn free(&self, taken: &HashSet<Addr>, last: Option<Addr>) -> Option<Addr> {
        let start = last.and_then(|last| Some((self.place(last)?, last.bits())));
        let (from, behind) = start.map_or((0, None), |(range, last)| (range, Some(last)));
        let count = self.0.len();
        // The range of `last` is walked twice: behind it, and last of all up to it. Every step but the last meets an
        // address that is taken, so that there are no more steps than taken ones, twice.
        (0..=count).find_map(|step| {
            let range = self.0.get((from + step) % count.max(1))?;
            let first = match behind {
                Some(last) if step == 0 => last + 1,
                Some(_) | None => range.first.bits(),
            };
            (first..=range.last.bits()).map(Addr::from_bits).find(|addr| !taken.contains(addr))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::tables::read as read_table;
    use crate::control::trial::Trials;
    use crate::control::{LoadError, Workshop};
    use crate::table::Reserved;
    use std::sync::Arc;

    const NETS: [&str; 2] = ["198.51.100.128/30", "2001:db8::f000/126"];

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|net| net.parse().expect("a net")).collect()
    }

    fn table(apps: &[(&str, &str, &str)]) -> String {
        let app = |(name, protocol, connectivity): &(&str, &str, &str)| {
            let port = protocol.split('/').nth(1).expect("a port");
            format!(
                r#"{{"protocol":"{protocol}","dns":{{"type":"CNAME","name":"{name}.example.com"}},
                "origin_direct":["tcp://8.8.8.8:{port}"],"edge_ips":{{"type":"dynamic","connectivity":"{connectivity}"}}}}"#
            )
        };
        let apps: Vec<String> = apps.iter().map(app).collect();
        format!(r#"{{"prefixes":["198.51.100.0/24","2001:db8::/48"],"apps":[{}]}}"#, apps.join(","))
    }

    fn spec(apps: &[(&str, &str, &str)]) -> LiveSpec {
        let text = table(apps);
        let reserved = Reserved { lab: true, ..Reserved::default() };
        read_table(text.as_bytes(), &reserved).unwrap_or_else(|errors| panic!("{errors}")).spec
    }

    fn addrs(spec: &LiveSpec) -> Vec<Vec<String>> {
        let text = |app: &AppSpec| app.edge_addrs().iter().map(ToString::to_string).collect();
        spec.accounts[0].zones[0].apps.iter().map(text).collect()
    }

    /// What the apps get, kept.
    fn give(pool: &mut EdgePool, apps: &[(&str, &str, &str)]) -> Vec<Vec<String>> {
        let mut spec = spec(apps);
        let book =
            pool.lease(&nets(&NETS), &mut spec, &mut Vec::new()).unwrap_or_else(|list| panic!("{list:?}"));
        pool.keep(book, true).expect("stored");
        addrs(&spec)
    }

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("byway-pool-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_name_keeps_its_addresses_over_reloads_and_restarts_and_gives_them_back() {
        let folder = Folder::new("keeps");
        let mut pool = EdgePool::new(&folder.0);
        let [a, b] = [("a", "tcp/22", "all"), ("b", "tcp/22", "ipv6")];
        let first = give(&mut pool, &[a, b]);
        assert_eq!(first, [vec!["198.51.100.128", "2001:db8::f000"], vec!["2001:db8::f001"]]);
        assert_eq!(give(&mut pool, &[b, a]), [first[1].clone(), first[0].clone()]);
        let mut again = EdgePool::new(&folder.0);
        assert_eq!(give(&mut again, &[b, a]), [first[1].clone(), first[0].clone()]);
        give(&mut again, &[b]);
        let other = give(&mut again, &[("c", "tcp/22", "all"), b]);
        assert_eq!(other[0], ["198.51.100.129", "2001:db8::f002"], "what was given back rests");
        assert_eq!(give(&mut again, &[a, b])[0], ["198.51.100.130", "2001:db8::f003"]);
        assert_eq!(give(&mut again, &[("d", "tcp/1", "ipv6"), b])[0], ["2001:db8::f000"], "round and round");
    }

    #[test]
    fn a_change_that_the_store_did_not_keep_moves_no_name() {
        let folder = Folder::new("not-kept");
        let reserved = Reserved { lab: true, edge_pool: Some(nets(&NETS)), ..Reserved::default() };
        let open = || Workshop::new(&folder.0.join("s"), Store::new(&folder.0), reserved.clone(), 0, [1, 2]);
        let mut workshop = open();
        let install = |workshop: &mut Workshop, apps: &[(&str, &str, &str)], kept: Result<(), String>| {
            let spec = spec(apps);
            let loaded = workshop.install(Arc::new(move || spec.clone()), Box::new(|| kept));
            loaded.map(|loaded| addrs(&loaded.spec))
        };
        let [a, b] = [("a", "tcp/22", "all"), ("b", "tcp/22", "ipv6")];
        let first = install(&mut workshop, &[a, b], Ok(())).expect("kept");
        let text = std::fs::read_to_string(folder.0.join(NAME)).expect("stored");
        let refused = install(&mut workshop, &[b], Err("the disk is full".into())).err();
        assert!(matches!(refused, Some(LoadError::Keep(..))), "{refused:?}");
        workshop.try_spec(spec(&[b])).expect("right");
        assert_eq!(std::fs::read_to_string(folder.0.join(NAME)).expect("stored"), text);
        assert_eq!(std::fs::read_dir(&folder.0).expect("there").count(), 1, "nothing is left beside it");
        assert_eq!(install(&mut open(), &[a, b], Ok(())).expect("kept"), first, "after a restart");
        assert_eq!(install(&mut workshop, &[a, b], Ok(())).expect("kept"), first);
    }

    #[test]
    fn a_trial_moves_no_name_unless_it_is_confirmed() {
        let folder = Folder::new("trial");
        let reserved = Reserved { lab: true, edge_pool: Some(nets(&NETS)), ..Reserved::default() };
        let (file, other) = (folder.0.join("table.json"), folder.0.join("other.json"));
        let [a, b, c] = ["a", "b", "c"].map(|name| (name, "tcp/22", "ipv4"));
        let write = |path: &Path, apps: &[_]| std::fs::write(path, table(apps)).expect("written");
        let mut workshop = Workshop::new(&file, Store::new(&folder.0), reserved, 0, [1, 2]);
        workshop.trials = Trials::open(&folder.0).expect("none");
        write(&file, &[a, b]);
        let first = addrs(&workshop.load_file().expect("right").spec);
        write(&other, &[b, c]);
        let tried = addrs(&workshop.apply(&other, 60).expect("right").spec);
        assert_eq!(tried[0], first[1], "who stays keeps its address");
        assert_eq!(addrs(&workshop.revert().expect("right").spec), first, "and whoever comes back, too");
        assert_eq!(addrs(&workshop.apply(&other, 60).expect("right").spec), tried);
        write(&file, &[b, c]);
        assert_eq!(addrs(&workshop.confirm().expect("right").spec), tried, "as it was tried");
        let kept = std::fs::read_to_string(folder.0.join(NAME)).expect("stored");
        assert!(kept.contains(&tried[1][0]) && !kept.contains(&first[0][0]), "{kept}");
    }

    #[test]
    fn a_trial_of_the_api_gives_no_address_back_before_it_ends() {
        let folder = Folder::new("holds");
        let reserved = Reserved { lab: true, edge_pool: Some(nets(&NETS)), ..Reserved::default() };
        let mut workshop = Workshop::new(&folder.0.join("s"), Store::new(&folder.0), reserved, 0, [1, 2]);
        let install = |workshop: &mut Workshop, on_trial: bool, apps: &[(&str, &str, &str)]| {
            let spec = spec(apps);
            workshop.hold_addresses(on_trial);
            let loaded = workshop.install(Arc::new(move || spec.clone()), Box::new(|| Ok(()))).expect("kept");
            addrs(&loaded.spec)
        };
        let [a, b, c] = ["a", "b", "c"].map(|name| (name, "tcp/22", "all"));
        let first = install(&mut workshop, false, &[a, b]);
        install(&mut workshop, true, &[]);
        let tried = install(&mut workshop, true, &[("a", "tcp/22", "ipv4"), c]);
        assert_eq!(tried[0], first[0][..1]);
        assert!(!first.concat().contains(&tried[1][0]), "{tried:?} {first:?}");
        assert_eq!(addrs(&workshop.load_anew().expect("right").spec), tried, "a reload in between");
        assert_eq!(install(&mut workshop, false, &[a, b]), first, "whoever comes back has what it had");
        let kept = std::fs::read_to_string(folder.0.join(NAME)).expect("stored");
        assert!(!kept.contains("c.example.com"), "and who was only tried has nothing: {kept}");
    }

    #[test]
    fn apps_of_one_name_share_their_addresses() {
        let folder = Folder::new("share");
        let mut pool = EdgePool::new(&folder.0);
        let given =
            give(&mut pool, &[("a", "tcp/22", "ipv4"), ("a", "tcp/23", "all"), ("a", "tcp/24", "ipv6")]);
        assert_eq!(given[1], [given[0][0].clone(), given[2][0].clone()]);
    }

    #[test]
    fn an_empty_pool_is_12005_and_changes_nothing() {
        let folder = Folder::new("empty");
        let mut pool = EdgePool::new(&folder.0);
        let four = ["a", "b", "c", "d"].map(|name| (name, "tcp/22", "ipv4"));
        give(&mut pool, &four);
        let mut five = spec(&[&four[..], &[("e", "tcp/22", "ipv4")]].concat());
        let problems = pool.lease(&nets(&NETS), &mut five, &mut Vec::new()).expect_err("four addresses");
        assert_eq!((problems.len(), problems[0].place.as_str()), (1, "/apps/4/edge_ips"));
        assert!(problems[0].text.contains("IPv4") && problems[0].code == Some(12005), "{problems:?}");
        assert!(problems[0].to_string().ends_with("(12005)"), "{}", problems[0]);
        let mut none = spec(&[("e", "tcp/22", "all")]);
        assert_eq!(pool.lease(&[], &mut none, &mut Vec::new()).expect_err("no pool").len(), 2);
        assert_eq!(give(&mut pool, &four[1..]).len(), 3);
    }

    #[test]
    fn what_lies_outside_the_prefixes_is_said_and_not_handed_out() {
        let folder = Folder::new("outside");
        let mut pool = EdgePool::new(&folder.0);
        let mut warnings = Vec::new();
        let mut wide = spec(&[("a", "tcp/22", "ipv4")]);
        let nets = nets(&["192.0.2.0/24", "198.51.0.0/16"]);
        pool.lease(&nets, &mut wide, &mut warnings).expect("a part lies inside");
        assert_eq!((addrs(&wide)[0][0].as_str(), warnings.len()), ("198.51.100.0", 2));
    }

    #[test]
    fn what_is_bound_to_another_service_is_not_handed_out_and_taken_back() {
        let folder = Folder::new("bound");
        let mut pool = EdgePool::new(&folder.0);
        let two = [("a", "tcp/22", "ipv4"), ("b", "tcp/22", "ipv4")];
        assert_eq!(give(&mut pool, &two), [["198.51.100.128"], ["198.51.100.129"]]);
        let mut bound = spec(&two);
        let hole: IpNet = "198.51.100.129/32".parse().expect("a net");
        bound.prefixes[0].elsewhere = Box::new([hole.into()]);
        pool.lease(&nets(&NETS), &mut bound, &mut Vec::new()).expect("three are left");
        assert_eq!(addrs(&bound), [["198.51.100.128"], ["198.51.100.130"]]);
        bound.prefixes[0].elsewhere = Box::new([bound.prefixes[0].prefix.net().into()]);
        let problems = pool.lease(&nets(&NETS), &mut bound, &mut Vec::new()).expect_err("all is bound");
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_file_that_is_not_ours_is_said_and_begun_anew() {
        let folder = Folder::new("broken");
        std::fs::write(folder.0.join(NAME), "{").expect("written");
        let mut warnings = Vec::new();
        let mut one = spec(&[("a", "tcp/22", "ipv4")]);
        EdgePool::new(&folder.0).lease(&nets(&NETS), &mut one, &mut warnings).expect("an address");
        assert!(warnings.len() == 1 && warnings[0].contains("handed out anew"), "{warnings:?}");
    }
}
