#!/usr/bin/env bash
# End to end: real clients (curl, ssh, iperf3, nc) and real origins over scripts/lab.sh.
#   run.sh              every suite
#   run.sh SUITE...     only these: af_packet workers2 tap virtio_user af_xdp no_huge faults control geo tls proxy udp streams names gen cookies flood splice ports api
# Each suite has a laboratory of its own, taken away at its end, also on failure or interrupt. The binary is that of
# lab.sh. The last line is `N passed, N failed`.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/hosts.sh"
. "$ROOT/scripts/lib/daemons.sh"
. "$ROOT/scripts/lib/origin.sh"
. "$ROOT/scripts/lib/edge.sh"
. "$ROOT/scripts/lib/api.sh"
. "$ROOT/scripts/lib/peers.sh"
. "$ROOT/scripts/lib/talk.sh"
. "$ROOT/tests/e2e/lab.sh"
. "$ROOT/tests/e2e/traffic.sh"
. "$ROOT/tests/e2e/faults.sh"
. "$ROOT/tests/e2e/control.sh"
. "$ROOT/tests/e2e/geo.sh"
. "$ROOT/tests/e2e/tls.sh"
. "$ROOT/tests/e2e/proxy.sh"
. "$ROOT/tests/e2e/udp.sh"
. "$ROOT/tests/e2e/streams.sh"
. "$ROOT/tests/e2e/names.sh"
. "$ROOT/tests/e2e/splice.sh"
. "$ROOT/tests/e2e/gen.sh"
. "$ROOT/tests/e2e/cookies.sh"
. "$ROOT/tests/e2e/ports.sh"
. "$ROOT/tests/e2e/api.sh"
. "$ROOT/tests/e2e/analytics.sh"
. "$ROOT/tests/e2e/api_document.sh"
. "$ROOT/tests/e2e/api_tls.sh"

SUITES=(af_packet workers2 tap virtio_user af_xdp no_huge faults control geo tls proxy udp streams names gen cookies flood splice quiesce ports api)

suite_af_packet() { open_lab --port af_packet && traffic && firewall_and_no_app; }
suite_workers2() { open_lab --port af_packet --workers 2 && traffic && handover_between_workers; }
suite_tap() { open_lab --port tap && traffic; }
suite_virtio_user() { open_lab --port virtio-user && traffic; }
suite_af_xdp() { open_lab --port af_xdp && traffic; }
suite_no_huge() {
    printf '[memory]\nhugepages = "off"\n' >"$SCRATCH/edge.toml"
    open_lab --port af_packet --edge "$SCRATCH/edge.toml" && web && big_transfers 16
}
suite_faults() { open_lab --port af_packet && loss_both_ways && own_link_flaps && peer_link_flaps && peer_vanishes; }
suite_control() {
    open_lab --port af_packet && privileges && reload_under_load && bad_table_keeps_the_old && apply_and_confirm &&
        killed_and_started_again && term_drains
}

suite_geo() {
    geo_edge >"$SCRATCH/edge.toml" && open_lab --port af_packet --edge "$SCRATCH/edge.toml" && country_blocks && asn_lets_in &&
        live_session_is_filtered && rules_stay_over_a_restart
}
suite_tls() {
    tls_edge >"$SCRATCH/edge.toml" && open_lab --port af_packet --edge "$SCRATCH/edge.toml" && tls_origins && tls_apps && tls_modes &&
        tls_bad_origins && tls_clients && tls_new_keys && tls_protocols && tls_resumption && tls_renewal && tls_transfers
}
suite_proxy() { open_lab_with proxy_apps --port af_packet && start_proxy_receivers && proxy_over_tcp; }
suite_udp() {
    udp_edge >"$SCRATCH/edge.toml" &&
        open_lab_with udp_apps --port af_packet --workers 2 --edge "$SCRATCH/edge.toml" && start_udp_origins && udp
}
suite_streams() {
    open_lab_with streams_apps --port af_packet && start_streams && passive_ftp && data_with_fin && tenth_of_the_rate
}
suite_gen() { open_lab_with gen_apps --port af_packet && idle_edge_rests && start_gen_origins && clients_meet_origins && flood_is_counted; }
suite_names() {
    names_edge >"$SCRATCH/edge.toml" && open_lab_with names_apps --port af_packet --edge "$SCRATCH/edge.toml" && start_names && names
}
suite_splice() {
    open_lab --port af_packet && spliced_bulk && spliced_files && spliced_reload && spliced_origin_dies && term_drains
}

suite_quiesce() { open_lab --port af_packet && spliced_late; }

suite_cookies() {
    cookies_edge always >"$SCRATCH/edge.toml" && open_lab --port af_packet --edge "$SCRATCH/edge.toml" && every_connection_by_cookie
}
suite_ports() {
    ports_edge >"$SCRATCH/edge.toml" && open_lab --port af_packet --edge "$SCRATCH/edge.toml" && source_ports_come_round
}
suite_api() { open_api_lab && api_by_curl && api_by_operators && api_analytics && api_over_restarts && analytics_of_the_gone && api_on_a_full_disk && api_moves && api_on_trial && api_over_tls && api_slow_clients && api_by_python && api_by_typescript && api_slow_clients_are_gone && api_import && api_by_schemathesis; }
suite_flood() {
    cookies_edge auto >"$SCRATCH/edge.toml" && open_lab --port af_packet --edge "$SCRATCH/edge.toml" && real_clients_in_a_flood
}

main() {
    local suite
    need_root "the end-to-end tests"
    install_packages lab
    SCRATCH=$(mktemp -d)
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    [ $# -eq 0 ] || SUITES=("$@")
    for suite in "${SUITES[@]}"; do
        [ "$(type -t "suite_$suite")" = function ] || die "no suite $suite"
        SUITE=$suite
        say "-- $suite"
        "suite_$suite" || fail "suite $suite" "stopped early"
        close_lab
    done
    tally
}

clean() {
    trap '' INT TERM HUP
    close_lab
    rm -rf "$SCRATCH"
}

main "$@"
