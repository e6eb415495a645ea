// The official TypeScript SDK against a running byway, with real connections after changes. It does not check replies
// itself, so every field that is used is checked here.
//
// A line a check: "ok WHAT" or "FAIL WHAT"; "done" at the end. Everything that it needs comes by the environment.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const env = process.env;
const { default: Cloudflare } = createRequire(join(env.SDK_FOLDER, "package.json"))("cloudflare");
const [ZONE, ACCOUNT, EDGE, ORIGIN] = [env.ZONE, env.ACCOUNT, env.EDGE_IP4, env.ORIGIN4];
const client = new Cloudflare({ baseURL: env.API_URL, apiToken: env.API_TOKEN, maxRetries: 0 });
const CERTS = join(fileURLToPath(new URL(".", import.meta.url)), "..", "certs");
const zone = { zone_id: ZONE };
const account = { account_id: ACCOUNT };

const check = (what, holds) => console.log(holds ? "ok" : "FAIL", what);

const all = async (pages) => {
  const rows = [];
  for await (const row of pages) rows.push(row);
  return rows;
};

const ids = async (pages) => (await all(pages)).map((row) => row.id);

const same = (left, right) => JSON.stringify([...left].sort()) === JSON.stringify([...right].sort());

const refused = async (status, call) => {
  try {
    await call();
  } catch (error) {
    return error instanceof Cloudflare.APIError && error.status === status;
  }
  return false;
};

const fetched = (...words) => {
  try {
    const said = execFileSync("ip", ["netns", "exec", env.CLIENT_NS, "curl", "-sS", "--max-time", "3", ...words]);
    return said.toString().trim() === "hello from the origin";
  } catch {
    return false;
  }
};

const greets = (port) => fetched(`http://${EDGE}:${port}/`);

const app = (port, more = {}) => ({
  ...zone,
  protocol: `tcp/${port}`,
  dns: { type: "ADDRESS", name: `p${port}.example.com` },
  origin_direct: [`tcp://${ORIGIN}:80`],
  traffic_type: "direct",
  edge_ips: { type: "static", ips: [EDGE] },
  ...more,
});

async function tenants() {
  check("zones.list finds the zone by name", same(await ids(client.zones.list({ name: "example.com" })), [ZONE]));
  check("zones.get", (await client.zones.get(zone)).account.id === ACCOUNT);
  check("accounts.list", (await ids(client.accounts.list())).includes(ACCOUNT));
  check("accounts.get", (await client.accounts.get(account)).id === ACCOUNT);
  check("user.get", typeof (await client.user.get()).id === "string");
  check("user.tokens.verify", (await client.user.tokens.verify()).status === "active");
}

async function apps() {
  const kept = client.spectrum.apps;
  const made = await kept.create(app(8080));
  check("spectrum.apps.create", made.tls === "off" && !Number.isNaN(Date.parse(made.created_on)));
  check("and carries traffic at once", greets(8080));
  check("spectrum.apps.get", (await kept.get(made.id, zone)).id === made.id);
  const more = [];
  for (let number = 0; number < 25; number += 1) more.push((await kept.create(app(9000 + number))).id);
  check("spectrum.apps.list by its pager has each app once", same(await ids(kept.list(zone)), [made.id, ...more]));
  const paged = await ids(kept.list({ ...zone, per_page: 10, page: 1, order: "protocol", direction: "desc" }));
  check("and in pages of ten", same(paged, [made.id, ...more]));
  const updated = await kept.update(made.id, app(8081, { ip_firewall: true }));
  check("spectrum.apps.update", updated.protocol === "tcp/8081" && updated.ip_firewall === true);
  check("and moves the traffic", greets(8081) && !greets(8080));
  check("a bad app is BadRequestError", await refused(400, () => kept.create(app(8081))));
  await rules(8081);
  for (const each of more) await kept.delete(each, zone);
  check("spectrum.apps.delete answers the id", (await kept.delete(made.id, zone)).id === made.id);
  check("and ends the traffic", !greets(8081));
  check("what is gone is NotFoundError", await refused(404, () => kept.get(made.id, zone)));
  check("the list is empty", (await all(kept.list(zone))).length === 0);
}

