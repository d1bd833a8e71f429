# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real workers of both releases at one daemon: what they are, what they run, how it ends, how they leave.

Everything over plain PB; over the other wires what differs between them, and everything with BB_TEST_ALL_WIRES=1
(`make check-wires`).
"""
import hashlib
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
from bbtest import Worker, wait_until  # noqa: E402

STEPS = '''
[step ok]
command=echo "out of %(prop:slavename)s"; echo err >&2

[step maybe]
command=test $((%(prop:n:-0)s %% 5)) -ne 0

[step warn]
command=exit 3
warn_on_failure=true
flunk_on_failure=false

[step halt]
command=exit 1
halt_on_failure=true

[step never]
command=echo must not run

[step last]
command=echo cleaning up
always_run=true

[step skipped]
command=echo skipped
do_step_if=%(prop:wanted:-false)s

[step env]
argv=sh;-c;echo "one=$ONE two=$TWO dir=$(basename "$PWD")"
env=ONE=1;TWO=%(prop:slavename)s;
workdir=work

[step logs]
command=echo before; echo "from a file" >extra.log; sleep 3; echo "more of it" >>extra.log; sleep 3
logfiles=extra=extra.log;

[step silent]
command=echo begin; sleep 600
timeout=2

[step long]
command=while :; do echo tick; sleep 0.2; done
max_time=2

[step forever]
command=echo started; sleep 600

[step gentle]
command=trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.1; done
sigterm_time=20

[step pty]
command=if test -t 1; then echo a terminal; else echo no terminal; fi
use_pty=true

[step slow]
command=sleep 1
'''

BUILDERS = {
    'mixed': 'ok;maybe;', 'good': 'ok;', 'warned': 'warn;ok;', 'halted': 'halt;never;last;', 'conditional': 'skipped;ok;',
    'environment': 'env;', 'logs': 'logs;', 'silent': 'silent;', 'long': 'long;', 'forever': 'forever;',
    'gentle': 'gentle;', 'pty': 'pty;', 'slow': 'slow;', 'slow2': 'slow;',
}


class RealWorkers(bbtest.Case):
    NAMES = {'3': 'bot-three', '4': 'bot-four'}
    wire = bbtest.Wire('pb', False)

    @classmethod
    def setUpClass(cls):
        Worker.require('3')
        cls.releases = Worker.releases_for(cls.wire)
        cls.names = [cls.NAMES[release] for release in cls.releases]
        cls.files = bbtest.TempDir()
        cls.addClassCleanup(cls.files.remove)
        cls.keys = cls.wire.listener_keys(cls.files)
        cls.start_class_daemon(cls.config, arguments=('--shutdown-grace', '2'))
        cls.workers = {release: cls.start_class_worker(cls.NAMES[release], 'pass-' + cls.NAMES[release],
                                                       cls.daemon.port, release, wire=cls.wire)
                       for release in cls.releases}
        cls.daemon.wait_attached(*cls.names)

    @classmethod
    def config(cls, max_builds='', extra=''):
        text = '[host]\nname=itest\n' + cls.daemon.listener(**cls.keys)
        for name in cls.NAMES.values():
            text += '[slave %s]\npassword=pass-%s\n%s\n' % (name, name, max_builds)
            text += '[properties %s]\nos=linux\ncores=2\nfast=true\nversion="12"\n' % name
        for builder, steps in BUILDERS.items():
            text += '[builder %s]\nslavenames=bot-*;\nsteps=%s\n' % (builder, steps)
        return text + STEPS + cls.transfer_steps() + extra

    @classmethod
    def transfer_steps(cls):
        d = cls.daemon.dir
        cls.source = d.write('host/source.bin', bytes(range(256)) * 5000, 0o600)
        return f'''
[builder files]
slavenames=bot-*;
steps=clean;make;mkdir;produce;upload;upload-dir;download;look;copy;compare;rmdir;gone;

[step clean]
type=rmdir
directories=tree;copied;
[step make]
type=mkdir
directories=tree/deep;
[step mkdir]
type=mkdir
directories=tree/a;tree/b;
[step produce]
command=printf 'message' >word && seq 1 200000 >big && cp big tree/deep/big && ln -sf big tree/deep/link && echo x >tree/a/x
workdir=.
[step upload]
type=upload
source=big
destination={d('host')}/big-%(prop:slavename)s
workdir=.
[step upload-dir]
type=upload-directory
source=tree
destination={d('host')}/tree-%(prop:slavename)s
compress=gz
workdir=.
[step download]
type=download
source={cls.source}
destination=got.bin
mode=0640
workdir=.
[step look]
command=sha256sum <got.bin; stat -c %%a got.bin
workdir=.
[step copy]
type=copy
source=tree
destination=copied
[step compare]
command=diff -r tree copied && echo same
workdir=.
[step rmdir]
type=rmdir
directories=tree;copied;
[step gone]
command=test ! -e tree && test ! -e copied && echo gone
workdir=.

[builder missing-upload]
slavenames=bot-*;
steps=missing;
[step missing]
type=upload
source=not-there
destination={d('host')}/never
'''

    def log_of(self, build, step='', stream=None):
        return self.daemon.bbctl('log', build, *([step] if step else [])).stdout

    def steps(self, build):
        return {step['name']: step for step in build['steps']}

    def test_00_both_releases(self):
        """workers of both releases are there"""
        if len(self.releases) < len(Worker.PROGRAMS):
            self.skipTest('only of release %s over %s' % (' and '.join(self.releases), self.wire.name))

    def test_01_attached_with_their_info(self):
        """S1: both releases are attached at once and tell what they are"""
        slaves = self.daemon.slaves()
        for release, name in zip(self.releases, self.names):
            slave = slaves[name]
            self.assertTrue(slave['attached'])
            self.assertEqual(slave['state'], 'attached')
            self.assertTrue(slave['peer_address'].startswith('127.0.0.1:'), slave)
            self.assertEqual(slave['properties']['cores'], 2)
            self.assertIs(slave['properties']['fast'], True)
            self.assertEqual(slave['properties']['version'], '12')
            info = self.daemon.json('slave', name)['info']
            self.assertTrue(info['version'].startswith(release + '.'), info)
            self.assertIn('ann@example.org', info['admin'])
            self.assertIn('machine of ' + name, info['host'])
            self.assertEqual(info['system'], 'posix')
            self.assertIn('shell', info['commands'])

    def test_02_two_hundred_builds(self):
        """200 builds over both slaves end as they should"""
        numbers = {}
        for n in range(200):
            numbers[self.daemon.submit('mixed', '-p', 'n=%d' % n)] = n

        def all_finished():
            builds = self.daemon.builds()
            return all(builds[number]['state'] == 'finished' for number in numbers) and builds
        builds = wait_until(all_finished, '200 builds', 180, 0.5)
        used = set()
        for number, n in numbers.items():
            build = builds[number]
            self.assertEqual(build['result'], 'failure' if n % 5 == 0 else 'success', build)
            self.assertEqual(build['properties']['slavename'], build['slave'])
            used.add(build['slave'])
        self.assertEqual(used, set(self.names))

    def test_03_run_is_like_ssh(self):
        """bbctl run: output, exit status, on each slave"""
        for name in self.names:
            result = self.daemon.bbctl('run', '--slave', name, '--', 'sh', '-c', 'echo "to out"; echo to err >&2; exit 7',
                                       expect=7)
            self.assertEqual(result.stdout, 'to out\n')
            self.assertIn('to err\n', result.stderr)
        self.daemon.bbctl('run', '--', 'true')
        self.assertEqual(self.daemon.bbctl('run', '--', 'echo', 'a  b', '$HOME', "it's").stdout, "a  b $HOME it's\n")

    def test_04_results(self):
        """halt, flunk, warn and always_run decide as Buildbot's do; exit statuses of --wait follow"""
        build = self.daemon.build('warned')
        self.assertEqual(build['result'], 'warnings')
        self.assertEqual(self.steps(build)['warn']['exit_code'], 3)
        build = self.daemon.build('halted', expect=1)
        steps = self.steps(build)
        self.assertEqual(build['result'], 'failure')
        self.assertEqual(steps['last']['result'], 'success')
        self.assertNotEqual(steps.get('never', {}).get('result'), 'success')
        build = self.daemon.build('conditional')
        self.assertEqual(build['result'], 'success')
        self.assertEqual(self.steps(build)['skipped']['result'], 'skipped')
        build = self.daemon.build('conditional', '-p', 'wanted=true')
        self.assertEqual(self.steps(build)['skipped']['result'], 'success')

    def test_05_environment_and_directories(self):
        """S5: env, argv, workdir and the slave's properties reach the command"""
        for name in self.names:
            build = self.daemon.build('environment', '--slave', name)
            self.assertEqual(build['slave'], name)
            self.assertIn('one=1 two=%s dir=work\n' % name, self.log_of(build['number']))

    def test_06_log_files(self):
        """a watched log file arrives beside the output"""
        for name in self.names:
            build = self.daemon.build('logs', '--slave', name)
            step = self.steps(build)['logs']
            self.assertIn('extra', [log['name'] if isinstance(log, dict) else log for log in step['logs']])
            self.assertIn('before\n', self.log_of(build['number'], 'logs'))

    def test_07_time_limits(self):
        """timeout and max_time end a command; the build fails"""
        for name in self.names:
            for builder in ('silent', 'long'):
                began = time.monotonic()
                build = self.daemon.build(builder, '--slave', name, expect=1)
                self.assertEqual(build['result'], 'failure', build)
                self.assertLess(time.monotonic() - began, 30)

    def test_08_cancel(self):
        """cancel interrupts the command, with SIGTERM first where that is asked for; the slave is free again"""
        for name in self.names:
            for builder, sign in (('forever', 'started'), ('gentle', 'ready')):
                number = self.daemon.submit(builder, '--slave', name)
                self.daemon.wait_build(number, state='running')
                # A worker holds output back for up to 5 s; the trap is set long before.
                time.sleep(0.7)
                self.daemon.bbctl('cancel', number)
                self.daemon.wait_build(number, state='finished', result='cancelled')
                if builder == 'gentle':
                    self.assertIn('got TERM', self.log_of(number))
            self.daemon.bbctl('run', '--slave', name, '--', 'true')

    def test_09_pending_build_is_cancelled(self):
        """a build that waits can be cancelled, too"""
        self.daemon.bbctl('pause', self.names[0])
        try:
            self.daemon.wait_slave(self.names[0], state='paused')
            number = self.daemon.submit('good', '--slave', self.names[0])
            self.assertIn(self.daemon.builds()[number]['state'], ('pending', 'waiting-for-slave'))
            self.daemon.bbctl('cancel', number)
            self.daemon.wait_build(number, state='finished', result='cancelled')
        finally:
            self.daemon.bbctl('resume', self.names[0])
            self.daemon.wait_slave(self.names[0], state='attached')

    def test_10_pause_and_resume(self):
        """S9: a paused slave gets no build; resumed, it starts the one that waits"""
        name = self.names[0]
        self.daemon.bbctl('pause', name)
        self.daemon.wait_slave(name, state='paused')
        number = self.daemon.submit('good', '--slave', name)
        # Another build ends meanwhile: had the paused slave been given one, it would have begun by then.
        self.daemon.build('good', '--slave', self.names[-1]) if len(self.names) > 1 else time.sleep(1)
        self.assertIsNone(self.daemon.builds()[number]['started_at'] or None)
        self.daemon.bbctl('resume', name)
        self.daemon.wait_build(number, state='finished', result='success')

    def test_11_files(self):
        """every transfer and directory step, with its content"""
        digest = hashlib.sha256(bytes(range(256)) * 5000).hexdigest()
        numbers = ''.join('%d\n' % n for n in range(1, 200001)).encode()
        for name in self.names:
            build = self.daemon.build('files', '--slave', name, expect=None)
            self.assertEqual(build['result'], 'success', build)
            with open(self.daemon.dir('host', 'big-' + name), 'rb') as f:
                self.assertEqual(f.read(), numbers)
            tree = self.daemon.dir('host', 'tree-' + name)
            with open(os.path.join(tree, 'deep', 'big'), 'rb') as f:
                self.assertEqual(f.read(), numbers)
            self.assertEqual(os.readlink(os.path.join(tree, 'deep', 'link')), 'big')
            with open(os.path.join(tree, 'a', 'x')) as f:
                self.assertEqual(f.read(), 'x\n')
            log = self.log_of(build['number'], 'look')
            self.assertIn(digest, log)
            self.assertIn('640', log)
            self.assertIn('same', self.log_of(build['number'], 'compare'))

    def test_12_missing_upload(self):
        """an upload of a file that is not there fails and leaves nothing at the host"""
        for name in self.names:
            build = self.daemon.build('missing-upload', '--slave', name, expect=1)
            self.assertEqual(build['result'], 'failure')
        self.assertEqual([n for n in os.listdir(self.daemon.dir('host')) if n.startswith('never')], [])

    def test_13_follow(self):
        """--follow shows the log as it comes, and ends with the build's exit status"""
        result = self.daemon.bbctl('build', 'mixed', '-p', 'n=5', '--follow', expect=1)
        self.assertIn('out of bot-', result.stdout)
        lines = self.daemon.bbctl('--json', 'build', 'good', '--follow').json_lines
        self.assertTrue(lines)
        self.assertEqual(lines[-1].get('result'), 'success', lines[-1])

    def test_14_interrupted_run_cancels(self):
        """^C of bbctl run cancels the build"""
        client = self.daemon.bbctl_start('run', '--slave', self.names[0], '--', 'sleep', '600')

        def running():
            return [b for b in self.daemon.builds().values() if b['state'] == 'running']
        build = wait_until(running, 'the command to run', interval=0.2)[0]
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=30)
        self.daemon.wait_build(build['number'], state='finished', result='cancelled')

    def test_15_max_builds(self):
        """S3, S12: max_builds holds builds of two builders back; a reload lifts it without a reconnect"""
        name = self.names[0]
        attaches = self.daemon.log().count('slave %s: attached from' % name)
        self.daemon.configure(self.config('max_builds=1'))
        self.daemon.bbctl('reload')
        first = [self.daemon.submit(b, '--slave', name) for b in ('slow', 'slow2')]
        builds = [self.daemon.wait_build(n, state='finished', result='success') for n in first]
        builds.sort(key=lambda b: b['started_at'])
        self.assertGreaterEqual(builds[1]['started_at'], builds[0]['finished_at'])
        self.daemon.configure(self.config())
        self.daemon.bbctl('reload')
        second = [self.daemon.submit(b, '--slave', name) for b in ('slow', 'slow2')]
        builds = [self.daemon.wait_build(n, state='finished', result='success') for n in second]
        builds.sort(key=lambda b: b['started_at'])
        self.assertLess(builds[1]['started_at'], builds[0]['finished_at'])
        self.assertEqual(self.daemon.log().count('slave %s: attached from' % name), attaches)

    def test_16_reload_keeps_builds(self):
        """S12, S13: a reload while a build runs changes nothing for it, and brings a new builder to the slave"""
        number = self.daemon.submit('forever', '--slave', self.names[0])
        self.daemon.wait_build(number, state='running')
        self.daemon.configure(self.config(extra='[builder fresh]\nslavenames=bot-*;\nsteps=ok;\n'))
        self.daemon.bbctl('reload')
        self.daemon.build('fresh', '--slave', self.names[0])
        self.assertEqual(self.daemon.builds()[number]['state'], 'running')
        self.daemon.configure('[host]\nnmae=broken\n')
        refused = self.daemon.bbctl('reload', expect=1)
        self.assertIn('[host] nmae', refused.stderr)
        self.assertIn('name', refused.stderr)
        self.daemon.build('fresh', '--slave', self.names[0])
        self.assertEqual(self.daemon.builds()[number]['state'], 'running')
        self.daemon.bbctl('cancel', number)
        self.daemon.wait_build(number, state='finished', result='cancelled')
        self.daemon.configure(self.config())
        self.daemon.reload()
        wait_until(lambda: 'fresh' not in self.daemon.bbctl('--json', 'builders').stdout, 'SIGHUP to take effect')

    def test_17_ping(self):
        """ping answers with a time"""
        for name in self.names:
            self.assertRegex(self.daemon.bbctl('ping', name).stdout, r'\d')

    def test_18_duplicate(self):
        """A3: a second worker of a name is refused (and ends, where the protocol can say so); the first and its build go on"""
        number = self.daemon.submit('forever', '--slave', self.names[0])
        self.daemon.wait_build(number, state='running')
        second = self.start_worker(self.names[0], 'pass-' + self.names[0], self.daemon.port, wire=self.wire)
        self.daemon.wait_log('slave %s: refused a second login' % self.names[0])
        if self.wire.protocol == 'pb':
            second.process.wait(bbtest.DEADLINE)
            self.assertIn('duplicate', second.log())
        else:
            second.wait_log('WebSocket connection closed')
            second.stop()
        self.assertEqual(self.daemon.builds()[number]['state'], 'running')
        self.assertTrue(self.daemon.slave(self.names[0])['attached'])
        self.daemon.bbctl('cancel', number)
        self.daemon.wait_build(number, state='finished', result='cancelled')

    def test_19_refused(self):
        """A1: wrong password and unknown name are refused and logged without the password; others work on"""
        wrong = self.start_worker(self.names[0], 'wr0ng-passw0rd', self.daemon.port, wire=self.wire)
        unknown = self.start_worker('nobody', 'wr0ng-passw0rd', self.daemon.port, wire=self.wire)
        for worker in (wrong, unknown):
            worker.wait_log('(?i)unauthorized login' if self.wire.protocol == 'pb' else 'WebSocket connection closed')
        self.daemon.wait_log(r'127\.0\.0\.1.*nobody|nobody.*127\.0\.0\.1')
        self.assertNotIn('wr0ng-passw0rd', self.daemon.log())
        self.assertIsNone(wrong.process.poll())
        self.daemon.build('good')

    def test_20_lost_build_goes_to_another(self):
        """S7: a slave killed in mid-build makes it retry; it runs again when there is a slave"""
        worker = self.workers['3']
        forever = self.daemon.submit('forever', '--slave', self.names[0])
        self.daemon.wait_build(forever, state='running')
        worker.kill()
        wait_until(lambda: self.daemon.builds()[forever]['result'] == 'retry', 'the build to be retry')
        worker.start()
        self.daemon.wait_attached(self.names[0])
        again = wait_until(lambda: [b for b in self.daemon.builds().values()
                                    if b['builder'] == 'forever' and b['state'] == 'running'], 'the build to run again')
        self.daemon.bbctl('cancel', again[0]['number'])
        self.daemon.wait_build(again[0]['number'], state='finished', result='cancelled')

    def test_21_graceful_shutdown(self):
        """S10: a slave told to shut down finishes its build, gets no other, and its process ends"""
        worker = self.workers['3']
        running = self.daemon.submit('slow', '--slave', self.names[0])
        self.daemon.wait_build(running, state='running')
        self.daemon.bbctl('shutdown', self.names[0])
        waiting = self.daemon.submit('good', '--slave', self.names[0])
        worker.process.wait(bbtest.DEADLINE)
        self.daemon.wait_build(running, state='finished', result='success')
        self.assertNotEqual(self.daemon.builds()[waiting]['state'], 'finished')
        worker.start()
        self.daemon.wait_build(waiting, state='finished', result='success')

    def test_22_sigterm(self):
        """SIGTERM ends the daemon in order: exit 0; the build that ran is retry and waits for the next start"""
        number = self.daemon.submit('forever', '--slave', self.names[0])
        self.daemon.wait_build(number, state='running')
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log()[-4000:])
        port = self.daemon.port
        self.daemon.configure(self.config().replace('port=0', 'port=%d' % port))
        self.daemon.start()
        self.daemon.wait_attached(*self.names)
        again = wait_until(lambda: [b for b in self.daemon.builds().values()
                                    if b['builder'] == 'forever' and b['state'] == 'running'], 'the build to run again')
        self.daemon.bbctl('cancel', again[0]['number'])
        self.daemon.wait_build(again[0]['number'], state='finished', result='cancelled')


