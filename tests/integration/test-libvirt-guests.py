# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt backend against a real libvirtd and QEMU, at length: real workers in virtual machines that are thrown away, and
a hypervisor of another machine whose connection fails in every way. Minutes; `make check-libvirt` runs it."""
import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import vmhost  # noqa: E402
from bbtest import wait_until  # noqa: E402


class Guests(vmhost.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hypervisor.add_guest()

    def guest(self, name, **options):
        return self.slave(name, self.hypervisor.guest_xml(), **dict(dict(hand_over='fwcfg'), **options))

    def build(self, name):
        number = self.daemon.submit('b-' + name)
        self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
        return number

    def test_fresh_each_time(self):
        """V2, V3, C13: machines from one base image, two at once and then one after the other, each on a clean disk"""
        self.start_daemon(self.config(self.guest('vm1'), self.guest('vm10')))
        numbers = [self.daemon.submit(builder) for builder in ('b-vm1', 'b-vm10')]
        self.wait_machines('vm1', 'vm10')
        for number, name in zip(numbers, ('vm1', 'vm10')):
            self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
            self.assertRegex(self.log_of(number), r'(?m)^%s$' % name)
        self.build('vm1')
        self.wait_gone()

    def test_full_copy(self):
        """V3: without cheap_copy it is a copy, which needs no base image"""
        self.start_daemon(self.config(self.guest('vm1', cheap_copy='false', build_wait_timeout=600)))
        self.build('vm1')
        image = vmhost.run('qemu-img', 'info', '-U', os.path.join(self.hypervisor.images, 'vm1.qcow2')).stdout
        self.assertNotIn('backing file', image)
        self.daemon.bbctl('insubstantiate', 'vm1')
        self.wait_gone()

    def test_each_way(self):
        """A10: guests that learn who they are from a disk, from SMBIOS, from the command line and from an open fw_cfg entry"""
        ways = {'nocloud': 'vm1', 'smbios': 'vm2', 'cmdline': 'vm3', 'fwcfg-inline': 'vm4'}
        self.start_daemon(self.config(*(self.guest(name, hand_over=way) for way, name in ways.items())))
        for way, name in ways.items():
            self.assertRegex(self.log_of(self.build(name)), r'(?m)^%s$' % name)
        self.wait_gone()

    def test_defined(self):
        """V1, V8, V14: a defined domain; Buildbot's metadata while it runs; its definition stays as it was"""
        h = self.hypervisor
        text = h.guest_xml().replace('<name>slave<', '<name>vm1<').replace('%(slave:name)s', 'vm1')
        h.virsh('define', h.dir.write('vm1.xml', text))
        self.addCleanup(h.virsh, 'undefine', 'vm1')
        before = h.virsh('dumpxml', '--inactive', '--security-info', 'vm1')
        self.start_daemon(self.config(self.slave('vm1', None, hand_over='nocloud;metadata', graceful_shutdown='true')))
        number = self.daemon.submit('hold-vm1', '-p', 's=1')
        self.wait_machines('vm1')
        self.assertRegex(h.virsh('metadata', 'vm1', 'http://buildbot.net/'),
                         r'username="vm1" password="[^"]+" master="10\.0\.2\.2"')
        self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
        self.wait_gone()
        self.assertEqual(h.virsh('dumpxml', '--inactive', '--security-info', 'vm1'), before)
        with open(os.path.join(h.images, 'vm1.console'), errors='replace') as console:
            self.assertIn('power button', console.read())

    def test_destroyed(self):
        """V12, L22: destroyed from outside in mid-build: noticed at once; the build is tried again on a fresh machine"""
        self.start_daemon(self.config(self.guest('vm1')))
        number = self.daemon.submit('hold-vm1')
        _, first = self.wait_running(number)
        self.hypervisor.virsh('destroy', 'vm1')
        # By libvirt's event or, as the guest's network is in QEMU, by the end of its connection: whichever is first.
        self.daemon.wait_log(r'substantiated to insubstantiating')
        again, _ = self.wait_running(number, other_than=first['number'])
        self.assertEqual(self.daemon.builds()[number]['result'] if again['number'] != number else 'retry', 'retry')
        self.daemon.bbctl('cancel', again['number'])
        self.wait_gone()

    def test_libvirtd_killed(self):
        """V10: libvirtd is killed and comes again while a build runs: the build ends well, and the machine is stopped"""
        self.start_daemon(self.config(self.guest('vm1')))
        number = self.daemon.submit('hold-vm1', '-p', 's=15')
        _, row = self.wait_running(number)
        os.kill(self.hypervisor.pid, signal.SIGKILL)
        self.daemon.wait_log(r'the connection to \S+ is lost')
        self.hypervisor.start()
        self.daemon.wait_log(r'connected to \S+ again', 120)
        self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
        self.assertEqual([other for other in self.daemon.json('instances') if other['number'] != row['number']], [])
        self.wait_gone()

    def test_bbhostd_killed(self):
        """L33, C2: bbhostd is killed with a machine up: the next one takes it over, or stops it and starts another"""
        self.start_daemon(self.config(self.guest('vm1', build_wait_timeout=5)))
        number = self.daemon.submit('hold-vm1')
        self.wait_running(number)
        port = self.daemon.port
        self.daemon.kill()
        self.daemon.configure(self.config(self.guest('vm1', build_wait_timeout=5)).replace('port=0', 'port=%d' % port))
        self.daemon.start()
        again, _ = self.wait_running(number)
        self.daemon.bbctl('cancel', again['number'])
        self.wait_gone()

    def test_dies_at_boot(self):
        """L10: a guest that ends without a worker: the reason is what its console said last"""
        broken = self.hypervisor.guest_xml().replace('panic=-1', 'panic=-1 rdinit=/nonexistent init=/nonexistent')
        self.start_daemon(self.config(self.slave('vm1', broken, hand_over='fwcfg')))
        number = self.daemon.submit('b-vm1')
        wait_until(lambda: 'end of its console: ' in (self.daemon.slave('vm1')['last_error'] or ''), self.tail, vmhost.BOOT)
        self.daemon.bbctl('cancel', number)
        self.wait_gone()


