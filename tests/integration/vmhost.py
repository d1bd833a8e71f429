# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd of the tests' own with QEMU, the guest that contrib/libvirt makes, and what all tests with them do.

Set BB_TEST_GUEST to a folder to keep the guest's image in between runs.
"""
import hashlib
import os
import shutil
import subprocess
import threading
import time
import unittest

import bbtest
from bbtest import wait_until

CONTRIB = os.path.join(bbtest.SRCDIR, 'contrib', 'libvirt')
# A guest boots in 13 s of CPU under emulation, and the machine may have more to do.
BOOT = 300.0

# A machine without anything to boot: it is there in a second, and stays, as its firmware waits for ever.
BLANK = '''<domain type='qemu'>
  <name>any</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='allow'>qemu64</model></cpu>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/>
      <source file='IMAGES/%(slave:name)s.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
'''

# What ssh and nc do for qemu+ssh:// on two machines; here both are this one. libvirt's arguments are of no interest.
SSH = '''#!/usr/bin/python3 -S
import os, select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(%r)
while True:
    for source in select.select([0, s.fileno()], [], [])[0]:
        data = os.read(source, 65536)
        if not data:
            sys.exit()
        while data:
            data = data[os.write(1 if source else s.fileno(), data):]
'''

# AddressSanitizer takes libtirpc's place, and calls nothing if that was not loaded from the beginning: a plugin's libraries are not.
if bbtest.is_sanitized():
    os.environ['LD_PRELOAD'] = 'libtirpc.so.3'
    os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **options)


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


class Hypervisor:
    """One for all tests of a script; its folder's name is as awkward as a path may be."""

    def __init__(self):
        if not os.path.exists(os.path.join(bbtest.BUILDDIR, 'plugins', 'libvirt', 'libvirt.la')):
            raise unittest.SkipTest('the libvirt plugin was not built')
        for program in ('libvirtd', 'virsh', 'qemu-system-x86_64', 'qemu-img'):
            if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
                raise unittest.SkipTest('there is no %s' % program)
        threading.Thread(target=reap_machines, daemon=True).start()
        self.dir = bbtest.TempDir()
        self.images = self.dir('it\'s "the" images')
        os.mkdir(self.images)
        self.base = os.path.join(self.images, 'base.qcow2')
        made = run('qemu-img', 'create', '-q', '-f', 'qcow2', self.base, '2G')
        if made.returncode != 0:
            raise AssertionError(made.stderr)
        self.own = ['base.qcow2']
        self.start()

    def add_guest(self):
        """Makes the base image one that runs a worker."""
        if 'vmlinuz' in self.own:
            return
        guest = os.environ.get('BB_TEST_GUEST') or self.dir('guest')
        made = run(os.path.join(CONTRIB, 'make-guest-image'), guest)
        if made.returncode != 0:
            raise unittest.SkipTest('the guest can\'t be made: ' + ' '.join(made.stderr.split())[-200:])
        for name in ('vmlinuz', 'initrd.gz', 'base.qcow2'):
            shutil.copy(os.path.join(guest, name), self.images)
        self.own = ['base.qcow2', 'initrd.gz', 'vmlinuz']

    # --- libvirtd

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

    def make_remote(self):
        """A URI of another machine, as far as libvirt and bbhost can see; with a storage pool for the images."""
        ssh = self.dir.write('ssh', SSH % self.dir('lv', 'run', 'libvirt-sock'), 0o700)
        if 'images' not in self.virsh('pool-list', '--name').split():
            self.virsh('pool-create-as', 'images', 'dir', '--target', self.images)
        return 'qemu+ssh://root@vmhost/system?command=%s&proxy=netcat' % ssh

    # --- what it has

    def virsh(self, *arguments, readonly=False):
        done = run('virsh', '-q', *(['-r'] if readonly else []), '-c', self.uri, *arguments)
        if done.returncode != 0:
            raise AssertionError('virsh %s: %s' % (' '.join(arguments), done.stderr))
        return done.stdout

    def domains(self):
        return sorted(self.virsh('list', '--name').split())

    def digest(self):
        with open(self.base, 'rb') as f:
            return hashlib.sha256(f.read()).hexdigest()

    def files(self):
        return sorted(name for name in os.listdir(self.images) if not name.endswith('.console'))

    def escape(self, xml):
        return xml.replace('IMAGES', self.images.replace('&', '&amp;').replace("'", '&apos;').replace('"', '&quot;'))

    def guest_xml(self):
        """Of contrib, for our folder."""
        with open(os.path.join(CONTRIB, 'slave.xml')) as f:
            return self.escape(f.read())

    def blank_xml(self):
        return self.escape(BLANK)


