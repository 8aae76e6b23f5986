"""Carriers by IMSI: the facts as a table, home networks, brands on shared codes, and what may reach an AT command."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.modem.carriers import Auth, CarrierBook, Source, apn_is_sound, credential_is_sound
from core.modem.carriers.home import home_network, ims_domain
from core.modem.carriers.shipped import NETWORKS_JSON, read_head, read_networks, read_overrides

SHIPPED = CarrierBook(system=None)

EUROPE = """
202-01 GR internet                  -                -         none         yes
202-05 GR internet.vodafone.gr      -                -         none         yes
202-10 GR gint.b-online.gr          web              web       pap_or_chap  yes
204-04 NL live.vodafone.com         vodafone         vodafone  pap          yes
204-08 NL internet                  KPN              gprs      pap_or_chap  yes
204-16 NL internet                  -                -         none         yes
206-01 BE internet.proximus.be      -                -         none         ?
206-10 BE mworld.be                 mobistar         mobistar  pap          ?
206-20 BE gprs.base.be              base             base      pap          ?
208-01 FR orange                    orange           orange    chap         yes
208-10 FR sl2sfr                    -                -         none         yes
208-15 FR free                      -                -         none         yes
208-20 FR mmsbouygtel.com           -                -         none         yes
213-03 AD internetand               -                -         none         ?
214-01 ES airtelnet.es              vodafone         vodafone  pap_or_chap  yes
214-03 ES internet                  orange           orange    pap          yes
214-04 ES internet                  -                -         none         ?
214-07 ES movistar.es               movistar         movistar  pap          yes
214-22 ES internet.digimobil.es     digi             digi      pap_or_chap  yes
216-01 HU net                       -                -         none         ?
216-30 HU internet.telekom          -                -         none         ?
218-90 BA active.bhmobile.ba        -                -         none         ?
219-01 HR internet.ht.hr            -                -         none         ?
219-02 HR mobileinternet.tele2.hr   -                -         none         ?
219-10 HR data.vip.hr               38591            38591     pap_or_chap  ?
220-03 RS gprsinternet              mts              064       pap_or_chap  ?
221-02 XK ipko                      -                -         none         ?
222-01 IT ibox.tim.it               -                -         none         yes
222-10 IT mobile.vodafone.it        -                -         none         yes
222-50 IT iliad                     -                -         none         ?
222-88 IT internet.wind             -                -         none         yes
226-05 RO internet                  -                -         none         yes
226-10 RO net                       -                -         none         yes
228-01 CH gprs.swisscom.ch          -                -         none         ?
228-03 CH internet                  -                -         none         yes
230-01 CZ internet.t-mobile.cz      -                -         none         yes
230-02 CZ internet                  -                -         none         yes
231-06 SK o2internet                -                -         none         ?
232-01 AT a1.net                    ppp@a1plus.at    ppp       pap          ?
232-10 AT drei.at                   -                -         none         ?
234-10 GB mobile.o2.co.uk           o2web            password  pap          yes
234-15 GB internet                  web              web       pap_or_chap  yes
234-20 GB three.co.uk               -                -         none         yes
234-30 GB everywhere                eesecure         secure    pap          yes
238-06 DK data.tre.dk               -                -         none         ?
240-01 SE online.telia.se           -                -         none         ?
240-02 SE data.tre.se               -                -         none         ?
242-01 NO telenor.smart             -                -         none         ?
242-14 NO ice.net                   -                -         none         ?
244-05 FI internet                  -                -         none         yes
244-91 FI internet                  -                -         none         ?
246-01 LT omnitel                   omni             omni      pap_or_chap  ?
246-02 LT banga                     -                -         none         ?
246-03 LT internet.tele2.lt         -                -         none         ?
247-01 LV internet.lmt.lv           -                -         none         yes
247-02 LV internet.tele2.lv         gprs             internet  pap_or_chap  yes
247-05 LV internet                  -                -         none         ?
248-01 EE internet.emt.ee           -                -         none         yes
248-02 EE internet                  -                -         none         yes
248-03 EE internet.tele2.ee         wap              wap       pap_or_chap  yes
255-03 UA www.kyivstar.net          -                -         none         ?
259-02 MD internet                  -                -         none         ?
260-01 PL internet                  internet         internet  pap_or_chap  yes
260-02 PL internet                  -                -         none         yes
260-06 PL internet                  -                -         none         yes
262-01 DE internet.telekom          telekom          telekom   pap          yes
262-02 DE web.vodafone.de           -                -         none         yes
262-03 DE internet                  -                -         none         yes
262-07 DE internet                  -                -         none         yes
268-01 PT net2.vodafone.pt          vodafone         vodafone  pap_or_chap  ?
268-06 PT internet                  -                -         none         ?
270-77 LU internet                  -                -         none         ?
272-05 IE 3ireland.ie               -                -         none         ?
274-11 IS net.nova.is               -                -         none         ?
276-02 AL vodafoneweb               -                -         none         ?
278-21 MT gosurfing                 -                -         none         ?
280-01 CY internet                  -                -         none         ?
284-05 BG telenor                   telenor          -         pap_or_chap  yes
286-01 TR internet                  -                -         none         yes
293-41 SI internet                  mobitel          internet  pap_or_chap  ?
294-03 MK vipoperator               vipoperator      vipoperator pap_or_chap ?
297-02 ME tmcg-data                 38267            38267     pap_or_chap  ?
"""
"""MCC-MNC, country, APN, user, password, method, VoLTE known: each in a public APN database for that code."""


def _imsi(network: str, rest: str = "0123456789") -> str:
    return network.replace("-", "") + rest


# --- The facts ---


@pytest.mark.parametrize("row", EUROPE.strip().splitlines(), ids=lambda row: row.split()[0])
def test_a_european_sim_gets_the_access_of_its_network(row: str) -> None:
    network, country, apn, username, password, auth, volte = row.split()
    carrier = SHIPPED.find(_imsi(network))
    assert (carrier.country, f"{carrier.mcc}-{carrier.mnc}", carrier.apn) == (country, network, apn)
    assert (carrier.username, carrier.password) == (username.strip("-"), password.strip("-"))
    assert carrier.auth is Auth(auth)
    assert carrier.volte is (True if volte == "yes" else None)
    assert carrier.ims_apn.lower() == "ims"
    assert carrier.ims_domain == f"ims.mnc0{network[4:]}.mcc{network[:3]}.3gppnetwork.org"
    assert carrier.source in (Source.OVERRIDE, Source.SHIPPED)


def test_our_facts_cover_141_european_networks_and_each_is_found() -> None:
    facts = {code: fact for code, fact in read_overrides().networks.items() if code[0] == "2" and code != "26208"}
    assert len(facts) >= 141
    for code, fact in facts.items():
        carrier = SHIPPED.find(_imsi(code))
        assert (carrier.name, carrier.country, carrier.volte) == (fact.name, fact.country, fact.volte)
        assert carrier.source is not Source.FALLBACK
        if fact.apn is not None:
            assert carrier.apn == fact.apn


def test_the_shipped_copy_says_where_it_is_from_and_stays_small() -> None:
    head = read_head()
    assert head.source.startswith("mobile-broadband-provider-info 20") and "public domain" in head.licence
    assert NETWORKS_JSON.stat().st_size < 150_000
    assert len(read_networks()) > 600


def test_everything_in_the_files_is_fit_for_an_at_command() -> None:
    networks = {code for provider in read_networks() for code in provider.networks} | set(read_overrides().networks)
    for code in sorted(networks):
        carrier = SHIPPED.find(_imsi(code))
        accesses = [(carrier.apn, carrier.username, carrier.password)]
        accesses += [(one.apn, one.username, one.password) for one in carrier.candidates]
        for apn, username, password in accesses:
            assert apn_is_sound(apn), (code, apn)
            assert credential_is_sound(username) and credential_is_sound(password), code
        assert apn_is_sound(carrier.ims_apn)


# --- The home network ---


@pytest.mark.parametrize(
    ("imsi", "mcc", "mnc", "name"),
    [
        ("310260123456789", "310", "260", "T-Mobile"),
        ("310410123456789", "310", "410", "AT&T"),
        ("302720123456789", "302", "720", "Rogers"),
        ("405799123456789", "405", "799", "Idea Cellular"),
        ("405050123456789", "405", "05", "Reliance"),  # two digits beside three in one country
        ("722340123456789", "722", "340", "Arnet"),
        ("364490123456789", "364", "49", "Aliv"),
        ("208260123456789", "208", "26", "Simplus"),  # the database also lists a code of three digits that can't be
        ("440100123456789", "440", "10", "NTTdocomo"),
        ("505020123456789", "505", "02", "Optus"),
    ],
)
def test_network_codes_of_two_and_three_digits_are_told_apart(imsi: str, mcc: str, mnc: str, name: str) -> None:
    carrier = SHIPPED.find(imsi)
    assert (carrier.mcc, carrier.mnc, carrier.name) == (mcc, mnc, name)
    assert carrier.ims_domain == f"ims.mnc{mnc.zfill(3)}.mcc{mcc}.3gppnetwork.org"


def test_an_unknown_network_has_the_length_usual_in_its_country() -> None:
    assert home_network("310990123456789", frozenset()) == "310990"
    assert home_network("262990123456789", frozenset()) == "26299"


def test_the_sims_own_word_on_the_length_decides() -> None:
    assert home_network("262030123456789", {"26203"}, 3) == "262030"
    assert SHIPPED.find("310260123456789", mnc_digits=2).mnc == "26"


@given(st.text("0123456789", min_size=5, max_size=15), st.sets(st.text("0123456789", min_size=5, max_size=6)))
def test_a_home_network_is_the_beginning_of_the_imsi(imsi: str, known: set[str]) -> None:
    home = home_network(imsi, known)
    assert imsi.startswith(home) and 5 <= len(home) <= 6
    assert ims_domain(home[:3], home[3:]).split(".")[1:3] == [f"mnc{home[3:]:0>3}", f"mcc{home[:3]}"]


# --- Brands that share a code ---


@pytest.mark.parametrize(
    ("network", "spn", "name", "apn"),
    [
        ("234-10", "giffgaff", "giffgaff", "giffgaff.com"),
        ("234-10", "TESCO", "Tesco Mobile", "prepay.tesco-mobile.com"),
        ("234-10", "O2 - UK", "O2 UK", "mobile.o2.co.uk"),
        ("234-15", "Lebara", "Lebara", "uk.lebara.mobi"),
        ("234-15", "ASDA Mobile", "Asda Mobile", "asdamobiles.co.uk"),
        ("234-20", "3", "Three UK", "three.co.uk"),
        ("234-20", "Superdrug", "Superdrug", "superdrug.net"),
        ("234-30", "BT", "BT Mobile", "btmobile.bt.com"),
        ("262-03", "ALDI TALK", "AldiTalk/MedionMobile", "internet.eplus.de"),
        ("262-01", "congstar", "Congstar", "internet.t-mobile"),
        ("262-02", "vodafone DE", "Vodafone Germany", "web.vodafone.de"),
        ("240-07", "Comviq", "Comviq", "data.comviq.se"),
        ("222-10", "ho.", "ho. Mobile", "web.ho-mobile.it"),
        ("222-10", "PosteMobile", "PosteMobile", "internet.postemobile.it"),
        ("214-03", "MASMOVIL", "Másmovil", "internetmas"),
        ("219-02", "TELE2", "Telemach Croatia (ex Tele2)", "mobileinternet.tele2.hr"),
        ("310-260", "Mint", "Mint Mobile", "wholesale"),
    ],
)
def test_the_name_on_the_sim_tells_brands_of_one_network_apart(network: str, spn: str, name: str, apn: str) -> None:
    carrier = SHIPPED.find(_imsi(network), spn=spn)
    assert (carrier.name, carrier.apn) == (name, apn)
    assert carrier.candidates


@pytest.mark.parametrize("spn", ["", " ", "Nobody's Brand", "mobile", "!!!", "Ω"])
def test_an_unknown_brand_gets_the_networks_default_and_the_candidates(spn: str) -> None:
    carrier = SHIPPED.find(_imsi("234-10"), spn=spn)
    assert (carrier.name, carrier.apn) == ("O2 UK", "mobile.o2.co.uk")
    listed = {(candidate.name, candidate.apn) for candidate in carrier.candidates}
    assert {("giffgaff", "giffgaff.com"), ("Tesco Mobile", "prepay.tesco-mobile.com")} <= listed
    assert any(candidate.apn == "payandgo.o2.co.uk" and candidate.prepaid for candidate in carrier.candidates)


@pytest.mark.parametrize(
    ("network", "gid1", "name", "apn"),
    [
        ("234-20", "0305FFFFFFFF", "iD Mobile", "id"),
        ("234-15", "c1ff", "Talkmobile", "talkmobile.co.uk"),
        ("226-05", "44474553FF", "Digi Spain", "internet.digimobil.es"),
        ("234-20", "03", "Three UK", "three.co.uk"),  # too short to say anything
        ("234-15", "0305", "Vodafone UK", "internet"),  # of another network
    ],
)
def test_the_group_identifier_tells_brands_apart(network: str, gid1: str, name: str, apn: str) -> None:
    carrier = SHIPPED.find(_imsi(network), gid1=gid1)
    assert (carrier.name, carrier.apn) == (name, apn)


def test_a_range_of_imsis_tells_brands_apart() -> None:
    assert SHIPPED.find("262075001234567").apn == "webmobil1"  # Tchibo
    assert SHIPPED.find("262075101234567").apn == "internet"


def test_a_beginning_of_the_iccid_tells_brands_apart_and_the_longest_wins(tmp_path: Path) -> None:
    brands = [
        {"name": "Wide", "networks": ["00101"], "iccid": ["8944"], "apn": "wide"},
        {"name": "Narrow", "networks": ["00101"], "iccid": ["894412"], "apn": "narrow", "username": "n"},
        {"name": "Pattern", "networks": ["00101"], "imsi": ["00101xx5"], "apn": "pattern"},
    ]
    path = tmp_path / "overrides.json"
    path.write_text(json.dumps({"about": "", "networks": {}, "brands": brands}))
    book = CarrierBook(system=None, overrides=path)
    assert book.find("001010000000000", iccid="8944110000000000000").apn == "wide"
    narrow = book.find("001010000000000", iccid="8944120000000000000")
    assert (narrow.apn, narrow.auth, narrow.source) == ("narrow", Auth.PAP_OR_CHAP, Source.OVERRIDE)
    assert book.find("001019950000000").apn == "pattern"
    assert book.find("001010000000000", iccid="8933").source is Source.FALLBACK


# --- Laws ---


@settings(max_examples=300)
@given(
    imsi=st.one_of(st.text(max_size=20), st.text("0123456789", max_size=16)),
    spn=st.none() | st.text(max_size=20),
    iccid=st.none() | st.text(max_size=22),
    gid1=st.none() | st.text(max_size=12),
    mnc_digits=st.none() | st.integers(-1, 9),
)
def test_nothing_a_sim_can_say_raises_or_gives_an_unsound_apn(
    imsi: str, spn: str | None, iccid: str | None, gid1: str | None, mnc_digits: int | None
) -> None:
    carrier = SHIPPED.find(imsi, spn=spn, iccid=iccid, gid1=gid1, mnc_digits=mnc_digits)
    assert apn_is_sound(carrier.apn) and apn_is_sound(carrier.ims_apn)
    assert credential_is_sound(carrier.username) and credential_is_sound(carrier.password)
    assert len(carrier.mcc) in (0, 3) and len(carrier.mnc) in (0, 2, 3)
    assert carrier.country is None or (len(carrier.country) == 2 and carrier.country.isupper())


@pytest.mark.parametrize(
    "apn",
    ["internet", "ims", "IMS", "a", "3gnet", "internet.t-mobile", "x" * 62, "web.mnc001.mcc262.gprs", "a.b-c.d1"],
)
def test_access_point_names_are_sound(apn: str) -> None:
    assert apn_is_sound(apn)


@pytest.mark.parametrize(
    "apn",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "a b",
        "a_b",
        'a"',
        "a\r",
        "a\n",
        "a,b",
        "é",
        "١",
        "*",
        "x" * 63,
        "x" * 64 + ".a",
        "a." * 50 + "a",
        "rac1",
        "LAC.x",
        "sgsn",
        "rnc.internet",
        "web.gprs",
        "http://1.2.3.4",
    ],
)
def test_other_text_is_no_access_point_name(apn: str) -> None:
    assert not apn_is_sound(apn)


@given(st.text(max_size=110))
def test_a_sound_name_holds_nothing_that_ends_a_quoted_string(apn: str) -> None:
    if apn_is_sound(apn):
        assert apn.isascii() and len(apn) <= 99 and all(char.isalnum() or char in "-." for char in apn)
    if credential_is_sound(apn):
        assert apn.isascii() and apn.isprintable() and '"' not in apn and "\\" not in apn
