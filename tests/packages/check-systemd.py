# SPDX-License-Identifier: LGPL-2.1-or-later
"""bbhost.service under a real systemd: the packages are installed into a clean Debian, which is started as a virtual machine. Its
init is systemd, its bus and its polkit are the system's, its slaves are Debian's buildbot-worker. `make check-systemd` runs
this; it needs root, QEMU, and Debian's archive, but no KVM.

The last line is the sum. The cases are in order, and each goes on where the one before it ended.
"""
import json
import os
import re
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'integration'))
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402
from debianroot import Builder, CleanRoot, own_mounts, require  # noqa: E402
from machine import BOOT, PROGRAMS, Machine  # noqa: E402

BEGAN = time.monotonic()
CONF = '/etc/bbhost/conf.d/%s.conf'
DROP_IN = '/etc/systemd/system/bbhost.service.d/%s.conf'
PASSWORDS = {'bot-solaris': 'solarispasswd', 'bot-plain': 'plainpasswd'}

LOCAL = '''[slave local-1]
type=local
password=auto
build_wait_timeout=600
[builder local]
slavenames=local-1;
steps=look;
[builder hold]
slavenames=local-1;
steps=hold;
[step look]
command=touch /usr/spoilt; unshare --user true; grep -E '^(NoNewPrivs|Seccomp|CapBnd):' /proc/self/status; id -un; echo home: $(ls -A /home)
[step hold]
command=sleep %(prop:s:-600)s
'''
# What the README shows, with credentials in the place of passwords.
BOTS = '''[slave bot-solaris]
password_credential=bot-solaris
[slave bot-plain]
password_credential=bot-plain
[properties bot-solaris]
os=solaris
[builder hello]
slavenames=bot-solaris;
steps=hello;
[step hello]
command=echo hello from %(prop:slavename)s on %(prop:os)s
'''


