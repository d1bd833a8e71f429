# Sourced by lab: installs the packages that are missing, without starting any service of theirs.
PACKAGES="python3-keystone python3-glance glance-common python3-placement python3-nova nova-common
 python3-pymysql uwsgi-core uwsgi-plugin-python3 mariadb-server-core mariadb-client-core memcached python3-memcache
 python3-neutron neutron-common rabbitmq-server python3-openstackclient curl"

install_packages () {
  local missing= package
  for package in $PACKAGES; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] || die "packages are missing and this is not root:$missing"
  say "installing:$missing"
  # No service of the packages may start: policy-rc.d says 101 meanwhile.
  policy=/usr/sbin/policy-rc.d; policy_kept=$LAB/policy-rc.d.kept
  if [ -e "$policy" ] && [ ! -e "$policy_kept" ] && [ ! -e "$policy_kept.none" ]; then cp -p "$policy" "$policy_kept"
  elif [ ! -e "$policy_kept" ]; then : >"$policy_kept.none"; fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"
  trap restore_policy EXIT
  # Nor may one ask for, or make, a database.
  debconf-set-selections <<'SEL'
dbconfig-common dbconfig-common/dbconfig-install boolean false
glance-common glance/configure_db boolean false
glance-common glance/configure_ksat boolean false
glance-common glance/configure_rabbit boolean false
nova-common nova/configure_db boolean false
nova-common nova/configure_ksat boolean false
nova-common nova/configure_rabbit boolean false
nova-common nova/configure_neutron boolean false
nova-common nova/configure_placement boolean false
neutron-common neutron/configure_db boolean false
neutron-common neutron/configure_ksat boolean false
neutron-common neutron/configure_rabbit boolean false
neutron-common neutron/configure_nova boolean false
SEL
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  if ! apt-get -o DPkg::Lock::Timeout=900 install -y --no-install-recommends $missing >"$LOG/apt.log" 2>&1; then
    apt-get -o DPkg::Lock::Timeout=900 update >>"$LOG/apt.log" 2>&1
    apt-get -o DPkg::Lock::Timeout=900 install -y --no-install-recommends $missing >>"$LOG/apt.log" 2>&1 ||
      { tail -20 "$LOG/apt.log" >&2; die "apt-get install failed, see $LOG/apt.log"; }
  fi
  restore_policy
  trap - EXIT
}

restore_policy () {
  if [ -e "$policy_kept" ]; then mv -f "$policy_kept" "$policy"
  elif [ -e "$policy_kept.none" ]; then rm -f "$policy" "$policy_kept.none"; fi
}
