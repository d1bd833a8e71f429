# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt backend against a real libvirtd and QEMU: real workers in virtual machines that are thrown away.

Set BB_TEST_GUEST to a folder to keep the guest's image in between runs.
"""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402

CONTRIB = os.path.join(bbtest.SRCDIR, 'contrib', 'libvirt')
# A guest boots in 13 s of CPU under emulation, and the machine may have more to do.
BOOT = 300.0


def reap_machines():
    """The script is the reaper of all below it: while nobody takes a dead QEMU away, libvirtd believes that it still runs."""
    while True:
        for entry in os.listdir('/proc'):
            try:
                if entry.isdigit() and bbtest.process_state(int(entry)) == 'Z':
                    with open('/proc/%s/comm' % entry) as f:
                        if f.read().startswith('qemu-system'):
                            os.waitpid(int(entry), os.WNOHANG)
            except OSError:
                pass
        time.sleep(0.2)


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **options)


# AddressSanitizer takes libtirpc's place, and calls nothing if that was not loaded from the beginning: a plugin's libraries are not.
if bbtest.is_sanitized():
    os.environ['LD_PRELOAD'] = 'libtirpc.so.3'
    os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'


class Hypervisor:
    """One for all tests; its folder's name is as awkward as a path may be."""

    def __init__(self):
        if not os.path.exists(os.path.join(bbtest.BUILDDIR, 'plugins', 'libvirt', 'libvirt.la')):
            raise unittest.SkipTest('the libvirt plugin was not built')
        for program in ('libvirtd', 'virsh', 'qemu-system-x86_64', 'qemu-img', 'cpio', 'mke2fs', 'busybox', 'apt-get'):
            if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
                raise unittest.SkipTest('there is no %s' % program)
        self.dir = bbtest.TempDir()
        guest = os.environ.get('BB_TEST_GUEST') or self.dir('guest')
        made = run(os.path.join(CONTRIB, 'make-guest-image'), guest)
        if made.returncode != 0:
            raise unittest.SkipTest('the guest can\'t be made: ' + ' '.join(made.stderr.split())[-200:])
        self.images = self.dir('it\'s "the" images')
        os.mkdir(self.images)
        for name in ('vmlinuz', 'initrd.gz', 'base.qcow2'):
            shutil.copy(os.path.join(guest, name), self.images)
        self.base = os.path.join(self.images, 'base.qcow2')
        self.start()

    def start(self):
        started = run(os.path.join(CONTRIB, 'private-libvirtd'), 'start', self.dir('lv'))
        if started.returncode != 0:
            raise unittest.SkipTest('no libvirtd here: ' + ' '.join(started.stderr.split())[-300:])
        self.uri = started.stdout.strip()

    def stop(self):
        run(os.path.join(CONTRIB, 'private-libvirtd'), 'stop', self.dir('lv'))

    @property
    def pid(self):
        with open(self.dir('lv', 'libvirtd.pid')) as f:
            return int(f.read())

    def virsh(self, *arguments):
        done = run('virsh', '-q', '-c', self.uri, *arguments)
        if done.returncode != 0:
            raise AssertionError('virsh %s: %s' % (' '.join(arguments), done.stderr))
        return done.stdout

    def domains(self):
        return self.virsh('list', '--name').split()

    def digest(self):
        with open(self.base, 'rb') as f:
            return hashlib.sha256(f.read()).hexdigest()

    def files(self):
        return sorted(name for name in os.listdir(self.images) if not name.endswith('.console'))

    def xml(self):
        """Of contrib, for our folder; written as XML has it."""
        with open(os.path.join(CONTRIB, 'slave.xml')) as f:
            escaped = self.images.replace('&', '&amp;').replace("'", '&apos;').replace('"', '&quot;')
            return f.read().replace('IMAGES', escaped)


