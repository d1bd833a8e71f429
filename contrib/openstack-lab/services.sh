# Sourced by lab: how each service starts, what it needs before, and when it is ready.
py () { # MODULE NAME ARGS: a daemon whose only entry point is the package's python module
  local m=$1 n=$2; shift 2
  command_line=(/usr/bin/python3 -c "import sys; sys.argv[0] = '$n'; from $m import main; sys.exit(main())" "$@")
}

start_service () {
  local s=$1
  if alive "$s"; then return 0; fi
  case $s in
  mariadb)
    if [ ! -d "$LAB/mysql/mysql" ]; then
      clean mariadb-install-db --no-defaults --user=root --datadir="$LAB/mysql" --auth-root-authentication-method=normal \
        --skip-test-db >"$LOG/mariadb-install.out" 2>&1 || die "mariadb-install-db failed, see $LOG/mariadb-install.out"
    fi
    launch mariadb mariadbd --defaults-file="$ETC/mariadb/my.cnf" --user="$(id -un)"
    until_ok 60 mariadb sql "SELECT 1" ;;
  memcached)
    launch memcached memcached -u "$(id -un)" -l 127.0.0.1 -p "$MEMCACHED" -U 0 -m 64
    until_ok 20 memcached connects "$MEMCACHED" ;;
  epmd)
    launch epmd epmd -address 127.0.0.1 -port "$EPMD"
    until_ok 20 epmd connects "$EPMD" ;;
  rabbitmq)
    launch rabbitmq env RABBITMQ_NODENAME=lab$BASE@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
      RABBITMQ_NODE_PORT="$RABBIT" RABBITMQ_DIST_PORT="$RABBIT_DIST" \
      RABBITMQ_CONF_ENV_FILE="$ETC/rabbitmq/env.conf" RABBITMQ_CONFIG_FILE="$ETC/rabbitmq/rabbitmq.conf" \
      RABBITMQ_ENABLED_PLUGINS_FILE="$ETC/rabbitmq/enabled_plugins" RABBITMQ_MNESIA_BASE="$LAB/rabbitmq" \
      RABBITMQ_LOG_BASE="$LOG" RABBITMQ_PID_FILE="$LAB/rabbitmq/pid" \
      ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$EPMD" \
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none" \
      /bin/sh "$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin | tail -1)/rabbitmq-server"
    until_ok 90 rabbitmq connects "$RABBIT" ;;
  keystone)
    launch keystone env OS_KEYSTONE_CONFIG_DIR="$ETC/keystone" OS_KEYSTONE_CONFIG_FILES=keystone.conf \
      uwsgi --ini "$ETC/keystone/uwsgi.ini"
    until_ok 90 keystone http "$KEYSTONE" /v3 ;;
  glance)
    py glance.cmd.api glance-api --config-file "$ETC/glance/glance-api.conf"
    launch glance "${command_line[@]}" ;;
  placement)
    launch placement env OS_PLACEMENT_CONFIG_DIR="$ETC/placement" uwsgi --ini "$ETC/placement/uwsgi.ini" ;;
  neutron)
    launch neutron /usr/bin/python3 /usr/bin/neutron-server --config-file "$ETC/neutron/neutron.conf" \
      --config-file "$ETC/neutron/ml2_conf.ini" ;;
  neutron-agent)
    launch neutron-agent /usr/bin/python3 "$here/neutron-agent.py" --config-file "$ETC/neutron/neutron.conf" \
      --log-file "$LOG/neutron-agent.log" ;;
  nova-api)
    launch nova-api env OS_NOVA_CONFIG_DIR="$ETC/nova" uwsgi --ini "$ETC/nova/uwsgi.ini" ;;
  nova-scheduler|nova-conductor|nova-compute)
    py "nova.cmd.${s#nova-}" "$s" --config-file "$ETC/nova/nova.conf" --log-file "$LOG/$s.log"
    launch "$s" "${command_line[@]}" ;;
  *) die "no service $s" ;;
  esac
  say "started $s"
}

# Any HTTP answer below 500 will do.
http () {
  local c
  c=$(clean curl -s -o /dev/null -m 10 -w '%{http_code}' "http://127.0.0.1:$1$2") || return 1
  [ "$c" -ge 200 ] && [ "$c" -lt 500 ]
}
sql () { clean mariadb --no-defaults --socket="$SOCKET" -u root -N -e "$1" 2>/dev/null; }

