# CMake toolchain: arm64 by Debian's cross compiler, with the libraries that get-drivers.sh keeps as plain files.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

if(DEFINED ENV{GRAMIAN_DRIVERS_DIR})
    set(CMAKE_FIND_ROOT_PATH $ENV{GRAMIAN_DRIVERS_DIR}/arm64dev/root)
else()
    set(CMAKE_FIND_ROOT_PATH $ENV{HOME}/.cache/gramian-drivers/arm64dev/root)
endif()
# For the activity of apps/android, which is compiled but not linked.
set(CMAKE_CXX_FLAGS_INIT "-idirafter ${CMAKE_CURRENT_LIST_DIR}/android")
foreach(folder IN ITEMS android android/nativehelper)
    string(APPEND CMAKE_CXX_FLAGS_INIT " -idirafter ${CMAKE_FIND_ROOT_PATH}/usr/include/${folder}")
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER) # glslang runs here
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
