# shellcheck shell=bash
# Which Docker engine a script speaks to.
#
# need_engine (quickstart): the user's engine where one answers; else one that these
# scripts started before; else Debian's docker.io (20.10 on 12, 26 on 13), started by
# systemd or, without an init system, by us. need_current_engine (tests, benchmarks):
# the user's if it is new enough, else one of ours on its own socket.
# Never installs over, reconfigures, stops or restarts an engine of the user's.
# Next: dockerd.sh (how an engine of ours is run), engine-build.sh (its programs).

[ -n "${_SCALECTL_ENGINE:-}" ] && return 0
_SCALECTL_ENGINE=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"
# shellcheck source=scripts/lib/dockerd.sh
. "${BASH_SOURCE[0]%/*}/dockerd.sh"
# shellcheck source=scripts/lib/engine-build.sh
. "${BASH_SOURCE[0]%/*}/engine-build.sh"

# The oldest API that scalectl speaks (Docker 20.10).
MINIMUM_API=1.41
# Docker 29.0: from here on the user's own engine is taken as the current one.
CURRENT_API=1.52

# Makes `docker` speak to some engine; exports DOCKER_HOST where it is one of ours.
need_engine() {
    if _use_answering_engine; then
        return 0
    fi
    _refuse_unreachable_engine
    # A second one beside it would break its firewall rules.
    if engine_running current || [ "${DOCKER_HOST:-}" = "$(engine_host current)" ]; then
        start_engine current current
        export DOCKER_HOST=$ENGINE_HOST
        return 0
    fi
    command -v dockerd >/dev/null || need_packages docker.io iptables ca-certificates
    need_docker_cli
    _lock_engines
    [ -n "$(engine_api)" ] || _start_default_engine
    _unlock_engines
    _use_answering_engine || {
        _refuse_unreachable_engine
        die "the Docker engine was started and does not answer" "ask it: docker version"
    }
}

# Makes an engine of the newest kind answer, exports DOCKER_HOST and ENGINE_NAME
# ("" for the user's, "current" for ours: wrap what needs its published ports in
# `in_engine_net "$ENGINE_NAME" COMMAND`). SCALECTL_OWN_ENGINE=1 leaves the
# user's engine alone in any case.
need_current_engine() {
    local api
    need_docker_cli
    export DOCKER_HOST=${DOCKER_HOST:-} ENGINE_NAME=
    [ -n "$DOCKER_HOST" ] || DOCKER_HOST=$(_context_host)
    if [ -z "${SCALECTL_OWN_ENGINE:-}" ] && api=$(engine_api "$DOCKER_HOST") && _at_least "$CURRENT_API" "$api"; then
        step "engine: the one at $DOCKER_HOST (API $api)"
        return 0
    fi
    start_engine current current
    DOCKER_HOST=$ENGINE_HOST
    ENGINE_NAME=current
}

# start_engine KIND NAME [DOCKERD OPTION...]: an engine of ours, KIND current or
# old; found again when it already runs. Sets ENGINE_HOST.
start_engine() {
    local kind=$1 name=$2
    shift 2
    need_docker_cli
    _lock_engines
    if ! engine_running "$name"; then
        case $kind in
            current) build_current_engine ;;
            old) fetch_old_engine ;;
            *) die "no engine of the kind $kind" "use current or old" ;;
        esac
        run_dockerd "$name" "$ENGINE_BIN" "$@"
    fi
    _unlock_engines
    ENGINE_HOST=$(engine_host "$name")
    step "engine $name: API $(engine_api "$ENGINE_HOST") at $ENGINE_HOST, network $(engine_net "$name")"
}

# One script at a time builds and starts engines; a second one then finds them.
_lock_engines() {
    mkdir -p "$SCALECTL_CACHE"
    exec {_ENGINES_LOCK}>"$SCALECTL_CACHE/engines.lock"
    flock --nonblock "$_ENGINES_LOCK" || {
        step "waiting for another script that starts an engine"
        flock --timeout 1800 "$_ENGINES_LOCK" || die "another script has been starting an engine for half an hour" \
            "see which: fuser $SCALECTL_CACHE/engines.lock"
    }
}

_unlock_engines() {
    exec {_ENGINES_LOCK}>&-
}

# Docker 20.10 (API 1.41) beside whatever else runs; exports OLD_ENGINE_HOST.
# Its published ports are reached by: in_engine_net old COMMAND.
start_old_engine() {
    start_engine old old "$@"
    export OLD_ENGINE_HOST=$ENGINE_HOST
}

# copy_images FROM_HOST TO_HOST IMAGE...: quicker than building them again.
copy_images() {
    local from=$1 to=$2
    shift 2
    step "copying $# images to $to"
    docker --host "$from" save "$@" | docker --host "$to" load --quiet >/dev/null ||
        die "copy $* from $from to $to" "is there room on the disk? Are all of them there: docker images"
}

# The docker command line alone, without an engine.
need_docker_cli() {
    PATH=$PATH:$SCALECTL_CACHE/docker-cli/usr/bin
    export PATH
    command -v docker >/dev/null && return 0
    if package_available docker-cli; then
        need_packages docker-cli
        return
    fi
    # Debian 12 has it in docker.io only, which would start an engine: unpacked instead.
    fetch_packages "$SCALECTL_CACHE/docker-cli" docker.io
}

# engine_api [HOST]: the newest API version it offers; fails if nobody answers.
engine_api() {
    local api
    api=$(timeout 20 docker ${1:+--host "$1"} version --format '{{.Server.APIVersion}}' 2>/dev/null) &&
        [ -n "$api" ] && printf '%s\n' "$api"
}

_at_least() {
    printf '%s\n%s\n' "$1" "$2" | sort --check=quiet --version-sort
}

_context_host() {
    docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || printf 'unix:///var/run/docker.sock\n'
}

_use_answering_engine() {
    local api
    command -v docker >/dev/null || [ -n "${DOCKER_HOST:-}" ] || [ -S /var/run/docker.sock ] || return 1
    need_docker_cli
    api=$(engine_api) || return 1
    _at_least "$MINIMUM_API" "$api" || die "the Docker engine speaks API $api, $MINIMUM_API or newer is needed" \
        "upgrade it to Docker 20.10 or newer, or name another one in DOCKER_HOST"
    step "engine: API $api at ${DOCKER_HOST:-$(_context_host)}"
}

# Somebody set an engine up and it cannot be used: say why, start no second one.
_refuse_unreachable_engine() {
    local host=${DOCKER_HOST:-} socket
    [ -z "$host" ] || [ "$(engine_host current)" = "$host" ] || [ -S "${host#unix://}" ] ||
        die "no Docker engine answers at DOCKER_HOST=$host" "start it, or unset DOCKER_HOST to use one on this machine"
    socket=${host:-$(_context_host)}
    socket=${socket#unix://}
    [ ! -S "$socket" ] || [ -w "$socket" ] || die "$(id -un) may not use the Docker engine at $socket" \
        "sudo usermod -aG docker $(id -un), log in again, and run this again" \
        "or run this with sudo"
}

_start_default_engine() {
    if [ -d /run/systemd/system ]; then
        step "starting the Docker engine (systemctl start docker)"
        as_root systemctl start docker || die "systemd cannot start the Docker engine" \
            "see why: journalctl --unit docker --lines 50"
    else
        run_default_dockerd
    fi
}
