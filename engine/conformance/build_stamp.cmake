# Writes build_stamp.h: the git revision and a hash over all kernels, as they are when this is built. Called with
# -DOUTPUT=… -DSOURCE=… "-DKERNELS=*.spv files"
cmake_minimum_required(VERSION 3.22)
set(revision "unknown")
execute_process(
    COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
if(result EQUAL 0)
    set(revision ${described})
endif()
set(hashes "")
foreach(kernel IN LISTS KERNELS)
    file(SHA256 ${kernel} hash)
    string(APPEND hashes ${hash})
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 16 hash)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
    "#pragma once\n#define GRAMIAN_GIT_REVISION \"@revision@\"\n#define GRAMIAN_SPIRV_HASH \"@hash@\"\n" @ONLY)
