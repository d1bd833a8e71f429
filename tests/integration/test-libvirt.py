# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt backend against a real libvirtd and QEMU, as far as it takes seconds: machines that have nothing to boot, and
one build in a guest. test-libvirt-guests.py has the rest."""
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import vmhost  # noqa: E402
from bbtest import wait_until  # noqa: E402


class Machines(vmhost.Case):
    def start_machines(self, *slaves, names=()):
        self.start_daemon(self.config(*slaves).replace('login_grace=60', 'login_grace=1'))
        self.substantiate(*names)

    def substantiate(self, *names):
        for name in names:
            self.daemon.bbctl('substantiate', name)
        for name in names:
            self.wait_row(name, 'running')

    def wait_row(self, name, state):
        return wait_until(lambda: [row for row in self.daemon.json('instances')
                                   if row['slave'] == name and row['state'] == state], self.tail, vmhost.BOOT)[0]

    def blank(self, name, **options):
        return self.slave(name, self.hypervisor.blank_xml(), **options)

    def test_hidden(self):
        """A10, V2, V3: what fwcfg and nocloud hand over is neither in ps nor in a read-only dumpxml, as fwcfg-inline is"""
        ways = ('fwcfg', 'nocloud', 'fwcfg-inline')
        names = ['vm-' + way for way in ways]
        self.start_machines(*(self.blank(name, hand_over=way, password='sesame-' + way + '-4711', hourly_cost='0.25')
                              for name, way in zip(names, ways)), names=names)
        self.assertEqual(self.hypervisor.domains(), sorted(names))
        processes = vmhost.run('ps', 'axww', '-o', 'args').stdout
        for name, way in zip(names, ways):
            xml = self.hypervisor.virsh('dumpxml', name, readonly=True)
            secret = 'sesame-' + way + '-4711'
            self.assertEqual((secret in processes, secret in xml), (way == 'fwcfg-inline',) * 2, way)
        files = self.hypervisor.files()
        self.assertEqual([name for name in files if name.endswith('.password')], [])
        seed, = [name for name in files if name.endswith('.iso')]
        self.assertEqual(os.stat(os.path.join(self.hypervisor.images, seed)).st_mode & 0o777, 0o600)
        image = vmhost.run('qemu-img', 'info', '-U', os.path.join(self.hypervisor.images, names[0] + '.qcow2')).stdout
        self.assertIn('backing file: ' + self.hypervisor.base, image)
        self.assertIn('backing file format: qcow2', image)
        costs = {row['slave']: row['hourly_cost'] for row in self.daemon.json('instances')}
        self.assertEqual(costs, {'vm-fwcfg': 0.25, 'vm-nocloud': 0.25, 'vm-fwcfg-inline': 0.25})
        for name in names:
            self.daemon.bbctl('insubstantiate', name)
        self.wait_gone()

    def test_names(self):
        """C4, V7: vm1, which somebody else has started, is left alone whatever becomes of ours, which is vm10"""
        h = self.hypervisor
        theirs = h.dir.write('theirs.xml', h.blank_xml().replace('>any<', '>vm1<').replace('%(slave:name)s', 'base')
                             .replace("<target dev='vda'", "<readonly/><target dev='vda'"))
        h.virsh('create', theirs)
        self.addCleanup(h.virsh, 'destroy', 'vm1')
        self.start_machines(self.blank('vm1'), self.blank('vm10'), names=['vm10'])
        self.assertEqual(h.domains(), ['vm1', 'vm10'])
        number = self.daemon.submit('b-vm1')
        wait_until(lambda: 'was not started by this bbhost; it is left alone' in (self.daemon.slave('vm1')['last_error'] or ''),
                   self.tail)
        self.daemon.bbctl('cancel', number)
        self.daemon.bbctl('insubstantiate', 'vm10')
        self.wait_gone()
        self.assertEqual(h.domains(), ['vm1'])

    def test_killed(self):
        """C2, C3, C6, C13: kill -9 with three machines up: one is gone meanwhile, one's slave is, the third never comes back"""
        h = self.hypervisor
        names = ['vm1', 'vm2', 'vm10']
        config = [self.blank(name, hand_over='nocloud') for name in names]
        self.start_machines(*config, names=names)
        self.daemon.kill()
        h.virsh('destroy', 'vm1')
        self.daemon.configure(self.config(config[0], config[2]).replace('login_grace=60', 'login_grace=1'))
        self.daemon.start()
        self.wait_gone()
        self.assertEqual(h.files(), h.own)

    def test_destroyed(self):
        """V12: what is destroyed from outside is noticed by libvirt's event, before anything is asked"""
        self.start_machines(self.blank('vm1', check_instance_interval=3600), names=['vm1'])
        self.hypervisor.virsh('destroy', 'vm1')
        self.wait_gone()
        self.assertIn('the domain was destroyed', self.daemon.slave('vm1')['last_error'])

    def test_shutdown_timeout(self):
        """V8: a guest that does not listen is destroyed when shutdown_timeout is over"""
        self.start_machines(self.blank('vm1', graceful_shutdown='true', shutdown_timeout=2), names=['vm1'])
        began = time.monotonic()
        self.daemon.bbctl('insubstantiate', 'vm1')
        self.wait_gone()
        self.assertGreaterEqual(time.monotonic() - began, 2)


class Guest(vmhost.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hypervisor.add_guest()

    def test_build(self):
        """V2, V3, C13: a build on a fresh machine, whose image is gone afterwards, while the base image is as it was"""
        self.start_daemon(self.config(self.slave('vm1', self.hypervisor.guest_xml(), hand_over='fwcfg')))
        number = self.daemon.submit('b-vm1')
        self.daemon.wait_build(number, vmhost.BOOT, state='finished', result='success')
        self.assertRegex(self.log_of(number), r'(?m)^vm1$')
        self.wait_gone()
        with open(os.path.join(self.hypervisor.images, 'vm1.console'), errors='replace') as console:
            self.assertIn('name=vm1', console.read())


if __name__ == '__main__':
    bbtest.main()
