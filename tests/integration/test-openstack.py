# SPDX-License-Identifier: LGPL-2.1-or-later
"""The openstack plugin with real workers as the servers' slaves: against a little cloud over HTTP (oscloud.py), or, by
`make check-openstack`, against real services (contrib/openstack-lab, by way of oslab.py)."""
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402

PLUGIN_DIR = os.path.join(bbtest.BUILDDIR, 'plugins', 'openstack', '.libs')
LAB_URL = os.environ.get('BB_TEST_OPENSTACK_LAB')
USE_LAB = bool(LAB_URL)
DEADLINE = 300 if USE_LAB else bbtest.DEADLINE
# The seed's second example: it sorts images by their time, and takes the oldest.
FIND_IMAGE = ('import json, sys; images = sorted(json.load(sys.stdin), key=lambda image: image["created_at"]); '
              'print(images[0]["id"])')


class Cloud:
    """What both have in common: their images, and how they are asked and told."""

    oldest_image = '8ac9d4a4-5e03-48b0-acde-77a0345a9ab4'
    image = '8ac9d4a4-5e03-48b0-acde-77a0345a9ab1'

    def control(self, what, data=None):
        body = None if data is None else json.dumps(data).encode()
        with urllib.request.urlopen('%s/%s' % (self.control_url, what), body, 300) as answer:
            return json.load(answer)

    @property
    def state(self):
        return self.control('state')

    def set(self, **settings):
        self.control('set', settings)

    def revoke(self):
        self.control('revoke', {})

    def make_token(self):
        return self.control('token', {})['token']


class Double(Cloud):
    """oscloud.py"""

    credential = ('app-id', 'app-secret')

    def __init__(self, *arguments, scheme='http'):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, 'oscloud.py'), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        about = json.loads(self.process.stdout.readline())
        self.root = self.old_root = '%s://127.0.0.1:%d' % (scheme, about['port'])
        self.control_url = 'http://127.0.0.1:%d/control' % about['control_port']

    def faults(self, *faults):
        self.control('faults', list(faults))

    def logins(self):
        return len(self.state['logins'])

    def close(self):
        self.control('release', {})
        self.process.terminate()
        self.process.wait(bbtest.DEADLINE)
        self.process.stdout.close()


class Lab(Cloud):
    """oslab.py"""

    control_url = LAB_URL

    def __init__(self):
        for key, value in self.control('about').items():
            setattr(self, key, value)

    def close(self):
        pass


