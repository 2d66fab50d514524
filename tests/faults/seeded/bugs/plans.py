"""Plans: their ids and keys, orders about them, what is believed of how they ended."""

from __future__ import annotations

from tests.faults.seeded.bug import a_bug

BUGS = (
    a_bug(
        "id-twice",
        "an id is given again once its plan lies in the archive",
        "orchestrd/record/ids.py",
        "        if wanted not in self._had:\n            return wanted\n",
        "        return wanted\n",
        caught_by="T8",
        breaks="I1 I8",
    ),
    a_bug(
        "key-forgotten",
        "after a restart no key is known any more: what was handed in twice runs twice",
        "orchestrd/record/ids.py",
        "            if key is not None:\n                self._keys.setdefault(key, PlanId(plan))\n"
        "        self._arrivals",
        "        self._arrivals",
        caught_by="T4 orders",
        breaks="I2 -",
    ),
    a_bug(
        "cancel-forgotten",
        "a cancel is not written down before its order goes: a daemon that is killed forgets it",
        "orchestrd/inbound/orders.py",
        '        self._journals.append(plan, "cancel-asked", sync=True, order=one.number, why=why)\n',
        "",
        caught_by="T4 orders",
        breaks="-",
    ),
    a_bug(
        "order-lost",
        "an order is removed before it is carried out",
        "orchestrd/inbound/orders.py",
        "            answer = self._carry_out(order, one, at)\n",
        "            durable.remove(path)\n            answer = self._carry_out(order, one, at)\n",
        caught_by="T1",
        breaks="I8 -",
    ),
    a_bug(
        "checksum-not-checked",
        "a journal's lines are believed whatever their checksum says",
        "orchestrd/record/journal.py",
        '        if line[-_TAIL:] != b\',"crc":"%08x"}\' % zlib.crc32(body):\n            # Several',
        "        if not line:\n            # Several",
        caught_by="T7",
        breaks="I7 I8",
    ),
    a_bug(
        "refused-plan-without-a-result",
        "a plan that is refused is not registered: its name can be had once more",
        "orchestrd/inbound/reception.py",
        "        self._ids.append(line for _, line in self._unregistered)\n",
        "        self._ids.append(line for event, line in self._unregistered if isinstance(event, PlanAccepted))\n",
        caught_by="T8",
        breaks="I1",
    ),
    a_bug(
        "one-register-line-late",
        "a plan runs before the register knows its id",
        "orchestrd/inbound/reception.py",
        "        self._ids.append(line for _, line in self._unregistered)\n",
        "",
        caught_by="T4",
        breaks="I1",
    ),
)
