# SPDX-License-Identifier: LGPL-2.1-or-later
"""A little OpenStack over HTTP that answers as the real one does, and breaks on request.

oscloud.py [--tls CERTIFICATE KEY [--client-ca CA]]; prints one line of JSON with "port" and "control_port". Identity v3
is at the root, with compute/v2.1, image, network and volume/v3 beside it. The control port is for the tests:

  GET  /control/state    servers, ports, addresses, volumes, calls, ...
  POST /control/set      {"quota": 2, "token_ttl": 5, "build_s": 1, "delete_s": 1, "bad_deletes": 1, "max_minor": 20, ...}
  POST /control/faults   [{"method": "POST", "path": "/compute/v2.1/servers", "kind": "lose", "times": 1, "chance": 0.1,
                           "status": 503, "body": {}, "headers": {}}]
                         lose: with effect, no answer; drop: no effect, no answer; hang: no answer for long; else: that answer
  POST /control/revoke   all tokens end
  POST /control/error    the servers become ERROR, without a fault
  POST /control/release  what hangs is closed
"""
import base64
import datetime
import http.server
import json
import random
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

PROJECT = '0123456789abcdef0123456789abcdef'
IMAGES = [  # id, name, created, status, min_disk, size
    ('8ac9d4a4-5e03-48b0-acde-77a0345a9ab1', 'debian-12', '2026-01-01T00:00:00Z', 'active', 0, 1),
    ('8ac9d4a4-5e03-48b0-acde-77a0345a9ab2', 'debian-13', '2026-02-01T00:00:00Z', 'active', 3, 1 << 30),
    ('8ac9d4a4-5e03-48b0-acde-77a0345a9ab3', 'debian-14', '2026-03-01T00:00:00Z', 'queued', 0, None),
    ('8ac9d4a4-5e03-48b0-acde-77a0345a9ab4', 'debian-10', '2020-01-01T00:00:00Z', 'active', 0, (2 << 30) + 1)]
FLAVORS = [('1', 'm1.tiny'), ('2', 'm1.small'), ('91', 'lab.toobig')]
NETWORKS = [('net-lab', 'lab-net', False), ('net-public', 'public', True)]
SNAPSHOTS = {'snap-1': 7}
KEYS, GROUPS, ZONES = ('lab-key',), ('default', 'web'), ('nova',)
USERS = {'labuser': 'lab-user', 'user': 'password'}
PROJECTS = ('lab', 'tenant')
APPLICATION = ('app-id', 'app-name', 'app-secret')
dice = random.Random(1)


