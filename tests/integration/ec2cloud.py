# SPDX-License-Identifier: LGPL-2.1-or-later
"""moto's EC2 in this process, made more like the real one and breaking on request.

Prints "PORT" when it listens on 127.0.0.1. What is not EC2 or IAM but /control/... is for the tests:

  GET  /control/state   {"calls": {ACTION: n}, "machines": [...], "most_of_one_slave": n, ...}
  POST /control/faults  {"lose": 0.1, "refuse": 0.1, "full": ["m5.*"], "hide_s": 2, "boot_s": 1, "interrupt": true, ...}

What moto lacks and is added: ClientToken (the same machine again for the same call, an error for another call), the spot
request behind a spot instance, a pending state, machines that are not visible yet, terminated ones that are forgotten.
"""
import base64
import fnmatch
import io
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse
from xml.etree import ElementTree

SIGNED = '--signed' in sys.argv
if SIGNED:
    os.environ['INITIAL_NO_AUTH_ACTION_COUNT'] = '0'
# A few images rather than moto's thousand.
os.environ.setdefault('MOTO_AMIS_PATH', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'ec2images.json'))
os.environ.setdefault('MOTO_EC2_LOAD_DEFAULT_AMIS', 'true')

from moto import server as moto_server  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.ec2.models import ec2_backends  # noqa: E402
from moto.iam.models import iam_backends  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

REGION = 'us-east-1'
KEEP_S = 20  # how long terminated machines are shown
dice = random.Random(int(os.environ.get('BB_TEST_SEED', '1')))


def backend():
    return ec2_backends[DEFAULT_ACCOUNT_ID][REGION]


def tags_of(machine):
    return {tag['key']: tag['value'] for tag in machine.get_tags()}


