"""The official Python SDK against a running byway, with strict validation of every reply and real connections after changes.
Every operation of byway's own document that the SDK has a method for is called; api_sdk.mjs calls them in TypeScript.

A line a check: "ok WHAT" or "FAIL WHAT"; "done" at the end. Everything that it needs comes by the environment.
"""

import os
import re
import subprocess
import time
from datetime import datetime, timedelta, timezone

import cloudflare
from cloudflare import Cloudflare

ZONE, ACCOUNT = os.environ["ZONE"], os.environ["ACCOUNT"]
EDGE, ORIGIN = os.environ["EDGE_IP4"], os.environ["ORIGIN4"]
URL = os.environ["API_URL"]
# Operations that the SDK has no method for, beside byway's own (`byway_*`).
ABSENT = {
    *(f"user_access_rules_{verb}" for verb in ("list", "create", "get", "edit", "delete", "batch")),
    *("zone_access_rules_batch", "account_access_rules_batch", "spectrum_apps_edit", "loa_documents_list", "loa_documents_delete"),
    *("address_map_zones_update", "address_map_zones_delete", "openapi_get", "healthz", "readyz"),
}
# Method and path of each request.
asked = set()
http = cloudflare.DefaultHttpxClient(
    event_hooks={"request": [lambda request: asked.add((request.method, str(request.url).partition("?")[0].removeprefix(URL)))]}
)
client = Cloudflare(
    base_url=URL,
    api_token=os.environ["API_TOKEN"],
    http_client=http,
    _strict_response_validation=True,
    max_retries=0,
)


def check(what, holds):
    print("ok" if holds else "FAIL", what, flush=True)


