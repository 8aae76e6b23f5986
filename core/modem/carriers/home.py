"""The home network in an IMSI: three digits of country, then two or three of network. Pure."""

from collections.abc import Set

THREE_DIGITS = frozenset(
    str(mcc)
    for mcc in (302, *range(310, 317), 330, 334, 338, 342, 344, 346, 348, 352, 354, 356, 358, 360, 364, 365, 366, 376)
    + (405, 708, 722, 732, 750)
)
"""Country codes whose networks have three digits, all or most (ITU-T E.212, Operational Bulletin). In some of them
(364, 405, 722) codes of two digits stand beside: a known network decides."""


def home_network(imsi: str, known: Set[str], mnc_digits: int | None = None) -> str:
    """MCC and MNC in one string of 5 or 6 digits; "" if the IMSI holds none.

    mnc_digits (EF_AD) decides when given. Else the usual length of that country is tried among the known networks,
    then the other; a network nobody knows has the usual length.
    """
    if len(imsi) < 5 or not (imsi.isascii() and imsi.isdecimal()):
        return ""
    if mnc_digits in (2, 3):
        return imsi[: 3 + mnc_digits]
    lengths = (6, 5) if imsi[:3] in THREE_DIGITS else (5, 6)
    return next((imsi[:length] for length in lengths if imsi[:length] in known), imsi[: lengths[0]])


def ims_domain(mcc: str, mnc: str) -> str:
    """The home network domain name (TS 23.003 §13.2); the MNC gets a zero in front if it has two digits."""
    return f"ims.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org" if mcc and mnc else ""
