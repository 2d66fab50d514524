from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrd.workspaces.git import GitFailed, GitHeld, GitLock, GitMissing, git_environment, run_git
from tests.repositories import Repository, a_repository, isolate_git
from tests.waiting import wait_until


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "project")


def test_what_git_wrote_is_returned_as_bytes(repository):
    told = run_git(["show", "HEAD:README.md"], repository.path, lock=None)

    assert told == b"one\ntwo\nthree\n"


def test_a_failure_carries_what_git_said_in_plain_english(repository, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    with pytest.raises(GitFailed) as caught:
        run_git(["-c", "a.b=c", "rev-parse", "--verify", "nope"], repository.path, lock=None)

    assert caught.value.code == 128
    assert caught.value.message == "git rev-parse ended with 128"
    assert caught.value.last_line() == "fatal: Needed a single revision"


def test_no_git_on_the_path_is_told_apart_from_a_folder_that_is_missing(repository, monkeypatch, tmp_path):
    with pytest.raises(GitFailed):
        run_git(["status"], tmp_path / "nowhere", lock=None)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissing):
        run_git(["status"], repository.path, lock=None)


def test_a_git_that_hangs_is_ended_with_all_that_it_started(repository, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    repository.git("config", "alias.hang", f"!echo $$ > {tmp_path}/pid; exec sleep 600 < {fifo}")

    with pytest.raises(GitFailed, match="took longer"):
        run_git(["hang"], repository.path, lock=None, timeout=1.0)

    pid = int(
        wait_until(lambda: (tmp_path / "pid").read_text().strip(), what="the pid of the hanging command")
    )
    wait_until(lambda: not _is_alive(pid), what="the hanging command to be gone")


def test_the_daemons_own_git_variables_lead_nowhere(repository, monkeypatch, tmp_path):
    other = a_repository(tmp_path / "other")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(other.path / ".git"))

    told = run_git(["rev-parse", "--show-toplevel"], repository.path, lock=None)

    assert told.decode().strip() == str(repository.path)


def test_who_the_user_is_and_where_the_configuration_lies_is_passed_on():
    environ = {"GIT_AUTHOR_NAME": "Ada", "GIT_CONFIG_GLOBAL": "/x", "GIT_TRACE": "1", "PATH": "/bin"}

    clean = git_environment(environ, {"GIT_DIR": "/mine"})

    assert clean["GIT_AUTHOR_NAME"] == "Ada"
    assert clean["GIT_CONFIG_GLOBAL"] == "/x"
    assert clean["PATH"] == "/bin"
    assert clean["GIT_DIR"] == "/mine"
    assert clean["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_TRACE" not in clean


def test_git_is_asked_nothing(repository):
    told = run_git(["hash-object", "--stdin"], repository.path, lock=None)

    empty = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert told.decode().strip() == empty


def test_a_git_that_outlives_its_daemon_holds_the_lock(repository, tmp_path):
    lock_path = tmp_path / "git.lock"
    repository.git("config", "alias.hold", f"!echo $$ > {tmp_path}/pid; exec sleep 600")
    code = (
        "import sys; from orchestrd.workspaces.git import GitLock, run_git\n"
        "lock = GitLock(sys.argv[1]); lock.take()\n"
        "run_git(['hold'], sys.argv[2], lock=lock)\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", code, str(lock_path), str(repository.path)])
    pid_file = tmp_path / "pid"
    pid = int(wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), what="the git to run"))
    daemon.kill()
    daemon.wait()

    with pytest.raises(TimeoutError, match="an earlier daemon"):
        GitLock(lock_path).take(0.3)

    next_daemon = GitLock(lock_path)
    waiting = threading.Thread(target=next_daemon.take)
    waiting.start()
    os.kill(pid, signal.SIGKILL)
    waiting.join(10)
    assert next_daemon.fileno is not None
    next_daemon.release()


def test_while_an_earlier_git_is_at_work_ours_are_put_off_at_once(repository, tmp_path):
    lock = GitLock(tmp_path / "git.lock")
    with open(tmp_path / "git.lock", "wb") as earlier:
        fcntl.flock(earlier, fcntl.LOCK_EX)

        assert lock.try_take() is False
        assert lock.try_take() is False
        assert lock.fileno is None

        with pytest.raises(GitHeld, match="an earlier daemon"):
            run_git(["status"], repository.path, lock=lock)

    assert run_git(["rev-parse", "HEAD"], repository.path, lock=lock)
    assert lock.fileno is not None
    lock.release()


def test_a_lock_that_is_free_is_taken_by_trying_and_by_the_first_git(repository, tmp_path):
    tried, used = GitLock(tmp_path / "one.lock"), GitLock(tmp_path / "other.lock")

    assert tried.try_take() is True
    first = tried.fileno
    assert tried.try_take() is True
    assert tried.fileno == first is not None
    run_git(["status"], repository.path, lock=used)

    assert used.fileno is not None
    with open(tmp_path / "other.lock", "rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    tried.release()
    used.release()


def test_the_lock_is_taken_once_and_given_up(tmp_path):
    lock = GitLock(tmp_path / "git.lock")
    lock.take()
    first = lock.fileno
    lock.take()

    assert lock.fileno == first
    assert first is not None
    assert not os.get_inheritable(first)

    lock.release()
    with open(tmp_path / "git.lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Where nobody reaps orphans a killed one stays as a zombie.
    state = Path(f"/proc/{pid}/stat")
    try:
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
