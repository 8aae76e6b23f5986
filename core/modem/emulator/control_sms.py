"""Control methods for short messages: what arrives, what was sent, what the network does, what is stored."""

import asyncio
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from core.errors import InvalidParams
from core.modem.emulator import sms_network, sms_writer, tpdu
from core.modem.emulator.control import Method
from core.modem.emulator.modem import Modem
from core.modem.emulator.sms_network import ReportMode, Sent
from core.modem.emulator.sms_store import pdu_is_sound
from core.modem.emulator.sms_writer import Letter

Seconds = Annotated[float, Meta(ge=0, le=3600)]
Octet = Annotated[int, Meta(ge=0, le=255)]
Times = Annotated[int, Meta(ge=0)]
Party = Annotated[str, Meta(min_length=1, max_length=21)]
Memory = Annotated[str, Meta(pattern="^(ME|SM|SR)$")]
Hex = Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2})*$", max_length=80_000)]
_FLOOD_CHUNK = 200


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SmsDeliver(Struct, frozen=True, forbid_unknown_fields=True):
    """Either pdu, or sender (`from`) with text or data."""

    pdu: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){2,200}$")] | None = None
    sender: Party | None = field(name="from", default=None)
    text: Annotated[str, Meta(max_length=40_000)] | None = None
    data: Hex | None = None
    encoding: Annotated[str, Meta(pattern="^(gsm7|ucs2|binary)$")] | None = None
    message_class: Annotated[int, Meta(ge=0, le=3)] | None = None
    parts: Annotated[int, Meta(ge=1, le=255)] = 1
    reference: Annotated[int, Meta(ge=0, le=65535)] | None = None
    wide: bool = False
    smsc: Annotated[str, Meta(pattern=r"^(\+?[0-9]{1,20})?$")] | None = None
    at: str | None = None
    ports: tuple[Annotated[int, Meta(ge=0, le=65535)], Annotated[int, Meta(ge=0, le=65535)]] | None = None
    udh: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){0,137}$")] = ""
    pid: Octet = 0
    dcs: Octet | None = None
    only_parts: list[int] | None = None
    order: list[int] | None = None
    duplicate: bool = False


class SmsSent(Struct, frozen=True, forbid_unknown_fields=True):
    first: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=2000)] = 500


class Refuse(Struct, frozen=True, forbid_unknown_fields=True):
    times: Times | None = 1
    cms: Annotated[int, Meta(ge=0, le=999)] = 38
    to: Party | None = None


class LoseAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    times: Times | None = 1
    sent: bool = True
    to: Party | None = None


class NoPrompt(Struct, frozen=True, forbid_unknown_fields=True):
    times: Times | None = 1


class Reports(Struct, frozen=True, forbid_unknown_fields=True):
    mode: ReportMode = ReportMode.DELIVERED
    delay_s: Seconds = 0.2
    status: Octet | None = None


