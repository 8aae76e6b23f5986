"""A SIM7600G-H as a program: five ptys, a network, a talking far end and faults. See docs/emulator.md.

An independent witness: it shares no parser and no table with core/modem, so that both can't be wrong alike.
"""
