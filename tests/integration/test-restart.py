# SPDX-License-Identifier: LGPL-2.1-or-later
"""What outlives the daemon: kill -9 at the worst moment, SIGTERM, and what a restart finds."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402

STATIC = '''
[slave bot]
password=passw0rd
[slave absent]
password=passw0rd
[builder fast]
slavenames=bot;
steps=echo;
[builder hold]
slavenames=bot;
steps=hold;
[builder waits]
slavenames=absent;
steps=echo;
[step echo]
command=echo done
[step hold]
command=echo holding; while [ ! -e %(prop:gate)s ]; do sleep 0.1; done; echo went on
'''

LATENT = '''
[slave local-1]
type=local
password=auto
build_wait_timeout=%(wait)s
%(more)s
[builder here]
slavenames=local-1;
steps=echo;
[builder hold]
slavenames=local-1;
steps=hold;
[step echo]
command=echo done
[step hold]
command=echo holding; while [ ! -e %%(prop:gate)s ]; do sleep 0.1; done; echo went on
'''


def local_workers():
    """The pids of buildbot-workers below us that no test started itself."""
    return [pid for pid, command in bbtest.descendants().items() if 'buildbot-worker' in command or 'twistd' in command]


class Restart(bbtest.Case):
    def pin_port(self, config):
        """The workers come back to the port that they know."""
        self.daemon.configure(config + self.daemon.listener(port=self.daemon.port))

    def running(self, builder):
        return wait_until(lambda: [b for b in self.daemon.builds().values()
                                   if b['builder'] == builder and b['state'] == 'running'],
                          lambda: 'a running build of %s: %s' % (builder, self.daemon.builds()))[0]

    def test_kill_static(self):
        """S7, S9: kill -9 in mid-build: workers come back by themselves, the build is retry and runs again; what waited
        waits, paused stays paused, finished builds and their logs are still there"""
        self.start_daemon(STATIC + bbtest.Daemon.listener(None))
        workers = [self.start_worker('bot', 'passw0rd', self.daemon.port, release)
                   for release in ('4' if bbtest.Worker.PROGRAMS['4'] else '3',)]
        self.daemon.wait_attached('bot')
        gate = self.daemon.dir('gate')
        finished = self.daemon.build('fast')
        waiting = self.daemon.submit('waits')
        held = self.daemon.submit('hold', '-p', 'gate=' + gate)
        self.daemon.wait_build(held, state='running')
        self.daemon.bbctl('pause', 'absent')
        self.pin_port(STATIC)
        self.daemon.kill()
        self.daemon.start()
        self.daemon.wait_attached('bot')
        self.assertIsNone(workers[0].process.poll())
        again = self.running('hold')
        if again['number'] != held:
            self.assertEqual(self.daemon.builds()[held]['result'], 'retry')
        self.assertEqual(again['properties']['gate'], gate)
        open(gate, 'w').close()
        self.daemon.wait_build(again['number'], state='finished', result='success')
        self.assertIn('went on', self.daemon.bbctl('log', again['number']).stdout)
        builds = self.daemon.builds()
        self.assertEqual(builds[finished['number']]['result'], 'success')
        self.assertIn('done\n', self.daemon.bbctl('log', finished['number']).stdout)
        self.assertIn(builds[waiting]['state'], ('pending', 'waiting-for-slave'))
        self.assertEqual(self.daemon.slave('absent')['state'], 'paused')
        number = self.daemon.submit('fast')
        self.assertGreater(number, held)

    def test_left_running(self):
        """kill -9 in mid-build: what a worker still runs of the old build is stopped when it comes back, over each protocol"""
        slaves = {'%s-%s' % (wire.protocol, release): (wire, release) for wire in bbtest.wires() if not wire.tls
                  for release in bbtest.Worker.releases_for(wire)}
        config = '[step mark]\ncommand=echo $$ >>%(prop:pids)s; while [ ! -e %(prop:pids)s.gate ]; do sleep 0.1; done\n'
        config += ''.join('[slave %s]\npassword=passw0rd\n[builder on %s]\nslavenames=%s;\nsteps=mark;\n' % (name, name, name)
                          for name in slaves)

        def with_listeners(ports):
            return config + ''.join(bbtest.Daemon.listener(None, protocol, ports[protocol], protocol=protocol)
                                    for protocol in ('pb', 'msgpack'))
        self.start_daemon(with_listeners({'pb': 0, 'msgpack': 0}))
        for name, (wire, release) in slaves.items():
            self.start_worker(name, 'passw0rd', self.daemon.ports[wire.protocol], release, wire=wire)
        self.daemon.wait_attached(*slaves)
        files = {name: self.daemon.dir('pids-' + name) for name in slaves}

        def pids(name):
            if not os.path.exists(files[name]):
                return []
            with open(files[name]) as f:
                return [int(line) for line in f.read().split('\n')[:-1]]
        for name in slaves:
            self.daemon.submit('on ' + name, '-p', 'pids=' + files[name])
            wait_until(lambda: len(pids(name)) == 1, 'a command on ' + name)
        wait_until(lambda: all(b['state'] == 'running' for b in self.daemon.builds().values()), 'the builds to run')
        self.daemon.configure(with_listeners(self.daemon.ports))
        self.daemon.kill()
        self.daemon.start()
        for name in slaves:
            wait_until(lambda: len(pids(name)) == 2, 'the command to run again on ' + name)
            wait_until(lambda: not bbtest.is_alive(pids(name)[0]), 'the command of the old build to end on ' + name)
            self.assertTrue(bbtest.is_alive(pids(name)[1]))
            open(files[name] + '.gate', 'w').close()
        wait_until(lambda: {b['slave'] for b in self.daemon.builds().values() if b['result'] == 'success'} == set(slaves),
                   lambda: 'success of %s' % self.daemon.builds())

    def test_kill_many_times(self):
        """kill -9 again and again while builds are submitted and run: each ends in the end, none is lost"""
        self.start_daemon(STATIC + bbtest.Daemon.listener(None))
        self.start_worker('bot', 'passw0rd', self.daemon.port)
        self.daemon.wait_attached('bot')
        self.pin_port(STATIC)
        for turn in range(5):
            accepted = [self.daemon.submit('fast', '-p', 'mark=%d-%d' % (turn, n)) for n in range(4)]
            self.daemon.kill()
            self.daemon.start()
            self.assertEqual([n for n in accepted if n not in self.daemon.builds()], [])
        self.daemon.wait_attached('bot')

        def marks():
            return {b['properties'].get('mark') for b in self.daemon.builds().values() if b['result'] == 'success'}
        wanted = {'%d-%d' % (turn, n) for turn in range(5) for n in range(4)}
        wait_until(lambda: wanted <= marks(), lambda: 'builds %s' % (wanted - marks()), interval=0.2)

    def latent(self, wait=60, more=''):
        config = LATENT % {'wait': wait, 'more': more}
        self.start_daemon(config + bbtest.Daemon.listener(None))
        return config

    def test_adopted(self):
        """L33: kill -9 with an instance up: its worker comes back, keeps its instance id and takes the next build"""
        config = self.latent()
        self.daemon.build('here')
        before = self.daemon.json('instances')
        self.assertEqual(len(before), 1, before)
        worker = local_workers()
        self.pin_port(config)
        self.daemon.kill()
        self.assertEqual(local_workers(), worker)
        self.daemon.start()
        self.daemon.wait_attached('local-1')
        build = self.daemon.build('here')
        self.assertEqual(build['result'], 'success')
        after = self.daemon.json('instances')
        self.assertEqual([row['instance_id'] for row in after], [row['instance_id'] for row in before])
        self.assertEqual(local_workers(), worker)

    def test_not_coming_back(self):
        """L33, C2: kill -9 with an instance up whose worker then hangs: stopped after the grace, nothing is left"""
        config = self.latent() + '[host]\nlogin_grace=2\nreconcile_interval=1\n'
        self.daemon.build('here')
        workers = local_workers()
        self.assertTrue(workers)
        self.pin_port(config)
        self.daemon.kill()
        for pid in workers:
            os.kill(pid, 19)  # SIGSTOP
        self.daemon.start()
        wait_until(lambda: not local_workers(), lambda: 'workers to be gone: %s' % bbtest.descendants())
        wait_until(lambda: self.daemon.json('instances') == [], 'the ledger to be empty')
        self.assertEqual(self.daemon.build('here')['result'], 'success')

    def test_kill_while_building_on_latent(self):
        """L22: kill -9 while a latent slave builds: the build runs again, in the end nothing is left"""
        config = self.latent(wait=0)
        gate = self.daemon.dir('gate')
        held = self.daemon.submit('hold', '-p', 'gate=' + gate)
        self.daemon.wait_build(held, state='running')
        self.pin_port(config)
        self.daemon.kill()
        self.daemon.start()
        again = self.running('hold')
        open(gate, 'w').close()
        self.daemon.wait_build(again['number'], state='finished', result='success')
        wait_until(lambda: self.daemon.json('instances') == [], 'the ledger to be empty')
        wait_until(lambda: not local_workers(), lambda: 'workers to be gone: %s' % bbtest.descendants())

    def test_kill_while_starting(self):
        """C2: kill -9 while the instance starts: after the reconcile there is one instance, not two"""
        config = self.latent()
        number = self.daemon.submit('here')
        wait_until(lambda: self.daemon.json('instances'), 'a ledger row', interval=0.01)
        self.pin_port(config + '[host]\nlogin_grace=2\nreconcile_interval=1\n')
        self.daemon.kill()
        self.daemon.start()
        wait_until(lambda: [b for b in self.daemon.builds().values()
                            if b['builder'] == 'here' and b['result'] == 'success'], 'the build to succeed')
        self.assertIn(number, self.daemon.builds())
        # The ledger and the machine agree, whoever of the two instances it was that stayed.
        wait_until(lambda: len(self.daemon.json('instances')) == 1 and len(local_workers()) == 1,
                   lambda: 'one instance: %s %s' % (self.daemon.json('instances'), bbtest.descendants()))

    def test_sigterm_stops_instances(self):
        """L31: SIGTERM with an idle instance: stopped before the daemon exits with 0; keep_on_stop leaves it up"""
        self.latent()
        self.daemon.build('here')
        self.assertTrue(local_workers())
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(local_workers(), [])

    def test_keep_on_stop(self):
        """keep_on_stop: the instance outlives an orderly stop and is adopted by the next start"""
        config = self.latent(more='keep_on_stop=true')
        self.daemon.build('here')
        workers = local_workers()
        self.pin_port(config)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(local_workers(), workers)
        self.daemon.start()
        self.daemon.wait_attached('local-1')
        self.assertEqual(self.daemon.build('here')['result'], 'success')
        self.assertEqual(local_workers(), workers)
        self.daemon.bbctl('insubstantiate', 'local-1')
        wait_until(lambda: not local_workers(), 'the worker to be gone')


if __name__ == '__main__':
    bbtest.main()
