//! Other sights of a box in the model's form: by its answers, and by everything that it or its store holds.

use super::verbs::Ground;
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything by kind and id.
pub type View = BTreeMap<String, Value>;

/// Whom calls are put to. `None`: nobody answers.
pub type Ask<'a> = &'a dyn Fn(Method, &str) -> Option<Value>;

/// What the lists of the API say.
pub fn by_answers(ask: Ask<'_>, ground: &Ground) -> Option<View> {
    let mut view = View::new();
    let list = |path: &str| -> Option<Vec<Value>> {
        let answer = ask(Method::GET, path)?;
        Some(answer["result"].as_array().unwrap_or_else(|| panic!("{path}: {answer}")).clone())
    };
    let rules = "firewall/access_rules/rules?per_page=50";
    for token in list("/user/tokens?per_page=50")? {
        put(&mut view, "token", &token, json!({"name": token["name"]}));
    }
    rows_of_rules(&mut view, &ground.user, list(&format!("/user/{rules}"))?);
    for account in list("/accounts?per_page=50")? {
        put(&mut view, "account", &account, json!({"name": account["name"]}));
        let id = word(&account["id"]);
        rows_of_rules(&mut view, &id, list(&format!("/accounts/{id}/{rules}"))?);
        let prefixes = format!("/accounts/{id}/addressing/prefixes");
        for prefix in list(&format!("{prefixes}?per_page=50"))? {
            let row = json!({"account": id, "cidr": prefix["cidr"], "approved": prefix["approved"]});
            put(&mut view, "prefix", &prefix, row);
            let (prefix, below) = (prefix["id"].clone(), format!("{prefixes}/{}", word(&prefix["id"])));
            for one in list(&format!("{below}/bindings?per_page=50"))? {
                let row = json!({"prefix": prefix, "cidr": one["cidr"], "service": one["service_name"]});
                put(&mut view, "binding", &one, row);
            }
            for one in list(&format!("{below}/delegations?per_page=50"))? {
                let row =
                    json!({"prefix": prefix, "cidr": one["cidr"], "account": one["delegated_account_id"]});
                put(&mut view, "delegation", &one, row);
            }
        }
    }
    for zone in list("/zones?per_page=50")? {
        put(&mut view, "zone", &zone, json!({"name": zone["name"], "account": zone["account"]["id"]}));
        let id = word(&zone["id"]);
        rows_of_rules(&mut view, &id, list(&format!("/zones/{id}/{rules}"))?);
        for app in list(&format!("/zones/{id}/spectrum/apps?per_page=100"))? {
            put(&mut view, "app", &app, app_row(&id, &app));
        }
        for one in list(&format!("/zones/{id}/custom_certificates?per_page=50"))? {
            put(&mut view, "certificate", &one, json!({"zone": id}));
        }
    }
    Some(view)
}

fn rows_of_rules(view: &mut View, of: &str, rules: Vec<Value>) {
    for rule in rules {
        let row = json!({"of": of, "mode": rule["mode"], "value": rule["configuration"]["value"]});
        put(view, "rule", &rule, row);
    }
}

fn app_row(zone: &str, app: &Value) -> Value {
    json!({
        "zone": zone, "name": app["dns"]["name"], "protocol": app["protocol"], "ips": app["edge_ips"]["ips"],
        "firewall": app["ip_firewall"],
    })
}

fn put(view: &mut View, kind: &str, one: &Value, row: Value) {
    view.insert(format!("{kind} {}", word(&one["id"])), row);
}

fn word(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// What a document of everything says.
pub fn by_export(document: &Value) -> View {
    let mut view = View::new();
    for (kind, list) in document["entities"].as_object().expect("kinds") {
        for one in list.as_array().expect("a list") {
            let row = match kind.as_str() {
                "account" | "token" => json!({"name": one["name"]}),
                "zone" => json!({"name": one["name"], "account": one["account"]}),
                "prefix" => {
                    json!({"account": one["account"], "cidr": one["cidr"], "approved": one["approved"]})
                }
                "binding" => {
                    let service =
                        one["service"].as_str().expect("a word").replace("MagicTransit", "Magic Transit");
                    let service = service.replace("Cdn", "CDN");
                    json!({"prefix": one["prefix"], "cidr": one["cidr"], "service": service})
                }
                "delegation" => {
                    json!({"prefix": one["prefix"], "cidr": one["cidr"], "account": one["account"]})
                }
                "certificate" => json!({"zone": one["zone"]}),
                "app" => app_row(&word(&one["zone"]), &one["app"]),
                "rule" => {
                    let holder = one["holder"].as_object().and_then(|holder| holder.values().next());
                    let (mode, value) = (&one["rule"]["mode"], &one["rule"]["configuration"]["value"]);
                    json!({"of": holder, "mode": mode, "value": value})
                }
                // The user is part of the ground; routes follow bindings; letters and maps are not called for.
                "user" | "bgp_prefix" => continue,
                other => panic!("a sequence makes no {other}"),
            };
            put(&mut view, kind, one, row);
        }
    }
    view
}