class Leftovers(bbtest.Case):
    CONFIG = '[step ok]\ncommand=echo done >made\n[builder stays]\nslavenames=*;\nsteps=ok;\n'
    GOES = '[builder goes]\nslavenames=*;\nsteps=ok;\n'

    def test_delete_leftover_dirs(self):
        """a worker with delete_leftover_dirs has the directories of its builders and no others, over each protocol"""
        slaves = {'%s-%s' % (wire.protocol, release): (wire, release) for wire in bbtest.wires() if not wire.tls
                  for release in Worker.releases_for(wire)}
        config = self.CONFIG + ''.join('[slave %s]\npassword=passw0rd\n' % name for name in ('keeps', *slaves))
        config += ''.join(bbtest.Daemon.listener(None, protocol, protocol=protocol) for protocol in ('pb', 'msgpack'))
        self.start_daemon(config + self.GOES)
        workers = {name: Worker(name, 'passw0rd', self.daemon.ports[wire.protocol], release, wire=wire,
                                options=('--delete-leftover-dirs',)) for name, (wire, release) in slaves.items()}
        msgpack = bbtest.Wire('msgpack', False)
        workers['keeps'] = Worker('keeps', 'passw0rd', self.daemon.ports['msgpack'], wire=msgpack)
        for worker in workers.values():
            self.addCleanup(worker.close)
            for path in ('old/deep', 'stays/mine', 'goes'):
                os.makedirs(os.path.join(worker.base, path))
            os.symlink('/', os.path.join(worker.base, 'link'))
            worker.start()
        self.daemon.wait_attached(*workers)

        def directories(name):
            base = workers[name].base
            return {entry for entry in os.listdir(base) if os.path.isdir(os.path.join(base, entry))
                    and not os.path.islink(os.path.join(base, entry))} - {'bbhost-run'}
        for name in slaves:
            self.assertEqual(directories(name), {'info', 'stays', 'goes'}, name)
        self.daemon.configure(config)
        self.daemon.bbctl('reload')
        for name in slaves:
            wait_until(lambda: directories(name) == {'info', 'stays'}, lambda: '%s: %s' % (name, directories(name)))
            self.daemon.build('stays', '--slave', name)
            self.assertEqual(set(os.listdir(os.path.join(workers[name].base, 'stays'))), {'mine', 'build'}, name)
            self.assertTrue(os.path.exists(os.path.join(workers[name].base, 'buildbot.tac')))
        self.assertEqual(directories('keeps'), {'info', 'stays', 'goes', 'old'})


ESSENTIAL = ('test_00_both_releases', 'test_01_attached_with_their_info', 'test_03_run_is_like_ssh',
             'test_05_environment_and_directories', 'test_08_cancel', 'test_11_files', 'test_17_ping', 'test_18_duplicate',
             'test_19_refused', 'test_21_graceful_shutdown')


def over(wire):
    """The same class on another wire; an attribute that is None is no test."""
    members = {'wire': wire}
    if not os.environ.get('BB_TEST_ALL_WIRES'):
        members.update((name, None) for name in dir(RealWorkers) if name.startswith('test_') and name not in ESSENTIAL)
    return type('RealWorkersOver' + wire.protocol.title() + ('Tls' if wire.tls else ''), (RealWorkers,), members)


OTHERS = [over(wire) for wire in bbtest.wires()[1:]]
globals().update((each.__name__, each) for each in OTHERS)


if __name__ == '__main__':
    bbtest.main()
