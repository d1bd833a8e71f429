# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mail through a real SMTP server (aiosmtpd), and through one that misbehaves; what arrives is parsed by Python."""
import asyncio
import contextlib
import email
import email.policy
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
import postfix  # noqa: E402
from bbtest import wait_until  # noqa: E402

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword
except ImportError:
    Controller = None

CONFIG = '''
[host]
name=farm
admin=admin@example.org
login_grace=0
[slave bot]
password=passw0rd
notify_on_missing=bob@example.com;alice@example.org;
missing_timeout=1
[slave quiet]
password=passw0rd
missing_timeout=1
[builder full]
slavenames=bot;
steps=say;
category=nightly
[builder broken]
slavenames=bot;
steps=fail;
[step say]
command=echo hello
[step fail]
command=echo the reason; exit 3
'''

NOTIFIER = '''
[notifier mail]
type=smtp
fromaddr=Build Bot <buildbot@example.org>
relayhost=127.0.0.1
smtpPort=%(port)d
%(more)s
'''


class Server:
    """aiosmtpd on a port that it chooses; keeps what it got. @pause: seconds before it says that it did."""

    def __init__(self, port=0, pause=0, address='127.0.0.1', **options):
        self.mails, self.pause = [], pause
        with socket.create_server((address, port)) as probe:
            self.port = probe.getsockname()[1]
        self.controller = Controller(self, hostname=address, port=self.port, **options)
        self.controller.start()

    async def handle_DATA(self, _server, session, envelope):
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, session.authenticated,
                           email.message_from_bytes(envelope.content, policy=email.policy.default)))
        if self.pause:
            await asyncio.sleep(self.pause)
        return '250 OK'

    def messages(self, subject=''):
        return [mail[3] for mail in self.mails if subject in mail[3]['Subject']]

    def to(self, recipient):
        """What went to @recipient of all, in the order in which it came."""
        return [mail[3] for mail in self.mails if recipient in mail[1]]

    def close(self):
        self.controller.stop()


class Misbehaving:
    """A server that answers @stage (connect, EHLO, MAIL, RCPT, DATA, or end: of the mail) with @answer, or with nothing
    when it is HANG, or with half a line and the end when it is CUT; and as a server should to everything else."""

    HANG, CUT = b'hang', b'cut'

    def __init__(self, stage, answer):
        self.stage, self.answer, self.attempts, self.taken = stage, answer, 0, 0
        self.closing = threading.Event()
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.attempts += 1
            try:
                with connection, connection.makefile('rwb') as stream:
                    self._talk(stream)
            except OSError:
                pass

    def _say(self, stream, stage, line):
        """Whether to go on."""
        if stage == self.stage and self.answer == self.HANG:
            self.closing.wait(bbtest.DEADLINE)
            return False
        if stage == self.stage and self.answer:
            line = self.answer if self.answer != self.CUT else b'25'
        stream.write(line + (b'' if line == b'25' else b'\r\n'))
        stream.flush()
        return line != b'25'

    def _talk(self, stream):
        if not self._say(stream, 'connect', b'220 here'):
            return
        for line in stream:
            verb = line[:4].upper().decode()
            if verb == 'QUIT':
                self._say(stream, 'QUIT', b'221 bye')
                return
            if not self._say(stream, verb, b'354 go on' if verb == 'DATA' else b'250 fine'):
                return
            if verb == 'DATA' and not (self.stage == 'DATA' and self.answer):
                while stream.readline().strip() != b'.':
                    pass
                self.taken += self.stage != 'end' or not self.answer or self.answer in (self.HANG, self.CUT)
                if not self._say(stream, 'end', b'250 taken'):
                    return

    def close(self):
        self.closing.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # else the thread that waits would keep the port
        self.socket.close()


