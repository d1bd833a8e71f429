# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of on-demand slaves of the local plugin: started when a build waits, stopped when idle, never forgotten."""
import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import pbpeer  # noqa: E402
from bbtest import wait_until  # noqa: E402

BUILDERS = '''
[builder first]
slavenames=local-1;
steps=echo;
[builder second]
slavenames=local-1;
steps=echo;
[builder third]
slavenames=local-1;
steps=echo;
[builder hold]
slavenames=local-1;
steps=hold;
[step echo]
command=echo done
[step hold]
command=echo holding; sleep 600
'''


def local_workers():
    return [pid for pid, command in bbtest.descendants().items() if 'buildbot-worker' in command or 'twistd' in command]


class Latent(bbtest.Case):
    def start(self, wait=60, more='', host=''):
        bbtest.Worker.require('3')
        return self.start_daemon('%s[slave local-1]\ntype=local\npassword=auto\nbuild_wait_timeout=%s\n%s\n' % (
            host, wait, more) + BUILDERS + bbtest.Daemon.listener(None))

    def state(self):
        return self.daemon.slave('local-1')['substantiation_state']

    def wait_state(self, state, deadline=None):
        self.daemon.wait_slave('local-1', deadline, substantiation_state=state)

    def folders(self):
        """Of workers that the plugin has started."""
        return [folder for folder, _, names in os.walk(self.daemon.dir('state')) if 'buildbot.tac' in names]

    def wait_nothing_left(self):
        self.wait_state('insubstantiated')
        self.assertEqual(self.daemon.json('instances'), [])
        self.assertEqual(local_workers(), [])
        self.assertEqual(self.folders(), [])

    def test_whole_life(self):
        """L1, L2, L13: one instance for three builds, stopped when it has been idle; the next build starts another"""
        self.start(wait=2)
        self.assertEqual(self.state(), 'insubstantiated')
        numbers = [self.daemon.submit(builder) for builder in ('first', 'second', 'third')]
        self.assertIn(self.daemon.builds()[numbers[0]]['state'], ('waiting-for-slave', 'running', 'finished'))
        for number in numbers:
            self.daemon.wait_build(number, state='finished', result='success')
        rows = self.daemon.json('instances')
        self.assertEqual(len(rows), 1, rows)
        self.assertEqual((rows[0]['slave'], rows[0]['backend'], rows[0]['state']), ('local-1', 'local', 'running'))
        self.assertEqual(len(local_workers()), 1)
        self.wait_nothing_left()
        self.assertEqual(self.daemon.build('first')['result'], 'success')
        self.assertNotEqual(self.daemon.json('instances')[0]['number'], rows[0]['number'])

    def test_every_wire(self):
        """L1, L2, L13: the plugin's worker is told how to connect: over each wire, of both releases"""
        for wire in bbtest.wires():
            with self.subTest(wire=wire.name):
                self.live_over(wire)

    def live_over(self, wire):
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        releases = bbtest.Worker.releases_for(wire)
        config = bbtest.Daemon.listener(None, **wire.listener_keys(directory)) + '[step echo]\ncommand=echo done\n'
        for release in releases:
            config += ('[slave local-%s]\ntype=local\npassword=auto\nbuild_wait_timeout=0\ncommand=%s\n'
                       '[builder on-%s]\nslavenames=local-%s;\nsteps=echo;\n'
                       % (release, bbtest.Worker.PROGRAMS[release], release, release))
        daemon = bbtest.Daemon(config)
        self.daemon = daemon
        try:
            daemon.start()
            numbers = [daemon.submit('on-' + release) for release in releases]
            for number in numbers:
                daemon.wait_build(number, state='finished', result='success')
            self.assertIn('(%s, version' % wire.protocol, daemon.log())
            wait_until(lambda: daemon.json('instances') == [] and not local_workers(), 'the instances to be gone')
            self.assertEqual(daemon.stop(), 0, daemon.log())
        finally:
            daemon.close()

    def test_fresh_for_each_build(self):
        """L15: build_wait_timeout=0: two builds get an instance each"""
        self.start(wait=0)
        numbers = [self.daemon.submit(builder) for builder in ('first', 'second')]
        for number in numbers:
            self.daemon.wait_build(number, state='finished', result='success')
        self.wait_nothing_left()

    def test_by_hand(self):
        """L36, L37: substantiate and insubstantiate; refused while it builds"""
        self.start()
        self.daemon.bbctl('substantiate', 'local-1')
        self.daemon.wait_attached('local-1')
        self.wait_state('substantiated')
        self.daemon.bbctl('insubstantiate', 'local-1')
        self.wait_nothing_left()
        number = self.daemon.submit('hold')
        self.daemon.wait_build(number, state='running')
        refused = self.daemon.bbctl('insubstantiate', 'local-1', expect=1)
        self.assertTrue(refused.stderr.strip())
        self.daemon.bbctl('cancel', number)
        self.daemon.wait_build(number, state='finished', result='cancelled')

    def test_cancelled_while_starting(self):
        """L11: cancelling the only build that waits gives the start up; nothing is left"""
        self.start()
        number = self.daemon.submit('first')
        wait_until(lambda: self.daemon.json('instances'), 'a ledger row', interval=0.01)
        self.daemon.bbctl('cancel', number)
        self.daemon.wait_build(number, state='finished', result='cancelled')
        self.wait_nothing_left()

    def test_worker_dies(self):
        """L22: the worker is killed in mid-build: retry, on a fresh instance"""
        self.start()
        number = self.daemon.submit('hold')
        self.daemon.wait_build(number, state='running')
        first = self.daemon.json('instances')[0]['number']
        for pid in local_workers():
            os.kill(pid, signal.SIGKILL)
        again = wait_until(lambda: [b for b in self.daemon.builds().values()
                                    if b['number'] != number and b['state'] == 'running'
                                    and self.daemon.json('instances')
                                    and self.daemon.json('instances')[0]['number'] != first], 'the build to run again')
        self.daemon.bbctl('cancel', again[0]['number'])
        self.daemon.wait_build(again[0]['number'], state='finished', result='cancelled')

    def test_terminate(self):
        """bbctl terminate stops an instance by its number"""
        self.start()
        self.daemon.build('first')
        self.daemon.bbctl('terminate', self.daemon.json('instances')[0]['number'])
        self.wait_nothing_left()

    def test_nobody_asked(self):
        """L20: a login under the name of a latent slave that is not being started is refused; the log says why"""
        self.start(more='')
        peer = pbpeer.Slave(self.daemon.port, 'local-1', 'guess')
        try:
            with self.assertRaises((pbpeer.Refused, EOFError, OSError)):
                peer.login()
        finally:
            peer.close()
        self.daemon.wait_log('local-1')

    def test_program_missing(self):
        """L6, L10: a worker program that does not exist: LastError names it, nothing is left, the build waits"""
        self.start(more='command=/nonexistent/buildbot-worker')
        number = self.daemon.submit('first')
        wait_until(lambda: '/nonexistent/buildbot-worker' in (self.daemon.slave('local-1')['last_error'] or '')
                   or self.daemon.builds()[number]['state'] == 'finished', 'an error')
        self.assertIn('/nonexistent/buildbot-worker', self.daemon.slave('local-1')['last_error'])
        self.assertEqual(local_workers(), [])
        wait_until(lambda: self.daemon.json('instances') == [], 'no open row')
        shown = self.daemon.bbctl('slave', 'local-1').stdout
        self.assertRegex(shown, r'^local-1 \(local\): insubstantiated\n  state since: +\S.*\n'
                                r'  why: +start-failed: .*/nonexistent/')
        self.assertRegex(shown, r'(?m)^  last error: +.*/nonexistent/')

    def test_sigterm_while_starting(self):
        """L31: SIGTERM while an instance starts: exit 0, nothing is left"""
        self.start()
        self.daemon.submit('first')
        wait_until(lambda: self.daemon.json('instances'), 'a ledger row', interval=0.01)
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.assertEqual(local_workers(), [])

    def test_secrets(self):
        """A10: no password in arguments, log, bus or store's names; the daemon's environment has none"""
        secret = 'correct-horse-battery'
        self.start_daemon('[slave bot]\npassword=%s\n[slave local-1]\ntype=local\npassword=auto\n' % secret + BUILDERS
                          + bbtest.Daemon.listener(None), arguments=('--verbose',))
        bbtest.Worker.require('3')
        self.start_worker('bot', secret, self.daemon.port)
        self.daemon.wait_attached('bot')
        self.daemon.build('first')
        worker = local_workers()[0]
        files = [os.path.join(folder, 'password') for folder in self.folders()]
        with open(files[0]) as f:
            secrets = [secret, f.readline().strip()]
        self.assertGreater(len(secrets[1]), 15)
        shown = self.daemon.log()
        for verb in ('status', 'slaves', 'builders', 'builds', 'instances', 'plugins'):
            shown += self.daemon.bbctl('--json', verb).stdout
        for pid in (self.daemon.pid, worker):
            shown += bbtest.command_line(pid)
            shown += bbtest.process_environment(pid).decode(errors='replace')
        for text in secrets:
            self.assertNotIn(text, shown)
        for path in files:
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)
            self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o077, 0, path)

    def test_two_at_once(self):
        """L3: two latent slaves and two builds start side by side"""
        bbtest.Worker.require('3')
        self.start_daemon('[slave local-{1..2}]\ntype=local\npassword=auto\n[builder b1]\nslavenames=local-1;\nsteps=hold;\n'
                          '[builder b2]\nslavenames=local-2;\nsteps=hold;\n[step hold]\ncommand=sleep 600\n'
                          + bbtest.Daemon.listener(None))
        numbers = [self.daemon.submit('b1'), self.daemon.submit('b2')]
        wait_until(lambda: all(self.daemon.builds()[n]['state'] == 'running' for n in numbers), 'both to run')
        self.assertEqual(len(self.daemon.json('instances')), 2)
        for number in numbers:
            self.daemon.bbctl('cancel', number)
            self.daemon.wait_build(number, state='finished')

    def test_removed_by_reload(self):
        """a latent slave that a reload removes is stopped; its row closes"""
        self.start()
        self.daemon.build('first')
        self.daemon.configure('[slave other]\npassword=x\n' + self.daemon.listener())
        self.daemon.bbctl('reload')
        wait_until(lambda: self.daemon.json('instances') == [] and not local_workers(), 'the instance to be gone')


if __name__ == '__main__':
    bbtest.main()
