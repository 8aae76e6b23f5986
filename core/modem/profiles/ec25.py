"""Quectel EC25 and EG25-G, USB 2c7c:0125. Quectel's AT commands manual of the EC2x&EG9x family; spec §7; field reports.

Calls are told of by +QIND: "ccinfo" beside the polled list. The voice of calls goes over the NMEA port, so that
satellite positions are asked for over AT during calls. Written from manuals and reports: no test on a real one yet.
"""

from core.modem.at import Command
from core.modem.lines_quectel import qgpsloc, qpcmv, qpcmv_flow
from core.modem.profile import AudioProfile, BringUpProfile, GnssProfile, MessageProfile, ModemProfile, Switch

_CALLS = ("RING", "+CRING:", "+CLIP:", "+CCWA:", "+QIND:", "+QTONEDET:", "+CSSI:", "+CSSU:", "+COLP:", "+QPCMV:")
_NETWORK = ("+CREG:", "+CGREG:", "+CEREG:", "+CTZV:", "+CTZE:", "+CGEV:")
_START = ("RDY", "+CFUN:", "+CPIN:", "+QUSIM:", "+QSIMSTAT:", "POWERED DOWN", "NORMAL POWER DOWN")
_MESSAGES = ("+CMTI:", "+CDSI:", "+CUSD:")

PROFILE = ModemProfile(
    name="ec25",
    usb_ids=("2c7c:0125",),
    urcs=_CALLS + _NETWORK + _START + _MESSAGES,
    says={
        "+QIND: SMS DONE": "SMS DONE",
        "+QIND: PB DONE": "PB DONE",
        '+QIND: "smsfull"': "+SMS FULL",
    },
    init_port=(
        Command("ATE0"),
        Command("ATV1"),
        Command("AT+CMEE=2"),
        Command("AT+CLIP=1"),
        Command("AT+CREG=2"),
        Command("AT+CGREG=2"),
        Command("AT+CEREG=2"),
    ),
    init_once=(
        Command('AT+QURCCFG="urcport","usbat"'),  # kept by the modem; both AT ports are listened to
        Command('AT+QINDCFG="ccinfo",1,0'),
        Command('AT+QINDCFG="smsfull",1,0'),
        Command("AT+QTONEDET=1"),
        Command("AT+CRC=0"),
        Command("AT+CSSN=1,1"),
        Command("AT+QSCLK=0"),  # no sleep
    ),
    init_late=(
        Command("AT+CCWA=1,1", 60.0),
        Command("AT+CTZU=1"),
        Command("AT+CTZR=1"),
    ),
    cells=("AT+QNWINFO", "AT+QCSQ"),
    report=(
        "AT+CREG?", "AT+CGREG?", "AT+CEREG?", "AT+CGDCONT?", "AT+CGACT?", "AT+CBC", "AT+QTEMP", "AT+CCLK?",
        "AT+QPINC?",
    ),
    reset=Command("AT+CFUN=1,1", 15.0),
    messages=MessageProfile(
        memories=("ME", "SM"),
        init_port=(
            Command("AT+CMGF=0"),
            Command("AT+CSMS=0"),
            Command('AT+CSCS="IRA"'),
            Command("AT+CUSD=1"),
        ),
        routing=(Command("AT+CNMI=2,1,0,2,0"), Command("AT+CNMI=2,1,0,0,0")),
        storage=(("ME", "SM", "ME"), ("ME", "ME", "ME"), ("SM", "SM", "SM")),
        seldom=("SR",),
        keeps_link=True,
        charset="UCS2",
    ),
    audio=AudioProfile(
        open=Command("AT+QPCMV=1,0", 3.0),
        close=Command("AT+QPCMV=0", 3.0),
        read_state=Command("AT+QPCMV?", 3.0),
        state=qpcmv,
        prepare=(Command('AT+QGPSCFG="outport","none"', 3.0),),  # sentences among the samples would be heard
        shares_port=True,
        flow=qpcmv_flow,
    ),
    bring_up=BringUpProfile(
        iccid=Command("AT+QCCID", prefixes=("+QCCID:",)),
        pin_tries=Command("AT+QPINC?"),
        provider=Command("AT+QSPN"),
        # Kept by the modem, and followed from its next restart on.
        volte=Switch(
            Command('AT+QCFG="ims"', prefixes=("+QCFG:",)), r'\+QCFG: ?"ims",1', Command('AT+QCFG="ims",1'),
            Command('AT+QCFG="ims",2'),
        ),
        lte_only=Switch(
            Command('AT+QCFG="nwscanmode"', prefixes=("+QCFG:",)), r'\+QCFG: ?"nwscanmode",3\b',
            Command('AT+QCFG="nwscanmode",3,1', 15.0),
        ),
    ),
    gnss=GnssProfile(
        start=Command("AT+QGPS=1", 10.0),
        stop=Command("AT+QGPSEND", 10.0),
        state=Command("AT+QGPS?"),
        running="+QGPS: 1",
        position=Command("AT+QGPSLOC=2", prefixes=("+QGPSLOC:",)),
        read_position=qgpsloc,
        yields_to_calls=True,
        listen=Command('AT+QGPSCFG="outport","usbnmea"', 3.0),
    ),
)  # fmt: skip
