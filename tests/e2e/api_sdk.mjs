// The official TypeScript SDK against a running byway, with real connections after changes. It does not check replies
// itself, so every field that is used is checked here. Every operation of byway's own document that the SDK has a method for
// is called, as in api_sdk.py.
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
// Operations that the SDK has no method for, beside byway's own (`byway_*`).
const ABSENT = [
  ...["list", "create", "get", "edit", "delete", "batch"].map((verb) => `user_access_rules_${verb}`),
  ...["zone_access_rules_batch", "account_access_rules_batch", "spectrum_apps_edit", "loa_documents_list", "loa_documents_delete"],
  ...["address_map_zones_update", "address_map_zones_delete", "openapi_get", "healthz", "readyz"],
];
// Method and path of each request.
const asked = new Set();
const noting = (url, init) => {
  asked.add(`${init.method.toUpperCase()} ${String(url).split("?")[0].replace(env.API_URL, "")}`);
  return fetch(url, init);
};
const client = new Cloudflare({ baseURL: env.API_URL, apiToken: env.API_TOKEN, maxRetries: 0, fetch: noting });
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
  check("user.get", (await client.user.get()).email.includes("@"));
  check("user.tokens.verify", (await client.user.tokens.verify()).status === "active");
  const second = await client.accounts.create({ name: "second", type: "standard" });
  const of = { account_id: second.id };
  check("accounts.create", (await ids(client.accounts.list())).includes(second.id));
  const made = await client.zones.create({ name: "second.example", account: { id: second.id } });
  check("zones.create", (await client.zones.get({ zone_id: made.id })).account.id === second.id);
  check("zones.edit says what it is", (await client.zones.edit({ zone_id: made.id, type: "full" })).id === made.id);
  check("and nothing else", await refused(400, () => client.zones.edit({ zone_id: made.id, type: "partial" })));
  check("an account with a zone stays", await refused(400, () => client.accounts.delete(of)));
  check("zones.delete answers the id", (await client.zones.delete({ zone_id: made.id })).id === made.id);
  check("accounts.delete answers the id", (await client.accounts.delete(of)).id === second.id);
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
  await userRules(8081);
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
  const bare = { ...zone, since, filters: ask.filters };
  const whole = ["count", "bytesIngress", "bytesEgress", "durationAvg", "durationMedian", "duration90th", "duration99th"];
  const sums = await events.summaries.get(bare);
  check("without metrics all of them", same(sums.query.metrics, whole) && same(Object.keys(sums.totals), whole));
  const [from, until] = [sums.query.since, sums.query.until].map((text) => Date.parse(text));
  check("and echoes the range", from <= Date.parse(since) && Date.parse(since) < until && sums.data_lag < 60 && sums.rows === 1);
  const fine = await events.bytimes.get({ ...bare, metrics: ask.metrics, time_delta: "minute" });
  const lists = fine.data[0].metrics;
  check("bytimes.get has a list a metric over its intervals", lists.every((each) => each.length === fine.time_intervals.length));
  const sum = (list) => list.reduce((left, right) => left + right, 0);
  check("with the same sums", lists.every((each, at) => sum(each) === sums.totals[ask.metrics[at]]));
  for (const time_delta of ["year", "quarter", "month", "week", "day", "hour", "dekaminute"]) {
    const told = await events.bytimes.get({ ...bare, metrics: ["count"], time_delta });
    check(`by ${time_delta}`, sum(told.data[0].metrics[0]) === 10);
  }
  const current = await aggregates.currents.get({ ...zone, appID: made.id });
  check("aggregates.currents.get", current.length === 1 && current[0].connections === 5 && current[0].bytesEgress > 0);
  check("a bad filter is BadRequestError", await refused(400, () => events.summaries.get({ ...zone, filters: "count>1" })));
  check("protocols.list", (await all(client.spectrum.protocols.list(zone))).some((row) => row.name === "tcp"));
  await client.spectrum.apps.delete(made.id, zone);
  const left = await counts();
  check("and a removed app's rows stay", left.connect === 5 && left.disconnect === 5);
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