class Case(bbtest.Case):
    def setUp(self):
        bbtest.Worker.require('3')
        if not os.path.exists(os.path.join(PLUGIN_DIR, 'openstack.so')):
            self.skipTest('the openstack plugin was not built')

    def begin(self, options='', slaves='bot1', host='', cloud=None, **environment):
        """@options: lines of keys; "key=unset" takes a default away"""
        self.cloud = cloud or (Lab() if USE_LAB else Double())
        self.addCleanup(self.cloud.close)
        self.fleet = bbtest.Fleet(self.cloud.control_url)
        self.addCleanup(self.fleet.close)
        self.port = bbtest.free_port()
        self.daemon = bbtest.Daemon(self.config(options, slaves, host), arguments=['--plugin-dir', PLUGIN_DIR])
        self.addCleanup(self.close_daemon, self.daemon)
        self.environment = dict({'HOME': self.daemon.dir('home')}, **environment)
        self.daemon.start(**self.environment)

    def slave_keys(self, options=''):
        defaults = {
            'flavor': '1', 'image': 'debian-12', 'password': 'auto', 'os_auth_url': self.cloud.root + '/v3',
            'os_username': 'labuser', 'os_password': 'lab-user', 'os_tenant_name': 'lab', 'build_wait_timeout': '1',
            'poll_interval': '0.2', 'check_instance_interval': '2',
            'user_data': 'name=%%(slave:name)s\\npassword=%%(slave:password)s\\nport=%d' % self.port}
        keys = dict(defaults, **dict(line.split('=', 1) for line in options.splitlines() if line))
        return '\n'.join('%s=%s' % item for item in keys.items() if item[1] != 'unset')

    def config(self, options, slaves='bot1', host=''):
        lines = ['[host]\nreconcile_interval=5\nlogin_grace=4\n%s' % host, bbtest.Daemon.listener(None, port=self.port),
                 '[slave %s]\ntype=openstack' % slaves, self.slave_keys(options)]
        lines += ['[builder hello]\nslavenames=%s\nsteps=hello;' % ('bot*' if '{' in slaves else slaves),
                  '[step hello]\ncommand=echo hello from %(prop:slavename)s']
        return '\n'.join(lines) + '\n'

    def build_hello(self, builder='hello'):
        build = self.daemon.build(builder, timeout=DEADLINE)
        self.assertEqual(build['result'], 'success', build)
        return build

    def wait_machine(self):
        return wait_until(lambda: self.cloud.state['machines'], lambda: 'a server:\n' + self.daemon.log()[-3000:], DEADLINE,
                          0.2)[0]

    def left(self):
        state = self.cloud.state
        return {key: state[key] for key in ('machines', 'ports', 'addresses', 'volumes') if state[key]}

    def wait_nothing_left(self):
        """No row, no server, no port, no address, no volume."""
        wait_until(lambda: not self.daemon.json('instances') and not self.left(),
                   lambda: 'nothing to be left: %s %s' % (self.daemon.json('instances'), self.left()), DEADLINE, 0.3)

    def wait_error(self, text, name='bot1'):
        wait_until(lambda: text in (self.daemon.slave(name)['last_error'] or ''),
                   lambda: 'last_error to have "%s": %s' % (text, self.daemon.slave(name)['last_error']), DEADLINE, 0.2)

    def forget_rows(self):
        """Of starts of which nothing came: core would look again in half a minute, as clouds may list late."""
        self.assertEqual(self.left(), {})
        for row in self.daemon.json('instances'):
            self.daemon.bbctl('forget', row['number'], '--yes', '--reason', 'nothing came of it', expect=None)
        wait_until(lambda: not self.daemon.json('instances'), 'no row to be left')

    def wait_success(self, count=1):
        wait_until(lambda: [b['result'] for b in self.daemon.builds().values()].count('success') >= count,
                   lambda: '%d builds to succeed: %s\n%s' % (count, self.daemon.builds(), self.daemon.log()[-3000:]),
                   DEADLINE, 0.2)


class Seed(Case):
    """The seed document's two examples, in key file form."""

    EXAMPLE = 'flavor=1\nimage=%s\nos_auth_url=%s/v2.0\nos_username=labuser\nos_password=lab-user\nos_tenant_name=lab'

    def test_fixed_image(self):
        """O1, O10, O11: the first example, with its address of Identity v2.0: flavor 1, a fixed image"""
        self.begin()
        self.daemon.configure(self.config(self.EXAMPLE % (self.cloud.image, self.cloud.old_root)))
        self.daemon.bbctl('reload')
        number = self.daemon.submit('hello')
        machine = self.wait_machine()
        self.daemon.wait_build(number, DEADLINE, state='finished', result='success')
        rows = self.daemon.json('instances')
        self.assertEqual([(row['slave'], row['backend'], row['instance_id']) for row in rows],
                         [('bot1', 'openstack', machine['id'])])
        self.assertEqual(machine['wish']['imageRef'], self.cloud.image)
        self.assertEqual(machine['wish']['flavorRef'], '1')
        self.assertTrue(machine['wish']['name'].startswith('bot1-'))
        metadata = machine['wish']['metadata']
        self.assertEqual(metadata['bbhost:slave'], 'bot1')
        self.assertEqual(machine['wish']['name'], 'bot1-' + metadata['bbhost:token'])
        self.assertIn('write os_auth_url=%s/v3' % self.cloud.old_root, self.daemon.log())
        self.assertNotIn('lab-user', self.daemon.log())
        self.wait_nothing_left()

    def test_chosen_image(self):
        """O2: the second example: a function that takes the oldest image, as image_regex and as image_command"""
        self.begin()
        for keys in ('image_regex=.*\nimage_order=oldest',
                     'image_command=/usr/bin/python3 -c ' + shlex.quote(FIND_IMAGE).replace('\\', '\\\\')):
            example = self.EXAMPLE % ('unset', self.cloud.old_root) + '\n' + keys
            self.daemon.configure(self.config(example))
            self.daemon.bbctl('reload')
            self.build_hello()
            self.assertEqual(self.wait_machine()['wish']['imageRef'], self.cloud.oldest_image)
            self.wait_nothing_left()


