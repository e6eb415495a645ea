# Are the licences of all crates that the lock file brings in among those that deny.toml allows?
# `cargo deny check licenses bans` says more where it is installed; this asks only cargo and jq, so that it runs anywhere.
# Sourced after common.sh.

# Each crate needs one way through its SPDX expression that takes only allowed licences.
check_licences() {
    local allowed refused
    allowed=$(allowed_licences)
    [ -n "$allowed" ] || { echo "error: deny.toml names no allowed licence"; return 1; }
    refused=$(cd "$ROOT" && cargo metadata --format-version 1 --locked | refused_licences "$allowed") || return 1
    [ -z "$refused" ] || { printf 'error: not allowed by deny.toml:\n%s\n' "$refused"; return 1; }
}

# `(A OR B) AND C`: each conjunct may choose. `A OR B AND C`: each alternative stands alone.
refused_licences() {
    jq -r --arg allowed "$1" '
        ($allowed | split("\n")) as $ok
        | def granted: [splits(" AND ")] | all(.[]; IN($ok[]));
          def fits: if test("\\)")
            then [splits(" AND (?=\\()|(?<=\\)) AND ")] | all(.[]; [gsub("[()]"; "") | splits(" OR ")] | any(.[]; granted))
            else [splits(" OR ")] | any(.[]; granted) end;
        .packages[] | select(.source != null)
        | (.license // "none" | gsub(" ?/ ?"; " OR ")) as $spdx
        | select($spdx | fits | not)
        | "\(.name) \(.version): \($spdx)"'
}

# The strings of `allow = [...]` under [licenses] of deny.toml.
allowed_licences() {
    awk '/^\[/ { inside = ($0 == "[licenses]") }
        inside && /^allow[ ]*=/ { list = 1 }
        list { line = $0; sub(/#.*/, "", line)
            while (match(line, /"[^"]+"/)) { print substr(line, RSTART + 1, RLENGTH - 2); line = substr(line, RSTART + RLENGTH) } }
        list && /\]/ { list = 0 }' "$ROOT/deny.toml"
}