// The SDK has no method for rules of a user; its plain verbs lead there.
async function userRules(port) {
  const path = "/user/firewall/access_rules/rules";
  const rule = (await client.post(path, { body: { configuration: { target: "ip", value: env.CLIENT4 }, mode: "block" } })).result;
  check("a rule of the user is in force", rule.scope.type === "user" && !greets(port));
  check("and is listed", same((await client.get(path)).result.map((each) => each.id), [rule.id]));
  await client.patch(`${path}/${rule.id}`, { body: { mode: "whitelist" } });
  check("and edited", (await client.get(`${path}/${rule.id}`)).result.mode === "whitelist" && greets(port));
  check("and goes", (await client.delete(`${path}/${rule.id}`)).result.id === rule.id && (await client.get(path)).result.length === 0);
}

async function addressing() {
  const { prefixes, services, addressMaps } = client.addressing;
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
  check("bgpPrefixes.delete", (await prefixes.bgpPrefixes.delete(route.id, of)).success === true);
  const again = await prefixes.bgpPrefixes.create(prefix.id, { ...account, cidr: prefix.cidr });
  check("bgpPrefixes.create, withdrawn", again.on_demand.advertised === false && again.cidr === prefix.cidr);
  const inner = await prefixes.create({ ...account, cidr: "203.0.113.0/24", asn: 64497 });
  check("prefixes.create is pending", inner.approved === "P");
  check("prefixes.validate", (await prefixes.validate(inner.id, { ...account, body: {} })).id === inner.id);
  check("prefixes.delete", (await prefixes.delete(inner.id, account)).success === true);
  check("delegations.list is empty", (await all(prefixes.delegations.list(prefix.id, account))).length === 0);
  const friend = await client.accounts.create({ name: "friend", type: "standard" });
  const range = { ...account, cidr: "198.51.100.128/25", delegated_account_id: friend.id };
  const lent = await prefixes.delegations.create(prefix.id, range);
  check("delegations.create and list", same(await ids(prefixes.delegations.list(prefix.id, account)), [lent.id]));
  check("delegations.delete", (await prefixes.delegations.delete(lent.id, of)).id === lent.id);
  await client.accounts.delete({ account_id: friend.id });
  await maps(addressMaps);
}

async function maps(addressMaps) {
  const memberships = [{ kind: "zone", identifier: ZONE }];
  const kept = await addressMaps.create({ ...account, description: "one", enabled: true, memberships });
  check("addressMaps.create and get", (await addressMaps.get(kept.id, account)).description === "one");
  check("addressMaps.list", (await ids(addressMaps.list(account))).includes(kept.id));
  const inMap = { ...account, address_map_id: kept.id };
  check("addressMaps.ips.update", (await addressMaps.ips.update(EDGE, { ...inMap, body: {} })).success === true);
  check("addressMaps.accounts.update", (await addressMaps.accounts.update(ACCOUNT, { ...inMap, body: {} })).success === true);
  const full = await addressMaps.get(kept.id, account);
  const kinds = full.memberships.map((each) => each.kind);
  check("and it has them", same(full.ips.map((each) => each.ip), [EDGE]) && same(kinds, ["account", "zone"]));
  check("addressMaps.accounts.delete", (await addressMaps.accounts.delete(ACCOUNT, inMap)).success === true);
  check("addressMaps.ips.delete", (await addressMaps.ips.delete(EDGE, inMap)).success === true);
  check("an enabled map stays", await refused(400, () => addressMaps.delete(kept.id, account)));
  check("addressMaps.edit", (await addressMaps.edit(kept.id, { ...account, enabled: false })).enabled === false);
  check("addressMaps.delete", (await addressMaps.delete(kept.id, account)).success === true);
}

