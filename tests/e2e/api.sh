# The API on a running edge: what it answers is in force, by curl and by the official SDKs, with real connections after
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
    # The documentation's call as it is printed there, with host, zone, keys and addresses replaced.
    id=$(curl -sS --max-time 30 "$API_URL$API_APPS" --header 'Content-Type: application/json' \
        --header "X-Auth-Email: $API_EMAIL" --header "X-Auth-Key: $API_KEY" --data "$(documented_app)" | jq -re .result.id)
    holds "the documentation's call, by address and key, makes an app that carries traffic when it is answered" "$id" greets
    holds "over IPv6, too" "" fetch6
    is "the same app again is refused" 400 "$(api_status POST "$API_APPS" "$(documented_app)")"
    api_result POST "$API_RULES" "{\"mode\":\"block\",\"configuration\":{\"target\":\"ip\",\"value\":\"$CLIENT4\"}}" >"$SCRATCH/rule"
    holds "a block is in force when it is answered" "$(jq -r .id "$SCRATCH/rule")" not greets
    is "the block goes" 200 "$(api_status DELETE "$API_RULES/$(jq -r .id "$SCRATCH/rule")")"
    holds "and lets clients in" "" greets
    is "a dry run names what would not be in force" 1 \
        "$(api PATCH "$API_APPS/$id?dry_run=true" '{"argo_smart_routing":true}' | grep -c "would be changed.*argo_smart_routing")"
    is "PATCH leads elsewhere" "[\"tcp://$ORIGIN4:81\"]" \
        "$(api_result PATCH "$API_APPS/$id" "{\"origin_direct\":[\"tcp://$ORIGIN4:81\"]}" | jq -c .origin_direct)"
    holds "where nobody listens" "" not greets
    is "PUT leads back" 200 "$(api_status PUT "$API_APPS/$id" "$(documented_app)")"
    holds "to the origin" "" greets
    is "a stranger's token is refused" 401 "$(API_TOKEN=byway_x api_status GET "$API_APPS")"
    API_APP=$id
}
fetch6() { [ "$(fetch --max-time 3 "http://[$EDGE_IP6]/" 2>/dev/null)" = "hello from the origin" ]; }

# Tokens and keys by whoever runs the box: the first root token may be lost.
api_by_operators() {
    local byway socket=$STATE/run/api.sock id
    byway=$(byway_bin)
    id=$("$byway" admin token create --user "$API_EMAIL" --name second --root --token-file "$STATE/second" --socket "$socket" | jq -re .token_id)
    is "a second root token opens the box" "200 600" "$(API_TOKEN=$(cat "$STATE/second") api_status GET /byway/users) $(stat -c %a "$STATE/second")"
    is "it is listed with its user" "second $API_EMAIL active" \
        "$("$byway" admin token list --json --socket "$socket" | jq -r ".[] | select(.id == \"$id\") | \"\(.name) \(.user) \(.status)\"")"
    holds "it is rolled" "" "$byway" admin token roll "$id" --token-file "$STATE/third" --socket "$socket"
    is "the old value opens nothing, the new one does" "401 200" \
        "$(API_TOKEN=$(cat "$STATE/second") api_status GET /accounts) $(API_TOKEN=$(cat "$STATE/third") api_status GET /accounts)"
    holds "it is revoked" "" "$byway" admin token revoke "$id" --socket "$socket"
    is "and opens nothing" 401 "$(API_TOKEN=$(cat "$STATE/third") api_status GET /accounts)"
    holds "the user's key is rolled" "" "$byway" admin key roll "$API_EMAIL" --key-file "$STATE/key2" --socket "$socket"
    is "the old key opens nothing, the new one does" "401 200" "$(by_key "$API_KEY") $(by_key "$(cat "$STATE/key2")")"
    not "$byway" admin token create --user nobody@example.com --name x --root --token-file "$STATE/fourth" --socket "$socket" 2>/dev/null &&
        [ ! -e "$STATE/fourth" ] && pass "$SUITE: no token of nobody's, and no empty file"
    is "the admin socket is its owner's and its group's" "660 $BYWAY_USER" "$(stat -c '%a %G' "$socket")"
    is "it answers a member of byway's group, by whatever group that is in effect" 200 "$(by_member "$BYWAY_USER")"
    is "and nobody else" 000 "$(by_member nogroup)"
    chmod 666 "$socket"
    is "also where its file was opened wide" 000 "$(by_member nogroup)"
    chmod 660 "$socket"
}
# by_member GROUP: the admin socket asked by nobody, with a supplementary group.
by_member() {
    setpriv --reuid nobody --regid nogroup --groups "$(getent group "$1" | cut -d: -f3)" curl -s -o /dev/null --max-time 10 \
        --unix-socket "$STATE/run/api.sock" -w '%{http_code}' http://localhost/client/v4/accounts
}
by_key() { curl -sS -o /dev/null --max-time 30 "$API_URL/user" -H "X-Auth-Email: $API_EMAIL" -H "X-Auth-Key: $1" -w '%{http_code}'; }

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
    local lines
    has_python_sdk || return 1
    lines=$(API_URL=$API_URL API_TOKEN=$API_TOKEN CLIENT_NS=$CLIENT_NS ORIGIN4=$ORIGIN4 EDGE_IP4=$EDGE_IP4 CLIENT4=$CLIENT4 \
        ACCOUNT=$(jq -r .account_id "$SCRATCH/lab.json") ZONE=$(jq -r .zone_id "$SCRATCH/lab.json") \
        "$PYTHON" -W ignore::DeprecationWarning "$ROOT/tests/e2e/api_sdk.py" 2>"$SCRATCH/sdk.err")
    while read -r verdict what; do
        case $verdict in ok) pass "$SUITE: python: $what" ;; FAIL) fail "$SUITE: python: $what" ;; esac
    done <<<"$lines"
    is "the SDK came to its end" "done" "$(tail -n 1 <<<"$lines")"
    [ ! -s "$SCRATCH/sdk.err" ] || tail -n 20 "$SCRATCH/sdk.err" >&2
}