async function analytics() {
  const { aggregates, events } = client.spectrum.analytics;
  const made = await client.spectrum.apps.create(app(8085));
  check("five connections", [1, 2, 3, 4, 5].every(() => greets(8085)));
  const since = new Date(Date.now() - 300_000).toISOString();
  const ask = { ...zone, since, metrics: ["count", "bytesEgress"], dimensions: ["event"], sort: ["-count"], filters: `appID==${made.id}` };
  const counts = async () => Object.fromEntries((await events.summaries.get(ask)).data.map((row) => [row.dimensions[0], row.metrics[0]]));
  let told = {};
  for (let tries = 0; tries < 50 && !(told.connect === 5 && told.disconnect === 5); tries += 1) {
    await new Promise((done) => setTimeout(done, 200));
    told = await counts();
  }
  check("analytics.events.summaries.get counts them", told.connect === 5 && told.disconnect === 5);
  const fine = await events.bytimes.get({ ...ask, time_delta: "minute" });
  const lists = fine.data.flatMap((row) => row.metrics);
  check("bytimes.get has a list a metric over its intervals", lists.every((each) => each.length === fine.time_intervals.length));
  const current = await aggregates.currents.get({ ...zone, appID: made.id });
  check("aggregates.currents.get", current.length === 1 && current[0].connections === 5);
  check("protocols.list", (await all(client.spectrum.protocols.list(zone))).some((row) => row.name === "tcp"));
  await client.spectrum.apps.delete(made.id, zone);
}

async function rules(port) {
  const kept = client.firewall.accessRules;
  const configuration = { target: "ip", value: env.CLIENT4 };
  for (const scope of [zone, account]) {
    const name = Object.keys(scope)[0];
    const rule = await kept.create({ configuration, mode: "block", notes: "typescript", ...scope });
    check(`accessRules.create with ${name} is in force`, !greets(port));
    check("accessRules.get", (await kept.get(rule.id, scope)).mode === "block");
    const edited = await kept.edit(rule.id, { configuration, mode: "whitelist", ...scope });
    check("accessRules.edit is in force", edited.mode === "whitelist" && greets(port));
    const found = await ids(kept.list({ configuration: { target: "ip" }, mode: "whitelist", ...scope }));
    check("accessRules.list by its filters", same(found, [rule.id]));
    check("accessRules.delete", (await kept.delete(rule.id, scope)).id === rule.id);
  }
}

