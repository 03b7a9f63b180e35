# shellcheck shell=bash
# A Rust compiler new enough for this workspace, set up to build static binaries.
#
# The order: a rustup that is there (its toolchain is updated when too old, the
# musl target is added); a plain cargo that is there and new enough; Debian's
# rustup package (13 has one); Debian's rustc-web and cargo-web (12 and 13 keep
# them current for their browsers). Never replaces a compiler that is there.
# Exports CARGO_BUILD_TARGET, and says in RUST_KIND which branch was taken:
# rustup, plain (a distribution's compiler) or fetched (into the cache).
# README.md says which branches were tried, and how.

[ -n "${_SCALECTL_RUST:-}" ] && return 0
_SCALECTL_RUST=1
# shellcheck source=scripts/lib/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"
# shellcheck source=scripts/lib/base.sh
. "${BASH_SOURCE[0]%/*}/base.sh"

_RUST_MANIFEST=${BASH_SOURCE[0]%/*}/../../Cargo.toml
RUST_KIND=

need_rust() {
    local minimum
    minimum=$(rust_minimum)
    # Rustup's cargo lands here; it is not in PATH before the next login.
    [ ! -x "${CARGO_HOME:-$HOME/.cargo}/bin/rustup" ] || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    # Build scripts of dependencies are linked for this machine, by its C compiler.
    need_packages gcc libc6-dev ca-certificates
    if command -v rustup >/dev/null; then
        _use_rustup "$minimum"
    elif _use_fetched && _rust_at_least "$minimum"; then
        RUST_KIND=fetched
    elif _rust_at_least "$minimum"; then
        _use_plain_rust
    else
        _install_rust "$minimum"
    fi
    export PATH CARGO_BUILD_TARGET
    step "Rust $(_rust_version) ($RUST_KIND) builds for $CARGO_BUILD_TARGET"
}

# The checks of the source need rustfmt and clippy, which Debian's rustc-web lacks.
need_rust_checks() {
    need_rust
    if _has_checks; then
        return 0
    fi
    if [ "$RUST_KIND" = rustup ]; then
        run_logged "adding rustfmt and clippy" "$SCALECTL_CACHE/log/rustup.log" \
            rustup component add rustfmt clippy || true
    else
        _fetch_toolchain
        need_rust
    fi
    _has_checks || die "rustfmt and clippy are missing: the checks of the source cannot run" \
        "install rustup (https://rustup.rs), then: rustup component add rustfmt clippy"
}

_has_checks() {
    { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1
}

# The oldest compiler that the workspace and its locked dependencies accept.
rust_minimum() {
    local minimum
    minimum=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$_RUST_MANIFEST" | head -n 1)
    [ -n "$minimum" ] || die "no rust-version in $_RUST_MANIFEST" \
        "add it under [workspace.package]: scripts read the oldest compiler from there"
    printf '%s\n' "$minimum"
}

_rust_version() {
    rustc --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1
}

_rust_at_least() {
    local have
    command -v cargo >/dev/null || return 1
    have=$(_rust_version)
    [ -n "$have" ] && printf '%s\n%s\n' "$1" "$have" | sort --check=quiet --version-sort
}

_use_rustup() {
    RUST_KIND=rustup
    mkdir -p "$SCALECTL_CACHE/log"
    if ! _rust_at_least "$1"; then
        _rustup_install_stable || die "rustup cannot install a stable toolchain" \
            "Rust $1 or newer is needed: rustup toolchain install stable"
        # Without touching the user's default.
        export RUSTUP_TOOLCHAIN=stable
    fi
    CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-musl
    # rustup asks the network even when the target is there.
    local targets
    targets=$(rustup target list --installed)
    [[ $targets == *"$CARGO_BUILD_TARGET"* ]] ||
        run_logged "adding the Rust target $CARGO_BUILD_TARGET" "$SCALECTL_CACHE/log/rustup.log" \
            rustup target add "$CARGO_BUILD_TARGET" ||
        die "rustup cannot add the target $CARGO_BUILD_TARGET" \
            "static.rust-lang.org must be reachable: rustup target add $CARGO_BUILD_TARGET"
    # C parts of dependencies (ring) are compiled by musl-gcc.
    need_packages musl-tools
}

_rustup_install_stable() {
    run_logged "rustup installs the stable toolchain" "$SCALECTL_CACHE/log/rustup.log" \
        rustup toolchain install stable --profile minimal
}

# No musl standard library in Debian: a static binary against glibc instead.
# The flags are for the target alone, build scripts and macros stay dynamic.
_use_plain_rust() {
    RUST_KIND=plain
    CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-gnu
    local variable=CARGO_TARGET_${CARGO_BUILD_TARGET//-/_}_RUSTFLAGS
    export "${variable^^}=-C target-feature=+crt-static"
}

_install_rust() {
    local minimum=$1
    if command -v cargo >/dev/null || command -v rustc >/dev/null; then
        die "the Rust on this machine is $(_rust_version), $minimum or newer is needed" \
            "install rustup (https://rustup.rs), which leaves the other compiler alone, and run this again" \
            "or remove that compiler (apt-get remove rustc cargo): this script then installs a newer one"
    fi
    if package_available rustup; then
        need_packages rustup
        if _rustup_install_stable; then
            _use_rustup "$minimum"
            return
        fi
        die "Debian's rustup is installed but cannot fetch a toolchain" \
            "static.rust-lang.org must be reachable" \
            "without it: apt-get remove rustup && apt-get install rustc-web cargo-web, then run this again"
    fi
    if package_available rustc-web && package_available cargo-web; then
        need_packages rustc-web cargo-web
        if _rust_at_least "$minimum"; then
            _use_plain_rust
            return
        fi
        die "Debian's rustc-web is $(_rust_version), $minimum or newer is needed" \
            "enable Debian's security updates, which carry the newest, or install rustup (https://rustup.rs)"
    fi
    die "no Rust $minimum or newer can be had through apt here" \
        "install rustup (https://rustup.rs) and run this again"
}

# Debian 12 has no rustup, Debian 13 has: it runs in a throw-away tree of 13 and
# fetches a whole toolchain, which runs on both. Changes nothing on this machine
# outside the cache.
_fetch_toolchain() {
    local home=$SCALECTL_CACHE/rust target install bundle
    target=$(uname -m)-unknown-linux-musl
    bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    install="rustup toolchain install stable --profile minimal --component rustfmt,clippy --target $target"
    # shellcheck disable=SC2016  # mmdebstrap's hooks expand "$1" (the tree)
    debian_tree trixie "$SCALECTL_CACHE/rust.tar" "fetching a Rust toolchain with Debian 13's rustup" \
        --include=rustup,ca-certificates \
        --customize-hook="upload '$bundle' /etc/ssl/certs/ca-certificates.crt" \
        --customize-hook='chroot "$1" env -u SSL_CERT_DIR SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt HOME=/root RUSTUP_HOME=/rustup '"$install" \
        --customize-hook='mv "$1"/rustup/toolchains/stable-* "$1/rust"' ||
        die "fetch a Rust toolchain with rustfmt and clippy" \
            "Debian's mirror and static.rust-lang.org must be reachable" \
            "or install rustup (https://rustup.rs) and run this again"
    rm -rf "$home.part" && mkdir -p "$home.part"
    tar -xf "$SCALECTL_CACHE/rust.tar" -C "$home.part" --no-same-owner --strip-components=2 ./rust
    rm -rf "$home" "$SCALECTL_CACHE/rust.tar" && mv "$home.part" "$home"
}

_use_fetched() {
    [ -x "$SCALECTL_CACHE/rust/bin/cargo" ] || return 1
    PATH=$SCALECTL_CACHE/rust/bin:$PATH
    CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-musl
    need_packages musl-tools
}
