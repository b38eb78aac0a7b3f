"""AWS Glue by moto, whose UpdateTable honours VersionId (moto 5.2.5 ignores it): glue_server.py -H 127.0.0.1 -p <port>"""

import sys
import threading

from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse
from moto.server import main


class ConcurrentModification(JsonRESTError):
    code = 400

    def __init__(self):
        super().__init__("ConcurrentModificationException", "Update table failed due to concurrent modifications.")


unguarded = GlueResponse.update_table
one_at_a_time = threading.Lock()


def update_table(self):
    with one_at_a_time:
        asked = self.parameters.get("VersionId")
        if asked is not None:
            name = self.parameters["TableInput"]["Name"]
            table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
            if str(table.as_dict().get("VersionId")) != str(asked):
                raise ConcurrentModification()
        return unguarded(self)


GlueResponse.update_table = update_table
main(sys.argv[1:])
