"""Syncs without which no promise breaks, and why they are there all the same: it stands in the code, too."""

EXPLAINED = {
    "content of .orchestrd/.paused.tmp: durable.replace < orders._pause": "the name is what counts",
    "content of active/ID/runs/RUN/.started.json.tmp: durable.replace < supervision.supervise": (
        "the name is what counts; what it says is of use within one boot"
    ),
    "content of active/ID/runs/RUN/.stop.json.tmp: durable.publish_new < watch.stop": (
        "after a power cut there is no runner to read it"
    ),
    "names in active/ID/runs/RUN: durable.publish_new < watch.stop": (
        "after a power cut there is no runner to read it"
    ),
    "content of .orchestrd/reserve: reserve._grow": (
        "a reserve that a power cut took is made again at the next start"
    ),
}
