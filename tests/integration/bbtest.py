# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every integration test uses: a private bus, a daemon, real workers, bbctl, and waiting without sleeping blindly.

A test script holds unittest cases and ends with bbtest.main(), which prints TAP. The script makes itself the reaper of
everything that it starts, directly or not, so that a process left behind by the daemon is found and fails the test.
"""
import atexit
import ctypes
import glob
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

SRCDIR = os.environ.get('BB_SRCDIR') or os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
BUILDDIR = os.environ.get('BB_BUILDDIR') or os.getcwd()
# Everything takes longer under sanitizers and on a machine that others use; these end waits that would never end.
DEADLINE = 60.0

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _find_program(name, installed):
    """The real program behind libtool's wrapper, so that its pid and memory are its own."""
    if installed:
        return installed
    real = os.path.join(BUILDDIR, '.libs', name)
    return real if os.path.exists(real) else os.path.join(BUILDDIR, name)


BBHOSTD = _find_program('bbhostd', os.environ.get('BB_TEST_BBHOSTD'))
BBCTL = _find_program('bbctl', os.environ.get('BB_TEST_BBCTL'))
# An installed copy knows where its plugins and its library are.
INSTALLED = 'BB_TEST_BBHOSTD' in os.environ
PLUGIN_OPTIONS = [] if INSTALLED else ['--plugin-dir=' + path
                                       for path in sorted(glob.glob(os.path.join(BUILDDIR, 'plugins', '*', '.libs')))]


def program_environment(**more):
    env = dict(os.environ)
    if not INSTALLED:
        libraries = [os.path.join(BUILDDIR, '.libs')]
        if env.get('LD_LIBRARY_PATH'):
            libraries.append(env['LD_LIBRARY_PATH'])
        env['LD_LIBRARY_PATH'] = ':'.join(libraries)
    for name in ('NOTIFY_SOCKET', 'JOURNAL_STREAM', 'DBUS_SESSION_BUS_ADDRESS', 'DBUS_STARTER_ADDRESS'):
        env.pop(name, None)
    env['LC_ALL'] = 'C.UTF-8'
    env.update(more)
    return env


def is_sanitized():
    with open(BBHOSTD, 'rb') as program:
        return b'__asan_init' in program.read()


def wait_until(condition, what, deadline=None, interval=0.05):
    """Returns the first true value of condition(); what is said when there is none in time."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('gave up waiting: %s' % (what() if callable(what) else what))
        time.sleep(interval)


def free_port():
    """For what must keep its port over a restart."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def raise_file_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise unittest.SkipTest('needs %d open files, the limit is %d' % (wanted, hard))
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def process_state(pid):
    """'R', 'S', 'Z', … or None when it is gone."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    return process_state(pid) not in (None, 'Z', 'X')


def descendants(root=None):
    """{pid: command line} of all living processes below root (this script)."""
    root = root or os.getpid()
    parents = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open('/proc/%s/stat' % entry) as f:
                    fields = f.read().rpartition(')')[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] not in 'ZX':
                parents[int(entry)] = int(fields[1])
    found = {}
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root and pid != root:
            found[pid] = command_line(pid)
    return found


def command_line(pid):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            return f.read().replace(b'\0', b' ').decode(errors='replace').strip()
    except (FileNotFoundError, ProcessLookupError):
        return ''


def process_environment(pid):
    try:
        with open('/proc/%d/environ' % pid, 'rb') as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b''


def memory_kib(pid, field='VmRSS'):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'^%s:\s+(\d+) kB' % field, f.read(), re.M).group(1))


def cpu_seconds(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class TempDir:
    """A folder below $TMPDIR, gone at the end whatever is in it."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix='bbhost-test-')
        atexit.register(self.remove)

    def remove(self):
        for folder, names, _ in os.walk(self.path):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def write(self, name, text, mode=0o600):
        path = self(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = path + '.new'
        with open(temporary, 'wb') as f:
            os.fchmod(f.fileno(), mode)
            f.write(text.encode() if isinstance(text, str) else text)
        os.rename(temporary, path)
        return path


class Authority:
    """A CA and what it signs, by the commands that the manual shows."""

    def __init__(self, directory, name='ca'):
        self.dir, self.name = directory, name
        self.key, self.certificate = directory('%s.key' % name), directory('%s.pem' % name)
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                     '-subj', '/CN=%s' % name, '-keyout', self.key, '-out', self.certificate)

    @staticmethod
    def openssl(*arguments):
        subprocess.run(['openssl', *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def issue(self, name, alternative=None, file=None):
        """The paths of certificate and key."""
        key, certificate = self.dir('%s.key' % (file or name)), self.dir('%s.pem' % (file or name))
        request = self.dir('request.pem')
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=' + name,
                     '-keyout', key, '-out', request)
        extensions = self.dir.write('extensions', 'subjectAltName=%s\n' % (alternative or 'DNS:' + name))
        self.openssl('x509', '-req', '-in', request, '-CA', self.certificate, '-CAkey', self.key, '-CAcreateserial',
                     '-days', '2', '-extfile', extensions, '-out', certificate)
        os.chmod(key, 0o600)
        return certificate, key


class Bus:
    """A dbus-daemon of our own."""

    def __init__(self, directory):
        read_end, write_end = os.pipe()
        path = directory('bus.socket')
        self.process = subprocess.Popen(
            ['dbus-daemon', '--session', '--nofork', '--nosyslog', '--nopidfile', '--address=unix:path=' + path,
             '--print-address=%d' % write_end],
            pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=open(directory('bus.log'), 'wb'),
            env=program_environment(), preexec_fn=_die_with_parent)
        os.close(write_end)
        with os.fdopen(read_end) as f:
            self.address = f.readline().strip()
        if not self.address:
            raise AssertionError('dbus-daemon did not start')

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)


