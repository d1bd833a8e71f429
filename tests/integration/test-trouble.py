# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine itself in trouble: disk full, store read-only or damaged, a wall clock that jumps. The whole daemon, real
workers: nothing is started that can't be written down, nothing that runs is lost, and it works again afterwards."""
import contextlib
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
from bbtest import wait_until  # noqa: E402

CONFIG = '''
[host]
login_grace=%(grace)s
reconcile_interval=1
instance_max_lifetime=36000
[slave local-1]
type=local
password=auto
build_wait_timeout=60
[builder here]
slavenames=local-1;
steps=echo;
[step echo]
command=echo done
'''
DAY = 86400


def local_workers():
    return sorted(pid for pid, command in bbtest.descendants().items() if 'buildbot-worker' in command or 'twistd' in command)


class HostDaemon(bbtest.Daemon):
    """A daemon whose mounts are its own: `mounts` is a shell command, run before it with $STATE."""

    mounts = None

    def command(self, *arguments):
        command = super().command(*arguments)
        if self.mounts is None:
            return command
        own = ['unshare', '--mount'] if os.getuid() == 0 else ['unshare', '--user', '--map-current-user', '--keep-caps', '--mount']
        script = 'STATE=%s; %s && exec %s' % (shlex.quote(self.dir('state')), self.mounts, shlex.join(command))
        return own + ['sh', '-c', script]

    def inside(self, *parts):
        """A path below the state directory as the daemon sees it."""
        return os.path.join('/proc/%d/root' % self.pid, self.dir('state')[1:], *parts)


