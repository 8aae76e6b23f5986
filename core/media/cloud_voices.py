"""Which voice of a service speaks a language, where nobody has chosen one. Data and its lookup, pure.

Azure's: the first voice of each locale in "Language and voice support for the Speech service", text to speech, as of
October 2025 (learn.microsoft.com/azure/ai-services/speech-service/language-support); voices/list has all of them.
"""

from collections.abc import Mapping

_AZURE = """
af-ZA-Adri am-ET-Mekdes ar-EG-Salma ar-SA-Zariyah az-AZ-Banu bg-BG-Kalina bn-BD-Nabanita bn-IN-Tanishaa bs-BA-Vesna
ca-ES-Joana cs-CZ-Vlasta cy-GB-Nia da-DK-Christel de-DE-Katja de-AT-Ingrid de-CH-Leni el-GR-Athina en-US-Jenny
en-GB-Sonia en-AU-Natasha en-CA-Clara en-IE-Emily en-IN-Neerja en-NZ-Molly en-ZA-Leah es-ES-Elvira es-MX-Dalia
es-AR-Elena es-US-Paloma et-EE-Anu eu-ES-Ainhoa fa-IR-Dilara fi-FI-Selma fil-PH-Blessica fr-FR-Denise fr-BE-Charline
fr-CA-Sylvie fr-CH-Ariane ga-IE-Orla gl-ES-Sabela gu-IN-Dhwani he-IL-Hila hi-IN-Swara hr-HR-Gabrijela hu-HU-Noemi
hy-AM-Anahit id-ID-Gadis is-IS-Gudrun it-IT-Elsa ja-JP-Nanami jv-ID-Siti ka-GE-Eka kk-KZ-Aigul km-KH-Sreymom
kn-IN-Sapna ko-KR-SunHi lo-LA-Keomany lt-LT-Ona lv-LV-Everita mk-MK-Marija ml-IN-Sobhana mn-MN-Yesui mr-IN-Aarohi
ms-MY-Yasmin mt-MT-Grace my-MM-Nilar nb-NO-Pernille ne-NP-Hemkala nl-NL-Fenna nl-BE-Dena or-IN-Subhasini pa-IN-Vaani
pl-PL-Agnieszka ps-AF-Latifa pt-BR-Francisca pt-PT-Raquel ro-RO-Alina ru-RU-Svetlana si-LK-Thilini sk-SK-Viktoria
sl-SI-Petra so-SO-Ubax sq-AL-Anila sr-RS-Sophie su-ID-Tuti sv-SE-Sofie sw-KE-Zuri ta-IN-Pallavi te-IN-Shruti
th-TH-Premwadee tr-TR-Emel uk-UA-Polina ur-PK-Uzma uz-UZ-Madina vi-VN-HoaiMy yue-CN-XiaoMin zh-CN-Xiaoxiao
zh-HK-HiuMaan zh-TW-HsiaoChen zu-ZA-Thando
"""
AZURE_VOICES: dict[str, str] = {name.rpartition("-")[0].lower(): f"{name}Neural" for name in _AZURE.split()}
"""By locale in small letters. The first locale of a language is the one for its bare tag."""

_RELATIVES = {"no": "nb", "nn": "nb", "iw": "he", "in": "id", "cmn": "zh", "tl": "fil", "sh": "sr", "gsw": "de-ch"}


def voice_of(language: str, chosen: str | None, voices: Mapping[str, str]) -> str | None:
    """The chosen voice where it speaks the language; else that of the locale, else that of any locale with the tag."""
    tag = language.lower().replace("_", "-")
    primary = tag.partition("-")[0]
    if chosen is not None and chosen.lower().partition("-")[0] == primary:
        return chosen
    for wanted in (tag, _RELATIVES.get(tag, tag), _RELATIVES.get(primary, primary)):
        if wanted in voices:
            return voices[wanted]
        found = next((voice for locale, voice in voices.items() if locale.partition("-")[0] == wanted), None)
        if found is not None:
            return found
    return next((voice for locale, voice in voices.items() if locale.partition("-")[0] == primary), None)
