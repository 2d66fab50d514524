"""The process beside one Claude Code: `python -I -S runner.py RUN_FOLDER LOCK_FD`. What it does: `supervision.py`.

Only the entrance, because Python compiles a script anew at every start, a module once.
"""

import os
import sys

if __name__ == "__main__":
    # `-I -S` keep the environment and site-packages out; what is needed lies beside this file.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

from orchestrd.runs.supervision import supervise

if __name__ == "__main__":
    code = supervise(sys.argv[1], int(sys.argv[2]))
    sys.stderr.flush()
    os._exit(code)  # nothing is left to tidy up, and taking Python down costs 2 ms
