#!/bin/sh
# systemd as process 1 of namespaces of its own, with the files of this machine. What it and its services write to /etc, /var,
# /usr/local, /run and /tmp is in memory, and gone with it; the rest of / is read-only. Other file systems of the machine, such as
# a /home of its own, are not. The network is the machine's.
#
#   boot.sh FOLDER GROUP BINARY
#
# FOLDER has units/, all that this systemd knows; the server's working directory, state/; and etc/. GROUP is an empty control group.
set -eu
export FOLDER="$1" BINARY="$3"
echo $$ > "$2/cgroup.procs"
exec unshare --mount --pid --cgroup --ipc --uts --fork --kill-child /bin/sh -euc '
    mount -t proc proc /proc
    for place in /proc/sys /sys /dev; do
        mount --bind $place $place
        mount -o remount,bind,ro $place
    done
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /run
    cat /etc/hosts > /run/hosts
    mkdir /run/units /run/over
    mount --bind -o ro "$FOLDER/units" /run/units
    for place in etc var usr/local; do
        mkdir -p /run/over/$place/new /run/over/$place/work
        mount -t overlay -o lowerdir=/$place,upperdir=/run/over/$place/new,workdir=/run/over/$place/work over /$place
    done

    # In a container that is a mount of its own, which now lies below.
    cp /run/hosts /etc/hosts

    # As docs/production.md has it.
    systemd-sysusers /run/units/qlik-embed-bff.sysusers
    install -d -o qlik-embed-bff -g qlik-embed-bff -m 700 /var/lib/qlik-embed-bff
    cp -R "$FOLDER/state/." /var/lib/qlik-embed-bff
    chown -R qlik-embed-bff:qlik-embed-bff /var/lib/qlik-embed-bff
    install -d -m 700 /etc/qlik-embed-bff
    install -m 400 "$FOLDER"/etc/* /etc/qlik-embed-bff
    touch /usr/local/bin/qlik-embed-bff
    mount --bind "$BINARY" /usr/local/bin/qlik-embed-bff

    mount -o remount,bind,ro /
    mount -t tmpfs -o mode=1777 tmpfs /tmp
    # Credentials are mounted in a namespace, and seen in this one.
    mount --make-rshared /
    export container=test SYSTEMD_UNIT_PATH=/run/units
    exec /lib/systemd/systemd --system --unit=basic.target --show-status=no --log-target=console
'
