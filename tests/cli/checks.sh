# What the command line's tests share: sourced, not run. Counts in `checks` and `failures`.
# shellcheck shell=bash
failures=0 checks=0

check() { # check WHAT FOUND EXPECTED
    checks=$((checks + 1))
    [ "$2" != "$3" ] || return 0
    failures=$((failures + 1))
    printf 'FAILED: %s\n  found:    %s\n  expected: %s\n' "$1" "$2" "$3" >&2
}

check_that() { # check_that WHAT COMMAND…
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" && return
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$what" >&2
}
