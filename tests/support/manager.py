"""Stands in for systemd: opens a port for a program, keeps what it is given, and starts it anew when it ends.

manager.py NOTIFY-SOCKET HOST PORT PROGRAM ARGUMENTS...

Says on its standard output, line by line, what happens: `started PID`, `ended`, `kept NAME`, `forgot NAME`, `told TEXT`,
`lost`.
Loses what it keeps when it reads a line. Ends with its standard input, and the program with it. (sd_notify(3),
sd_listen_fds(3), systemd.service(5): FileDescriptorStoreMax=)
"""

import os
import select
import signal
import socket
import sys

path, host, port, *command = sys.argv[1:]
door = socket.create_server((host, int(port)), backlog=64)
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind(path)
store = []


def say(*words):
    print(*words, flush=True)


def start():
    kept = [("outpost.socket", door.fileno())] + store
    # Out of the way of the numbers they are to have.
    high = [os.dup2(fd, 100 + number) for number, (_, fd) in enumerate(kept)]
    pid = os.fork()
    if pid == 0:
        for number, fd in enumerate(high):
            os.dup2(fd, 3 + number, inheritable=True)
        os.closerange(3 + len(high), 100 + len(high))
        os.environ.update(
            NOTIFY_SOCKET=path,
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(kept)),
            LISTEN_FDNAMES=":".join(name for name, _ in kept),
        )
        os.closerange(100, 100 + len(high))
        os.execv(command[0], command)
    for fd in high:
        os.close(fd)
    say("started", pid)
    return pid


def keep(name, fd):
    same = lambda other: os.path.sameopenfile(fd, other)
    if any(same(other) for _, other in store):
        os.close(fd)
    else:
        store.append((name, fd))
    say("kept", name)


def forget(name):
    for _, fd in [it for it in store if it[0] == name]:
        os.close(fd)
    store[:] = [it for it in store if it[0] != name]
    say("forgot", name)


def hear():
    text, fds, _, _ = socket.recv_fds(ear, 4096, 16)
    said = dict(line.split("=", 1) for line in text.decode().splitlines())
    if "FDSTORE" in said:
        for fd in fds:
            keep(said.get("FDNAME", "stored"), fd)
    elif "FDSTOREREMOVE" in said:
        forget(said["FDNAME"])
    else:
        for line in text.decode().splitlines():
            say("told", line)


pid = start()
ended = os.pidfd_open(pid)
while True:
    ready, _, _ = select.select([ear, ended, sys.stdin], [], [])
    if ear in ready:
        hear()
    elif sys.stdin in ready:
        if not sys.stdin.readline():
            os.kill(pid, signal.SIGKILL)
            break
        for name, _ in list(store):
            forget(name)
        say("lost")
    elif ended in ready:
        os.waitpid(pid, 0)
        os.close(ended)
        say("ended")
        pid = start()
        ended = os.pidfd_open(pid)
