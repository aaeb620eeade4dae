# Sourced by the scripts of this folder, with `$here` where it stands.
. "$here/../.ci/cache.sh"
PATH=$PATH:/usr/sbin:/sbin
use_cache "${OUTPOST_IMAGE_CACHE:-${CARGO_TARGET_DIR:-$here/../target}/image}"
suite=trixie

need() {
    for program; do
        command -v "$program" >/dev/null || fail "$program is missing: '.ci/setup image' installs what makes a card image."
    done
}

# Sets the variables of board $1.
board() {
    [ -n "$1" ] && [ -f "$here/profiles/$1" ] ||
        fail "unknown board '$1'. Known: $(ls "$here/profiles" | paste -sd ' ')."
    FIRMWARE=pi KERNEL_SUITE=$suite CONFIG= CMDLINE= DTB= TITLE= EXPECT=
    . "$here/profiles/$1"
}

# apt for the board, with the suites $1; firmware is not free, and stands in a part of the archive of its own.
board_apt() {
    own_apt "arm64 amd64" "$1"
    sed -i 's/ main$/ main non-free-firmware/' "$work/apt/sources"
    apt-get -q=2 update >&2 || fail "the archive could not be read (see above)."
}

# Ends if the folder $cache has less than $1 MB.
room() {
    free_mb=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$1" ] ||
        fail "$cache has $free_mb MB left; this takes $1. OUTPOST_IMAGE_CACHE=DIR puts it elsewhere."
}
