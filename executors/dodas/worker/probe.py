"""What a self-test runs inside the container: it looks, tries, and says what happened."""

from __future__ import annotations

FAULTS = {
    "marker": "the command did not see the container's files",
    "secret": "the command saw files of the host that were not given to it",
    "arguments": "arguments did not arrive as they were given",
    "value": "environment variables did not arrive as they were given",
    "uid": "the command ran as another user",
    "temporary": "the container's temporary directory is not its own",
    "untranslated": "a system call (openat2) reached the host's files",
}
"""Key of the probe's answer -> what it means when the answer is wrong."""

SOURCE = r"""
import ctypes, json, os, signal, struct, sys
verb, rest = sys.argv[1], sys.argv[2:]

def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None

def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
        return True
    except OSError:
        return False

def openat2(path):
    # A call that a translating engine may not know; the file is the host's if it opens.
    libc = ctypes.CDLL(None, use_errno=True)
    how = ctypes.create_string_buffer(struct.pack("QQQ", os.O_RDONLY, 0, 0))
    return libc.syscall(437, -100, os.fsencode(path), how, 24) >= 0

if verb == "look":
    token, secret, *arguments = rest
    write("/written", token)
    write("/read-only", "changed")
    print(json.dumps({
        "marker": read("/marker"),
        "secret": os.path.exists(secret),
        "arguments": arguments,
        "value": os.environ.get("DODAS_PROBE"),
        "uid": os.getuid(),
        "temporary": write("/tmp/" + token, token) and os.path.exists("/tmp/" + token),
        "untranslated": openat2(secret),
    }))
elif verb == "exit":
    os._exit(int(rest[0]))
elif verb == "die":
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    os.kill(os.getpid(), signal.SIGKILL)
elif verb == "daemon":
    import fcntl
    file = open(rest[0], "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.pause()
        os._exit(0)
    os.wait()
"""