class Life(Case):
    def test_options(self):
        """O1, O10, O11: names of flavor and image, all that a server is told; its address is free again afterwards"""
        self.begin('flavor=m1.tiny\nmeta=team=ci;of=%(prop:slavename)s;\nnetworks=lab-net;\nsecurity_groups=web;\n'
                   'key_name=lab-key\navailability_zone=nova\nconfig_drive=true\nfloating_ip_pool=public\n'
                   'client_version=2.60\nregion=RegionOne\nos_user_domain=Default\nos_project_domain=Default')
        self.build_hello()
        machine = self.wait_machine()
        wish = machine['wish']
        self.assertEqual((wish['metadata']['team'], wish['metadata']['of']), ('ci', 'bot1'))
        self.assertEqual(wish['flavorRef'], '1')
        self.assertEqual([group['name'] for group in wish['security_groups']], ['web'])
        self.assertEqual((wish['key_name'], wish['availability_zone'], bool(wish['config_drive'])), ('lab-key', 'nova', True))
        state = self.cloud.state
        self.assertEqual(len(state['ports']), 1)
        self.assertEqual([address['port_id'] for address in state['addresses']], state['ports'])
        self.assertEqual(state['addresses'][0]['description'], 'bbhost:token=' + wish['metadata']['bbhost:token'])
        self.wait_nothing_left()

    def test_no_network(self):
        """networks=none, for which a microversion is needed"""
        self.begin('networks=none;')
        self.build_hello()
        self.assertEqual(self.cloud.state['ports'], [])
        self.wait_nothing_left()

    def test_unknown_names(self):
        """O1, L7: what a retry can't cure ends the build with its reason, and what there is instead"""
        self.begin()
        for key, value, text in (('flavor', 'm9.huge', 'there is no flavor "m9.huge"; there is: '),
                                 ('image', 'plan9', 'there is no image "plan9"; there is: '),
                                 ('networks', 'no-net;', 'there is no network "no-net"; there is: '),
                                 ('key_name', 'lost-key', 'Invalid key_name provided'),
                                 ('region', 'Moon', 'in region Moon; there is '),
                                 ('client_version', '2.999', '2.999')):
            self.daemon.configure(self.config('%s=%s' % (key, value)))
            self.daemon.bbctl('reload')
            self.daemon.bbctl('resume', 'bot1')
            build = self.daemon.build('hello', expect=2, timeout=DEADLINE)
            self.assertEqual(build['result'], 'exception')
            self.wait_error(text)
            self.forget_rows()
        self.assertEqual(self.left(), {})

    def test_wrong_password(self):
        """L7: refused credentials end the build; the password is nowhere to be read"""
        self.begin('os_password=wr0ng-secret')
        build = self.daemon.build('hello', expect=2, timeout=DEADLINE)
        self.assertEqual(build['result'], 'exception')
        self.wait_error('refuses the login')
        self.forget_rows()
        self.assertNotIn('wr0ng-secret', self.daemon.log())

    def test_quota(self):
        """O7, L7: over the quota, named; the build waits until there is room"""
        self.begin()
        self.cloud.set(quota=0)
        self.addCleanup(self.cloud.set, quota=10)
        number = self.daemon.submit('hello')
        self.wait_error('Quota exceeded for instances')
        self.assertNotEqual(self.daemon.builds()[number]['state'], 'finished')
        self.forget_rows()
        self.cloud.set(quota=10)
        self.daemon.bbctl('resume', 'bot1')
        self.wait_success()
        self.wait_nothing_left()

    def test_no_valid_host(self):
        """O5, O7: a server that becomes ERROR: its fault is told, it is deleted, the build waits"""
        self.begin('flavor=lab.toobig')
        number = self.daemon.submit('hello')
        self.wait_error('No valid host was found')
        self.assertNotEqual(self.daemon.builds()[number]['state'], 'finished')
        self.daemon.bbctl('cancel', number)
        self.wait_nothing_left()

    def test_token_ends(self):
        """O8: a token that ends while the daemon runs is renewed; a revoked one, too, and the call repeated"""
        self.begin()
        self.build_hello()
        self.wait_nothing_left()
        self.cloud.revoke()
        self.build_hello()
        self.wait_nothing_left()
        if not USE_LAB:
            self.assertEqual(self.cloud.logins(), 2)
        self.assertIsNone(self.daemon.slave('bot1')['last_error'] or None)

    def test_short_tokens(self):
        """O8: tokens of a few seconds"""
        lifetime = 60 if USE_LAB else 1  # the lab's services have the same, and need theirs for a whole start
        self.begin('build_wait_timeout=%d' % (2 * lifetime))
        self.cloud.set(token_ttl=lifetime)
        self.addCleanup(self.cloud.set, token_ttl=3600)
        self.cloud.revoke()
        self.build_hello()
        self.wait_nothing_left()
        if not USE_LAB:
            self.assertGreater(self.cloud.logins(), 1)  # one for the start, another for the stop, two lifetimes later

    def test_logins(self):
        """O9: password with domains, application credential, token, clouds.yaml, Keystone's root"""
        self.begin()
        identifier, secret = self.cloud.credential
        base = 'os_username=unset\nos_password=unset\nos_tenant_name=unset\n'
        folder = bbtest.TempDir()
        self.addCleanup(folder.remove)
        folder.write('clouds.yaml', 'clouds:\n  mine:\n    region_name: RegionOne\n    auth:\n      auth_url: %s/v3\n'
                     '      username: labuser\n      project_name: lab\n      user_domain_name: Default\n'
                     '      project_domain_name: Default\n' % self.cloud.root)
        folder.write('secure.yaml', 'clouds:\n  mine:\n    auth:\n      password: lab-user\n')
        folder.write('password', 'lab-user\n')
        ways = {
            'bot-domains': 'os_user_domain=Default\nos_project_domain=Default\nos_auth_url=%s' % self.cloud.root,
            'bot-file': 'os_password=unset\nos_password_file=' + folder('password'),
            'bot-application': base + 'os_application_credential_id=%s\nos_application_credential_secret=%s' % (
                identifier, secret),
            'bot-token': 'os_username=unset\nos_password=unset\nos_token=' + self.cloud.make_token(),
            'bot-cloud': base + 'os_auth_url=unset\nos_cloud=mine'}
        text = self.config('', slaves='bot1')
        for name, keys in ways.items():
            text += '[slave %s]\ntype=openstack\n%s\n[builder on-%s]\nslavenames=%s\nsteps=hello;\n' % (
                name, self.slave_keys(keys), name, name)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.configure(text)
        self.daemon.start(OS_CLIENT_CONFIG_FILE=folder('clouds.yaml'), **self.environment)
        numbers = [self.daemon.submit('on-' + name) for name in ways]
        for number in numbers:
            self.daemon.wait_build(number, DEADLINE, state='finished', result='success')
        self.wait_nothing_left()

    def test_environment(self):
        """O9: the variables OS_* when the configuration names no cloud"""
        self.begin()
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.configure(self.config('os_auth_url=unset\nos_username=unset\nos_password=unset\nos_tenant_name=unset'))
        self.daemon.start(OS_AUTH_URL=self.cloud.root + '/v3', OS_USERNAME='labuser', OS_PASSWORD='lab-user',
                          OS_PROJECT_NAME='lab', OS_USER_DOMAIN_NAME='Default', OS_PROJECT_DOMAIN_NAME='Default',
                          **self.environment)
        self.build_hello()
        self.wait_nothing_left()