class SmsNetworkSet(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; null takes it away."""

    delay_s: Seconds | None = None
    prompt_s: Seconds | None = None
    refuse: Refuse | list[Refuse] | None | UnsetType = UNSET
    lose_answer: LoseAnswer | None | UnsetType = UNSET
    late_answer_s: Seconds | None | UnsetType = UNSET
    late_answer_times: Times | None = None
    no_prompt: NoPrompt | None | UnsetType = UNSET
    report: Reports | UnsetType = UNSET
    redeliver_s: Seconds | None = None
    ack_s: Seconds | None = None


class SmsReport(Struct, frozen=True, forbid_unknown_fields=True):
    reference: Octet
    to: Party
    status: Octet = 0
    sent_unix_s: Annotated[float, Meta(ge=0)] | None = None


class SmsMemory(Struct, frozen=True, forbid_unknown_fields=True):
    memory: Memory
    capacity: Annotated[int, Meta(ge=0, le=255)]


class SmsFlood(Struct, frozen=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1, le=10_000)]
    sender: Party = field(name="from", default="+447700900123")
    text: Annotated[str, Meta(max_length=160)] = "flood {n}"


async def sms_deliver(modem: Modem, params: SmsDeliver) -> object:
    """A raw SMS-DELIVER PDU, SMSC field first, arrives; or a message that is written here."""
    if params.pdu is not None:
        octets = bytes.fromhex(params.pdu)
        if len(octets) < octets[0] + 2 or not pdu_is_sound(params.pdu, len(octets) - 1 - octets[0]):
            raise InvalidParams("That is no PDU with an SMSC field in front.", path="pdu")
        return {"index": modem.arrivals.offer(params.pdu.upper()), "waiting": len(modem.arrivals.waiting)}
    letter = _letter(modem, params)
    try:
        pdus = sms_writer.write(letter, modem.smsc)
    except ValueError as error:
        raise InvalidParams(f"Such a message can't be: {error}.") from None
    chosen = _chosen(params, len(pdus))
    indices = [modem.arrivals.offer(pdus[number - 1]) for number in chosen]
    return {
        "index": indices[0] if indices else None,
        "indices": indices,
        "parts": len(pdus),
        "reference": letter.reference if len(pdus) > 1 else None,
        "pdus": pdus,
        "waiting": len(modem.arrivals.waiting),
    }


def _letter(modem: Modem, params: SmsDeliver) -> Letter:
    if params.sender is None or (params.text is None) == (params.data is None):
        raise InvalidParams("It takes pdu, or from with text or data.")
    reference = params.reference
    if reference is None:
        reference = modem.random.randrange(65536 if params.wide else 256)
    return Letter(
        params.sender, params.text if params.data is None else bytes.fromhex(params.data), params.encoding,
        params.message_class, params.parts, reference, params.wide, params.smsc, params.at, params.ports,
        bytes.fromhex(params.udh), params.pid, params.dcs,
    )  # fmt: skip


def _chosen(params: SmsDeliver, parts: int) -> list[int]:
    """Numbers of the parts that come, in the order in which they come."""
    chosen = params.order or params.only_parts or list(range(1, parts + 1))
    if params.order and params.only_parts:
        chosen = [number for number in params.order if number in params.only_parts]
    if not all(1 <= number <= parts for number in chosen):
        raise InvalidParams(f"The message has parts 1 to {parts}.", path="only_parts")
    return [number for number in chosen for _ in range(2 if params.duplicate else 1)]


def sms_sent(modem: Modem, params: SmsSent) -> object:
    """What the network took; `first` counts all messages since the start from 0."""
    network = modem.network
    gone = network.total - len(network.sent)
    first = max(gone, network.total - params.limit) if params.first is None else params.first
    chosen = list(network.sent)[max(0, first - gone) :][: params.limit]
    return {
        "messages": [sent.raw for sent in chosen],
        "decoded": [_decoded(sent) for sent in chosen],
        "first": max(first, gone),
        "total": network.total,
    }


def _decoded(sent: Sent) -> dict[str, object]:
    submit = tpdu.read_submit(tpdu.tpdu_of(sent.pdu))
    try:
        content = submit.user_data()
    except ValueError:  # its header says more than there is
        content = tpdu.UserData(None, submit.ud, tpdu.encoding_of(submit.dcs))
    part, ports = content.part, content.ports
    return {
        "pdu": sent.pdu,
        "to": submit.party,
        "to_type": submit.party_type,
        "text": content.text,
        "data": None if content.data is None else content.data.hex(),
        "encoding": content.encoding,
        "message_class": tpdu.class_of(submit.dcs),
        "concat": part and {"reference": part.reference, "total": part.total, "number": part.number, "wide": part.wide},
        "ports": ports and {"destination": ports[0], "source": ports[1]},
        "reference": sent.reference,
        "at_s": sent.at_s,
        "report": sent.report,
        "smsc": tpdu.smsc_of(sent.pdu),
        "pid": submit.pid,
        "dcs": submit.dcs,
        "validity": submit.stamp.hex(),
        "reject_duplicates": bool(submit.first & 0x04),
        "reply_path": bool(submit.first & 0x80),
    }


def sms_network_set(modem: Modem, params: SmsNetworkSet) -> None:
    script, arrivals = modem.network.script, modem.arrivals
    script.delay_s = script.delay_s if params.delay_s is None else params.delay_s
    script.prompt_s = script.prompt_s if params.prompt_s is None else params.prompt_s
    arrivals.redeliver_s = arrivals.redeliver_s if params.redeliver_s is None else params.redeliver_s
    arrivals.ack_s = arrivals.ack_s if params.ack_s is None else params.ack_s
    if not isinstance(params.refuse, UnsetType):
        wanted = params.refuse if isinstance(params.refuse, list) else [params.refuse] if params.refuse else []
        script.refusals = [sms_network.Refusal(each.times, each.to, each.cms) for each in wanted]
    if not isinstance(params.lose_answer, UnsetType):
        lose = params.lose_answer
        script.lost = sms_network.LostAnswer(lose.times, lose.to, lose.sent) if lose else None
    if not isinstance(params.late_answer_s, UnsetType):
        late_s = params.late_answer_s
        script.late = sms_network.LateAnswer(params.late_answer_times, None, late_s) if late_s else None
    if not isinstance(params.no_prompt, UnsetType):
        script.no_prompt = sms_network.Doubt(params.no_prompt.times) if params.no_prompt else None
    if not isinstance(params.report, UnsetType):
        script.report = params.report.mode
        script.report_delay_s, script.report_status = params.report.delay_s, params.report.status


def sms_report(modem: Modem, params: SmsReport) -> None:
    """A status report arrives, whether or not such a message was sent."""
    try:
        party = tpdu.write_address(params.to)
    except ValueError as error:
        raise InvalidParams(f"No such recipient can be: {error}.", path="to") from None
    modem.network.report(params.reference, party, params.status, params.sent_unix_s)


def sms_memory(modem: Modem, params: SmsMemory) -> None:
    """What stands in it stays, also when it is more."""
    modem.sms.capacity[params.memory] = params.capacity
    if modem.sms.has_room(params.memory):
        modem.sms.told_full.discard(params.memory)
    modem.arrivals.room_made()


def sms_stored(modem: Modem, _params: Nothing) -> object:
    store = modem.sms
    return {
        "memories": {
            name: {
                "capacity": store.capacity[name],
                "messages": [
                    {"index": index, "status": int(message.status), "pdu": message.pdu}
                    for index, message in sorted(slots.items())
                ],
            }
            for name, slots in store.slots.items()
        },
        "chosen": [store.read, store.write, store.receive],
        "waiting": len(modem.arrivals.waiting),
        "unacknowledged": modem.arrivals.unacknowledged is not None,
        "dropped": modem.arrivals.dropped,
    }


async def sms_flood(modem: Modem, params: SmsFlood) -> object:
    """Many short messages at once; they come as the host makes room. {n} in the text is the number, from 1."""
    for number in range(1, params.count + 1):
        letter = Letter(params.sender, params.text.replace("{n}", str(number)))
        try:
            (pdu,) = sms_writer.write(letter, modem.smsc)
        except ValueError as error:
            raise InvalidParams(f"Such a message can't be: {error}.") from None
        modem.arrivals.offer(pdu)
        if number % _FLOOD_CHUNK == 0:
            await asyncio.sleep(0)  # the ports are served meanwhile
    return {"waiting": len(modem.arrivals.waiting)}


METHODS: dict[str, tuple[type[Struct], Method]] = {
    "sms.deliver": (SmsDeliver, sms_deliver),
    "sms.sent": (SmsSent, sms_sent),
    "sms.network": (SmsNetworkSet, sms_network_set),
    "sms.report": (SmsReport, sms_report),
    "sms.memory": (SmsMemory, sms_memory),
    "sms.stored": (Nothing, sms_stored),
    "sms.flood": (SmsFlood, sms_flood),
}
