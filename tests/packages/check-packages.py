# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages, as an administrator meets them: built twice and compared, looked at by lintian, and installed into a
clean system (debootstrap), where the service's command is run by its user on a system bus with polkit; a plugin is added,
used and removed; an upgrade and a purge. `make check-packages` runs this; it needs root, and Debian's archive.

The last line is the sum. The cases are in order, and each goes on where the one before it ended.
"""
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'integration'))
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402
from debianroot import LONG, Builder, CleanRoot, own_mounts, read, require, run  # noqa: E402

PLUGINS = ('ec2', 'libvirt', 'openstack', 'smtp')

LOCAL = '''[slave local-1]
type=local
password=auto
build_wait_timeout=0
[builder hello]
slavenames=local-1;
steps=hello;
[step hello]
command=echo hello from %(prop:slavename)s
'''
# Nothing listens there, so that its start stays open.
CLOUD = '''[slave cloud-1]
type=ec2
password=auto
region=local
endpoint=http://127.0.0.1:9/
identifier=key
secret_identifier=secret
instance_type=small
ami=ami-1
'''
SLEEPER = '[slave sleeper]\ntype=local\npassword=auto\nargv=sleep;3600;\n'


class Root(CleanRoot):
    """The service in it is run by hand, as nothing there is process 1."""

    def __init__(self, path):
        super().__init__(path)
        self.bus = self.daemon = None

    # --- the service, as its unit says

    def start_bus(self):
        os.makedirs(self('run/dbus'), exist_ok=True)
        self.bus = subprocess.Popen(self.command('dbus-daemon', '--system', '--nofork', '--nopidfile'),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        wait_until(lambda: os.path.exists(self('run/dbus/system_bus_socket')), 'the bus')

    def start(self):
        unit = read(self('lib/systemd/system/bbhost.service'))
        user = re.search(r'(?m)^User=(\S+)', unit).group(1)
        command = re.search(r'(?m)^ExecStart=(\S+)$', unit).group(1)
        path = self('run/notify')
        if os.path.exists(path):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            os.chmod(path, 0o777)
            notify.settimeout(bbtest.DEADLINE)
            with open(self('run/bbhostd.log'), 'w') as log:
                self.daemon = subprocess.Popen(self.command('NOTIFY_SOCKET=/run/notify', command, user=user),
                                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                told = notify.recv(4096)
            except socket.timeout:
                told = b''
        if told != b'READY=1':
            raise AssertionError('the service did not start:\n' + self.log())

    def log(self):
        return read(self('run/bbhostd.log'))

    def pid(self):
        """Of the daemon itself, below runuser."""
        return [pid for pid, command in bbtest.descendants().items() if command.startswith('/usr/sbin/bbhostd')][0]

    def stop(self, number=signal.SIGTERM):
        os.kill(self.pid(), number)
        self.daemon.wait(LONG)
        self.daemon = None

    def close(self):
        for pid in bbtest.descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in (self.bus, self.daemon):
            if process:
                process.wait(bbtest.DEADLINE)

    def bbctl(self, *arguments, user='root', check=True):
        return self.run('bbctl', *arguments, user=user, check=check)


class Packages(bbtest.Case):
    root = packages = previous = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest('it needs root: debootstrap and chroot')
        require('dpkg-buildpackage', 'dh', 'debootstrap', 'chroot', 'mount')
        cls.directory = bbtest.TempDir()
        cls.builder = Builder(cls.directory)
        cls.trouble = None
        cls.maker = threading.Thread(target=cls.make_root)
        cls.maker.start()

    @classmethod
    def make_root(cls):
        root = Root(cls.directory('root'))
        try:
            root.make()
            cls.root = root
        except Exception as error:  # told by each case that needs it
            cls.trouble = error

    @classmethod
    def tearDownClass(cls):
        cls.maker.join()
        if cls.root:
            cls.root.close()
            run('umount', '-l', cls.root('proc'))
        cls.directory.remove()

    def need_packages(self):
        if not self.packages:
            self.skipTest('there are no packages; see above')

    def need_root(self):
        self.need_packages()
        self.maker.join()
        if isinstance(self.trouble, unittest.SkipTest):
            self.skipTest(str(self.trouble))
        if self.trouble:
            raise self.trouble

    def test_01_build(self):
        """the packages are built from a clean copy of what was committed"""
        # While one works on the cases below, those of an earlier run will do.
        Packages.packages = os.environ.get('BB_TEST_PACKAGES') or self.builder.build(self.builder.head, 'one')
        names = {os.path.basename(path).partition('_')[0] for path in glob.glob(self.packages + '/*.deb')}
        self.assertLessEqual({'bbhost', 'libbbhost-1-0', 'libbbhost-dev', 'bbhost-doc'}
                             | {'bbhost-plugin-' + name for name in PLUGINS}, names)

    def test_02_reproducible(self):
        """built again in another folder, each package has the same bits"""
        self.need_packages()
        again = self.builder.build(self.builder.head, 'two-in-a-folder-with-a-longer-name')
        different = []
        for path in sorted(glob.glob(self.packages + '/*.deb')):
            digests = []
            for folder in (self.packages, again):
                with open(os.path.join(folder, os.path.basename(path)), 'rb') as f:
                    digests.append(hashlib.sha256(f.read()).hexdigest())
            if digests[0] != digests[1]:
                different.append(os.path.basename(path))
        self.assertEqual(different, [])

    def test_03_lintian(self):
        """lintian has no error and no warning"""
        require('lintian')
        self.need_packages()
        changes, = glob.glob(self.packages + '/*.changes')
        done = run('lintian', '--allow-root', '--fail-on', 'error,warning', '--suppress-tags', 'bad-distribution-in-changes-file',
                   changes, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_04_dependencies(self):
        """each plugin brings its own dependencies and no other's"""
        self.need_packages()
        own = {'libxml2': ('ec2', 'libvirt'), 'libvirt0': ('libvirt',), 'libyaml-0-2': ('openstack',),
               'libgmime-3.0-0': ('smtp',)}
        for name in (None, *PLUGINS):
            path, = glob.glob('%s/%s_*.deb' % (self.packages, 'bbhost-plugin-' + name if name else 'bbhost'))
            depends = run('dpkg-deb', '-f', path, 'Depends').stdout
            for library, plugins in own.items():
                self.assertEqual(library in depends, name in plugins, '%s: %s' % (path, depends))

    def test_05_previous(self):
        """the packages of the commit before this one, installed into a clean system, run a build"""
        self.need_packages()
        if not self.builder.has_history():
            self.skipTest('there is no commit before this one with packages')
        self.need_root()
        folder = self.builder.build(self.builder.head + '^', 'previous', 'nocheck noopt', '~previous')
        root = self.root
        root.install(folder, 'bbhost', 'libbbhost-1-0', more=('buildbot-worker',))
        root.start_bus()
        root.configure('local', LOCAL)
        root.start()
        root.bbctl('build', 'hello', '--wait')
        root.stop()
        Packages.previous = (read(root('var/lib/bbhost/store-id')), read(root('etc/bbhost/conf.d/local.conf')))

    def test_06_install(self):
        """installed by apt, on top of those if there are; the configuration is the daemon's alone"""
        self.need_root()
        root = self.root
        root.install(self.packages, 'bbhost', 'libbbhost-1-0', more=('buildbot-worker',))
        root.configure('local', LOCAL)
        for path, expected in (('etc/bbhost/bbhost.conf', 'bbhost bbhost 600'), ('etc/bbhost', 'root bbhost 750'),
                               ('etc/bbhost/conf.d/local.conf', 'bbhost bbhost 600'), ('var/lib/bbhost', 'bbhost bbhost 700')):
            self.assertEqual(root.run('stat', '-c', '%U %G %a', '/' + path).stdout.strip(), expected, path)
        done = run('systemd-analyze', 'verify', '--man=no', '--root=' + root.path, 'bbhost.service', check=False)
        self.assertNotIn('bbhost', done.stdout)

    def test_07_service(self):
        """the service's command, run by its user on the system's bus, runs the example build; the store is the old one"""
        self.need_root()
        root = self.root
        if not root.bus:
            root.start_bus()
        root.start()
        self.assertEqual(root.run('stat', '-c', '%U', '/proc/%d' % root.pid()).stdout.strip(), 'bbhost')
        builds = root.bbctl('--json', 'builds').stdout
        if self.previous:
            self.assertEqual(self.previous, (read(root('var/lib/bbhost/store-id')),
                                             read(root('etc/bbhost/conf.d/local.conf'))))
            self.assertIn('"result":"success"', builds.replace(' ', ''))
        done = root.bbctl('build', 'hello', '--follow')
        self.assertIn('hello from local-1', done.stdout)

    def test_08_polkit(self):
        """D6: a user without the right reads, and is refused changes with the action's name; root is not"""
        self.need_root()
        root = self.root
        root.run('useradd', '-m', 'ann')
        self.assertIn('local-1', root.bbctl('slaves', user='ann').stdout)
        for verb, action in ((('pause', 'local-1'), 'manage-slaves'), (('build', 'hello'), 'run-builds'),
                             (('reload',), 'manage-host')):
            done = root.bbctl(*verb, user='ann', check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn('org.bbhost.%s is not allowed' % action, done.stdout)
        root.bbctl('pause', 'local-1')
        root.bbctl('resume', 'local-1')
        root.write('etc/polkit-1/rules.d/50-ann.rules',
                   'polkit.addRule(function(action, subject) {\n  if (action.id == "org.bbhost.run-builds" && '
                   'subject.user == "ann")\n    return polkit.Result.YES;\n});\n')
        wait_until(lambda: root.bbctl('build', 'hello', user='ann', check=False).returncode == 0, 'the rule to be known')

    def test_09_plugin(self):
        """D16: a type whose package is missing is an error that names it; installed, the running daemon has it"""
        self.need_root()
        root = self.root
        root.configure('cloud', CLOUD)
        done = root.run('bbhostd', '--check-config', user='bbhost', check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('install the package bbhost-plugin-ec2', done.stdout)
        self.assertNotIn('cloud-1', root.bbctl('slaves').stdout)
        pid = root.pid()
        output = root.install(self.packages, 'bbhost-plugin-ec2')
        self.assertIn('cloud-1', root.bbctl('slaves').stdout, output)
        self.assertEqual(root.pid(), pid)
        self.assertEqual(root.run('bbhostd', '--check-config', user='bbhost').stdout, '')
        root.bbctl('substantiate', 'cloud-1')
        wait_until(lambda: '"ec2"' in root.bbctl('--json', 'instances').stdout, lambda: root.log()[-3000:])

    def test_10_plugin_removed(self):
        """D16: when it is removed, what it leaves open is told, its slaves are an error that names the package, others work on"""
        self.need_root()
        root = self.root
        done = root.apt('remove', 'bbhost-plugin-ec2')
        self.assertRegex(done.stdout, r'(?s)bbhost-plugin-ec2: WARNING.*ec2 \(id unknown\) of slave cloud-1')
        done = root.run('bbhostd', '--check-config', user='bbhost', check=False)
        self.assertIn('install the package bbhost-plugin-ec2', done.stdout)
        root.stop()
        root.start()
        self.assertIn('install the package bbhost-plugin-ec2', root.log())
        self.assertIn('hello from local-1', root.bbctl('build', 'hello', '--follow').stdout)
        os.unlink(root('etc/bbhost/conf.d/cloud.conf'))
        # It may have closed before the plugin went: nothing was ever asked of that cloud. Without its plugin it can't.
        for row in json.loads(root.bbctl('--json', 'instances').stdout):
            if row['backend'] == 'ec2':
                root.bbctl('forget', str(row['number']), '--yes', '--reason', 'there never was such a cloud')

    def test_11_purge(self):
        """D16: removing and purging name the machines that are not gone, and keep their ledger"""
        self.need_root()
        root = self.root
        root.configure('sleeper', SLEEPER)
        root.bbctl('reload')
        root.bbctl('substantiate', 'sleeper')
        wait_until(lambda: re.search(r'"instance_id": ?"\d', root.bbctl('--json', 'instances').stdout), 'an instance')
        root.stop(signal.SIGKILL)
        done = root.apt('remove', 'bbhost')
        self.assertRegex(done.stdout, r'(?s)WARNING.*local \S+ of slave sleeper, running since')
        done = root.apt('purge', 'bbhost')
        self.assertRegex(done.stdout, r'(?s)may cost money.*local \S+ of slave sleeper, running since')
        self.assertTrue(os.path.exists(root('var/lib/bbhost/bbhost.db')))

    def test_12_installed_again(self):
        """installed again, the ledger is there and the machine can be stopped; then a purge leaves nothing and warns of nothing"""
        self.need_root()
        root = self.root
        root.install(self.packages, 'bbhost')
        root.start()
        root.bbctl('insubstantiate', 'sleeper')
        wait_until(lambda: root.bbctl('--json', 'instances').stdout.strip() == '[]', lambda: root.log()[-3000:], LONG)
        root.stop()
        done = root.apt('purge', 'bbhost')
        self.assertNotIn('WARNING', done.stdout)
        self.assertFalse(os.path.exists(root('var/lib/bbhost')))
        self.assertFalse(os.path.exists(root('etc/bbhost/bbhost.conf')))


if __name__ == '__main__':
    own_mounts()
    began = time.monotonic()
    try:
        bbtest.main()
    finally:
        print('# took %.0f s' % (time.monotonic() - began))
