#!/bin/bash
# `gramian eval` over sequences: cut anywhere, saved and gone on with, the same bits; a state that is not this model's, or
# is damaged, refused. Needs a shell and awk only.
#
#     eval.sh GRAMIAN [DEVICE…]     the program, and what to run it on; default: host and llvmpipe
set -u
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/checks.sh"
gramian=$(realpath "$1") || exit 1
shift
devices=("$@")
[ ${#devices[@]} -gt 0 ] || devices=(host llvmpipe)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
tokens=23 size=32

# safetensors FILE HEADER: a file of this header; its data come from standard input
safetensors() {
    local header=$2 length i
    while [ $((${#header} % 8)) != 0 ]; do header+=' '; done
    length=${#header}
    {
        for ((i = 0; i < 8; ++i)); do printf '%b' "\\x$(printf %02x $(((length >> (8 * i)) & 255)))"; done
        printf %s "$header"
        cat
    } > "$1"
}

model() { # model FILE ATTRIBUTES: a layer of this recurrence, two heads of 16
    local ports="" name
    for name in q k v decay; do ports+="${ports:+,}{\"name\":\"$name\",\"size\":$size}"; done
    local json="{\"version\":1,\"name\":\"layer\",\"inputs\":[$ports],\"outputs\":[{\"name\":\"o\",\"size\":$size}],
        \"nodes\":[{\"op\":\"linear_attention\",\"in\":{\"q\":\"q\",\"k\":\"k\",\"v\":\"v\",\"decay\":\"decay\"},
        \"out\":[\"o\"],\"attributes\":{\"heads\":2$2}}]}"
    json=$(tr -d '\n ' <<< "$json")
    safetensors "$1" "{\"__metadata__\":{\"gramian.model\":\"${json//\"/\\\"}\"}}" < /dev/null
}

# input FILE FIRST COUNT BATCH: tokens FIRST … of an endless sequence, floats between 1/2 and 1, decays below 0
input() {
    local header="" name at=0 bytes=$((4 * $4 * $3 * size))
    for name in q k v decay; do
        header+=",\"$name\":{\"dtype\":\"F32\",\"shape\":[$4,$3,$size],\"data_offsets\":[$at,$((at + bytes))]}"
        at=$((at + bytes))
    done
    awk -v first="$2" -v count="$3" -v batch="$4" -v size=$size 'BEGIN {
        for (n = 0; n < 4; ++n) for (b = 0; b < batch; ++b) for (t = first; t < first + count; ++t) for (c = 0; c < size; ++c) {
            x = ((n * 97 + b * 31 + t * 7 + 1) * (c * 13 + 5)) % 1009
            is_negative = n == 3 || x % 2
            printf "\\x%02x\\x%02x\\x%02x\\x%02x", x % 256, (x * 7) % 256, x % 128, is_negative ? 191 : 63
        }
    }' > bytes.txt
    printf '%b' "$(cat bytes.txt)" > data.bin
    safetensors "$1" "{${header#,}}" < data.bin
}

data() { tail -c $((4 * $2 * size)) "$1"; } # data FILE TOKENS: of its one tensor

eval_() { # eval_ MODEL INPUT OUTPUT [OPTION…] on the device of this round; prints the exit code
    timeout 120 "$gramian" eval --device "$device" --quiet "$1" "$2" --out "$3" "${@:4}" > out.txt 2> err.txt < /dev/null
    echo $?
}

cuts_on_device() { # cuts_on_device MODEL
    local chunk
    check "$device, $1: whole" "$(eval_ "$1" input.safetensors whole.out --state-out whole.state)" 0
    for chunk in 1 5 22; do
        check "$device, $1: chunks of $chunk" "$(eval_ "$1" input.safetensors cut.out --chunk $chunk --state-out cut.state)" 0
        check_that "$device, $1: outputs in chunks of $chunk are those of the whole" cmp -s whole.out cut.out
        check_that "$device, $1: the state in chunks of $chunk is that of the whole" cmp -s whole.state cut.state
    done
    check "$device, $1: a first part" "$(eval_ "$1" first.safetensors first.out --state-out first.state)" 0
    check "$device, $1: the rest" "$(eval_ "$1" rest.safetensors rest.out --state-in first.state --state-out rest.state)" 0
    check_that "$device, $1: a saved state goes on as a whole sequence does" \
        cmp -s <(data whole.out $tokens) <(data first.out 9; data rest.out $((tokens - 9)))
    check_that "$device, $1: and ends in the same state" cmp -s whole.state rest.state
    check "$device, $1: the rest, from nothing" "$(eval_ "$1" rest.safetensors fresh.out)" 0
    check_that "$device, $1: a state makes a difference" bash -c '! cmp -s rest.out fresh.out'
}

refusals_on_device() {
    check "$device: a state" "$(eval_ gated first.safetensors first.out --state-out good.state)" 0
    check "$device: another model's state" "$(eval_ delta rest.safetensors refused.out --state-in good.state)" 4
    check_that "$device: the message names both models" grep -q 'fingerprint .* not to' err.txt
    local bytes
    bytes=$(stat -c %s good.state)
    for at in 0 $((bytes / 2)) $((bytes - 1)); do # the magic, a number of the state, the checksum
        cp good.state bad.state
        printf '\xa5' | dd of=bad.state bs=1 seek="$at" conv=notrunc 2> dd.txt
        cmp -s good.state bad.state && printf '\x5a' | dd of=bad.state bs=1 seek="$at" conv=notrunc 2> dd.txt
        check "$device: a state whose byte $at is wrong" "$(eval_ gated rest.safetensors refused.out --state-in bad.state)" 4
    done
    head -c $((bytes - 7)) good.state > short.state
    check "$device: a state that is cut short" "$(eval_ gated rest.safetensors refused.out --state-in short.state)" 4
    check "$device: a state that is not there" "$(eval_ gated rest.safetensors refused.out --state-in nobody.state)" 4
    check "$device: a state of one stream for two" "$(eval_ gated two.safetensors refused.out --state-in good.state)" 4
    check_that "$device: what is refused writes nothing" test ! -e refused.out
}

model gated ''
model delta ',"rule":"delta","scale":1'
input input.safetensors 0 $tokens 1
input first.safetensors 0 9 1
input rest.safetensors 9 $((tokens - 9)) 1
input two.safetensors 0 3 2
for device in "${devices[@]}"; do
    cuts_on_device gated
    cuts_on_device delta
done
device=${devices[0]} # states are read and refused by the same code on all
refusals_on_device

echo "$((checks - failures)) of $checks checks passed on ${devices[*]}"
[ $failures = 0 ]
