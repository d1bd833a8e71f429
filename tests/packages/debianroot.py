# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages of what was committed, and a clean Debian to install them into: for all checks of packages."""
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

import bbtest

# For what others' servers and a busy machine have a part in.
LONG = 1800


def run(*command, check=True, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', timeout=LONG, **options)
    if check and done.returncode != 0:
        raise AssertionError('%s: exit status %d\n%s' % (' '.join(command), done.returncode, done.stdout[-6000:]))
    return done


def require(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
            raise unittest.SkipTest('there is no %s' % program)


def read(*parts):
    with open(os.path.join(*parts)) as f:
        return f.read()


def own_mounts():
    """The script again, in a mount namespace: what is mounted here is nobody else's business, and goes with us."""
    if os.geteuid() == 0 and shutil.which('unshare') and 'BB_OWN_MOUNTS' not in os.environ:
        os.environ['BB_OWN_MOUNTS'] = '1'
        os.execvp('unshare', ['unshare', '--mount', '--propagation', 'private', sys.executable, *sys.argv])


class Builder:
    """Packages from a clean copy of the sources."""

    def __init__(self, directory):
        self.directory = directory
        self.source = bbtest.SRCDIR
        # Somebody may commit meanwhile.
        self.head = subprocess.run(['git', '-C', self.source, 'rev-parse', '--verify', '-q', 'HEAD'],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()

    def has_history(self):
        return subprocess.run(['git', '-C', self.source, 'rev-parse', '--verify', '-q', self.head + '^:debian/control'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def export(self, commit, target):
        """What git has of a commit; without git the whole folder, which is then a tarball's."""
        os.makedirs(target)
        if os.path.exists(os.path.join(self.source, '.git')):
            archive = subprocess.Popen(['git', '-C', self.source, 'archive', commit], stdout=subprocess.PIPE)
            run_in = subprocess.run(['tar', '-x', '-C', target], stdin=archive.stdout)
            if archive.wait() != 0 or run_in.returncode != 0:
                raise AssertionError('git archive %s failed' % commit)
        else:
            run('cp', '-a', self.source + '/.', target)

    def build(self, commit, name, options='nocheck', version=None):
        """The folder with the packages."""
        folder = self.directory(name)
        source = os.path.join(folder, 'bbhost')
        self.export(commit, source)
        if version:
            changelog = os.path.join(source, 'debian', 'changelog')
            text = re.sub(r'\((.*?)\)', lambda m: '(%s%s)' % (m.group(1), version), read(changelog), count=1)
            with open(changelog, 'w') as f:
                f.write(text)
        env = dict(os.environ, DEB_BUILD_OPTIONS='%s parallel=%d' % (options, os.cpu_count()), LC_ALL='C.UTF-8')
        for variable in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'CFLAGS', 'CC', 'DESTDIR'):
            env.pop(variable, None)
        run('dpkg-buildpackage', '-b', '-us', '-uc', cwd=source, env=env)
        return folder


class CleanRoot:
    """A clean Debian, in which nothing is started by itself."""

    def __init__(self, path):
        self.path = path

    @staticmethod
    def find_mirror():
        """Where this machine has its own packages from."""
        suite = re.search(r'(?m)^VERSION_CODENAME=(\w+)', read('/etc/os-release')).group(1)
        for path in sorted(glob.glob('/etc/apt/sources.list.d/*.sources')):
            for stanza in re.split(r'\n\s*\n', read(path)):
                uris = re.search(r'(?m)^URIs:\s*(\S+)', stanza)
                if uris and re.search(r'(?m)^Suites:.*\b%s\b(?!-)' % suite, stanza):
                    return suite, uris.group(1)
        for path in ['/etc/apt/sources.list', *sorted(glob.glob('/etc/apt/sources.list.d/*.list'))]:
            found = os.path.exists(path) and re.search(r'(?m)^deb\s+(?:\[.*?\]\s+)?(\S+)\s+%s\s' % suite, read(path))
            if found:
                return suite, found.group(1)
        raise unittest.SkipTest('no archive of Debian is configured on this machine')

    def make(self):
        suite, mirror = self.find_mirror()
        made = run('debootstrap', '--variant=minbase', suite, self.path, mirror, check=False)
        if made.returncode != 0:
            raise unittest.SkipTest('debootstrap failed: ' + ' '.join(made.stdout.split())[-300:])
        acquire = [line for line in run('apt-config', 'dump').stdout.splitlines()
                   if re.match(r'Acquire::\w+::.*Proxy|Acquire::Retries', line)]
        self.write('etc/apt/apt.conf.d/50host', '\n'.join(acquire) + '\n')
        self.write('etc/apt/apt.conf.d/60test', 'APT::Install-Recommends "false";\n')
        self.write('usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755)
        for name in ('resolv.conf', 'hosts'):
            shutil.copy('/etc/' + name, self('etc', name))
        # In the mount namespace that own_mounts() made for the script alone.
        run('mount', '-t', 'proc', 'proc', self('proc'))
        self.apt('update')

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self(name)), exist_ok=True)
        with open(self(name), 'w') as f:
            f.write(text)
        os.chmod(self(name), mode)

    def command(self, *command, user='root'):
        return ['chroot', self.path, 'runuser', '-u', user, '--', 'env', '-i', 'LC_ALL=C.UTF-8',
                'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'DEBIAN_FRONTEND=noninteractive',
                *command]

    def run(self, *command, user='root', check=True):
        return run(*self.command(*command, user=user), check=check)

    def apt(self, *arguments, check=True):
        return self.run('apt-get', '-y', '-o', 'Dpkg::Options::=--force-confdef', '-o',
                        'Dpkg::Options::=--force-confold', *arguments, check=check)

    def install(self, folder, *names, more=()):
        paths = []
        for name in names:
            package, = glob.glob(os.path.join(folder, name + '_*.deb'))
            shutil.copy(package, self('tmp'))
            paths.append('/tmp/' + os.path.basename(package))
        return self.apt('install', *paths, *more).stdout

    def configure(self, name, text):
        """As an administrator does it, who is root, and then lets the rights be put right."""
        self.write('etc/bbhost/conf.d/%s.conf' % name, text, 0o600)
        self.run('systemd-tmpfiles', '--create', 'bbhost.conf')