# has_python_sdk: installs it where it is not; PYTHON is the interpreter that has it.
has_python_sdk() {
    local venv
    venv=$(target_dir)/e2e-python
    PYTHON=$venv/bin/python
    "$PYTHON" -c "import cloudflare, sys; sys.exit(cloudflare.__version__ != '${SDK_PYTHON#*==}')" 2>/dev/null && return 0
    python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "$SDK_PYTHON" >"$SCRATCH/pip" 2>&1 ||
        { cat "$SCRATCH/pip" >&2; fail "$SUITE: the SDK is installed"; return 1; }
}

# The store on a small disk: a full one refuses changes by name, traffic goes on, and there is room again when there is room.
api_on_a_full_disk() {
    local state=$STATE/state n kept=0 answer
    "$ROOT/scripts/lab.sh" stop
    mv "$state" "$state.away" && mkdir "$state" && mount -t tmpfs -o size=3m tmpfs "$state" && FULL_DISK=$state || return 1
    cp -a "$state.away/." "$state/" && chown --reference="$state.away" "$state" && chmod --reference="$state.away" "$state"
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts on a small disk"; return 1; }
    API_APP=$(api_result POST "$API_APPS" "$(documented_app)" | jq -r .id)
    holds "an app on a small disk" "$API_APP" greets
    dd if=/dev/zero of="$state/fill" bs=4k 2>/dev/null
    for n in $(seq 500); do
        answer=$(api POST "$API_RULES" "{\"mode\":\"block\",\"configuration\":{\"target\":\"ip\",\"value\":\"192.0.2.$((n % 250))\"},\"notes\":\"$n\"}")
        case $answer in *' 200') kept=$((kept + 1)); api DELETE "$API_RULES/$(jq -r .result.id <<<"${answer% 200}")" >/dev/null ;; *) break ;; esac
    done
    is "a full disk: 503 by that name" "503 the disk of the store is full; nothing was changed" \
        "${answer##* } $(jq -r '.errors[0].message' <<<"${answer% *}")" "after $kept changes"
    holds "and traffic goes on" "" greets
    rm "$state/fill"
    is "with room again changes are kept" 200 "$(api_status PATCH "$API_APPS/$API_APP" '{"ip_firewall":false}')"
    "$ROOT/scripts/lab.sh" stop
    cp -a "$state/." "$state.away/" && umount "$state" && FULL_DISK='' && rmdir "$state" && mv "$state.away" "$state"
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts on its old disk"; return 1; }
    is "and are there after a restart" false "$(api_result GET "$API_APPS/$API_APP" | jq .ip_firewall)"
    is "the app goes" "{\"id\":\"$API_APP\"}" "$(api_result DELETE "$API_APPS/$API_APP")"
}