async function addressing() {
  const { prefixes, services, addressMaps, loaDocuments } = client.addressing;
  const listed = await all(prefixes.list(account));
  const prefix = listed.find((each) => each.cidr === "198.51.100.0/24");
  check("addressing.prefixes.list has both, approved", listed.length === 2 && listed.every((each) => each.approved === "V"));
  check("prefixes.get", (await prefixes.get(prefix.id, account)).asn === 64496);
  const edited = await prefixes.edit(prefix.id, { ...account, description: "laboratory" });
  check("prefixes.edit", edited.description === "laboratory");
  const known = Object.fromEntries((await all(services.list(account))).map((each) => [each.name, each.id]));
  check("addressing.services.list", "Spectrum" in known && "CDN" in known);
  const bound = await all(prefixes.serviceBindings.list(prefix.id, account));
  check("serviceBindings.list has the default", bound.length === 1 && bound[0].cidr === prefix.cidr);
  const made = await prefixes.serviceBindings.create(prefix.id, { ...account, cidr: "198.51.100.64/28", service_id: known.CDN });
  const of = { ...account, prefix_id: prefix.id };
  check("serviceBindings.create and get", (await prefixes.serviceBindings.get(made.id, of)).service_name === "CDN");
  const elsewhere = app(8090, { edge_ips: { type: "static", ips: ["198.51.100.65"] } });
  check("no app on another service's address", await refused(400, () => client.spectrum.apps.create(elsewhere)));
  check("serviceBindings.delete answers the bare envelope", (await prefixes.serviceBindings.delete(made.id, of)).success === true);
  const [route] = await all(prefixes.bgpPrefixes.list(prefix.id, account));
  check("bgpPrefixes.list and get, withdrawn", (await prefixes.bgpPrefixes.get(route.id, of)).on_demand.advertised === false);
  const up = await prefixes.bgpPrefixes.edit(route.id, { ...of, on_demand: { advertised: true } });
  check("bgpPrefixes.edit advertises", up.on_demand.advertised === true);
  check("advertisementStatus.get", (await prefixes.advertisementStatus.get(prefix.id, account)).advertised === true);
  const down = await prefixes.advertisementStatus.edit(prefix.id, { ...account, advertised: false });
  check("advertisementStatus.edit withdraws", down.advertised === false);
  const inner = await prefixes.create({ ...account, cidr: "203.0.113.0/24", asn: 64497 });
  check("prefixes.create is pending", inner.approved === "P");
  check("prefixes.validate", (await prefixes.validate(inner.id, { ...account, body: {} })).id === inner.id);
  check("prefixes.delete", (await prefixes.delete(inner.id, account)).success === true);
  check("delegations.list is empty", (await all(prefixes.delegations.list(prefix.id, account))).length === 0);
  const kept = await addressMaps.create({ ...account, description: "one", enabled: true });
  check("addressMaps.create and get", (await addressMaps.get(kept.id, account)).description === "one");
  check("addressMaps.list", (await ids(addressMaps.list(account))).includes(kept.id));
  const inMap = { ...account, address_map_id: kept.id };
  check("addressMaps.ips.update", (await addressMaps.ips.update(EDGE, { ...inMap, body: {} })).success === true);
  check("addressMaps.ips.delete", (await addressMaps.ips.delete(EDGE, inMap)).success === true);
  check("an enabled map stays", await refused(400, () => addressMaps.delete(kept.id, account)));
  await addressMaps.edit(kept.id, { ...account, enabled: false });
  check("addressMaps.delete", (await addressMaps.delete(kept.id, account)).success === true);
  const loa = await loaDocuments.create({ ...account, loa_document: "%PDF-1.4\n%%EOF\n" });
  check("loaDocuments.create", typeof loa.id === "string");
}

async function certificates() {
  const kept = client.customCertificates;
  const [certificate, private_key] = ["edge.pem", "edge.key"].map((name) => readFileSync(join(CERTS, name), "ascii"));
  const made = await kept.create({ ...zone, certificate, private_key });
  check("customCertificates.create", made.status === "active" && made.hosts.includes("lab.example.com"));
  const served = await client.spectrum.apps.create(app(8443, { tls: "flexible", dns: { type: "ADDRESS", name: "lab.example.com" } }));
  const words = ["--cacert", join(CERTS, "ca.pem"), "--resolve", `lab.example.com:8443:${EDGE}`, "https://lab.example.com:8443/"];
  check("and is in force for new handshakes", fetched(...words));
  check("customCertificates.list and get", same(await ids(kept.list(zone)), [(await kept.get(made.id, zone)).id]));
  check("customCertificates.edit", (await kept.edit(made.id, { ...zone, bundle_method: "force" })).bundle_method === "force");
  const [first] = await all(kept.prioritize.update({ ...zone, certificates: [{ id: made.id, priority: 3 }] }));
  check("customCertificates.prioritize", first.priority === 3);
  check("one in use stays", await refused(400, () => kept.delete(made.id, zone)));
  await client.spectrum.apps.delete(served.id, zone);
  check("customCertificates.delete", (await kept.delete(made.id, zone)).id === made.id);
}

