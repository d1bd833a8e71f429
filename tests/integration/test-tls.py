# SPDX-License-Identifier: LGPL-2.1-or-later
"""TLS on the listener: real workers, client certificates, versions, resumption, reload, and peers that do it wrong."""
import base64
import os
import socket
import ssl
import subprocess
import sys
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bbtest  # noqa: E402
from bbtest import Authority, Worker, wait_until  # noqa: E402

GREETING = b'\x02\x80\x02\x82pb\x04\x82none'


CONFIG = '''
[slave w1]
password=pw-one
[slave w2]
password=pw-two
[step s]
command=seq 400000
[builder b]
slavenames=w1
steps=s
'''


class Served(bbtest.Case):
    """A daemon with one listener, and peers of it."""

    protocol = 'pb'

    def serve(self, client_ca=False):
        self.files = bbtest.TempDir()
        self.addCleanup(self.files.remove)
        self.authority = Authority(self.files)
        certificate, key = self.authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1', 'server')
        keys = {'protocol': self.protocol, 'tls_certificate': certificate, 'tls_private_key': key}
        if client_ca:
            keys['tls_client_ca'] = self.authority.certificate
        self.config = '[listener pb]\naddress=127.0.0.1\nport=0\n%s\n%s' % (
            '\n'.join('%s=%s' % item for item in keys.items()), CONFIG)
        return self.start_daemon(self.config, arguments=['--verbose'])

    def context(self, certificate=None, version=None):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def connect(self, context, session=None):
        plain = socket.create_connection(('127.0.0.1', self.daemon.port), bbtest.DEADLINE)
        self.addCleanup(plain.close)
        secure = context.wrap_socket(plain, server_hostname='localhost', session=session)
        self.addCleanup(secure.close)
        return secure

    def answer(self, secure, length):
        data = b''
        while len(data) < length:
            more = secure.recv(length - len(data))
            if not more:
                break
            data += more
        return data