def greets(port=80):
    words = ["ip", "netns", "exec", os.environ["CLIENT_NS"], "curl", "-sS", "--max-time", "3", f"http://{EDGE}:{port}/"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() == "hello from the origin"


def refused(status, call):
    try:
        call()
    except cloudflare.APIStatusError as error:
        return error.status_code == status
    return False


def app(port, last=EDGE, **more):
    return {
        "zone_id": ZONE,
        "protocol": f"tcp/{port}",
        "dns": {"type": "ADDRESS", "name": f"p{port}.example.com"},
        "origin_direct": [f"tcp://{ORIGIN}:80"],
        "traffic_type": "direct",
        "edge_ips": {"type": "static", "ips": [last]},
        **more,
    }


def tenants():
    zones = list(client.zones.list(name="example.com"))
    check("zones.list finds the zone by name", [zone.id for zone in zones] == [ZONE])
    check("zones.get", client.zones.get(zone_id=ZONE).account.id == ACCOUNT)
    check("accounts.list", ACCOUNT in [account.id for account in client.accounts.list()])
    check("user.tokens.verify", client.user.tokens.verify().status == "active")
    check("accounts.get", client.accounts.get(account_id=ACCOUNT).id == ACCOUNT)
    check("user.get", "@" in (client.user.get().email or ""))
    second = client.accounts.create(name="second", type="standard")
    check("accounts.create", second.id in [account.id for account in client.accounts.list()])
    zone = client.zones.create(name="second.example", account={"id": second.id})
    check("zones.create", client.zones.get(zone_id=zone.id).account.id == second.id)
    check("zones.edit says what it is", client.zones.edit(zone_id=zone.id, type="full").id == zone.id)
    check("and nothing else", refused(400, lambda: client.zones.edit(zone_id=zone.id, type="partial")))
    check("an account with a zone stays", refused(400, lambda: client.accounts.delete(account_id=second.id)))
    check("zones.delete answers the id", client.zones.delete(zone_id=zone.id).id == zone.id)
    check("accounts.delete answers the id", client.accounts.delete(account_id=second.id).id == second.id)


def apps():
    made = client.spectrum.apps.create(**app(8080))
    check("spectrum.apps.create answers the full kind", getattr(made, "tls", None) == "off")
    check("and carries traffic at once", greets(8080))
    check("spectrum.apps.get", client.spectrum.apps.get(made.id, zone_id=ZONE).id == made.id)
    more = [client.spectrum.apps.create(**app(9000 + number)) for number in range(25)]
    listed = [each.id for each in client.spectrum.apps.list(zone_id=ZONE)]
    check("spectrum.apps.list by its pager has each app once", sorted(listed) == sorted([made.id] + [each.id for each in more]))
    paged = [each.id for each in client.spectrum.apps.list(zone_id=ZONE, per_page=10, page=1, order="protocol", direction="desc")]
    check("and in pages of ten", sorted(paged) == sorted(listed))
    updated = client.spectrum.apps.update(made.id, **app(8081, ip_firewall=True))
    check("spectrum.apps.update", updated.protocol == "tcp/8081" and updated.ip_firewall is True)
    check("and moves the traffic", greets(8081) and not greets(8080))
    check("a bad app is BadRequestError", refused(400, lambda: client.spectrum.apps.create(**app(8081))))
    check("protocols.list", "tcp" in [row.name for row in client.spectrum.protocols.list(zone_id=ZONE)])
    rules(8081)
    user_rules(8081)
    for each in more:
        client.spectrum.apps.delete(each.id, zone_id=ZONE)
    check("spectrum.apps.delete answers the id", client.spectrum.apps.delete(made.id, zone_id=ZONE).id == made.id)
    check("and ends the traffic", not greets(8081))
    check("what is gone is NotFoundError", refused(404, lambda: client.spectrum.apps.get(made.id, zone_id=ZONE)))
    check("the list is empty", list(client.spectrum.apps.list(zone_id=ZONE)) == [])


def eventually(holds):
    """Numbers are told within two seconds; a connection ends a moment after its client."""
    for _ in range(20):
        if holds():
            return True
        time.sleep(0.5)
    return False


def analytics():
    since = datetime.now(timezone.utc) - timedelta(minutes=5)
    made = client.spectrum.apps.create(**app(8085))
    check("five connections", all(greets(8085) for _ in range(5)))
    ask = {"zone_id": ZONE, "since": since, "filters": f"appID=={made.id}"}
    events, metrics = client.spectrum.analytics.events, ["count", "bytesIngress", "bytesEgress", "durationAvg"]

    def counts():
        told = events.summaries.get(metrics=metrics, dimensions=["event", "appID"], sort=["-count", "+event"], **ask)
        return {row.dimensions[0]: row.metrics[0] for row in told.data}

    check("analytics.events.summaries.get counts them", eventually(lambda: counts() == {"connect": 5, "disconnect": 5}))
    told = events.summaries.get(**ask)
    whole = ["count", "bytesIngress", "bytesEgress", "durationAvg", "durationMedian", "duration90th", "duration99th"]
    check("without metrics all of them", told.query.metrics == whole and sorted(told.totals) == sorted(whole))
    check("and echoes the range", told.query.since <= since < told.query.until and told.data_lag < 60 and told.rows == 1)
    fine = events.bytimes.get(metrics=metrics, time_delta="minute", **ask)
    by_minute = fine.data[0].metrics
    check("bytimes.get has a list a metric over its intervals", all(len(each) == len(fine.time_intervals) for each in by_minute))
    check("with the same sums", [sum(by_minute[at]) for at in range(3)] == [told.totals[name] for name in metrics[:3]])
    steps = ("year", "quarter", "month", "week", "day", "hour", "dekaminute")
    sums = [sum(events.bytimes.get(metrics=["count"], time_delta=step, **ask).data[0].metrics[0]) for step in steps]
    check("in every time_delta", sums == [10] * len(steps))
    current = client.spectrum.analytics.aggregates.currents.get(zone_id=ZONE, app_id=made.id)
    check("aggregates.currents.get", [row.connections for row in current] == [5] and current[0].bytes_egress > 0)
    check("a bad filter is BadRequestError", refused(400, lambda: events.summaries.get(zone_id=ZONE, filters="count>1")))
    client.spectrum.apps.delete(made.id, zone_id=ZONE)
    check("and a removed app's rows stay", counts() == {"connect": 5, "disconnect": 5})


def rules(port):
    address = {"target": "ip", "value": os.environ["CLIENT4"]}
    for scope in ({"zone_id": ZONE}, {"account_id": ACCOUNT}):
        name = next(iter(scope))
        rule = client.firewall.access_rules.create(configuration=address, mode="block", notes="python", **scope)
        check(f"access_rules.create with {name} is in force", not greets(port))
        check("access_rules.get", client.firewall.access_rules.get(rule.id, **scope).mode == "block")
        edited = client.firewall.access_rules.edit(rule.id, configuration=address, mode="whitelist", **scope)
        check("access_rules.edit is in force", edited.mode == "whitelist" and greets(port))
        found = client.firewall.access_rules.list(configuration={"target": "ip"}, mode="whitelist", **scope)
        check("access_rules.list by its filters", [each.id for each in found] == [rule.id])
        check("access_rules.delete", client.firewall.access_rules.delete(rule.id, **scope).id == rule.id)


def user_rules(port):
    """The SDK has no method for rules of a user; its plain verbs lead there."""
    rules, block = "/user/firewall/access_rules/rules", {"configuration": {"target": "ip", "value": os.environ["CLIENT4"]}, "mode": "block"}
    rule = client.post(rules, cast_to=object, body=block)["result"]
    check("a rule of the user is in force", rule["scope"]["type"] == "user" and not greets(port))
    check("and is listed", [each["id"] for each in client.get(rules, cast_to=object)["result"]] == [rule["id"]])
    client.patch(f"{rules}/{rule['id']}", cast_to=object, body={"mode": "whitelist"})
    check("and edited", client.get(f"{rules}/{rule['id']}", cast_to=object)["result"]["mode"] == "whitelist" and greets(port))
    gone = client.delete(f"{rules}/{rule['id']}", cast_to=object)
    check("and goes", gone["result"] == {"id": rule["id"]} and client.get(rules, cast_to=object)["result"] == [])


def addressing():
    prefixes = {prefix.cidr: prefix for prefix in client.addressing.prefixes.list(account_id=ACCOUNT)}
    prefix = prefixes["198.51.100.0/24"]
    check("addressing.prefixes.list has both, approved", len(prefixes) == 2 and all(each.approved == "V" for each in prefixes.values()))
    check("prefixes.get", client.addressing.prefixes.get(prefix.id, account_id=ACCOUNT).asn == 64496)
    edited = client.addressing.prefixes.edit(prefix.id, account_id=ACCOUNT, description="laboratory")
    check("prefixes.edit", edited.description == "laboratory")
    of = {"prefix_id": prefix.id, "account_id": ACCOUNT}
    services = {service.name: service.id for service in client.addressing.services.list(account_id=ACCOUNT)}
    check("addressing.services.list", "Spectrum" in services and "CDN" in services)
    bindings = list(client.addressing.prefixes.service_bindings.list(**of))
    check("service_bindings.list has the default", [each.cidr for each in bindings] == [prefix.cidr])
    made = client.addressing.prefixes.service_bindings.create(cidr="198.51.100.64/28", service_id=services["CDN"], **of)
    check("service_bindings.create", client.addressing.prefixes.service_bindings.get(made.id, **of).service_name == "CDN")
    cdn = app(8090, last="198.51.100.65")
    check("no app on another service's address", refused(400, lambda: client.spectrum.apps.create(**cdn)))
    gone = client.addressing.prefixes.service_bindings.delete(made.id, **of)
    check("service_bindings.delete answers the bare envelope", gone.success)
    routes = list(client.addressing.prefixes.bgp_prefixes.list(**of))
    check("bgp_prefixes.list has the prefix, withdrawn", [each.on_demand.advertised for each in routes] == [False])
    up = client.addressing.prefixes.bgp_prefixes.edit(routes[0].id, on_demand={"advertised": True}, **of)
    check("bgp_prefixes.edit advertises", up.on_demand.advertised is True)
    down = client.addressing.prefixes.bgp_prefixes.edit(routes[0].id, on_demand={"advertised": False}, **of)
    check("and withdraws", down.on_demand.advertised is False)
    check("bgp_prefixes.delete", client.addressing.prefixes.bgp_prefixes.delete(routes[0].id, **of).success)
    again = client.addressing.prefixes.bgp_prefixes.create(cidr=prefix.cidr, **of)
    check("bgp_prefixes.create, withdrawn", again.on_demand.advertised is False and again.cidr == prefix.cidr)
    check("bgp_prefixes.get", client.addressing.prefixes.bgp_prefixes.get(again.id, **of) == again)
    maps = client.addressing.address_maps
    member = {"kind": "zone", "identifier": ZONE}
    kept = maps.create(account_id=ACCOUNT, description="one", enabled=True, memberships=[member])
    check("address_maps.create and get", maps.get(kept.id, account_id=ACCOUNT).description == "one")
    check("address_maps.list", kept.id in [each.id for each in maps.list(account_id=ACCOUNT)])
    check("address_maps.ips.update", maps.ips.update(EDGE, account_id=ACCOUNT, address_map_id=kept.id).success)
    check("address_maps.accounts.update", maps.accounts.update(ACCOUNT, account_id=ACCOUNT, address_map_id=kept.id).success)
    full = maps.get(kept.id, account_id=ACCOUNT)
    check("and it has them", [each.ip for each in full.ips] == [EDGE] and {each.kind for each in full.memberships} == {"account", "zone"})
    check("address_maps.ips.delete", maps.ips.delete(EDGE, account_id=ACCOUNT, address_map_id=kept.id).success)
    check("address_maps.accounts.delete", maps.accounts.delete(ACCOUNT, account_id=ACCOUNT, address_map_id=kept.id).success)
    check("an enabled map stays", refused(400, lambda: maps.delete(kept.id, account_id=ACCOUNT)))
    check("address_maps.edit", maps.edit(kept.id, account_id=ACCOUNT, enabled=False).enabled is False)
    check("address_maps.delete", maps.delete(kept.id, account_id=ACCOUNT).success)
    new = client.addressing.prefixes.create(account_id=ACCOUNT, cidr="203.0.113.0/24", asn=64497)
    check("prefixes.create is pending", new.approved == "P")
    check("prefixes.validate", client.addressing.prefixes.validate(new.id, account_id=ACCOUNT).id == new.id)
    check("prefixes.delete", client.addressing.prefixes.delete(new.id, account_id=ACCOUNT).success)
    check("delegations.list is empty", list(client.addressing.prefixes.delegations.list(**of)) == [])
    friend = client.accounts.create(name="friend", type="standard")
    lent = client.addressing.prefixes.delegations.create(cidr="198.51.100.128/25", delegated_account_id=friend.id, **of)
    check("delegations.create and list", [each.id for each in client.addressing.prefixes.delegations.list(**of)] == [lent.id])
    check("delegations.delete", client.addressing.prefixes.delegations.delete(lent.id, **of).id == lent.id)
    client.accounts.delete(account_id=friend.id)
    status = client.addressing.prefixes.advertisement_status.get(**of)
    check("advertisement_status.get", status.advertised is False)
    check("advertisement_status.edit", client.addressing.prefixes.advertisement_status.edit(advertised=True, **of).advertised is True)
    client.addressing.prefixes.advertisement_status.edit(advertised=False, **of)


def letters():
    """On an account of its own, so that nothing of it is left."""
    of = {"account_id": client.accounts.create(name="letters", type="standard").id}
    text = "%PDF-1.4 letter of authorisation"
    made = client.addressing.loa_documents.create(loa_document=text, **of)
    check("loa_documents.create", (made.account_id, made.size_bytes, made.verified) == (of["account_id"], len(text), False))
    check("loa_documents.get gives it back", client.addressing.loa_documents.get(made.id, **of).read() == text.encode())
    prefix = client.addressing.prefixes.create(cidr="203.0.113.0/24", asn=64497, loa_document_id=made.id, **of)
    check("a prefix names it", client.addressing.prefixes.get(prefix.id, **of).loa_document_id == made.id)
    path = f"/accounts/{of['account_id']}/addressing/loa_documents/{made.id}"
    check("one that a prefix names stays", refused(400, lambda: client.delete(path, cast_to=object)))
    client.addressing.prefixes.delete(prefix.id, **of)
    check("and goes after it", client.delete(path, cast_to=object)["result"] == {"id": made.id})
    check("with its account", client.accounts.delete(**of).id == of["account_id"])


def certificates():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "certs")
    chain, key = (open(os.path.join(folder, name), encoding="ascii").read() for name in ("edge.pem", "edge.key"))
    of = {"zone_id": ZONE}
    made = client.custom_certificates.create(certificate=chain, private_key=key, **of)
    check("custom_certificates.create", made.status == "active" and "lab.example.com" in made.hosts)
    tls = app(8443)
    tls.update(tls="flexible", dns={"type": "ADDRESS", "name": "lab.example.com"})
    served = client.spectrum.apps.create(**tls)
    words = ["ip", "netns", "exec", os.environ["CLIENT_NS"], "curl", "-sS", "--max-time", "5", "--cacert", os.path.join(folder, "ca.pem")]
    words += ["--resolve", f"lab.example.com:8443:{EDGE}", "https://lab.example.com:8443/"]
    said = subprocess.run(words, capture_output=True, text=True).stdout.strip()
    check("and is in force for new handshakes", said == "hello from the origin")
    check("custom_certificates.list", [each.id for each in client.custom_certificates.list(**of)] == [made.id])
    check("custom_certificates.get", client.custom_certificates.get(made.id, **of).hosts == made.hosts)
    again = client.custom_certificates.edit(made.id, certificate=chain, private_key=key, **of)
    check("custom_certificates.edit", again.id == made.id and again.status == "active")
    first = client.custom_certificates.prioritize.update(certificates=[{"id": made.id, "priority": 7}], **of)
    check("custom_certificates.prioritize", [(each.id, each.priority) for each in first] == [(made.id, 7)])
    check("one in use stays", refused(400, lambda: client.custom_certificates.delete(made.id, **of)))
    client.spectrum.apps.delete(served.id, **of)
    check("custom_certificates.delete", client.custom_certificates.delete(made.id, **of).id == made.id)


