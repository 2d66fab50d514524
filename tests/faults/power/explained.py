"""Syncs without which no promise breaks, and why they are there all the same: it stands in the code, too."""

WHY = {
    "content of .orchestrd/.paused.tmp: durable.replace < orders": "the name is what counts",
    "content of active/ID/runs/RUN/.started.json.tmp: durable.replace < supervision": (
        "the name is what counts; what it says is of use within one boot"
    ),
    "content of active/ID/runs/RUN/.stop.json.tmp: durable.publish_new < watch": (
        "after a power cut there is no runner to read it"
    ),
    "names in active/ID/runs/RUN: durable.publish_new < watch": (
        "after a power cut there is no runner to read it"
    ),
    "names in active: durable.move_new < publish": "a folder cannot be in two places",
    "names in .orchestrd/orders: taking.take_many < again": "a copy that comes back is known for the plan itself",
    "names in .orchestrd/orders: durable.remove < orders": (
        "an order that comes back is known by its number"
    ),
    "content of archive/ids.jsonl: durable.append_line < register.append": (
        "the folders tell at the next start what it lost; of a folder that somebody has removed nothing else tells"
    ),
    "content of active/ID/documents.json: durable.sync_files < present_documents": (
        "without it a docs request would not show what an answer replaces; no promise hangs on that"
    ),
    "content of .orchestrd/reserve: reserve": (
        "a reserve that a power cut took is made again at the next start"
    ),
}
EXPLAINED = tuple(WHY)
"""How they begin; the rest is the name of a function."""
