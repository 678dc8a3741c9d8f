#!/bin/bash
# Fetches Vulkan drivers that need no GPU, as plain files. Nothing is installed, no root is needed, the package state
# of the machine is untouched. Complete parts are left alone, so it is cheap to call. Debian 12, x86-64.
#
#   get-drivers.sh [PART…]      into ${GRAMIAN_DRIVERS_DIR:-~/.cache/gramian-drivers}; default: all parts
#
#   chromium  SwiftShader, the Khronos mock driver, a recent validation layer
#   mesa25    lavapipe 25.0, RADV with the newer AMD families
#   mesa26    lavapipe 26.1 with cooperative matrix, Turnip (Adreno)
#   arm64     the arm64 drivers: lavapipe, PanVK (Mali), V3DV (Raspberry Pi); run through qemu
#   arm64dev  the libraries that the conformance runner is built with, for arm64, and Android's headers
#   tools     compiles drm_shim.c and shader_stats.cpp, which stand beside this script
#
# A part that fails says why; the others go on. Exit status: 0 if every part asked for is complete.
set -u

src=$(cd "$(dirname "$0")" && pwd)
dir=${GRAMIAN_DRIVERS_DIR:-$HOME/.cache/gramian-drivers}
parts=("$@")
[ $# -gt 0 ] || parts=(chromium mesa25 mesa26 arm64 arm64dev tools)
case ${1:-} in -*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;; esac
mkdir -p "$dir/icd" "$dir/log" || exit 2
dir=$(cd "$dir" && pwd) || exit 2

# The mirror this machine already uses, whatever the format of its source lists.
# shellcheck disable=SC2016
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1
}

