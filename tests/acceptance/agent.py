#!/usr/bin/env -S python3 -I -S
"""The fake agent, with a ledger that tells times, and with gates: a test says when it goes on.

await FILE        wait until that file is there
meddle FILE TEXT  write a file by its whole path, outside the checkout
mute              not one event, alive
stillborn         not one event, exit code 3
again             do the same when this session is resumed

From its start until the last process of it is gone it holds a lock for its session; where somebody else does, the
ledger gains a line `overlap`: two at work on one session, or something left over of the one before.
"""

import os
import sys
import time

FAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fake_agent.py")
fake = {"__name__": "fake_agent", "__file__": FAKE}
with open(FAKE, "rb") as source:
    exec(compile(source.read(), FAKE, "exec"), fake)


def ledger(word):
    path = os.environ.get("FAKE_LEDGER")
    if path:
        line = f"{word} {os.environ.get('ORCHESTRD_RUN', '-')} {os.getpid()} {time.monotonic()}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        if word == "start":
            hold_session(f"{path}.{fake['session']()}.lock")


def hold_session(path):
    import fcntl

    # Left open: what is forked from here holds it too.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        ledger("overlap")


def await_gate(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def read_prompt():
    prompt = read_line()
    memory = f"{os.environ.get('FAKE_LEDGER', '/dev/null')}.{fake['session']()}"
    if "--resume" in sys.argv and os.path.exists(memory):
        with open(memory, encoding="utf-8") as file:
            prompt = file.read()
    elif "[again]" in prompt:
        with open(memory, "w", encoding="utf-8") as file:
            file.write(prompt)
    if "[mute]" in prompt:
        time.sleep(3600)
    if "[stillborn]" in prompt:
        os._exit(3)
    return prompt


def meddle(rest):
    path, _, text = rest.partition(" ")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


read_line = fake["read_prompt"]
fake["ledger"] = ledger
fake["read_prompt"] = read_prompt
fake["ACTIONS"] |= {"await": await_gate, "meddle": meddle}

if __name__ == "__main__":
    code = fake["main"]()
    if "--version" not in sys.argv:
        ledger("end")
    sys.stdout.flush()
    os._exit(code)
