# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ec2 plugin against moto's EC2, with real workers as the machines' slaves (E21, and C2 for this backend)."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402

PLUGIN_DIR = os.path.join(bbtest.BUILDDIR, 'plugins', 'ec2', '.libs')


def find_moto():
    """A python that has moto: the one that is named, one that is there, or a new virtual environment from PyPI."""
    own = os.path.join(bbtest.BUILDDIR, 'tests', 'moto-venv')
    candidates = [os.environ.get('BB_TEST_MOTO_PYTHON'), '/usr/bin/python3', shutil.which('python3'), own + '/bin/python']
    for python in candidates:
        if python and os.path.exists(python) and not subprocess.run(
                [python, '-c', 'import moto.server, moto.ec2.models, moto.iam.models'], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL).returncode:
            return python
    made = subprocess.run(['sh', '-c', '/usr/bin/python3 -m venv "$0" && "$0/bin/pip" install -q --timeout 10 --retries 1 '
                           '"moto[server]"', own], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        shutil.rmtree(own, ignore_errors=True)
        raise unittest.SkipTest('no moto here, and none from PyPI: ' + (made.stdout.splitlines() or ['?'])[-1])
    return own + '/bin/python'


class Cloud:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([find_moto(), os.path.join(HERE, 'ec2cloud.py'), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError('ec2cloud.py did not start')
        about = json.loads(line)
        self.port, self.identifier, self.secret = about['port'], about['identifier'], about['secret']

    def control(self, what, data=None):
        body = None if data is None else json.dumps(data).encode()
        with urllib.request.urlopen('http://127.0.0.1:%d/control/%s' % (self.port, what), body, 60) as answer:
            return json.load(answer)

    @property
    def state(self):
        return self.control('state')

    @property
    def machines(self):
        return self.state['machines']

    def faults(self, **faults):
        self.control('faults', faults)

    def make(self, what):
        return self.control('make', what)

    def close(self):
        self.process.terminate()
        self.process.wait(bbtest.DEADLINE)
        self.process.stdout.close()


class Case(bbtest.Case):
    def setUp(self):
        bbtest.Worker.require('3')
        if not os.path.exists(os.path.join(PLUGIN_DIR, 'ec2.so')):
            self.skipTest('the ec2 plugin was not built')

    def begin(self, options='', slaves='bot1', host='', cloud=(), **environment):
        self.cloud = Cloud(*cloud)
        self.addCleanup(self.cloud.close)
        self.fleet = bbtest.Fleet('http://127.0.0.1:%d/control' % self.cloud.port)
        self.addCleanup(self.fleet.close)
        self.port = bbtest.free_port()
        self.daemon = bbtest.Daemon(self.config(options, slaves, host), arguments=['--plugin-dir', PLUGIN_DIR])
        self.addCleanup(self.close_daemon, self.daemon)
        self.environment = dict({'AWS_EC2_METADATA_DISABLED': 'true', 'HOME': self.daemon.dir('home')}, **environment)
        self.start_again()

    def config(self, options, slaves='bot1', host=''):
        defaults = {
            'instance_type': 'm5.large', 'ami': 'ami-00000009', 'region': 'us-east-1', 'password': 'auto',
            'endpoint': 'http://127.0.0.1:%d/' % self.cloud.port, 'identifier': self.cloud.identifier,
            'secret_identifier': self.cloud.secret, 'build_wait_timeout': '2', 'poll_interval': '0.5',
            'unseen_grace': '5', 'check_instance_interval': '2',
            'user_data': 'name=%%(slave:name)s\\npassword=%%(slave:password)s\\nport=%d' % self.port}
        keys = dict(defaults, **dict(line.split('=', 1) for line in options.splitlines() if line))
        lines = ['[host]\nreconcile_interval=5\nlogin_grace=4\n%s' % host, bbtest.Daemon.listener(None, port=self.port),
                 '[slave %s]\ntype=ec2' % slaves]
        lines += ['%s=%s' % item for item in keys.items() if item[1] != 'unset']
        lines += ['[builder hello]\nslavenames=%s\nsteps=hello;' % ('bot*' if '{' in slaves else slaves),
                  '[step hello]\ncommand=echo hello from %(prop:slavename)s']
        return '\n'.join(lines) + '\n'

    def start_again(self):
        self.daemon.start(**self.environment)

    def wait_nothing_left(self, deadline=None):
        wait_until(lambda: not self.daemon.json('instances') and not self.cloud.machines,
                   lambda: 'no instance to be left: %s %s' % (self.daemon.json('instances'), self.cloud.machines), deadline,
                   0.2)

    def build_hello(self):
        build = self.daemon.build('hello')
        self.assertEqual(build['result'], 'success', build)
        return build


class Ec2(Case):
    def test_whole_life(self):
        """E21, E9, E10: a build waits, its machine starts, its worker attaches, it runs, the machine is gone (signed)"""
        self.begin('tags=team=ci;', cloud=('--signed',))
        number = self.daemon.submit('hello')
        machine = wait_until(lambda: self.cloud.machines, 'a machine')[0]
        build = self.daemon.wait_build(number, state='finished', result='success')
        self.assertEqual(build['properties']['instance'], machine['id'])
        rows = self.daemon.json('instances')
        self.assertEqual([(row['slave'], row['backend'], row['instance_id'], row['state']) for row in rows],
                         [('bot1', 'ec2', machine['id'], 'running')])
        self.assertEqual(self.daemon.slave('bot1')['instance_id'], machine['id'])
        self.assertEqual(machine['tags']['team'], 'ci')
        self.assertEqual(machine['tags']['bbhost:slave'], 'bot1')
        self.assertTrue(machine['user_data'].startswith('name=bot1\npassword='))
        self.wait_nothing_left()
        state = self.cloud.state
        self.assertEqual(state['launches'], 1)
        self.assertIn('latent_buildbot_slave', state['key_pairs'])
        self.assertIn('latent_buildbot_slave', state['groups'])

    def test_readme(self):
        """E21, C15: the example of the README, with bbctl instances following it"""
        with open(os.path.join(bbtest.SRCDIR, 'README.md')) as readme:
            example = re.search(r'\[slave bot-ec2\]\ntype=ec2\n(.*?)```', readme.read(), re.S).group(1)
        # the machine of the test learns the same in the words that ec2fleet.py reads
        options = ''.join(line + '\n' for line in example.splitlines() if not line.startswith('user_data='))
        # and moto, in some releases, has images in the first region only
        options = options.replace('region=us-west-2', 'region=us-east-1')
        self.assertIn("'%(slave:password)s'", example)
        self.begin(options, 'bot-ec2', cloud=('--signed',))
        self.cloud.faults(boot_s=2)
        self.assertEqual(self.daemon.bbctl('instances').stdout, 'No instances.\n')
        number = self.daemon.submit('hello')
        wait_until(lambda: self.daemon.json('instances'), 'the row, while the machine boots')
        self.daemon.wait_build(number, state='finished', result='success')
        machine, = self.cloud.machines
        self.assertEqual((machine['type'], machine['image'], machine['tags']['SomeTag']), ('m5.large', 'ami-12345', 'foo'))
        table = self.daemon.bbctl('instances').stdout.splitlines()
        self.assertEqual(table[1].split()[1:5], ['bot-ec2', 'ec2', machine['id'], 'running'])
        shown = self.daemon.bbctl('slave', 'bot-ec2').stdout
        for text in 'substantiated', machine['id'], 'ami-12345', 'm5.large':
            self.assertIn(text, shown)
        self.wait_nothing_left()
        self.assertEqual(self.daemon.bbctl('instances').stdout, 'No instances.\n')

    def test_options(self):
        """E3, E11, E12, E16: image by regex, address, volume, second type and zone for lack of room"""
        self.begin()
        address, volume = self.cloud.make('address'), self.cloud.make('volume')
        self.cloud.faults(full=['m5.*'])
        self.daemon.configure(self.config(
            'ami=unset\nvalid_ami_owners=1234-5678-9012;\nvalid_ami_location_regex=123456789012/builder-(\\\\d+)\n'
            'instance_type=m5.large;c5.large;\nplacement=b;a;\nelastic_ip=%s\nvolumes=%s:/dev/sdf;\nkeypair_name=mine\n'
            'security_name=ours' % (address, volume)))
        self.daemon.bbctl('reload')
        self.build_hello()
        chosen = self.daemon.bbctl('slave', 'bot1').stdout
        state = self.cloud.state
        machine, = state['machines']
        self.assertEqual((machine['type'], machine['zone'], machine['image'], machine['key'], machine['groups']),
                         ('c5.large', 'us-east-1b', 'ami-00000010', 'mine', ['ours']))
        self.assertEqual(state['addresses'], {address: machine['id']})
        self.assertEqual(state['volumes'], {volume: machine['id']})
        self.wait_nothing_left()
        state = self.cloud.state
        self.assertEqual(state['addresses'], {address: None})
        self.assertEqual(state['volumes'], {volume: None})
        why = '123456789012/builder-10, the last of 2 of 2 images'
        self.assertIn('image ami-00000010: ' + why, self.daemon.log())
        self.assertIn(why, chosen)
        self.assertIn('ami-00000010', chosen)

    def test_spot(self):
        """P1, P3, P7: a spot instance, whose bid is lowered to the highest that is allowed"""
        self.begin('spot_instance=true\nmax_spot_price=0.000005\n')
        self.build_hello()
        machine, = self.cloud.machines
        self.assertTrue(machine['spot'])
        self.assertEqual(self.daemon.json('instances')[0]['hourly_cost'], 0.000005)
        self.assertIn('the bid for m5.large is lowered to max_spot_price, $5e-06', self.daemon.log())
        self.wait_nothing_left()
        self.assertEqual(self.cloud.state['open_spot_requests'], [])

    def test_interrupted(self):
        """P9: EC2 announces the end of a spot instance; the build on it goes on, the next one gets another"""
        self.begin('spot_instance=true\nbuild_wait_timeout=600\ncheck_instance_interval=1')
        self.build_hello()
        first, = self.cloud.machines
        self.cloud.faults(interrupt=True)
        self.daemon.wait_log('%s will end soon and takes no more builds: EC2 takes the spot instance back' % first['id'])
        wait_until(lambda: not self.cloud.machines, 'the idle machine to end')
        self.cloud.faults()
        self.build_hello()
        self.assertNotEqual(self.cloud.machines[0]['id'], first['id'])
        self.assertEqual(self.daemon.slave('bot1')['last_error'], '')

    def test_interrupted_under_a_build(self):
        """P9, P8: no new build for one whose end is announced; the one that ran becomes a retry when it ends"""
        self.begin('spot_instance=true\nbuild_wait_timeout=600\ncheck_instance_interval=1\nmax_builds=2')
        text = self.config('spot_instance=true\nbuild_wait_timeout=600\ncheck_instance_interval=1\nmax_builds=2')
        self.daemon.configure(text + '[builder long]\nslavenames=bot1\nsteps=long;\n[step long]\ncommand=sleep 600\n')
        self.daemon.bbctl('reload')
        running = self.daemon.submit('long')
        self.daemon.wait_build(running, state='running')
        first, = self.cloud.machines
        self.cloud.faults(interrupt=True)
        self.daemon.wait_log('will end soon and takes no more builds')
        waiting = self.daemon.submit('hello')
        wait_until(lambda: 'replaced when its builds have ended' in self.daemon.bbctl('builds').stdout,
                   lambda: 'the build to say why it waits: ' + self.daemon.bbctl('builds').stdout)
        self.cloud.faults()
        self.cloud.make('terminate-all')
        self.daemon.wait_build(running, state='finished', result='retry')
        self.daemon.wait_build(waiting, state='finished', result='success')
        self.assertNotIn(first['id'], [machine['id'] for machine in self.cloud.machines])
        for number, build in self.daemon.builds().items():
            if build['state'] != 'finished':
                self.daemon.bbctl('cancel', str(number))
                self.daemon.wait_build(number, state='finished')

    def test_stop_mode(self):
        """L13, C2: stop_mode=stop keeps the idle machine, also over a killed daemon, and starts it again for the next build"""
        self.begin('stop_mode=stop')
        address = self.cloud.make('address')
        options = 'stop_mode=stop\nelastic_ip=%s' % address
        self.daemon.configure(self.config(options))
        self.daemon.bbctl('reload')
        first = self.build_hello()['properties']['instance']
        self.wait_parked(first)
        self.assertEqual(self.cloud.state['addresses'], {address: None})
        self.daemon.kill()
        self.start_again()
        time.sleep(6)  # longer than login_grace and the interval of the reconcile
        self.wait_parked(first)
        self.assertEqual(self.build_hello()['properties']['instance'], first)
        self.wait_parked(first)
        self.assertEqual(self.cloud.state['launches'], 1)

        # killed while it parks: ended, as nobody can say what it was made with
        self.cloud.faults(slow_s=2)
        self.build_hello()
        wait_until(lambda: self.cloud.machines[0]['state'] == 'stopped', 'the machine to stop')
        self.daemon.kill()
        self.cloud.faults()
        self.start_again()
        wait_until(lambda: self.cloud.machines == [] or self.daemon.json('instances')[0]['state'] == 'parked',
                   'the machine to be parked, or gone')

        # another image: it is not what the next build needs
        self.daemon.configure(self.config(options + '\nami=ami-00000010'))
        self.daemon.bbctl('reload')
        self.wait_nothing_left()
        second = self.build_hello()['properties']['instance']
        self.assertNotEqual(second, first)
        self.wait_parked(second)
        number = self.daemon.json('instances')[0]['number']
        self.daemon.bbctl('terminate', str(number))
        self.wait_nothing_left()
        self.assertEqual(self.cloud.state['most_of_one_slave'], 1)

    def wait_parked(self, machine):
        wait_until(lambda: [(row['instance_id'], row['state'], row['hourly_cost']) for row in self.daemon.json('instances')]
                   == [(machine, 'parked', 0)], lambda: 'the machine to be parked: %s' % self.daemon.json('instances'))
        self.assertEqual([(each['id'], each['state']) for each in self.cloud.machines], [(machine, 'stopped')])

    def test_configuration_error(self):
        """E4, L7: what a retry can't cure ends the build with its reason"""
        self.begin('ami=unset\nvalid_ami_owners=111122223333;\n')
        build = self.daemon.build('hello', expect=2)
        self.assertEqual(build['result'], 'exception')
        self.assertIn('no image of 111122223333', json.dumps(build) + self.daemon.slave('bot1')['last_error'])
        self.assertEqual(self.cloud.state['launches'], 0)

    def test_terminated_by_hand(self):
        """E18: somebody ends it in the console; the next build gets another"""
        self.begin('build_wait_timeout=600')
        self.build_hello()
        first = self.cloud.machines[0]['id']
        self.cloud.make('terminate-all')
        wait_until(lambda: not self.daemon.json('instances'), 'the row to close')
        self.build_hello()
        self.assertNotEqual(self.cloud.machines[0]['id'], first)

    def test_refused_stop(self):
        """E19, L24: tried again until it works, the row open meanwhile"""
        self.begin()
        self.cloud.faults(codes={'TerminateInstances': 'OperationNotPermitted'})
        self.build_hello()
        self.daemon.wait_log('could not be stopped .*OperationNotPermitted')
        self.assertEqual(len(self.daemon.json('instances')), 1)
        self.cloud.faults()
        self.wait_nothing_left()

    def test_hidden(self):
        """Facts of eventual consistency: a machine that isn't visible yet, and pending for a while"""
        self.begin()
        self.cloud.faults(hide_s=2, boot_s=3)
        self.build_hello()
        self.assertEqual(self.cloud.state['launches'], 1)
        self.wait_nothing_left()

    def test_killed(self):
        """C2: killed in the midst of a start; the machine that nobody heard of is found and ended"""
        self.begin()
        self.cloud.faults(slow_s=3)
        self.daemon.submit('hello')
        wait_until(lambda: self.cloud.state['launches'], 'the launch')
        self.daemon.kill()
        self.cloud.faults()
        self.start_again()
        self.assertEqual(self.daemon.build('hello')['result'], 'success')
        self.wait_nothing_left()
        self.assertEqual(self.cloud.state['most_of_one_slave'], 1)

    def test_keys_from_files(self):
        """E17: from ~/.aws/credentials by the profile's name"""
        self.begin('identifier=unset\nsecret_identifier=unset\nprofile=builder', cloud=('--signed',))
        self.daemon.dir.write('home/.aws/credentials', '[builder]\naws_access_key_id = %s\naws_secret_access_key = %s\n' % (
            self.cloud.identifier, self.cloud.secret), 0o600)
        self.build_hello()


class Many(Case):
    # `make check-ec2` takes the large numbers, and a few minutes.
    SLAVES, BUILDS, KILLS = (200, 400, 3) if os.environ.get('BB_TEST_EC2_LARGE') else (30, 60, 2)

    def config(self, options, slaves='bot1', host=''):
        text = super().config(options, slaves, host)
        # one builder runs one build at a time on a slave; two of them let each slave have two builds
        return text + ''.join('[builder b%d]\nslavenames=bot-*\nsteps=hello;\n' % n for n in range(2))

    def test_nothing_is_left(self):
        """C2, E14, E15: slaves, lost answers, refusals and killed daemons in numbers; each build ends, no machine is left"""
        self.begin('launch_rate=50\nbuild_wait_timeout=0\npoll_interval=1\nmax_builds=1',
                   'bot-{001..%03d}' % self.SLAVES)
        self.cloud.faults(lose=0.1, refuse=0.1)
        began = time.monotonic()
        for number in range(self.BUILDS):
            self.daemon.submit('b%d' % (number % 2))
        for kill in range(self.KILLS):
            target = self.BUILDS * (kill + 1) // (self.KILLS + 2)
            wait_until(lambda: self.finished() >= target, lambda: '%d builds to end: %d' % (target, self.finished()), 300, 1)
            self.daemon.kill()
            self.start_again()
        wait_until(lambda: self.finished() >= self.BUILDS, lambda: 'all builds to end: %d' % self.finished(), 600, 1)
        # Those that a kill cut off ended as retry, and went on as a new build.
        results = [build['result'] for build in self.daemon.builds().values()]
        self.assertEqual(set(results) - {'retry'}, {'success'})
        self.assertEqual(results.count('success'), self.BUILDS)
        self.cloud.faults()
        self.wait_nothing_left(120)
        state = self.cloud.state
        print('# %d s; %d launches; answers lost %d, refused %s; calls %s' % (
            time.monotonic() - began, state['launches'], state['lost'], state['refused'], state['calls']))
        self.assertEqual(state['most_of_one_slave'], 1)
        self.assertEqual(state['open_spot_requests'], [])
        self.assertGreater(state['lost'], self.SLAVES // 10)
        # One launch and one end each, some repeated; looks by the clock and not by the slave.
        self.assertLess(sum(state['calls'].values()), 5 * state['launches'] + 3 * (time.monotonic() - began))

    def finished(self):
        return sum(build['result'] == 'success' for build in self.daemon.builds().values())


if __name__ == '__main__':
    bbtest.main()
