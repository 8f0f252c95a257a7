"""OpenAI Python SDK, by one hook under everything that goes over HTTP.

``SyncAPIClient.request`` and its asynchronous twin see every call: ``create``, ``parse``, the stream
helpers, raw and streaming responses, Azure and compatible servers, and clients, accessors and bound
methods made before the patch. Their ``options`` hold the body as it will be sent, so that iterators
the caller passed are lists already. What goes over a websocket (realtime) does not pass here.

Checked with openai 1.66, 1.109, 2.54 and 3.52.
"""

from spanloom.sdk import Integration, Observe, Patch

from .errors import classify, note
from .recorder import begin, finish, see_retry

_CLIENT = "openai._base_client"

INTEGRATION = Integration(
    name="openai",
    package="openai",
    supports=">=1.66",
    rows=(
        *(
            Patch(
                target=f"{_CLIENT}:{client}.request",
                begin=begin,
                finish=finish,
                note=note,
                classify=classify,
            )
            for client in ("SyncAPIClient", "AsyncAPIClient")
        ),
        *(
            # the first since 1.71, the second before; both are called while the error is handled
            Observe(target=f"{_CLIENT}:{client}.{method}", see=see_retry)
            for client in ("SyncAPIClient", "AsyncAPIClient")
            for method in ("_sleep_for_retry", "_retry_request")
        ),
    ),
)