// On an account of its own, so that nothing of it is left.
async function letters() {
  const { prefixes, loaDocuments } = client.addressing;
  const of = { account_id: (await client.accounts.create({ name: "letters", type: "standard" })).id };
  const text = "%PDF-1.4 letter of authorisation";
  const made = await loaDocuments.create({ ...of, loa_document: text });
  check("loaDocuments.create", made.account_id === of.account_id && made.size_bytes === text.length && made.verified === false);
  check("loaDocuments.get gives it back", (await (await loaDocuments.get(made.id, of)).text()) === text);
  const prefix = await prefixes.create({ ...of, cidr: "203.0.113.0/24", asn: 64497, loa_document_id: made.id });
  check("a prefix names it", (await prefixes.get(prefix.id, of)).loa_document_id === made.id);
  const path = `/accounts/${of.account_id}/addressing/loa_documents/${made.id}`;
  check("one that a prefix names stays", await refused(400, () => client.delete(path)));
  await prefixes.delete(prefix.id, of);
  check("and goes after it", (await client.delete(path)).result.id === made.id);
  check("with its account", (await client.accounts.delete(of)).id === of.account_id);
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
  const again = await kept.edit(made.id, { ...zone, certificate, private_key, bundle_method: "force" });
  check("customCertificates.edit", again.id === made.id && again.status === "active" && again.bundle_method === "force");
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
  for (const row of rows) check(`dns.records.get of ${row.type}`, (await kept.get(row.id, zone)).content === row.content);
  const put = await kept.update(rows[0].id, { ...zone, type: "A", name: "www.example.com", content: "192.0.2.2", ttl: 1 });
  check("dns.records.update replaces", put.content === "192.0.2.2" && put.comment === null);
  const edited = await kept.edit(rows[0].id, { ...zone, type: "A", name: "www.example.com", ttl: 60 });
  check("dns.records.edit merges", edited.content === "192.0.2.2" && edited.ttl === 60);
  const found = await ids(kept.list({ ...zone, name: { startswith: "www" }, type: "A", order: "name", direction: "asc" }));
  check("dns.records.list by its filters", same(found, [rows[0].id]));
  const others = { content: { contains: "192.0.2" }, type: "A", match: "all", per_page: 1, page: 1 };
  check("and by others, in pages", same(await ids(kept.list({ ...zone, ...others })), [rows[0].id]));
  check("and each once in pages of three", same(await ids(kept.list({ ...zone, per_page: 3, page: 1 })), rows.map((row) => row.id)));
  check("a second CNAME is refused", await refused(400, () => kept.create({ ...zone, type: "CNAME", name: "www", content: "x.example.com", ttl: 1 })));
  const taken = app(8085, { dns: { type: "ADDRESS", name: "www.example.com" } });
  check("and so is an app of that name", await refused(400, () => client.spectrum.apps.create(taken)));
  const served = await client.spectrum.apps.create(app(8085));
  const [managed] = await all(kept.list({ ...zone, name: { exact: "p8085.example.com" } }));
  check("an app has its record", managed.type === "A" && managed.content === EDGE);
  check("which is read-only", await refused(400, () => kept.delete(managed.id, zone)));
  await client.spectrum.apps.delete(served.id, zone);
  check("and goes with it", await refused(404, () => kept.get(managed.id, zone)));
  const batch = await kept.batch({ ...zone, deletes: [{ id: rows[1].id }], posts: [{ type: "TXT", name: "b", content: "x", ttl: 1 }] });
  check("dns.records.batch", batch.deletes[0].id === rows[1].id && batch.posts[0].name === "b.example.com");
  const text = await kept.export(zone);
  check("dns.records.export", text.includes('\nb.example.com.\t1\tIN\tTXT\t"x"'));
  const read = await kept.import({ ...zone, file: "imported 300 IN A 192.0.2.77 ; from a file\n" });
  check("dns.records.import", read.recs_added === 1 && read.total_records_parsed === 1);
  const there = await all(kept.list({ ...zone, comment: { exact: "from a file" } }));
  check("and the record is there", same(there.map((row) => row.content), ["192.0.2.77"]));
  check("an export adds nothing where it comes from", (await kept.import({ ...zone, file: text })).recs_added === 0);
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
  const renamed = await kept.update(made.id, { name: "looker", policies: [policy], status: "active" });
  check("user.tokens.update", renamed.name === "looker");
  const rolled = await kept.value.update(made.id);
  check("user.tokens.value.update rolls it", typeof rolled === "string" && rolled !== made.value);
  const reader = new Cloudflare({ baseURL: env.API_URL, apiToken: rolled, maxRetries: 0 });
  check("a reader reads", (await all(reader.spectrum.apps.list(zone))).length === 0);
  check("and may not write", await refused(403, () => reader.spectrum.apps.create(app(8099))));
  check("user.tokens.delete", (await kept.delete(made.id)).id === made.id);
  check("and it is worth nothing", await refused(401, () => reader.zones.get(zone)));
}