class Wire:
    """A way for workers to connect: what the listener's group says, and what the worker is told."""

    def __init__(self, protocol, tls):
        self.protocol, self.tls = protocol, tls
        self.name = protocol + ('+TLS' if tls else '')
        self.environment = {}

    def listener_keys(self, directory):
        """The keys of a listener; @directory: where its certificate is to be."""
        keys = {'protocol': self.protocol}
        if self.tls:
            authority = Authority(directory)
            keys['tls_certificate'], keys['tls_private_key'] = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1',
                                                                               'server')
            self.environment['SSL_CERT_FILE'] = authority.certificate
        return keys

    def worker_options(self):
        return ((['--protocol=msgpack_experimental_v7'] if self.protocol == 'msgpack' else [])
                + (['--use-tls'] if self.tls else []))


def wires():
    return [Wire(protocol, tls) for protocol in ('pb', 'msgpack') for tls in (False, True)]


class Bbctl:
    """The result of one run of bbctl."""

    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr

    @property
    def json(self):
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError('not one JSON document: %s\n%s\n%s' % (error, self.stdout, self.stderr))

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.stdout.splitlines()]


class Daemon:
    """bbhostd on a private bus, with a configuration that may be written anew between starts."""

    def __init__(self, config='', **options):
        self.dir = TempDir()
        self.bus = Bus(self.dir)
        self.process = None
        self.ports = {}
        self.options = options
        self.configure(config)

    # --- configuration

    def configure(self, config):
        self.config_path = self.dir.write('etc/bbhost.conf', config)

    def listener(self, name='pb', port=0, **keys):
        lines = ['[listener %s]' % name, 'address=127.0.0.1', 'port=%d' % port]
        return '\n'.join(lines + ['%s=%s' % item for item in keys.items()]) + '\n'

    # --- the process

    def command(self, *arguments):
        return [BBHOSTD, '--config', self.config_path, '--state-dir', self.dir('state'), '--bus', self.bus.address,
                *PLUGIN_OPTIONS, *arguments]

    def start(self, *arguments, wait=True, **environment):
        """Returns when the daemon has told systemd's socket that it is ready."""
        notify_path = self.dir('notify.socket')
        if os.path.exists(notify_path):
            os.unlink(notify_path)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(notify_path)
        self.log_path = self.dir('bbhostd.log')
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                self.command(*(arguments or self.options.get('arguments', ()))), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=program_environment(NOTIFY_SOCKET=notify_path, **environment),
                preexec_fn=_die_with_parent)
        try:
            if wait:
                self._wait_ready(notify)
        finally:
            notify.close()
        return self

    def _wait_ready(self, notify):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError('bbhostd ended with %s:\n%s' % (self.process.returncode, self.log()))
            if select.select([notify], [], [], 0.05)[0] and b'READY=1' in notify.recv(4096).split(b'\n'):
                self.ports = {name: int(port) for name, port in
                              re.findall(r'listener (\S+): listening on \S+ port (\d+)', self.log())}
                return
        raise AssertionError('bbhostd was not ready in time:\n' + self.log())

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return self.ports['pb']

    def log(self, everything=False):
        with open(self.log_path, 'rb') as f:
            f.seek(0 if everything else self.log_start)
            return f.read().decode(errors='replace')

    def wait_log(self, pattern, deadline=None, everything=False):
        return wait_until(lambda: re.search(pattern, self.log(everything), re.M), 'log line /%s/' % pattern, deadline)

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self, deadline=DEADLINE):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(deadline)
        # LeakSanitizer's tracer dies now and then on a busy machine, which says nothing about leaks or about the daemon:
        # main() has returned by then.
        if status != 0 and 'LeakSanitizer has encountered a fatal error' in self.log(True):
            return 0
        return status

    def reload(self):
        """SIGHUP, as systemd does it."""
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self.bus.stop()
        self.dir.remove()

    # --- bbctl

    def bbctl_command(self, *arguments):
        return [BBCTL, '--bus', self.bus.address] + [str(argument) for argument in arguments]

    def bbctl(self, *arguments, expect=0, timeout=DEADLINE, stdin=None):
        done = subprocess.run(self.bbctl_command(*arguments), stdin=stdin or subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              env=program_environment())
        result = Bbctl(done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace'))
        if expect is not None and done.returncode != expect:
            raise AssertionError('bbctl %s: exit status %d rather than %d\n%s%s' % (
                ' '.join(map(str, arguments)), done.returncode, expect, result.stdout, result.stderr))
        return result

    def bbctl_start(self, *arguments, **options):
        """For what runs on; the caller waits for it."""
        return subprocess.Popen(self.bbctl_command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=program_environment(),
                                preexec_fn=_die_with_parent, **options)

    def json(self, *arguments, **options):
        return self.bbctl('--json', *arguments, **options).json

    def slaves(self):
        return {slave['name']: slave for slave in self.json('slaves')}

    def slave(self, name):
        return self.slaves()[name]

    def builds(self):
        return {build['number']: build for build in self.json('builds')}

    def build(self, *arguments, expect=0, timeout=DEADLINE):
        """Submits, waits, and returns the build's JSON."""
        return self.json('build', '--wait', *arguments, expect=expect, timeout=timeout)

    def submit(self, *arguments):
        """Submits without waiting; the number."""
        return int(self.json('build', *arguments)['number'])

    def wait_slave(self, name, deadline=None, **wanted):
        last = {}

        def matches():
            last.update(self.slave(name))
            return all(last.get(key) == value for key, value in wanted.items()) and last
        return wait_until(matches, lambda: 'slave %s to have %s; it has %s' % (name, wanted, last), deadline, 0.1)

    def wait_attached(self, *names, deadline=None):
        def all_attached():
            slaves = self.slaves()
            return all(slaves[name]['attached'] for name in names)
        wait_until(all_attached, lambda: 'slaves %s to attach:\n%s' % (', '.join(names), self.log()[-3000:]), deadline,
                   0.1)

    def wait_build(self, number, deadline=None, **wanted):
        last = {}

        def matches():
            last.update(self.builds()[number])
            return all(last.get(key) == value for key, value in wanted.items()) and last
        return wait_until(matches, lambda: 'build %s to have %s; it has %s' % (number, wanted, last), deadline, 0.1)


class Worker:
    """A real buildbot-worker, in a folder of its own."""

    # The release that Debian has, and the newest from PyPI in a virtual environment, where there is one.
    PROGRAMS = {'3': shutil.which('buildbot-worker', path='/usr/bin:/usr/local/bin') or shutil.which('buildbot-worker'),
                '4': os.environ.get('BB_TEST_WORKER4')}
    running = []

    @classmethod
    def require(cls, *releases):
        for release in releases:
            if not cls.PROGRAMS.get(release):
                raise unittest.SkipTest({'3': 'buildbot-worker is not installed',
                                         '4': 'no buildbot-worker 4.x (BB_TEST_WORKER4 names none)'}[release])

    @classmethod
    def has_tls(cls, release):
        """Twisted needs more for it than it comes with."""
        python = os.path.join(os.path.dirname(cls.PROGRAMS[release]), 'python3')
        return subprocess.run([python, '-c', 'import OpenSSL, service_identity'], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=program_environment()).returncode == 0

    @classmethod
    def releases_for(cls, wire):
        """Those of which there are workers that can connect so."""
        return [release for release, program in cls.PROGRAMS.items()
                if program and (not wire.tls or cls.has_tls(release))]

    def __init__(self, name, password, port, release='3', keepalive=600, maxdelay=2, wire=None, options=()):
        self.require(release)
        self.name, self.release = name, release
        self.dir = TempDir()
        self.base = self.dir('worker')
        self.program = self.PROGRAMS[release]
        self.process = None
        self.wire = wire or Wire('pb', False)
        subprocess.run([self.program, 'create-worker', '--keepalive=%d' % keepalive, '--maxdelay=%d' % maxdelay,
                        *self.wire.worker_options(), *options, self.base,
                        '%s:%d' % ('localhost' if self.wire.tls else '127.0.0.1', port), name, password],
                       stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=True, env=program_environment())
        for info, text in (('admin', 'Ann Admin <ann@example.org>\n'), ('host', 'machine of %s\n' % name)):
            with open(os.path.join(self.base, 'info', info), 'w') as f:
                f.write(text)
        Worker.running.append(self)

    def start(self):
        self.output = open(self.dir('output'), 'ab')
        self.process = subprocess.Popen(
            [self.program, 'start', '--nodaemon', self.base], stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=subprocess.STDOUT, env=program_environment(**self.wire.environment), preexec_fn=_die_with_parent)
        self.output.close()
        return self

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        try:
            with open(os.path.join(self.base, 'twistd.log'), errors='replace') as f:
                text = f.read()
        except FileNotFoundError:
            text = ''
        with open(self.dir('output'), errors='replace') as f:
            return text + f.read()

    def wait_log(self, pattern, deadline=None):
        return wait_until(lambda: re.search(pattern, self.log(), re.M),
                          lambda: 'worker %s to log /%s/:\n%s' % (self.name, pattern, self.log()[-2000:]), deadline)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(DEADLINE)

    def kill(self):
        """With what it runs: a worker that is killed leaves that behind, which is not what is tested."""
        commands = descendants(self.pid)
        self.process.kill()
        self.process.wait(DEADLINE)
        for pid in commands:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self):
        self.stop()
        self.dir.remove()
        if self in Worker.running:
            Worker.running.remove(self)


