# Analytics of a running edge: numbers that the API tells equal those of curl and nc. Sourced by run.sh, after api.sh.

# analytics PATH [NAME=VALUE]...: what the API answers, `result` on one line.
analytics() {
    local path=$1 words=() word
    shift
    for word in "$@"; do words+=(--data-urlencode "$word"); done
    curl -sS --max-time 30 -G "$API_URL/zones/$API_ZONE/spectrum/analytics/$path" -H "Authorization: Bearer $API_TOKEN" "${words[@]}" |
        jq -ce .result
}

# app_sums EVENT: count, bytes in, bytes out of the app's events of the last hour.
app_sums() {
    analytics events/summary metrics=count,bytesIngress,bytesEgress "since=$API_SINCE" "filters=appID==$API_APP;event==$1" |
        jq -r '[.totals.count, .totals.bytesIngress, .totals.bytesEgress] | join(" ")'
}
app_count() { app_sums "$1" | cut -d ' ' -f 1; }
app_bytes() { analytics events/summary metrics=bytesIngress,bytesEgress "since=$API_SINCE" "filters=appID==$API_APP" | jq -r '.totals | [.bytesIngress, .bytesEgress] | join(" ")'; }

# Twenty fetches of both IP versions: each byte that curl sent and read is told.
api_analytics() {
    local count_before ingress_before egress_before count ingress egress sent=0 read=0 url line
    API_ZONE=$(jq -r .zone_id "$SCRATCH/lab.json") API_SINCE=$(date -u -d '-1 hour' +%FT%TZ)
    read -r count_before ingress_before egress_before <<<"$(settled_sums)"
    API_VERSIONS=$(versions dimensions=event,ipVersion)
    for url in "http://$EDGE_IP4/" "http://[$EDGE_IP6]/"; do
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            line=$(fetch -o /dev/null -w '%{size_request} %{size_header} %{size_download}' "$url")
            read -r count ingress egress <<<"$line"
            sent=$((sent + count)) read=$((read + ingress + egress))
        done
    done
    wait_for 15 ended_are $((count_before + 20))
    read -r count ingress egress <<<"$(app_sums disconnect)"
    is "analytics: connections that ended" $((count_before + 20)) "$count"
    is "analytics: bytes that curl sent" "$sent" $((ingress - ingress_before))
    is "analytics: bytes that curl read" "$read" $((egress - egress_before))
    is "analytics: by IP version, both spellings of lists" '[["4",10],["6",10]]' "$(api_by_version)"
    is "analytics: an hour of minutes has as many" "$count" \
        "$(analytics events/bytime metrics=count "since=$API_SINCE" time_delta=minute "filters=appID==$API_APP AND event==disconnect" | jq '[.data[0].metrics[0][]] | add')"
    holds "analytics: the last minute knows the app" "" current_knows
    api_progress
    # What was told last is on the disk, too.
    sleep 21
    API_NUMBERS=$(app_bytes)
}
# Sums of ended connections once those of earlier checks have come to their ends.
settled_sums() {
    wait_for 15 as_many_ended_as_began
    app_sums disconnect
}
as_many_ended_as_began() { sleep 1.2; [ "$(app_count connect)" = "$(app_count disconnect)" ]; }
ended_are() { [ "$(app_count disconnect)" = "$1" ]; }
# Connections by IP version since `API_VERSIONS` was taken, asked for in both spellings of lists.
versions() { analytics events/summary metrics=count "$@" "since=$API_SINCE" "filters=event==connect;appID==$API_APP" | jq -c '[.data[] | [.dimensions[1], .metrics[0]]]'; }
api_by_version() {
    local one other
    one=$(versions dimensions=event,ipVersion) other=$(versions dimensions=event dimensions=ipVersion)
    [ "$one" = "$other" ] && jq -c --argjson before "$API_VERSIONS" '. as $now | [range(2) | [$now[.][0], $now[.][1] - $before[.][1]]]' <<<"$one"
}
current_knows() { [ "$(analytics aggregate/current "appID=$API_APP" | jq '.[0].connections >= 20 and .[0].bytesEgress > 0')" = true ]; }

# A connection that goes on tells its bytes, and all of them once when it has ended.
api_progress() {
    local request ingress egress before_in before_out
    read -r before_in before_out <<<"$(app_bytes)"
    request=$(printf 'GET / HTTP/1.1\r\nHost: progress.example.com\r\n\r\n' | base64 -w 0)
    client sh -c "(echo $request | base64 -d; sleep 60) | nc $EDGE_IP4 80" >"$SCRATCH/progress" 2>/dev/null &
    local nc=$!
    wait_for 50 progress_is_told
    read -r _ ingress egress <<<"$(app_sums progress)"
    is "analytics: bytes of a connection that goes on" "$(base64 -d <<<"$request" | wc -c) $(wc -c <"$SCRATCH/progress")" "$ingress $egress"
    kill_tree "$nc"
    wait_for 15 as_many_ended_as_began
    read -r ingress egress <<<"$(app_bytes)"
    is "analytics: and all of them once" "$(base64 -d <<<"$request" | wc -c) $(wc -c <"$SCRATCH/progress")" $((ingress - before_in))\ $((egress - before_out))
}
progress_is_told() { sleep 1; [ "$(app_count progress)" -gt 0 ]; }
kill_tree() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do kill_tree "$child"; done
    kill "$1" 2>/dev/null
}

# Rows survive kill -9, and those of a removed app stay with the zone.
analytics_survive() { is "analytics: after kill -9 the same sums" "$API_NUMBERS" "$(app_bytes)"; }
analytics_of_the_gone() { holds "analytics: of an app that is gone" "$(app_bytes)" as_many_ended_as_began; }
