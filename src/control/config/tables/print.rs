//! Values -> canonical JSON in Spectrum's shape: what is read back is the same value.

use crate::firewall::RuleSpec;
use crate::snapshot::{CertificateSpec, LiveSpec};
use crate::table::{AppSpec, EdgeIps, OriginSpec, OriginTlsName, PortRange, PrefixSpec, UdpOptions};
use serde_json::{Map, Value, json};

/// The whole file, in the form with accounts.
pub fn live_json(spec: &LiveSpec) -> Value {
    let mut file = Map::new();
    file.insert("version".into(), 1.into());
    file.insert("prefixes".into(), spec.prefixes.iter().map(prefix_json).collect());
    if spec.allow_partial {
        file.insert("allow_partial".into(), true.into());
    }
    if !spec.access_rules.is_empty() {
        file.insert("access_rules".into(), rules_json(&spec.access_rules));
    }
    let accounts = spec.accounts.iter().map(|account| {
        let zones = account.zones.iter().map(|zone| {
            let apps: Value = zone.apps.iter().map(app_json).collect();
            let mut object =
                json!({"id": zone.id.as_str(), "apps": apps, "access_rules": rules_json(&zone.access_rules)});
            if !zone.certificates.is_empty() {
                object["certificates"] = zone.certificates.iter().map(certificate_json).collect();
            }
            object
        });
        let zones: Value = zones.collect();
        json!({"id": account.id.as_str(), "zones": zones, "access_rules": rules_json(&account.access_rules)})
    });
    file.insert("accounts".into(), accounts.collect());
    Value::Object(file)
}

/// A prefix.
pub fn prefix_json(spec: &PrefixSpec) -> Value {
    match &spec.description {
        None => json!({"cidr": spec.prefix.to_string()}),
        Some(description) => json!({"cidr": spec.prefix.to_string(), "description": description}),
    }
}

/// An app: every field of Spectrum's that has a value, older booleans as the words they stand for.
pub fn app_json(app: &AppSpec) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("id", app.id.as_str().into());
    put("protocol", app.edge.to_string().into());
    put("dns", json!({"type": app.dns.kind.name(), "name": app.dns.name.as_str()}));
    match &app.origin {
        OriginSpec::Direct(entries) => {
            put("origin_direct", entries.iter().map(|entry| Value::from(entry.to_string())).collect());
        }
        OriginSpec::Dns { name, ttl_s, kind } => {
            let mut dns = json!({"name": name.as_str(), "type": kind.name()});
            if let Some(ttl_s) = ttl_s {
                dns["ttl"] = (*ttl_s).into();
            }
            put("origin_dns", dns);
        }
    }
    if let Some(port) = app.origin_port {
        put("origin_port", port_json(port));
    }
    put("ip_firewall", app.ip_firewall.into());
    put("proxy_protocol", app.proxy_protocol.name().into());
    if app.udp.amplification_limit != UdpOptions::AMPLIFICATION_LIMIT {
        put("amplification_limit", app.udp.amplification_limit.into());
    }
    if app.udp.proxy_every_datagram {
        put("proxy_every_datagram", true.into());
    }
    put("tls", app.tls.name().into());
    if let Some(min_tls) = app.min_tls {
        put("min_tls", min_tls.name().into());
    }
    if app.origin_tls_name != OriginTlsName::App {
        put("origin_tls_name", app.origin_tls_name.name().into());
    }
    put("traffic_type", app.traffic_type.name().into());
    put("edge_ips", edge_ips_json(app));
    if let Some(probe) = app.probe {
        put("probe", probe.name().into());
    }
    for (key, on) in [("argo_smart_routing", app.argo_smart_routing), ("allow_partial", app.allow_partial)] {
        if on {
            put(key, true.into());
        }
    }
    if let Some(limits) = &app.limits {
        put(
            "limits",
            limits.named().into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect(),
        );
    }
    for (key, stamp) in [("created_on", &app.created_on), ("modified_on", &app.modified_on)] {
        if let Some(stamp) = stamp {
            put(key, stamp.as_ref().into());
        }
    }
    Value::Object(object)
}

fn certificate_json(certificate: &CertificateSpec) -> Value {
    match certificate {
        CertificateSpec::Files { cert, key } => json!({"cert": cert, "key": key}),
        // Only the API's store has it; a table file cannot.
        CertificateSpec::Held(_) => json!({"cert": null, "key": null}),
    }
}

/// An access rule.
pub fn rule_json(rule: &RuleSpec) -> Value {
    let mut object = Map::new();
    if let Some(id) = &rule.id {
        object.insert("id".into(), id.as_str().into());
    }
    object.insert("mode".into(), rule.mode.name().into());
    let configuration = json!({"target": rule.target.kind(), "value": rule.target.to_string()});
    object.insert("configuration".into(), configuration);
    if let Some(notes) = &rule.notes {
        object.insert("notes".into(), notes.as_str().into());
    }
    Value::Object(object)
}

fn rules_json(rules: &[RuleSpec]) -> Value {
    rules.iter().map(rule_json).collect()
}

fn port_json(ports: PortRange) -> Value {
    if ports.is_single() { ports.first().into() } else { ports.to_string().into() }
}

fn edge_ips_json(app: &AppSpec) -> Value {
    match &app.edge_ips {
        EdgeIps::Static(_) => json!({"type": "static", "ips": app.edge_texts()}),
        EdgeIps::Dynamic(connectivity) => json!({"type": "dynamic", "connectivity": connectivity.name()}),
    }
}
