# shellcheck shell=bash
# What a dockerd needs of the machine: cgroup mounts, a working iptables, and a
# network namespace for an engine that may not share the machine's own.
#
# Touches the machine as little as it can: nothing is mounted where cgroups are
# mounted, and the choice of iptables is made for our engine alone. A namespace
# costs the machine one veth pair and three commented rules; remove_netns takes
# both away.
# Next: dockerd.sh.

[ -n "${_SCALECTL_DOCKERD_HOST:-}" ] && return 0
_SCALECTL_DOCKERD_HOST=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

# systemd mounts them; without an init system nobody may have.
need_cgroups() {
    if grep -q ' - cgroup2\? ' /proc/self/mountinfo; then
        return 0
    fi
    step "mounting cgroups (no init system has)"
    _mount_cgroup2 || _mount_cgroup1 || die "cgroups are not mounted and cannot be mounted here" \
        "in a container, start it with --privileged; elsewhere: apt-get install cgroupfs-mount"
}

_mount_cgroup2() {
    as_root mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null || return 1
    # Empty of controllers where a host keeps them in hierarchies of version 1.
    if grep -q memory /sys/fs/cgroup/cgroup.controllers; then
        return 0
    fi
    as_root umount /sys/fs/cgroup
    return 1
}

_mount_cgroup1() {
    local controller
    as_root mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup 2>/dev/null || return 1
    while read -r controller; do
        as_root mkdir -p "/sys/fs/cgroup/$controller"
        as_root mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" ||
            as_root rmdir "/sys/fs/cgroup/$controller"
    done < <(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups)
    [ -d /sys/fs/cgroup/memory ] && [ -d /sys/fs/cgroup/devices ]
}

# The folder whose iptables works here: the system's, or one of ours that leads to
# the legacy variant where the kernel lacks what the default one needs.
iptables_folder() {
    local folder=$SCALECTL_CACHE/iptables-legacy tool
    if as_root iptables --wait --table nat --list-rules >/dev/null 2>&1; then
        printf '/usr/sbin\n'
        return
    fi
    as_root iptables-legacy --wait --table nat --list-rules >/dev/null 2>&1 ||
        die "iptables does not work on this machine, neither by nf_tables nor legacy" \
            "ask it why: iptables -t nat -S (a kernel module, or a privilege, may be missing)"
    mkdir -p "$folder"
    for tool in iptables ip6tables iptables-save iptables-restore ip6tables-save ip6tables-restore; do
        ln -sf "/usr/sbin/${tool/tables/tables-legacy}" "$folder/$tool"
    done
    printf '%s\n' "$folder"
}

# Does a dockerd already rule the firewall of our network namespace?
_engine_shares_our_net() {
    local process ours
    ours=$(readlink /proc/self/ns/net)
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = dockerd ] || continue
        [ "$(as_root readlink "$process/ns/net" 2>/dev/null)" != "$ours" ] || return 0
    done
    return 1
}

# make_netns NAME: a namespace with a way out through this machine's address.
make_netns() {
    local net=$1 link out mtu
    # Called from within it, by a test that started its engine again.
    [ ! /proc/self/ns/net -ef "/run/netns/$net" ] || return 0
    need_packages iproute2 iptables
    link=$(_netns_link "$net")
    if [ ! -e "/run/netns/$net" ]; then
        as_root ip netns add "$net"
        as_root ip -n "$net" link set lo up
    fi
    if ! ip link show "$link" >/dev/null 2>&1; then
        out=$(ip -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
        mtu=$(cat "/sys/class/net/${out:-lo}/mtu")
        as_root ip link add "$link" mtu "$((mtu > 1500 ? 1500 : mtu))" type veth peer name eth0 netns "$net"
        as_root ip addr add "$(_netns_address "$net" 1)/30" dev "$link"
        as_root ip link set "$link" up
        as_root ip -n "$net" addr add "$(_netns_address "$net" 2)/30" dev eth0
        as_root ip -n "$net" link set eth0 up
        as_root ip -n "$net" route add default via "$(_netns_address "$net" 1)"
    fi
    printf '1\n' | as_root tee /proc/sys/net/ipv4/ip_forward >/dev/null
    _netns_rules "$net" --append
}

remove_netns() {
    local net=$1 link
    link=$(_netns_link "$net")
    _netns_rules "$net" --delete
    # The other end in the namespace goes with it.
    ! ip link show "$link" >/dev/null 2>&1 || as_root ip link delete "$link"
    [ ! -e "/run/netns/$net" ] || as_root ip netns delete "$net"
}

# An engine in the machine's own namespace sets FORWARD to drop: DOCKER-USER, where
# it keeps rules of others, does not exist without one, so ours go first in FORWARD.
_netns_rules() {
    local net=$1 action=$2 insert=$2 link
    link=$(_netns_link "$net")
    [ "$action" = --delete ] || insert=--insert
    _rule "$action" nat POSTROUTING --source "$(_netns_subnet "$net")/30" ! --out-interface "$link" \
        --match comment --comment "$net" --jump MASQUERADE
    _rule "$insert" filter FORWARD --in-interface "$link" --match comment --comment "$net" --jump ACCEPT
    _rule "$insert" filter FORWARD --out-interface "$link" --match conntrack --ctstate RELATED,ESTABLISHED \
        --match comment --comment "$net" --jump ACCEPT
}

# _rule --append|--insert|--delete TABLE CHAIN SPEC...: at most once.
_rule() {
    local action=$1 table=$2 there='' iptables
    shift 2
    iptables=$(iptables_folder)/iptables
    ! as_root "$iptables" --wait --table "$table" --check "$@" 2>/dev/null || there=1
    case $action in
        --delete) [ -z "$there" ] || as_root "$iptables" --wait --table "$table" --delete "$@" ;;
        *) [ -n "$there" ] || as_root "$iptables" --wait --table "$table" "$action" "$@" ;;
    esac
}

# 198.18.0.0/15 is set aside for benchmarks of network devices: nobody routes it.
# The name decides its part of it, so that nothing has to be remembered.
_netns_subnet() {
    local number
    number=$(name_number "$1")
    printf '198.%d.%d.%d\n' "$((18 + number / 16384))" "$((number / 64 % 256))" "$((number % 64 * 4))"
}

# _netns_address NAME N: the address N (1 or 2) in its /30.
_netns_address() {
    local subnet
    subnet=$(_netns_subnet "$1")
    printf '%s.%d\n' "${subnet%.*}" "$((${subnet##*.} + $2))"
}

_netns_link() {
    printf 'scalectl%d\n' "$(name_number "$1")"
}

# A number below 32768 that stands for a text.
name_number() {
    local sum
    sum=$(printf '%s' "$1" | cksum)
    printf '%d\n' "$((${sum%% *} % 32768))"
}
