"""SIMCom SIM7600 family, USB composition 1e0e:9001. AT manual V3.00; field reports where it is silent.

CLIP, CLCC, CVHU and the PCM settings are volatile: all of it is sent again in every life of the modem.
"""

from core.modem.at import Command
from core.modem.gnss_fix import cgpsinfo
from core.modem.lines import cpcmreg
from core.modem.profile import AudioProfile, BringUpProfile, GnssProfile, MessageProfile, ModemProfile, Switch

_CALLS = (
    "RING", "+CRING:", "+CLIP:", "+CLCC:", "+CCWA:", "VOICE CALL:", "MISSED_CALL:", "+RXDTMF:", "+CSSI:", "+CSSU:",
    "REMOTE CALL END", "+COLP:",
)  # fmt: skip
_NETWORK = ("+CREG:", "+CGREG:", "+CEREG:", "+CSQ:", "+CNSMOD:", "+CTZV:", "+NITZ:", "+CGEV:", "+CPSI:")
_START = ("RDY", "SMS DONE", "PB DONE", "+CPIN:", "+SIMCARD:")
_MESSAGES = ("+CMTI:", "+CDSI:", "+SMS FULL", "+CUSD:")
_HEALTH = (
    "+CMTE:",
    "UNDER-VOLTAGE WARNNING POWER DOWN",  # the modem spells it so
    "OVER-VOLTAGE WARNNING POWER DOWN",
)
_OTHER = ("+CGPS:", "+WAVSTATE:", "+RECSTATE:", "+CTTS:")

_REPORT = (
    "AT+CNSMOD?", "AT+CREG?", "AT+CGREG?", "AT+CEREG?", "AT+CGDCONT?", "AT+CGACT?", "AT+CBC", "AT+CPMUTEMP",
    "AT+CCLK?", "AT+SPIC", "AT+CEVOLTE?", "AT+CUSBPIDSWITCH?",
)  # fmt: skip

PROFILE = ModemProfile(
    name="sim7600",
    usb_ids=("1e0e:9001",),
    urcs=_CALLS + _NETWORK + _START + _MESSAGES + _HEALTH + _OTHER,
    init_port=(
        Command("ATE0"),
        Command("ATV1"),
        Command("AT+CMEE=2"),
        Command("AT+CLIP=1"),
        Command("AT+CLCC=1"),
        Command("AT+CREG=2"),
        Command("AT+CGREG=2"),
        Command("AT+CEREG=2"),
    ),
    init_once=(
        Command("AT+CVHU=0"),  # else ATH answers OK and does nothing
        Command("AT+CRC=0"),
        Command("AT+CSSN=1,1"),
        Command("AT+DDET=1"),  # not in the manual, known to work; without it keys are heard in the audio only
        Command("AT+CSCLK=0"),  # no sleep: a sleeping modem drops off the bus
        # The two below pin the PCM port to 8 kHz. 0 would mean 16 kHz, by the manual; 16 to 8 needs a restart.
        Command("AT+CPCMBANDWIDTH=1,1"),
        Command("AT+CPCMFRM=0"),
    ),
    init_late=(
        Command("AT+CCWA=1,1", 60.0),
        Command("AT+CNSMOD=1", 20.0),  # its OK can take more than 5 s
        Command("AT+AUTOCSQ=1,1", 20.0),
        Command("AT+CTZU=1"),  # the network sets the modem's clock; the factory value differs by manual
        Command("AT+CTZR=1"),
    ),
    cells=("AT+CPSI?",),
    report=_REPORT,
    reset=Command("AT+CRESET", 10.0),
    messages=MessageProfile(
        memories=("ME", "SM"),
        init_port=(
            Command("AT+CMGF=0"),
            Command("AT+CSMS=0"),  # the modem acknowledges by itself; 1 would want AT+CNMA within seconds
            Command('AT+CSCS="IRA"'),  # a core that died in a USSD exchange left UCS2
            Command("AT+CUSD=1"),
        ),
        routing=(
            Command(
                "AT+CNMI=2,1,0,2,0"
            ),  # messages and reports into the memory; what is there outlives a crash of ours
            Command("AT+CNMI=2,1,0,0,0"),
        ),
        # mem2, for writing, is never used: SM there makes AT+CPMS? tell of the SIM as well.
        storage=(("ME", "SM", "ME"), ("ME", "ME", "ME"), ("SM", "SM", "SM")),
        seldom=("SR",),
        deletes=39,  # commands a line takes
        keeps_link=True,
        # UCS2 carries any text, also one of several lines. It is put back after each exchange: left on, a station's
        # sticks hung after a while, and it makes hexadecimal of operator names and callers' numbers.
        charset="UCS2",
    ),
    audio=AudioProfile(
        open=Command("AT+CPCMREG=1", 3.0),
        close=Command("AT+CPCMREG=0", 3.0),
        read_state=Command("AT+CPCMREG?", 3.0),
        state=cpcmreg,
    ),
    bring_up=BringUpProfile(
        pin_tries=Command("AT+SPIC"),
        provider=Command("AT+CSPN?"),
        auth='AT+CGAUTH={cid},{method},"{password}","{username}"',  # the password before the user, by the manual
        # In no manual, and some firmwares answer ERROR (field report): then the network decides alone.
        volte=Switch(
            Command("AT+CEVOLTE?"), r"\+CEVOLTE: ?1,1", Command("AT+CEVOLTE=1,1", 10.0), Command("AT+CEVOLTE=1,0", 10.0)
        ),
        lte_only=Switch(Command("AT+CNMP?"), r"\+CNMP: ?38\b", Command("AT+CNMP=38", 15.0)),
    ),
    gnss=GnssProfile(
        start=Command("AT+CGPS=1,1", 10.0),
        stop=Command("AT+CGPS=0", 10.0),
        state=Command("AT+CGPS?"),
        running="+CGPS: 1",
        position=Command("AT+CGPSINFO"),
        read_position=cgpsinfo,
        stopped="+CGPS:0",
    ),
)
