"""The official Python SDK against a running byway, with strict validation of every reply and real connections after changes.

A line a check: "ok WHAT" or "FAIL WHAT"; "done" at the end. Everything that it needs comes by the environment.
"""

import os
import subprocess

import cloudflare
from cloudflare import Cloudflare

ZONE, ACCOUNT = os.environ["ZONE"], os.environ["ACCOUNT"]
EDGE, ORIGIN = os.environ["EDGE_IP4"], os.environ["ORIGIN4"]
client = Cloudflare(
    base_url=os.environ["API_URL"],
    api_token=os.environ["API_TOKEN"],
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
    for each in more:
        client.spectrum.apps.delete(each.id, zone_id=ZONE)
    check("spectrum.apps.delete answers the id", client.spectrum.apps.delete(made.id, zone_id=ZONE).id == made.id)
    check("and ends the traffic", not greets(8081))
    check("what is gone is NotFoundError", refused(404, lambda: client.spectrum.apps.get(made.id, zone_id=ZONE)))
    check("the list is empty", list(client.spectrum.apps.list(zone_id=ZONE)) == [])


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


tenants()
apps()
print("done", flush=True)
