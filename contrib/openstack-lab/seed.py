"""What the lab starts with, made over the services' own HTTP APIs; what is there is left alone.

seed.py identity BASE-PORT: roles, projects, users, catalogue. seed.py resources BASE-PORT: flavors, networks, images, a key,
a security group, an application credential."""
import json
import sys
import time
import urllib.error
import urllib.request

phase, base = sys.argv[1], int(sys.argv[2])
KEYSTONE, GLANCE, PLACEMENT, NOVA, NEUTRON = ("http://127.0.0.1:%d" % (base + n) for n in (0, 2, 3, 4, 5))
auth_url = KEYSTONE + "/v3"
ADMIN, USER, SERVICE = "lab-admin", "lab-user", "lab-service"
token = None


def put(where, data):
    headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": token}
    urllib.request.urlopen(urllib.request.Request(where, data, headers, method="PUT"), timeout=60).read()


def call(method, where, body=None, headers=None):
    headers = dict(headers or {}, **{"Content-Type": "application/json", "Accept": "application/json"})
    if token:
        headers["X-Auth-Token"] = token
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(5):
        try:
            r = urllib.request.urlopen(urllib.request.Request(where, data, headers, method=method), timeout=60)
        except urllib.error.HTTPError as e:
            text = e.read().decode(errors="replace")
            if e.code in (500, 502, 503) and attempt < 4:  # a service still connecting
                time.sleep(2)
                continue
            sys.exit("%s %s: %d %s" % (method, where, e.code, text))
        raw = r.read()
        return (json.loads(raw) if raw else None), r.headers


def ensure(kind, where, name, extra=None):
    """The id of the KIND named NAME below WHERE, made if there is none."""
    plural = kind + ("es" if kind.endswith("s") else "s")
    found, _ = call("GET", "%s/%s?name=%s" % (where, plural, name))
    for x in found[plural]:
        if x["name"] == name:
            return x["id"]
    made, _ = call("POST", "%s/%s" % (where, plural), {kind: dict({"name": name}, **(extra or {}))})
    return made[kind]["id"]


def login(user, password, project):
    global token
    token = None
    _, headers = call("POST", auth_url + "/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"name": "Default"}, "password": password}}},
        "scope": {"project": {"name": project, "domain": {"name": "Default"}}}}})
    token = headers["X-Subject-Token"]


login("admin", ADMIN, "admin")
if phase == "identity":
    roles = {n: ensure("role", auth_url, n) for n in ("admin", "member", "reader", "service")}
    service_project = ensure("project", auth_url, "service", {"domain_id": "default"})
    project = ensure("project", auth_url, "lab", {"domain_id": "default"})
    for name in ["glance", "placement", "nova", "neutron"]:
        u = ensure("user", auth_url, name, {"password": SERVICE, "domain_id": "default"})
        for r in ("admin", "service"):
            call("PUT", "%s/projects/%s/users/%s/roles/%s" % (auth_url, service_project, u, roles[r]))
    u = ensure("user", auth_url, "labuser", {"password": USER, "domain_id": "default"})
    for r in ("member", "reader"):
        call("PUT", "%s/projects/%s/users/%s/roles/%s" % (auth_url, project, u, roles[r]))

    endpoints, _ = call("GET", auth_url + "/endpoints")
    for kind, name, where in [("image", "glance", GLANCE), ("compute", "nova", NOVA + "/v2.1"),
                              ("placement", "placement", PLACEMENT), ("network", "neutron", NEUTRON)]:
        s = ensure("service", auth_url, name, {"type": kind})
        for interface in ("public", "internal", "admin"):
            if not any(e["service_id"] == s and e["interface"] == interface for e in endpoints["endpoints"]):
                call("POST", auth_url + "/endpoints", {"endpoint": {
                    "service_id": s, "interface": interface, "region_id": "RegionOne", "url": where}})
    sys.exit(0)

found, _ = call("GET", auth_url + "/projects?name=lab")
project = found["projects"][0]["id"]
nova = NOVA + "/v2.1"
flavors, _ = call("GET", nova + "/flavors")
have = {f["name"] for f in flavors["flavors"]}
for fid, name, vcpus, ram, disk in [("1", "m1.tiny", 1, 512, 1), ("2", "m1.small", 1, 2048, 20),
                                    ("3", "m1.medium", 2, 4096, 40), ("90", "lab.zerodisk", 1, 64, 0),
                                    ("91", "lab.toobig", 1, 1000000000, 1)]:
    if name not in have:
        call("POST", nova + "/flavors", {"flavor": {"id": fid, "name": name, "vcpus": vcpus, "ram": ram, "disk": disk}})

net = NEUTRON + "/v2.0"
public = ensure("network", net, "public", {
    "router:external": True, "provider:network_type": "flat", "provider:physical_network": "physnet1"})
ensure("subnet", net, "public-subnet", {
    "network_id": public, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False})
private = ensure("network", net, "lab-net", {"project_id": project})
subnet = ensure("subnet", net, "lab-subnet", {
    "network_id": private, "project_id": project, "ip_version": 4, "cidr": "192.0.2.0/24"})
router = ensure("router", net, "lab-router", {
    "project_id": project, "external_gateway_info": {"network_id": public}})
ports, _ = call("GET", net + "/ports?device_id=" + router)
if not any(p["device_owner"] == "network:router_interface" for p in ports["ports"]):
    call("PUT", "%s/routers/%s/add_router_interface" % (net, router), {"subnet_id": subnet})

# --- what tests name: a key, a group, images, and a way in for programs

groups, _ = call("GET", "%s/security-groups?name=web&project_id=%s" % (net, project))
if not groups["security_groups"]:
    call("POST", net + "/security-groups", {"security_group": {"name": "web", "project_id": project}})
# The rest is the user's own.
login("labuser", USER, "lab")
keys, _ = call("GET", nova + "/os-keypairs")
if not any(key["keypair"]["name"] == "lab-key" for key in keys["keypairs"]):
    # Of nobody: there is no guest to log in to.
    call("POST", nova + "/os-keypairs", {"keypair": {"name": "lab-key", "public_key": "ssh-ed25519 "
         "AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB lab"}})
images, _ = call("GET", GLANCE + "/v2/images")
for name, image_id in [("debian-10", "8ac9d4a4-5e03-48b0-acde-77a0345a9ab4"), ("debian-12", "8ac9d4a4-5e03-48b0-acde-77a0345a9ab1")]:
    if any(image["id"] == image_id for image in images["images"]):
        continue
    call("POST", GLANCE + "/v2/images", {"id": image_id, "name": name, "disk_format": "raw", "container_format": "bare"})
    put(GLANCE + "/v2/images/%s/file" % image_id, b"no guest boots from this")
    time.sleep(1)  # so that their times differ
user = call("GET", auth_url + "/auth/tokens", headers={"X-Subject-Token": token})[0]["token"]["user"]["id"]
where = "%s/users/%s/application_credentials" % (auth_url, user)
if not call("GET", where)[0]["application_credentials"]:
    call("POST", where, {"application_credential": {"name": "lab-app", "secret": "lab-app-secret"}})
