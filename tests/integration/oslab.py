# SPDX-License-Identifier: LGPL-2.1-or-later
"""contrib/openstack-lab for test-openstack.py. usage: oslab.py TEST-SCRIPT [CASE…]

Brings the lab up unless it is, runs the script, and takes it down again if it brought it up. Meanwhile it answers the script's
questions about the lab, in the words of oscloud.py, and makes its services fail: not in the script itself, which is the reaper
of all that it starts.
"""
import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
LAB = os.path.join(os.environ['BB_SRCDIR'], 'contrib', 'openstack-lab', 'lab')


def run_lab(*arguments, **options):
    return subprocess.run([LAB, *arguments], stdin=subprocess.DEVNULL, check=True, text=True, **options)


def read_env(user):
    text = run_lab('env', user, stdout=subprocess.PIPE).stdout
    return dict(re.findall(r'^export (\w+)=(.*)$', text, re.M))


class Account:
    """The services, as one user sees them."""

    def __init__(self, user):
        self.env = read_env(user)
        self.token, self.catalogue, self.project, self.user = None, {}, None, None

    def login(self):
        env = self.env
        body = {'auth': {
            'identity': {'methods': ['password'], 'password': {'user': {
                'name': env['OS_USERNAME'], 'domain': {'name': 'Default'}, 'password': env['OS_PASSWORD']}}},
            'scope': {'project': {'name': env['OS_PROJECT_NAME'], 'domain': {'name': 'Default'}}}}}
        answer, headers = self.send('POST', env['OS_AUTH_URL'] + '/auth/tokens', body, {})
        self.token = headers['X-Subject-Token']
        self.project, self.user = answer['token']['project']['id'], answer['token']['user']['id']
        for service in answer['token']['catalog']:
            for endpoint in service['endpoints']:
                if endpoint['interface'] == 'public':
                    self.catalogue[service['type']] = endpoint['url']

    @staticmethod
    def send(method, url, body, headers):
        headers = dict({'Accept': 'application/json', 'Content-Type': 'application/json'}, **headers)
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=120) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers

    def call(self, method, service, path, body=None, **headers):
        """Services that were just started refuse for a moment."""
        for attempt in range(30):
            try:
                if self.token is None:
                    self.login()
                base = self.env['OS_AUTH_URL'] if service == 'identity' else self.catalogue[service]
                return self.send(method, base + path, body, dict(headers, **{'X-Auth-Token': self.token}))[0]
            except urllib.error.HTTPError as error:
                if attempt == 29 or error.code not in (401, 500, 502, 503, 504):
                    raise AssertionError('%s %s: %s %s' % (method, path, error, error.read()[:500]))
                self.token = None if error.code == 401 else self.token
            except (urllib.error.URLError, OSError):
                if attempt == 29:
                    raise
            time.sleep(1)


class Lab:
    KEEP_S = 0.5  # how long a state is told again

    def __init__(self):
        self.lock = threading.Lock()
        self.admin, self.user = Account('admin'), Account('user')
        self.admin.login()
        self.user.login()
        credentials = self.user.call('GET', 'identity', '/users/%s/application_credentials' % self.user.user)
        self.about = {'root': self.user.env['OS_AUTH_URL'][:-3], 'old_root': self.user.env['OS_OLD_AUTH_URL'][:-5],
                      'credential': [credentials['application_credentials'][0]['id'], 'lab-app-secret']}
        # What the flavor lab.toobig wants is for the scheduler to refuse.
        self.set_quota(10, ram=-1)
        self.state, self.state_at = None, 0

    def set_quota(self, servers, **more):
        self.admin.call('PUT', 'compute', '/os-quota-sets/' + self.user.project,
                        {'quota_set': dict({'instances': servers, 'force': True}, **more)})

    def machine(self, server):
        wish = {'name': server['name'], 'metadata': server['metadata'], 'imageRef': (server['image'] or {}).get('id'),
                'flavorRef': server['flavor']['id'], 'key_name': server['key_name'],
                'security_groups': server.get('security_groups', []),
                'availability_zone': server['OS-EXT-AZ:availability_zone'], 'config_drive': server['config_drive']}
        active = server['status'] == 'ACTIVE' and server['OS-EXT-STS:task_state'] != 'deleting'
        return {'id': server['id'], 'state': 'running' if active else server['status'], 'wish': wish,
                'user_data': base64.b64decode(server.get('OS-EXT-SRV-ATTR:user_data') or '').decode()}

    def get_state(self):
        if self.state is None or time.monotonic() - self.state_at > self.KEEP_S:
            servers = self.admin.call('GET', 'compute', '/servers/detail?all_tenants=1&project_id=' + self.user.project,
                                      **{'OpenStack-API-Version': 'compute 2.3'})['servers']
            ports = self.user.call('GET', 'network', '/v2.0/ports')['ports']
            self.state = {'machines': [self.machine(server) for server in servers],
                          'ports': [port['id'] for port in ports if port['device_owner'].startswith('compute:')],
                          'addresses': self.user.call('GET', 'network', '/v2.0/floatingips')['floatingips'], 'volumes': []}
            self.state_at = time.monotonic()
        return self.state

    def control(self, what, data):
        if what == 'about':
            return self.about
        if what == 'state':
            return self.get_state()
        if what == 'set':
            for key, value in data.items():
                if key == 'quota':
                    self.set_quota(value)
                elif key == 'token_ttl':
                    run_lab('token-ttl', str(value))
        elif what == 'revoke':
            # A new password ends all tokens; the same one is new enough.
            self.admin.call('PATCH', 'identity', '/users/' + self.user.user, {'user': {'password': self.user.env['OS_PASSWORD']}})
            self.user.token = None
        elif what == 'token':
            self.user.login()
            return {'token': self.user.token}
        elif what == 'error':
            for machine in self.get_state()['machines']:
                self.admin.call('POST', 'compute', '/servers/%s/action' % machine['id'], {'os-resetState': {'state': 'error'}})
        elif what in ('stop', 'start'):
            run_lab(what, *data)
        else:
            raise ValueError(what)
        self.state = None
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def serve(self):
        length = int(self.headers.get('Content-Length') or 0)
        data = json.loads(self.rfile.read(length)) if length else None
        with self.server.lab.lock:
            answer = json.dumps(self.server.lab.control(self.path.rpartition('/')[2], data)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = serve


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # tests end without hearing us out
            super().handle_error(request, client_address)


def main():
    was_up = subprocess.run([LAB, 'status'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL).returncode == 0
    if not was_up:
        run_lab('up', stdout=sys.stderr)
    server = Listener(('127.0.0.1', 0), Handler)
    server.lab = Lab()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = 'http://127.0.0.1:%d/control' % server.server_address[1]
        return subprocess.run([sys.executable, *sys.argv[1:]], env=dict(os.environ, BB_TEST_OPENSTACK_LAB=url)).returncode
    finally:
        if not was_up:
            run_lab('down', stdout=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
