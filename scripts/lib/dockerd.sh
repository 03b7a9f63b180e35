# shellcheck shell=bash
# Runs engines of ours: start, wait, stop, kill, and the network that each lives in.
#
# Each has a folder $SCALECTL_CACHE/run/NAME: docker.sock, docker.pid, dockerd.log,
# net, exec/, data/. It survives the script that started it (a session of its own)
# and is found again by its pid file; only a process whose command line names that
# pid file is ever signalled. Two engines in one network namespace flush each
# other's iptables chains: the engine named "current" lives in the machine's own while no
# other does, so that its published ports are on the machine's loopback; all others
# get a namespace each, reached with in_engine_net.
# Next: dockerd-host.sh (cgroups, iptables, namespaces), engine.sh (who calls this).

[ -n "${_SCALECTL_DOCKERD:-}" ] && return 0
_SCALECTL_DOCKERD=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"
# shellcheck source=scripts/lib/dockerd-host.sh
. "${BASH_SOURCE[0]%/*}/dockerd-host.sh"

_START_LIMIT_SECONDS=90
_STOP_LIMIT_SECONDS=60
_SYSTEM_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

engine_dir() {
    printf '%s\n' "$SCALECTL_CACHE/run/$1"
}

engine_host() {
    printf 'unix://%s/docker.sock\n' "$(engine_dir "$1")"
}

engine_running() {
    [ -n "$(_dockerd_pid "$(engine_dir "$1")/docker.pid")" ]
}

# The network namespace of the engine NAME: "host", or a name for `ip netns`.
engine_net() {
    cat "$(engine_dir "$1")/net" 2>/dev/null || printf 'host\n'
}

