# Starts a systemd user manager of its own where PID 1 is none: in a mount namespace, with a /run and a cgroup of its own.
# $1: home, $2: runtime folder's name. Says "ready" and lives until its standard input is closed.
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "/run/$2"
chmod 700 "/run/$2"
mount -t cgroup2 none /sys/fs/cgroup
group="/sys/fs/cgroup/$2"
mkdir "$group"
echo $$ > "$group/cgroup.procs"
export HOME="$1" XDG_RUNTIME_DIR="/run/$2"
unset XDG_CONFIG_HOME XDG_STATE_HOME DBUS_SESSION_BUS_ADDRESS INVOCATION_ID NOTIFY_SOCKET
for systemd in /lib/systemd/systemd /usr/lib/systemd/systemd; do [ -x "$systemd" ] && break; done
"$systemd" --user >"$1/systemd.log" 2>&1 &
manager=$!
for _ in $(seq 100); do
  case "$(systemctl --user is-system-running 2>/dev/null || true)" in running|degraded) echo ready; break;; esac
  sleep 0.1
done
cat >/dev/null
systemctl --user exit >/dev/null 2>&1 || kill "$manager" || true
wait "$manager" || true
echo $$ > /sys/fs/cgroup/cgroup.procs
# What is left in the group is a run that nobody ended: the test sees it, and it goes.
find "$group" -name cgroup.procs -exec cat {} + | while read -r pid; do echo "left $pid"; kill -9 "$pid" || true; done
for _ in $(seq 50); do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true; [ -d "$group" ] || break; sleep 0.1; done