class Fleet:
    """Real workers as the machines of a cloud, of which @control tells; see fleet.py."""

    def __init__(self, control):
        self.dir = TempDir()
        with open(self.dir('log'), 'wb') as log:
            self.process = subprocess.Popen(
                ['/usr/bin/python3', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fleet.py'), control,
                 self.dir('workers')], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE)
        self.dir.remove()


class Case(unittest.TestCase):
    """Knows the daemon of its class or test, so that a failure shows its log."""

    daemon = None
    maxDiff = None

    @classmethod
    def start_class_daemon(cls, config, **options):
        """One for all tests of the class; @config may be a function that is called when there is a folder."""
        cls.daemon = Daemon(**options)
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.configure(config() if callable(config) else config)
        return cls.daemon.start()

    @classmethod
    def start_class_worker(cls, *arguments, **options):
        worker = Worker(*arguments, **options)
        cls.addClassCleanup(worker.close)
        return worker.start()

    def close_daemon(self, daemon):
        """At the end of the test: an orderly stop must succeed (leaks and bad memory accesses show here, too)."""
        status = daemon.stop()
        log = daemon.log()
        daemon.close()
        self.assertEqual(status, 0, log[-4000:])

    def start_daemon(self, config, **options):
        self.daemon = Daemon(config, **options)
        self.addCleanup(self.close_daemon, self.daemon)
        return self.daemon.start()

    def start_worker(self, *arguments, **options):
        worker = Worker(*arguments, **options)
        self.addCleanup(worker.close)
        return worker.start()