# The whole box out, and into the store of another one; a copy back in its place.
api_moves() {
    local byway config=$STATE/edge.toml words=$STATE/words export=$STATE/export.json
    byway=$(byway_bin)
    (umask 077 && echo "correct horse battery staple" >"$words")
    holds "an export of a running box" "" "$byway" admin export --config "$config" --with-secrets --passphrase-file "$words" --out "$export"
    is "changes nothing where it is from" "0 made, 0 changed, nothing removed" \
        "$("$byway" admin import "$export" --config "$config" --passphrase-file "$words" 2>&1)"
    holds "a copy of the store" "" "$byway" admin backup "$STATE/state/copy" --config "$config"
    not "$byway" admin restore "$STATE/state/copy" --config "$config" && pass "$SUITE: none is restored while byway runs"
    "$ROOT/scripts/lab.sh" stop
    holds "one is restored while it does not" "" "$byway" admin restore "$STATE/state/copy" --config "$config"
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts with the restored store"; return 1; }
    is "and its token opens the box" 200 "$(api_status GET "$API_APPS")"
    is "which the history tells" "byway admin restore $STATE/state/copy" \
        "$("$byway" admin history --json --socket "$STATE/run/api.sock" | jq -r '.[0].action')"
}

# What the API changes on trial goes by itself, also where byway was killed meanwhile, and stays where it is confirmed.
api_on_trial() {
    local byway socket=$STATE/run/byway.sock admin=$STATE/run/api.sock version
    byway=$(byway_bin)
    API_APP=$(api_result POST "$API_APPS" "$(documented_app)" | jq -r .id)
    version=$("$byway" admin history --limit 1 --json --socket "$admin" | jq '.[0].version')
    holds "changes go on trial" "" "$byway" admin try --confirm-within 5 --socket "$admin"
    api_status DELETE "$API_APPS/$API_APP" >/dev/null
    holds "one is in force" "" not greets
    holds "byway says how long" "$("$byway" show status --json --socket "$socket" | jq .trial_seconds_left) s" \
        test "$("$byway" show status --json --socket "$socket" | jq .trial_seconds_left)" -ge 1
    wait_for 10 greets
    holds "not confirmed, it goes by itself" "$("$byway" admin history --limit 1 --json --socket "$admin" | jq -r '.[0].action')" greets
    holds "a rollback goes on trial" "" "$byway" admin rollback $((version - 1)) --confirm-within 60 --socket "$admin"
    holds "and is in force" "" not greets
    not "$byway" admin try --confirm-within 60 --socket "$admin" && pass "$SUITE: there is one trial at a time"
    holds "it is taken back by hand" "" "$byway" confirm --revert --socket "$socket"
    holds "at once" "" greets
    "$byway" admin try --confirm-within 1 --socket "$admin" >/dev/null
    api_status DELETE "$API_APPS/$API_APP" >/dev/null
    kill -KILL "$(daemon_pid byway)"
    sleep 2
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts after a trial"; return 1; }
    holds "after kill -9 beyond its time all is as it was" "" greets
    "$byway" admin try --confirm-within 3 --socket "$admin" >/dev/null
    is "an app goes on trial" 200 "$(api_status DELETE "$API_APPS/$API_APP")"
    holds "which is confirmed" "" "$byway" confirm --socket "$socket"
    sleep 4
    holds "and stays" "" not greets
}