# extract_packages PART ARCH "SUITE…" TARGET PACKAGE… : resolves PACKAGE… and all they depend on from TARGET
# with an apt state of its own, and unpacks the result into $dir/PART/root.
extract_packages() {
    local arch=$2 suites=$3 target=$4 work=$dir/$1.new uri suite deb archives
    archives=$work/apt/cache/archives
    shift 4
    rm -rf "$work"
    mkdir -p "$work"/apt/{state,parts,lists/partial,cache/archives/partial} "$work/root"
    : > "$work/apt/status"
    uri=$(mirror)
    for suite in $suites; do
        echo "deb [arch=$arch signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"
    done > "$work/apt/sources.list"
    local options=(-qq -o APT::Architecture="$arch" -o APT::Architectures="$arch"
        -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts="$work/apt/parts"
        -o Dir::State="$work/apt/state" -o Dir::State::lists="$work/apt/lists"
        -o Dir::State::status="$work/apt/status" -o Dir::Cache="$work/apt/cache"
        -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)")
    apt-get "${options[@]}" update
    apt-get "${options[@]}" install -y --download-only --no-install-recommends -t "$target" "$@"
    for deb in "$archives"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    echo "$1 $(dpkg-deb -f "$archives/$1"_*.deb Version), $(du -sm "$archives" | cut -f 1) MB of packages" \
        > "$work/version"
    rm -rf "$work/apt" "$work"/root/usr/share/{doc,man,locale,perl,X11,bug,lintian} "$work"/root/usr/lib/*/gconv
    ln -sfn usr/lib "$work/root/lib"
}

# publish PART : makes a freshly unpacked part visible in one step. Its file `version` marks it complete.
publish() {
    rm -rf "${dir:?}/$1"
    mv "$dir/$1.new" "$dir/$1"
}

# keep_drivers PART LIBDIR NAME… : removes the other Vulkan drivers of a part and writes an ICD file for each kept.
# The arm64 files are named as the emulated program sees them, the others as this machine does.
keep_drivers() {
    local part=$1 libdir=$2 prefix=$dir/$1/root lib name
    shift 2
    [ "$part" != arm64 ] || prefix=
    for lib in "$dir/$part.new/root$libdir"/libvulkan_*.so; do
        name=${lib##*libvulkan_} name=${name%.so}
        case " $* " in
            *" $name "*) icd_file "$part-$name" "$prefix$libdir/libvulkan_$name.so" ;;
            *) rm "$lib" ;;
        esac
    done
}

icd_file() {
    printf '{"file_format_version":"1.0.1","ICD":{"library_path":"%s","api_version":"1.3.0"}}\n' "$2" > "$dir/icd/$1.json"
}

get_chromium() {
    rm -rf "$dir/chromium.new" && mkdir -p "$dir/chromium.new/unpacked" && cd "$dir/chromium.new"
    apt-get -qq -o APT::Sandbox::User="$(id -un)" download chromium-common
    local version file
    version=$(dpkg-deb -f chromium-common_*.deb Version)
    dpkg-deb -x chromium-common_*.deb unpacked
    for file in libvk_swiftshader libVkICD_mock_icd libVkLayer_khronos_validation; do
        mv "unpacked/usr/lib/chromium/$file.so" .
    done
    rm -rf unpacked ./*.deb
    icd_file swiftshader "$dir/chromium/libvk_swiftshader.so"
    icd_file mock "$dir/chromium/libVkICD_mock_icd.so"
    mkdir layer
    cat > layer/VkLayer_khronos_validation.json <<JSON
{"file_format_version": "1.2.0",
 "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL", "api_version": "1.4.300",
  "implementation_version": "1", "description": "Khronos validation layer from chromium-common $version",
  "library_path": "$dir/chromium/libVkLayer_khronos_validation.so",
  "instance_extensions": [{"name": "VK_EXT_debug_utils", "spec_version": "1"},
                          {"name": "VK_EXT_layer_settings", "spec_version": "2"}]}}
JSON
    echo "chromium-common $version" > version
    publish chromium
}

get_mesa25() {
    extract_packages mesa25 amd64 "bookworm bookworm-backports" bookworm-backports mesa-vulkan-drivers
    keep_drivers mesa25 /usr/lib/x86_64-linux-gnu lvp radeon
    publish mesa25
}

get_mesa26() {
    extract_packages mesa26 amd64 "trixie trixie-backports" trixie-backports mesa-vulkan-drivers libvulkan1 libstdc++6
    keep_drivers mesa26 /usr/lib/x86_64-linux-gnu lvp freedreno
    publish mesa26
}

get_arm64() {
    extract_packages arm64 arm64 "trixie trixie-backports" trixie-backports mesa-vulkan-drivers libvulkan1 libstdc++6
    keep_drivers arm64 /usr/lib/aarch64-linux-gnu lvp panfrost broadcom
    publish arm64
}

# Of this machine's own release, as is the cross compiler.
get_arm64dev() {
    extract_packages arm64dev arm64 bookworm bookworm libfmt-dev libpugixml-dev nlohmann-json3-dev libcli11-dev \
        libvulkan-dev libvulkan-volk-dev \
        android-platform-frameworks-native-headers android-liblog-dev android-libnativehelper-dev
    # What they depend on is in the part arm64, and newer: the drivers there need it so.
    find "$dir/arm64dev.new/root/usr/lib/aarch64-linux-gnu" -maxdepth 1 -name 'lib*' ! -name 'libfmt*' \
        ! -name 'libpugixml*' ! -name 'libvulkan*' -delete
    publish arm64dev
}

get_tools() {
    if [ ! -d "$dir/headers" ]; then # kernel and libdrm headers recent enough to know panthor
        extract_packages headers amd64 trixie trixie linux-libc-dev libdrm-dev
        mv "$dir"/headers.new/root/usr/include/drm "$dir"/headers.new/
        mv "$dir"/headers.new/root/usr/include/xf86drm*.h "$dir"/headers.new/
        rm -rf "$dir"/headers.new/root
        publish headers
    fi
    rm -rf "$dir/tools.new" && mkdir "$dir/tools.new" && cd "$dir/tools.new"
    # -idirafter: only what the cross compiler lacks, that is the Vulkan headers, comes from the host.
    local shim=(-O1 -Wall -shared -fPIC -I"$dir/headers" -I"$dir/headers/drm" "$src/drm_shim.c")
    local stats=(-std=c++20 -O2 -Wall -Wextra -Wno-missing-field-initializers -idirafter /usr/include "$src/shader_stats.cpp")
    gcc "${shim[@]}" -o drm_shim.so -ldl
    g++ "${stats[@]}" -o shader_stats -ldl
    if ! command -v aarch64-linux-gnu-g++ > /dev/null; then
        echo "no aarch64-linux-gnu-g++ (package g++-aarch64-linux-gnu): no compile reports for Mali and Raspberry Pi"
    else
        aarch64-linux-gnu-gcc "${shim[@]}" -o drm_shim_arm64.so -ldl
        aarch64-linux-gnu-g++ "${stats[@]}" -o shader_stats_arm64 -ldl
    fi
    sources_sum > version
    publish tools
}

sources_sum() { cat "$src/drm_shim.c" "$src/shader_stats.cpp" | cksum; }

complete() {
    if [ "$1" = tools ]; then
        [ -e "$dir/tools/version" ] && [ "$(sources_sum)" = "$(cat "$dir/tools/version")" ] &&
            { [ -e "$dir/tools/shader_stats_arm64" ] || ! command -v aarch64-linux-gnu-g++ > /dev/null; }
    else
        [ -e "$dir/$1/version" ]
    fi
}

failed=0
for part in "${parts[@]}"; do
    case $part in
        chromium | mesa25 | mesa26 | arm64 | arm64dev | tools) ;;
        *) echo "$part: unknown part" && failed=1 && continue ;;
    esac
    if ! complete "$part"; then
        start=$SECONDS
        (set -e && "get_$part") > "$dir/log/$part.log" 2>&1
        if ! complete "$part"; then
            failed=1
            echo "$part: FAILED, the end of $dir/log/$part.log:"
            tail -n 4 "$dir/log/$part.log" | sed 's/^/    /'
            continue
        fi
        echo "$part: fetched in $((SECONDS - start)) s"
    fi
    case $part in
        tools) echo "tools: compiled in $dir/tools" ;;
        *) echo "$part: $(cat "$dir/$part/version"), $(du -sm "$dir/$part" | cut -f 1) MB on disk" ;;
    esac
done
exit $failed
