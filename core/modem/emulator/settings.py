"""Commands that only keep a value and read it back, with their factory values and ranges. Data and a small dict.

SIM7600 AT manual V3.00; spec/sim7600 §1.8, §1.9, §4. NO_SAVE commands fall back to factory at each start.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """factory: what `?` reads after power-on. allowed: a regular expression for the argument. test: of `=?`."""

    factory: str
    allowed: str
    test: str
    kept: bool = False
    """Survives a reset."""


COPS_FORMAT = "COPS format"
"""Not a command of its own: what AT+COPS=3,<format> leaves behind."""

CCINFO, SMSFULL, URC_PORT = "QINDCFG ccinfo", "QINDCFG smsfull", "QURCCFG urcport"
OUTPORT, IMS, SCAN_MODE = "QGPSCFG outport", "QCFG ims", "QCFG nwscanmode"
"""The same: of the EC25's commands that keep many."""

SETTINGS: dict[str, Setting] = {
    "+CPCMFRM": Setting("0", "[01]", "(0-1)"),
    "+CPCMBANDWIDTH": Setting("0,0", "[01],[01]", "(0-1),(0-1)"),
    "+CLVL": Setting("4", "[0-5]", "(0-5)", kept=True),
    "+CMICGAIN": Setting("3", "[0-8]", "(0-8)"),
    "+COUTGAIN": Setting("8", "[0-8]", "(0-8)"),
    "+CVHU": Setting("1", "[01]", "(0-1)"),
    "+CLIR": Setting("0", "[0-2]", "(0-2)"),
    "+COLP": Setting("0", "[01]", "(0-1)"),
    "+CRSL": Setting("2", "[0-5]", "(0-5)", kept=True),
    "+CSDVC": Setting("1", "[13]", "(1,3)"),
    "+VTD": Setting("0", r"\d{1,3}", "(0-255)"),
    "+DDET": Setting("0", "[01]", "(0-1)"),
    "+MORING": Setting("0", "[01]", "(0-1)"),
    "+CTZU": Setting("0", "[01]", "(0-1)", kept=True),
    "+CATR": Setting("0", "[0-7]", "(0-7)", kept=True),
    "+CSCLK": Setting("0", "[0-2]", "(0-2)"),
    "+CSCS": Setting("IRA", '"?(IRA|GSM|UCS2|HEX)"?', '("IRA","GSM","UCS2")'),
    "+CMGF": Setting("0", "[01]", "(0-1)"),
    "+CSMS": Setting("0", "[01]", "(0-1)"),
    "+CMMS": Setting("0", "[0-2]", "(0-2)"),
    "+CSDH": Setting("0", "[01]", "(0-1)"),
    "+CGSMS": Setting("3", "[0-3]", "(0-3)", kept=True),
    "+CSMP": Setting("17,167,0,0", r"\d{1,3}(,\d{1,3}){0,3}", ""),
    "+CSCA": Setting('"+447700900000",145', r'"?\+?\d{3,20}"?(,\d{3})?', "", kept=True),
    "+CNMP": Setting("2", "2|13|14|19|38|39", "(2,13,14,19,38,39)", kept=True),
    "+CUSBPIDSWITCH": Setting("9001", "9001,[01],[01]", "(9001),(0-1),(0-1)", kept=True),
    "+CGPSAUTO": Setting("0", "[01]", "(0-1)", kept=True),
    "+UIMHOTSWAPON": Setting("0", "[01]", "(0-1)", kept=True),
    "+UIMHOTSWAPLEVEL": Setting("0", "[01]", "(0-1)", kept=True),
    "+CGEREP": Setting("0,0", r"[0-2](,[01])?", "(0-2),(0-1)"),
    COPS_FORMAT: Setting("0", "[0-2]", ""),
    "+QTONEDET": Setting("0", "[01]", "(0,1)"),
    "+QSCLK": Setting("0", "[0-2]", "(0-2)"),
    CCINFO: Setting("0", "[01]", ""),
    SMSFULL: Setting("0", "[01]", ""),
    URC_PORT: Setting("usbat", "usbat|usbmodem|uart1|all", "", kept=True),
    OUTPORT: Setting("usbnmea", "none|usbnmea|uartdebug", "", kept=True),
    IMS: Setting("0", "[0-2]", "", kept=True),
    SCAN_MODE: Setting("0", "[0-5]", "", kept=True),
}
QUOTED = frozenset({"+CSCS"})
"""Read back in quotes."""


class Settings:
    """Values by command name. Unknown names are a programming error (KeyError)."""

    def __init__(self) -> None:
        self._values = {name: setting.factory for name, setting in SETTINGS.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def set(self, name: str, value: str) -> bool:
        """False if the value is out of range; then nothing changes."""
        if not re.fullmatch(SETTINGS[name].allowed, value):
            return False
        self._values[name] = value.strip('"') if name in QUOTED else value
        return True

    def power_on(self) -> None:
        for name, setting in SETTINGS.items():
            if not setting.kept:
                self._values[name] = setting.factory

    def factory(self) -> None:
        """AT&F."""
        self._values = {name: setting.factory for name, setting in SETTINGS.items()}
