# Read by the other scripts here ("." it): the places they share.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Everything that is made goes here; make clean removes it.
build=$root/.build

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# Trust the certificates that this machine trusts (a company's proxy has its
# own), as pip does; uv brings a list along and asks to be told.
if [ -z "${SSL_CERT_FILE:-}${UV_SYSTEM_CERTS:-}${UV_NATIVE_TLS:-}" ] &&
    [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
fi

# The folders with the Pythons of pyenv, one a line.  Not what pyenv prints: it
# need not be set up in this shell to have Pythons here.
pyenv_pythons() {
    local folder path=$PATH:
    {
        echo "${PYENV_ROOT:-${HOME:-}/.pyenv}"
        while [ -n "$path" ]; do
            folder=${path%%:*}
            path=${path#*:}
            case $folder in */shims | */.pyenv/bin) echo "${folder%/*}" ;; esac
        done
    } | awk '!seen[$0]++' | while read -r folder; do
        for folder in "$folder"/versions/*/bin; do
            if [ -d "$folder" ]; then echo "$folder"; fi
        done
    done
}