async function audit() {
  const { email } = await client.user.get();
  const since = new Date().toISOString();
  const made = await client.spectrum.apps.create(app(8086));
  await client.spectrum.apps.delete(made.id, zone);
  const logs = {
    auditLogs: (ask) => client.auditLogs.list({ ...account, ...ask }),
    "user.auditLogs": (ask) => client.user.auditLogs.list(ask),
  };
  for (const [name, ask] of Object.entries(logs)) {
    const rows = await all(ask({ since, zone: { name: "example.com" }, direction: "asc" }));
    const told = rows.map((row) => [row.action.type, row.resource.id, row.actor.email]);
    const wanted = [["add", made.id, email], ["delete", made.id, email]];
    check(`${name}.list tells who did what`, JSON.stringify(told) === JSON.stringify(wanted));
    const [added, gone] = rows.map((row) => row.id);
    const paged = await ids(ask({ since, per_page: 1 }));
    check("newest first and in pages of one", JSON.stringify(paged) === JSON.stringify([gone, added]));
    const found = await ids(ask({ since, action: { type: "delete" }, actor: { email }, hide_user_logs: true }));
    check("by its filters", same(found, [gone]));
    check("one by its id", same(await ids(ask({ id: added })), [added]));
    check("and none before the changes", (await all(ask({ since, before: rows[0].when }))).length === 0);
  }
}

// Each request is matched with the document's path that has the fewest parameters.
async function everything() {
  const { paths } = await client.get("/openapi.json");
  const width = (path) => path.split("{").length;
  const pattern = (path) => new RegExp(`^${path.replaceAll(/{[^}]*}/g, "[^/]+")}$`);
  const patterns = Object.keys(paths).sort((left, right) => width(left) - width(right)).map((path) => [path, pattern(path)]);
  const name = (request) => {
    const [method, way] = request.split(" ");
    const [path] = patterns.find(([, each]) => each.test(way)) ?? [];
    return paths[path]?.[method.toLowerCase()]?.operationId;
  };
  const named = Object.values(paths).flatMap((item) => Object.values(item).map((operation) => operation.operationId));
  const wanted = named.filter((id) => id !== undefined && !id.startsWith("byway_"));
  const called = [...asked].map(name);
  const missed = wanted.filter((id) => !ABSENT.includes(id) && !called.includes(id));
  const told = missed.join(" ") || wanted.length - ABSENT.length;
  check(`every operation that it has a method for was called, ${told}`, missed.length === 0);
  check("and no other is said to be without one", ABSENT.every((id) => wanted.includes(id)));
}

for (const part of [tenants, apps, analytics, addressing, letters, certificates, dns, tokens, audit, everything]) {
  try {
    await part();
  } catch (error) {
    check(`${part.name} comes to its end`, false);
    console.error(error);
  }
}
console.log("done");