until_ok () { # SECONDS SERVICE CHECK...
  local end=$((SECONDS + $1)) s=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$s" || { tail -5 "$LOG/$s.out" >&2; die "$s died, see $LOG/$s.out and $LOG/$s.log"; }
    [ "$SECONDS" -lt "$end" ] || die "$s is not ready in time, see $LOG/$s.out and $LOG/$s.log"
    sleep 0.3
  done
}

make_databases () {
  local d q="CREATE USER IF NOT EXISTS lab@localhost IDENTIFIED BY 'lab';"
  for d in keystone glance placement neutron nova nova_api nova_cell0; do
    q="$q CREATE DATABASE IF NOT EXISTS $d; GRANT ALL ON $d.* TO lab@localhost;"
  done
  sql "$q" >/dev/null || die "could not make the databases"
}

# step NAME CMD...: runs CMD once for a state directory, its output logged
step () {
  local n=$1; shift
  [ -e "$LAB/done.$n" ] && return 0
  if ! clean "$@" >"$LOG/$n.out" 2>&1; then tail -5 "$LOG/$n.out" >&2; die "$n failed, see $LOG/$n.out"; fi
  : >"$LAB/done.$n"
}

bootstrap_keystone () {
  local c="--config-file=$ETC/keystone/keystone.conf" u="http://127.0.0.1:$KEYSTONE"
  [ -e "$LAB/done.keystone-bootstrap" ] && return 0
  step keystone-fernet keystone-manage "$c" fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  step keystone-credential keystone-manage "$c" credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  step keystone-db keystone-manage "$c" db_sync
  step keystone-bootstrap keystone-manage "$c" bootstrap --bootstrap-password "$ADMIN_PASSWORD" --bootstrap-region-id "$REGION" \
    --bootstrap-public-url "$u/v3" --bootstrap-internal-url "$u/v3" --bootstrap-admin-url "http://127.0.0.1:$KEYSTONE_ADMIN/v3"
  say "keystone's database made"
}

seed () {
  clean /usr/bin/python3 "$here/seed.py" "$1" "$BASE" || die "seeding failed"
  say "seeded: $1"
}

sync_db () {
  case $1 in
  glance) step glance-db glance-manage --config-file "$ETC/glance/glance-api.conf" db_sync
          step glance-meta glance-manage --config-file "$ETC/glance/glance-api.conf" db_load_metadefs ;;
  placement) step placement-db placement-manage --config-file "$ETC/placement/placement.conf" db sync ;;
  neutron) step neutron-db neutron-db-manage --config-file "$ETC/neutron/neutron.conf" --config-file "$ETC/neutron/ml2_conf.ini" upgrade heads ;;
  nova)
    local c="--config-file=$ETC/nova/nova.conf"
    step nova-api-db nova-manage "$c" api_db sync
    step nova-cell0 nova-manage "$c" cell_v2 map_cell0 --database_connection "$(db_url nova_cell0)"
    step nova-db nova-manage "$c" db sync
    step nova-cell1 nova-manage "$c" cell_v2 create_cell --name=cell1 ;;
  *) return 0 ;;
  esac
  say "$1's database made"
}

wait_for_apis () {
  until_ok 90 glance http "$GLANCE" /
  until_ok 60 placement http "$PLACEMENT" /
  until_ok 120 neutron http "$NEUTRON" /
  until_ok 120 nova-api http "$NOVA" /
}

# Ready when nova knows the compute host in cell1 and placement has its provider's inventory.
wait_for_compute () {
  local end=$((SECONDS + 120))
  until [ "$(sql "SELECT COUNT(*) FROM nova.compute_nodes WHERE deleted=0")" -ge 1 ] 2>/dev/null &&
        [ "$(sql "SELECT COUNT(*) FROM placement.inventories")" -ge 3 ] 2>/dev/null; do
    alive nova-compute || die "nova-compute died, see $LOG/nova-compute.log"
    [ "$SECONDS" -lt "$end" ] || die "nova-compute is not ready in time, see $LOG/nova-compute.log"
    sleep 0.5
  done
  clean nova-manage --config-file="$ETC/nova/nova.conf" cell_v2 discover_hosts >"$LOG/discover.out" 2>&1 ||
    die "discover_hosts failed, see $LOG/discover.out"
}