class _TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0
        self.bad = 0

    @staticmethod
    def _title(test):
        if not isinstance(test, unittest.TestCase):
            return str(test)  # set-up of a class
        text = (test.shortDescription() or '').strip()
        return test.id().partition('.')[2] + (' - ' + text if text else '')

    @staticmethod
    def _comment(text):
        for line in text.splitlines():
            print('#', line)

    def _line(self, test, ok, suffix=''):
        self.count += 1
        self.bad += not ok
        title = self._title(test).replace('#', '')
        print('%s %d %s%s%s' % ('ok' if ok else 'not ok', self.count, title,
                                '' if suffix else ' (%.1f s)' % (time.monotonic() - self.began), suffix), flush=True)

    began = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def addSuccess(self, test):
        self._line(test, True)

    def addSkip(self, test, reason):
        self._line(test, True, ' # SKIP ' + reason)

    def _failed(self, test, error):
        self._line(test, False)
        self._comment(''.join(traceback.format_exception(*error)))
        daemon = getattr(test, 'daemon', None)
        if daemon and getattr(daemon, 'log_path', None) and os.path.exists(daemon.log_path):
            self._comment('the daemon %s; its log:\n' % ('runs' if daemon.process and daemon.process.poll() is None else
                                                         'ended with %s' % (daemon.process and daemon.process.returncode))
                          + '\n'.join(daemon.log(True).splitlines()[-60:]))

    addError = addFailure = _failed

    def addSubTest(self, test, subtest, error):
        if error:
            self._failed(subtest, error)


def _kill_leftovers():
    for pid in descendants():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main():
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    atexit.register(_kill_leftovers)
    os.umask(0o022)
    names = sys.argv[1:]
    loader = unittest.TestLoader()
    module = sys.modules['__main__']
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = _TapResult()
    suite.run(result)
    # What the daemon or a worker left behind is ours now. What is just ending gets its time.
    try:
        wait_until(lambda: not descendants(), '', 5)
    except AssertionError:
        pass
    left = descendants()
    result.count += 1
    result.bad += bool(left)
    print('%s %d no process is left behind' % ('not ok' if left else 'ok', result.count))
    for pid, command in left.items():
        print('# %d %s' % (pid, command))
    print('1..%d' % result.count, flush=True)
    sys.exit(1 if result.bad else 0)
