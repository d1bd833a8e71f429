# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs as users call them: command lines, exit statuses, messages, JSON, reload."""
import json
import os
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import pbpeer  # noqa: E402
from bbtest import wait_until  # noqa: E402

CONFIG = '''
[slave bot]
password=passw0rd
[properties bot]
os=linux
[slave local-1]
type=local
password=auto
[builder any]
slavenames=bot;local-1;
steps=echo;
[step echo]
command=echo done
'''


class CheckConfig(bbtest.Case):
    """bbhostd --check-config"""

    def setUp(self):
        self.dir = bbtest.TempDir()
        self.addCleanup(self.dir.remove)

    def check(self, text, expect, mode=0o600):
        path = self.dir.write('bbhost.conf', text, mode)
        done = subprocess.run([bbtest.BBHOSTD, '--config', path, '--check-config', *bbtest.PLUGIN_OPTIONS], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=bbtest.program_environment(), timeout=bbtest.DEADLINE)
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def test_good(self):
        """a good configuration: exit 0"""
        self.check(CONFIG + bbtest.Daemon.listener(None), 0)

    def test_all_errors_at_once(self):
        """every error is shown, with file, group, key, and what would be right; exit 2"""
        out = self.check('[hots]\nname=x\n[host]\nlogin_grcae=1\n[slave a]\npassword=x\nmax_builds=-3\nkeepalive_interval=soon\n'
                         '[slave b]\ntype=ec3\npassword=x\n[builder c]\nslavenames=nobody;\nsteps=nothing;\n'
                         '[listener pb]\nprotocol=pb\nport=99999\n', 2)
        for group, key, hint in (('[host]', 'login_grcae', 'login_grace'), ('[slave a]', 'max_builds', ''),
                                 ('[slave a]', 'keepalive_interval', ''), ('[slave b]', 'type', 'bbhost-plugin-ec3'),
                                 ('[builder c]', 'steps', 'nothing'), ('[listener pb]', 'port', '')):
            lines = [line for line in out.splitlines()
                     if line.startswith('bbhost.conf: %s %s: ' % (group, key)) and hint in line]
            self.assertTrue(lines, '%s %s (%s) is not in:\n%s' % (group, key, hint, out))
        self.assertIn('[hots]', out)

    def test_readable_secrets(self):
        """A9: secrets that others can read are refused, with the chmod to run"""
        out = self.check(CONFIG + bbtest.Daemon.listener(None), 2, 0o644)
        self.assertIn('chmod', out)
        self.assertIn(self.dir('bbhost.conf'), out)

    def test_missing_file(self):
        """no such file: exit 2, and the name"""
        done = subprocess.run([bbtest.BBHOSTD, '--config', '/nonexistent/bbhost.conf', '--check-config'], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=bbtest.program_environment())
        self.assertEqual(done.returncode, 2)
        self.assertIn('/nonexistent/bbhost.conf', done.stdout)

    def test_wrong_usage(self):
        """a wrong command line: exit 2 of bbhostd, 64 of bbctl"""
        for command, status in (([bbtest.BBHOSTD, '--nonsense'], 2), ([bbtest.BBCTL, '--nonsense'], 64),
                                ([bbtest.BBCTL, 'nonsense'], 64), ([bbtest.BBCTL], 64), ([bbtest.BBCTL, 'slave'], 64),
                                ([bbtest.BBCTL, 'run'], 64)):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=bbtest.program_environment())
            self.assertEqual(done.returncode, status, '%s: %s' % (command, done.stderr))
            self.assertTrue(done.stderr.strip(), command)

    def test_version(self):
        """--version"""
        for program in (bbtest.BBHOSTD, bbtest.BBCTL):
            done = subprocess.run([program, '--version'], stdout=subprocess.PIPE, text=True, check=True,
                                  env=bbtest.program_environment())
            self.assertRegex(done.stdout, r'\d+\.\d+')

    def test_does_not_start(self):
        """a wrong configuration: the daemon shows every error and exits 2"""
        daemon = bbtest.Daemon('[slave a]\npassword=x\nmax_builds=-3\n[builder c]\nsteps=nothing;\n'
                               + bbtest.Daemon.listener(None))
        self.addCleanup(daemon.close)
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(bbtest.DEADLINE), 2)
        self.assertIn('max_builds', daemon.log())
        self.assertIn('nothing', daemon.log())

    def test_port_taken(self):
        """A6: a port that another process has: exit 1 and the port in the message"""
        with socket.create_server(('127.0.0.1', 0)) as other:
            port = other.getsockname()[1]
            daemon = bbtest.Daemon(bbtest.Daemon.listener(None, port=port))
            self.addCleanup(daemon.close)
            daemon.start(wait=False)
            self.assertEqual(daemon.process.wait(bbtest.DEADLINE), 1)
            self.assertIn(str(port), daemon.log())


