# Sourced by tests/vm/kernel and tests/vm/image, with `$here` this folder.
. "$here/../../.ci/cache.sh"
use_cache "${OUTPOST_VM_CACHE:-${CARGO_TARGET_DIR:-$here/../../target}/vm}"
