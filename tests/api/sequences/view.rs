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
        beside(ask, &id, &mut view)?;
        let prefixes = format!("/accounts/{id}/addressing/prefixes");
        for prefix in list(&format!("{prefixes}?per_page=50"))? {
            let row = json!({"account": id, "cidr": prefix["cidr"], "approved": prefix["approved"], "letter": prefix["loa_document_id"]});
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
            put(&mut view, "certificate", &one, json!({"zone": id, "hosts": one["hosts"]}));
        }
        for one in list(&format!("/zones/{id}/dns_records?per_page=1000"))? {
            match one["meta"]["read_only"] == true {
                true => drop(view.insert(
                    format!("managed {id} {} {}", word(&one["name"]), word(&one["content"])),
                    Value::Null,
                )),
                false => put(&mut view, "dns_record", &one, record_row(&id, &one)),
            }
        }
    }
    Some(view)
}

/// Letters and address maps of an account.
fn beside(ask: Ask<'_>, account: &str, view: &mut View) -> Option<()> {
    let of = format!("/accounts/{account}/addressing");
    for one in ask(Method::GET, &format!("{of}/loa_documents"))?["result"].as_array().expect("a list") {
        put(view, "loa_document", one, json!({"account": account, "bytes": one["size_bytes"]}));
    }
    for one in ask(Method::GET, &format!("{of}/address_maps"))?["result"].as_array().expect("a list") {
        let whole = ask(Method::GET, &format!("{of}/address_maps/{}", word(&one["id"])))?["result"].take();
        put(view, "address_map", one, map_row(account, &whole));
    }
    Some(())
}

fn map_row(account: &str, map: &Value) -> Value {
    let list = |key: &str| map[key].as_array().expect("a list").iter();
    let ips: Vec<&Value> = list("ips").map(|one| &one["ip"]).collect();
    let members: Vec<Value> =
        list("memberships").map(|one| json!([one["kind"], one["identifier"]])).collect();
    json!({
        "account": account, "description": map["description"], "enabled": map["enabled"], "sni": map["default_sni"], "ips": ips,
        "members": members,
    })
}

fn record_row(zone: &str, one: &Value) -> Value {
    json!({
        "zone": zone, "name": one["name"], "type": one["type"], "content": one["content"], "ttl": one["ttl"],
        "proxied": one["proxied"],
    })
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
        "firewall": app["ip_firewall"], "tls": app["tls"],
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
                    json!({"account": one["account"], "cidr": one["cidr"], "approved": one["approved"], "letter": one["loa"]})
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
                "certificate" => json!({"zone": one["zone"], "hosts": one["hosts"]}),
                "loa_document" => json!({"account": one["account"], "bytes": one["size_bytes"]}),
                "address_map" => map_row(&word(&one["account"]), one),
                "dns_record" => {
                    let (kind, content) =
                        one["data"].as_object().and_then(|data| data.iter().next()).expect("data");
                    let mut row = record_row(&word(&one["zone"]), one);
                    (row["type"], row["content"]) = (kind.to_ascii_uppercase().into(), content.clone());
                    row
                }
                "app" => app_row(&word(&one["zone"]), &one["app"]),
                "rule" => {
                    let holder = one["holder"].as_object().and_then(|holder| holder.values().next());
                    let (mode, value) = (&one["rule"]["mode"], &one["rule"]["configuration"]["value"]);
                    json!({"of": holder, "mode": mode, "value": value})
                }
                // The user is part of the ground; routes follow bindings.
                "user" | "bgp_prefix" => continue,
                other => panic!("a sequence makes no {other}"),
            };
            put(&mut view, kind, one, row);
        }
    }
    view
}
