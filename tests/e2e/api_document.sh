# The API's own OpenAPI document against a running byway: schemathesis asks for each operation with right and with wrong
# parameters and bodies. Sourced by run.sh after api.sh.

SCHEMATHESIS=schemathesis==4.32.5
# Everything it draws comes of this; another one draws other requests.
SCHEMATHESIS_SEED=5
# Seconds of the two runs, which go on at once. One worker each: CPython 3.11's parser fails in two threads (SystemError).
SCHEMATHESIS_S=75
# No answer is byway's fault, and every one is as documented: status, media type, headers, schema. What the document forbids is
# refused; methods that it does not name are 405 and say which there are. Left out: whether every body that fits its schema is
# accepted (rules between fields and entities are no schema's), whether a request without credentials is 401 (it is 400 with
# 9106, as Cloudflare's), and whether what was made is there afterwards: tests/api holds them.
SCHEMATHESIS_CHECKS=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
SCHEMATHESIS_CHECKS+=,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance

# Two runs: one that only says what would happen, with an entity behind every id; one in earnest, without what would take the
# laboratory away. The probes are not below /client/v4 (tests/api has them).
api_by_schemathesis() {
    local venv
    venv=$(target_dir)/e2e-schemathesis
    if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "${SCHEMATHESIS#*==}"; then
        python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "$SCHEMATHESIS" >"$SCRATCH/pip" 2>&1 ||
            { cat "$SCRATCH/pip" >&2; fail "$SUITE: schemathesis is installed"; return 1; }
    fi
    schemathesis_entities >"$SCRATCH/entities.toml" || { fail "$SUITE: there is one of everything"; return 1; }
    { printf '[parameters]\n"query.dry_run" = true\n'; cat "$SCRATCH/entities.toml"; } >"$SCRATCH/dry.toml"
    { printf '[parameters]\n'; sed '/^\[\[/,$d' "$SCRATCH/entities.toml" | grep -E 'zone_id|account_id|prefix_id'; } >"$SCRATCH/earnest.toml"
    schemathesis_run dry &
    schemathesis_run earnest --exclude-operation-id zones_delete --exclude-operation-id byway_rollback
    wait $!
    schemathesis_found dry "where nothing is done"
    schemathesis_found earnest "where it is done"
    is "and byway answers still" 200 "$(api_status GET "$API_APPS")"
}

# schemathesis_run NAME [OPTION...]: leaves its words and its code in SCRATCH. It keeps what it has learnt in the folder it runs in.
schemathesis_run() {
    local name=$1 code=0
    shift
    mkdir -p "$SCRATCH/$name.folder"
    (cd "$SCRATCH/$name.folder" && ip netns exec "$EDGE_NS" "$(target_dir)/e2e-schemathesis/bin/schemathesis" \
        --config-file "$SCRATCH/$name.toml" run "$API_URL/openapi.json" --url "$API_URL" -H "Authorization: Bearer $API_TOKEN" \
        --seed "$SCHEMATHESIS_SEED" --max-time "$SCHEMATHESIS_S" --workers 1 --checks "$SCHEMATHESIS_CHECKS" \
        --phases examples,coverage,fuzzing --request-timeout 20 --continue-on-failure --warnings off \
        --exclude-path /healthz --exclude-path /readyz "$@") >"$SCRATCH/$name.report" 2>&1 || code=$?
    echo "$code" >"$SCRATCH/$name.code"
}

# schemathesis_found NAME WHERE: every operation was asked for, and nothing was wrong.
schemathesis_found() {
    local report=$SCRATCH/$1.report
    is "schemathesis finds no fault and no breach of the document $2" 0 "$(cat "$SCRATCH/$1.code")" \
        "$(grep -E 'generated' "$report" | sed 's/^ *//')"
    is "and asks for every operation" "$(sed -n 's/^ *Selected: \([0-9]*\).*/\1/p' "$report")" "$(sed -n 's/^ *Tested: //p' "$report")"
    [ "$(cat "$SCRATCH/$1.code")" = 0 ] || cut -c 1-300 "$report" | head -n 150 >&2
}

# schemathesis_entities: one of everything, by the names that paths have for them.
schemathesis_entities() {
    local account zone prefix net rule token letter certs=$ROOT/tests/certs
    account=$(jq -r .account_id "$SCRATCH/lab.json") zone=$(jq -r .zone_id "$SCRATCH/lab.json")
    net=/accounts/$account/addressing
    prefix=$(api_result GET "$net/prefixes" | jq -re '.[0].id') || return 1
    made() { printf '"path.%s" = "%s"\n' "$1" "$(api_result POST "$2" "$3" | jq -re .id)"; }
    printf '"path.account_id" = "%s"\n"path.zone_id" = "%s"\n"path.prefix_id" = "%s"\n' "$account" "$zone" "$prefix"
    made app_id "/zones/$zone/spectrum/apps" "$(documented_app)"
    made dns_record_id "/zones/$zone/dns_records" '{"type":"A","name":"plain","content":"192.0.2.1"}'
    made custom_certificate_id "/zones/$zone/custom_certificates" \
        "$(jq -n --rawfile c "$certs/edge.pem" --rawfile k "$certs/edge.key" '{certificate: $c, private_key: $k}')"
    made address_map_id "$net/address_maps" "{\"ips\":[\"$EDGE_IP4\"],\"memberships\":[{\"kind\":\"zone\",\"identifier\":\"$zone\"}]}"
    printf '"path.ip" = "%s"\n"path.member_zone_id" = "%s"\n"path.member_account_id" = "%s"\n' "$EDGE_IP4" "$zone" "$account"
    made binding_id "$net/prefixes/$prefix/bindings" \
        "$(api_result GET "$net/services" | jq -c --arg cidr "${EDGE_IP4%.*}.192/28" '{cidr: $cidr, service_id: (map(select(.name == "CDN"))[0].id)}')"
    printf '"path.bgp_prefix_id" = "%s"\n' "$(api_result GET "$net/prefixes/$prefix/bgp/prefixes" | jq -re '.[0].id')"
    made delegation_id "$net/prefixes/$prefix/delegations" \
        "{\"cidr\":\"${EDGE_IP4%.*}.224/28\",\"delegated_account_id\":\"$(api_result POST /accounts '{"name":"other"}' | jq -re .id)\"}"
    letter=$(printf '%%PDF-1.4 letter' | curl -sS --max-time 30 "$API_URL$net/loa_documents" -H "Authorization: Bearer $API_TOKEN" \
        -F 'loa_document=@-' | jq -re .result.id) && printf '"path.loa_document_id" = "%s"\n' "$letter"
    token=$(api_result GET /user/tokens/permission_groups | jq -c --arg zone "$zone" '{name: "drawn", policies: [{effect: "allow",
        permission_groups: [{id: .[0].id}], resources: {("com.cloudflare.api.account.zone." + $zone): "*"}}]}')
    made token_id /user/tokens "$token"
    rule='{"mode":"block","configuration":{"target":"ip","value":"198.18.0.250"}}'
    for scope in "zones/$zone" "accounts/$account" user; do
        printf '[[operations]]\ninclude-path-regex = "^/%s/.*rule_id"\n[operations.parameters]\n' "${scope%%/*}"
        made rule_id "/$scope/firewall/access_rules/rules" "$rule"
    done
}
