# The API over TLS on an address that is not loopback, by real clients over a wire of its own. Sourced by run.sh after api.sh
# and tls.sh.

# The wire between the client and the edge's kernel, which carries nothing of the edge's.
API_CLIENT4=198.18.2.2 API_EDGE4=198.18.2.1 API_TLS_PORT=8443

# Leaves byway as it was.
api_over_tls() {
    local config=$STATE/edge.toml url=$API_URL
    CERTS=$STATE/api-certs
    bash "$ROOT/tests/certs/make.sh" "$CERTS" api "IP:$API_EDGE4" && chmod 644 "$CERTS/api.key" && lay_api_wire ||
        { fail "$SUITE: tls: a wire and a certificate"; return 1; }
    has_python_sdk && has_typescript_sdk || return 1
    "$ROOT/scripts/lab.sh" stop
    cp "$config" "$config.before"
    api_listens_elsewhere
    api_is_refused_at_start
    api_listens_elsewhere "certificate = \"$CERTS/api.pem\"" "key = \"$CERTS/api.key\""
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: tls: byway starts"; return 1; }
    API_URL=https://$API_EDGE4:$API_TLS_PORT/client/v4
    api_tls_versions
    api_tls_strangers
    api_tls_sdks
    "$ROOT/scripts/lab.sh" stop
    api_listens_elsewhere 'plain = true'
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: tls: byway starts without"; return 1; }
    API_URL=http://$API_EDGE4:$API_TLS_PORT/client/v4
    is "tls: where plain = true is said, it is served without" "200 1.1" "$(api_over)"
    "$ROOT/scripts/lab.sh" stop
    mv "$config.before" "$config"
    API_URL=$url
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: tls: byway starts on loopback again"; return 1; }
    is "tls: and on loopback again" 200 "$(api_status GET "$API_APPS")"
}

# lay_api_wire: the edge's kernel answers no ARP, so the client knows its hardware address.
lay_api_wire() {
    make_wire "$CLIENT_NS" api0 "$EDGE_NS" api1 1500 &&
        ip -n "$CLIENT_NS" addr add "$API_CLIENT4/24" dev api0 && ip -n "$EDGE_NS" addr add "$API_EDGE4/24" dev api1 &&
        ip -n "$CLIENT_NS" neigh replace "$API_EDGE4" dev api0 lladdr "$(in_ns "$EDGE_NS" cat /sys/class/net/api1/address)"
}

# api_listens_elsewhere [LINE...]: the boot config with the API on the wire, and lines of `[api]` behind that.
api_listens_elsewhere() {
    {
        sed '/^\[api\]/,$d' "$STATE/edge.toml.before"
        sed -n '/^\[api\]/,$p' "$STATE/edge.toml.before" | sed "s/^listen = .*/listen = \"$API_EDGE4:$API_TLS_PORT\"/;2r"<(printf '%s\n' "$@")
    } >"$STATE/edge.toml"
}

# api_over [OPTIONS]: status and HTTP version of a call over the wire.
api_over() {
    client curl -sS -o /dev/null --max-time 10 "$API_URL$API_APPS" -H "Authorization: Bearer $API_TOKEN" -w '%{http_code} %{http_version}' "$@"
}
# api_over_fails [OPTIONS]: curl's exit code for it.
api_over_fails() { api_over "$@" >/dev/null 2>&1; echo $?; }

# The boot config as it is: an address that is not loopback, and neither TLS nor a word about it.
api_is_refused_at_start() {
    local words
    words=$(in_ns "$EDGE_NS" timeout 20 "$(byway_bin)" run --config "$STATE/edge.toml" 2>&1)
    is "tls: without it, an address that is not loopback is refused at start" 1 "$?" "$(grep -m 1 listen <<<"$words")"
    is "tls: by name, with what would help" 1 "$(grep -c 'api\.listen.*is not loopback.*certificate.*plain = true' <<<"$words")"
    not "$(byway_bin)" check --config "$STATE/edge.toml" >/dev/null && pass "$SUITE: tls: and by check"
    api_listens_elsewhere "certificate = \"$CERTS/gone.pem\"" "key = \"$CERTS/api.key\""
    words=$(in_ns "$EDGE_NS" timeout 20 "$(byway_bin)" run --config "$STATE/edge.toml" 2>&1)
    is "tls: so is a certificate that is not there" 1 "$?" "$(grep -m 1 -o 'gone.pem.*' <<<"$words")"
}

