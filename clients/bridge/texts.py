"""What the bridge itself says in a call, by language. The words of the VPS are always preferred."""

from collections.abc import Mapping
from enum import StrEnum


class Phrase(StrEnum):
    PLEASE_WAIT = "please_wait"
    REPEAT = "repeat"  # the answer was lost: the caller may say it again
    PROBLEM = "problem"  # a second time
    GOODBYE = "goodbye"


BUILT_IN: dict[str, dict[Phrase, str]] = {
    "en": {
        Phrase.PLEASE_WAIT: "One moment, please.",
        Phrase.REPEAT: "I am sorry, could you say that again, please?",
        Phrase.PROBLEM: "I am sorry, we have a technical problem. Please say it once more.",
        Phrase.GOODBYE: "I am sorry, I can't help you right now. Please call again later. Goodbye.",
    },
    "lt": {
        Phrase.PLEASE_WAIT: "Vieną akimirką, prašau.",
        Phrase.REPEAT: "Atsiprašau, ar galėtumėte pakartoti?",
        Phrase.PROBLEM: "Atsiprašome, turime techninių nesklandumų. Prašau pakartoti dar kartą.",
        Phrase.GOODBYE: "Atsiprašau, dabar negaliu padėti. Prašau paskambinti vėliau. Viso gero.",
    },
    "ro": {
        Phrase.PLEASE_WAIT: "Un moment, vă rog.",
        Phrase.REPEAT: "Ne cerem scuze, vă rog să repetați.",
        Phrase.PROBLEM: "Ne cerem scuze, avem o problemă tehnică. Vă rog să mai spuneți o dată.",
        Phrase.GOODBYE: "Ne cerem scuze, acum nu vă pot ajuta. Vă rog să sunați mai târziu. La revedere.",
    },
    "es": {
        Phrase.PLEASE_WAIT: "Un momento, por favor.",
        Phrase.REPEAT: "Lo siento, ¿puede repetirlo, por favor?",
        Phrase.PROBLEM: "Lo siento, tenemos un problema técnico. Por favor, dígalo otra vez.",
        Phrase.GOODBYE: "Lo siento, ahora no puedo ayudarle. Por favor, llame más tarde. Adiós.",
    },
    "de": {
        Phrase.PLEASE_WAIT: "Einen Moment, bitte.",
        Phrase.REPEAT: "Entschuldigung, könnten Sie das bitte wiederholen?",
        Phrase.PROBLEM: "Entschuldigung, wir haben ein technisches Problem. Bitte sagen Sie es noch einmal.",
        Phrase.GOODBYE: "Leider kann ich Ihnen gerade nicht helfen. Bitte rufen Sie später an. Auf Wiederhören.",
    },
    "fr": {
        Phrase.PLEASE_WAIT: "Un instant, s'il vous plaît.",
        Phrase.REPEAT: "Pardon, pouvez-vous répéter, s'il vous plaît ?",
        Phrase.PROBLEM: "Pardon, nous avons un problème technique. Redites-le, s'il vous plaît.",
        Phrase.GOODBYE: "Désolé, je ne peux pas vous aider maintenant. Rappelez plus tard, s'il vous plaît. Au revoir.",
    },
}
DEFAULT = "en"


class Texts:
    """given: [brain.texts.<language>] of bridge.toml, before what is built in."""

    def __init__(self, given: Mapping[str, Mapping[Phrase, str]]) -> None:
        self._given = given

    def text(self, phrase: Phrase, language: str | None) -> tuple[str, str]:
        """The words, and the language that they are in: the wanted one (`lt-LT`), its base (`lt`), or English."""
        for name in _names(language):
            if (own := self._given.get(name, {}).get(phrase)) is not None:
                return own, name
            if name in BUILT_IN:
                return BUILT_IN[name][phrase], name
        return BUILT_IN[DEFAULT][phrase], DEFAULT

    def ours(self, text: str | None) -> bool:
        """Whether the bridge says this by itself; such words are no part of a conversation."""
        return any(text in table.values() for table in (*BUILT_IN.values(), *self._given.values()))


def _names(language: str | None) -> list[str]:
    wanted = (language or DEFAULT).replace("_", "-")
    return [wanted, wanted.split("-")[0].lower(), DEFAULT]
