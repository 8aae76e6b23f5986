"""[line.<name>], [call] and [sms]: modems, calls and messages."""

from typing import Annotated, Literal

from msgspec import Meta

from core.config.table import Natural, Positive, Seconds, Table

AccessPoint = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?$")]
"""TS 23.003 §9.1, roughly: the carrier lookup looks closer."""

Credential = Annotated[str, Meta(pattern=r"^[ !#-\[\]-~]{0,64}$")]
"""What fits the quotes of an AT command: printable ASCII without quote and backslash."""


class LineConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[line.<name>]`. With nothing else the only modem on USB that fits is taken. usb_path or usb_serial choose
    one; ports_dir (links if02, if03, if04 by USB interface number) or the three ports stand in place of USB."""

    modem: str = "sim7600"
    usb_path: Annotated[str, Meta(pattern=r"^[0-9]+-[0-9]+(\.[0-9]+)*$")] | None = None
    usb_serial: str | None = None
    switch_composition: bool = False
    ports_dir: str | None = None
    at_port: str | None = None
    voice_port: str | None = None
    pcm_port: str | None = None
    baud: Positive = 115200
    wire_log: str | None = None
    audio_window_s: Seconds = 12.0
    audio_delay_s: Seconds = 0.3
    poll_s: Annotated[float, Meta(ge=0.2)] = 30.0
    lost_after_s: Seconds = 20.0
    pin: Annotated[str, Meta(pattern="^[0-9]{4,8}$")] | None = None
    at_gap_s: Annotated[float, Meta(ge=0, le=5)] = 0.0
    ramp: bool = False
    ramp_pause_s: Annotated[float, Meta(ge=0, le=30)] = 3.0
    network_wait_s: Annotated[float, Meta(ge=0, le=600)] = 60.0
    apn: AccessPoint | None = None
    apn_auth: Literal["none", "pap", "chap"] | None = None
    apn_user: Credential | None = None
    apn_password: Credential | None = None
    ims_apn: AccessPoint | None = None
    carrier: str | None = None
    volte: Literal["auto", "on", "off"] = "auto"
    lte_only: bool = False
    activate_data: bool = False
    audio_reset: Literal["never", "on_suspect", "after_every_call"] = "on_suspect"
    resets_per_hour: Annotated[int, Meta(ge=0, le=60)] = 3
    recovery: bool = True
    power_command: tuple[str, ...] = ()
    ports_json: str | None = None
    gnss: bool = False
    gpsd_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    raw_at: bool = False


class CallConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    default_line: str | None = None
    answer_after_rings: Annotated[int, Meta(ge=-1, le=10)] = 2
    reject_by: Literal["hangup", "ignore"] = "hangup"
    block: tuple[str, ...] = ()
    emergency: Literal["deny", "allow"] = "deny"
    max_duration_s: Annotated[float, Meta(gt=0)] = 3600.0
    ring_timeout_s: Annotated[float, Meta(ge=5, le=180)] = 60.0
    claim_grace_s: Seconds = 5.0
    configure_wait_s: Seconds = 2.0
    greeting: str | None = None
    silence_limit_s: Annotated[float, Meta(gt=0)] = 8.0
    silence_text: str = "I am still here. How can I help you?"
    fallback_text: str = "Sorry, nobody can help you right now. Please call again later. Goodbye."
    language: str = "en"
    max_turns: Natural = 0
    limit_text: str = "I am sorry, this call has to end now. Goodbye."
    limit_notice_s: Seconds = 10.0
    detect_answer: bool = True
    detect_within_s: Annotated[float, Meta(ge=2, le=10)] = 4.0
    voicemail: Literal["off", "no_brain", "always", "after_s"] = "off"
    voicemail_after_s: Annotated[float, Meta(ge=1, le=120)] = 20.0
    voicemail_greeting: str = (
        "Nobody can take your call right now. Please leave a message after the tone. "
        "Hang up or press the hash key when you are done."
    )
    voicemail_greeting_file: str | None = None
    voicemail_thanks: str = "Thank you. Goodbye."
    voicemail_max_s: Annotated[float, Meta(ge=5, le=600)] = 180.0
    voicemail_silence_s: Annotated[float, Meta(ge=1, le=30)] = 5.0
    voicemail_keep_days: Natural = 0
    voicemail_dir: str | None = None
    transfer_text: str = "One moment, please. I am trying to connect you."
    transfer_ring_s: Annotated[float, Meta(ge=5, le=120)] = 30.0
    transfer_accept_text: str = "Press 1 to take the call."
    transfer_accept_s: Annotated[float, Meta(ge=2, le=60)] = 15.0
    transfer_failed_text: str = "I am sorry, I could not connect you."
    transfer_ask_text: str = (
        "Please say your message after the tone, or enter the number where you can be reached. "
        "Press the hash key when you are done."
    )
    transfer_sms_text: str = "A caller asked for you: {number}. {text}"
    transfer_sent_text: str = "Thank you. Your message is on its way."
    transfer_unsent_text: str = "I am sorry, I could not pass on your message. Please call again later."


class SmsConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults of sms.send, and the patience of sending and receiving."""

    report: bool = False
    on_unknown: Literal["hold", "resend"] = "hold"
    validity_s: Annotated[int, Meta(ge=300, le=38_102_400)] | None = None
    split: Literal["concat", "separate", "numbered"] = "concat"
    split_ucs2: Literal["concat", "separate", "numbered"] | None = None
    max_parts: Annotated[int, Meta(ge=1, le=255)] = 10
    answer_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 60.0
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (30.0, 60.0, 300.0, 900.0, 3600.0)
    give_up_after_s: Annotated[float, Meta(gt=0)] = 86_400.0
    incomplete_after_s: Annotated[float, Meta(ge=1)] = 900.0
    sweep_s: Annotated[float, Meta(ge=1)] = 60.0
    keep_days: Natural = 0
    ussd_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 90.0
