# Sourced by the scripts of this folder, with `$here` this folder: the boards we build for.
. "$here/../.ci/cache.sh"

# Target $1 by the names that Debian ($arch) and the C compilers ($triple) have for it.
target() {
    target=$1
    case $target in
        aarch64-unknown-linux-gnu) arch=arm64 triple=aarch64-linux-gnu ;;
        *) fail "unknown target '$target'. Known: aarch64-unknown-linux-gnu (64-bit ARM: Raspberry Pi 3, 4, 5, Zero 2)." ;;
    esac
}