def dns():
    of = {"zone_id": ZONE}
    kept = client.dns.records
    made = kept.create(name="www", type="A", content="192.0.2.1", ttl=300, comment="one", tags=["team:edge"], **of)
    check("dns.records.create completes the name", made.name == "www.example.com" and made.proxiable is True)
    bodies = [
        {"type": "AAAA", "name": "www", "content": "2001:db8::1"},
        {"type": "CNAME", "name": "alias", "content": "www.example.com", "proxied": True},
        {"type": "TXT", "name": "@", "content": '"v=spf1 -all"'},
        {"type": "MX", "name": "@", "content": "mail.example.com", "priority": 10},
        {"type": "NS", "name": "sub", "content": "ns1.example.com"},
        {"type": "SRV", "name": "_sip._tcp", "data": {"priority": 1, "weight": 2, "port": 5060, "target": "sip.example.com"}},
        {"type": "CAA", "name": "@", "data": {"flags": 0, "tag": "issue", "value": "ca.example.com"}},
    ]
    rows = [made] + [kept.create(ttl=1, **body, **of) for body in bodies]
    check("of each type", [row.type for row in rows] == ["A"] + [body["type"] for body in bodies])
    check("dns.records.get", all(kept.get(row.id, **of) == row for row in rows))
    updated = kept.update(made.id, name="www.example.com", type="A", content="192.0.2.2", ttl=1, **of)
    check("dns.records.update replaces", updated.content == "192.0.2.2" and updated.comment is None)
    edited = kept.edit(made.id, name="www.example.com", type="A", ttl=60, comment="two", **of)
    check("dns.records.edit merges", (edited.content, edited.ttl, edited.comment) == ("192.0.2.2", 60, "two"))
    found = kept.list(name={"startswith": "www"}, type="A", order="name", direction="asc", **of)
    check("dns.records.list by its filters", [row.id for row in found] == [made.id])
    found = kept.list(content={"contains": "192.0.2"}, comment={"exact": "TWO"}, match="all", per_page=1, page=1, **of)
    check("and by others, in pages", [row.id for row in found] == [made.id])
    check("dns.records.list has each once", sorted(row.id for row in kept.list(**of)) == sorted(row.id for row in rows))
    check("a second CNAME is refused", refused(400, lambda: kept.create(name="www", type="CNAME", content="x.example.com", ttl=1, **of)))
    taken = app(8085, dns={"type": "ADDRESS", "name": "www.example.com"})
    check("and so is an app of that name", refused(400, lambda: client.spectrum.apps.create(**taken)))
    served = client.spectrum.apps.create(**app(8085))
    managed = [row for row in kept.list(name={"exact": "p8085.example.com"}, **of)]
    check("an app has its record", [(row.type, row.content) for row in managed] == [("A", EDGE)])
    check("which is read-only", refused(400, lambda: kept.delete(managed[0].id, **of)))
    client.spectrum.apps.delete(served.id, **of)
    check("and goes with it", refused(404, lambda: kept.get(managed[0].id, **of)))
    batch = kept.batch(deletes=[{"id": rows[1].id}], posts=[{"type": "TXT", "name": "b", "content": "x", "ttl": 1}], **of)
    check("dns.records.batch", batch.deletes[0].id == rows[1].id and batch.posts[0].name == "b.example.com")
    text = kept.export(**of)
    check("dns.records.export", "\nb.example.com.\t1\tIN\tTXT\t\"x\"" in text)
    made = kept.import_(file="imported 300 IN A 192.0.2.77 ; from a file\n", **of)
    check("dns.records.import", (made.recs_added, made.total_records_parsed) == (1, 1))
    found = [row.content for row in kept.list(comment={"exact": "from a file"}, **of)]
    check("and the record is there", found == ["192.0.2.77"])
    check("an export adds nothing where it comes from", kept.import_(file=text, **of).recs_added == 0)
    left = [row.id for row in kept.list(**of)]
    check("dns.records.delete answers the id", [kept.delete(each, **of).id for each in left] == left)
    check("the list of records is empty", list(kept.list(**of)) == [])