class Libvirt(bbtest.Case):
    @classmethod
    def setUpClass(cls):
        threading.Thread(target=reap_machines, daemon=True).start()
        cls.hypervisor = Hypervisor()

    @classmethod
    def tearDownClass(cls):
        cls.hypervisor.stop()

    def setUp(self):
        self.before = self.hypervisor.digest()
        self.addCleanup(self.check_nothing_left)

    def check_nothing_left(self):
        self.assertEqual(self.hypervisor.domains(), [])
        self.assertEqual(self.hypervisor.files(), ['base.qcow2', 'initrd.gz', 'vmlinuz'])
        self.assertEqual(self.hypervisor.digest(), self.before)

    def config(self, slaves=('vm1',), wait=0, more='hand_over=fwcfg', xml=True):
        h = self.hypervisor
        text = bbtest.Daemon.listener(None) + '[host]\nlogin_grace=60\n'
        for name in slaves:
            text += ('[slave %s]\ntype=libvirt\npassword=auto\nconnection=%s\nbase_image=%s\nhd_image=%s/%%(slave:name)s.qcow2\n'
                     'masterFQDN=10.0.2.2\nbuild_wait_timeout=%s\nmissing_timeout=600\n%s\n' % (
                         name, h.uri, h.base, h.images, wait, more))
            if xml:
                text += 'xml_file=%s\n' % h.dir.write('slave.xml', h.xml())
            text += '[builder b-%s]\nslavenames=%s;\nsteps=uname;\n[builder hold-%s]\nslavenames=%s;\nsteps=hold;\n' % (
                name, name, name, name)
        return text + '[step uname]\ncommand=uname -n; echo spoilt > /usr/spoilt; ls /usr\n[step hold]\ncommand=sleep %(prop:s:-600)s\n'

    def log_of(self, number):
        return self.daemon.bbctl('log', number).stdout

    def wait_gone(self):
        wait_until(lambda: self.daemon.json('instances') == [], lambda: self.daemon.log()[-3000:], BOOT)

    def test_fresh_each_time(self):
        """V2, V3, C13: two builds, two machines from one base image, at once and one after the other"""
        self.start_daemon(self.config(('vm1', 'vm10')))
        numbers = [self.daemon.submit(builder) for builder in ('b-vm1', 'b-vm10')]
        wait_until(lambda: len(self.hypervisor.domains()) == 2, lambda: self.daemon.log()[-3000:], BOOT)
        for name in ('vm1', 'vm10'):
            self.assertNotIn('password="', self.hypervisor.virsh('dumpxml', name))
        for number, name in zip(numbers, ('vm1', 'vm10')):
            self.daemon.wait_build(number, BOOT, state='finished', result='success')
            self.assertRegex(self.log_of(number), r'(?m)^%s$' % name)
        number = self.daemon.submit('b-vm1')
        self.daemon.wait_build(number, BOOT, state='finished', result='success')
        self.assertEqual(self.log_of(number).count('spoilt'), self.log_of(numbers[0]).count('spoilt'))
        self.wait_gone()

    def test_defined(self):
        """V1, V14: a defined domain, its password on a disk for cloud-init; the definition stays as it was"""
        text = self.hypervisor.xml().replace('<name>slave<', '<name>vm1<').replace('%(slave:name)s', 'vm1')
        self.hypervisor.virsh('define', self.hypervisor.dir.write('vm1.xml', text))
        self.addCleanup(self.hypervisor.virsh, 'undefine', 'vm1')
        before = self.hypervisor.virsh('dumpxml', '--inactive', '--security-info', 'vm1')
        self.start_daemon(self.config(more='hand_over=nocloud;metadata\ngraceful_shutdown=true', xml=False))
        number = self.daemon.submit('hold-vm1', '-p', 's=1')
        wait_until(lambda: self.hypervisor.domains(), lambda: self.daemon.log()[-3000:], BOOT)
        self.assertIn('username=', self.hypervisor.virsh('metadata', 'vm1', 'http://buildbot.net/'))
        self.daemon.wait_build(number, BOOT, state='finished', result='success')
        self.wait_gone()
        self.assertEqual(self.hypervisor.virsh('dumpxml', '--inactive', '--security-info', 'vm1'), before)

    def test_destroyed(self):
        """V12, L22: destroyed from outside in mid-build: noticed at once; the build is tried again on a fresh machine"""
        self.start_daemon(self.config())
        number = self.daemon.submit('hold-vm1')
        self.daemon.wait_build(number, BOOT, state='running')
        first = self.daemon.json('instances')[0]['number']
        self.hypervisor.virsh('destroy', 'vm1')
        # Either the event or, as here with the guest's network in QEMU, the end of its connection.
        self.daemon.wait_log(r'substantiated to insubstantiating', 15)
        running = wait_until(lambda: [b for b in self.daemon.builds().values() if b['state'] == 'running'
                                      and self.daemon.json('instances')[0]['number'] != first],
                             lambda: self.daemon.log()[-3000:], BOOT)
        self.daemon.bbctl('cancel', running[0]['number'])
        self.wait_gone()

    def test_libvirtd_killed(self):
        """V10: libvirtd is killed and comes again while a build runs: the build ends well, and the machine is stopped"""
        self.start_daemon(self.config())
        number = self.daemon.submit('hold-vm1', '-p', 's=15')
        self.daemon.wait_build(number, BOOT, state='running')
        pid = self.hypervisor.pid
        os.kill(pid, signal.SIGKILL)
        self.daemon.wait_log(r'the connection to \S+ is lost')
        self.hypervisor.start()
        self.daemon.wait_log(r'connected to \S+ again', 120)
        self.daemon.wait_build(number, BOOT, state='finished', result='success')
        self.wait_gone()

    def test_bbhostd_killed(self):
        """L33, C2: bbhostd is killed with a machine up: the next one takes it over, or stops it"""
        self.start_daemon(self.config(wait=5))
        number = self.daemon.submit('hold-vm1')
        self.daemon.wait_build(number, BOOT, state='running')
        port = self.daemon.port
        self.daemon.kill()
        self.daemon.configure(self.config(wait=5).replace('port=0', 'port=%d' % port))
        self.daemon.start()
        again = wait_until(lambda: [b for b in self.daemon.builds().values() if b['state'] == 'running'],
                           lambda: self.daemon.log()[-3000:], BOOT)
        self.daemon.bbctl('cancel', again[0]['number'])
        self.wait_gone()

    def test_dies_at_boot(self):
        """L10: a guest that powers off without a worker: the reason is what its console said last"""
        text = self.hypervisor.xml().replace('panic=-1', 'panic=-1 rdinit=/nonexistent init=/nonexistent')
        self.start_daemon(self.config() .replace('slave.xml', 'broken.xml')
                          if self.hypervisor.dir.write('broken.xml', text) else '')
        number = self.daemon.submit('b-vm1')
        wait_until(lambda: re.search(r'end of its console: .*', self.daemon.slave('vm1')['last_error'] or ''),
                   lambda: self.daemon.log()[-3000:], BOOT)
        self.daemon.bbctl('cancel', number)
        self.wait_gone()


if __name__ == '__main__':
    bbtest.main()