class Commands(bbtest.Case):
    """bbctl against a running daemon"""

    @classmethod
    def setUpClass(cls):
        cls.start_class_daemon(CONFIG + bbtest.Daemon.listener(None))
        cls.slave = pbpeer.Slave(cls.daemon.port, 'bot', 'passw0rd').login()
        cls.addClassCleanup(cls.slave.close)
        cls.daemon.wait_attached('bot')

    def finish_commands(self, count):
        self.slave.wait_command(count)
        command = self.slave.commands[count - 1][1]
        self.slave.update(command, 'stdout', pbpeer.text('said something\n'))
        self.slave.complete(command)

    def test_01_every_verb_is_one_document(self):
        """each verb with --json prints one document and nothing else; without it, something for people"""
        number = self.daemon.submit('any', '--slave', 'bot')
        self.finish_commands(1)
        self.daemon.wait_build(number, state='finished')
        for verb in (['status'], ['slaves'], ['slave', 'bot'], ['builders'], ['builds'], ['instances'], ['plugins'],
                     ['ping', 'bot'], ['pause', 'bot'], ['resume', 'bot'], ['reload']):
            result = self.daemon.bbctl('--json', *verb)
            json.loads(result.stdout)
            self.assertEqual(result.stderr, '', verb)
        for verb in (['status'], ['slaves'], ['slave', 'bot'], ['builders'], ['builds'], ['plugins'], ['log', number]):
            self.assertTrue(self.daemon.bbctl(*verb).stdout.strip(), verb)

    def test_02_keys(self):
        """keys of slaves, builds and instances are those that were promised"""
        slave = self.daemon.slave('bot')
        self.assertLessEqual({'name', 'type', 'state', 'attached', 'max_builds', 'running_builds', 'properties',
                              'peer_address', 'instance_id', 'substantiation_state', 'last_error'}, set(slave))
        build = list(self.daemon.builds().values())[0]
        self.assertLessEqual({'number', 'builder', 'slave', 'state', 'result', 'submitted_at', 'started_at',
                              'finished_at', 'properties', 'steps'}, set(build))
        self.assertLessEqual({'name', 'state', 'result', 'exit_code', 'logs'}, set(build['steps'][0]))

    def test_03_refused(self):
        """what does not exist: exit 1 and its name"""
        for arguments, word in ((['slave', 'nobody'], 'nobody'), (['build', 'nothing'], 'nothing'),
                                (['cancel', '4711'], '4711'), (['log', '4711'], '4711'), (['pause', 'nobody'], 'nobody'),
                                (['ping', 'local-1'], 'local-1'), (['terminate', '4711'], '4711'),
                                (['substantiate', 'bot'], 'bot'), (['build', 'any', '--slave', 'nobody'], 'nobody')):
            result = self.daemon.bbctl(*arguments, expect=1)
            self.assertIn(word, result.stderr, arguments)
            self.assertEqual(result.stdout, '')
        self.assertTrue(self.daemon.bbctl('run', '--slave', 'nobody', '--', 'true', expect=255).stderr)

    def test_04_no_daemon(self):
        """69 when the daemon is not there; 255 of run"""
        for arguments, status in ((['status'], 69), (['--json', 'slaves'], 69), (['build', 'any'], 69),
                                  (['run', '--', 'true'], 255)):
            done = subprocess.run([bbtest.BBCTL, '--bus', 'unix:path=/nonexistent/bus', *arguments], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=bbtest.program_environment())
            self.assertEqual(done.returncode, status, '%s: %s' % (arguments, done.stderr))
            self.assertEqual(done.stdout, '')
            self.assertTrue(done.stderr.strip())

    def test_05_builders_and_reason(self):
        """S20: a build that nobody can take says why, slave by slave"""
        self.daemon.bbctl('pause', 'bot')
        number = self.daemon.submit('any', '--slave', 'bot')
        text = self.daemon.bbctl('builds').stdout
        self.daemon.bbctl('cancel', number)
        self.daemon.bbctl('resume', 'bot')
        self.assertIn('paused', text)

    def test_06_wait_exit_statuses(self):
        """build --wait: 0 success, 1 failure, 2 cancelled"""
        for rc, expect in ((0, 0), (1, 1)):
            count = len(self.slave.commands)
            client = self.daemon.bbctl_start('--json', 'build', 'any', '--slave', 'bot', '--wait')
            self.slave.wait_command(count + 1)
            self.slave.complete(self.slave.commands[count][1], rc)
            out, err = client.communicate(timeout=bbtest.DEADLINE)
            self.assertEqual(client.returncode, expect, err)
            self.assertEqual(json.loads(out)['steps'][0]['exit_code'], rc)
        count = len(self.slave.commands)
        client = self.daemon.bbctl_start('build', 'any', '--slave', 'bot', '--wait')
        self.slave.wait_command(count + 1)
        number = max(self.daemon.builds())
        self.daemon.bbctl('cancel', number)
        self.slave.wait(lambda: 'interruptCommand' in self.slave.calls, 'the interruption')
        self.slave.complete(self.slave.commands[count][1], -1)
        client.communicate(timeout=bbtest.DEADLINE)
        self.assertEqual(client.returncode, 2)

    def test_07_run_streams(self):
        """run shows output as it comes, not at the end"""
        count = len(self.slave.commands)
        client = self.daemon.bbctl_start('run', '--slave', 'bot', '--', 'anything')
        self.slave.wait_command(count + 1)
        command = self.slave.commands[count]
        self.slave.update(command[1], 'stdout', pbpeer.text('now\n'))
        self.assertEqual(client.stdout.readline(), 'now\n')
        self.assertIsNone(client.poll())
        self.slave.complete(command[1], 42)
        client.communicate(timeout=bbtest.DEADLINE)
        self.assertEqual(client.returncode, 42)

    def test_08_monitor(self):
        """monitor prints one JSON document a line, as things happen"""
        monitor = self.daemon.bbctl_start('--json', 'monitor')
        try:
            self.daemon.bbctl('pause', 'bot')
            lines = []
            # The monitor may have subscribed after the first change.
            for _ in range(20):
                self.daemon.bbctl('resume', 'bot')
                self.daemon.bbctl('pause', 'bot')
                if bbtest.select.select([monitor.stdout], [], [], 0.5)[0]:
                    lines.append(monitor.stdout.readline())
                    break
            self.assertTrue(lines)
            json.loads(lines[0])
        finally:
            monitor.send_signal(signal.SIGINT)
            monitor.communicate(timeout=bbtest.DEADLINE)
            self.daemon.bbctl('resume', 'bot')

    def test_09_reload(self):
        """a broken reload keeps the old configuration and connections; a good one adds and removes slaves"""
        port = self.daemon.port
        good = CONFIG + bbtest.Daemon.listener(None, port=port)
        self.daemon.configure(good + '[slave b\npassword=x\n')
        self.assertIn('bbhost.conf: ', self.daemon.bbctl('reload', expect=1).stderr)
        self.assertTrue(self.daemon.slave('bot')['attached'])
        self.daemon.configure(good + '[slave another]\npassword=x\n')
        self.daemon.bbctl('reload')
        self.assertIn('another', self.daemon.slaves())
        self.assertTrue(self.daemon.slave('bot')['attached'])
        self.daemon.configure(good)
        self.daemon.reload()
        wait_until(lambda: 'another' not in self.daemon.slaves(), 'the slave to be gone')
        self.assertTrue(self.daemon.slave('bot')['attached'])

    def test_10_new_port(self):
        """A6: a reload moves the listener; the new port serves, attached slaves stay"""
        with socket.create_server(('127.0.0.1', 0)) as probe:
            port = probe.getsockname()[1]
        self.daemon.configure(CONFIG + bbtest.Daemon.listener(None, port=port))
        self.daemon.bbctl('reload')
        peer = pbpeer.Slave(port, 'nobody', 'x')
        with self.assertRaises(pbpeer.Refused):
            peer.login()
        peer.close()
        self.assertTrue(self.daemon.slave('bot')['attached'])
        self.assertRaises(OSError, socket.create_connection, ('127.0.0.1', self.daemon.port), 5)

    def test_11_second_daemon(self):
        """the bus name is taken: the second daemon ends with 1 and says so"""
        second = bbtest.Daemon(bbtest.Daemon.listener(None))
        self.addCleanup(second.close)
        second.bus.stop()
        second.bus = self.daemon.bus
        second.start(wait=False)
        self.assertEqual(second.process.wait(bbtest.DEADLINE), 1)
        self.assertIn('org.bbhost', second.log())
        second.bus = bbtest.Bus(second.dir)

    def test_12_sigterm(self):
        """SIGTERM: exit 0; bbctl then says 69"""
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.daemon.bbctl('status', expect=69)


if __name__ == '__main__':
    bbtest.main()