def tokens():
    groups = {group.name: group.id for group in client.user.tokens.permission_groups.list()}
    policy = {
        "effect": "allow",
        "permission_groups": [{"id": groups["Zone Settings Read"]}],
        "resources": {f"com.cloudflare.api.account.zone.{ZONE}": "*"},
    }
    made = client.user.tokens.create(name="reader", policies=[policy])
    reader = client.with_options(api_token=made.value)
    check("user.tokens.create makes a reader", list(reader.spectrum.apps.list(zone_id=ZONE)) == [])
    denied = refused(403, lambda: reader.spectrum.apps.create(**app(8099)))
    check("that may not write", denied)
    check("user.tokens.list and get", made.id in [each.id for each in client.user.tokens.list()] and client.user.tokens.get(made.id).name == "reader")
    renamed = client.user.tokens.update(made.id, name="reads", policies=[policy], status="active")
    check("user.tokens.update", renamed.name == "reads")
    value = client.user.tokens.value.update(made.id)
    check("user.tokens.value.update", refused(401, lambda: reader.zones.get(zone_id=ZONE)))
    reader = client.with_options(api_token=value)
    check("and the new value opens", reader.zones.get(zone_id=ZONE).id == ZONE)
    check("user.tokens.delete", client.user.tokens.delete(made.id).id == made.id)
    check("and it is worth nothing", refused(401, lambda: reader.zones.get(zone_id=ZONE)))


