# SPDX-License-Identifier: LGPL-2.1-or-later
"""bbhostd as a service of the system: what systemd is told, and the files that make it one."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402

MAX_EXPOSURE = 2.0


def data(*names):
    """In the build folder or, of what is not made, in the source's."""
    built = os.path.join(bbtest.BUILDDIR, 'data', *names)
    return built if os.path.exists(built) else os.path.join(bbtest.SRCDIR, 'data', *names)


def run(program, *arguments, **options):
    if not shutil.which(program):
        raise unittest.SkipTest('there is no %s' % program)
    return subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=bbtest.DEADLINE, env=dict(os.environ, LC_ALL='C.UTF-8'), **options)


class Files(bbtest.Case):
    def unit(self):
        """As installed, but with a program that is there: what is installed is verified by check-packages."""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        with open(data('bbhost.service')) as f:
            text = re.sub(r'(?m)^(Exec\w+=\+?)\S+', r'\1/bin/true', f.read())
        self.assertNotRegex(text, r'@\w+@')
        return directory.write('bbhost.service', text)

    def test_unit(self):
        """the unit says nothing that systemd does not know"""
        done = run('systemd-analyze', 'verify', '--man=no', self.unit())
        about_us = [line for line in done.stdout.splitlines() if 'bbhost' in line]
        self.assertEqual((done.returncode, about_us), (0, []), done.stdout)

    def test_exposure(self):
        """the unit takes away what bbhostd does not need: systemd rates it below 2.0"""
        done = run('systemd-analyze', 'security', '--offline=yes', '--no-pager', self.unit())
        found = re.search(r'Overall exposure level for bbhost.service: (\S+)', done.stdout)
        self.assertTrue(found, done.stdout)
        self.assertLess(float(found.group(1)), MAX_EXPOSURE, done.stdout)

    def test_xml(self):
        """bus policy, polkit actions and interfaces are XML, and none has a variable left"""
        for path in (data('org.bbhost.conf'), data('org.bbhost.policy'),
                     os.path.join(bbtest.SRCDIR, 'core', 'bus', 'org.bbhost.xml')):
            done = run('xmllint', '--noout', '--nonet', path)
            self.assertEqual((done.returncode, done.stdout), (0, ''), path)
            with open(path) as f:
                self.assertNotRegex(f.read(), r'@[a-zA-Z_]+dir@|@BBHOST_USER@')

    def test_actions(self):
        """D6: the actions that polkit knows are those that the daemon asks for"""
        with open(data('org.bbhost.policy')) as f:
            declared = set(re.findall(r'<action id="([^"]+)"', f.read()))
        asked = set()
        for name in os.listdir(os.path.join(bbtest.SRCDIR, 'core', 'bus')):
            with open(os.path.join(bbtest.SRCDIR, 'core', 'bus', name)) as f:
                asked |= set(re.findall(r'#define BB_ACTION_\w+ "([^"]+)"', f.read()))
        self.assertEqual(declared, asked)

    def test_example(self):
        """what a new installation begins with is a good configuration"""
        path = bbtest.TempDir()
        self.addCleanup(path.remove)
        with open(data('examples', 'bbhost.conf')) as f:
            path.write('bbhost.conf', f.read())
        done = subprocess.run([bbtest.BBHOSTD, '--check-config', '--config', path.path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=bbtest.program_environment())
        self.assertEqual((done.returncode, done.stdout), (0, ''))


class Documentation(bbtest.Case):
    def test_dbus(self):
        """the page about D-Bus has every member of the interfaces, and the right that each change needs"""
        with open(os.path.join(bbtest.BUILDDIR, 'doc', 'dbus.md'), encoding='utf-8') as f:
            page = f.read()
        with open(os.path.join(bbtest.SRCDIR, 'core', 'bus', 'org.bbhost.xml'), encoding='utf-8') as f:
            interfaces = f.read()
        members = re.findall(r'<(?:method|signal) name="(\w+)"', interfaces)
        self.assertEqual([name for name in members if '**%s**' % name not in page], [])
        properties = re.findall(r'<property name="(\w+)"', interfaces)
        self.assertEqual([name for name in properties if '| `%s` |' % name not in page], [])
        for line in ('**SubmitBuild** (builder `s`, options `a{sv}`) → build `o`, needs `org.bbhost.run-builds`',
                     '**Pause** (), needs `org.bbhost.manage-slaves`', '**Forget** (why `s`), needs `org.bbhost.manage-host`',
                     '**ListSlaves** () → slaves `aa{sv}`\n', '| `org.bbhost.Error.NotAuthorized` |'):
            self.assertIn(line, page)


class Metrics(bbtest.Case):
    LINE = re.compile(r'^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$')

    def read(self, path):
        if not os.path.exists(path):
            return None
        with open(path) as f:
            text = f.read()
        for line in text.splitlines():
            self.assertRegex(line, self.LINE)
        return dict(line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#'))

    def test_written(self):
        """[host] metrics_file: figures in Prometheus' format, readable by others, always whole; a folder that is missing is waited for"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)

        def configuration(path):
            return ('[host]\nname=build\nmetrics_file=%s\n[slave s-{1..3}]\npassword=x\n[builder b]\nslavenames=s-*;\n'
                    'steps=s;\n[step s]\ncommand=true\n' % path + bbtest.Daemon.listener(None))
        path = directory('bbhost.prom')
        daemon = self.start_daemon(configuration(path))
        wait = bbtest.wait_until
        values = wait(lambda: self.read(path), 'metrics')
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        self.assertTrue([name for name in values if re.match(r'bbhost_info\{version="\S+",host="build"\}$', name)], values)
        self.assertEqual((values['bbhost_slaves'], values['bbhost_slaves_attached'], values['bbhost_instances']),
                         ('3', '0', '0'))
        daemon.bbctl('cancel', daemon.submit('b'))
        daemon.submit('b')
        daemon.bbctl('reload')  # writes at once
        wait(lambda: self.read(path)['bbhost_builds_finished_total{result="cancelled"}'] == '1', 'the build to be counted')
        self.assertEqual(self.read(path)['bbhost_builds_pending'], '1')
        other = directory('no-folder', 'bbhost.prom')
        daemon.configure(configuration(other))
        daemon.bbctl('reload')
        daemon.wait_log(r'\[host\] metrics_file: \S+/no-folder/bbhost.prom: No such file or directory')
        os.mkdir(os.path.dirname(other))
        daemon.bbctl('reload')
        wait(lambda: self.read(other), 'metrics in the new place')
        daemon.stop()
        self.assertEqual(os.listdir(os.path.dirname(other)), ['bbhost.prom'])


class OpenInstances(bbtest.Case):
    def listed(self):
        done = subprocess.run([bbtest.BBHOSTD, '--list-open-instances', '--state-dir', self.daemon.dir('state')],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=bbtest.DEADLINE,
                              env=bbtest.program_environment())
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return done.stdout

    def test_listed(self):
        """D16: what is not gone can be asked for with a daemon, after it was killed, and before there was one"""
        self.start_daemon('[slave s]\ntype=local\npassword=auto\nargv=sleep;600;\n' + bbtest.Daemon.listener(None))
        self.assertEqual(self.listed(), '')
        self.daemon.bbctl('substantiate', 's')
        bbtest.wait_until(lambda: [i for i in self.daemon.json('instances') if i['instance_id']], 'an instance')
        line = self.listed()
        self.assertRegex(line, r'^local \d+-\S+ of slave s, running since \d{4}-\S+Z\n$')
        self.daemon.kill()
        self.assertEqual(self.listed(), line)
        self.daemon.start()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.listed(), '')
        shutil.rmtree(self.daemon.dir('state'))
        self.assertEqual(self.listed(), '')

    def test_damaged(self):
        """D16: a ledger that can't be read is not an empty one"""
        self.start_daemon(bbtest.Daemon.listener(None))
        self.daemon.stop()
        self.daemon.dir.write('state/bbhost.db', 'nonsense' * 1000)
        done = subprocess.run([bbtest.BBHOSTD, '--list-open-instances', '--state-dir', self.daemon.dir('state')],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=bbtest.DEADLINE,
                              env=bbtest.program_environment())
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('bbhost.db is damaged', done.stderr)


class Watchdog(bbtest.Case):
    def test_fed(self):
        """systemd's watchdog is fed while events are served, and no longer"""
        daemon = self.start_daemon(bbtest.Daemon.listener(None))
        daemon.stop()
        path = daemon.dir('watchdog.socket')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            process = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL,
                                       env=bbtest.program_environment(NOTIFY_SOCKET=path, WATCHDOG_USEC='200000'))
            self.addCleanup(process.kill)
            told = []

            def hear(seconds):
                if not select.select([notify], [], [], seconds)[0]:
                    return False
                told.extend(notify.recv(4096).decode().split('\n'))
                return True
            end = time.monotonic() + bbtest.DEADLINE
            while told.count('WATCHDOG=1') < 3 and time.monotonic() < end:
                hear(1)
            self.assertEqual(told[0], 'READY=1')
            self.assertGreaterEqual(told.count('WATCHDOG=1'), 3)
            process.send_signal(signal.SIGSTOP)
            bbtest.wait_until(lambda: bbtest.process_state(process.pid) == 'T', 'bbhostd to be stopped')
            while hear(0):
                pass
            self.assertFalse(hear(1), told)
            process.send_signal(signal.SIGCONT)
            self.assertTrue(hear(bbtest.DEADLINE))
            process.terminate()
            self.assertEqual(process.wait(bbtest.DEADLINE), 0)


if __name__ == '__main__':
    bbtest.main()
