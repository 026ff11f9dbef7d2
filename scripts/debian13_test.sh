#!/usr/bin/env bash
# `make demo` and `make test` on Debian 13 with its own Python 3.13, in a root made for it by debootstrap. As root:
#
#   scripts/debian13_test.sh [TARGET ...]       the targets of make, `demo test` unless given
#
# It tests what is committed, without Node.js, which the README calls optional. pip and apt work inside as they do
# outside. ROOTFS names a root to keep between runs (about 6 GB); without it the root is deleted at the end. TORCH
# chooses a build of torch, as for make.
set -euo pipefail

targets=("$@")
[ $# -gt 0 ] || targets=(demo test)
here=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOTFS:-$(mktemp --directory /var/tmp/fastavatar-debian13.XXXXXX)}
mounted=()

clean_up() {
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}" || umount --lazy "${mounted[i]}"; done
  # A folder that is still mounted would be deleted with the root.
  if [ -z "${ROOTFS:-}" ] && ! grep -q " $root/" /proc/mounts; then rm -rf "$root"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

attach() { # attach MOUNT-OPTIONS... PATH: mounts something at PATH inside the root
  local place=$root${*: -1}
  mkdir -p "$place"
  mount "${@:1:$#-1}" "$place"
  mounted+=("$place")
}

if [ ! -e "$root/.done" ]; then
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" 'Component: main' 2>/dev/null | head -1 || true)
  debootstrap --variant=minbase --no-check-gpg \
    --include=python3,python3-venv,python3-pip,make,git,ca-certificates trixie "$root" ${mirror:+"$mirror"}
  touch "$root/.done"
fi

# this machine's own settings, so that pip and npm reach the same registries inside
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
for settings in /etc/pip.conf /etc/xdg/pip/* "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf" "$HOME/.npmrc"; do
  if [ -e "$settings" ]; then
    mkdir -p "$(dirname "$root$settings")"
    cp "$settings" "$root$settings"
  fi
done

attach -t proc proc /proc
attach --bind -o ro /sys /sys # MediaPipe aborts where it cannot count processors in /sys
attach -t tmpfs tmpfs /dev/shm
for device in null zero random urandom full tty; do
  [ -e "$root/dev/$device" ] || mknod -m 666 "$root/dev/$device" c $(stat --format '0x%t 0x%T' "/dev/$device")
done
while read -r folder; do # folders that pip's settings name
  if [ -d "$folder" ]; then attach --bind -o ro "$folder" "$folder"; fi
done < <(pip config list 2>/dev/null | grep -Eo "(file://)?/[^ '\\\"]+" | sed -E 's#^file://##; s#/simple/?$##' | sort -u)

# MediaPipe loads OpenGL ES, and Mitsuba libatomic; debootstrap does not follow what these packages need
cp -r /etc/apt/apt.conf.d "$root/etc/apt/"
chroot "$root" apt-get update -qq
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libatomic1 libegl1 libgles2

rm -rf "$root/fastavatar"
git clone --quiet --no-hardlinks "$here" "$root/fastavatar"
chroot "$root" /usr/bin/env HOME="$HOME" LC_ALL=C.UTF-8 make -C /fastavatar ${TORCH:+TORCH="$TORCH"} "${targets[@]}"
