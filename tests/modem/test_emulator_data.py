"""Packet data on an AT port of the emulator: what PPP is dialled over."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.modem.emulated import Emulated, Host, emulated
from tests.modem.usb_tree import until

CONNECT = "\r\nCONNECT 115200\r\n"


async def _dialled(emulator: Emulated, command: str = "ATD*99***1#") -> tuple[Host, Host]:
    """The modem port, online, and the network's end."""
    at = await emulator.at("if03")
    await at.ask(command, CONNECT)
    return at, emulator.open("data")


@pytest.mark.parametrize("command", ["ATD*99#", "ATD*99***1#", "ATDT*99***1#", 'AT+CGDATA="PPP",1', "AT+CGDATA"])
async def test_after_connect_octets_go_both_ways_and_nothing_else_is_said(tmp_path: Path, command: str) -> None:
    async with emulated(tmp_path) as emulator:
        at, network = await _dialled(emulator, command)
        octets = bytes(range(256))
        at.write(octets)
        await network.expect(octets)
        network.write(octets)
        await at.expect(octets)
        await emulator.control("call.incoming")
        other = await emulator.at("if02")
        await other.until("RING")
        network.write(b"after the ring")
        await at.expect(b"after the ring")


async def test_three_plus_signs_with_silence_around_them_bring_commands_back_and_ato_the_data(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, network = await _dialled(emulator)
        at.write(b"x+++y")  # no silence: data
        await network.expect(b"x+++y")
        await asyncio.sleep(1.1)  # the guard time of V.250
        at.write(b"+++")
        await at.expect("\r\nOK\r\n")
        await at.ask("AT", "\r\nOK\r\n")
        await at.ask("ATO", CONNECT)
        at.write(b"again")
        await network.expect(b"again")
        await asyncio.sleep(1.1)
        at.write(b"+++")
        await at.expect("\r\nOK\r\n")
        await at.ask("ATH", "\r\nOK\r\n")
        await at.ask("ATO", "\r\nNO CARRIER\r\n")


async def test_a_host_that_closes_the_port_ends_the_data_call(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, _ = await _dialled(emulator)
        at.close()
        await until(lambda: emulator.modem.at[3].data is None)
        again = emulator.open("if03")
        await again.ask("AT", "\r\nOK\r\n")


async def test_the_network_that_goes_ends_it_with_no_carrier(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, _ = await _dialled(emulator)
        await emulator.control("radio.set", registered=False)
        await at.expect("\r\nNO CARRIER\r\n")
        await at.ask("ATD*99#", "\r\nNO CARRIER\r\n")


async def test_a_context_that_nobody_defined_is_an_error(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at("if03")
        await at.ask("ATD*99***9#", "\r\nERROR\r\n")
        await at.ask('AT+CGDCONT=9,"IP","internet"', "\r\nOK\r\n")
        await at.ask("ATD*99***9#", CONNECT)
        os.stat(tmp_path / "ports/data")