# Clients that take their time, while others work: each connection is ended by byway, in time or by `timeout`.
api_slow_clients() {
    local port=${API_URL#*127.0.0.1:} two socket
    port=${port%%/*}
    API_SLOW=()
    slow_client silent 100 "$port" ''
    slow_client head 60 "$port" 'GET /client/v4/user HTTP/1.1\r\nHost: api'
    slow_client body 60 "$port" \
        "POST /client/v4/accounts HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer $API_TOKEN\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{"
    slow_client idle 100 "$port" 'GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n'
    two='const session = require("http2").connect(process.argv[1]), stream = session.request({ ":path": "/healthz" });
stream.on("response", (head) => console.log("HTTP/2", head[":status"])).resume();'
    (in_ns "$EDGE_NS" timeout 100 node -e "$two" "http://127.0.0.1:$port" >"$SCRATCH/two.slow" 2>&1; echo $? >"$SCRATCH/two.code") &
    API_SLOW+=($!)
    for socket in byway api; do
        (timeout 100 socat -u "UNIX-CONNECT:$STATE/run/$socket.sock" STDOUT >"$SCRATCH/$socket.slow" 2>&1; echo $? >"$SCRATCH/$socket.code") &
        API_SLOW+=($!)
    done
}
# slow_client NAME SECONDS PORT WORDS: says them and listens; leaves what it heard and a code in SCRATCH.
slow_client() {
    (in_ns "$EDGE_NS" timeout "$2" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && cat <&3' - "$3" "$4" >"$SCRATCH/$1.slow"
        echo $? >"$SCRATCH/$1.code") &
    API_SLOW+=($!)
}
api_slow_clients_are_gone() {
    wait "${API_SLOW[@]}"
    heard() { echo "$(cat "$SCRATCH/$1.code") $(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$SCRATCH/$1.slow")"; }
    is "a client that says nothing is given up" "0 " "$(heard silent)"
    is "one with half a head" 0 "$(cut -d ' ' -f 1 <<<"$(heard head)")"
    is "one with half a body, by 408" "0 408" "$(heard body)"
    is "one that asks no more" "0 200" "$(heard idle)"
    is "one that asks no more over HTTP/2" "0 200" "$(heard two)"
    is "one of the control socket, and of the admin socket" "0  0 " "$(heard byway) $(heard api)"
}

api_by_typescript() {
    local lines
    has_typescript_sdk || return 1
    lines=$(SDK_FOLDER=$SDK_FOLDER API_URL=$API_URL API_TOKEN=$API_TOKEN CLIENT_NS=$CLIENT_NS ORIGIN4=$ORIGIN4 EDGE_IP4=$EDGE_IP4 \
        CLIENT4=$CLIENT4 ACCOUNT=$(jq -r .account_id "$SCRATCH/lab.json") ZONE=$(jq -r .zone_id "$SCRATCH/lab.json") \
        node "$ROOT/tests/e2e/api_sdk.mjs" 2>"$SCRATCH/node.err")
    while read -r verdict what; do
        case $verdict in ok) pass "$SUITE: typescript: $what" ;; FAIL) fail "$SUITE: typescript: $what" ;; esac
    done <<<"$lines"
    is "the TypeScript SDK came to its end" "done" "$(tail -n 1 <<<"$lines")"
    [ ! -s "$SCRATCH/node.err" ] || tail -n 20 "$SCRATCH/node.err" >&2
}

# has_typescript_sdk: into SDK_FOLDER, as tests/e2e/sdk/package-lock.json pins it.
has_typescript_sdk() {
    local pinned=$ROOT/tests/e2e/sdk
    SDK_FOLDER=$(target_dir)/e2e-node
    mkdir -p "$SDK_FOLDER"
    cmp -s "$pinned/package-lock.json" "$SDK_FOLDER/package-lock.json" && [ -d "$SDK_FOLDER/node_modules/cloudflare" ] && return 0
    cp "$pinned/package.json" "$pinned/package-lock.json" "$SDK_FOLDER/"
    (cd "$SDK_FOLDER" && npm ci --ignore-scripts --no-audit --no-fund >"$SCRATCH/npm" 2>&1) ||
        { cat "$SCRATCH/npm" >&2; rm -f "$SDK_FOLDER/package-lock.json"; fail "$SUITE: the TypeScript SDK is installed"; return 1; }
}

# This byway as the Cloudflare of another one, whose traffic follows.
api_import() {
    local id before binary other socket apps
    id=$(api_result POST "$API_APPS" "$(documented_app)" | jq -r .id)
    api_result POST "$API_RULES" '{"mode":"block","configuration":{"target":"ip","value":"198.18.0.99"}}' >/dev/null
    api_result POST "${API_APPS%/spectrum/apps}/dns_records" '{"type":"TXT","name":"moved","content":"hello"}' >/dev/null
    api_beside
    before=$(api_result GET /byway/history?limit=1)
    jq -r .api_token "$SCRATCH/lab.json" >"$SCRATCH/there.token" && chmod 600 "$SCRATCH/there.token"
    binary=${BYWAY_BIN:-$(target_dir)/release/byway}
    other=$SCRATCH/other.json
    if ! LAB_NAME=byway-moved "$ROOT/scripts/lab.sh" up --api --port af_packet >"$other"; then
        fail "$SUITE: a second laboratory comes up"
        return 1
    fi
    socket=$(jq -r .api_socket "$other")
    "$binary" admin import cloudflare --token-file "$SCRATCH/there.token" --base-url "$API_URL" --socket "$socket" --save "$SCRATCH/replies" \
        --dry-run >"$SCRATCH/dry.json" 2>"$SCRATCH/import.err"
    is "a dry run says what would come" 1 "$(jq '.counts[] | select(.kind == "app").made' "$SCRATCH/dry.json")"
    apps=/zones/$(jq -r .zone_id "$other")/spectrum/apps
    is "and changes nothing" "true 0" "$("$binary" admin call GET "$apps" --socket "$socket" | jq -r '"\(.success) \(.result | length)"')"
    "$binary" admin import cloudflare --from "$SCRATCH/replies" --socket "$socket" >"$SCRATCH/report.json" 2>>"$SCRATCH/import.err"
    is "an import takes the app, the rules and the record" "1 2 1" \
        "$(jq -r '[(.counts[] | select(.kind == ("app", "rule", "dns_record")).made)] | join(" ")' "$SCRATCH/report.json")"
    is "and the letter, the map and the user's rule" "1 1 1" \
        "$(jq -r '[(.counts[] | select(.kind == ("loa_document", "address_map")).made), (.notes | map(select(.kind == "user" and .what == "mapped")) | length)] | join(" ")' "$SCRATCH/report.json")"
    is "and names the certificate" "to_be_uploaded lab.example.com, *.wild.example.com" \
        "$(jq -r '.notes[] | select(.kind == "certificate") | "\(.what) \(.name)"' "$SCRATCH/report.json")"
    is "with nothing that could not be read" "[]" "$(jq -c .missing "$SCRATCH/report.json")"
    is "and leaves the prefixes out that are here" 2 "$(jq '.counts[] | select(.kind == "prefix").left_out' "$SCRATCH/report.json")"
    holds "which carries traffic at once" "$id" moved_greets
    "$binary" admin import cloudflare --token-file "$SCRATCH/there.token" --base-url "$API_URL" --socket "$socket" >"$SCRATCH/again.json"
    is "once more changes nothing" 0 "$(jq '[.counts[] | .made + .changed] | add' "$SCRATCH/again.json")"
    is "and nothing was written there" "$before" "$(api_result GET /byway/history?limit=1)"
    LAB_NAME=byway-moved "$ROOT/scripts/lab.sh" down >/dev/null 2>&1
    api_status DELETE "$API_APPS/$id" >/dev/null
}

# api_beside: what an import takes beside what carries traffic; the letter is that of a prefix that waits.
api_beside() {
    local net letter certs=$ROOT/tests/certs
    net=/accounts/$(jq -r .account_id "$SCRATCH/lab.json")/addressing
    letter=$(printf '%%PDF-1.4 letter' | curl -sS --max-time 30 "$API_URL$net/loa_documents" -H "Authorization: Bearer $API_TOKEN" \
        -F 'loa_document=@-' | jq -re .result.id)
    api_result POST "$net/prefixes" "{\"cidr\":\"44.0.1.0/24\",\"asn\":64496,\"loa_document_id\":\"$letter\"}" >/dev/null
    api_result POST "$net/address_maps" "{\"description\":\"moved\",\"ips\":[\"$EDGE_IP4\"]}" >/dev/null
    api_result POST /user/firewall/access_rules/rules '{"mode":"block","configuration":{"target":"ip","value":"198.18.0.98"}}' >/dev/null
    api_result POST "${API_APPS%/spectrum/apps}/custom_certificates" \
        "$(jq -n --rawfile c "$certs/edge.pem" --rawfile k "$certs/edge.key" '{certificate: $c, private_key: $k}')" >/dev/null
}
moved_greets() {
    [ "$(ip netns exec byway-moved-client curl -sS --max-time 3 "http://$EDGE_IP4/" 2>/dev/null)" = "hello from the origin" ]
}
