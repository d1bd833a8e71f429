# SPDX-License-Identifier: LGPL-2.1-or-later
"""C2: kill -9 the daemon at any moment, again and again: no machine is left, no build is lost, none runs twice at once.

The cloud is a folder (dircloud.c); each machine in it is played by a scripted slave of this process. The daemon is killed by the
backend (before and after each call and answer), at commits of the store (commit-killer.c), and from here at random. Rows
are read from the store's file while the daemon is dead: a machine without an open row is a leak, whatever happens later.

    test-torture.py [--kills N] [--lives N] [--seed N]

That it can fail was seen by breaking the code on purpose; each of these was found within 60 kills (the second one in 150):
 leaked: bb-substantiation-table.c, START_FAILED closes the row rather than call stop: "machines without an open row";
 leaked, as it was listed late: bb-substantiation-calls.c, judge_stop() says STOPPED the first time: the same;
 doubled machine: bb-substantiation-calls.c, bb_substantiation_find_row() finds nothing: "more than one machine of a slave";
 lost: bb-build-loader.c does not select what was running: the jobs that have no success, by name;
 doubled build: bb-build-loader.c loads what was pending twice: the jobs that two machines ran at once, by name.
"""
import argparse
import collections
import configparser
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
import bbtest  # noqa: E402
import pbpeer  # noqa: E402

SLAVES = 6
# How late the cloud lists a new machine: constant, as the daemon must know it.
LATE = 0.3
# What the daemon can be killed at by the backend and by the store.
CALL_POINTS = {'start call', 'start done', 'start answer', 'stop call', 'stop done', 'stop answer', 'check call',
               'list call', 'list answer'}
COMMIT_POINTS = {'commit call', 'commit done'}
CONFIG = '''
[host]
login_grace=2
reconcile_interval=2
[template machine]
type=dircloud
cloud=%(cloud)s
password=auto
build_wait_timeout=%(wait)s
missing_timeout=%(missing)s
check_instance_interval=0.1
kill_share=%(kill)s
fail_share=%(fail)s
lose_share=%(lose)s
slow=%(slow)s
late=%(late)s
[slave m-{1..%(slaves)d}]
template=machine
[builder work]
slavenames=m-*;
steps=work;
[step work]
command=work %%(prop:job)s
'''