class Systemd(bbtest.Case):
    machine = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest('it needs root: debootstrap and chroot')
        require('dpkg-buildpackage', 'dh', 'debootstrap', 'chroot', 'mount', *PROGRAMS)
        if os.uname().machine != 'x86_64':
            raise unittest.SkipTest('the machine is made for amd64 only')
        cls.directory = bbtest.TempDir()
        cls.addClassCleanup(cls.directory.remove)

    @classmethod
    def tearDownClass(cls):
        if cls.machine:
            cls.machine.unplug()

    def setUp(self):
        if self._testMethodName != 'test_01_boot' and not self.machine:
            self.skipTest('there is no machine; see above')
        if self.machine:  # what a failed test has left is not the next one's trouble
            self.run_in('rm -f %s %s; systemctl start bbhost' % (CONF % 'more', CONF % 'wrong'), check=False)

    # --- what is asked in it

    def run_in(self, command, **options):
        return self.machine.run(command, **options)

    def json(self, command):
        return json.loads(self.run_in('bbctl --json ' + command).stdout)

    def show(self, unit='bbhost'):
        """What systemd knows about a unit."""
        done = self.run_in('systemctl show %s' % unit)
        return dict(line.split('=', 1) for line in done.stdout.splitlines() if '=' in line)

    def pid(self):
        pid = self.show()['MainPID']
        self.assertNotEqual(pid, '0')
        return pid

    def journal(self, since=None):
        """What the unit has logged, systemd's words about it included; @since: a cursor()."""
        after = '--after-cursor="%s"' % since if since else ''
        return self.run_in('journalctl --sync; journalctl --no-pager -q -o cat -u bbhost ' + after).stdout

    def cursor(self):
        return re.search(r'-- cursor: (\S+)', self.run_in('journalctl --no-pager -n 1 --show-cursor').stdout).group(1)

    def wait_unit(self, **wanted):
        def matches():
            now = self.show()
            last.update((name, now.get(name)) for name in wanted)
            return all(now.get(name) == value for name, value in wanted.items()) and now
        last = {}
        return wait_until(matches, lambda: 'bbhost.service to be %s; it is %s:\n%s' % (wanted, last, self.journal()[-3000:]),
                          BOOT, 2)

    def wait_other(self, pid):
        """The unit runs in another process than @pid."""
        def matches():
            now = self.show()
            return now['ActiveState'] == 'active' and now['MainPID'] not in ('0', pid) and now
        return wait_until(matches, lambda: 'bbhost.service to be another than %s:\n%s' % (pid, self.journal()[-3000:]), BOOT, 2)

    def wait_build(self, number, **wanted):
        """Returns its row when it is as wanted; of a build that is tried again the newest."""
        def matches():
            for row in self.json('builds'):
                if row['number'] >= number and all(row.get(name) == value for name, value in wanted.items()):
                    return row
        return wait_until(matches, lambda: 'build %d to be %s: %s\n%s' % (number, wanted, self.json('builds'),
                                                                         self.journal()[-3000:]), BOOT, 2)

    def wait_instance(self, slave, other_than=None):
        """The row of a machine that runs; and it alone is in the ledger for this slave."""
        def matches():
            rows = [row for row in self.json('instances') if row['slave'] == slave]
            return len(rows) == 1 and rows[0]['instance_id'] and rows[0]['number'] != other_than and rows[0]
        return wait_until(matches, lambda: 'one instance of %s: %s\n%s' % (slave, self.json('instances'), self.journal()[-3000:]),
                          BOOT, 2)

    def processes(self):
        """Of the unit, the daemon's included."""
        return self.run_in('cat /sys/fs/cgroup/system.slice/bbhost.service/cgroup.procs').stdout.split()

    def wait_nothing_left(self):
        """No machine in the ledger, no process beside the daemon, no folder."""
        wait_until(lambda: self.json('instances') == [],
                   lambda: '%s\n%s' % (self.json('instances'), self.journal()[-3000:]), BOOT, 2)
        self.assertEqual(self.processes(), [self.pid()])
        self.assertEqual(self.run_in('ls -A /var/lib/bbhost/local').stdout, '')

    def hold(self):
        """A build that runs for long, and the machine it runs on."""
        number = int(self.json('build hold')['number'])
        self.wait_build(number, state='running')
        return number, self.wait_instance('local-1')

    def configure(self, name, text):
        self.machine.write(CONF % name, text, 0o600)
        self.run_in('systemd-tmpfiles --create bbhost.conf')

    def drop_in(self, name, text):
        self.machine.write(DROP_IN % name, text)
        self.run_in('systemctl daemon-reload')

    # --- the cases

    def test_01_boot(self):
        """the packages in a clean Debian whose process 1 is systemd: it starts, the service with it, and no unit fails"""
        builder = Builder(self.directory)
        root = CleanRoot(self.directory('root'))
        trouble = []

        def make_root():
            try:
                root.make()
            except Exception as error:
                trouble.append(error)
        maker = threading.Thread(target=make_root)
        maker.start()
        try:
            packages = os.environ.get('BB_TEST_PACKAGES') or builder.build(builder.head, 'one')
        finally:
            maker.join()
        if trouble:
            raise trouble[0]
        root.install(packages, 'bbhost', 'libbbhost-1-0', more=('buildbot-worker', 'systemd', 'dbus', 'python3'))
        for user in ('ann', 'bot'):
            root.run('useradd', '-m', user)
        for name, password in PASSWORDS.items():
            root.run('buildbot-worker', 'create-worker', '/home/bot/' + name, '127.0.0.1:9989', name, password, user='bot')
        machine = Machine(self.directory)
        machine.make(root)
        print('# made after %.0f s' % (time.monotonic() - BEGAN), flush=True)
        try:
            machine.boot()
        except BaseException:
            machine.unplug()
            raise
        Systemd.machine = machine
        self.assertEqual(self.run_in('cat /proc/1/comm').stdout.strip(), 'systemd')
        done = self.run_in('systemctl is-system-running --wait', check=False, timeout=BOOT)
        self.assertEqual(done.stdout.strip(), 'running', self.run_in('systemctl --failed').stdout + machine.console())
        unit = self.wait_unit(ActiveState='active', SubState='running')
        self.assertEqual((unit['Type'], unit['UnitFileState'], unit['NRestarts']), ('notify', 'enabled', '0'))

    def test_02_started(self):
        """systemctl start returns when the daemon is ready; it runs as its user, without rights, in a folder of its own"""
        self.run_in('systemctl stop bbhost')
        self.run_in('rm -rf /var/lib/bbhost')
        self.configure('local', LOCAL)
        since = self.cursor()
        self.run_in('systemctl start bbhost')
        unit = self.show()
        self.assertEqual((unit['ActiveState'], unit['SubState'], unit['Result']), ('active', 'running', 'success'))
        journal = self.journal(since)
        self.assertRegex(journal, r'bbhostd \S+ is ready')
        self.assertIn('Started bbhost.service', journal)
        self.assertEqual(self.run_in('ps -o user= -p ' + unit['MainPID']).stdout.strip(), 'bbhost')
        self.assertEqual(self.run_in('stat -c "%U %G %a" /var/lib/bbhost').stdout.strip(), 'bbhost bbhost 700')
        process = dict(line.split(':\t', 1) for line in self.run_in('cat /proc/%s/status' % unit['MainPID']).stdout.splitlines())
        self.assertEqual((process['NoNewPrivs'], process['Seccomp'], process['CapEff'], process['CapBnd']),
                         ('1', '2', '0' * 16, '0' * 16))
        status = self.run_in('systemctl status --no-pager bbhost').stdout
        for text in ('Loaded: loaded (/lib/systemd/system/bbhost.service; enabled', 'Active: active (running)',
                     'Main PID: %s (bbhostd)' % unit['MainPID'], 'Docs: man:bbhostd(8)', 'is ready: 1 slaves'):
            self.assertIn(text, status)
        tree = self.run_in('busctl tree --no-pager org.bbhost').stdout
        for path in ('/org/bbhost/Host', '/org/bbhost/slaves', '/org/bbhost/builds', '/org/bbhost/instances'):
            self.assertIn(path, tree)
        owner = self.run_in('busctl --system status org.bbhost').stdout
        self.assertRegex(owner, r'(?m)^PID=%s$' % unit['MainPID'])
        self.assertRegex(owner, r'(?m)^Unit=bbhost\.service$')
        self.assertIn('slaves:           0 of 1 attached', self.run_in('bbctl status').stdout)

    def test_03_polkit(self):
        """D6: somebody without rights looks, and is refused changes by the polkit that systemd starts; root is not"""
        self.assertIn('local-1', self.run_in('bbctl slaves', user='ann').stdout)
        done = self.run_in('bbctl pause local-1', user='ann', check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn('org.bbhost.manage-slaves is not allowed', done.stdout)
        self.assertEqual(self.show('polkit')['ActiveState'], 'active')
        self.run_in('bbctl pause local-1 && bbctl resume local-1')

    def test_04_activation(self):
        """a stopped service is started by the first call on the bus, whoever calls; by bbctl it is not; nor is a disabled one"""
        # As any program on the bus may do it.
        call = 'busctl --system call org.bbhost /org/bbhost/Host org.freedesktop.DBus.Peer Ping'
        self.run_in('systemctl stop bbhost')
        done = self.run_in('bbctl status', check=False)
        self.assertEqual(done.returncode, 69, done.stdout)
        self.assertIn('bbhostd is not on the bus', done.stdout)
        self.assertEqual(self.show()['ActiveState'], 'inactive')
        self.run_in(call, user='ann')
        self.assertEqual(self.show()['ActiveState'], 'active')
        self.assertIn('local-1', self.run_in('bbctl slaves').stdout)
        self.run_in('systemctl disable --now bbhost')
        done = self.run_in(call, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.show()['ActiveState'], 'inactive')
        self.run_in('systemctl enable --now bbhost')

    def test_05_reload(self):
        """systemctl reload makes a changed configuration known, in the same process; a wrong one is told, and changes nothing"""
        pid = self.pid()
        self.configure('more', '[slave more]\npassword=x\n')
        self.run_in('systemctl reload bbhost')
        self.assertIn('more', [slave['name'] for slave in self.json('slaves')])
        since = self.cursor()
        self.configure('more', '[slave more]\npassword=x\n[slave less]\npassword=x\nmax_builds=many\n')
        done = self.run_in('systemctl reload bbhost', check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertRegex(self.journal(since), r'more\.conf.*\[slave less\].*max_builds.*many')
        self.assertIn('max_builds', self.run_in('bbctl reload', check=False).stdout)
        self.assertEqual([slave['name'] for slave in self.json('slaves')], ['local-1', 'more'])
        self.run_in('rm ' + CONF % 'more')
        self.run_in('systemctl reload bbhost')
        self.assertEqual([slave['name'] for slave in self.json('slaves')], ['local-1'])
        unit = self.show()
        self.assertEqual((unit['MainPID'], unit['ActiveState']), (pid, 'active'))

    def test_06_local(self):
        """a worker of the local plugin attaches, builds and is stopped, and its builds have no more rights than the daemon"""
        number = self.json('build local')['number']
        self.wait_build(int(number), state='finished', result='success')
        log = self.run_in('bbctl log %s' % number).stdout
        self.assertRegex(log, r"touch: .*/usr/spoilt.*Read-only file system")
        self.assertRegex(log, r'unshare: .*Operation not permitted')
        for line in ('NoNewPrivs:\t1', 'Seccomp:\t2', 'CapBnd:\t' + '0' * 16, 'bbhost', 'home:'):
            self.assertRegex(log, r'(?m)^%s$' % line)
        self.assertGreater(len(self.processes()), 1)

    def test_07_killed(self):
        """L33: killed, it is started again after five seconds; the worker that it had is gone, and the ledger knows"""
        self.wait_instance('local-1')
        pid = self.pid()
        since = self.cursor()
        self.run_in('kill -9 ' + pid)
        unit = self.wait_other(pid)
        self.assertEqual(unit['NRestarts'], '1')
        self.assertRegex(self.journal(since), r'(?s)status=9/KILL.*restart counter is at 1')
        self.wait_nothing_left()

    def test_08_wrong_configuration(self):
        """with a wrong configuration it fails once, says why, and is not started over and over; put right, it starts"""
        pid = self.pid()
        self.configure('wrong', '[slave wrong]\npassword=x\nmax_builds=many\n')
        since = self.cursor()
        self.run_in('kill -9 ' + pid)
        # Whatever is to be started again is not failed, but activating.
        unit = self.wait_unit(ActiveState='failed', ExecMainStatus='2')
        self.assertEqual((unit['Result'], unit['MainPID']), ('exit-code', '0'))
        journal = self.journal(since)
        self.assertEqual(len(re.findall('max_builds', journal)), 1, journal)
        self.assertRegex(journal, r'wrong\.conf.*\[slave wrong\].*max_builds.*many')
        done = self.run_in('systemctl start bbhost', check=False)
        self.assertNotEqual(done.returncode, 0)
        self.wait_unit(ActiveState='failed', ExecMainStatus='2')
        self.run_in('rm ' + CONF % 'wrong')
        self.run_in('systemctl start bbhost')
        self.assertEqual(self.show()['ActiveState'], 'active')

    def test_09_watchdog(self):
        """L33: one that hangs is killed by systemd's watchdog and started again, and its machine and its build are taken care of"""
        self.drop_in('watchdog', '[Service]\nWatchdogSec=10s\n')
        self.run_in('systemctl restart bbhost')
        number, row = self.hold()
        pid = self.pid()
        since = self.cursor()
        self.run_in('kill -STOP ' + pid)
        self.wait_other(pid)
        journal = self.journal(since)
        self.assertRegex(journal, r'Watchdog timeout \(limit 10s\)')
        self.assertIn("Failed with result 'watchdog'", journal)
        self.wait_instance('local-1', other_than=row['number'])
        again = self.wait_build(number, state='running')
        self.run_in('bbctl cancel %d && bbctl insubstantiate local-1' % again['number'])
        self.wait_nothing_left()
        self.run_in('rm ' + DROP_IN % 'watchdog')

    def test_10_credentials(self):
        """passwords that systemd hands over, one encrypted on disk: real workers attach with them, and run the README's build"""
        self.run_in('install -d -m 700 /etc/credstore.encrypted')
        self.run_in('printf %s | systemd-creds encrypt --name=bot-solaris - /etc/credstore.encrypted/bot-solaris'
                    % PASSWORDS['bot-solaris'])
        self.machine.write('/etc/bbhost/credentials/bot-plain', PASSWORDS['bot-plain'] + '\n', 0o600)
        self.drop_in('credentials', '[Service]\nLoadCredentialEncrypted=bot-solaris:/etc/credstore.encrypted/bot-solaris\n'
                                    'LoadCredential=bot-plain:/etc/bbhost/credentials/bot-plain\n')
        self.configure('bots', BOTS)
        self.run_in('systemctl restart bbhost')
        for name in PASSWORDS:
            self.run_in('systemd-run -q --unit=%s --uid=bot buildbot-worker start --nodaemon /home/bot/%s' % (name, name))
        wait_until(lambda: {slave['name'] for slave in self.json('slaves') if slave['attached']} >= set(PASSWORDS),
                   lambda: self.journal()[-3000:] + self.run_in('cat /home/bot/*/twistd.log').stdout[-3000:], BOOT, 2)
        self.assertIn('hello from bot-solaris on solaris', self.run_in('bbctl build hello --follow').stdout)
        pid = self.pid()
        told = self.run_in('cat /etc/credstore.encrypted/* /proc/%s/environ /proc/%s/cmdline | tr "\\0" "\\n"' % (pid, pid)).stdout
        self.assertIn('CREDENTIALS_DIRECTORY', told)
        self.assertNotRegex(told, '|'.join(PASSWORDS.values()))
        self.assertNotRegex(self.journal(), '|'.join(PASSWORDS.values()))

    def test_11_stopped(self):
        """systemctl stop lets a build end and leaves no process; a machine that is kept dies with the unit, and the next start knows"""
        self.configure('local', LOCAL.replace('[builder', 'keep_on_stop=true\n[builder', 1))
        self.run_in('systemctl reload bbhost')
        number = int(self.json('build hold -p s=5')['number'])
        self.wait_build(number, state='running')
        kept = self.wait_instance('local-1')
        self.run_in('systemctl stop bbhost')
        unit = self.show()
        self.assertEqual((unit['ActiveState'], unit['Result'], unit['ExecMainStatus']), ('inactive', 'success', '0'))
        self.assertEqual(self.run_in('cat /sys/fs/cgroup/system.slice/bbhost.service/cgroup.procs', check=False).returncode, 1)
        self.assertEqual(self.run_in('pgrep -u bbhost', check=False).stdout, '')
        left = self.run_in('bbhostd --list-open-instances', user='bbhost').stdout
        self.assertRegex(left, r'^local %s of slave local-1, running since \S+\n$' % kept['instance_id'])
        self.configure('local', LOCAL)
        self.run_in('systemctl start bbhost')
        self.wait_nothing_left()
        self.wait_build(number, state='finished', result='success')

    def test_12_powered_off(self):
        """L33: powered off in order in mid-build: the worker is stopped, and the build is tried again after the start"""
        self.drop_in('grace', '[Service]\nExecStart=\nExecStart=/usr/sbin/bbhostd --shutdown-grace=3\n')
        self.run_in('systemctl restart bbhost')
        number, row = self.hold()
        self.machine.power_off()
        self.machine.boot()
        self.assertEqual(len(set(self.machine.boots)), 2)
        self.run_in('systemctl is-system-running --wait', timeout=BOOT)
        before = self.run_in('journalctl --no-pager -q -o cat -b -1 -u bbhost').stdout
        end = before.rpartition('is ready')[2]
        self.assertRegex(end, r'instance %d of slave local-1: closed: stopped' % row['number'])
        self.assertIn('bbhost.service: Deactivated successfully', end)
        self.wait_instance('local-1', other_than=row['number'])
        self.wait_build(number, state='running')

    def test_13_power_cut(self):
        """C2, L33: without power in mid-build: the next start closes the worker in the ledger, and the build is tried again"""
        row = self.wait_instance('local-1')
        build = [build for build in self.json('builds') if build['state'] == 'running'][0]
        self.machine.unplug()
        self.machine.boot()
        self.assertEqual(len(set(self.machine.boots)), 3)
        self.run_in('systemctl is-system-running --wait', timeout=BOOT)
        other = self.wait_instance('local-1', other_than=row['number'])
        self.assertNotEqual(other['instance_id'], row['instance_id'])
        again = self.wait_build(build['number'], state='running')
        self.run_in('bbctl cancel %d && bbctl insubstantiate local-1' % again['number'])
        self.wait_nothing_left()


if __name__ == '__main__':
    own_mounts()
    try:
        bbtest.main()
    finally:
        print('# took %.0f s' % (time.monotonic() - BEGAN))
