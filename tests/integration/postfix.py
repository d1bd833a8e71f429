# SPDX-License-Identifier: LGPL-2.1-or-later
"""Postfix from a private folder, on a port of its own: as Debian packs it, unpacked where BB_TEST_POSTFIX says, so that
neither the system's mail nor its services are touched; or the one that is installed."""
import email
import email.policy
import grp
import os
import pwd
import socket
import subprocess
import unittest

import bbtest
from bbtest import wait_until

MAIN = '''
compatibility_level = 3.6
myhostname = relay.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mail_owner = %(owner)s
setgid_group = %(group)s
default_privs = nobody
config_directory = %(folder)s
queue_directory = %(folder)s/spool
data_directory = %(folder)s/data
daemon_directory = %(root)s/usr/lib/postfix/sbin
command_directory = %(root)s/usr/sbin
shlib_directory = %(root)s/usr/lib/postfix
meta_directory = %(folder)s
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file_prefixes = %(folder)s
maillog_file = %(folder)s/log
virtual_mailbox_domains = example.com example.org
virtual_mailbox_base = %(folder)s/mail
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 1
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
alias_maps =
alias_database =
smtpd_tls_security_level = may
smtpd_tls_cert_file = %(certificate)s
smtpd_tls_key_file = %(key)s
smtputf8_enable = no
'''

MASTER = '''
127.0.0.1:%(port)d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
'''

QUEUES = ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace')


class Postfix:
    def __init__(self, certificate, key):
        self.root = os.environ.get('BB_TEST_POSTFIX') or ''
        self.master = self.root + '/usr/lib/postfix/sbin/master'
        if not os.path.exists(self.master):
            raise unittest.SkipTest('there is no Postfix (BB_TEST_POSTFIX names none, and none is installed)')
        if os.geteuid() != 0:
            raise unittest.SkipTest('Postfix is started by root alone')
        self.dir = bbtest.TempDir()
        with socket.create_server(('127.0.0.1', 0)) as probe:
            self.port = probe.getsockname()[1]
        self._write(certificate, key)
        libraries = self.root + '/usr/lib/postfix'
        self.output = open(self.dir('output'), 'wb')
        self.process = subprocess.Popen(
            [self.master, '-c', self.dir.path, '-d'], stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=subprocess.STDOUT, preexec_fn=bbtest._die_with_parent,
            env={'PATH': '/usr/bin:/bin', 'MAIL_CONFIG': self.dir.path, 'LD_LIBRARY_PATH': libraries})
        try:
            wait_until(self._answers, lambda: 'Postfix to answer:\n' + self.log())
        except AssertionError as error:
            self.close()
            raise error

    def _write(self, certificate, key):
        owner = pwd.getpwnam('daemon')
        names = {'folder': self.dir.path, 'root': self.root, 'owner': owner.pw_name, 'uid': owner.pw_uid,
                 'gid': owner.pw_gid, 'group': grp.getgrnam('games').gr_name, 'port': self.port,
                 'certificate': certificate, 'key': key}
        os.chmod(self.dir.path, 0o755)
        self.dir.write('main.cf', MAIN % names, 0o644)
        self.dir.write('master.cf', MASTER % names, 0o644)
        for name in ('spool', 'spool/pid', 'spool/public', 'spool/maildrop', 'data', 'mail', 'mail/all'):
            os.mkdir(self.dir(name), 0o755)
        for name in QUEUES:
            os.mkdir(self.dir('spool', name), 0o700)
            os.chown(self.dir('spool', name), owner.pw_uid, -1)
        for name in ('spool/public', 'spool/maildrop', 'data', 'mail', 'mail/all'):
            os.chown(self.dir(name), owner.pw_uid, owner.pw_gid)

    def _answers(self):
        if self.process.poll() is not None:
            raise unittest.SkipTest('Postfix does not start here: ' + self.log()[-500:])
        try:
            with socket.create_connection(('127.0.0.1', self.port), 5) as connection:
                return connection.recv(100).startswith(b'220 ')
        except OSError:
            return False

    def log(self):
        text = ''
        for name in ('output', 'log'):
            if os.path.exists(self.dir(name)):
                with open(self.dir(name), errors='replace') as f:
                    text += f.read()
        return text

    def messages(self):
        """What is in the mailbox of all addresses, delivered and complete."""
        folder = self.dir('mail/all/new')
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), 'rb') as f:
                found.append(email.message_from_binary_file(f, policy=email.policy.default))
        return found

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(bbtest.DEADLINE)
        self.output.close()
        self.dir.remove()