class Cloud:
    def __init__(self, moto):
        self.moto = moto
        self.lock = threading.Lock()
        self.faults = {}
        self.calls = {}
        self.refused = {}
        self.lost = 0
        self.tokens = {}      # ClientToken -> (parameters, answer, machine id)
        self.launched_at = {}  # machine id -> time
        self.most_of_one_slave = 0
        self.launches = 0
        self.terminated_at = {}
        self.spot_requests = {}  # machine id -> request id
        self.volumes = []

    # --- answers

    @staticmethod
    def error(start_response, status, code, text='as the test asked for'):
        body = ('<?xml version="1.0"?><Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors>'
                '<RequestID>%08x</RequestID></Response>' % (code, text, dice.getrandbits(32))).encode()
        start_response('%d X' % status, [('Content-Type', 'text/xml'), ('Content-Length', str(len(body)))])
        return [body]

    def call_moto(self, environ, body):
        """(status, headers, body)"""
        got = {}

        def start_response(status, headers, exc_info=None):
            got['status'], got['headers'] = status, headers
        environ = dict(environ)
        environ['wsgi.input'] = io.BytesIO(body)
        environ['CONTENT_LENGTH'] = str(len(body))
        answer = b''.join(self.moto(environ, start_response))
        return got['status'], got['headers'], answer

    def lose_answer(self, environ, start_response):
        self.lost += 1
        try:
            environ['werkzeug.socket'].shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        start_response('200 OK', [])
        return [b'']

    # --- one call

    def __call__(self, environ, start_response):
        length = int(environ.get('CONTENT_LENGTH') or 0)
        body = environ['wsgi.input'].read(length) if length else b''
        if len(body) < length:  # its sender was killed: such a call is none
            return self.error(start_response, 400, 'IncompleteBody')
        path = environ['PATH_INFO']
        if path.startswith('/control/'):
            return self.control(path, body, start_response)
        parameters = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        action = parameters.get('Action', environ['REQUEST_METHOD'] + ' ' + path)
        with self.lock:
            self.calls[action] = self.calls.get(action, 0) + 1
            fate = dice.random()
            refusal = self.choose_refusal(action, parameters, fate)
            if refusal:
                self.refused[refusal[1]] = self.refused.get(refusal[1], 0) + 1
                return self.error(start_response, *refusal)
            status, headers, answer = self.act(environ, action, parameters, body)
            refuse = self.faults.get('refuse', 0)
            if refuse <= fate < refuse + self.faults.get('lose', 0):
                return self.lose_answer(environ, start_response)
        delay = self.faults.get('slow_s', 0)
        if delay:
            time.sleep(delay)
        start_response(status, headers)
        return [answer]

    def choose_refusal(self, action, parameters, fate):
        if fate < self.faults.get('refuse', 0):
            return 503, 'RequestLimitExceeded'
        if action == 'RunInstances':
            for pattern in self.faults.get('full', []):
                if fnmatch.fnmatch(parameters.get('InstanceType', ''), pattern):
                    return 500, 'InsufficientInstanceCapacity'
        for pattern, code in self.faults.get('codes', {}).items():
            if fnmatch.fnmatch(action, pattern):
                return 400, code
        hidden = self.faults.get('hide_s', 0)
        machine = parameters.get('InstanceId.1')
        if action == 'TerminateInstances' and time.monotonic() - self.launched_at.get(machine, -1e9) < hidden:
            return 400, 'InvalidInstanceID.NotFound'
        return None

    def act(self, environ, action, parameters, body):
        if action == 'RunInstances':
            return self.run_instances(environ, parameters, body)
        if action == 'DescribeSpotInstanceRequests':
            return '200 OK', [('Content-Type', 'text/xml')], self.describe_spot_requests(parameters)
        status, headers, answer = self.call_moto(environ, body)
        if action == 'DescribeInstances':
            answer = self.show(answer)
            headers = [(name, value) for name, value in headers if name.lower() != 'content-length']
            headers.append(('Content-Length', str(len(answer))))
        if action == 'TerminateInstances' and status.startswith('200'):
            self.forget_terminated()
        return status, headers, answer

    def run_instances(self, environ, parameters, body):
        token = parameters.get('ClientToken')
        key = (token, parameters.get('Placement.AvailabilityZone'))
        if key in self.tokens:
            first, answer, machine = self.tokens[key]
            if first != parameters:
                answer = []
                status = self.error(lambda *arguments: answer.append(arguments), 400, 'IdempotentParameterMismatch')
                return answer[0][0], answer[0][1], status[0]
            return '200 OK', [('Content-Type', 'text/xml')], answer
        status, headers, answer = self.call_moto(environ, body)
        if status.startswith('200'):
            machine = answer.partition(b'<instanceId>')[2].partition(b'<')[0].decode()
            if parameters.get('InstanceMarketOptions.MarketType') == 'spot':
                self.spot_requests[machine] = 'sir-' + machine[-8:]
                answer = answer.replace(b'</instanceId>', b'</instanceId><spotInstanceRequestId>%s</spotInstanceRequestId>'
                                        % self.spot_requests[machine].encode())
                headers = [(name, value) for name, value in headers if name.lower() != 'content-length']
            self.tokens[key] = (parameters, answer, machine)
            self.launched_at[machine] = time.monotonic()
            self.launches += 1
            self.count_of_slaves()
        return status, headers, answer

    def count_of_slaves(self):
        slaves = {}
        for machine in self.alive():
            name = tags_of(machine).get('bbhost:slave')
            slaves[name] = slaves.get(name, 0) + 1
        self.most_of_one_slave = max([self.most_of_one_slave] + [n for name, n in slaves.items() if name])

    def show(self, answer):
        """Young machines are pending, or not there yet."""
        hide_s, boot_s = self.faults.get('hide_s', 0), self.faults.get('boot_s', 0)
        if not hide_s and not boot_s and not self.spot_requests:
            return answer
        now = time.monotonic()
        root = ElementTree.fromstring(answer)
        for reservations in root.iterfind('.//{*}reservationSet'):
            for reservation in list(reservations):
                machine = reservation.findtext('.//{*}instanceId')
                age = now - self.launched_at.get(machine, -1e9)
                if age < hide_s:
                    reservations.remove(reservation)
                if machine in self.spot_requests:
                    item = reservation.find('.//{*}instanceId/..')
                    namespace = item.tag.rpartition('}')[0]
                    name = namespace + '}spotInstanceRequestId' if namespace else 'spotInstanceRequestId'
                    ElementTree.SubElement(item, name).text = self.spot_requests[machine]
                state = reservation.find('.//{*}instanceState/{*}name')
                if state is not None and age < boot_s and state.text == 'running':
                    state.text = 'pending'
        return ElementTree.tostring(root)

    def describe_spot_requests(self, parameters):
        """Each ends with its machine."""
        alive = {machine.id: tags_of(machine) for machine in self.alive()}
        wanted = {value for name, value in parameters.items() if '.Value.' in name}
        code = 'marked-for-termination' if self.faults.get('interrupt') else 'fulfilled'
        items = ''.join(
            '<item><spotInstanceRequestId>%s</spotInstanceRequestId><state>active</state><status><code>%s</code></status>'
            '<instanceId>%s</instanceId></item>' % (request, code, machine)
            for machine, request in self.spot_requests.items()
            if machine in alive and (request in wanted or alive[machine].get('bbhost:token') in wanted))
        return ('<DescribeSpotInstanceRequestsResponse><requestId>r</requestId><spotInstanceRequestSet>%s'
                '</spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>' % items).encode()

    def forget_terminated(self):
        """As EC2 does it after an hour; moto keeps them for ever, and gets slower with each."""
        ec2 = backend()
        now = time.monotonic()
        for machine in ec2.all_instances():
            if machine._state.name == 'terminated' and now - self.terminated_at.setdefault(machine.id, now) > KEEP_S:
                for number, reservation in list(ec2.reservations.items()):
                    if machine in reservation.instances:
                        del ec2.reservations[number]

    # --- for the tests

    def alive(self):
        return [machine for machine in backend().all_instances() if machine._state.name != 'terminated']

    def machine(self, machine):
        data = base64.b64decode(str(machine.user_data or '')).decode()
        age = time.monotonic() - self.launched_at.get(machine.id, -1e9)
        state = machine._state.name
        if state == 'running' and age < self.faults.get('boot_s', 0):
            state = 'pending'
        return {'id': machine.id, 'state': state, 'type': machine.instance_type, 'image': machine.image_id,
                'zone': machine.placement.zone,
                'key': machine.key_name, 'tags': tags_of(machine), 'user_data': data,
                'spot': machine.lifecycle == 'spot', 'groups': [group.name for group in machine.security_groups]}

    def state(self):
        ec2 = backend()
        alive = self.alive()
        self.count_of_slaves()
        return {
            'calls': self.calls, 'refused': self.refused, 'lost': self.lost, 'launches': self.launches,
            'most_of_one_slave': self.most_of_one_slave,
            'machines': [self.machine(machine) for machine in alive],
            'addresses': {address.public_ip: address.instance.id if address.instance else None
                          for address in ec2.describe_addresses()},
            'volumes': {volume: ec2.volumes[volume].attachment.instance.id if ec2.volumes[volume].attachment else None
                        for volume in self.volumes},
            'open_spot_requests': [request for machine, request in self.spot_requests.items()
                                   if machine in [each.id for each in alive]],
            'key_pairs': [getattr(pair, 'key_name', None) or pair.name for pair in ec2.describe_key_pairs([])],
            'groups': [group.name for groups in ec2.groups.values() for group in groups.values()],
        }

    def make(self, what):
        ec2 = backend()
        if what == 'address':
            return ec2.allocate_address('vpc').public_ip
        if what == 'volume':
            self.volumes.append(ec2.create_volume(size=1, zone_name=REGION + 'a').id)
            return self.volumes[-1]
        if what == 'terminate-all':
            ec2.terminate_instances([machine.id for machine in self.alive()])
            return ''
        raise ValueError(what)

    def control(self, path, body, start_response):
        with self.lock:
            if path == '/control/faults':
                self.faults = json.loads(body)
                answer = {}
            elif path == '/control/make':
                answer = self.make(json.loads(body))
            elif path == '/control/forget-calls':
                self.calls = {}
                answer = {}
            else:
                answer = self.state()
            text = json.dumps(answer).encode()
        start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(text)))])
        return [text]


class Quiet(WSGIRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_request(self, *arguments):
        pass


def make_user():
    iam = iam_backends[DEFAULT_ACCOUNT_ID]
    iam = iam['aws'] if 'aws' in iam else iam['global']
    iam.create_user(REGION, 'bbhost')
    iam.put_user_policy('bbhost', 'ec2', json.dumps(
        {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'ec2:*', 'Resource': '*'}]}))
    key = iam.create_access_key('bbhost')
    return key.access_key_id, key.secret_access_key


def main():
    moto = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
    cloud = Cloud(moto)
    identifier, secret = make_user() if SIGNED else ('AKTEST', 'secret')
    server = make_server('127.0.0.1', 0, cloud, threaded=True, request_handler=Quiet)
    print(json.dumps({'port': server.port, 'identifier': identifier, 'secret': secret}), flush=True)
    server.serve_forever()


if __name__ == '__main__':
    main()
