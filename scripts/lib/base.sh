# shellcheck shell=bash
# The base image of all component images: scalectl/base:trixie in the engine.
#
# Pulled as debian:trixie-slim where a registry answers, else made here from
# Debian's mirrors with mmdebstrap. Only ever tagged as ours: a debian:* tag
# that the user has is used as it is and never moved, made or removed.
# Next: images/ (the Dockerfiles that take it as their build argument BASE).

[ -n "${_SCALECTL_BASE:-}" ] && return 0
_SCALECTL_BASE=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

BASE_IMAGE=scalectl/base:trixie
_BASE_SOURCE=debian:trixie-slim
# A slow line needs a minute for 30 MB; an unreachable registry must not cost more.
_PULL_LIMIT_SECONDS=90

# need_base_image: makes $BASE_IMAGE in the engine that `docker` speaks to.
need_base_image() {
    if docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
        step "base image $BASE_IMAGE is there"
        return 0
    fi
    mkdir -p "$SCALECTL_CACHE/log"
    _base_from_registry || _base_from_mirror
}

_base_from_registry() {
    if docker image inspect "$_BASE_SOURCE" >/dev/null 2>&1; then
        step "base image: this engine's own $_BASE_SOURCE"
        docker tag "$_BASE_SOURCE" "$BASE_IMAGE"
        return
    fi
    local code=0
    step "pulling $_BASE_SOURCE (at most $_PULL_LIMIT_SECONDS s)"
    timeout "$_PULL_LIMIT_SECONDS" docker pull --quiet "$_BASE_SOURCE" \
        >"$SCALECTL_CACHE/log/pull.log" 2>&1 || code=$?
    if ((code != 0)); then
        note "no image from a registry: $(_last_line "$SCALECTL_CACHE/log/pull.log")"
        return 1
    fi
    docker tag "$_BASE_SOURCE" "$BASE_IMAGE"
    # Takes only the name away, which was not there before; the image stays under ours.
    docker rmi --no-prune "$_BASE_SOURCE" >/dev/null
}

_base_from_mirror() {
    local tar=$SCALECTL_CACHE/base-trixie.tar
    if [ ! -s "$tar" ]; then
        debian_tree trixie "$tar" "making the base image from Debian's mirrors" ||
            die "make the base image" \
                "Debian's mirror must be reachable: deb.debian.org, or the one that SCALECTL_DEBIAN_MIRROR names (an URL)" \
                "the whole output is in $SCALECTL_CACHE/log/mmdebstrap.log"
    fi
    step "importing the base image"
    docker import --change 'CMD ["/bin/bash"]' "$tar" "$BASE_IMAGE" >/dev/null ||
        die "import $tar into the engine" "is there room for 200 MB? docker system df"
    rm -f "$tar"
}

# debian_tree RELEASE TARGET WHAT [MMDEBSTRAP OPTION...]: a minimal Debian as a
# tar file, checked against Debian's archive keys. TARGET appears only when whole;
# returns a failure code otherwise.
debian_tree() {
    local release=$1 target=$2 what=$3 code=0
    shift 3
    need_packages mmdebstrap debian-archive-keyring
    _need_archive_key "$release"
    run_logged "$what" "$SCALECTL_CACHE/log/mmdebstrap.log" \
        _write_debian_tree "$release" "$target.part" "$@" || code=$?
    if ((code != 0)); then
        rm -f "$target.part"
        return "$code"
    fi
    mv "$target.part" "$target"
}

# Root writes to standard output: the file belongs to the caller, no user namespace is needed.
_write_debian_tree() {
    local release=$1 target=$2
    shift 2
    as_root mmdebstrap --mode=root --format=tar --variant=minbase \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$@" \
        "$release" - ${SCALECTL_DEBIAN_MIRROR:+"$SCALECTL_DEBIAN_MIRROR"} >"$target"
}

# A Debian 12 from before trixie's release does not carry trixie's keys yet.
_need_archive_key() {
    local key=/usr/share/keyrings/debian-archive-$1-stable.gpg
    [ ! -e "$key" ] || return 0
    _refresh_apt_lists
    run_logged "updating Debian's archive keys" "$SCALECTL_CACHE/log/apt-install.log" \
        _apt_get install --yes --only-upgrade debian-archive-keyring || true
    [ -e "$key" ] || die "debian-archive-keyring on this machine does not know $1" \
        "update it: apt-get install debian-archive-keyring (12.10 and newer carry trixie's keys)"
}
