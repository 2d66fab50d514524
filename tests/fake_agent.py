#!/usr/bin/env -S python3 -I -S
"""A small program that speaks stream-json as Claude Code does, and does what words in its prompt tell it to.

Starts in about 12 ms, so it imports next to nothing. What it is to do stands in brackets in the prompt, or in the
variable FAKE_AGENT (that comes first), and is done in that order: `Fix it. [write notes.txt done] [sleep 0.2]`.
With nothing told it says a word and succeeds. FAKE_LEDGER names a file that gains a line a start.

    say TEXT          an assistant event           print TEXT      a raw line on stdout
    stderr TEXT       a line on stderr             tell NAME       the value of a variable: stdout, split, and stderr
    write FILE TEXT   a file in the checkout       flood N BYTES   N events of that size
    sleep SECONDS     alive, silent                block           for ever
    detach SECONDS    a child in another session, orphaned, holding our stdout
    child SECONDS     a child that ignores SIGTERM
    ignore-term       SIGTERM is ignored           eat MIB         memory, held
    send FILE         the lines in that file       hear N          N lines of stdin, each said as it came
    fail TEXT         the result says is_error     no-result       end without a result
    exit CODE         exit code                    signal N        end by that signal
    cost USD          what the result says that it has cost
    structured FILE   the structured output is the JSON in that file
    broke             the result says that its budget is used up
    linger SECONDS    go on after the result       torn TEXT       a last line without an end
    environment FILE  write NAME=value lines       read-all        wait for the end of stdin
"""

import _signal
import os
import sys
import time

VERSION = "2.1.330"
SETTINGS = (
    "exit",
    "no-result",
    "linger",
    "fail",
    "torn",
    "signal",
    "read-all",
    "cost",
    "structured",
    "broke",
)


def main():
    if "--version" in sys.argv:
        print(f"{VERSION} (Claude Code)")
        return 0
    _signal.signal(_signal.SIGTERM, lambda *_: os._exit(143))
    ledger("start")
    prompt = read_prompt()
    told = instructions(os.environ.get("FAKE_AGENT", "")) + instructions(prompt)
    emit(
        {
            "type": "system",
            "subtype": "init",
            "cwd": os.getcwd(),
            "session_id": session(),
            "tools": [],
            "mcp_servers": [],
            "model": "fake",
            "permissionMode": "default",
            "apiKeySource": "none",
            "claude_code_version": VERSION,
        }
    )
    settings = {}
    for word, rest in told:
        if word in SETTINGS:
            settings[word] = rest
        else:
            ACTIONS[word](rest)
    return end(settings)


def end(settings):
    if "signal" in settings:
        os.kill(os.getpid(), int(settings["signal"]))
    if "no-result" not in settings:
        say("Done.")
        failed = "fail" in settings
        cost = float(settings.get("cost", 0.01))
        structured = {}
        if "structured" in settings:
            with open(settings["structured"], encoding="utf-8") as file:
                structured = {"structured_output": Raw(file.read())}
        emit(
            {
                "type": "result",
                "subtype": "error_max_budget_usd" if "broke" in settings else "success",
                "is_error": failed,
                "result": settings.get("fail", "Done."),
                "num_turns": 1,
                "stop_reason": "end_turn",
                "terminal_reason": "api_error" if failed else "completed",
                "api_error_status": None,
                "session_id": session(),
                "duration_ms": 10,
                "total_cost_usd": cost,
                "usage": {"input_tokens": 100, "output_tokens": 10},
                "modelUsage": {"fake": {"inputTokens": 100, "outputTokens": 10, "costUSD": cost}},
                "permission_denials": [],
                **structured,
            }
        )
        while "read-all" in settings and sys.stdin.buffer.read(65536):
            pass
    if "torn" in settings:
        write_out(settings["torn"].encode())
    if "linger" in settings:
        time.sleep(float(settings["linger"]))
    return int(settings.get("exit", 1 if "fail" in settings else 0))


def instructions(text):
    told = []
    while "[" in text and "]" in text.partition("[")[2]:
        inside, _, text = text.partition("[")[2].partition("]")
        word, _, rest = inside.partition(" ")
        if word in ACTIONS or word in SETTINGS:
            told.append((word, rest))
    return told


def read_prompt():
    line = sys.stdin.buffer.readline().decode("utf-8", "replace")
    at = line.find('"', line.find('"content"') + len('"content"'))
    if at < 0:
        return ""
    from _json import scanstring  # `json` would take half of the time that this program needs

    return scanstring(line, at + 1, False)[0]


def session():
    for flag in ("--session-id", "--resume"):
        if flag in sys.argv:
            return sys.argv[sys.argv.index(flag) + 1]
    return "00000000-0000-4000-8000-000000000000"


def emit(event):
    write_out(encode(event).encode() + b"\n")


class Raw(str):
    """JSON already, on one line."""

    __slots__ = ()


def encode(value):
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode(name)}:{encode(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(inner) for inner in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        from _json import encode_basestring

        return encode_basestring(value)
    return repr(value)


def write_out(content):
    left = memoryview(content)
    while left:
        left = left[os.write(1, left) :]


def ledger(word):
    path = os.environ.get("FAKE_LEDGER")
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{word} {os.environ.get('ORCHESTRD_RUN', '-')} {os.getpid()}\n".encode())
        os.close(descriptor)


def say(text):
    content = [{"type": "text", "text": text}]
    message = {"id": "msg_1", "role": "assistant", "model": "fake", "content": content}
    emit({"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": session()})


def tell(name):
    value = os.environ[name]
    say(f"It is {value}, I think.")
    half = len(value) // 2
    write_out(b'{"type":"assistant","note":"' + value[:half].encode())
    time.sleep(0.05)
    write_out(value[half:].encode() + b'"}\n')
    os.write(2, value[:half].encode())
    time.sleep(0.05)
    os.write(2, value[half:].encode() + b"\n")


def write_file(rest):
    name, _, text = rest.partition(" ")
    with open(name, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def write_environment(name):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(f"{key}={value}\n" for key, value in sorted(os.environ.items()))


def flood(rest):
    count, size = rest.split()
    for number in range(int(count)):
        emit({"type": "assistant", "n": number, "fill": "x" * int(size)})


def send(name):
    with open(name, "rb") as file:
        write_out(file.read())


def hear(count):
    for _ in range(int(count)):
        line = sys.stdin.buffer.readline().decode("utf-8", "replace").strip()
        say(line or "nothing more")
        if not line:
            return


def detach(seconds):
    """As `setsid -f` does: nobody's child, another session, our stdout in its hand."""
    ready, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            linger("detached", seconds, told)
        os._exit(0)
    os.wait()
    os.read(ready, 1)


def child(seconds):
    ready, told = os.pipe()
    if os.fork() == 0:
        linger("child", seconds, told)
    os.read(ready, 1)


def linger(word, seconds, told):
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
    ledger(word)
    os.write(told, b"x")
    time.sleep(float(seconds))
    os._exit(0)


def eat(mib):
    HELD.append(bytearray(b"x") * (int(mib) << 20))


HELD = []
ACTIONS = {
    "say": say,
    "print": lambda text: write_out(text.encode() + b"\n"),
    "stderr": lambda text: os.write(2, text.encode() + b"\n"),
    "tell": tell,
    "write": write_file,
    "environment": write_environment,
    "flood": flood,
    "send": send,
    "hear": hear,
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "block": lambda _: time.sleep(3600),
    "detach": detach,
    "child": child,
    "ignore-term": lambda _: _signal.signal(_signal.SIGTERM, _signal.SIG_IGN),
    "eat": eat,
}

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
