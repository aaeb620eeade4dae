#!/bin/sh
# Writes a card image to a card, and reads it back.
#
#   board/flash.sh [--force] IMAGE DEVICE
#
#   board/flash.sh target/image/outpost-pi3.img.zst /dev/sdb
#
# IMAGE is FILE.img, FILE.img.xz or FILE.img.zst; `lsblk` lists the devices. All is checked before anything is written. A disk
# that cannot be taken out is refused, unless --force says that it is meant.
set -eu

fail() { echo "flash.sh: $*" >&2; exit 1; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mega() { awk -v bytes="$1" 'BEGIN { printf "%.0f MB", bytes / 1e6 }'; }

force=
[ "${1:-}" != --force ] || { force=yes; shift; }
[ $# = 2 ] || usage
case $1$2 in -*) usage ;; esac
image=$1 device=$2
# The tests' own /sys and /proc.
root=${OUTPOST_FLASH_ROOT:-}

# The image first: it is asked for nothing but to be one.
[ -f "$image" ] || fail "there is no image $image; 'make image BOARD=pi3' makes one."
[ -r "$image" ] || fail "$image cannot be read; whose is it?"
case $image in
    *.xz) unpack='xz -dc' ;;
    *.zst) unpack='zstd -dcq' ;;
    *.img) unpack=cat ;;
    *) fail "$image is no .img, .img.xz or .img.zst." ;;
esac
command -v "${unpack%% *}" >/dev/null || fail "${unpack%% *} is missing (Debian: xz-utils, zstd)."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# Then the device.
[ -e "$device" ] || fail "there is no $device. Is the card in? 'lsblk' lists the disks."
node=$(realpath "$device")
name=$(basename "$node")
block=$root/sys/class/block/$name
[ -e "$block" ] && { [ -n "$root" ] || [ -b "$node" ]; } || fail "$device is not a disk; 'lsblk' lists them."
[ ! -e "$block/partition" ] || fail "$device is a partition of a disk, and the image is for the whole: see 'lsblk -p'."
# A card in a slot of its own does not call itself removable, as the slot stays.
[ -n "$force" ] || [ "$(cat "$block/removable")" = 1 ] || [ "$(cat "$block/device/type" 2>/dev/null)" = SD ] ||
    fail "$device cannot be taken out: it looks like a disk of this computer. If it is meant all the same: --force."
[ "$(cat "$block/ro")" = 0 ] || fail "$device is write-protected: is the slider of the card at LOCK?"
# It, and its partitions: in use?
for part in "$block" "$root/sys/class/block/$name"*; do
    case ${part##*/} in "$name" | "$name"[0-9]* | "$name"p[0-9]*) ;; *) continue ;; esac
    number=$(cat "$part/dev")
    where=$(awk -v number="$number" '$3 == number { print $5; exit }' "$root/proc/self/mountinfo")
    [ -z "$where" ] || fail "/dev/${part##*/} is mounted at $where; unmount it first: umount $where"
    ! grep -qs "^/dev/${part##*/}[[:space:]]" "$root/proc/swaps" || fail "/dev/${part##*/} is swapped to: it is in use."
    [ -z "$(ls "$part/holders" 2>/dev/null)" ] || fail "/dev/${part##*/} is part of $(ls "$part/holders"): it is in use."
done
[ -w "$node" ] && [ -r "$node" ] || fail "$device may not be written by $(id -un): try sudo $0 ..."
capacity=$(($(cat "$block/size") * 512))

# Last what takes a moment: all of the image, once.
table=$($unpack "$image" 2>/dev/null | head -c 512 | tail -c 2 | od -An -tx1)
[ "$table" = ' 55 aa' ] || fail "$image holds no image of a disk (no partition table): is it the right file?"
echo "Checking $image..." >&2
mkfifo "$work/copy"
sha256sum <"$work/copy" >"$work/sum" &
size=$({ $unpack "$image" 2>"$work/why" || : >"$work/failed"; } | tee "$work/copy" | wc -c)
wait $!
[ ! -e "$work/failed" ] || fail "$image is damaged: $(cat "$work/why"). Fetch or make it again."
sum=$(cut -d ' ' -f 1 "$work/sum")
[ "$size" -le "$capacity" ] ||
    fail "$device has $(mega "$capacity") and the image $(mega "$size"): take a larger card. Nothing was written."

model=$(cat "$block/device/vendor" "$block/device/model" "$block/device/name" 2>/dev/null | tr -s ' \n' ' ')
echo "$device: ${model:-no name }$(mega "$capacity"). All that is on it will be lost." >&2
if [ -t 0 ]; then
    printf 'Go on? [y/N] ' >&2
    read -r answer
    case $answer in y | Y | yes) ;; *) fail "nothing was written." ;; esac
fi

echo "Writing $(mega "$size")..." >&2
{ $unpack "$image" || : >"$work/failed"; } | dd of="$node" bs=4M iflag=fullblock conv=fsync,notrunc status=progress ||
    fail "$device did not take all of it (see above). The card is worn out, or was pulled; what is on it is not usable."
[ ! -e "$work/failed" ] || fail "$image could not be read to its end; what is on $device is not usable."
# From the card, not from this computer's memory of it.
[ ! -b "$node" ] || blockdev --flushbufs "$node"
echo 'Reading it back...' >&2
back=$(dd if="$node" bs=4M iflag=count_bytes count="$size" status=progress | sha256sum | cut -d ' ' -f 1)
[ "$back" = "$sum" ] || fail "what $device gives back is not what was written to it: the card is broken, or not as large as it says."
echo "Done, and read back without an error. The first partition holds outpost.toml and network.toml, to be edited." >&2
