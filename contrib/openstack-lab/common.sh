# Sourced by lab: where things are, and how its processes are told from others.
LAB=${OPENSTACK_LAB:-${TMPDIR:-/tmp}/bbhost-openstack-lab}
TOKEN_TTL=${OPENSTACK_LAB_TOKEN_TTL:-3600}
ETC=$LAB/etc RUN=$LAB/run LOG=$LAB/log SOCKET=$LAB/mysql.sock
ADMIN_PASSWORD=lab-admin USER_PASSWORD=lab-user SERVICE_PASSWORD=lab-service
REGION=RegionOne
BEGAN=$SECONDS

# In the order in which they start.
SERVICES="mariadb memcached epmd rabbitmq keystone glance placement neutron neutron-agent
 nova-api nova-scheduler nova-conductor nova-compute"

say () { printf '%4d s  %s\n' $((SECONDS - BEGAN)) "$*"; }
die () { echo "openstack-lab: $*" >&2; exit 1; }

set_ports () { # BASE
  BASE=$1
  KEYSTONE=$1 KEYSTONE_ADMIN=$(($1 + 1)) GLANCE=$(($1 + 2)) PLACEMENT=$(($1 + 3)) NOVA=$(($1 + 4)) NEUTRON=$(($1 + 5))
  RABBIT=$(($1 + 6)) RABBIT_DIST=$(($1 + 7)) EPMD=$(($1 + 8)) MEMCACHED=$(($1 + 9))
}
if [ -r "$LAB/settings" ]; then set_ports "$(cat "$LAB/settings")"; fi

connects () { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ten ports in a row that nobody listens on, below those that the kernel gives to whoever connects.
choose_ports () {
  local base port
  for base in $(seq 17000 20 30000); do
    for port in $(seq "$base" $((base + 9))); do
      if connects "$port"; then continue 2; fi
    done
    echo "$base" >"$LAB/settings"
    set_ports "$base"
    return
  done
  die 'no ten free ports in a row'
}

# The services see neither our environment nor a proxy, and no Python but the system's.
clean () {
  env -i PYTHONNOUSERSITE=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$LAB/home" LANG=C.UTF-8 LC_ALL=C.UTF-8 \
    TMPDIR="$LAB/tmp" "$@"
}

# What tells a pid from that of a later process with the same number.
start_time () { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '{print $20}'; }

alive () { # NAME
  local pid began
  read -r pid began 2>/dev/null <"$RUN/$1.pid" || return 1
  [ -n "$began" ] && [ "$(start_time "$pid")" = "$began" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

launch () { # NAME COMMAND…: leads a group of its own
  local name=$1 pid
  shift
  (cd "$LAB/home" && exec env -i PYTHONNOUSERSITE=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$LAB/home" \
    LANG=C.UTF-8 LC_ALL=C.UTF-8 TMPDIR="$LAB/tmp" setsid "$@") </dev/null >>"$LOG/$name.out" 2>&1 9>&- &
  pid=$!
  disown "$pid" 2>/dev/null
  echo "$pid $(start_time "$pid")" >"$RUN/$name.pid"
}

# Asked to end, and after 20 s its whole group made to.
stop_service () { # NAME
  local name=$1 pid _
  if alive "$name"; then
    read -r pid _ <"$RUN/$name.pid"
    kill -TERM "$pid" 2>/dev/null
    for _ in $(seq 100); do
      alive "$name" || break
      sleep 0.2
    done
    if alive "$name"; then kill -KILL -- "-$pid" 2>/dev/null; fi
    say "stopped $name"
  fi
  rm -f "$RUN/$name.pid"
}