class Torture(vmhost.Case):
    def test_killed_anywhere(self):
        """C2: bbhostd is killed at any point of a start, time and again: the last one finds all that was made"""
        config = self.config(self.slave('vm1', self.hypervisor.blank_xml(), hand_over='nocloud'),
                             self.slave('vm2', self.hypervisor.blank_xml(), hand_over='fwcfg'))
        config = config.replace('login_grace=60', 'login_grace=1\nreconcile_interval=2')
        self.start_daemon(config)
        for _ in range(int(os.environ.get('BB_TEST_ROUNDS', 10))):
            for name in ('vm1', 'vm2'):
                self.daemon.bbctl('substantiate', name, expect=None)
            # Not a wait: the point at which it is killed.
            time.sleep(random.uniform(0, 2.5))
            self.daemon.kill()
            self.daemon.start(*self.daemon.options['arguments'])
        self.wait_gone()
        wait_until(lambda: self.hypervisor.domains() == [] and self.hypervisor.files() == self.hypervisor.own,
                   lambda: '%s %s\n%s' % (self.hypervisor.domains(), self.hypervisor.files(), self.tail()))


class Remote(vmhost.Case):
    """A libvirtd that is on another machine as far as libvirt and bbhost know: images are made by its storage pools."""

    def setUp(self):
        super().setUp()
        self.uri = self.hypervisor.make_remote()
        self.ssh = self.hypervisor.dir('ssh')

    def blank(self, name, **options):
        return self.slave(name, self.hypervisor.blank_xml(), **dict(dict(uri=self.uri, hand_over='nocloud'), **options))

    def start_machines(self, *slaves, names=(), **host):
        keys = ''.join('%s=%s\n' % item for item in host.items())
        self.start_daemon(self.config(*slaves).replace('login_grace=60\n', 'login_grace=1\n' + keys))
        for name in names:
            self.daemon.bbctl('substantiate', name)
        self.wait_rows('running', *names)

    def wait_rows(self, state, *names):
        wait_until(lambda: sorted(row['slave'] for row in self.daemon.json('instances') if row['state'] == state)
                   == sorted(names), self.tail, vmhost.BOOT)

    def connections(self):
        """Processes that stand for ssh."""
        return [pid for pid, command in bbtest.descendants().items() if self.ssh in command]

    def break_ssh(self, broken):
        """For new connections."""
        if broken:
            os.rename(self.ssh, self.ssh + '.whole')
            self.hypervisor.dir.write('ssh', '#!/bin/sh\nexit 255\n', 0o700)
        else:
            os.rename(self.ssh + '.whole', self.ssh)

    def test_clone(self):
        """V3, V14, C13: overlay and seed are volumes of the hypervisor's, and gone afterwards"""
        h = self.hypervisor
        self.start_machines(self.blank('vm1'), self.blank('vm10', cheap_copy='false'), names=['vm1', 'vm10'])
        images = [vmhost.run('qemu-img', 'info', '-U', os.path.join(h.images, name + '.qcow2')).stdout
                  for name in ('vm1', 'vm10')]
        self.assertIn('backing file: ' + h.base, images[0])
        self.assertIn('backing file format: qcow2', images[0])
        self.assertIn('file format: qcow2', images[1])
        self.assertNotIn('backing file', images[1])
        self.assertEqual(len([name for name in h.files() if name.endswith('.iso')]), 2)
        for name in ('vm1', 'vm10'):
            self.daemon.bbctl('insubstantiate', name)
        self.wait_gone()

    def test_build(self):
        """V3: a build in a guest of another machine"""
        self.hypervisor.add_guest()
        self.before = self.hypervisor.digest()
        self.start_daemon(self.config(self.slave('vm1', self.hypervisor.guest_xml(), uri=self.uri, hand_over='nocloud')))
        number = self.daemon.submit('b-vm1')
        self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
        self.assertRegex(self.log_of(number), r'(?m)^vm1$')
        self.wait_gone()

    def test_no_pool(self):
        """V5: without a pool for the images nothing is started, and the error says what to do"""
        self.hypervisor.virsh('pool-destroy', 'images')
        self.start_machines(self.blank('vm1', base_format='qcow2'))
        number = self.daemon.submit('b-vm1')
        wait_until(lambda: 'make one with: virsh pool-create-as' in (self.daemon.slave('vm1')['last_error'] or ''), self.tail)
        self.daemon.wait_build(number, state='finished', result='exception')
        self.wait_gone()

    def test_unreachable(self):
        """V9: unreachable at start-up: the daemon and other slaves run; when it comes back, so does its slave"""
        self.break_ssh(True)
        self.start_machines(self.blank('vm1'), self.blank('vm2', uri=self.hypervisor.uri), names=['vm2'])
        number = self.daemon.submit('b-vm1')
        wait_until(lambda: "can't be reached" in (self.daemon.slave('vm1')['last_error'] or ''), self.tail)
        self.break_ssh(False)
        self.wait_rows('running', 'vm1', 'vm2')
        self.daemon.bbctl('cancel', number)
        self.daemon.bbctl('insubstantiate', 'vm2')
        self.wait_gone()

    def test_unconfirmed(self):
        """C5: unreachable when a killed bbhostd starts again: the row stays open, and is closed when it can be"""
        self.start_machines(self.blank('vm1'), names=['vm1'], reconcile_interval=2)
        self.daemon.kill()
        self.break_ssh(True)
        self.daemon.start(*self.daemon.options['arguments'])
        self.daemon.wait_log(r"can't be asked for its instances")
        self.daemon.wait_log(r'could not be stopped')
        self.assertEqual(len(self.daemon.json('instances')), 1)
        self.break_ssh(False)
        self.wait_gone()

    def test_cut(self):
        """V10: the connection ends in the middle of it all: it is made again, and the machine is still known"""
        self.start_machines(self.blank('vm1'), names=['vm1'])
        pid, = self.connections()
        os.kill(pid, signal.SIGKILL)
        self.daemon.wait_log(r'the connection to \S+ is lost')
        self.daemon.wait_log(r'connected to \S+ again')
        self.wait_rows('running', 'vm1')
        self.daemon.bbctl('insubstantiate', 'vm1')
        self.wait_gone()

    def test_hangs(self):
        """V11: nothing comes back any more: other hypervisors are served meanwhile, and it is called again"""
        self.start_machines(self.blank('vm1'), self.blank('vm2', uri=self.hypervisor.uri), names=['vm1'])
        pid, = self.connections()
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(self.kill, pid)
        self.daemon.bbctl('insubstantiate', 'vm1')
        self.daemon.bbctl('substantiate', 'vm2')
        self.wait_machines('vm1', 'vm2')
        self.daemon.bbctl('insubstantiate', 'vm2')
        self.wait_machines('vm1')
        self.daemon.wait_log(r'the connection to \S+ is lost: it does not answer any more')
        self.wait_gone()

    def kill(self, pid):
        if bbtest.is_alive(pid):
            os.kill(pid, signal.SIGKILL)


if __name__ == '__main__':
    bbtest.main()
