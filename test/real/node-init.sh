#!/bin/bash
# PID 1 of a real machine: makes the namespaces that it was started in look like a host of its own,
# then reaps what others leave. `node-init.sh <folder> <name> <cgroup hierarchy>...`;
# the folder holds
#   disk/    kubelet, containerd, log, etc, etc-work: what survives a loss of power
#   memory/  boot_id, sysctl/: of this life only
set -eu
folder=$1
name=$2
shift 2

mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$folder/memory/boot_id" /proc/sys/kernel/random/boot_id
# The kubelet wants these values. It finds them and writes nothing, so that the computer keeps its own.
for file in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  mount --bind "$folder/memory/sysctl/$file" "/proc/sys/$file"
done
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
# In a cgroup namespace: the root of each is the directory that was entered.
for option in "$@"; do
  place=/sys/fs/cgroup/${option#name=}
  mkdir "$place"
  mount -t cgroup -o "$option" cgroup "$place"
done
mkdir -p "$folder"/disk/{kubelet,containerd,log,etc,etc-work}
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/disk/etc,workdir=$folder/disk/etc-work" /etc
for place in kubelet containerd; do
  mkdir -p "/var/lib/$place"
  mount --bind "$folder/disk/$place" "/var/lib/$place"
done
mount --bind "$folder/disk/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
hostname "$name"
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
# Last: what is bound while private becomes a peer group of its own. The other way round every
# mount of a pod would show up twice.
mount --make-rshared /
: > /run/ready
while :; do
  sleep 1000 &
  wait $! || true
done
