# What the command line says and returns when something is wrong: 1 failed, 2 usage, 3 no device, 4 bad input file.
cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(problems "")

# expect(CODE words; ARGUMENTS…): the exit code, and words on standard error. Nothing but JSON ever comes on standard
# output with --json, so an error leaves it empty.
function(expect code words)
    execute_process(COMMAND ${PROGRAM} ${ARGN}
        RESULT_VARIABLE found OUTPUT_VARIABLE output ERROR_VARIABLE errors TIMEOUT 60 WORKING_DIRECTORY ${WORK})
    list(JOIN ARGN " " command)
    if(NOT found STREQUAL code)
        list(APPEND problems "gramian ${command}: expected exit code ${code}, found ${found}: ${errors}")
    endif()
    foreach(word IN LISTS words)
        string(FIND "${errors}" "${word}" at)
        if(at EQUAL -1)
            list(APPEND problems "gramian ${command}: expected '${word}' in: ${errors}")
        endif()
    endforeach()
    if(NOT output STREQUAL "")
        list(APPEND problems "gramian ${command}: expected nothing on standard output, found: ${output}")
    endif()
    set(problems "${problems}" PARENT_SCOPE)
endfunction()

set(quick --episodes 1 --device host)
expect(2 "no agent 'nobody';cartpole-fewshot" run nobody ${quick})
expect(2 "no agent 'nobody';cartpole-fewshot" run nobody ${quick} --json)
expect(2 "juggling;cartpole-random" run cartpole-fewshot --task juggling ${quick})
expect(2 "--epsiodes" run cartpole-fewshot --epsiodes 1)
expect(2 "--episodes" run cartpole-fewshot --episodes 0)
expect(2 "--episodes" run cartpole-fewshot --episodes many)
expect(2 "--head" run cartpole-fewshot --head relu)
expect(2 "--limits" run cartpole-fewshot --limits none)
expect(2 "" nothing)
expect(2 "")
expect(3 "no such device;there are;host" run cartpole-fewshot --episodes 1 --device "no such device")
expect(3 "there are;host" run cartpole-fewshot --episodes 1 --device 99 --json)

file(WRITE ${WORK}/broken.safetensors "not a model")
expect(4 "broken.safetensors" run ${WORK}/broken.safetensors ${quick})
expect(4 "broken.safetensors" inspect ${WORK}/broken.safetensors)
file(WRITE ${WORK}/empty.safetensors "")
expect(4 "empty.safetensors;found 0" run ${WORK}/empty.safetensors ${quick} --json)
expect(4 "nowhere.safetensors" run ${WORK}/nowhere.safetensors ${quick})
expect(4 "nowhere.safetensors" inspect ${WORK}/nowhere.safetensors)

# A recording that cannot be written is known before a million episodes have run.
expect(1 "${WORK}/nowhere/record.html" run cartpole-fewshot --device host --episodes 1000000
    --record ${WORK}/nowhere/record.html)
expect(1 "${WORK}/nowhere/trace.csv" run cartpole-fewshot --device host --episodes 1000000
    --trace ${WORK}/nowhere/trace.csv)
file(GLOB left_behind RELATIVE ${WORK} ${WORK}/*)
if(NOT left_behind STREQUAL "broken.safetensors;empty.safetensors")
    list(APPEND problems "files were left behind: ${left_behind}")
endif()

if(problems)
    list(JOIN problems "\n" text)
    message(FATAL_ERROR "${text}")
endif()