def audit():
    email, since = client.user.get().email, datetime.now(timezone.utc)
    made = client.spectrum.apps.create(**app(8086))
    client.spectrum.apps.delete(made.id, zone_id=ZONE)
    logs = {
        "audit_logs": lambda **ask: client.audit_logs.list(account_id=ACCOUNT, **ask),
        "user.audit_logs": client.user.audit_logs.list,
    }
    for name, ask in logs.items():
        rows = list(ask(since=since, zone={"name": "example.com"}, direction="asc"))
        told = [(row.action.type, row.resource.id, row.actor.email) for row in rows]
        check(f"{name}.list tells who did what", told == [("add", made.id, email), ("delete", made.id, email)])
        check("newest first and in pages of one", [row.id for row in ask(since=since, per_page=1)] == [row.id for row in reversed(rows)])
        found = list(ask(since=since, action={"type": "delete"}, actor={"email": email}, hide_user_logs=True))
        check("by its filters", [row.id for row in found] == [rows[1].id])
        check("one by its id", [row.id for row in ask(id=rows[0].id)] == [rows[0].id])
        check("and none before the changes", list(ask(since=since, before=rows[0].when)) == [])


def everything():
    """Each request is matched with the document's path that has the fewest parameters."""
    document = client.get("/openapi.json", cast_to=object)["paths"]
    known = {(verb.upper(), path): it["operationId"] for path, item in document.items() for verb, it in item.items() if verb != "servers"}
    patterns = [(re.compile(re.sub(r"{[^}]*}", "[^/]+", path)), path) for path in sorted(document, key=lambda path: path.count("{"))]
    paths = {(verb, next((path for pattern, path in patterns if pattern.fullmatch(way)), way)) for verb, way in asked}
    wanted = {name for name in known.values() if not name.startswith("byway_")}
    missed = wanted - ABSENT - {known.get(each) for each in paths}
    check(f"every operation that it has a method for was called, {' '.join(sorted(missed)) or len(wanted - ABSENT)}", not missed)
    check("and no other is said to be without one", ABSENT <= wanted)


for part in (tenants, apps, analytics, addressing, letters, certificates, dns, tokens, audit, everything):
    part()
print("done", flush=True)
