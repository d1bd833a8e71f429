# Sourced by lab: writes every configuration file below $ETC. Nothing is read from /etc/{keystone,nova,...}.
db_url () { echo "mysql+pymysql://lab:lab@localhost/$1?unix_socket=$SOCKET&charset=utf8"; }

authtoken () { # USER
  cat <<E
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:$KEYSTONE
$(service_auth "$1")
# No caching of tokens: a revoked or expired one is refused at once, not up to 300 s later.
token_cache_time = -1
E
}
service_auth () { # USER
  cat <<E
auth_url = http://127.0.0.1:$KEYSTONE
auth_type = password
username = $1
password = $SERVICE_PASSWORD
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = $REGION
E
}
messaging () {
  cat <<E
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
rabbit_retry_interval = 1
[oslo_messaging_notifications]
driver = noop
[oslo_concurrency]
lock_path = $LAB/lock
E
}
database () { # NAME
  cat <<E
connection = $(db_url "$1")
max_pool_size = 5
max_overflow = 10
E
}
uwsgi_ini () { # NAME PROCESSES THREADS WSGI-FILE PORT...
  local name=$1 procs=$2 threads=$3 file=$4; shift 4
  echo "[uwsgi]"
  for port in "$@"; do echo "http-socket = 127.0.0.1:$port"; done
  cat <<E
name = $name
wsgi-file = $file
processes = $procs
threads = $threads
chdir = $LAB/home
# The rest as in Debian's /etc/$name/*-uwsgi.ini
plugins = python3
master = true
lazy-apps = true
enable-threads = true
thunder-lock = true
no-orphans = true
die-on-term = true
exit-on-reload = true
buffer-size = 65535
listen = 100
paste-logger = true
add-header = Connection: close
E
  # As with Debian's files: the body ends where the connection does. Those leave post-buffering out, so that a refused POST may
  # end in a reset; here only what is asked for may.
  echo "rem-header = Content-Length"
  echo "post-buffering = 65536"
}

configure () {
  mkdir -p "$ETC"/{mariadb,rabbitmq,keystone,glance,placement,neutron,nova} "$LAB"/{keystone/fernet-keys,keystone/credential-keys} \
    "$LAB"/glance/{images,staging,tasks,cache} "$LAB"/{nova/instances,neutron,lock,rabbitmq}
  chmod 700 "$LAB/keystone"/*-keys

  cat >"$ETC/mariadb/my.cnf" <<E
[mariadbd]
datadir = $LAB/mysql
socket = $SOCKET
pid-file = $LAB/mysql.pid
skip-networking
skip-name-resolve
skip-log-bin
max_connections = 300
innodb_buffer_pool_size = 128M
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = 0
performance_schema = 0
character-set-server = utf8mb3
collation-server = utf8mb3_general_ci
E

  cat >"$ETC/rabbitmq/rabbitmq.conf" <<E
listeners.tcp.1 = 127.0.0.1:$RABBIT
loopback_users.guest = true
log.file.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
E
  echo "[]." >"$ETC/rabbitmq/enabled_plugins"
  : >"$ETC/rabbitmq/env.conf"

  cat >"$ETC/keystone/keystone.conf" <<E
[DEFAULT]
log_file = $LOG/keystone.log
max_token_size = 255
[database]
$(database keystone)
[token]
provider = fernet
expiration = $TOKEN_TTL
# Without a cache a token's validation costs 0.3 s of processor time, its catalogue mostly.
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = 127.0.0.1:$MEMCACHED
[fernet_tokens]
key_repository = $LAB/keystone/fernet-keys
[credential]
key_repository = $LAB/keystone/credential-keys
[identity]
password_hash_rounds = 4
[oslo_concurrency]
lock_path = $LAB/lock
[oslo_messaging_notifications]
driver = noop
E
  uwsgi_ini keystone 2 4 /usr/bin/keystone-wsgi-public "$KEYSTONE" "$KEYSTONE_ADMIN" >"$ETC/keystone/uwsgi.ini"

  cp /usr/share/glance-common/glance-api-paste.ini "$ETC/glance/glance-api-paste.ini"
  cat >"$ETC/glance/glance-api.conf" <<E
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $GLANCE
workers = 1
log_file = $LOG/glance.log
enabled_backends = fs:file
node_staging_uri = file://$LAB/glance/staging
image_cache_dir = $LAB/glance/cache
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $LAB/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $LAB/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $LAB/glance/tasks
[database]
$(database glance)
[paste_deploy]
flavor = keystone
config_file = $ETC/glance/glance-api-paste.ini
$(authtoken glance)
$(messaging)
E

  cat >"$ETC/placement/placement.conf" <<E
[DEFAULT]
log_file = $LOG/placement.log
[api]
auth_strategy = keystone
[placement_database]
$(database placement)
$(authtoken placement)
E
  uwsgi_ini placement 2 2 /usr/bin/placement-api "$PLACEMENT" >"$ETC/placement/uwsgi.ini"

  cp /usr/share/neutron-common/api-paste.ini "$ETC/neutron/api-paste.ini"
  cat >"$ETC/neutron/neutron.conf" <<E
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $NEUTRON
host = lab-net-1
log_file = $LOG/neutron.log
state_path = $LAB/neutron
api_paste_config = $ETC/neutron/api-paste.ini
core_plugin = ml2
service_plugins = router
api_workers = 1
rpc_workers = 1
rpc_state_report_workers = 0
agent_down_time = 75
auth_strategy = keystone
transport_url = rabbit://guest:guest@127.0.0.1:$RABBIT/
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
[database]
$(database neutron)
[nova]
$(service_auth nova)
[placement]
$(service_auth placement)
$(authtoken neutron)
$(messaging)
E
  cat >"$ETC/neutron/ml2_conf.ini" <<E
[ml2]
type_drivers = flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = openvswitch
extension_drivers = port_security
[ml2_type_flat]
flat_networks = physnet1
[ml2_type_vxlan]
vni_ranges = 1:1000
E

  cp /usr/share/nova-common/api-paste.ini "$ETC/nova/api-paste.ini"
  cat >"$ETC/nova/nova.conf" <<E
[DEFAULT]
log_dir = $LOG
state_path = $LAB/nova
instances_path = $LAB/nova/instances
my_ip = 127.0.0.1
host = lab-compute-1
compute_driver = fake.FakeDriver
transport_url = rabbit://guest:guest@127.0.0.1:$RABBIT/
# A compute service that stops is taken for down after 20 s (60 by default).
report_interval = 5
service_down_time = 20
[api]
auth_strategy = keystone
[api_database]
$(database nova_api)
[database]
$(database nova)
[glance]
api_servers = http://127.0.0.1:$GLANCE
[placement]
$(service_auth placement)
[neutron]
$(service_auth neutron)
endpoint_override = http://127.0.0.1:$NEUTRON
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 30
[vnc]
enabled = false
[notifications]
notification_format = unversioned
$(authtoken nova)
service_token_roles_required = true
service_token_roles = service,admin
$(messaging)
E
  uwsgi_ini nova 2 1 /usr/bin/nova-api-wsgi "$NOVA" >"$ETC/nova/uwsgi.ini"
}
