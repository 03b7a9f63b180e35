# shellcheck shell=bash
# Debian packages: installs what is missing, and nothing else.
#
# Never removes a package of the user's: apt is called with --no-remove, so a
# conflict (docker.io beside docker-ce) ends with an error that names it.
# Next: rust.sh, engine.sh, which say what they need.

[ -n "${_SCALECTL_PACKAGES:-}" ] && return 0
_SCALECTL_PACKAGES=1
# shellcheck source=scripts/lib/log.sh
. "${BASH_SOURCE[0]%/*}/log.sh"

# Where everything that these scripts fetch or build is kept.
SCALECTL_CACHE=${SCALECTL_CACHE:-$HOME/.cache/scalectl}
_APT_LISTS_FRESH=

# as_root COMMAND...: runs it as root, through sudo where we are not root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo --preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY "$@"
    else
        die "root is needed for: $*" \
            "run this script as root, or install sudo and give $(id -un) the right to use it"
    fi
}

# The release's code name (bookworm, trixie), or nothing if this is not Debian.
debian_codename() {
    [ -r /etc/os-release ] || return 0
    # shellcheck disable=SC1091  # a file of the system
    (. /etc/os-release && [ "${ID:-}" = debian ] && printf '%s\n' "${VERSION_CODENAME:-}") || true
}

package_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]
}

# Is there a package of this name to install? Refreshes apt's lists first.
package_available() {
    _refresh_apt_lists
    local policy
    policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null)
    [[ $policy =~ Candidate:\ [0-9] ]]
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
    local package missing=()
    if ! command -v apt-get >/dev/null; then
        die "this machine has no apt-get, so these cannot be installed: $*" \
            "use Debian 12 or 13, or install the same tools by hand and run the script again"
    fi
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    # Asks for sudo's password here, if at all, and not below a line of progress.
    as_root true || die "$(id -un) may not use sudo: ${missing[*]} cannot be installed" \
        "run this script as root, or install them yourself: apt-get install ${missing[*]}"
    _refresh_apt_lists
    mkdir -p "$SCALECTL_CACHE/log"
    run_logged "installing ${missing[*]}" "$SCALECTL_CACHE/log/apt-install.log" \
        _apt_get install --yes --no-install-recommends --no-remove "${missing[@]}" ||
        die "install ${missing[*]}" \
            "if apt says that a package would be removed, install an equivalent by hand" \
            "otherwise try it yourself: apt-get install ${missing[*]}"
}

# Another apt (an automatic upgrade on a new server) holds the lock for a while.
_apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

_refresh_apt_lists() {
    [ -z "$_APT_LISTS_FRESH" ] || return 0
    mkdir -p "$SCALECTL_CACHE/log"
    run_logged "refreshing apt's package lists" "$SCALECTL_CACHE/log/apt-update.log" _apt_get update ||
        die "refresh apt's package lists" \
            "check that the mirrors in /etc/apt are reachable: apt-get update"
    _APT_LISTS_FRESH=1
}
