# The laboratory's edge with the API as its source of truth: a fresh store, one account, one zone, prefixes approved and bound.
# Sourced after edge.sh. Reads STATE, EDGE_NS, PREFIX4, PREFIX6. Calls over HTTP want `learn_api` first.

API_ZONE_NAME=example.com
# Spectrum's id among the services, the same on every box.
API_SPECTRUM=2db684ee7ca04e159946fd05b99e1bcd

# free_api_port: a port that is free on this host's loopback, so that the same URL leads to the API inside and outside.
free_api_port() {
    local port
    for port in 8480 $(seq 8481 8580); do
        ss -Hltn "sport = :$port" | grep -q . || { echo "$port"; return 0; }
    done
    return 1
}

# api_section PORT: what the boot config says instead of a table file. API_REQUESTS: how many a user may make in five minutes.
api_section() {
    printf '\n[api]\nstore = "%s/state/api.sqlite"\nlisten = "127.0.0.1:%s"\nsocket = "%s/run/api.sock"\n' "$STATE" "$1" "$STATE"
    printf 'requests_per_5min = %s\n' "${API_REQUESTS:-1200}"
}

# Whose key the laboratory has.
API_EMAIL=lab@example.com

# make_store: user with its key, account and root token, before byway starts; leaves STATE/api.token, api.key and api.json.
make_store() {
    "$(byway_bin)" admin init --config "$STATE/edge.toml" --email "$API_EMAIL" --account laboratory \
        --token-file "$STATE/api.token" --key-file "$STATE/api.key" >"$STATE/api.json"
}

# admin METHOD PATH [BODY]: a call over the admin socket; the result as JSON.
admin() { "$(byway_bin)" admin call --socket "$STATE/run/api.sock" "$@" | jq -ce .result; }

# fill_store: the zone and the two prefixes, approved and bound to Spectrum.
fill_store() {
    local account zone prefix id
    account=$(jq -r .account_id "$STATE/api.json")
    zone=$(admin POST /zones "{\"name\":\"$API_ZONE_NAME\",\"account\":{\"id\":\"$account\"}}" | jq -re .id) || return 1
    for prefix in "$PREFIX4" "$PREFIX6"; do
        id=$(admin POST "/accounts/$account/addressing/prefixes" "{\"cidr\":\"$prefix\",\"asn\":64496}" | jq -re .id) &&
            "$(byway_bin)" admin prefix approve "$id" --force --socket "$STATE/run/api.sock" >/dev/null &&
            admin POST "/accounts/$account/addressing/prefixes/$id/bindings" \
                "{\"cidr\":\"$prefix\",\"service_id\":\"$API_SPECTRUM\"}" >/dev/null || return 1
    done
    jq --arg zone "$zone" '. + {zone_id: $zone}' "$STATE/api.json" >"$STATE/api.new" && mv "$STATE/api.new" "$STATE/api.json"
}

# lead_to_api PORT: this host's loopback leads to the edge's, so that clients need not enter its namespace.
lead_to_api() {
    start_daemon api_door "$STATE/api_door.log" socat "TCP-LISTEN:$1,bind=127.0.0.1,fork,reuseaddr" \
        "EXEC:ip netns exec $EDGE_NS socat STDIO 'TCP:127.0.0.1:$1'"
}

# learn_api FILE: where the API is, and under which token and key, from the line that `lab.sh up --api` printed.
learn_api() {
    API_URL=$(jq -re .api_url "$1") && API_TOKEN=$(jq -re .api_token "$1") && API_KEY=$(jq -re .api_key "$1") || return 1
    API_APPS=/zones/$(jq -r .zone_id "$1")/spectrum/apps
    API_RULES=/zones/$(jq -r .zone_id "$1")/firewall/access_rules/rules
}

# api METHOD PATH [BODY]: the answer on one line, its status behind it.
api() {
    curl -sS --max-time 30 -X "$1" "$API_URL$2" -H "Authorization: Bearer $API_TOKEN" -H 'Content-Type: application/json' \
        ${3:+-d "$3"} -w ' %{http_code}\n'
}
api_result() { api "$@" | sed 's/ [0-9]*$//' | jq -ce .result; }
api_status() { api "$@" | sed 's/.* //'; }

# documented_app: the documentation's own call, with addresses replaced.
documented_app() {
    cat <<JSON
{"protocol":"tcp/80","dns":{"type":"ADDRESS","name":"www.example.com"},"origin_direct":["tcp://$ORIGIN4:80"],
 "proxy_protocol":false,"spp":false,"ip_firewall":true,"tls":"off","traffic_type":"direct",
 "edge_ips":{"type":"static","ips":["$EDGE_IP4","$EDGE_IP6"]}}
JSON
}
