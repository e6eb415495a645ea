//! What Cargo.lock brings in, held against deny.toml: licences, bans, sources. cargo-deny knows more (advisories,
//! duplicates), but building it takes longer than building byway; this asks cargo alone.

use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

/// A package that comes from outside.
struct Package {
    name: String,
    version: String,
    licence: String,
    source: String,
    /// Names of the packages that ask for it.
    dependents: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The graph of this machine's platform, as far as cargo has fetched it to build these tests.
fn metadata() -> Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments =
        ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", &platform];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo speaks JSON")
}

fn packages() -> Vec<Package> {
    let metadata = metadata();
    let mut dependents: HashMap<String, Vec<String>> = HashMap::new();
    let name_of: HashMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    for node in list(&metadata["resolve"]["nodes"]) {
        for dependency in list(&node["dependencies"]) {
            dependents.entry(text(dependency)).or_default().push(name_of[&text(&node["id"])].clone());
        }
    }
    let foreign = list(&metadata["packages"]).iter().filter(|package| !package["source"].is_null());
    foreign
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: text(&package["source"]),
            dependents: dependents.remove(&text(&package["id"])).unwrap_or_default(),
        })
        .collect()
}

fn rules() -> toml::Table {
    include_str!("../deny.toml").parse().expect("deny.toml is TOML")
}

fn strings(value: &toml::Value) -> Vec<String> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|entry| entry.as_str().expect("a string").to_owned()).collect()
}

/// Whether an SPDX expression can be met by `allowed` alone. AND binds tighter than OR; `/` is the old OR.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = either(&words, allowed);
    met && rest.is_empty()
}

fn either<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = both(words, allowed);
    while let ["OR", behind @ ..] = rest {
        let (other, behind) = both(behind, allowed);
        (met, rest) = (met | other, behind);
    }
    (met, rest)
}

fn both<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", behind @ ..] = rest {
        let (other, behind) = one(behind, allowed);
        (met, rest) = (met & other, behind);
    }
    (met, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inside @ ..] => match either(inside, allowed) {
            (met, [")", rest @ ..]) => (met, rest),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, rest @ ..] => {
            (allowed.contains(&format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (allowed.iter().any(|name| name == licence), rest),
        [] => (false, &[]),
    }
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let allowed = strings(&rules()["licenses"]["allow"]);
    let packages = packages();
    assert!(packages.len() > 50, "{} packages are too few to be all", packages.len());
    let refused: Vec<_> = packages
        .iter()
        .filter(|package| !is_met(&package.licence, &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

#[test]
fn no_banned_crate_comes_in_but_through_its_wrappers() {
    let rules = rules();
    let mut refused = Vec::new();
    for ban in rules["bans"]["deny"].as_array().expect("a list") {
        let name = ban["crate"].as_str().expect("a name");
        let wrappers = ban.get("wrappers").map(strings).unwrap_or_default();
        for package in packages().iter().filter(|package| package.name == name) {
            let through = package.dependents.iter().filter(|dependent| !wrappers.contains(dependent));
            refused.extend(
                through.map(|dependent| format!("{name} through {dependent}: use {}", ban["use-instead"])),
            );
        }
    }
    assert!(refused.is_empty(), "banned by deny.toml: {refused:#?}");
}

/// `[sources]` says nothing of registries, which for cargo-deny means the default one alone: what serde comes from.
#[test]
fn every_package_comes_from_the_default_registry() {
    let packages = packages();
    let serde = packages.iter().find(|package| package.name == "serde").expect("byway uses serde");
    assert!(serde.source.starts_with("registry+"), "{}", serde.source);
    let refused = packages.iter().filter(|package| package.source != serde.source);
    let named: Vec<_> = refused.map(|package| format!("{}: {}", package.name, package.source)).collect();
    assert!(named.is_empty(), "from a source of their own: {named:#?}");
}

#[test]
fn an_expression_is_met_where_one_way_through_it_is_allowed() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
    let met =
        ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "MIT AND Apache-2.0", "(GPL-3.0 OR MIT) AND Apache-2.0"];
    let refused =
        ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT OR GPL-3.0) AND GPL-3.0"];
    assert!(met.iter().all(|expression| is_met(expression, &allowed)));
    assert!(refused.iter().all(|expression| !is_met(expression, &allowed)));
    // AND first: MIT, or both of the others.
    assert!(is_met("MIT OR GPL-3.0 AND GPL-2.0", &allowed));
}