class Services(Case):
    """Services of the lab that stop."""

    def stop_service(self, name):
        self.addCleanup(self.cloud.control, 'start', [name])
        self.cloud.control('stop', [name])

    def test_no_answer(self):
        """O13, C2: Nova can't reach its message broker and never answers the creation; in the end one build, and nothing left"""
        self.begin('call_timeout=5\nmissing_timeout=120')
        self.stop_service('rabbitmq')
        self.daemon.submit('hello')
        # The server is there all the same, and is found by its token; or it is not, and the start fails.
        wait_until(lambda: self.daemon.slave('bot1')['last_error'] or
                   [row for row in self.daemon.json('instances') if row['instance_id']], 'a server or an error', DEADLINE, 0.3)
        self.cloud.control('start', ['rabbitmq'])
        self.daemon.bbctl('resume', 'bot1')
        self.wait_success()
        self.wait_nothing_left()

    def test_keystone_away(self):
        """O8, O13, L7: without Keystone tokens can't be checked (Nova says 503, Glance 401): the build waits and is run later"""
        self.begin()
        self.build_hello()
        self.wait_nothing_left()
        self.stop_service('keystone')
        number = self.daemon.submit('hello')
        wait_until(lambda: self.daemon.slave('bot1')['last_error'], 'an error', DEADLINE)
        self.assertNotEqual(self.daemon.builds()[number]['state'], 'finished')
        self.cloud.control('start', ['keystone'])
        self.daemon.bbctl('resume', 'bot1')
        self.wait_success(2)
        self.wait_nothing_left()

    def test_deletion_hangs(self):
        """O11: a deletion that hangs, and whose server comes back in ERROR, is asked for again; the row is open meanwhile"""
        self.begin('build_wait_timeout=600')
        self.build_hello()
        self.stop_service('nova-compute')
        self.daemon.bbctl('insubstantiate', 'bot1')
        wait_until(lambda: self.wait_machine()['state'] != 'running', 'the deletion to be asked for', DEADLINE, 0.3)
        self.cloud.control('error', {})
        self.assertEqual(len(self.daemon.json('instances')), 1)
        self.cloud.control('start', ['nova-compute'])
        self.wait_nothing_left()

    def test_no_host(self):
        """O7: no compute host is up: the fault is told, the server deleted, and the build waits for one"""
        self.begin()
        self.stop_service('nova-compute')
        time.sleep(25)  # until Nova believes it
        self.daemon.submit('hello')
        self.wait_error('No valid host was found')
        self.cloud.control('start', ['nova-compute'])
        self.daemon.bbctl('resume', 'bot1')
        self.wait_success()
        self.wait_nothing_left()


