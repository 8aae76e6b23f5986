"""Carriers from the user's word, the old file and the system's database: their order, their damage, and the tool."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.modem.carriers import Auth, Candidate, CarrierBook, CarrierDataError, CarrierOverride, Source, find, load
from core.modem.carriers.brands import provider_by_name
from core.modem.carriers.serviceproviders import read_providers
from core.modem.carriers.shipped import read_head, read_networks
from core.modem.carriers.user_file import read_user_file

ROOT = Path(__file__).parent.parent.parent
SHIPPED = CarrierBook(system=None)


def _imsi(network: str, rest: str = "0123456789") -> str:
    return network.replace("-", "") + rest


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    """A database as a distribution would install it, newer than our copy."""
    path = tmp_path / "serviceproviders.xml"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


SAMPLE = """<?xml version="1.0" encoding='utf-8'?>
<!DOCTYPE serviceproviders SYSTEM "serviceproviders.2.dtd">
<serviceproviders format="2.0">
<country code="fx"><name>First</name>
  <provider><name>Reseller</name><gsm><network-id mcc="999" mnc="70"/>
    <apn value="resell.fx"><usage type="internet"/></apn></gsm></provider>
  <provider primary="true"><name>Owner</name><name xml:lang="ru">Владелец</name><gsm>
    <network-id mcc="999" mnc="70"/><network-id mcc="999" mnc="x1"/>
    <apn value="mms.fx"><usage type="mms"/></apn>
    <apn value="bad apn"><usage type="internet"/></apn>
    <apn value="quote.fx"><usage type="internet"/><username>a"b</username></apn>
    <apn value="net.fx"><plan type="prepaid"/><usage type="internet"/><username>me</username>
      <password>secret1</password><authentication method="chap"/></apn></gsm></provider>
  <provider primary="false"><name>Guest</name><gsm><network-id mcc="999" mnc="71"/>
    <apn value="guest.fx"/></gsm></provider>
  <provider><name>Empty</name><gsm><network-id mcc="999" mnc="71"/></gsm></provider>
  <provider><name>Host</name><gsm><network-id mcc="999" mnc="71"/><apn value="host.fx"/></gsm></provider>
  <provider><name>Landline</name></provider>
  <provider><name>Cdma</name><cdma><sid value="1"/></cdma></provider>
</country>
<country code="gb"><name>UK</name>
  <provider><name>EE</name><gsm><network-id mcc="234" mnc="30"/><apn value="newer.ee"/></gsm></provider>
