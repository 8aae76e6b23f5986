"""Why a request is not carried out."""

from enum import StrEnum


class Trouble(StrEnum):
    """Stable words; `trouble` of an answer."""

    BAD_REQUEST = "bad_request"  # no JSON, no such verb, a key too many or too few, a value that is none
    NOT_ALLOWED = "not_allowed"  # an interface or port outside the patterns given at the start
    NO_INTERFACE = "no_interface"
    NO_DEVICE = "no_device"
    NO_NETWORK = "no_network"
    NO_PEER = "no_peer"
    APN_REFUSED = "apn_refused"
    DHCP_SILENT = "dhcp_silent"
    PROGRAM_MISSING = "program_missing"
    REFUSED = "refused"  # by the kernel or a program; the text has its words
    TIMEOUT = "timeout"
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"


class Refused(Exception):
    """text goes to whoever asked, and into the log."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text