class Faults(Case):
    """What real services do not do on request."""

    SERVERS = '/compute/v2.1/servers'

    def test_lost_answer(self):
        """C2, O13: the creation has its effect, and its answer is lost: its server is found, and no second one is made"""
        self.begin()
        self.cloud.faults({'method': 'POST', 'path': self.SERVERS, 'kind': 'lose'})
        self.build_hello()
        self.wait_nothing_left()
        state = self.cloud.state
        self.assertEqual((state['made'], state['lost']), (1, 1))

    def test_hangs(self):
        """O13: an API that does not answer: calls end by their time limit, and are repeated; what it made all the same goes"""
        self.begin('call_timeout=1')
        self.cloud.faults({'method': 'GET', 'path': '/compute/v2.1/flavors', 'kind': 'hang'},
                          {'method': 'POST', 'path': '/v3/auth/tokens', 'kind': 'hang'},
                          {'method': 'DELETE', 'path': '.*', 'kind': 'hang'})
        self.build_hello()
        self.wait_nothing_left()

    def test_deletion_fails(self):
        """O11: a server that comes back from its deletion in ERROR is deleted again; a locked one is tried until it isn't"""
        self.begin()
        self.cloud.set(bad_deletes=2, locked=True)
        self.build_hello()
        self.daemon.wait_log('could not be stopped .*is locked')
        self.assertEqual(len(self.daemon.json('instances')), 1)
        self.cloud.set(locked=False)
        self.wait_nothing_left()
        self.assertGreaterEqual(self.cloud.state['calls']['DELETE %s/ID' % self.SERVERS], 4)

    def test_build_states(self):
        """O5: clouds that write more behind BUILD"""
        self.begin()
        self.cloud.set(status='BUILD(spawning)', build_s=1.5)
        self.build_hello()
        self.wait_nothing_left()

    def test_error_while_it_runs(self):
        """L10, L21: a server that becomes ERROR while it is idle is replaced for the next build"""
        self.begin('build_wait_timeout=60')
        self.build_hello()
        first = self.wait_machine()['id']
        self.cloud.control('error', {})
        wait_until(lambda: first not in [m['id'] for m in self.cloud.state['machines']], 'the server to be deleted')
        self.build_hello()
        self.assertNotEqual(self.wait_machine()['id'], first)

    def test_retry_after(self):
        """O12: 429 and its Retry-After are kept, also when Keystone says it"""
        self.begin()
        self.cloud.faults({'method': 'POST', 'path': '/v3/auth/tokens', 'status': 429, 'headers': {'Retry-After': '2'}},
                          {'method': 'POST', 'path': self.SERVERS, 'status': 429, 'headers': {'Retry-After': '3'},
                           'body': {'overLimit': {'code': 429, 'message': 'slow down'}}})
        self.cloud.revoke()
        self.build_hello()
        self.wait_nothing_left()
        times = self.cloud.control('times')
        for name, pause in (('POST /v3/auth/tokens', 2), ('POST ' + self.SERVERS, 3)):
            first, second = [at for at, what in times if what == name][-2:]
            self.assertGreaterEqual(second - first, pause - 0.05)

    def test_service_refuses_a_good_token(self):
        """O8, L7: a service that can't check tokens says 401, as Glance does without Keystone: no login after the other, and
        the build waits rather than ends"""
        self.begin()
        self.cloud.faults({'method': 'GET', 'path': '/image/v2/images', 'status': 401, 'times': 2})
        number = self.daemon.submit('hello')
        self.daemon.wait_build(number, state='finished', result='success')
        self.assertEqual(self.cloud.logins(), 2)
        self.wait_nothing_left()

    def test_disks(self):
        """O3, O4, O11: disks instead of an image, of an image and of a snapshot, as large as their source; gone afterwards, even
        when Nova forgets to delete them"""
        self.begin('image=unset\nblock_devices=uuid=%s;uuid=snap-1,source_type=snapshot,device_name=vdb,boot_index=-1;'
                   'uuid=snap-1,source_type=snapshot,device_name=vdc,boot_index=-1,volume_size=9;' % Double.oldest_image)
        self.cloud.set(keep_volumes=True)
        self.build_hello()
        self.assertEqual([(volume['device'], volume['size']) for volume in self.cloud.state['volumes']],
                         [('vda', 3), ('vdb', 7), ('vdc', 9)])
        self.wait_nothing_left()

    def test_kept_disk(self):
        """O4: a disk with delete_on_termination=false is the user's, and stays"""
        self.begin('block_devices=uuid=snap-1,source_type=snapshot,device_name=vdb,boot_index=-1,delete_on_termination=false;')
        self.build_hello()
        wait_until(lambda: not self.daemon.json('instances'), 'the row to close')
        self.assertEqual([volume['status'] for volume in self.cloud.state['volumes']], ['available'])

    def test_old_nova(self):
        """Microversions: one that is too high is refused with what there is; networks=auto needs none on an old cloud"""
        self.begin('networks=auto;')
        self.cloud.set(max_minor=20)
        self.build_hello()
        self.assertEqual(self.wait_machine()['minor'], 1)
        self.wait_nothing_left()

    def test_many_share(self):
        """O8: slaves of one account log in once, and are looked at in one list"""
        self.begin('poll_interval=1', 'bot-{1..8}')
        self.cloud.set(build_s=3)
        numbers = [self.daemon.submit('hello', '--slave', 'bot-%d' % n) for n in range(1, 9)]
        for number in numbers:
            self.daemon.wait_build(number, state='finished', result='success')
        self.wait_nothing_left()
        state = self.cloud.state
        self.assertEqual(len(state['logins']), 1)
        times = [at for at, name in self.cloud.control('times') if name == 'GET %s/detail' % self.SERVERS]
        # Two servers a page, so four pages for each look; by the clock and not by the slave.
        self.assertLess(len(times), 5 * (times[-1] - times[0] + 10))


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        cls.files = bbtest.TempDir()
        cls.addClassCleanup(cls.files.remove)
        cls.authority = bbtest.Authority(cls.files)
        cls.server = cls.authority.issue('server', 'IP:127.0.0.1')
        cls.elsewhere = cls.authority.issue('elsewhere', 'DNS:elsewhere.example.org')
        cls.client = cls.authority.issue('client')

    def begin_tls(self, options, certificate, *more):
        # LeakSanitizer itself dies now and then of reading the threads' own storage of what GnuTLS loads.
        self.begin(options, cloud=Double('--tls', *certificate, *more, scheme='https'),
                   ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0')

    def assert_refused(self, text):
        build = self.daemon.build('hello', expect=2)
        self.assertEqual(build['result'], 'exception')
        self.wait_error(text)
        self.assertEqual(self.cloud.state['calls'], {})
        self.forget_rows()

    def test_unknown_authority(self):
        """Against the system's certificates, a cloud's own is refused; the error names os_cacert"""
        self.begin_tls('', self.server)
        self.assert_refused('is signed by nobody that this machine trusts; give os_cacert')

    def test_cacert(self):
        """os_cacert: the file's authority is trusted"""
        self.begin_tls('os_cacert=' + self.authority.certificate, self.server)
        self.build_hello()
        self.assertNotIn('unchecked', self.daemon.log())
        self.wait_nothing_left()

    def test_other_host(self):
        """A certificate for another host is refused, its authority trusted or not"""
        self.begin_tls('os_cacert=' + self.authority.certificate, self.elsewhere)
        self.assert_refused('is of another host')

    def test_client_certificate(self):
        """os_cert, os_key: a cloud that asks for a certificate gets it, and refuses us without"""
        ours = 'os_cacert=%s\n' % self.authority.certificate
        self.begin_tls(ours + 'call_timeout=5', self.server, '--client-ca', self.authority.certificate)
        number = self.daemon.submit('hello')
        # That ours is missing is said once the handshake is over on our side, and may arrive as that or as a reset.
        wait_until(lambda: self.daemon.slave('bot1')['last_error'], 'an error')
        self.assertEqual(self.cloud.state['calls'], {})
        self.daemon.bbctl('cancel', number, expect=None)
        self.forget_rows()
        self.daemon.configure(self.config(ours + 'os_cert=%s\nos_key=%s' % self.client))
        self.daemon.bbctl('reload')
        self.daemon.bbctl('resume', 'bot1')
        self.build_hello()
        self.wait_nothing_left()

    def test_insecure(self):
        """insecure=true: taken without a look, with a warning at each start"""
        self.begin_tls('insecure=true', self.elsewhere)
        for start in (1, 2):
            self.build_hello()
            self.wait_nothing_left()
            self.assertEqual(self.daemon.log().count("the cloud's certificate goes unchecked"), start)


class Killed(Case):
    SLAVES, BUILDS, KILLS = 6, 18, 3

    def config(self, options, slaves='bot1', host=''):
        text = super().config(options, slaves, host)
        return text + '[builder b]\nslavenames=bot-*\nsteps=hello;\n'

    def test_nothing_is_left(self):
        """C2, C13, O11: three times kill -9 while servers with addresses start and stop, answers get lost: each build ends, and no
        row, server, port, volume or address is left"""
        options = 'floating_ip_pool=public\nbuild_wait_timeout=0\nmax_builds=1\nnetworks=lab-net;\n'
        if not USE_LAB:
            options += 'block_devices=uuid=snap-1,source_type=snapshot,device_name=vdb,boot_index=-1;\n'
        self.begin(options, 'bot-{1..%d}' % self.SLAVES)
        if not USE_LAB:
            self.cloud.set(build_s=0.5, delete_s=0.5, bad_deletes=1)
            self.cloud.faults({'method': '*', 'path': '/(compute|network)/.*', 'kind': 'lose', 'times': 1000, 'chance': 0.05})
        for number in range(self.BUILDS):
            self.daemon.submit('b' if number % 2 else 'hello')
        for kill in range(self.KILLS):
            target = self.BUILDS * (kill + 1) // (self.KILLS + 2)
            wait_until(lambda: self.finished() >= target, lambda: '%d builds to end: %d' % (target, self.finished()), 600,
                       0.1)
            self.daemon.kill()
            self.daemon.start(**self.environment)
        wait_until(lambda: self.finished() >= self.BUILDS, lambda: 'all builds to end: %s\n%s' % (
            self.daemon.builds(), self.daemon.log()[-3000:]), 900, 0.5)
        results = [build['result'] for build in self.daemon.builds().values()]
        self.assertEqual(set(results) - {'retry'}, {'success'})
        if not USE_LAB:
            self.cloud.faults()
        self.wait_nothing_left()
        state = self.cloud.state
        print('# servers made %s; answers lost %s' % (state.get('made'), state.get('lost')))

    def finished(self):
        return sum(build['result'] == 'success' for build in self.daemon.builds().values())


if __name__ == '__main__':
    # Each is for one of the two clouds.
    if USE_LAB:
        del Faults, Tls
    else:
        del Services
    bbtest.main()
