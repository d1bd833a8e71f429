# SPDX-License-Identifier: LGPL-2.1-or-later
"""A clean Debian as a virtual machine, in which systemd is process 1. QEMU emulates it where there is no KVM; the disk is made
without mounting anything; there is no network, and commands go over a serial port of virtio's."""
import base64
import glob
import json
import os
import shutil
import socket
import subprocess

import bbtest
from bbtest import wait_until
from debianroot import run

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE_INITRAMFS = os.path.join(bbtest.SRCDIR, 'contrib', 'libvirt', 'make-initramfs')
PROGRAMS = ('qemu-system-x86_64', 'mke2fs', 'dpkg-deb', 'busybox', 'cpio')
# Emulated, on a machine that has more to do: 20 s where it has not.
BOOT = 300.0

# What a Debian starts that has a screen, a network, other disks, or time.
IDLE_UNITS = '''apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
systemd-tmpfiles-clean.timer getty.target getty@.service serial-getty@.service systemd-logind.service remote-fs.target
systemd-networkd.service systemd-timesyncd.service systemd-firstboot.service systemd-update-utmp.service
systemd-update-utmp-runlevel.service systemd-modules-load.service systemd-binfmt.service systemd-repart.service
systemd-hwdb-update.service proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service sys-kernel-config.mount
sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount
systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-boot-system-token.service'''.split()

CONTROL = '''[Unit]
Description=Commands of the test
[Service]
ExecStart=/usr/bin/python3 -S -E /usr/local/sbin/control.py
[Install]
WantedBy=multi-user.target
'''


class Machine:
    def __init__(self, directory):
        self.dir = directory
        self.disk, self.initramfs = directory('disk.raw'), directory('initramfs.gz')
        self.process = self.link = self.socket = None
        self.boots = []  # ids of its starts

    def make(self, root):
        """Its kernel and its disk out of @root, a CleanRoot that has systemd and python3, and that is used up."""
        depends = root.run('apt-cache', 'depends', 'linux-image-cloud-amd64').stdout
        package = [line.split()[1] for line in depends.splitlines() if 'Depends: linux-image-' in line][0]
        root.run('sh', '-c', 'cd /tmp && apt-get -qq -o APT::Sandbox::User=root download ' + package)
        run('dpkg-deb', '-x', glob.glob(root('tmp', package + '_*.deb'))[0], self.dir('kernel'))
        self.kernel = glob.glob(self.dir('kernel', 'boot', 'vmlinuz-*'))[0]
        run(MAKE_INITRAMFS, self.dir('kernel'), shutil.which('busybox'), self.initramfs, os.path.join(HERE, 'guest', 'init'), '--',
            'virtio_pci', 'virtio_blk', 'virtio_console', 'ext4', 'crc32c_generic', 'button')

        with open(os.path.join(HERE, 'guest', 'control.py')) as f:
            root.write('usr/local/sbin/control.py', f.read())
        root.write('etc/systemd/system/control.service', CONTROL)
        root.write('etc/hostname', 'machine\n')
        root.write('etc/hosts', '127.0.0.1 localhost machine\n')
        os.makedirs(root('var/log/journal'), exist_ok=True)
        root.run('systemctl', 'enable', 'control.service')
        root.run('systemctl', 'mask', *IDLE_UNITS)
        os.unlink(root('usr/sbin/policy-rc.d'))
        run('umount', root('proc'))
        for pattern in ('tmp/*', 'var/lib/apt/lists/*', 'var/cache/apt/*', 'usr/share/doc/*', 'usr/share/man/*', 'usr/share/locale/*'):
            run('rm', '-rf', *glob.glob(root(pattern)))
        with open(self.disk, 'wb') as disk:
            disk.truncate(2 << 30)
        run('mke2fs', '-q', '-t', 'ext4', '-E', 'lazy_itable_init=0,lazy_journal_init=0', '-m', '0', '-d', root.path, self.disk)

    # --- its power

    def boot(self):
        command = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-machine', 'pc',
                   '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1024',
                   '-kernel', self.kernel, '-initrd', self.initramfs,
                   '-append', 'console=ttyS0 panic=-1 quiet mitigations=off systemd.show_status=no',
                   '-drive', 'file=%s,format=raw,if=virtio,cache=unsafe' % self.disk, '-serial', 'file:' + self.dir('console'),
                   '-device', 'virtio-serial', '-chardev', 'socket,id=control,path=%s,server=on,wait=off' % self.dir('control'),
                   '-device', 'virtserialport,chardev=control,name=control']
        with open(self.dir('qemu.log'), 'ab') as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=bbtest._die_with_parent)
        self.socket = wait_until(self.connect, self.console)
        self.socket.settimeout(BOOT)
        self.link = self.socket.makefile('rwb', buffering=0)
        self.boots.append(self.hear()['boot'])

    def connect(self):
        if self.process.poll() is not None:
            raise AssertionError('QEMU has ended:\n' + self.console())
        control = socket.socket(socket.AF_UNIX)
        try:
            control.connect(self.dir('control'))
        except OSError:  # not there yet, or nobody listens yet
            control.close()
            return None
        return control

    def hear(self):
        try:
            line = self.link.readline()
        except OSError as error:
            line = b''
            print('# control:', error)
        if not line:
            raise AssertionError('the machine does not answer; its console:\n' + self.console())
        return json.loads(line)

    def console(self):
        text = b''
        for name in ('qemu.log', 'console'):
            if os.path.exists(self.dir(name)):
                with open(self.dir(name), 'rb') as f:
                    text += f.read()[-5000:]
        return text.decode(errors='replace')

    def unplug(self):
        """No more power, in the middle of everything."""
        if self.process:
            self.process.kill()
            self.process.wait(bbtest.DEADLINE)
            self.forget()

    def power_off(self):
        """In order, by systemd; QEMU ends when the machine has."""
        self.send('systemctl poweroff', BOOT)
        self.process.wait(BOOT)
        self.forget()

    def forget(self):
        if self.link:
            self.link.close()
            self.socket.close()
        self.process = self.link = self.socket = None
        if os.path.exists(self.dir('control')):
            os.unlink(self.dir('control'))

    # --- its commands

    def run(self, command, check=True, timeout=120, user=None):
        """A command of its shell, as root or as @user; with exit status and output of both kinds."""
        if user:
            command = "runuser -u %s -- sh -c '%s'" % (user, command.replace("'", "'\\''"))
        self.send(command, timeout)
        done = subprocess.CompletedProcess(command, **dict(self.hear(), stderr=None))
        if check and done.returncode != 0:
            raise AssertionError('%s: exit status %d\n%s' % (command, done.returncode, done.stdout[-6000:]))
        return done

    def send(self, command, timeout):
        self.socket.settimeout(timeout + bbtest.DEADLINE)
        self.link.write(json.dumps(dict(command=command, timeout=timeout)).encode() + b'\n')

    def write(self, path, text, mode=0o644):
        text = base64.b64encode(text.encode()).decode()
        self.run('mkdir -p %s && echo %s | base64 -d >%s && chmod %o %s' % (os.path.dirname(path), text, path, mode, path))
