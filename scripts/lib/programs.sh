# Does every program that the scripts call come with a package that they install? A machine that happens to have a program
# hides that a fresh one lacks it. Sourced after common.sh and packages.sh.

# Words of the scripts that are no calls, though a program of that name exists in a package that is not ours; systemctl is
# called only where it is.
WORDS_NOT_CALLS=" as bridge file init route size systemctl "
# What the README presumes.
PRESUMED=" git cargo rustc rustup "

# Every word of the scripts that is a program here has its owner among our packages, what those depend on, or what no
# Debian is without. Prints those that have not.
check_programs() {
    local packages=("${PACKAGES_BUILD[@]}" "${PACKAGES_LAB[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_REHEARSAL[@]}")
    local provided word path owner seen=0 missing=0
    provided=" ${packages[*]} $(depended_on "${packages[@]}") "
    while read -r word; do
        case "$WORDS_NOT_CALLS$PRESUMED" in *" $word "*) continue ;; esac
        path=$(type -P "$word") || continue
        seen=$((seen + 1))
        owner=$(owner_of "$path")
        case "$provided" in *" ${owner:-none} "*) continue ;; esac
        [ -n "$owner" ] && is_base "$owner" && continue
        echo "error: $word ($path) comes with ${owner:-no package}, which scripts/lib/packages.sh does not install"
        missing=$((missing + 1))
    done < <(words_of_scripts)
    echo "$seen programs are called, $missing of them by luck"
    [ "$seen" -gt 30 ] && [ "$missing" -eq 0 ]
}

words_of_scripts() {
    sed -E 's/(^|[[:space:]])#.*//' "$ROOT"/scripts/*.sh "$ROOT"/scripts/lib/*.sh "$ROOT"/tests/e2e/*.sh |
        grep -oE '[a-z][a-z0-9_+-]+' | sort -u
}

depended_on() { dpkg-query -W -f '${Depends}, ' "$@" 2>/dev/null | sed -E 's/\([^)]*\)//g; s/:any//g; s/[,|]/ /g' | tr -s ' \n' ' '; }

# owner_of PATH: the package of the file behind it. Where /bin is /usr/bin, dpkg may know it under either name.
owner_of() {
    local real path
    real=$(readlink -f "$1")
    for path in "$1" "$real" "${1#/usr}" "${real#/usr}" "/usr$1" "/usr$real"; do
        dpkg-query -S "$path" 2>/dev/null | grep -v '^diversion' | head -n 1 | cut -d: -f1 | grep . && return 0
    done
    return 0
}

is_base() {
    case $(dpkg-query -W -f '${Priority} ${Essential}' "$1" 2>/dev/null) in
        required*|*yes) return 0 ;;
        *) return 1 ;;
    esac
}
