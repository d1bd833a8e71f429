# SPDX-License-Identifier: LGPL-2.1-or-later
"""What boots in the machines of a cloud that has none: for each that runs a real buildbot-worker, all in this one process.

fleet.py CONTROL-URL DIRECTORY; CONTROL-URL/state tells of the machines. A machine's user data has the lines name=, password= and port=.
"""
import json
import os
import sys
import urllib.request

from buildbot_worker.bot import Worker
from twisted.internet import reactor, task, threads
from twisted.python import log

INTERVAL = 0.25
control, directory = sys.argv[1:3]
workers = {}  # machine id -> Worker


def get_state():
    with urllib.request.urlopen(control + '/state', timeout=30) as answer:
        return json.load(answer)


def boot(machine):
    data = dict(line.split('=', 1) for line in machine['user_data'].splitlines() if '=' in line)
    basedir = os.path.join(directory, machine['id'])
    os.makedirs(os.path.join(basedir, 'info'), exist_ok=True)  # it may have been stopped, and started again
    worker = Worker('127.0.0.1', int(data['port']), data['name'], data['password'], basedir, 600, maxdelay=2)
    workers[machine['id']] = worker
    worker.startService()


def update(state):
    running = {machine['id']: machine for machine in state['machines'] if machine['state'] == 'running'}
    for machine in running.values():
        if machine['id'] not in workers and 'port=' in machine['user_data']:
            boot(machine)
    for machine in [machine for machine in workers if machine not in running]:
        workers.pop(machine).stopService()


def look():
    done = threads.deferToThread(get_state)
    done.addCallback(update)
    done.addErrback(log.err)
    return done


log.startLogging(sys.stdout, setStdout=False)
task.LoopingCall(look).start(INTERVAL)
reactor.run()
