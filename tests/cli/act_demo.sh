#!/bin/bash
# `gramian act` and `gramian demo` as their users meet them: lines in, lines out, exit codes. Needs a shell and awk only.
#
#     act_demo.sh GRAMIAN [DEVICE…]     the program, and what to run it on; default: host and llvmpipe
set -u
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/checks.sh"
gramian=$(realpath "$1") || exit 1
shift
devices=("$@")
[ ${#devices[@]} -gt 0 ] || devices=(host llvmpipe)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
agent=cartpole-fewshot

exit_code() { # of a command whose output does not matter
    timeout 60 "$@" > out.txt 2> err.txt < /dev/null
    echo $?
}

act() { # act MODEL [OPTION…] on the device of this round; standard error is kept in err.txt
    timeout 120 "$gramian" act --device "$device" "$@" 2> err.txt
}

little_endian() { # little_endian BYTES NUMBER
    local i
    for ((i = 0; i < $1; ++i)); do printf '%b' "\\x$(printf %02x $((($2 >> (8 * i)) & 255)))"; done
}

# model FILE JSON [SHAPE FLOAT_WORD…]: a model file whose only weight, if any, is `w`
model() {
    local file=$1 json=${2//\"/\\\"} shape=${3:-} header word
    shift 2
    header="{\"__metadata__\":{\"gramian.model\":\"$json\"}"
    [ $# -eq 0 ] || header+=",\"w\":{\"dtype\":\"F32\",\"shape\":$shape,\"data_offsets\":[0,$((4 * ($# - 1)))]}"
    header+='}'
    while [ $((${#header} % 8)) != 0 ]; do header+=' '; done
    {
        little_endian 8 ${#header}
        printf %s "$header"
        for word in "${@:2}"; do little_endian 4 "$word"; done
    } > "$file"
}

# tensor FILE NAME COLUMNS: its rows as comma-separated lines
tensor() {
    local length begin end
    length=$(od -An -v -t u8 -N 8 "$1" | tr -d ' ')
    read -r begin end < <(head -c $((8 + length)) "$1" | tail -c "$length" |
        sed "s/.*\"$2\":{\([^}]*\)}.*/\1/; s/.*\"data_offsets\":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/")
    od -An -v -t f4 -w$((4 * $3)) -j $((8 + length + begin)) -N $((end - begin)) "$1" | awk -v OFS=, '{ $1 = $1; print }'
}

# Demonstrations ------------------------------------------------------------------------------------------------------

"$gramian" demo cartpole-random --pairs 100 --seed 3 --out demos.safetensors --json > demo.json 2> err.txt
check "demo: exit code" $? 0
check "demo: JSON" "$(sed 's/"teacher_return":[0-9.]*/"teacher_return":R/' demo.json)" \
    '{"task":"cartpole-random","pairs":100,"episodes":1,"out":"demos.safetensors","teacher_return":R,"seed":3}'
tensor demos.safetensors observation 5 > observations.csv
tensor demos.safetensors target 1 > targets.csv
check "demo: observations" "$(wc -l < observations.csv)" 100
check "demo: targets" "$(awk '$1 < -1 || $1 > 1 { bad = 1 } END { print NR, bad + 0 }' targets.csv)" "100 0"
check "demo: metadata" "$(head -c 1000 demos.safetensors | grep -ao '"gramian.io":"1"\|"task":"cartpole-random"\|"seed":"3"' | wc -l)" 3
"$gramian" demo cartpole-random --pairs 100 --seed 3 --out again.safetensors > /dev/null
check_that "demo: the same seed gives the same file" cmp -s demos.safetensors again.safetensors
"$gramian" demo cartpole-random --pairs 100 --seed 4 --out other.safetensors > /dev/null
check "demo: another seed gives another file" "$(cmp -s demos.safetensors other.safetensors; echo $?)" 1
"$gramian" demo cartpole-random --pairs 10 --episodes 4 --out four.safetensors > /dev/null
check "demo: pairs spread over episodes" "$(tensor four.safetensors episode 1 | uniq -c | awk '{ print $1 "x" $2 }' | xargs)" "2x0 3x1 2x2 3x3"
"$gramian" demo cartpole --pairs 501 --out two.safetensors --json > demo.json
check "demo: as many episodes as the pairs need" "$(grep -o '"episodes":[0-9]*' demo.json)" '"episodes":2'
check "demo: unknown task" "$(exit_code "$gramian" demo nothing --out x.safetensors)" 2
check_that "demo: known tasks are listed" grep -q 'cartpole-random, pendulum' err.txt
check "demo: more pairs than steps" "$(exit_code "$gramian" demo cartpole --pairs 501 --episodes 1 --out x.safetensors)" 2
check "demo: no --out" "$(exit_code "$gramian" demo cartpole)" 2
for out in missing/x.safetensors . /proc/x.safetensors; do
    start=$SECONDS
    check "demo: cannot write $out" "$(exit_code "$gramian" demo cartpole-random --pairs 4000000 --out $out)" 1
    check_that "demo: says so at once, in one line" [ $((SECONDS - start)) -lt 10 -a "$(wc -l < err.txt)" = 1 ]
done
check "demo: a full disk" "$(exit_code "$gramian" demo cartpole --out /dev/full)" 1
check "demo: leaves nothing behind" "$(ls | grep -c 'x.safetensors\|tmp')" 0

# Lines ---------------------------------------------------------------------------------------------------------------

# An observation of two numbers is its own key: what is taught is a weighted sum, found by least squares.
model sum.safetensors '{"version":1,"name":"sum","inputs":[{"name":"observation","size":2},{"name":"target","size":1,"context":true}],"outputs":[{"name":"action","size":1}],"nodes":[{"op":"intention","in":{"q":"observation","k":"observation","v":"target"},"out":["action"],"attributes":{"alpha":1e-6}}]}'
# 1 a + 2 b, fixed: a model that has nothing to learn.
model fixed.safetensors '{"version":1,"name":"fixed","inputs":[{"name":"observation","size":2}],"outputs":[{"name":"action","size":1}],"nodes":[{"op":"linear","in":["observation"],"out":["action"],"weights":{"weight":"w"}}]}' \
    '[1,2]' 0x3f800000 0x40000000

rounded() { sed 's/^\[\(.*\)\]$/\1/' | awk '/^[-0-9.e+]*$/ { printf "%.3f\n", $1; next } { print }' | xargs -d '\n'; }

teach_sum='{"observation":[1,0],"target":[2]}
{"observation":[0,1],"target":[-1]}
{"observation":[1,1],"target":[1]}'

lines_on_device() {
    local expected number start code
    check "$device: three forms of one observation" \
        "$(printf '[1,2]\n 1 ,\t2 \r\n{"observation":[1.0,2e0]}\n+1,.2e1\n' | act fixed.safetensors | xargs)" '[5] [5] [5] [5]'
    check "$device: blank lines, and no newline at the end" "$(printf '\n  \n1,2\n\n\r\n3,4' | act fixed.safetensors | xargs)" '[5] [11]'
    check "$device: no input at all" "$(act fixed.safetensors < /dev/null; echo $?)" 0
    check "$device: untaught, taught, started anew" \
        "$(printf '%s\n' '5,3' "$teach_sum" '5,3' '{"reset":true}' '5,3' "${teach_sum%%$'\n'*}" '5,3' | act sum.safetensors | rounded)" \
        '0.000 {"taught":1} {"taught":2} {"taught":3} 7.000 {"reset":true} 0.000 {"taught":1} 10.000'
    check "$device: one solve for all that was taught" "$(grep -c '"taught":3,"solved":true,"retries":' err.txt)" 1
    check "$device: a lesson after an action counts too" \
        "$(printf '%s\n' '{"observation":[1,0],"target":[2]}' '5,3' '{"observation":[0,1],"target":[-1]}' '5,3' | act sum.safetensors | rounded)" \
        '{"taught":1} 10.000 {"taught":2} 7.000'
    check "$device: agents of one process" \
        "$(printf '%s\n' '{"observation":[1,0],"target":[2],"stream":1}' '[1,0]' '{"observation":[1,0],"stream":1}' '{"stream":1,"reset":true}' '{"observation":[1,0],"stream":1}' '{"observation":[1,0],"stream":2}' |
            act sum.safetensors --streams 2 | rounded)" \
        '{"taught":1} 0.000 2.000 {"reset":true} 0.000 {"error":"line 6: stream: expected 0 to 1, found 2"}'
    check "$device: a model that cannot be taught" "$(echo '{"observation":[1,2],"target":[5]}' | act fixed.safetensors)" \
        '{"error":"line 1: this model has no context input: it cannot be taught"}'

    # Nothing that cannot be understood changes anything: the answers around it stay what they were.
    printf '%s\n' "$teach_sum" '5,3' '[-1,2]' > good.txt
    act sum.safetensors < good.txt > good.out
    {
        printf '%s\n' '1' '1,2,3' '1,x' '1;2' '1 2' ',' '1,' 'nan,1' '1,inf' '1,1e39' '[1]' '[]' '{}' '[1,2' '[1,2]]' '[1,2] 3' '[1,null]' \
            '[1,true]' '[1,"2"]' '[1,[2]]' '[[[[1]]]]' '[1,1e999]' '[NaN,1]' '{"observation":1}' '{"observation":[1,2],"speed":3}' \
            '{"observation":[1,2],"observation":[3,4]}' '{"target":[1]}' '{"observation":[1,2],"target":[1,2]}' \
            '{"observation":[1,2],"target":[null]}' '{"reset":false}' '{"reset":1}' '{"reset":true,"observation":[1,2]}' \
            '{"observation":[1,2],"stream":1}' '{"observation":[1,2],"stream":-1}' '{"observation":[1,2],"stream":"0"}' '"1,2"' 'reset'
        printf '\xff,1\n{"\xff":1}\n[1,2\x00]\n\x00\n'
        head -c 1100000 /dev/zero | tr '\0' '1'
        echo
        head -c 1000000 /dev/zero | tr '\0' '['
        echo
    } > bad.txt
    number=$(wc -l < bad.txt)
    { sed -n 1,2p good.txt; cat bad.txt; sed -n 3,4p good.txt; cat bad.txt; sed -n 5p good.txt; } | act sum.safetensors > mixed.out
    check "$device: every bad line has its error" "$(grep -cE '^\{"error":"line [0-9]+: ([^"\\]|\\.)*"\}$' mixed.out)" $((2 * number))
    check "$device: bad lines change nothing" "$(grep -v '^{"error"' mixed.out | xargs)" "$(xargs < good.out)"
    check "$device: errors are ASCII" "$(LC_ALL=C grep -c '[^ -~]' mixed.out)" 0
    expected='{"error":"line 2: expected 2 numbers, found 3"}'
    check "$device: an error counts lines from 1" "$(printf '1,2\n1,2,3\n' | act fixed.safetensors | tail -n 1)" "$expected"
    check "$device: a line of a megabyte is skipped" \
        "$({ head -c 3000000 /dev/zero | tr '\0' '1'; printf '\n1,2\n'; } | act fixed.safetensors | xargs)" \
        '{error:line 1: longer than 1048576 bytes} [5]'

    # Answers come at once, readers may go away, and an interrupt is an ordinary end.
    rm -f in out
    mkfifo in out
    act fixed.safetensors < in > out &
    exec 3> in 4< out
    echo '1,2' >&3
    read -r -t 60 line <&4
    check "$device: answers before the next line" "$line" '[5]'
    exec 4<&-
    wait $!
    check "$device: ends when its reader is gone, though its input goes on" $? 0
    exec 3>&-
    start=$SECONDS
    check "$device: head -n 1" "$({ yes '1,2' | act fixed.safetensors; echo ${PIPESTATUS[1]} > code; } | head -n 1) $(cat code)" '[5] 0'
    check_that "$device: head -n 1 ends promptly" [ $((SECONDS - start)) -lt 30 ]
    exec 3<> in
    timeout --preserve-status -s INT 5 "$gramian" act --device "$device" fixed.safetensors <&3 > /dev/null 2>&1
    check "$device: an interrupt" $? 0
    exec 3>&-
    check "$device: a full disk" "$(echo '1,2' | act fixed.safetensors > /dev/full; echo $?)" 1

    printf '1,2\n\n3,4\n' | act fixed.safetensors --profile > /dev/null
    check "$device: latency of every line" "$(grep -c '^line [13]: [0-9.]* us$' err.txt)" 2
    check "$device: latency in short" "$(grep -c '^2 lines: p50 [0-9.]* us, p99 [0-9.]* us, max [0-9.]* us$' err.txt)" 1
}

# The shipped agent learns a demonstration and then does as its teacher did.
agent_on_device() {
    paste -d ' ' observations.csv targets.csv | sed 's/\(.*\) \(.*\)/{"observation":[\1],"target":[\2]}/' > lesson.txt
    cat lesson.txt observations.csv | act $agent "$@" > actions.txt
    check "$device $*: teaches and acts" "$(sed -n '1p;100p' actions.txt | xargs) $(wc -l < actions.txt)" '{taught:1} {taught:100} 200'
    tail -n 100 actions.txt | tr -d '[]' > answers.txt
    check "$device $*: acts like its teacher" "$(paste -d ' ' answers.txt targets.csv |
        awk '{ s += ($1 - $2) ^ 2; t += $2 ^ 2 } END { print s < 0.04 * t ? "near" : "rms error " sqrt(s / t) }')" near
}

for device in "${devices[@]}"; do
    lines_on_device
    agent_on_device
    agent_on_device --limits minimum
done
device=${devices[0]}
check "an unknown agent" "$(exit_code "$gramian" act nobody)" 2
check "a file that is not there" "$(exit_code "$gramian" act nobody.safetensors --device "$device")" 4
check "a file that is no model" "$(exit_code "$gramian" act demos.safetensors --device "$device")" 4
check "a device that is not there" "$(exit_code "$gramian" act $agent --device 'no such device')" 3
check "no streams" "$(exit_code "$gramian" act $agent --streams 0)" 2
check_that "help" grep -q 'printf' <("$gramian" act --help)

echo "$((checks - failures)) of $checks checks passed on ${devices[*]}"
[ $failures = 0 ]
