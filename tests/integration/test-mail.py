# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mail through a real SMTP server (aiosmtpd), and through one that misbehaves; what arrives is parsed by Python."""
import email
import email.policy
import os
import socket
import ssl
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
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
    """aiosmtpd on a port that it chooses; keeps what it got."""

    def __init__(self, **options):
        self.mails = []
        with socket.create_server(('127.0.0.1', 0)) as probe:
            self.port = probe.getsockname()[1]
        self.controller = Controller(self, hostname='127.0.0.1', port=self.port, **options)
        self.controller.start()

    async def handle_DATA(self, _server, session, envelope):
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, session.authenticated,
                           email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return '250 OK'

    def messages(self, subject=''):
        return [mail[3] for mail in self.mails if subject in mail[3]['Subject']]

    def close(self):
        self.controller.stop()


class Misbehaving:
    """Answers RCPT with what the test wants; then as a server would."""

    def __init__(self, answer):
        self.answer, self.attempts, self.taken = answer, 0, 0
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
            with connection, connection.makefile('rwb') as stream:
                self._talk(stream)

    def _talk(self, stream):
        def say(line):
            stream.write(line + b'\r\n')
            stream.flush()
        say(b'220 here')
        for line in stream:
            verb = line[:4].upper()
            if verb == b'RCPT' and self.answer:
                say(self.answer)
            elif verb == b'DATA':
                say(b'354 go on')
                while stream.readline().strip() != b'.':
                    pass
                self.taken += 1
                say(b'250 taken')
            elif verb == b'QUIT':
                say(b'221 bye')
                return
            else:
                say(b'250 fine')

    def close(self):
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
        """M1, M2, M12: a slave that is killed is reported once, with where it was and who looks after it"""
        bbtest.Worker.require('3')
        server = self.server()
        daemon = self.run_daemon(server.port, 'builders=')
        wait_until(lambda: server.messages('bot was lost'), 'the mail about one that never came', 30)
        worker = self.start_worker('bot', 'passw0rd', daemon.port)
        daemon.wait_attached('bot')
        address = daemon.slave('bot')['peer_address']
        worker.kill()
        wait_until(lambda: len(server.mails) == 2, 'the mail about the one that was killed', 30)
        # The server has it a moment before the daemon knows; a stop in between would send it again.
        wait_until(lambda: daemon.log().count('notifier mail: sent') == 2, 'the daemon to know', 30)
        text = server.messages('bot was lost')[1].get_content()
        for wanted in ('Last address: ' + address, 'Its administrator: ', 'Last message: 2'):
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
        refusing = Misbehaving(b'550 nobody of that name')
        self.addCleanup(refusing.close)
        daemon.configure(CONFIG + NOTIFIER % {'port': refusing.port, 'more': 'builders='}
                         + daemon.listener(port=daemon.port))
        daemon.bbctl('reload')
        self.assertIn('550 nobody of that name', daemon.bbctl('notify-test', 'mail', 'me@example.org', expect=1).stderr)

    def test_tls_and_login(self):
        """N8, N9: STARTTLS with a certificate that fits, and a login over it"""
        directory = bbtest.TempDir()
        self.addCleanup(directory.remove)
        certificate, context = make_certificate(directory)

        def check(_server, _session, _envelope, mechanism, data):
            good = isinstance(data, LoginPassword) and (data.login, data.password) == (b'bot', b's3cret')
            return AuthResult(success=good)
        server = self.server(tls_context=context, require_starttls=True, authenticator=check, auth_required=True)
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
        server = Misbehaving(b'550 nobody of that name')
        self.addCleanup(server.close)
        daemon = self.run_daemon(server.port, 'builders=')
        daemon.wait_log(r'given up: .*nobody of that name')
        self.assertEqual((server.attempts, server.taken), (1, 0))

    def test_refused_for_now(self):
        """N10: a 4xx is kept over a restart and sent once when the server takes it"""
        server = Misbehaving(b'451 later')
        self.addCleanup(server.close)
        daemon = self.run_daemon(server.port, 'builders=')
        daemon.wait_log(r'was not sent, next attempt in \d+ s: .*451 later')
        self.assertEqual(daemon.stop(), 0)
        server.answer = None
        daemon.start()
        wait_until(lambda: server.taken == 1, 'the mail of before the restart', 30)
        daemon.wait_log('sent "')
        self.assertEqual(server.taken, 1)


if __name__ == '__main__':
    bbtest.main()