api_tls_versions() {
    local ca=(--cacert "$CERTS/ca.pem") old words
    is "tls: HTTP/2 by ALPN" "200 2" "$(api_over "${ca[@]}" --http2)"
    is "tls: HTTP/1.1" "200 1.1" "$(api_over "${ca[@]}" --http1.1)"
    is "tls: HTTP/1.1 where the client offers nothing by ALPN" "200 1.1" "$(api_over "${ca[@]}" --no-alpn)"
    is "tls: 1.3, and 1.2" "200 2 200 2" "$(api_over "${ca[@]}" --tlsv1.3) $(api_over "${ca[@]}" --tls-max 1.2)"
    # openssl offers the old versions at security level 0 only; what counts is that the refusal is the server's.
    for old in tls1 tls1_1; do
        words=$(client timeout 10 openssl s_client -connect "$API_EDGE4:$API_TLS_PORT" -"$old" -cipher DEFAULT@SECLEVEL=0 2>&1 </dev/null)
        holds "tls: $old is refused" "$(grep -m 1 -o 'alert [a-z ]*:' <<<"$words")" \
            grep -Eq 'alert (protocol version|handshake failure):.*SSL alert number' <<<"$words"
    done
}

api_tls_strangers() {
    local code plain=http://$API_EDGE4:$API_TLS_PORT/client/v4
    is "tls: a client that knows the authority not goes no further" "60 60" \
        "$(api_over_fails) $(api_over_fails --cacert "$ROOT/tests/certs/ca.pem")"
    printf 'GET / HTTP/1.1\r\nHost: api\r\n\r\n' | client timeout 8 nc "$API_EDGE4" "$API_TLS_PORT" >"$SCRATCH/alert"
    code=$?
    is "tls: plain HTTP is answered by an alert and an end" "0 15 03" "$code $(od -An -tx1 -N2 "$SCRATCH/alert" | xargs)"
    not client curl -sS -o /dev/null --max-time 8 "$plain$API_APPS" && pass "$SUITE: tls: which curl takes for no answer"
    is "tls: and byway serves on" "200 2" "$(api_over --cacert "$CERTS/ca.pem")"
}

api_tls_sdks() {
    local python='import os, cloudflare
client = cloudflare.Cloudflare(base_url=os.environ["API_URL"], api_token=os.environ["API_TOKEN"], max_retries=0, _strict_response_validation=True)
try:
    print(client.user.tokens.verify().status)
except cloudflare.APIConnectionError as error:
    print("CERTIFICATE_VERIFY_FAILED" in str(error.__cause__) and "unknown authority")'
    local typescript='const { default: Cloudflare } = require("cloudflare");
const client = new Cloudflare({ baseURL: process.env.API_URL, apiToken: process.env.API_TOKEN, maxRetries: 0 });
client.user.tokens.verify().then(({ status }) => console.log(status));'
    export API_URL API_TOKEN
    is "tls: python" active "$(client env SSL_CERT_FILE="$CERTS/ca.pem" "$PYTHON" -c "$python")"
    is "tls: python without the authority" "unknown authority" "$(client "$PYTHON" -c "$python")"
    is "tls: typescript" active \
        "$(client env NODE_PATH="$SDK_FOLDER/node_modules" NODE_EXTRA_CA_CERTS="$CERTS/ca.pem" node -e "$typescript")"
    export -n API_URL API_TOKEN
}
