# Removes the control groups named after the folder $1. Everything in them is dead or dying: its process
# namespace ended with the process that owned it.
name=$(basename "$1")
for attempt in $(seq 100); do
  left=
  for top in "/sys/fs/cgroup/$name" /sys/fs/cgroup/*/"$name"; do
    [ -d "$top" ] || continue
    find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$top" ] && left=1
  done
  [ -z "$left" ] && break
  sleep 0.1
done
# Made as a mount point if it was not there; never removed with something in it.
rmdir /var/lib/cni 2>/dev/null
