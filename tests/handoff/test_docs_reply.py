"""An answer to a docs request: what it writes, and what is refused, all at once and before anything is written."""

from __future__ import annotations

import pytest

from handoff.docs_reply import DocumentError, DocumentToWrite, read_docs_reply, read_docs_reply_file
from handoff.document_paths import is_allowed, single_path

SINGLE = ["docs/limits.md"]
SEVERAL = ["docs/**", "README.md"]
FIRST_LINE = "the first line to be one like <!-- file: docs/x.md -->"


def refused(text: str, write_to: list[str]) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_docs_reply(text, write_to)
    return [str(error) for error in caught.value.errors]


def test_where_one_file_may_be_written_the_whole_answer_is_that_document() -> None:
    found = read_docs_reply("\ufeff# Limits\r\n\r\nTen a second.", SINGLE)

    assert found == [DocumentToWrite("docs/limits.md", "# Limits\n\nTen a second.\n")]


def test_an_answer_that_names_that_file_all_the_same_is_understood() -> None:
    found = read_docs_reply("<!-- file: docs/limits.md -->\n# Limits\n", SINGLE)

    assert found == [DocumentToWrite("docs/limits.md", "# Limits\n")]


def test_several_documents_stand_under_lines_that_name_them() -> None:
    text = "\n<!-- file: docs/a.md -->\n# A\n\n <!-- file: shown.md -->\n\n<!--file:README.md-->\n\n# The project\n\n"

    found = read_docs_reply(text, SEVERAL)

    assert found == [
        DocumentToWrite("docs/a.md", "# A\n\n <!-- file: shown.md -->\n"),
        DocumentToWrite("README.md", "# The project\n"),
    ]


@pytest.mark.parametrize("write_to", [SINGLE, SEVERAL])
def test_an_answer_that_is_just_the_line_declines(write_to: list[str]) -> None:
    assert read_docs_reply("\n<!-- nothing to document -->\n", write_to) == []


def test_all_that_is_wrong_is_told_at_once_with_its_line() -> None:
    text = (
        "Here you are:\n<!-- file: ../x.md -->\nA\n<!-- file: src/x.md -->\nB\n<!-- file: docs/y.md -->\n\n"
    )

    assert refused(text, SEVERAL) == [
        f"line 1: there is text before the first line that names a file ({FIRST_LINE})",
        "line 2: ../x.md: the path is not a plain one (names between single slashes, none of them . or ..)",
        "line 4: src/x.md: may not be written (the plan allows docs/**, README.md)",
        "line 6: docs/y.md: the document is empty (its whole text, or no such line)",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "~/x.md",
        "C:/x.md",
        "docs/../../x.md",
        "docs/./x.md",
        "docs//x.md",
        "docs/",
        "docs\\x.md",
        "docs/.git/x.md",
        "docs/.GIT/config",
        "docs/git~1/config",
        "docs/.git ./config",
        "docs/.git::$INDEX_ALLOCATION/config",
        "docs/.g\u200cit/config",
        "docs/x.md:stream",
        "docs/x.md.",
        "docs/x\x1b[2J.md",
        "docs/\u202egpj.md",
        "docs/" + "a" * 300 + ".md",
        "docs/" + "a/" * 600 + "x.md",
        "docs/" + "a/" * 40 + "x.md",
        "",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused_even_where_everything_may_be_written(path: str) -> None:
    found = refused(f"<!-- file: {path} -->\n# A text\n", ["**"])

    assert len(found) == 1


@pytest.mark.parametrize(
    "others",
    [
        ["docs/a.md", "docs/a.md"],
        ["docs/a.md", "docs/A.md"],
        ["docs/a", "docs/a/b.md"],
        ["docs/a/b.md", "docs/a"],
    ],
)
def test_two_documents_that_cannot_both_be_written_are_refused(others: list[str]) -> None:
    text = "".join(f"<!-- file: {path} -->\n# A text\n" for path in others)

    assert len(refused(text, SEVERAL)) == 1


@pytest.mark.parametrize("text", ["", " \n", "\x00\x01", "a\x1b[2Jb", "no line names a file"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    assert len(refused(text, SEVERAL)) == 1


def test_what_is_not_utf_8_is_refused_with_its_line() -> None:
    with pytest.raises(DocumentError, match="line 2: byte 3 is not UTF-8"):
        read_docs_reply_file(b"a\n\xff", SINGLE)


def test_a_file_that_is_written_and_declined_in_one_answer_is_refused() -> None:
    found = refused("<!-- file: docs/a.md -->\n<!-- nothing to document -->\n", SEVERAL)

    assert found == [
        "line 1: docs/a.md: says that there is nothing to document (that line alone in the answer, or a text)"
    ]


def test_an_answer_of_very_many_documents_is_refused_quickly() -> None:
    found = refused("<!-- file: docs/a.md -->\nx\n" * 30_000, SEVERAL)

    assert found == ["line 1: there are 30000 documents (200 at most)"]


@pytest.mark.parametrize(
    "rule, path, allowed",
    [
        ("docs/**", "docs/a.md", True),
        ("docs/**", "docs/a/b/c.md", True),
        ("docs/**", "doc/a.md", False),
        ("docs/**", "docs", False),
        ("docs/", "docs/a/b.md", True),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/a/b.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "a/b/c.md", True),
        ("docs/**/api-?.md", "docs/api-1.md", True),
        ("docs/[a-c].md", "docs/d.md", False),
        ("app/[id].md", "app/[id].md", True),
        ("README.md", "readme.md", False),
        ("**", ".mcp.json", False),
        ("**", ".github/workflows/release.md", False),
        ("docs/**", "docs/.vitepress/theme/index.md", False),
        ("docs/.vitepress/**", "docs/.vitepress/theme/index.md", True),
        (".github/*.md", ".github/README.md", True),
        ("docs/.*.md", "docs/.draft.md", True),
    ],
)
def test_a_rule_allows_what_it_names(rule: str, path: str, allowed: bool) -> None:
    assert is_allowed(path, ["none.md", rule]) is allowed


@pytest.mark.parametrize(
    "write_to, path",
    [(["docs/a.md"], "docs/a.md"), (["docs/*.md"], None), (["docs/"], None), (["a.md", "b.md"], None)],
)
def test_one_file_alone_is_told_from_several(write_to: list[str], path: str | None) -> None:
    assert single_path(write_to) == path