class Tls(Served):
    def greeting(self, secure):
        return self.answer(secure, len(GREETING))

    def tls_worker(self, name, password, string, **options):
        """A worker of release 3 whose buildbot.tac has a connection string."""
        worker = Worker(name, password, self.daemon.port, **options)
        self.addCleanup(worker.close)
        path = os.path.join(worker.base, 'buildbot.tac')
        with open(path) as f:
            text = f.read()
        changed = text.replace('Worker(buildmaster_host, port,', 'Worker(None, None,').replace(
            'protocol=protocol', 'connection_string=%r, protocol=protocol' % string)
        self.assertEqual(changed.count('connection_string'), text.count('connection_string') + 1)
        with open(path, 'w') as f:
            f.write(changed)
        return worker.start()

    def roots(self):
        path = self.files('roots')
        os.makedirs(path, exist_ok=True)
        with open(self.authority.certificate) as source, open(os.path.join(path, 'ca.pem'), 'w') as target:
            target.write(source.read())
        return path

    def endpoint(self, more=''):
        return 'ssl:host=127.0.0.1:port=%d%s' % (self.daemon.port, more)

    def test_workers_and_builds(self):
        """tls: and ssl: attach, a build writes 3 MB through records"""
        self.serve()
        self.tls_worker('w1', 'pw-one', 'tls:host=localhost:port=%d:trustRoots=%s' % (self.daemon.port, self.roots()))
        self.tls_worker('w2', 'pw-two', self.endpoint())
        self.daemon.wait_attached('w1', 'w2')
        build = self.daemon.build('b')
        self.assertEqual(build['result'], 'success', build)
        log = self.daemon.bbctl('log', build['number']).stdout
        self.assertIn(''.join('%d\n' % i for i in range(1, 400001)), log)

    def test_use_tls(self):
        """create-worker --use-tls, verified against the platform's roots"""
        self.serve()
        worker = Worker('w1', 'pw-one', self.daemon.port)
        self.addCleanup(worker.close)
        os.unlink(os.path.join(worker.base, 'buildbot.tac'))
        subprocess.run([worker.program, 'create-worker', '--force', '--use-tls', '--maxdelay=2', worker.base,
                        'localhost:%d' % self.daemon.port, 'w1', 'pw-one'], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.STDOUT, env=bbtest.program_environment())
        os.environ['SSL_CERT_FILE'] = self.authority.certificate
        self.addCleanup(os.environ.pop, 'SSL_CERT_FILE')
        worker.start()
        self.daemon.wait_attached('w1')

    def test_versions(self):
        """TLS 1.2 and 1.3 are spoken, nothing older; what speaks no TLS is closed with one line at info"""
        self.serve()
        for version, name in ((ssl.TLSVersion.TLSv1_2, 'TLSv1.2'), (ssl.TLSVersion.TLSv1_3, 'TLSv1.3')):
            secure = self.connect(self.context(version=version))
            self.assertEqual(secure.version(), name)
            self.assertEqual(self.greeting(secure), GREETING)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            old = self.context(version=ssl.TLSVersion.TLSv1_1)
        old.set_ciphers('ALL:@SECLEVEL=0')
        with self.assertRaises((ssl.SSLError, OSError)):
            self.greeting(self.connect(old))
        self.daemon.wait_log(r'connection from 127\.0\.0\.1:\d+ closed: no TLS with it: unsupported protocol')
        plain = socket.create_connection(('127.0.0.1', self.daemon.port), bbtest.DEADLINE)
        plain.sendall(b'GET / HTTP/1.0\r\n\r\n')
        self.daemon.wait_log(r'connection from 127\.0\.0\.1:\d+ closed: no TLS with it: http request')
        plain.close()
        self.assertEqual(self.greeting(self.connect(self.context())), GREETING)

    def test_resumption(self):
        """A second connection takes up the session of the first, in both versions"""
        self.serve(client_ca=True)
        certificate = self.authority.issue('w1')
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(certificate, version)
            first = self.connect(context)
            self.assertEqual(self.greeting(first), GREETING)
            self.assertFalse(first.session_reused)
            second = self.connect(context, first.session)
            self.assertEqual(self.greeting(second), GREETING)
            self.assertTrue(second.session_reused)

    def test_reload(self):
        """A new certificate counts for new connections; old ones and attached slaves stay; a bad one changes nothing"""
        self.serve()
        self.tls_worker('w1', 'pw-one', self.endpoint())
        self.daemon.wait_attached('w1')
        since = self.daemon.slave('w1')
        old = self.connect(self.context())
        before = old.getpeercert(True)
        self.assertEqual(self.greeting(old), GREETING)
        key = self.authority.issue('localhost', 'DNS:localhost', 'server')[1]
        self.daemon.bbctl('reload')
        new = self.connect(self.context())
        self.assertEqual(self.greeting(new), GREETING)
        self.assertNotEqual(new.getpeercert(True), before)
        old.sendall(b'\x02\x82pb')  # still served: it answers with its version
        self.assertEqual(old.recv(1), b'\x02')
        with open(key, 'w') as f:
            f.write('nothing\n')
        failed = self.daemon.bbctl('reload', expect=None)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn('server.key: not a private key in PEM without a passphrase', failed.stderr)
        self.authority.issue('other', file='server2')
        os.rename(self.files('server2.key'), key)
        failed = self.daemon.bbctl('reload', expect=None)
        self.assertIn('server.key: is not the key of the certificate', failed.stderr)
        self.assertEqual(self.greeting(self.connect(self.context())), GREETING)
        self.assertTrue(self.daemon.slave('w1')['attached'])
        self.assertEqual(self.daemon.slave('w1').get('since'), since.get('since'))

    def test_client_certificates(self):
        """Who has none, or one of another CA, does not get a greeting; a slave needs one of its own name"""
        self.serve(client_ca=True)
        with self.assertRaises((ssl.SSLError, OSError)):
            self.greeting(self.connect(self.context(version=ssl.TLSVersion.TLSv1_2)))
        self.daemon.wait_log('closed: no TLS with it: peer did not return a certificate')
        stranger = Authority(self.files, 'stranger').issue('w1', file='stranger-w1')
        with self.assertRaises((ssl.SSLError, OSError)):
            self.greeting(self.connect(self.context(stranger, ssl.TLSVersion.TLSv1_2)))
        self.daemon.wait_log('closed: no TLS with its certificate: unable to get local issuer certificate')
        more = ':certKey=%s:privateKey=%s'
        self.tls_worker('w1', 'pw-one', self.endpoint(more % self.authority.issue('w1')))
        self.tls_worker('w2', 'pw-two', self.endpoint(more % self.authority.issue('W2', file='wrong')))
        self.daemon.wait_attached('w1')
        self.daemon.wait_log(r'slave w2: the certificate that 127\.0\.0\.1:\d+ has shown is not for this name')
        self.assertFalse(self.daemon.slave('w2')['attached'])

    def test_certificates_are_bounded(self):
        """A peer's certificates may have 64 KiB, in both versions; more are not looked at"""
        self.serve(client_ca=True)
        certificate, key = self.authority.issue('w1')
        with open(certificate) as f:
            own = f.read()
        size = len(ssl.PEM_cert_to_DER_cert(own))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for kib, served in ((56, True), (72, False)):
                chain = self.files.write('chain.pem', own * (kib * 1024 // size))
                if served:
                    self.assertEqual(self.greeting(self.connect(self.context((chain, key), version))), GREETING)
                    continue
                with self.assertRaises((ssl.SSLError, OSError)):
                    self.assertNotEqual(self.greeting(self.connect(self.context((chain, key), version))), b'')
        wait_until(lambda: self.daemon.log().count('closed: no TLS with it: excessive message size') == 2,
                   lambda: 'two refusals: %s' % self.daemon.log())

    def test_wrong_ways_at_once(self):
        """Half a handshake, silence, garbage and hanging up, while a slave attaches"""
        self.serve()
        hello = self.client_hello()
        for data in (b'', hello[:20], hello, b'\x16\x03\x01\x40\x00' + b'\0' * 0x4000, b'\0' * 70000):
            for _ in range(20):
                peer = socket.create_connection(('127.0.0.1', self.daemon.port), bbtest.DEADLINE)
                self.addCleanup(peer.close)
                try:
                    peer.sendall(data)
                except OSError:
                    pass  # closed before it had said all of it
        self.tls_worker('w1', 'pw-one', self.endpoint())
        self.daemon.wait_attached('w1')
        self.assertEqual(self.greeting(self.connect(self.context())), GREETING)

    def client_hello(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self.context().wrap_bio(incoming, outgoing, server_hostname='localhost').do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()


class TlsOfMsgpack(Served):
    protocol = 'msgpack'

    def ask(self, secure, name='w1', password='pw-one'):
        """The status of the answer to a request for a WebSocket."""
        login = base64.b64encode(('%s:%s' % (name, password)).encode()).decode()
        secure.sendall(('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                        'Authorization: Basic %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
                        'Sec-WebSocket-Version: 13\r\n\r\n' % login).encode())
        return self.answer(secure, len('HTTP/1.1 101'))[9:].decode()

    def test_resumption(self):
        """A second connection takes up the session of the first, in both versions, with a client's certificate"""
        self.serve(client_ca=True)
        certificate = self.authority.issue('w1')
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(certificate, version)
            first = self.connect(context)
            self.assertEqual(self.ask(first, password='wrong'), '401')
            self.assertFalse(first.session_reused)
            second = self.connect(context, first.session)
            self.assertEqual(self.ask(second, 'nobody'), '401')
            self.assertTrue(second.session_reused)

    def test_client_certificates(self):
        """Who has none is not served; a slave needs one of its own name"""
        self.serve(client_ca=True)
        with self.assertRaises((ssl.SSLError, OSError)):
            self.ask(self.connect(self.context(version=ssl.TLSVersion.TLSv1_2)))
        self.daemon.wait_log('closed: no TLS with it: peer did not return a certificate')
        self.assertEqual(self.ask(self.connect(self.context(self.authority.issue('w2')))), '401')
        self.daemon.wait_log(r'slave w1: the certificate that 127\.0\.0\.1:\d+ has shown is not for this name')
        self.assertEqual(self.ask(self.connect(self.context(self.authority.issue('w1')))), '101')

    def test_reload(self):
        """A new certificate counts for new connections; an attached slave stays, and builds"""
        self.serve()
        wire = bbtest.Wire('msgpack', True)
        wire.environment['SSL_CERT_FILE'] = self.authority.certificate
        self.start_worker('w1', 'pw-one', self.daemon.port, wire=wire)
        self.daemon.wait_attached('w1')
        before = self.connect(self.context()).getpeercert(True)
        self.authority.issue('localhost', 'DNS:localhost', 'server')
        self.daemon.bbctl('reload')
        self.assertNotEqual(self.connect(self.context()).getpeercert(True), before)
        self.assertEqual(self.daemon.build('b')['result'], 'success')
        self.assertEqual(self.daemon.log().count('slave w1: attached'), 1)


if __name__ == '__main__':
    bbtest.main()