def free_port():
    """A port for a daemon whose slaves come back to it after each restart."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Cloud:
    """Plays a slave for each machine that there is, for as long as it is there."""

    def __init__(self, path, port):
        self.path, self.port = path, port
        self.lock = threading.Lock()
        self.playing = {}                          # machine → thread
        self.running = collections.Counter()       # job → how many machines run it right now
        self.doubled = []
        self.stopping = False
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def machines(self):
        """id → (slave, token) of what is in the folder."""
        found = {}
        for name in os.listdir(self.path):
            if not name.startswith('i-'):
                continue
            parser = configparser.ConfigParser(interpolation=None)
            try:
                parser.read(os.path.join(self.path, name))
                machine = parser['instance']
                found[name] = (machine['slave'], machine['token'], machine['password'])
            except (OSError, KeyError, configparser.Error):
                pass                               # it has just gone
        return found

    def _watch(self):
        while not self.stopping:
            for name, (slave, _token, password) in self.machines().items():
                with self.lock:
                    if name in self.playing:
                        continue
                    thread = threading.Thread(target=self._play, args=(name, slave, password), daemon=True)
                    self.playing[name] = thread
                thread.start()
            time.sleep(0.02)

    def _is_there(self, name):
        return not self.stopping and os.path.exists(os.path.join(self.path, name))

    def _play(self, name, slave, password):
        while self._is_there(name):
            peer = None
            try:
                peer = pbpeer.Slave(self.port, slave, password, timeout=5).login()
                self._work(name, peer)
            except (OSError, EOFError, AssertionError, pbpeer.Refused):
                time.sleep(0.1)
            finally:
                if peer is not None:
                    peer.close()

    def _work(self, name, peer):
        done = 0
        while self._is_there(name) and not peer.closed:
            with peer.changed:
                if not peer.changed.wait_for(lambda: len(peer.commands) > done or peer.closed, 0.1):
                    continue
                if peer.closed:
                    return
            _target, command, _id, _kind, arguments = peer.commands[done]
            done += 1
            job = arguments['command']
            with self.lock:
                self.running[job] += 1
                if self.running[job] > 1:
                    self.doubled.append(job)
            time.sleep(random.uniform(0, 0.05))
            with self.lock:
                self.running[job] -= 1
            peer.complete(command, 0)

    def stop(self):
        self.stopping = True
        self.thread.join()
        for thread in list(self.playing.values()):
            thread.join(10)


class Torture(bbtest.Case):
    kills = 50
    lives = 300
    seed = None

    def open_rows(self):
        """token → slave, as the store has them; the daemon is dead."""
        if not os.path.exists(self.daemon.dir('state', 'bbhost.db')):
            return {}
        store = sqlite3.connect(self.daemon.dir('state', 'bbhost.db'))
        try:
            return dict(store.execute("SELECT token, slave FROM instances WHERE state != 'closed'"))
        finally:
            store.close()

    def check_no_leak(self, when):
        rows = self.open_rows()
        machines = self.cloud.machines()
        leaked = {name: machine[:2] for name, machine in machines.items() if machine[1] not in rows}
        self.assertEqual(leaked, {}, '%s: machines without an open row' % when)
        per_slave = collections.Counter(machine[0] for machine in machines.values())
        doubled = {slave: count for slave, count in per_slave.items() if count > 1}
        self.assertEqual(doubled, {}, '%s: more than one machine of a slave' % when)

    def configure(self, **values):
        settings = dict(cloud=self.cloud.path, slaves=SLAVES, wait=0.3, kill=0, fail=0, lose=0, slow=0, late=LATE, missing=5)
        settings.update(values)
        self.daemon.configure(CONFIG % settings + self.daemon.listener(port=self.port))

    def start(self):
        """FALSE: it was killed before it was ready."""
        try:
            self.daemon.start(TORTURE_COMMIT_KILL=self.commit_kill, LD_PRELOAD=self.preload,
                              TORTURE_DEATHS=self.deaths_path())
            return True
        except AssertionError:
            if self.daemon.process.poll() == -9:
                return False
            raise

    def deaths_path(self):
        return os.path.join(self.cloud.path, 'deaths')

    def deaths(self):
        """Point → how often the daemon was killed at it."""
        try:
            with open(self.deaths_path()) as notes:
                return collections.Counter(notes.read().splitlines())
        except FileNotFoundError:
            return collections.Counter()

    def submit(self):
        self.n_jobs += 1
        result = subprocess.run(self.daemon.bbctl_command('--json', 'build', 'work', '-p', 'job=j%d' % self.n_jobs),
                                capture_output=True, text=True, timeout=20)
        if result.returncode == 0:
            self.submitted += 1

    def one_life(self):
        if self.start():
            deadline = time.monotonic() + random.uniform(0.05, 0.8)
            while time.monotonic() < deadline and self.daemon.process.poll() is None:
                if random.random() < 0.5:
                    self.submit()
                time.sleep(0.01)
        self.killed_itself += self.daemon.process.poll() is not None
        self.daemon.kill()
        self.check_no_leak('after kill %d' % self.n_kills)

    def make_daemon(self, seed):
        print('# seed %d' % seed, flush=True)
        random.seed(seed)
        libs = os.path.join(bbtest.BUILDDIR, 'tests', 'torture', '.libs')
        self.daemon = bbtest.Daemon(arguments=('--plugin-dir', libs, '--shutdown-grace', '3'))
        self.addCleanup(self.close_daemon, self.daemon)
        cloud_directory = self.daemon.dir('cloud')
        os.mkdir(cloud_directory)
        self.port = free_port()
        self.cloud = Cloud(cloud_directory, self.port)
        self.addCleanup(self.cloud.stop)
        self.preload = '' if bbtest.is_sanitized() else os.path.join(libs, 'commit-killer.so')
        self.n_jobs = self.submitted = self.killed_itself = 0
        self.commit_kill = '0'

    def test_kill(self):
        """C2: killed at random and at every fault point: 0 leaked, 0 lost, 0 doubled"""
        self.make_daemon(self.seed if self.seed is not None else random.randrange(2**32))
        for self.n_kills in range(1, self.kills + 1):
            mood = random.random()
            self.commit_kill = '0.02' if mood > 0.6 else '0'
            self.configure(kill=0.05 if mood < 0.4 else 0, fail=random.choice((0, 0, 0.3)),
                           lose=random.choice((0, 0, 0.3)), slow=random.choice((0, 0.05, 0.3)))
            self.one_life()
        self.commit_kill = '0'
        points = CALL_POINTS | COMMIT_POINTS if self.preload else CALL_POINTS
        if self.kills >= 1000:
            self.meet(points)
        self.configure()
        self.assertTrue(self.start())
        self.wait_quiet()
        self.check_builds()
        print('# %d kills, %d of them at a fault point; %d builds: 0 leaked, 0 lost, %d doubled'
              % (self.n_kills, self.killed_itself, self.submitted, len(self.cloud.doubled)), flush=True)
        deaths = self.deaths()
        print('# killed at: %s' % ', '.join('%s %d' % (point, deaths[point]) for point in sorted(deaths)), flush=True)
        self.assertEqual(self.cloud.doubled, [])
        if self.kills >= 1000:
            self.assertEqual(points - set(deaths), set(), 'points that were never met')

    def meet(self, points):
        """More lives, which mostly end at a call, until the daemon was killed at each of @points."""
        while points - set(self.deaths()) and self.n_kills < 2 * self.kills:
            self.n_kills += 1
            self.configure(kill=0.2)
            self.one_life()

    def test_never_answers(self):
        """L9, L25, C5: a backend that never answers: the daemon does, the build waits on, the row stays open over an orderly
        stop, and goes with its machine when the backend is back"""
        self.make_daemon(random.randrange(2**32))
        self.configure(slow=3600, missing=1)
        self.assertTrue(self.start())
        self.submit()
        slave = bbtest.wait_until(lambda: next((slave for slave in self.daemon.slaves().values() if slave['last_error']),
                                               None), 'a start to be given up')
        self.assertIn('did not end within 1 s', slave['last_error'])
        self.assertEqual(slave['substantiation_state'], 'insubstantiating')
        self.assertEqual([row['slave'] for row in self.daemon.json('instances')][:1], [slave['name']])
        self.assertIn([build['state'] for build in self.daemon.builds().values()], (['pending'], ['waiting-for-slave']))
        # Which waits no longer than its grace.
        self.assertEqual(self.daemon.stop(), 0)
        self.check_no_leak('after the stop')
        self.configure()
        self.assertTrue(self.start())
        self.wait_quiet()
        self.check_builds()

    def held(self):
        """What the daemon holds: descriptors, threads, objects on the bus of instances and slaves; and KiB of memory."""
        process = '/proc/%d/' % self.daemon.process.pid
        with open(process + 'status') as status:
            numbers = dict(re.findall(r'^(Threads|VmRSS):\s+(\d+)', status.read(), re.MULTILINE))
        objects = (len(self.daemon.json('instances')), len(self.daemon.json('slaves')))
        return len(os.listdir(process + 'fd')), int(numbers['Threads']), objects, int(numbers['VmRSS'])

    def live(self, count):
        """So many builds, each on a machine of its own."""
        for _ in range(count):
            self.submit()
        self.wait_quiet()

    def test_nothing_stays(self):
        """D13: start, build, stop, again and again: afterwards the daemon holds what it held after the first few"""
        lives = 60 if bbtest.is_sanitized() else self.lives
        self.make_daemon(random.randrange(2**32))
        self.preload = ''
        self.configure(wait=0)
        self.assertTrue(self.start())
        self.live(60)
        descriptors, threads, objects, memory = self.held()
        self.live(lives)
        bbtest.wait_until(lambda: self.held()[0] <= descriptors,
                          lambda: '%d descriptors to be %d again' % (self.held()[0], descriptors))
        self.assertEqual(self.held()[2], objects)
        # GLib's pool keeps some, as many as once had work at the same time.
        self.assertLess(self.held()[1], threads + 10)
        grown = self.held()[3] - memory
        print('# %d lives: memory grew by %d KiB' % (lives, grown), flush=True)
        if not bbtest.is_sanitized():
            # SQLite's pages in memory grow with the store, up to half a MiB, and GLib's slices with their use; LeakSanitizer
            # looks for what nobody holds any more, and this for what somebody does.
            self.assertLess(grown, 512 + 2 * lives)
        self.check_builds()

    def wait_quiet(self):
        bbtest.wait_until(lambda: self.daemon.json('status')['builds_pending'] == 0
                          and self.daemon.json('status')['builds_running'] == 0, 'every build to end', 120)
        bbtest.wait_until(lambda: not self.cloud.machines() and not self.daemon.json('instances'),
                          'every machine to be stopped and its row closed', 120)

    def check_builds(self):
        """Each job that was taken has ended well once, and every end before that was a retry."""
        self.assertEqual(self.daemon.stop(), 0)
        store = sqlite3.connect(self.daemon.dir('state', 'bbhost.db'))
        ends = collections.defaultdict(list)
        for number, properties, result in store.execute('SELECT number, properties, result FROM builds'):
            job = re.search("'job': <'(j[0-9]+)'>", properties or '')
            if not job:
                row = store.execute('SELECT * FROM builds WHERE number = ?', (number,)).fetchone()
                self.fail('a build has lost its properties: %s' % (row,))
            ends[job.group(1)].append(result)
        store.close()
        self.assertGreaterEqual(len(ends), self.submitted, 'jobs that were taken, and are not there')
        wrong = {job: results for job, results in ends.items()
                 if results.count('success') != 1 or set(results) - {'success', 'retry'}}
        self.assertEqual(wrong, {})


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--kills', type=int, default=50)
    parser.add_argument('--lives', type=int, default=300)
    parser.add_argument('--seed', type=int)
    options = parser.parse_args()
    Torture.kills, Torture.lives, Torture.seed = options.kills, options.lives, options.seed
    sys.argv[1:] = []
    bbtest.main()