async function dns() {
  const kept = client.dns.records;
  const bodies = [
    { type: "A", name: "www", content: "192.0.2.1", comment: "one", tags: ["team:edge"] },
    { type: "AAAA", name: "www", content: "2001:db8::1" },
    { type: "CNAME", name: "alias", content: "www.example.com", proxied: true },
    { type: "TXT", name: "@", content: '"v=spf1 -all"' },
    { type: "MX", name: "@", content: "mail.example.com", priority: 10 },
    { type: "NS", name: "sub", content: "ns1.example.com" },
    { type: "SRV", name: "_sip._tcp", data: { priority: 1, weight: 2, port: 5060, target: "sip.example.com" } },
    { type: "CAA", name: "@", data: { flags: 0, tag: "issue", value: "ca.example.com" } },
  ];
  const rows = [];
  for (const body of bodies) rows.push(await kept.create({ ...zone, ttl: 1, ...body }));
  check("dns.records.create of each type", same(rows.map((row) => row.type), bodies.map((body) => body.type)));
  check("names are completed", rows[0].name === "www.example.com" && rows[3].name === "example.com");
  check("meta and proxiable are there", rows.every((row) => typeof row.meta === "object" && typeof row.proxiable === "boolean"));
  check("dns.records.get", (await kept.get(rows[0].id, zone)).content === "192.0.2.1");
  const put = await kept.update(rows[0].id, { ...zone, type: "A", name: "www.example.com", content: "192.0.2.2", ttl: 1 });
  check("dns.records.update replaces", put.content === "192.0.2.2" && put.comment === null);
  const edited = await kept.edit(rows[0].id, { ...zone, type: "A", name: "www.example.com", ttl: 60 });
  check("dns.records.edit merges", edited.content === "192.0.2.2" && edited.ttl === 60);
  const found = await ids(kept.list({ ...zone, name: { startswith: "www" }, type: "A", order: "name", direction: "asc" }));
  check("dns.records.list by its filters", same(found, [rows[0].id]));
  check("and each once in pages of three", same(await ids(kept.list({ ...zone, per_page: 3, page: 1 })), rows.map((row) => row.id)));
  check("a second CNAME is refused", await refused(400, () => kept.create({ ...zone, type: "CNAME", name: "www", content: "x.example.com", ttl: 1 })));
  const served = await client.spectrum.apps.create(app(8085));
  const [managed] = await all(kept.list({ ...zone, name: { exact: "p8085.example.com" } }));
  check("an app has its record", managed.type === "A" && managed.content === EDGE);
  check("which is read-only", await refused(400, () => kept.delete(managed.id, zone)));
  await client.spectrum.apps.delete(served.id, zone);
  const batch = await kept.batch({ ...zone, deletes: [{ id: rows[1].id }], posts: [{ type: "TXT", name: "b", content: "x", ttl: 1 }] });
  check("dns.records.batch", batch.deletes[0].id === rows[1].id && batch.posts[0].name === "b.example.com");
  for (const id of await ids(kept.list(zone))) await kept.delete(id, zone);
  check("dns.records.delete leaves none", (await all(kept.list(zone))).length === 0);
}

async function tokens() {
  const kept = client.user.tokens;
  const groups = Object.fromEntries((await all(kept.permissionGroups.list())).map((each) => [each.name, each.id]));
  const policy = {
    effect: "allow",
    permission_groups: [{ id: groups["Zone Settings Read"] }],
    resources: { [`com.cloudflare.api.account.zone.${ZONE}`]: "*" },
  };
  const made = await kept.create({ name: "reader", policies: [policy] });
  check("user.tokens.create and get", (await kept.get(made.id)).name === "reader");
  check("user.tokens.list", (await ids(kept.list())).includes(made.id));
  const renamed = await kept.update(made.id, { name: "looker", policies: [policy] });
  check("user.tokens.update", renamed.name === "looker");
  const rolled = await kept.value.update(made.id);
  check("user.tokens.value.update rolls it", typeof rolled === "string" && rolled !== made.value);
  const reader = new Cloudflare({ baseURL: env.API_URL, apiToken: rolled, maxRetries: 0 });
  check("a reader reads", (await all(reader.spectrum.apps.list(zone))).length === 0);
  check("and may not write", await refused(403, () => reader.spectrum.apps.create(app(8099))));
  check("user.tokens.delete", (await kept.delete(made.id)).id === made.id);
  check("and it is worth nothing", await refused(401, () => reader.zones.get(zone)));
}

for (const part of [tenants, apps, analytics, addressing, certificates, dns, tokens]) {
  try {
    await part();
  } catch (error) {
    check(`${part.name} comes to its end`, false);
    console.error(error);
  }
}
console.log("done");
