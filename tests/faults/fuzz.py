"""T9: whatever is read, nothing but the documented errors comes out, soon, with its place and in few words.

Inputs are the corpus (what once broke a reader), good documents cut off at every byte and changed by chance, odd
values under known names, bombs, and what hypothesis makes of the documents' structure. What breaks a reader is made
smaller and left in the campaign's folder: put into `tests/faults/corpus/`, it is tried first from then on.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.faults import mutations
from tests.faults.bombs import bombs
from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.readers import SMALL_BYTES, Reader, as_violation, broken, readers

KINDS = ("toml", "json", "md", "jsonl")
SHARE = {"toml": 30, "json": 30, "md": 15, "jsonl": 25}
"""Of a hundred inputs; each is given to one of the readers of its kind."""
PER_ROUND = 2500


@dataclass(frozen=True, slots=True)
class Portion:
    """What one round tries: the corpus, some cuts, bombs of a size, so many changes, or so many made structures."""

    seed: str
    what: str
    count: int = 0


def run(ground: Ground) -> Outcome:
    """All of it, in portions."""
    mutated = ground.pick(45_000, 200_000, 1_000_000)
    cuts = ground.pick(4_000, 20_000, 0)
    bomb = ground.pick(16_000, 1 << 18, (1 << 20) - 200)
    made = ground.pick(120, 2_000, 20_000)
    portions = [
        Portion(f"{ground.seed}/bombs", "bombs", bomb),
        Portion(f"{ground.seed}/made", "made", made),
        Portion(f"{ground.seed}/corpus", "corpus"),
        Portion(f"{ground.seed}/cuts", "cuts", cuts),
        *(Portion(f"{ground.seed}/{n}", "changes", PER_ROUND) for n in range(mutated // PER_ROUND)),
    ]
    return run_rounds(ground, portions, one_portion)


def one_portion(folder: Path, portion: Portion) -> Outcome:
    """Read what a portion names, by all who may come to read it."""
    all_readers = readers(folder / "files")
    trial = _Trial(folder, {kind: [one for one in all_readers if one.kind == kind] for kind in KINDS})
    chance = random.Random(portion.seed)
    match portion.what:
        case "corpus":
            for kind in KINDS:
                for name, raw in mutations.corpus(kind):
                    trial.by_all(kind, raw, f"tests/faults/corpus/{name}")
        case "bombs":
            for kind, what, raw in bombs(portion.count):
                trial.by_all(kind, raw, f"the bomb {what!r} of {portion.count} bytes")
        case "cuts":
            _try_cuts(trial, chance, portion.count)
        case "made":
            _try_made(trial, portion)
        case _:
            _try_changes(trial, chance, portion.count)
    return trial.outcome


class _Trial:
    """Readings, counted, the worst of them measured, and what broke kept."""

    def __init__(self, folder: Path, by_kind: dict[str, list[Reader]]) -> None:
        self.folder = folder
        self.by_kind = by_kind
        self.outcome = Outcome(figures=Counter(), worst={"ms up to 32 KiB": 0.0, "ms up to 1 MiB": 0.0})
        self.seen: set[tuple[str, str]] = set()

    def by_all(self, kind: str, raw: bytes, again: str) -> None:
        for reader in self.by_kind[kind]:
            self.by_one(reader, raw, again)

    def by_one(self, reader: Reader, raw: bytes, again: str = "") -> str | None:
        said, seconds = broken(reader, raw)
        worst = "ms up to 32 KiB" if len(raw) <= SMALL_BYTES else "ms up to 1 MiB"
        self.outcome.fired += 1
        self.outcome.worst[worst] = max(self.outcome.worst[worst], seconds * 1000)
        # One of a sort is enough: a hole is found by hundreds of inputs.
        if said is not None and (sort := (reader.name, said[:60])) not in self.seen:
            self.seen.add(sort)
            smaller = raw if again else self._smaller(reader, raw, said)
            self.outcome.violations.append(as_violation(reader, said, again or self._kept(reader, smaller)))
        return said

    def _smaller(self, reader: Reader, raw: bytes, said: str) -> bytes:
        """Leave out whatever is not needed for the same to be said."""
        size = len(raw) // 2
        while size:
            at = 0
            while at < len(raw):
                shorter = raw[:at] + raw[at + size :]
                again, _ = broken(
                    reader, mutations.resealed(shorter) if reader.name == "recovery" else shorter
                )
                if again is not None and again[:30] == said[:30]:
                    raw = shorter
                else:
                    at += size
            size //= 2
        return raw

    def _kept(self, reader: Reader, raw: bytes) -> str:
        path = self.folder / f"crash-{hashlib.sha256(raw).hexdigest()[:12]}.{reader.kind}"
        path.write_bytes(raw)
        return f"{path}: {raw[:200]!r}"


def _try_changes(trial: _Trial, chance: random.Random, count: int) -> None:
    for kind in chance.choices(list(SHARE), list(SHARE.values()), k=count):
        trial.by_one(chance.choice(trial.by_kind[kind]), mutations.mutated(chance, kind))


def _try_cuts(trial: _Trial, chance: random.Random, most: int) -> None:
    whole = [(kind, raw) for kind in KINDS for raw in mutations.cuts(kind)]
    for kind, raw in chance.sample(whole, min(len(whole), most or len(whole))):
        trial.by_one(chance.choice(trial.by_kind[kind]), raw)


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from([10**400, -(10**30), "\ud800", "\0", "1h", "4GiB", "2026-11-24T02:00:00Z", "a" * 5000])
)
_NAME = st.sampled_from([name for name in mutations.NAMES if name]) | st.text(st.characters(), max_size=4)
_TREES = st.dictionaries(
    _NAME,
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAME, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


def _try_made(trial: _Trial, portion: Portion) -> None:
    """Structures that hypothesis makes, and makes smaller where one breaks a reader."""

    @settings(
        max_examples=portion.count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @seed(int(hashlib.sha256(portion.seed.encode()).hexdigest()[:8], 16))
    @given(tree=_TREES)
    def every_reader_answers(tree: dict[str, object]) -> None:
        text = json.dumps(tree)
        for kind, raw in (
            ("json", text),
            ("jsonl", text + "\n"),
            ("toml", _as_toml(tree)),
            ("md", f"---\n{text}\n---\n"),
        ):
            for reader in trial.by_kind[kind]:
                said, _ = broken(reader, raw.encode())
                trial.outcome.fired += 1
                assert said is None, f"{reader.name} {said} of {raw!r:.300}"

    try:
        every_reader_answers()
    except AssertionError as error:
        trial.outcome.violations.append(Violation("-", "made by hypothesis", str(error)[:600], portion.seed))


def _as_toml(tree: dict[str, object]) -> str:
    try:
        return tomli_w.dumps(tree).encode("utf-8", "replace").decode()
    except (TypeError, ValueError, AttributeError):
        return "a = 1\n"  # it holds what TOML does not know


CAMPAIGNS = (Campaign("T9", "fuzzing the readers", run),)