</country>
</serviceproviders>
"""


# --- What the user says ---


def test_config_is_stronger_than_everything_and_leaves_the_rest() -> None:
    override = CarrierOverride(apn="my.apn", username="me", password="hidden", ims_apn="ims2", volte=False)
    carrier = SHIPPED.find(_imsi("262-01"), override=override)
    assert (carrier.apn, carrier.username, carrier.password) == ("my.apn", "me", "hidden")
    assert (carrier.ims_apn, carrier.volte, carrier.source) == ("ims2", False, Source.CONFIG)
    assert (carrier.auth, carrier.country, carrier.mnc) == (Auth.PAP_OR_CHAP, "DE", "01")


def test_another_apn_does_not_inherit_the_credentials_of_the_found_one() -> None:
    carrier = SHIPPED.find(_imsi("262-01"), override=CarrierOverride(apn="private.example"))
    assert (carrier.username, carrier.password, carrier.auth) == ("", "", Auth.NONE)


def test_an_apn_that_the_database_lists_brings_its_own_credentials() -> None:
    carrier = SHIPPED.find(_imsi("234-10"), override=CarrierOverride(apn="PAYANDGO.o2.co.uk"))
    assert (carrier.apn, carrier.username, carrier.auth) == ("PAYANDGO.o2.co.uk", "payandgo", Auth.PAP_OR_CHAP)


def test_a_name_in_config_picks_a_brand_or_is_a_label() -> None:
    brand = SHIPPED.find(_imsi("234-10"), spn="TESCO", override=CarrierOverride(name="giffgaff"))
    assert (brand.name, brand.apn) == ("giffgaff", "giffgaff.com")
    label = SHIPPED.find(_imsi("234-10"), override=CarrierOverride(name="The phone of the shop"))
    assert (label.name, label.apn) == ("The phone of the shop", "mobile.o2.co.uk")


def test_an_empty_user_in_config_takes_the_authentication_away() -> None:
    carrier = SHIPPED.find(_imsi("234-30"), override=CarrierOverride(username="", password=""))
    assert (carrier.apn, carrier.username, carrier.auth) == ("everywhere", "", Auth.NONE)
    pap = SHIPPED.find(_imsi("234-30"), override=CarrierOverride(auth=Auth.CHAP))
    assert (pap.username, pap.auth) == ("eesecure", Auth.CHAP)


@pytest.mark.parametrize(
    "wrong",
    [{"apn": 'a"b'}, {"apn": ""}, {"ims_apn": "ims\r"}, {"username": 'x",1'}, {"password": "p" * 65}],
    ids=str,
)
def test_config_that_no_modem_takes_is_refused_without_repeating_it(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="^(apn|ims_apn|username|password) ") as refused:
        CarrierOverride(**wrong)  # type: ignore[arg-type]
    assert not wrong.get("password") or wrong["password"] not in str(refused.value)


def test_passwords_and_imsis_are_in_no_repr() -> None:
    override = CarrierOverride(apn="a", username="u", password="hush-hush")
    carrier = SHIPPED.find(_imsi("234-10"), override=override)
    assert carrier.password == "hush-hush"
    assert "hush-hush" not in repr(carrier) + repr(override)
    assert "secret" not in repr(SHIPPED.find(_imsi("234-30"))).replace("eesecure", "")
    assert "word" not in repr(Candidate("a", "b", "c", "word"))


# --- The old file ---

OLD = {
    "_comment": "carriers of the station",
    "_version": "1.0",
    "carriers": {
        "_comment_lithuania": "=== LITHUANIA ===",
        "246-03": {
            "carrier": "Bite of the station",
            "country": "Lithuania",
            "country_code": "LT",
            "mcc": "246",
            "mnc": "03",
            "data_apn": "data.bite.lt",
            "ims_apn": "ims.bite.lt",
            "ims_domain": "ims.mnc003.mcc246.3gppnetwork.org",
            "volte_supported": True,
            "vowifi_supported": False,
            "ipv6_supported": True,
            "apn_type": "default,supl",
            "auth_type": "NONE",
            "notes": "",
        },
        "26201": {"name": "By name", "data_apn": "named.apn", "username": "u", "password": "p"},
        "234-10": {"name": "No data APN", "ims_apn": "ims.o2", "volte_supported": False},
        "_comment_end": "===",
        "262-02": {"name": "Broken", "data_apn": 'x",1\r\nAT+CFUN=0'},
        "262-03": {"name": 7, "data_apn": "x"},
        "nonsense": {"name": "No code", "data_apn": "x"},
        "262-07": {"name": "Odd", "data_apn": "x", "auth_type": "MAGIC"},
    },
    "fallback": {
        "data_apn": "web",
        "ims_apn": "ims",
        "ims_domain_template": "ims.mnc{mnc:03d}.mcc{mcc}.3gppnetwork.org",
        "volte_supported": True,
    },
}


@pytest.fixture
def old(tmp_path: Path) -> CarrierBook:
    path = tmp_path / "carriers.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(OLD).encode())
    return CarrierBook(user_file=path, system=None)


def test_the_old_file_is_read_with_name_or_carrier_and_comments_between(old: CarrierBook) -> None:
    bite = old.find(_imsi("246-03"))
    assert (bite.name, bite.apn, bite.ims_apn, bite.volte) == (
        "Bite of the station",
        "data.bite.lt",
        "ims.bite.lt",
        True,
    )
    assert (bite.source, bite.country) == (Source.FILE, "LT")
    named = old.find(_imsi("262-01"), spn="congstar")
    assert (named.name, named.apn, named.username, named.auth) == ("By name", "named.apn", "u", Auth.PAP_OR_CHAP)


def test_an_old_entry_without_apn_changes_only_what_it_says(old: CarrierBook) -> None:
    carrier = old.find(_imsi("234-10"), spn="giffgaff")
    assert (carrier.apn, carrier.ims_apn, carrier.volte) == ("giffgaff.com", "ims.o2", False)


def test_bad_entries_of_the_old_file_are_left_out_and_told(old: CarrierBook) -> None:
    assert old.find(_imsi("262-02")).apn == "web.vodafone.de"
    assert {str(problem).split(": ")[1] for problem in old.problems} == {"262-02", "262-03", "nonsense", "262-07"}
    assert all(isinstance(problem, CarrierDataError) for problem in old.problems)


def test_the_old_files_fallback_serves_networks_that_nobody_knows(old: CarrierBook) -> None:
    carrier = old.find(_imsi("999-99"))
    assert (carrier.apn, carrier.volte, carrier.source) == ("web", True, Source.FALLBACK)
    assert carrier.ims_domain == "ims.mnc099.mcc999.3gppnetwork.org"
    assert old.find(_imsi("262-23")).apn == "internet"


def test_config_is_stronger_than_the_old_file(old: CarrierBook) -> None:
    carrier = old.find(_imsi("246-03"), override=CarrierOverride(apn="mine"))
    assert (carrier.apn, carrier.source, carrier.ims_apn) == ("mine", Source.CONFIG, "ims.bite.lt")


# --- The system's database ---


def test_the_systems_database_is_preferred_when_it_is_not_older(xml: Path) -> None:
    carrier = CarrierBook(system=xml).find(_imsi("234-30"))
    assert (carrier.apn, carrier.source, carrier.name) == ("newer.ee", Source.SYSTEM, "EE")
    os.utime(xml, (1_500_000_000, 1_500_000_000))
    carrier = CarrierBook(system=xml).find(_imsi("234-30"))
    assert (carrier.apn, carrier.source) == ("everywhere", Source.SHIPPED)


def test_the_database_is_read_with_owner_method_and_only_what_a_modem_takes(xml: Path) -> None:
    carrier = CarrierBook(system=xml).find(_imsi("999-70"))
    assert (carrier.name, carrier.apn, carrier.username, carrier.auth) == ("Owner", "net.fx", "me", Auth.CHAP)
    assert [(one.name, one.apn, one.prepaid) for one in carrier.candidates] == [
        ("Reseller", "resell.fx", None),
        ("Owner", "net.fx", True),
    ]
    assert CarrierBook(system=xml).find(_imsi("999-70"), spn="владелец").name == "Owner"
    read = [provider.names[0] for provider in read_providers(xml)]
    assert read == ["Reseller", "Owner", "Guest", "Empty", "Host", "EE"]
    assert "secret1" not in repr(read_providers(xml))


def test_a_network_is_its_owners_before_a_resellers_though_nobody_says_who_owns_it(xml: Path) -> None:
    book = CarrierBook(system=xml)
    assert (book.find(_imsi("999-71")).name, book.find(_imsi("999-71")).apn) == ("Host", "host.fx")
    assert book.find(_imsi("999-71"), spn="GUEST").apn == "guest.fx"
    assert provider_by_name(read_providers(xml, "234"), "Other") is None


def test_a_changed_file_is_read_again(xml: Path) -> None:
    book = CarrierBook(system=xml)
    assert book.find(_imsi("234-30")).apn == "newer.ee"
    xml.write_text(SAMPLE.replace("newer.ee", "newest.ee.example"), encoding="utf-8")
    assert book.find(_imsi("234-30")).apn == "newest.ee.example"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"<serviceproviders>",
        b"\x00\xff" * 50,
        b"<a/>",
        SAMPLE.encode()[:700],
        b"<!ENTITY",
        SAMPLE.encode() + b" " * (9 << 20),
    ],
    ids=["empty", "cut", "binary", "nobody", "half", "entity", "huge"],
)
def test_a_damaged_database_is_told_and_our_copy_stands_in(xml: Path, damage: bytes) -> None:
    xml.write_bytes(damage)
    with pytest.raises(CarrierDataError, match=r"serviceproviders\.xml"):
        read_providers(xml)
    book = CarrierBook(system=xml)
    assert book.find(_imsi("234-30")).source is Source.SHIPPED
    assert [problem.path for problem in book.problems] == [xml]


def test_a_missing_database_is_no_problem(tmp_path: Path) -> None:
    book = CarrierBook(system=tmp_path / "nothing.xml")
    assert book.find(_imsi("234-30")).source is Source.SHIPPED
    assert book.problems == ()


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"carriers": 1}', b"\xff\xfe", b"null"])
def test_with_every_file_damaged_there_is_still_an_answer(tmp_path: Path, text: bytes) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(text)
    with pytest.raises(CarrierDataError):
        read_user_file(damaged)
    book = CarrierBook(user_file=damaged, system=damaged, shipped=damaged, overrides=damaged)
    carrier = book.find(_imsi("234-30"))
    assert (carrier.apn, carrier.ims_apn, carrier.source) == ("internet", "ims", Source.FALLBACK)
    assert len(book.problems) == 4


def test_a_shipped_file_with_an_unsound_apn_is_refused(tmp_path: Path) -> None:
    head = {"source": "x", "licence": "x", "released": "2000-01-01"}
    networks = tmp_path / "networks.json"
    networks.write_text(
        json.dumps(head | {"providers": [["gb", ["X"], None, ["23430"], [["a b", "", "", "", "none"]]]]})
    )
    overrides = tmp_path / "overrides.json"
    fact = {"name": "X", "country": "GB", "apn": 'a"'}
    overrides.write_text(json.dumps({"about": "", "networks": {"23430": fact}, "brands": []}))
    book = CarrierBook(system=None, shipped=networks, overrides=overrides)
    assert book.find(_imsi("234-30")).source is Source.FALLBACK
    assert len(book.problems) == 2


# --- The book and the tool ---


def test_the_module_finds_with_the_book_of_this_machine() -> None:
    assert load() is load()
    assert find(_imsi("262-01")).apn == "internet.telekom"


def test_two_threads_may_ask_at_once() -> None:
    book = CarrierBook(system=None)
    found: set[tuple[str, str]] = set()

    def ask(network: str) -> None:
        for _ in range(50):
            found.add((network, book.find(_imsi(network)).apn))

    threads = [threading.Thread(target=ask, args=(network,)) for network in ("262-01", "208-15")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == {("262-01", "internet.telekom"), ("208-15", "free")}
    assert not any(thread.is_alive() for thread in threads)


def _tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools/carriers", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_tool_builds_the_same_bytes_from_the_same_database(xml: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "one.json", tmp_path / "two.json"]
    for out in outputs:
        built = _tool("build", "--xml", xml, "--version", "test", "--released", "2024-02-29", "--out", out)
        assert built.returncode == 0, built.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert read_networks(outputs[0]) == read_providers(xml)
    assert read_head(outputs[0]).released.isoformat() == "2024-02-29"


def test_the_tool_reports_where_our_facts_and_the_database_differ() -> None:
    checked = _tool("check")
    assert checked.returncode == 0, checked.stderr
    assert "262-01 Deutsche Telekom: ours internet.telekom (listed further down)" in checked.stdout
    assert "needless" not in checked.stdout  # what the database says too is not repeated


def test_the_tool_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    failed = _tool("build", "--xml", tmp_path / "none.xml", "--version", "x", "--released", "2024-01-01")
    assert failed.returncode == 1 and "none.xml" in failed.stderr and "Traceback" not in failed.stderr
