# shellcheck shell=bash
# Shared by bin/quickstart and bin/test: what this computer needs before Ansible can start, and a word on each thing done.
# Sourced, not run. Sets `top` (the root of the checkout), goes there, and puts the venv's programs first on PATH.
#
#   say TEXT…               one line of progress
#   die TEXT…               one line on stderr, then exit 1
#   step LABEL COMMAND…     run a command with its output in a log; show the log only when it fails
#   need_root               refuse to go on as an ordinary user
#   need_apt PACKAGE…       install what is missing from Debian
#   need_venv FILE…         .venv with the packages of these requirement files, made again only when they change

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
log_dir=$top/.cache/log
mkdir -p "$log_dir"

export PATH="$top/.venv/bin:$PATH:/usr/sbin:/sbin"
export ANSIBLE_CONFIG="$top/ansible.cfg"
# Ansible refuses to start in a locale that is not UTF-8, and a bare Debian has none set.
export LC_ALL=C.UTF-8 LANG=C.UTF-8

# What the lab needs of a Debian computer.
# shellcheck disable=SC2034  # for the scripts that source this one
lab_packages=(iproute2 mmdebstrap nftables openssh-client systemd-container)

say() {
  if [ -t 1 ]; then printf '\033[1m==>\033[0m %s\n' "$*"; else printf '==> %s\n' "$*"; fi
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

step() {
  local label=$1 log begin=$SECONDS status=0
  shift
  log=${label//[^[:alnum:]]/-}
  log=$log_dir/${log:0:60}.log
  say "$label"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" != 0 ]; then
    tail -n 40 "$log" >&2
    die "\"$label\" failed with status $status after $((SECONDS - begin)) s; the whole output is in $log"
  fi
}

need_root() {
  [ "$(id -u)" = 0 ] || die "the lab's hosts need root (namespaces, mounts, a bridge): run it with sudo"
}

_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

_has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

need_apt() {
  local package missing=() unknown=()
  for package; do
    _installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this is not a Debian system; install by hand what these packages hold: ${missing[*]}"
  need_root
  for package in "${missing[@]}"; do
    _has_candidate "$package" || unknown+=("$package")
  done
  # Fetching the lists costs seconds, so only when they do not know a package; a list can also be too old to install from.
  [ ${#unknown[@]} = 0 ] || step "Fetch Debian's package lists" apt-get -q update
  if ! _apt_install "${missing[@]}" --download-only >/dev/null 2>&1; then
    step "Fetch Debian's package lists again, the old ones name files that are gone" apt-get -q update
  fi
  step "Install from Debian: ${missing[*]}" _apt_install "${missing[@]}"
}

_apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
}

need_venv() {
  local python=/usr/bin/python3 stamp
  need_apt python3 python3-venv
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: Python 3.11 or newer is needed (Debian 12 and later have it)"
  # A venv knows its own path and its Python's version: a moved checkout or a new Debian release makes it anew.
  stamp=$( (echo "$top"; "$python" --version; cat "$@") | sha256sum | cut -d' ' -f1)
  exec 8>"$top/.cache/venv.lock"
  flock 8
  if [ ! -e ".venv/stamp-$stamp" ]; then
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
      step "Make a Python environment in .venv" "$python" -m venv --clear .venv
    fi
    step "Install from PyPI into .venv: $(_requirement_names "$@")" \
      .venv/bin/python -m pip --disable-pip-version-check install --progress-bar off "${@/#/--requirement=}"
    touch ".venv/stamp-$stamp"
  fi
  exec 8>&-
  hash -r
}

_requirement_names() { sed -E '/^(#|-|$)/d; s/[][<>=~! ;,].*//' "$@" | tr '\n' ' '; }
