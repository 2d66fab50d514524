"""The names of approvals and questions."""

import pytest

from handoff.request import RequestName, parse_request_name


@pytest.mark.parametrize("ending", ["toml", "json"])
@pytest.mark.parametrize("kind", ["approval", "question"])
def test_a_name_says_which_run_asks(kind: str, ending: str) -> None:
    name = parse_request_name(f"add-login-2.test-all.3.12.{kind}.{ending}")

    assert name == RequestName("add-login-2", "test-all", 3, 12, kind)  # type: ignore[arg-type]
    assert name.file(ending) == f"add-login-2.test-all.3.12.{kind}.{ending}"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        "add-login.docs.md",
        "add-login.main.1.approval.toml",
        "add-login.main.0.1.approval.toml",
        "add-login.main.1.01.approval.toml",
        "add-login.main.1.1.approval.md",
        "add-login.main.1.1.approval.toml.tmp",
        ".add-login.main.1.1.approval.toml",
        "Add.main.1.1.approval.toml",
        "../x.main.1.1.approval.toml",
        "x.main.1.1.approval.toml\n",
        "x.main.\u0661.1.approval.toml",
        "x.main.99999999999999999999.1.approval.toml",
    ],
)
def test_another_name_is_none(other: str) -> None:
    assert parse_request_name(other) is None
