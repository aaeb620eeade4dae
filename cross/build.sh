#!/bin/sh
# Builds the program for a board on this PC: no containers, nothing installed, no root.
#
#   cross/build.sh [--check] TARGET [option of cargo build]...
#
#   cross/build.sh aarch64-unknown-linux-gnu                        64-bit ARM: Raspberry Pi 3, 4, 5, Zero 2
#   cross/build.sh armv7-unknown-linux-gnueabihf                    32-bit ARM: Raspberry Pi 2 and later
#   cross/build.sh aarch64-unknown-linux-gnu --no-default-features
#
# The first time it fetches compilers and libraries (cross/root); after that it only builds. Ends by saying where the
# program is, how large, and what it needs. With --check it ends when it is known that all compiles.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/targets.sh"

verb=build
if [ "${1:-}" = --check ]; then
    verb=check
    shift
fi
case "${1:-}" in
    '' | -*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
target "$1"
shift
for program in cc cmake pkg-config readelf; do
    command -v $program >/dev/null || fail "$program is missing: '.ci/setup build' brings what it takes to build."
done
"$here/../.ci/cargo" --version >/dev/null || exit

root=$("$here/root" "$target")
bin=$root/bin
name=$(echo "$target" | tr - _)
upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
case $rust in
    debian) RUSTC=$bin/rustc ;;
    rustup)
        rustup=$(command -v rustup || echo "$HOME/.cargo/bin/rustup")
        RUSTC=$("$rustup" which rustc) || fail "for $target this takes rustup's Rust: https://rustup.rs brings it."
        [ -d "$("$RUSTC" --print sysroot)/lib/rustlib/$target" ] ||
            fail "Rust's library for $target is missing: 'rustup target add $target' brings it."
        ;;
esac
export RUSTC
export "CARGO_TARGET_${upper}_LINKER=$bin/cc"
export "CC_$name=$bin/cc" "CXX_$name=$bin/c++" "AR_$name=$bin/ar" "RANLIB_$name=$bin/ranlib"
export "PKG_CONFIG_SYSROOT_DIR_$name=$root" "PKG_CONFIG_LIBDIR_$name=$root/usr/lib/$triple/pkgconfig"
export PKG_CONFIG_ALLOW_CROSS=1
export "BINDGEN_EXTRA_CLANG_ARGS_$name=--sysroot=$root"

cd "$here/.."
began=$(date +%s)
.ci/cargo $verb --profile dist --target "$target" "$@"
[ $verb = build ] || exit 0
program=${CARGO_TARGET_DIR:-$PWD/target}/$target/dist/outpost
echo
echo "$program"
echo "    for $target, built in $(($(date +%s) - began)) s"
echo "    $(wc -c <"$program" | awk '{ printf "%.1f MB", $1 / 1e6 }'); needs glibc $(glibc_of "$program") and" \
    "$(libraries_of "$program" | grep -v -e '^libc\.' -e '^libm\.' | tr '\n' ' ')"
