"""Posts one message to a webhook: a program of its own, which can be ended whatever it hangs on.

It is told what to do as JSON on its standard input, so that neither an address nor a header's value is seen in the
list of processes, and it says of them nothing when it fails. Standard library only.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

MOST_SAID = 200


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """To go elsewhere would mean to show the header to somebody else, and a POST would become a GET."""

    def redirect_request(self, *_anything: Any, **_more: Any) -> None:
        return None


def main() -> int:
    """Post. 0: it was taken (2xx); 1: not, and standard error says why."""
    given = json.load(sys.stdin)
    try:
        request = urllib.request.Request(  # noqa: S310 - http and https only: the settings see to it
            given["url"],
            data=given["body"].encode(),
            headers={"Content-Type": "application/json", **given["headers"]},
            method="POST",
        )
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=given["timeout"]) as answer:
            status = answer.status
        if 200 <= status < 300:
            return 0
        why = f"HTTP {status}"
    except urllib.error.HTTPError as error:
        why = f"HTTP {error.code}"
    except urllib.error.URLError as error:
        why = str(error.reason)
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 - what it says may hold the address or the header
        why = type(error).__name__
    sys.stderr.write(f"{why[:MOST_SAID]}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