# run_dockerd NAME BIN_DIR [OPTION...]: starts it and waits until it answers.
run_dockerd() {
    local name=$1 bin=$2 dir net=host enter=()
    shift 2
    dir=$(engine_dir "$name")
    # A unix socket's path has at most 107 characters; containerd's is 46 longer than ours.
    [ ${#dir} -le 60 ] || die "the path $dir is too long for sockets" "set SCALECTL_CACHE to a shorter one"
    if [ "$name" != current ] || [ "$(engine_net "$name")" != host ] || _engine_shares_our_net; then
        # Two caches may each have an engine of this name.
        net=scalectl-$name-$(name_number "$dir")
    fi
    mkdir -p "$dir"
    printf '%s\n' "$net" >"$dir/net"
    if [ "$net" != host ]; then
        make_netns "$net"
        # `ip netns exec` would hide the cgroup mounts from dockerd.
        enter=(nsenter "--net=/run/netns/$net")
    fi
    _clear_stale_pidfile "$dir/exec/containerd/containerd.pid" "$dir/exec/containerd/"
    # Many test stacks at once use up the engine's own 31 networks.
    [[ $* == *--default-address-pool* ]] || set -- --default-address-pool=base=10.200.0.0/14,size=24 "$@"
    _launch "$dir/docker.pid" "$dir/dockerd.log" "$(engine_host "$name")" "$bin" "${enter[@]}" \
        dockerd "--host=$(engine_host "$name")" "--pidfile=$dir/docker.pid" \
        "--data-root=$dir/data" "--exec-root=$dir/exec" "--group=$(id -g)" "$@"
}

# The engine of the installed package, with its usual paths, on a machine without an init system.
run_default_dockerd() {
    local dir
    dir=$(engine_dir default)
    mkdir -p "$dir"
    _launch /var/run/docker.pid "$dir/dockerd.log" unix:///var/run/docker.sock /usr/sbin \
        dockerd --pidfile=/var/run/docker.pid
}

# stop_engine NAME: its containers are stopped with it; data and network stay.
stop_engine() {
    local name=$1 pid
    pid=$(_dockerd_pid "$(engine_dir "$name")/docker.pid")
    [ -n "$pid" ] || return 0
    step "stopping the engine $name (pid $pid)"
    _signal TERM "$pid"
    _wait_gone "$pid" || {
        warn "the engine $name did not end within $_STOP_LIMIT_SECONDS s, killing it"
        kill_engine "$name"
    }
}

# kill_engine NAME: dockerd, its containerd and every container, at once, as a
# power cut would. Only processes below this engine's own containerd socket.
kill_engine() {
    local dir pid shim pids=()
    dir=$(engine_dir "$1")
    pid=$(_dockerd_pid "$dir/docker.pid")
    # Its children too: containerd and the proxies of published ports.
    [ -z "$pid" ] || mapfile -t pids < <(printf '%s\n' "$pid" && _children_of "$pid")
    pid=$(as_root cat "$dir/exec/containerd/containerd.pid" 2>/dev/null || true)
    # Its configuration file lies in our folder: not a pid that somebody else got since.
    [ -z "$pid" ] || ! _cmdline_has "$pid" "$dir/exec/containerd/" || pids+=("$pid")
    for shim in $(_shims_of "$dir/exec/containerd/containerd.sock"); do
        pids+=("$shim")
        mapfile -t -O "${#pids[@]}" pids < <(_children_of "$shim")
    done
    [ ${#pids[@]} -gt 0 ] || return 0
    mapfile -t pids < <(printf '%s\n' "${pids[@]}" | sort -u)
    step "killing the engine $1 and its containers (${#pids[@]} processes)"
    _signal KILL "${pids[@]}"
    for pid in "${pids[@]}"; do
        _wait_gone "$pid" || die "process $pid of the engine $1 does not die" "see what it waits for: cat /proc/$pid/stack"
    done
    as_root rm -f "$dir/docker.pid"
}

# remove_engine NAME: stops it and removes its data, images and network.
remove_engine() {
    local dir net
    dir=$(engine_dir "$1")
    [ -d "$dir" ] || return 0
    stop_engine "$1"
    net=$(engine_net "$1")
    [ "$net" = host ] || remove_netns "$net"
    # A killed engine leaves mounts; removing through one would reach into a container.
    _unmount_below "$dir"
    as_root rm -rf --one-file-system "$dir"
}

# in_engine_net NAME COMMAND...: where 127.0.0.1 holds the engine's published ports.
# An empty NAME is the user's engine. Keeps the caller's user and environment.
in_engine_net() {
    local net=host
    [ -z "$1" ] || net=$(engine_net "$1")
    shift
    if [ "$net" = host ]; then
        "$@"
    elif [ "$(id -u)" = 0 ]; then
        nsenter "--net=/run/netns/$net" -- "$@"
    else
        sudo --preserve-env env "PATH=$PATH" "HOME=$HOME" nsenter "--net=/run/netns/$net" -- \
            setpriv "--reuid=$(id -u)" "--regid=$(id -g)" --init-groups -- "$@"
    fi
}

# _launch PIDFILE LOG HOST BIN_DIR COMMAND...
_launch() {
    local pidfile=$1 log=$2 host=$3 path=$4:$_SYSTEM_PATH iptables
    shift 4
    need_packages iptables
    need_cgroups
    iptables=$(iptables_folder)
    # Otherwise not first: a folder of the system has a dockerd and a runc, too.
    if [ "$iptables" != /usr/sbin ]; then
        path=$iptables:$path
        note "iptables: this kernel lacks nf_tables, the engine gets iptables-legacy"
    fi
    _clear_stale_pidfile "$pidfile" "--pidfile=$pidfile"
    [ ! -s "$log" ] || mv -f "$log" "$log.1"
    step "starting the engine at $host"
    # A session of its own, no terminal, and none of our open files: a lock or a
    # pipe of the script must not live as long as the engine.
    # shellcheck disable=SC2016  # expanded by the inner shell
    as_root env "PATH=$path" setsid --fork bash -c '
        for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-"; done
        exec nohup "$@"' bash "$@" >"$log" 2>&1 </dev/null
    _wait_answer "$host" "$pidfile" "$log"
}

# dockerd writes its pid file before anything else and removes it when it ends.
_wait_answer() {
    local host=$1 pidfile=$2 log=$3 tries seen=
    for ((tries = 0; tries < _START_LIMIT_SECONDS * 5; tries++)); do
        if timeout 5 docker --host "$host" version >/dev/null 2>&1; then
            return 0
        fi
        if [ -n "$(_dockerd_pid "$pidfile")" ]; then
            seen=1
        elif [ -n "$seen" ] || ((tries > 50)); then
            break
        fi
        # Its owner may use it, we may not (need_engine says what to do).
        [ ! -S "${host#unix://}" ] || [ -w "${host#unix://}" ] || return 0
        sleep 0.2
    done
    note "the last lines of $log:"
    grep -E 'level=(fatal|error|warning)|^failed|^unable' "$log" | tail -n 12 | sed 's/^/        | /' >&2
    die "the engine at $host does not answer" "read $log" \
        "in a container, an engine needs privileges: cgroups, iptables and mounts"
}

_dockerd_pid() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    ! _cmdline_has "$pid" "--pidfile=$1" || printf '%s\n' "$pid"
}

# dockerd refuses to start over a pid file whose number belongs to anything alive,
# and 20.10 waits in vain for a containerd whose number does (a zombie counts, too).
_clear_stale_pidfile() {
    local pidfile=$1 command=$2 pid
    pid=$(as_root cat "$pidfile" 2>/dev/null || true)
    [ -z "$pid" ] || _cmdline_has "$pid" "$command" || as_root rm -f "$pidfile"
}

_cmdline_has() {
    local line
    [ -r "/proc/$1/cmdline" ] || return 1
    line=$(tr '\0' ' ' <"/proc/$1/cmdline")
    [[ $line == *"$2"* ]]
}

# Bash's own kill: a minimal Debian has no program of that name. What ended by
# itself meanwhile is no mistake.
_signal() {
    as_root bash -c 'kill -s "$@" 2>/dev/null' bash "$@" || true
}

_wait_gone() {
    local tries
    for ((tries = 0; tries < _STOP_LIMIT_SECONDS * 10; tries++)); do
        # A zombie is gone, too: its parent has not asked yet.
        [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

_shims_of() {
    local process
    for process in /proc/[0-9]*; do
        [[ $(cat "$process/comm" 2>/dev/null) == containerd-shim* ]] || continue
        ! _cmdline_has "${process#/proc/}" "-address $1" || printf '%s\n' "${process#/proc/}"
    done
}

_children_of() {
    local child children
    read -r -a children < <(cat /proc/"$1"/task/*/children 2>/dev/null | tr '\n' ' ') || true
    for child in "${children[@]}"; do
        printf '%s\n' "$child"
        _children_of "$child"
    done
}

_unmount_below() {
    local mount
    while read -r mount; do
        as_root umount --lazy "$mount" </dev/null || true
    done < <(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$1/" | sort -r)
}