class Case(bbtest.Case):
    """Each test leaves the hypervisor as it was, and the base image as well."""

    hypervisor = None
    absent = None  # why there is none

    @classmethod
    def setUpClass(cls):
        if Case.absent is None and Case.hypervisor is None:
            try:
                Case.hypervisor = Hypervisor()
                unittest.addModuleCleanup(Case.hypervisor.stop)
            except unittest.SkipTest as reason:
                Case.absent = str(reason)
        if Case.absent:
            raise unittest.SkipTest(Case.absent)

    def setUp(self):
        self.before = self.hypervisor.digest()
        self.addCleanup(self.check_nothing_left)

    def check_nothing_left(self):
        h = self.hypervisor
        domains, files, digest = h.domains(), h.files(), h.digest()
        # The next test is not to fail as well.
        for name in domains:
            h.virsh('destroy', name)
        for name in set(files) - set(h.own):
            os.unlink(os.path.join(h.images, name))
        self.assertEqual((domains, files, digest), ([], h.own, self.before))

    def slave(self, name, xml, uri=None, **options):
        """Its group in the configuration; @xml: the domain, or None for one that is defined."""
        h = self.hypervisor
        keys = dict(type='libvirt', password='auto', connection=uri or h.uri, base_image=h.base,
                    hd_image=h.images + '/%(slave:name)s.qcow2', masterFQDN='10.0.2.2', build_wait_timeout=0,
                    missing_timeout=600)
        if xml:
            keys['xml_file'] = h.dir.write(name + '.xml', xml)
        keys.update(options)
        return '[slave %s]\n' % name + ''.join('%s=%s\n' % item for item in keys.items() if item[1] is not None)

    def config(self, *slaves):
        """Of the daemon: two builders for each slave."""
        text = bbtest.Daemon.listener(None) + '[host]\nlogin_grace=60\n' + ''.join(slaves)
        for name in (slave[len('[slave '):slave.index(']')] for slave in slaves):
            text += '[builder b-%s]\nslavenames=%s;\nsteps=uname;\n[builder hold-%s]\nslavenames=%s;\nsteps=hold;\n' % (
                name, name, name, name)
        # Fails on a disk that another build has had.
        return text + ('[step uname]\ncommand=uname -n; test ! -e /usr/spoilt && touch /usr/spoilt\n'
                       '[step hold]\ncommand=sleep %(prop:s:-600)s\n')

    def start_daemon(self, config, **options):
        # A build that a failed test has left running is not waited for.
        return super().start_daemon(config, arguments=('--shutdown-grace=5',), **options)

    def tail(self):
        return self.daemon.log()[-3000:]

    def log_of(self, number):
        return self.daemon.bbctl('log', number).stdout

    def wait_running(self, number, other_than=None):
        """A build in a guest, on another machine than the row @other_than; its row."""
        def row():
            builds = [b for b in self.daemon.builds().values() if b['state'] == 'running' and b['number'] >= number]
            rows = self.daemon.json('instances')
            return builds and rows and rows[0]['number'] != other_than and (builds[0], rows[0])
        return wait_until(row, self.tail, BOOT)

    def wait_machines(self, *names):
        wait_until(lambda: self.hypervisor.domains() == sorted(names),
                   lambda: 'domains %s rather than %s\n%s' % (self.hypervisor.domains(), names, self.tail()), BOOT)

    def wait_gone(self):
        wait_until(lambda: self.daemon.json('instances') == [], self.tail, BOOT)
