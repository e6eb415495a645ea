# Does every program that the scripts call come with a package that they install? A machine that happens to have a program
# hides that a fresh one lacks it. Sourced after common.sh and packages.sh.

# Words of the scripts that are no calls, though a program of that name exists in a package that is not ours; systemctl is
# called only where it is; pip and python are those of an environment that python3-venv made.
WORDS_NOT_CALLS=" as bridge file idle init pip python route size strings systemctl time write "
# What the README presumes.
PRESUMED=" git cargo rustc rustup "
# Whose they are does not matter: install_packages brings Debian's where there is none.
FROM_ANYWHERE=" node nodejs npm "

# Every word of the scripts that is a program here has its owner among our packages, what those depend on, or what no
# Debian is without. Prints those that have not. One that stands in several folders of PATH needs it once.
check_programs() {
    local packages=("${PACKAGES_BUILD[@]}" "${PACKAGES_LAB[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_BENCH[@]}" "${PACKAGES_REHEARSAL[@]}")
    local provided word path seen=0 missing=0
    provided=" ${packages[*]} $(depended_on "${packages[@]}") "
    while read -r word; do
        case "$WORDS_NOT_CALLS$PRESUMED$FROM_ANYWHERE" in *" $word "*) continue ;; esac
        path=$(type -P "$word") || continue
        seen=$((seen + 1))
        is_provided "$word" "$provided" && continue
        echo "error: $word ($path) comes with $(owner_of "$path" | grep . || echo no package), which scripts/lib/packages.sh does not install"
        missing=$((missing + 1))
    done < <(words_of_scripts)
    echo "$seen programs are called, $missing of them by luck"
    [ "$seen" -gt 30 ] && [ "$missing" -eq 0 ]
}

# is_provided WORD PACKAGES: some program of that name comes with one of these packages, or with any Debian.
is_provided() {
    local path owner
    while read -r path; do
        owner=$(owner_of "$path")
        case "$2" in *" ${owner:-none} "*) return 0 ;; esac
        [ -n "$owner" ] && is_base "$owner" && return 0
    done < <(type -aP "$1")
    return 1
}

words_of_scripts() {
    sed -E 's/(^|[[:space:]])#.*//' "$ROOT"/scripts/*.sh "$ROOT"/scripts/lib/*.sh "$ROOT"/tests/e2e/*.sh |
        grep -oE '[a-z][a-z0-9_+-]+' | sort -u
}

depended_on() { dpkg-query -W -f '${Pre-Depends}, ${Depends}, ' "$@" 2>/dev/null | sed -E 's/\([^)]*\)//g; s/:any//g; s/[,|]/ /g' | tr -s ' \n' ' '; }

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