class Trouble(bbtest.Case):
    def make_daemon(self, mounts=None, grace=60):
        bbtest.Worker.require('3')
        self.daemon = HostDaemon()
        self.daemon.mounts = mounts
        self.addCleanup(self.close_daemon, self.daemon)
        os.mkdir(self.daemon.dir('state'), 0o700)
        if mounts is not None:
            probe = subprocess.run(self.daemon.command()[:-1] + ['STATE=%s; %s' % (shlex.quote(self.daemon.dir('state')),
                                                                                   mounts)],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if probe.returncode != 0:
                self.daemon.mounts = None
                self.skip_without_daemon('no mounts of its own here: %s' % probe.stdout.strip())
        self.config = CONFIG % {'grace': grace}
        self.daemon.configure(self.config + self.daemon.listener())
        return self.daemon

    def skip_without_daemon(self, reason):
        self.daemon.start()                       # for the clean-up, which wants to stop one
        raise unittest.SkipTest(reason)

    def test_disk_full(self):
        """C1, D14: the disk of the state directory is full: no instance is started, the daemon lives and says why; it works
        again when there is space"""
        daemon = self.make_daemon('mount -t tmpfs -o size=6m tmpfs "$STATE"')
        daemon.start()
        filler = daemon.inside('filler')
        with open(filler, 'wb', buffering=0) as f:
            size = 1 << 16
            while size:
                try:
                    f.write(b'x' * size)
                except OSError:
                    size //= 2
        daemon.bbctl('substantiate', 'local-1')
        slave = wait_until(lambda: daemon.slave('local-1')['last_error'] and daemon.slave('local-1'), 'an error')
        self.assertRegex(slave['last_error'], r'no instance is asked for: .*bbhost\.db.*full')
        self.assertEqual(daemon.json('instances'), [])
        self.assertEqual(local_workers(), [])
        refused = daemon.bbctl('build', 'here', expect=1)
        self.assertRegex(refused.stderr, 'full')
        os.unlink(filler)
        daemon.bbctl('resume', 'local-1')
        self.assertEqual(daemon.build('here')['result'], 'success')
        self.assertEqual(len(local_workers()), 1)

    def test_read_only(self):
        """C1, C11: a store that can't be written: refused at the start, with the path and the reason; nothing is started"""
        daemon = self.make_daemon('mount --bind "$STATE" "$STATE" && mount -o remount,bind,ro "$STATE"')
        mounts, daemon.mounts = daemon.mounts, None
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        daemon.mounts = mounts
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(bbtest.DEADLINE), 1, daemon.log())
        self.assertRegex(daemon.log(), re.escape(daemon.dir('state')) + r'\S*: .*[Rr]ead-only')
        daemon.mounts = None
        daemon.start()                            # nothing was harmed

    def test_damaged(self):
        """C11: a damaged store beside a running instance: refused with what to do, and the file is not touched; set aside as the
        message says, it is kept, and the new store has the old id, so that the instance is found, reported and stopped"""
        daemon = self.make_daemon(grace=5)
        daemon.start()
        daemon.build('here')
        self.assertEqual(len(local_workers()), 1)
        daemon.configure(self.config + daemon.listener(port=daemon.port))
        daemon.kill()
        path = daemon.dir('state', 'bbhost.db')
        with open(path, 'r+b') as f:
            f.seek(100)
            f.write(b'\xa5' * 3000)
        for suffix in ('-wal', '-shm'):
            if os.path.exists(path + suffix):
                os.unlink(path + suffix)
        with open(path, 'rb') as f:
            damaged = f.read()
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(bbtest.DEADLINE), 1, daemon.log())
        self.assertRegex(daemon.log(), r'bbhost\.db is damaged: .*; restore it from a backup, or call bbhostd --set-store-aside')
        with open(path, 'rb') as f:
            self.assertEqual(f.read(), damaged)
        self.assertEqual(len(local_workers()), 1)

        done = subprocess.run([bbtest.BBHOSTD, '--set-store-aside', '--state-dir', daemon.dir('state')], stdout=subprocess.PIPE,
                              text=True, timeout=bbtest.DEADLINE, env=bbtest.program_environment())
        self.assertEqual(done.returncode, 0)
        with open(re.search(r'The store is now (\S+/bbhost\.db\.aside-\S+)\. ', done.stdout).group(1), 'rb') as f:
            self.assertEqual(f.read(), damaged)
        daemon.start()
        daemon.wait_log('the store is new, but there are instances of an earlier one')
        wait_until(lambda: not local_workers() and daemon.json('instances') == [],
                   lambda: 'the instance to be stopped: %s' % daemon.log()[-3000:])

    def test_restore(self):
        """C11: a backup that was made while the daemon ran, restored as the operations page says after the folder was lost, with a
        machine running that the old ledger does not know: it is found by its tags and stopped; builds of before are known"""
        daemon = self.make_daemon(grace=2)
        daemon.start()
        self.assertEqual(daemon.build('here')['result'], 'success')
        daemon.bbctl('insubstantiate', 'local-1')
        wait_until(lambda: not local_workers() and daemon.json('instances') == [], 'the end of the first instance')
        backup = daemon.dir('backup')
        os.mkdir(backup, 0o700)
        with contextlib.closing(sqlite3.connect(daemon.dir('state', 'bbhost.db'))) as store, \
                contextlib.closing(sqlite3.connect(os.path.join(backup, 'bbhost.db'))) as copy:
            store.backup(copy)
        shutil.copy(daemon.dir('state', 'store-id'), backup)
        shutil.copytree(daemon.dir('state', 'builds'), os.path.join(backup, 'builds'))

        self.assertEqual(daemon.build('here')['number'], 2)
        self.assertEqual(len(local_workers()), 1)
        daemon.configure(self.config + daemon.listener(port=daemon.port))
        daemon.kill()
        os.rename(daemon.dir('state'), daemon.dir('state.broken'))
        shutil.copytree(backup, daemon.dir('state'))
        daemon.start()
        self.assertEqual({number: build['result'] for number, build in daemon.builds().items()}, {1: 'success'})
        self.assertIn('done', daemon.bbctl('log', '1').stdout)
        daemon.wait_log('carries our mark, but the ledger knows nothing of it')
        wait_until(lambda: not local_workers() and daemon.json('instances') == [],
                   lambda: 'the instance to be stopped: %s' % daemon.log()[-3000:])
        self.assertEqual(daemon.build('here')['result'], 'success')

    def jump(self, seconds):
        self.daemon.dir.write('jump', '%d\n' % seconds)

    def test_clock(self):
        """C9, L33: a wall clock that jumps a day and a half ahead, and two back, under an instance and over a restart: it is neither
        stopped (instance_max_lifetime is ten hours) nor forgotten, connections stay, builds run, and times that are shown are those
        of the clock"""
        if bbtest.is_sanitized():
            self.skipTest('the sanitizer must be the first library of the process')
        daemon = self.make_daemon()
        environment = {'LD_PRELOAD': os.path.join(bbtest.BUILDDIR, 'tests', 'integration', '.libs', 'clock-jumper.so'),
                       'CLOCK_JUMP': daemon.dir('jump')}
        daemon.start(**environment)
        before = daemon.build('here')
        workers = local_workers()
        row = daemon.json('instances')[0]
        for offset in (1.5 * DAY, -0.5 * DAY):
            self.jump(offset)
            build = daemon.build('here')
            self.assertEqual(build['result'], 'success')
            self.assertAlmostEqual((build['submitted_at'] - before['submitted_at']) / 1e6, offset, delta=600)
            self.assertEqual((local_workers(), daemon.json('instances')[0]['number']), (workers, row['number']))
            daemon.configure(self.config.replace('type=local', 'type=local\nmax_builds=%d' % (3 + offset // DAY))
                             + daemon.listener(port=daemon.port))
            daemon.bbctl('reload')
            self.assertEqual(daemon.build('here')['result'], 'success')
            self.assertEqual((local_workers(), daemon.json('instances')[0]['number']), (workers, row['number']))
        self.assertEqual(daemon.slave('local-1')['max_builds'], 2)
        # What was written is of tomorrow now.
        daemon.kill()
        self.jump(-2 * DAY)
        daemon.start(**environment)
        daemon.wait_attached('local-1')
        self.assertEqual(daemon.build('here')['result'], 'success')
        self.assertEqual((local_workers(), daemon.json('instances')[0]['number']), (workers, row['number']))
        self.assertEqual(daemon.json('status')['instances_unconfirmed'], 0)
        daemon.bbctl('insubstantiate', 'local-1')
        wait_until(lambda: not local_workers() and daemon.json('instances') == [], 'the instance to be stopped')
        self.jump(DAY)
        self.assertEqual(daemon.build('here')['result'], 'success')


if __name__ == '__main__':
    bbtest.main()
