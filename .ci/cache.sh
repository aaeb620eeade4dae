# Sourced by tests/vm and cross: where things made from Debian's packages are kept, and how they get there.
# `$here` is the folder of whoever sources it. A thing is named by a hash of what it is made of, and appears in
# one step.

say() { echo "$*" >&2; }
fail() { say "$0: $*"; exit 1; }
hash() { sha256sum | cut -c 1-16; }

# Things are kept in folder $1, which is made.
use_cache() {
    mkdir -p "$1" || fail "the folder $1 cannot be made (see above)."
    cache=$(cd "$1" && pwd)
}

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

# From here on apt is one with a state of its own in $work, where nothing is installed: it knows the architectures
# $1 (the first is this machine's) and the suites $2, be they this system's or not.
own_apt() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
    : >"$work/apt/status"
    cat >"$work/apt/conf" <<-CONF
	Dir::State "$work/apt";
	Dir::State::lists "$work/apt/lists";
	Dir::State::status "$work/apt/status";
	Dir::Cache "$work/apt";
	Dir::Etc::sourcelist "$work/apt/sources";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Acquire::Languages "none";
	Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	APT::Architecture "${1%% *}";
	APT::Architectures { $(printf '"%s"; ' $1)};
	APT::Sandbox::User "";
	CONF
    # The archive is the one this system uses itself.
    apt-get indextargets 'Created-By: Packages' --format '$(RELEASE) $(REPO_URI)' >"$work/archives"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    security=$(sed -n 's/^[a-z]*-security //p' "$work/archives" | head -n 1)
    main=$(sed -n "s/^$(. /etc/os-release && echo "$VERSION_CODENAME") //p" "$work/archives" | head -n 1)
    [ -n "$security" ] && [ -n "$main" ] || fail "no Debian archive among this system's apt sources."
    for suite in $2; do
        case $suite in
            *-security) echo "deb [signed-by=$keys] $security $suite main" ;;
            *) echo "deb [signed-by=$keys] $main $suite main" ;;
        esac
    done >"$work/apt/sources"
    APT_CONFIG=$work/apt/conf
    export APT_CONFIG
    apt-get -q=2 update >&2 || fail "the archive could not be read (see above)."
}
