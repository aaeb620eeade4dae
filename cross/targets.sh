# Sourced by the scripts of this folder, with `$here` where it stands: the boards we build for.
. "$here/../.ci/cache.sh"

# The board $1, by the name that Rust or Debian has for it: sets $target, $arch, $triple, the C compilers' name, and whose
# $rust compiles: Debian's or rustup's.
target() {
    case $1 in
        aarch64-unknown-linux-gnu | arm64)
            target=aarch64-unknown-linux-gnu arch=arm64 triple=aarch64-linux-gnu rust=debian ;;
        armv7-unknown-linux-gnueabihf | armhf)
            target=armv7-unknown-linux-gnueabihf arch=armhf triple=arm-linux-gnueabihf rust=rustup ;;
        *) fail "unknown target '$1'. Known: aarch64-unknown-linux-gnu, or arm64 for short (Raspberry Pi 3, 4, 5, Zero 2" \
            "with a 64-bit system), and armv7-unknown-linux-gnueabihf, or armhf (Pi 2 and later, with one of 32 bits)." ;;
    esac
}

# The newest glibc that program $1 asks for.
glibc_of() { readelf -V "$1" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1 | cut -d _ -f 2; }

# The libraries that program $1 is linked with.
libraries_of() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-'; }
