#!/bin/sh
# A host for tests: this system under a layer of its own, with its own processes, network and SSH server.
#
# Usage: im_host.sh start NAME NUMBER PUBLIC-KEY | status NAME | root NAME | stop NAME      (by root)
#
# It is 172.31.77.NUMBER.  `root` prints where its files are seen.  $DODAS_HOSTS is the directory of all hosts of a
# test, $DODAS_HOSTS_SSHD the tree with usr/sbin/sshd, and $DODAS_HOSTS_ANSIBLE an environment with Ansible, which
# stands for the one that would be downloaded; $DODAS_HOSTS_TRUST has certificates of authorities, under their hashes.
# All mounts are in a namespace of the host: whatever is done to its directory does nothing to what is mounted there.
set -eu
verb=$1 name=$2 number=${3:-0} key=${4:-}
here=$DODAS_HOSTS/$name root=$DODAS_HOSTS/$name/root bridge=dodasbr0 space=dodas-$name
libraries=$DODAS_HOSTS_SSHD/usr/lib/$(uname -m)-linux-gnu:$DODAS_HOSTS_SSHD/lib/$(uname -m)-linux-gnu

alive() {
    [ -s "$here/pid" ] && kill -0 "$(cat "$here/pid")" 2>/dev/null
}

vanish() {
    ip netns pids "$space" 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
    ip netns delete "$space" 2>/dev/null || true
    ip link delete "dv$name" 2>/dev/null || true
}

network() {
    ip link show $bridge >/dev/null 2>&1 || ip link add $bridge type bridge
    ip address replace 172.31.77.1/24 dev $bridge
    ip link set $bridge up
    ip netns add "$space"
    ip link add "dv$name" type veth peer name eth0 netns "$space"
    ip link set "dv$name" master $bridge up
    ip -n "$space" address add "172.31.77.$number/24" dev eth0
    ip -n "$space" address add "192.168.77.$number/24" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$space" link set lo up
}

program() {
    printf '#!/bin/sh\n%s\n' "$2" >"$root/usr/$1.new"
    chmod 755 "$root/usr/$1.new"
    mv -f "$root/usr/$1.new" "$root/usr/$1"
}

mounts() {
    mount -t tmpfs -o mode=755 tmpfs "$here/layer"
    mkdir "$here/layer/upper" "$here/layer/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$here/layer/upper,workdir=$here/layer/work" "$root"
    mount --rbind /dev "$root/dev"
    for part in run tmp var/tmp root/.ssh; do
        mkdir -p "$root/$part"
        mount -t tmpfs -o mode=1777 tmpfs "$root/$part"
    done
    for tree in "$DODAS_HOSTS_ANSIBLE" "$DODAS_HOSTS_SSHD"; do
        mkdir -p "$root/$tree"
        mount --bind "$tree" "$root/$tree"
        mount -o remount,bind,ro "$root/$tree"
    done
    mkdir -p "$root/var/tmp/.mamba/bin" "$root/var/tmp/.mamba/envs/ansible"
    mount --bind "$DODAS_HOSTS_ANSIBLE" "$root/var/tmp/.mamba/envs/ansible"
    mount -o remount,bind,ro "$root/var/tmp/.mamba/envs/ansible"
}

files() {
    chmod 700 "$root/root/.ssh"
    rm -f "$root/root/.bashrc" "$root/root/.profile" "$root/root/.bash_profile"
    cp "$here/authorized_keys" "$root/root/.ssh/"
    # "micromamba run -n ansible COMMAND..."; everything else that is asked of it is there already.
    cat >"$root/var/tmp/.mamba/bin/micromamba" <<'END'
#!/bin/sh
[ "$1" = run ] || exit 0
while [ "$1" != ansible ]; do shift; done
shift
PATH=/var/tmp/.mamba/envs/ansible/bin:$PATH exec "$@"
END
    chmod 755 "$root/var/tmp/.mamba/bin/micromamba"
    mkdir -p "$root/etc/ssl/certs"
    cp "$DODAS_HOSTS_TRUST"/*.0 "$root/etc/ssl/certs/"
    program sbin/shutdown 'kill -TERM 1'
    program bin/sudo 'exec "$@"'
    program bin/apt-get 'exit 0' # what is asked for is not needed, and there is no way out of here
    grep -q ^sshd: "$root/etc/passwd" || echo 'sshd:x:74:65534::/run/sshd:/usr/sbin/nologin' >>"$root/etc/passwd"
    mkdir "$root/run/sshd"
    cp "$here/host_key" "$root/run/sshd/host_key"
    chmod 600 "$root/run/sshd/host_key"
    cat >"$root/run/sshd/config" <<END
HostKey /run/sshd/host_key
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
END
    cat >"$root/run/init" <<END
mount -t proc proc /proc
umount -l /run/old
hostname "$name" || true
LD_LIBRARY_PATH=$libraries $DODAS_HOSTS_SSHD/usr/sbin/sshd -D -e -f /run/sshd/config &
trap 'exit 0' TERM
while :; do wait; sleep 1; done
END
}

case $verb in
start)
    vanish
    mkdir -p "$here/layer" "$root"
    printf '%s\n' "$key" >"$here/authorized_keys"
    [ -e "$here/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$here/host_key"
    network
    setsid ip netns exec "$space" unshare -m -p -u -i --fork --kill-child /bin/sh "$0" inside "$name" \
        </dev/null >"$here/console" 2>&1 &
    echo $! >"$here/pid"
    ;;
inside)
    mounts
    files
    mkdir "$root/run/old"
    cd "$root"
    pivot_root . run/old # a root that one is locked into would keep users from having namespaces
    exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root /bin/sh /run/init
    ;;
status)
    alive
    ;;
root)
    alive && echo "/proc/$(pgrep -P "$(cat "$here/pid")")/root"
    ;;
stop)
    vanish
    rm -f "$here/pid"
    ;;
esac
