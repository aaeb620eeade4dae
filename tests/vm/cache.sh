# Sourced by tests/vm/kernel and tests/vm/image: where built things are kept, and how they get there.
# `$here` is this folder. A thing is named by a hash of what it is made of, and appears in one step.
cache=${OUTPOST_VM_CACHE:-${CARGO_TARGET_DIR:-$here/../../target}/vm}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { echo "$*" >&2; }
fail() { say "$0: $*"; exit 1; }
hash() { sha256sum | cut -c 1-16; }

# Makes $work, a folder that goes with this process; one process at a time holds lock $1.
begin_work() {
    exec 9>"$cache/$1.lock"
    flock 9
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM HUP
}

# Keeps folder $work/$1 as $2, and drops what of its kind nobody used for a week.
keep() {
    mv "$work/$1" "$cache/$2"
    find "$cache" -maxdepth 1 -mtime +7 \( -name "$1-*" -o -name 'work.*' \) -exec rm -rf {} +
}