def make_certificate(directory):
    certificate, key = directory('cert.pem'), directory('key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate,
                    '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@unittest.skipIf(Controller is None, 'python3-aiosmtpd is not installed')
class Mail(bbtest.Case):
    def server(self, **options):
        server = Server(**options)
        self.addCleanup(server.close)
        return server

    def run_daemon(self, port, more=''):
        daemon = bbtest.Daemon()
        self.addCleanup(self.close_daemon, daemon)
        daemon.configure(CONFIG + NOTIFIER % {'port': port, 'more': more} + daemon.listener())
        daemon.start()
        self.daemon = daemon
        return daemon

    def test_missing(self):
        """M1, M5, M8, M12: one mail to both, with all that helps; none for a slave that names nobody; none after restarts"""
        server = self.server()
        daemon = self.run_daemon(server.port, 'builders=')
        wait_until(lambda: server.messages('bot was lost'), 'the mail', 30)
        daemon.wait_log('notifier mail: sent')
        mail_from, recipients, _, message = server.mails[0]
        self.assertEqual(mail_from, 'buildbot@example.org')
        self.assertEqual(sorted(recipients), ['alice@example.org', 'bob@example.com'])
        self.assertEqual(message['Subject'], 'Buildbot: buildslave bot was lost')
        self.assertEqual(message['From'], 'Build Bot <buildbot@example.org>')
        text = message.get_content()
        for wanted in ('bot', 'farm', 'Missing since: ', 'bbctl slave bot'):
            self.assertIn(wanted, text)
        self.assertEqual(daemon.slave('quiet')['state'], 'missing')
        for _ in range(2):
            self.assertEqual(daemon.stop(), 0)
            daemon.start()
        daemon.bbctl('slaves')
        wait_until(lambda: daemon.slave('bot')['state'] == 'missing', 'the state', 30)
        self.assertEqual(len(server.mails), 1)

    def test_lost(self):
        """M1, M2, M3, M12: a slave that is killed is reported once, with all that helps, and not again after two restarts,
        although the first of them comes before the server has said that it took the mail"""
        bbtest.Worker.require('3')
        server = self.server(pause=1)
        daemon = self.run_daemon(server.port, 'builders=')
        wait_until(lambda: server.messages('bot was lost'), 'the mail about one that never came', 30)
        worker = self.start_worker('bot', 'passw0rd', daemon.port)
        daemon.wait_attached('bot')
        address = daemon.slave('bot')['peer_address']
        worker.kill()
        wait_until(lambda: len(server.mails) == 2, 'the mail about the one that was killed')
        text = server.messages('bot was lost')[1].get_content()
        for wanted in ('buildslave named bot of farm', 'Missing since: 2', 'Last message: 2', 'Last address: ' + address,
                       'Its administrator: Ann Admin <ann@example.org>', 'To look at it on farm: bbctl slave bot'):
            self.assertIn(wanted, text)
        for _ in range(2):
            self.assertEqual(daemon.stop(), 0)
            daemon.start()
        wait_until(lambda: daemon.slave('bot')['state'] == 'missing', 'the state', 30)
        self.assertEqual(len(server.mails), 2)

    def build(self, server, builder, more):
        daemon = self.run_daemon(server.port, more)
        bbtest.Worker.require('3')
        self.start_worker('bot', 'passw0rd', daemon.port)
        daemon.wait_attached('bot')
        return daemon.bbctl('--json', 'build', builder, '--wait', '-p', 'owner=joe', expect=None).json

    def test_build(self):
        """N1, N3, N4, N6, N7: a failed build is mailed to its owner, copies to the extras, with its log"""
        server = self.server()
        self.build(server, 'broken', 'mode=failing\nlookup=example.org\nextraRecipients=all@example.org;\naddLogs=true')
        wait_until(lambda: server.messages('failure'), 'the mail', 30)
        message = server.messages('failure')[0]
        self.assertEqual(message['Subject'], 'buildbot failure in farm on broken')
        self.assertEqual(message['To'], 'joe@example.org')
        self.assertEqual(message['Cc'], 'all@example.org')
        body, log = list(message.iter_parts())
        self.assertIn('failed build on builder broken', body.get_content())
        self.assertEqual(log.get_filename(), 'fail.stdio')
        self.assertIn('the reason', log.get_content())

    def test_not_selected(self):
        """N1, N2: what mode or builders do not select is not mailed"""
        server = self.server()
        self.build(server, 'full', 'mode=failing\nextraRecipients=all@example.org;')
        self.build_again('broken')
        wait_until(lambda: server.messages('failure'), 'the mail about the one that failed', 30)
        self.assertEqual(len([m for m in server.messages() if 'lost' not in m['Subject']]), 1)

    def build_again(self, builder):
        self.daemon.bbctl('build', builder, '--wait', expect=None)

    def test_formatter(self):
        """messageFormatter: a program that gets the build as JSON makes text, type and subject"""
        server = self.server()
        program = bbtest.TempDir()
        self.addCleanup(program.remove)
        path = program.write('format', '#!/usr/bin/python3\nimport json, sys\nbuild = json.load(sys.stdin)\n'
                             'print("Subject: about %s\\nContent-Type: text/html\\n\\n<b>%s</b>" % '
                             '(build["builder"], build["result"]))\n', 0o700)
        self.build(server, 'broken', 'mode=failing\nextraRecipients=all@example.org;\nformatter_command=%s' % path)
        wait_until(lambda: server.messages('about broken'), 'the mail', 30)
        message = server.messages('about broken')[0]
        self.assertEqual(message.get_content_type(), 'text/html')
        self.assertIn('<b>failure</b>', message.get_content())

    def test_by_hand(self):
        """bbctl notify-test sends one mail now, and shows what the server said when it can't"""
        server = self.server()
        daemon = self.run_daemon(server.port, 'builders=\nwatchedWorkers=nobody')
        daemon.bbctl('notify-test', 'mail', 'me@example.org')
        self.assertEqual(server.mails[0][1], ['me@example.org'])
        unknown = daemon.bbctl('notify-test', 'post', 'me@example.org', expect=1)
        self.assertIn('there is no notifier "post"; there is "mail"', unknown.stderr)
        refusing = Misbehaving('RCPT', b'550 nobody of that name')
        self.addCleanup(refusing.close)
        daemon.configure(CONFIG + NOTIFIER % {'port': refusing.port, 'more': 'builders='}
                         + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        self.assertIn('550 nobody of that name', daemon.bbctl('notify-test', 'mail', 'me@example.org', expect=1).stderr)

    @staticmethod
    def check_login(_server, _session, _envelope, _mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b'bot', b's3cret')
        return AuthResult(success=good, handled=False)

    def test_plain_login(self):
        """N9: to a host that is not this one the password goes in the clear when allow_plain_password says so, and else the
        configuration is refused"""
        server = self.server(address='127.0.0.2', authenticator=self.check_login, auth_required=True, auth_require_tls=False)
        notifier = '[notifier mail]\ntype=smtp\nfromaddr=bot@example.org\nrelayhost=127.0.0.2\nsmtpPort=%d\nsmtpUser=bot\n' \
                   'smtpPassword=s3cret\n' % server.port
        daemon = self.start_daemon(CONFIG + notifier + 'allow_plain_password=true\n' + bbtest.Daemon.listener(None))
        wait_until(lambda: server.messages('bot was lost'), 'the mail')
        self.assertTrue(server.mails[0][2])
        self.assertNotIn('s3cret', daemon.log(True))
        daemon.configure(CONFIG + notifier + daemon.listener(port=daemon.port))
        self.assertIn('smtpPassword: would be sent in the clear', daemon.bbctl('reload', expect=1).stderr)

    def test_tls_and_login(self):
        """N8, N9: STARTTLS with a certificate that fits, and a login over it"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        certificate, context = make_certificate(directory)
        server = self.server(tls_context=context, require_starttls=True, authenticator=self.check_login, auth_required=True)
        self.run_daemon(server.port, 'builders=\nuseTls=true\nsmtpUser=bot\nsmtpPassword=s3cret\n'
                                      'tls_ca_file=%s' % certificate)
        wait_until(lambda: server.messages('bot was lost'), 'the mail', 30)
        self.assertTrue(server.mails[0][2])
        self.assertNotIn('s3cret', self.daemon.log(True))

    def test_certificate_that_does_not_fit(self):
        """N8: TLS was promised: with a certificate that nobody vouches for nothing is sent, and the log says why"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        _certificate, context = make_certificate(directory)
        server = self.server(tls_context=context)
        daemon = self.run_daemon(server.port, 'builders=\nuseTls=true')
        daemon.wait_log(r'given up: .*certificate')
        self.assertEqual(server.mails, [])

    def test_no_starttls(self):
        """N8: a server without STARTTLS gets nothing"""
        server = self.server()
        daemon = self.run_daemon(server.port, 'builders=\nuseTls=true')
        daemon.wait_log(r'given up: ')
        self.assertEqual(server.mails, [])

    def test_refused_for_good(self):
        """N10: a 5xx is given up at once"""
        server = Misbehaving('RCPT', b'550 nobody of that name')
        self.addCleanup(server.close)
        daemon = self.run_daemon(server.port, 'builders=')
        daemon.wait_log(r'given up: .*nobody of that name')
        self.assertEqual((server.attempts, server.taken), (1, 0))

    def test_refused_for_now(self):
        """N10: a 4xx is kept over a restart and sent once when the server takes it"""
        server = Misbehaving('RCPT', b'451 later')
        self.addCleanup(server.close)
        daemon = self.run_daemon(server.port, 'builders=')
        daemon.wait_log(r'was not sent, next attempt in \d+ s: .*451 later')
        self.assertEqual(daemon.stop(), 0)
        server.answer = None
        daemon.start()
        wait_until(lambda: server.taken == 1, 'the mail of before the restart', 30)
        daemon.wait_log('sent "')
        self.assertEqual(server.taken, 1)


    def config(self, *notifiers, slaves=CONFIG):
        return slaves + ''.join('[notifier %s]\ntype=smtp\nfromaddr=bot@example.org\nrelayhost=127.0.0.1\n%s\n'
                                % notifier for notifier in notifiers)

    def store_path(self):
        found = [os.path.join(folder, name) for folder, _, names in os.walk(self.daemon.dir('state')) for name in names]
        store, = [path for path in found if open(path, 'rb').read(6) == b'SQLite']
        return store

    def misbehaving(self, stage, answer):
        server = Misbehaving(stage, answer)
        self.addCleanup(server.close)
        return server

    def test_several_notifiers(self):
        """M6: one mail per loss in all, through the first that can send it"""
        with socket.create_server(('127.0.0.1', 0)) as nobody:
            dead = nobody.getsockname()[1]
        server = self.server()
        daemon = self.start_daemon(self.config(
            ('other', 'watchedWorkers=nobody*;\nsmtpPort=%d' % server.port), ('dead', 'builders=\nsmtpPort=%d' % dead),
            ('good', 'watchedWorkers=b?t;\nsmtpPort=%d' % server.port), ('late', 'smtpPort=%d' % server.port))
            + bbtest.Daemon.listener(None))
        wait_until(lambda: server.messages('bot was lost'), 'the mail')
        daemon.wait_log('notifier good: sent')
        self.assertEqual(len(server.mails), 1)

    def test_perhaps_taken(self):
        """M6, N10: what a server may have taken before its line was cut is not given to the next one"""
        cut, server = self.misbehaving('end', Misbehaving.CUT), self.server()
        daemon = self.start_daemon(self.config(('cut', 'smtpPort=%d' % cut.port), ('next', 'smtpPort=%d' % server.port))
                                   + bbtest.Daemon.listener(None))
        daemon.wait_log('notifier cut: .* was not sent, next attempt')
        self.assertEqual((cut.taken, server.mails), (1, []))

    def test_default(self):
        """M7: without a notifier mail goes from buildbot through localhost:25, by a module that is loaded for it alone"""
        try:
            server = self.server(port=25)
        except OSError as error:
            self.skipTest('port 25 can\'t be used: %s' % error)
        daemon = self.start_daemon(CONFIG.replace('bob@', 'bob.%d@' % os.getpid()).replace('=1\n', '=3600\n')
                                   + bbtest.Daemon.listener(None))

        def has_module():
            with open('/proc/%d/maps' % daemon.pid) as f:
                return 'smtp.so' in f.read()
        self.assertFalse(has_module())
        daemon.configure(CONFIG.replace('bob@', 'bob.%d@' % os.getpid())
                         + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        # Others may use that port as well.
        mine = wait_until(lambda: [mail for mail in server.mails if 'bob.%d@example.com' % os.getpid() in mail[1]],
                          'the mail')
        self.assertTrue(has_module())
        self.assertEqual([(mail[0], mail[3]['From']) for mail in mine], [('buildbot', 'buildbot')])

    def test_never_came(self):
        """L9, M12: a latent slave that never attaches is mailed with its backend, instance and reason"""
        server = self.server()
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        idle = directory.write('idle', '#!/bin/sh\nexec sleep 600\n', 0o700)
        self.start_daemon(self.config(('mail', 'builders=\nsmtpPort=%d' % server.port), slaves=(
            '[host]\nname=farm\nadmin=admin@example.org\n[slave cloud]\ntype=local\npassword=auto\n'
            'command=' + idle + '\nmissing_timeout=2\nnotify_on_missing=bob@example.com\n')) + bbtest.Daemon.listener(None))
        self.daemon.bbctl('substantiate', 'cloud', expect=None)
        wait_until(lambda: server.messages('cloud never substantiated'), 'the mail')
        message = server.messages('cloud never substantiated')[0]
        self.assertEqual(message['To'], 'bob@example.com')
        for wanted in ('latent buildslave named cloud of farm', 'Asked for at: 2', 'Backend: local', 'Instance: ',
                       'bbctl slave cloud'):
            self.assertIn(wanted, message.get_content())

    @staticmethod
    def kill_group(leader):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)

    def test_instances(self):
        """C8, C16: what may cost money goes to the host's administrators: a budget at 80 %, a row that is forgotten"""
        bbtest.Worker.require('3')
        server = self.server()
        daemon = self.start_daemon(self.config(('mail', 'builders=\nsmtpPort=%d' % server.port), slaves=(
            '[host]\nname=farm\nadmin=admin@example.org;boss@example.org;\nmax_monthly_cost=100\n'
            '[slave cloud]\ntype=local\npassword=auto\nnotify_on_missing=bob@example.com\n'))
            + bbtest.Daemon.listener(None))
        # What the local plugin starts costs nothing, so what was spent is of another backend.
        self.assertEqual(daemon.stop(), 0)
        now = int(time.time() * 1000000)
        with contextlib.closing(sqlite3.connect(self.store_path())) as database, database:
            database.execute(
                'INSERT INTO instances (number, token, slave, backend, scope, state, instance_id, hourly_cost, '
                'requested_at, confirmed_at, stopping_at, closed_at, closed_month) '
                "VALUES (1, 'token', 'old', 'ec2', 'somewhere', 'closed', 'i-1', 306000, ?, ?, ?, ?, ?)",
                (now - 1000000, now - 1000000, now, now, time.strftime('%Y-%m', time.gmtime())))
        daemon.start()
        wait_until(lambda: server.messages('instances have cost'), 'the mail about the budget')
        daemon.bbctl('substantiate', 'cloud')
        row = wait_until(lambda: next((row for row in daemon.json('instances') if row['instance_id']), None), 'the instance')
        # What is forgotten goes on running, until a reconcile finds it; the local plugin's id begins with its process.
        self.addCleanup(self.kill_group, int(row['instance_id'].partition('-')[0]))
        daemon.bbctl('forget', row['number'], '--yes', '--reason', 'a test', expect=None)
        wait_until(lambda: server.messages('was forgotten by'), 'the mail about the row')
        for _, recipients, _, message in server.mails:
            self.assertEqual(sorted(recipients), ['admin@example.org', 'boss@example.org'])
            self.assertTrue(message['Subject'].startswith('bbhost on farm: '))
            self.assertIn('bbctl instances', message.get_content())
        self.assertIn('a test', server.messages('was forgotten by')[0].get_content())

    def test_will_not_stop(self):
        """L24, C8: an instance that can't be stopped is mailed to the host's administrators after the third attempt, once; it is stopped
        by the next daemon, when the cloud obeys again"""
        server = self.server()
        libs = os.path.join(bbtest.BUILDDIR, 'tests', 'torture', '.libs')
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        cloud = directory.path
        def config(fail):
            return self.config(('mail', 'builders=\nsmtpPort=%d' % server.port), slaves=(
                '[host]\nname=farm\nadmin=admin@example.org\nlogin_grace=1\n[slave cloud]\ntype=dircloud\n'
                'password=auto\ncloud=%s\nfail_share=%d\n' % (cloud, fail)))
        daemon = self.start_daemon(config(0) + bbtest.Daemon.listener(None), arguments=('--plugin-dir', libs))
        daemon.bbctl('substantiate', 'cloud')
        machine, = wait_until(lambda: os.listdir(cloud), 'the machine')
        daemon.configure(config(1) + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        daemon.bbctl('insubstantiate', 'cloud', expect=None)
        wait_until(lambda: server.messages("can't be stopped"), 'the mail')
        message, = server.messages("can't be stopped")
        self.assertEqual(message['To'], 'admin@example.org')
        for wanted in ('instance %s of slave cloud' % machine, '3 attempts', 'Backend: dircloud', 'Last error: dircloud: try again later'):
            self.assertIn(wanted, message.get_content())
        self.assertEqual(os.listdir(cloud), [machine])
        daemon.configure(config(0) + daemon.listener(port=daemon.port))
        daemon.kill()
        daemon.start()
        wait_until(lambda: not os.listdir(cloud) and not daemon.json('instances'), 'its end')
        self.assertEqual(len(server.messages("can't be stopped")), 1)

    def test_down_for_a_day(self):
        """N10, M1, M4: two hundred slaves are missing while the server is down for a day: memory does not grow with the attempts,
        each mail arrives once when it is back, and none after two restarts"""
        if bbtest.is_sanitized():
            self.skipTest('the sanitizer must be the first library of the process')
        n, passed = 200, 0
        down = self.misbehaving('connect', b'421 down')
        self.daemon = daemon = bbtest.Daemon(
            '[host]\nname=farm\nlogin_grace=1\n[slave bot-{1..%d}]\npassword=x\nmissing_timeout=60\n'
            'notify_on_missing=bob@example.com\n' % n + NOTIFIER % {'port': down.port, 'more': ''} + bbtest.Daemon.listener(None))
        self.addCleanup(self.close_daemon, daemon)
        clock = {'LD_PRELOAD': os.path.join(bbtest.BUILDDIR, 'tests', 'integration', '.libs', 'clock-jumper.so'),
                 'CLOCK_JUMP': daemon.dir('clock')}
        daemon.start('--verbose', **clock)

        def let_pass(seconds):
            nonlocal passed
            passed += seconds
            daemon.dir.write('clock', '%d %d\n' % (passed, passed))
            daemon.bbctl('status')

        let_pass(2)
        let_pass(60)
        wait_until(lambda: daemon.log().count('was not sent') == n, 'the first attempts')
        memory = bbtest.memory_kib(daemon.pid, 'RssAnon')
        for attempt in range(2, 14):
            let_pass(2 * 3600)  # more than the longest pause
            wait_until(lambda: daemon.log().count('was not sent') == n * attempt, lambda: '%d attempts' % down.attempts)
        grown = bbtest.memory_kib(daemon.pid, 'RssAnon') - memory
        print('# %d KiB more after %d attempts' % (grown, down.attempts))
        self.assertLess(grown, 1024)
        down.close()
        server = self.server(port=down.port)
        let_pass(2 * 3600)
        wait_until(lambda: len(server.mails) == n, lambda: '%d mails' % len(server.mails))
        wait_until(lambda: daemon.log().count('notifier mail: sent') == n, 'their end')
        for _ in range(2):
            self.assertEqual(daemon.stop(), 0)
            daemon.start(**clock)
            let_pass(2)
            let_pass(24 * 3600)
            self.assertEqual(daemon.slave('bot-1')['state'], 'missing')
        self.assertEqual(len({message['Subject'] for message in server.messages()}), n)
        self.assertEqual(len(server.mails), n)

    def test_faulty_peers(self):
        """N10: 4xx, 5xx, hangs and cut lines at every stage end in time, with what the server said, and block nobody"""
        table = [(stage, answer) for stage in ('connect', 'MAIL', 'RCPT', 'DATA', 'end')
                 for answer in (b'451 not now', b'554 never', Misbehaving.HANG, Misbehaving.CUT)]
        peers = [self.misbehaving(*row) for row in table]
        daemon = self.start_daemon(self.config(*(('n%d' % i, 'builders=\nwatchedWorkers=nobody\ntimeout=2\nsmtpPort=%d'
                                                  % peer.port) for i, peer in enumerate(peers)))
                                   + bbtest.Daemon.listener(None))
        tests = [daemon.bbctl_start('notify-test', 'n%d' % i, 'me@example.org') for i in range(len(peers))]
        daemon.bbctl('slaves')
        for (stage, answer), test in zip(table, tests):
            with self.subTest(stage=stage, answer=answer):
                _, error = test.communicate(timeout=bbtest.DEADLINE)
                self.assertEqual(test.returncode, 1)
                self.assertIn('smtp://127.0.0.1:', error)
                if answer not in (Misbehaving.HANG, Misbehaving.CUT):
                    self.assertIn(answer.decode(), error)
                elif answer == Misbehaving.HANG:
                    self.assertRegex(error, 'Timeout|timed out')

    # --- builds

    def start_builds(self, *notifiers, more='', **options):
        bbtest.Worker.require('3')
        daemon = self.start_daemon(self.config(*notifiers, slaves=CONFIG.replace('missing_timeout=1', 'missing_timeout=900')
                                               + more, **options) + bbtest.Daemon.listener(None))
        self.start_worker('bot', 'passw0rd', daemon.port)
        daemon.wait_attached('bot')
        return daemon

    def test_options(self):
        """N1, N2, N3, N4, N6, N7, N11: each option of MailNotifier, on a notifier of its own, over the same builds"""
        server = self.server()
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        plain = directory.write('plain', 'T %(result)s %(builder)s %(number)s %(branch)s %(owner)s %(slave)s')
        html = directory.write('html', '<p>%(result)s</p>')
        look = directory.write('look', '#!/bin/sh\ncase $1 in joe) echo joe@looked.example.org;; esac\n', 0o700)
        slow = directory.write('slow', '#!/bin/sh\nsleep 600\n', 0o700)
        endless = directory.write('endless', '#!/bin/sh\nexec cat /dev/zero\n', 0o700)
        failing = directory.write('failing', '#!/bin/sh\nexit 3\n', 0o700)
        options = {
            'globs': 'mode=all\nbuilders=f*l;', 'none': 'mode=all\nbuilders=', 'tags': 'mode=all\ntags=nightly;',
            'categories': 'mode=all\ncategories=night*;', 'schedulers': 'mode=all\nschedulers=force;',
            'branches': 'mode=all\nbranches=trunk;', 'passing': 'mode=passing', 'failing': 'mode=failing',
            'warnings': 'mode=warnings', 'change': 'mode=change', 'problem': 'mode=problem',
            'problem-branch': 'mode=problem\nprevious_build=branch', 'change-never': 'mode=change\nprevious_build=none',
            'cancelled': 'mode=cancelled', 'alone': 'mode=failing\nsendToInterestedUsers=false\nlookup=users.example.org',
            'lookup': 'mode=failing\nlookup=users.example.org', 'look': 'mode=failing\nlookup_command=%s' % look,
            'subject': 'mode=failing\nsubject=%(projectName)s/%(builder)s \u00fc %(result)s',
            'named-logs': 'mode=failing\naddLogs=other;twice.stdio;', 'no-logs': 'mode=failing\naddLogs=false',
            'all-logs': 'mode=failing\naddLogs=true\nlog_size_limit=45', 'no-room': 'mode=failing\naddLogs=true\n'
            'mail_size_limit=0', 'template': 'mode=failing\ntemplate=%s' % plain,
            'html': 'mode=failing\ntemplate_html=%s' % html,
            'slow': 'mode=failing\nformatter_timeout=1\nformatter_command=%s' % slow,
            'endless': 'mode=failing\nformatter_command=%s' % endless,
            'broken': 'mode=failing\nformatter_command=%s' % failing,
            'headers': 'mode=failing\nextraHeaders=X-Team=ci %(prop:branch)s;Subject=x;X-%(prop:owner)s=yes;X-No=%(prop:no)s;',
            'dump': 'mode=failing\ndumpMailsToLog=true',
        }
        daemon = self.start_builds(*((name, '%s\nextraRecipients=%s@t.example.org;\nsmtpPort=%d'
                                      % (text, name, server.port)) for name, text in options.items()),
                                   more='[builder mixed]\nslavenames=bot;\nsteps=twice;\ncategory=weekly\n'
                                   '[step twice]\ncommand=echo the first line of several; echo \u00e4 last; '
                                   '%(prop:end)s\n')

        def build(builder, **properties):
            return daemon.build(builder, *(arg for item in properties.items() for arg in ('-p', '%s=%s' % item)),
                                expect=None)['number']

        build('full', branch='trunk', scheduler='force')
        build('mixed', end='true', branch='trunk', owner='nobody')
        build('mixed', end='true', branch='side')
        number = build('mixed', end='exit 1', branch='trunk', owner='joe')
        build('mixed', end='exit 1', branch='side')
        wait_until(lambda: len(server.to('change@t.example.org')) == 1, 'the last but one')
        daemon.wait_log('notifier problem-branch: sent .*\n(.*\n)*.*notifier problem-branch: sent')
        wait_until(lambda: all(len(server.to(name + '@t.example.org')) == 2 for name in options if
                               name in ('failing', 'slow', 'endless', 'broken', 'dump', 'headers', 'all-logs')), 'all mails')

        def results(name):
            return [re.match(r'buildbot (\S+) in farm on (\S+)', m['Subject']).groups()
                    for m in server.to(name + '@t.example.org')]

        def first(name):
            return server.to(name + '@t.example.org')[0]

        full, good, bad = ('success', 'full'), ('success', 'mixed'), ('failure', 'mixed')
        for name, expected in {
                'globs': [full], 'none': [], 'tags': [full], 'categories': [full], 'schedulers': [full],
                'branches': [full, good, bad], 'passing': [full, good, good], 'failing': [bad, bad], 'warnings': [bad, bad],
                'change': [bad], 'problem': [bad], 'problem-branch': [bad, bad], 'change-never': [], 'cancelled': []}.items():
            with self.subTest(option=name):
                self.assertEqual(sorted(results(name)), sorted(expected))
        with self.subTest('who'):
            self.assertEqual((first('alone')['To'], first('alone')['Cc']), ('alone@t.example.org', None))
            self.assertEqual((first('lookup')['To'], first('lookup')['Cc']),
                             ('joe@users.example.org', 'lookup@t.example.org'))
            self.assertEqual((first('look')['To'], first('look')['Cc']), ('joe@looked.example.org', 'look@t.example.org'))
            self.assertEqual((first('failing')['To'], first('failing')['Cc']), ('failing@t.example.org', None))
        with self.subTest('what'):
            self.assertEqual(first('subject')['Subject'], 'farm/mixed \u00fc failure')
            self.assertEqual([part.get_filename() for part in first('named-logs').iter_attachments()], ['twice.stdio'])
            self.assertFalse(first('no-logs').is_multipart())
            log, = first('all-logs').iter_attachments()
            self.assertIn('bytes are left out)', log.get_content())
            self.assertIn('\u00e4 last', log.get_content())
            self.assertNotIn('the first line', log.get_content())
            self.assertIn('1 attachment is left out', first('no-room').get_content())
            self.assertEqual(first('template').get_content().strip(), 'T failure mixed %d trunk joe bot' % number)
            self.assertEqual(first('html').get_content_type(), 'text/html')
            self.assertIn('<p>failure</p>', first('html').get_content())
        with self.subTest('programs that misbehave'):
            for name in ('slow', 'endless', 'broken'):
                self.assertIn('failed build on builder mixed', first(name).get_content())
            for reason in ('took too long', 'printed more than 1 MiB', 'failed with status'):
                daemon.wait_log('formatter_command: .*' + reason)
        with self.subTest('headers'):
            message = first('headers')
            self.assertEqual((message['X-Team'], message['X-joe'], message['X-No']), ('ci trunk', 'yes', None))
            self.assertEqual(len(message.get_all('Subject')), 1)
            self.assertTrue(message['Date'] and message['From'] and message['Message-ID'].endswith('@farm>'))
            daemon.wait_log('X-No.* is left out')
        daemon.wait_log('mail:\n(.*\n)*?To: dump@t.example.org')

    def test_build_set(self):
        """N12: one mail when all builds of a set have ended, of those that mode selects, also over a kill in between; a
        notifier without buildSetSummary tells of each; a build that was asked for alone is a set of its own"""
        server = self.server()
        daemon = self.start_builds(*(('n%d' % i, '%s\nextraRecipients=n%d@t.example.org;\nsmtpPort=%d'
                                      % (text, i, server.port)) for i, text in enumerate((
                                          'mode=failing\nbuildSetSummary=true\naddLogs=true',
                                          'mode=passing;failing;',
                                          'mode=exception\nbuildSetSummary=true'))),
                                   more='[builder gone]\nslavenames=elsewhere;\nsteps=fail;\n'
                                   '[slave elsewhere]\npassword=passw0rd\n')
        # The worker finds it again.
        daemon.configure(open(daemon.config_path).read().replace('port=0', 'port=%d' % daemon.port))
        submitted = daemon.json('build', 'full', 'broken', 'gone')
        self.assertEqual([build['builder'] for build in submitted], ['full', 'broken', 'gone'])
        self.assertEqual({build['build_set'] for build in submitted}, {submitted[0]['number']})
        wait_until(lambda: len(server.to('n1@t.example.org')) == 2, 'the mails of the two that can be built')
        daemon.wait_log('notifier n1: sent .*\n(.*\n)*.*notifier n1: sent')
        self.assertEqual(server.to('n0@t.example.org'), [])
        daemon.kill()
        daemon.start()
        self.start_worker('elsewhere', 'passw0rd', daemon.port)
        wait_until(lambda: len(server.to('n1@t.example.org')) == 3, 'the mail of the third')
        wait_until(lambda: server.to('n0@t.example.org'), 'the summary')
        summary, = server.to('n0@t.example.org')
        self.assertEqual(summary['Subject'], 'buildbot failure in farm on (whole buildset)')
        body, *logs = summary.iter_parts()
        for builder, found in (('full', 0), ('broken', 1), ('gone', 1)):
            self.assertEqual(body.get_content().count('failed build on builder %s.' % builder), found)
        self.assertEqual([log.get_filename() for log in logs], ['broken.fail.stdio', 'gone.fail.stdio'])
        daemon.build('broken', expect=None)
        wait_until(lambda: len(server.to('n0@t.example.org')) == 2, 'the mail of the one alone')
        self.assertEqual(server.to('n0@t.example.org')[1]['Subject'], 'buildbot failure in farm on broken')
        for wrong in (['full', 'ful'], ['full', 'full'], ['full', 'broken', '--slave', 'elsewhere']):
            before = len(daemon.builds())
            daemon.bbctl('build', *wrong, expect=1)
            self.assertEqual(len(daemon.builds()), before)
        self.assertIn('--wait takes several', daemon.bbctl('build', 'full', 'broken', '--follow', expect=64).stderr)
        both = daemon.json('build', 'full', 'broken', '--wait', expect=1)
        self.assertEqual([build['result'] for build in both], ['success', 'failure'])

    def test_crash(self):
        """N10: a daemon that was killed after the end of a build and before its mail was stored tells of it after its next
        start; what was sent and could not be noted can be known for the same by its Message-ID"""
        server = self.server()
        daemon = self.start_builds(('mail', 'mode=failing\nextraRecipients=me@example.org;\nsmtpPort=%d' % server.port))
        number = daemon.build('broken', expect=1)['number']
        wait_until(lambda: len(server.mails) == 1, 'the mail')
        self.assertEqual(daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.store_path())) as database, database:
            self.assertEqual(database.execute('SELECT number FROM builds WHERE notice_due').fetchall(), [])
            database.execute('UPDATE builds SET notice_due = 1 WHERE number = ?', (number,))
        daemon.start()
        wait_until(lambda: len(server.mails) == 2, 'the mail again')
        self.assertEqual(*(mail[3]['Message-ID'] for mail in server.mails))

    def test_stop_while_sending(self):
        """N10: a stop between the server's answer and our note of it does not send a build's mail twice"""
        server = self.server(pause=2)
        daemon = self.start_builds(('mail', 'mode=failing\nextraRecipients=me@example.org;\nsmtpPort=%d' % server.port))
        daemon.build('broken', expect=1)
        wait_until(lambda: server.mails, 'the mail')
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        daemon.bbctl('notify-test', 'mail', 'last@example.org')
        self.assertEqual([mail[1] for mail in server.mails], [['me@example.org'], ['last@example.org']])

    # --- sending

    def test_smtps_and_password_file(self):
        """N8, N9: TLS from the first byte, and a password from a file"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        certificate, context = make_certificate(directory)
        password = directory.write('password', 's3cret\n')
        server = self.server(ssl_context=context, authenticator=self.check_login, auth_required=True, auth_require_tls=False)
        daemon = self.run_daemon(server.port, 'builders=\nwatchedWorkers=nobody\nuseSmtps=true\nsmtpUser=bot\n'
                                 'smtpPassword_file=%s\ntls_ca_file=%s' % (password, certificate))
        daemon.bbctl('notify-test', 'mail', 'me@example.org')
        self.assertTrue(server.mails[0][2])
        directory.write('password', 'wrong\n')
        self.assertIn('535', daemon.bbctl('notify-test', 'mail', 'me@example.org', expect=1).stderr)
        plain = self.server()
        daemon.configure(CONFIG + NOTIFIER % {'port': plain.port, 'more': 'builders=\nuseSmtps=true\ntimeout=5'}
                         + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        daemon.bbctl('notify-test', 'mail', 'me@example.org', expect=1)
        self.assertEqual(plain.mails, [])

    def test_check_config(self):
        """N1, N5, N8, N9, N11: what --check-config refuses, each with what would be right"""
        table = {
            'mode=all;failing;': 'mode: "all" stands alone or not at all', 'mode=sometimes': 'mode: "sometimes" is none of',
            'mode=': 'mode: is empty', 'builders=a;\ntags=b;': 'tags: not together with builders',
            'builders=a;\ncategories=b;': 'tags: not together with builders', 'lookup=@x.org': 'lookup: is a mail domain',
            'lookup=x.org\nlookup_command=/bin/true': 'lookup_command: not together with lookup',
            'smtpUser=a': 'smtpUser: needs smtpPassword', 'smtpPassword=a': 'smtpPassword: needs smtpUser',
            'smtpUser=a\nsmtpPassword=b': 'smtpPassword: would be sent in the clear',
            'useTls=true\nuseSmtps=true': 'useSmtps: not together with useTls',
            'customMesg=f': 'customMesg: is gone from Buildbot; use formatter_command',
            'template=/a\nformatter_command=b': 'formatter_command: not together with template',
            'template=/a\ntemplate_html=/b': 'template_html: not together with template',
            'extraHeaders=A B=c;': 'extraHeaders: "A B" can\'t be a header\'s name',
            'extraHeaders=X=%(pro:x)s;': 'extraHeaders: ', 'extraHeaders=X=a;X=b;': 'extraHeaders: ',
            'subject=a\\nb': 'subject: must be one line', 'smtpPort=0': 'smtpPort: ', 'timeout=601': 'timeout: ',
            'previous_build=first': 'previous_build: ', 'extraRecipient=a@b.c': 'did you mean "extraRecipients"?',
            'fromaddr=nobody': 'fromaddr: "nobody" is not an address',
        }
        for address in ('nobody', 'a@b', 'a b@c.d', '@b.c', 'a@b..c', 'a@b.c@d.e', 'a@b.c\\nBcc: x@y.z'):
            table['extraRecipients=%s;' % address] = 'extraRecipients: '
        good = ['extraRecipients=a@b.c;<a@b.c>;Name <a.b+c@b-d.example.org>;', 'mode=all', 'mode=warnings', 'builders=',
                'mode=failing;passing;warnings;exception;change;problem;cancelled;', 'tags=a;\ncategories=b;',
                'smtpUser=a\nsmtpPassword=b\nuseTls=true', 'smtpUser=a\nsmtpPassword=b\nallow_plain_password=true',
                'extraHeaders=X-Team=ci;X-%(prop:a:-b)s=%(prop:c)s;', 'fromaddr=Build Bot <bot@example.org>']
        daemon = bbtest.Daemon()
        self.addCleanup(daemon.close)

        def check(text):
            fromaddr = '' if 'fromaddr' in text else 'fromaddr=a@b.c\n'
            daemon.configure('[notifier mail]\ntype=smtp\nrelayhost=mail.example.org\n%s%s\n' % (fromaddr, text))
            return subprocess.run(daemon.command('--check-config'), capture_output=True, text=True,
                                  env=bbtest.program_environment())
        for text, expected in table.items():
            with self.subTest(refused=text):
                done = check(text)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn('bbhost.conf: [notifier mail] ' + ('' if 'did you' in expected else expected), done.stderr)
                self.assertIn(expected, done.stderr)
        for text in good:
            with self.subTest(taken=text):
                done = check(text)
                self.assertEqual((done.returncode, done.stderr), (0, ''))
        daemon.configure('[notifier mail]\ntype=smtp\n')
        done = subprocess.run(daemon.command('--check-config'), capture_output=True, text=True,
                              env=bbtest.program_environment())
        self.assertIn('fromaddr: is missing', done.stderr)

    def test_postfix(self):
        """M1, M12, N6, N7, N8: through a real Postfix over STARTTLS to the mailbox, with logs of every kind of line"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        certificate, _context = make_certificate(directory)
        relay = postfix.Postfix(certificate, directory('key.pem'))
        self.addCleanup(relay.close)
        daemon = self.start_builds(('mail', 'mode=failing\naddLogs=true\nextraRecipients=team@example.org;\nuseTls=true\n'
                                    'tls_ca_file=%s\nsmtpPort=%d' % (certificate, relay.port)),
                                   more='[builder lines]\nslavenames=bot;\nsteps=lines;\n[step lines]\ncommand='
                                   'echo .; echo ..; echo "From me"; head -c 3000 /dev/zero | tr "\\\\0" x; echo; '
                                   'echo \u00fcber; exit 1\n')
        daemon.build('lines', expect=1)
        message, = wait_until(relay.messages, lambda: 'the mail; the relay says:\n' + relay.log())
        self.assertEqual(message['Subject'], 'buildbot failure in farm on lines')
        self.assertEqual(message['To'], 'team@example.org')
        body, log = message.iter_parts()
        self.assertIn('failed build on builder lines', body.get_content())
        lines = log.get_content().splitlines()
        for line in ('.', '..', 'From me', 'x' * 3000, '\u00fcber'):
            self.assertIn(line, lines)
        self.assertIn('with ESMTPS', message['Received'])
        daemon.configure(self.config(('mail', 'builders=\nsmtpPort=%d' % relay.port))
                         + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        self.daemon.bbctl('pause', 'quiet')
        bbtest.Worker.running[-1].kill()
        wait_until(lambda: [m for m in relay.messages() if m['Subject'] == 'Buildbot: buildslave bot was lost'],
                   lambda: 'the mail about the slave; the relay says:\n' + relay.log())


if __name__ == '__main__':
    bbtest.main()
