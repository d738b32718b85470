#!/bin/sh
# Runs one lab host until it is powered off, in its own mount namespace (see host.py). Its disk is
# an image, so that it can fill up, and so that it is released with the last process. The caller
# sets CGROUP, HOST, MACHINE, NAMESPACE, LINK (lines for `ip -batch`), LOWER (directories), IMAGE
# and SHARED; the working directory is the host's.
set -eu
echo 0 > "$CGROUP/cgroup.procs"

mount -o loop,noatime,barrier=0 "$IMAGE" disk
# Nothing is lost when a host is "powered off", since the machine below continues to run: so its
# syncs need not reach the disk. A work directory that was used like this must not be used again.
rm -rf disk/work
mkdir -p disk/upper disk/work
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=disk/upper,workdir=disk/work,volatile" root
if [ ! -e disk/seeded ]; then
    tar -x -C root --no-overwrite-dir -f seed.tar
    : > disk/seeded
fi
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

while :; do
    status=0
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network \
        systemd-nspawn --quiet --boot --directory=root --machine="$MACHINE" --hostname="$HOST" \
        --register=no --keep-unit --network-namespace-path="/run/netns/$NAMESPACE" \
        --capability=CAP_NET_ADMIN,CAP_NET_RAW --system-call-filter=open_by_handle_at \
        --console=pipe --link-journal=no --resolv-conf=off --timezone=off \
        --bind="$SHARED:/srv/shared" < /dev/null || status=$?
    # 133: the guest asked for a reboot. After a reboot the host has only its own address.
    [ "$status" = 133 ] || break
    printf '%s\n' "$LINK" | ip -n "$NAMESPACE" -batch -
done
ip -n "$NAMESPACE" link set eth0 down
exit "$status"
