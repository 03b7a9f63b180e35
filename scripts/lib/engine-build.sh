# shellcheck shell=bash
# The programs of engines of ours, in $SCALECTL_CACHE: the newest one built from
# its sources through the Go proxy, the oldest one unpacked from Debian 12's packages.
#
# Neither is installed on the machine. A folder appears only when it is whole, so
# an interrupted build is begun again.
# Next: dockerd.sh (which runs them).

[ -n "${_SCALECTL_ENGINE_BUILD:-}" ] && return 0
_SCALECTL_ENGINE_BUILD=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

# API 1.56. The Go version is at least what its go.mod asks for.
MOBY_VERSION=v2.0.0-beta.24
# Debian 12's runc does not know the time namespace that this engine asks for.
RUNC_VERSION=v1.5.2
GO_VERSION=1.26.8
# Docker 20.10, API 1.41, is Debian 12's alone.
OLD_ENGINE_RELEASE=bookworm

# Sets ENGINE_BIN to the folder with dockerd, docker-proxy, runc and docker-init.
build_current_engine() {
    local target=$SCALECTL_CACHE/engine-$MOBY_VERSION part
    ENGINE_BIN=$target/bin
    # dockerd starts a containerd of its own; docker-init is tini by another name.
    need_packages iptables ca-certificates tini libseccomp2
    command -v containerd >/dev/null || need_packages containerd
    [ ! -x "$ENGINE_BIN/docker-init" ] || return 0
    part=$target.part
    need_packages gcc libc6-dev pkg-config libseccomp-dev
    need_go
    mkdir -p "$part"
    _go_install "$part" "building the Docker engine $MOBY_VERSION (some minutes)" 0 \
        -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=${MOBY_VERSION#v}" \
        "github.com/moby/moby/v2/cmd/dockerd@$MOBY_VERSION"
    # An older docker-proxy does not know the options that this engine gives it.
    _go_install "$part" "building its port proxy" 0 -ldflags "-s -w" \
        "github.com/moby/moby/v2/cmd/docker-proxy@$MOBY_VERSION"
    _go_install "$part" "building runc $RUNC_VERSION" 1 -tags seccomp \
        "github.com/opencontainers/runc@$RUNC_VERSION"
    ln -sf /usr/bin/tini-static "$part/bin/docker-init"
    rm -rf "$ENGINE_BIN" && mkdir -p "$target" && mv "$part/bin" "$ENGINE_BIN"
    rm -rf "$part"
}

# Sets ENGINE_BIN to the folder with Debian 12's dockerd, containerd and runc.
fetch_old_engine() {
    local target=$SCALECTL_CACHE/engine-20.10
    ENGINE_BIN=$target/usr/sbin:$target/usr/bin
    need_packages iptables libdevmapper1.02.1 libseccomp2 tini
    [ -x "$target/usr/sbin/dockerd" ] || fetch_packages "$target" docker.io containerd runc
}

# need_go: a `go` that can build $MOBY_VERSION, in _GO.
need_go() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go; do
        if [ -x "$candidate" ] && _go_fetches_toolchains "$candidate"; then
            _GO=$candidate
            return 0
        fi
    done
    need_packages golang-go
    _GO=/usr/bin/go
    _go_fetches_toolchains "$_GO" || _fetch_go_toolchain
}

# From 1.21 on, go fetches a newer self through the module proxy when asked.
_go_fetches_toolchains() {
    local version
    version=$(GOTOOLCHAIN=local "$1" version | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
    printf '1.21\n%s\n' "$version" | sort --check=quiet --version-sort
}

# Debian 12's Go 1.19 cannot, but the proxy serves toolchains as modules: as one
# it is checked against the checksum database, too. Modules have no executable bits.
_fetch_go_toolchain() {
    local module=golang.org/toolchain architecture target=$SCALECTL_CACHE/go-$GO_VERSION
    architecture=$(dpkg --print-architecture)
    if [ ! -x "$target/bin/go" ]; then
        run_logged "fetching Go $GO_VERSION" "$SCALECTL_CACHE/log/go.log" \
            env GOPATH="$target.part" GOFLAGS=-modcacherw "$_GO" mod download \
            "$module@v0.0.1-go$GO_VERSION.linux-$architecture" ||
            die "fetch Go $GO_VERSION through the module proxy" \
                "is proxy.golang.org, or your GOPROXY, reachable? The output is in $SCALECTL_CACHE/log/go.log"
        mv "$target.part/pkg/mod/$module@v0.0.1-go$GO_VERSION.linux-$architecture" "$target"
        chmod -R u+rwX "$target" && chmod +x "$target"/bin/* "$target"/pkg/tool/*/*
        rm -rf "$target.part"
    fi
    _GO=$target/bin/go
}

# _go_install TARGET WHAT CGO OPTION-OR-PACKAGE...: with modules and build cache of
# its own, so that nothing stays in the user's.
_go_install() {
    local target=$1 what=$2 cgo=$3
    shift 3
    mkdir -p "$SCALECTL_CACHE/log"
    run_logged "$what" "$SCALECTL_CACHE/log/go.log" env \
        GOTOOLCHAIN=auto GOFLAGS=-modcacherw CGO_ENABLED="$cgo" GOBIN="$target/bin" \
        GOPATH="$target/go" GOMODCACHE="$target/go/pkg/mod" GOCACHE="$target/go/cache" \
        nice -n 5 "$_GO" install -trimpath "$@" ||
        die "$what" "is proxy.golang.org, or your GOPROXY, reachable? Is there room for 3 GB in $SCALECTL_CACHE?" \
            "the whole output is in $SCALECTL_CACHE/log/go.log"
}

# fetch_packages TARGET PACKAGE...: Debian 12's packages, unpacked into TARGET, with
# none of their scripts run. On another release from Debian 12's own lists, kept
# apart from the machine's, checked against Debian's archive keys.
fetch_packages() {
    local target=$1 part=$1.part apt=()
    shift
    rm -rf "$part" && mkdir -p "$part/deb" "$SCALECTL_CACHE/log"
    if [ "$(debian_codename)" = "$OLD_ENGINE_RELEASE" ]; then
        _refresh_apt_lists
    else
        need_packages debian-archive-keyring
        mapfile -t apt < <(_separate_apt "$part/apt")
        run_logged "reading Debian 12's package lists" "$SCALECTL_CACHE/log/apt-update.log" \
            apt-get "${apt[@]}" update ||
            die "read the package lists of Debian 12, which alone has Docker 20.10" \
                "is deb.debian.org reachable? SCALECTL_DEBIAN_MIRROR names another mirror"
    fi
    run_logged "fetching $* of Debian 12" "$SCALECTL_CACHE/log/apt-install.log" \
        env --chdir="$part/deb" apt-get "${apt[@]}" download "$@" ||
        die "fetch $* of Debian 12" "the whole output is in $SCALECTL_CACHE/log/apt-install.log"
    find "$part/deb" -name '*.deb' -exec dpkg-deb --extract {} "$part/root" \;
    rm -rf "$target" && mv "$part/root" "$target" && rm -rf "$part"
}

# The options that give apt lists, sources and a cache in a folder of our own.
_separate_apt() {
    local folder=$1 mirror=${SCALECTL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
        "$mirror" "$OLD_ENGINE_RELEASE" >"$folder/sources.list"
    printf '%s\n' -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
}