class Refusal(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def nova_refusal(status, message):
    kind = {400: 'badRequest', 403: 'forbidden', 404: 'itemNotFound', 409: 'conflictingRequest'}.get(status, 'computeFault')
    return Refusal(status, {kind: {'code': status, 'message': message}})


def unauthorized():
    return Refusal(401, {'error': {'code': 401, 'title': 'Unauthorized',
                                   'message': 'The request you have made requires authentication.'}})


class Server:
    def __init__(self, cloud, wish, minor):
        self.id = str(uuid.uuid4())
        self.wish, self.minor = wish, minor
        self.at = time.monotonic()
        self.status, self.fault, self.task = 'BUILD', None, 'scheduling'
        self.deleted_at = None
        self.bad_deletes = cloud.settings['bad_deletes']
        if wish['flavorRef'] == '91':
            self.status, self.task = 'ERROR', None
            self.fault = {'code': 500, 'message': 'No valid host was found. There are not enough hosts available.'}


class Cloud:
    def __init__(self, url):
        self.url = url
        self.lock = threading.RLock()
        self.settings = {'quota': 10, 'token_ttl': 3600, 'build_s': 0.3, 'delete_s': 0.2, 'bad_deletes': 0, 'max_minor': 93,
                         'status': 'BUILD', 'locked': False, 'only_v2': False, 'keep_volumes': False}
        self.faults = []
        self.calls = {}
        self.times = []
        self.tokens = {}
        self.logins = []
        self.servers, self.ports, self.addresses, self.volumes = {}, {}, {}, {}
        self.made, self.lost, self.most_of_one_slave = 0, 0, 0
        self.released = threading.Event()

    # --- time goes by

    def settle(self):
        now = time.monotonic()
        for server in list(self.servers.values()):
            if server.deleted_at is not None and now - server.deleted_at >= self.settings['delete_s']:
                if server.bad_deletes > 0:
                    server.bad_deletes -= 1
                    server.status, server.task, server.deleted_at = 'ERROR', None, None
                else:
                    self.remove(server)
            elif server.status == 'BUILD' and now - server.at >= self.settings['build_s'] and server.deleted_at is None:
                server.status, server.task = 'ACTIVE', None

    def remove(self, server):
        del self.servers[server.id]
        for port in [key for key, port in self.ports.items() if port['device_id'] == server.id]:
            del self.ports[port]
            for address in self.addresses.values():
                if address['port_id'] == port:
                    address['port_id'] = None
        for key, volume in list(self.volumes.items()):
            if volume['server'] == server.id:
                volume['server'], volume['status'] = None, 'available'
                if volume['delete'] and not self.settings['keep_volumes']:
                    del self.volumes[key]

    # --- Keystone

    def keystone(self, method, path, body):
        if path in ('', '/'):
            versions = ['v2.0'] if self.settings['only_v2'] else ['v3.14']
            return 300, {'versions': {'values': [
                {'id': v, 'status': 'stable', 'links': [{'rel': 'self', 'href': 'http://internal.invalid:5000/v3/'}]}
                for v in versions]}}, {}
        if (method, path) != ('POST', '/v3/auth/tokens'):
            return 404, '<!doctype html><html lang=en><title>404 Not Found</title>', {}
        identity = body['auth']['identity']
        self.logins.append(body['auth'])
        self.check_identity(identity)
        scope = body['auth'].get('scope', {}).get('project')
        if identity['methods'] == ['application_credential']:
            if scope:
                raise Refusal(401, {'error': {'code': 401, 'message': 'Application credentials cannot request a scope.'}})
        elif not scope or scope.get('id', PROJECT) != PROJECT or scope.get('name', 'lab') not in PROJECTS:
            raise unauthorized()
        elif 'name' in scope and scope['domain'] not in ({'id': 'default'}, {'name': 'Default'}):
            raise unauthorized()
        token = 'gAAAA' + uuid.uuid4().hex
        ttl = self.settings['token_ttl']
        self.tokens[token] = time.monotonic() + ttl
        now = datetime.datetime(2020, 1, 1)  # a clock that is off: only the difference counts
        stamp = '%Y-%m-%dT%H:%M:%S.%fZ'
        return 201, {'token': {'methods': identity['methods'], 'issued_at': now.strftime(stamp),
                               'expires_at': (now + datetime.timedelta(seconds=ttl)).strftime(stamp),
                               'catalog': self.catalogue()}}, {'X-Subject-Token': token}

    def check_identity(self, identity):
        method, = identity['methods']
        value = identity[method]
        if method == 'password':
            user = value['user']
            if USERS.get(user.get('name')) != user['password'] or user['domain'] not in ({'id': 'default'}, {'name': 'Default'}):
                raise unauthorized()
        elif method == 'token':
            if self.tokens.get(value['id'], 0) < time.monotonic():
                raise Refusal(404, {'error': {'code': 404, 'message': 'Failed to validate token', 'title': 'Not Found'}})
        elif method == 'application_credential':
            named = value.get('name') == APPLICATION[1] and value.get('user', {}).get('name') == 'labuser'
            if value['secret'] != APPLICATION[2] or not (value.get('id') == APPLICATION[0] or named):
                raise unauthorized()

    def catalogue(self):
        services = [('compute', '/compute/v2.1'), ('image', '/image'), ('network', '/network'),
                    ('volumev3', '/volume/v3/' + PROJECT)]
        return [{'type': kind, 'endpoints': [
            {'interface': interface, 'region_id': region, 'region': region,
             'url': self.url + path if (interface, region) in (('public', 'RegionOne'), ('internal', 'RegionTwo'))
             else 'http://127.0.0.1:1'}
            for interface in ('internal', 'public') for region in ('RegionOne', 'RegionTwo')]} for kind, path in services]

    # --- the others

    def answer(self, method, path, query, headers, body):
        if not path.startswith(('/compute', '/image', '/network', '/volume')):
            return self.keystone(method, path, body)
        if path.rstrip('/') == '/compute/v2.1' and method == 'GET':
            return 200, {'version': {'id': 'v2.1', 'status': 'CURRENT', 'min_version': '2.1',
                                     'version': '2.%d' % self.settings['max_minor']}}, {}
        if self.tokens.get(headers.get('X-Auth-Token'), 0) < time.monotonic():
            raise unauthorized()
        self.settle()
        for prefix, function in (('/compute/v2.1', self.nova), ('/image/v2', self.glance), ('/network/v2.0', self.neutron),
                                 ('/volume/v3/' + PROJECT, self.cinder)):
            if path.startswith(prefix + '/'):
                answer = function(method, path[len(prefix):], query, headers, body)
                if answer:
                    return answer
        return 404, {'message': 'The resource could not be found.<br /><br />\n\n\n', 'code': '404 Not Found',
                     'title': 'Not Found'}, {}

    @staticmethod
    def page(name, items, query, more=None):
        """Two a page, so that whoever reads only the first is found out."""
        ids = [item['id'] for item in items]
        marker = query.get('marker')
        begin = ids.index(marker) + 1 if marker in ids else 0
        body = {name: items[begin:begin + 2]}
        if begin + 2 < len(items):
            body.update(more or {name + '_links': [{'rel': 'next', 'href': 'http://internal.invalid/x'}]})
        return 200, body, {}

    def glance(self, method, path, query, headers, body):
        def show(image):
            return dict(zip(('id', 'name', 'created_at', 'status', 'min_disk', 'size'), image), virtual_size=None)
        if path == '/images':
            return self.page('images', [show(image) for image in IMAGES], query, {'next': '/v2/images?marker=x'})
        for image in IMAGES:
            if path == '/images/' + image[0]:
                return 200, show(image), {}
        raise Refusal(404, {'message': 'No image found with ID %s<br /><br />' % path, 'code': '404 Not Found'})

    def neutron(self, method, path, query, headers, body):
        kind, _, key = path[1:].partition('/')
        if (method, path) == ('GET', '/networks'):
            return self.page('networks', [{'id': i, 'name': n, 'router:external': x} for i, n, x in NETWORKS], query)
        if (method, path) == ('GET', '/ports'):
            return self.page('ports', [p for p in self.ports.values() if p['device_id'] == query.get('device_id', p['device_id'])],
                             query)
        if kind != 'floatingips':
            return None
        if method == 'GET':
            return self.page('floatingips', list(self.addresses.values()), query)
        if method == 'POST':
            wish = body['floatingip']
            if len(self.addresses) >= self.settings.get('addresses', 50):
                raise Refusal(409, {'NeutronError': {'type': 'OverQuota', 'detail': '',
                                                     'message': "Quota exceeded for resources: ['floatingip']."}})
            if wish['floating_network_id'] != 'net-public' or wish['port_id'] not in self.ports:
                raise Refusal(404, {'NeutronError': {'type': 'ExternalGatewayForFloatingIPNotFound', 'message': 'no', 'detail': ''}})
            address = dict(wish, id=str(uuid.uuid4()), floating_ip_address='203.0.113.7')
            self.addresses[address['id']] = address
            return 201, {'floatingip': address}, {}
        if key not in self.addresses:
            raise Refusal(404, {'NeutronError': {'type': 'FloatingIPNotFound', 'message': 'no', 'detail': ''}})
        del self.addresses[key]
        return 204, None, {}

    def cinder(self, method, path, query, headers, body):
        kind, _, key = path[1:].partition('/')
        missing = Refusal(404, {'itemNotFound': {'code': 404, 'message': '%s %s could not be found.' % (kind, key)}})
        if kind == 'snapshots':
            if key not in SNAPSHOTS:
                raise missing
            return 200, {'snapshot': {'id': key, 'size': SNAPSHOTS[key]}}, {}
        if kind != 'volumes' or not key:
            return None
        if key not in self.volumes:
            raise missing
        if method == 'DELETE':
            if self.volumes[key]['server']:
                raise Refusal(400, {'badRequest': {'code': 400, 'message': 'Invalid volume: it is in use'}})
            del self.volumes[key]
            return 202, None, {}
        return 200, {'volume': {'id': key, 'status': self.volumes[key]['status'], 'size': self.volumes[key]['size']}}, {}

    def nova(self, method, path, query, headers, body):
        wanted = headers.get('OpenStack-API-Version', 'compute 2.1').split('.')[-1]
        if int(wanted) > self.settings['max_minor']:
            raise nova_refusal(406, 'Version 2.%s is not supported by the API. Minimum is 2.1 and maximum is 2.%d.' % (
                wanted, self.settings['max_minor']))
        if (method, path) == ('GET', '/flavors'):
            return self.page('flavors', [{'id': i, 'name': n} for i, n in FLAVORS], query)
        if (method, path) == ('POST', '/servers'):
            return self.make(body['server'], int(wanted))
        if (method, path) == ('GET', '/servers/detail'):
            # Any other filter is ignored, and all servers come.
            servers = [s for s in self.servers.values() if re.search(query.get('name', ''), s.wish['name'])]
            # Lists do not tell why a server that never had a host is in ERROR.
            shown = [self.show(server, int(wanted)) for server in servers]
            return self.page('servers', [dict((k, v) for k, v in server.items() if k != 'fault') for server in shown], query)
        if not path.startswith('/servers/'):
            return None
        server = self.servers.get(path[9:])
        if server is None:
            raise nova_refusal(404, 'Instance %s could not be found.' % path[9:])
        if method == 'GET':
            return 200, {'server': self.show(server, int(wanted))}, {}
        if self.settings['locked']:
            raise nova_refusal(409, 'Instance %s is locked' % server.id)
        server.task = 'deleting'
        server.deleted_at = server.deleted_at or time.monotonic()
        return 204, None, {}

    def make(self, wish, minor):
        if len(self.servers) >= self.settings['quota']:
            raise nova_refusal(403, 'Quota exceeded for instances: Requested 1, but already used %d of %d instances' % (
                len(self.servers), self.settings['quota']))
        self.check_wish(wish, minor)
        server = Server(self, wish, minor)
        networks = wish.get('networks', 'auto')
        volumes = self.make_volumes(wish, server)
        self.volumes.update(volumes)
        if networks != 'none':
            for network in [{'uuid': 'net-lab'}] if networks == 'auto' else networks:
                port = str(uuid.uuid4())
                self.ports[port] = {'id': port, 'device_id': server.id, 'network_id': network['uuid']}
        self.servers[server.id] = server
        self.made += 1
        slaves = [s.wish['metadata'].get('bbhost:slave') for s in self.servers.values() if s.deleted_at is None]
        self.most_of_one_slave = max([self.most_of_one_slave] + [slaves.count(name) for name in slaves if name])
        return 202, {'server': {'id': server.id, 'links': [], 'OS-DCF:diskConfig': 'MANUAL', 'adminPass': 'x',
                                'security_groups': wish.get('security_groups', [{'name': 'default'}])}}, {}

    @staticmethod
    def check_wish(wish, minor):
        images = {image[0]: image for image in IMAGES}
        networks = wish.get('networks')
        devices = wish.get('block_device_mapping_v2', [])
        if wish['flavorRef'] not in [flavor for flavor, _ in FLAVORS]:
            raise nova_refusal(400, 'Flavor %s could not be found.' % wish['flavorRef'])
        if not devices and 'imageRef' not in wish:
            raise nova_refusal(400, 'Invalid imageRef provided.')
        if 'imageRef' in wish and images[wish['imageRef']][3] != 'active':
            raise nova_refusal(400, 'Image %s is not active.' % wish['imageRef'])
        if (networks is None and minor >= 37) or (isinstance(networks, str) and minor < 37):
            raise nova_refusal(400, 'Invalid input for field/attribute networks.')
        if isinstance(networks, list) and [n for n in networks if n['uuid'] not in [i for i, _, _ in NETWORKS]]:
            raise nova_refusal(400, 'Network could not be found.')
        if wish.get('key_name', KEYS[0]) not in KEYS:
            raise nova_refusal(400, 'Invalid key_name provided.')
        if wish.get('availability_zone', ZONES[0]) not in ZONES:
            raise nova_refusal(400, 'The requested availability zone is not available')
        for group in wish.get('security_groups', []):
            if group['name'] not in GROUPS:
                raise nova_refusal(400, "Unable to find security_group with name or id '%s'" % group['name'])
        if any(not isinstance(v, str) or len(v) > 255 for v in wish['metadata'].values()):
            raise nova_refusal(400, 'Invalid input for field/attribute metadata.')

    def make_volumes(self, wish, server):
        volumes = {}
        for device in wish.get('block_device_mapping_v2', []):
            if device['destination_type'] == 'volume' and device['source_type'] != 'volume':
                if device['source_type'] == 'snapshot' and device['uuid'] not in SNAPSHOTS:
                    raise nova_refusal(400, 'Block Device Mapping is Invalid')
                if 'volume_size' not in device:
                    raise nova_refusal(400, 'Block Device Mapping is Invalid: needs volume_size')
                volumes[str(uuid.uuid4())] = {'server': server.id, 'size': device['volume_size'], 'status': 'in-use',
                                              'delete': device['delete_on_termination'], 'device': device['device_name']}
        return volumes

    def show(self, server, minor):
        status = self.settings['status'] if server.status == 'BUILD' else server.status
        shown = {'id': server.id, 'name': server.wish['name'], 'status': status, 'metadata': server.wish['metadata'],
                 'OS-EXT-STS:task_state': server.task,
                 'os-extended-volumes:volumes_attached': [
                     dict({'id': key}, **({'delete_on_termination': volume['delete']} if minor >= 3 else {}))
                     for key, volume in self.volumes.items() if volume['server'] == server.id]}
        if server.fault:
            shown['fault'] = server.fault
        return shown

    # --- for the tests

    def machine(self, server):
        wish = {key: value for key, value in server.wish.items() if key not in ('user_data',)}
        return {'id': server.id, 'state': 'running' if server.status == 'ACTIVE' and server.task != 'deleting' else server.status,
                'wish': wish, 'minor': server.minor,
                'user_data': base64.b64decode(server.wish.get('user_data', '')).decode()}

    def state(self):
        self.settle()
        return {'machines': [self.machine(server) for server in self.servers.values()], 'ports': list(self.ports),
                'addresses': list(self.addresses.values()), 'volumes': list(self.volumes.values()), 'calls': self.calls,
                'logins': self.logins, 'made': self.made, 'lost': self.lost, 'most_of_one_slave': self.most_of_one_slave}

    def control(self, what, data):
        if what == 'set':
            self.settings.update(data)
        elif what == 'faults':
            self.faults = data
        elif what == 'revoke':
            self.tokens.clear()
        elif what == 'error':
            for server in self.servers.values():
                server.status = 'ERROR'
        elif what == 'release':
            self.released.set()
            self.released = threading.Event()
        elif what == 'token':
            token = 'gAAAA' + uuid.uuid4().hex
            self.tokens[token] = time.monotonic() + 3600
            return {'token': token}
        elif what == 'times':
            return self.times
        elif what != 'state':
            raise ValueError(what)
        return self.state()

    def take_fault(self, method, path):
        for fault in self.faults:
            if fault['method'] in (method, '*') and re.fullmatch(fault['path'], path) and fault.get('times', 1) > 0 \
                    and dice.random() < fault.get('chance', 1):
                fault['times'] = fault.get('times', 1) - 1
                return fault
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 300

    def log_message(self, *arguments):
        pass

    def read(self):
        length = int(self.headers.get('Content-Length') or 0)
        text = self.rfile.read(length) if length else b''
        return json.loads(text) if text else None

    def say(self, status, body, headers):
        self.send_response(status)
        text = b'' if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        for item in headers.items():
            self.send_header(*item)
        self.send_header('Content-Type', 'text/html' if isinstance(body, str) else 'application/json')
        if status != 204:
            self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class CloudHandler(Handler):
    def serve(self):
        cloud = self.server.cloud
        path, _, query = self.path.partition('?')
        query = dict(urllib.parse.parse_qsl(query))
        body = self.read()
        with cloud.lock:
            name = self.command + ' ' + re.sub(r'[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', path)
            cloud.calls[name] = cloud.calls.get(name, 0) + 1
            cloud.times.append((time.monotonic(), name))
            fault = cloud.take_fault(self.command, path)
            kind = fault.get('kind', 'answer') if fault else None
            released = cloud.released
            if kind == 'answer':
                answer = fault['status'], fault.get('body', {}), fault.get('headers', {})
            elif kind in (None, 'lose'):
                try:
                    answer = cloud.answer(self.command, path, query, self.headers, body)
                except Refusal as refusal:
                    answer = refusal.status, refusal.body, {}
            if kind in ('lose', 'drop'):
                cloud.lost += 1
        if kind == 'hang':
            released.wait(300)
        if kind in ('lose', 'drop', 'hang'):
            self.hang_up()
        else:
            self.say(*answer)

    do_GET = do_POST = do_DELETE = serve


class ControlHandler(Handler):
    def serve(self):
        cloud = self.server.cloud
        body = self.read()
        with cloud.lock:
            answer = cloud.control(self.path.rpartition('/')[2], body)
        self.say(200, answer, {})

    do_GET = do_POST = serve


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # who hangs up, and who does not like our certificate


class TlsListener(Listener):
    context = None

    def finish_request(self, request, client_address):
        # In the connection's own thread: a peer that is slow holds up nobody.
        request.settimeout(60)
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


def main():
    arguments = sys.argv[1:]
    tls = '--tls' in arguments
    listener = (TlsListener if tls else Listener)(('127.0.0.1', 0), CloudHandler)
    if tls:
        at = arguments.index('--tls')
        listener.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        listener.context.load_cert_chain(arguments[at + 1], arguments[at + 2])
        if '--client-ca' in arguments:
            listener.context.load_verify_locations(arguments[arguments.index('--client-ca') + 1])
            listener.context.verify_mode = ssl.CERT_REQUIRED
    control = Listener(('127.0.0.1', 0), ControlHandler)
    port, control_port = listener.server_address[1], control.server_address[1]
    listener.cloud = control.cloud = Cloud('%s://127.0.0.1:%d' % ('https' if tls else 'http', port))
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(json.dumps({'port': port, 'control_port': control_port}), flush=True)
    listener.serve_forever()


if __name__ == '__main__':
    main()
