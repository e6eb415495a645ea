# Access rules by ASN and country over a made database (tests/e2e/lab.mmdb), changed one by one while byway runs.
# Sourced by run.sh. The database: 203.0.113.0/24 is AS64496 in US, the clients' own nets are AS64500 in DE.

# The folder is readable for the user that byway becomes, since a reload looks at the database again.
geo_edge() {
    chmod 755 "$SCRATCH"
    install -m 644 "$ROOT/tests/e2e/lab.mmdb" "$SCRATCH/geo.mmdb"
    printf 'drain_s = 30\n[geo]\nasn = "%s"\ncountry = "%s"\n' "$SCRATCH/geo.mmdb" "$SCRATCH/geo.mmdb"
}

rules() { "$(byway_bin)" rules "$@" --socket "$STATE/run/byway.sock" 2>&1; }
verdict() {
    "$(byway_bin)" where --from "$1" --to "$EDGE_IP4:22" --json --socket "$STATE/run/byway.sock" | jq -r .match
}
blocked_reaches_ssh() { client timeout 5 nc -z -w 2 -s "$BLOCKED4" "$EDGE_IP4" 22; }
event_of() { grep -F "\"$1\"" "$STATE/run/events.jsonl" 2>/dev/null | tail -n 1; }

country_blocks() {
    rules remove "$BLOCKED4" --zone example.com >/dev/null
    holds "a rule of the table is taken away while byway runs" "" blocked_reaches_ssh
    holds "a country is blocked" "$(rules add block US --zone example.com)" not blocked_reaches_ssh
    wait_for 5 test -n "$(event_of BLOCK_COUNTRY)"
    is "its event names country and ASN" "US 64496 BLOCK_COUNTRY 403" \
        "$(event_of BLOCK_COUNTRY | jq -r '"\(.ClientCountry) \(.ClientAsn) \(.ClientMatchedIpFirewall) \(.Status)"')"
    is "where names the kind" BLOCK_COUNTRY "$(verdict "$BLOCKED4:4000")"
    holds "a client of another country comes in" "$CLIENT4" client nc -z -w 2 "$EDGE_IP4" 22
}

asn_lets_in() {
    rules add whitelist AS64496 --zone example.com >/dev/null
    holds "an allowed ASN beats its blocked country" "$(verdict "$BLOCKED4:4000")" blocked_reaches_ssh
    rules remove AS64496 --zone example.com >/dev/null
    is "and without it the country is blocked again" BLOCK_COUNTRY "$(verdict "$BLOCKED4:4000")"
}

# An IPv6 client whose session lives when its country is blocked: the session ends within a second.
live_session_is_filtered() {
    local pid started ended
    client sh -c "sleep 20 | nc -6 $EDGE_IP6 22" >/dev/null 2>&1 &
    pid=$!
    wait_for 5 has_session
    rules add block DE --zone example.com >/dev/null
    started=$(date +%s%N)
    wait_for 5 not has_session
    ended=$(date +%s%N)
    holds "a new block ends the session it matches within a second" "$(((ended - started) / 1000000)) ms" \
        test $((ended - started)) -lt 1000000000
    is "as clientFiltered, 403" "clientFiltered DE 403" \
        "$(grep -F clientFiltered "$STATE/run/events.jsonl" | tail -n 1 | jq -r '"\(.Event) \(.ClientCountry) \(.Status)"')"
    rules remove DE --zone example.com >/dev/null
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 0
}
rows_of_sessions() {
    "$(byway_bin)" show sessions --json --socket "$STATE/run/byway.sock" | jq '.sessions | length'
}
has_session() { [ "$(rows_of_sessions)" -gt 0 ]; }

rules_stay_over_a_restart() {
    "$ROOT/scripts/lab.sh" stop
    holds "a start reads the journal" "" "$ROOT/scripts/lab.sh" start
    wait_for 10 greets
    is "and the changed rules hold" "BLOCK_COUNTRY UNKNOWN" "$(verdict "$BLOCKED4:4000") $(verdict "$CLIENT4:4000")"
    is "the list says where a rule comes from" journal "$(rules list --json | jq -r '.rules[] | select(.value == "US").from')"
}
