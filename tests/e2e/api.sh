# The API on a running edge: what it answers is in force, by curl and by the official Python SDK, with real connections after
# each change. Sourced by run.sh.

SDK_PYTHON=cloudflare==5.9.0

open_api_lab() {
    LAB_OPEN=1
    if ! API_REQUESTS=1000000 "$ROOT/scripts/lab.sh" up --api --port af_packet >"$SCRATCH/lab.json"; then
        fail "$SUITE: the laboratory comes up"
        return 1
    fi
    pass "$SUITE: the laboratory comes up" "$(jq -r .api_url "$SCRATCH/lab.json")"
    learn_api "$SCRATCH/lab.json"
}

api_by_curl() {
    local id
    not greets && pass "$SUITE: no app, no traffic"
    id=$(api_result POST "$API_APPS" "$(documented_app)" | jq -r .id)
    holds "an app carries traffic when it is answered" "$id" greets
    holds "over IPv6, too" "" fetch6
    is "the same app again is refused" 400 "$(api_status POST "$API_APPS" "$(documented_app)")"
    api_result POST "$API_RULES" "{\"mode\":\"block\",\"configuration\":{\"target\":\"ip\",\"value\":\"$CLIENT4\"}}" >"$SCRATCH/rule"
    holds "a block is in force when it is answered" "$(jq -r .id "$SCRATCH/rule")" not greets
    is "the block goes" 200 "$(api_status DELETE "$API_RULES/$(jq -r .id "$SCRATCH/rule")")"
    holds "and lets clients in" "" greets
    is "PATCH leads elsewhere" "[\"tcp://$ORIGIN4:81\"]" \
        "$(api_result PATCH "$API_APPS/$id" "{\"origin_direct\":[\"tcp://$ORIGIN4:81\"]}" | jq -c .origin_direct)"
    holds "where nobody listens" "" not greets
    is "PUT leads back" 200 "$(api_status PUT "$API_APPS/$id" "$(documented_app)")"
    holds "to the origin" "" greets
    is "a stranger's token is refused" 401 "$(API_TOKEN=byway_x api_status GET "$API_APPS")"
    API_APP=$id
}
fetch6() { [ "$(fetch --max-time 3 "http://[$EDGE_IP6]/" 2>/dev/null)" = "hello from the origin" ]; }

# What was answered survives kill -9; the app is in force before byway says that it is ready.
api_over_restarts() {
    local before after
    before=$(api_result GET "$API_APPS")
    kill -KILL "$(daemon_pid byway)"
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts again"; return 1; }
    after=$(api_result GET "$API_APPS")
    is "after kill -9 the same apps" "$before" "$after" "$(jq length <<<"$after") app"
    analytics_survive
    holds "and traffic" "" greets
    is "an app goes" "{\"id\":\"$API_APP\"}" "$(api_result DELETE "$API_APPS/$API_APP")"
    holds "and its traffic" "" not greets
}

api_by_python() {
    local venv lines
    venv=$(target_dir)/e2e-python
    if ! "$venv/bin/python" -c "import cloudflare" 2>/dev/null; then
        python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "$SDK_PYTHON" >"$SCRATCH/pip" 2>&1 ||
            { cat "$SCRATCH/pip" >&2; fail "$SUITE: the SDK is installed"; return 1; }
    fi
    lines=$(API_URL=$API_URL API_TOKEN=$API_TOKEN CLIENT_NS=$CLIENT_NS ORIGIN4=$ORIGIN4 EDGE_IP4=$EDGE_IP4 CLIENT4=$CLIENT4 \
        ACCOUNT=$(jq -r .account_id "$SCRATCH/lab.json") ZONE=$(jq -r .zone_id "$SCRATCH/lab.json") \
        "$venv/bin/python" "$ROOT/tests/e2e/api_sdk.py" 2>"$SCRATCH/sdk.err")
    while read -r verdict what; do
        case $verdict in ok) pass "$SUITE: python: $what" ;; FAIL) fail "$SUITE: python: $what" ;; esac
    done <<<"$lines"
    is "the SDK came to its end" "done" "$(tail -n 1 <<<"$lines")"
    [ ! -s "$SCRATCH/sdk.err" ] || tail -n 20 "$SCRATCH/sdk.err" >&2
}
